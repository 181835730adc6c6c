//! InstanceChanged: enables parameters, carries out buttons, and notices finished drawings. This is
//! the one action in which every host lets an effect set its own parameters.

use std::ffi::CStr;

use inbetween_core::queue::Priority;
use inbetween_core::retime::Rate;
use inbetween_core::settings::AnyKind;
use inbetween_core::{EngineKind, process_memo};

use super::answers;
use super::background::{self, Report};
use super::engines;
use super::find_drawings::find_drawings;
use crate::effect::moment::drawings::{self, Wanted};
use crate::effect::moment::prepare::{OutputPicture, Prepared};
use crate::effect::moment::task::Task;
use crate::effect::parameters::choices::{Choices, KeysFrom};
use crate::effect::parameters::pins;
use crate::effect::parameters::reader::ParamReader;
use crate::effect::parameters::rows::*;
use crate::ofx::{
    Changed, EffectRef, IfKnown, Reply, Result, clear_message, forget_dialog, show_message,
};

/// Answers InstanceChanged.
pub(crate) fn changed(effect: &EffectRef<'_>, changed: &Changed) -> Result<Reply> {
    answers::enable_params(effect)?;
    if changed.by_plugin {
        // Either the effect itself made the change, or the host has loaded the value from a
        // project. Only what is enabled is updated.
        return Ok(Reply::Ok);
    }
    forget_dialog(effect);
    place_pins(effect, changed)?;
    let is = |id: &CStr| id.to_str() == Ok(changed.name.as_str());
    let or_why = |done: Result<String>| match done {
        Ok(text) => {
            // This press succeeded, so the message of an earlier one is removed.
            clear_message(effect);
            text
        }
        Err(error) => match error.user_message() {
            Some(text) => {
                log::error!("{text}");
                show_message(effect, &text);
                text
            }
            None => "Stopped.".to_owned(),
        },
    };
    let span = [(PREVIOUS_DRAWING, Wanted::Previous), (SPAN_HERE, Wanted::Here)]
        .into_iter()
        .chain([(NEXT_DRAWING, Wanted::Next)])
        .find_map(|(id, wanted)| is(id).then_some(wanted));
    let said = if is(GENERATE) {
        Some(or_why(generate(effect, changed.time)))
    } else if let Some(wanted) = span {
        let choices = Choices::read(effect, changed.time);
        Some(or_why(
            choices.and_then(|choices| drawings::set_span(effect, &choices, changed.time, wanted)),
        ))
    } else if is(FIND_DRAWINGS) || (is(KEYS_FROM.id) && lacks_keys(effect, changed.time)) {
        Some(or_why(find_drawings(effect, changed.time)))
    } else if is(PRESET.id) {
        let set = or_why(set_preset(effect, changed.time));
        answers::enable_params(effect)?;
        Some(set)
    } else if is(CANCEL) {
        Some(match background::cancel(effect.address()) {
            0 => "Nothing was being drawn in the background.".to_owned(),
            count => format!("Stopped {}.", in_betweens(count)),
        })
    } else if is(CLEAR_CACHE) {
        Some(clear_cache())
    } else if is(STATUS) {
        Some(String::new())
    } else {
        None
    };
    let report = background::report(effect.address());
    let params = effect.params()?;
    if report.to_replace > 0 {
        let revision = params.integer(REVISION, changed.time).unwrap_or(0);
        params.set_integer(REVISION, revision.wrapping_add(1).max(0)).if_known();
    }
    if let Some(said) = said {
        let text = if said.is_empty() { state(effect, changed.time, &report) } else { said };
        params.set_string(STATUS_TEXT, &text).if_known();
    }
    Ok(Reply::Ok)
}

/// Puts pins that have come into use where they can be seen.
fn place_pins(effect: &EffectRef<'_>, changed: &Changed) -> Result<()> {
    let params = effect.params()?;
    let pick = ParamReader::new(&params, changed.time);
    pins::put(&params, &pick, effect.project_region(), &changed.name)
}

/// Whether the artist has just chosen every drawing of a clip whose drawings have not been looked
/// for yet.
fn lacks_keys(effect: &EffectRef<'_>, time: f64) -> bool {
    let Ok(params) = effect.params() else { return false };
    let pick = ParamReader::new(&params, time);
    let every = pick.choice(&KEYS_FROM).is_ok_and(|from| from == KeysFrom::EveryDrawing);
    every && pick.text(&KEY_FRAMES).is_ok_and(|keys| keys.is_empty())
}

/// Sets the parameters of the chosen preset, and says so in one line.
fn set_preset(effect: &EffectRef<'_>, time: f64) -> Result<String> {
    let params = effect.params()?;
    let Some(preset) = ParamReader::new(&params, time).choice(&PRESET)? else {
        return Ok("No preset: nothing is set.".to_owned());
    };
    let mut told = Vec::new();
    for (setting, to) in preset.sets() {
        let (set, value) = match to {
            SetTo::Option(index, name) => {
                let label = match setting.kind() {
                    AnyKind::Choice(of) => of.labels()[index].to_string_lossy().into_owned(),
                    _ => name.to_owned(),
                };
                (params.set_integer(setting.id(), index as i32), label)
            }
            SetTo::Number(number) => (params.set_double(setting.id(), number), number.to_string()),
        };
        // A transition has no exposure and does not retime, and some hosts lack a type of
        // parameter.
        if set.is_ok() {
            told.push(format!("{} {value}", setting.label().to_string_lossy()));
        }
    }
    Ok(format!("The preset has set {}.", told.join(", ")))
}

/// The current state in one line.
fn state(effect: &EffectRef<'_>, time: f64, report: &Report) -> String {
    let mut parts = Vec::new();
    match Choices::read(effect, time) {
        Ok(choices) => {
            parts.push(format!("Engine: {}.", choices.engine().name()));
            parts.extend(seen(effect, &choices, time));
            parts.extend(doubt(effect, &choices, time).ok().flatten());
        }
        Err(error) => parts.extend(error.user_message()),
    }
    if report.running > 0 {
        let percent = 100.0 * report.progress;
        let phase = report.phase.as_ref().map(|phase| format!(" ({phase})")).unwrap_or_default();
        parts.push(format!("Drawing {}, {percent:.0} %{phase}.", in_betweens(report.running)));
    }
    if report.finished > 0 {
        parts.push(format!("Finished {}.", in_betweens(report.finished)));
    }
    if let Some(failure) = &report.failure {
        parts.push(failure.clone());
    } else if report.running == 0 && report.finished == 0 {
        parts.push("Nothing is being drawn in the background.".into());
    }
    parts.join(" ")
}

/// The part of the drawing at this time that cannot be trusted, if it is drawn.
fn doubt(effect: &EffectRef<'_>, choices: &Choices, time: f64) -> Result<Option<String>> {
    let output = OutputPicture::of(effect, time);
    let settings = choices.settings(output.depth, effect.host().quirks())?;
    let plan = Task::of(effect, choices)?.plan(effect, settings.encoding, output.whole, time)?;
    if plan.held || plan.shown_key(settings.output).is_some() {
        return Ok(None);
    }
    let prepared = Prepared::new(effect, choices, &plan, &settings, output.of_files, [1.0; 2])?;
    let drawn = engines::queue()?.cached(&prepared.request, prepared.size());
    Ok(drawn.and_then(|drawn| prepared.teller.doubt(&drawn)))
}

/// What the clip shows, in words, if drawings are looked for in it.
fn seen(effect: &EffectRef<'_>, choices: &Choices, time: f64) -> Option<String> {
    let task = match Task::of(effect, choices) {
        Ok(task) => task,
        Err(error) => return error.user_message(),
    };
    let Some(retime) = task.retime() else {
        return matches!(choices.keys_from, KeysFrom::OneClip | KeysFrom::EveryDrawing)
            .then(|| drawings::exposure(effect, choices, time).ok())
            .flatten();
    };
    let (from, to) = retime.rates();
    let mut said = format!("From {} to {} frames per second", decimal(from), decimal(to));
    if let Some((first, last)) = retime.range() {
        said += &format!(", frames {first} to {last}");
    }
    said.push('.');
    if let Ok(exposure) =
        retime.source_time(time).and_then(|at| drawings::exposure(effect, choices, at))
    {
        said += &format!(" In Source: {exposure}");
    }
    Some(said)
}

/// `24`, `23.976`.
fn decimal(rate: Rate) -> String {
    let text = format!("{:.3}", rate.per_second());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn in_betweens(count: usize) -> String {
    if count == 1 { "1 in-between".into() } else { format!("{count} in-betweens") }
}

fn clear_cache() -> String {
    process_memo::forget_all();
    match engines::queue().and_then(|queue| queue.cache().clear()) {
        Ok((files, bytes)) => {
            format!("The cache is empty: {files} files, {} MB deleted.", bytes / 1_000_000)
        }
        Err(error) => error.user_message(),
    }
}

/// Starts every in-between of the span that is not drawn yet. Returns a message about what was
/// started.
fn generate(effect: &EffectRef<'_>, time: f64) -> Result<String> {
    let choices = Choices::read(effect, time)?;
    let output = OutputPicture::of(effect, time);
    let settings = choices.settings(output.depth, effect.host().quirks())?;
    let task = Task::of(effect, &choices)?;
    let (plan, positions) = task.positions(effect, settings.encoding, output.whole, time)?;
    let Some(&first) = positions.first() else {
        return Ok(if task.retime().is_some() {
            "Nothing is drawn here: frames of Source are shown as they are.".into()
        } else {
            "There is no frame between the keys.".into()
        });
    };
    let queue = engines::queue()?;
    let prepared = Prepared::new(
        effect,
        &choices,
        &plan.at_position(first),
        &settings,
        output.of_files,
        [1.0; 2],
    )?;
    let requests: Vec<_> = positions
        .iter()
        .map(|&position| inbetween_core::Request { position, ..prepared.request.clone() })
        .filter(|request| queue.cached(request, prepared.size()).is_none())
        .collect();
    if requests.is_empty() {
        return Ok(format!("All {} are finished already.", in_betweens(positions.len())));
    }
    let pictures = prepared.into_pictures()?;
    let count = requests.len();
    for request in requests {
        let key = queue.key(&request)?;
        let ticket = queue.submit(pictures.job(request), Priority::Final);
        background::keep(effect.address(), key, ticket, false);
    }
    let wait = match settings.engine {
        EngineKind::ToonCrafter => " The first takes longest: it is the whole span.",
        EngineKind::Flow => "",
    };
    let engine = settings.engine.name();
    let note = choices.note.map(|note| format!(" {note}")).unwrap_or_default();
    Ok(format!("Drawing {} with {engine}.{wait} Press Status to look.{note}", in_betweens(count)))
}
