//! Cases of the UNet, its blocks, and the sketch encoder.

use candle_core::{DType, Device, Result, Tensor};
use inbetween_tooncrafter::attention::{
    Context, SpatialTransformer, TemporalTransformer, TransformerConfig,
};
use inbetween_tooncrafter::config::{SketchConfig, UnetConfig};
use inbetween_tooncrafter::embedding::sinusoid;
use inbetween_tooncrafter::sketch::SketchEncoder;
use inbetween_tooncrafter::unet::{OptionalInputs, Unet};
use inbetween_tooncrafter::unet_blocks::{Downsample, ResBlock, Upsample};
use inbetween_tooncrafter::{channels_first, channels_last};

use super::{Case, Outcome};
use crate::compare::Judge;

pub fn timestep_embedding(case: &Case, judge: &mut Judge) -> Outcome<()> {
    // Values are at most 1, and the manifest asks for an absolute comparison with 1e-4, which is
    // the last digit of an f32 frequency for an angle near 1000.
    judge.allow(case.entry.tolerance().max(1e-4));
    let steps = case.numbers("in.timesteps")?;
    let dims: Vec<usize> = serde_json::from_value(case.entry.config["dims"].clone())?;
    for dim in dims {
        let name = format!("out.dim{dim}");
        judge.output(&name, &sinusoid(&steps, dim, &Device::Cpu)?, case.get(&name)?)?;
    }
    Ok(())
}

/// Compares `found` with the tap of the given name, if there is one; `found` may be channels-last.
pub fn tap(case: &Case, judge: &mut Judge, name: &str, found: &Tensor) -> Result<()> {
    let Ok(wanted) = case.get(&format!("tap.{name}")) else { return Ok(()) };
    let found = if found.rank() == 4 { channels_first(found)? } else { found.clone() };
    judge.tap(name, &found, wanted)
}

pub fn resblock(case: &Case, judge: &mut Judge) -> Outcome<()> {
    let channels = (case.number("channels")?, case.number("out_channels")?);
    let vb = case.weights("in_layers.0.weight")?;
    let temporal = case.entry.has_weight("temopral_conv.");
    let block = ResBlock::new(channels, case.number("emb_channels")?, temporal, &vb)?;
    let x = channels_last(case.get("in.x_frames")?)?;
    let y = block.forward(&x, case.get("in.emb")?, case.number("frames")?)?;
    judge.output("out.y_frames", &channels_first(&y)?, case.get("out.y_frames")?)?;
    Ok(())
}

pub fn down_up(case: &Case, judge: &mut Judge) -> Outcome<()> {
    let c = case.number("channels")?;
    let x = channels_last(case.get("in.x_frames")?)?;
    let down = Downsample::new(c, &case.weights("op.weight")?)?.forward(&x)?;
    judge.output("out.down", &channels_first(&down)?, case.get("out.down")?)?;
    let up = Upsample::new(c, &case.weights("conv.weight")?)?.forward(&x)?;
    judge.output("out.up", &channels_first(&up)?, case.get("out.up")?)?;
    Ok(())
}

fn transformer(case: &Case, use_linear: bool) -> Outcome<TransformerConfig> {
    let blocks = case.entry.weights.iter().filter(|key| key.ends_with("attn1.to_q.weight"));
    Ok(TransformerConfig {
        channels: case.number("channels")?,
        heads: case.number("heads")?,
        dim_head: case.number("dim_head")?,
        depth: blocks.count(),
        use_linear,
    })
}

pub fn spatial_transformer(case: &Case, judge: &mut Judge) -> Outcome<()> {
    let image = case.entry.has_weight("to_k_ip.");
    let vb = case.weights("proj_in.weight")?;
    let linear = case.get(&format!("{}.proj_in.weight", vb.prefix()))?.rank() == 2;
    let block = SpatialTransformer::new(
        &transformer(case, linear)?,
        case.number("context_dim")?,
        image,
        &vb,
    )?;
    let context = case.get("in.context")?;
    let context = if image {
        Context::split(context, case.number("text_context_len")?)?
    } else {
        Context::whole(context)
    };
    let y = block.forward(&channels_last(case.get("in.x_frames")?)?, &context)?;
    judge.output("out.y_frames", &channels_first(&y)?, case.get("out.y_frames")?)?;
    Ok(())
}

pub fn temporal_transformer(case: &Case, judge: &mut Judge) -> Outcome<()> {
    let config = transformer(case, case.flag("use_linear"))?;
    let block = TemporalTransformer::new(&config, &case.weights("proj_in.weight")?)?;
    let x = case.get("in.x")?;
    let (b, c, t, h, w) = x.dims5()?;
    let frames = x.permute((0, 2, 3, 4, 1))?.contiguous()?.reshape((b * t, h, w, c))?;
    let y = block.forward(&frames, t)?;
    let y = y.reshape((b, t, h, w, c))?.permute((0, 4, 1, 2, 3))?;
    judge.output("out.y", &y, case.get("out.y")?)?;
    Ok(())
}

pub fn unet(case: &Case, judge: &mut Judge) -> Outcome<()> {
    let config: UnetConfig = case.config()?;
    let unet = Unet::new(&config, &case.weights("time_embed.0.weight")?)?;
    let x = case.get("in.x")?.clone();
    let x = match case.get("in.c_concat") {
        Ok(conditioning) => Tensor::cat(&[&x, conditioning], 1)?,
        Err(_) => x,
    };
    let steps = case.numbers("in.timesteps")?;
    let context = case.get("in.context")?;
    let fs = case.has("in.fs").then(|| case.numbers("in.fs")).transpose()?;
    let plain = OptionalInputs { fs: fs.as_deref(), ..OptionalInputs::default() };
    let frames = |name: &str| -> Result<Vec<Tensor>> {
        case.list(name).into_iter().map(channels_last).collect()
    };
    let control = frames("in.control")?;

    for (out, context, extras, watched) in [
        ("out.y", context, plain, true),
        ("out.y_without", context, plain, false),
        ("out.y_with", context, OptionalInputs { control: Some(&control), ..plain }, false),
        ("out.y_context_shared", case.get("in.context_shared").unwrap_or(context), plain, false),
    ] {
        let Ok(wanted) = case.get(out) else { continue };
        let mut watch = |name: &str, value: &Tensor| {
            if watched { tap(case, judge, name, value) } else { Ok(()) }
        };
        let y = unet.forward_watched(&x, &steps, context, extras, &mut watch)?;
        judge.output(out, &y, wanted)?;
    }
    Ok(())
}

pub fn sketch_encoder(case: &Case, judge: &mut Judge) -> Outcome<()> {
    let config: SketchConfig = case.config()?;
    let encoder = SketchEncoder::new(&config, &case.weights("time_embed.0.weight")?)?;
    let hint = encoder.hint(case.get("in.hint")?)?;
    tap(case, judge, "input_hint_block", &hint)?;
    let step = case.numbers("in.timesteps")?[0];
    let context = case.get("in.context")?;
    let x = case.get("in.x_frames")?.to_dtype(DType::F32)?;
    let control = encoder.forward(&x, &hint, step, context)?;
    let wanted = case.list("out.control");
    if wanted.len() != control.len() {
        return Err(format!("{} outputs, {} recorded", control.len(), wanted.len()).into());
    }
    for (i, (found, wanted)) in control.iter().zip(wanted).enumerate() {
        judge.output(&format!("out.control.{i}"), &channels_first(found)?, wanted)?;
    }
    Ok(())
}
