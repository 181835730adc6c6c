//! Divides a drawing into closed regions of colour and the lines between them.

use crate::map::Map;
use crate::segments::{closed, components, grow, neighbours};

/// Share of the picture below which a region is ignored.
const LEAST: f32 = 1.2e-4;
/// Regions that are nowhere deeper than this (in samples) and darker than their surroundings are
/// lines.
const THIN: u32 = 3;

/// Length along the picture's border, as a share of its shorter side, from which a region counts as
/// reaching it.
const REACHES: f32 = 0.12;
/// Width of a frame line around the picture, in samples. A region behind it still reaches the
/// border.
const FRAME: usize = 4;
/// Share of a side that must be covered by lines along it for a frame.
const COVERED: f32 = 0.6;
/// Largest distance of lines from the region they belong to, in samples.
const LINE: usize = 8;

/// Difference from its surroundings (Lab) from which a line inside a region counts.
const STROKE: f32 = 14.0;

/// A region of one colour.
#[derive(Clone, Debug)]
pub(super) struct Region {
    pub(super) middle: [f32; 2],
    pub(super) area: f32,
    /// Mean Lab, lightness 0..=255.
    pub(super) colour: [f32; 3],
    /// Second central moments: xx, xy, yy.
    pub(super) moments: [f32; 3],
    /// Whether it reaches the picture's border along a substantial length, as grounds do.
    pub(super) at_border: bool,
    /// Whether it is part of a frame line around the picture.
    pub(super) frame: bool,
    /// Regions on the other side of a line, with the length of the common border in samples.
    pub(super) beside: Vec<(usize, u32)>,
}

/// All regions of a key.
pub(super) struct Regions {
    /// The region of each pixel, from 1; 0 on lines and between regions.
    pub(super) core: Vec<u16>,
    /// The same with lines assigned to the nearest region.
    pub(super) label: Vec<u16>,
    /// For each pixel on a line, the region on its other side, as in `label`; otherwise 0.
    pub(super) across: Vec<u16>,
    pub(super) list: Vec<Region>,
    pub(super) h: usize,
    pub(super) w: usize,
}

impl Regions {
    /// Finds the regions of a key from its Lab colours, `[3, h, w]`.
    pub(super) fn of(lab: &Map) -> Self {
        let (h, w) = (lab.h, lab.w);
        let (mut core, sizes) = components(&closed(lab), h, w);
        let depth = depths(&core, h, w);
        let mut deepest = vec![0u32; sizes.len()];
        for (l, d) in core.iter().zip(&depth) {
            if *l > 0 {
                let deepest = &mut deepest[*l as usize - 1];
                *deepest = (*deepest).max(*d);
            }
        }
        let least = (LEAST * (h * w) as f32).max(12.0);
        let dark = darkness(&core, sizes.len(), lab);
        // A long, thin, dark thing is a line rather than a surface.
        let keep: Vec<bool> = (0..sizes.len())
            .map(|k| {
                let line = deepest[k] <= THIN
                    && dark[k]
                    && sizes[k] as f32 > 12.0 * (deepest[k] * deepest[k]) as f32;
                sizes[k] as f32 >= least && !line
            })
            .collect();
        let mut order: Vec<usize> = (0..sizes.len()).filter(|&k| keep[k]).collect();
        // More regions than a drawing has are texture; the small ones are merged with their
        // neighbours.
        const MOST: usize = 400;
        if order.len() > MOST {
            order.sort_by_key(|&k| (std::cmp::Reverse(sizes[k]), k));
            order.truncate(MOST);
            order.sort_unstable();
        }
        let mut name = vec![0u16; sizes.len()];
        order.iter().enumerate().for_each(|(n, &k)| name[k] = n as u16 + 1);
        let mut core: Vec<u16> =
            core.drain(..).map(|l| if l > 0 { name[l as usize - 1] } else { 0 }).collect();
        let count = order.len() + strokes(&mut core, order.len(), lab);
        let mut label = core.clone();
        grow(&mut label, h, w);
        let list = measure(&core, &label, count, lab);
        let across = across(&core, &label, h, w);
        Self { core, label, across, list, h, w }
    }

    /// Whether pixel `i` is on a line along the picture's border.
    pub(super) fn of_frame(&self, i: usize) -> bool {
        let (x, y) = (i % self.w, i / self.w);
        let near = x.min(y).min(self.w - 1 - x).min(self.h - 1 - y) < FRAME;
        near && (self.core[i] == 0 || self.at(i).is_some_and(|k| self.list[k].frame))
    }

    /// The pixel that contains `at`, a place within the picture.
    pub(super) fn pixel(&self, at: [f32; 2]) -> usize {
        at[1] as usize * self.w + at[0] as usize
    }

    /// The region at pixel `i`.
    pub(super) fn at(&self, i: usize) -> Option<usize> {
        (self.label[i] as usize).checked_sub(1)
    }
}

/// Gives lines that run inside one region, such as a mouth, their own labels. Returns the number of
/// labels.
fn strokes(core: &mut [u16], named: usize, lab: &Map) -> usize {
    let (h, w, area) = (lab.h, lab.w, lab.area());
    let mut label = core.to_vec();
    grow(&mut label, h, w);
    let across = across(core, &label, h, w);
    let mut mean = vec![[0.0f64; 4]; named + 1];
    for (i, &l) in core.iter().enumerate() {
        let m = &mut mean[l as usize];
        m[3] += 1.0;
        (0..3).for_each(|c| m[c] += f64::from(lab.v[c * area + i]));
    }
    let ink: Vec<bool> = (0..area)
        .map(|i| {
            let m = &mean[label[i] as usize];
            let d = [0, 1, 2].map(|c| lab.v[c * area + i] - (m[c] / m[3].max(1.0)) as f32);
            let far = (d[0] * d[0] / 6.5 + d[1] * d[1] + d[2] * d[2]).sqrt();
            core[i] == 0 && across[i] == 0 && far > STROKE
        })
        .collect();
    let (names, sizes) = components(&ink, h, w);
    let mut given = vec![0u16; sizes.len()];
    let mut count = 0;
    for (to, &size) in given.iter_mut().zip(&sizes) {
        if size >= 12 && named + count < 600 {
            count += 1;
            *to = (named + count) as u16;
        }
    }
    for (to, name) in core.iter_mut().zip(names) {
        if name > 0 && given[name as usize - 1] > 0 {
            *to = given[name as usize - 1];
        }
    }
    count
}

/// Steps from each pixel to the nearest one with another label.
fn depths(label: &[u32], h: usize, w: usize) -> Vec<u32> {
    let mut depth = vec![u32::MAX; h * w];
    let mut front: Vec<usize> = (0..h * w)
        .filter(|&i| neighbours(i, h, w).into_iter().flatten().any(|n| label[n] != label[i]))
        .collect();
    let mut d = 1;
    while !front.is_empty() {
        let mut next = Vec::new();
        for i in front {
            if depth[i] == u32::MAX {
                depth[i] = d;
                next.extend(
                    neighbours(i, h, w).into_iter().flatten().filter(|&n| depth[n] == u32::MAX),
                );
            }
        }
        front = next;
        d += 1;
    }
    depth
}

/// Whether each component is as dark as ink.
fn darkness(label: &[u32], count: usize, lab: &Map) -> Vec<bool> {
    let mut sum = vec![[0.0f64; 2]; count];
    for (l, light) in label.iter().zip(lab.plane(0)) {
        if *l > 0 {
            let sum = &mut sum[*l as usize - 1];
            sum[0] += f64::from(*light);
            sum[1] += 1.0;
        }
    }
    sum.iter().map(|s| s[0] < 90.0 * s[1]).collect()
}

/// For each pixel on a line, the region on its other side, otherwise 0: the second nearest region.
fn across(core: &[u16], label: &[u16], h: usize, w: usize) -> Vec<u16> {
    let mut out = vec![0u16; h * w];
    let mut front: Vec<(usize, u16)> = Vec::new();
    for i in 0..h * w {
        for n in neighbours(i, h, w).into_iter().flatten() {
            if label[n] != label[i] && out[i] == 0 {
                out[i] = label[n];
                front.push((i, label[n]));
            }
        }
    }
    for _ in 0..LINE {
        let mut next = Vec::new();
        for (i, name) in front {
            for n in neighbours(i, h, w).into_iter().flatten() {
                if out[n] == 0 && core[n] == 0 && label[n] != name {
                    out[n] = name;
                    next.push((n, name));
                }
            }
        }
        front = next;
    }
    out
}

/// Which of the `thin` things at the picture's border are frame lines, which cover most of a side.
/// Also how far each region runs along the border, or along a frame line there, in samples.
fn borders(
    core: &[u16],
    label: &[u16],
    thin: &[bool],
    h: usize,
    w: usize,
) -> (Vec<bool>, Vec<usize>) {
    let (mut frame, mut length) = (vec![false; thin.len()], vec![0; thin.len()]);
    let named = |l: u16| (l as usize).checked_sub(1);
    // Places along a side, and the place behind a frame line for each.
    let (far_y, far_x) = (FRAME.min(h - 1), FRAME.min(w - 1));
    let sides: [Vec<[usize; 2]>; 4] = [
        (0..w).map(|x| [x, far_y * w + x]).collect(),
        (0..w).map(|x| [(h - 1) * w + x, (h - 1 - far_y) * w + x]).collect(),
        (0..h).map(|y| [y * w, y * w + far_x]).collect(),
        (0..h).map(|y| [y * w + w - 1, y * w + w - 1 - far_x]).collect(),
    ];
    for side in sides {
        let line = |at: usize| named(core[at]).filter(|&k| thin[k]);
        let covered = side.iter().filter(|[at, _]| line(*at).is_some()).count();
        let framed = covered as f32 > COVERED * side.len() as f32;
        for [at, behind] in side {
            if let Some(k) = named(label[at]) {
                length[k] += 1;
            }
            if let Some(k) = line(at).filter(|_| framed) {
                frame[k] = true;
                if let Some(k) = named(label[behind]).filter(|&m| m != k) {
                    length[k] += 1;
                }
            }
        }
    }
    (frame, length)
}

fn measure(core: &[u16], label: &[u16], count: usize, lab: &Map) -> Vec<Region> {
    let (h, w, area) = (lab.h, lab.w, lab.area());
    // Area, x, y, xx, xy, yy; and for the core alone: area, three colours.
    let mut sums = vec![[0.0f64; 10]; count];
    let mut frame = vec![0usize; count];
    let mut beside = vec![std::collections::BTreeMap::<usize, u32>::new(); count];
    for (i, &l) in label.iter().enumerate() {
        let Some(k) = (l as usize).checked_sub(1) else { continue };
        let (x, y) = (i % w, i / w);
        frame[k] += usize::from(x.min(y).min(w - 1 - x).min(h - 1 - y) < FRAME);
        for n in [(x + 1 < w).then_some(i + 1), (y + 1 < h).then_some(i + w)].into_iter().flatten()
        {
            if let Some(m) = (label[n] as usize).checked_sub(1).filter(|&m| m != k) {
                *beside[k].entry(m).or_default() += 1;
                *beside[m].entry(k).or_default() += 1;
            }
        }
        let (x, y) = (x as f64, y as f64);
        for (sum, v) in sums[k].iter_mut().zip([1.0, x, y, x * x, x * y, y * y]) {
            *sum += v;
        }
        if core[i] == l {
            sums[k][6] += 1.0;
            for c in 0..3 {
                sums[k][7 + c] += f64::from(lab.v[c * area + i]);
            }
        }
    }
    let thin: Vec<bool> =
        sums.iter().zip(&frame).map(|(s, n)| 10.0 * (s[0] - *n as f64) < s[0]).collect();
    let (frame, border) = borders(core, label, &thin, h, w);
    sums.iter()
        .zip(border.into_iter().zip(frame))
        .zip(beside)
        .map(|((s, (border, frame)), beside)| {
            let n = s[0].max(1.0);
            let (x, y) = (s[1] / n, s[2] / n);
            let moments = [s[3] / n - x * x + 0.1, s[4] / n - x * y, s[5] / n - y * y + 0.1];
            let colour = [0, 1, 2].map(|c| (s[7 + c] / s[6].max(1.0)) as f32);
            Region {
                middle: [x as f32, y as f32],
                area: s[0] as f32,
                colour,
                moments: moments.map(|m| m as f32),
                at_border: border as f32 >= REACHES * h.min(w) as f32,
                frame,
                beside: beside.into_iter().collect(),
            }
        })
        .collect()
}
