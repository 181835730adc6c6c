//! Cases of the VAE.

use candle_core::{Result, Tensor};
use inbetween_tooncrafter::config::VaeConfig;
use inbetween_tooncrafter::vae_decoder::VaeDecoder;
use inbetween_tooncrafter::vae_encoder::VaeEncoder;
use inbetween_tooncrafter::{channels_first, channels_last};

use super::unet::tap;
use super::{Case, Outcome};
use crate::compare::Judge;

pub fn encoder(case: &Case, judge: &mut Judge) -> Outcome<()> {
    let config: VaeConfig = case.config()?;
    let encoder = VaeEncoder::new(&config, &case.weights("encoder.conv_in.weight")?)?;
    let mut watch = |name: &str, value: &Tensor| tap(case, judge, name, value);
    let encoded = encoder.forward_watched(case.get("in.frames")?, &mut watch)?;
    judge.output("out.moments", &encoded.moments, case.get("out.moments")?)?;
    judge.output("out.mean", &encoded.mean()?, case.get("out.mean")?)?;
    judge.output("out.std", &encoded.std()?, case.get("out.std")?)?;
    let z = encoded.sample(case.get("in.noise")?, config.scale_factor)?;
    judge.output("out.z_scaled", &z, case.get("out.z_scaled")?)?;
    for (i, found) in encoded.hidden.iter().enumerate() {
        let name = format!("out.hidden.{i}");
        if let Ok(wanted) = case.get(&name) {
            judge.output(&name, &channels_first(found)?, wanted)?;
        }
    }
    Ok(())
}

/// `[1, c, 2, h, w]` → `[2, h, w, c]`
fn reference(x: &Tensor) -> Result<Tensor> {
    channels_last(&x.squeeze(0)?.transpose(0, 1)?.contiguous()?)
}

pub fn decoder(case: &Case, judge: &mut Judge) -> Outcome<()> {
    let config: VaeConfig = case.config()?;
    let decoder = VaeDecoder::new(&config, &case.weights("decoder.conv_in.weight")?)?;
    let references: Vec<Tensor> =
        case.list("in.ref_context").into_iter().map(reference).collect::<Result<_>>()?;
    let references = (!references.is_empty()).then_some(&references[..]);
    for (suffix, watched) in [("", true), ("_b", false)] {
        let Ok(z) = case.get(&format!("in.z_frames{suffix}")) else { continue };
        let mut watch = |name: &str, value: &Tensor| {
            if watched { tap(case, judge, name, value) } else { Ok(()) }
        };
        let frames = decoder.forward_watched(z, references, &mut watch)?;
        let name = format!("out.frames{suffix}");
        judge.output(&name, &frames, case.get(&name)?)?;
    }
    Ok(())
}
