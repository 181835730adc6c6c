//! Decides whether two keys show different scenes.

use crate::map::Map;

/// Confidence above which a pixel counts as found in both keys.
const FOUND: f32 = 0.4;
/// Histogram bins per colour channel.
const BINS: usize = 6;

/// Share of a key's pixels that are found in the other.
pub(crate) fn found_share(confidence: &Map) -> f32 {
    confidence.v.iter().filter(|&&c| c > FOUND).count() as f32 / confidence.v.len() as f32
}

/// Whether the keys belong to different scenes: hardly any pixels are found again, or few are and
/// the colours differ as well. `found` is the mean of both keys' shares.
pub(crate) fn is_cut(pictures: [&Map; 2], found: f32) -> bool {
    found < 0.12 || (found < 0.35 && overlap(pictures) < 0.35)
}

/// Share of the pixels whose colour both keys have, 0..=1.
fn overlap(pictures: [&Map; 2]) -> f32 {
    let [a, b] = pictures.map(|p| {
        let area = p.area();
        let mut bins = vec![0u32; BINS * BINS * BINS];
        for i in 0..area {
            let [r, g, b] =
                [0, 1, 2].map(|c| ((p.v[c * area + i] * BINS as f32) as usize).min(BINS - 1));
            bins[(r * BINS + g) * BINS + b] += 1;
        }
        bins
    });
    let common: u32 = a.iter().zip(&b).map(|(a, b)| *a.min(b)).sum();
    common as f32 / pictures[0].area() as f32
}
