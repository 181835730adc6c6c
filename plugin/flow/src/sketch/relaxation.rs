//! Relaxation of values on a grid, where neighbours pull on each other.

/// How strongly neighbouring samples of a grid are tied together.
pub(super) struct Ties {
    h: usize,
    w: usize,
    /// To the neighbour on the right; 0 in the last column.
    right: Vec<f32>,
    /// To the neighbour below; 0 in the last row.
    down: Vec<f32>,
}

impl Ties {
    /// Ties of a grid of `h` x `w`; `tie` gives the strength between two neighbouring samples.
    pub(super) fn new(h: usize, w: usize, tie: impl Fn(usize, usize) -> f32) -> Self {
        let (mut right, mut down) = (vec![0.0; h * w], vec![0.0; h * w]);
        for i in 0..h * w {
            if i % w + 1 < w {
                right[i] = tie(i, i + 1);
            }
            if i + w < h * w {
                down[i] = tie(i, i + w);
            }
        }
        Self { h, w, right, down }
    }

    /// Relaxes `values` between what is known about them and their neighbours.
    ///
    /// `sums` holds the weighted sum of the known values of each sample, `weights` the sum of the
    /// weights. `least` is added to the weights as a pull towards 0 that keeps the system solvable.
    /// Uses red-black successive over-relaxation by `omega`, in `sweeps` sweeps over the grid.
    pub(super) fn relax(
        &self,
        values: &mut [f32],
        [sums, weights]: [&[f32]; 2],
        least: f32,
        omega: f32,
        sweeps: usize,
    ) {
        let (h, w) = (self.h, self.w);
        let last = (h * w).saturating_sub(1);
        for sweep in 0..2 * sweeps {
            for y in 0..h {
                for x in ((y + sweep) % 2..w).step_by(2) {
                    let i = y * w + x;
                    let near = [
                        (self.right[i], (i + 1).min(last)),
                        (if x > 0 { self.right[i - 1] } else { 0.0 }, i.saturating_sub(1)),
                        (self.down[i], (i + w).min(last)),
                        (if y > 0 { self.down[i - w] } else { 0.0 }, i.saturating_sub(w)),
                    ];
                    let (mut sum, mut total) = (sums[i], weights[i] + least);
                    for (k, j) in near {
                        sum += k * values[j];
                        total += k;
                    }
                    values[i] += omega * (sum / total - values[i]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_spreads_as_far_as_ties_hold() {
        let (h, w) = (6, 9);
        // The fifth and sixth columns are not tied together.
        let ties = Ties::new(h, w, |i, j| if i % w == 4 && j % w == 5 { 0.0 } else { 1.0 });
        let (mut sums, mut weights) = (vec![0.0; h * w], vec![0.0; h * w]);
        (sums[0], weights[0]) = (6.0, 2.0);
        let mut values = vec![0.0; h * w];
        ties.relax(&mut values, [&sums, &weights], 1e-6, 1.5, 200);
        for (i, v) in values.iter().enumerate() {
            let wanted = if i % w < 5 { 3.0 } else { 0.0 };
            assert!((v - wanted).abs() < 0.01, "{v} at {i}");
        }
    }
}
