//! Overlays: what was laid over a film after it was drawn, and stays while the picture moves. Burnt-in subtitles, logos,
//! channel bugs and counters.
//!
//! They are found ([`OverlayFinder`]) and told as the pixels that they cover on each frame ([`Overlays`]). Neither the
//! comparison of drawings nor the engine sees them: what they cover is filled in from around. What is drawn between
//! two filled pictures gets the overlay of its own moment back, bit for bit.

mod component;
mod counter;
mod edge;
mod fill;
mod find;
mod lay;
mod mask;
mod state;
mod text;
mod vanish;

use inbetween_core::retime::Rate;
use inbetween_core::{Encoding, Frame};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use counter::Counter;
pub(super) use find::OverlayFinder;
pub(super) use lay::OverlayPixels;
use mask::Cover;
pub(super) use mask::Mask;
use vanish::has_moved;

/// The overlays of a clip.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Overlays {
    stills: Vec<Still>,
    counters: Vec<Counter>,
    /// The picture that was asked about last.
    #[serde(skip)]
    before: Option<Luma>,
}

/// An overlay that stays as it is for some time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Still {
    first: u32,
    /// The frame after its last.
    end: u32,
    cover: Cover,
}

impl Overlays {
    pub(super) fn is_empty(&self) -> bool {
        self.stills.is_empty()
    }

    /// The pixels that are covered on a frame of the film, which looks so; `None` where none is.
    pub(super) fn mask_at(
        &self,
        frame: usize,
        picture: &Frame,
        encoding: Encoding,
    ) -> Option<Mask> {
        let is_on = |first: u32, end: u32| (first as usize..end as usize).contains(&frame);
        let stills = self.stills.iter().filter(|still| is_on(still.first, still.end));
        let counters = self.counters.iter().filter(|counter| is_on(counter.first, counter.end));
        let mut mask = Mask::new(picture.width(), picture.height());
        stills.for_each(|still| mask.add(&still.cover));
        counters.for_each(|counter| counter.mark(picture, encoding, &mut mask));
        (!mask.is_empty()).then_some(mask)
    }

    /// Whether any overlay is there on a frame.
    pub(super) fn is_on(&self, frame: usize) -> bool {
        self.stills.iter().any(|still| (still.first as usize..still.end as usize).contains(&frame))
    }

    /// Drops those that begin with `frame`, which looks so, and came there by moving: then they are a part of the picture
    /// that has come to rest. To be asked for each new picture of a clip, in order.
    pub(super) fn check_starts(&mut self, frame: usize, picture: &Frame, encoding: Encoding) {
        let here = luma(picture, encoding);
        if let Some(before) = self.before.replace(here.clone()) {
            let starts = |still: &Still| still.first as usize == frame;
            let moved = |still: &Still| {
                still.cover.whole().is_some_and(|shape| has_moved(shape, &here, &before))
            };
            self.stills.retain(|still| !starts(still) || !moved(still));
        }
    }

    /// In words, for a film at `rate`; nothing where nothing was found.
    pub(super) fn summary(&self, rate: Rate) -> Option<String> {
        let first = self.stills.iter().map(|still| still.first).min()?;
        let seconds = f64::from(first) / rate.per_second();
        let counted = match self.stills.len() {
            1 => "one overlay stays in its place".to_owned(),
            n => format!("{n} overlays stay in their places"),
        };
        Some(format!("{counted}, the first from {seconds:.1} s on (--move-overlays for not)"))
    }

    pub(super) fn json(&self) -> Value {
        let still = |still: &Still| {
            let [left, top, width, height] = still.cover.bounds();
            json!({
                "first": still.first,
                "frames": still.end - still.first,
                "left": left, "top": top, "width": width, "height": height,
            })
        };
        self.stills.iter().map(still).collect()
    }
}

/// A grey copy of a picture, 8 bits, as the eye sees it.
#[derive(Clone, Debug, PartialEq)]
struct Luma {
    width: usize,
    height: usize,
    values: Vec<u8>,
}

impl Luma {
    fn row(&self, y: usize) -> &[u8] {
        &self.values[y * self.width..][..self.width]
    }
}

fn luma(picture: &Frame, encoding: Encoding) -> Luma {
    use rayon::prelude::*;
    let pixels = picture.pixels();
    let mut values = vec![0; pixels.len()];
    let bands = values.par_chunks_mut(1 << 16).zip(pixels.par_chunks(1 << 16));
    bands.for_each(|(values, pixels)| {
        for (to, pixel) in values.iter_mut().zip(pixels) {
            *to = grey(*pixel, encoding);
        }
    });
    Luma { width: picture.width(), height: picture.height(), values }
}

/// The grey of a premultiplied pixel over middle grey.
#[inline]
fn grey([red, green, blue, alpha]: [f32; 4], encoding: Encoding) -> u8 {
    let light = 0.299 * red + 0.587 * green + 0.114 * blue;
    let seen = match encoding {
        Encoding::Srgb => light,
        // Near enough to the curve of screens where only differences count.
        Encoding::Linear => light.max(0.0).sqrt(),
    };
    // The cast keeps within 0 and 255.
    (255.0 * (seen + 0.5 * (1.0 - alpha)) + 0.5) as u8
}
