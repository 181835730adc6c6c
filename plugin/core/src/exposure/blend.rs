//! Blends: pictures that mix the one before and the one after, as frame-rate converters make them.

use serde::{Deserialize, Serialize};

use super::signature::{PLANES, Signature};

/// How much the pictures before and after must differ at a place for it to be examined, of 1.
const DIFFERS: f32 = 8.0 / 255.0;

/// Fewest places that suffice for a judgement.
const LEAST_PLACES: usize = 12;

/// Least share that either picture must have; less is a ghost that noise hides.
const LEAST_SHARE: f32 = 0.12;

/// What a mix may leave unexplained, squared: a share of the difference between the two pictures,
/// and noise at each place.
const LEFT: f32 = 0.01;
const NOISE: f32 = (1.5 / 255.0) * (1.5 / 255.0);

/// A picture that is a mix of its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Blend {
    /// Its frame, counted from 0.
    pub frame: usize,
    /// Share of the picture after in the mix, 0..=1.
    pub share: f32,
}

/// How much of `here` is the picture `after`, where it is a mix of that and the picture `before`.
///
/// `None` for movement: a thing that has moved is not a mix of where it was and where it will be.
pub(super) fn next_share(before: &Signature, here: &Signature, after: &Signature) -> Option<f32> {
    let (a, x, b) = (&before.fine.planes, &here.fine.planes, &after.fine.planes);
    if a[0].len() != x[0].len() || a[0].len() != b[0].len() {
        return None;
    }
    let places = || (0..a[0].len()).filter(|at| (b[0][*at] - a[0][*at]).abs() > DIFFERS);
    let (mut along, mut all, mut count) = (0.0_f32, 0.0_f32, 0_usize);
    for at in places() {
        count += 1;
        for plane in 0..PLANES {
            let way = b[plane][at] - a[plane][at];
            along += (x[plane][at] - a[plane][at]) * way;
            all += way * way;
        }
    }
    if count < LEAST_PLACES {
        return None;
    }
    let share = along / all;
    if !(LEAST_SHARE..1.0 - LEAST_SHARE).contains(&share) {
        return None;
    }
    let rest = places().map(|at| {
        let off = |plane: usize| {
            let mix = a[plane][at] + share * (b[plane][at] - a[plane][at]);
            (x[plane][at] - mix) * (x[plane][at] - mix)
        };
        (0..PLANES).map(off).sum::<f32>()
    });
    (rest.sum::<f32>() < LEFT * all + NOISE * count as f32).then_some(share)
}
