//! Retiming a clip: the moment of the clip that belongs to a host's time, the frames around it that
//! may be examined, and what is drawn from them. Pure: every answer to the host and the render
//! follow from it.
//!
//! Hosts differ in what a frame of the timeline is. A compositor counts the frames of a clip
//! whatever its rate, so a retimed clip has more frames than before. An editor plays a clip at the
//! timeline's rate and repeats its frames, so a retimed clip has the same number of frames with
//! other contents. [`Retime`] knows both. The moment is the same; only the time at which the host
//! delivers a source frame differs.

use std::sync::Arc;

use inbetween_core::Output;
use inbetween_core::exposure::Signature;
use inbetween_core::retime::{
    FrameByFrame, Moment, NeighbourFrame, OutputFrame, Rate, RateConversion, Strength,
};
use inbetween_core::settings::list::MotionPath;
use inbetween_core::timing::{MAX_TIME, POSITION_TOLERANCE, SpanPosition, TIME_TOLERANCE};

use super::plan::{KeySource, MomentPlan, no_other_frames};
use crate::effect::names::SOURCE;
use crate::effect::parameters::retime::{RetimeChoice, TargetRate, Timeline};
use crate::ofx::{EffectRef, Error, Result};

/// What the host reports about a clip's timing. A value that makes no sense counts as not reported.
#[derive(Clone, Copy, Debug, Default)]
struct HostTiming {
    /// The rate of the clip.
    clip: Option<Rate>,
    /// The rate of the project.
    project: Option<Rate>,
    /// The first and last frame of the clip.
    range: Option<(f64, f64)>,
    /// Frames of clips are repeated to fill the timeline.
    repeats: bool,
}

/// A clip at another rate. Source frames count from 0 at the beginning of the clip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Retime {
    source: Rate,
    target: Rate,
    strength: Strength,
    path: MotionPath,
    /// The host's time of source frame 0.
    first: f64,
    /// Number of source frames; `None` if the host does not say.
    frames: Option<i64>,
    repeats: bool,
}

/// What is shown at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RetimedFrame {
    pub(crate) frame: OutputFrame,
    /// The drawings beside an in-between's keys.
    pub(crate) neighbours: [Option<NeighbourFrame>; 2],
}

impl RetimedFrame {
    fn of_source(frame: i64) -> Self {
        Self { frame: OutputFrame::Source { frame }, neighbours: [None, None] }
    }
}

/// How the picture at a host's time is determined.
enum SourcePosition {
    /// It is this source frame, whatever it shows.
    On(i64),
    /// The drawings around this moment determine it.
    At(Moment),
}

/// At a key, outputs other than the drawing show what they show this much later, in frames.
const LATER: f64 = 1e-3;

impl Retime {
    /// The clip Source, with the timing that the host reports.
    ///
    /// # Errors
    /// When rates or other frames are missing; the text says what to change.
    pub(crate) fn new(
        effect: &EffectRef<'_>,
        choice: &RetimeChoice,
        path: MotionPath,
    ) -> Result<Self> {
        if !effect.host().temporal_access() {
            return Err(no_other_frames(
                "A clip cannot be retimed here: use the command `inbetween retime`, or choose Draw: In-betweens of two \
                 keys.",
            ));
        }
        let clip = effect.clip(SOURCE);
        let rate = |told: Option<f64>| told.and_then(|rate| Rate::of_decimal(rate).ok());
        let told = HostTiming {
            clip: rate(clip.and_then(|clip| clip.frame_rate()))
                .or(rate(clip.and_then(|clip| clip.unmapped_frame_rate()))),
            project: rate(effect.project_rate()),
            range: clip.and_then(|clip| clip.frame_range()),
            repeats: effect.host().quirks().repeats_frames,
        };
        Self::of(choice, path, told)
    }

    fn of(choice: &RetimeChoice, path: MotionPath, told: HostTiming) -> Result<Self> {
        let repeats = match choice.timeline {
            Timeline::Automatic => told.repeats,
            Timeline::OfSource => false,
            Timeline::OfOutput => true,
        };
        let (source, target) = if repeats {
            let chosen = if let TargetRate::Rate(rate) = choice.to { Some(rate) } else { None };
            let target = told.project.or(chosen).or(told.clip).ok_or_else(no_project_rate)?;
            // If the rate is not reported, repeated frames count as held drawings, which is
            // correct. From a faster clip the host has dropped frames.
            let slower = |from: &Rate| from.per_second() < target.per_second();
            (choice.from.filter(slower).unwrap_or(target), target)
        } else {
            let source = choice.from.or(told.clip).or(told.project).ok_or_else(no_clip_rate)?;
            let target = match choice.to {
                TargetRate::Twice => source.times(2)?,
                TargetRate::Project => told.project.ok_or_else(no_project_rate)?,
                TargetRate::Rate(rate) => rate,
            };
            (source, target)
        };
        // Some hosts report the whole range of numbers to mean "unknown".
        let range =
            told.range.filter(|(first, last)| first.abs() < MAX_TIME && last.abs() < MAX_TIME);
        let first = range.map_or(choice.start, |(first, _)| first).round();
        let strength = choice.strength;
        let mut retime = Self { source, target, strength, path, first, frames: None, repeats };
        retime.frames = range.map(|(_, last)| retime.frames_up_to(last));
        Ok(retime)
    }

    /// Number of source frames that the host has up to its time `last`.
    fn frames_up_to(&self, last: f64) -> i64 {
        let steps = (last - self.first).round().max(0.0);
        if !self.repeats {
            return steps as i64 + 1;
        }
        let mut frames = ((steps + 1.0) * self.per_step()).ceil() as i64 + 1;
        while frames > 1 && self.time_of(frames - 1) > self.first + steps {
            frames -= 1;
        }
        frames
    }

    /// Source frames per output frame.
    fn per_step(&self) -> f64 {
        self.source.per_second() / self.target.per_second()
    }

    /// The host's time at which it delivers a source frame. Of several repeats it is the middle
    /// one, so that the host's way of rounding does not matter.
    fn time_of(&self, frame: i64) -> f64 {
        let frame = frame as f64;
        if !self.repeats {
            return self.first + frame;
        }
        // The small tolerance is for beginnings that rounding has put just after their frame.
        let begins = (frame / self.per_step() - 1e-9).ceil();
        self.first + begins.max(((frame + 0.5) / self.per_step()).floor())
    }

    /// The output times from one source frame to another, including both if the output has frames
    /// there.
    pub(crate) fn times_between(&self, first: i64, last: i64) -> impl Iterator<Item = f64> {
        let step = |frame: i64| frame as f64 / self.per_step();
        let (from, to) = (step(first).floor(), step(last).ceil());
        let start = self.first;
        (0..=(to - from) as i64).map(move |at| start + from + at as f64)
    }

    /// The rates of source and output.
    pub(crate) fn rates(&self) -> (Rate, Rate) {
        (self.source, self.target)
    }

    /// The output's rate, if it differs from that of the timeline's frames.
    pub(crate) fn output_rate(&self) -> Option<Rate> {
        (!self.repeats).then_some(self.target)
    }

    /// Whether the host reports which frames the source has.
    pub(crate) fn has_range(&self) -> bool {
        self.frames.is_some()
    }

    /// First and last frame of the output, if they differ from the clip's.
    pub(crate) fn range(&self) -> Option<(f64, f64)> {
        let frames = self.frames.filter(|_| !self.repeats)?;
        let length = self.target.length_of(self.source, frames.unsigned_abs());
        Some((self.first, self.first + length as f64 - 1.0))
    }

    fn conversion(&self, output: Output) -> RateConversion {
        // Confidence and motion belong to the way to the next drawing, even while a drawing is
        // held.
        let strength = if output == Output::InBetween { self.strength } else { Strength::ON_ONES };
        RateConversion::new(self.source, self.target, strength)
    }

    fn source_position(&self, time: f64, output: Output) -> Result<SourcePosition> {
        let steps = time - self.first;
        let whole = steps.round();
        let exact = whole >= 0.0 && (steps - whole).abs() < TIME_TOLERANCE;
        let moment = if exact && output == Output::InBetween {
            Some(self.target.time_at(self.source, whole as u64))
        } else {
            let later = if output == Output::InBetween { 0.0 } else { LATER };
            Moment::of_time(steps * self.per_step() + later)
        };
        let moment = moment
            .filter(|_| steps.abs() < 2.0 * MAX_TIME)
            .ok_or_else(|| Error::BadArgument { what: "time", found: time.to_string() })?;
        if let Some(frames) = self.frames {
            let frame = moment.frame();
            let starts = frame == 0 && moment.position(0, 1) <= POSITION_TOLERANCE;
            if starts || frame < 0 || frame >= frames - 1 {
                // An editor is asked for its frame at exactly this time, in case its times start
                // elsewhere than it reports.
                let held = frame.clamp(0, frames - 1);
                return Ok(SourcePosition::On(if self.repeats { frame } else { held }));
            }
        }
        Ok(SourcePosition::At(moment))
    }

    /// The host's time of the source frame shown at `time`.
    ///
    /// # Errors
    /// When `time` is not a valid time.
    pub(crate) fn source_time(&self, time: f64) -> Result<f64> {
        Ok(match self.source_position(time, Output::InBetween)? {
            SourcePosition::On(frame) => self.time_of(frame),
            SourcePosition::At(moment) => self.time_of(moment.frame()),
        })
    }

    /// The host's time of the source frame that is shown at `time` whatever the clip contains;
    /// `None` if that can be known only by examining the clip.
    ///
    /// # Errors
    /// When `time` is not a valid time.
    pub(crate) fn known(&self, time: f64, output: Output) -> Result<Option<f64>> {
        Ok(match self.source_position(time, output)? {
            SourcePosition::On(frame) => Some(self.time_of(frame)),
            SourcePosition::At(_) => None,
        })
    }

    /// The host's times of the source frames that may be examined for `time`, in order.
    ///
    /// # Errors
    /// When `time` is not a valid time.
    pub(crate) fn needed(&self, time: f64, output: Output) -> Result<Vec<f64>> {
        let moment = match self.source_position(time, output)? {
            SourcePosition::On(frame) => return Ok(vec![self.time_of(frame)]),
            SourcePosition::At(moment) => moment,
        };
        let reach = self.reach(output);
        let around = moment.frame() - reach..=moment.frame() + reach;
        Ok(around.filter(|frame| self.has(*frame)).map(|frame| self.time_of(frame)).collect())
    }

    /// The same without the drawings beside an in-between, for callers that need only its position.
    pub(crate) fn without_neighbours(self) -> Self {
        Self { path: MotionPath::Straight, ..self }
    }

    fn reach(&self, output: Output) -> i64 {
        let conversion = self.conversion(output);
        match self.path {
            MotionPath::Straight => conversion.reach(),
            MotionPath::Smooth => conversion.reach_beside(),
        }
    }

    fn has(&self, frame: i64) -> bool {
        self.frames.is_none_or(|frames| (0..frames).contains(&frame))
    }

    /// What is shown at `time`. `signature_of` gives the signature of the host's picture at one of
    /// the times from [`Retime::needed`], or `None` if there is no picture.
    ///
    /// # Errors
    /// The callback's error; an error of our own when a frame in the middle of the clip is missing.
    pub(crate) fn shown(
        &self,
        time: f64,
        output: Output,
        mut signature_of: impl FnMut(f64) -> Result<Option<Arc<Signature>>>,
    ) -> Result<RetimedFrame> {
        let moment = match self.source_position(time, output)? {
            SourcePosition::On(frame) => return Ok(RetimedFrame::of_source(frame)),
            SourcePosition::At(moment) => moment,
        };
        let mut look = |frame: i64| {
            if self.has(frame) { signature_of(self.time_of(frame)) } else { Ok(None) }
        };
        let mut clip = FrameByFrame::new(self.conversion(output), &mut look);
        if let Some(frame) = clip.output_frame(moment)? {
            let neighbours = match (frame, self.path) {
                (OutputFrame::InBetween { first, last, .. }, MotionPath::Smooth) => {
                    clip.neighbours(first, last)?
                }
                _ => [None, None],
            };
            return Ok(RetimedFrame { frame, neighbours });
        }
        // The host has no frame here. If that is beyond an end that it did not report, the nearest
        // frame is held.
        let here = moment.frame();
        let mut nearest = |way: i64| -> Result<Option<i64>> {
            for off in 1..=self.reach(output) {
                if look(here + way * off)?.is_some() {
                    return Ok(Some(here + way * off));
                }
            }
            Ok(None)
        };
        match (nearest(-1)?, nearest(1)?) {
            (Some(frame), None) | (None, Some(frame)) => Ok(RetimedFrame::of_source(frame)),
            _ => Err(no_frame(self.time_of(here))),
        }
    }

    /// The plan for drawing `shown`.
    pub(crate) fn plan(&self, shown: RetimedFrame) -> MomentPlan {
        let found = |frame| KeySource::Found { time: self.time_of(frame) };
        match shown.frame {
            OutputFrame::Source { frame } => MomentPlan::held(found(frame)),
            OutputFrame::InBetween { first, last, position } => MomentPlan {
                first: found(first),
                last: found(last),
                neighbours: shown
                    .neighbours
                    .map(|beside| beside.map(|at| (at.position, found(at.frame)))),
                place: SpanPosition::Between { position },
                position_per_frame: self.per_step() / (last - first) as f64,
                held: false,
                sketches: Vec::new(),
            },
        }
    }
}

fn no_clip_rate() -> Error {
    Error::ForArtist(
        "This host does not tell the frame rate of Source. Set From (fps) to it, such as 12 or \
         24."
        .into(),
    )
}

fn no_project_rate() -> Error {
    Error::ForArtist(
        "This host does not tell the project's frame rate. Choose it in To, as a number.".into(),
    )
}

fn no_frame(time: f64) -> Error {
    Error::ForArtist(format!(
        "Source has no picture at frame {time}. Give Source all of its frames, or end the clip before it."
    ))
}

#[cfg(test)]
mod tests;
