//! The name of a drawing: everything that decides its pixels, and nothing else.

use crate::{ContentHash, Encoding, EngineKind, Output, Quality, Request, Settings, SketchRef};

/// Part of every key: a change of the byte form below, or of what a stored drawing means, gets
/// another number, so that old entries are never found again.
const FORMAT: &[u8] = b"inbetween drawing 1\0";

/// The content address of the drawing that an engine of `engine_version` makes for `request`.
///
/// Each field is written with a fixed width or with its length ahead, so no two requests share a
/// byte form.
pub fn key(request: &Request, engine_version: &str) -> ContentHash {
    // Taken apart field by field: a new field cannot be forgotten here.
    let Request { first, last, sketches, position, settings } = request;
    let Settings { engine, encoding, quality, output } = settings;

    let mut hasher = blake3::Hasher::new();
    hasher.update(FORMAT);
    hasher.update(&[engine_tag(*engine)]);
    hasher.update(&length(engine_version.len()));
    hasher.update(engine_version.as_bytes());
    hasher.update(&first.0);
    hasher.update(&last.0);
    hasher.update(&bits(*position));
    hasher.update(&length(sketches.len()));
    for SketchRef { position, picture } in sketches {
        hasher.update(&bits(*position));
        hasher.update(&picture.0);
    }
    hasher.update(&[encoding_tag(*encoding), quality_tag(*quality), output_tag(*output)]);
    hasher.finalize().into()
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
            "68737113b95e4d8c72acbbe8ba9bfd6f1de6ddbe48368f47734e6ab909f945e6"
        );
    }

    #[test]
    fn whatever_decides_the_pixels_decides_the_key() {
        let changes: [fn(&mut Request); 12] = [
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

    #[test]
    fn zero_has_one_key() {
        let mut minus = request();
        minus.sketches[0].position = -0.0;
        let mut plus = request();
        plus.sketches[0].position = 0.0;
        assert_eq!(key(&minus, "1"), key(&plus, "1"));
    }
}
