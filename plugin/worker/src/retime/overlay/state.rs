//! What is kept of each pixel while a clip is read.

use std::collections::VecDeque;

use rayon::prelude::*;

use super::Luma;

/// How far a pixel that stays may differ from what it was, in code values: what codecs do.
pub(super) const NOISE: u8 = 10;

/// Slope of an edge, in code values over two pixels.
const EDGE: u8 = 24;

/// Share of the pictures, one of this, on which an edge is seen where the ground does not hide it.
const EDGE_SHARE: u32 = 2;

/// Frames for which the shortest overlay stays: nobody can read faster.
pub(super) const LEAST_FRAMES: usize = 10;

/// Pixels of a tile along each side.
pub(super) const TILE: usize = 8;

/// Pixels of a tile that must change for it to count as moved.
const TILE_MOVES: u8 = 6;

/// Share of the tiles that change when all of the picture does.
const WHOLE: f32 = 0.5;

/// Share of the tiles with edges whose edges go elsewhere when the camera moves. It is no more where much of a picture is
/// flat, as edges along the way of a pan stay, and those of a text.
const PANNED: f32 = 0.3;

/// Last pictures that are kept to look for changing digits beside a text.
const RECENT: usize = 8;

/// What is known of each pixel and each tile after some pictures. Held pictures count once: a step leads from one to
/// another.
pub(super) struct State {
    pub(super) last: Luma,
    recent: VecDeque<Luma>,
    /// The frame on which each picture is first seen.
    pub(super) first_frames: Vec<u32>,
    /// How much moved with the step to each picture.
    motion: Vec<Motion>,
    /// What each pixel has been like since its start.
    pub(super) reference: Vec<u8>,
    /// The picture since which it has been so.
    pub(super) start: Vec<u32>,
    /// Number of pictures since then on which there was an edge.
    edges: Vec<u16>,
    /// Whether it is otherwise on the picture that is looked at now.
    pub(super) gone: Vec<bool>,
    pub(super) columns: usize,
    /// In which of the last 64 steps each tile moved, the last in the lowest bit.
    pub(super) tile_moves: Vec<u64>,
}

/// How much of a picture moved.
#[derive(Clone, Copy)]
struct Motion {
    /// Share of the tiles that changed.
    tiles: f32,
    /// Of the tiles with edges, the share of those whose edges are not where they were.
    edges: f32,
}

impl State {
    pub(super) fn new(picture: Luma) -> Self {
        let count = picture.values.len();
        let (columns, rows) = (picture.width.div_ceil(TILE), picture.height.div_ceil(TILE));
        Self {
            recent: VecDeque::new(),
            first_frames: vec![0],
            motion: vec![Motion { tiles: 1.0, edges: 1.0 }],
            reference: picture.values.clone(),
            start: vec![0; count],
            edges: vec![1; count],
            gone: vec![false; count],
            columns,
            tile_moves: vec![0; columns * rows],
            last: picture,
        }
    }

    /// The number of the picture that is looked at.
    fn step(&self) -> u32 {
        self.first_frames.len() as u32
    }

    /// Whether the whole picture moved with the step to this picture.
    pub(super) fn whole_moved(&self, picture: u32) -> bool {
        self.motion.get(picture as usize).is_none_or(|motion| motion.tiles > WHOLE)
    }

    /// Number of steps since this picture with which most edges moved, as they do in a pan.
    pub(super) fn moves_since(&self, picture: u32) -> usize {
        let moves = self.motion.iter().take(self.first_frames.len()).skip(picture as usize + 1);
        moves.filter(|motion| motion.edges > PANNED).count()
    }

    /// Number of pictures that there are when the one that is looked at counts as none.
    pub(super) fn pictures(&self) -> u32 {
        self.step()
    }

    pub(super) fn recent(&self) -> impl Iterator<Item = &Luma> {
        self.recent.iter().chain([&self.last])
    }

    /// Tells which pixels and tiles have changed with the next picture, first seen on `frame`, and how many edges that
    /// stayed go with it.
    pub(super) fn compare(&mut self, picture: &Luma, frame: usize) -> usize {
        let (width, columns, step) = (picture.width, self.columns, self.step());
        // Edges since this picture or an earlier one have stayed long enough.
        let long =
            self.first_frames.partition_point(|first| *first as usize + LEAST_FRAMES <= frame);
        let band = TILE * width;
        let bands = self.gone.par_chunks_mut(band).zip(self.tile_moves.par_chunks_mut(columns));
        let counted = bands.enumerate().map(|(n, (gone, tiles))| {
            let from = n * band;
            let upto = from + gone.len();
            let (now, last) = (&picture.values[from..upto], &self.last.values[from..upto]);
            let (was, start, edges) =
                (&self.reference[from..upto], &self.start[from..upto], &self.edges[from..upto]);
            let mut seeds = 0_usize;
            for ((gone, now), was) in gone.iter_mut().zip(now).zip(was) {
                *gone = now.abs_diff(*was) > NOISE;
            }
            for ((gone, start), edges) in gone.iter().zip(start).zip(edges) {
                let is_seed = *gone
                    & ((*start as usize) < long)
                    & (u32::from(*edges) * EDGE_SHARE >= step - *start);
                seeds += usize::from(is_seed);
            }
            // Tiles with edges, and those of which most edges are not where they were. Every second row tells enough.
            let mut edges = vec![[0_u8; 2]; columns];
            for (now, last) in now.chunks(width).zip(last.chunks(width)).step_by(2) {
                for (x, sides) in last.windows(3).enumerate() {
                    let is_edge = sides[0].abs_diff(sides[2]) > EDGE;
                    let has_moved = is_edge & (now[x + 1].abs_diff(sides[1]) > NOISE);
                    let tile = &mut edges[(x + 1) / TILE];
                    tile[0] += u8::from(is_edge);
                    tile[1] += u8::from(has_moved);
                }
            }
            let (mut edged, mut edges_moved) = (0_usize, 0_usize);
            for [edges, moved] in edges {
                edged += usize::from(edges > 1);
                edges_moved += usize::from(edges > 1 && 2 * moved > edges);
            }
            let mut counts = vec![0_u8; columns];
            for (now, last) in now.chunks(width).zip(last.chunks(width)) {
                let wide = now.chunks(TILE).zip(last.chunks(TILE));
                for (count, (now, last)) in counts.iter_mut().zip(wide) {
                    let changed = now.iter().zip(last);
                    *count += changed.map(|(a, b)| u8::from(a.abs_diff(*b) > NOISE)).sum::<u8>();
                }
            }
            for (moves, count) in tiles.iter_mut().zip(&counts) {
                *moves = *moves << 1 | u64::from(*count >= TILE_MOVES);
            }
            let moved = counts.iter().filter(|count| **count >= TILE_MOVES).count();
            [seeds, moved, edged, edges_moved]
        });
        let counted = counted.reduce(|| [0; 4], |a, b| std::array::from_fn(|n| a[n] + b[n]));
        let [seeds, moved, edged, edges_moved] = counted;
        self.motion.push(Motion {
            tiles: moved as f32 / self.tile_moves.len() as f32,
            edges: edges_moved as f32 / edged.max(1) as f32,
        });
        seeds
    }

    /// Takes the picture over.
    pub(super) fn take(&mut self, picture: Luma, frame: usize) {
        let (width, height, step) = (picture.width, picture.height, self.step());
        let rows = self.reference.par_chunks_mut(width).zip(self.start.par_chunks_mut(width));
        let rows = rows.zip(self.edges.par_chunks_mut(width)).zip(self.gone.par_chunks(width));
        // A little at a time, so that what brightens slowly stays the same.
        let follow = step.is_multiple_of(4);
        rows.enumerate().for_each(|(y, (((reference, start), edges), gone))| {
            let now = picture.row(y);
            let (above, below) =
                (picture.row(y.saturating_sub(1)), picture.row((y + 1).min(height - 1)));
            for x in 0..width {
                let (left, right) = (now[x.saturating_sub(1)], now[(x + 1).min(width - 1)]);
                let slope = left.abs_diff(right).max(above[x].abs_diff(below[x]));
                let edge = u16::from(slope > EDGE);
                let (value, was) = (now[x], reference[x]);
                let nearer = if value > was { was + 1 } else { was - u8::from(value < was) };
                let kept = if follow { nearer } else { was };
                reference[x] = if gone[x] { value } else { kept };
                start[x] = if gone[x] { step } else { start[x] };
                edges[x] = if gone[x] { edge } else { edges[x].saturating_add(edge) };
            }
        });
        self.first_frames.push(frame as u32);
        let before = std::mem::replace(&mut self.last, picture);
        self.recent.push_back(before);
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
    }

    /// Whether an edge has been at a pixel for most of the time.
    pub(super) fn has_edge(&self, at: usize) -> bool {
        u32::from(self.edges[at]) * EDGE_SHARE >= self.step() - self.start[at]
    }
}
