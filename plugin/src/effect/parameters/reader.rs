//! Reading single parameters of an instance, and the few choices that several of them make together.

use std::ffi::CStr;
use std::path::PathBuf;

use inbetween_core::retime::{Feel, Rate};
use inbetween_core::sketch::Lines;
use inbetween_core::timing::Chart;

use super::retime::{RetimeChoice, Timeline, To};
use super::rows::*;
use crate::ofx::{Error, ParamSet, Result};

/// How sketches are used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SketchChoice {
    /// How lines stand out.
    pub(crate) lines: Lines,
    /// How closely they are followed, 0..=1.
    pub(crate) strength: f64,
}

/// The rates of the options of *To*; the first two are no numbers.
const TO_RATES: [f64; CUSTOM_RATE_OPTION as usize] =
    [0.0, 0.0, 23.976, 24.0, 25.0, 29.97, 30.0, 48.0, 50.0, 59.94, 60.0, 120.0];

/// Reads single parameters at one time.
pub(crate) struct ParamReader<'a> {
    pub(crate) params: &'a ParamSet<'a>,
    pub(crate) time: f64,
}

impl ParamReader<'_> {
    /// The option that a choice stands on. Hosts can hold an index from a newer version's project.
    pub(crate) fn option<T: Copy>(&self, id: &CStr, options: &[T]) -> Result<T> {
        let index = self.params.integer(id, self.time)?;
        usize::try_from(index).ok().and_then(|index| options.get(index)).copied().ok_or_else(|| {
            Error::ForArtist(format!(
                "The parameter {} stands on option {index}, which this version does not have. \
                 Choose another option, or install the version that the project was made with.",
                id.to_string_lossy()
            ))
        })
    }

    pub(crate) fn path(&self, id: &CStr) -> Result<PathBuf> {
        // File knobs keep a stray newline or blank when a path was pasted.
        Ok(PathBuf::from(self.params.string(id, self.time)?.trim()))
    }

    pub(crate) fn retime(&self) -> Result<Option<RetimeChoice>> {
        if !self.option(MODE, &[false, true])? {
            return Ok(None);
        }
        let (params, time) = (self.params, self.time);
        let from = params.double(FROM_RATE, time)?;
        let to = match self.params.integer(TO_RATE, time)? {
            0 => To::Twice,
            1 => To::Project,
            CUSTOM_RATE_OPTION => To::Rate(Rate::of_decimal(params.double(CUSTOM_RATE, time)?)?),
            _ => To::Rate(Rate::of_decimal(self.option(TO_RATE, &TO_RATES)?)?),
        };
        let timelines = [Timeline::Automatic, Timeline::OfSource, Timeline::OfOutput];
        Ok(Some(RetimeChoice {
            from: if from == 0.0 { None } else { Some(Rate::of_decimal(from)?) },
            to,
            feel: Feel::new(params.double(RETIME_STRENGTH, time)?)?,
            timeline: self.option(TIMELINE, &timelines)?,
            start: params.double(CLIP_START, time)?,
        }))
    }

    pub(crate) fn sketch(&self) -> Result<Option<SketchChoice>> {
        if !self.params.switch(USE_SKETCH, self.time)? {
            return Ok(None);
        }
        let all = [Lines::Auto, Lines::DarkOnLight, Lines::LightOnDark, Lines::Alpha];
        let strength = self.params.double(SKETCH_STRENGTH, self.time)?;
        // Without any strength the lines would be read and hashed for nothing.
        let used = SketchChoice { lines: self.option(SKETCH_LINES, &all)?, strength };
        Ok((strength > 0.0).then_some(used))
    }

    pub(crate) fn chart(&self) -> Result<Chart> {
        Ok(match self.params.integer(CHART, self.time)? {
            0 => Chart::Linear,
            1 => Chart::EaseIn,
            2 => Chart::EaseOut,
            3 => Chart::EaseInOut,
            4 => Chart::FavourFirst,
            5 => Chart::FavourLast,
            6 => self.params.string(CUSTOM_CHART, self.time)?.parse()?,
            _ => {
                return Err(self.option::<()>(CHART, &[]).expect_err("no option of an empty list"));
            }
        })
    }
}
