//! The softmax of attention, accumulated tile by tile.

use std::f32::consts::LOG2_E;

use super::isa::multiversion;
use super::math;
use super::pack::LANES;

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
        let row = row.as_chunks_mut::<LANES>().0;
        let mut lanes = [f32::NEG_INFINITY; LANES];
        for chunk in row.iter() {
            for i in 0..LANES {
                lanes[i] = if chunk[i] > lanes[i] { chunk[i] } else { lanes[i] };
            }
        }
        let most = math::largest(&lanes) * scale;
        if most > state.most {
            // Before the first tile there is nothing to rescale.
            if state.sum > 0.0 {
                let factor = math::exp(state.most - most);
                state.sum *= factor;
                sums.iter_mut().for_each(|s| *s *= factor);
            }
            state.most = most;
        }
        let (scale, offset) = (scale * LOG2_E, -state.most * LOG2_E);
        let mut totals = [0.0f32; LANES];
        for chunk in row.iter_mut() {
            for i in 0..LANES {
                chunk[i] = math::exp2_below_1(chunk[i].mul_add(scale, offset));
                totals[i] += chunk[i];
            }
        }
        state.sum += math::sum(&totals);
    }
}
