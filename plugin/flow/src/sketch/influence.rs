//! How much each sketch contributes at a position.

/// Shares of the sketches at `t`, for sketches at the ascending positions `at` between the keys.
///
/// At its own position a sketch has share 1 and the others 0; at both keys all shares are 0. In
/// between, shares follow a cubic through the poses, whose slope at a pose is that of the parabola
/// through its neighbours.
pub(crate) fn shares(at: &[f32], t: f32) -> Vec<f32> {
    let mut knots = vec![0.0f32];
    knots.extend(at);
    knots.push(1.0);
    let after = knots.iter().position(|&k| k > t).unwrap_or(knots.len() - 1).max(1);
    let (a, b) = (after - 1, after);
    let width = knots[b] - knots[a];
    let f = ((t - knots[a]) / width).clamp(0.0, 1.0);
    (1..=at.len())
        .map(|n| {
            let value = |k: usize| if k == n { 1.0 } else { 0.0 };
            let rise = |k: usize| (value(k + 1) - value(k)) / (knots[k + 1] - knots[k]);
            let slope = |k: usize| {
                let last = knots.len() - 1;
                if k == 0 || k == last {
                    // The slope at the end of the parabola through the last three poses on that
                    // side.
                    let (own, next) = if k == 0 { (0, 1) } else { (last - 1, last - 2) };
                    let (near, far) = (knots[own + 1] - knots[own], knots[next + 1] - knots[next]);
                    return rise(own) + (rise(own) - rise(next)) * near / (near + far);
                }
                let (before, behind) = (knots[k] - knots[k - 1], knots[k + 1] - knots[k]);
                (rise(k - 1) * behind + rise(k) * before) / (before + behind)
            };
            let (f2, f3) = (f * f, f * f * f);
            (2.0 * f3 - 3.0 * f2 + 1.0) * value(a)
                + (f3 - 2.0 * f2 + f) * width * slope(a)
                + (3.0 * f2 - 2.0 * f3) * value(b)
                + (f3 - f2) * width * slope(b)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sketch_rules_its_own_position_and_none_a_key() {
        let at = [0.2, 0.5, 0.6];
        for (i, &t) in at.iter().enumerate() {
            for (j, share) in shares(&at, t).into_iter().enumerate() {
                let wanted = if i == j { 1.0 } else { 0.0 };
                assert!((share - wanted).abs() < 1e-5, "sketch {j} at {t}: {share}");
            }
        }
        for t in [1e-6, 1.0 - 1e-6] {
            assert!(shares(&at, t).iter().all(|s| s.abs() < 1e-4));
        }
    }

    #[test]
    fn one_sketch_gives_an_arc() {
        for i in 1..20 {
            let t = i as f32 / 20.0;
            let share = shares(&[0.5], t)[0];
            assert!((share - 4.0 * t * (1.0 - t)).abs() < 1e-4, "{share} at {t}");
        }
    }

    #[test]
    fn shares_do_not_jump() {
        let at = [0.3, 0.4, 0.8];
        let mut before = shares(&at, 0.0);
        for i in 1..=1000 {
            let now = shares(&at, i as f32 / 1000.0);
            assert!(now.iter().zip(&before).all(|(a, b)| (a - b).abs() < 0.03));
            before = now;
        }
    }
}
