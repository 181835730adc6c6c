//! The effect "AI In-between": its clips and parameters, its answers about time and space, and its
//! render. There is no raw OpenFX here and no pixel arithmetic: [`crate::ofx`] talks to the host,
//! and `inbetween_core` handles pictures.

mod actions;
mod moment;
mod names;
mod parameters;

pub(crate) use actions::engines::unload;
pub(crate) use names::{IDENTIFIER, VERSION};

use inbetween_core::process_memo;

use actions::{answers, background, buttons, describe, engines, render};

use crate::ofx::{Action, EffectRef, Reply, Result, forget_messages};

/// Performs one action for a descriptor or an instance.
pub(crate) fn perform(effect: &EffectRef<'_>, action: Action<'_>) -> Result<Reply> {
    engines::notice_fork();
    match action {
        Action::Describe => describe::describe(effect),
        Action::DescribeInContext(context) => describe::describe_in_context(effect, context),
        // Answered with OK rather than "default", because otherwise Resolve shows no controls.
        Action::CreateInstance => answers::enable_params(effect),
        Action::InstanceChanged(changed) => buttons::changed(effect, &changed),
        Action::DestroyInstance => {
            forget_messages(effect);
            background::leave(effect.address());
            Ok(Reply::Ok)
        }
        Action::PurgeCaches => {
            process_memo::forget_all();
            Ok(Reply::Ok)
        }
        Action::GetOutputColourspace(out) => answers::output_colourspace(effect, out),
        Action::GetClipPreferences(out) => answers::clip_preferences(effect, out),
        Action::GetRegionOfDefinition(time, out) => {
            answers::region_of_definition(effect, time, out)
        }
        Action::GetRegionsOfInterest(time, out) => answers::regions_of_interest(effect, time, out),
        Action::GetFramesNeeded(time, out) => answers::frames_needed(effect, time, out),
        Action::GetTimeDomain(out) => answers::time_domain(effect, out),
        Action::IsIdentity(time, out) => answers::identity(effect, time, out),
        Action::Render(args) => render::render(effect, args),
        Action::SequenceRender => Ok(Reply::Ok),
    }
}
