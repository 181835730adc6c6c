//! UniPC, a second-order solver that needs fewer steps than DDIM, as pure tables of numbers.
//!
//! The deterministic path of a diffusion model is `x = α·x0 + σ·ε` with a data prediction `x0` that
//! changes slowly. UniPC (arXiv 2302.04867, order 2, `B(h) = e^h - 1`) predicts the next `x` from
//! the last two data predictions. One step later it corrects that `x` with the new prediction,
//! which takes no further network call. In this implementation:
//!
//! - dynamic rescaling is part of the path: `α = scale · sqrt(abar)`, so the solver follows the
//!   clean latent itself, and the change of scale costs no accuracy;
//! - the first step starts without signal (`ln(α/σ)` is minus infinity), where second-order terms
//!   have no meaning: they are left out there, and the limit of the first-order step is used;
//! - the last step is of first order, because it is a long jump in `ln(α/σ)`;
//! - the steps are evenly spaced in the angle `atan2(σ, α)`, which is finite at both ends.

use crate::schedule::{NoiseSchedule, Spacing};

/// Coefficients for one step of UniPC, from one training step to the next lower one.
///
/// Data predictions are `d0` at this step, `d1` at the previous one and `d2` at the one before
/// that. First `x` is corrected, then the next `x` is predicted.
#[derive(Clone, Debug, PartialEq)]
pub struct UniPcStep {
    /// The training step at which the network is evaluated.
    pub timestep: usize,
    /// `sqrt(abar)`: the network's own signal weight.
    pub sqrt_alpha: f64,
    /// `sqrt(1 - abar)`.
    pub sqrt_one_minus_alpha: f64,
    /// Scale of the clean latent at this step; the network's data prediction is divided by it.
    pub scale: f64,
    /// Computes a better `x` at this step from the `x` at which the previous step started, `d1`,
    /// `d2` and `d0`; `None` where no correction is possible.
    pub corrector: Option<Corrector>,
    /// Computes `x` at the next step from `x`, `d0` and `d1`.
    pub predictor: Predictor,
}

/// Weights of the correction: `x = from·x_before + d0·d0 + d1·d1 + d2·d2`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Corrector {
    /// Weight of the (corrected) latent of the previous step.
    pub from: f64,
    /// Weight of this step's data prediction.
    pub d0: f64,
    /// Weight of the data prediction one step before.
    pub d1: f64,
    /// Weight of the data prediction two steps before.
    pub d2: f64,
}

/// Weights of the prediction: `x_next = x·x + d0·d0 + d1·d1`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Predictor {
    /// Weight of this step's (corrected) latent.
    pub x: f64,
    /// Weight of this step's data prediction.
    pub d0: f64,
    /// Weight of the data prediction one step before.
    pub d1: f64,
}

/// A point of the deterministic path.
#[derive(Clone, Copy)]
struct Node {
    alpha: f64,
    sigma: f64,
    lambda: f64,
}

impl Node {
    fn new(abar: f64, scale: f64) -> Self {
        let (alpha, sigma) = (scale * abar.sqrt(), (1.0 - abar).sqrt());
        Self { alpha, sigma, lambda: (alpha / sigma).ln() }
    }
}

/// The steps of UniPC in the order of sampling, from noise to picture.
///
/// Ends where the published 50-step DDIM sampler ends, at training step 0 with the scale of its
/// last visited step, whatever `steps` is. So the contrast of the result does not depend on the
/// number of steps.
pub fn unipc_steps(schedule: &NoiseSchedule, steps: usize) -> Vec<UniPcStep> {
    let visited = angle_spacing(schedule, steps);
    let node = |t: usize| Node::new(schedule.alphas_cumprod[t], schedule.scale_arr[t]);
    let published_last = Spacing::UniformTrailing.timesteps(50, schedule.timesteps())[0];
    let landing = Node::new(schedule.alphas_cumprod[0], schedule.scale_arr[published_last]);

    // In the order of sampling; step i leads to nodes[i + 1].
    let descending: Vec<usize> = visited.into_iter().rev().collect();
    let nodes: Vec<Node> =
        descending.iter().map(|&t| node(t)).chain(std::iter::once(landing)).collect();
    let last = descending.len() - 1;
    descending
        .iter()
        .enumerate()
        .map(|(i, &timestep)| {
            let before = i.checked_sub(1).map(|k| nodes[k]);
            let two_before = i.checked_sub(2).map(|k| nodes[k]);
            let history = before.filter(|_| i != last);
            UniPcStep {
                timestep,
                sqrt_alpha: schedule.alphas_cumprod[timestep].sqrt(),
                sqrt_one_minus_alpha: (1.0 - schedule.alphas_cumprod[timestep]).sqrt(),
                scale: schedule.scale_arr[timestep],
                corrector: before.and_then(|from| correct(nodes[i], from, two_before)),
                predictor: predict(nodes[i], nodes[i + 1], history),
            }
        })
        .collect()
}

/// The prediction from `at` to `to`, of second order if `before` has some signal.
fn predict(at: Node, to: Node, before: Option<Node>) -> Predictor {
    let h = to.lambda - at.lambda;
    // e^-h - 1, which is -1 in the limit of no signal.
    let phi = (-h).exp_m1();
    let x = to.sigma / at.sigma;
    let d0 = -to.alpha * phi;
    match before.filter(|node| node.lambda.is_finite()) {
        None => Predictor { x, d0, d1: 0.0 },
        Some(before) => {
            let r = (before.lambda - at.lambda) / h;
            let slope = -to.alpha * phi * 0.5 / r;
            Predictor { x, d0: d0 - slope, d1: slope }
        }
    }
}

/// The correction of the move `from` → `at` that becomes possible with the data prediction at `at`.
fn correct(at: Node, from: Node, before: Option<Node>) -> Option<Corrector> {
    let h = at.lambda - from.lambda;
    if !h.is_finite() {
        return None;
    }
    let phi = (-h).exp_m1();
    let base = -at.alpha * phi;
    let x = at.sigma / from.sigma;
    let Some(before) = before.filter(|node| node.lambda.is_finite()) else {
        // Trapezoidal rule: half of the change of the data prediction.
        return Some(Corrector { from: x, d0: 0.5 * base, d1: 0.5 * base, d2: 0.0 });
    };
    // Two conditions for two weights: rho_before + rho_now = b1, r·rho_before + rho_now = b2
    // (equation 5 of the paper with r of the new point = 1).
    let phi1 = phi / -h - 1.0;
    let phi2 = phi1 / -h - 0.5;
    let (b1, b2) = (phi1 / phi, 2.0 * phi2 / phi);
    let r = (before.lambda - from.lambda) / h;
    let rho_before = (b2 - b1) / (r - 1.0);
    let rho_now = b1 - rho_before;
    let (d2, d0) = (base * rho_before / r, base * rho_now);
    Some(Corrector { from: x, d0, d1: base - d0 - d2, d2 })
}

/// `steps` different training steps in ascending order, ending at the last, evenly spaced in the
/// angle between signal and noise.
fn angle_spacing(schedule: &NoiseSchedule, steps: usize) -> Vec<usize> {
    let trained = schedule.timesteps();
    let steps = steps.clamp(1, trained);
    let angles: Vec<f64> = schedule
        .alphas_cumprod
        .iter()
        .zip(&schedule.scale_arr)
        .map(|(abar, scale)| (1.0 - abar).sqrt().atan2(scale * abar.sqrt()))
        .collect();
    let (first, last) = (angles[0], angles[trained - 1]);
    let mut visited: Vec<usize> = (1..=steps)
        .map(|k| {
            let wanted = first + (last - first) * k as f64 / steps as f64;
            // Angles grow with the training step.
            let above = angles.partition_point(|&angle| angle < wanted).min(trained - 1);
            let below = above.saturating_sub(1);
            if wanted - angles[below] < angles[above] - wanted { below } else { above }
        })
        .collect();
    // With many steps the ends become crowded, so equal neighbours are pushed apart.
    visited[steps - 1] = trained - 1;
    for i in (0..steps - 1).rev() {
        visited[i] = visited[i].min(visited[i + 1] - 1);
    }
    for i in 1..steps {
        visited[i] = visited[i].max(visited[i - 1] + 1);
    }
    visited
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::ScheduleConfig;

    fn schedule() -> NoiseSchedule {
        NoiseSchedule::new(&ScheduleConfig::default())
    }

    #[test]
    fn any_step_count_gives_that_many_finite_steps_from_pure_noise() {
        for steps in [1, 2, 3, 4, 10, 20, 50, 200, 999, 1000] {
            let table = unipc_steps(&schedule(), steps);
            assert_eq!(table.len(), steps);
            assert_eq!(table[0].timestep, 999);
            assert!(table.is_sorted_by(|a, b| a.timestep > b.timestep), "{steps}");
            for step in &table {
                let p = step.predictor;
                let c =
                    step.corrector.unwrap_or(Corrector { from: 0.0, d0: 0.0, d1: 0.0, d2: 0.0 });
                let numbers = [p.x, p.d0, p.d1, c.from, c.d0, c.d1, c.d2, step.scale];
                assert!(numbers.iter().all(|n| n.is_finite()), "{steps}: {step:?}");
            }
        }
    }

    /// On a path with a constant data prediction, every order is exact: from `x = α·c + σ·e` the
    /// weights must lead to the same form at the next node.
    #[test]
    fn a_constant_data_prediction_is_followed_exactly() {
        let (clean, noise) = (0.7, -1.3);
        for steps in [1, 2, 5, 20, 100] {
            let table = unipc_steps(&schedule(), steps);
            let mut x = noise;
            let mut before = f64::NAN;
            for step in &table {
                if let Some(c) = step.corrector {
                    let corrected = c.from * before + (c.d0 + c.d1 + c.d2) * clean;
                    assert!((corrected - x).abs() < 1e-9, "{steps}: {corrected} is not {x}");
                }
                let wanted =
                    step.scale * step.sqrt_alpha * clean + step.sqrt_one_minus_alpha * noise;
                assert!((x - wanted).abs() < 1e-9, "{steps}: {x} is not {wanted}");
                before = x;
                x = step.predictor.x * x + (step.predictor.d0 + step.predictor.d1) * clean;
            }
        }
    }
}
