//! Ghosts: the little that is seen of a neighbour in a picture of its own, as converters of frame rates leave it where
//! no moment of the output is one of the film.
//!
//! The picture itself is known in no other form, so the share cannot be told by holding it against a clean one. But most
//! of what the neighbour shows elsewhere than the picture lies before ground that the picture on the other side shows
//! too: there the picture is a mix of two known ones, everywhere with one share. Where it shows something of its own
//! instead, the shares are scattered.

use serde::{Deserialize, Serialize};

use super::signature::{PLANES, Signature};

/// How far the pictures around must differ in a place that is looked at, of 1.
const DIFFERS: f32 = 16.0 / 255.0;

/// Places that must agree on the share, and of all that are looked at.
const LEAST_PLACES: usize = 40;
const LEAST_AGREEING: f32 = 0.06;

/// How many more places must be for a ghost than for none.
const CLEARER: f32 = 4.0;

/// The least share that is one: less is not seen, or is what filters of fields leave. The most; more of it is a mix,
/// and shown for none of the two.
const LEAST_SHARE: f32 = 0.012;
const MOST_SHARE: f32 = 0.3;

/// Shares are counted in steps of this, and those of so many steps on either side of one are the same.
const STEP: f32 = 0.004;
const BESIDE: usize = 3;

/// A picture through which one of its neighbours shows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ghost {
    /// Its frame, counted from 0.
    pub frame: usize,
    /// Whether it is the frame after it that shows through, not the one before.
    pub of_next: bool,
    /// How much of it is that frame, 0..=1.
    pub share: f32,
}

/// How much of `other` shows through `here`, where that shows the ground of `beyond`.
pub(super) fn share_of(other: &Signature, here: &Signature, beyond: &Signature) -> Option<f32> {
    let (n, x, m) = (&other.fine.planes, &here.fine.planes, &beyond.fine.planes);
    if n[0].len() != x[0].len() || n[0].len() != m[0].len() {
        return None;
    }
    let shares: Vec<f32> = (0..x[0].len())
        .filter(|at| (n[0][*at] - m[0][*at]).abs() > DIFFERS)
        .map(|at| {
            let (mut along, mut all) = (0.0_f32, 0.0_f32);
            for plane in 0..PLANES {
                let way = n[plane][at] - m[plane][at];
                along += (x[plane][at] - m[plane][at]) * way;
                all += way * way;
            }
            along / all
        })
        .collect();
    let zero = ((MOST_SHARE + 0.1) / STEP) as usize;
    let mut counts = vec![0_usize; 2 * zero + 1];
    let step_of = |share: f32| {
        let step = (share / STEP).round() + zero as f32;
        (0.0..counts_end(zero)).contains(&step).then_some(step as usize)
    };
    shares.iter().filter_map(|share| step_of(*share)).for_each(|step| counts[step] += 1);
    let agreeing = |step: usize| counts[step - BESIDE..=step + BESIDE].iter().sum::<usize>();
    let steps = zero + (LEAST_SHARE / STEP) as usize..=zero + (MOST_SHARE / STEP) as usize;
    let (count, usual) =
        steps.map(|step| (agreeing(step), step)).max_by_key(|(count, _)| *count)?;
    let is_sure = count >= LEAST_PLACES && count as f32 > LEAST_AGREEING * shares.len() as f32;
    // Noise scatters shares to both sides of none.
    if !is_sure || (count as f32) < CLEARER * agreeing(2 * zero - usual) as f32 {
        return None;
    }
    let near = shares
        .iter()
        .filter(|share| step_of(**share).is_some_and(|step| step.abs_diff(usual) <= BESIDE));
    let share = near.sum::<f32>() / count as f32;
    (share > LEAST_SHARE).then_some(share)
}

/// The end of the steps that are counted, around none at `zero`.
fn counts_end(zero: usize) -> f32 {
    (2 * zero + 1) as f32
}
