//! The first flow between two keys, which the network then corrects.

mod affine;
mod coarse;
mod features;
mod fuse;
mod regions;

use rayon::prelude::*;

use inbetween_core::{Control, Error};

use crate::dis::dis;
use crate::map::{Map, warp};
use crate::net::config::Start;
use affine::affine;
use coarse::coarse;
use features::{features, grey, lab};
use fuse::{Guided, Judge, lightness, median, take};
use regions::{Regions, match_regions};

/// Flows between the keys at guide size, with how far each is trusted.
pub(crate) struct Flows {
    /// First to last key and back, in guide samples: `[2, h, w]`.
    pub(crate) flow: [Map; 2],
    /// Both keys agree, in motion and in colour, 0..=1: `[1, h, w]`.
    pub(crate) confidence: [Map; 2],
}

/// Finds the flows between `pictures` (`[3, h, w]`, display-referred) by classical means.
pub(crate) fn estimate(
    pictures: [&Map; 2],
    start: Start,
    control: &Control,
) -> Result<Flows, Error> {
    let grey = pictures.map(grey);
    let colours = pictures.map(lab);
    let looks = [features(&colours[0]), features(&colours[1])];
    control.check()?;
    let search = Search { pictures, grey, colours, looks, control };
    match start {
        Start::Hypotheses => search.hypotheses(),
        // The matcher still needs to know whether the keys show one scene.
        Start::Dis | Start::Matcher => {
            let flow = search.dense([None, None], 1);
            let confidence = confidence(&search.looks, &flow);
            Ok(Flows { flow, confidence })
        }
    }
}

struct Search<'a> {
    pictures: [&'a Map; 2],
    grey: [Map; 2],
    colours: [Map; 2],
    looks: [Map; 2],
    control: &'a Control,
}

/// One explanation of the motion: flows both ways, and their costs.
struct Hypothesis {
    flow: [Map; 2],
    cost: [Map; 2],
}

impl Search<'_> {
    /// Dense inverse search both ways.
    fn dense(&self, init: [Option<&Map>; 2], finest: usize) -> [Map; 2] {
        let [a, b] = &self.grey;
        let (f, g) = rayon::join(|| dis(a, b, init[0], finest), || dis(b, a, init[1], finest));
        [f, g]
    }

    /// Several explanations, the cheapest for each place, then made whole.
    fn hypotheses(&self) -> Result<Flows, Error> {
        let (h, w) = (self.grey[0].h, self.grey[0].w);
        let ((dense, far), regions) = rayon::join(
            || rayon::join(|| self.dense([None, None], 1), || coarse(self.pictures)),
            || [0, 1].map(|k| Regions::of(&self.colours[k])),
        );
        self.control.check()?;
        let refined = self.dense([Some(&far[0]), Some(&far[1])], 1);
        self.control.check()?;
        let judges = [
            Judge::new(&self.looks[0], &self.looks[1], [3, 9]),
            Judge::new(&self.looks[1], &self.looks[0], [3, 9]),
        ];
        let judge = |flow: [Map; 2]| {
            let (a, b) = rayon::join(
                || judges[0].cost(&flow[0], &flow[1]),
                || judges[1].cost(&flow[1], &flow[0]),
            );
            Hypothesis { cost: [a, b], flow }
        };
        let matched = match_regions([&regions[0], &regions[1]], &far[0]);
        let rest = [Map::new(2, h, w), Map::new(2, h, w)];
        let all: Vec<Hypothesis> = [dense, rest, refined, far].into_par_iter().map(judge).collect();
        self.control.check()?;
        let mut best = [0, 1].map(|k| (all[0].flow[k].clone(), all[0].cost[k].clone()));
        let consider = |best: &mut [(Map, Map); 2], h: &Hypothesis| {
            best.iter_mut().enumerate().for_each(|(k, b)| take(b, &h.flow[k], &h.cost[k]));
        };
        all[1..].iter().for_each(|h| consider(&mut best, h));
        if let Some(whole) = affine(&best[0].0) {
            consider(&mut best, &judge(whole));
        }
        if let Some([a, b]) = &matched {
            let mut h = judge([a.flow.clone(), b.flow.clone()]);
            for (cost, known) in h.cost.iter_mut().zip([&a.known, &b.known]) {
                cost.v.iter_mut().zip(known).filter(|k| !k.1).for_each(|k| *k.0 = 1e6);
            }
            consider(&mut best, &h);
        }
        self.control.check()?;
        let rough = best.map(|(flow, _)| median(&flow));
        let flow = self.refine(rough);
        self.control.check()?;
        let mut trust = confidence(&self.looks, &flow);
        let mut flow = [0, 1].map(|k| smooth(&flow[k], &trust[k], &self.looks[k]));
        let matched = matched.map(|m| m.map(Some)).unwrap_or([None, None]);
        for k in 0..2 {
            regions[k].regularise(&mut flow[k], &mut trust[k], matched[k].as_ref());
        }
        Ok(Flows { flow, confidence: trust })
    }

    /// Searches once more from `rough`, at full size; keeps the result where it is no worse.
    fn refine(&self, rough: [Map; 2]) -> [Map; 2] {
        let fine = self.dense([Some(&rough[0]), Some(&rough[1])], 0);
        let choose = |k: usize| {
            let judge = Judge::new(&self.looks[k], &self.looks[1 - k], [2, 4]);
            let mut best = (rough[k].clone(), judge.cost(&rough[k], &rough[1 - k]));
            take(&mut best, &fine[k], &judge.cost(&fine[k], &fine[1 - k]));
            best.0
        };
        let (a, b) = rayon::join(|| choose(0), || choose(1));
        [a, b]
    }
}

/// Smooths along the drawing's edges, weighted by confidence: isolated outliers go, motion
/// boundaries that follow edges stay.
fn smooth(flow: &Map, confidence: &Map, look: &Map) -> Map {
    let filter = Guided::new(lightness(look), 6, 3e-3);
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
        let away = (flow.v[i] - u).hypot(flow.v[area + i] - v) / (2.0 + 0.1 * u.hypot(v));
        let share = (away - 0.5).clamp(0.0, 1.0) * (1.2 - confidence.v[i]).clamp(0.0, 1.0);
        let share = share.max(0.35);
        out.v[i] += share * (u - flow.v[i]);
        out.v[area + i] += share * (v - flow.v[area + i]);
    }
    out
}

/// Agreement of the two flows and of the colours that they join.
fn confidence(looks: &[Map; 2], flows: &[Map; 2]) -> [Map; 2] {
    [0, 1].map(|k| {
        let (flow, back) = (&flows[k], &flows[1 - k]);
        let mut agree = consistency(flow, back);
        let differ = difference(&looks[k], &looks[1 - k], flow).blur(2);
        for (a, d) in agree.v.iter_mut().zip(&differ.v) {
            *a *= (-d.min(60.0) / 18.0).exp();
        }
        agree
    })
}

/// 1 where going and coming back ends at the start, falling with the distance.
fn consistency(flow: &Map, back: &Map) -> Map {
    let returned = warp(back, flow, 0);
    let area = flow.area();
    let mut out = Map::new(1, flow.h, flow.w);
    for (i, to) in out.v.iter_mut().enumerate() {
        let (u, v) = (flow.v[i], flow.v[area + i]);
        let error = (u + returned.v[i]).hypot(v + returned.v[area + i]) / (1.0 + 0.08 * u.hypot(v));
        *to = (-0.5 * error * error).exp();
    }
    out
}

/// Sum over the channels of what differs when `flow` joins `a` to `b`: `[1, h, w]`
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
