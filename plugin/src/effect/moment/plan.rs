//! Which keys a moment needs, and its position between them. Pure: every answer to the host about
//! time, frames and identity, and the render itself, follow from the same plan.

use std::ffi::CStr;
use std::path::PathBuf;

use inbetween_core::Output;
use inbetween_core::settings::list::MotionPath;
use inbetween_core::timing::{Key, SpanPosition, Timing};

use crate::effect::names::{KEY_B, SKETCH, SOURCE, SOURCE_FROM, SOURCE_TO};
use crate::effect::parameters::choices::{Choices, KeysFrom};
use crate::ofx::{Context, Error, Result};

/// Where to find a key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum KeySource {
    /// A clip at a time, in frames.
    Clip {
        /// The clip's name.
        name: &'static CStr,
        /// The time.
        time: f64,
    },
    /// A frame of Source that has been examined before.
    Found {
        /// The time.
        time: f64,
    },
    /// A picture file.
    File(PathBuf),
}

/// What one moment needs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MomentPlan {
    /// The first key.
    pub(crate) first: KeySource,
    /// The last key.
    pub(crate) last: KeySource,
    /// The drawings before and after them in the same movement, each with its position, where the
    /// first key is 0 and the last is 1.
    pub(crate) neighbours: [Option<(f64, KeySource)>; 2],
    /// What is shown.
    pub(crate) place: SpanPosition,
    /// How far the position moves within one frame around this moment.
    pub(crate) position_per_frame: f64,
    /// Nothing moves towards another drawing.
    pub(crate) held: bool,
    /// The sketches of the whole span, in order. Its drawings share one motion, so each depends on
    /// all sketches.
    pub(crate) sketches: Vec<InBetween>,
}

/// An in-between of the span.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct InBetween {
    /// The first frame that shows it.
    pub(crate) time: f64,
    /// Its position between the keys.
    pub(crate) position: f64,
}

/// Most in-betweens per span whose sketches are read and that are drawn ahead; longer spans are
/// sampled evenly.
const MOST_IN_BETWEENS: usize = 64;

impl MomentPlan {
    /// The plan for `time`.
    ///
    /// # Errors
    /// When the choices do not suit the context or each other; the text says what to change.
    pub(crate) fn new(choices: &Choices, time: f64) -> Result<Self> {
        if choices.context == Context::Transition {
            let place = place_in_transition(choices)?;
            let clip = |name| KeySource::Clip { name, time };
            let (first, last) = (clip(SOURCE_FROM), clip(SOURCE_TO));
            return Ok(Self {
                first,
                last,
                neighbours: [None, None],
                place,
                position_per_frame: 1.0,
                held: false,
                sketches: Vec::new(),
            });
        }
        let [first_time, last_time] = choices.key_times;
        let clip = |name, time| KeySource::Clip { name, time };
        let mut neighbours = [None, None];
        let (first, last) = match choices.keys_from {
            KeysFrom::TwoClips if choices.context == Context::Filter => {
                return Err(Error::ForArtist(
                    "This host gives the effect one clip only. Choose Keys from: Times in one clip, \
                     or Image files."
                        .into(),
                ));
            }
            KeysFrom::OneClip | KeysFrom::EveryDrawing if !choices.temporal_access => {
                return Err(no_other_frames("Choose Keys from: Image files."));
            }
            KeysFrom::TwoClips => (clip(SOURCE, first_time), clip(KEY_B, last_time)),
            KeysFrom::OneClip => (clip(SOURCE, first_time), clip(SOURCE, last_time)),
            KeysFrom::EveryDrawing => {
                let span = choices.key_span.as_ref();
                let span = span.map_err(|said| Error::ForArtist(said.clone()))?;
                if span.last.is_none() {
                    return Ok(Self::held(clip(SOURCE, first_time)));
                }
                if choices.path() == MotionPath::Smooth {
                    neighbours = [span.before, span.after].map(|frame| {
                        let time = frame? as f64;
                        let position = (time - first_time) / (last_time - first_time);
                        Some((position, clip(SOURCE, time)))
                    });
                }
                (clip(SOURCE, first_time), clip(SOURCE, last_time))
            }
            KeysFrom::Files => {
                let [first, last] = &choices.files;
                (KeySource::File(first.clone()), KeySource::File(last.clone()))
            }
        };
        if choices.sketch.is_some() && !choices.temporal_access {
            return Err(no_other_frames("Switch Use sketch off."));
        }
        let timing = choices.timing()?;
        let position_per_frame = timing.position_per_frame(time)?;
        let sketches = if choices.sketch.is_some() { in_betweens(&timing)? } else { Vec::new() };
        Ok(Self {
            first,
            last,
            neighbours,
            place: timing.at(time)?,
            position_per_frame,
            held: false,
            sketches,
        })
    }

    /// A plan for one still picture.
    pub(crate) fn held(picture: KeySource) -> Self {
        Self {
            first: picture.clone(),
            last: picture,
            neighbours: [None, None],
            place: SpanPosition::First,
            position_per_frame: 0.0,
            held: true,
            sketches: Vec::new(),
        }
    }

    /// A plan for the middle between two pictures.
    pub(crate) fn halfway(first: KeySource, last: KeySource) -> Self {
        Self { last, held: false, ..Self::held(first) }.at_position(0.5)
    }

    /// The same span at another position.
    pub(crate) fn at_position(&self, position: f64) -> Self {
        Self { place: SpanPosition::Between { position }, ..self.clone() }
    }

    /// The key that is shown unchanged; `None` where an engine has to draw.
    pub(crate) fn shown_key(&self, output: Output) -> Option<(Key, &KeySource)> {
        if output != Output::InBetween {
            return None;
        }
        let key = self.place.key()?;
        Some((key, self.source(key)))
    }

    /// Where to find `key`.
    pub(crate) fn source(&self, key: Key) -> &KeySource {
        match key {
            Key::First => &self.first,
            Key::Last => &self.last,
        }
    }

    /// The keys that must be fetched.
    pub(crate) fn keys(&self, output: Output) -> Vec<KeySource> {
        match self.shown_key(output) {
            Some((_, source)) => vec![source.clone()],
            None => vec![self.first.clone(), self.last.clone()],
        }
    }

    /// Everything that must be fetched: the keys and, if something is drawn, their neighbours and
    /// the sketches.
    pub(crate) fn needed(&self, output: Output) -> Vec<KeySource> {
        let mut needed = self.keys(output);
        if self.shown_key(output).is_none() {
            let clip = |sketch: &InBetween| KeySource::Clip { name: SKETCH, time: sketch.time };
            let beside = self.neighbours.iter().flatten();
            needed.extend(beside.map(|(_, source)| source.clone()));
            needed.extend(self.sketches.iter().map(clip));
        }
        needed
    }

    /// The position to draw for outputs that are drawn at the keys too.
    pub(crate) fn drawn_position(&self) -> f64 {
        self.place.drawn_position()
    }
}

/// The in-betweens on the whole frames of a span, without repetition; at most [`MOST_IN_BETWEENS`].
///
/// # Errors
/// When the chart is out of range.
pub(crate) fn in_betweens(timing: &Timing) -> Result<Vec<InBetween>> {
    let (first, last) = (timing.first_key().ceil(), timing.last_key().floor());
    let frames = (last - first).max(0.0) as usize + 1;
    // Short spans are visited frame by frame. Longer ones are sampled as often as their drawings
    // can differ.
    let step = frames.div_ceil(MOST_IN_BETWEENS * 64).max(1);
    let mut found: Vec<InBetween> = Vec::new();
    for frame in (0..frames).step_by(step) {
        let time = first + frame as f64;
        if let SpanPosition::Between { position } = timing.at(time)?
            && found.last().is_none_or(|last| last.position != position)
        {
            found.push(InBetween { time, position });
        }
    }
    if found.len() > MOST_IN_BETWEENS {
        let count = found.len();
        let even = |n: usize| found[n * (count - 1) / (MOST_IN_BETWEENS - 1)];
        found = (0..MOST_IN_BETWEENS).map(even).collect();
    }
    Ok(found)
}

/// The message in hosts that give an effect only the current frame of its clips and would deliver
/// it for every other time.
pub(crate) fn no_other_frames(advice: &str) -> Error {
    Error::ForArtist(format!(
        "This host gives the effect no other frames of a clip than the current one. {advice}"
    ))
}

fn place_in_transition(choices: &Choices) -> Result<SpanPosition> {
    let wanted = choices.transition;
    if !wanted.is_finite() {
        return Err(Error::BadArgument { what: "transition", found: wanted.to_string() });
    }
    // Hosts overshoot slightly at the ends of a transition.
    let position = choices.chart.position(wanted.clamp(0.0, 1.0));
    Ok(SpanPosition::of_position(position)?)
}

#[cfg(test)]
mod tests {
    use inbetween_core::sketch::Lines;
    use inbetween_core::timing::{Chart, Exposure};

    use super::*;
    use crate::effect::parameters::choices::SketchChoice;

    fn plan(choices: &Choices, time: f64) -> MomentPlan {
        MomentPlan::new(choices, time).unwrap()
    }

    #[test]
    fn two_clips_give_each_key_at_its_own_time() {
        let choices = Choices::example(Context::General, KeysFrom::TwoClips);
        let plan = plan(&choices, 5.0);
        assert_eq!(plan.first, KeySource::Clip { name: SOURCE, time: 1.0 });
        assert_eq!(plan.last, KeySource::Clip { name: KEY_B, time: 9.0 });
        assert_eq!(plan.place, SpanPosition::Between { position: 0.5 });
    }

    #[test]
    fn one_clip_gives_both_keys() {
        let choices = Choices::example(Context::Filter, KeysFrom::OneClip);
        let plan = plan(&choices, 5.0);
        assert_eq!(plan.first, KeySource::Clip { name: SOURCE, time: 1.0 });
        assert_eq!(plan.last, KeySource::Clip { name: SOURCE, time: 9.0 });
    }

    #[test]
    fn files_are_taken_in_filter_and_general() {
        for context in [Context::Filter, Context::General] {
            let plan = plan(&Choices::example(context, KeysFrom::Files), 5.0);
            assert_eq!(plan.first, KeySource::File("a.png".into()));
            assert_eq!(plan.last, KeySource::File("b.png".into()));
        }
    }

    #[test]
    fn a_filter_has_no_second_clip_and_says_so() {
        let choices = Choices::example(Context::Filter, KeysFrom::TwoClips);
        let error = MomentPlan::new(&choices, 5.0).unwrap_err();
        assert!(error.user_message().unwrap().contains("Times in one clip"), "{error}");
    }

    #[test]
    fn a_host_without_other_frames_cannot_give_two_times_of_a_clip_and_is_told_so() {
        let mut choices = Choices::example(Context::Filter, KeysFrom::OneClip);
        choices.temporal_access = false;
        let says =
            |choices: &Choices| MomentPlan::new(choices, 5.0).unwrap_err().user_message().unwrap();
        assert!(
            says(&choices).contains("no other frames") && says(&choices).contains("Image files")
        );
        let mut sketched = sketched();
        sketched.temporal_access = false;
        assert!(says(&sketched).contains("Use sketch off"));
        choices.keys_from = KeysFrom::Files;
        assert!(MomentPlan::new(&choices, 5.0).is_ok());
    }

    #[test]
    fn a_span_the_wrong_way_round_is_refused() {
        let mut choices = Choices::example(Context::General, KeysFrom::TwoClips);
        choices.key_times = [9.0, 1.0];
        assert!(MomentPlan::new(&choices, 5.0).is_err());
    }

    #[test]
    fn keys_are_shown_before_at_and_after_the_span() {
        let choices = Choices::example(Context::General, KeysFrom::TwoClips);
        for (time, key) in
            [(-50.0, Key::First), (1.0, Key::First), (9.0, Key::Last), (1e6, Key::Last)]
        {
            let plan = plan(&choices, time);
            let (shown, source) = plan.shown_key(Output::InBetween).unwrap();
            assert_eq!(shown, key);
            assert_eq!(plan.needed(Output::InBetween), std::slice::from_ref(source));
        }
    }

    #[test]
    fn only_the_in_between_shows_keys_as_they_are() {
        let choices = Choices::example(Context::General, KeysFrom::TwoClips);
        for output in [Output::Confidence, Output::Motion] {
            let plan = plan(&choices, 1.0);
            assert_eq!(plan.shown_key(output), None);
            assert_eq!(plan.needed(output).len(), 2);
            assert_eq!(plan.drawn_position(), 1e-3);
        }
    }

    #[test]
    fn transitions_follow_their_own_position_at_their_own_time() {
        let mut choices = Choices::example(Context::Transition, KeysFrom::TwoClips);
        choices.transition = 0.25;
        let middle = plan(&choices, 77.0);
        assert_eq!(middle.first, KeySource::Clip { name: SOURCE_FROM, time: 77.0 });
        assert_eq!(middle.last, KeySource::Clip { name: SOURCE_TO, time: 77.0 });
        assert_eq!(middle.place, SpanPosition::Between { position: 0.25 });
        for (transition, place) in
            [(-0.1, SpanPosition::First), (0.0, SpanPosition::First), (1.2, SpanPosition::Last)]
        {
            choices.transition = transition;
            assert_eq!(plan(&choices, 77.0).place, place);
        }
    }

    #[test]
    fn position_per_frame_is_the_span_divided_by_its_frames() {
        let mut choices = Choices::example(Context::General, KeysFrom::TwoClips);
        for frame in [1.0, 5.0, 9.0] {
            assert_eq!(plan(&choices, frame).position_per_frame, 1.0 / 8.0, "at keys as well");
        }
        // On twos the drawing stands still for a frame and then moves two, so the share per frame
        // is the same.
        choices.exposure = Exposure::Twos;
        assert_eq!(plan(&choices, 5.0).position_per_frame, 1.0 / 8.0);
        choices.chart = Chart::EaseOut;
        assert!(plan(&choices, 7.0).position_per_frame > plan(&choices, 3.0).position_per_frame);
    }

    fn sketched() -> Choices {
        let mut choices = Choices::example(Context::General, KeysFrom::TwoClips);
        choices.sketch = Some(SketchChoice { lines: Lines::Auto, strength: 0.6 });
        choices
    }

    fn times(needed: &[KeySource]) -> Vec<f64> {
        let time = |source: &KeySource| match source {
            KeySource::Clip { name, time } if *name == SKETCH => Some(*time),
            _ => None,
        };
        needed.iter().filter_map(time).collect()
    }

    #[test]
    fn a_drawing_needs_the_sketches_of_its_whole_span() {
        let plan = plan(&sketched(), 4.0);
        assert_eq!(times(&plan.needed(Output::InBetween)), [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        assert_eq!(plan.sketches[2], InBetween { time: 4.0, position: 0.375 });
        assert_eq!(plan.keys(Output::InBetween).len(), 2);
    }

    #[test]
    fn keys_need_no_sketches_and_nobody_does_where_they_are_off() {
        assert!(times(&plan(&sketched(), 1.0).needed(Output::InBetween)).is_empty());
        let without = Choices::example(Context::General, KeysFrom::TwoClips);
        assert!(times(&plan(&without, 4.0).needed(Output::InBetween)).is_empty());
    }

    #[test]
    fn a_held_drawing_has_one_sketch() {
        let mut choices = sketched();
        choices.exposure = Exposure::Twos;
        assert_eq!(times(&plan(&choices, 4.0).needed(Output::InBetween)), [3.0, 5.0, 7.0]);
    }

    #[test]
    fn the_sketches_of_a_very_long_span_are_sampled_from_end_to_end() {
        let mut choices = sketched();
        choices.key_times = [0.0, 2_000_000.0];
        let sketches = plan(&choices, 5.0).sketches;
        assert_eq!(sketches.len(), MOST_IN_BETWEENS);
        assert!(sketches[0].position < 0.01 && sketches[63].position > 0.99);
        assert!(sketches.is_sorted_by(|a, b| a.time < b.time && a.position < b.position));
    }
}
