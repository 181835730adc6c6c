//! `eval`: draws the in-betweens of a set of key pairs with the plug-in.
//!
//! A set is a folder with a `manifest.json`: `{"items": [{"id", "i0", "i1", "pred", "t"}]}`, where
//! `i0` and `i1` are the keys' files, `t` in 0..=1 is the position and `pred` the file to write.
//! Other fields are ignored.

use std::{
    collections::BTreeMap,
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde::Deserialize;

use crate::{
    commands::render::{one_frame, progress_bar},
    host::Host,
    host::clip::Format,
    host::effect::{Effect, Project, short},
    host::instance::{FrameRequest, Instance, Setup},
    host::param::Value,
    host::pixels::{Components, Depth, Premult},
    host::plugin::Plugin,
    host::profile::Profile,
    host::sys::*,
    pictures::footage::{Footage, Still},
    pictures::picture::{Picture, Reading},
};

/// Arguments of `eval`.
#[derive(Args, Clone, Debug)]
pub struct EvalArgs {
    /// Folder with the set: a manifest.json and the pictures that it names
    pub set: PathBuf,
    /// Folder to write the in-betweens to
    pub out: PathBuf,
    /// The plug-in; by default the one built last
    #[arg(long)]
    pub plugin: Option<PathBuf>,
    /// Identifier of the effect
    #[arg(long, default_value = "org.inbetween.AIInbetween")]
    pub id: String,
    /// A parameter: ID=VALUE
    #[arg(long = "set", value_name = "ID=VALUE")]
    pub values: Vec<String>,
    /// Sample type of the clips
    #[arg(long, value_enum, default_value_t = Depth::Byte)]
    pub depth: Depth,
}

#[derive(Deserialize)]
struct Manifest {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    id: String,
    i0: PathBuf,
    i1: PathBuf,
    pred: PathBuf,
    #[serde(default = "middle")]
    t: f64,
}

fn middle() -> f64 {
    0.5
}

/// Frame of the second key if the position is set by the time.
const LAST: f64 = 1000.0;

/// The plug-in of this repository: the last one built, as a library or as a packed bundle.
///
/// # Errors
/// When there is no built plug-in in any of these places.
pub fn default_plugin() -> Result<PathBuf> {
    let name =
        format!("{}aiinbetween{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let mut places = vec![PathBuf::from("target/release").join(&name)];
    // Beside this program, wherever it is run from.
    if let Ok(program) = std::env::current_exe()
        && let Some(folder) = program.parent()
    {
        places.push(folder.join(&name));
    }
    places.push(PathBuf::from("out/AIInbetween.ofx.bundle"));
    let built = |path: &PathBuf| path.metadata().and_then(|data| data.modified()).ok();
    let newest = places.iter().filter(|path| path.exists()).max_by_key(|path| built(path));
    newest.cloned().with_context(|| {
        let names: Vec<_> = places.iter().map(|path| path.display().to_string()).collect();
        format!(
            "no plug-in is built (looked for {}); build it, or name one with --plugin",
            names.join(", ")
        )
    })
}

/// Runs the command.
///
/// # Errors
/// When the set cannot be read, an in-between is not drawn, or a file cannot be written.
pub fn run(args: &EvalArgs) -> Result<()> {
    let path = args.set.join("manifest.json");
    let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    let manifest: Manifest = serde_json::from_reader(BufReader::new(file))
        .with_context(|| format!("{} is no manifest of key pairs", path.display()))?;
    let plugin = match &args.plugin {
        Some(path) => path.clone(),
        None => default_plugin()?,
    };
    let profile = Profile::find("natron").context("the profile natron exists")?;
    let host = Host::new(profile);
    let plugin = Plugin::open(&plugin, Some(&args.id), &host)?;
    plugin.start()?;
    let position = kOfxImageEffectContextTransition.to_string_lossy().into_owned();
    let general = kOfxImageEffectContextGeneral.to_string_lossy().into_owned();
    let context = if plugin.contexts().contains(&position) { position } else { general };
    println!("{} in {}, from {}", plugin.id(), short(&context), plugin.path().display());

    let bar = progress_bar(manifest.items.len(), "in-betweens");
    let mut times = Vec::new();
    let mut failures = 0;
    for item in &manifest.items {
        match one(args, &plugin, &context, item) {
            Ok(took) => times.push(took),
            Err(error) => {
                bar.suspend(|| eprintln!("{} failed: {error:#}", item.id));
                failures += 1;
            }
        }
        bar.inc(1);
    }
    bar.finish();
    times.sort();
    if let (Some(median), Some(longest)) = (times.get(times.len() / 2), times.last()) {
        println!("{} in-betweens; {median:.2?} in the median, {longest:.2?} at most", times.len());
    }
    if failures > 0 {
        bail!("{failures} of {} items failed and were not written", manifest.items.len());
    }
    Ok(())
}

fn one(args: &EvalArgs, plugin: &Arc<Plugin>, context: &str, item: &Item) -> Result<Duration> {
    if !(0.0..=1.0).contains(&item.t) {
        bail!("t = {} is not in 0..=1", item.t);
    }
    let open = |path: &Path| Picture::open(&args.set.join(path), Reading::default());
    let (first, last) = (open(&item.i0)?, open(&item.i1)?);
    if (first.width, first.height) != (last.width, last.height) {
        bail!("the keys are {}x{} and {}x{}", first.width, first.height, last.width, last.height);
    }
    let size = (first.width, first.height);
    let transition = context.as_bytes() == kOfxImageEffectContextTransition.to_bytes();
    let names = if transition { ["SourceFrom", "SourceTo"] } else { ["Source", "KeyB"] };
    let range = (0.0, LAST);
    let mut footage: BTreeMap<String, Arc<dyn Footage>> = BTreeMap::new();
    for (name, picture) in names.into_iter().zip([first, last]) {
        footage.insert(name.to_owned(), Arc::new(Still::new(picture, range)));
    }
    let mut values = settings(args, &*plugin.context(context)?)?;
    if transition {
        values.push(("Transition".to_owned(), None, Value::Doubles(vec![item.t])));
    } else {
        values.push(("firstKey".to_owned(), None, Value::Doubles(vec![0.0])));
        values.push(("lastKey".to_owned(), None, Value::Doubles(vec![LAST])));
    }
    let setup = Setup {
        context: context.to_owned(),
        project: Project { size, range, rate: 24.0 },
        format: Format { depth: args.depth, components: Components::Rgba, premult: Premult::Un },
        footage,
        values,
    };
    let instance = Instance::new(plugin, &setup)?;
    let started = Instant::now();
    let (picture, ..) = one_frame(&instance, FrameRequest::at(LAST * item.t))?;
    let took = started.elapsed();
    picture.save(&args.out.join(&item.pred), Reading::default(), args.depth != Depth::Byte)?;
    Ok(took)
}

fn settings(args: &EvalArgs, descriptor: &Effect) -> Result<Vec<(String, Option<f64>, Value)>> {
    let mut values = Vec::new();
    for text in &args.values {
        let (id, value) =
            text.split_once('=').with_context(|| format!("--set {text}: use ID=VALUE"))?;
        let param =
            descriptor.params.find(id).with_context(|| format!("there is no parameter {id}"))?;
        values.push((id.to_owned(), None, param.parse(value).map_err(anyhow::Error::msg)?));
    }
    Ok(values)
}
