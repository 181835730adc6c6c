//! Checks of loading, describing, creating and destroying.

use std::time::Instant;

use crate::{
    checks::{
        fixture::{Fixture, Recipe},
        outcome::{Checked, Outcome, Stop, require},
    },
    host::effect::short,
    host::instance::FrameRequest,
    host::plugin::Plugin,
    host::status::Status,
    host::sys::*,
};

fn must_be_ok(action: &str, status: Status, plugin: &Plugin) -> Checked<()> {
    require(status == Status::OK, || {
        format!("{action} answered {status} instead of OK{}", plugin.said())
    })
}

/// Stops if the plug-in says that the host lacks what it needs.
fn not_missing(status: Status, plugin: &Plugin) -> Checked<()> {
    if status.0 == kOfxStatErrMissingHostFeature {
        return Err(plugin.misses_something().into());
    }
    Ok(())
}

/// ReplyDefault is fine too: the standard prescribes it for actions that a plug-in does not handle.
fn must_be_fine(action: &str, status: Status, plugin: &Plugin) -> Checked<()> {
    require(status.is_fine(), || format!("{action} answered {status}{}", plugin.said()))
}

pub(super) fn life_cycle(fixture: &Fixture) -> Checked {
    let plugin = fixture.plugin()?;
    let loaded = plugin.load();
    not_missing(loaded, &plugin)?;
    must_be_fine("Load", loaded, &plugin)?;
    let mut minded = None;
    if loaded != Status::OK && fixture.profile.id == "mlt" {
        minded = Some(format!("Load answered {loaded}: MLT drops the plug-in"));
    }
    let described = plugin.describe();
    not_missing(described, &plugin)?;
    must_be_ok("Describe", described, &plugin)?;
    let contexts = match fixture.contexts(&plugin) {
        Ok(contexts) => contexts,
        Err(stop) => {
            // The plug-in must be unloaded in any case, since other hosts will use it.
            must_be_fine("Unload", plugin.unload().unwrap_or(Status::OK), &plugin)?;
            return Err(stop);
        }
    };
    for context in &contexts {
        let (status, _) = plugin.describe_in_context(context);
        must_be_ok(&format!("DescribeInContext {}", short(context)), status, &plugin)?;
    }
    for context in &contexts {
        let recipe = Recipe { needed_too: false, ..Recipe::default() };
        let instance = fixture.instance(&plugin, context, &recipe)?;
        let what = |action: &str| format!("{action} in {}", short(context));
        must_be_fine(&what("CreateInstance"), instance.created, &plugin)?;
        if instance.created != Status::OK && fixture.profile.id == "resolve" {
            minded = Some(format!(
                "{} answered {}: Resolve shows no controls",
                what("CreateInstance"),
                instance.created
            ));
        }
        must_be_fine(&what("DestroyInstance"), instance.destroy().unwrap_or(Status::OK), &plugin)?;
    }
    must_be_fine("Unload", plugin.unload().unwrap_or(Status::OK), &plugin)?;
    if let Some(minded) = minded {
        return Ok(Outcome::Warning(minded));
    }
    let names: Vec<_> = contexts.iter().map(|context| short(context)).collect();
    Ok(Outcome::Success(names.join(", ")))
}

pub(super) fn load_again(fixture: &Fixture) -> Checked {
    let plugin = fixture.started()?;
    let contexts = fixture.contexts(&plugin)?;
    let first = contexts.first().cloned().unwrap_or_default();
    let instance = fixture.instance(&plugin, &first, &Recipe::default())?;
    for round in 2..=3 {
        plugin.start_again().map_err(|error| Stop::Fail(format!("round {round}: {error:#}")))?;
        let (status, _) = plugin.describe_in_context(&first);
        require(status.is_fine(), || {
            format!("DescribeInContext answered {status} in round {round}")
        })?;
    }
    // The instance created before all that still renders, or says why not.
    let time = fixture.busy_time(&instance).unwrap_or(3.0);
    match fixture.render(&instance, FrameRequest::at(time)) {
        Ok(_) | Err(Stop::Skip(_)) => {}
        Err(Stop::Fail(text)) => {
            return Err(Stop::Fail(format!("an instance made before a second Load: {text}")));
        }
    }
    instance.destroy();
    plugin.unload();
    plugin.start().map_err(|error| Stop::Fail(format!("after Unload: {error:#}")))?;
    require(plugin.contexts() == contexts || fixture.context.is_some(), || {
        "the contexts differ after Unload and Load".into()
    })?;
    Ok(Outcome::Success("loaded 4 times".into()))
}

pub(super) fn load_time(fixture: &Fixture) -> Checked {
    const WARN: f64 = 100.0;
    const FAIL: f64 = 500.0;
    // Other load on the machine can only make it longer.
    let mut took = f64::INFINITY;
    for _ in 0..3 {
        let started = Instant::now();
        let plugin = fixture.started()?;
        for context in plugin.contexts() {
            plugin.context(&context)?;
        }
        took = took.min(started.elapsed().as_secs_f64() * 1000.0);
        if took <= WARN {
            break;
        }
    }
    let text = format!("{took:.1} ms");
    match took {
        t if t > FAIL => Err(Stop::Fail(format!("{text}, more than {FAIL} ms"))),
        t if t > WARN => Ok(Outcome::Warning(format!("{text}, more than {WARN} ms"))),
        _ => Ok(Outcome::Success(text)),
    }
}

pub(super) fn unknown_actions(fixture: &Fixture) -> Checked {
    fixture.in_contexts(|plugin, context| {
        let instance = fixture.instance(plugin, context, &Recipe::default())?;
        let status = instance.action(c"OrgExampleActionThatNobodyKnows");
        require(status == Status::DEFAULT, || format!("the answer was {status}"))?;
        Ok(String::new())
    })
}

pub(super) fn host_order(fixture: &Fixture) -> Checked {
    fixture.in_contexts(|plugin, context| {
        let idle = fixture.instance(plugin, context, &Recipe::default())?;
        let other = fixture.instance(plugin, context, &Recipe::default())?;
        for action in [kOfxActionSyncPrivateData, kOfxActionPurgeCaches] {
            let status = other.action(action);
            require(status.is_fine(), || {
                format!("{} answered {status}", action.to_string_lossy())
            })?;
        }
        let time = fixture.busy_time(&other).unwrap_or(3.0);
        if let Err(Stop::Fail(text)) = fixture.render(&other, FrameRequest::at(time)) {
            return Err(Stop::Fail(format!("without BeginSequenceRender: {text}")));
        }
        for instance in [&idle, &other] {
            let status = instance.destroy().unwrap_or(Status::OK);
            require(status.is_fine(), || format!("DestroyInstance answered {status}"))?;
        }
        Ok(String::new())
    })
}
