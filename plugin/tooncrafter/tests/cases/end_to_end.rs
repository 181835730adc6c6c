//! The whole chain from keys and prompt to frames, compared after every network and step.

use candle_core::{DType, Result, Tensor, bail};
use inbetween_tooncrafter::clip_text::ClipText;
use inbetween_tooncrafter::clip_vision::ClipVision;
use inbetween_tooncrafter::conditioning::{Contexts, encode_image, encode_keys};
use inbetween_tooncrafter::config::{ClipConfig, ResamplerConfig, UnetConfig, VaeConfig};
use inbetween_tooncrafter::decode::decode;
use inbetween_tooncrafter::denoise::{Denoising, Draws};
use inbetween_tooncrafter::noise::Stream;
use inbetween_tooncrafter::resampler::Resampler;
use inbetween_tooncrafter::sampler::{Guidance, Sampler, Solver};
use inbetween_tooncrafter::schedule::{NoiseSchedule, ScheduleConfig, Spacing};
use inbetween_tooncrafter::unet::Unet;
use inbetween_tooncrafter::unwatched;
use inbetween_tooncrafter::vae_decoder::VaeDecoder;
use inbetween_tooncrafter::vae_encoder::VaeEncoder;
use serde::Deserialize;

use super::{Case, Outcome};
use crate::compare::Judge;

/// The case's own configuration.
#[derive(Deserialize)]
struct Config {
    frames: usize,
    ddim_steps: usize,
    eta: f64,
    cfg_scale: f64,
    cfg_img: Option<f64>,
    guidance_rescale: f64,
    spacing: String,
    #[serde(default)]
    multiple_cond_cfg: bool,
    unet: UnetConfig,
    vae: VaeConfig,
    clip: ClipConfig,
    resampler: ResamplerConfig,
    scale_factor: f64,
    base_scale: f64,
}

/// Recorded noise.
struct Recorded<'a>(&'a Case<'a>);

impl Draws for Recorded<'_> {
    fn draw(&self, stream: Stream, shape: &[usize]) -> Result<Tensor> {
        let get = |name: &str| self.0.get(name).map_err(|e| candle_core::Error::msg(e.to_string()));
        let noise = match stream {
            Stream::Posterior(_) => bail!("the posterior's noise is given as a whole"),
            Stream::Start => get("in.noise.x_T")?.clone(),
            Stream::Step(number) => get("in.noise.steps")?.get(number as usize)?,
        };
        noise.reshape(shape)
    }
}

pub fn end_to_end(case: &Case, judge: &mut Judge) -> Outcome<()> {
    let config: Config = case.config()?;
    let spacing = match config.spacing.as_str() {
        "uniform_trailing" => Spacing::UniformTrailing,
        "uniform" => Spacing::Uniform,
        other => return Err(format!("unknown spacing {other}").into()),
    };
    let image_scale = config.multiple_cond_cfg.then(|| config.cfg_img.unwrap_or(config.cfg_scale));
    let guidance =
        Guidance { scale: config.cfg_scale, image_scale, rescale: config.guidance_rescale };

    let text = ClipText::new(&config.clip, &case.weights("token_embedding.weight")?)?;
    let mut texts = Vec::new();
    for branch in ["cond", "uncond"] {
        let tokens = case.get(&format!("in.tokens_{branch}"))?.to_dtype(DType::U32)?;
        let embedding = text.forward(&tokens)?;
        let name = format!("out.text_{branch}");
        judge.output(&name, &embedding, case.get(&name)?)?;
        texts.push(embedding);
    }
    let [prompt, empty] = <[Tensor; 2]>::try_from(texts).map_err(|_| "two texts")?;

    let (first, last) = (case.get("in.first")?, case.get("in.last")?);
    let vision = ClipVision::new(&config.clip, &case.weights("visual.conv1.weight")?.pp("visual"))?;
    let projector = Resampler::new(&config.resampler, &case.weights("latents")?)?;
    let images = encode_image(&vision, &projector, first, &mut unwatched)?;
    for (found, name) in images.iter().zip(["out.image_context_cond", "out.image_context_uncond"]) {
        judge.output(name, found, case.get(name)?)?;
    }
    let contexts = Contexts::join(
        &[prompt, empty],
        &images,
        guidance.needs_uncond(),
        guidance.needs_image_only(),
    )?;

    let encoder = VaeEncoder::new(&config.vae, &case.weights("encoder.conv_in.weight")?)?;
    // The reference encodes every key many times, but uses only the first and the last draw.
    let noise = case.get("in.noise.posterior")?;
    let noise = Tensor::cat(&[noise.narrow(0, 0, 1)?, noise.narrow(0, noise.dim(0)? - 1, 1)?], 0)?;
    let keys = encode_keys(&encoder, first, last, &noise, config.scale_factor, &mut unwatched)?;

    let unet = Unet::new(&config.unet, &case.weights("time_embed.0.weight")?)?;
    let base = ScheduleConfig { base_scale: config.base_scale, ..ScheduleConfig::default() };
    let solver = Solver::Ddim { eta: config.eta, spacing };
    let mut sampler = Sampler::new(&NoiseSchedule::new(&base), solver, config.ddim_steps);
    let visited: Vec<f32> = sampler.steps().iter().map(|step| step.timestep as f32).collect();
    if visited != case.numbers("out.timesteps_visited")? {
        return Err(format!("visits the steps {visited:?}").into());
    }
    let denoising = Denoising {
        unet: &unet,
        contexts: &contexts,
        concat: &keys.concat(config.frames)?,
        fs: case.numbers("in.fs")?[0],
        guidance,
        sketches: None,
    };
    let latent = denoising.run(&mut sampler, &Recorded(case), &mut unwatched, &mut |taken| {
        let found = [
            ("v_cond", Some(taken.v_cond)),
            ("v_uncond", taken.v_uncond),
            ("x", Some(&taken.advanced.x)),
            ("pred_x0", Some(&taken.advanced.pred_x0)),
        ];
        for (name, found) in found {
            let name = format!("out.step.{}.{name}", taken.step.number);
            if let (Some(found), Ok(wanted)) = (found, case.get(&name)) {
                judge.output(&name, found, wanted)?;
            }
        }
        Ok(())
    })?;

    let decoder = VaeDecoder::new(&config.vae, &case.weights("decoder.conv_in.weight")?)?;
    let decoded = decode(&decoder, &latent, &keys.references, config.scale_factor, &mut unwatched)?;
    // [t, 3, h, w] -> [1, 3, t, h, w]
    let video = |frames: &Tensor| frames.transpose(0, 1)?.contiguous()?.unsqueeze(0);
    let shortened = decoded.shortened.as_ref();
    for (name, found) in [
        ("out.decode_all", Some(&decoded.whole)),
        ("out.decode_without_second_and_penultimate", shortened),
    ] {
        if let (Some(found), Ok(wanted)) = (found, case.get(name)) {
            judge.output(name, &video(found)?, wanted)?;
        }
    }
    let frames = decoded.merge()?.transpose(0, 1)?.contiguous()?;
    judge.output("out.frames", &frames, case.get("out.frames")?)?;
    Ok(())
}
