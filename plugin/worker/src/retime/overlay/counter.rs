//! Counters: characters beside a text that change while it stays.

use inbetween_core::{Encoding, Frame};
use serde::{Deserialize, Serialize};

use super::component::{Component, soft_edge};
use super::edge::Pictures;
use super::mask::{Area, Mask, dilated};
use super::state::State;
use super::text::Text;
use super::{Luma, grey};

/// How far the ink of a counter may differ from that of the text beside it, in code values.
const INK_SPREAD: u8 = 24;

/// Share of a place of half a line's height that is ink where there is a character.
const INKED: std::ops::Range<f32> = 0.06..0.75;

/// Places on either side of a text that are looked at.
const PLACES: usize = 14;

/// Characters that change. Their pixels are told from each frame itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Counter {
    pub(super) first: u32,
    /// The frame after its last.
    pub(super) end: u32,
    area: Area,
    /// The brightness of its characters.
    ink: u8,
    outline: Option<u8>,
    /// How far the outline goes beyond the ink, in pixels.
    reach: u8,
}

impl Counter {
    /// Covers its characters on a picture.
    pub(super) fn mark(&self, picture: &Frame, encoding: Encoding, mask: &mut Mask) {
        let area = self.area;
        if area.right > picture.width() || area.bottom > picture.height() {
            return;
        }
        let wide = area.width();
        let greys: Vec<u8> =
            area.pixels().map(|(x, y)| grey(picture.row(y)[x], encoding)).collect();
        let ink: Vec<bool> = greys.iter().map(|grey| is_ink(*grey, self.ink)).collect();
        let own = match self.outline {
            // Between ink and outline lies a mix of both.
            Some(outline) => {
                let reach = usize::from(self.reach);
                // Most of an outline is no farther from the ink than that, its corners a pixel.
                let near = dilated(&ink, wide, reach + 1);
                let is_outline = greys.iter().map(|grey| is_ink(*grey, outline));
                let outline: Vec<bool> =
                    is_outline.zip(near).map(|(is, near)| is && near).collect();
                let touched = dilated(&outline, wide, 1);
                let (next, near) = (dilated(&ink, wide, 1), dilated(&ink, wide, reach.clamp(1, 2)));
                let is_own = |at: usize| outline[at] || next[at] || touched[at] && near[at];
                (0..ink.len()).map(is_own).collect()
            }
            None => ink,
        };
        // One picture alone tells ground from a faint edge badly.
        let reach = dilated(&own, wide, soft_edge(picture.height()) - 1);
        let pictures = Pictures { wide, own: greys.clone(), greys: vec![greys] };
        mask.add_pixels(area, area.pixels().zip(pictures.covered_parts(&own, &reach)));
    }
}

fn is_ink(grey: u8, ink: u8) -> bool {
    grey.abs_diff(ink) <= INK_SPREAD
}

/// The counters in line with a text that was there for these times: places in it and beside it that hold characters of its
/// colours on most of the last pictures.
pub(super) fn beside(
    state: &State,
    component: &Component,
    (first, end): (u32, u32),
) -> Vec<Counter> {
    let Some(text) = component.text() else { return Vec::new() };
    let pictures: Vec<&Luma> = state
        .recent()
        .skip((state.recent().count() as u32).saturating_sub(state.pictures() - 1) as usize)
        .collect();
    let reach = reach(state, component, text.ink, text.outline);
    let mut counters = Vec::new();
    for line in &text.lines {
        let place = (line.height() / 2).max(3);
        let is_character = |left: usize| {
            let place = Area { left, right: left + place, top: line.top, bottom: line.bottom };
            let on = pictures.iter().filter(|picture| has_character(picture, place, text)).count();
            4 * on >= 3 * pictures.len()
        };
        let width = state.last.width;
        // The line itself, of whose changing characters little stays, and outwards to where none is.
        let mut places: Vec<usize> =
            (line.left..line.right).step_by(place).filter(|left| left + place <= width).collect();
        let mut missed = 0;
        for n in 0..PLACES {
            let left = line.right + n * place;
            if left + place > width || missed > 1 {
                break;
            }
            missed = if is_character(left) { 0 } else { missed + 1 };
            if missed == 0 {
                places.push(left);
            }
        }
        missed = 0;
        for n in 1..=PLACES {
            let Some(left) = line.left.checked_sub(n * place).filter(|_| missed <= 1) else {
                break;
            };
            missed = if is_character(left) { 0 } else { missed + 1 };
            if missed == 0 {
                places.push(left);
            }
        }
        if places.is_empty() {
            continue;
        }
        let size = (width, state.last.height);
        for left in places {
            let area = Area { left, right: left + place, top: line.top, bottom: line.bottom };
            let beyond = usize::from(reach) + soft_edge(size.1);
            let area = area.grown(place / 2 + beyond, size);
            let area = Area {
                top: line.top.saturating_sub(beyond),
                bottom: (line.bottom + beyond).min(size.1),
                ..area
            };
            counters.push(Counter {
                first,
                end,
                area,
                ink: text.ink,
                outline: text.outline,
                reach,
            });
        }
    }
    counters
}

/// Whether a place holds a character like those of a text.
fn has_character(picture: &Luma, place: Area, text: &Text) -> bool {
    let all = (place.width() * place.height()) as f32;
    let share = |ink: u8| {
        let inked = place.pixels().filter(|(x, y)| is_ink(picture.row(*y)[*x], ink)).count();
        inked as f32 / all
    };
    INKED.contains(&share(text.ink))
        && text.outline.is_none_or(|outline| share(outline) > INKED.start)
}

/// How far the outline of a text goes beyond its ink, in pixels.
fn reach(state: &State, component: &Component, ink: u8, outline: Option<u8>) -> u8 {
    let Some(outline) = outline else { return 0 };
    let (area, width) = (component.area(), state.last.width);
    let of = |wanted: u8| -> Vec<bool> {
        let is = |((x, y), own): ((usize, usize), &bool)| {
            *own && state.reference[y * width + x].abs_diff(wanted) <= INK_SPREAD
        };
        area.pixels().zip(component.own()).map(is).collect()
    };
    let (ink, outline) = (of(ink), of(outline));
    let all = outline.iter().filter(|is| **is).count();
    let most = state.last.height / 40;
    let far = (1..=most).find(|by| {
        let near = dilated(&ink, area.width(), *by);
        let reached = outline.iter().zip(near).filter(|(is, near)| **is && *near).count();
        reached * 10 >= all * 9
    });
    far.unwrap_or(0).min(255) as u8
}
