//! A hostile host: many calls from several threads at once, with arguments, answers and failures
//! that no good host would give. The plug-in may refuse anything, but it must not crash, hang, or
//! touch memory that does not belong to it.
//!
//! The calls run in a separate process, so that a crash is reported with the seed that reproduces
//! it. Image memory lies between inaccessible pages, and inputs are write-protected.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use parking_lot::{Mutex, RwLock};

use crate::{
    host::buffer::{Buffer, Layout},
    host::chaos::{self, DOUBLES, Dice, INTS},
    host::clip::Format,
    host::effect::Project,
    host::instance::{FrameRequest, Instance, Setup},
    host::journal::Rule,
    host::param::{Param, ParamType, Value},
    host::pixels::{Components, Depth, Premult, Rows},
    host::plugin::{Action, Plugin},
    host::profile::Profile,
    host::props::{Builder, PropertySet, c_text},
    host::sys::*,
    host::{Host, MissingImage},
    pictures::footage::{Footage, Moving},
    pictures::picture::Picture,
};

/// Arguments of `hostile`.
#[derive(Args)]
pub struct HostileArgs {
    /// The plug-in: an .ofx file, a bundle, or a folder with one
    pub plugin: PathBuf,
    /// Host to imitate otherwise
    #[arg(long, default_value = "natron")]
    pub profile: String,
    /// How many actions are called
    #[arg(long, default_value_t = 1_000_000)]
    pub calls: u64,
    /// Threads that call at once
    #[arg(long, default_value_t = 8)]
    pub threads: usize,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Longest time that one call may take, in seconds
    #[arg(long, default_value_t = 300)]
    pub time_limit: u64,
    /// In this process
    #[arg(long, hide = true)]
    pub within: bool,
}

/// Instances that the threads share.
const INSTANCES: usize = 12;

/// Makes the calls, and reports the result.
///
/// # Errors
/// When the plug-in crashes, hangs, or writes where it must not.
pub fn run(args: &HostileArgs) -> Result<()> {
    if args.within {
        return within(args);
    }
    let mut command = Command::new(std::env::current_exe()?);
    command.args(std::env::args_os().skip(1)).arg("--within");
    let status = command.status().context("the process for the calls could not be started")?;
    if !status.success() {
        bail!(
            "{} did not stand {} calls from {} threads with seed {}: {status}",
            args.plugin.display(),
            args.calls,
            args.threads,
            args.seed
        );
    }
    Ok(())
}

/// State shared by the threads.
struct Scene {
    plugin: Arc<Plugin>,
    contexts: Vec<String>,
    instances: RwLock<Vec<Arc<Instance>>>,
    calls: AtomicU64,
    renders: AtomicU64,
    pictures: AtomicU64,
    /// Since when each thread has been in its current call.
    since: Vec<Mutex<Option<(Instant, &'static str)>>>,
}

fn within(args: &HostileArgs) -> Result<()> {
    let profile = Profile::find(&args.profile)
        .with_context(|| format!("there is no profile {}", args.profile))?;
    let plugin = Plugin::open(&args.plugin, None, &Host::new(profile))?;
    plugin.start()?;
    let contexts = plugin.contexts();
    for context in &contexts {
        plugin.context(context)?;
    }
    // The protected pages already detect writes to inputs, so they need not be read for that.
    plugin.host().change(|behaviour| behaviour.watches_inputs = false);
    chaos::guard_pages();
    let scene = Scene {
        plugin,
        contexts,
        instances: RwLock::default(),
        calls: AtomicU64::new(0),
        renders: AtomicU64::new(0),
        pictures: AtomicU64::new(0),
        since: (0..args.threads).map(|_| Mutex::default()).collect(),
    };
    let started = Instant::now();
    thread::scope(|threads| -> Result<()> {
        let players: Vec<_> = (0..args.threads)
            .map(|at| {
                let scene = &scene;
                threads.spawn(move || scene.play(at, args))
            })
            .collect();
        let mut told = Instant::now();
        while players.iter().any(|player| !player.is_finished()) {
            thread::sleep(Duration::from_millis(50));
            if told.elapsed() > Duration::from_secs(30) {
                told = Instant::now();
                scene.report(started);
            }
            if let Some(what) = scene.stuck(Duration::from_secs(args.time_limit)) {
                // The thread cannot be ended, so the process is.
                eprintln!("error: {what} did not return within {} s", args.time_limit);
                std::process::exit(1);
            }
        }
        Ok(())
    })?;
    scene.instances.write().clear();
    scene.plugin.unload();
    scene.report(started);
    let written = scene.plugin.host().journal().violations_of(Rule::OutsideWindow);
    if let Some(first) = written.first() {
        bail!("{} writes outside of a window, the first: {first}", written.len());
    }
    Ok(())
}

impl Scene {
    fn report(&self, started: Instant) {
        println!(
            "{} calls, {} renders, {} pictures, {:.0} s",
            self.calls.load(Ordering::Relaxed),
            self.renders.load(Ordering::Relaxed),
            self.pictures.load(Ordering::Relaxed),
            started.elapsed().as_secs_f64()
        );
    }

    fn stuck(&self, limit: Duration) -> Option<&'static str> {
        let long = |since: &Mutex<Option<(Instant, &'static str)>>| {
            since.lock().filter(|(since, _)| since.elapsed() > limit).map(|(_, what)| what)
        };
        self.since.iter().find_map(long)
    }

    fn play(&self, at: usize, args: &HostileArgs) {
        let seed = args.seed.wrapping_mul(0x1000_0001).wrapping_add(at as u64);
        let mut dice = Dice::new(seed);
        chaos::begin(!seed);
        while self.calls.fetch_add(1, Ordering::Relaxed) < args.calls {
            self.call(at, &mut dice);
            *self.since[at].lock() = None;
        }
    }

    fn call(&self, at: usize, dice: &mut Dice) {
        let begin = |what| *self.since[at].lock() = Some((Instant::now(), what));
        let many = self.instances.read().len();
        if many < INSTANCES / 2 || dice.below(60) == 0 {
            begin("CreateInstance");
            self.create(dice);
            return;
        }
        let instance = {
            let instances = self.instances.read();
            let Some(instance) = instances.get(dice.below(instances.len())) else { return };
            Arc::clone(instance)
        };
        let time = any_time(dice);
        let request = FrameRequest { interactive: dice.below(2) == 0, ..FrameRequest::at(time) };
        let scale = any_scale(dice);
        // Any answer is acceptable, as long as there is one.
        match dice.below(100) {
            0..15 => {
                begin("Render");
                self.render(&instance, time, scale, dice);
            }
            15..30 => {
                begin("IsIdentity");
                let _ = instance.identity(request);
            }
            30..44 => {
                begin("GetFramesNeeded");
                let _ = instance.frames_needed(time);
            }
            44..56 => {
                begin("GetRegionOfDefinition");
                let _ = instance.region(time, scale);
            }
            56..66 => {
                begin("GetRegionsOfInterest");
                let mut edge = || dice.one(&DOUBLES);
                let region = OfxRectD { x1: edge(), y1: edge(), x2: edge(), y2: edge() };
                let _ = instance.regions_of_interest(time, scale, region);
            }
            66..70 => {
                begin("GetTimeDomain");
                let _ = instance.time_domain();
            }
            70..82 => {
                begin("InstanceChanged");
                self.edit(&instance, time, dice);
            }
            82..86 => {
                begin("PurgeCaches");
                instance.action(dice.one(&[
                    kOfxActionSyncPrivateData,
                    kOfxActionPurgeCaches,
                    kOfxActionBeginInstanceEdit,
                    kOfxActionEndInstanceEdit,
                    c"OrgExampleActionThatNobodyKnows",
                ]));
            }
            86..90 => {
                begin("BeginSequenceRender");
                instance.begin((time, time), 1.0, 1.0);
                instance.end((time, time), 1.0, 1.0);
            }
            _ => {
                begin("an action without its arguments");
                self.bare(&instance, dice);
            }
        }
    }

    fn create(&self, dice: &mut Dice) {
        let context = &self.contexts[dice.below(self.contexts.len())];
        let Ok(descriptor) = self.plugin.context(context) else { return };
        self.plugin.host().change(|behaviour| {
            behaviour.missing_image = dice.one(&[
                MissingImage::Unconnected,
                MissingImage::Black,
                MissingImage::Null,
                MissingImage::NoData,
            ]);
            behaviour.always_connected = dice.below(4) == 0;
            behaviour.rows = dice.one(&[Rows::Upward, Rows::Downward]);
            behaviour.padding = dice.one(&[0, 0, 1, 4, 100]);
            behaviour.origin = dice.one(&[(0, 0), (0, 0), (-7, 11), (1920, 1080)]);
            // Too few bytes for any picture.
            behaviour.row_bytes = dice.one(&[None, None, None, None, None, Some(0)]);
            behaviour.knows_regions = dice.below(4) > 0;
            behaviour.ignores_time = dice.below(8) == 0;
            behaviour.undefined_clip_is_null = dice.below(4) == 0;
        });
        let size = dice.one(&[(1, 1), (2, 3), (24, 16), (24, 16), (33, 1), (1, 20), (40, 30)]);
        let format = Format {
            depth: dice.one(&Depth::ALL),
            components: dice.one(&Components::ALL),
            premult: dice.one(&[Premult::Opaque, Premult::Pre, Premult::Un]),
        };
        let inputs = descriptor.clips().into_iter().filter(|clip| !clip.is_output());
        let mut footage: BTreeMap<String, Arc<dyn Footage>> = BTreeMap::new();
        for (index, clip) in inputs.enumerate() {
            if dice.below(8) > 0 {
                footage.insert(clip.name.clone(), drawing(size, index + dice.below(3)));
            }
        }
        let mut values = Vec::new();
        for param in descriptor.params.all() {
            if dice.below(4) == 0
                && let Some(value) = sensible(&param, dice)
            {
                values.push((param.name.clone(), None, value));
            }
        }
        let rate = dice.one(&[24.0, 24.0, 12.0, 0.0, f64::NAN, 1e9]);
        let project = Project { size, range: (1.0, 9.0), rate };
        let setup = Setup { context: context.clone(), project, format, footage, values };
        if let Ok(instance) = Instance::new(&self.plugin, &setup) {
            let mut instances = self.instances.write();
            let old = (instances.len() >= INSTANCES)
                .then(|| instances.swap_remove(dice.below(INSTANCES)));
            instances.push(Arc::new(instance));
            drop(instances);
            // DestroyInstance is called by the thread that drops it last.
            drop(old);
        }
    }

    fn render(&self, instance: &Instance, time: f64, scale: f64, dice: &mut Dice) {
        let effect = instance.effect();
        let output = effect.clips().into_iter().find(|clip| clip.is_output());
        let Some(format) = output.and_then(|clip| clip.format()) else { return };
        let (width, height) = effect.project_size();
        let behaviour = effect.host.behaviour();
        let (x1, y1) = behaviour.origin;
        let bounds = OfxRectI { x1, y1, x2: x1 + width as i32, y2: y1 + height as i32 };
        let (depth, components) = (format.depth, format.components);
        let (rows, padding) = (behaviour.rows, behaviour.padding);
        let Some(buffer) = Buffer::new(Layout { bounds, depth, components, rows, padding }) else {
            return;
        };
        let buffer = Arc::new(buffer);
        let window = match dice.below(6) {
            0 => OfxRectI {
                x1: dice.one(&INTS),
                y1: dice.one(&INTS),
                x2: dice.one(&INTS),
                y2: dice.one(&INTS),
            },
            1 => OfxRectI { x2: bounds.x1 + 1, y2: bounds.y1 + 1, ..bounds },
            _ => bounds,
        };
        let journal = effect.host.journal();
        let edges = [window.x1, window.y1, window.x2, window.y2];
        let arguments = PropertySet::of("the arguments of Render", journal)
            .read_only()
            .doubles(kOfxPropTime, &[time])
            .text(kOfxImageEffectPropFieldToRender, ascii(kOfxImageFieldNone))
            .ints(kOfxImageEffectPropRenderWindow, &edges)
            .doubles(kOfxImageEffectPropRenderScale, &[scale, scale])
            .ints(kOfxImageEffectPropInteractiveRenderStatus, &[dice.below(2) as i32])
            .ints(kOfxImageEffectPropRenderQualityDraft, &[dice.below(2) as i32])
            .build();
        effect.abort_after(dice.one(&[None, None, None, Some(0), Some(1), Some(3)]));
        effect.set_scale(dice.one(&[1.0, 1.0, 1.0, 0.5]));
        let action = Action {
            arguments: Some(&arguments),
            time: Some(time),
            target: Some(&buffer),
            ..Action::new(kOfxImageEffectActionRender)
        };
        let status = self.plugin.call(&action.on(effect));
        effect.set_scale(1.0);
        let inside = bounds.x1 <= window.x1
            && window.x1 <= window.x2
            && window.x2 <= bounds.x2
            && bounds.y1 <= window.y1
            && window.y1 <= window.y2
            && window.y2 <= bounds.y2;
        if inside && let Some(damage) = buffer.damage(window) {
            journal.violate(Rule::OutsideWindow, format!("{edges:?} was to be rendered; {damage}"));
        }
        self.renders.fetch_add(1, Ordering::Relaxed);
        self.pictures.fetch_add(u64::from(status.0 == kOfxStatOK), Ordering::Relaxed);
        journal.take_messages();
    }

    fn edit(&self, instance: &Instance, time: f64, dice: &mut Dice) {
        let params = instance.effect().params.all();
        // A description that was cut short leaves no parameters.
        let Some(param) = params.get(dice.below(params.len())) else { return };
        let value = match dice.below(3) {
            0 => wild(param, dice),
            _ => sensible(param, dice),
        };
        // Buttons hold no value and are pressed.
        let value = value.unwrap_or(Value::None);
        let _ = if dice.below(3) == 0 {
            instance.load_value(&param.name, value, time)
        } else {
            instance.edit(&param.name, value, time)
        };
    }

    /// An action with some of its arguments, or none, on any handle.
    fn bare(&self, instance: &Instance, dice: &mut Dice) {
        let name = dice.one(&[
            kOfxActionDescribe,
            kOfxImageEffectActionDescribeInContext,
            kOfxActionCreateInstance,
            kOfxActionInstanceChanged,
            kOfxImageEffectActionGetClipPreferences,
            kOfxImageEffectActionGetRegionOfDefinition,
            kOfxImageEffectActionGetRegionsOfInterest,
            kOfxImageEffectActionGetFramesNeeded,
            kOfxImageEffectActionGetTimeDomain,
            kOfxImageEffectActionIsIdentity,
            kOfxImageEffectActionRender,
            kOfxActionLoad,
        ]);
        let journal = self.plugin.host().journal();
        let mut given = PropertySet::of("hostile arguments", journal);
        let maybe = |set: Builder, dice: &mut Dice, add: &dyn Fn(Builder, &mut Dice) -> Builder| {
            if dice.below(2) == 0 { add(set, dice) } else { set }
        };
        given = maybe(given, dice, &|set, dice| set.doubles(kOfxPropTime, &[dice.one(&DOUBLES)]));
        given = maybe(given, dice, &|set, dice| {
            set.ints(kOfxImageEffectPropRenderWindow, &[dice.one(&INTS), dice.one(&INTS)])
        });
        given = maybe(given, dice, &|set, dice| {
            let name = dice.one(&["", "generate", "mode", "Source", "no such thing"]);
            set.text(kOfxPropName, name).text(kOfxImageEffectPropContext, name)
        });
        let (given, results) = (given.build(), PropertySet::of("hostile results", journal).build());
        let descriptor = self.plugin.descriptor();
        let action = Action {
            arguments: (dice.below(3) > 0).then_some(&*given),
            results: (dice.below(3) > 0).then_some(&*results),
            effect: match dice.below(4) {
                0 => None,
                1 => descriptor.as_ref(),
                _ => Some(instance.effect()),
            },
            ..Action::new(name)
        };
        self.plugin.call(&action);
    }
}

fn any_time(dice: &mut Dice) -> f64 {
    match dice.below(12) {
        0 => dice.one(&DOUBLES),
        1 => dice.part() * 12.0 - 1.0,
        _ => dice.below(11) as f64,
    }
}

fn any_scale(dice: &mut Dice) -> f64 {
    match dice.below(12) {
        0 => dice.one(&DOUBLES),
        _ => dice.one(&[1.0, 1.0, 0.5, 0.25]),
    }
}

/// A value as a slider gives it.
fn sensible(param: &Param, dice: &mut Dice) -> Option<Value> {
    let limit = |name| param.props.numbers(name).first().copied();
    let mut within = || {
        let (low, high) = (limit(kOfxParamPropDisplayMin)?, limit(kOfxParamPropDisplayMax)?);
        Some(low + dice.part() * (high - low))
    };
    match param.kind {
        ParamType::Double => Some(Value::Doubles(vec![within()?])),
        ParamType::Integer => Some(Value::Ints(vec![within()?.round() as i32])),
        ParamType::Boolean => Some(Value::Ints(vec![dice.below(2) as i32])),
        ParamType::Choice => Some(Value::Ints(vec![dice.below(param.options().len()) as i32])),
        _ => None,
    }
}

/// A value that no user could enter.
fn wild(param: &Param, dice: &mut Dice) -> Option<Value> {
    match param.kind {
        ParamType::Double => Some(Value::Doubles(vec![dice.one(&DOUBLES)])),
        ParamType::Integer | ParamType::Boolean | ParamType::Choice => {
            Some(Value::Ints(vec![dice.one(&INTS)]))
        }
        ParamType::String => {
            let texts =
                ["", " ", "/no/such/file.png", "0.1 0.2 0.9", "nan", "-1%", "%s%n", "\u{1F3A8}"];
            Some(Value::Text(c_text(dice.one(&texts))))
        }
        _ => None,
    }
}

/// A moving square.
fn drawing(size: (usize, usize), kind: usize) -> Arc<dyn Footage> {
    Arc::new(Moving::new(size, (1.0, 9.0), move |time| {
        let left = size.0 as f32 * (0.1 + 0.05 * time as f32 + 0.1 * kind as f32);
        Picture::from_fn(size.0, size.1, |x, y| {
            let inside = (x as f32 - left).abs() < 0.2 * size.0 as f32 && y * 4 > size.1;
            if inside { [0.9, 0.5, 0.3, 1.0] } else { [0.8, 0.85, 0.9, 1.0] }
        })
    }))
}
