//! The frames of the output, one after the other: copied, or drawn through the queue.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use inbetween_core::cache::{Cache, CacheConfig};
use inbetween_core::queue::{Priority, Queue, Ticket};
use inbetween_core::retime::{FrameMap, OutputFrame};
use inbetween_core::settings::list::MotionPath;
use inbetween_core::{ContentHash, Drawn, Engine, EngineKind, Job, Request, Settings};

use super::atomic_file;
use super::overlay::OverlayPixels;
use super::pan::translated;
use super::pictures::{self, Style};
use super::source::{Frames, Source};
use super::video::VideoWriter;
use super::work_folder::WorkFolder;
use crate::failure::{Failure, Kind, Result};
use crate::progress;

/// Number of in-betweens requested ahead, so that the engine never waits for a file.
const AHEAD: usize = 3;

/// Bytes of drawings kept in memory. Each frame is requested only once, so a few are enough.
const MEMORY: usize = 64 << 20;

/// What was done for the frames of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct FrameCounts {
    /// Finished by an earlier run.
    pub(super) resumed: u64,
    /// Frames of the source.
    pub(super) copied: u64,
    /// In-betweens.
    pub(super) drawn: u64,
    /// Frames of the source that are shifted, because the camera moves on up to a cut.
    pub(super) panned: u64,
    /// In-betweens for which the engine found no motion and held the nearer key.
    pub(super) held: u64,
    /// In-betweens of which a part cannot be trusted.
    pub(super) unsure: u64,
    /// The worst of them: its frame in the output, and its unsure share, 0..=1.
    pub(super) worst: Option<(u64, f32)>,
}

/// The queue for `count` drawings of `bytes` each. The user's cache on disk is used if they leave
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
    /// What lies over it.
    overlay: Option<OverlayPixels>,
}

/// Writes the frames in the order of the output, range after range.
pub(super) struct FrameWriter<'a> {
    pub(super) frame_map: &'a FrameMap,
    pub(super) source: &'a Source,
    pub(super) settings: &'a Settings,
    pub(super) queue: &'a Queue,
    pub(super) style: &'a Style,
    /// Whether the last frame of a scene is held still although the camera moves.
    pub(super) hold_camera: bool,
    /// Whether the drawings beside a span shape the paths between its keys.
    pub(super) motion_path: MotionPath,
    pub(super) frames: Frames<'a>,
    pub(super) bar: progress::Frames,
    pub(super) counts: FrameCounts,
}

impl FrameWriter<'_> {
    /// Writes the frames of `range`. Those of a film are encoded part by part, as soon as a part is
    /// complete.
    pub(super) fn write_share(
        &mut self,
        work: &mut WorkFolder,
        writer: Option<&VideoWriter>,
        range: Range<u64>,
    ) -> Result<()> {
        let Some(writer) = writer else { return self.write_range(work, range) };
        for (part, frames) in writer.parts(self.frame_map.frames()) {
            let mine = frames.start.max(range.start)..frames.end.min(range.end);
            if mine.is_empty() {
                continue;
            }
            if writer.has_part(work, part) {
                let frames = mine.end - mine.start;
                self.counts.resumed += frames;
                self.bar.skip(frames);
                continue;
            }
            self.write_range(work, mine.clone())?;
            if mine == frames {
                writer.encode_part(work, part, frames)?;
            }
        }
        Ok(())
    }

    /// The counts, after the last range.
    pub(super) fn finish(self) -> FrameCounts {
        self.bar.finish();
        self.counts
    }

    /// Writes every frame of `range` that is not finished yet.
    pub(super) fn write_range(&mut self, work: &mut WorkFolder, range: Range<u64>) -> Result<()> {
        let mut pending: VecDeque<Pending> = VecDeque::new();
        let mut last: Option<(OutputFrame, PathBuf)> = None;
        for at in range {
            let Some(shown) = self.frame_map.output_frame(at) else { break };
            let file = work.file(at);
            if work.is_finished(at) {
                self.counts.resumed += 1;
                self.bar.skip(1);
            } else if let OutputFrame::InBetween { first, last, position } = shown {
                let job = self.job((first, last), position)?;
                let overlay = self.frames.overlay(index(self.frame_map.source_frame(at))?)?;
                let ticket = self.queue.submit(job, Priority::Final);
                pending.push_back(Pending { at, ticket, overlay });
                if pending.len() > AHEAD {
                    self.write_next(&mut pending, work)?;
                }
            } else if let (OutputFrame::Source { frame }, Some(shift)) =
                (shown, self.extrapolated_pan(at))
            {
                let frame = index(frame)?;
                let overlay = self.frames.overlay(frame)?;
                let picture = self.frames.behind_overlays(frame)?;
                let mut moved = translated(&picture.frame, shift);
                if let Some(overlay) = overlay {
                    overlay.lay_over(&mut moved);
                }
                let sum = pictures::save(&moved, self.source.encoding(), self.style, &file)?;
                work.record_frame(at, sum)?;
                self.counts.panned += 1;
                self.bar.inc();
                // A shifted frame is not a copy of the source.
                last = None;
                continue;
            } else if let OutputFrame::Source { frame } = shown {
                let sum =
                    match last.as_ref().filter(|(before, file)| *before == shown && file.is_file())
                    {
                        Some((_, same)) => atomic_file::copy(same, &file)?,
                        None => self.copy(index(frame)?, &file)?,
                    };
                work.record_frame(at, sum)?;
                self.counts.copied += 1;
                self.bar.inc();
            }
            last = Some((shown, file));
        }
        while !pending.is_empty() {
            self.write_next(&mut pending, work)?;
        }
        Ok(())
    }

    fn job(&mut self, (first, last): (i64, i64), position: f64) -> Result<Job> {
        let neighbours = match self.motion_path {
            MotionPath::Smooth => self.frame_map.neighbours(first, last),
            MotionPath::Straight => [None, None],
        };
        let mut frame = |at: i64| self.frames.behind_overlays(index(at)?);
        // In ascending order, as a video is read.
        let [before, after] = neighbours;
        let before =
            before.map(|at| Ok::<_, Failure>((at.position, frame(at.frame)?))).transpose()?;
        let (first, last) = (frame(first)?, frame(last)?);
        let after =
            after.map(|at| Ok::<_, Failure>((at.position, frame(at.frame)?))).transpose()?;
        let request = Request {
            first: first.hash,
            last: last.hash,
            sketches: Vec::new(),
            pins: Vec::new(),
            neighbours: [None, None],
            position,
            settings: self.settings.clone(),
        };
        let (first, last) = (first.frame, last.frame);
        let job = Job { request, first, last, sketches: Vec::new(), neighbours: [None, None] };
        Ok(job.beside([before, after]))
    }

    /// How far the camera has moved on since the frame that is held.
    fn extrapolated_pan(&self, at: u64) -> Option<[f32; 2]> {
        if self.hold_camera { None } else { self.frame_map.extrapolated_pan(at) }
    }

    /// Waits for the in-between requested first, and writes it.
    fn write_next(&mut self, pending: &mut VecDeque<Pending>, work: &mut WorkFolder) -> Result<()> {
        let Some(Pending { at, ticket, overlay }) = pending.pop_front() else { return Ok(()) };
        let drawn: Arc<Drawn> =
            ticket.wait().map_err(|err| Failure::new(Kind::Engine, err.user_message()))?;
        let frame = match overlay {
            Some(overlay) => {
                let mut frame = drawn.frame.clone();
                overlay.lay_over(&mut frame);
                Cow::Owned(frame)
            }
            None => Cow::Borrowed(&drawn.frame),
        };
        let sum = pictures::save(&frame, self.settings.encoding, self.style, &work.file(at))?;
        work.record_frame(at, sum)?;
        self.counts.drawn += 1;
        self.counts.held += u64::from(drawn.cut);
        if let Some(unsure) = drawn.remarks.unsure {
            self.counts.unsure += 1;
            let worse = self.counts.worst.is_none_or(|(_, share)| share < unsure.share);
            if worse {
                self.counts.worst = Some((at, unsure.share));
            }
        }
        self.bar.inc();
        Ok(())
    }

    /// Copies a frame of the source unchanged, the file itself if it has the right style.
    fn copy(&mut self, frame: usize, to: &Path) -> Result<ContentHash> {
        let file = self.frames.file(frame);
        if let Some(file) = file.filter(|file| self.style.is_alike(file).is_ok_and(|is| is)) {
            return atomic_file::copy(file, to);
        }
        let picture = self.frames.get(frame)?;
        pictures::save(&picture.frame, self.source.encoding(), self.style, to)
    }
}

fn index(frame: i64) -> Result<usize> {
    usize::try_from(frame)
        .map_err(|_| Failure::new(Kind::Engine, "the frame map asks for a frame before the clip"))
}

/// How in-betweens should look.
pub(super) fn settings(source: &Source, quality: inbetween_core::Quality) -> Settings {
    Settings {
        engine: EngineKind::Flow,
        encoding: source.encoding(),
        quality,
        ..Settings::default()
    }
}
