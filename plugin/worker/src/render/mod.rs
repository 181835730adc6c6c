//! `render`: takes two keys and writes the frames of their span, with either engine.

mod output;
mod request;
mod spans;
mod unsure;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inbetween_core::budget::Budget;
use inbetween_core::cache::{Cache, CacheConfig};
use inbetween_core::queue::{Priority, Queue};
use inbetween_core::remote::{RemoteConfig, RemoteEngine};
use inbetween_core::timing::{Key, SpanPosition, Timing};
use inbetween_core::{Drawn, Encoding, Engine, EngineKind, Error, Frame, Output, Unsure};
use serde_json::json;

use crate::cli::Render;
use crate::failure::{Failure, Kind, Result};
use crate::pictures::Depth;
use crate::pictures::contact_sheet::Exposed;
use crate::progress::ProgressReporter;
use crate::stdio::{errln, outln};
use output::{Overview, Writer};
use request::Prepared;
use unsure::Doubts;

pub(crate) use request::downloaded;

/// Interval at which a waiting command checks the progress of the drawing.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

pub(crate) fn run(arguments: &Render) -> Result<()> {
    draw_all(arguments).inspect_err(|failure| arguments.progress.failed(failure))
}

fn draw_all(arguments: &Render) -> Result<()> {
    let started = Instant::now();
    let spans = spans::of(arguments)?;
    let mut config = CacheConfig::from_environment();
    if let Some(dir) = &arguments.cache {
        config = CacheConfig::resolve(Some(dir.clone()), std::env::var_os);
    }
    let mut engines = inbetween_generative::engines(&config)?;
    if arguments.worker {
        engines = in_the_worker(engines, &config);
    }
    let queue = Queue::new(engines, Cache::within(Budget::of_process(), config.disk));

    let mut progress = ProgressReporter::new(arguments.progress, "drawing");
    let mut summary = RenderSummary::default();
    let mut overview = Overview::new(arguments);
    for (at, span) in spans.iter().enumerate() {
        let status = match spans.len() {
            1 => "drawing".into(),
            _ => format!("{} to {}", span.first.display(), span.last.display()),
        };
        progress.status(&status);
        let count = spans.len() as f32;
        draw_span(
            span,
            &queue,
            &mut |part| progress.report((at as f32 + part) / count),
            (&mut summary, &mut overview),
        )?;
    }
    summary.files.extend(overview.finish()?);
    progress.done();
    let RenderSummary { files, engine, drawn, found, loose_pins, doubts } = summary;
    let warnings: Vec<String> =
        loose_pins.into_iter().map(|pin| inbetween_core::pins::loose(pin + 1)).collect();
    for warning in warnings.iter().chain(&doubts.lines()) {
        errln!("inbetween: {warning}");
    }
    let seconds = started.elapsed().as_secs_f64();
    if arguments.json {
        let files: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
        crate::models::print_json(&json!({
            "files": files,
            "engine": engine,
            "drawn": drawn,
            "from_cache": found,
            "seconds": seconds,
            "warnings": warnings,
            "unsure": doubts.json(),
        }));
    } else {
        outln!(
            "{} files in {} after {seconds:.1} s with {engine}: {drawn} drawn, {found} from the cache",
            files.len(),
            arguments.out.display(),
        );
    }
    Ok(())
}

/// The results so far.
#[derive(Default)]
struct RenderSummary {
    files: Vec<PathBuf>,
    engine: &'static str,
    drawn: usize,
    found: usize,
    /// Pins that bind nothing, as indices from 0.
    loose_pins: BTreeSet<usize>,
    doubts: Doubts,
}

/// Draws the frames of one span. `report` is called with the progress, 0 to 1.
fn draw_span(
    arguments: &Render,
    queue: &Queue,
    report: &mut dyn FnMut(f32),
    (summary, overview): (&mut RenderSummary, &mut Overview),
) -> Result<()> {
    let timing = arguments.timing()?;
    let frames = arguments.frames_wanted()?;
    let prepared = Prepared::new(arguments, &timing)?;
    // Checked before anything is drawn.
    let output = arguments.output;
    let style = prepared.style.clone();
    if output == Output::Motion && !matches!(style.form.depth, Depth::Half | Depth::Float) {
        return Err(usage(
            "Motion is more than a picture of 0 to 1 holds: add --format exr32, or exr.",
        ));
    }
    output::check_inputs_stay(arguments, &style, &frames)?;
    if let Some(channels) = style.left_out() {
        errln!("inbetween: the frames lack what is not the picture itself: {channels}");
    }
    let mut writer = Writer::new(arguments, style, prepared.encoding)?;
    let mut source = DrawingSource { queue, prepared: &prepared, drawn: 0, found: 0, held: None };
    for (at, &frame) in frames.iter().enumerate() {
        let mut report = |part: f32| report((at as f32 + part) / frames.len() as f32);
        let place = timing.at(f64::from(frame))?;
        let shown = (frame, exposed(&timing, frame, place)?);
        let mut show = |picture: &Frame, unsure: Option<&Unsure>| {
            overview.show(shown, picture, prepared.encoding, unsure);
        };
        // Outputs other than the drawing are made at the keys as well.
        match place.key().filter(|_| output == Output::InBetween) {
            Some(key) => {
                let (path, picture) = match key {
                    Key::First => (&arguments.first, &prepared.first),
                    Key::Last => (&arguments.last, &prepared.last),
                };
                writer.write_key(frame, path, picture)?;
                show(picture, None);
            }
            None => {
                let drawn = source.get(place.drawn_position(), &mut report)?;
                summary.loose_pins.extend(&drawn.remarks.loose_pins);
                summary.doubts.note(frame, &drawn);
                let unsure = drawn.remarks.unsure.as_ref();
                if output == Output::Motion {
                    let per_frame = timing.position_per_frame(f64::from(frame))?;
                    let motion = drawn.motion_of_a_frame(per_frame as f32);
                    writer.write(frame, &motion)?;
                    show(&motion, unsure);
                } else {
                    writer.write(frame, &drawn.frame)?;
                    show(&drawn.frame, unsure);
                }
            }
        }
        report(1.0);
    }
    summary.drawn += source.drawn;
    summary.found += source.found;
    summary.engine = prepared.settings.engine.name();
    summary.files.extend(writer.files());
    Ok(())
}

/// What the exposure sheet shows for a frame.
fn exposed(timing: &Timing, frame: u32, place: SpanPosition) -> Result<Exposed> {
    Ok(if timing.at(f64::from(frame) - 1.0)? == place {
        Exposed::Hold
    } else if place.key().is_some() {
        Exposed::Key
    } else {
        Exposed::InBetween(place.position())
    })
}

/// The same engines, with ToonCrafter in the worker process, which runs this same executable.
fn in_the_worker(engines: Vec<Arc<dyn Engine>>, config: &CacheConfig) -> Vec<Arc<dyn Engine>> {
    let remote = |engine: Arc<dyn Engine>| -> Arc<dyn Engine> {
        match engine.kind() {
            EngineKind::Flow => engine,
            EngineKind::ToonCrafter => Arc::new(RemoteEngine::new(RemoteConfig {
                executable: std::env::current_exe().ok(),
                ..RemoteConfig::new(config.clone(), engine.version().to_owned())
            })),
        }
    };
    engines.into_iter().map(remote).collect()
}

/// The source of drawings.
struct DrawingSource<'a> {
    queue: &'a Queue,
    prepared: &'a Prepared,
    drawn: usize,
    found: usize,
    /// Kept, because on twos and threes the same position comes up again.
    held: Option<(f64, Arc<Drawn>)>,
}

impl DrawingSource<'_> {
    fn get(&mut self, position: f64, report: &mut dyn FnMut(f32)) -> Result<Arc<Drawn>> {
        if let Some((held, drawn)) = &self.held
            && *held == position
        {
            return Ok(drawn.clone());
        }
        let job = self.prepared.job(position);
        let drawn = if let Some(drawn) = self.queue.cached(&job.request, job.size()) {
            self.found += 1;
            drawn
        } else {
            self.drawn += 1;
            let ticket = self.queue.submit(job, Priority::Final);
            loop {
                if let Some(outcome) = ticket.wait_for(POLL_INTERVAL) {
                    break outcome.map_err(|error| failure_of(&error))?;
                }
                report(ticket.progress());
            }
        };
        self.held = Some((position, drawn.clone()));
        Ok(drawn)
    }
}

/// The failure of a command for an error that several callers may share.
fn failure_of(error: &Error) -> Failure {
    Failure::new(crate::failure::kind_of(error), error.user_message())
}

/// The frame in display values.
fn displayed(frame: &Frame, encoding: Encoding) -> Frame {
    frame.clone().converted(encoding, Encoding::Srgb)
}

fn usage(message: impl Into<String>) -> Failure {
    Failure::new(Kind::Usage, message)
}
