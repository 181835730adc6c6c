//! Guidance, and the steps from noise to latent. There is no network, no random number and no loop
//! here.
//!
//! The pipeline asks a [`Sampler`] for its steps, calls the network once per branch, combines the
//! branches with [`Guidance::combine`], and lets the sampler advance. Noise is an argument.
//!
//! Axes: `b` batch, `c` channels, `t` frames, `h` and `w` latent height and width.

use candle_core::{D, DType, Result, Tensor};
use inbetween_core::settings::list::{GUIDANCE, RESCALE};

use crate::schedule::{DdimTable, NoiseSchedule, Spacing};
use crate::solver::{UniPcStep, unipc_steps};

/// The method by which the sampler gets from one step to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Solver {
    /// The published sampler.
    Ddim {
        /// Fresh noise per step, from 0 (none) to 1 (as the training process); published: 1.
        eta: f64,
        /// How the steps are spaced; published: trailing.
        spacing: Spacing,
    },
    /// UniPC of order 2: deterministic, good from 10 steps, converged at 20.
    UniPc,
}

impl Default for Solver {
    fn default() -> Self {
        Self::Ddim { eta: 1.0, spacing: Spacing::UniformTrailing }
    }
}

/// Strength of the conditions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guidance {
    /// Strength of the whole condition; 1 means no guidance.
    pub scale: f64,
    /// Separate strength of the pictures, which takes a third network call; `None` for a single
    /// strength.
    pub image_scale: Option<f64>,
    /// How far the result's contrast is restored to that of the conditional branch, 0..=1.
    pub rescale: f64,
}

/// The published guidance.
impl Default for Guidance {
    fn default() -> Self {
        Self { scale: GUIDANCE.kind.default, image_scale: None, rescale: RESCALE.kind.default }
    }
}

/// The network's predictions in one step, each `[b, c, t, h, w]`.
#[derive(Clone, Copy, Debug)]
pub struct Branches<'a> {
    /// With text and pictures.
    pub cond: &'a Tensor,
    /// With neither.
    pub uncond: Option<&'a Tensor>,
    /// With pictures but an empty text.
    pub image_only: Option<&'a Tensor>,
}

impl Guidance {
    /// Whether the network must also run without conditions.
    pub fn needs_uncond(&self) -> bool {
        self.scale != 1.0 || self.image_scale.is_some_and(|scale| scale != 1.0)
    }

    /// Whether the network must also run with pictures and an empty text.
    pub fn needs_image_only(&self) -> bool {
        self.needs_uncond() && self.image_scale.is_some()
    }

    /// Combines the branches into one velocity `[b, c, t, h, w]`.
    ///
    /// # Errors
    /// When a branch that this guidance needs is missing, or when shapes differ.
    pub fn combine(&self, branches: Branches<'_>) -> Result<Tensor> {
        let cond = branches.cond;
        if !self.needs_uncond() {
            return Ok(cond.clone());
        }
        let Some(uncond) = branches.uncond else {
            candle_core::bail!(
                "guidance of strength {} needs the unconditional branch",
                self.scale
            );
        };
        let guided = match (self.image_scale, branches.image_only) {
            (None, _) => (uncond + ((cond - uncond)? * self.scale)?)?,
            (Some(image_scale), Some(image_only)) => {
                let pictures = ((image_only - uncond)? * image_scale)?;
                let text = ((cond - image_only)? * self.scale)?;
                ((uncond + pictures)? + text)?
            }
            (Some(_), None) => {
                candle_core::bail!("guidance by pictures alone needs the branch without text")
            }
        };
        if self.rescale > 0.0 { rescale_to(&guided, cond, self.rescale) } else { Ok(guided) }
    }
}

/// Moves the standard deviation of `guided` towards that of `cond`, by the share `amount` (arXiv
/// 2305.08891, section 3.4).
///
/// Published as [`rescale_noise_cfg`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/models/utils_diffusion.py#L147).
fn rescale_to(guided: &Tensor, cond: &Tensor, amount: f64) -> Result<Tensor> {
    // A flat prediction has no contrast to restore, and must not become NaN.
    let floor = f64::from(f32::MIN_POSITIVE);
    let factor = (deviation(cond)? / deviation(guided)?.maximum(floor)?)?;
    let weight = ((factor * amount)? + (1.0 - amount))?;
    guided.broadcast_mul(&weight.to_dtype(guided.dtype())?)
}

/// Unbiased standard deviation over all axes except the batch: `[b, ...]` → `[b, 1, ...]`, `f32`.
fn deviation(x: &Tensor) -> Result<Tensor> {
    let flat = x.to_dtype(DType::F32)?.flatten_from(1)?;
    let count = flat.dim(1)?;
    let centred = flat.broadcast_sub(&flat.mean_keepdim(D::Minus1)?)?;
    let variance = (centred.sqr()?.sum(D::Minus1)? / (count.max(2) - 1) as f64)?;
    let mut shape = vec![1; x.rank()];
    shape[0] = x.dim(0)?;
    variance.sqrt()?.reshape(shape)
}

/// One step of a sampler, in the order of sampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number, counted from 0.
    pub number: usize,
    /// The training step to pass to the network, 0..=999.
    pub timestep: usize,
    /// Whether [`Sampler::advance`] needs noise: one draw per step, numbered by `number`.
    pub needs_noise: bool,
}

/// The results of a step, both `[b, c, t, h, w]`.
#[derive(Clone, Debug)]
pub struct StepOutput {
    /// The latent for the next step; after the last step, the finished one.
    pub x: Tensor,
    /// The clean latent predicted at this step, with the scale of the next one.
    pub pred_x0: Tensor,
}

/// Advances from pure noise to a clean latent.
#[derive(Debug)]
pub struct Sampler {
    method: Method,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Method {
    Ddim { table: DdimTable, signal: Vec<(f32, f32)> },
    UniPc { table: Vec<UniPcStep>, history: History },
}

/// What UniPC keeps from earlier steps.
#[derive(Debug, Default)]
struct History {
    x: Option<Tensor>,
    d1: Option<Tensor>,
    d2: Option<Tensor>,
}

impl Sampler {
    /// A sampler with `steps` steps, clamped to 1 up to the number of training steps.
    pub fn new(schedule: &NoiseSchedule, solver: Solver, steps: usize) -> Self {
        let method = match solver {
            Solver::Ddim { eta, spacing } => {
                let visited = spacing.timesteps(steps, schedule.timesteps());
                // The published sampler converts between velocity, noise and clean latent with the
                // roots stored in its model, which are rounded from f64 to f32.
                let signal = visited
                    .iter()
                    .map(|&t| {
                        let abar = schedule.alphas_cumprod[t];
                        (abar.sqrt() as f32, (1.0 - abar).sqrt() as f32)
                    })
                    .collect();
                Method::Ddim { table: DdimTable::new(schedule, visited, eta), signal }
            }
            Solver::UniPc => {
                Method::UniPc { table: unipc_steps(schedule, steps), history: History::default() }
            }
        };
        let steps = match &method {
            Method::Ddim { table, .. } => (0..table.len())
                .map(|number| {
                    let index = table.len() - 1 - number;
                    let needs_noise = table.sigmas[index] > 0.0;
                    Step { number, timestep: table.timesteps[index], needs_noise }
                })
                .collect(),
            Method::UniPc { table, .. } => (table.iter().enumerate())
                .map(|(number, step)| Step { number, timestep: step.timestep, needs_noise: false })
                .collect(),
        };
        Self { method, steps }
    }

    /// The steps, in the order of sampling.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Advances the latent `x`, given the network's velocity `v` at `step`.
    ///
    /// `x`, `v`, `noise`: `[b, c, t, h, w]`. `x` determines the element type of the arithmetic (use
    /// `f32`). Steps must be taken in order, starting at 0, because UniPC keeps the last two.
    ///
    /// # Errors
    /// When noise is needed but missing, when a step is taken out of order, or when shapes differ.
    pub fn advance(
        &mut self,
        step: Step,
        x: &Tensor,
        v: &Tensor,
        noise: Option<&Tensor>,
    ) -> Result<StepOutput> {
        let v = v.to_dtype(x.dtype())?;
        match &mut self.method {
            Method::Ddim { table, signal } => {
                let Some(index) = (table.len() - 1).checked_sub(step.number) else {
                    candle_core::bail!("step {} does not exist", step.number);
                };
                ddim_step(table, signal[index], index, x, &v, noise)
            }
            Method::UniPc { table, history } => {
                let Some(numbers) = table.get(step.number) else {
                    candle_core::bail!("step {} does not exist", step.number);
                };
                if step.number == 0 {
                    *history = History::default();
                }
                unipc_step(numbers, history, x, &v)
            }
        }
    }
}

/// Published as [`p_sample_ddim`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/models/samplers/ddim.py#L206).
fn ddim_step(
    table: &DdimTable,
    (sqrt_alpha, sqrt_one_minus_alpha): (f32, f32),
    index: usize,
    x: &Tensor,
    v: &Tensor,
    noise: Option<&Tensor>,
) -> Result<StepOutput> {
    let (a, b) = (f64::from(sqrt_alpha), f64::from(sqrt_one_minus_alpha));
    let eps = ((v * a)? + (x * b)?)?;
    let pred_x0 = ((x * a)? - (v * b)?)?;
    // Dynamic rescaling: the scale of the clean latent grows towards the end, that of the noise
    // does not.
    let pred_x0 = (pred_x0 * f64::from(table.scale_prev[index] / table.scale[index]))?;
    let signal = (&pred_x0 * f64::from(table.alphas_prev[index].sqrt()))?;
    let mut x = (signal + (eps * f64::from(table.direction(index)))?)?;
    let sigma = table.sigmas[index];
    if sigma > 0.0 {
        let Some(noise) = noise else {
            candle_core::bail!("step {} needs noise", table.len() - 1 - index);
        };
        x = (x + (noise.to_dtype(v.dtype())? * f64::from(sigma))?)?;
    }
    Ok(StepOutput { x, pred_x0 })
}

fn unipc_step(
    numbers: &UniPcStep,
    history: &mut History,
    x: &Tensor,
    v: &Tensor,
) -> Result<StepOutput> {
    let d0 = ((x * (numbers.sqrt_alpha / numbers.scale))?
        - (v * (numbers.sqrt_one_minus_alpha / numbers.scale))?)?;
    let mut at = x.clone();
    if let Some(weights) = numbers.corrector {
        let (Some(before), Some(d1)) = (&history.x, &history.d1) else {
            candle_core::bail!("the steps of a sampler must be taken in order");
        };
        at = (((before * weights.from)? + (&d0 * weights.d0)?)? + (d1 * weights.d1)?)?;
        if let Some(d2) = history.d2.as_ref().filter(|_| weights.d2 != 0.0) {
            at = (at + (d2 * weights.d2)?)?;
        }
    }
    let weights = numbers.predictor;
    let mut next = ((&at * weights.x)? + (&d0 * weights.d0)?)?;
    if weights.d1 != 0.0 {
        let Some(d1) = &history.d1 else {
            candle_core::bail!("the steps of a sampler must be taken in order");
        };
        next = (next + (d1 * weights.d1)?)?;
    }
    history.d2 = history.d1.take();
    history.d1 = Some(d0.clone());
    history.x = Some(at);
    Ok(StepOutput { x: next, pred_x0: d0 })
}
