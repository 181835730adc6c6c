//! Compares lines independently of their colours.

use crate::map::Map;

/// Mean squared slope below which there is no line to compare.
const FLAT: f32 = 2e-6;

/// How surely two pictures `[3, h, w]` show the same lines at each place, whatever their colours,
/// 0..=1: `[1, h, w]`.
///
/// Computed as the correlation of their slopes over a window, which does not change with light,
/// tint or opacity. `reaches` are the windows' samples to each side: one for places without a line
/// nearby, one for places with one.
pub(crate) fn same_lines(pictures: [&Map; 2], reaches: [usize; 2]) -> Map {
    let sums = slopes(pictures);
    let mut out = Map::new(1, sums.h, sums.w);
    // Inside a plain shape the nearest lines are farther away.
    for reach in reaches {
        alike(&sums.blur(reach), &mut out);
    }
    out
}

/// Sets `out: [1, h, w]` to how surely the lines are the same, 0..=1, where `sums` of [`slopes`]
/// over some area hold any.
pub(crate) fn alike(sums: &Map, out: &mut Map) {
    let area = sums.area();
    for (i, to) in out.v.iter_mut().enumerate() {
        let [ab, aa, bb] = [0, 1, 2].map(|c| sums.v[c * area + i]);
        if aa.min(bb) >= FLAT {
            let alike = ab / (aa * bb).sqrt();
            *to = ((alike - 0.85) / 0.1).clamp(0.0, 1.0);
        }
    }
}

/// Products of the slopes of two pictures `[3, h, w]`: first by last, first by first, last by last,
/// `[3, h, w]`.
pub(crate) fn slopes(pictures: [&Map; 2]) -> Map {
    let (h, w) = (pictures[0].h, pictures[0].w);
    let mut sums = Map::new(3, h, w);
    for c in 0..3 {
        for y in 1..h.saturating_sub(1) {
            for x in 1..w.saturating_sub(1) {
                let i = y * w + x;
                let slope = |k: usize| {
                    let p = pictures[k].plane(c);
                    [p[i + 1] - p[i - 1], p[i + w] - p[i - w]]
                };
                let (a, b) = (slope(0), slope(1));
                sums.v[i] += a[0] * b[0] + a[1] * b[1];
                sums.v[h * w + i] += a[0] * a[0] + a[1] * a[1];
                sums.v[2 * h * w + i] += b[0] * b[0] + b[1] * b[1];
            }
        }
    }
    sums
}
