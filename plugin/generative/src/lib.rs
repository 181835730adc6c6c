//! The ToonCrafter engine: draws any position at any size from the 16 small frames that the model
//! generates for a span.
//!
//! 1. [`spans`]: the generated frames come from memory, from the shared cache, or from the [`model`],
//!    which holds a claim on the span so that nobody computes it a second time.
//! 2. [`colour`]: their colour drift is removed, and the frames at both ends are replaced by the keys.
//! 3. Flow draws positions between two generated frames from both of them.
//! 4. [`carry`]: Flow finds that frame again in the keys, [`refine`] improves this to the pixel, and
//!    [`compose`] paints the result at full size: the keys' own pixels where the frame agrees with
//!    them, the enlarged frame elsewhere.
//!
//! Pixels from the keys keep the keys' alpha and their light beyond display white. Generated pixels
//! are within 0..=1, and their alpha follows from their difference from the background.
//!
//! The engine can also return its confidence (how far each pixel comes from the keys) and the
//! motion over the span. Both follow from where the keys' parts were found.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod carry;
mod colour;
mod compose;
mod device;
mod fit;
mod model;
mod refine;
mod sample;
mod spans;

use std::sync::Arc;

use inbetween_core::cache::{CacheConfig, span_key};
use inbetween_core::engine::EngineInfo;
use inbetween_core::remote::tooncrafter_version;
use inbetween_core::settings::ToonCrafterSettings;
use inbetween_core::{Control, Drawn, Engine, EngineKind, Error, Frame, Job, Output, Remarks};
use inbetween_flow::FlowEngine;
use inbetween_tooncrafter::pipeline::FRAMES;

use compose::{Composition, Keys};
use fit::Fit;
use model::{Model, SpanRequest};
use spans::Spans;

const NAME: &str = "ToonCrafter";

/// Share of the progress for generating; the rest is for drawing at full size.
const GENERATING: f32 = 0.96;

/// A position this close to a generated frame, in frames, shows that frame itself.
const AT_FRAME: f64 = 1e-3;

/// Flow, and ToonCrafter on top of it, with generated spans shared through the cache of `config`.
/// Nothing is loaded before the first draw.
///
/// # Errors
/// [`Error::Engine`] when the weights that come with Flow are damaged.
pub fn engines(config: &CacheConfig) -> Result<Vec<Arc<dyn Engine>>, Error> {
    let flow: Arc<dyn Engine> = Arc::new(FlowEngine::new()?);
    let tooncrafter = Arc::new(ToonCrafterEngine::new(flow.clone(), config));
    Ok(vec![flow, tooncrafter])
}

/// Draws with the published diffusion model, as described in the crate's documentation.
pub struct ToonCrafterEngine {
    flow: Arc<dyn Engine>,
    version: String,
    spans: Spans,
    model: Model,
}

impl ToonCrafterEngine {
    /// An engine with `flow`, which draws between generated frames and finds them in the keys.
    pub fn new(flow: Arc<dyn Engine>, config: &CacheConfig) -> Self {
        let version = tooncrafter_version(flow.version());
        Self { flow, version, spans: Spans::new(config), model: Model::default() }
    }

    fn span(
        &self,
        job: &Job,
        settings: &ToonCrafterSettings,
        control: &Control,
    ) -> Result<Arc<Vec<Frame>>, Error> {
        let key = span_key(&job.request, &self.version);
        let encoding = job.request.settings.encoding;
        let full = [&*job.first, &*job.last];
        control.enter("looking for the generated span");
        let (width, height) = job.size();
        let wanted = |size| Fit::may_show(width, height, size);
        self.spans.get(&key, &wanted, control, || {
            control.enter("generating the span");
            let keys = |size| Keys::new(full, encoding, size).map(|keys| keys.small);
            let span = SpanRequest {
                size: job.size(),
                keys: &keys,
                sketches: sketches(job),
                sketch_strength: job.request.settings.sketch_strength,
            };
            in_part(control, GENERATING, |control| self.model.generate(settings, &span, control))
        })
    }

    /// The small frame at `position`, with the colours of the keys.
    fn target(
        &self,
        span: &[Frame],
        keys: &Keys,
        job: &Job,
        control: &Control,
    ) -> Result<Frame, Error> {
        let small = [&keys.small[0], &keys.small[1]];
        let at = job.request.position * (span.len() - 1) as f64;
        let (before, part) = (at.floor(), at.fract());
        let frame = |at: f64| colour::matched(span, at as usize, small);
        if part < AT_FRAME {
            return Ok(frame(before));
        }
        if part > 1.0 - AT_FRAME {
            return Ok(frame(before + 1.0));
        }
        let pair = [&frame(before), &frame(before + 1.0)];
        let wanted = (Output::InBetween, job.request.settings.quality);
        Ok(carry::flow(&*self.flow, pair, part, wanted, control)?.frame)
    }
}

impl Engine for ToonCrafterEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::ToonCrafter
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn draw(&self, job: &Job, control: &Control) -> Result<Drawn, Error> {
        job.check()?;
        control.check()?;
        let request = &job.request;
        let Some(settings) = &request.settings.tooncrafter else {
            return Err(engine_error("the request has no settings for it"));
        };
        let span = self.span(job, settings, control)?;
        let Some(small) = span.first().filter(|_| span.len() == FRAMES) else {
            return Err(engine_error("the model has drawn another number of frames"));
        };
        control.enter("drawing at full size");
        control.report(GENERATING);
        control.check()?;
        let size = (small.width(), small.height());
        let keys = Keys::new([&job.first, &job.last], request.settings.encoding, size)?;
        let target = self.target(&span, &keys, job, control)?;
        control.report(GENERATING + 0.25 * (1.0 - GENERATING));
        let (position, quality) = (request.position, request.settings.quality);
        let composition = Composition::new(&*self.flow, target, &keys, position, quality, control)?;
        control.report(GENERATING + 0.75 * (1.0 - GENERATING));
        control.check()?;
        let full = job.size();
        let frame = match request.settings.output {
            Output::InBetween => composition.draw(&keys)?,
            Output::Confidence => composition.trust(full)?,
            Output::Motion => composition.motion(full)?,
        };
        control.report(1.0);
        Ok(Drawn {
            frame,
            confidence: composition.confidence,
            cut: false,
            remarks: Remarks::default(),
        })
    }

    fn about(&self) -> EngineInfo {
        EngineInfo { spans: self.spans.generated(), ..self.model.about() }
    }

    /// Also frees the model's memory on its device, after the span that is being generated.
    fn release(&self) {
        self.model.release();
        self.spans.forget();
    }
}

fn engine_error(reason: &str) -> Error {
    Error::Engine { engine: NAME, reason: reason.to_owned() }
}

fn failed(error: candle_core::Error) -> Error {
    engine_error(&error.to_string())
}

/// The generated frame for each sketch: the nearest one between the keys. If several sketches have
/// the same nearest frame, the sketch closest to it is used.
fn sketches(job: &Job) -> Vec<(usize, &Frame)> {
    let last = (FRAMES - 1) as f64;
    let mut nearest: Vec<Option<(f64, &Frame)>> = vec![None; FRAMES];
    for (sketch, picture) in job.request.sketches.iter().zip(&job.sketches) {
        let at = sketch.position * last;
        let frame = at.round().clamp(1.0, last - 1.0);
        let away = (at - frame).abs();
        let slot = &mut nearest[frame as usize];
        if slot.is_none_or(|(known, _)| away < known) {
            *slot = Some((away, picture));
        }
    }
    let found = nearest.into_iter().enumerate();
    found.filter_map(|(frame, sketch)| Some((frame, sketch?.1))).collect()
}

/// Runs `work` as the first `share` of the work that `control` observes.
fn in_part<T: Send>(
    control: &Control,
    share: f32,
    work: impl FnOnce(&Control) -> Result<T, Error>,
) -> Result<T, Error> {
    const LOOK: std::time::Duration = std::time::Duration::from_millis(20);
    let part = Control::default();
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    let part = &part;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            use std::sync::mpsc::RecvTimeoutError::Timeout;
            while is_done.recv_timeout(LOOK) == Err(Timeout) {
                control.report(share * part.progress());
                if control.is_cancelled() {
                    part.cancel();
                }
            }
        });
        let outcome = work(part);
        drop(done);
        outcome
    })
}
