//! Where the drawing already agrees with a sketch.

use super::STEP;
use super::line_points::Point;
use crate::map::Map;

/// Distance in guide samples over which a line indicates that nothing has to change.
const BESIDE: f32 = 8.0;
/// Weight of lines that do not fit, relative to those that do.
const NEED: f32 = 2.0;
/// Total weight of nearby lines below which a place counts as not covered by the sketch.
const HEARD: f32 = 0.1;

/// How far the sketch lines around each place already fit, 0..=1, and 0 where there are none: `[1,
/// h, w]`, one value for every [`STEP`] guide samples. `needs` says how much each point of `sketch`
/// has to move, 0..=1.
pub(super) fn agreed(sketch: &[Point], needs: &[f32], h: usize, w: usize) -> Map {
    let (mut sums, mut out) = (Map::new(2, h, w), Map::new(1, h, w));
    let reach = BESIDE / STEP as f32;
    let around = |c: f32, n: usize| {
        let (low, high) = ((c - 3.0 * reach).max(0.0), (c + 3.0 * reach + 1.0).max(0.0));
        low as usize..(high as usize).min(n)
    };
    for (p, need) in sketch.iter().zip(needs) {
        let [x, y] = [p.x, p.y].map(|v| (v + 0.5) / STEP as f32 - 0.5);
        for row in around(y, h) {
            for column in around(x, w) {
                let apart = (column as f32 - x).powi(2) + (row as f32 - y).powi(2);
                let weight = libm::expf(-0.5 * apart / (reach * reach));
                sums.v[row * w + column] += weight;
                sums.v[(h + row) * w + column] += weight * need;
            }
        }
    }
    for (to, (all, missed)) in out.v.iter_mut().zip(sums.plane(0).iter().zip(sums.plane(1))) {
        if *all > HEARD {
            *to = (1.0 - NEED * missed / all).max(0.0);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_places_beside_lines_that_fit_stay() {
        let line = |x: f32| (0..10).map(move |n| Point { x, y: 40.0 + 4.0 * n as f32, angle: 0.0 });
        let sketch: Vec<Point> = line(40.0).chain(line(160.0)).collect();
        let needs: Vec<f32> = sketch.iter().map(|p| if p.x < 100.0 { 0.0 } else { 1.0 }).collect();
        let fits = agreed(&sketch, &needs, 30, 60);
        let at = |x: usize, y: usize| fits.v[y / STEP * 60 + x / STEP];
        assert_eq!((at(40, 60), at(46, 60)), (1.0, 1.0), "beside the line that fits");
        assert_eq!(at(160, 60), 0.0, "beside the line that does not");
        assert_eq!((at(100, 60), at(40, 8)), (0.0, 0.0), "where no line is");
    }
}
