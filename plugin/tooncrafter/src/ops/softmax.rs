//! The softmax of attention, accumulated tile by tile.

use super::isa::multiversion;
use super::math;

/// The running softmax of one query.
#[derive(Clone, Copy)]
pub(super) struct RunningSoftmax {
    /// Largest scaled score so far.
    pub(super) most: f32,
    /// Sum of the weights so far.
    pub(super) sum: f32,
}

multiversion! {
    /// Turns scores times `scale` into weights relative to the running maximum. `row` is padded
    /// with minus infinity to a multiple of 16.
    pub(super) fn weigh_row(row: &mut [f32], scale: f32, state: &mut RunningSoftmax, sums: &mut [f32]) {
        let mut lanes = [f32::NEG_INFINITY; 16];
        for chunk in row.chunks_exact(16) {
            for i in 0..16 {
                lanes[i] = if chunk[i] > lanes[i] { chunk[i] } else { lanes[i] };
            }
        }
        let most = lanes.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b)) * scale;
        if most > state.most {
            let factor = math::exp(state.most - most);
            state.sum *= factor;
            sums.iter_mut().for_each(|s| *s *= factor);
            state.most = most;
        }
        let most = state.most;
        for value in row.iter_mut() {
            *value = math::exp(*value * scale - most);
        }
        let mut totals = [0.0f32; 16];
        for chunk in row.chunks_exact(16) {
            for i in 0..16 {
                totals[i] += chunk[i];
            }
        }
        state.sum += totals.iter().sum::<f32>();
    }
}
