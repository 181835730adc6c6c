//! `retime`: converts a clip to another frame rate and respects the timing of its drawings.

mod animation;
mod atomic_file;
mod disk_space;
mod draw;
mod overlay;
mod pan;
mod pictures;
mod report;
mod restore;
pub(crate) mod sequence;
mod share;
mod source;
mod target;
mod video;
mod work_folder;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use inbetween_core::Engine;
use inbetween_core::retime::{FrameMap, OutputFrame, Rate, RateConversion, Strength};
use inbetween_core::settings::list::Restore;
use inbetween_flow::FlowEngine;

use crate::cli::Retime;
use crate::failure::{Failure, Kind, Result};
use crate::progress;
use crate::stdio::{errln, outln};
use disk_space::SpaceEstimate;
use draw::{FrameCounts, FrameWriter};
use pictures::{Depth, Style};
use report::{report, show_sheet};
use restore::RestoreOptions;
use sequence::Pattern;
use share::Share;
use source::{LookOptions, Source};
use target::Target;
use video::{EncoderOptions, VideoWriter};
use work_folder::{ClipAnalysis, JobSpec, WorkFolder};

/// Version of the manifest's format.
const FORMAT: u32 = 7;

/// Rate of pictures that do not state one.
const RATE_OF_PICTURES: &str = "24";

pub(crate) fn run(arguments: &Retime) -> Result<()> {
    retime(arguments).inspect_err(|failure| arguments.progress.failed(failure))
}

fn retime(arguments: &Retime) -> Result<()> {
    let started = Instant::now();
    let mut source = Source::open(&arguments.input)?;
    let from = match (arguments.from, source.rate()) {
        (Some(rate), _) | (None, Some(rate)) => rate,
        (None, None) => RATE_OF_PICTURES.parse()?,
    };
    let restoring =
        RestoreOptions { restore: arguments.restore, film_rate: arguments.from_cadence };
    let look = LookOptions { restoring, find_overlays: !arguments.move_overlays };
    warn_about(&source, arguments);
    if arguments.x_sheet {
        let analysis = source.analyse(from, look, arguments.progress)?;
        show_sheet(arguments, &analysis, analysis.restoration.rate(from))?;
        return fail_if_damaged(&analysis);
    }
    // The preset without a rate keeps that of the clip.
    let to =
        arguments.to.or(arguments.preset.as_ref().filter(|name| *name != "none").map(|_| from));
    let (Some(to), Some(output)) = (to, &arguments.output) else {
        return Err(Failure::new(
            Kind::Usage,
            "Give the output and the new rate, as: inbetween retime INPUT OUTPUT --to 60",
        ));
    };
    let output = output.as_path();
    let share = Share::of(arguments);
    let target = Target::of(output, &source)?;
    let quality = arguments.quality;
    let engine: Arc<dyn Engine> = Arc::new(FlowEngine::new()?);
    let (pattern, start, format) = target.frames(&source);
    let video = match &target {
        Target::Video(path) => Some(path.as_path()),
        Target::Pictures(..) => None,
    };
    if source.is_at(&pattern, video) {
        return Err(Failure::new(
            Kind::Usage,
            "The output would be written over the clip itself. Choose another folder or name.",
        ));
    }
    let spec = JobSpec {
        format: FORMAT,
        source: source.fingerprint()?,
        from,
        to,
        strength: arguments.strength,
        motion_path: format!("{:?}", arguments.path),
        hold_camera: arguments.hold_camera,
        move_overlays: arguments.move_overlays,
        restore: format!("{:?}", arguments.restore),
        from_cadence: arguments.from_cadence,
        quality: format!("{quality:?}"),
        engine: engine.version().into(),
        frames: pattern.name(),
    };
    let strength = Strength::new(arguments.strength)?;
    let rates = (from, to);
    if let Some(path) = video {
        if let Some(analysis) = WorkFolder::finished_analysis(&pattern, &spec, path) {
            WorkFolder::remove(&pattern)?;
            let rates = (analysis.restoration.rate(from), to);
            let frame_map = FrameMap::new(&analysis.sheet, rates.0, to, strength);
            let counts = FrameCounts { resumed: frame_map.frames(), ..FrameCounts::default() };
            report(
                arguments,
                (output, share),
                &analysis,
                &frame_map,
                rates,
                counts,
                started.elapsed(),
            );
            return fail_if_damaged(&analysis);
        }
        check_place(path, &pattern, arguments.overwrite)?;
    }
    let mut work = WorkFolder::open(pattern, start, spec, &share.name(), arguments.overwrite)?;
    let known = work.analysis.clone();
    if share == Share::Join && known.is_none() {
        return Err(discarded(
            work,
            Failure::new(
                Kind::Usage,
                "There is nothing to join: draw frames with --frames or --shard first, with the same input, output and options.",
            ),
        ));
    }
    if let Some(analysis) = &known {
        source.apply(analysis, video.is_some());
    }
    // Whether any picture has transparency is known only after all have been seen.
    let early = match (video, &known) {
        (Some(path), None) if !source.form().alpha => {
            match video_writer(path, &work, rates, &source, arguments) {
                Ok(writer) => Some(writer),
                Err(failure) => return Err(discarded(work, failure)),
            }
        }
        _ => None,
    };
    let analysis = match known {
        Some(analysis) => analysis,
        None => {
            let analysis = source.analyse(from, look, arguments.progress)?;
            work.record_analysis(&analysis)?;
            source.apply(&analysis, video.is_some());
            analysis
        }
    };
    let writer = match (early, video) {
        (None, Some(path)) => Some(video_writer(path, &work, rates, &source, arguments)?),
        (writer, _) => writer,
    };
    let writer = writer.map(|mut writer| {
        writer.set_start(analysis.start_micros);
        writer
    });
    let style = match (&source, &writer) {
        (Source::Pictures { sequence, style, .. }, None) => {
            style.as_ref().clone().in_format(format, &sequence.files()[0])
        }
        _ => Style::plain(format, source.form()),
    };
    if let Some(channels) = style.left_out() {
        errln!("inbetween: the drawn frames lack what is not the picture itself: {channels}");
    }
    // From here on the film is retimed, rather than what a transfer made of it.
    let from = analysis.restoration.rate(from);
    let frame_map = FrameMap::new(&analysis.sheet, from, to, strength);
    let range =
        share.range(frame_map.frames(), writer.as_ref().map_or(1, VideoWriter::part_length));
    if range.is_empty() && !share.is_whole() {
        outln!("None of the {} frames is in this share.", frame_map.frames());
        return Ok(());
    }
    let counts = if share == Share::Join {
        joined_shares(&mut work, writer.as_ref(), frame_map.frames())?
    } else {
        let settings = draw::settings(&source, quality);
        // Three exposures separate the drawing before a span from the one after it.
        let longest = RateConversion::new(from, to, strength).longest();
        let kept = usize::try_from(3 * longest).unwrap_or(0) + 4;
        let shown = range.clone().filter_map(|at| frame_map.output_frame(at));
        let between =
            shown.filter(|shown| matches!(shown, OutputFrame::InBetween { .. })).count() as u64;
        let first = source.frames(&analysis, 1).get(0)?;
        disk_space::check(
            &work.pattern.folder,
            space_estimate(
                &work,
                writer.as_ref(),
                &range,
                &pictures::file_of(&first.frame, source.encoding(), &style)?,
            ),
        )?;
        let queue = draw::queue(engine, first.frame.byte_len() as u64, between);
        drop(first);
        let mut frame_writer = FrameWriter {
            frame_map: &frame_map,
            source: &source,
            settings: &settings,
            queue: &queue,
            style: &style,
            motion_path: arguments.path,
            hold_camera: arguments.hold_camera || strength == Strength::AS_EXPOSED,
            frames: source.frames(&analysis, kept),
            bar: progress::Frames::of(arguments.progress, "drawing", range.end - range.start),
            counts: FrameCounts::default(),
        };
        frame_writer.write_share(&mut work, writer.as_ref(), range)?;
        frame_writer.finish()
    };
    match writer {
        Some(writer) if share.is_whole() => {
            errln!("inbetween: joining {}", output.display());
            writer.join(work, frame_map.frames(), analysis.start_micros)?;
        }
        None if share.is_whole() => work.tidy()?,
        _ => {}
    }
    report(
        arguments,
        (output, share),
        &analysis,
        &frame_map,
        (from, to),
        counts,
        started.elapsed(),
    );
    fail_if_damaged(&analysis)
}

/// Refuses a place where something else is stored.
fn check_place(path: &Path, pattern: &Pattern, overwrite: bool) -> Result<()> {
    let refuse = |message: String| Err(Failure::new(Kind::Usage, message));
    if path.symlink_metadata().is_ok() && !overwrite {
        return refuse(format!(
            "{} exists already. Choose another output, or add --overwrite.",
            path.display()
        ));
    }
    if pattern.folder.is_symlink() {
        return refuse(format!(
            "{} is a link. Finished frames are kept there until the video is whole; remove the link, or choose another output.",
            pattern.folder.display()
        ));
    }
    Ok(())
}

/// Removes a folder in which nothing was done, before reporting why.
fn discarded(work: WorkFolder, failure: Failure) -> Failure {
    let pattern = work.pattern.clone();
    if work.analysis.is_none() {
        drop(work);
        // The original failure is the one to report.
        let _ = WorkFolder::remove(&pattern);
    }
    failure
}

/// The video file to be made. Prints what it cannot keep of the source.
fn video_writer(
    path: &Path,
    work: &WorkFolder,
    rates: (Rate, Rate),
    source: &Source,
    arguments: &Retime,
) -> Result<VideoWriter> {
    let like = match source {
        Source::Video { path, video, .. } => Some((path.as_path(), &**video)),
        Source::Pictures { .. } => None,
    };
    let options = EncoderOptions {
        codec: arguments.codec.clone(),
        crf: arguments.crf,
        preset: arguments.encoder_preset.clone(),
    };
    let pictures = (source.form(), source.size()?);
    let writer = VideoWriter::prepare(path, &work.pattern.folder, rates, pictures, like, &options)?;
    writer.notes().for_each(|note| errln!("inbetween: {note}"));
    Ok(writer)
}

/// How much will be written, estimated from the size of one picture.
fn space_estimate(
    work: &WorkFolder,
    writer: Option<&VideoWriter>,
    range: &std::ops::Range<u64>,
    picture: &[u8],
) -> SpaceEstimate {
    let one = picture.len() as u64;
    match writer {
        None => {
            let left = range.clone().filter(|at| work.checksum(*at).is_none()).count() as u64;
            // Pictures differ in size, but most in a clip are about as large as its first.
            let all = one * left;
            SpaceEstimate { least: all / 2, most: all + all / 4 }
        }
        Some(writer) => {
            let pictures = one * writer.part_length().min(range.end - range.start);
            let made = writer.estimated_bytes(one, range.end - range.start);
            SpaceEstimate { least: pictures / 2, most: pictures + 2 * made }
        }
    }
}

/// Checks that others have drawn everything, and encodes what they have left as pictures.
fn joined_shares(
    work: &mut WorkFolder,
    writer: Option<&VideoWriter>,
    frames: u64,
) -> Result<FrameCounts> {
    let whole = 0..frames;
    let missing: Vec<u64> = match writer {
        None => whole.filter(|at| !work.is_finished(*at)).collect(),
        Some(writer) => {
            let mut missing = Vec::new();
            for (part, range) in writer.parts(frames) {
                if writer.has_part(work, part) {
                    continue;
                }
                let before = missing.len();
                missing.extend(range.clone().filter(|at| !work.is_finished(*at)));
                if missing.len() == before {
                    writer.encode_part(work, part, range)?;
                }
            }
            missing
        }
    };
    match (missing.first(), missing.last()) {
        (Some(first), Some(last)) => Err(Failure::new(
            Kind::File,
            format!(
                "{} of {frames} frames are not drawn yet, between {} and {}. Draw them with --frames {}-{}, then join again.",
                missing.len(),
                first + 1,
                last + 1,
                first + 1,
                last + 1
            ),
        )),
        _ => Ok(FrameCounts { resumed: frames, ..FrameCounts::default() }),
    }
}

/// A damaged clip is not a success, even if everything possible was done.
fn fail_if_damaged(analysis: &ClipAnalysis) -> Result<()> {
    if analysis.damage.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Damaged,
        format!(
            "The clip is damaged: {}. What could be read was used, and the gaps hold the picture before them.",
            analysis.damage.join("; ")
        ),
    ))
}

/// Warns the user before it is too late.
fn warn_about(source: &Source, arguments: &Retime) {
    match source {
        Source::Video { video, .. } if video.interlaced && arguments.restore == Restore::Off => {
            errln!(
                "inbetween: the video says that it is interlaced; if combs are seen in motion, leave --restore off away"
            );
        }
        Source::Pictures { unpacked: None, .. } if arguments.from.is_none() => {
            errln!(
                "inbetween: pictures tell no frame rate; {RATE_OF_PICTURES} is assumed (--from RATE for another)"
            );
        }
        _ => {}
    }
    let form = source.form();
    if form.depth >= Depth::Half && arguments.output.as_deref().is_some_and(video::is_video) {
        errln!(
            "inbetween: scene-linear pictures are shown as sRGB in the video, highlights cut off"
        );
    }
}
