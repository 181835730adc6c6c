//! What happens in InstanceChanged: parameters are enabled, buttons do their work, finished drawings are
//! noticed. It is the one action in which every host lets an effect set its own parameters.

use std::ffi::CStr;

use inbetween_core::EngineKind;
use inbetween_core::queue::Priority;

use super::background::{self, Report};
use super::choices::Choices;
use super::describe::OUTPUT_CLIP;
use super::engines;
use super::hosts::Quirks;
use super::params::*;
use super::planning::{Plan, moments};
use super::prepare::Prepared;
use super::{answers, sketches};
use crate::ofx::{
    Changed, Context, Depth, EffectRef, IfKnown, Rect, Reply, Result, forget_dialog, show_message,
};

/// Answers InstanceChanged.
pub(crate) fn changed(effect: &EffectRef<'_>, changed: &Changed) -> Result<Reply> {
    if changed.by_plugin {
        return Ok(Reply::Ok);
    }
    forget_dialog(effect);
    answers::enable_params(effect)?;
    let is = |id: &CStr| id.to_str() == Ok(changed.name.as_str());
    let said = if is(GENERATE) {
        Some(generate(effect, changed.time).unwrap_or_else(|error| {
            let text = error.user_message().unwrap_or_else(|| error.to_string());
            show_message(effect, &text);
            text
        }))
    } else if is(CANCEL) {
        Some(match background::cancel(effect.address()) {
            0 => "Nothing was being drawn in the background.".to_owned(),
            count => format!("Stopped {}.", drawings(count)),
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

/// What is happening, in one line.
fn state(effect: &EffectRef<'_>, time: f64, report: &Report) -> String {
    let mut parts = Vec::new();
    match Choices::read(effect, time) {
        Ok(choices) => parts.push(format!("Engine: {}.", choices.engine().name())),
        Err(error) => parts.extend(error.user_message()),
    }
    if report.running > 0 {
        let percent = 100.0 * report.progress;
        let phase = report.phase.as_ref().map(|phase| format!(" ({phase})")).unwrap_or_default();
        parts.push(format!("Drawing {}, {percent:.0} %{phase}.", drawings(report.running)));
    }
    if report.finished > 0 {
        parts.push(format!("Finished {}.", drawings(report.finished)));
    }
    if let Some(failure) = &report.failure {
        parts.push(failure.clone());
    } else if report.running == 0 && report.finished == 0 {
        parts.push("Nothing is being drawn in the background.".into());
    }
    parts.join(" ")
}

fn drawings(count: usize) -> String {
    if count == 1 { "1 in-between".into() } else { format!("{count} in-betweens") }
}

fn clear_cache() -> String {
    inbetween_core::picture::forget_all();
    sketches::forget_all();
    match engines::queue().and_then(|queue| queue.cache().clear()) {
        Ok((files, bytes)) => {
            format!("The cache is empty: {files} files, {} MB deleted.", bytes / 1_000_000)
        }
        Err(error) => error.user_message(),
    }
}

/// Starts every in-between of the span that is not drawn yet; gives what was started.
fn generate(effect: &EffectRef<'_>, time: f64) -> Result<String> {
    let choices = Choices::read(effect, time)?;
    let plan = Plan::new(&choices, time)?;
    let output = Picture::of_output(effect, time);
    let settings = choices.settings(output.depth, Quirks::of(effect.host()))?;
    if settings.engine == EngineKind::ToonCrafter {
        engines::choose_worker(&choices.worker)?;
    }
    let positions: Vec<f64> = if choices.context == Context::Transition {
        vec![plan.drawn_position()]
    } else {
        moments(&choices.timing()?)?.into_iter().map(|moment| moment.position).collect()
    };
    let Some(&first) = positions.first() else {
        return Ok("There is no frame between the keys.".into());
    };
    let queue = engines::queue()?;
    let prepared =
        Prepared::new(effect, &choices, &plan.at_position(first), &settings, output.whole)?;
    let requests: Vec<_> = positions
        .iter()
        .map(|&position| inbetween_core::Request { position, ..prepared.request.clone() })
        .filter(|request| queue.cached(request).is_none())
        .collect();
    if requests.is_empty() {
        return Ok(format!("All {} are finished already.", drawings(positions.len())));
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
    Ok(format!("Drawing {} with {engine}.{wait} Press Status to look.", drawings(count)))
}

/// What a render of the output would be, where no render is going on.
struct Picture {
    depth: Depth,
    whole: Rect,
}

impl Picture {
    fn of_output(effect: &EffectRef<'_>, time: f64) -> Self {
        let clip = effect.clip(OUTPUT_CLIP);
        let depth = clip.and_then(|clip| clip.depth()).unwrap_or(Depth::Float);
        let region = clip.and_then(|clip| clip.region_of_definition(time));
        let whole = region.map_or(Rect { x1: 0, y1: 0, x2: 0, y2: 0 }, |region| {
            let [x1, y1, x2, y2] = region.edges();
            Rect::from_edges([
                x1.floor() as i32,
                y1.floor() as i32,
                x2.ceil() as i32,
                y2.ceil() as i32,
            ])
        });
        Self { depth, whole }
    }
}
