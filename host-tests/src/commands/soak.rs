//! `soak`: many renders with random parameters and times, while memory and open files are watched.
//!
//! A plug-in may keep caches, but with a limit: after the warm-up, memory must not grow and no file
//! may stay open. The figures are those of this process only, so a worker of the plug-in is not
//! included.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    host::Host,
    host::chaos::Dice,
    host::clip::Format,
    host::effect::{Effect, Project},
    host::instance::{FrameRequest, Instance, Setup},
    host::param::{Param, ParamType, Value},
    host::pixels::{Components, Depth, Premult},
    host::plugin::Plugin,
    host::profile::Profile,
    host::status::Status,
    host::sys::*,
    pictures::footage::{Footage, Moving},
    pictures::picture::Picture,
};

/// Arguments of `soak`.
#[derive(Args)]
pub struct SoakArgs {
    /// The plug-in: an .ofx file, a bundle, or a folder with one
    #[arg(long)]
    pub plugin: PathBuf,
    /// Host to imitate
    #[arg(long, default_value = "natron")]
    pub profile: String,
    /// How many renders
    #[arg(long, default_value_t = 10_000)]
    pub renders: usize,
    /// Renders of one instance before the next one is made
    #[arg(long, default_value_t = 20)]
    pub per_instance: usize,
    /// Parameter with one value always: ID=VALUE
    #[arg(long, value_name = "ID=VALUE")]
    pub set: Vec<String>,
    /// Parameter with this value in one instance of --every: ID=VALUE
    #[arg(long, value_name = "ID=VALUE")]
    pub rarely: Vec<String>,
    /// How rare that is
    #[arg(long, default_value_t = 50)]
    pub every: usize,
    /// Size of the pictures
    #[arg(long, default_value = "64x48", value_parser = size)]
    pub size: (usize, usize),
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

fn size(text: &str) -> Result<(usize, usize), String> {
    let sides = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    sides.ok_or_else(|| "a size is written as 64x48".into())
}

/// Memory that may still be added after the warm-up, because allocators keep freed memory in
/// fragments.
const TOLERATED_BYTES: u64 = 16 << 20;

/// Resources that the process uses.
#[derive(Clone, Copy, Debug)]
pub struct ResourceUsage {
    /// Resident memory in bytes.
    pub memory: u64,
    /// Open files.
    pub files: usize,
}

impl ResourceUsage {
    /// The usage of this process, if the system reports it.
    pub fn now() -> Option<Self> {
        let pages: u64 = std::fs::read_to_string("/proc/self/statm")
            .ok()?
            .split_whitespace()
            .nth(1)?
            .parse()
            .ok()?;
        Some(Self { memory: pages * 4096, files: std::fs::read_dir("/proc/self/fd").ok()?.count() })
    }
}

/// Renders, and prints the usage.
///
/// # Errors
/// When a render fails without a message, memory grows, or files stay open.
pub fn run(args: &SoakArgs) -> Result<()> {
    let profile = Profile::find(&args.profile)
        .with_context(|| format!("there is no profile {}", args.profile))?;
    let plugin = Plugin::open(&args.plugin, None, &Host::new(profile))?;
    plugin.start()?;
    let contexts = plugin.contexts();
    let mut dice = Dice::new(args.seed);
    let (mut done, mut good, mut refused) = (0, 0, BTreeMap::<String, usize>::new());
    let mut samples: Vec<ResourceUsage> = Vec::new();
    let started = Instant::now();
    let mut made = 0;
    while done < args.renders {
        let context = &contexts[dice.below(contexts.len())];
        let descriptor = plugin.context(context)?;
        let rare = args.every > 0 && made % args.every == args.every - 1;
        made += 1;
        let mut values = random_values(&descriptor, &mut dice);
        let fixed = args.set.iter().chain(args.rarely.iter().filter(|_| rare));
        for text in fixed {
            let (id, value) = text.split_once('=').context("a parameter is set as ID=VALUE")?;
            if let Some(param) = descriptor.params.find(id) {
                values.push((id.into(), None, param.parse(value).map_err(anyhow::Error::msg)?));
            }
        }
        let setup = Setup {
            context: context.clone(),
            project: Project { size: args.size, range: (1.0, 9.0), rate: 24.0 },
            format: random_format(&plugin, &mut dice),
            footage: footage(&descriptor, args.size, dice.below(4)),
            values,
        };
        let instance = Instance::new(&plugin, &setup)?;
        for _ in 0..args.per_instance.min(args.renders - done) {
            let time = match dice.below(3) {
                0 => dice.part() * 14.0 - 2.0,
                _ => dice.below(11) as f64,
            };
            let request =
                FrameRequest { interactive: dice.below(2) == 0, ..FrameRequest::at(time) };
            let rendered = instance.render(request)?;
            done += 1;
            if rendered.status == Status::OK {
                good += 1;
            } else {
                let said = rendered.said().map(str::to_owned);
                let Some(said) = said else {
                    bail!("render at {time} answered {} without a word", rendered.status);
                };
                *refused.entry(said).or_default() += 1;
            }
            if done * 20 / args.renders > samples.len()
                && let Some(held) = ResourceUsage::now()
            {
                samples.push(held);
                println!(
                    "{done:>7} renders  {:>6.1} MB  {} files  {:.0} s",
                    held.memory as f64 / 1e6,
                    held.files,
                    started.elapsed().as_secs_f64()
                );
            }
        }
    }
    println!("{good} pictures, {} refusals with a message", done - good);
    for (text, count) in &refused {
        println!("{count:>7} x {text}");
    }
    let violations = plugin.host().journal().violations();
    if let Some(violation) = violations.first() {
        bail!("{} broken rules, the first: {}", violations.len(), violation.text);
    }
    judge(&samples)
}

/// The last quarter of the run must not use more than the second quarter did.
fn judge(samples: &[ResourceUsage]) -> Result<()> {
    if samples.len() < 8 {
        println!("this system does not tell what a process holds");
        return Ok(());
    }
    let quarter = samples.len() / 4;
    let (early, late) = (&samples[quarter..2 * quarter], &samples[samples.len() - quarter..]);
    let memory =
        |samples: &[ResourceUsage]| samples.iter().map(|held| held.memory).max().unwrap_or(0);
    // The least number counts, because a drawing that is being put into the cache is open for a
    // moment.
    let files =
        |samples: &[ResourceUsage]| samples.iter().map(|held| held.files).min().unwrap_or(0);
    let (before, after) = (memory(early), memory(late));
    println!(
        "memory {:.1} MB after the warm-up, {:.1} MB at the end; files {} and {}",
        before as f64 / 1e6,
        after as f64 / 1e6,
        files(early),
        files(late)
    );
    if after > before + TOLERATED_BYTES {
        bail!("memory grew by {:.1} MB after the warm-up", (after - before) as f64 / 1e6);
    }
    if files(late) > files(early) {
        bail!("{} files stayed open", files(late) - files(early));
    }
    Ok(())
}

fn random_values(descriptor: &Effect, dice: &mut Dice) -> Vec<(String, Option<f64>, Value)> {
    let mut values = Vec::new();
    for param in descriptor.params.all() {
        // Most parameters keep their values, so that most instances can render.
        if dice.below(3) > 0 || param.props.int(kOfxParamPropSecret) == Some(1) {
            continue;
        }
        if let Some(value) = random_value(&param, dice) {
            values.push((param.name.clone(), None, value));
        }
    }
    values
}

fn random_value(param: &Param, dice: &mut Dice) -> Option<Value> {
    let limit = |name| param.props.numbers(name).first().copied();
    let mut within = |whole: bool| {
        let (low, high) = (limit(kOfxParamPropDisplayMin)?, limit(kOfxParamPropDisplayMax)?);
        let value = low + dice.part() * (high - low);
        Some(if whole { value.round() } else { value })
    };
    match param.kind {
        ParamType::Double => Some(Value::Doubles(vec![within(false)?])),
        ParamType::Integer => Some(Value::Ints(vec![within(true)? as i32])),
        ParamType::Boolean => Some(Value::Ints(vec![dice.below(2) as i32])),
        ParamType::Choice => Some(Value::Ints(vec![dice.below(param.options().len()) as i32])),
        _ => None,
    }
}

fn random_format(plugin: &Plugin, dice: &mut Dice) -> Format {
    let host = plugin.host();
    let depths: Vec<Depth> = Depth::ALL.into_iter().filter(|d| host.gives_depth(*d)).collect();
    let depth = depths.get(dice.below(depths.len())).copied().unwrap_or(Depth::Float);
    Format { depth, components: Components::Rgba, premult: Premult::Pre }
}

/// A moving disc, different for each clip and each of a few `kinds`, so that some keys come again.
fn footage(
    descriptor: &Effect,
    size: (usize, usize),
    kind: usize,
) -> BTreeMap<String, Arc<dyn Footage>> {
    let inputs = descriptor.clips().into_iter().filter(|clip| !clip.is_output());
    let moving = inputs.enumerate().map(|(index, clip)| {
        let draw = move |time: f64| {
            let (w, h) = (size.0 as f32, size.1 as f32);
            let step = (time as f32 - 1.0) / 8.0 + 0.1 * kind as f32;
            let centre = (w * (0.3 + 0.08 * index as f32 + 0.3 * step), h * 0.5);
            Picture::from_fn(size.0, size.1, |x, y| {
                let far = (x as f32 - centre.0).hypot(y as f32 - centre.1) - 0.25 * h;
                let value = if far.abs() < 1.5 { 0.1 } else { 0.9 };
                [value, value, value, 1.0]
            })
        };
        let footage: Arc<dyn Footage> = Arc::new(Moving::new(size, (1.0, 9.0), draw));
        (clip.name.clone(), footage)
    });
    moving.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(memory: impl Fn(u64) -> u64, files: impl Fn(usize) -> usize) -> Vec<ResourceUsage> {
        (0..20).map(|n| ResourceUsage { memory: memory(n as u64), files: files(n) }).collect()
    }

    #[test]
    fn growth_after_the_warm_up_is_found_and_the_warm_up_is_not() {
        judge(&samples(|n| 100_000_000 + n.min(5) * 30_000_000, |_| 9)).unwrap();
        assert!(judge(&samples(|n| 100_000_000 + n * 3_000_000, |_| 9)).is_err());
        assert!(judge(&samples(|_| 100_000_000, |n| 9 + n / 4)).is_err());
    }
}
