//! Converts the start flow to the network's input: the flow of each cell, and how much it counts.

use crate::map::{Map, warp};
use crate::net::{CELL, Matched};
use crate::start::Flows;

/// Weight of a sample that is not trusted at all, so that every cell gets a flow.
const LEAST: f32 = 1e-2;

/// How much more a cell counts per squared cell that it moves against the ground.
const BEFORE: f32 = 0.25;

/// Motion against the ground, in cells, beyond which its weight stops growing.
const FAR: f32 = 8.0;

/// Flows at half guide size in the form that the network expects: means over cells, measured in
/// cells, and trusted where both directions agree.
///
/// Across an outline a plain mean would be neither of the two motions, so samples are weighted by
/// how far they are trusted.
pub(crate) fn to_cells(flows: &Flows) -> Matched {
    let flow = [0, 1].map(|k| {
        let mut sums = Map::stack(&[&flows.flow[k], &flows.confidence[k]]);
        let area = sums.area();
        for i in 0..area {
            let weight = sums.v[2 * area + i] + LEAST;
            sums.v[i] *= weight;
            sums.v[area + i] *= weight;
            sums.v[2 * area + i] = weight;
        }
        let sums = sums.pool(CELL / 2);
        let mut mean = sums.channels(0, 2);
        let area = mean.area();
        for (i, weight) in sums.plane(2).iter().enumerate() {
            let part = 1.0 / (weight * (CELL / 2) as f32);
            mean.v[i] *= part;
            mean.v[area + i] *= part;
        }
        mean
    });
    let confidence = [0, 1].map(|k| {
        let (flow, back) = (&flow[k], warp(&flow[1 - k], &flow[k], 0));
        let area = flow.area();
        let mut out = Map::new(1, flow.h, flow.w);
        for (i, to) in out.v.iter_mut().enumerate() {
            let error = libm::hypotf(flow.v[i] + back.v[i], flow.v[area + i] + back.v[area + i]);
            *to = libm::expf(-error);
        }
        out
    });
    Matched { flow, confidence }
}

/// Where several cells arrive at one place, the cells that move against the ground decide. What
/// moves is in front of what rests; otherwise most of it would never have been drawn.
pub(crate) fn before_ground(matched: &mut Matched) {
    for (flow, counts) in matched.flow.iter().zip(&mut matched.confidence) {
        let ground = [0, 1].map(|c| median(flow.plane(c)));
        let area = flow.area();
        for (i, counts) in counts.v.iter_mut().enumerate() {
            let away = libm::hypotf(flow.v[i] - ground[0], flow.v[area + i] - ground[1]).min(FAR);
            *counts *= 1.0 + BEFORE * away * away;
        }
    }
}

/// The median; 0 for an empty list.
fn median(values: &[f32]) -> f32 {
    let mut sorted = values.to_vec();
    let middle = sorted.len() / 2;
    if sorted.is_empty() { 0.0 } else { *sorted.select_nth_unstable_by(middle, f32::total_cmp).1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trusted_motion_decides_in_a_cell_on_an_outline() {
        let mut flow = Map::new(2, 8, 8);
        let mut trust = Map::new(1, 8, 8);
        for y in 0..8 {
            for x in 0..8 {
                // A quarter of each cell moves 8 samples and is trusted.
                if x % 4 == 0 {
                    flow.v[y * 8 + x] = 8.0;
                    trust.v[y * 8 + x] = 1.0;
                }
            }
        }
        let back = flow.clone().map(|v| -v);
        let fades = Map::new(1, 8, 8);
        let flows = Flows { flow: [flow, back], confidence: [trust.clone(), trust], fades };
        let cells = to_cells(&flows);
        assert!(cells.flow[0].plane(0).iter().all(|&u| u > 1.9), "{:?}", cells.flow[0].v);
    }

    #[test]
    fn what_moves_against_the_ground_counts_more() {
        let mut flow = Map::new(2, 4, 6);
        // The ground pans by three cells; one cell stands still, one moves with the pan.
        flow.plane_mut(0).fill(3.0);
        flow.v[7] = 0.0;
        let one = Map { c: 1, h: 4, w: 6, v: vec![1.0; 24] };
        let mut matched = Matched { flow: [flow.clone(), flow], confidence: [one.clone(), one] };
        before_ground(&mut matched);
        let counts = &matched.confidence[0].v;
        assert_eq!(counts[8], 1.0);
        assert!((counts[7] - (1.0 + BEFORE * 9.0)).abs() < 1e-6);
    }
}
