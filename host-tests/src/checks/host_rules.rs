//! Checks of how the plug-in uses the host: one whole life cycle, then a look at the journal.

use std::sync::Arc;

use crate::{
    checks::{
        fixture::{Fixture, RANGE, Recipe},
        outcome::{Checked, Outcome, Stop},
    },
    host::instance::{FrameRequest, Instance},
    host::journal::{Journal, Rule},
    host::plugin::Plugin,
    host::sys::*,
};

/// Takes the plug-in through everything that hosts do. Another check judges whether it renders.
fn live(fixture: &Fixture, skip_unwilling: bool) -> Checked<Arc<Journal>> {
    let plugin = fixture.started()?;
    let journal = Arc::clone(plugin.host().journal());
    let mut rendered = false;
    for context in fixture.contexts(&plugin)? {
        for optional_too in [false, true] {
            let recipe = Recipe { optional_too, ..Recipe::default() };
            let mut instance = fixture.instance(&plugin, &context, &recipe)?;
            rendered |= use_instance(fixture, &plugin, &mut instance)?;
            instance.destroy();
        }
        // An instance that has a reason to complain when it is destroyed, because it lacks its
        // clips.
        let clips = plugin.context(&context)?.clips();
        let without = clips.iter().filter(|clip| !clip.is_output()).map(|clip| clip.name.clone());
        let recipe = Recipe { without: without.collect(), ..Recipe::default() };
        if let Ok(instance) = fixture.instance(&plugin, &context, &recipe) {
            // Other checks judge whether it fails, and with which message.
            let _ = instance.render(FrameRequest::at(3.0));
            instance.destroy();
        }
    }
    plugin.unload();
    if !rendered && skip_unwilling && journal.violations().is_empty() {
        return Err(Stop::Skip("nothing can be rendered here, see the check renders".into()));
    }
    Ok(journal)
}

fn use_instance(fixture: &Fixture, plugin: &Plugin, instance: &mut Instance) -> Checked<bool> {
    let (first, last) = RANGE;
    let planning = fixture.profile.behaviour.asks_planning;
    instance.begin(RANGE, 1.0, 1.0);
    let mut rendered = false;
    for time in [first, 3.0, 4.0, last] {
        let request = FrameRequest::at(time);
        if planning {
            instance.identity(request)?;
            instance.frames_needed(time)?;
        }
        let region = instance.region(time, 1.0)?;
        instance.regions_of_interest(time, 1.0, region)?;
        rendered |= instance.render(request)?.status.is_fine();
    }
    instance.end(RANGE, 1.0, 1.0);
    if planning {
        for param in instance.effect().params.all() {
            if param.kind.has_value() {
                instance.edit(&param.name, param.value_at(first), first)?;
            }
        }
    }
    instance.action(kOfxActionBeginInstanceEdit);
    instance.action(kOfxActionEndInstanceEdit);
    instance.negotiate()?;
    instance.action(kOfxActionSyncPrivateData);
    instance.action(kOfxActionPurgeCaches);
    plugin.said();
    Ok(rendered)
}

fn none_of(fixture: &Fixture, rules: &[Rule], skip_unwilling: bool) -> Checked {
    let journal = live(fixture, skip_unwilling)?;
    let broken: Vec<String> = rules.iter().flat_map(|rule| journal.violations_of(*rule)).collect();
    if broken.is_empty() {
        Ok(Outcome::Success(format!("{} calls of the host", journal.suite_calls())))
    } else {
        Err(Stop::Fail(broken.join("; ")))
    }
}

pub(super) fn properties_known(fixture: &Fixture) -> Checked {
    none_of(fixture, &[Rule::UnknownProperty], false)
}

pub(super) fn property_types(fixture: &Fixture) -> Checked {
    none_of(fixture, &[Rule::PropertyType], false)
}

pub(super) fn properties_read_only(fixture: &Fixture) -> Checked {
    none_of(fixture, &[Rule::ReadOnlyProperty], false)
}

pub(super) fn handles(fixture: &Fixture) -> Checked {
    none_of(fixture, &[Rule::BadHandle, Rule::NullArgument], false)
}

pub(super) fn images_released(fixture: &Fixture) -> Checked {
    none_of(fixture, &[Rule::UnreleasedImage], true)
}

pub(super) fn memory_returned(fixture: &Fixture) -> Checked {
    none_of(fixture, &[Rule::Memory], false)
}

pub(super) fn background_threads(fixture: &Fixture) -> Checked {
    none_of(fixture, &[Rule::BackgroundThread], false)
}

pub(super) fn calls_allowed(fixture: &Fixture) -> Checked {
    none_of(fixture, &[Rule::Action], false)
}

pub(super) fn definitions(fixture: &Fixture) -> Checked {
    none_of(fixture, &[Rule::Definition], false)
}
