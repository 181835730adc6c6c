//! The exposure sheet of a finished clip, found again: which frames show the same drawing, for how
//! long each drawing is held, where the camera pans over a held drawing, and where the cuts are.
//!
//! Frames of one drawing are never quite equal: grain, compression and gate weave see to that. So
//! frames are compared by [`Signature`]s, small smoothed copies, after undoing the shift of the
//! whole picture; what remains is judged block by block against the noise of that very pair of
//! frames, and the limit between "same" and "another" is laid into the widest gap between the
//! differences that the clip itself shows.
//!
//! Light is neither noise nor movement: a picture that changes the same way in several steps running
//! fades or dissolves, and each of its frames counts as a drawing. A fade is no cut and no pan, since pictures are
//! brought to the same light before they are aligned and told from another scene; a flash of up to three frames is
//! no cut either.
//!
//! [`Analyser`] reads a whole clip in one pass and keeps a few hundred bytes for each frame.
//! [`LocalAnalyser`] answers for one moment and looks at the frames nearby only, for callers that
//! get their frames one by one: which drawing is on, from which frame to which, and what is beyond.
//! [`SignatureMemo`] keeps such callers from looking at a frame twice.
//!
//! ```
//! use inbetween_core::exposure::Analyser;
//! use inbetween_core::{Encoding, Frame};
//!
//! let drawing = |x: usize| -> Frame {
//!     let mut frame = Frame::transparent(64, 64).expect("the size is a usual one");
//!     frame.pixels_mut().chunks_mut(64).take(40).for_each(|row| row[x..x + 20].fill([1.0; 4]));
//!     frame
//! };
//! let mut analyser = Analyser::new();
//! for x in [5, 5, 12, 12, 12, 30] {
//!     analyser.push(&drawing(x), Encoding::Srgb);
//! }
//! let sheet = analyser.finish();
//! let found: Vec<_> = sheet.drawings().iter().map(|d| (d.first, d.frames)).collect();
//! assert_eq!(found, [(0, 2), (2, 3), (5, 1)]);
//! ```

mod align;
mod blend;
mod compare;
mod ghost;
mod lighting;
mod local_analyser;
mod memo;
mod segmentation;
mod signature;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use blend::Blend;
pub use compare::Comparison;
pub use ghost::Ghost;
pub use local_analyser::{Boundary, DrawingExtent, LocalAnalyser};
pub use memo::SignatureMemo;
pub use signature::Signature;

use crate::{Encoding, Frame};

/// How far back a frame is compared: with the frame before, and with earlier ones to notice what
/// moves too slowly to be seen from frame to frame.
const LAGS: [usize; 3] = [1, 2, 4];

/// Longest flash, in frames: what interrupts a scene for longer is a scene of its own.
const FLASH: usize = 3;

/// How a drawing is shown.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Kind {
    /// It stands still, weave aside.
    Held,
    /// It stands still within the picture while the picture moves as a whole.
    Panned {
        /// The way of the picture from the first to the last frame of the drawing, in pixels: right, down.
        shift: [f32; 2],
    },
}

/// One drawing of a clip.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drawing {
    /// Its first frame, counted from 0.
    pub first: usize,
    /// For how many frames it is held, at least 1.
    pub frames: usize,
    /// How it is shown.
    pub kind: Kind,
    /// Whether a new scene begins with it.
    pub cut: bool,
    /// How clearly it is told from its neighbours and its frames from each other, 0..=1.
    pub confidence: f32,
}

impl Drawing {
    /// The frame after its last.
    pub fn end(&self) -> usize {
        self.first + self.frames
    }
}

/// The drawings of a clip in order, without gaps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sheet {
    drawings: Vec<Drawing>,
    /// Where the picture as a whole lies on each frame against the first of its scene, in pixels.
    camera: Vec<[f32; 2]>,
}

impl Sheet {
    /// A sheet of drawings held for these numbers of frames (0 counts as 1), all in one scene.
    pub fn of_exposures(exposures: impl IntoIterator<Item = usize>) -> Self {
        let mut sheet = Self::default();
        for frames in exposures {
            let (first, frames) = (sheet.frames(), frames.max(1));
            let drawing = Drawing { first, frames, kind: Kind::Held, cut: false, confidence: 1.0 };
            sheet.drawings.push(drawing);
            sheet.camera.resize(first + frames, [0.0; 2]);
        }
        sheet
    }

    /// The same sheet with new scenes beginning at the drawings that hold these frames.
    #[must_use]
    pub fn with_cuts(mut self, frames: &[usize]) -> Self {
        for drawing in &mut self.drawings {
            drawing.cut |=
                frames.iter().any(|frame| (drawing.first..drawing.end()).contains(frame));
        }
        self
    }

    /// The drawings, in order.
    pub fn drawings(&self) -> &[Drawing] {
        &self.drawings
    }

    /// Number of frames in the clip.
    pub fn frames(&self) -> usize {
        self.drawings.last().map_or(0, Drawing::end)
    }

    /// First frames of scenes, but for the clip's own first.
    pub fn cuts(&self) -> impl Iterator<Item = usize> + '_ {
        self.drawings
            .iter()
            .filter(|drawing| drawing.cut && drawing.first > 0)
            .map(|drawing| drawing.first)
    }

    /// The drawing on a frame; `None` beyond the clip.
    pub fn drawing_at(&self, frame: usize) -> Option<&Drawing> {
        let after = self.drawings.partition_point(|drawing| drawing.first <= frame);
        self.drawings[..after].last().filter(|drawing| frame < drawing.end())
    }

    /// Where the picture as a whole lies on a frame against the first frame of its scene, in
    /// pixels: right, down. The camera stands still where nothing is known.
    pub fn camera(&self, frame: usize) -> [f32; 2] {
        self.camera.get(frame).copied().unwrap_or_default()
    }

    /// The way of the camera for each frame just before the frame `end`, in pixels: right, down. `None` where it
    /// stands still, or moves unevenly, or too little of the scene is known to be sure.
    pub fn pan_before(&self, end: usize) -> Option<[f32; 2]> {
        let mut before = self.drawings.iter().rev();
        let scene = before.find(|drawing| drawing.cut && drawing.first < end);
        let scene = scene.map_or(0, |drawing| drawing.first);
        let from = scene.max(end.checked_sub(1 + segmentation::PAN_REACH)?);
        segmentation::steady_pan((from + 1..end).map(|frame| {
            let (before, here) = (self.camera(frame - 1), self.camera(frame));
            [here[0] - before[0], here[1] - before[1]]
        }))
    }

    /// The middle of all exposures: 2 for a clip on twos. 1 for an empty clip.
    pub fn median_exposure(&self) -> usize {
        let mut all: Vec<usize> = self.drawings.iter().map(|drawing| drawing.frames).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied().unwrap_or(1)
    }

    /// How clear the whole sheet is: the mean over its drawings, 0..=1; 0 for an empty clip.
    pub fn confidence(&self) -> f32 {
        let sum: f32 = self.drawings.iter().map(|drawing| drawing.confidence).sum();
        sum / self.drawings.len().max(1) as f32
    }
}

/// Reads a clip frame by frame and finds its drawings.
#[derive(Debug, Default)]
pub struct Analyser {
    recent: VecDeque<Arc<Signature>>,
    steps: Vec<Step>,
    /// How the picture changed with the last step.
    change: Vec<f32>,
    blends: Vec<Blend>,
    ghosts: Vec<Ghost>,
}

/// A frame against those before it.
#[derive(Debug)]
struct Step {
    /// Against the frame before.
    with_previous: Comparison,
    /// Against frames further back, with how far; only where the frame before looks alike.
    with_earlier: Vec<(usize, Comparison)>,
    /// Whether the picture goes on to change as it did in the step before.
    is_steady: bool,
    /// Root mean square of the change.
    change: f32,
    /// After how many frames the scene of before is seen again, where the frame before looks like another one.
    flash_frames: Option<usize>,
}

impl Analyser {
    /// An analyser that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next frame, its values in `encoding`.
    pub fn push(&mut self, frame: &Frame, encoding: Encoding) {
        self.push_signature(Arc::new(Signature::of(frame, encoding)));
    }

    /// Takes the next frame by its signature.
    pub fn push_signature(&mut self, signature: Arc<Signature>) {
        if let Some(last) = self.recent.front() {
            let with_previous = Comparison::of(last, &signature);
            let mut with_earlier = Vec::new();
            if with_previous.difference() < segmentation::MOST_LIMIT {
                for lag in LAGS.into_iter().skip(1) {
                    if let Some(earlier) = self.recent.get(lag - 1) {
                        with_earlier.push((lag, Comparison::of(earlier, &signature)));
                    }
                }
            }
            if let (Some(before), Some(step)) = (self.recent.get(1), self.steps.last())
                && step.with_previous.difference() > compare::LEAST_LIMIT
                && with_previous.difference() > compare::LEAST_LIMIT
            {
                let frame = self.steps.len();
                if let Some(share) = blend::next_share(before, last, &signature) {
                    self.blends.push(Blend { frame, share });
                }
                let of_before = ghost::share_of(before, last, &signature);
                let of_next = ghost::share_of(&signature, last, before);
                let ghosts = [(false, of_before), (true, of_next)].into_iter();
                let seen =
                    ghosts.filter_map(|(of_next, share)| share.map(|share| (of_next, share)));
                if let Some((of_next, share)) = seen.max_by(|a, b| a.1.total_cmp(&b.1)) {
                    self.ghosts.push(Ghost { frame, of_next, share });
                }
            }
            let mut flash_frames = None;
            if with_previous.novelty > segmentation::LEAST_CUT {
                let earlier = self.recent.iter().enumerate().skip(1);
                let again = |(_, earlier): &(usize, &Arc<Signature>)| {
                    Comparison::of(earlier, &signature).novelty < segmentation::LEAST_CUT
                };
                flash_frames = earlier.take(FLASH).find(again).map(|(frames, _)| frames);
            }
            let shift = with_previous.shift.map(|part| part / signature.factor as f32);
            let change = lighting::change(last, &signature, shift);
            let is_steady = lighting::is_steady(&self.change, &change);
            let size = lighting::size(&change);
            self.change = change;
            self.steps.push(Step {
                with_previous,
                with_earlier,
                is_steady,
                change: size,
                flash_frames,
            });
        }
        self.recent.push_front(signature);
        self.recent.truncate(LAGS[LAGS.len() - 1]);
    }

    /// Number of frames taken so far.
    pub fn frames(&self) -> usize {
        if self.recent.is_empty() { 0 } else { self.steps.len() + 1 }
    }

    /// Frames so far that are a mix of the one before and the one after. In a dissolve most frames are.
    pub fn blends(&self) -> &[Blend] {
        &self.blends
    }

    /// Frames so far, each unlike both beside it, through which one of these shows. So they do where something fades in,
    /// too: they count only in a clip that a converter has made.
    pub fn ghosts(&self) -> &[Ghost] {
        &self.ghosts
    }

    /// What the clip shows.
    pub fn finish(self) -> Sheet {
        segmentation::sheet(self.frames(), &self.steps)
    }
}
