//! The artist's choices for retiming a clip.

use inbetween_core::retime::{Rate, Strength};
pub(crate) use inbetween_core::settings::list::Timeline;

/// The rate to retime to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum TargetRate {
    /// Twice the source's.
    Twice,
    /// The project's.
    Project,
    /// This one.
    Rate(Rate),
}

/// The artist's choices for retiming.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RetimeChoice {
    /// The source's rate; `None` for the one that the host reports.
    pub(crate) from: Option<Rate>,
    /// The output's rate.
    pub(crate) to: TargetRate,
    /// How far the original rhythm is smoothed out.
    pub(crate) strength: Strength,
    /// What a frame of the timeline stands for.
    pub(crate) timeline: Timeline,
    /// Where the clip begins, for hosts that do not say.
    pub(crate) start: f64,
}
