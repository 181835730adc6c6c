//! The sketches of a span: read from their clip, converted to lines, and named by their content.

use std::num::NonZeroUsize;
use std::sync::Arc;

use inbetween_core::process_memo::ProcessMemo;
use inbetween_core::sketch::{self, Lines};
use inbetween_core::{ContentHash, Encoding, Frame, SketchRef};
use lru::LruCache;
use parking_lot::Mutex;

use super::keys;
use super::plan::{InBetween, MomentPlan};
use crate::effect::names::SKETCH;
use crate::effect::parameters::choices::Choices;
use crate::ofx::{EffectRef, Error, Rect, Result};

/// Number of sketches whose blankness is remembered, one name each.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// Whether sketches have lines, by name, because blank ones are not worth decoding for every
/// render.
static HAS_LINES: ProcessMemo<Mutex<LruCache<ContentHash, bool>>> =
    ProcessMemo::new(|| Mutex::new(LruCache::new(REMEMBERED)), |known| known.lock().clear());

/// How the sketches of a span are read.
pub(crate) struct Sketches<'a> {
    effect: &'a EffectRef<'a>,
    lines: Lines,
    encoding: Encoding,
    canvas: Rect,
    found: Vec<Sketch>,
}

struct Sketch {
    moment: InBetween,
    name: ContentHash,
    /// The lines, if they had to be computed anyway.
    frame: Option<Arc<Frame>>,
}

impl<'a> Sketches<'a> {
    /// Reads the sketches that `plan` names. A sketch that is blank, transparent or missing is left
    /// out. So is one that the host cannot deliver, because a sketch only guides and nothing
    /// depends on it.
    ///
    /// # Errors
    /// When the description of a picture makes no sense.
    pub(crate) fn find(
        effect: &'a EffectRef<'a>,
        choices: &Choices,
        plan: &MomentPlan,
        encoding: Encoding,
        canvas: Rect,
    ) -> Result<Self> {
        let lines = choices.sketch.map_or(Lines::Auto, |sketch| sketch.lines);
        let mut sketches = Self { effect, lines, encoding, canvas, found: Vec::new() };
        for &moment in &plan.sketches {
            // Only one image is held at a time, because those of a whole span would fill the host's
            // memory.
            if let Some(sketch) = sketches.read(moment)? {
                sketches.found.push(sketch);
            }
        }
        Ok(sketches)
    }

    fn read(&self, moment: InBetween) -> Result<Option<Sketch>> {
        let Some(time) = keys::fetch_time(self.effect, SKETCH, moment.time) else {
            return Ok(None);
        };
        let Some(clip) = self.effect.clip(SKETCH) else { return Ok(None) };
        let Some(image) = clip.image(time)? else { return Ok(None) };
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"inbetween sketch 1\0");
        hasher.update(&keys::address(&image, self.canvas)?.0);
        hasher.update(format!("{:?} {:?}", self.lines, self.encoding).as_bytes());
        let name = ContentHash::from(hasher.finalize());
        let known = HAS_LINES.get().lock().get(&name).copied();
        let frame = match known {
            Some(true) => None,
            Some(false) => return Ok(None),
            None => {
                let frame = keys::decode(&image, self.canvas)?;
                let lines = sketch::normalise(&frame, self.encoding, self.lines);
                HAS_LINES.get().lock().put(name, lines.is_some());
                let Some(lines) = lines else { return Ok(None) };
                Some(Arc::new(lines))
            }
        };
        Ok(Some(Sketch { moment, name, frame }))
    }

    /// References for a request, in order of position.
    pub(crate) fn refs(&self) -> Vec<SketchRef> {
        let refs = self.found.iter();
        refs.map(|s| SketchRef { position: s.moment.position, picture: s.name }).collect()
    }

    /// The lines of each sketch, in the order of [`Sketches::refs`].
    pub(crate) fn frames(self) -> Result<Vec<Arc<Frame>>> {
        let mut frames = Vec::with_capacity(self.found.len());
        for sketch in &self.found {
            if let Some(frame) = &sketch.frame {
                frames.push(Arc::clone(frame));
                continue;
            }
            let clip = self.effect.clip(SKETCH);
            let time = keys::fetch_time(self.effect, SKETCH, sketch.moment.time);
            let image = match (clip, time) {
                (Some(clip), Some(time)) => clip.image(time)?,
                _ => None,
            };
            let lines = match image {
                Some(image) => {
                    let frame = keys::decode(&image, self.canvas)?;
                    sketch::normalise(&frame, self.encoding, self.lines)
                }
                None => None,
            };
            let lines = lines.ok_or_else(|| {
                Error::ForArtist(format!(
                    "The sketch at frame {} changed while it was read. Render again.",
                    sketch.moment.time
                ))
            })?;
            frames.push(Arc::new(lines));
        }
        Ok(frames)
    }
}
