//! `render`: two keys in, the frames of their span out, with either engine.

mod args;
mod output;
mod request;

use std::sync::Arc;
use std::time::{Duration, Instant};

use inbetween_core::cache::{Cache, CacheConfig};
use inbetween_core::queue::{Priority, Queue};
use inbetween_core::timing::{Key, Place, Timing};
use inbetween_core::{Drawn, Encoding, Error, Frame};
use serde_json::json;

pub use args::{ChartName, EngineName, ExposureName, FileFormat, LinesName, Render};

use crate::failure::{Failure, Kind, Result};
use crate::{engine, progress};
use output::Writer;
use request::Prepared;

/// How often a waiting command looks how far the drawing is.
const LOOK: Duration = Duration::from_millis(100);

const UNITS: f32 = 1000.0;

pub(crate) fn run(arguments: &Render) -> Result<()> {
    let started = Instant::now();
    let timing = arguments.timing()?;
    let frames = arguments.frames_wanted()?;
    let prepared = Prepared::new(arguments, &timing)?;
    // Before anything is drawn.
    let mut writer = Writer::new(arguments, prepared.encoding)?;
    let mut config = CacheConfig::from_environment();
    if let Some(dir) = &arguments.cache {
        config = CacheConfig::resolve(Some(dir.clone()), |name| std::env::var_os(name));
    }
    let queue = Queue::new(engine::engines(&config)?, Cache::new(config));

    let bar = progress::of_work("drawing", (frames.len() as f32 * UNITS) as u64);
    let (mut drawn, mut found) = (0, 0);
    let mut last: Option<(f64, Arc<Drawn>)> = None;
    for (at, &frame) in frames.iter().enumerate() {
        let start = at as f32 * UNITS;
        let picture = match timing.at(f64::from(frame))? {
            place if place.key() == Some(Key::First) => prepared.first.clone(),
            place if place.key() == Some(Key::Last) => prepared.last.clone(),
            Place::Between { position } => {
                let held = last.as_ref().filter(|(known, _)| *known == position);
                let result = match held {
                    Some((_, result)) => result.clone(),
                    None => {
                        let job = prepared.job(position);
                        if let Some(result) = queue.cached(&job.request) {
                            found += 1;
                            result
                        } else {
                            drawn += 1;
                            let ticket = queue.submit(job, Priority::Final);
                            let result = loop {
                                if let Some(outcome) = ticket.wait_for(LOOK) {
                                    break outcome;
                                }
                                bar.set_position((start + ticket.progress() * UNITS) as u64);
                            };
                            result.map_err(|error| of_shared(&error))?
                        }
                    }
                };
                last = Some((position, result.clone()));
                writer.write(frame, &result.frame)?;
                bar.set_position((start + UNITS) as u64);
                continue;
            }
            _ => prepared.last.clone(),
        };
        writer.write(frame, &picture)?;
        bar.set_position((start + UNITS) as u64);
    }
    bar.finish_and_clear();
    let files = writer.finish()?;
    let seconds = started.elapsed().as_secs_f64();
    if arguments.json {
        let files: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
        crate::models::print_json(&json!({
            "files": files,
            "engine": prepared.settings.engine.name(),
            "drawn": drawn,
            "from_cache": found,
            "seconds": seconds,
        }));
    } else {
        println!(
            "{} files in {} after {seconds:.1} s with {}: {drawn} drawn, {found} from the cache",
            files.len(),
            arguments.out.display(),
            prepared.settings.engine.name(),
        );
    }
    Ok(())
}

/// An error that several wait for, as that of a command.
fn of_shared(error: &Error) -> Failure {
    Failure::new(crate::failure::kind_of(error), error.user_message())
}

/// The frame as a display shows it.
fn displayed(frame: &Frame, encoding: Encoding) -> Frame {
    frame.clone().converted(encoding, Encoding::Srgb)
}

fn usage(message: impl Into<String>) -> Failure {
    Failure::new(Kind::Usage, message)
}
