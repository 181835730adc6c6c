//! What registration compares: colours and lines of a key at several sizes, and sample points.

use super::regions::Regions;
use super::transform::{Affine, Point};
use crate::map::Map;
use crate::segments::neighbours;
use crate::start::{features, lab};

/// Number of sizes of a key: the guide's, a half, a quarter and an eighth.
pub(super) const LEVELS: usize = 4;
/// Difference of two features at which they no longer agree at all: for a pale shadow against its
/// ground, and for a thing with a dark outline.
const UNLIKE: [f32; 2] = [26.0, 80.0];
/// Agreement of a point that leaves the picture, about which nothing is known.
const OUTSIDE: f32 = 0.2;
/// Share of its points that must stay in the picture for a motion to be judged; with fewer, the
/// region counts as leaving.
pub(super) const STAYS: f32 = 0.4;
/// Weight of a point that lands on something already explained.
const TAKEN: f32 = 0.25;

/// Colour (smoothed Lab) and line strength of a pixel.
pub(super) type Feature = [f32; 4];

/// A key at one size.
struct Level {
    h: usize,
    w: usize,
    v: Vec<Feature>,
}

/// A key at all sizes.
pub(super) struct Appearance {
    levels: Vec<Level>,
}

impl Appearance {
    /// `guide: [3, h, w]`, display-referred; `colours` is its Lab.
    pub(super) fn of(guide: &Map, colours: &Map) -> Self {
        let levels = (0..LEVELS)
            .map(|level| {
                let k = 1 << level;
                let small = || guide.shrink(guide.h.div_ceil(k), guide.w.div_ceil(k));
                let feature = if level == 0 { features(colours) } else { features(&lab(&small())) };
                let area = feature.area();
                // Lines count half, because they differ most when they are slightly off.
                let share = [1.0, 1.0, 1.0, 0.5];
                let at = |i: usize| [0, 1, 2, 3].map(|c| share[c] * feature.v[c * area + i]);
                let v = (0..area).map(at).collect();
                Level { h: feature.h, w: feature.w, v }
            })
            .collect();
        Self { levels }
    }

    /// The feature nearest to `p` (in guide samples).
    #[inline]
    fn at(&self, level: usize, p: Point) -> Option<Feature> {
        let l = &self.levels[level];
        let scale = 1.0 / (1 << level) as f32;
        let (x, y) = ((p[0] + 0.5) * scale, (p[1] + 0.5) * scale);
        if !(x >= 0.0 && y >= 0.0 && x < l.w as f32 && y < l.h as f32) {
            return None;
        }
        Some(l.v[y as usize * l.w + x as usize])
    }
}

/// A point of a group: its place, and its features at all sizes.
#[derive(Clone)]
pub(super) struct SamplePoint {
    pub(super) at: Point,
    pub(super) weight: f32,
    /// Difference at which it no longer agrees.
    unlike: f32,
    appearance: [Feature; LEVELS],
}

impl SamplePoint {
    /// How well it agrees with the other key around `q`.
    fn like(&self, q: Point, other: &Appearance, explained: Option<&Explained>) -> f32 {
        [[0.0, 0.0], [2.0, 0.0], [-2.0, 0.0], [0.0, 2.0], [0.0, -2.0]]
            .iter()
            .filter_map(|d| {
                let r = [q[0] + d[0], q[1] + d[1]];
                let feature = other.at(1, r)?;
                let like = (1.0 - away(&self.appearance[1], &feature) / self.unlike).max(0.0);
                Some(if explained.is_some_and(|t| t.at(r)) { TAKEN * like } else { like })
            })
            .reduce(f32::max)
            .unwrap_or(OUTSIDE)
    }
}

/// A group of points that move together.
#[derive(Clone)]
pub(super) struct Group {
    pub(super) points: Vec<SamplePoint>,
    /// Centre of the region they represent.
    pub(super) middle: Point,
    /// Radius of that region.
    pub(super) reach: f32,
    /// Second central moments: xx, xy, yy.
    pub(super) moments: [f32; 3],
}

/// How points count that a motion moves out of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    /// They agree little.
    Disagrees,
    /// Not at all, as when a camera pans; the agreement is 0 if too few points stay.
    IsLeftOut,
}

impl Group {
    /// The points of region `k`, as many on its outline as inside.
    pub(super) fn of_region(
        regions: &Regions,
        k: usize,
        places: &[u32],
        appearance: &Appearance,
    ) -> Self {
        let (h, w) = (regions.h, regions.w);
        let name = k as u16 + 1;
        let (mut edge, mut inside) = (Vec::new(), Vec::new());
        for &i in places {
            let i = i as usize;
            if regions.core[i] == name {
                inside.push(i);
            } else {
                edge.push(i);
            }
        }
        // A region without lines uses its own rim.
        if edge.is_empty() {
            edge = inside
                .iter()
                .copied()
                .filter(|&i| {
                    neighbours(i, h, w).into_iter().flatten().any(|n| regions.label[n] != name)
                })
                .collect();
        }
        let region = &regions.list[k];
        // Larger regions count more, but less than in proportion to their area.
        let whole = region.area.sqrt();
        let few = |from: &[usize], most: usize| -> Vec<usize> {
            let step = (from.len() as f32 / most as f32).max(1.0);
            (0..((from.len() as f32 / step) as usize))
                .map(|n| from[(n as f32 * step) as usize])
                .collect()
        };
        let (edge, inside) = (few(&edge, 72), few(&inside, 48));
        let mut points = Vec::with_capacity(edge.len() + inside.len());
        // Regions that hardly stand out need better agreement: inside, judged against the colour
        // across most of the outline; on the outline, against the inside.
        let feature_of = |c: [f32; 3]| [0.6 * c[0], c[1], c[2], 0.0];
        let own = feature_of(region.colour);
        let around = region.beside.iter().max_by_key(|b| b.1);
        let contrast =
            around.map_or(UNLIKE[1], |b| away(&feature_of(regions.list[b.0].colour), &own));
        let within = if contrast < 8.0 { UNLIKE[1] } else { contrast.clamp(UNLIKE[0], UNLIKE[1]) };
        for (some, share) in [(&edge, 0.6f32), (&inside, 0.4)] {
            for &i in some {
                let at = [(i % w) as f32, (i / w) as f32];
                let appearance: [Feature; LEVELS] =
                    std::array::from_fn(|l| appearance.at(l, at).unwrap_or_default());
                let unlike = if regions.core[i] == name {
                    within
                } else {
                    (1.5 * away(&appearance[0], &own)).clamp(UNLIKE[0], UNLIKE[1])
                };
                points.push(SamplePoint {
                    at,
                    weight: share * whole / some.len() as f32,
                    unlike,
                    appearance,
                });
            }
        }
        let m = region.moments;
        let reach = (m[0] + m[2]).sqrt().max(2.0);
        Self { points, middle: region.middle, reach, moments: m }
    }

    /// Several groups combined; `areas` weight their centres.
    pub(super) fn together(parts: &[(&Self, f32)]) -> Self {
        let all: f32 = parts.iter().map(|p| p.1).sum::<f32>().max(1.0);
        let mut middle = [0.0; 2];
        for (group, area) in parts {
            for (sum, own) in middle.iter_mut().zip(group.middle) {
                *sum += own * area / all;
            }
        }
        let mut moments = [0.0; 3];
        for (group, area) in parts {
            let d = [group.middle[0] - middle[0], group.middle[1] - middle[1]];
            let own = [d[0] * d[0], d[0] * d[1], d[1] * d[1]];
            for k in 0..3 {
                moments[k] += (group.moments[k] + own[k]) * area / all;
            }
        }
        let points = parts.iter().flat_map(|p| p.0.points.iter().cloned()).collect();
        let reach = (moments[0] + moments[2]).sqrt().max(2.0);
        Self { points, middle, reach, moments }
    }

    /// How well `motion` maps these points onto similar ones in the other key, 0..=1.
    ///
    /// `explained` is the part of the other key that is already explained, at guide size.
    pub(super) fn agreement(
        &self,
        motion: &Affine,
        other: &Appearance,
        explained: &Explained,
        level: usize,
        leaving: Leaving,
    ) -> f32 {
        let outside = match leaving {
            Leaving::Disagrees => Some(OUTSIDE),
            Leaving::IsLeftOut if self.within(motion, other) < STAYS => return 0.0,
            Leaving::IsLeftOut => None,
        };
        let (mut sum, mut all) = (0.0f32, 1e-6f32);
        for p in &self.points {
            let q = motion.at(p.at);
            let like = match other.at(level, q) {
                None => outside,
                Some(feature) => {
                    let like = (1.0 - away(&p.appearance[level], &feature) / p.unlike).max(0.0);
                    Some(if explained.at(q) { TAKEN * like } else { like })
                }
            };
            if let Some(like) = like {
                all += p.weight;
                sum += p.weight * like;
            }
        }
        sum / all
    }

    /// How well the points agree, with tolerance for lines that are slightly off: the best within
    /// one pixel at half size.
    pub(super) fn follows(
        &self,
        motion: &Affine,
        other: &Appearance,
        explained: Option<&Explained>,
    ) -> f32 {
        let (mut sum, mut all) = (0.0f32, 1e-6f32);
        for p in &self.points {
            all += p.weight;
            sum += p.weight * p.like(motion.at(p.at), other, explained);
        }
        sum / all
    }

    /// Each point, and how well it agrees with the place to which `motion` carries it, with the
    /// same tolerance, 0..=1.
    pub(super) fn likes(
        &self,
        motion: &Affine,
        other: &Appearance,
    ) -> impl Iterator<Item = (&SamplePoint, f32)> {
        self.points.iter().map(move |p| (p, p.like(motion.at(p.at), other, None)))
    }

    /// Total weight of the points.
    pub(super) fn weight(&self) -> f32 {
        self.points.iter().map(|p| p.weight).sum()
    }

    /// Share of the points that stay in the picture.
    pub(super) fn within(&self, motion: &Affine, other: &Appearance) -> f32 {
        let inside = |p: &&SamplePoint| other.at(0, motion.at(p.at)).is_some();
        self.points.iter().filter(inside).count() as f32 / self.points.len().max(1) as f32
    }
}

fn away(a: &Feature, b: &Feature) -> f32 {
    (0..4).map(|c| (a[c] - b[c]).abs()).sum()
}

/// The part of a key that is already explained.
pub(super) struct Explained {
    pub(super) w: usize,
    pub(super) v: Vec<bool>,
}

impl Explained {
    pub(super) fn none(h: usize, w: usize) -> Self {
        Self { w, v: vec![false; h * w] }
    }

    #[inline]
    fn at(&self, p: Point) -> bool {
        let (x, y) = ((p[0] + 0.5).max(0.0) as usize, (p[1] + 0.5).max(0.0) as usize);
        self.v.get(y * self.w + x.min(self.w - 1)).copied().unwrap_or(false)
    }
}
