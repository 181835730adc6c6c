//! From choices to a request: finds the pictures and names them. Used by the render and by
//! Generate.

use std::sync::Arc;

use inbetween_core::timing::Key;
use inbetween_core::{Drawn, Frame, Job, Neighbour, Request, Settings, pins};

use super::keys::KeyPicture;
use super::pixels::Pixels;
use super::plan::{KeySource, MomentPlan};
use super::sketches::Sketches;
use crate::effect::names::{OUTPUT_CLIP, SOURCE};
use crate::effect::parameters::choices::Choices;
use crate::ofx::{Depth, EffectRef, Error, Rect, Region, Result};

/// A request with its pictures, which are still in the host's memory.
pub(crate) struct Prepared<'a> {
    /// The request itself.
    pub(crate) request: Request,
    /// The rectangle that the pictures cover, in pixels.
    pub(crate) canvas: Rect,
    /// Words the remarks on the drawing.
    pub(crate) teller: Teller,
    keys: [KeyPicture<'a>; 2],
    neighbours: [Option<KeyPicture<'a>>; 2],
    sketches: Sketches<'a>,
}

impl<'a> Prepared<'a> {
    /// Finds the keys and sketches of `plan`. Keys from files are fitted to `output`; `scale` is
    /// its number of pixels per unit of the host's coordinates.
    ///
    /// # Errors
    /// When a key is missing or cannot be used; the text says what to do.
    pub(crate) fn new(
        effect: &'a EffectRef<'a>,
        choices: &Choices,
        plan: &MomentPlan,
        settings: &Settings,
        output: Rect,
        scale: [f64; 2],
    ) -> Result<Self> {
        let pixels = Pixels::of_output(effect, scale);
        let fit = pixels.fit(output);
        let find = |key| KeyPicture::find(effect, key, plan.source(key), settings.encoding, fit);
        let keys = [find(Key::First)?, find(Key::Last)?];
        let bounds = keys.iter().filter_map(KeyPicture::bounds);
        let canvas = bounds.reduce(Rect::union).unwrap_or(output);
        let [before, after] = &plan.neighbours;
        let beside = |key, neighbour: &Option<(f64, KeySource)>| {
            let Some((_, source)) = neighbour else { return Ok(None) };
            KeyPicture::find(effect, key, source, settings.encoding, fit).map(Some)
        };
        let neighbours = [beside(Key::First, before)?, beside(Key::Last, after)?];
        let named = |neighbour: &Option<(f64, KeySource)>, picture: &Option<KeyPicture<'_>>| {
            let (Some((position, _)), Some(picture)) = (neighbour, picture) else {
                return Ok(None);
            };
            Ok::<_, Error>(Some(Neighbour { position: *position, picture: picture.id(canvas)? }))
        };
        let sketches = Sketches::find(effect, choices, plan, settings.encoding, canvas)?;
        let project = effect.project_region();
        let pins = choices.pins.iter().filter(|pin| !pin.is_unplaced(project));
        let (pin_numbers, pins) = pins.map(|pin| (pin.number, pixels.pin(pin, canvas))).unzip();
        let request = Request {
            first: keys[0].id(canvas)?,
            last: keys[1].id(canvas)?,
            sketches: sketches.refs(),
            pins,
            neighbours: [named(before, &neighbours[0])?, named(after, &neighbours[1])?],
            position: plan.drawn_position(),
            settings: settings.clone(),
        };
        if !request.sketches.is_empty() {
            Choices::check_sketched(settings)?;
        }
        let teller = Teller { canvas, pin_numbers, pixels };
        Ok(Self { request, canvas, teller, keys, neighbours, sketches })
    }

    /// Width and height of the drawing, in pixels.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.canvas.width(), self.canvas.height())
    }

    /// The pictures as frames. The host's images are released, because what follows may take long.
    ///
    /// # Errors
    /// When there is not enough memory, or a sketch is gone.
    pub(crate) fn into_pictures(self) -> Result<Pictures> {
        let [first, last] = self.keys;
        let [before, after] = self.neighbours;
        let frame = |picture: KeyPicture<'_>| picture.frame(self.canvas);
        Ok(Pictures {
            first: frame(first)?,
            last: frame(last)?,
            neighbours: [before.map(frame).transpose()?, after.map(frame).transpose()?],
            sketches: self.sketches.frames()?,
        })
    }
}

/// Words remarks on drawings with the host's coordinates and the numbers that the artist sees.
#[derive(Clone, Debug)]
pub(crate) struct Teller {
    canvas: Rect,
    /// The number, from 1, of each pin of the request. Pins that are not placed yet are left out of
    /// the request.
    pin_numbers: Vec<usize>,
    pixels: Pixels,
}

impl Teller {
    /// What the artist should know about a drawing that could be made, as sentences.
    pub(crate) fn remarks(&self, drawn: &Drawn) -> Vec<String> {
        let loose = drawn.remarks.loose_pins.iter().filter_map(|&pin| self.pin_numbers.get(pin));
        loose.map(|&number| pins::loose(number)).collect()
    }

    /// What cannot be trusted in a drawing and what would help, as a sentence.
    pub(crate) fn doubt(&self, drawn: &Drawn) -> Option<String> {
        let unsure = drawn.remarks.unsure?;
        let [x, y] = self.pixels.place(unsure.middle(), self.canvas);
        Some(format!(
            "{:.0} % of this drawing is unsure, around {x}, {y}: draw a key near this frame, give a sketch, place \
             pins, or choose another engine.",
            100.0 * unsure.share
        ))
    }
}

/// The pictures of a span.
pub(crate) struct Pictures {
    first: Arc<Frame>,
    last: Arc<Frame>,
    neighbours: [Option<Arc<Frame>>; 2],
    sketches: Vec<Arc<Frame>>,
}

impl Pictures {
    /// The job for `request` with these pictures.
    pub(crate) fn job(&self, request: Request) -> Job {
        Job {
            request,
            first: Arc::clone(&self.first),
            last: Arc::clone(&self.last),
            sketches: self.sketches.clone(),
            neighbours: self.neighbours.clone(),
        }
    }
}

/// The area that keys from files are fitted to: that of Source, or the project if nothing is
/// connected.
pub(crate) fn region_of_files(effect: &EffectRef<'_>, time: f64) -> Option<Region> {
    let source = effect.clip(SOURCE).filter(|clip| !clip.is_surely_unconnected());
    let region = source.and_then(|clip| clip.region_of_definition(time));
    region.or_else(|| effect.project_region())
}

/// What a render of the output would be, for use outside a render.
pub(crate) struct OutputPicture {
    /// How its samples are stored.
    pub(crate) depth: Depth,
    /// Its pixels at full size; empty if the host does not say.
    pub(crate) whole: Rect,
    /// The pixels that keys from files are fitted to; the same, if the host does say.
    pub(crate) of_files: Rect,
}

impl OutputPicture {
    /// The output at `time`.
    pub(crate) fn of(effect: &EffectRef<'_>, time: f64) -> Self {
        let clip = effect.clip(OUTPUT_CLIP);
        let depth = clip.and_then(|clip| clip.depth()).unwrap_or(Depth::Float);
        let aspect = clip.map_or(1.0, |clip| clip.pixel_aspect());
        let pixels = |region: Option<Region>| {
            let [x1, y1, x2, y2] = region.map_or([0.0; 4], |region| region.edges());
            let (left, right) = ((x1 / aspect).floor() as i32, (x2 / aspect).ceil() as i32);
            Rect::from_edges([left, y1.floor() as i32, right, y2.ceil() as i32])
        };
        let told = clip.and_then(|clip| clip.region_of_definition(time));
        let of_files = told.or_else(|| region_of_files(effect, time));
        Self { depth, whole: pixels(told), of_files: pixels(of_files) }
    }
}
