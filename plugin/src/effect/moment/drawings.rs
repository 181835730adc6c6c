//! Drawings of Source as keys: which one is shown at a time, how long it is held, and which come
//! before and after it.

use std::sync::Arc;

use inbetween_core::exposure::{Analyser, Boundary, DrawingExtent, LocalAnalyser, Signature};

use super::plan::no_other_frames;
use super::prepare::OutputPicture;
use super::source_frames::SourceFrames;
use crate::effect::names::{OUTPUT_CLIP, SOURCE};
use crate::effect::parameters::choices::{Choices, KeysFrom};
use crate::effect::parameters::rows::*;
use crate::ofx::{Clip, EffectRef, Error, Progress, Result};

/// How many frames to search for another drawing. A hold of four seconds is recognised as a whole.
const FAR: usize = 96;

/// A clip with more frames than this does not really know its length.
const LONGEST_CLIP: f64 = 1e6;

/// How many frames to search if only the current drawing matters.
const NEAR: usize = 12;

/// The span that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The one before the current keys.
    Previous,
    /// The one around the frame that the artist is looking at.
    Here,
    /// The one after the current keys.
    Next,
}

/// Sets the keys to two neighbouring drawings of Source; returns a message with their frames.
///
/// # Errors
/// When there is no such pair of drawings, or the clip cannot be examined; the text gives the
/// reason.
pub(crate) fn set_span(
    effect: &EffectRef<'_>,
    choices: &Choices,
    time: f64,
    wanted: Wanted,
) -> Result<String> {
    if choices.keys_from != KeysFrom::OneClip || choices.retime.is_some() {
        return Err(Error::ForArtist(
            "Drawings are found for keys in one clip. Choose Draw: In-betweens of two keys, and Keys from: \
             Times in one clip."
                .into(),
        ));
    }
    let mut clip = DrawingSearch::new(effect, choices, time)?;
    let [first_key, last_key] = choices.key_times.map(frame_of);
    let (first, last) = match wanted {
        Wanted::Here => {
            let here = clip.drawing(frame_of(time), FAR)?;
            (here.first, following(&here)?)
        }
        Wanted::Next => {
            let from = clip.drawing(last_key, FAR)?;
            (from.first, following(&from)?)
        }
        Wanted::Previous => {
            let to = clip.drawing(first_key, FAR)?;
            let before = preceding(&to)?;
            (clip.drawing(before, FAR)?.first, to.first)
        }
    };
    let params = effect.params()?;
    params.set_double(FIRST_KEY.id, first as f64)?;
    params.set_double(LAST_KEY.id, last as f64)?;
    let between = match last - first - 1 {
        0 => "there is no frame between them".to_owned(),
        1 => "1 frame lies between them".to_owned(),
        frames => format!("{frames} frames lie between them"),
    };
    Ok(format!("First key on {first}, Last key on {last}: two drawings, {between}."))
}

/// A drawing of a clip.
pub(crate) struct FoundDrawing {
    /// Its first frame.
    pub(crate) frame: i64,
    /// It differs so much from the previous drawing that it may show another scene.
    pub(crate) seems_cut: bool,
}

/// All drawings of Source, in order. Blank and missing frames belong to the drawing before them.
/// # Errors
/// When the host does not say which frames the clip has, or the clip cannot be examined; the text
/// gives the reason.
pub(crate) fn every_drawing(
    effect: &EffectRef<'_>,
    choices: &Choices,
    time: f64,
) -> Result<Vec<FoundDrawing>> {
    if choices.keys_from != KeysFrom::EveryDrawing || choices.retime.is_some() {
        return Err(Error::ForArtist(
            "All drawings of a clip are found for keys in it. Choose Draw: In-betweens of two keys, and Keys from: \
             Every drawing in one clip."
                .into(),
        ));
    }
    let DrawingSearch { mut sight, clip, mut progress, .. } =
        DrawingSearch::new(effect, choices, time)?;
    let range = clip.frame_range().filter(|(first, last)| last - first < LONGEST_CLIP);
    let (first, last) = range.ok_or_else(|| {
        Error::ForArtist(
            "This host does not tell which frames Source has. Write the frames on which the keys stand into Key \
             frames, such as 1 7 12."
                .into(),
        )
    })?;
    let (first, last) = (frame_of(first), frame_of(last));
    let mut analyser = Analyser::new();
    let mut frames = Vec::new();
    for frame in first..=last {
        if !progress.update((frame - first) as f64 / (last - first + 1) as f64) {
            return Err(inbetween_core::Error::Cancelled.into());
        }
        if clip.has_frame(frame as f64)
            && let Some(signature) = sight.signature_of_drawing(frame as f64)?
        {
            analyser.push_signature(signature);
            frames.push(frame);
        }
    }
    sight.connected()?;
    let sheet = analyser.finish();
    let found = sheet.drawings().iter();
    Ok(found
        .map(|drawing| FoundDrawing { frame: frames[drawing.first], seems_cut: drawing.cut })
        .collect())
}

/// What Source shows at `time`, in words.
///
/// # Errors
/// When the clip cannot be examined.
pub(crate) fn exposure(effect: &EffectRef<'_>, choices: &Choices, time: f64) -> Result<String> {
    let mut clip = DrawingSearch::new(effect, choices, time)?;
    Ok(in_words(&clip.drawing(frame_of(time), NEAR)?))
}

/// The frame shown at a time. Hosts that count in seconds are slightly off.
fn frame_of(time: f64) -> i64 {
    (time + inbetween_core::timing::TIME_TOLERANCE).floor() as i64
}

/// `Drawing held on frames 12 to 13, next at 14.`
fn in_words(found: &DrawingExtent) -> String {
    let (first, last) = (found.first, found.end - 1);
    if found.drifts {
        return format!("The picture changes slowly on frames {first} to {last}.");
    }
    let held = if first == last {
        format!("Drawing on frame {first}")
    } else if found.panned {
        format!("Drawing held on frames {first} to {last} while the picture moves")
    } else {
        format!("Drawing held on frames {first} to {last}")
    };
    let next = match found.after {
        Boundary::Drawing => format!("next at {}", found.end),
        Boundary::Cut => format!("a new scene at {}", found.end),
        Boundary::ClipEnd => "the last of the clip".to_owned(),
        Boundary::Unknown => "and longer".to_owned(),
    };
    format!("{held}, {next}.")
}

/// The first frame of the next drawing.
fn following(found: &DrawingExtent) -> Result<i64> {
    let last = found.end - 1;
    let why = match found.after {
        _ if found.drifts => return Err(drifts(found)),
        Boundary::Drawing => return Ok(found.end),
        Boundary::Cut => format!(
            "The drawing on frames {} to {last} is the last of its scene, a new one begins at {}. Nothing is \
             drawn across a cut: go to a frame behind it and press Span around this frame.",
            found.first, found.end
        ),
        Boundary::ClipEnd => format!(
            "The drawing on frames {} to {last} is the last of Source. Go to an earlier frame.",
            found.first
        ),
        Boundary::Unknown => format!(
            "No other drawing within {FAR} frames: frames {} to {last} all show the same one. Set First key and \
             Last key by hand.",
            found.first
        ),
    };
    Err(Error::ForArtist(why))
}

/// The last frame of the previous drawing.
fn preceding(found: &DrawingExtent) -> Result<i64> {
    let first = found.first;
    let why = match found.before {
        _ if found.drifts => return Err(drifts(found)),
        Boundary::Drawing => return Ok(first - 1),
        Boundary::Cut => format!(
            "A scene begins at frame {first}. Nothing is drawn across a cut: go to a frame ahead of it and \
             press Span around this frame."
        ),
        Boundary::ClipEnd => {
            format!("The drawing at frame {first} is the first of Source. Go to a later frame.")
        }
        Boundary::Unknown => format!(
            "No other drawing within {FAR} frames: frames {first} to {} all show the same one. Set First key \
             and Last key by hand.",
            found.end - 1
        ),
    };
    Err(Error::ForArtist(why))
}

fn drifts(found: &DrawingExtent) -> Error {
    Error::ForArtist(format!(
        "On frames {} to {} the picture changes so slowly that no drawing can be told from the next. Set First \
         key and Last key by hand.",
        found.first,
        found.end - 1
    ))
}

/// Source while an artist's action examines it.
struct DrawingSearch<'a> {
    sight: SourceFrames<'a>,
    clip: Clip<'a>,
    progress: Progress<'a>,
    count: usize,
}

impl<'a> DrawingSearch<'a> {
    fn new(effect: &'a EffectRef<'a>, choices: &Choices, time: f64) -> Result<Self> {
        if !effect.host().temporal_access() {
            return Err(no_other_frames("Choose Keys from: Image files."));
        }
        let clip = effect.clip(SOURCE).ok_or(Error::HostLacks("the clip Source"))?;
        let depth = clip.depth().or(effect.clip(OUTPUT_CLIP).and_then(|clip| clip.depth()));
        let output = OutputPicture::of(effect, time);
        let encoding = choices.encoding(depth.unwrap_or(output.depth), effect.host().quirks());
        let sight = SourceFrames::new(effect, encoding, output.whole)?;
        let progress = Progress::new(effect, "Looking for drawings");
        Ok(Self { sight, clip, progress, count: 0 })
    }

    /// The drawing on a frame, as far as the `reach` frames around it show.
    fn drawing(&mut self, frame: i64, reach: usize) -> Result<DrawingExtent> {
        let Self { sight, clip, progress, count } = self;
        let fetch = |frame: i64| -> Result<Option<Arc<Signature>>> {
            let time = frame as f64;
            if !clip.has_frame(time) {
                return Ok(None);
            }
            *count += 1;
            // Most searches end early, so the progress is fast at first and slows down towards the
            // end.
            if !progress.update(*count as f64 / (*count + reach) as f64) {
                return Err(inbetween_core::Error::Cancelled.into());
            }
            sight.signature(time)
        };
        let found = LocalAnalyser::new(fetch).drawing_at(frame, reach)?;
        self.sight.connected()?;
        found.ok_or_else(|| {
            Error::ForArtist(format!(
                "Source has no picture at frame {frame}. Go to a frame that it has and press Span around \
                 this frame."
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(first: i64, end: i64, after: Boundary) -> DrawingExtent {
        DrawingExtent { first, end, before: Boundary::Drawing, after, panned: false, drifts: false }
    }

    #[test]
    fn exposures_read_as_an_animator_says_them() {
        let words = |found: DrawingExtent| in_words(&found);
        let said = words(found(12, 14, Boundary::Drawing));
        assert_eq!(said, "Drawing held on frames 12 to 13, next at 14.");
        assert_eq!(words(found(12, 13, Boundary::Drawing)), "Drawing on frame 12, next at 13.");
        assert!(words(found(1, 3, Boundary::Cut)).ends_with("a new scene at 3."));
        assert!(words(found(1, 3, Boundary::ClipEnd)).ends_with("the last of the clip."));
        assert!(words(found(1, 90, Boundary::Unknown)).ends_with("and longer."));
        assert!(
            words(DrawingExtent { panned: true, ..found(1, 3, Boundary::Cut) }).contains("moves")
        );
    }

    #[test]
    fn no_key_is_offered_across_a_cut_or_beyond_the_clip() {
        assert_eq!(following(&found(12, 14, Boundary::Drawing)).unwrap(), 14);
        assert_eq!(preceding(&found(12, 14, Boundary::Drawing)).unwrap(), 11);
        for (after, says) in [
            (Boundary::Cut, "across a cut"),
            (Boundary::ClipEnd, "last of Source"),
            (Boundary::Unknown, "No other drawing within 96 frames"),
        ] {
            let found = found(12, 14, after);
            let said = following(&found).unwrap_err().user_message().unwrap();
            assert!(said.contains(says), "{said}");
            let said = preceding(&DrawingExtent { before: after, ..found }).unwrap_err();
            assert!(said.user_message().is_some(), "{said}");
        }
        let slow = DrawingExtent { drifts: true, ..found(12, 40, Boundary::Drawing) };
        assert!(following(&slow).is_err() && preceding(&slow).is_err());
    }

    #[test]
    fn a_time_beside_a_frame_is_that_frame() {
        assert_eq!([11.99999, 12.0, 12.00001, 12.9].map(frame_of), [12; 4]);
    }
}
