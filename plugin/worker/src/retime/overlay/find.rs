//! Finds overlays in a clip that is read once, in order.
//!
//! Of each pixel it is kept since when it has been as it is, and for how many pictures an edge has been there. Where the
//! picture moves, edges move on; an edge that stays and then goes all at once, or stays over cuts, is one of an overlay.
//! What it is an edge of, and whether the picture has moved around it, is judged when it goes ([`Component`]).

use std::collections::HashMap;

use inbetween_core::exposure::Sheet;
use inbetween_core::{Encoding, Frame};

use super::component::Component;
use super::counter;
use super::mask::Area;
use super::state::{LEAST_FRAMES, State, TILE};
use super::{Luma, Overlays, Still, luma};

/// Pixels with an edge that must go at once.
const LEAST_SEEDS: usize = 40;

/// Times of beginning that are looked at when edges go; and things that began at each.
const MOST_STARTS: usize = 6;
const MOST_COMPONENTS: usize = 48;

/// Most that is kept until all cuts are known.
const MOST_LASTING: usize = 4096;

/// Reads a clip and finds what stays while the picture moves.
#[derive(Default)]
pub(in super::super) struct OverlayFinder {
    frames: usize,
    state: Option<State>,
    found: Overlays,
    /// What is taken for an overlay only if there is a cut while it stays, or if it stays for the whole clip.
    lasting: Overlays,
}

impl OverlayFinder {
    /// Takes the next frame, its values in `encoding`.
    pub(in super::super) fn push(&mut self, picture: &Frame, encoding: Encoding) {
        let picture = luma(picture, encoding);
        let frame = self.frames;
        self.frames += 1;
        let Some(state) = &mut self.state else {
            self.state = Some(State::new(picture));
            return;
        };
        let same_size = (state.last.width, state.last.height) == (picture.width, picture.height);
        if !same_size || state.last.values == picture.values {
            return;
        }
        if state.compare(&picture, frame) >= LEAST_SEEDS {
            state.judge(Some(&picture), frame, &mut self.found, &mut self.lasting);
        }
        state.take(picture, frame);
    }

    /// Takes the frame before once more.
    pub(in super::super) fn repeat(&mut self) {
        self.frames += 1;
    }

    /// The overlays of the clip, whose drawings and cuts are these.
    pub(in super::super) fn finish(mut self, sheet: &Sheet) -> Overlays {
        let Some(mut state) = self.state else { return self.found };
        state.gone.fill(true);
        let end = self.frames;
        state.judge(None, end, &mut self.found, &mut self.lasting);
        let cuts: Vec<usize> = sheet.cuts().collect();
        let lasts = |first: u32, last: u32| {
            let (first, last) = (first as usize, last as usize);
            (first == 0 && last == end) || cuts.iter().any(|cut| first < *cut && *cut < last)
        };
        let Overlays { stills, counters, .. } = self.lasting;
        self.found.stills.extend(stills.into_iter().filter(|at| lasts(at.first, at.end)));
        self.found.counters.extend(counters.into_iter().filter(|at| lasts(at.first, at.end)));
        self.found.stills.sort_by_key(|still| still.first);
        self.found
    }
}

impl State {
    /// Judges the edges that go with the picture `next`, first seen on frame `end`; all that are there where the clip ends.
    fn judge(&self, next: Option<&Luma>, end: usize, found: &mut Overlays, lasting: &mut Overlays) {
        let long = self.first_frames.partition_point(|first| *first as usize + LEAST_FRAMES <= end);
        let seeds: Vec<usize> = (0..self.gone.len())
            .filter(|at| self.gone[*at] && (self.start[*at] as usize) < long && self.has_edge(*at))
            .collect();
        let mut counts: HashMap<u32, usize> = HashMap::new();
        for seed in &seeds {
            *counts.entry(self.start[*seed]).or_default() += 1;
        }
        let mut starts: Vec<(usize, u32)> =
            counts.into_iter().map(|(start, count)| (count, start)).collect();
        starts.sort_unstable_by(|a, b| b.cmp(a));
        let mut known: Vec<u32> = Vec::new();
        for (count, start) in starts {
            if count < LEAST_SEEDS || known.len() == MOST_STARTS {
                break;
            }
            if known.iter().any(|other| other.abs_diff(start) <= 1) {
                continue;
            }
            known.push(start);
            let own = seeds.iter().copied().filter(|at| self.start[*at].abs_diff(start) <= 1);
            for component in self.components(own, start) {
                let first = self.first_frames[start as usize];
                log::debug!("frames {first} to {end}: edges that stayed in {component:?}");
                let Some(component) = Component::new(self, component, start, next) else {
                    continue;
                };
                log::debug!("{}", component.told());
                let still = Still { first, end: end as u32, cover: component.cover() };
                if component.is_text() {
                    let times = (first, end as u32);
                    lasting.counters.extend(counter::beside(self, &component, times));
                    found.stills.push(still);
                } else if component.may_last() && lasting.stills.len() < MOST_LASTING {
                    lasting.stills.push(still);
                }
            }
        }
    }

    /// The areas of what these edges make together, the largest first: tiles with edges that are no farther from each
    /// other than letters of a word.
    fn components(&self, seeds: impl Iterator<Item = usize>, start: u32) -> Vec<Area> {
        let (width, columns) = (self.last.width, self.columns);
        let mut counts = vec![0_u16; self.tile_moves.len()];
        for at in seeds {
            debug_assert!(self.start[at].abs_diff(start) <= 1);
            counts[at / width / TILE * columns + at % width / TILE] += 1;
        }
        let rows = counts.len() / columns;
        let mut areas: Vec<(usize, Area)> = Vec::new();
        for from in 0..counts.len() {
            if counts[from] < 2 {
                continue;
            }
            let mut area = Area { left: usize::MAX, top: usize::MAX, right: 0, bottom: 0 };
            let mut sum = 0;
            let mut open = vec![from];
            sum += usize::from(std::mem::take(&mut counts[from]));
            while let Some(tile) = open.pop() {
                let (x, y) = (tile % columns, tile / columns);
                area.left = area.left.min(x * TILE);
                area.top = area.top.min(y * TILE);
                area.right = area.right.max((x + 1) * TILE);
                area.bottom = area.bottom.max((y + 1) * TILE);
                for beside_y in y.saturating_sub(1)..(y + 2).min(rows) {
                    for beside_x in x.saturating_sub(2)..(x + 3).min(columns) {
                        let beside = beside_y * columns + beside_x;
                        if counts[beside] >= 2 {
                            sum += usize::from(std::mem::take(&mut counts[beside]));
                            open.push(beside);
                        }
                    }
                }
            }
            if sum >= LEAST_SEEDS {
                area.right = area.right.min(width);
                area.bottom = area.bottom.min(self.last.height);
                areas.push((sum, area));
            }
        }
        areas.sort_by_key(|(sum, _)| std::cmp::Reverse(*sum));
        areas.truncate(MOST_COMPONENTS);
        areas.into_iter().map(|(_, area)| area).collect()
    }
}
