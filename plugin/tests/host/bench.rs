//! Shared by the tests: a separate process, a span in a host, and pictures.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use host_tests::host::Host;
use host_tests::host::clip::Format;
use host_tests::host::effect::Project;
use host_tests::host::instance::{FrameRequest, Instance, Rendered, Setup};
use host_tests::host::param::Value;
use host_tests::host::pixels::{Components, Depth, Premult};
use host_tests::host::plugin::Plugin;
use host_tests::host::profile::Profile;
use host_tests::host::props::Values;
use host_tests::host::status::Status;
use host_tests::host::sys::*;
use host_tests::pictures::footage::{Footage, Moving};
use host_tests::pictures::picture::Picture;
use tempfile::TempDir;

/// Set in the process that runs the test itself.
const WITHIN: &str = "INBETWEEN_TEST_FOLDER";

/// Longer than any machine needs.
pub(crate) const LONG: Duration = Duration::from_secs(300);

pub(crate) const SIZE: (usize, usize) = (64, 48);
const RANGE: (f64, f64) = (1.0, 9.0);

/// Runs `body` in a separate process with a folder for its cache and its worker. The worker is
/// ended afterwards. `test` is the full name of the test.
pub(crate) fn alone(test: &str, body: impl FnOnce(&Path)) {
    if let Some(folder) = std::env::var_os(WITHIN) {
        body(Path::new(&folder));
        return;
    }
    let folder = TempDir::new().unwrap();
    let output = again(test, folder.path());
    let mut ending = Command::new(worker());
    ending.args(["serve", "--stop"]);
    // If no worker was started there is none to end.
    let _ = worker_places(&mut ending, folder.path()).output();
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{failed}");
}

/// Runs the same test in another process that shares the folder, for several at once.
pub(crate) fn again(test: &str, folder: &Path) -> Output {
    command(test, folder).output().unwrap()
}

/// The command for that process.
pub(crate) fn command(test: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture", "--include-ignored"]).env(WITHIN, folder);
    worker_places(&mut command, folder);
    command
}

fn worker_places<'a>(command: &'a mut Command, folder: &Path) -> &'a mut Command {
    command
        .env("INBETWEEN_CACHE_DIR", folder.join("cache"))
        .env("INBETWEEN_SOCKET_DIR", folder.join("socket"))
        .env("INBETWEEN_LOG_DIR", folder.join("log"))
        .env("INBETWEEN_MEMORY_MB", "4")
        .env("INBETWEEN_WORKER", worker())
}

/// The worker program.
pub(crate) fn worker() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_inbetween"))
}

/// The small model's weights, made once per folder.
pub(crate) fn weights(folder: &Path, layout: &str) -> String {
    let file = folder.join(format!("{layout}.safetensors"));
    if !file.is_file() {
        let beside = folder.join(format!("{layout}-{}.safetensors", std::process::id()));
        let mut command = Command::new(worker());
        command.args(["models", "random", "--tiny", "--precision", "f32", "--layout", layout]);
        let output = command.arg(&beside).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::rename(&beside, &file).unwrap();
    }
    file.to_str().unwrap().to_owned()
}

/// The plug-in's library. Cargo puts it beside the test, because it is a dev-dependency.
pub(crate) fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let path = test.parent().unwrap().join(format!("{prefix}aiinbetween{suffix}"));
    assert!(path.is_file(), "{} was not built", path.display());
    path
}

/// A host with the plug-in loaded; `interactive` is one with a viewer.
pub(crate) fn plugin(interactive: bool) -> Arc<Plugin> {
    let host = Host::new(Profile::find("natron").unwrap());
    let background = i32::from(!interactive);
    host.props().put(kOfxImageEffectHostPropIsBackground, Values::Int(vec![background]));
    let plugin = Plugin::open(&library(), None, &host).unwrap();
    plugin.start().unwrap();
    plugin
}

/// A span of a moving disc with keys on frames 1 and 9, and these parameters.
pub(crate) fn span(plugin: &Arc<Plugin>, values: &[(&str, &str)]) -> Instance {
    span_with(plugin, values, None)
}

/// What a sketch shows at a time; `None` for a blank one.
pub(crate) type Sketch = fn(f64) -> Option<f32>;

/// The same with a sketch: a vertical line at `x` of the picture's width from the left.
pub(crate) fn span_with(
    plugin: &Arc<Plugin>,
    values: &[(&str, &str)],
    sketch: Option<Sketch>,
) -> Instance {
    let clip = |draw: fn(f64, usize, usize) -> [f32; 4]| -> Arc<dyn Footage> {
        Arc::new(Moving::new(SIZE, RANGE, move |time| {
            Picture::from_fn(SIZE.0, SIZE.1, |x, y| draw(time, x, y))
        }))
    };
    let mut footage = BTreeMap::from([
        ("Source".to_owned(), clip(|_, x, y| disc(20.0, x, y))),
        ("KeyB".to_owned(), clip(|_, x, y| disc(40.0, x, y))),
    ]);
    if let Some(sketch) = sketch {
        let draw = move |time: f64| {
            Picture::from_fn(SIZE.0, SIZE.1, |x, _| {
                let at = sketch(time).map(|at| at * SIZE.0 as f32);
                let ink = at.is_some_and(|at| (x as f32 - at).abs() < 1.5);
                if ink { [0.1, 0.1, 0.1, 1.0] } else { [0.95, 0.95, 0.95, 1.0] }
            })
        };
        footage.insert("Sketch".to_owned(), Arc::new(Moving::new(SIZE, RANGE, draw)));
    }
    let project = Project { size: SIZE, range: RANGE, rate: 24.0 };
    instance(plugin, kOfxImageEffectContextGeneral, project, footage, values)
}

/// An instance with these 8-bit clips and parameters.
pub(crate) fn instance(
    plugin: &Arc<Plugin>,
    context: &CStr,
    project: Project,
    footage: BTreeMap<String, Arc<dyn Footage>>,
    values: &[(&str, &str)],
) -> Instance {
    let context = context.to_str().unwrap().to_owned();
    let descriptor = plugin.context(&context).unwrap();
    let value = |(id, text): &(&str, &str)| {
        let param = descriptor.params.find(id).unwrap_or_else(|| panic!("no parameter {id}"));
        ((*id).to_owned(), None, param.parse(text).unwrap())
    };
    let values = values.iter().map(value).collect();
    let format = Format { depth: Depth::Byte, components: Components::Rgba, premult: Premult::Pre };
    Instance::new(plugin, &Setup { context, project, format, footage, values }).unwrap()
}

/// An instance with one clip, Source, drawn by Flow, before its clip preferences are negotiated.
pub(crate) fn with_source(
    plugin: &Arc<Plugin>,
    context: &CStr,
    clip: impl Footage + 'static,
    rate: f64,
    values: &[(&str, &str)],
) -> Instance {
    let project = Project { size: clip.size(), range: (1.0, 100.0), rate };
    let footage = BTreeMap::from([("Source".to_owned(), Arc::new(clip) as Arc<dyn Footage>)]);
    let values = [&[("engine", "Flow")], values].concat();
    instance(plugin, context, project, footage, &values)
}

fn disc(centre: f32, x: usize, y: usize) -> [f32; 4] {
    let far = (x as f32 - centre).hypot(y as f32 - 24.0) - 11.0;
    match far {
        far if far.abs() < 1.5 => [0.1, 0.1, 0.15, 1.0],
        far if far < 0.0 => [0.9, 0.5, 0.3, 1.0],
        _ => [0.8, 0.85, 0.9, 1.0],
    }
}

/// The samples of a frame, whose render must succeed.
pub(crate) fn frame(instance: &Instance, time: f64) -> Vec<u8> {
    succeeded(instance.render(FrameRequest::at(time)).unwrap()).bytes()
}

/// The picture that a viewer shows.
pub(crate) fn viewed(instance: &Instance, time: f64) -> Vec<u8> {
    let request = FrameRequest { interactive: true, ..FrameRequest::at(time) };
    succeeded(instance.render(request).unwrap()).bytes()
}

#[track_caller]
pub(crate) fn succeeded(rendered: Rendered) -> Rendered {
    assert_eq!(rendered.status, Status::OK, "{:?}", rendered.said());
    rendered
}

/// The message of a render that must fail.
#[track_caller]
pub(crate) fn refusal(instance: &Instance, time: f64) -> String {
    let rendered = instance.render(FrameRequest::at(time)).unwrap();
    assert_ne!(rendered.status, Status::OK);
    rendered.said().expect("a failed render says why").to_owned()
}

/// Presses a button.
pub(crate) fn press(instance: &Instance, id: &str) {
    assert_eq!(instance.edit(id, Value::None, 5.0).unwrap(), Status::OK);
}

pub(crate) fn text(instance: &Instance, id: &str) -> String {
    let param = instance.effect().params.find(id).unwrap();
    let Value::Text(text) = param.value_at(0.0) else { panic!("{id} is no text") };
    text.to_str().unwrap().to_owned()
}

pub(crate) fn count(instance: &Instance, id: &str) -> i32 {
    let param = instance.effect().params.find(id).unwrap();
    let Value::Ints(values) = param.value_at(0.0) else { panic!("{id} is no number") };
    values[0]
}

/// Polls until the condition holds.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < LONG, "{what}: not in {LONG:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
