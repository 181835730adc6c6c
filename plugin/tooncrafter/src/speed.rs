//! Foretells how long a run computes, from a second of measuring on the device that will run it.
//!
//! The work of each part is known in floating-point operations; three typical layers say how many of
//! them the device does in a second.

use std::time::Instant;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;

use crate::kept_memory::keep;
use crate::memory::RunSize;
use crate::ops::{Addend, Conv2d, Linear, TemporalConv, Window, attention, precision};

/// Seconds that each kind of layer is measured for, at least.
const SPENT: f64 = 0.25;
/// Time of norms, activations and moved memory, relative to that of the products beside them.
const BESIDES: f64 = 1.2;

/// Operations, in units of 1e12, by the kind of layer that does them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    /// Linear layers.
    pub linear: f64,
    /// Convolutions in space.
    pub space: f64,
    /// Convolutions over time.
    pub time: f64,
    /// Products of attention.
    pub attention: f64,
}

impl Work {
    /// One forward pass of the released UNet.
    pub fn unet(size: RunSize) -> Self {
        Self { linear: 5.88, space: 3.6, time: 2.3, attention: 0.83 }.scaled(size)
    }

    /// The released sketch encoder in one step.
    pub fn sketch_encoder(size: RunSize) -> Self {
        Self { linear: 1.4, space: 1.2, time: 0.0, attention: 0.21 }.scaled(size)
    }

    /// One pass of the released decoder.
    pub fn decoder(size: RunSize) -> Self {
        Self { linear: 0.0, space: 22.5, time: 7.5, attention: 7.85 }.scaled(size)
    }

    /// The released encoder on two keys.
    pub fn encoder(size: RunSize) -> Self {
        let two = RunSize { frames: 2, ..size };
        Self { linear: 0.0, space: 11.0, time: 0.0, attention: 0.04 }.scaled(two)
    }

    /// The released text tower on a prompt and an empty one.
    pub fn text() -> Self {
        Self { linear: 0.09, ..Self::default() }
    }

    /// The released image tower with its projector on a key and an empty picture.
    pub fn image() -> Self {
        Self { linear: 0.73, ..Self::default() }
    }

    /// Operations of every kind.
    pub fn total(self) -> f64 {
        self.linear + self.space + self.time + self.attention
    }

    /// From the released size to another: every frame attends to itself, so attention grows with the square.
    fn scaled(self, size: RunSize) -> Self {
        let area = (size.height * size.width) as f64 / (320.0 * 512.0);
        let by = area * size.frames as f64 / 16.0;
        Self {
            linear: self.linear * by,
            space: self.space * by,
            time: self.time * by,
            attention: self.attention * by * area,
        }
    }
}

/// How fast a device computes, in operations of 1e12 a second, by kind of layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed(Work);

impl Speed {
    /// Measures layers of the UNet's middle size for about a second.
    ///
    /// # Errors
    /// When the device fails.
    pub fn measure(device: &Device, dtype: DType) -> Result<Self> {
        // As in a run.
        let _keeping = keep();
        let vb = VarBuilder::zeros(dtype, device);
        let random = |shape: &[usize]| {
            let x = Tensor::randn(0f32, 1.0, shape, device)?;
            if device.is_cpu() { Ok(x) } else { x.to_dtype(dtype) }
        };
        let (n, c) = (5120, 640);
        let x = random(&[n, c])?;
        let linear = Linear::new(c, c, true, &vb)?;
        let linear = rate(device, 2.0 * (n * c * c) as f64, || linear.forward(&x))?;
        let x = x.reshape((8, 20, 32, c))?;
        let space = Conv2d::new(c, c, Window::SAME, &vb)?;
        let space = rate(device, 18.0 * (n * c * c) as f64, || space.forward(&x))?;
        let x = x.reshape((1, 8, 20 * 32, c))?;
        let time = TemporalConv::new(c, c, 1.0, &vb)?;
        let time = rate(device, 6.0 * (n * c * c) as f64, || time.forward(&x, Addend::Nothing))?;
        let (n, c) = (2560, 320);
        let q = random(&[1, n, c])?;
        let attention = rate(device, 4.0 * (n * n * c) as f64, || {
            attention(&q, &q, &q, 5, precision(&vb), false)
        })?;
        Ok(Self(Work { linear, space, time, attention }))
    }

    /// Seconds that `work` takes.
    pub fn seconds(&self, work: Work) -> f64 {
        let Self(speed) = self;
        let products = work.linear / speed.linear
            + work.space / speed.space
            + work.time / speed.time
            + work.attention / speed.attention;
        products * BESIDES
    }
}

/// Operations of 1e12 a second of `layer`, which takes `flop` of one. The fastest of several runs counts: the mean would
/// foretell that whatever else computes in this second goes on for the whole run.
fn rate(device: &Device, flop: f64, layer: impl Fn() -> Result<Tensor>) -> Result<f64> {
    // The first run may prepare what the others find.
    layer()?;
    device.synchronize()?;
    let (started, mut fastest) = (Instant::now(), f64::INFINITY);
    while fastest.is_infinite() || started.elapsed().as_secs_f64() < SPENT {
        let start = Instant::now();
        layer()?;
        device.synchronize()?;
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    Ok(flop / fastest / 1e12)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_follows_the_size() {
        let size = RunSize { frames: 16, height: 320, width: 512 };
        let whole = Work::unet(size);
        assert_eq!(whole.linear, 5.88);
        let half = Work::unet(RunSize { frames: 8, ..size });
        assert_eq!((half.linear, half.attention), (whole.linear / 2.0, whole.attention / 2.0));
        let small = Work::unet(RunSize { height: 160, ..size });
        assert_eq!((small.space, small.attention), (whole.space / 2.0, whole.attention / 4.0));
    }

    #[test]
    fn a_device_twice_as_fast_takes_half_as_long() {
        let all = |x| Work { linear: x, space: x, time: x, attention: x };
        let (slow, fast) = (Speed(all(0.1)), Speed(all(0.2)));
        let work = Work::image();
        assert!((slow.seconds(work) / fast.seconds(work) - 2.0).abs() < 1e-12);
        assert!((slow.seconds(Work { attention: 0.5, ..Work::default() }) - 6.0).abs() < 1e-9);
    }

    #[test]
    fn measuring_finds_some_speed_in_both_precisions() -> Result<()> {
        for dtype in [DType::F32, DType::BF16] {
            let Speed(found) = Speed::measure(&Device::Cpu, dtype)?;
            for rate in [found.linear, found.space, found.time, found.attention] {
                assert!(rate.is_finite() && rate > 0.0, "{dtype:?}: {found:?}");
            }
        }
        Ok(())
    }
}
