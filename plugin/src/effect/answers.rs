//! What the effect answers when a host asks about time, space and identity. Every answer follows
//! from the same [`Plan`] as the render.
//! <https://openfx.readthedocs.io/en/main/Reference/ofxImageEffectActions.html>

use std::ffi::CStr;

use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::image_effect::*;

use super::choices::{Choices, KeysFrom};
use super::describe::{KEY_B, SOURCE};
use super::hosts::Quirks;
use super::params::*;
use super::planning::{KeySource, Plan};
use crate::ofx::{Context, EffectRef, IfKnown, Props, Region, Reply, Result, c_text};

/// Prefix of the out-argument that holds a clip's frames needed.
const FRAMES_OF: &str = "OfxImageClipPropFrameRange_";
/// Prefix of the out-argument that holds a clip's region of interest.
const REGION_OF: &str = "OfxImageClipPropRoI_";

/// Answers GetClipPreferences: the output differs from frame to frame even between still keys.
/// Natron would otherwise render one frame and show it for ever.
pub(crate) fn clip_preferences(out: Props<'_>) -> Result<Reply> {
    out.set_ints(kOfxImageEffectFrameVarying, &[1]).if_known();
    Ok(Reply::Ok)
}

/// Answers IsIdentity: at a key and beyond, the output is a frame of a clip.
pub(crate) fn identity(effect: &EffectRef<'_>, time: f64, out: Props<'_>) -> Result<Reply> {
    let Some((choices, plan)) = plan(effect, time) else { return Ok(Reply::Default) };
    let Some((_, KeySource::Clip { name, time: key_time })) = plan.shown_key(choices.output) else {
        return Ok(Reply::Default);
    };
    if Quirks::of(effect.host()).phantom_clips {
        // The clip may be connected in name only, which is seen when its picture is fetched.
        return Ok(Reply::Default);
    }
    let Some(clip) = effect.clip(name).filter(|clip| !clip.is_surely_unconnected()) else {
        // The render will say what is missing.
        return Ok(Reply::Default);
    };
    let key_time = clip.nearest_time(*key_time);
    if key_time != time && !effect.host().temporal_access() {
        return Ok(Reply::Default);
    }
    out.set_strings(kOfxPropName, &[name])?;
    out.set_doubles(kOfxPropTime, &[key_time])?;
    Ok(Reply::Ok)
}

/// Answers GetFramesNeeded.
pub(crate) fn frames_needed(effect: &EffectRef<'_>, time: f64, out: Props<'_>) -> Result<Reply> {
    let Some((choices, plan)) = plan(effect, time) else { return Ok(Reply::Default) };
    let needed = plan.needed(choices.output);
    let mut answered = false;
    for clip_name in [SOURCE, KEY_B, super::describe::SOURCE_FROM, super::describe::SOURCE_TO] {
        let ranges: Vec<f64> = key_times(effect, &needed, clip_name).flat_map(|t| [t, t]).collect();
        if !ranges.is_empty() {
            out.set_doubles(&c_text(&format!("{FRAMES_OF}{}", text(clip_name))), &ranges)?;
            answered = true;
        }
    }
    Ok(if answered { Reply::Ok } else { Reply::Default })
}

/// Answers GetRegionsOfInterest: motion may carry anything anywhere, so always whole keys.
pub(crate) fn regions_of_interest(
    effect: &EffectRef<'_>,
    time: f64,
    out: Props<'_>,
) -> Result<Reply> {
    let Some((choices, plan)) = plan(effect, time) else { return Ok(Reply::Default) };
    let needed = plan.needed(choices.output);
    let mut answered = false;
    for clip_name in [SOURCE, KEY_B, super::describe::SOURCE_FROM, super::describe::SOURCE_TO] {
        let regions = key_times(effect, &needed, clip_name)
            .filter_map(|time| effect.clip(clip_name)?.region_of_definition(time));
        if let Some(region) = regions.reduce(Region::union) {
            let name = c_text(&format!("{REGION_OF}{}", text(clip_name)));
            out.set_doubles(&name, &region.edges())?;
            answered = true;
        }
    }
    Ok(if answered { Reply::Ok } else { Reply::Default })
}

/// Answers GetRegionOfDefinition: where the keys that are needed have pixels.
pub(crate) fn region_of_definition(
    effect: &EffectRef<'_>,
    time: f64,
    out: Props<'_>,
) -> Result<Reply> {
    let Some((choices, plan)) = plan(effect, time) else { return Ok(Reply::Default) };
    let region = plan
        .needed(choices.output)
        .into_iter()
        .filter_map(|source| match source {
            KeySource::Clip { name, time } => {
                let clip = effect.clip(name)?;
                clip.region_of_definition(clip.nearest_time(*time))
            }
            KeySource::File(_) => None,
        })
        .reduce(Region::union);
    let Some(region) = region else { return Ok(Reply::Default) };
    out.set_doubles(kOfxImageEffectPropRegionOfDefinition, &region.edges())?;
    Ok(Reply::Ok)
}

/// Answers GetTimeDomain: with keys of their own, the span; otherwise what the clip has.
pub(crate) fn time_domain(effect: &EffectRef<'_>, out: Props<'_>) -> Result<Reply> {
    let Ok(choices) = Choices::read(effect, 0.0) else { return Ok(Reply::Default) };
    let own_span = choices.context == Context::General && choices.keys_from != KeysFrom::OneClip;
    if !own_span || choices.timing().is_err() {
        return Ok(Reply::Default);
    }
    out.set_doubles(kOfxImageEffectPropFrameRange, &choices.key_times)?;
    Ok(Reply::Ok)
}

/// Greys out what the present choices make meaningless.
pub(crate) fn enable_params(effect: &EffectRef<'_>) -> Result<Reply> {
    let params = effect.params()?;
    let Ok(context) = effect.context() else { return Ok(Reply::Ok) };
    if context != Context::Transition
        && let Ok(index) = params.choice(KEYS_FROM, 0.0)
    {
        for id in [FIRST_FILE, LAST_FILE] {
            params.set_enabled(id, index == KeysFrom::Files.index()).if_known();
        }
    }
    if let Ok(index) = params.choice(CHART, 0.0) {
        params.set_enabled(CUSTOM_CHART, index == CUSTOM_OPTION).if_known();
    }
    Ok(Reply::Ok)
}

/// The choices and the plan. `None` when there is none yet: then the host does what it does by
/// default, and the render says what to change.
fn plan(effect: &EffectRef<'_>, time: f64) -> Option<(Choices, Plan)> {
    let planned = Choices::read(effect, time).and_then(|choices| {
        let plan = Plan::new(&choices, time)?;
        Ok((choices, plan))
    });
    planned.inspect_err(|error| log::debug!("no plan for {time}: {error}")).ok()
}

/// The times at which `clip_name` is needed, as the render will ask for them.
fn key_times<'a>(
    effect: &'a EffectRef<'a>,
    needed: &'a [&KeySource],
    clip_name: &'a CStr,
) -> impl Iterator<Item = f64> + 'a {
    needed.iter().filter_map(move |source| match source {
        KeySource::Clip { name, time } if *name == clip_name => {
            Some(effect.clip(name)?.nearest_time(*time))
        }
        _ => None,
    })
}

fn text(name: &CStr) -> &str {
    name.to_str().expect("clip names are ASCII")
}
