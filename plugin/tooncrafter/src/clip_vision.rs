//! The image tower of OpenCLIP: `embedder.model.visual.`

use candle_core::{DType, Result, Tensor, bail};
use candle_nn::VarBuilder;

use crate::clip_text::ResidualAttentionBlock;
use crate::config::ClipConfig;
use crate::ops::{Columns, LayerNorm, Linear, load};
use crate::{Watch, unwatched};

/// The image tower. It returns all tokens, without the last norm and projection.
///
/// Published as [`FrozenOpenCLIPImageEmbedderV2`](https://github.com/ToonCrafter/ToonCrafter/blob/a2b50739508ff22a74a312df4ec9021415f7dac2/lvdm/modules/encoders/condition.py#L295),
/// [`VisionTransformer`](https://github.com/mlfoundations/open_clip/blob/1f0b5bb6db6b60896e122c7fa20e1c12ce03af1d/src/open_clip/transformer.py#L325).
#[derive(Clone, Debug)]
pub struct ClipVision {
    conv1: Linear,
    class_embedding: Tensor,
    positional_embedding: Tensor,
    ln_pre: LayerNorm,
    resblocks: Vec<ResidualAttentionBlock>,
    patch: usize,
    side: usize,
}

impl ClipVision {
    /// Reads the weights under `vb`.
    ///
    /// # Errors
    /// When the patches do not fill the picture, when a weight is missing under `vb`, or when its
    /// shape does not match the configuration.
    pub fn new(config: &ClipConfig, vb: &VarBuilder) -> Result<Self> {
        let (width, patch) = (config.vwidth, config.patch);
        if patch == 0 || !config.image_size.is_multiple_of(patch) {
            bail!("patches of {patch} pixels do not fill {} pixels", config.image_size)
        }
        let side = config.image_size / patch;
        // Patches do not overlap, so the convolution is a product of flattened patches.
        let conv1 = load(vb, (width, 3, patch, patch), "conv1.weight")?.flatten_from(1)?;
        let resblocks = (0..config.vlayers)
            .map(|i| {
                let vb = vb.pp("transformer.resblocks").pp(i);
                ResidualAttentionBlock::new(width, width / config.vheadw, false, &vb)
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            conv1: Linear::from_tensors(&conv1, None, Columns::Plain, vb)?,
            class_embedding: load(vb, width, "class_embedding")?,
            positional_embedding: load(vb, (side * side + 1, width), "positional_embedding")?,
            ln_pre: LayerNorm::new(width, &vb.pp("ln_pre"))?,
            resblocks,
            patch,
            side,
        })
    }

    /// Side of its input pictures, in pixels.
    pub fn image_size(&self) -> usize {
        self.side * self.patch
    }

    /// As [`ClipVision::forward_watched`], unwatched.
    ///
    /// # Errors
    /// As [`ClipVision::forward_watched`].
    pub fn forward(&self, image: &Tensor) -> Result<Tensor> {
        self.forward_watched(image, &mut unwatched)
    }

    /// `image: [b, 3, 224, 224]`, preprocessed → `[b, l, c]`, the class token first.
    ///
    /// # Errors
    /// When the size of `image` is wrong, when `watch` returns an error, or when the device fails.
    pub fn forward_watched(&self, image: &Tensor, watch: Watch) -> Result<Tensor> {
        let (b, c, h, w) = image.dims4()?;
        let (side, patch) = (self.side, self.patch);
        if c != 3 || h != side * patch || w != side * patch {
            bail!(
                "the image tower sees 3 x {0} x {0} pixels; found {1:?}",
                side * patch,
                image.shape()
            )
        }
        // [b, 3, y, i, x, j] -> [b, y x, 3 i j]
        let patches = image
            .reshape(&[b, 3, side, patch, side, patch][..])?
            .permute(vec![0, 2, 4, 1, 3, 5])?
            .contiguous()?
            .reshape((b, side * side, 3 * patch * patch))?;
        let x = self.conv1.forward(&patches)?;
        let class = self.class_embedding.reshape((1, 1, ()))?.expand((b, 1, x.dim(2)?))?;
        // The embeddings are f32, whatever the precision of the products.
        let x = Tensor::cat(&[&class.contiguous()?, &x.to_dtype(DType::F32)?], 1)?;
        let mut x = self.ln_pre.forward(&x.broadcast_add(&self.positional_embedding)?)?;
        watch("ln_pre", &x)?;
        for (i, block) in self.resblocks.iter().enumerate() {
            x = block.forward(&x)?;
            watch(&format!("resblocks.{i}"), &x)?;
        }
        x.to_dtype(DType::F32)
    }
}
