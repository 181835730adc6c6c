//! The batch host: reads pictures, runs a plug-in over a range of frames, and writes pictures.

mod args;
mod preview;
mod sheet;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;

pub use args::{RenderArgs, Size};
pub use sheet::{Cell, sheet};

use crate::{
    host::Host,
    host::effect::{Effect, Project, short},
    host::instance::{FrameRequest, Instance, Setup},
    host::journal::Message,
    host::param::Value,
    host::pixels::{Depth, Premult},
    host::plugin::Plugin,
    host::profile::Profile,
    host::sys::*,
    pictures::footage::{self, Pattern},
    pictures::picture::{Picture, Reading},
};

/// The origin of a frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// The plug-in rendered it.
    Rendered,
    /// The plug-in said that it equals this clip's picture at that time.
    Identity(String, f64),
}

/// A finished frame.
pub struct Finished {
    /// Time in frames.
    pub time: f64,
    /// Its pixels.
    pub picture: Picture,
    /// Where it came from.
    pub origin: Origin,
    /// Time that the plug-in took.
    pub took: Duration,
}

/// Runs the `render` command; fails if any frame failed.
///
/// # Errors
/// When an argument makes no sense, a picture cannot be read or written, or the plug-in does not render.
pub fn run(args: &RenderArgs) -> Result<()> {
    let profile = Profile::find(&args.profile)
        .with_context(|| format!("there is no profile {}", args.profile))?;
    let host = Host::new(profile);
    let plugin = Plugin::open(&args.plugin, args.id.as_deref(), &host)?;
    plugin.start()?;
    let context = args.context_of(&plugin)?;
    let frames = args.frames.times(args.step)?;
    let setup = prepare(args, &plugin, &context, &frames)?;
    let out = Output::new(args)?;

    let started = Instant::now();
    let finished = render_all(args, &plugin, &setup, &frames, &out)?;
    let identities = finished.iter().filter(|frame| frame.origin != Origin::Rendered).count();
    let busy: Duration = finished.iter().map(|frame| frame.took).sum();
    println!(
        "{} frame(s) in {:.2} s: {} rendered, {identities} are a clip's; the plug-in took {:.2} s",
        finished.len(),
        started.elapsed().as_secs_f64(),
        finished.len() - identities,
        busy.as_secs_f64()
    );
    if args.sheet.is_some() || args.preview.is_some() {
        let cells = sheet::cells(args, &setup, &finished)?;
        if let Some(path) = &args.sheet {
            sheet(&cells).save(path, Reading::default(), false)?;
            println!("contact sheet {}", path.display());
        }
        if let Some(path) = &args.preview {
            preview::write(&cells, path, args.fps)?;
            println!("preview {}", path.display());
        }
    }
    Ok(())
}

fn prepare(
    args: &RenderArgs,
    plugin: &Arc<Plugin>,
    context: &str,
    frames: &[f64],
) -> Result<Setup> {
    let reading = args.reading();
    let (Some(first), Some(last)) = (frames.first(), frames.last()) else {
        bail!("there is no frame to render")
    };
    let resize = args.size.map(|size| (size.width, size.height));
    let mut footage = BTreeMap::new();
    for (name, path) in args.clips()? {
        let pictures = footage::read(&path, reading, resize, (*first, *last));
        footage.insert(name.clone(), pictures.with_context(|| format!("clip {name}"))?);
    }
    let first_clip =
        args.clips()?.first().and_then(|(name, _)| footage.get(name)).map(|clip| clip.size());
    let Some(size) = resize.or(first_clip) else {
        bail!("without pictures the size must be given: --size 1920x1080");
    };
    let descriptor = plugin.context(context)?;
    let setup = Setup {
        context: context.to_owned(),
        project: Project { size, range: (*first, *last), rate: args.fps },
        format: args.format(),
        footage,
        values: values(args, &descriptor, frames)?,
    };
    Ok(setup)
}

/// Parameters from the command line. In a transition without a given position, it runs from 0 to 1.
fn values(
    args: &RenderArgs,
    descriptor: &Effect,
    frames: &[f64],
) -> Result<Vec<(String, Option<f64>, Value)>> {
    let mut values = Vec::new();
    for (id, time, text) in args.settings()? {
        let Some(param) = descriptor.params.find(&id) else {
            let known: Vec<_> =
                descriptor.params.all().iter().map(|param| param.name.clone()).collect();
            bail!("there is no parameter {id}; the plug-in has: {}", known.join(", "));
        };
        let value = param.parse(&text).map_err(anyhow::Error::msg)?;
        param.check_range(&value).map_err(anyhow::Error::msg)?;
        values.push((id, time, value));
    }
    let position = kOfxImageEffectTransitionParamName.to_string_lossy();
    let given = values.iter().any(|(id, ..)| *id == position);
    if descriptor.params.find(&position).is_some() && !given {
        for (at, time) in frames.iter().enumerate() {
            let value = if frames.len() > 1 { at as f64 / (frames.len() - 1) as f64 } else { 0.5 };
            values.push((position.clone().into_owned(), Some(*time), Value::Doubles(vec![value])));
        }
    }
    Ok(values)
}

/// Where pictures are written.
struct Output {
    pattern: Option<Pattern>,
    single: Option<PathBuf>,
    reading: Reading,
    deep: bool,
}

impl Output {
    fn new(args: &RenderArgs) -> Result<Self> {
        let pattern = args.out.as_deref().and_then(Pattern::parse);
        let single = args.out.as_ref().filter(|_| pattern.is_none()).map(PathBuf::from);
        if single.is_some() && args.frames.times(args.step)?.len() > 1 {
            bail!("--out needs a place for the frame number, such as out_%04d.png");
        }
        Ok(Self { pattern, single, reading: args.reading(), deep: args.depth != Depth::Byte })
    }

    fn write(&self, time: f64, picture: &Picture) -> Result<()> {
        match (&self.pattern, &self.single) {
            (Some(pattern), _) => picture.save(&pattern.path(time), self.reading, self.deep),
            (None, Some(path)) => picture.save(path, self.reading, self.deep),
            (None, None) => Ok(()),
        }
    }
}

/// A progress bar with the time left.
pub fn progress_bar(length: usize, what: &str) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{msg} [{bar:40}] {pos}/{len} {elapsed} elapsed, {eta} left")
            .expect("the template is a constant that indicatif accepts");
    let bar = ProgressBar::new(length as u64)
        .with_style(style.progress_chars("=> "))
        .with_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Prints a line above the progress bar. A hidden bar would swallow the line.
fn say(bar: &ProgressBar, line: &str) {
    bar.suspend(|| eprintln!("{line}"));
}

fn render_all(
    args: &RenderArgs,
    plugin: &Arc<Plugin>,
    setup: &Setup,
    frames: &[f64],
    out: &Output,
) -> Result<Vec<Finished>> {
    let safety =
        plugin.descriptor().and_then(|d| d.props.text(kOfxImageEffectPluginRenderThreadSafety));
    let safety = safety.unwrap_or_default();
    let safe = |name: &std::ffi::CStr| safety.as_bytes() == name.to_bytes();
    let threads =
        if safe(kOfxImageEffectRenderUnsafe) { 1 } else { args.threads.clamp(1, frames.len()) };
    let shared = match safe(kOfxImageEffectRenderFullySafe) {
        true => Some(Arc::new(Instance::new(plugin, setup)?)),
        false => None,
    };
    let range = (frames[0], frames[frames.len() - 1]);
    if let Some(instance) = &shared {
        check(instance, "BeginSequenceRender", instance.begin(range, args.step, args.scale))?;
    }
    let bar = progress_bar(frames.len(), short(&setup.context));
    let next = AtomicUsize::new(0);
    let finished = Mutex::new(Vec::new());
    let failures = Mutex::new(Vec::new());
    let said: Mutex<Vec<Message>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut own = shared.clone();
                while let Some(time) = frames.get(next.fetch_add(1, Ordering::SeqCst)).copied() {
                    let done = frame(args, plugin, setup, &mut own, time, range, &said, &bar);
                    let done = done.and_then(|done| {
                        out.write(time, &done.picture)?;
                        Ok(done)
                    });
                    match done {
                        Ok(done) => finished.lock().push(done),
                        Err(error) => {
                            say(&bar, &format!("frame {time} failed: {error:#}"));
                            failures.lock().push(time);
                        }
                    }
                    bar.inc(1);
                }
                if let Some(instance) = own.filter(|_| shared.is_none()) {
                    instance.end(range, args.step, args.scale);
                }
            });
        }
    });
    bar.finish();
    if let Some(instance) = &shared {
        instance.end(range, args.step, args.scale);
    }
    for violation in plugin.host().journal().violations() {
        eprintln!("the plug-in broke a rule ({}): {}", violation.rule, violation.text);
    }
    let failures = failures.into_inner();
    if !failures.is_empty() {
        bail!("{} of {} frame(s) failed and were not written", failures.len(), frames.len());
    }
    let mut finished = finished.into_inner();
    finished.sort_by(|a: &Finished, b| a.time.total_cmp(&b.time));
    Ok(finished)
}

fn check(instance: &Instance, action: &str, status: crate::host::status::Status) -> Result<()> {
    if !status.is_fine() {
        bail!("the plug-in answered {status} to {action}{}", instance.plugin().said());
    }
    Ok(())
}

#[allow(clippy::too_many_arguments, reason = "one call, from the loop above")]
fn frame(
    args: &RenderArgs,
    plugin: &Arc<Plugin>,
    setup: &Setup,
    own: &mut Option<Arc<Instance>>,
    time: f64,
    range: (f64, f64),
    said: &Mutex<Vec<Message>>,
    bar: &ProgressBar,
) -> Result<Finished> {
    if plugin.host().behaviour().instance_per_frame {
        *own = None;
    }
    let instance = match own {
        Some(instance) => Arc::clone(instance),
        None => {
            let instance = Arc::new(Instance::new(plugin, setup)?);
            check(&instance, "BeginSequenceRender", instance.begin(range, args.step, args.scale))?;
            *own = Some(Arc::clone(&instance));
            instance
        }
    };
    let started = Instant::now();
    let done = one_frame(&instance, FrameRequest { scale: args.scale, ..FrameRequest::at(time) });
    let took = started.elapsed();
    let (picture, origin, messages) = done?;
    for message in messages {
        // Prints each message once, so that a warning about every frame appears once.
        let mut said = said.lock();
        if !said.contains(&message) {
            say(bar, &format!("{}: {}", message.kind.to_lowercase(), message.text));
            said.push(message);
        }
    }
    Ok(Finished { time, picture, origin, took })
}

/// Does what a host does for a frame: asks whether it is another one, asks what is needed, and
/// renders.
///
/// # Errors
/// When the plug-in returns an error for the render or for one of the questions before it, or when
/// it leaves pixels of the frame unwritten.
pub fn one_frame(
    instance: &Instance,
    request: FrameRequest,
) -> Result<(Picture, Origin, Vec<Message>)> {
    let behaviour = instance.effect().host.behaviour();
    if behaviour.asks_planning {
        if let Some((clip, time)) = instance.identity(request)? {
            let picture = instance.identity_picture(&clip, time, request.scale)?;
            let messages = instance.effect().host.journal().take_messages();
            return Ok((picture, Origin::Identity(clip, time), messages));
        }
        instance.frames_needed(request.time)?;
    }
    let region = instance.region(request.time, request.scale)?;
    instance.regions_of_interest(request.time, request.scale, region)?;
    let rendered = instance.render(request)?;
    if !rendered.status.is_fine() {
        match rendered.said() {
            Some(text) => bail!("{text} ({})", rendered.status),
            None => bail!("the plug-in answered {} to Render and gave no reason", rendered.status),
        }
    }
    if rendered.buffer.has_unwritten(rendered.window) {
        bail!("the plug-in answered {} but left pixels of the frame unwritten", rendered.status);
    }
    Ok((rendered.picture(), Origin::Rendered, rendered.messages))
}

/// The meaning of alpha for `--premult`.
pub(crate) fn premult(premultiplied: bool) -> Premult {
    if premultiplied { Premult::Pre } else { Premult::Un }
}
