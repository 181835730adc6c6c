//! `retime`: a clip at another frame rate, its drawings' own times respected.

mod animation;
mod camera;
mod draw;
mod pictures;
mod report;
mod restore;
mod room;
pub(crate) mod sequence;
mod share;
mod source;
mod target;
mod video;
mod whole;
mod work;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use inbetween_core::Engine;
use inbetween_core::retime::{Feel, Pace, Plan, Rate, Shown};
use inbetween_core::settings::list::Restore;
use inbetween_flow::FlowEngine;

use crate::cli::Retime;
use crate::failure::{Failure, Kind, Result};
use crate::progress;
use draw::{Drawing, Tally};
use pictures::{Depth, Style};
use report::{report, show_sheet};
use restore::Wish;
use room::Need;
use sequence::Pattern;
use share::Share;
use source::Source;
use target::Target;
use video::{Film, Wishes};
use work::{Found, Order, Work};

/// Form of the manifest.
const FORMAT: u32 = 3;

/// Rate of pictures that say none.
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
    let wish = Wish { restore: arguments.restore, film: arguments.from_cadence };
    warn_of(&source, arguments);
    if arguments.x_sheet {
        let found = source.look(from, wish, arguments.progress)?;
        show_sheet(arguments, &found, found.restored.rate(from))?;
        return sound_or_damaged(&found);
    }
    // The preset that has no rate of its own keeps that of the clip.
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
    let order = Order {
        format: FORMAT,
        source: source.fingerprint()?,
        from,
        to,
        strength: arguments.strength,
        hold_camera: arguments.hold_camera,
        restore: format!("{:?}", arguments.restore),
        from_cadence: arguments.from_cadence,
        quality: format!("{quality:?}"),
        engine: engine.version().into(),
        frames: pattern.name(),
    };
    let feel = Feel::new(arguments.strength)?;
    let rates = (from, to);
    if let Some(path) = video {
        if let Some(found) = Work::done(&pattern, &order, path) {
            Work::remove(&pattern)?;
            let rates = (found.restored.rate(from), to);
            let plan = Plan::new(&found.sheet, rates.0, to, feel);
            let tally = Tally { resumed: plan.frames(), ..Tally::default() };
            report(arguments, (output, share), &found, &plan, rates, tally, started.elapsed());
            return sound_or_damaged(&found);
        }
        check_place(path, &pattern, arguments.overwrite)?;
    }
    let mut work = Work::open(pattern, start, order, &share.name(), arguments.overwrite)?;
    let known = work.found.clone();
    if share == Share::Join && known.is_none() {
        return Err(abandoned(
            work,
            Failure::new(
                Kind::Usage,
                "There is nothing to join: draw frames with --frames or --shard first, with the same input, output and options.",
            ),
        ));
    }
    if let Some(found) = &known {
        source.learn(found, video.is_some());
    }
    // Whether a file shows through anywhere is known only when all of it was seen.
    let early = match (video, &known) {
        (Some(path), None) if !source.form().alpha => {
            match film(path, &work, rates, &source, arguments) {
                Ok(film) => Some(film),
                Err(failure) => return Err(abandoned(work, failure)),
            }
        }
        _ => None,
    };
    let found = match known {
        Some(found) => found,
        None => {
            let found = source.look(from, wish, arguments.progress)?;
            work.begin(&found)?;
            source.learn(&found, video.is_some());
            found
        }
    };
    let film = match (early, video) {
        (None, Some(path)) => Some(film(path, &work, rates, &source, arguments)?),
        (film, _) => film,
    };
    let film = film.map(|mut film| {
        film.begins(found.begins);
        film
    });
    let style = match (&source, &film) {
        (Source::Pictures { sequence, style, .. }, None) => {
            style.as_ref().clone().in_format(format, &sequence.files()[0])
        }
        _ => Style::plain(format, source.form()),
    };
    if let Some(channels) = style.left_out() {
        eprintln!("inbetween: the drawn frames lack what is not the picture itself: {channels}");
    }
    // From here on it is the film that is retimed, not what a transfer made of it.
    let from = found.restored.rate(from);
    let plan = Plan::new(&found.sheet, from, to, feel);
    let range = share.range(plan.frames(), film.as_ref().map_or(1, Film::part_length));
    if range.is_empty() && !share.is_whole() {
        println!("None of the {} frames is in this share.", plan.frames());
        return Ok(());
    }
    let tally = if share == Share::Join {
        gather(&mut work, film.as_ref(), plan.frames())?
    } else {
        let settings = draw::settings(&source, quality);
        let kept = usize::try_from(Pace::new(from, to, feel).longest()).unwrap_or(0) + 4;
        let shown = range.clone().filter_map(|at| plan.shown(at));
        let between = shown.filter(|shown| matches!(shown, Shown::Between { .. })).count() as u64;
        let first = source.frames(1).get(0)?;
        room::check(
            &work.pattern.folder,
            need(
                &work,
                film.as_ref(),
                &range,
                &pictures::file_of(&first.frame, source.encoding(), &style)?,
            ),
        )?;
        let queue = draw::queue(engine, first.frame.byte_len() as u64, between);
        drop(first);
        let mut drawing = Drawing {
            plan: &plan,
            source: &source,
            settings: &settings,
            queue: &queue,
            style: &style,
            hold_camera: arguments.hold_camera || feel == Feel::DRAWN,
            frames: source.frames(kept),
            bar: progress::Frames::of(arguments.progress, "drawing", range.end - range.start),
            tally: Tally::default(),
        };
        drawing.share(&mut work, film.as_ref(), range)?;
        drawing.finish()
    };
    match film {
        Some(film) if share.is_whole() => {
            eprintln!("inbetween: joining {}", output.display());
            film.join(work, plan.frames(), found.begins)?;
        }
        None if share.is_whole() => work.tidy()?,
        _ => {}
    }
    report(arguments, (output, share), &found, &plan, (from, to), tally, started.elapsed());
    sound_or_damaged(&found)
}

/// Refuses a place where something else lies.
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

/// Removes a folder in which nothing was done, before saying why.
fn abandoned(work: Work, failure: Failure) -> Failure {
    let pattern = work.pattern.clone();
    if work.found.is_none() {
        drop(work);
        // The failure itself is what counts.
        let _ = Work::remove(&pattern);
    }
    failure
}

/// The video file to be made; what of the source it cannot keep is told.
fn film(
    path: &Path,
    work: &Work,
    rates: (Rate, Rate),
    source: &Source,
    arguments: &Retime,
) -> Result<Film> {
    let like = match source {
        Source::Video { path, video, .. } => Some((path.as_path(), &**video)),
        Source::Pictures { .. } => None,
    };
    let wishes = Wishes {
        codec: arguments.codec.clone(),
        crf: arguments.crf,
        preset: arguments.encoder_preset.clone(),
    };
    let pictures = (source.form(), source.size()?);
    let film = Film::prepare(path, &work.pattern.folder, rates, pictures, like, &wishes)?;
    film.notes().for_each(|note| eprintln!("inbetween: {note}"));
    Ok(film)
}

/// What will be written, from what one picture takes.
fn need(work: &Work, film: Option<&Film>, range: &std::ops::Range<u64>, picture: &[u8]) -> Need {
    let one = picture.len() as u64;
    match film {
        None => {
            let left = range.clone().filter(|at| work.checksum(*at).is_none()).count() as u64;
            // Pictures differ in size; most of a clip's are about as large as its first.
            let all = one * left;
            Need { surely: all / 2, perhaps: all + all / 4 }
        }
        Some(film) => {
            let pictures = one * film.part_length().min(range.end - range.start);
            let made = film.guess(one, range.end - range.start);
            Need { surely: pictures / 2, perhaps: pictures + 2 * made }
        }
    }
}

/// Sees that others have drawn everything, and encodes what they have left as pictures.
fn gather(work: &mut Work, film: Option<&Film>, frames: u64) -> Result<Tally> {
    let whole = 0..frames;
    let missing: Vec<u64> = match film {
        None => whole.filter(|at| !work.is_finished(*at)).collect(),
        Some(film) => {
            let mut missing = Vec::new();
            for (part, range) in film.parts(frames) {
                if film.has(work, part) {
                    continue;
                }
                let before = missing.len();
                missing.extend(range.clone().filter(|at| !work.is_finished(*at)));
                if missing.len() == before {
                    film.seal(work, part, range)?;
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
        _ => Ok(Tally { resumed: frames, ..Tally::default() }),
    }
}

/// A damaged clip is no success, even when everything was done that could be.
fn sound_or_damaged(found: &Found) -> Result<()> {
    if found.damage.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Damaged,
        format!(
            "The clip is damaged: {}. What could be read was used, and the gaps hold the picture before them.",
            found.damage.join("; ")
        ),
    ))
}

/// What the person should know before it is too late.
fn warn_of(source: &Source, arguments: &Retime) {
    match source {
        Source::Video { video, .. } if video.interlaced && arguments.restore == Restore::Off => {
            eprintln!(
                "inbetween: the video says that it is interlaced; if combs are seen in motion, leave --restore off away"
            );
        }
        Source::Pictures { unpacked: None, .. } if arguments.from.is_none() => {
            eprintln!(
                "inbetween: pictures tell no frame rate; {RATE_OF_PICTURES} is assumed (--from RATE for another)"
            );
        }
        _ => {}
    }
    let form = source.form();
    if form.depth >= Depth::Half && arguments.output.as_deref().is_some_and(video::is_video) {
        eprintln!(
            "inbetween: scene-linear pictures are shown as sRGB in the video, highlights cut off"
        );
    }
}
