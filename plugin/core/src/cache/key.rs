//! The name of a drawing: everything that decides its pixels, and nothing else.

use crate::settings::list::*;
use crate::settings::{
    AnySetting, PrecisionChoice, Setting, SolverChoice, ToonCrafterSettings, WeightRef,
};
use crate::{
    ContentHash, Encoding, EngineKind, Neighbour, Output, Pin, Quality, Request, Settings,
    SketchRef,
};

/// Part of every key. Raise this number when the byte format below or the meaning of a stored
/// drawing changes, so that old entries are never found again.
const FORMAT: &[u8] = b"inbetween drawing 2\0";

/// The same for the spans that ToonCrafter generates.
const SPAN_FORMAT: &[u8] = b"inbetween span 1\0";

/// The content address of the drawing that an engine of version `engine_version` makes for
/// `request`.
///
/// Each field is written with a fixed width or preceded by its length, so no two requests have the
/// same bytes.
pub fn key(request: &Request, engine_version: &str) -> ContentHash {
    drawing(request, engine_version).hasher.finalize().into()
}

/// The content address of what all drawings of one span share: it does not depend on position,
/// quality or output.
pub fn span_key(request: &Request, engine_version: &str) -> ContentHash {
    let mut name = Name::new(SPAN_FORMAT);
    name.tag(&ENGINE, engine_tag(request.settings.engine));
    add_span(&mut name, request, engine_version);
    name.hasher.finalize().into()
}

fn drawing(request: &Request, engine_version: &str) -> Name {
    // Destructured field by field, so that a new field cannot be forgotten here.
    let Request { first: _, last: _, sketches: _, pins, neighbours, position, settings } = request;
    let Settings { engine, encoding: _, quality, output, sketch_strength: _, tooncrafter: _ } =
        settings;

    let mut name = Name::new(FORMAT);
    name.tag(&ENGINE, engine_tag(*engine));
    add_span(&mut name, request, engine_version);
    name.hasher.update(&bits(*position));
    name.tag(&QUALITY, quality_tag(*quality));
    name.tag(&OUTPUT, output_tag(*output));
    add_pins(&mut name, pins);
    add_neighbours(&mut name, neighbours);
    name
}

/// Without pins nothing is added, so drawings keep the names they had before pins existed.
fn add_pins(name: &mut Name, pins: &[Pin]) {
    if pins.is_empty() {
        return;
    }
    name.text("pins");
    name.hasher.update(&length(pins.len()));
    for Pin { first, last, way } in pins {
        for place in first.iter().chain(last) {
            name.hasher.update(&bits(*place));
        }
        name.hasher.update(&[u8::from(way.is_some())]);
        if let Some(way) = way {
            for number in [way.position, way.at[0], way.at[1]] {
                name.hasher.update(&bits(number));
            }
        }
    }
}

/// Without neighbours nothing is added, as with pins.
fn add_neighbours(name: &mut Name, neighbours: &[Option<Neighbour>; 2]) {
    if neighbours.iter().all(Option::is_none) {
        return;
    }
    name.text("neighbours");
    for neighbour in neighbours {
        name.hasher.update(&[u8::from(neighbour.is_some())]);
        if let Some(Neighbour { position, picture }) = neighbour {
            name.hasher.update(&bits(*position)).update(&picture.0);
        }
    }
}

/// A name under construction. Each value is added together with its row in the list of settings, so
/// that a test can compare what was written with what the list says decides the look of a drawing.
struct Name {
    hasher: blake3::Hasher,
    #[cfg(test)]
    written: Vec<&'static std::ffi::CStr>,
}

impl Name {
    fn new(format: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(format);
        Self {
            hasher,
            #[cfg(test)]
            written: Vec::new(),
        }
    }

    fn value(&mut self, _of: &impl AnySetting, bytes: &[u8]) {
        #[cfg(test)]
        self.written.push(_of.id());
        self.hasher.update(bytes);
    }

    fn tag(&mut self, of: &impl AnySetting, tag: u8) {
        self.value(of, &[tag]);
    }

    fn number(&mut self, of: &Setting<crate::settings::Number>, value: f64) {
        self.value(of, &bits(value));
    }

    fn text(&mut self, text: &str) {
        self.hasher.update(&length(text.len())).update(text.as_bytes());
    }
}

fn add_span(name: &mut Name, request: &Request, engine_version: &str) {
    // The engine that generates spans uses neither pins nor neighbours.
    let Request { first, last, sketches, pins: _, neighbours: _, position: _, settings } = request;
    let Settings { engine, encoding, quality: _, output: _, sketch_strength, tooncrafter } =
        settings;
    name.text(engine_version);
    name.hasher.update(&first.0).update(&last.0);
    name.tag(&COLOUR, encoding_tag(*encoding));
    name.hasher.update(&length(sketches.len()));
    for SketchRef { position, picture } in sketches {
        name.hasher.update(&bits(*position)).update(&picture.0);
    }
    if !sketches.is_empty() {
        name.number(&SKETCH_STRENGTH, *sketch_strength);
    }
    match (engine, tooncrafter) {
        (EngineKind::ToonCrafter, Some(settings)) => {
            add_tooncrafter(name, settings, !sketches.is_empty());
        }
        (EngineKind::ToonCrafter, None) | (EngineKind::Flow, _) => {}
    }
}

fn add_tooncrafter(name: &mut Name, settings: &ToonCrafterSettings, sketched: bool) {
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
        // Device and memory limit only decide how long the drawing takes.
        device: _,
        memory_limit_mb: _,
    } = settings;
    let print = |weights: &WeightRef| weights.fingerprint.0;
    name.value(&CHECKPOINT, &print(checkpoint));
    // Without sketches the sketch encoder is not used.
    match sketch_checkpoint.as_ref().filter(|_| sketched) {
        Some(weights) => {
            name.tag(&SKETCH_CHECKPOINT, 1);
            name.hasher.update(&print(weights));
        }
        None => name.tag(&SKETCH_CHECKPOINT, 0),
    }
    name.value(&PROMPT, &length(prompt.len()));
    name.hasher.update(prompt.as_bytes());
    name.value(&SEED, &seed.to_le_bytes());
    name.value(&STEPS, &steps.to_le_bytes());
    name.number(&GUIDANCE, *guidance);
    name.number(&RESCALE, *rescale);
    name.number(&MOTION, *motion);
    name.tag(&SOLVER, solver_tag(*solver));
    name.tag(&PRECISION, precision_tag(*precision));
}

fn length(of: usize) -> [u8; 8] {
    (of as u64).to_le_bytes()
}

fn bits(position: f64) -> [u8; 8] {
    // Adding 0 turns -0 into 0, which is the same position.
    (position + 0.0).to_bits().to_le_bytes()
}

// These numbers are on disk, so they never change. A new variant gets a new number.

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
    use crate::WayPoint;

    fn request() -> Request {
        Request {
            first: ContentHash::of(b"first"),
            last: ContentHash::of(b"last"),
            sketches: vec![SketchRef { position: 0.25, picture: ContentHash::of(b"sketch") }],
            pins: Vec::new(),
            neighbours: [None, None],
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
        const PIN: Pin = Pin { first: [0.25; 2], last: [0.5; 2], way: None };
        const BESIDE: Neighbour = Neighbour { position: -1.0, picture: ContentHash([8; 32]) };
        const WAY: Option<WayPoint> = Some(WayPoint { position: 0.5, at: [0.25, 0.5] });
        let changes: [fn(&mut Request); 23] = [
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
            |r| r.pins = vec![PIN],
            |r| r.pins = vec![PIN, PIN],
            |r| r.neighbours[0] = Some(BESIDE),
            |r| r.neighbours[1] = Some(BESIDE),
            |r| r.neighbours = [Some(BESIDE), Some(BESIDE)],
            |r| r.neighbours[0] = Some(Neighbour { position: -2.0, ..BESIDE }),
            |r| r.neighbours[0] = Some(Neighbour { picture: ContentHash([7; 32]), ..BESIDE }),
            |r| r.pins = vec![Pin { first: [0.25, 0.75], ..PIN }],
            |r| r.pins = vec![Pin { last: [0.25, 0.75], ..PIN }],
            |r| r.pins = vec![Pin { way: WAY, ..PIN }],
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
    fn a_drawing_is_named_by_the_settings_that_the_list_says_decide_its_look() {
        use crate::settings::Decides;

        let of_look = ALL.iter().filter(|setting| setting.decides() == Decides::Look);
        let of_look: HashSet<_> = of_look.map(|setting| setting.id()).collect();
        let name = drawing(&tooncrafter(|_| ()), "1");
        let written: HashSet<_> = name.written.iter().copied().collect();
        assert_eq!(written, of_look);
        assert_eq!(name.written.len(), written.len(), "each once");
    }

    #[test]
    fn the_key_of_tooncrafter_is_the_same_in_every_release_of_this_format() {
        // Changes only together with FORMAT and SPAN_FORMAT.
        let request = tooncrafter(|s| s.prompt = "a walk".into());
        assert_eq!(
            key(&request, "1").to_string(),
            "5175dbfe329f8322bdc37a4f6ae39a697cac62d5cd9ec95def5ddea5b7125744"
        );
        assert_eq!(
            span_key(&request, "1").to_string(),
            "78f2a2a54ee63f15ca54b80e302d6778c510ac6f003813d9a414813e9cbb2152"
        );
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
