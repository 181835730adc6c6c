//! TweenNet: computes the motion and the mask of an in-between from two guides and a first flow.
//!
//! Blocks and fields are named after the keys of the weight file. One letter per axis: `c`
//! channels, `h` rows, `w` columns, `n = h w` cells, `d` features of a cell.

pub(crate) mod config;
pub(crate) mod conv;
mod matcher;
mod splat;
#[cfg(test)]
mod tests;

use candle_core::{DType, Device};
use candle_nn::VarBuilder;

use self::config::{Config, bad};
use self::conv::{Activation, Conv};
use self::matcher::Matcher;
use self::splat::flow_at;
use crate::map::{Map, warp};
use inbetween_core::Error;

/// Both sides of a guide are a multiple of this.
pub(crate) const CELL: usize = 8;

/// `x + b(a(x))` with activations.
struct Res {
    a: Conv,
    b: Conv,
}

impl Res {
    fn new(c: usize, vb: &VarBuilder) -> candle_core::Result<Self> {
        Ok(Self { a: Conv::new(c, c, 1, &vb.pp("a.0"))?, b: Conv::new(c, c, 1, &vb.pp("b"))? })
    }

    /// `x: [c, h, w]` → `[c, h, w]`
    fn forward(&self, x: &Map) -> Map {
        self.b.run(&[&self.a.run(&[x], &Activation::Leaky)], &Activation::AddLeaky(x))
    }

    fn flops(&self, h: usize, w: usize) -> f64 {
        self.a.flops(h, w) + self.b.flops(h, w)
    }
}

/// One level of the decoder: corrects the flow and the mask of the coarser level.
struct Dec {
    inp: Conv,
    r: Res,
    o: Conv,
}

/// What a decoder level passes to the next.
struct Estimate {
    /// To the first key (2 channels), to the last key (2), mask as log odds (1): `[5, h, w]`.
    motion: Map,
    hidden: Map,
}

impl Dec {
    fn new(
        features: usize,
        hidden: usize,
        before: usize,
        vb: &VarBuilder,
    ) -> candle_core::Result<Self> {
        Ok(Self {
            inp: Conv::new(2 * features + 6 + before, hidden, 1, &vb.pp("inp.0"))?,
            r: Res::new(hidden, &vb.pp("r"))?,
            o: Conv::new(hidden, 5, 1, &vb.pp("o"))?,
        })
    }

    /// `f0, f1: [c, h, w]`, `motion: [5, h, w]`, `more`: further inputs of this level.
    fn forward(&self, f0: &Map, f1: &Map, mut motion: Map, t: f32, more: &[&Map]) -> Estimate {
        let input = {
            let (h, w) = (motion.h, motion.w);
            let (w0, w1) = (warp(f0, &motion, 0), warp(f1, &motion, 2));
            let flow = motion.channels(0, 4).map(|v| v / 16.0);
            let mask = motion.channels(4, 5);
            let time = Map { c: 1, h, w, v: vec![t; h * w] };
            let mut parts = vec![&w0, &w1, &flow, &mask, &time];
            parts.extend(more);
            self.inp.run(&parts, &Activation::Leaky)
        };
        let hidden = self.r.forward(&input);
        let change = self.o.run(&[&hidden], &Activation::Plain);
        motion.v.iter_mut().zip(&change.v).for_each(|(m, d)| *m += d);
        Estimate { motion, hidden }
    }

    fn flops(&self, h: usize, w: usize) -> f64 {
        self.inp.flops(h, w) + self.r.flops(h, w) + self.o.flops(h, w)
    }
}

/// The features of a key from the encoder, finest level first.
pub(crate) struct Features {
    levels: [Map; 3],
}

impl Features {
    pub(crate) fn byte_len(&self) -> usize {
        self.levels.iter().map(Map::byte_len).sum()
    }
}

/// Flows between the keys at 1/8 size, in cells, and how far each is trusted.
pub(crate) struct Matched {
    /// First to last key and back: `[2, h, w]`.
    pub(crate) flow: [Map; 2],
    /// How much a cell counts where several arrive: 1 where both directions agree, more where it is
    /// in front of others: `[1, h, w]`.
    pub(crate) confidence: [Map; 2],
}

/// The network, with sizes from its [`Config`].
pub(crate) struct TweenNet {
    e1: [Conv; 2],
    e2: (Conv, Res),
    e3: (Conv, Res, Res),
    matcher: Matcher,
    d3: Dec,
    d2: Dec,
    d1: Dec,
}

impl TweenNet {
    pub(crate) fn new(config: &Config, weights: &[u8]) -> Result<Self, Error> {
        let vb = VarBuilder::from_slice_safetensors(weights, DType::F32, &Device::Cpu);
        vb.and_then(|vb| Self::build(config, &vb)).map_err(|e| bad(e.to_string()))
    }

    fn build(config: &Config, vb: &VarBuilder) -> candle_core::Result<Self> {
        let [a, b, d] = config.channels;
        let [h3, h2, h1] = config.hidden;
        Ok(Self {
            e1: [Conv::new(3, a, 2, &vb.pp("e1.0.0"))?, Conv::new(a, a, 1, &vb.pp("e1.1.0"))?],
            e2: (Conv::new(a, b, 2, &vb.pp("e2.0.0"))?, Res::new(b, &vb.pp("e2.1"))?),
            e3: (
                Conv::new(b, d, 2, &vb.pp("e3.0.0"))?,
                Res::new(d, &vb.pp("e3.1"))?,
                Res::new(d, &vb.pp("e3.2"))?,
            ),
            matcher: Matcher::new(d, config.attention, vb)?,
            d3: Dec::new(d, h3, 0, &vb.pp("d3"))?,
            d2: Dec::new(b, h2, h3, &vb.pp("d2"))?,
            // Both warped guides and their difference.
            d1: Dec::new(a, h1, h2 + 9, &vb.pp("d1"))?,
        })
    }

    /// `picture: [3, h, w]`, display-referred, sides a multiple of [`CELL`].
    pub(crate) fn encode(&self, picture: &Map) -> Features {
        let x = picture.clone().map(|v| v - 0.5);
        let a = self.e1[1].run(&[&self.e1[0].run(&[&x], &Activation::Leaky)], &Activation::Leaky);
        let b = self.e2.1.forward(&self.e2.0.run(&[&a], &Activation::Leaky));
        let d = self.e3.2.forward(&self.e3.1.forward(&self.e3.0.run(&[&b], &Activation::Leaky)));
        Features { levels: [a, b, d] }
    }

    /// Flows between the keys by the network's own matcher.
    pub(crate) fn matched(
        &self,
        first: &Features,
        last: &Features,
    ) -> candle_core::Result<Matched> {
        self.matcher.forward(&first.levels[2], &last.levels[2])
    }

    /// Motion and mask at `t` from the flows between the keys.
    ///
    /// `small`: the guides at half size, `[3, h / 2, w / 2]`. The result, `[5, h, w]` at the
    /// guides' size, holds the motion to the first key (right, down), that to the last key, and the
    /// log odds of the first key. The network was trained for `t` from .1 to .9; see
    /// [`crate::near_keys`].
    pub(crate) fn decode(
        &self,
        features: [&Features; 2],
        small: [&Map; 2],
        matched: &Matched,
        t: f32,
    ) -> Map {
        let [a, b] = features.map(|f| &f.levels);
        let flow = flow_at(matched, t);
        let odds = libm::logf((1.0 - t) / t);
        let mask = Map { c: 1, h: flow.h, w: flow.w, v: vec![odds; flow.area()] };
        let e = self.d3.forward(&a[2], &b[2], Map::stack(&[&flow, &mask]), t, &[]);
        let e = self.d2.forward(&a[1], &b[1], double(&e.motion), t, &[&twice(&e.hidden)]);
        let motion = double(&e.motion);
        let (w0, w1) = (warp(small[0], &motion, 0), warp(small[1], &motion, 2));
        let mut difference = w0.clone();
        difference.v.iter_mut().zip(&w1.v).for_each(|(d, v)| *d -= v);
        let more = [&twice(&e.hidden), &w0, &w1, &difference];
        let e = self.d1.forward(&a[0], &b[0], motion, t, &more);
        double(&e.motion)
    }

    /// Multiplications and additions in the convolutions for guides of `h` x `w`: for encoding both
    /// guides, and for one decoding.
    pub(crate) fn flops(&self, h: usize, w: usize) -> (f64, f64) {
        let (h2, w2, h4, w4, h8, w8) = (h / 2, w / 2, h / 4, w / 4, h / 8, w / 8);
        let encode = self.e1[0].flops(h, w)
            + self.e1[1].flops(h2, w2)
            + self.e2.0.flops(h2, w2)
            + self.e2.1.flops(h4, w4)
            + self.e3.0.flops(h4, w4)
            + self.e3.1.flops(h8, w8)
            + self.e3.2.flops(h8, w8);
        let decode = self.d3.flops(h8, w8) + self.d2.flops(h4, w4) + self.d1.flops(h2, w2);
        (2.0 * encode, decode)
    }
}

/// Upsampled by two: `[c, h, w]` → `[c, 2 h, 2 w]`.
fn twice(map: &Map) -> Map {
    map.resize(2 * map.h, 2 * map.w)
}

/// Motion upsampled by two: the flows are scaled as well, the mask is not.
fn double(motion: &Map) -> Map {
    let mut out = twice(motion);
    let flows = 4 * out.area();
    out.v[..flows].iter_mut().for_each(|v| *v *= 2.0);
    out
}
