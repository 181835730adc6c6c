//! Motion close to a key, where the network was not trained.

use crate::map::{Map, warp};

/// The network was trained from this position to the same distance from the last key.
const TRAINED_FROM: f32 = 0.1;

/// The position nearest to `t` for which the network was trained.
pub(crate) fn trained_position(t: f32) -> f32 {
    t.clamp(TRAINED_FROM, 1.0 - TRAINED_FROM)
}

/// How far `t` is from the nearer key, as a share of the way from there to [`trained_position`],
/// 0..=1.
fn share(t: f32) -> f32 {
    let from = trained_position(t);
    if t < from { t / from } else { (1.0 - t) / (1.0 - from) }
}

/// Carries motion and mask from the nearest trained position to `t`.
///
/// `motion: [5, h, w]` from the decoder. Everything moves on a straight line from the nearer key
/// through its place at the trained position, so that the drawing arrives exactly at the key.
pub(crate) fn carry(motion: Map, t: f32) -> Map {
    let from = trained_position(t);
    if from == t {
        return motion;
    }
    let area = motion.area();
    // What is seen here at `t` was at another place at `from`.
    let mut way = Map::new(2, motion.h, motion.w);
    for (i, to) in way.v.iter_mut().enumerate() {
        *to = (from - t) * (motion.v[2 * area + i] - motion.v[i]);
    }
    let mut out = Map::stack(&[
        &warp(&motion.channels(0, 2), &way, 0),
        &warp(&motion.channels(2, 4), &way, 0),
        &warp(&motion.channels(4, 5), &way, 0),
    ]);
    let share = share(t);
    let (to_first, rest) = out.v.split_at_mut(2 * area);
    let (to_last, odds) = rest.split_at_mut(2 * area);
    let (near, far) = if t < from { (to_first, to_last) } else { (to_last, to_first) };
    for (near, far) in near.iter_mut().zip(far) {
        let closer = share * *near;
        *far += closer - *near;
        *near = closer;
    }
    let prior = |t: f32| libm::logf((1.0 - t) / t);
    let gain = prior(t) - prior(from);
    odds.iter_mut().for_each(|o| *o += gain);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uniform_motion_keeps_its_length_and_ends_at_the_key() {
        let motion = |t: f32| {
            let mut map = Map::new(5, 6, 8);
            let values = [-12.0 * t, 4.0 * t, 12.0 * (1.0 - t), -4.0 * (1.0 - t), 0.5];
            for (c, v) in values.into_iter().enumerate() {
                map.plane_mut(c).fill(v);
            }
            map
        };
        for t in [1e-3, 0.04, 0.96, 0.999] {
            let found = carry(motion(trained_position(t)), t);
            let wanted = motion(t);
            for c in 0..4 {
                let pairs = found.plane(c).iter().zip(wanted.plane(c));
                assert!(
                    pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-4),
                    "at {t}, channel {c}"
                );
            }
            let leans = found.plane(4)[0] - 0.5;
            assert!(if t < 0.5 { leans > 0.5 } else { leans < -0.5 }, "odds by {leans} at {t}");
        }
        let kept = motion(0.3);
        assert_eq!(carry(kept.clone(), 0.3).v, kept.v);
    }
}
