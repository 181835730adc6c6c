//! The noise schedule and the tables of the DDIM sampler, as pure functions of numbers.
//!
//! Nothing here involves a tensor or a random number. Everything is computed in `f64`. The DDIM
//! tables are then stored in `f32`, as in the published sampler, because that rounding decides one
//! of its differences (see [`DdimTable::direction_squared`]).
//!
//! Sources: zero-terminal-SNR rescaling is algorithm 1 of "Common Diffusion Noise Schedules and
//! Sample Steps are Flawed" (arXiv 2305.08891); DDIM is equation 12 of arXiv 2010.02502; dynamic
//! rescaling scales the clean latent over time (DynamiCrafter, arXiv 2310.12190).

/// The numbers that define a noise schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScheduleConfig {
    /// Noise variance added by the first training step, before rescaling.
    pub linear_start: f64,
    /// Noise variance added by the last training step, before rescaling.
    pub linear_end: f64,
    /// Number of training steps.
    pub timesteps: usize,
    /// The scale of the clean latent once the turning step is reached.
    pub base_scale: f64,
    /// Number of steps over which the scale falls from 1 to `base_scale`.
    pub turning_step: usize,
}

impl Default for ScheduleConfig {
    /// The released model at 512 pixels.
    fn default() -> Self {
        Self {
            linear_start: 0.000_85,
            linear_end: 0.012,
            timesteps: 1000,
            base_scale: 0.7,
            turning_step: 400,
        }
    }
}

/// The noise schedule after zero-terminal-SNR rescaling; index = training step.
///
/// Published as [`make_beta_schedule`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/models/utils_diffusion.py#L31),
/// [`rescale_zero_terminal_snr`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/models/utils_diffusion.py#L112),
/// [`register_schedule`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/models/ddpm3d.py#L124).
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseSchedule {
    /// Noise variance added by each step; the last is 1.
    pub betas: Vec<f64>,
    /// Remaining share of the clean latent's variance; the last is exactly 0.
    pub alphas_cumprod: Vec<f64>,
    /// `alphas_cumprod` shifted by one step, starting with 1.
    pub alphas_cumprod_prev: Vec<f64>,
    /// Scale of the clean latent: linear from 1 down to `base_scale`, then constant. It has
    /// `turning_step` more entries than there are training steps, as in the released file.
    pub scale_arr: Vec<f64>,
}

impl NoiseSchedule {
    /// Computes the schedule. `config.timesteps` is a constant of the model; a value below 2 is a
    /// programming error.
    pub fn new(config: &ScheduleConfig) -> Self {
        assert!(config.timesteps >= 2, "a schedule has at least two steps");
        let last = config.timesteps - 1;
        let (start, end) = (config.linear_start.sqrt(), config.linear_end.sqrt());
        let betas =
            (0..config.timesteps).map(|i| (start + i as f64 * (end - start) / last as f64).powi(2));
        let signal: Vec<f64> =
            cumulative_product(betas.map(|beta| 1.0 - beta)).into_iter().map(f64::sqrt).collect();

        // Shifted so that no signal is left at the last step, and scaled so that the first step
        // keeps its value.
        let (first, residue) = (signal[0], signal[last]);
        let signal_squared: Vec<f64> =
            signal.iter().map(|s| ((s - residue) * (first / (first - residue))).powi(2)).collect();
        let alphas = std::iter::once(signal_squared[0])
            .chain(signal_squared.windows(2).map(|pair| pair[1] / pair[0]));
        let betas: Vec<f64> = alphas.map(|alpha| 1.0 - alpha).collect();
        // The published code computes the product again, so its rounding is part of the schedule.
        let alphas_cumprod = cumulative_product(betas.iter().map(|beta| 1.0 - beta));
        let alphas_cumprod_prev =
            std::iter::once(1.0).chain(alphas_cumprod[..last].iter().copied()).collect();

        let turning = config.turning_step;
        let slope =
            if turning > 1 { (config.base_scale - 1.0) / (turning - 1) as f64 } else { 0.0 };
        let scale_arr = (0..turning + config.timesteps)
            .map(|i| if i < turning { 1.0 + slope * i as f64 } else { config.base_scale })
            .collect();
        Self { betas, alphas_cumprod, alphas_cumprod_prev, scale_arr }
    }

    /// Number of training steps.
    pub fn timesteps(&self) -> usize {
        self.betas.len()
    }
}

fn cumulative_product(factors: impl Iterator<Item = f64>) -> Vec<f64> {
    factors
        .scan(1.0, |product, factor| {
            *product *= factor;
            Some(*product)
        })
        .collect()
}

/// How the sampling steps are distributed over the training steps.
///
/// Published as [`make_ddim_timesteps`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/models/utils_diffusion.py#L56).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spacing {
    /// Evenly, ending at the last training step (pure noise). The released setting.
    #[default]
    UniformTrailing,
    /// Evenly from step 1, which misses the last training step. For the older 256-pixel models.
    Uniform,
}

impl Spacing {
    /// The training steps to visit, in ascending order; sampling visits them backwards.
    ///
    /// `steps` is clamped to `1..=trained`. [`Spacing::Uniform`] may return more than `steps`
    /// entries when `steps` does not divide `trained`, as the published code does.
    pub fn timesteps(self, steps: usize, trained: usize) -> Vec<usize> {
        let steps = steps.clamp(1, trained);
        match self {
            Self::UniformTrailing => {
                let stride = trained as f64 / steps as f64;
                // The count of an arithmetic range is ceil(length / stride); each entry is a
                // product, not a running sum, so the rounding matches.
                let count = (trained as f64 / stride).ceil() as usize;
                let mut visited: Vec<usize> = (0..count)
                    .map(|k| (trained as f64 - k as f64 * stride).round_ties_even())
                    .filter(|&t| t >= 1.0)
                    .map(|t| t as usize - 1)
                    .collect();
                visited.reverse();
                visited.dedup();
                visited
            }
            Self::Uniform => {
                let mut visited: Vec<usize> = (0..trained)
                    .step_by(trained / steps)
                    .map(|t| (t + 1).min(trained - 1))
                    .collect();
                visited.dedup();
                visited
            }
        }
    }
}

/// All values that a DDIM sampler looks up; index `i` of each list belongs to `timesteps[i]`.
///
/// Published as [`make_ddim_sampling_parameters`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/models/utils_diffusion.py#L79).
#[derive(Clone, Debug, PartialEq)]
pub struct DdimTable {
    /// Training steps, ascending.
    pub timesteps: Vec<usize>,
    /// Share of signal variance at the step.
    pub alphas: Vec<f32>,
    /// Share of signal variance at the next step. The last move ends at training step 0 rather than
    /// at a noiseless latent.
    pub alphas_prev: Vec<f32>,
    /// `sqrt(1 - alphas)`.
    pub sqrt_one_minus_alphas: Vec<f32>,
    /// Scale of the clean latent at the step.
    pub scale: Vec<f32>,
    /// Scale of the clean latent at the next step; the last move keeps its scale.
    pub scale_prev: Vec<f32>,
    /// Standard deviation of the added noise; all 0 for `eta` 0.
    pub sigmas: Vec<f32>,
}

impl DdimTable {
    /// The tables for visiting `timesteps` (ascending), with `eta` from 0 (deterministic) to 1 (as
    /// much added noise as in training).
    pub fn new(schedule: &NoiseSchedule, timesteps: Vec<usize>, eta: f64) -> Self {
        // Signal shares are rounded to f32 first, and the published sampler then uses the rounded
        // ones in f64. Only in this order does the radicand below have the published sign.
        let alpha_at = |t: usize| schedule.alphas_cumprod[t] as f32;
        let alphas: Vec<f32> = timesteps.iter().map(|&t| alpha_at(t)).collect();
        let alphas_prev: Vec<f32> = std::iter::once(alpha_at(0))
            .chain(alphas.iter().copied().take(alphas.len().saturating_sub(1)))
            .collect();
        let sigmas = alphas
            .iter()
            .zip(&alphas_prev)
            .map(|(&a, &prev)| {
                let (a, prev) = (f64::from(a), f64::from(prev));
                (eta * ((1.0 - prev) / (1.0 - a) * (1.0 - a / prev)).max(0.0).sqrt()) as f32
            })
            .collect();
        let scale: Vec<f32> = timesteps.iter().map(|&t| schedule.scale_arr[t] as f32).collect();
        let scale_prev = scale
            .first()
            .into_iter()
            .chain(scale.iter().take(scale.len().saturating_sub(1)))
            .copied()
            .collect();
        let sqrt_one_minus_alphas = alphas.iter().map(|a| (1.0 - a).sqrt()).collect();
        Self { timesteps, alphas, alphas_prev, sqrt_one_minus_alphas, scale, scale_prev, sigmas }
    }

    /// Number of steps.
    pub fn len(&self) -> usize {
        self.timesteps.len()
    }

    /// Whether there is no step at all.
    pub fn is_empty(&self) -> bool {
        self.timesteps.is_empty()
    }

    /// The squared weight of the predicted noise, `1 - alphas_prev - sigma²`, exactly as `f32`
    /// arithmetic gives it.
    ///
    /// With `eta` 1 it is mathematically 0 in the first step, where no signal is left, and rounding
    /// makes it slightly negative for some step counts (7, 11, 14, 15, 20, 25 ...). Its root is
    /// then NaN, which ruins the whole clip. Use [`Self::direction`].
    pub fn direction_squared(&self, index: usize) -> f32 {
        let sigma = self.sigmas[index];
        (1.0 - self.alphas_prev[index]) - sigma * sigma
    }

    /// The weight of the predicted noise: the root of [`Self::direction_squared`], clamped to 0
    /// first.
    pub fn direction(&self, index: usize) -> f32 {
        self.direction_squared(index).max(0.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_step_is_pure_noise() {
        let schedule = NoiseSchedule::new(&ScheduleConfig::default());
        assert_eq!(schedule.alphas_cumprod[999], 0.0);
        assert_eq!(schedule.betas[999], 1.0);
        assert!((schedule.alphas_cumprod[0] - 0.99915).abs() < 1e-9);
        assert!((schedule.alphas_cumprod[500] - 0.241_018_8).abs() < 1e-7);
    }

    #[test]
    fn trailing_spacing_gives_the_asked_number_of_steps_and_ends_at_the_last() {
        for steps in 1..=60 {
            let visited = Spacing::UniformTrailing.timesteps(steps, 1000);
            assert_eq!(visited.len(), steps);
            assert_eq!(visited.last(), Some(&999));
            assert!(visited.is_sorted_by(|a, b| a < b));
        }
        assert_eq!(Spacing::UniformTrailing.timesteps(30, 1000)[..5], [32, 66, 99, 132, 166]);
    }

    #[test]
    fn every_step_count_is_usable() {
        for spacing in [Spacing::UniformTrailing, Spacing::Uniform] {
            for steps in [0, 1, 3, 7, 333, 501, 999, 1000, 5000] {
                let visited = spacing.timesteps(steps, 1000);
                assert!(!visited.is_empty());
                assert!(visited.iter().all(|&t| t < 1000), "{spacing:?} {steps}");
            }
        }
    }

    /// The step counts for which the published sampler gives NaN with `eta` 1 are known from
    /// measurement. The rounding must be reproduced and then clamped to 0.
    #[test]
    fn radicand_is_negative_for_the_known_step_counts_and_clamped() {
        let schedule = NoiseSchedule::new(&ScheduleConfig::default());
        let negative: Vec<usize> = (2..=60)
            .filter(|&steps| {
                let visited = Spacing::UniformTrailing.timesteps(steps, 1000);
                let table = DdimTable::new(&schedule, visited, 1.0);
                assert!((0..table.len()).all(|i| table.direction(i).is_finite()));
                (0..table.len()).any(|i| table.direction_squared(i) < 0.0)
            })
            .collect();
        assert_eq!(negative, [7, 11, 14, 15, 20, 25, 33, 34, 35, 37, 38, 39]);
    }
}
