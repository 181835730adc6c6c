//! Finds the drawing at one moment from the frames around it.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;

use super::compare::{Comparison, median};
use super::segmentation::{CUT_ALONE, LEAST_PAN, USUAL_LIMIT, jumps, weave_of};
use super::signature::Signature;
use crate::process_memo::ProcessMemo;

/// What is known of the drawing on a frame after examining the frames around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawingExtent {
    /// The first frame of the drawing, or the farthest frame examined.
    pub first: i64,
    /// The frame after its last, or after the farthest frame examined.
    pub end: i64,
    /// What lies before `first`.
    pub before: Boundary,
    /// What lies at `end`.
    pub after: Boundary,
    /// The drawing stays the same throughout, but the picture moves as a whole.
    pub panned: bool,
    /// Nothing moves from one frame to the next, but something does over all these frames.
    pub drifts: bool,
}

/// What lies beyond a drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// Another drawing of the same scene.
    Drawing,
    /// Another scene.
    Cut,
    /// The clip has no such frame.
    ClipEnd,
    /// Unknown: the same drawing goes on as far as was examined.
    Unknown,
}

/// Examines a clip through a callback that gives the signature of a frame, or `None` where the clip
/// has no such frame. It asks for each frame at most once.
///
/// The cost of a frame depends on the callback. If it remembers signatures from one moment to the
/// next, playing a clip takes one new frame at a time.
pub struct LocalAnalyser<F> {
    fetch: F,
    fetched: HashMap<i64, Option<Arc<Signature>>>,
}

impl<F, E> LocalAnalyser<F>
where
    F: FnMut(i64) -> Result<Option<Arc<Signature>>, E>,
{
    /// A view of a clip; nothing is fetched yet.
    pub fn new(fetch: F) -> Self {
        Self { fetch, fetched: HashMap::new() }
    }

    /// The drawing on `frame`, found by examining no more than `reach` frames on either side;
    /// `None` where the clip has no such frame.
    ///
    /// # Errors
    /// Whatever the callback returns.
    pub fn drawing_at(&mut self, frame: i64, reach: usize) -> Result<Option<DrawingExtent>, E> {
        let Some(here) = self.signature(frame)? else { return Ok(None) };
        let (mut ahead, mut behind) = (Vec::new(), Vec::new());
        let (mut before, mut after) = (Boundary::Unknown, Boundary::Unknown);
        let mut last = here.clone();
        while ahead.len() < reach {
            let next = self.signature(frame + 1 + ahead.len() as i64)?;
            match Relation::between(Some(&last), next.as_ref()) {
                Relation::Same(shift) => ahead.push(shift),
                Relation::Other(boundary) => {
                    after = boundary;
                    break;
                }
            }
            last = next.unwrap_or(last);
        }
        let mut start = here;
        while behind.len() < reach {
            let earlier = self.signature(frame - 1 - behind.len() as i64)?;
            match Relation::between(earlier.as_ref(), Some(&start)) {
                Relation::Same(shift) => behind.push(shift),
                Relation::Other(boundary) => {
                    before = boundary;
                    break;
                }
            }
            start = earlier.unwrap_or(start);
        }
        let drifts = ahead.len() + behind.len() > 1
            && PairComparison::of(&start, &last).difference > USUAL_LIMIT;
        let steps: Vec<[f32; 2]> = behind.iter().rev().chain(&ahead).copied().collect();
        let jump = jumps_of(&steps);
        // Steps before this one lead to `frame`, the others away from it.
        let (mut from, mut to) = (0, steps.len());
        if let Some(at) = (0..behind.len()).rev().find(|at| jump[*at]) {
            (from, before) = (at + 1, Boundary::Drawing);
        }
        if let Some(at) = (behind.len()..steps.len()).find(|at| jump[*at]) {
            (to, after) = (at, Boundary::Drawing);
        }
        let first = frame - behind.len() as i64;
        Ok(Some(DrawingExtent {
            first: first + from as i64,
            end: first + to as i64 + 1,
            before,
            after,
            panned: is_pan(&steps[from..to]),
            drifts,
        }))
    }

    fn signature(&mut self, frame: i64) -> Result<Option<Arc<Signature>>, E> {
        if let Some(fetched) = self.fetched.get(&frame) {
            return Ok(fetched.clone());
        }
        let signature = (self.fetch)(frame)?;
        self.fetched.insert(frame, signature.clone());
        Ok(signature)
    }
}

enum Relation {
    /// The same drawing, moved by this much in pixels.
    Same([f32; 2]),
    Other(Boundary),
}

impl Relation {
    fn between(a: Option<&Arc<Signature>>, b: Option<&Arc<Signature>>) -> Self {
        let (Some(a), Some(b)) = (a, b) else { return Self::Other(Boundary::ClipEnd) };
        let pair = PairComparison::of(a, b);
        if pair.difference <= USUAL_LIMIT {
            Self::Same(pair.shift)
        } else if pair.novelty > CUT_ALONE {
            Self::Other(Boundary::Cut)
        } else {
            Self::Other(Boundary::Drawing)
        }
    }
}

/// Pairs of signatures whose comparisons are remembered, a few dozen bytes each. Nearby moments
/// compare the same pairs, and one comparison takes far longer than a thousand look-ups.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

static PAIRS: ProcessMemo<Mutex<LruCache<(u64, u64), PairComparison>>> =
    ProcessMemo::new(|| Mutex::new(LruCache::new(REMEMBERED)), |pairs| pairs.lock().clear());

/// The result of a comparison, as far as it is needed here.
#[derive(Clone, Copy)]
struct PairComparison {
    difference: f32,
    novelty: f32,
    shift: [f32; 2],
}

impl PairComparison {
    fn of(a: &Signature, b: &Signature) -> Self {
        let key = (a.serial(), b.serial());
        if key.0 == key.1 {
            return Self { difference: 0.0, novelty: 0.0, shift: [0.0; 2] };
        }
        if let Some(known) = PAIRS.get().lock().get(&key) {
            return *known;
        }
        let comparison = Comparison::of(a, b);
        let pair = Self {
            difference: comparison.difference(),
            novelty: comparison.novelty,
            shift: comparison.shift,
        };
        PAIRS.get().lock().put(key, pair);
        pair
    }
}

/// Which of these steps are jumps next to a step that stands still.
fn jumps_of(steps: &[[f32; 2]]) -> Vec<bool> {
    let weave = weave_of(steps.iter().copied());
    let jump = |at: usize| {
        let beside = [at.checked_sub(1), Some(at + 1)].into_iter().flatten();
        beside.filter_map(|other| steps.get(other)).any(|other| jumps(steps[at], *other, weave))
    };
    (0..steps.len()).map(jump).collect()
}

/// Whether these steps have a common direction: their median is farther from zero than they scatter.
fn is_pan(shifts: &[[f32; 2]]) -> bool {
    let middle = [0, 1].map(|axis| median(shifts.iter().map(|step| step[axis]).collect()));
    let from = |step: &[f32; 2], to: [f32; 2]| libm::hypotf(step[0] - to[0], step[1] - to[1]);
    let scatter = median(shifts.iter().map(|step| from(step, middle)).collect());
    libm::hypotf(middle[0], middle[1]) > LEAST_PAN.max(1.5 * scatter)
}
