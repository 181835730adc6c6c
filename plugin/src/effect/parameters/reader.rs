//! Reads single parameters of an instance, and the few choices that several of them form together.

use std::cell::RefCell;
use std::ffi::CStr;
use std::path::PathBuf;

use inbetween_core::retime::{Rate, Strength};
use inbetween_core::settings::{Choice, File, Integer, Number, Point, Setting, Switch, Text};
use inbetween_core::sketch::Lines;
use inbetween_core::timing::Chart;

use super::retime::{RetimeChoice, TargetRate};
use super::rows::*;
use crate::ofx::{Error, ParamSet, Result};

/// How sketches are used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SketchChoice {
    /// How lines differ from the paper.
    pub(crate) lines: Lines,
    /// How closely they are followed, 0..=1.
    pub(crate) strength: f64,
}

/// Reads single parameters at one time.
pub(crate) struct ParamReader<'a> {
    params: &'a ParamSet<'a>,
    time: f64,
    /// Labels of parameters whose value the host does not return. Some hosts lack a type of
    /// parameter, such as choices.
    untold: RefCell<Vec<&'static str>>,
}

impl<'a> ParamReader<'a> {
    pub(crate) fn new(params: &'a ParamSet<'a>, time: f64) -> Self {
        Self { params, time, untold: RefCell::default() }
    }
}

impl ParamReader<'_> {
    /// The value of the selected option. Hosts may hold an index from a newer version's project.
    pub(crate) fn choice<T: Clone + 'static>(&self, of: &Setting<Choice<T>>) -> Result<T> {
        self.choice_or(of, &of.kind.default)
    }

    /// Like [`ParamReader::choice`], but `usual` if the host does not return a value.
    pub(crate) fn choice_or<T: Clone + 'static>(
        &self,
        of: &Setting<Choice<T>>,
        usual: &T,
    ) -> Result<T> {
        let told = self.params.integer(of.id, self.time).map(Some);
        let Some(index) = self.or_default(of, told, None)? else { return Ok(usual.clone()) };
        let option = usize::try_from(index).ok().and_then(|index| of.kind.options.get(index));
        option.map(|option| option.value.clone()).ok_or_else(|| {
            Error::ForArtist(format!(
                "The parameter {} stands on option {index}, which this version does not have. \
                 Choose another option, or install the version that the project was made with.",
                of.name()
            ))
        })
    }

    pub(crate) fn number(&self, of: &Setting<Number>) -> Result<f64> {
        self.or_default(of, self.params.double(of.id, self.time), of.kind.default)
    }

    /// A place in canonical coordinates; `None` if the host does not return it, since there is no
    /// default to use.
    pub(crate) fn point(&self, of: &Setting<Point>) -> Result<Option<[f64; 2]>> {
        self.or_default(of, self.params.point(of.id, self.time).map(Some), None)
    }

    /// A whole number. A negative value, which no setting allows, counts as 0.
    pub(crate) fn whole(&self, of: &Setting<Integer>) -> Result<u32> {
        let told = self.params.integer(of.id, self.time);
        Ok(u32::try_from(self.or_default(of, told, of.kind.default)?).unwrap_or(0))
    }

    pub(crate) fn switch(&self, of: &Setting<Switch>) -> Result<bool> {
        self.or_default(of, self.params.switch(of.id, self.time), of.kind.default)
    }

    pub(crate) fn text(&self, of: &Setting<Text>) -> Result<String> {
        let told = self.params.string(of.id, self.time);
        let default = of.kind.default.to_string_lossy().into_owned();
        Ok(self.or_default(of, told, default)?.trim().to_owned())
    }

    pub(crate) fn path(&self, of: &Setting<File>) -> Result<PathBuf> {
        if let Some(id) = self.params.quirks().file_in_projects(of.id) {
            let kept = self.other_path(id)?;
            if !kept.as_os_str().is_empty() {
                return Ok(kept);
            }
        }
        // File knobs keep a trailing newline or blank of a pasted path.
        let told = self.params.string(of.id, self.time);
        Ok(PathBuf::from(self.or_default(of, told, String::new())?.trim()))
    }

    /// A path under an id that the setting does not have, from projects of older versions or in one
    /// host. If the host does not return it, it is silently ignored.
    pub(crate) fn other_path(&self, id: &CStr) -> Result<PathBuf> {
        match self.params.string(id, self.time) {
            Err(Error::Refused { .. }) => Ok(PathBuf::new()),
            told => Ok(PathBuf::from(told?.trim())),
        }
    }

    /// The value, or `default` if the host does not return it.
    fn or_default<K, T>(&self, of: &Setting<K>, told: Result<T>, default: T) -> Result<T> {
        let Err(Error::Refused { .. }) = told else { return told };
        self.untold.borrow_mut().push(of.name());
        Ok(default)
    }

    /// Which values the host does not return, as a sentence.
    pub(crate) fn note(&self) -> Option<String> {
        let untold = self.untold.borrow();
        (!untold.is_empty()).then(|| {
            format!(
                "This host does not tell what is chosen for {}: the defaults are used.",
                untold.join(", ")
            )
        })
    }

    pub(crate) fn retime(&self) -> Result<Option<RetimeChoice>> {
        if self.choice(&MODE)? == Mode::InBetweens {
            return Ok(None);
        }
        let from = self.number(&FROM_RATE)?;
        let to = match self.choice(&TO_RATE)? {
            ToRate::Twice => TargetRate::Twice,
            ToRate::Project => TargetRate::Project,
            ToRate::Fixed(rate) => TargetRate::Rate(Rate::of_decimal(rate)?),
            ToRate::Custom => TargetRate::Rate(Rate::of_decimal(self.number(&CUSTOM_RATE)?)?),
        };
        Ok(Some(RetimeChoice {
            from: if from == 0.0 { None } else { Some(Rate::of_decimal(from)?) },
            to,
            strength: Strength::new(self.number(&RETIME_STRENGTH)?)?,
            timeline: self.choice(&TIMELINE)?,
            start: self.number(&CLIP_START)?,
        }))
    }

    pub(crate) fn sketch(&self) -> Result<Option<SketchChoice>> {
        if !self.switch(&USE_SKETCH)? {
            return Ok(None);
        }
        let strength = self.number(&SKETCH_STRENGTH)?;
        // With a strength of 0 the lines would be read and hashed for nothing.
        let used = SketchChoice { lines: self.choice(&SKETCH_LINES)?, strength };
        Ok((strength > 0.0).then_some(used))
    }

    pub(crate) fn chart(&self) -> Result<Chart> {
        match self.choice(&CHART)? {
            Some(chart) => Ok(chart),
            None => Ok(self.text(&CUSTOM_CHART)?.parse()?),
        }
    }
}
