//! Recovers the exposure sheet of a finished clip: which frames show the same drawing, how long
//! each drawing is held, where the camera pans over a held drawing, and where the cuts are.
//!
//! Frames of one drawing are never quite equal, because of grain, compression and gate weave. So
//! frames are compared by their [`Signature`]s, small smoothed copies, after undoing the shift of
//! the whole picture. The remaining differences are judged block by block against the noise of that
//! pair of frames. The limit between "same" and "another" is put into the widest gap between the
//! differences that the clip itself shows.
//!
//! Changes of light are neither noise nor movement. A picture that changes the same way over
//! several steps is fading or dissolving, and each of its frames counts as a drawing. A fade is
//! neither a cut nor a pan, since pictures are brought to the same light before they are aligned
//! and before scenes are compared. A flash of up to three frames is not a cut either.
//!
//! [`Analyser`] reads a whole clip in one pass and keeps a few hundred bytes for each frame.
//! [`LocalAnalyser`] serves callers that get their frames one by one: for one moment, it examines
//! nearby frames only and finds the current drawing, its first and last frame, and what lies
//! beyond. With [`SignatureMemo`], such callers need to analyse each frame only once.
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

/// Distances at which frames are compared: with the frame before, and with earlier ones to notice
/// movement that is too slow to see from one frame to the next.
const LAGS: [usize; 3] = [1, 2, 4];

/// Longest flash, in frames: a longer interruption is a scene of its own.
const FLASH: usize = 3;

/// How a drawing is shown.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Kind {
    /// It stands still, apart from weave.
    Held,
    /// It stands still within the picture while the picture moves as a whole.
    Panned {
        /// The movement of the picture from the first to the last frame of the drawing, in pixels:
        /// right, down.
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
    /// Whether it begins a new scene.
    pub cut: bool,
    /// How clearly it differs from its neighbours and its frames resemble each other, 0..=1.
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
    /// Position of the whole picture on each frame relative to the first frame of its scene, in
    /// pixels.
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

    /// The same sheet, with a new scene starting at each drawing that holds one of these frames.
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

    /// First frames of scenes, except the clip's own first frame.
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

    /// Position of the whole picture on a frame relative to the first frame of its scene, in
    /// pixels: right, down. Where nothing is known, the camera is taken to stand still.
    pub fn camera(&self, frame: usize) -> [f32; 2] {
        self.camera.get(frame).copied().unwrap_or_default()
    }

    /// The movement of the camera per frame just before the frame `end`, in pixels: right, down.
    /// `None` where it stands still or moves unevenly, or where too little of the scene is known to
    /// be sure.
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

    /// The median of all exposures: 2 for a clip on twos, 1 for an empty clip.
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
    /// How the picture changed in the last step.
    change: Vec<f32>,
    blends: Vec<Blend>,
    ghosts: Vec<Ghost>,
}

/// A frame compared with those before it.
#[derive(Debug)]
struct Step {
    /// With the frame before.
    with_previous: Comparison,
    /// With frames further back, and how far; only if the frame before looks alike.
    with_earlier: Vec<(usize, Comparison)>,
    /// Whether the picture goes on changing as it did in the step before.
    is_steady: bool,
    /// Root mean square of that change.
    change: f32,
    /// The length of a flash that ends here: the number of frames, up to the previous one, that
    /// interrupted the scene of this frame.
    flash_frames: Option<usize>,
}

impl Analyser {
    /// An analyser that has not seen any frame.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next frame, whose values are in `encoding`.
    pub fn push(&mut self, frame: &Frame, encoding: Encoding) {
        self.push_signature(Arc::new(Signature::of(frame, encoding)));
    }

    /// Adds the next frame by its signature.
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

    /// Number of frames added so far.
    pub fn frames(&self) -> usize {
        if self.recent.is_empty() { 0 } else { self.steps.len() + 1 }
    }

    /// Frames so far that mix the one before and the one after. In a dissolve, most frames do.
    pub fn blends(&self) -> &[Blend] {
        &self.blends
    }

    /// Frames so far that differ from both neighbours and through which one of the neighbours
    /// shows. This also happens in fade-ins, so they mean something only in clips that a converter
    /// has made.
    pub fn ghosts(&self) -> &[Ghost] {
        &self.ghosts
    }

    /// The exposure sheet of the clip.
    pub fn finish(self) -> Sheet {
        segmentation::sheet(self.frames(), &self.steps)
    }
}
