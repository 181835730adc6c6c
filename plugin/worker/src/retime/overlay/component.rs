//! One thing whose edges stayed and went together, and what it is.

use super::Luma;
use super::edge::Pictures;
use super::mask::{Area, Cover, Shape, dilated, eroded};
use super::state::{NOISE, State, TILE};
use super::text::{self, Text};
use super::vanish::has_moved;

/// Largest area of an overlay, of the picture's.
const MOST_AREA: f32 = 0.2;

/// Pixels around a thing in which its soft edge lies, and more of its own colours.
const MARGIN: usize = 12;

/// From pixel to pixel, flat ground differs by no more, in code values.
const SMOOTH: u8 = 3;

/// Pixels that a thing has at least.
const LEAST_PIXELS: usize = 40;

/// How far beside its edges something belongs to a thing, in pixels.
const NEAR_EDGE: usize = 2;

/// Parts of the ring around a thing, and how many of those in the picture must move for the picture to have moved
/// around it.
const PARTS: usize = 12;
const MOVED_PARTS: f32 = 0.75;

/// Steps in which the picture must have moved around a text, or around something else.
const LEAST_MOVES: usize = 3;
const LEAST_MOVES_LASTING: usize = 4;

/// Frames for which something other than text must stay.
const LEAST_LASTING: u32 = 24;

/// Share of the edges of each direction that a thing must have: what runs along a pan stays, too.
const LEAST_ACROSS: f32 = 0.12;

/// Share of the picture's edges that may stay as long: more is the picture itself.
const MOST_STAYING: f32 = 0.5;

/// Share of the pixels around a text that may change where it comes or goes in a still picture.
const MOST_AROUND: f32 = 0.1;

/// Edges that stayed and went together.
pub(super) struct Component<'a> {
    state: &'a State,
    start: u32,
    next: Option<&'a Luma>,
    /// The pixels looked at, and which of them are the thing's own: those that stayed for as long.
    area: Area,
    own: Vec<bool>,
    text: Option<Text>,
    /// Steps in which the picture moved around it.
    moves: usize,
}

impl<'a> Component<'a> {
    /// The thing in these tiles; `None` where it is too large for an overlay, or flat ground.
    pub(super) fn new(
        state: &'a State,
        tiles: Area,
        start: u32,
        next: Option<&'a Luma>,
    ) -> Option<Self> {
        let size = (state.last.width, state.last.height);
        let share = (tiles.width() * tiles.height()) as f32 / (size.0 * size.1) as f32;
        if share > MOST_AREA {
            return None;
        }
        let moves = moves_around(state, tiles, start).max(state.moves_since(start));
        let area = tiles.grown(MARGIN, size);
        let mut own = own_pixels(state, area, start);
        if own.iter().filter(|own| **own).count() < LEAST_PIXELS {
            return None;
        }
        let text = Text::of(&state.reference, size, area, &own);
        if let Some(text) = &text {
            add_older(state, area, start, text, &mut own);
        }
        Some(Self { state, start, next, area, own, text, moves })
    }

    pub(super) fn text(&self) -> Option<&Text> {
        self.text.as_ref()
    }

    pub(super) fn area(&self) -> Area {
        self.area
    }

    pub(super) fn own(&self) -> &[bool] {
        &self.own
    }

    /// For the log.
    pub(super) fn told(&self) -> String {
        format!(
            "text {:?}, the picture moved around it {} times, is text {}, may last {}",
            self.text,
            self.moves,
            self.is_text(),
            self.may_last()
        )
    }

    /// Whether it is text that did not come from elsewhere or go elsewhere, and over which the picture moved; or that
    /// came or went while the picture around it stood still.
    pub(super) fn is_text(&self) -> bool {
        if self.text.is_none() {
            return false;
        }
        let shape = Shape::new(self.area, &self.own);
        if self.next.is_some_and(|next| has_moved(&shape, &self.state.last, next)) {
            return false;
        }
        self.moves >= LEAST_MOVES || self.pops_out()
    }

    /// Whether it goes while the picture around it stands still.
    fn pops_out(&self) -> bool {
        let Some(next) = self.next else { return false };
        let wide = self.area.width();
        let near = dilated(&self.own, wide, 3);
        let around = self.area.pixels().zip(&near).filter(|(_, near)| !**near);
        let (mut changed, mut all) = (0_usize, 0_usize);
        for ((x, y), _) in around {
            all += 1;
            changed += usize::from(self.state.last.row(y)[x].abs_diff(next.row(y)[x]) > NOISE);
        }
        // Where something else than what stands around comes into view.
        let is_whole = self.state.whole_moved(self.state.pictures());
        !is_whole && all > 0 && (changed as f32) < MOST_AROUND * all as f32
    }

    /// Whether it would be an overlay if it stayed over a cut or for the whole clip.
    pub(super) fn may_last(&self) -> bool {
        let state = self.state;
        let frames = state.first_frames[state.first_frames.len() - 1]
            - state.first_frames[self.start as usize];
        if frames < LEAST_LASTING || self.moves < LEAST_MOVES_LASTING {
            return false;
        }
        let last = &state.last;
        let (mut upright, mut level) = (0_usize, 0_usize);
        for ((x, y), own) in self.area.pixels().zip(&self.own) {
            if !own || x == 0 || y == 0 || x + 1 == last.width || y + 1 == last.height {
                continue;
            }
            if state.has_edge(y * last.width + x) {
                let across = last.row(y)[x - 1].abs_diff(last.row(y)[x + 1]);
                let down = last.row(y - 1)[x].abs_diff(last.row(y + 1)[x]);
                upright += usize::from(across > down);
                level += usize::from(down > across);
            }
        }
        let least = LEAST_ACROSS * (upright + level) as f32;
        if (upright.min(level) as f32) < least || upright + level == 0 {
            return false;
        }
        self.stands_out()
    }

    /// Whether most of the picture's edges have not stayed for as long.
    fn stands_out(&self) -> bool {
        let (last, state) = (&self.state.last, self.state);
        let (mut edges, mut stay) = (0_usize, 0_usize);
        for y in (1..last.height - 1).step_by(2) {
            let row = last.row(y);
            for x in (1..last.width - 1).step_by(2) {
                if row[x - 1].abs_diff(row[x + 1]) > 2 * NOISE {
                    edges += 1;
                    stay += usize::from(state.start[y * last.width + x] <= self.start + 1);
                }
            }
        }
        (stay as f32) < MOST_STAYING * edges as f32
    }

    /// The pixels that it covers, with its soft edge.
    pub(super) fn cover(&self) -> Cover {
        let (wide, high) = (self.area.width(), self.state.last.height);
        // With specks that noise may have taken out, and small holes.
        let closed = eroded(&dilated(&self.own, wide, 2), wide, 2);
        let closed: Vec<bool> = closed.iter().zip(&self.own).map(|(a, b)| *a || *b).collect();
        let boxed = text::boxed(self.area, &closed);
        // Between its own pixels lie some that had the same grey before it came.
        let (width, start) = (self.state.last.width, self.start);
        let stayed = |(x, y): (usize, usize)| self.state.start[y * width + x] <= start + 1;
        let inside = self.area.pixels().zip(&closed).zip(&self.own);
        let own: Vec<bool> =
            inside.map(|((at, closed), own)| *own || *closed && stayed(at)).collect();
        let (own, whole) = match &boxed {
            Some(boxed) => (boxed, boxed),
            None => (&own, &closed),
        };
        let reach = dilated(whole, wide, soft_edge(high));
        Cover::new(self.area, &self.pictures().covered_parts(own, &reach))
    }

    /// What was last seen of it.
    fn pictures(&self) -> Pictures {
        let (state, width) = (self.state, self.state.last.width);
        let since = state.pictures().saturating_sub(self.start + 1).max(1) as usize;
        let skipped = state.recent().count().saturating_sub(since);
        let part = |grey: &[u8]| self.area.pixels().map(|(x, y)| grey[y * width + x]).collect();
        Pictures {
            wide: self.area.width(),
            own: part(&state.reference),
            greys: state.recent().skip(skipped).map(|picture| part(&picture.values)).collect(),
        }
    }
}

/// Pixels by which the soft edge of letters goes beyond what stays, in a picture of this height.
pub(super) fn soft_edge(height: usize) -> usize {
    (height.div_ceil(540) + 1).min(4)
}

/// The pixels of `area` that stayed with a thing and are near its edges or enclosed by them: ground that stays, too, is
/// none of it.
fn own_pixels(state: &State, area: Area, start: u32) -> Vec<bool> {
    let (width, wide, high) = (state.last.width, area.width(), area.height());
    let stayed: Vec<bool> = area
        .pixels()
        .map(|(x, y)| {
            let at = y * width + x;
            state.gone[at] && state.start[at].abs_diff(start) <= 1
        })
        .collect();
    let edges: Vec<bool> = area
        .pixels()
        .zip(&stayed)
        .map(|((x, y), stayed)| *stayed && state.has_edge(y * width + x))
        .collect();
    let near = dilated(&edges, wide, NEAR_EDGE);
    let grey = |at: usize| state.reference[(area.top + at / wide) * width + area.left + at % wide];
    // What is reached from outside without crossing an edge is not enclosed; flat ground goes on up to the edge itself.
    let mut outside = vec![false; near.len()];
    let mut open: Vec<usize> = (0..near.len())
        .filter(|at| {
            let (x, y) = (at % wide, at / wide);
            x == 0 || y == 0 || x + 1 == wide || y + 1 == high
        })
        .filter(|at| !near[*at])
        .collect();
    open.iter().for_each(|at| outside[*at] = true);
    while let Some(at) = open.pop() {
        let (x, y) = (at % wide, at / wide);
        let beside = [
            (x > 0).then(|| at - 1),
            (x + 1 < wide).then_some(at + 1),
            (y > 0).then(|| at - wide),
            (y + 1 < high).then_some(at + wide),
        ];
        for beside in beside.into_iter().flatten() {
            let goes_on = stayed[at] && stayed[beside] && grey(at).abs_diff(grey(beside)) <= SMOOTH;
            if !outside[beside] && (!near[beside] || goes_on) {
                outside[beside] = true;
                open.push(beside);
            }
        }
    }
    stayed.iter().zip(&outside).map(|(stayed, outside)| *stayed && !outside).collect()
}

/// Adds pixels that a text shares with the one that was there before it: they touch it, have one of its colours, and have
/// had it for longer.
fn add_older(state: &State, area: Area, start: u32, text: &Text, own: &mut [bool]) {
    let (width, wide) = (state.last.width, area.width());
    let may_join: Vec<bool> = area
        .pixels()
        .map(|(x, y)| {
            let at = y * width + x;
            state.start[at] <= start + 1 && text.has_colour(state.reference[at])
        })
        .collect();
    for _ in 0..MARGIN {
        let near = dilated(own, wide, 1);
        let mut any = false;
        for ((own, may_join), near) in own.iter_mut().zip(&may_join).zip(near) {
            let joins = near && *may_join && !*own;
            any |= joins;
            *own |= joins;
        }
        if !any {
            break;
        }
    }
}

/// Number of the last 64 steps since `start` in which the picture moved on most sides of these tiles at once.
fn moves_around(state: &State, tiles: Area, start: u32) -> usize {
    let (columns, rows) = (state.columns, state.tile_moves.len() / state.columns);
    let (left, top) = (tiles.left / TILE, tiles.top / TILE);
    let (right, bottom) = (tiles.right.div_ceil(TILE), tiles.bottom.div_ceil(TILE));
    let (wide, high) = ((right - left + 4) as f32, (bottom - top + 4) as f32);
    let mut parts = [None::<u64>; PARTS];
    for y in top.saturating_sub(2)..(bottom + 2).min(rows) {
        for x in left.saturating_sub(2)..(right + 2).min(columns) {
            if (left..right).contains(&x) && (top..bottom).contains(&y) {
                continue;
            }
            // Around the ring by the longer way of its sides: a part of it each.
            let (across, down) = ((x + 2 - left) as f32 / wide, (y + 2 - top) as f32 / high);
            let side = (PARTS / 4) as f32;
            let part = if y < top {
                across * side
            } else if y >= bottom {
                (1.0 - across) * side + 2.0 * side
            } else if x >= right {
                down * side + side
            } else {
                (1.0 - down) * side + 3.0 * side
            };
            let part = &mut parts[(part as usize).min(PARTS - 1)];
            *part = Some(part.unwrap_or(0) | state.tile_moves[y * columns + x]);
        }
    }
    let inside: Vec<u64> = parts.into_iter().flatten().collect();
    let since = (state.pictures() - 1).saturating_sub(start).min(63);
    // Where the clip goes on, the lowest bit is the step with which the thing goes.
    let steps = 1..=since;
    let moved = |step: &u32| {
        let parts = inside.iter().filter(|part| *part >> step & 1 == 1).count();
        parts as f32 >= MOVED_PARTS * inside.len() as f32
    };
    if inside.is_empty() { 0 } else { steps.filter(moved).count() }
}
