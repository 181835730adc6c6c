//! Cases of the CLIP towers and of the projector behind them.

use candle_core::{DType, Tensor};
use inbetween_tooncrafter::clip_text::ClipText;
use inbetween_tooncrafter::clip_vision::ClipVision;
use inbetween_tooncrafter::config::{ClipConfig, ResamplerConfig};
use inbetween_tooncrafter::preprocess::ClipPreprocess;
use inbetween_tooncrafter::resampler::Resampler;

use super::{Case, Outcome};
use crate::compare::Judge;

pub fn clip_text(case: &Case, judge: &mut Judge) -> Outcome<()> {
    let config: ClipConfig = case.config()?;
    let tower = ClipText::new(&config, &case.weights("token_embedding.weight")?)?;
    let tokens = case.get("in.tokens")?.to_dtype(DType::U32)?;
    let mut watch = |name: &str, value: &Tensor| match case.get(&format!("tap.{name}")) {
        // Recorded with the tokens first.
        Ok(wanted) => judge.tap(name, value, &wanted.transpose(0, 1)?.contiguous()?),
        Err(_) => Ok(()),
    };
    let y = tower.forward_watched(&tokens, &mut watch)?;
    judge.output("out.embedding", &y, case.get("out.embedding")?)?;
    Ok(())
}

pub fn clip_vision(case: &Case, judge: &mut Judge) -> Outcome<()> {
    let config: ClipConfig = case.config()?;
    let tower = ClipVision::new(&config, &case.weights("conv1.weight")?)?;
    let mut watch = |name: &str, value: &Tensor| match case.get(&format!("tap.{name}")) {
        Ok(wanted) => judge.tap(name, value, wanted),
        Err(_) => Ok(()),
    };
    let preprocess = ClipPreprocess { size: tower.image_size(), ..ClipPreprocess::default() };
    let image = preprocess.forward(case.get("in.image")?)?;
    watch("preprocessed", &image)?;
    let y = tower.forward_watched(&image, &mut watch)?;
    judge.output("out.tokens", &y, case.get("out.tokens")?)?;
    Ok(())
}

pub fn resampler(case: &Case, judge: &mut Judge) -> Outcome<()> {
    let config: ResamplerConfig = case.config()?;
    let projector = Resampler::new(&config, &case.weights("latents")?)?;
    let y = projector.forward(case.get("in.tokens")?)?;
    judge.output("out.context", &y, case.get("out.context")?)?;
    Ok(())
}
