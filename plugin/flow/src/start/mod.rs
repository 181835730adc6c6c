//! The start flow between two keys, which the network then corrects.

mod affine;
mod coarse;
mod features;
mod fuse;
mod regions;
mod semi_global;

use rayon::prelude::*;

use inbetween_core::{Control, Error};

use crate::dis::{dis, rescale};
use crate::lines::same_lines;
use crate::map::{Map, warp};
use crate::net::config::Start;
use affine::affine;
use coarse::coarse;
pub(crate) use features::grey;
pub(crate) use features::{features, lab};
pub(crate) use fuse::Guided;
use fuse::{Judge, lightness, median, moments};
use regions::{Regions, match_regions};
use semi_global::semi_global;

/// Guide samples per sample of this search: motion is found at half the guides' size, which is
/// finer than the cells that the network starts from.
const UNIT: f32 = 2.0;

/// Cost that another hypothesis must save where semi-global matching is certain.
const LOYALTY: f32 = 5.0;

/// Difference of features from which a colour counts as changed.
const FADES: f32 = 5.0;
/// Discount on the ground's motion where it explains what is seen.
const GROUND: f32 = 8.0;
/// Distance (in samples) up to which another motion counts as the ground's.
const NEAR: f32 = 1.5;
/// Cost above which it explains nothing.
const EXPLAINED: f32 = 16.0;

/// Flows between the keys at half guide size, and how far each is trusted.
pub(crate) struct Flows {
    /// First to last key and back, in samples of half guide size: `[2, h, w]`.
    pub(crate) flow: [Map; 2],
    /// How far both keys agree in motion and in colour, 0..=1: `[1, h, w]`.
    pub(crate) confidence: [Map; 2],
    /// How surely something rests here and changes its colour, 0..=1: `[1, h, w]`.
    pub(crate) fades: Map,
}

/// Finds the flows between two keys by classical methods.
///
/// `guides: [3, 2 h, 2 w]`, display-referred; `small: [3, h, w]`, the same at half size. `ground`
/// is the motion of the ground over the whole picture in both directions, `[2, h, w]`, if it moves.
pub(crate) fn estimate(
    guides: [&Map; 2],
    small: [&Map; 2],
    start: Start,
    ground: Option<[Map; 2]>,
    control: &Control,
) -> Result<Flows, Error> {
    let grey = small.map(grey);
    let colours = small.map(lab);
    let looks = [features(&colours[0]), features(&colours[1])];
    control.check()?;
    let search = Search { guides, small, grey, colours, looks, ground, control };
    match start {
        Start::Hypotheses => search.hypotheses(),
        // The matcher still needs to know whether the keys show the same scene.
        Start::Dis | Start::Matcher => {
            let flow = search.dense(None);
            let confidence = confidence(&search.looks, &flow);
            let fades = search.fades(&flow);
            Ok(Flows { flow, confidence, fades })
        }
    }
}

struct Search<'a> {
    guides: [&'a Map; 2],
    small: [&'a Map; 2],
    grey: [Map; 2],
    colours: [Map; 2],
    looks: [Map; 2],
    ground: Option<[Map; 2]>,
    control: &'a Control,
}

/// A hypothesis about the motion: flows in both directions, and their costs.
struct Hypothesis {
    flow: [Map; 2],
    cost: [Map; 2],
}

impl Hypothesis {
    /// Takes over from `other` where it costs less.
    fn take(&mut self, other: &Self) {
        for k in 0..2 {
            let area = self.cost[k].area();
            for i in 0..area {
                if other.cost[k].v[i] < self.cost[k].v[i] {
                    self.cost[k].v[i] = other.cost[k].v[i];
                    for j in [i, area + i] {
                        self.flow[k].v[j] = other.flow[k].v[j];
                    }
                }
            }
        }
    }
}

impl Search<'_> {
    /// Dense inverse search in both directions, starting from `init` and the given number of levels
    /// up, if given.
    fn dense(&self, init: Option<(&[Map; 2], usize)>) -> [Map; 2] {
        let [a, b] = &self.grey;
        let from = |k: usize| init.map(|(flows, halvings)| (&flows[k], halvings));
        let (f, g) = rayon::join(|| dis(a, b, from(0)), || dis(b, a, from(1)));
        [f, g]
    }

    /// Several hypotheses, of which the cheapest is taken at each place and then smoothed.
    fn hypotheses(&self) -> Result<Flows, Error> {
        let (h, w) = (self.grey[0].h, self.grey[0].w);
        let middle = (h / 2) * w + w / 2;
        let base = self
            .ground
            .as_ref()
            .map_or([0.0; 2], |ground| [ground[0].v[middle], ground[0].v[h * w + middle]]);
        let ((joined, far), regions) = rayon::join(
            || {
                rayon::join(
                    || semi_global(self.small, &self.looks, base),
                    || coarse(self.guides).map(|f| rescale(&f, h, w)),
                )
            },
            || [0, 1].map(|k| Regions::of(&self.colours[k])),
        );
        self.control.check()?;
        let joined_fine = self.dense(Some((&joined, 1)));
        let matched = match_regions([&regions[0], &regions[1]], &far[0]);
        self.control.check()?;
        let judges = [0, 1].map(|k| Judge::new(&self.looks[k], &self.looks[1 - k]));
        let still = [Map::new(2, h, w), Map::new(2, h, w)];
        let sure = confidence(&self.looks, &joined_fine).map(|c| c.blur(4));
        let mut costs = [joined_fine, joined, still, far]
            .into_par_iter()
            .map(|flow| judged(&judges, flow))
            .collect::<Vec<_>>()
            .into_iter();
        self.control.check()?;
        let mut best = costs.next().expect("four explanations were judged");
        for (cost, sure) in best.cost.iter_mut().zip(&sure) {
            cost.v.iter_mut().zip(&sure.v).for_each(|(c, s)| *c -= LOYALTY * s);
        }
        costs.for_each(|other| best.take(&other));
        if let Some(whole) = affine(&best.flow[0]) {
            best.take(&judged(&judges, whole));
        }
        if let Some([a, b]) = matched {
            let mut moved = judged(&judges, [a.flow, b.flow]);
            for (cost, known) in moved.cost.iter_mut().zip([&a.known, &b.known]) {
                let elsewhere = cost.v.iter_mut().zip(known).filter(|(_, known)| !**known);
                elsewhere.for_each(|(cost, _)| *cost = f32::INFINITY);
            }
            best.take(&moved);
        }
        if let Some(ground) = &self.ground {
            best.take(&self.with_ground_preferred(judged(&judges, ground.clone()), &best));
        }
        self.control.check()?;
        let rough = [median(&best.flow[0]), median(&best.flow[1])];
        let fine = self.dense(Some((&rough, 1)));
        self.control.check()?;
        let mut best = judged(&judges, rough);
        best.take(&judged(&judges, fine));
        let fades = self.fades(&best.flow);
        for flow in &mut best.flow {
            let area = flow.area();
            for (i, fades) in fades.v.iter().enumerate() {
                flow.v[i] *= 1.0 - fades;
                flow.v[area + i] *= 1.0 - fades;
            }
        }
        let mut trust = confidence(&self.looks, &best.flow);
        for trust in &mut trust {
            trust.v.iter_mut().zip(&fades.v).for_each(|(t, f)| *t = t.max(*f));
        }
        let flow = [0, 1].map(|k| smooth(&best.flow[k], &trust[k], &self.looks[k]));
        Ok(Flows { flow, confidence: trust, fades })
    }
}

impl Search<'_> {
    /// Where the same lines are at the same place in other colours, and `flow` does not find these
    /// colours elsewhere, so something fades there.
    fn fades(&self, flow: &[Map; 2]) -> Map {
        let still = Map::new(2, self.grey[0].h, self.grey[0].w);
        let rests = difference(&self.looks[0], &self.looks[1], &still).blur(2);
        let moves = difference(&self.looks[0], &self.looks[1], &flow[0]).blur(2);
        let mut out = same_lines(self.small, [15, 5]);
        for ((out, rests), moves) in out.v.iter_mut().zip(&rests.v).zip(&moves.v) {
            let changes = (rests / FADES - 1.0).clamp(0.0, 1.0);
            let lost = (4.0 * moves / rests.max(1e-3) - 1.0).clamp(0.0, 1.0);
            *out *= changes * lost;
        }
        out.blur(2)
    }

    /// The ground's motion, with a discount where it explains visible structure. What moves with
    /// the whole picture then does not search for a motion of its own, as one picket of a fence
    /// might for another.
    fn with_ground_preferred(&self, mut ground: Hypothesis, other: &Hypothesis) -> Hypothesis {
        for (k, cost) in ground.cost.iter_mut().enumerate() {
            let seen = structure(&self.looks[k]);
            let (own, other) = (&ground.flow[k], &other.flow[k]);
            let area = own.area();
            for (i, (cost, seen)) in cost.v.iter_mut().zip(&seen.v).enumerate() {
                // The same motion, found more precisely.
                let [u, v] = [i, area + i].map(|i| own.v[i] - other.v[i]);
                if libm::hypotf(u, v) < NEAR {
                    *cost = f32::INFINITY;
                    continue;
                }
                let fits = (1.0 - *cost / EXPLAINED).clamp(0.0, 1.0);
                *cost -= GROUND * fits * seen;
            }
        }
        ground
    }
}

/// How much structure there is around a place, 0..=1: `[1, h, w]`
fn structure(look: &Map) -> Map {
    moments(&lightness(look), 5).1.map(|variance| (variance.sqrt() / 0.1).min(1.0))
}

/// The cost of `flow` in both directions.
fn judged(judges: &[Judge; 2], flow: [Map; 2]) -> Hypothesis {
    let (a, b) =
        rayon::join(|| judges[0].cost(&flow[0], &flow[1]), || judges[1].cost(&flow[1], &flow[0]));
    Hypothesis { cost: [a, b], flow }
}

/// Smooths along the drawing's edges, weighted by confidence: isolated outliers disappear, motion
/// boundaries that follow edges stay.
fn smooth(flow: &Map, confidence: &Map, look: &Map) -> Map {
    let filter = Guided::new(lightness(look), 3, 3e-3);
    let area = flow.area();
    let mut weighted = Map::stack(&[flow, confidence]);
    for i in 0..area {
        let weight = confidence.v[i] * confidence.v[i] + 1e-3;
        weighted.v[i] *= weight;
        weighted.v[area + i] *= weight;
        weighted.v[2 * area + i] = weight;
    }
    let mean = filter.run(&weighted);
    let mut out = flow.clone();
    for i in 0..area {
        let weight = mean.v[2 * area + i].max(1e-3);
        let (u, v) = (mean.v[i] / weight, mean.v[area + i] / weight);
        let away = libm::hypotf(flow.v[i] - u, flow.v[area + i] - v)
            / (2.0 / UNIT + 0.1 * libm::hypotf(u, v));
        let share = (away - 0.5).clamp(0.0, 1.0) * (1.2 - confidence.v[i]).clamp(0.0, 1.0);
        let share = share.max(0.35);
        out.v[i] += share * (u - flow.v[i]);
        out.v[area + i] += share * (v - flow.v[area + i]);
    }
    out
}

/// How far the two flows agree, and the colours that they connect.
fn confidence(looks: &[Map; 2], flows: &[Map; 2]) -> [Map; 2] {
    [0, 1].map(|k| {
        let (flow, back) = (&flows[k], &flows[1 - k]);
        let mut agree = consistency(flow, back);
        let differ = difference(&looks[k], &looks[1 - k], flow).blur(1);
        for (a, d) in agree.v.iter_mut().zip(&differ.v) {
            *a *= libm::expf(-d.min(60.0) / 18.0);
        }
        agree
    })
}

/// 1 where going there and back ends at the start, and less with growing distance.
fn consistency(flow: &Map, back: &Map) -> Map {
    let returned = warp(back, flow, 0);
    let area = flow.area();
    let mut out = Map::new(1, flow.h, flow.w);
    for (i, to) in out.v.iter_mut().enumerate() {
        let (u, v) = (flow.v[i], flow.v[area + i]);
        let error = libm::hypotf(u + returned.v[i], v + returned.v[area + i]);
        let error = error / (1.0 / UNIT + 0.08 * libm::hypotf(u, v));
        *to = libm::expf(-0.5 * error * error);
    }
    out
}

/// Sum over the channels of the difference between `a` and `b` when `flow` connects them: `[1, h,
/// w]`
pub(crate) fn difference(a: &Map, b: &Map, flow: &Map) -> Map {
    let moved = warp(b, flow, 0);
    let mut out = Map::new(1, a.h, a.w);
    for c in 0..a.c {
        for ((to, a), b) in out.v.iter_mut().zip(a.plane(c)).zip(moved.plane(c)) {
            *to += (a - b).abs();
        }
    }
    out
}
