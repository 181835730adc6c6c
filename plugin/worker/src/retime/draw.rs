//! The frames of the output, one after the other: copied, or drawn through the queue.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use image::ImageFormat;
use inbetween_core::cache::{Cache, CacheConfig};
use inbetween_core::queue::{Priority, Queue, Ticket};
use inbetween_core::retime::{Plan, Shown};
use inbetween_core::{Drawn, Engine, EngineKind, Job, Request, Settings};

use super::pictures::{self, Form};
use super::source::{Frames, Source};
use super::work::Work;
use crate::failure::{Failure, Kind, Result};
use crate::progress;

/// In-betweens that are asked for ahead, so that the engine never waits for a file.
const AHEAD: usize = 3;

/// Bytes of drawings kept in memory; frames are asked for once, so a few are enough.
const MEMORY: usize = 64 << 20;

/// What was done for the frames of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Finished by a run before.
    pub(super) resumed: u64,
    /// Frames of the source.
    pub(super) copied: u64,
    /// In-betweens.
    pub(super) drawn: u64,
    /// In-betweens for which the engine found no motion and held the nearer key.
    pub(super) held: u64,
}

/// How the output is stored.
pub(super) struct Store<'a> {
    pub(super) work: &'a Work,
    pub(super) form: Form,
    pub(super) format: ImageFormat,
    /// Source frames that may be asked for again.
    pub(super) kept: usize,
}

/// The queue for drawings of `bytes` each, `count` of them. The user's cache on disk is used when they leave
/// room for other work in it.
pub(super) fn queue(engine: Arc<dyn Engine>, bytes: u64, count: u64) -> Queue {
    let mut config = CacheConfig::from_environment();
    config.memory_bytes = config.memory_bytes.min(MEMORY);
    let fits = |limit: u64| bytes.saturating_mul(count) <= limit / 2;
    config.disk = config.disk.filter(|disk| fits(disk.limit_bytes));
    Queue::new(vec![engine], Cache::new(config))
}

/// An in-between that is being drawn.
struct Pending {
    at: u64,
    ticket: Ticket,
}

/// Writes every frame of `plan` that is not finished yet.
pub(super) fn all(
    plan: &Plan,
    source: &Source,
    settings: &Settings,
    queue: &Queue,
    store: &Store<'_>,
) -> Result<Tally> {
    let bar = progress::of_work("drawing", plan.frames());
    let mut frames = source.frames(store.kept);
    let mut tally = Tally::default();
    let mut pending: VecDeque<Pending> = VecDeque::new();
    let mut last: Option<(Shown, PathBuf)> = None;
    for (at, shown) in plan.all().enumerate() {
        let at = at as u64;
        let file = store.work.file(at);
        if store.work.is_finished(at) {
            tally.resumed += 1;
            bar.inc(1);
        } else if let Shown::Between { first, last, position } = shown {
            let job = job(&mut frames, (first, last), position, settings)?;
            pending.push_back(Pending { at, ticket: queue.submit(job, Priority::Final) });
            if pending.len() > AHEAD {
                take(&mut pending, store, settings, &mut tally)?;
                bar.inc(1);
            }
        } else if let Shown::Source { frame } = shown {
            match last.as_ref().filter(|(before, file)| *before == shown && file.is_file()) {
                Some((_, same)) => pictures::copy(same, &file)?,
                None => copy(source, &mut frames, index(frame)?, store, &file)?,
            }
            tally.copied += 1;
            bar.inc(1);
        }
        last = Some((shown, file));
    }
    while !pending.is_empty() {
        take(&mut pending, store, settings, &mut tally)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(tally)
}

fn job(
    frames: &mut Frames<'_>,
    (first, last): (i64, i64),
    position: f64,
    settings: &Settings,
) -> Result<Job> {
    let (first, last) = (frames.get(index(first)?)?, frames.get(index(last)?)?);
    let request = Request {
        first: first.hash,
        last: last.hash,
        sketches: Vec::new(),
        position,
        settings: settings.clone(),
    };
    Ok(Job { request, first: first.frame, last: last.frame, sketches: Vec::new() })
}

/// Waits for the in-between asked for first, and writes it.
fn take(
    pending: &mut VecDeque<Pending>,
    store: &Store<'_>,
    settings: &Settings,
    tally: &mut Tally,
) -> Result<()> {
    let Some(Pending { at, ticket }) = pending.pop_front() else { return Ok(()) };
    let drawn: Arc<Drawn> =
        ticket.wait().map_err(|err| Failure::new(Kind::Engine, err.user_message()))?;
    tally.drawn += 1;
    tally.held += u64::from(drawn.cut);
    pictures::save(&drawn.frame, settings.encoding, store.form, store.format, &store.work.file(at))
}

/// A frame of the source as it is: the very file where its kind is the wanted one.
fn copy(
    source: &Source,
    frames: &mut Frames<'_>,
    frame: usize,
    store: &Store<'_>,
    to: &std::path::Path,
) -> Result<()> {
    if let Source::Pictures { sequence, .. } = source {
        let file = sequence.file(frame);
        if ImageFormat::from_path(&file).is_ok_and(|format| format == store.format) {
            return pictures::copy(&file, to);
        }
    }
    let picture = frames.get(frame)?;
    pictures::save(&picture.frame, source.encoding(), store.form, store.format, to)
}

fn index(frame: i64) -> Result<usize> {
    usize::try_from(frame)
        .map_err(|_| Failure::new(Kind::Engine, "a plan asks for a frame before the clip"))
}

/// How in-betweens shall look.
pub(super) fn settings(source: &Source, quality: inbetween_core::Quality) -> Settings {
    Settings {
        engine: EngineKind::Flow,
        encoding: source.encoding(),
        quality,
        ..Settings::default()
    }
}
