//! Residual blocks, and the convolutions that change the size.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use crate::ops::{Activation, Addend, Conv2d, GroupNorm, Linear, TemporalConv, Window};

/// Residual block with time embedding, and with convolutions over time where the network has them.
///
/// Published as [`ResBlock`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/modules/networks/openaimodel3d.py#L109).
#[derive(Clone, Debug)]
pub struct ResBlock {
    in_norm: GroupNorm,
    in_conv: Conv2d,
    emb_layers: Linear,
    out_norm: GroupNorm,
    out_conv: Conv2d,
    skip_connection: Option<Linear>,
    temopral_conv: Option<TemporalConvBlock>,
}

impl ResBlock {
    /// A block from `c_in` to `c_out` channels with an embedding of width `embed`; `temporal` adds
    /// the convolutions over time (spelled `temopral_conv` in the checkpoint).
    ///
    /// # Errors
    /// When a weight is missing under `vb` or has the wrong shape.
    pub fn new(
        (c_in, c_out): (usize, usize),
        embed: usize,
        temporal: bool,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let skip_connection = (c_in != c_out)
            .then(|| Linear::pointwise(c_in, c_out, true, 2, &vb.pp("skip_connection")))
            .transpose()?;
        let temopral_conv =
            temporal.then(|| TemporalConvBlock::new(c_out, &vb.pp("temopral_conv"))).transpose()?;
        Ok(Self {
            in_norm: GroupNorm::new(c_in, 1e-5, true, &vb.pp("in_layers.0"))?,
            in_conv: Conv2d::new(c_in, c_out, Window::SAME, &vb.pp("in_layers.2"))?,
            emb_layers: Linear::new(embed, c_out, true, &vb.pp("emb_layers.1"))?,
            out_norm: GroupNorm::new(c_out, 1e-5, true, &vb.pp("out_layers.0"))?,
            out_conv: Conv2d::new(c_out, c_out, Window::SAME, &vb.pp("out_layers.3"))?,
            skip_connection,
            temopral_conv,
        })
    }

    /// `x: [n, h, w, c_in]`, `emb: [n, e]`, with `t` frames per batch → `[n, h, w, c_out]`
    ///
    /// # Errors
    /// When the shape of `x` or `emb` is wrong, when `t` does not divide the frames, or when the
    /// device fails.
    pub fn forward(&self, x: &Tensor, emb: &Tensor, t: usize) -> Result<Tensor> {
        let emb = self.emb_layers.forward(&emb.silu()?)?;
        // Each result takes the place of the one before, so that its memory is free for the next.
        let mut h = self.in_norm.forward(x)?;
        h = self.in_conv.forward_with(&h, Activation::None, Addend::PerFrame(&emb))?;
        h = self.out_norm.forward(&h)?;
        h = match &self.skip_connection {
            Some(skip) => {
                h = self.out_conv.forward(&h)?;
                skip.forward_with(x, Activation::None, Addend::Residual(&h))?
            }
            None => self.out_conv.forward_with(&h, Activation::None, Addend::Residual(x))?,
        };
        match &self.temopral_conv {
            Some(conv) => conv.forward(&h, t),
            None => Ok(h),
        }
    }
}

/// Four convolutions over time and a residual; the norms cover all frames of a batch together.
///
/// Published as [`TemporalConvBlock`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/modules/networks/openaimodel3d.py#L239).
#[derive(Clone, Debug)]
pub struct TemporalConvBlock {
    convs: Vec<(GroupNorm, TemporalConv)>,
}

impl TemporalConvBlock {
    fn new(c: usize, vb: &VarBuilder) -> Result<Self> {
        // conv1 is (norm, SiLU, conv); the others have a dropout before the convolution.
        let convs = [("conv1", 2), ("conv2", 3), ("conv3", 3), ("conv4", 3)]
            .into_iter()
            .map(|(name, index)| {
                let vb = vb.pp(name);
                let norm = GroupNorm::new(c, 1e-5, true, &vb.pp("0"))?;
                Ok((norm, TemporalConv::new(c, c, 1.0, &vb.pp(index))?))
            })
            .collect::<Result<_>>()?;
        Ok(Self { convs })
    }

    /// `x: [n, h, w, c]` with `t` frames per batch → `[n, h, w, c]`
    fn forward(&self, x: &Tensor, t: usize) -> Result<Tensor> {
        let (n, h, w, c) = x.dims4()?;
        // [b, t, p, c]
        let residual = x.reshape((n / t, t, h * w, c))?;
        let mut x = residual.clone();
        for (i, (norm, conv)) in self.convs.iter().enumerate() {
            let last = i + 1 == self.convs.len();
            let plus = if last { Addend::Residual(&residual) } else { Addend::Nothing };
            x = conv.forward(&norm.forward(&x)?, plus)?;
        }
        x.reshape((n, h, w, c))
    }
}

/// Halves height and width: 3 x 3, stride 2, one zero on every side.
///
/// Published as [`Downsample`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/modules/networks/openaimodel3d.py#L51).
#[derive(Clone, Debug)]
pub struct Downsample {
    op: Conv2d,
}

impl Downsample {
    /// Reads `op` under `vb`.
    ///
    /// # Errors
    /// When a weight is missing under `vb` or has the wrong shape.
    pub fn new(c: usize, vb: &VarBuilder) -> Result<Self> {
        Ok(Self { op: Conv2d::new(c, c, Window::HALVE, &vb.pp("op"))? })
    }

    /// `x: [n, h, w, c]` → `[n, ceil(h / 2), ceil(w / 2), c]`
    ///
    /// # Errors
    /// When the shape of `x` is wrong, or when the device fails.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.op.forward(x)
    }
}

/// Doubles height and width: nearest neighbour, then 3 x 3.
///
/// Published as [`Upsample`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/modules/networks/openaimodel3d.py#L80).
#[derive(Clone, Debug)]
pub struct Upsample {
    conv: Conv2d,
}

impl Upsample {
    /// Reads `conv` under `vb`.
    ///
    /// # Errors
    /// When a weight is missing under `vb` or has the wrong shape.
    pub fn new(c: usize, vb: &VarBuilder) -> Result<Self> {
        Ok(Self { conv: Conv2d::new(c, c, Window::DOUBLE, &vb.pp("conv"))? })
    }

    /// `x: [n, h, w, c]` → `[n, 2 h, 2 w, c]`
    ///
    /// # Errors
    /// When the shape of `x` is wrong, or when the device fails.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.conv.forward(x)
    }
}
