//! Checks of what the plug-in says about itself and its parameters.

use std::{ffi::CStr, sync::Arc};

use super::names::taken_by;
use crate::{
    checks::{
        fixture::{Fixture, SIZE},
        outcome::{Checked, Outcome, Stop, require},
    },
    host::effect::{Effect, short},
    host::param::{Param, ParamType, default_of, in_project},
    host::plugin::Plugin,
    host::sys::*,
};

fn is(context: &str, name: &CStr) -> bool {
    context.as_bytes() == name.to_bytes()
}

pub(super) fn describes_itself(fixture: &Fixture) -> Checked {
    let plugin = fixture.started()?;
    let descriptor = plugin.descriptor().ok_or_else(|| Stop::Fail("no descriptor".into()))?;
    let label = descriptor.props.text(kOfxPropLabel).unwrap_or_default();
    require(descriptor.props.was_set(kOfxPropLabel) && !label.is_empty(), || {
        "there is no label".into()
    })?;
    require(!descriptor.depths().is_empty(), || "no pixel depth is stated".into())?;
    let offered = descriptor.props.texts(kOfxImageEffectPropSupportedContexts);
    require(!offered.is_empty(), || "no context is stated".into())?;
    require(!is_obsolete(&plugin) || plugin.has_other_version(), || {
        "it is marked obsolete, and the file has no other version of it: no host offers it".into()
    })?;
    let contexts = fixture.contexts(&plugin)?;
    for context in &contexts {
        mandated(&*plugin.context(context)?, context)?;
    }
    let group = descriptor.props.text(kOfxImageEffectPluginPropGrouping).unwrap_or_default();
    if group.is_empty() {
        return Ok(Outcome::Warning("no group is stated: hosts file it under \"other\"".into()));
    }
    if label.contains('-') && fixture.profile.id == "nuke" {
        let text = format!("Nuke makes node names of labels and dislikes the dash in \"{label}\"");
        return Ok(Outcome::Warning(text));
    }
    Ok(Outcome::Success(format!("\"{label}\" in {group}")))
}

/// Whether hosts show it only in old projects.
fn is_obsolete(plugin: &Plugin) -> bool {
    let descriptor = plugin.descriptor();
    descriptor.is_some_and(|d| d.props.int(kOfxImageEffectPluginPropObsolete) == Some(1))
}

/// Clips and parameters of "Image Effect Contexts" in the standard.
fn mandated(effect: &Effect, context: &str) -> Checked<()> {
    let clips: &[&CStr] = match context {
        c if is(c, kOfxImageEffectContextTransition) => &[
            kOfxImageEffectTransitionSourceFromClipName,
            kOfxImageEffectTransitionSourceToClipName,
            kOfxImageEffectOutputClipName,
        ],
        c if is(c, kOfxImageEffectContextFilter) || is(c, kOfxImageEffectContextRetimer) => {
            &[kOfxImageEffectSimpleSourceClipName, kOfxImageEffectOutputClipName]
        }
        _ => &[kOfxImageEffectOutputClipName],
    };
    for name in clips {
        let name = name.to_string_lossy();
        require(effect.clip(&name).is_some(), || {
            format!("{}: the mandated clip {name} is missing", short(context))
        })?;
    }
    let param: Option<&CStr> = match context {
        c if is(c, kOfxImageEffectContextTransition) => Some(kOfxImageEffectTransitionParamName),
        c if is(c, kOfxImageEffectContextRetimer) => Some(kOfxImageEffectRetimerParamName),
        _ => None,
    };
    if let Some(name) = param {
        let name = name.to_string_lossy();
        let found = effect.params.find(&name).is_some_and(|param| param.kind == ParamType::Double);
        require(found, || {
            format!("{}: the mandated parameter {name}, a Double, is missing", short(context))
        })?;
    }
    for clip in effect.clips() {
        let components = clip.props.texts(kOfxImageEffectPropSupportedComponents);
        require(!components.is_empty(), || format!("clip {} states no components", clip.name))?;
    }
    for param in effect.params.all() {
        let parent = param.props.text(kOfxParamPropParent).unwrap_or_default();
        let is_group =
            |name: &str| effect.params.find(name).is_some_and(|p| p.kind == ParamType::Group);
        require(parent.is_empty() || is_group(&parent), || {
            format!("parameter {} is in {parent}, which is no group", param.name)
        })?;
    }
    Ok(())
}

/// Runs a check on every parameter of every context and collects the faults.
fn each_param(fixture: &Fixture, body: impl Fn(&Param) -> Option<String>) -> Checked {
    let plugin = fixture.started()?;
    let mut wrong = Vec::new();
    let mut count = 0;
    for context in fixture.contexts(&plugin)? {
        let params: Vec<Arc<Param>> = plugin.context(&context)?.params.all();
        count = count.max(params.len());
        for text in params.iter().filter_map(|param| body(param)) {
            if !wrong.contains(&text) {
                wrong.push(text);
            }
        }
    }
    if wrong.is_empty() {
        Ok(Outcome::Success(format!("{count} parameters")))
    } else {
        Err(Stop::Fail(wrong.join("; ")))
    }
}

pub(super) fn param_types(fixture: &Fixture) -> Checked {
    each_param(fixture, |param| {
        let unwanted = match param.kind {
            ParamType::Integer2D | ParamType::Integer3D => true,
            ParamType::StrChoice => !fixture.profile.str_choice,
            ParamType::Bytes => fixture.profile.api.is_none_or(|api| api < [1, 5]),
            _ => false,
        };
        unwanted.then(|| {
            let host = fixture.profile.label;
            format!(
                "{} is of type {}, which {host} or Resolve cannot take",
                param.name,
                param.kind.short_name()
            )
        })
    })
}

/// Parameters of the standard that the host controls: it knows their meaning and does not show
/// them.
fn is_of_the_host(param: &Param) -> bool {
    [kOfxImageEffectTransitionParamName, kOfxImageEffectRetimerParamName]
        .iter()
        .any(|name| name.to_bytes() == param.name.as_bytes())
}

pub(super) fn param_ranges(fixture: &Fixture) -> Checked {
    each_param(fixture, |param| {
        if !param.kind.is_number() || is_of_the_host(param) {
            return None;
        }
        let set = |name| param.props.was_set(name);
        let range = set(kOfxParamPropMin) && set(kOfxParamPropMax);
        let shown = set(kOfxParamPropDisplayMin) && set(kOfxParamPropDisplayMax);
        match (range, shown) {
            (true, true) => {}
            (false, true) => return Some(format!("{} has no range", param.name)),
            (true, false) => return Some(format!("{} has no display range", param.name)),
            (false, false) => {
                return Some(format!("{} has no range and no display range", param.name));
            }
        }
        let numbers = |name| param.props.numbers(name);
        let (low, high) = (numbers(kOfxParamPropMin), numbers(kOfxParamPropMax));
        let (from, to) = (numbers(kOfxParamPropDisplayMin), numbers(kOfxParamPropDisplayMax));
        let ordered = low.iter().zip(&from).zip(to.iter().zip(&high));
        ordered.into_iter().find_map(|((low, from), (to, high))| {
            let fits = low <= from && from < to && to <= high;
            (!fits).then(|| format!("{}: shown {from}..{to} in {low}..{high}", param.name))
        })
    })
}

pub(super) fn param_defaults(fixture: &Fixture) -> Checked {
    each_param(fixture, |param| {
        let value = in_project(&param.props, default_of(param.kind, &param.props), SIZE);
        if let Err(text) = param.check_range(&value) {
            return Some(format!("the default of {text}"));
        }
        if param.kind == ParamType::Choice {
            let options = param.options().len();
            let default = param.props.int(kOfxParamPropDefault).unwrap_or(0);
            if !usize::try_from(default).is_ok_and(|default| default < options) {
                return Some(format!(
                    "{} has {options} options, the default is {default}",
                    param.name
                ));
            }
        }
        None
    })
}

pub(super) fn param_names(fixture: &Fixture) -> Checked {
    each_param(fixture, |param| {
        let script = param.props.text(kOfxParamPropScriptName).unwrap_or_default();
        let names = [param.name.as_str(), script.as_str()];
        let (name, whose) = names.into_iter().find_map(|name| Some((name, taken_by(name)?)))?;
        Some(format!("{} would be called {name} in scripts, which is {whose}", param.name))
    })
}

pub(super) fn param_hints(fixture: &Fixture) -> Checked {
    let missing = each_param(fixture, |param| {
        let wants = param.kind.has_value() || param.kind == ParamType::PushButton;
        let secret = param.props.int(kOfxParamPropSecret) == Some(1);
        let hint = param.props.text(kOfxParamPropHint).unwrap_or_default();
        let shown = !secret && !is_of_the_host(param);
        (wants && shown && hint.trim().is_empty()).then(|| format!("{} has no hint", param.name))
    });
    match missing {
        Err(Stop::Fail(text)) => Ok(Outcome::Warning(text)),
        other => other,
    }
}
