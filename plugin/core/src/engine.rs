//! What an engine is asked for and what it returns.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::picture::Picture;
use crate::{ContentHash, EngineKind, Error, Frame, Pin, Settings, pins};

/// A request for one in-between, as plain data: it can be hashed, stored and sent elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Content address of the first key.
    pub first: ContentHash,
    /// Content address of the last key.
    pub last: ContentHash,
    /// Sketches that guide the in-between, in order of position; may be empty.
    pub sketches: Vec<SketchRef>,
    /// Points whose path the artist sets. Only Flow uses them. May be empty.
    #[serde(default)]
    pub pins: Vec<Pin>,
    /// The drawing before the first key and the one after the last, if the same shot has them. They
    /// show how the movement enters the span and leaves it. Only Flow uses them.
    #[serde(default)]
    pub neighbours: [Option<Neighbour>; 2],
    /// Where the in-between lies: strictly between 0 (first key) and 1 (last key).
    pub position: f64,
    /// How the in-between should look.
    pub settings: Settings,
}

/// A sketch and the moment it was drawn for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SketchRef {
    /// Strictly between 0 (first key) and 1 (last key).
    pub position: f64,
    /// Content address of the sketch picture.
    pub picture: ContentHash,
}

impl Request {
    /// Content addresses of all its pictures: keys, sketches and neighbours.
    pub fn pictures(&self) -> impl Iterator<Item = ContentHash> {
        let sketches = self.sketches.iter().map(|sketch| sketch.picture);
        let neighbours = self.neighbours.iter().flatten().map(|neighbour| neighbour.picture);
        [self.first, self.last].into_iter().chain(sketches).chain(neighbours)
    }
}

/// A drawing just outside the span, and its position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Below 0 for the drawing before the first key, above 1 for the one after the last.
    pub position: f64,
    /// Content address of its picture.
    pub picture: ContentHash,
}

/// A request together with its pictures.
#[derive(Clone, Debug)]
pub struct Job {
    /// The request itself.
    pub request: Request,
    /// The first key.
    pub first: Arc<Frame>,
    /// The last key, which has the size of the first.
    pub last: Arc<Frame>,
    /// One picture for each of `request.sketches`, with the size of the keys. It holds line
    /// coverage, from 0 (no line) to 1 (on a line), the same in all four channels (white lines on
    /// transparency).
    pub sketches: Vec<Arc<Frame>>,
    /// The pictures of `request.neighbours`, with the size of the keys.
    pub neighbours: [Option<Arc<Frame>>; 2],
}

impl Job {
    /// The in-between of two keys at `position`, without sketches, pins or neighbours.
    pub fn between(first: Arc<Frame>, last: Arc<Frame>, position: f64, settings: Settings) -> Self {
        let request = Request {
            first: first.content_hash(),
            last: last.content_hash(),
            sketches: Vec::new(),
            pins: Vec::new(),
            neighbours: [None, None],
            position,
            settings,
        };
        Self { request, first, last, sketches: Vec::new(), neighbours: [None, None] }
    }

    /// The same job with the drawings before and after the span, each with its position (see
    /// [`Neighbour`]).
    #[must_use]
    pub fn beside(mut self, neighbours: [Option<(f64, Picture)>; 2]) -> Self {
        self.request.neighbours = neighbours.each_ref().map(|neighbour| {
            let (position, picture) = neighbour.as_ref()?;
            Some(Neighbour { position: *position, picture: picture.hash })
        });
        self.neighbours = neighbours.map(|neighbour| Some(neighbour?.1.frame));
        self
    }

    /// All pictures of the job with their content addresses.
    pub fn pictures(&self) -> impl Iterator<Item = (ContentHash, &Frame)> {
        let others = self.sketches.iter().chain(self.neighbours.iter().flatten());
        let frames = [&self.first, &self.last].into_iter().chain(others);
        self.request.pictures().zip(frames.map(|frame| &**frame))
    }

    /// Width and height of the keys, and so of the drawing, in pixels.
    pub fn size(&self) -> (usize, usize) {
        (self.first.width(), self.first.height())
    }

    /// Checks the conditions that every engine relies on.
    ///
    /// # Errors
    /// [`Error::KeysDiffer`] when sizes differ. [`Error::Setting`] when a setting is out of range,
    /// the position is not strictly between 0 and 1, the sketches or neighbours do not match their
    /// pictures one to one, or a pin or the position of a neighbour makes no sense.
    pub fn check(&self) -> Result<(), Error> {
        self.request.settings.check()?;
        pins::check(&self.request.pins)?;
        let size = |frame: &Frame| (frame.width(), frame.height());
        let neighbours = self.neighbours.iter().flatten();
        for other in std::iter::once(&self.last).chain(&self.sketches).chain(neighbours) {
            if size(&self.first) != size(other) {
                return Err(Error::KeysDiffer { first: size(&self.first), last: size(other) });
            }
        }
        if self.sketches.len() != self.request.sketches.len() {
            return Err(Error::Setting {
                name: "Sketches",
                value: format!(
                    "{} pictures for {} sketches",
                    self.sketches.len(),
                    self.request.sketches.len()
                ),
                allowed: "each sketch must come with its picture",
            });
        }
        let [before, after] = &self.request.neighbours;
        let given = self.request.neighbours.each_ref().map(Option::is_some);
        if given != self.neighbours.each_ref().map(Option::is_some) {
            return Err(Error::Setting {
                name: "Neighbours",
                value: format!("{given:?}"),
                allowed: "each drawing beside the span must come with its picture",
            });
        }
        let earlier = |n: &Neighbour| n.position.is_finite() && n.position < 0.0;
        let later = |n: &Neighbour| n.position.is_finite() && n.position > 1.0;
        if !(before.as_ref().is_none_or(earlier) && after.as_ref().is_none_or(later)) {
            return Err(Error::Setting {
                name: "Neighbours",
                value: format!("{before:?}, {after:?}"),
                allowed: "one must lie before the first key, the other after the last",
            });
        }
        let position = self.request.position;
        if !(position > 0.0 && position < 1.0) {
            return Err(Error::Setting {
                name: "Position",
                value: position.to_string(),
                allowed: "it must lie between the keys, above 0 and below 1",
            });
        }
        Ok(())
    }
}

/// A finished in-between.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// The picture that `settings.output` asked for, with the size of the keys.
    pub frame: Frame,
    /// How far the engine trusts the motion it found for this pair of keys, 0..=1.
    pub confidence: f32,
    /// The keys show different scenes, so the nearer one was held.
    pub cut: bool,
    /// What the artist should know about it.
    pub remarks: Remarks,
}

impl Drawn {
    /// The frame as motion in the form that hosts expect. Engines give the motion over the whole
    /// span, with y downwards; hosts expect the motion of one frame, with y upwards. `pace` is how
    /// far the position moves within a frame.
    pub fn motion_of_a_frame(&self, pace: f32) -> Frame {
        let mut frame = self.frame.clone();
        for [right, up, ..] in frame.pixels_mut() {
            (*right, *up) = (*right * pace, -*up * pace);
        }
        frame
    }
}

/// Remarks on a finished drawing: things to know that did not prevent it from being drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Remarks {
    /// Pins that lie on the ground in both keys and so bind nothing, as indices into the request's
    /// pins.
    pub loose_pins: Vec<usize>,
    /// The part of the picture that cannot be trusted; `None` where nothing is worth mentioning.
    pub unsure: Option<Unsure>,
}

/// The part of a drawing that cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unsure {
    /// Its share of the picture, 0..=1.
    pub share: f32,
    /// Its bounding box: left, top, right and bottom as shares of the picture's width and height,
    /// from the top left.
    pub area: [f32; 4],
}

impl Unsure {
    /// The middle of the box, as shares of the picture's width and height from the top left.
    pub fn middle(&self) -> [f32; 2] {
        let [left, top, right, bottom] = self.area;
        [0.5 * (left + right), 0.5 * (top + bottom)]
    }
}

/// Something that draws in-betweens.
///
/// Drawings are independent of each other: the same job gives the same picture whatever was drawn
/// before, in any order and with any number of threads.
pub trait Engine: Send + Sync {
    /// Which engine this is.
    fn kind(&self) -> EngineKind;

    /// The engine's version. It changes whenever any picture may change, and is part of every cache
    /// key.
    fn version(&self) -> &str;

    /// Draws the in-between that `job` asks for. Progress is reported to `control`, which can also
    /// stop the drawing.
    ///
    /// # Errors
    /// [`Error::Cancelled`] soon after `control` was cancelled; otherwise the reason why it cannot
    /// be drawn.
    fn draw(&self, job: &Job, control: &Control) -> Result<Drawn, Error>;

    /// What the engine holds at the moment. Only engines that hold something override this.
    fn about(&self) -> EngineInfo {
        EngineInfo::default()
    }

    /// Frees the memory of whatever can be loaded again.
    fn release(&self) {}
}

/// What an engine holds at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineInfo {
    /// The device it computes on, in words.
    pub device: Option<String>,
    /// The model that is loaded, in words.
    pub model: Option<String>,
    /// Memory taken on its device, in bytes.
    pub memory: Option<u64>,
    /// How many spans it has generated, not counting those found in a cache.
    pub spans: u64,
}

/// Connects the engine with whoever waits for it: progress goes out, a request to stop comes in.
#[derive(Debug, Default)]
pub struct Control {
    cancelled: AtomicBool,
    progress: AtomicU32,
    phase: Mutex<Cow<'static, str>>,
}

impl Control {
    /// Asks the engine to stop soon.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    /// Whether a stop was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Engines call this between two steps.
    ///
    /// # Errors
    /// [`Error::Cancelled`] when a stop was asked for.
    pub fn check(&self) -> Result<(), Error> {
        if self.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Engines report here which `fraction` of the work is done, 0..=1. It never goes back.
    pub fn report(&self, fraction: f32) {
        // Non-negative floats order like their bits.
        self.progress.fetch_max(fraction.clamp(0.0, 1.0).to_bits(), Ordering::AcqRel);
    }

    /// Engines report here what they are doing, as a phrase such as `loading the model`.
    pub fn enter(&self, phase: impl Into<Cow<'static, str>>) {
        *self.phase.lock() = phase.into();
    }

    /// What the engine is doing; empty if it does not say.
    pub fn phase(&self) -> Cow<'static, str> {
        self.phase.lock().clone()
    }

    /// The fraction of the work that is done, 0..=1.
    pub fn progress(&self) -> f32 {
        f32::from_bits(self.progress.load(Ordering::Acquire))
    }
}
