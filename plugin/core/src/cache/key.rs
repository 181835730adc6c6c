//! The name of a drawing: everything that decides its pixels, and nothing else.

use crate::settings::{PrecisionChoice, SolverChoice, ToonCrafterSettings, WeightRef};
use crate::{ContentHash, Encoding, EngineKind, Output, Quality, Request, Settings, SketchRef};

/// Part of every key: a change of the byte form below, or of what a stored drawing means, gets
/// another number, so that old entries are never found again.
const FORMAT: &[u8] = b"inbetween drawing 2\0";

/// The same for the spans that ToonCrafter generates.
const SPAN_FORMAT: &[u8] = b"inbetween span 1\0";

/// The content address of the drawing that an engine of `engine_version` makes for `request`.
///
/// Each field is written with a fixed width or with its length ahead, so no two requests share a
/// byte form.
pub fn key(request: &Request, engine_version: &str) -> ContentHash {
    // Taken apart field by field: a new field cannot be forgotten here.
    let Request { first: _, last: _, sketches: _, position, settings } = request;
    let Settings { engine, encoding: _, quality, output, sketch_strength: _, tooncrafter: _ } =
        settings;

    let mut hasher = blake3::Hasher::new();
    hasher.update(FORMAT);
    hasher.update(&[engine_tag(*engine)]);
    add_span(&mut hasher, request, engine_version);
    hasher.update(&bits(*position));
    hasher.update(&[quality_tag(*quality), output_tag(*output)]);
    hasher.finalize().into()
}

/// The content address of all that is shared by the drawings of one span: the same for every
/// position, quality and output.
pub fn span_key(request: &Request, engine_version: &str) -> ContentHash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(SPAN_FORMAT);
    hasher.update(&[engine_tag(request.settings.engine)]);
    add_span(&mut hasher, request, engine_version);
    hasher.finalize().into()
}

fn add_span(hasher: &mut blake3::Hasher, request: &Request, engine_version: &str) {
    let Request { first, last, sketches, position: _, settings } = request;
    let Settings { engine, encoding, quality: _, output: _, sketch_strength, tooncrafter } =
        settings;
    add_text(hasher, engine_version);
    hasher.update(&first.0);
    hasher.update(&last.0);
    hasher.update(&[encoding_tag(*encoding)]);
    hasher.update(&length(sketches.len()));
    for SketchRef { position, picture } in sketches {
        hasher.update(&bits(*position));
        hasher.update(&picture.0);
    }
    if !sketches.is_empty() {
        hasher.update(&bits(*sketch_strength));
    }
    match (engine, tooncrafter) {
        (EngineKind::ToonCrafter, Some(settings)) => {
            add_tooncrafter(hasher, settings, !sketches.is_empty());
        }
        (EngineKind::ToonCrafter, None) | (EngineKind::Flow, _) => {}
    }
}

fn add_tooncrafter(hasher: &mut blake3::Hasher, settings: &ToonCrafterSettings, sketched: bool) {
    let ToonCrafterSettings {
        checkpoint,
        sketch_checkpoint,
        prompt,
        seed,
        steps,
        solver,
        guidance,
        rescale,
        motion,
        precision,
        // They decide how long it takes, and nothing else.
        device: _,
        memory_limit_mb: _,
    } = settings;
    let print = |weights: &WeightRef| weights.fingerprint.0;
    hasher.update(&print(checkpoint));
    // Without sketches the sketch encoder is not used.
    match sketch_checkpoint.as_ref().filter(|_| sketched) {
        Some(weights) => hasher.update(&[1]).update(&print(weights)),
        None => hasher.update(&[0]),
    };
    add_text(hasher, prompt);
    hasher.update(&seed.to_le_bytes());
    hasher.update(&steps.to_le_bytes());
    for number in [guidance, rescale, motion] {
        hasher.update(&bits(*number));
    }
    hasher.update(&[solver_tag(*solver), precision_tag(*precision)]);
}

fn add_text(hasher: &mut blake3::Hasher, text: &str) {
    hasher.update(&length(text.len()));
    hasher.update(text.as_bytes());
}

fn length(of: usize) -> [u8; 8] {
    (of as u64).to_le_bytes()
}

fn bits(position: f64) -> [u8; 8] {
    // Adding 0 makes -0 and 0 the same position.
    (position + 0.0).to_bits().to_le_bytes()
}

// Numbers once given stay: they are on disk. A new variant takes a new one.

fn engine_tag(engine: EngineKind) -> u8 {
    match engine {
        EngineKind::Flow => 1,
        EngineKind::ToonCrafter => 2,
    }
}

fn solver_tag(solver: SolverChoice) -> u8 {
    match solver {
        SolverChoice::Ddim => 1,
        SolverChoice::UniPc => 2,
    }
}

fn precision_tag(precision: PrecisionChoice) -> u8 {
    match precision {
        PrecisionChoice::Auto => 1,
        PrecisionChoice::F32 => 2,
        PrecisionChoice::Bf16 => 3,
    }
}

fn encoding_tag(encoding: Encoding) -> u8 {
    match encoding {
        Encoding::Srgb => 1,
        Encoding::Linear => 2,
    }
}

fn quality_tag(quality: Quality) -> u8 {
    match quality {
        Quality::Draft => 1,
        Quality::Standard => 2,
        Quality::High => 3,
    }
}

fn output_tag(output: Output) -> u8 {
    match output {
        Output::InBetween => 1,
        Output::Confidence => 2,
        Output::Motion => 3,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn request() -> Request {
        Request {
            first: ContentHash::of(b"first"),
            last: ContentHash::of(b"last"),
            sketches: vec![SketchRef { position: 0.25, picture: ContentHash::of(b"sketch") }],
            position: 0.5,
            settings: Settings::default(),
        }
    }

    #[test]
    fn equal_requests_share_a_key() {
        assert_eq!(key(&request(), "1"), key(&request(), "1"));
    }

    #[test]
    fn the_key_is_the_same_on_every_machine_and_in_every_release_of_this_format() {
        // Changes only together with FORMAT.
        assert_eq!(
            key(&request(), "1").to_string(),
            "88e02d514356495915ac9f970369e1e0863ce46baea7e2a6d2aea5b8d350c6a0"
        );
    }

    #[test]
    fn whatever_decides_the_pixels_decides_the_key() {
        let changes: [fn(&mut Request); 13] = [
            |_| (),
            |r| r.first = ContentHash::of(b"other"),
            |r| r.last = ContentHash::of(b"other"),
            |r| std::mem::swap(&mut r.first, &mut r.last),
            |r| r.position = 0.5 + f64::EPSILON,
            |r| r.sketches.clear(),
            |r| r.sketches[0].position = 0.75,
            |r| r.sketches[0].picture = ContentHash::of(b"other"),
            |r| r.sketches.push(r.sketches[0].clone()),
            |r| r.settings.encoding = Encoding::Linear,
            |r| r.settings.quality = Quality::Draft,
            |r| r.settings.output = Output::Motion,
            |r| r.settings.sketch_strength = 0.5,
        ];
        let mut keys: HashSet<ContentHash> = changes
            .iter()
            .map(|change| {
                let mut request = request();
                change(&mut request);
                key(&request, "1")
            })
            .collect();
        keys.insert(key(&request(), "2"));
        keys.insert(key(&request(), ""));
        assert_eq!(keys.len(), changes.len() + 2);
    }

    fn tooncrafter(change: fn(&mut ToonCrafterSettings)) -> Request {
        let weights = |name: &str| WeightRef {
            path: name.into(),
            fingerprint: ContentHash::of(name.as_bytes()),
        };
        let mut settings = ToonCrafterSettings::new(weights("model"));
        settings.sketch_checkpoint = Some(weights("sketch"));
        change(&mut settings);
        let mut request = request();
        request.settings.engine = EngineKind::ToonCrafter;
        request.settings.tooncrafter = Some(Box::new(settings));
        request
    }

    #[test]
    fn every_setting_of_tooncrafter_that_changes_pictures_changes_both_keys() {
        let changes: [fn(&mut ToonCrafterSettings); 11] = [
            |_| (),
            |s| s.checkpoint.fingerprint = ContentHash::of(b"other"),
            |s| s.sketch_checkpoint = None,
            |s| s.prompt = "a walk".into(),
            |s| s.seed = 124,
            |s| s.steps = 50,
            |s| s.solver = SolverChoice::Ddim,
            |s| s.guidance = 7.0,
            |s| s.rescale = 0.0,
            |s| s.motion = 24.0,
            |s| s.precision = PrecisionChoice::Bf16,
        ];
        let all = |key: fn(&Request, &str) -> ContentHash| {
            changes.iter().map(|change| key(&tooncrafter(*change), "1")).collect::<HashSet<_>>()
        };
        assert_eq!(all(key).len(), changes.len());
        assert_eq!(all(span_key).len(), changes.len());
        assert!(all(key).is_disjoint(&all(span_key)));
    }

    #[test]
    fn where_and_from_which_folder_it_is_computed_does_not_change_the_key() {
        let plain = tooncrafter(|_| ());
        for other in [
            tooncrafter(|s| s.device = crate::settings::DeviceChoice::Cpu),
            tooncrafter(|s| s.memory_limit_mb = Some(12_000)),
            tooncrafter(|s| s.checkpoint.path = "/elsewhere/model".into()),
        ] {
            assert_eq!(key(&plain, "1"), key(&other, "1"));
        }
    }

    #[test]
    fn a_span_is_shared_by_its_positions_and_outputs() {
        let mut other = request();
        other.position = 0.75;
        other.settings.output = Output::Confidence;
        assert_eq!(span_key(&request(), "1"), span_key(&other, "1"));
        other.settings.sketch_strength = 0.5;
        assert_ne!(span_key(&request(), "1"), span_key(&other, "1"));
    }

    #[test]
    fn zero_has_one_key() {
        let mut minus = request();
        minus.sketches[0].position = -0.0;
        let mut plus = request();
        plus.sketches[0].position = 0.0;
        assert_eq!(key(&minus, "1"), key(&plus, "1"));
    }
}
