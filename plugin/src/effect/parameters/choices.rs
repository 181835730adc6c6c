//! What the artist chose, read from the host at one time and made sense of.

use std::ffi::CStr;
use std::path::PathBuf;

use inbetween_core::retime::{Feel, Rate};
use inbetween_core::settings::DEFAULT_SKETCH_STRENGTH;
use inbetween_core::sketch::Lines;
use inbetween_core::timing::{Chart, Exposure, Timing};
use inbetween_core::{Encoding, EngineKind, Output, Quality, Settings};

use super::retime::{RaiseChoice, Timeline, To};
use super::rows::*;
use super::tooncrafter::ToonCrafter;
use crate::effect::hosts::Quirks;
use crate::ofx::{Context, Depth, EffectRef, Error, ParamSet, Result};

/// Which engine was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EngineChoice {
    /// Flow.
    Flow,
    /// ToonCrafter where its checkpoint is there, else Flow.
    Auto,
    /// ToonCrafter, or an error that says what it lacks.
    ToonCrafter,
}

impl EngineChoice {
    /// In the order of the parameter's options.
    pub(crate) const ALL: [Self; 3] = [Self::Flow, Self::Auto, Self::ToonCrafter];
}

/// How sketches are used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SketchChoice {
    /// How lines stand out.
    pub(crate) lines: Lines,
    /// How closely they are followed, 0..=1.
    pub(crate) strength: f64,
}

/// Where the keys come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeysFrom {
    /// The clips Source and KeyB.
    TwoClips,
    /// Two times in Source.
    OneClip,
    /// Two picture files.
    Files,
}

impl KeysFrom {
    /// In the order of the parameter's options.
    const ALL: [Self; 3] = [Self::TwoClips, Self::OneClip, Self::Files];

    /// The option's index.
    pub(crate) fn index(self) -> i32 {
        self as i32
    }
}

/// The artist's choices, free of parameter ids.
#[derive(Clone, Debug)]
pub(crate) struct Choices {
    /// The context that the instance lives in.
    pub(crate) context: Context,
    /// How the clip's frame rate is raised; `None` for in-betweens of two keys.
    pub(crate) raise: Option<RaiseChoice>,
    /// Where the keys come from; in a transition always the two clips.
    pub(crate) keys_from: KeysFrom,
    /// First and last key file.
    pub(crate) files: [PathBuf; 2],
    /// First and last key time, in frames.
    pub(crate) key_times: [f64; 2],
    /// The position that a transition was given, 0..=1.
    pub(crate) transition: f64,
    /// The timing chart.
    pub(crate) chart: Chart,
    /// The exposure.
    pub(crate) exposure: Exposure,
    /// The picture wanted.
    pub(crate) output: Output,
    /// How sketches are used; `None` when they are not.
    pub(crate) sketch: Option<SketchChoice>,
    /// Whether a draft may be shown to an artist who waits.
    pub(crate) draft: bool,
    /// The worker program that was chosen; empty for the one that is found.
    pub(crate) worker: PathBuf,
    quality: Quality,
    engine: EngineChoice,
    tooncrafter: ToonCrafter,
    encoding: Option<Encoding>,
}

impl Choices {
    /// Reads every parameter of an instance at `time`.
    ///
    /// # Errors
    /// When the host refuses to tell a value, or a custom chart cannot be read.
    pub(crate) fn read(effect: &EffectRef<'_>, time: f64) -> Result<Self> {
        let context = effect.context()?;
        let params = effect.params()?;
        let timed = context != Context::Transition;
        let pick = Pick { params: &params, time };
        let raise = if timed { pick.raise()? } else { None };
        Ok(Self {
            context,
            raise,
            keys_from: if timed {
                pick.option(KEYS_FROM, &KeysFrom::ALL)?
            } else {
                KeysFrom::TwoClips
            },
            files: if timed {
                [pick.path(FIRST_FILE)?, pick.path(LAST_FILE)?]
            } else {
                Default::default()
            },
            key_times: if timed {
                [params.double(FIRST_KEY, time)?, params.double(LAST_KEY, time)?]
            } else {
                [0.0, 1.0]
            },
            transition: if timed { 0.0 } else { params.double(TRANSITION, time)? },
            // Raising has no chart, so a custom one that cannot be read is in nobody's way.
            chart: if raise.is_some() { Chart::Linear } else { pick.chart()? },
            exposure: if timed {
                pick.option(EXPOSURE, &[Exposure::Ones, Exposure::Twos, Exposure::Threes])?
            } else {
                Exposure::Ones
            },
            output: pick
                .option(OUTPUT, &[Output::InBetween, Output::Confidence, Output::Motion])?,
            quality: pick.option(QUALITY, &[Quality::Draft, Quality::Standard, Quality::High])?,
            engine: pick.option(ENGINE, &EngineChoice::ALL)?,
            tooncrafter: ToonCrafter::read(&pick, context)?,
            sketch: if context == Context::General && raise.is_none() {
                pick.sketch()?
            } else {
                None
            },
            draft: params.switch(DRAFT, time)?,
            worker: pick.path(WORKER)?,
            encoding: pick.option(COLOUR, &[None, Some(Encoding::Srgb), Some(Encoding::Linear)])?,
        })
    }

    /// The span that the keys make.
    ///
    /// # Errors
    /// When the last key does not lie after the first.
    pub(crate) fn timing(&self) -> Result<Timing> {
        let [first, last] = self.key_times;
        Ok(Timing::new(first, last, self.chart.clone(), self.exposure)?)
    }

    /// What engines are told, for pictures of `depth` in a host with `quirks`.
    ///
    /// # Errors
    /// When ToonCrafter is chosen without what it needs; the text names the parameter.
    pub(crate) fn settings(&self, depth: Depth, quirks: Quirks) -> Result<Settings> {
        let engine = self.engine();
        let tooncrafter = match engine {
            EngineKind::ToonCrafter => {
                Some(Box::new(self.tooncrafter.settings(self.sketch.is_some())?))
            }
            EngineKind::Flow => None,
        };
        Ok(Settings {
            engine,
            encoding: self.encoding(depth, quirks),
            quality: self.quality,
            output: self.output,
            sketch_strength: self.sketch.map_or(DEFAULT_SKETCH_STRENGTH, |sketch| sketch.strength),
            tooncrafter,
        })
    }

    /// How pictures of `depth` are encoded in a host with `quirks`.
    pub(crate) fn encoding(&self, depth: Depth, quirks: Quirks) -> Encoding {
        let automatic = if depth.is_float() { quirks.float_encoding } else { Encoding::Srgb };
        self.encoding.unwrap_or(automatic)
    }

    /// The engine that draws: what Auto comes to depends on this machine's files alone.
    pub(crate) fn engine(&self) -> EngineKind {
        match self.engine {
            EngineChoice::Flow => EngineKind::Flow,
            EngineChoice::Auto if self.tooncrafter.has_checkpoint() => EngineKind::ToonCrafter,
            EngineChoice::Auto => EngineKind::Flow,
            EngineChoice::ToonCrafter => EngineKind::ToonCrafter,
        }
    }

    /// Checks what ToonCrafter needs where sketches guide it.
    ///
    /// # Errors
    /// When the sketch encoder's weights are not chosen.
    pub(crate) fn check_sketched(settings: &Settings) -> Result<()> {
        match &settings.tooncrafter {
            Some(tooncrafter) if tooncrafter.sketch_checkpoint.is_none() => {
                Err(Error::ForArtist(
                    "Sketch checkpoint is empty. Choose the weight file of ToonCrafter's sketch encoder, \
                     switch Use sketch off, or choose Engine: Flow."
                        .into(),
                ))
            }
            _ => Ok(()),
        }
    }
}

/// The rates of the options of *To*; the first two are no numbers.
const TO_RATES: [f64; CUSTOM_RATE_OPTION as usize] =
    [0.0, 0.0, 23.976, 24.0, 25.0, 29.97, 30.0, 48.0, 50.0, 59.94, 60.0, 120.0];

/// Reads single parameters at one time.
pub(crate) struct Pick<'a> {
    pub(crate) params: &'a ParamSet<'a>,
    pub(crate) time: f64,
}

impl Pick<'_> {
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

    fn raise(&self) -> Result<Option<RaiseChoice>> {
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
        Ok(Some(RaiseChoice {
            from: if from == 0.0 { None } else { Some(Rate::of_decimal(from)?) },
            to,
            feel: Feel::new(params.double(RAISE_STRENGTH, time)?)?,
            timeline: self.option(TIMELINE, &timelines)?,
            start: params.double(CLIP_START, time)?,
        }))
    }

    fn sketch(&self) -> Result<Option<SketchChoice>> {
        if !self.params.switch(USE_SKETCH, self.time)? {
            return Ok(None);
        }
        let all = [Lines::Auto, Lines::DarkOnLight, Lines::LightOnDark, Lines::Alpha];
        let strength = self.params.double(SKETCH_STRENGTH, self.time)?;
        // Without any strength the lines would be read and hashed for nothing.
        let used = SketchChoice { lines: self.option(SKETCH_LINES, &all)?, strength };
        Ok((strength > 0.0).then_some(used))
    }

    fn chart(&self) -> Result<Chart> {
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

#[cfg(test)]
impl Choices {
    /// Keys on frames 1 and 9, everything else as described.
    pub(crate) fn example(context: Context, keys_from: KeysFrom) -> Self {
        Self {
            context,
            raise: None,
            keys_from,
            files: ["a.png".into(), "b.png".into()],
            key_times: [1.0, 9.0],
            transition: 0.0,
            chart: Chart::Linear,
            exposure: Exposure::Ones,
            output: Output::InBetween,
            quality: Quality::Standard,
            sketch: None,
            draft: false,
            worker: PathBuf::new(),
            engine: EngineChoice::Flow,
            tooncrafter: ToonCrafter::example(),
            encoding: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn automatic_colour_follows_depth_and_host() {
        let choices = Choices::example(Context::General, KeysFrom::TwoClips);
        let encoding = |depth, quirks| choices.settings(depth, quirks).unwrap().encoding;
        let quirks = Quirks::with_encoding;
        assert_eq!(encoding(Depth::Byte, quirks(Encoding::Linear)), Encoding::Srgb);
        assert_eq!(encoding(Depth::Short, quirks(Encoding::Linear)), Encoding::Srgb);
        assert_eq!(encoding(Depth::Float, quirks(Encoding::Linear)), Encoding::Linear);
        assert_eq!(encoding(Depth::Half, quirks(Encoding::Srgb)), Encoding::Srgb);
    }

    #[test]
    fn chosen_colour_wins() {
        let mut choices = Choices::example(Context::General, KeysFrom::TwoClips);
        choices.encoding = Some(Encoding::Srgb);
        let quirks = Quirks::with_encoding(Encoding::Linear);
        assert_eq!(choices.settings(Depth::Float, quirks).unwrap().encoding, Encoding::Srgb);
    }

    #[test]
    fn auto_is_tooncrafter_only_where_its_checkpoint_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut choices = Choices::example(Context::General, KeysFrom::TwoClips);
        choices.engine = EngineChoice::Auto;
        assert_eq!(choices.engine(), EngineKind::Flow);
        choices.tooncrafter.checkpoint = "/no such/model.ckpt".into();
        assert_eq!(choices.engine(), EngineKind::Flow);
        choices.tooncrafter.checkpoint = file.path().to_owned();
        assert_eq!(choices.engine(), EngineKind::ToonCrafter);
        choices.engine = EngineChoice::Flow;
        assert_eq!(choices.engine(), EngineKind::Flow);
    }

    #[test]
    fn what_tooncrafter_lacks_is_named() {
        let mut choices = Choices::example(Context::General, KeysFrom::TwoClips);
        choices.engine = EngineChoice::ToonCrafter;
        let message = |choices: &Choices| {
            let settings = choices.settings(Depth::Float, Quirks::with_encoding(Encoding::Linear));
            settings.unwrap_err().user_message().unwrap()
        };
        assert!(message(&choices).starts_with("Checkpoint is empty"), "{}", message(&choices));
        choices.tooncrafter.checkpoint = "/no such/model.ckpt".into();
        let said = message(&choices);
        assert!(said.contains("Checkpoint") && said.contains("/no such/model.ckpt"), "{said}");
    }
}
