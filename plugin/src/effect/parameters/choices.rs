//! The artist's choices, read from the host at one time and interpreted.

use std::path::{Path, PathBuf};

pub(crate) use inbetween_core::settings::list::KeysFrom;
use inbetween_core::timing::{Chart, Exposure, KeyFrames, KeySpan, Timing};
use inbetween_core::{Encoding, EngineKind, Output, Quality, Settings};

use super::colourspace::told_encoding;
use super::pins::{self, PinChoice};
use super::reader::ParamReader;
pub(crate) use super::reader::SketchChoice;
use super::retime::RetimeChoice;
use super::rows::*;
use super::tooncrafter::ToonCrafter;
use crate::effect::names::{SOURCE, SOURCE_FROM};
use crate::hosts::Quirks;
use crate::ofx::{Context, Depth, EffectRef, Error, Result};

/// The artist's choices, independent of parameter ids.
#[derive(Clone, Debug)]
pub(crate) struct Choices {
    /// The context that the instance lives in.
    pub(crate) context: Context,
    /// How the clip is retimed; `None` for in-betweens of two keys.
    pub(crate) retime: Option<RetimeChoice>,
    /// Whether the host delivers frames of a clip other than the current one.
    pub(crate) temporal_access: bool,
    /// Where the keys come from; in a transition always from two clips.
    pub(crate) keys_from: KeysFrom,
    /// First and last key file.
    pub(crate) files: [PathBuf; 2],
    /// Times of the first and last key, in frames. If a clip has several keys, they are those
    /// around the current time, or twice the same key if one is held.
    pub(crate) key_times: [f64; 2],
    /// The keys around the current time, if a clip has several; otherwise what the artist has to do
    /// first.
    pub(crate) key_span: std::result::Result<KeySpan, String>,
    /// The position given to a transition, 0..=1.
    pub(crate) transition: f64,
    /// The timing chart.
    pub(crate) chart: Chart,
    /// The exposure.
    pub(crate) exposure: Exposure,
    /// How the movement between keys is shaped if more drawings than the two keys are known; see
    /// [`Choices::path`].
    path: MotionPath,
    /// The picture wanted.
    pub(crate) output: Output,
    /// How sketches are used; `None` if they are not.
    pub(crate) sketch: Option<SketchChoice>,
    /// The pins in use; empty if the engine does not use them.
    pub(crate) pins: Vec<PinChoice>,
    /// Whether a draft may be shown to an artist who is waiting.
    pub(crate) draft: bool,
    /// What the artist should know even though everything works.
    pub(crate) note: Option<String>,
    quality: Quality,
    /// `None` for ToonCrafter if its checkpoint exists, otherwise Flow.
    engine: Option<EngineKind>,
    tooncrafter: ToonCrafter,
    encoding: Option<Encoding>,
    /// The encoding of the first key, if the host reports its colourspace.
    told_encoding: Option<Encoding>,
}

impl Choices {
    /// Reads every parameter of an instance at `time`.
    ///
    /// # Errors
    /// When the host does not return a value, or a custom chart cannot be read.
    pub(crate) fn read(effect: &EffectRef<'_>, time: f64) -> Result<Self> {
        let context = effect.context()?;
        let params = effect.params()?;
        let timed = context != Context::Transition;
        let pick = ParamReader::new(&params, time);
        let retime = if timed { pick.retime()? } else { None };
        let temporal_access = effect.host().temporal_access();
        let usual = usual_keys(context, temporal_access);
        let keys_from =
            if timed { pick.choice_or(&KEYS_FROM, &usual)? } else { KeysFrom::TwoClips };
        let key_span = match keys_from {
            KeysFrom::EveryDrawing => key_span(&pick.text(&KEY_FRAMES)?, time),
            _ => Err(String::new()),
        };
        let key_times = match (keys_from, &key_span) {
            _ if !timed => [0.0, 1.0],
            (KeysFrom::EveryDrawing, Ok(span)) => {
                [span.first, span.last.unwrap_or(span.first)].map(|frame| frame as f64)
            }
            _ => [pick.number(&FIRST_KEY)?, pick.number(&LAST_KEY)?],
        };
        // A span has one set of pins and one timing. If they are animated, their values at the
        // first key are used.
        let at_first = if timed { key_times[0] } else { time };
        let pick_span = ParamReader::new(&params, at_first);
        let mut choices = Self {
            context,
            retime,
            temporal_access,
            keys_from,
            files: if timed {
                [pick.path(&FIRST_FILE)?, pick.path(&LAST_FILE)?]
            } else {
                Default::default()
            },
            key_times,
            key_span,
            transition: if timed { 0.0 } else { pick.number(&TRANSITION)? },
            // Retiming uses no chart, so a custom chart that cannot be read does no harm here.
            chart: if retime.is_some() { Chart::Linear } else { pick_span.chart()? },
            exposure: if timed { pick_span.choice(&EXPOSURE)? } else { Exposure::Ones },
            path: if timed { pick.choice(&MOTION_PATH)? } else { MotionPath::Straight },
            output: pick.choice(&OUTPUT)?,
            quality: pick.choice(&QUALITY)?,
            engine: pick.choice(&ENGINE)?,
            tooncrafter: ToonCrafter::read(&pick, context)?,
            sketch: if context == Context::General && retime.is_none() {
                pick.sketch()?
            } else {
                None
            },
            pins: Vec::new(),
            draft: pick.switch(&DRAFT)?,
            note: None,
            encoding: pick.choice(&COLOUR)?,
            told_encoding: told_encoding(effect, if timed { SOURCE } else { SOURCE_FROM }),
        };
        if choices.retime.is_none() && choices.engine() == EngineKind::Flow {
            choices.pins = pins::read(&pick_span)?;
        }
        let worker = pick.other_path(WORKER)?;
        let unused = choices.engine() == EngineKind::ToonCrafter && !worker.as_os_str().is_empty();
        let notes = [pick.note(), pick_span.note(), unused.then(|| unused_worker(&worker))];
        choices.note = notes.into_iter().flatten().reduce(|all, note| format!("{all} {note}"));
        Ok(choices)
    }

    /// The span between the keys.
    ///
    /// # Errors
    /// When the last key does not lie after the first.
    pub(crate) fn timing(&self) -> Result<Timing> {
        let [first, last] = self.key_times;
        Ok(Timing::new(first, last, self.chart.clone(), self.exposure)?)
    }

    /// The engine's settings, for pictures of `depth` in a host with `quirks`.
    ///
    /// # Errors
    /// When ToonCrafter is chosen but something it needs is missing; the text names the parameter.
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
            sketch_strength: self
                .sketch
                .map_or(SKETCH_STRENGTH.kind.default, |sketch| sketch.strength),
            tooncrafter,
        })
    }

    /// The encoding of pictures of `depth` in a host with `quirks`.
    pub(crate) fn encoding(&self, depth: Depth, quirks: Quirks) -> Encoding {
        let automatic = if depth.is_float() { quirks.float_encoding } else { Encoding::Srgb };
        self.encoding.or(self.told_encoding).unwrap_or(automatic)
    }

    /// The engine that draws. The choice of Auto depends only on files on this machine.
    pub(crate) fn engine(&self) -> EngineKind {
        match self.engine {
            Some(engine) => engine,
            None if self.tooncrafter.has_checkpoint() => EngineKind::ToonCrafter,
            None => EngineKind::Flow,
        }
    }

    /// How the movement between keys is shaped if more drawings than the two keys are known. Only
    /// Flow uses these drawings, and only if there are no sketches, which define the movement
    /// themselves.
    pub(crate) fn path(&self) -> MotionPath {
        let heeded = self.engine() == EngineKind::Flow && self.sketch.is_none();
        if heeded { self.path } else { MotionPath::Straight }
    }

    /// Checks what ToonCrafter needs if there are sketches.
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

/// Where keys come from if the artist has not chosen: whatever the context and the host permit.
pub(crate) fn usual_keys(context: Context, temporal_access: bool) -> KeysFrom {
    match context {
        Context::General | Context::Transition => KeysFrom::TwoClips,
        Context::Filter if temporal_access => KeysFrom::OneClip,
        Context::Filter => KeysFrom::Files,
    }
}

/// The keys around `time` in the artist's list, or a message about what to do.
fn key_span(list: &str, time: f64) -> std::result::Result<KeySpan, String> {
    if list.is_empty() {
        return Err(
            "Key frames is empty. Press Find drawings, or write the frames on which the keys stand in Source, such \
             as 1 7 12."
                .into(),
        );
    }
    let keys: KeyFrames =
        list.parse().map_err(|error: inbetween_core::Error| error.user_message())?;
    Ok(keys.span_at(time))
}

/// The message to an artist whose project names a program.
fn unused_worker(path: &Path) -> String {
    format!(
        "This project names the program {} for ToonCrafter. A project cannot choose which program runs, so the \
         plug-in's own was used. To use another one, set the variable INBETWEEN_WORKER to its path before the host \
         starts.",
        path.display()
    )
}

#[cfg(test)]
impl Choices {
    /// Keys on frames 1 and 9, and defaults for everything else.
    pub(crate) fn example(context: Context, keys_from: KeysFrom) -> Self {
        Self {
            context,
            retime: None,
            temporal_access: true,
            keys_from,
            files: ["a.png".into(), "b.png".into()],
            key_times: [1.0, 9.0],
            key_span: Err(String::new()),
            transition: 0.0,
            chart: Chart::Linear,
            exposure: Exposure::Ones,
            path: MOTION_PATH.kind.default,
            output: Output::InBetween,
            quality: QUALITY.kind.default,
            sketch: None,
            pins: Vec::new(),
            draft: false,
            note: None,
            engine: Some(EngineKind::Flow),
            tooncrafter: ToonCrafter::example(),
            encoding: None,
            told_encoding: None,
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
    fn a_colourspace_that_is_told_beats_the_depth_and_loses_to_the_artist() {
        let mut choices = Choices::example(Context::General, KeysFrom::TwoClips);
        choices.told_encoding = Some(Encoding::Srgb);
        let quirks = Quirks::with_encoding(Encoding::Linear);
        assert_eq!(choices.encoding(Depth::Float, quirks), Encoding::Srgb);
        choices.encoding = Some(Encoding::Linear);
        assert_eq!(choices.encoding(Depth::Float, quirks), Encoding::Linear);
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
        choices.engine = None;
        assert_eq!(choices.engine(), EngineKind::Flow);
        choices.tooncrafter.checkpoint = "/no such/model.ckpt".into();
        assert_eq!(choices.engine(), EngineKind::Flow);
        choices.tooncrafter.checkpoint = file.path().to_owned();
        assert_eq!(choices.engine(), EngineKind::ToonCrafter);
        choices.engine = Some(EngineKind::Flow);
        assert_eq!(choices.engine(), EngineKind::Flow);
    }

    #[test]
    fn what_tooncrafter_lacks_is_named() {
        let mut choices = Choices::example(Context::General, KeysFrom::TwoClips);
        choices.engine = Some(EngineKind::ToonCrafter);
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
