//! How a clip is retimed, as the artist chose it.

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

/// What the artist chose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RetimeChoice {
    /// The source's rate; `None` for what the host tells.
    pub(crate) from: Option<Rate>,
    /// The output's rate.
    pub(crate) to: TargetRate,
    /// How much of the drawn rhythm stays.
    pub(crate) strength: Strength,
    /// What a frame of the timeline is.
    pub(crate) timeline: Timeline,
    /// Where the clip begins, where the host does not tell.
    pub(crate) start: f64,
}
