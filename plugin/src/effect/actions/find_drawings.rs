//! Fills the list of keys with the frames on which the drawings of Source begin.

use inbetween_core::queue::Priority;
use inbetween_core::timing::KeyFrames;
use inbetween_core::{EngineKind, Output, Quality, Settings};

use super::engines::queue;
use super::render::wait;
use crate::effect::moment::drawings::{FoundDrawing, every_drawing};
use crate::effect::moment::plan::{KeySource, MomentPlan};
use crate::effect::moment::prepare::{OutputPicture, Prepared};
use crate::effect::parameters::choices::Choices;
use crate::effect::parameters::rows::*;
use crate::ofx::{EffectRef, Error, Result};

/// Finds all drawings and enters them; returns a message with their number.
///
/// # Errors
/// When the clip shows no drawing, or cannot be examined; the text gives the reason.
pub(super) fn find_drawings(effect: &EffectRef<'_>, time: f64) -> Result<String> {
    let mut choices = Choices::read(effect, time)?;
    // Pins connect any two keys, but these frames are not keys yet.
    choices.pins.clear();
    let found = every_drawing(effect, &choices, time)?;
    let mut scenes: Vec<Vec<i64>> = Vec::new();
    for drawing in found {
        let before = scenes.last().and_then(|scene| scene.last());
        match before {
            Some(&before) if !begins_scene(effect, &choices, before, &drawing, time)? => {
                scenes.last_mut().expect("it has a drawing").push(drawing.frame);
            }
            _ => scenes.push(vec![drawing.frame]),
        }
    }
    let count = scenes.len();
    let keys = KeyFrames::new(scenes).map_err(|_| {
        Error::ForArtist(
            "Source shows no drawing: all of its frames are blank. Connect a clip that holds the key drawings.".into(),
        )
    })?;
    effect.params()?.set_string(KEY_FRAMES.id, &keys.to_string())?;
    let scenes = if count == 1 { String::new() } else { format!(" in {count} scenes") };
    Ok(match keys.count() {
        1 => {
            format!("Source shows one drawing, on frame {keys}. There is nothing to draw between.")
        }
        drawings => format!("{drawings} drawings{scenes}: {keys}."),
    })
}

/// Whether a drawing shows another scene than the one on frame `before`. Keys are far apart, so
/// much of what they show is new even without a cut. Therefore the engine that draws between them
/// decides.
fn begins_scene(
    effect: &EffectRef<'_>,
    choices: &Choices,
    before: i64,
    drawing: &FoundDrawing,
    time: f64,
) -> Result<bool> {
    if !drawing.seems_cut {
        return Ok(false);
    }
    let output = OutputPicture::of(effect, time);
    let settings = Settings {
        engine: EngineKind::Flow,
        encoding: choices.encoding(output.depth, effect.host().quirks()),
        quality: Quality::Draft,
        output: Output::InBetween,
        ..Settings::default()
    };
    let key = |frame: i64| KeySource::Found { time: frame as f64 };
    let plan = MomentPlan::halfway(key(before), key(drawing.frame));
    let prepared = Prepared::new(effect, choices, &plan, &settings, output.whole, [1.0; 2])?;
    let request = prepared.request.clone();
    let job = prepared.into_pictures()?.job(request);
    Ok(wait(effect, queue()?.submit(job, Priority::Final))?.cut)
}
