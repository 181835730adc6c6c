//! Ghosts: faint traces of a neighbouring picture. Frame-rate converters leave them where no moment
//! of the output coincides with one of the film.
//!
//! There is no clean copy of the picture to compare with, so the share of the ghost cannot be
//! measured directly. But most of what the neighbour shows elsewhere lies in front of ground that
//! the picture on the other side shows too. There the picture is a mix of two known pictures, with
//! the same share everywhere. Where the neighbour shows something of its own instead, the shares
//! scatter.

use serde::{Deserialize, Serialize};

use super::signature::{PLANES, Signature};

/// How much the neighbouring pictures must differ at a place for it to be examined, of 1.
const DIFFERS: f32 = 16.0 / 255.0;

/// Fewest places that must agree on the share, and the least part of all examined places.
const LEAST_PLACES: usize = 40;
const LEAST_AGREEING: f32 = 0.06;

/// A ghost needs this many times more places than the absence of one.
const CLEARER: f32 = 4.0;

/// The least share of a ghost: a smaller one is not visible, or is left behind by filters of
/// fields. And the most: a larger share is a mix and counts as a ghost of neither picture.
const LEAST_SHARE: f32 = 0.012;
const MOST_SHARE: f32 = 0.3;

/// Width of a step in which shares are counted, and the number of steps on either side that count
/// as the same share.
const STEP: f32 = 0.004;
const BESIDE: usize = 3;

/// A picture through which one of its neighbours shows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ghost {
    /// Its frame, counted from 0.
    pub frame: usize,
    /// Whether the frame after it shows through, rather than the one before.
    pub of_next: bool,
    /// Share of that frame in the picture, 0..=1.
    pub share: f32,
}

/// How much of `other` shows through `here` where `here` shows the same ground as `beyond`.
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
    // Noise scatters shares to both sides of zero.
    if !is_sure || (count as f32) < CLEARER * agreeing(2 * zero - usual) as f32 {
        return None;
    }
    let near = shares
        .iter()
        .filter(|share| step_of(**share).is_some_and(|step| step.abs_diff(usual) <= BESIDE));
    let share = near.sum::<f32>() / count as f32;
    (share > LEAST_SHARE).then_some(share)
}

/// The end of the counted steps, which lie around `zero`, the step of no share.
fn counts_end(zero: usize) -> f32 {
    (2 * zero + 1) as f32
}
