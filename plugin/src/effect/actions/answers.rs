//! The effect's answers when a host asks about time, space and identity. Every answer follows from
//! the same [`Task`] as the render.
//! <https://openfx.readthedocs.io/en/main/Reference/ofxImageEffectActions.html>

use std::ffi::CStr;

use inbetween_core::{EngineKind, Output};
use openfx::sys::generic::core::*;
use openfx::sys::image_effect_v1::colour::*;
use openfx::sys::image_effect_v1::image_effect::*;

use crate::effect::moment::keys;
use crate::effect::moment::plan::KeySource;
use crate::effect::moment::prepare::region_of_files;
use crate::effect::moment::task::{Needs, Task};
use crate::effect::names::{KEY_B, SKETCH, SOURCE, SOURCE_FROM, SOURCE_TO};
use crate::effect::parameters::choices::Choices;
use crate::effect::parameters::pins;
use crate::effect::parameters::reader::ParamReader;
use crate::effect::parameters::rows::{self, *};
use crate::ofx::{Context, EffectRef, IfKnown, Props, Region, Reply, Result, c_text};

/// Prefix of the out-argument for the frames needed from a clip.
const FRAMES_OF: &str = "OfxImageClipPropFrameRange_";
/// Prefix of the out-argument for the preferred colourspaces of a clip.
const PREFERRED_COLOURSPACES_OF: &str = "OfxImageClipPropPreferredColourspaces_";
/// The colourspace of values that are not colours.
const NO_COLOURS: &CStr = c"ofx_raw";
/// Prefix of the out-argument for a clip's region of interest.
const REGION_OF: &str = "OfxImageClipPropRoI_";

/// Answers GetClipPreferences: the output varies from frame to frame even between still keys
/// (otherwise Natron would render one frame and show it for ever), and a retimed clip has its new
/// rate.
pub(crate) fn clip_preferences(effect: &EffectRef<'_>, out: Props<'_>) -> Result<Reply> {
    out.set_ints(kOfxImageEffectFrameVarying, &[1]).if_known();
    if effect.manages_colours() {
        // Keys are compared, so both are requested in the same colourspace, whichever it is.
        let pairs = [(KEY_B, c"OfxColourspace_Source"), (SOURCE_TO, c"OfxColourspace_SourceFrom")];
        for (clip, same) in pairs {
            let name = c_text(&format!("{PREFERRED_COLOURSPACES_OF}{}", clip.to_string_lossy()));
            out.set_strings(&name, &[same]).if_known();
        }
    }
    if effect.host().sets_frame_rate()
        && let Some(rate) = asked(effect, 0.0, |task| task.frame_rate())
    {
        out.set_doubles(kOfxImageEffectPropFrameRate, &[rate.per_second()]).if_known();
    }
    Ok(Reply::Ok)
}

/// Answers GetOutputColourspace: drawings are in the colourspace of the first key; confidence and
/// motion are not colours.
pub(crate) fn output_colourspace(effect: &EffectRef<'_>, out: Props<'_>) -> Result<Reply> {
    let output = Choices::read(effect, 0.0).map(|choices| choices.output);
    if !matches!(output, Ok(Output::Confidence | Output::Motion)) {
        return Ok(Reply::Default);
    }
    out.set_strings(kOfxImageClipPropColourspace, &[NO_COLOURS])?;
    Ok(Reply::Ok)
}

/// Answers IsIdentity: at a key and beyond, the output is a frame of a clip.
pub(crate) fn identity(effect: &EffectRef<'_>, time: f64, out: Props<'_>) -> Result<Reply> {
    let Some(Needs { shown: Some(shown), .. }) = needs(effect, time) else {
        return Ok(Reply::Default);
    };
    if effect.host().quirks().phantom_clips {
        // Some hosts report every clip as connected. Only fetching a picture shows whether this one
        // really is.
        return Ok(Reply::Default);
    }
    let Some((name, key_time)) = fetch(effect, &shown) else {
        // The render will report what is missing.
        return Ok(Reply::Default);
    };
    if key_time != time && !effect.host().temporal_access() {
        return Ok(Reply::Default);
    }
    out.set_strings(kOfxPropName, &[name])?;
    out.set_doubles(kOfxPropTime, &[key_time])?;
    Ok(Reply::Ok)
}

/// Answers GetFramesNeeded.
pub(crate) fn frames_needed(effect: &EffectRef<'_>, time: f64, out: Props<'_>) -> Result<Reply> {
    let Some(needs) = needs(effect, time) else { return Ok(Reply::Default) };
    let fetches = Fetches::of(effect, &needs.all);
    for (name, times) in fetches.by_clip() {
        let ranges: Vec<f64> = times.flat_map(|time| [time, time]).collect();
        out.set_doubles(&c_text(&format!("{FRAMES_OF}{name}")), &ranges)?;
    }
    Ok(fetches.reply())
}

/// Answers GetRegionsOfInterest with whole pictures, because motion may carry anything anywhere.
pub(crate) fn regions_of_interest(
    effect: &EffectRef<'_>,
    time: f64,
    out: Props<'_>,
) -> Result<Reply> {
    let Some(needs) = needs(effect, time) else { return Ok(Reply::Default) };
    let fetches = Fetches::of(effect, &needs.all);
    let mut reply = Reply::Default;
    for (name, times) in fetches.by_clip() {
        // Without an answer a host delivers only the part under the render window, and the
        // in-between would be drawn from parts of the keys. The project's size is not a limit,
        // because keys may extend beyond it.
        let region = fetches.region(name, times).unwrap_or(Region::EVERYTHING);
        out.set_doubles(&c_text(&format!("{REGION_OF}{name}")), &region.edges())?;
        reply = Reply::Ok;
    }
    Ok(reply)
}

/// Answers GetRegionOfDefinition with the area in which the needed keys have pixels. Sketches do
/// not extend it.
pub(crate) fn region_of_definition(
    effect: &EffectRef<'_>,
    time: f64,
    out: Props<'_>,
) -> Result<Reply> {
    let Some(needs) = needs(effect, time) else { return Ok(Reply::Default) };
    let fetches = Fetches::of(effect, &needs.keys);
    let regions = fetches.by_clip().filter_map(|(name, times)| fetches.region(name, times));
    let of_files = || {
        let files = needs.keys.iter().all(|key| matches!(key, KeySource::File(_)));
        files.then(|| region_of_files(effect, time)).flatten()
    };
    let region = regions.reduce(Region::union).or_else(of_files);
    let Some(region) = region else { return Ok(Reply::Default) };
    out.set_doubles(kOfxImageEffectPropRegionOfDefinition, &region.edges())?;
    Ok(Reply::Ok)
}

/// Answers GetTimeDomain: the span if keys have their own times, the new frames of a retimed clip,
/// otherwise the frames of the clip.
pub(crate) fn time_domain(effect: &EffectRef<'_>, out: Props<'_>) -> Result<Reply> {
    let Some(range) = asked(effect, 0.0, |task| task.frame_range()) else {
        return Ok(Reply::Default);
    };
    out.set_doubles(kOfxImageEffectPropFrameRange, &range)?;
    Ok(Reply::Ok)
}

/// Greys out the parameters that have no effect with the current choices.
pub(crate) fn enable_params(effect: &EffectRef<'_>) -> Result<Reply> {
    let params = effect.params()?;
    let Ok(context) = effect.context() else { return Ok(Reply::Ok) };
    let enable = |id, enabled| params.set_enabled(id, enabled).if_known();
    let timed = context != Context::Transition;
    let pick = ParamReader::new(&params, 0.0);
    let retimed = timed && pick.choice(&MODE).is_ok_and(|mode| mode == Mode::Retime);
    let keys_from = if timed { pick.choice(&KEYS_FROM).ok() } else { None };
    if let Some(keys_from) = keys_from {
        for id in [KEYS_FROM.id, EXPOSURE.id] {
            enable(id, !retimed);
        }
        let every = keys_from == KeysFrom::EveryDrawing;
        for id in [FIRST_KEY.id, LAST_KEY.id] {
            enable(id, !retimed && !every);
        }
        enable(KEY_FRAMES.id, !retimed && every);
        enable(FIND_DRAWINGS, !retimed && every && effect.host().temporal_access());
        for id in [FIRST_FILE.id, LAST_FILE.id] {
            enable(id, !retimed && keys_from == KeysFrom::Files);
        }
        let finds = effect.host().temporal_access() && keys_from == KeysFrom::OneClip;
        for id in [PREVIOUS_DRAWING, SPAN_HERE, NEXT_DRAWING] {
            enable(id, !retimed && finds);
        }
        OF_RETIMING.iter().for_each(|id| enable(id, retimed));
        let custom = pick.choice(&TO_RATE).is_ok_and(|to| to == ToRate::Custom);
        enable(CUSTOM_RATE.id, retimed && custom);
        let told = asked(effect, 0.0, |task| Some(task.retime()?.has_range()));
        enable(CLIP_START.id, retimed && told != Some(true));
    }
    enable(CHART.id, !retimed);
    if let Ok(chart) = pick.choice(&CHART) {
        enable(CUSTOM_CHART.id, !retimed && chart.is_none());
    }
    let Ok(engine) = pick.choice(&ENGINE) else { return Ok(Reply::Ok) };
    let tooncrafter = engine != Some(EngineKind::Flow);
    let guided = pick.number(&GUIDANCE).is_ok_and(|guidance| guidance > 1.0);
    let sketched =
        !retimed && context == Context::General && pick.switch(&USE_SKETCH).unwrap_or(false);
    for param in rows::all().filter(|param| param.contexts.contains(&context)) {
        let RowKind::Setting(setting) = param.what else { continue };
        if setting.engine() == Some(EngineKind::ToonCrafter) {
            let id = setting.id();
            let heeded = (id != RESCALE.id || guided) && (id != SKETCH_CHECKPOINT.id || sketched);
            enable(id, tooncrafter && heeded);
        }
    }
    let heeded = !retimed && engine != Some(EngineKind::ToonCrafter);
    enable(USE_PINS.id, heeded);
    if let Some(keys_from) = keys_from {
        let several = retimed || keys_from == KeysFrom::EveryDrawing;
        enable(MOTION_PATH.id, several && engine != Some(EngineKind::ToonCrafter) && !sketched);
    }
    pins::show(&params, &pick, heeded && pick.switch(&USE_PINS).unwrap_or(false));
    if context == Context::General {
        enable(USE_SKETCH.id, !retimed);
        [SKETCH_LINES.id, SKETCH_STRENGTH.id].into_iter().for_each(|id| enable(id, sketched));
    }
    Ok(Reply::Ok)
}

/// The result of `answer` for the effect's task; `None` also if there is no task yet because
/// something is missing.
fn asked<T>(
    effect: &EffectRef<'_>,
    time: f64,
    answer: impl FnOnce(&Task<'_>) -> Option<T>,
) -> Option<T> {
    let choices = Choices::read(effect, time).ok()?;
    answer(&Task::of(effect, &choices).ok()?)
}

/// What `time` needs; `None` when there is no plan yet. In that case the host uses its default, and
/// the render says what to change.
fn needs(effect: &EffectRef<'_>, time: f64) -> Option<Needs> {
    let needs = Choices::read(effect, time)
        .and_then(|choices| Task::of(effect, &choices).and_then(|task| task.needs(time)));
    needs.inspect_err(|error| log::debug!("no plan for {time}: {error}")).ok()
}

/// The clip that contains `source`, and the time at which the render asks for it.
fn fetch(effect: &EffectRef<'_>, source: &KeySource) -> Option<(&'static CStr, f64)> {
    match source {
        KeySource::Clip { name, time } => Some((name, keys::fetch_time(effect, name, *time)?)),
        KeySource::Found { time } => {
            let clip = effect.clip(SOURCE).filter(|clip| !clip.is_surely_unconnected());
            clip.map(|_| (SOURCE, *time))
        }
        KeySource::File(_) => None,
    }
}

/// The clips that a plan needs, each with the times at which the render will ask for it.
struct Fetches<'a> {
    effect: &'a EffectRef<'a>,
    found: Vec<(&'static CStr, f64)>,
}

impl<'a> Fetches<'a> {
    fn of(effect: &'a EffectRef<'a>, needed: &[KeySource]) -> Self {
        let mut found = Vec::new();
        for source in needed {
            let Some(fetch) = fetch(effect, source) else { continue };
            if !found.contains(&fetch) {
                found.push(fetch);
            }
        }
        Self { effect, found }
    }

    /// Each clip with its times.
    fn by_clip(&self) -> impl Iterator<Item = (&'static str, impl Iterator<Item = f64>)> {
        [SOURCE, KEY_B, SKETCH, SOURCE_FROM, SOURCE_TO].into_iter().filter_map(|clip| {
            let mut times = self
                .found
                .iter()
                .filter(move |(name, _)| *name == clip)
                .map(|(_, t)| *t)
                .peekable();
            times.peek()?;
            Some((clip.to_str().expect("clip names are ASCII"), times))
        })
    }

    /// Where the clip has pixels at any of `times`.
    fn region(&self, name: &str, times: impl Iterator<Item = f64>) -> Option<Region> {
        let clip = self.effect.clip(&c_text(name))?;
        times.filter_map(|time| clip.region_of_definition(time)).reduce(Region::union)
    }

    fn reply(&self) -> Reply {
        if self.found.is_empty() { Reply::Default } else { Reply::Ok }
    }
}
