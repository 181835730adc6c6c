//! The first flow between two keys, which the network then corrects.

pub(crate) mod features;

use inbetween_core::{Control, Error};

use crate::dis::dis;
use crate::map::{Map, warp};
use crate::net::config::Start;
use features::{features, grey, lab};

/// Flows between the keys at guide size, with how far each is trusted.
pub(crate) struct Flows {
    /// First to last key and back, in guide samples: `[2, h, w]`.
    pub(crate) flow: [Map; 2],
    /// Both keys agree, in motion and in colour, 0..=1: `[1, h, w]`.
    pub(crate) confidence: [Map; 2],
}

/// Finds the flows by classical means.
pub(crate) fn estimate(
    pictures: [&Map; 2],
    _start: Start,
    control: &Control,
) -> Result<Flows, Error> {
    let grey = pictures.map(grey);
    control.check()?;
    let (f01, f10) =
        rayon::join(|| dis(&grey[0], &grey[1], None, 1), || dis(&grey[1], &grey[0], None, 1));
    control.check()?;
    let looks = pictures.map(|p| features(&lab(p)));
    let confidence = confidence(&looks, [&f01, &f10]);
    Ok(Flows { flow: [f01, f10], confidence })
}

/// Agreement of the two flows and of the colours that they join.
fn confidence(looks: &[Map; 2], flows: [&Map; 2]) -> [Map; 2] {
    [0, 1].map(|k| {
        let (flow, back) = (flows[k], flows[1 - k]);
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
