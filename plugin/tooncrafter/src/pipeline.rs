//! The whole model: two key pictures in, the frames between them out.
//!
//! Parts are loaded when they are needed: text tower, image tower and projector, VAE encoder, UNet
//! (with the sketch encoder), decoder. If there is enough memory they are kept for the next run.

use std::sync::Arc;

use candle_core::{DType, Device, Result as Candle, Tensor};
use inbetween_core::settings::SolverChoice;
use inbetween_core::settings::list::{MOTION, SEED, SKETCH_STRENGTH, STEPS};
use inbetween_core::{Control, Error};
use parking_lot::Mutex;

use crate::clip_text::ClipText;
use crate::clip_vision::ClipVision;
use crate::conditioning::{Contexts, encode_image, encode_keys, encode_text};
use crate::config::SketchConfig;
use crate::decode::{decode, has_second_decode};
use crate::denoise::{Denoising, Draws, Sketches};
use crate::kept_memory::keep;
use crate::memory::{self, MemoryKind, MemoryPlan, Residency, RunSize, Stage};
use crate::noise::{NoiseSource, Stream};
use crate::ops::release_memory;
use crate::resampler::Resampler;
use crate::sampler::{Guidance, Sampler, Solver};
use crate::schedule::{NoiseSchedule, ScheduleConfig};
use crate::sketch::SketchEncoder;
use crate::speed::Work;
use crate::tokenizer::tokenize;
use crate::unet::Unet;
use crate::vae_decoder::VaeDecoder;
use crate::vae_encoder::VaeEncoder;
use crate::weights::layout::{self, ModelConfig, Part};
use crate::weights::{WeightError, Weights, verify_numbers};

/// The engine's name in errors.
const NAME: &str = "ToonCrafter";

/// Frames that the model was trained on.
pub const FRAMES: usize = 16;

/// Largest side of a picture, in pixels; the model was trained on 320 x 512.
const MAX_SIDE: usize = 1024;

/// What to draw.
#[derive(Clone, Debug)]
pub struct Drawing {
    /// First key, `[1, 3, h, w]` in -1..=1, sides multiples of 64.
    pub first: Tensor,
    /// Last key, of the same shape.
    pub last: Tensor,
    /// Sketches by frame: `[1, 1, h, w]` in 0..=1, white lines on black. Frames without one are
    /// unconstrained; without any sketch the encoder is not run at all.
    pub sketches: Vec<(usize, Tensor)>,
    /// Strength of the sketches, 0..=1.
    pub sketch_scale: f64,
    /// Prompt; may be empty.
    pub prompt: String,
    /// Number of frames, including the keys: even, 4..=16. The model was trained on 16.
    pub frames: usize,
    /// Number of solver steps.
    pub steps: usize,
    /// The solver.
    pub solver: Solver,
    /// Strength of the conditions.
    pub guidance: Guidance,
    /// Frame-rate condition: small values give large motion. Useful from 5 to 30.
    pub fs: f32,
    /// Seed of the noise; another seed gives another in-between.
    pub seed: u64,
}

impl Drawing {
    /// The default settings for two keys, but with the published solver and its number of steps.
    pub fn new(first: Tensor, last: Tensor) -> Self {
        Self {
            first,
            last,
            sketches: Vec::new(),
            sketch_scale: SKETCH_STRENGTH.kind.default,
            prompt: String::new(),
            frames: FRAMES,
            steps: SolverChoice::Ddim.steps() as usize,
            solver: Solver::default(),
            guidance: Guidance::default(),
            fs: MOTION.kind.default as f32,
            seed: u64::from(SEED.kind.default.unsigned_abs()),
        }
    }

    /// Passes of the UNet: one for each step and branch of the guidance.
    pub fn forwards(&self) -> usize {
        let guidance = self.guidance;
        let others = [guidance.needs_uncond(), guidance.needs_image_only()];
        self.steps * (1 + others.into_iter().filter(|needed| *needed).count())
    }

    /// Passes of the decoder.
    pub fn decodes(&self) -> usize {
        1 + usize::from(has_second_decode(self.frames))
    }

    /// Whether sketches guide it.
    pub fn is_sketched(&self) -> bool {
        !self.sketches.is_empty() && self.sketch_scale > 0.0
    }

    /// Rejects what the networks cannot process, before anything is loaded.
    ///
    /// # Errors
    /// [`Error::Size`], [`Error::KeysDiffer`], [`Error::Setting`] or [`Error::Range`].
    pub fn check(&self) -> Result<RunSize, Error> {
        const UNIT: usize = 64;
        let engine = |reason: String| Error::Engine { engine: NAME, reason };
        let (batch, channels, height, width) =
            self.first.dims4().map_err(|error| engine(error.to_string()))?;
        if (batch, channels) != (1, 3) {
            return Err(engine(format!("a key is [1, 3, h, w]; found {:?}", self.first.shape())));
        }
        if self.last.dims() != self.first.dims() {
            let size = |key: &Tensor| match key.dims() {
                [.., height, width] => (*width, *height),
                _ => (0, 0),
            };
            return Err(Error::KeysDiffer { first: size(&self.first), last: size(&self.last) });
        }
        let fits = |side: usize| side > 0 && side.is_multiple_of(UNIT) && side <= MAX_SIDE;
        if !fits(height) || !fits(width) {
            let reason = "the model works on sides of 64, 128, .. up to 1024 pixels";
            return Err(Error::Size { width, height, reason });
        }
        let setting = |name, value: String, allowed| Err(Error::Setting { name, value, allowed });
        if !(4..=FRAMES).contains(&self.frames) || !self.frames.is_multiple_of(2) {
            return setting("Frames", self.frames.to_string(), "an even number from 4 to 16");
        }
        STEPS.check(self.steps as u64)?;
        MOTION.check(f64::from(self.fs))?;
        SKETCH_STRENGTH.check(self.sketch_scale)?;
        for (frame, sketch) in &self.sketches {
            if *frame >= self.frames {
                return setting("Sketch frame", frame.to_string(), "it is one of the frames");
            }
            if sketch.dims() != [1, 1, height, width] {
                let found = sketch.shape();
                return Err(engine(format!(
                    "a sketch is [1, 1, {height}, {width}]; found {found:?}"
                )));
            }
        }
        Ok(RunSize { frames: self.frames, height, width })
    }
}

/// A part that is loaded on first use.
#[derive(Debug)]
struct Slot<T>(Mutex<Option<Arc<T>>>);

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Slot<T> {
    /// The part, loaded now if it was not kept.
    fn get(&self, keeping: Residency, load: impl FnOnce() -> Candle<T>) -> Candle<Arc<T>> {
        let mut slot = self.0.lock();
        if let Some(part) = &*slot {
            return Ok(part.clone());
        }
        let part = Arc::new(load()?);
        if keeping == Residency::All {
            *slot = Some(part.clone());
        }
        Ok(part)
    }
}

/// The model, ready to draw.
#[derive(Debug)]
pub struct Pipeline {
    weights: Weights,
    config: ModelConfig,
    sketch_config: SketchConfig,
    device: Device,
    dtype: DType,
    memory_limit: Option<u64>,
    /// Whether all weights have been checked for NaN and infinity.
    checked: Mutex<bool>,
    text: Slot<ClipText>,
    image: Slot<(ClipVision, Resampler)>,
    encoder: Slot<VaeEncoder>,
    unet: Slot<Unet>,
    sketch: Slot<SketchEncoder>,
    decoder: Slot<VaeDecoder>,
}

/// Reports progress over all parts, and checks whether to stop.
struct Progress<'a> {
    control: &'a Control,
    done: f64,
    total: f64,
}

impl Progress<'_> {
    fn add(&mut self, work: f64) {
        self.done += work;
        self.control.report((self.done / self.total) as f32);
    }

    /// A watcher between blocks that counts each block as the share `each` of the work.
    fn watch(&mut self, each: f64) -> impl FnMut(&str, &Tensor) -> Candle<()> + '_ {
        move |_, _| {
            self.add(each);
            self.control.check().map_err(candle_core::Error::wrap)
        }
    }
}

impl Pipeline {
    /// The released model with `weights`. `dtype` is `F32`, or `BF16` for less memory and time.
    pub fn new(weights: Weights, device: Device, dtype: DType) -> Self {
        Self::with_config(weights, ModelConfig::default(), SketchConfig::default(), device, dtype)
    }

    /// A model with other sizes.
    pub fn with_config(
        weights: Weights,
        config: ModelConfig,
        sketch_config: SketchConfig,
        device: Device,
        dtype: DType,
    ) -> Self {
        Self {
            weights,
            config,
            sketch_config,
            device,
            dtype,
            memory_limit: None,
            checked: Mutex::new(false),
            text: Slot::default(),
            image: Slot::default(),
            encoder: Slot::default(),
            unet: Slot::default(),
            sketch: Slot::default(),
            decoder: Slot::default(),
        }
    }

    /// The same model, limited to `bytes` of its device's memory.
    #[must_use]
    pub fn with_memory_limit(mut self, bytes: Option<u64>) -> Self {
        self.memory_limit = bytes;
        self
    }

    /// The memory that a run of `size` needs, and what is available within the limit.
    pub fn plan(&self, size: RunSize, sketches: bool) -> MemoryPlan {
        let free = memory::available_on(&self.device);
        let available = free.into_iter().chain(self.memory_limit).min();
        self.plan_for(size, sketches, MemoryKind::of(&self.device), available)
    }

    /// Like [`Pipeline::plan`], but for another device than the pipeline's own, which need not
    /// exist, with `available` bytes.
    pub fn plan_for(
        &self,
        size: RunSize,
        sketches: bool,
        place: MemoryKind,
        available: Option<u64>,
    ) -> MemoryPlan {
        let weights = |part| self.weights.byte_len(part, self.dtype) as u64;
        let vae = weights(Part::Vae);
        let dtype = place.activations(self.dtype);
        let stage =
            |name, weights, working| Stage { name, weights, working: place.with_overhead(working) };
        let mut denoiser =
            (weights(Part::Unet), memory::unet_working(&self.config.unet, size, dtype));
        if sketches {
            denoiser.0 += weights(Part::Sketch);
            denoiser.1 +=
                memory::sketch_working(self.sketch_config.levels.model_channels, size, dtype);
        }
        let image = weights(Part::Vision) + weights(Part::Projector);
        let stages = vec![
            stage("text tower", weights(Part::Text), memory::TOWER_WORKING),
            stage("image tower, projector", image, memory::TOWER_WORKING),
            // The encoder's share of the autoencoder is about a third.
            stage("VAE encoder", vae / 3, memory::encoder_working(&self.config.vae, size, dtype)),
            stage("UNet", denoiser.0, denoiser.1),
            stage(
                "VAE decoder",
                vae / 3 * 2,
                memory::decoder_working(&self.config.vae, size, dtype),
            ),
        ];
        MemoryPlan::new(stages, available)
    }

    /// Draws all frames, `[t, 3, h, w]` in -1..=1: first key, in-betweens, last key. The model
    /// draws the keys too.
    ///
    /// Between the blocks of every network, progress is reported and a request to stop is honoured.
    ///
    /// # Errors
    /// [`Error::Cancelled`] when asked to stop; [`Error::Size`], [`Error::KeysDiffer`] or
    /// [`Error::Setting`] for input that the model cannot process; [`Error::Engine`] when weights
    /// are missing or memory is short.
    pub fn generate(&self, drawing: &Drawing, control: &Control) -> Result<Tensor, Error> {
        let size = drawing.check()?;
        let sketched = drawing.is_sketched();
        self.check_parts(sketched)?;
        self.check_numbers(control)?;
        let plan = self.plan(size, sketched);
        log::info!("{plan}");
        if !plan.fits() {
            log::warn!("less memory is free than this run needs; it may fail or become very slow");
        }
        let _keeping = keep();
        self.run(drawing, size, sketched, plan.keeping, control).map_err(|error| {
            if control.is_cancelled() {
                return Error::Cancelled;
            }
            Error::Engine { engine: NAME, reason: error.to_string() }
        })
    }

    /// Rejects files that lack a part, before any work is done.
    fn check_parts(&self, sketched: bool) -> Result<(), Error> {
        let sketch = sketched.then_some(Part::Sketch);
        for part in Part::MAIN.into_iter().chain(sketch) {
            if !self.weights.has(part) {
                let reason =
                    format!("the weight files hold no {}; add the file that has it", part.label());
                return Err(Error::Engine { engine: NAME, reason });
            }
        }
        Ok(())
    }

    /// Rejects weights that are not finite, once, before the first network is loaded: the last
    /// network is loaded only after minutes of work.
    fn check_numbers(&self, control: &Control) -> Result<(), Error> {
        let mut checked = self.checked.lock();
        if *checked {
            return Ok(());
        }
        control.enter("checking the weights");
        let mut wanted = layout::model(&self.config);
        wanted.extend(layout::sketch(&self.sketch_config));
        let mut go_on = |_: u64, _: u64| !control.is_cancelled();
        let broken = verify_numbers(&self.weights, &wanted, &mut go_on);
        control.check()?;
        if let Some(WeightError::NotFinite { file, key }) = broken.into_iter().next() {
            let reason = format!("it is damaged: tensor {key} holds NaN or infinity");
            return Err(Error::Weights { path: file, reason });
        }
        *checked = true;
        Ok(())
    }

    fn run(
        &self,
        drawing: &Drawing,
        size: RunSize,
        sketched: bool,
        keeping: Residency,
        control: &Control,
    ) -> Candle<Tensor> {
        let guidance = drawing.guidance;
        let (uncond, image_only) = (guidance.needs_uncond(), guidance.needs_image_only());
        let schedule = NoiseSchedule::new(&ScheduleConfig::default());
        let mut sampler = Sampler::new(&schedule, drawing.solver, drawing.steps);
        let forwards = drawing.forwards() as f64;
        let (text_work, image_work) = (Work::text().total(), Work::image().total());
        let (encode_work, decode_work) = (Work::encoder(size).total(), Work::decoder(size).total());
        let sketch = if sketched { Work::sketch_encoder(size).total() } else { 0.0 };
        let forward = Work::unet(size).total() + sketch;
        let decodes = drawing.decodes() as f64;
        let total =
            text_work + image_work + encode_work + forward * forwards + decode_work * decodes;
        let mut progress = Progress { control, done: 0.0, total };
        control.check().map_err(candle_core::Error::wrap)?;

        let device = &self.device;
        let (first, last) = (drawing.first.to_device(device)?, drawing.last.to_device(device)?);
        let noise = (NoiseSource::new(drawing.seed), device);

        let text = {
            let tower = self
                .text
                .get(keeping, || ClipText::new(&self.config.clip, &self.builder(Part::Text)))?;
            encode_text(&tower, &tokenize(&drawing.prompt), &mut progress.watch(0.0))?
        };
        let release = || match keeping {
            Residency::All => {}
            Residency::OneByOne => release_memory(device),
        };
        release();
        progress.add(text_work);
        let image = {
            let parts = self.image.get(keeping, || {
                let tower = ClipVision::new(&self.config.clip, &self.builder(Part::Vision))?;
                let projector =
                    Resampler::new(&self.config.resampler, &self.builder(Part::Projector))?;
                Ok((tower, projector))
            })?;
            encode_image(&parts.0, &parts.1, &first, &mut progress.watch(0.0))?
        };
        release();
        progress.add(image_work);
        let contexts = Contexts::join(&text, &image, uncond, image_only)?;

        let keys = {
            let encoder = self
                .encoder
                .get(keeping, || VaeEncoder::new(&self.config.vae, &self.builder(Part::Vae)))?;
            let (_, _, h, w) = first.dims4()?;
            let each = [1, self.config.vae.z_channels, h / 8, w / 8];
            let posterior = |key| noise.draw(Stream::Posterior(key), &each);
            let posterior = Tensor::cat(&[posterior(0)?, posterior(1)?], 0)?;
            let scale = self.config.vae.scale_factor;
            encode_keys(&encoder, &first, &last, &posterior, scale, &mut progress.watch(0.0))?
        };
        release();
        progress.add(encode_work);

        let latent = {
            let unet = self
                .unet
                .get(keeping, || Unet::new(&self.config.unet, &self.builder(Part::Unet)))?;
            let sketch = self.sketch_features(drawing, sketched, keeping)?;
            let sketches = sketch.as_ref().map(|(encoder, hint)| Sketches {
                encoder,
                hint,
                scale: drawing.sketch_scale,
            });
            let denoising = Denoising {
                unet: &unet,
                contexts: &contexts,
                concat: &keys.concat(drawing.frames)?,
                fs: drawing.fs,
                guidance,
                sketches,
            };
            let blocks = unet.stages() + sketch.as_ref().map_or(0, |(encoder, _)| encoder.stages());
            let mut watch = progress.watch(forward / blocks as f64);
            denoising.run(&mut sampler, &noise, &mut watch, &mut |taken| {
                log::debug!("step {} of {} taken", taken.step.number + 1, drawing.steps);
                Ok(())
            })?
        };

        release();

        let decoder = self
            .decoder
            .get(keeping, || VaeDecoder::new(&self.config.vae, &self.builder(Part::Vae)))?;
        let mut watch = progress.watch(decode_work / decoder.stages() as f64);
        let scale = self.config.vae.scale_factor;
        let frames = decode(&decoder, &latent, &keys.references, scale, &mut watch)?.merge()?;
        control.report(1.0);
        frames.clamp(-1f32, 1f32)
    }

    /// The sketch encoder, and the features of the sketches alone, if there are any.
    fn sketch_features(
        &self,
        drawing: &Drawing,
        sketched: bool,
        keeping: Residency,
    ) -> Candle<Option<(Arc<SketchEncoder>, Tensor)>> {
        if !sketched {
            return Ok(None);
        }
        let encoder = self.sketch.get(keeping, || {
            SketchEncoder::new(&self.sketch_config, &self.builder(Part::Sketch))
        })?;
        let (_, _, h, w) = drawing.first.dims4()?;
        // Frames without a sketch get an empty one.
        let hints = Tensor::zeros((drawing.frames, 1, h, w), DType::F32, &self.device)?;
        for (frame, sketch) in &drawing.sketches {
            hints.slice_set(&sketch.to_device(&self.device)?.contiguous()?, 0, *frame)?;
        }
        let hint = encoder.hint(&hints)?;
        Ok(Some((encoder, hint)))
    }

    fn builder(&self, part: Part) -> candle_nn::VarBuilder<'static> {
        self.weights.var_builder(part, self.dtype, &self.device)
    }
}
