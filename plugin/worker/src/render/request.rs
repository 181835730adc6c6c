//! What to draw: keys, sketches and settings, read and checked before anything is drawn.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use inbetween_core::picture::{Fit, Picture};
use inbetween_core::settings::WeightRef;
use inbetween_core::timing::{SpanPosition, Timing};
use inbetween_core::{
    ContentHash, Encoding, EngineKind, Frame, Job, Pin, Request, Settings, SketchRef, fingerprint,
    picture, sketch,
};
use inbetween_tooncrafter::weights::NamedFile;

use super::usage;
use crate::cli::Render;
use crate::failure::{Failure, Kind, Result};
use crate::models::download::default_folder;
use crate::pictures::{Form, Style};

/// Everything except the position.
pub(super) struct Prepared {
    pub(super) encoding: Encoding,
    /// The style of written frames.
    pub(super) style: Style,
    pub(super) settings: Settings,
    pub(super) first: Arc<Frame>,
    pub(super) last: Arc<Frame>,
    hashes: [ContentHash; 2],
    sketches: Vec<(SketchRef, Arc<Frame>)>,
    pins: Vec<Pin>,
    /// The keys beside the span, each with its position.
    neighbours: [Option<(f64, Picture)>; 2],
}

impl Prepared {
    pub(super) fn new(arguments: &Render, timing: &Timing) -> Result<Self> {
        let style = style(arguments)?;
        let encoding = style.form.encoding();
        let [first, last] =
            [&arguments.first, &arguments.last].map(|path| picture::load(path, encoding, None));
        let (first, last) = (first?, last?);
        let settings = settings(arguments, encoding)?;
        settings.check()?;
        let mut sketches = Vec::new();
        for (frame, path) in &arguments.sketch {
            let Ok(SpanPosition::Between { position }) = timing.at(*frame as f64) else {
                return Err(usage(format!(
                    "The sketch {} is for frame {frame}, which does not lie between the keys.",
                    path.display()
                )));
            };
            let fit = Fit::square(first.frame.width(), first.frame.height());
            let drawing = picture::load(path, encoding, Some(fit))?;
            match sketch::normalise(&drawing.frame, encoding, arguments.lines) {
                Some(lines) => {
                    let name = SketchRef { position, picture: lines.content_hash() };
                    sketches.push((name, Arc::new(lines)));
                }
                None => log::warn!("{} shows no lines and guides nothing", path.display()),
            }
        }
        let size = (first.frame.width(), first.frame.height());
        let pins: Vec<Pin> = arguments.pin.iter().map(|pin| pin.on(size)).collect();
        if !pins.is_empty() && settings.engine != EngineKind::Flow {
            return Err(usage("Pins guide Flow only: choose --engine flow, or leave --pin out."));
        }
        sketches.sort_by(|(a, _), (b, _)| a.position.total_cmp(&b.position));
        let flow = settings.engine == EngineKind::Flow;
        let beside = |at: usize| -> Result<Option<(f64, Picture)>> {
            let Some((position, path)) = arguments.neighbours[at].as_ref().filter(|_| flow) else {
                return Ok(None);
            };
            Ok(Some((*position, picture::load(path, encoding, None)?)))
        };
        let neighbours = [beside(0)?, beside(1)?];
        let prepared = Self {
            encoding,
            style,
            settings,
            hashes: [first.hash, last.hash],
            first: first.frame,
            last: last.frame,
            sketches,
            pins,
            neighbours,
        };
        prepared.job(0.5).check()?;
        Ok(prepared)
    }

    pub(super) fn job(&self, position: f64) -> Job {
        let request = Request {
            first: self.hashes[0],
            last: self.hashes[1],
            sketches: self.sketches.iter().map(|(name, _)| name.clone()).collect(),
            pins: self.pins.clone(),
            neighbours: [None, None],
            position,
            settings: self.settings.clone(),
        };
        let sketches = self.sketches.iter().map(|(_, picture)| picture.clone()).collect();
        let (first, last) = (self.first.clone(), self.last.clone());
        Job { request, first, last, sketches, neighbours: [None, None] }
            .beside(self.neighbours.clone())
    }
}

/// The style of the first key, in a form that can hold either key; or a style of the requested
/// kind.
fn style(arguments: &Render) -> Result<Style> {
    let first = Style::of(&arguments.first)?;
    let form = first.form.with(Form::of(&arguments.last)?);
    let of_keys = first.with_form(form);
    Ok(match arguments.format.kind() {
        None => of_keys,
        Some((format, depth)) => {
            let style = of_keys.in_format(format, &arguments.first);
            let form = Form { depth, ..style.form };
            style.with_form(form)
        }
    })
}

fn settings(arguments: &Render, encoding: Encoding) -> Result<Settings> {
    let settings = Settings {
        encoding,
        quality: arguments.quality,
        output: arguments.output,
        sketch_strength: arguments.sketch_strength,
        ..Settings::default()
    };
    let tooncrafter = match arguments.engine {
        None => arguments.checkpoint.is_some(),
        Some(engine) => engine == EngineKind::ToonCrafter,
    };
    if !tooncrafter {
        return Ok(settings);
    }
    let checkpoint = match &arguments.checkpoint {
        Some(path) => path.clone(),
        None => downloaded("model.ckpt")?.ok_or_else(|| {
            Failure::new(
                Kind::File,
                "ToonCrafter needs its weights: name them with --checkpoint, or fetch them with \
                 `inbetween models download`.",
            )
        })?,
    };
    let sketch = match &arguments.sketch_checkpoint {
        Some(path) => Some(path.clone()),
        None if arguments.sketch.is_empty() => None,
        None => downloaded("sketch_encoder.ckpt")?,
    };
    let checkpoint = weights(&checkpoint)?;
    let sketch_checkpoint = sketch.as_deref().map(weights).transpose()?;
    Ok(Settings {
        engine: EngineKind::ToonCrafter,
        tooncrafter: Some(Box::new(arguments.model.settings(checkpoint, sketch_checkpoint))),
        ..settings
    })
}

/// A file that `models download` has fetched.
pub(crate) fn downloaded(name: &str) -> Result<Option<PathBuf>> {
    let path = default_folder()?.join(name);
    Ok(path.is_file().then_some(path))
}

/// References a weight file after reading its index, so that a damaged file gives the same failure
/// as in every other command.
fn weights(path: &Path) -> Result<WeightRef> {
    NamedFile::open(path)?;
    Ok(WeightRef { path: path.to_owned(), fingerprint: fingerprint::of_file(path)? })
}
