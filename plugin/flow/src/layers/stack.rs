//! Decides which piece is in front of which, and to which piece each pixel of a key belongs.

use super::beneath::{NOWHERE, beneath};
use super::explain::Scene;
use super::pinned_way::PinnedWay;
use super::regions::Regions;
use super::transform::{Affine, Bend};
use crate::map::Map;
use crate::segments::{around, neighbours};
use crate::sketch::shares;

/// Share of a rim that is dark if there is an outline; the rest of it is soft.
const OUTLINED: f32 = 0.45;
/// Share of a rim that counts as a substantial length.
const FAIR: f32 = 0.2;
/// Share of its lines that a piece must explain before it gives any of them up.
const KNOWN: f32 = 0.8;
/// Width of the soft rim of a piece without an outline, in samples.
const RIM: usize = 2;
/// Difference of Gaussians of the lightness below which a pixel belongs to a dark line.
const DARK: f32 = -3.0;

/// Which piece owns each pixel of a key.
pub(super) struct Owners {
    /// The piece of each pixel; lines belong to the piece in front.
    pub(super) piece: Vec<u16>,
    /// The same if every line belonged to the foremost piece beside it.
    pub(super) by_outline: Vec<u16>,
    /// Whether no other piece, and no frame line around the picture, is mixed into the pixel.
    pub(super) clean: Vec<bool>,
    /// Outlines and edges, which the eye follows.
    pub(super) line: Vec<bool>,
    /// The foremost piece that may be mixed into the pixel.
    pub(super) front: Vec<u16>,
    /// Of the pieces on both sides of a line the one behind, elsewhere the pixel's own.
    pub(super) behind: Vec<u16>,
    /// Whether the pixel may as well be a line of the piece behind, as where a ball stands on the line of a floor.
    pub(super) shared: Vec<bool>,
    /// For each pixel the nearest clean pixel of the ground; [`NOWHERE`] if there is none.
    pub(super) ground: Vec<u32>,
    /// For each pixel the one that continues a piece beneath it; see [`beneath`].
    pub(super) beneath: Vec<u32>,
}

/// The pieces from front to back.
pub(super) fn order(scene: &Scene, regions: [&Regions; 2]) -> Vec<usize> {
    let n = scene.pieces.len();
    let (h, w) = (regions[0].h, regions[0].w);
    let owner = [0, 1].map(|key| -> Vec<Option<usize>> {
        (0..h * w).map(|i| regions[key].at(i).and_then(|k| scene.of[key][k])).collect()
    });
    // How often one piece is seen where another was expected.
    let mut before = vec![0.0f32; n * n];
    let mut area = vec![1.0f32; n];
    for key in 0..2 {
        for p in owner[key].iter().flatten() {
            area[*p] += 0.5;
        }
        // Every pixel of a piece in the other key, brought here.
        let here: Vec<Option<Affine>> =
            scene.pieces.iter().map(|p| p.motion.seen_from(1 - key)).collect();
        for (i, l) in owner[1 - key].iter().enumerate() {
            let Some((l, here)) = l.and_then(|l| Some((l, here[l]?))) else { continue };
            let q = here.at([(i % w) as f32, (i / w) as f32]);
            let (x, y) = ((q[0] + 0.5).floor(), (q[1] + 0.5).floor());
            if x < 0.0 || y < 0.0 || x >= w as f32 || y >= h as f32 {
                continue;
            }
            if let Some(m) = owner[key][y as usize * w + x as usize].filter(|&m| m != l) {
                before[m * n + l] += 1.0;
            }
        }
    }
    let ground = scene.pieces[0].motion;
    let rests: Vec<bool> =
        scene.pieces.iter().map(|p| p.motion.rests_on(&ground, (h, w))).collect();
    let mut touch = vec![false; n * n];
    for (of, regions) in scene.of.iter().zip(regions) {
        for (piece, region) in of.iter().zip(&regions.list) {
            let Some(p) = piece else { continue };
            region.beside.iter().filter_map(|b| of[b.0]).for_each(|q| touch[p * n + q] = true);
        }
    }
    let score = |m: usize, l: usize| {
        // If nothing is known, a moving piece is in front of scenery that it is not connected with,
        // and a small piece is in front of a large one.
        let scenery = rests[m] != rests[l] && !touch[m * n + l] && !touch[l * n + m];
        let front = if scenery { rests[l] } else { area[m] < area[l] };
        let known = (before[m * n + l] - before[l * n + m]) / area[m].min(area[l]);
        known + if front { 0.02 } else { -0.02 }
    };
    // The ground is behind everything.
    let mut left: Vec<usize> = (1..n).collect();
    let mut out = Vec::with_capacity(n);
    while !left.is_empty() {
        let score = |m: usize| -> f32 {
            left.iter().filter(|&&l| l != m).map(|&l| score(m, l).clamp(-0.3, 0.3)).sum()
        };
        let overlapped = |m: usize| {
            scene.overlaps.iter().any(|&(front, behind)| behind == m && left.contains(&front))
        };
        let all = left.iter().all(|&m| overlapped(m));
        let (at, _) = left
            .iter()
            .enumerate()
            .filter(|(_, m)| all || !overlapped(**m))
            .map(|(at, &m)| (at, score(m)))
            .reduce(|a, b| if b.1 > a.1 { b } else { a })
            .expect("some are left");
        out.push(left.remove(at));
    }
    out.push(0);
    out
}

impl Owners {
    /// `rank` is the position of each piece from the front; the first `grounds` pieces move with
    /// the ground. `light: [1, h, w]`, 0..=255. Pieces are
    /// continued by `reach` samples beneath others. `explains` says whether the motion of a piece maps
    /// a pixel to a similar one in the other key.
    pub(super) fn of(
        regions: &Regions,
        of: &[Option<usize>],
        rank: &[usize],
        grounds: usize,
        light: &Map,
        reach: usize,
        explains: impl Fn(usize, usize) -> bool,
    ) -> Self {
        let (h, w) = (regions.h, regions.w);
        let (fine, coarse) = (light.gauss(0.8), light.gauss(2.4));
        let piece_of = |l: u16| (l as usize).checked_sub(1).and_then(|k| of[k]);
        let base: Vec<u16> =
            regions.label.iter().map(|&l| piece_of(l).unwrap_or(0) as u16).collect();
        let mut piece = base.clone();
        let dark = |i: usize| fine.v[i] - coarse.v[i] < DARK;
        let outlined = outlined(regions, piece_of, dark);
        for i in (0..h * w).filter(|&i| regions.core[i] == 0) {
            let (own, other) = (regions.label[i], regions.across[i]);
            let Some(p) = piece_of(other).filter(|_| outlined[other as usize]) else { continue };
            let bare = !outlined[own as usize];
            let takes = if dark(i) {
                bare || rank[p] < rank[base[i] as usize]
            } else {
                // A piece without an outline owns only its own rim, even on the soft side of a
                // line.
                bare && base[i] != 0 && !within(regions, i, RIM)
            };
            if takes {
                piece[i] = p as u16;
            }
        }
        // A line that is explained only by the piece on its other side belongs to that piece: if a
        // ball lies on the line of a floor, each moves its own line. A piece of which only a part
        // is known keeps all its lines.
        let lines: Vec<usize> = (0..h * w).filter(|&i| regions.core[i] == 0).collect();
        let mut known = vec![[0u32; 2]; rank.len()];
        let own: Vec<bool> = lines.iter().map(|&i| explains(piece[i] as usize, i)).collect();
        for (&i, &own) in lines.iter().zip(&own) {
            known[piece[i] as usize][0] += u32::from(own);
            known[piece[i] as usize][1] += 1;
        }
        let mut gives = vec![None; h * w];
        for (&i, _) in lines.iter().zip(&own).filter(|(_, own)| !**own) {
            let own = piece[i] as usize;
            let sides = [base[i] as usize, piece_of(regions.across[i]).unwrap_or(own)];
            if known[own][0] as f32 > KNOWN * known[own][1] as f32 {
                gives[i] = sides.into_iter().find(|&p| p != own && explains(p, i));
            }
        }
        // But not for single samples that happen to be alike.
        let taken = piece.clone();
        for &i in &lines {
            let Some(to) = gives[i] else { continue };
            let around = || around(i, 2, h, w).filter(|&n| taken[n] == taken[i]);
            let like = around().filter(|&n| gives[n] == Some(to)).count();
            if 2 * like > around().filter(|&n| regions.core[n] == 0).count() {
                piece[i] = to as u16;
            }
        }
        let foremost_line = |i: usize| {
            let other = piece_of(regions.across[i]).filter(|_| regions.core[i] == 0 && dark(i));
            other.filter(|&p| rank[p] < rank[base[i] as usize]).map_or(base[i], |p| p as u16)
        };
        let mut by_outline = (0..h * w).map(foremost_line).collect();
        // The soft rim of a line belongs to the line.
        for piece in [&mut piece, &mut by_outline] {
            let lined = piece.clone();
            for i in (0..h * w).filter(|&i| regions.core[i] == 0 && !dark(i)) {
                for n in neighbours(i, h, w).into_iter().flatten() {
                    if rank[lined[n] as usize] < rank[piece[i] as usize] {
                        piece[i] = lined[n];
                    }
                }
            }
        }
        let front = foremost(&piece, rank, h, w);
        let clean: Vec<bool> =
            (0..h * w).map(|i| front[i] == piece[i] && !regions.of_frame(i)).collect();
        let ground = nearest(|i| clean[i] && (piece[i] as usize) < grounds, regions);
        let line = regions.core.iter().map(|&l| l == 0).collect();
        let behind = (0..h * w)
            .map(|i| {
                let other = piece_of(regions.across[i]).map_or(base[i], |p| p as u16);
                [base[i], other].into_iter().max_by_key(|&p| rank[p as usize]).unwrap_or(piece[i])
            })
            .collect();
        let beneath = beneath(regions, &piece, &clean, rank, grounds, reach);
        Self { piece, by_outline, clean, line, front, behind, shared: Vec::new(), ground, beneath }
    }
}

/// For each region (from 1), whether its piece has its own outline: its rim is dark towards
/// everything it touches along a substantial length. A shadow along a line of the ground has none,
/// and owns no line. Regions of the ground are judged individually.
fn outlined(
    regions: &Regions,
    piece_of: impl Fn(u16) -> Option<usize>,
    dark: impl Fn(usize) -> bool,
) -> Vec<bool> {
    let count = regions.list.len() + 1;
    let unit = |l: u16| match piece_of(l) {
        Some(p) if p > 0 => count + p,
        _ => l as usize,
    };
    // Rim between two regions: number of dark pixels and of all pixels.
    let mut rims = std::collections::BTreeMap::<(usize, usize), [u32; 2]>::new();
    for i in (0..regions.core.len()).filter(|&i| regions.core[i] == 0 && regions.across[i] > 0) {
        let (own, other) = (unit(regions.label[i]), unit(regions.across[i]));
        for pair in [(own, other), (other, own)] {
            let rim = rims.entry(pair).or_default();
            rim[0] += u32::from(dark(i));
            rim[1] += 1;
        }
    }
    (0..count as u16)
        .map(|l| {
            let unit = unit(l);
            let own = || rims.range((unit, 0)..(unit + 1, 0)).filter(|(pair, _)| pair.1 != unit);
            let whole: u32 = own().map(|(_, rim)| rim[1]).sum();
            own()
                .filter(|(_, rim)| rim[1] as f32 >= FAIR * whole as f32)
                .all(|(_, rim)| rim[0] as f32 > OUTLINED * rim[1] as f32)
        })
        .collect()
}

/// Whether the region to which pixel `i` is assigned is within `reach` samples of it.
fn within(regions: &Regions, i: usize, reach: usize) -> bool {
    around(i, reach, regions.h, regions.w).any(|n| regions.core[n] == regions.label[i])
}

/// The foremost piece within two pixels of each pixel.
fn foremost(piece: &[u16], rank: &[usize], h: usize, w: usize) -> Vec<u16> {
    let before = |a: u16, b: u16| if rank[b as usize] < rank[a as usize] { b } else { a };
    let mut across = piece.to_vec();
    for (to, from) in across.chunks_mut(w).zip(piece.chunks(w)) {
        for d in 1..=2.min(w - 1) {
            (d..w).for_each(|x| to[x] = before(to[x], from[x - d]));
            (d..w).for_each(|x| to[x - d] = before(to[x - d], from[x]));
        }
    }
    let mut out = across.clone();
    for d in 1..=2.min(h - 1) {
        for i in d * w..h * w {
            out[i] = before(out[i], across[i - d * w]);
            out[i - d * w] = before(out[i - d * w], across[i]);
        }
    }
    out
}

/// For each pixel the nearest clean pixel of a ground, away from its lines.
fn nearest(clean_ground: impl Fn(usize) -> bool, regions: &Regions) -> Vec<u32> {
    let (h, w) = (regions.h, regions.w);
    // A surface rather than a line or a fragment.
    let wide: Vec<bool> = std::iter::once(false)
        .chain(regions.list.iter().map(|r| r.area > 0.004 * (h * w) as f32))
        .collect();
    let mut out: Vec<u32> = (0..h * w)
        .map(|i| if clean_ground(i) && wide[regions.core[i] as usize] { i as u32 } else { NOWHERE })
        .collect();
    let away = |i: usize, to: u32| {
        let to = to as usize;
        let (dx, dy) = ((i % w) as f32 - (to % w) as f32, (i / w) as f32 - (to / w) as f32);
        // Grounds are more often level than not.
        dx * dx + 4.0 * dy * dy
    };
    for forward in [true, false, true, false] {
        for j in 0..h * w {
            let i = if forward { j } else { h * w - 1 - j };
            // Nothing is nearer than the pixel itself.
            if out[i] == i as u32 {
                continue;
            }
            let (y, x) = ((i / w) as isize, (i % w) as isize);
            let s = if forward { -1 } else { 1 };
            for (dy, dx) in [(0, s), (s, 0), (s, -1), (s, 1)] {
                let (ny, nx) = (y + dy, x + dx);
                if ny < 0 || nx < 0 || ny >= h as isize || nx >= w as isize {
                    continue;
                }
                let to = out[ny as usize * w + nx as usize];
                let new = to != NOWHERE && to != out[i];
                if new && (out[i] == NOWHERE || away(i, to) < away(i, out[i])) {
                    out[i] = to;
                }
            }
        }
    }
    out
}

/// A piece as it is composed: its motion around a joint, and its parent.
#[derive(Clone, Debug)]
pub(super) struct StackedPiece {
    pub(super) motion: Affine,
    pub(super) parent: Option<usize>,
    /// Smallest and largest x and y of its pixels in each key; `None` if it has none there.
    pub(super) bounds: [Option<[f32; 4]>; 2],
    /// Its area, the mean of both keys, in samples.
    pub(super) size: f32,
    /// Area of one of the like things that it consists of, in samples; its own if it is one thing.
    pub(super) unit: f32,
    /// Pieces that it touches in either key.
    pub(super) touches: Vec<usize>,
    /// The only key that shows it, if just one does.
    pub(super) only: Option<usize>,
    /// Whether the other key shows that it is gone.
    pub(super) vanishes: bool,
    /// Whether it changes too much to be followed, so that it is shown as in the nearer key.
    pub(super) held: bool,
    /// The position from which that is the last key.
    pub(super) until: f32,
    /// Its path, if pins bind it.
    pub(super) pinned: Option<PinnedWay>,
    /// Its deviations at the positions of sketches that show it, ascending.
    pub(super) sketched: Vec<(f32, Bend)>,
}

impl StackedPiece {
    /// Its deviation at `t`, due to sketches.
    pub(super) fn bend(&self, t: f32) -> Bend {
        let at: Vec<f32> = self.sketched.iter().map(|s| s.0).collect();
        let shares = shares(&at, t);
        let bends = self.sketched.iter().zip(shares).map(|((_, bend), share)| bend.times(share));
        bends.fold(Bend::default(), |sum, bend| sum.plus(&bend))
    }
}

/// Joints and bounds of all pieces.
pub(super) fn lay(
    scene: &Scene,
    regions: [&Regions; 2],
    owners: [&Owners; 2],
) -> Vec<StackedPiece> {
    let n = scene.pieces.len();
    let (h, w) = (regions[0].h, regions[0].w);
    let mut bounds = vec![[None::<[f32; 4]>; 2]; n];
    let mut area = vec![[0.0f32; 2]; n];
    let mut middle = vec![[0.0f64; 3]; n];
    // Where pieces touch in the first key, or in the last: length, x, y.
    let mut joints = std::collections::BTreeMap::<(usize, usize, usize), [f64; 3]>::new();
    for key in 0..2 {
        for i in 0..h * w {
            let p = owners[key].piece[i] as usize;
            let (x, y) = ((i % w) as f32, (i / w) as f32);
            area[p][key] += 1.0;
            let b = bounds[p][key].get_or_insert([x, x, y, y]);
            *b = [b[0].min(x), b[1].max(x), b[2].min(y), b[3].max(y)];
            if key == 0 || area[p][0] == 0.0 {
                middle[p][0] += 1.0;
                middle[p][1] += f64::from(x);
                middle[p][2] += f64::from(y);
            }
            for m in [(i % w + 1 < w).then_some(i + 1), (i / w + 1 < h).then_some(i + w)]
                .into_iter()
                .flatten()
            {
                let q = owners[key].piece[m] as usize;
                if p != q && p != 0 && q != 0 {
                    let joint = joints.entry((p.min(q), p.max(q), key)).or_default();
                    joint[0] += 1.0;
                    joint[1] += f64::from(x);
                    joint[2] += f64::from(y);
                }
            }
        }
    }
    let whole = |p: usize| area[p][0].max(area[p][1]);
    (0..n)
        .map(|p| {
            let piece = &scene.pieces[p];
            let m = middle[p];
            let mut from = [(m[1] / m[0].max(1.0)) as f32, (m[2] / m[0].max(1.0)) as f32];
            if area[p][0] == 0.0
                && let Some(back) = piece.motion.inverse()
            {
                from = back.at(from);
            }
            let mut parent = None;
            if p != 0 {
                let mut best = 0.0;
                for (&(a, b, key), joint) in &joints {
                    let other = if a == p {
                        b
                    } else if b == p {
                        a
                    } else {
                        continue;
                    };
                    if whole(other) <= whole(p) || joint[0] <= best {
                        continue;
                    }
                    let mut at = [(joint[1] / joint[0]) as f32, (joint[2] / joint[0]) as f32];
                    if key == 1 {
                        let Some(back) = piece.motion.inverse() else { continue };
                        at = back.at(at);
                    }
                    // A joint holds if both motions agree there.
                    let (u, v) = (piece.motion.at(at), scene.pieces[other].motion.at(at));
                    if libm::hypotf(u[0] - v[0], u[1] - v[1]) < 4.0 + 0.25 * whole(p).sqrt() {
                        best = joint[0];
                        parent = Some(other);
                        from = at;
                    }
                }
            }
            let only = match [piece.members[0].is_empty(), piece.members[1].is_empty()] {
                [false, true] => Some(0),
                [true, false] => Some(1),
                _ => piece.shown_by,
            };
            let touches = joints
                .iter()
                .filter(|(_, joint)| joint[0] >= 3.0)
                .filter_map(|(&(a, b, _), _)| if a == p { Some(b) } else { (b == p).then_some(a) })
                .collect();
            let motion = piece.motion.around(from);
            let size = 0.5 * (area[p][0] + area[p][1]);
            StackedPiece {
                size,
                unit: piece.unit.unwrap_or(size),
                motion,
                parent,
                bounds: bounds[p],
                touches,
                only,
                vanishes: false,
                held: false,
                until: 0.5,
                pinned: None,
                sketched: Vec::new(),
            }
        })
        .collect()
}
