//! The softmax of attention, accumulated tile by tile.

/// Running softmax of one query.
#[derive(Clone, Copy)]
pub(super) struct RunningSoftmax {
    /// Largest scaled score so far.
    pub(super) most: f32,
    /// Sum of the weights so far.
    pub(super) sum: f32,
}
