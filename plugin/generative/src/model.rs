//! The loaded model. It is kept from one span to the next, and dropped when other files are chosen
//! or its memory is needed.

use std::time::Duration;

use candle_core::{DType, Device};
use inbetween_core::engine::EngineInfo;
use inbetween_core::settings::ToonCrafterSettings;
use inbetween_core::settings::{DeviceChoice, PrecisionChoice, SolverChoice, WeightRef};
use inbetween_core::{ContentHash, Control, Error, Frame, fingerprint};
use inbetween_tooncrafter::config::SketchConfig;
use inbetween_tooncrafter::memory::Residency;
use inbetween_tooncrafter::pipeline::{Drawing, FRAMES, Pipeline};
use inbetween_tooncrafter::sampler::{Guidance, Solver};
use inbetween_tooncrafter::weights::layout::{self, ModelConfig, tiny_sketch};
use inbetween_tooncrafter::weights::{WeightError, Weights};
use parking_lot::Mutex;

use super::fit::{self, Fit};
use super::{device, engine_error};

/// What to draw, in addition to the settings.
pub(super) struct SpanRequest<'a> {
    /// Size of the keys as the host delivered them; it determines the model's frame.
    pub(super) size: (usize, usize),
    /// Shrinks the keys to frames of the given size.
    pub(super) keys: &'a dyn Fn((usize, usize)) -> Result<[Frame; 2], Error>,
    /// Line coverage, and the frame that it is for.
    pub(super) sketches: Vec<(usize, &'a Frame)>,
    /// How closely the sketches are followed, 0..=1.
    pub(super) sketch_strength: f64,
}

/// The choices that decide whether a loaded model can serve a request.
#[derive(Clone, Debug, PartialEq)]
struct Choice {
    checkpoint: ContentHash,
    device: DeviceChoice,
    precision: PrecisionChoice,
    limit_mb: Option<u32>,
}

struct Loaded {
    choice: Choice,
    sketch: Option<ContentHash>,
    config: ModelConfig,
    pipeline: Pipeline,
    device: Device,
    dtype: DType,
    /// All weights have been in memory since an earlier span.
    resident: bool,
}

/// The model of a process. It generates one span at a time.
#[derive(Default)]
pub(super) struct Model {
    slot: Mutex<Option<Loaded>>,
    /// Separate from the model, so that it can be read while a span is being generated.
    about: Mutex<EngineInfo>,
}

impl Model {
    /// Generates the 16 frames of a span, in the small size that the model draws.
    pub(super) fn generate(
        &self,
        settings: &ToonCrafterSettings,
        span: &SpanRequest,
        control: &Control,
    ) -> Result<Vec<Frame>, Error> {
        let mut slot = loop {
            control.check()?;
            if let Some(slot) = self.slot.try_lock_for(Duration::from_millis(50)) {
                break slot;
            }
        };
        let sketched = !span.sketches.is_empty() && span.sketch_strength > 0.0;
        let files = needed_files(settings, sketched)?;
        files.iter().try_for_each(|file| unchanged(file))?;
        let loaded = load(&mut slot, settings, &files)?;
        *self.about.lock() = EngineInfo {
            device: Some(loaded.device_name().to_owned()),
            model: Some(settings.checkpoint.path.display().to_string()),
            memory: None,
            spans: 0,
        };
        let outcome = loaded.run(settings, span, sketched, control);
        let kept = files.iter().try_for_each(|file| unchanged(file));
        if kept.is_err() {
            // The file is mapped and has changed, so neither it nor anything drawn with it may be
            // used.
            *slot = None;
            *self.about.lock() = EngineInfo::default();
        }
        kept.and(outcome)
    }

    /// Frees the memory, after the span that is being generated.
    pub(super) fn release(&self) {
        *self.slot.lock() = None;
        *self.about.lock() = EngineInfo::default();
    }

    /// What is loaded.
    pub(super) fn about(&self) -> EngineInfo {
        self.about.lock().clone()
    }
}

fn needed_files(settings: &ToonCrafterSettings, sketched: bool) -> Result<Vec<&WeightRef>, Error> {
    let mut files = vec![&settings.checkpoint];
    if sketched {
        let Some(sketch) = &settings.sketch_checkpoint else {
            return Err(Error::Setting {
                name: "Sketch checkpoint",
                value: "empty".into(),
                allowed: "sketches need the file of the sketch encoder; choose it, or switch Use sketch off",
            });
        };
        files.push(sketch);
    }
    Ok(files)
}

fn unchanged(file: &WeightRef) -> Result<(), Error> {
    if fingerprint::of_file(&file.path)? == file.fingerprint {
        return Ok(());
    }
    Err(Error::Weights {
        path: file.path.clone(),
        reason: "its content has changed since it was chosen".into(),
    })
}

/// The model of `settings`, from `slot` or from its files.
fn load<'a>(
    slot: &'a mut Option<Loaded>,
    settings: &ToonCrafterSettings,
    files: &[&WeightRef],
) -> Result<&'a mut Loaded, Error> {
    let choice = Choice {
        checkpoint: settings.checkpoint.fingerprint,
        device: settings.device,
        precision: settings.precision,
        limit_mb: settings.memory_limit_mb,
    };
    let sketch = files.get(1).map(|file| file.fingerprint);
    let serves =
        |loaded: &Loaded| loaded.choice == choice && (sketch.is_none() || loaded.sketch == sketch);
    if !slot.as_ref().is_some_and(serves) {
        // Dropped first, so that the new model can have its memory.
        *slot = None;
    }
    if slot.is_none() {
        let (device, dtype) = device::choose(settings)?;
        let weights = Weights::open(files.iter().map(|file| &file.path)).map_err(unreadable)?;
        let (config, sketch_config) = configurations(&weights);
        log::info!("loading {} as {dtype:?}", settings.checkpoint.path.display());
        let pipeline =
            Pipeline::with_config(weights, config.clone(), sketch_config, device.clone(), dtype)
                .with_memory_limit(settings.memory_limit_mb.map(|mb| u64::from(mb) << 20));
        *slot = Some(Loaded { choice, sketch, config, pipeline, device, dtype, resident: false });
    }
    slot.as_mut().ok_or_else(|| engine_error("the model is not there"))
}

fn unreadable(error: WeightError) -> Error {
    let path = match &error {
        WeightError::Io { file, .. }
        | WeightError::NotWeights { file, .. }
        | WeightError::Damaged { file, .. }
        | WeightError::NotFinite { file, .. }
        | WeightError::Refused { file, .. }
        | WeightError::OtherModel { file, .. }
        | WeightError::Missing { file, .. }
        | WeightError::Shape { file, .. }
        | WeightError::Type { file, .. } => file.clone(),
    };
    let text = error.to_string();
    // The error already contains the path.
    let reason = text.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&text).to_owned();
    Error::Weights { path, reason }
}

/// The sizes of the networks, derived from the shapes in the files: those of the released model, or
/// those of the small model used in tests.
fn configurations(weights: &Weights) -> (ModelConfig, SketchConfig) {
    let known =
        [(ModelConfig::default(), SketchConfig::default()), (ModelConfig::tiny(), tiny_sketch())];
    let fits = |config: &ModelConfig| {
        // The width of the UNet's first layer determines all others.
        let wanted = layout::model(config);
        let first = wanted.iter().find(|wanted| wanted.shape.len() == 4 && wanted.needed);
        first.is_some_and(|first| {
            let shapes = weights.files().iter().filter_map(|file| file.shape(&first.name));
            shapes.into_iter().next().is_some_and(|(shape, _)| shape == first.shape)
        })
    };
    let [released, small] = known;
    if fits(&small.0) { small } else { released }
}

impl Loaded {
    fn device_name(&self) -> &'static str {
        if self.device.is_cpu() { "CPU" } else { "GPU" }
    }

    fn run(
        &mut self,
        settings: &ToonCrafterSettings,
        span: &SpanRequest,
        sketched: bool,
        control: &Control,
    ) -> Result<Vec<Frame>, Error> {
        let fit = Fit::new(span.size.0, span.size.1, &self.config);
        let [first, last] = (span.keys)(fit.shown)?;
        let mut drawing = Drawing {
            sketch_scale: span.sketch_strength,
            prompt: settings.prompt.clone(),
            frames: FRAMES,
            steps: settings.steps as usize,
            solver: match settings.solver {
                SolverChoice::Ddim => Solver::default(),
                SolverChoice::UniPc => Solver::UniPc,
            },
            guidance: Guidance {
                scale: settings.guidance,
                rescale: settings.rescale,
                ..Guidance::default()
            },
            fs: settings.motion as f32,
            seed: settings.seed,
            ..Drawing::new(fit.to_model(&first)?, fit.to_model(&last)?)
        };
        if sketched {
            for (frame, coverage) in &span.sketches {
                let small = fit::sketch(coverage, fit.shown)?;
                drawing.sketches.push((*frame, fit.sketch_to_model(&small)?));
            }
        }
        let size = drawing.check()?;
        let plan = self.pipeline.plan(size, sketched);
        let needed = if self.resident {
            plan.stages.iter().map(|stage| stage.working).max().unwrap_or(0)
        } else {
            plan.peak()
        };
        let short = |needed: u64| Error::Memory {
            device: device::name(&self.device).into(),
            needed: Some(needed),
            available: plan.available,
            advice: device::memory_advice(
                settings,
                (&self.device, self.dtype),
                needed,
                plan.available,
            ),
        };
        if plan.available.is_some_and(|available| needed > available) {
            return Err(short(needed));
        }
        let frames = self.pipeline.generate(&drawing, control).map_err(|error| match &error {
            Error::Engine { reason, .. } if device::says_out_of_memory(reason) => short(needed),
            _ => error,
        })?;
        self.resident = plan.keeping == Residency::All;
        fit.drawn_frames(&frames)
    }
}
