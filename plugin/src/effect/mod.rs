//! The effect "AI In-between": its clips and parameters, its answers about time and space, and its
//! render. No raw OpenFX here, and no pixels arithmetic: the host's side is [`crate::ofx`], the
//! pictures' side is `inbetween_core`.

mod answers;
mod background;
mod buttons;
mod choices;
mod describe;
mod draft;
mod drawings;
mod engines;
mod hosts;
mod keys;
mod params;
mod planning;
mod prepare;
mod raise;
mod render;
mod sight;
mod sketches;
mod tooncrafter;

pub(crate) use engines::unload;

use crate::ofx::{Action, EffectRef, Reply, Result, clear_message};

/// The permanent identifier: saved projects refer to it.
pub(crate) const IDENTIFIER: &std::ffi::CStr = c"org.inbetween.AIInbetween";

/// Major and minor version. A new major version is a new plug-in to hosts that hold saved projects;
/// a new minor version makes hosts with a description cache read the parameters again.
pub(crate) const VERSION: (u32, u32) = (1, 2);

/// Performs one action for a descriptor or an instance.
pub(crate) fn perform(effect: &EffectRef<'_>, action: Action<'_>) -> Result<Reply> {
    match action {
        Action::Describe => describe::describe(effect),
        Action::DescribeInContext(context) => describe::describe_in_context(effect, context),
        // Answered OK, never "default": Resolve shows no controls otherwise.
        Action::CreateInstance => answers::enable_params(effect),
        Action::InstanceChanged(changed) => buttons::changed(effect, &changed),
        Action::DestroyInstance => {
            clear_message(effect);
            background::leave(effect.address());
            Ok(Reply::Ok)
        }
        Action::PurgeCaches => {
            engines::purge();
            Ok(Reply::Ok)
        }
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
