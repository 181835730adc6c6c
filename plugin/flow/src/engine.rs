//! The engine: draws one in-between for a job and keeps the analysis of its pair for the next.

use std::borrow::Cow;
use std::sync::Arc;

use inbetween_core::budget::Budget;
use inbetween_core::{
    ContentHash, Control, Drawn, Engine, EngineKind, Error, Frame, Job, Neighbour, Output, Pin,
    Quality, Remarks,
};

use crate::analysis::Analysis;
use crate::confidence::{Pieces, confidence, doubt, unsure};
use crate::guide::long_side;
use crate::layers::{Course, Layers, PairView, Sketches};
use crate::map::Map;
use crate::mask::{settle, stay_inside};
use crate::memo::{AskedKey, CourseKey, Memo, PairKey};
use crate::net::TweenNet;
use crate::net::config::{Config, Start};
use crate::pair::KeyPair;
use crate::sketch::{EDGE, Guidance, is_guided, of_picture, share, sketched_poses, strength};
use crate::stage::Stage;
use crate::synth::RenderPlan;

/// The weights that come with the engine.
static WEIGHTS: &[u8] = include_bytes!("../../../resources/flow/flow.safetensors");

/// Change this with every change of this crate that may change a picture.
const REVISION: &str = "flow-18";

/// How much less of the picture must be in doubt for larger guides to be used, as a share of it. What
/// is in doubt along seams alone is narrower in larger guides.
const LESS: f32 = 1e-2;

/// Draws in-betweens on the CPU by classical motion estimation that a small network corrects and
/// completes.
///
/// Cheap to create (a few milliseconds to read the weights); threads and large memory are needed
/// only from the first draw on. Sketches in a job pull the drawing towards their lines.
pub struct FlowEngine {
    net: TweenNet,
    start: Start,
    version: String,
    memo: Memo<PairKey, Analysis>,
    bends: Memo<AskedKey, Guidance>,
    placed: Memo<AskedKey, Layers>,
    courses: Memo<CourseKey, Option<Course>>,
}

impl FlowEngine {
    /// The engine with its own weights.
    ///
    /// # Errors
    /// [`Error::Engine`] when the embedded weights are damaged.
    pub fn new() -> Result<Self, Error> {
        Self::with_weights(WEIGHTS, None)
    }

    /// The engine with its own weights and a start flow other than their usual one.
    ///
    /// # Errors
    /// [`Error::Engine`] when the embedded weights are damaged.
    pub fn with_start(start: Start) -> Result<Self, Error> {
        Self::with_weights(WEIGHTS, Some(start))
    }

    /// The engine with the weights from a safetensors file, whose metadata contain the [`Config`].
    ///
    /// `start` replaces the start flow named in the file.
    ///
    /// # Errors
    /// [`Error::Engine`] when the file does not contain such a network.
    pub fn with_weights(weights: &[u8], start: Option<Start>) -> Result<Self, Error> {
        let config = Config::read(weights)?;
        let start = start.unwrap_or(config.start);
        // The digest distinguishes files whose version was not changed when it should have been.
        let digest = ContentHash::of(weights).to_string();
        let version = format!("{REVISION} {} {} {start:?}", config.version, &digest[..8]);
        let net = TweenNet::new(&config, weights)?;
        let budget = Budget::of_process();
        Ok(Self {
            net,
            start,
            version,
            memo: Memo::new(budget),
            bends: Memo::new(budget),
            placed: Memo::new(budget),
            courses: Memo::new(budget),
        })
    }

    /// Multiplications and additions in the convolutions for guides of `height` x `width`: those
    /// done once per pair, and those done per position.
    pub fn flops(&self, height: usize, width: usize) -> (f64, f64) {
        self.net.flops(height, width)
    }

    fn analysis(&self, job: &Job, control: &Control) -> Result<Arc<Analysis>, Error> {
        let of = |joined| {
            let make = || Analysis::of(job, &self.net, self.start, joined, control);
            self.memo.get(PairKey { joined, ..pair_key(job) }, control, make)
        };
        let analysis = of(false)?;
        if analysis.cut && !job.request.pins.is_empty() { of(true) } else { Ok(analysis) }
    }

    /// `job` in the quality in which its keys are best analysed. Larger guides show more, but not
    /// everything that is found in the usual ones is found in them, so high quality tries both.
    fn in_best_quality<'a>(&self, job: &'a Job, control: &Control) -> Result<Cow<'a, Job>, Error> {
        if job.request.settings.quality != Quality::High {
            return Ok(Cow::Borrowed(job));
        }
        let mut usual = job.clone();
        usual.request.settings.quality = Quality::Standard;
        let larger = job.first.width().max(job.first.height()) > long_side(Quality::Standard);
        let better = larger && {
            let before = self.analysis(&usual, control)?;
            let after = self.analysis(job, control)?;
            self.doubt(&after) < self.doubt(&before) - LESS
        };
        Ok(if better { Cow::Borrowed(job) } else { Cow::Owned(usual) })
    }

    /// The share of the in-between in the middle that is in doubt; all of it at a cut.
    fn doubt(&self, analysis: &Analysis) -> f32 {
        let of = |(pair, layers): &(KeyPair, Layers)| {
            let (t, layers) = (0.5, Some(layers).filter(|layers| layers.wanted()));
            let RenderPlan { motion, label, .. } = self.plan(pair, analysis, t, None, layers);
            let trust = confidence(pair, &motion, &Pieces { label: &label, layers, t });
            doubt(&trust, analysis.shape)
        };
        *analysis.doubt.get_or_init(|| analysis.pair.as_ref().map_or(1.0, of))
    }
}

impl Engine for FlowEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Flow
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn draw(&self, job: &Job, control: &Control) -> Result<Drawn, Error> {
        job.check()?;
        control.check()?;
        let t = job.request.position as f32;
        let near = if job.request.position < 0.5 { &job.first } else { &job.last };
        let guided = is_guided(job);
        let pinned = !job.request.pins.is_empty();
        if !guided && !pinned && job.first.pixels() == job.last.pixels() {
            return still(near, job.request.settings.output, 1.0, false);
        }
        let job = &*self.in_best_quality(job, control)?;
        let analysis = self.analysis(job, control)?;
        let Some((pair, pieces)) = &analysis.pair else {
            return still(near, job.request.settings.output, analysis.confidence, true);
        };
        control.report(0.6);
        // What moves as pieces is taken to the sketches as pieces.
        let asked = guided && pieces.wanted();
        let bent = guided && !asked;
        let guidance =
            if bent { Some(self.guidance(job, pair, &analysis, control)?) } else { None };
        control.report(0.7);
        let placed = if pinned || asked {
            Some(self.placed(job, pair, &analysis, (guided, asked.then_some(pieces)), control)?)
        } else {
            None
        };
        let layers = placed.as_deref().or(Some(pieces).filter(|_| !bent && pieces.wanted()));
        let mut plan = self.plan(pair, &analysis, t, guidance.as_deref(), layers);
        control.check()?;
        control.report(0.8);
        let stage = Stage::begin("trust");
        let mut trust = confidence(pair, &plan.motion, &Pieces { label: &plan.label, layers, t });
        let unsure = unsure(&trust, analysis.shape);
        stage.end();
        // Where sketches define the movement, the drawings beside the span are ignored.
        let moving = layers.unwrap_or(pieces);
        if !guided && let Some(course) = self.course(job, pair, moving, control)?.as_ref() {
            let stage = Stage::begin("bend");
            if course.bends() {
                let (motion, label) = (&mut plan.motion, &mut plan.label);
                let sources = moving.bend(course, motion, label, &pair.guides, t);
                // What a piece was hiding is taken from one key, so it is certain.
                let of = |source: &Option<u32>| source.map_or(1.0, |i| trust.v[i as usize]);
                trust.v = sources.iter().map(of).collect();
            }
            // Pixels from another drawing have no motion between the keys.
            if job.request.settings.output == Output::InBetween {
                moving.uncover(course, &mut plan.motion, &mut plan.label, t);
            }
            stage.end();
        }
        // Besides what is kept, there are the keys and the drawing now. Drawings go before this one
        // is made rather than afterwards; the analysis, which was just used, is the last to go.
        Budget::of_process().make_room(3 * near.byte_len());
        let stage = Stage::begin("full size");
        let size = (near.height(), near.width());
        let pixels = match job.request.settings.output {
            Output::InBetween => {
                let beside = [0, 1].map(|side| job.neighbours[side].as_deref());
                plan.draw([&job.first, &job.last], beside)
            }
            Output::Motion => plan.motion(size),
            Output::Confidence => RenderPlan { motion: trust, ..plan }.grey(size),
        };
        stage.end();
        control.check()?;
        control.report(1.0);
        let frame = Frame::from_pixels(near.width(), near.height(), pixels)?;
        let loose_pins = placed.map_or_else(Vec::new, |placed| placed.loose_pins().to_vec());
        let remarks = Remarks { loose_pins, unsure };
        Ok(Drawn { frame, confidence: analysis.confidence, cut: analysis.cut, remarks })
    }
}

impl FlowEngine {
    /// The guidance that the sketches of `job` give.
    fn guidance(
        &self,
        job: &Job,
        pair: &KeyPair,
        analysis: &Analysis,
        control: &Control,
    ) -> Result<Arc<Guidance>, Error> {
        let key = asked_key(job, &[], true);
        let shape = analysis.shape;
        let draw = |t: f32| self.decoded(pair, t);
        let settle = |motion: &mut Map, t: f32| settled(motion, pair, shape, t);
        let make = || Guidance::of(job, pair, shape.into(), draw, settle, control);
        self.bends.get(key, control, make)
    }

    /// The drawing in layers as the pins of `job` ask for it, and, if it is `guided` and `found` is the
    /// drawing without them, its sketches.
    fn placed(
        &self,
        job: &Job,
        pair: &KeyPair,
        analysis: &Analysis,
        (guided, found): (bool, Option<&Layers>),
        control: &Control,
    ) -> Result<Arc<Layers>, Error> {
        let pins = &job.request.pins;
        let key = asked_key(job, pins, guided);
        let make = || {
            let stage = Stage::begin("pieces as asked");
            let shape: [usize; 2] = analysis.shape.into();
            let asked = found.map(|found| Sketches {
                found,
                poses: sketched_poses(job, shape),
                lines: [0, 1].map(|k| of_picture(&pair.guides[k], shape[0], shape[1])),
                share: share(strength(job)),
            });
            let mut layers = Layers::of(&pair.guides, analysis.shape, pins, asked.as_ref());
            match (guided, found) {
                // The sketches move everything that pins do not bind.
                (true, None) => layers.bound_only(),
                (true, Some(_)) => {}
                (false, _) => {
                    layers.compare(&pair.guides, &pair.flows, || pair.middle(&self.net));
                }
            }
            layers.with_bound();
            stage.end();
            let bytes = layers.byte_len();
            Ok((layers, bytes))
        };
        self.placed.get(key, control, make)
    }

    /// The paths of the pieces of `layers`, as the drawings beside the keys suggest; `None` if all
    /// are straight and even.
    fn course(
        &self,
        job: &Job,
        pair: &KeyPair,
        layers: &Layers,
        control: &Control,
    ) -> Result<Arc<Option<Course>>, Error> {
        let [before, after] = &job.neighbours;
        if before.is_none() && after.is_none() {
            return Ok(Arc::new(None));
        }
        let key = CourseKey {
            pair: pair_key(job),
            pins: job.request.pins.clone(),
            neighbours: job.request.neighbours.clone(),
        };
        let make = || {
            let before = self.pair_beside(job, 0, control)?;
            let after = self.pair_beside(job, 1, control)?;
            let stage = Stage::begin("course");
            let course = layers.course(
                &pair.guides,
                &pair.flows,
                [
                    beside(before.as_deref(), job.request.neighbours[0].as_ref()),
                    beside(after.as_deref(), job.request.neighbours[1].as_ref()),
                ],
            );
            stage.end();
            let bytes = course.as_ref().map_or(0, Course::byte_len);
            Ok((course, bytes))
        };
        self.courses.get(key, control, make)
    }

    /// The analysis of the key and the drawing beside it, which is that of the neighbouring span.
    fn pair_beside(
        &self,
        job: &Job,
        side: usize,
        control: &Control,
    ) -> Result<Option<Arc<Analysis>>, Error> {
        let Job { request, first, last, neighbours, .. } = job;
        let Some((frame, neighbour)) =
            neighbours[side].as_ref().zip(request.neighbours[side].as_ref())
        else {
            return Ok(None);
        };
        let mut pair = job.clone();
        pair.request.pins.clear();
        if side == 0 {
            (pair.request.first, pair.request.last) = (neighbour.picture, request.first);
            (pair.first, pair.last) = (frame.clone(), first.clone());
        } else {
            (pair.request.first, pair.request.last) = (request.last, neighbour.picture);
            (pair.first, pair.last) = (last.clone(), frame.clone());
        }
        if pair.request.first == pair.request.last {
            return Ok(None);
        }
        Ok(Some(self.analysis(&pair, control)?))
    }

    fn plan(
        &self,
        pair: &KeyPair,
        analysis: &Analysis,
        t: f32,
        guidance: Option<&Guidance>,
        layers: Option<&Layers>,
    ) -> RenderPlan {
        let (height, width) = analysis.shape;
        let mut motion = self.motion(pair, analysis.shape, t, guidance);
        let label = layers
            .map_or_else(Vec::new, |layers| layers.composite_over(&mut motion, &pair.guides, t));
        RenderPlan {
            motion,
            label,
            height,
            width,
            light: pair.light.map(|light| (light, t)),
            grain: pair.full_grain,
        }
    }

    /// Motion and mask of the in-between at `t` in their final form, `[5, h, w]`.
    fn motion(
        &self,
        pair: &KeyPair,
        shape: (usize, usize),
        t: f32,
        guidance: Option<&Guidance>,
    ) -> Map {
        // Motion and mask are defined between the keys only, so never quite at one.
        let t = t.clamp(EDGE, 1.0 - EDGE);
        let mut motion = self.decoded(pair, t);
        if let Some(guidance) = guidance {
            guidance.finish(&mut motion, &pair.guides, t);
        }
        settled(&mut motion, pair, shape, t);
        motion
    }

    /// The same before the sketches' final fit and before the mask is settled.
    fn decoded(&self, pair: &KeyPair, t: f32) -> Map {
        pair.decoded(&self.net, t)
    }
}

/// The view of the pair formed by a key and its neighbour; `None` where they show different scenes.
fn beside<'a>(
    found: Option<&'a Analysis>,
    neighbour: Option<&Neighbour>,
) -> Option<(f32, PairView<'a>)> {
    let (pair, layers) = found?.pair.as_ref()?;
    let position = neighbour?.position as f32;
    let relit = pair.light.is_some();
    Some((position, PairView { guides: &pair.guides, flows: &pair.flows, layers, relit }))
}

/// Decides which key each place of `motion` comes from.
fn settled(motion: &mut Map, pair: &KeyPair, (height, width): (usize, usize), t: f32) {
    let stage = Stage::begin("mask");
    stay_inside(motion, height, width);
    settle(motion, &pair.guides, pair.grain, t);
    stage.end();
}

/// What `pins` and, if `job` is `guided`, its sketches ask for.
fn asked_key(job: &Job, pins: &[Pin], guided: bool) -> AskedKey {
    let (sketches, strength) =
        if guided { (job.request.sketches.clone(), strength(job)) } else { (Vec::new(), 0.0) };
    AskedKey { pair: pair_key(job), pins: pins.to_vec(), sketches, strength }
}

fn pair_key(job: &Job) -> PairKey {
    let request = &job.request;
    PairKey {
        first: request.first,
        last: request.last,
        size: (job.first.width(), job.first.height()),
        encoding: request.settings.encoding,
        quality: request.settings.quality,
        joined: false,
    }
}

/// The result where there is no motion: the key itself, or a constant picture for the other
/// outputs.
fn still(key: &Frame, output: Output, confidence: f32, cut: bool) -> Result<Drawn, Error> {
    let flat = |pixel: [f32; 4]| {
        Frame::from_pixels(key.width(), key.height(), vec![pixel; key.pixels().len()])
    };
    let frame = match output {
        Output::InBetween => key.clone(),
        Output::Motion => flat([0.0, 0.0, 0.0, 1.0])?,
        Output::Confidence => {
            let trust = if cut { 0.0 } else { 1.0 };
            flat([trust, trust, trust, 1.0])?
        }
    };
    Ok(Drawn { frame, confidence, cut, remarks: Remarks::default() })
}
