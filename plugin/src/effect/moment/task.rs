//! What the effect does with its clips: draw a span between two keys, or retime a clip.
//!
//! [`Task::of`] decides that for every action, so that the answers to a host and the render cannot
//! differ. The consequences are here too: what has to be fetched, what is shown, and which frames
//! there are.

use inbetween_core::retime::{OutputFrame, Rate};
use inbetween_core::{Encoding, Output};

use super::plan::{KeySource, MomentPlan, in_betweens};
use super::retime::Retime;
use super::source_frames::SourceFrames;
use crate::effect::parameters::choices::{Choices, KeysFrom};
use crate::ofx::{Context, EffectRef, Rect, Result};

/// The clips and files that one moment needs.
pub(crate) struct Needs {
    /// What is shown unchanged, if that is known without examining pictures.
    pub(crate) shown: Option<KeySource>,
    /// What the picture is made of.
    pub(crate) keys: Vec<KeySource>,
    /// Everything that may be fetched.
    pub(crate) all: Vec<KeySource>,
}

/// A span, or a clip at another rate.
pub(crate) struct Task<'c> {
    choices: &'c Choices,
    retime: Option<Retime>,
}

impl<'c> Task<'c> {
    /// The task that `choices` describe.
    ///
    /// # Errors
    /// When a clip cannot be retimed because rates or other frames are missing; the text says what
    /// to change.
    pub(crate) fn of(effect: &EffectRef<'_>, choices: &'c Choices) -> Result<Self> {
        let retime = choices.retime.as_ref();
        let retime = retime.map(|choice| Retime::new(effect, choice, choices.path()));
        Ok(Self { choices, retime: retime.transpose()? })
    }

    /// How the clip is retimed; `None` for a span.
    pub(crate) fn retime(&self) -> Option<&Retime> {
        self.retime.as_ref()
    }

    /// What `time` needs.
    ///
    /// # Errors
    /// When the choices do not suit each other, or `time` is not a valid time.
    pub(crate) fn needs(&self, time: f64) -> Result<Needs> {
        let output = self.choices.output;
        let Some(retime) = &self.retime else {
            let plan = MomentPlan::new(self.choices, time)?;
            let shown = plan.shown_key(output).map(|(_, source)| source.clone());
            return Ok(Needs { shown, keys: plan.keys(output), all: plan.needed(output) });
        };
        let frame = |time| KeySource::Found { time };
        let shown = retime.known(time, output)?.filter(|_| output == Output::InBetween).map(frame);
        // Only examining these frames shows which of them the picture is made from.
        let all: Vec<_> = retime.needed(time, output)?.into_iter().map(frame).collect();
        Ok(Needs { shown, keys: all.clone(), all })
    }

    /// First and last frame of the output, if they differ from those of the clips.
    pub(crate) fn frame_range(&self) -> Option<[f64; 2]> {
        if let Some(retime) = &self.retime {
            return retime.range().map(|(first, last)| [first, last]);
        }
        let choices = self.choices;
        let of_source = matches!(choices.keys_from, KeysFrom::OneClip | KeysFrom::EveryDrawing);
        let own = choices.context == Context::General && !of_source;
        (own && choices.timing().is_ok()).then_some(choices.key_times)
    }

    /// The output's rate, if it differs from that of the timeline's frames.
    pub(crate) fn frame_rate(&self) -> Option<Rate> {
        self.retime.as_ref()?.output_rate()
    }

    /// What is shown at `time`. Frames of a retimed clip are examined on `canvas`.
    ///
    /// # Errors
    /// When something is not connected or missing; the text says what to do.
    pub(crate) fn plan(
        &self,
        effect: &EffectRef<'_>,
        encoding: Encoding,
        canvas: Rect,
        time: f64,
    ) -> Result<MomentPlan> {
        let Some(retime) = &self.retime else { return MomentPlan::new(self.choices, time) };
        let output = self.choices.output;
        let mut source = SourceFrames::new(effect, encoding, canvas)?;
        let shown = retime.shown(time, output, |time| source.signature(time))?;
        if source.connected().is_err()
            && let Some(known) = retime.known(time, output)?
        {
            // It is shown whatever it contains, so nothing has been examined.
            source.signature(known)?;
        }
        source.connected()?;
        Ok(retime.plan(shown))
    }

    /// The span that contains `time`, or the interval between two drawings of a retimed clip, with
    /// the positions of output frames in it.
    ///
    /// # Errors
    /// As [`Task::plan`].
    pub(crate) fn positions(
        &self,
        effect: &EffectRef<'_>,
        encoding: Encoding,
        canvas: Rect,
        time: f64,
    ) -> Result<(MomentPlan, Vec<f64>)> {
        let Some(retime) = &self.retime else {
            let plan = MomentPlan::new(self.choices, time)?;
            let positions = if plan.held {
                Vec::new()
            } else if self.choices.context == Context::Transition {
                vec![plan.drawn_position()]
            } else {
                let found = in_betweens(&self.choices.timing()?)?.into_iter();
                found.map(|in_between| in_between.position).collect()
            };
            return Ok((plan, positions));
        };
        let mut source = SourceFrames::new(effect, encoding, canvas)?;
        let mut look = |time| source.signature(time);
        // The motion at a key is that of the interval after it.
        let here = retime.shown(time, Output::Motion, &mut look)?;
        let alone = retime.without_neighbours();
        let mut positions = Vec::new();
        if let OutputFrame::InBetween { first, last, .. } = here.frame {
            for time in retime.times_between(first, last) {
                match alone.shown(time, Output::InBetween, &mut look)?.frame {
                    OutputFrame::InBetween { first: from, last: to, position }
                        if (from, to) == (first, last) =>
                    {
                        positions.push(position);
                    }
                    _ => {}
                }
            }
        }
        positions.dedup();
        Ok((retime.plan(here), positions))
    }
}
