//! Seeded standard normal noise: one seed gives one picture on every machine.
//!
//! Numbers come from Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3",
//! 2011), a stateless generator: each number is a function of seed, stream and position. The
//! Box-Muller transform runs in `f64` with the `libm` crate, whose code, unlike the system's, is
//! the same on every platform. The result is rounded to `f32`.
//!
//! Each purpose has its own stream, so that the noise of step 3 is the same whether or not the keys
//! were encoded with noise, and however many steps there are.

use candle_core::{DType, Device, Result, Shape, Tensor};
use rayon::prelude::*;

/// The purpose of the noise. Each has its own numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// The posterior of the picture encoder, for key `0` (first) or `1` (last).
    Posterior(u32),
    /// The latent from which sampling starts.
    Start,
    /// Fresh noise of a sampling step, counted from 0.
    Step(u32),
}

impl Stream {
    /// Kind and number, each a counter word of the generator. Never renumber these: all seeds would
    /// give other pictures.
    fn words(self) -> [u32; 2] {
        match self {
            Self::Posterior(key) => [0, key],
            Self::Start => [1, 0],
            Self::Step(number) => [2, number],
        }
    }
}

/// The noise of one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoiseSource {
    key: [u32; 2],
}

impl NoiseSource {
    /// The noise of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { key: [seed as u32, (seed >> 32) as u32] }
    }

    /// The first `count` standard normal numbers of `stream`.
    pub fn normal(&self, stream: Stream, count: usize) -> Vec<f32> {
        let [kind, number] = stream.words();
        let mut values = vec![0.0; count];
        // One block of the generator makes four numbers.
        values.par_chunks_mut(4).enumerate().with_min_len(1024).for_each(|(block, out)| {
            // 2^32 blocks make 64 GiB of numbers, far more than any tensor here.
            let bits = philox4x32_10([block as u32, (block >> 32) as u32, number, kind], self.key);
            let (a, b) = box_muller(bits[0], bits[1]);
            let (c, d) = box_muller(bits[2], bits[3]);
            out.copy_from_slice(&[a, b, c, d][..out.len()]);
        });
        values
    }

    /// The first `count` numbers of `stream`, uniform in 0..1, for the weights of tests. Uses the
    /// same bits as [`Self::normal`].
    pub(crate) fn uniform(&self, stream: Stream, count: usize) -> Vec<f32> {
        let [kind, number] = stream.words();
        let blocks = 0..count.div_ceil(4) as u32;
        let bits = blocks.flat_map(|block| philox4x32_10([block, 0, number, kind], self.key));
        // 24 bits fill the fraction of an f32.
        bits.take(count).map(|bits| (bits >> 8) as f32 / 16_777_216.0).collect()
    }

    /// Standard normal noise of `shape` in `f32` on `device`, drawn on the CPU.
    ///
    /// # Errors
    /// When the device cannot hold it.
    pub fn tensor(
        &self,
        stream: Stream,
        shape: impl Into<Shape>,
        device: &Device,
    ) -> Result<Tensor> {
        let shape = shape.into();
        let values = self.normal(stream, shape.elem_count());
        Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(DType::F32)?.to_device(device)
    }
}

/// Two independent standard normal numbers from two uniform words.
fn box_muller(u: u32, v: u32) -> (f32, f32) {
    const TWO_POW_32: f64 = 4_294_967_296.0;
    // The middle of each of 2^32 cells: never 0, so the logarithm is finite.
    let radius = (-2.0 * libm::log((f64::from(u) + 0.5) / TWO_POW_32)).sqrt();
    let angle = std::f64::consts::TAU * ((f64::from(v) + 0.5) / TWO_POW_32);
    ((radius * libm::cos(angle)) as f32, (radius * libm::sin(angle)) as f32)
}

/// Ten rounds of Philox with four words, on one counter.
fn philox4x32_10(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    let wide = |a: u32, b: u32| {
        let product = u64::from(a) * u64::from(b);
        ((product >> 32) as u32, product as u32)
    };
    for _ in 0..10 {
        let (high0, low0) = wide(0xD251_1F53, counter[0]);
        let (high1, low1) = wide(0xCD9E_8D57, counter[2]);
        counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers published by the authors of Philox.
    #[test]
    fn philox_gives_the_published_answers() {
        assert_eq!(
            philox4x32_10([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox4x32_10([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox4x32_10(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    /// A shorter draw is the beginning of a longer one; other streams and seeds give other numbers.
    #[test]
    fn draws_are_positions_in_a_stream() {
        let noise = NoiseSource::new(7);
        let long = noise.normal(Stream::Start, 10_001);
        assert_eq!(noise.normal(Stream::Start, 5), long[..5]);
        assert_ne!(noise.normal(Stream::Step(0), 5), long[..5]);
        assert_ne!(noise.normal(Stream::Step(1), 5), noise.normal(Stream::Step(0), 5));
        assert_ne!(NoiseSource::new(7 << 32).normal(Stream::Start, 5), long[..5]);
    }

    #[test]
    fn the_numbers_are_standard_normal() {
        let values = NoiseSource::new(123).normal(Stream::Start, 200_000);
        let n = values.len() as f64;
        let moment = |power: i32| values.iter().map(|&v| f64::from(v).powi(power)).sum::<f64>() / n;
        assert!(moment(1).abs() < 0.01, "mean {}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.01, "variance {}", moment(2));
        assert!((moment(4) - 3.0).abs() < 0.06, "fourth moment {}", moment(4));
        let beyond_two = values.iter().filter(|v| v.abs() > 2.0).count() as f64 / n;
        assert!((beyond_two - 0.0455).abs() < 0.002, "{beyond_two} beyond two deviations");
    }

    /// Pinned, because a change of these bits would change the picture of every seed that artists
    /// have noted.
    #[test]
    fn the_numbers_never_change() {
        let values = NoiseSource::new(123).normal(Stream::Start, 6);
        let bits: Vec<u32> = values.iter().map(|v| v.to_bits()).collect();
        let wanted = [1068709476, 1064080701, 3195696554, 3213107190, 3215367417, 1046480089];
        assert_eq!(bits, wanted, "{values:?}");
    }
}
