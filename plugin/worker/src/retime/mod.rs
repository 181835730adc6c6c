//! `retime`: a clip at another frame rate, its drawings' own times respected.

mod draw;
mod pictures;
mod sequence;
mod source;
mod video;
mod work;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use image::ImageFormat;
use inbetween_core::Engine;
use inbetween_core::exposure::{Kind as Shows, Sheet};
use inbetween_core::retime::{Feel, Pace, Plan, Rate, Shown};
use inbetween_flow::FlowEngine;
use serde_json::{Value, json};

use crate::cli::Retime;
use crate::failure::{Failure, Kind, Result};
use draw::{Store, Tally};
use pictures::Depth;
use sequence::Pattern;
use source::Source;
use work::{Order, Work};

/// Form of the manifest.
const FORMAT: u32 = 1;

/// Rate of pictures that say none.
const RATE_OF_PICTURES: &str = "24";

/// Where the output goes.
enum Target {
    Pictures(Pattern, ImageFormat),
    Video(PathBuf),
}

pub(crate) fn run(arguments: &Retime) -> Result<()> {
    let started = Instant::now();
    let source = Source::open(&arguments.input)?;
    let from = match (arguments.from, source.rate()) {
        (Some(rate), _) | (None, Some(rate)) => rate,
        (None, None) => RATE_OF_PICTURES.parse()?,
    };
    warn_of(&source, arguments);
    if arguments.x_sheet {
        let sheet = source.sheet()?;
        return show_sheet(arguments, &sheet, from);
    }
    let (Some(to), Some(output)) = (arguments.to, &arguments.output) else {
        return Err(Failure::new(
            Kind::Usage,
            "Give the output and the new rate, as: inbetween retime INPUT OUTPUT --to 60",
        ));
    };
    let target = Target::of(output, &source)?;
    let form = source.form();
    if let Target::Video(path) = &target {
        video::check_output(path, form, arguments.codec.as_deref())?;
    }
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
        quality: format!("{quality:?}"),
        engine: engine.version().into(),
        frames: pattern.name(),
    };
    if let Target::Video(path) = &target
        && path.exists()
        && !arguments.overwrite
    {
        return Err(Failure::new(
            Kind::Usage,
            format!(
                "{} exists already. Choose another output, or add --overwrite.",
                path.display()
            ),
        ));
    }
    let work = Work::open(pattern, start, &order, arguments.overwrite)?;
    let sheet = match &work.sheet {
        Some(sheet) => sheet.clone(),
        None => {
            let sheet = source.sheet()?;
            work.begin(&order, &sheet)?;
            sheet
        }
    };
    let feel = Feel::new(arguments.strength)?;
    let plan = Plan::new(&sheet, from, to, feel);
    let kept = usize::try_from(Pace::new(from, to, feel).longest()).unwrap_or(0) + 4;
    let mut frames = source.frames(1);
    let first = frames.get(0)?;
    let size = (first.frame.width(), first.frame.height());
    let between = plan.all().filter(|shown| matches!(shown, Shown::Between { .. })).count() as u64;
    let queue = draw::queue(engine, first.frame.byte_len() as u64, between);
    drop((frames, first));
    let store = Store { work: &work, form, format, kept };
    let tally = draw::all(&plan, &source, &draw::settings(&source, quality), &queue, &store)?;
    if let Target::Video(path) = &target {
        let like = match &source {
            Source::Video { path, video } => Some((path.as_path(), video)),
            Source::Pictures { .. } => None,
        };
        let bar = crate::progress::of_work("writing the video", 1);
        video::encode(
            &work.pattern,
            start,
            to,
            (form, size),
            like,
            arguments.codec.as_deref(),
            path,
        )?;
        bar.finish_and_clear();
        work.remove(plan.frames())?;
    }
    report(arguments, output, &sheet, &plan, (from, to), tally, started.elapsed());
    Ok(())
}

impl Target {
    fn of(output: &Path, source: &Source) -> Result<Self> {
        if video::is_video(output) {
            return Ok(Self::Video(output.into()));
        }
        let pattern = Pattern::parse(output);
        if pattern.is_none() && output.extension().is_some() && !output.is_dir() {
            return Err(Failure::new(
                Kind::Usage,
                format!(
                    "{} names one file. Give a folder, a pattern such as name.%04d.png, or a video file (.mp4, .mov, .mkv, .webm, .avi).",
                    output.display()
                ),
            ));
        }
        let pattern = pattern.unwrap_or_else(|| {
            let ending = match source {
                Source::Pictures { sequence, .. } => sequence.pattern.extension(),
                Source::Video { .. } => "png".into(),
            };
            Pattern::usual(output, &ending)
        });
        let format = ImageFormat::from_extension(pattern.extension())
            .filter(|format| {
                use ImageFormat::{Jpeg, OpenExr, Png, Tiff};
                matches!(format, Png | Jpeg | Tiff | OpenExr)
            })
            .ok_or_else(|| {
                Failure::new(
                    Kind::Usage,
                    format!(
                        "Pictures are written as PNG, JPEG, TIFF or EXR, not as .{}.",
                        pattern.extension()
                    ),
                )
            })?;
        Ok(Self::Pictures(pattern, format))
    }

    /// Where single frames are written, the number of the first, and as what.
    fn frames(&self, source: &Source) -> (Pattern, u64, ImageFormat) {
        match self {
            Self::Pictures(pattern, format) => {
                let start = match source {
                    Source::Pictures { sequence, .. } => sequence.first,
                    Source::Video { .. } => 1,
                };
                (pattern.clone(), start, *format)
            }
            Self::Video(path) => {
                let mut folder = path.as_os_str().to_owned();
                folder.push(".frames");
                (Pattern::usual(Path::new(&folder), "png"), 1, ImageFormat::Png)
            }
        }
    }
}

/// What the person should know before it is too late.
fn warn_of(source: &Source, arguments: &Retime) {
    match source {
        Source::Video { video, .. } if video.interlaced => {
            eprintln!(
                "inbetween: the video is interlaced; deinterlace it first (ffmpeg -vf bwdif), or combs will be seen in motion"
            );
        }
        Source::Pictures { .. } if arguments.from.is_none() => {
            eprintln!(
                "inbetween: pictures tell no frame rate; {RATE_OF_PICTURES} is assumed (--from RATE for another)"
            );
        }
        _ => {}
    }
    let form = source.form();
    if form.depth == Depth::Float && arguments.output.as_deref().is_some_and(video::is_video) {
        eprintln!(
            "inbetween: scene-linear pictures are shown as sRGB in the video, highlights cut off"
        );
    }
}

fn sheet_json(sheet: &Sheet) -> Value {
    let drawings: Vec<Value> = sheet
        .drawings()
        .iter()
        .map(|drawing| {
            let pan = match drawing.kind {
                Shows::Held => Value::Null,
                Shows::Panned { shift } => json!(shift),
            };
            json!({
                "first": drawing.first,
                "frames": drawing.frames,
                "pan": pan,
                "cut": drawing.cut,
                "confidence": drawing.confidence,
            })
        })
        .collect();
    json!({
        "frames": sheet.frames(),
        "usual_exposure": sheet.usual_exposure(),
        "cuts": sheet.cuts().collect::<Vec<_>>(),
        "confidence": sheet.confidence(),
        "drawings": drawings,
    })
}

/// The exposure sheet alone.
fn show_sheet(arguments: &Retime, sheet: &Sheet, rate: Rate) -> Result<()> {
    if arguments.json {
        crate::models::print_json(&sheet_json(sheet));
        return Ok(());
    }
    println!("{}", summary(sheet, rate));
    for drawing in sheet.drawings() {
        let pan = match drawing.kind {
            Shows::Held => String::new(),
            Shows::Panned { shift: [x, y] } => format!("  pans by {x:.1}, {y:.1} pixels"),
        };
        let cut = if drawing.cut { "  cut" } else { "" };
        let doubt = if drawing.confidence < 0.3 { "  unsure" } else { "" };
        println!("{:>7}  held for {}{pan}{cut}{doubt}", drawing.first, drawing.frames);
    }
    Ok(())
}

fn summary(sheet: &Sheet, rate: Rate) -> String {
    let (drawings, cuts) = (sheet.drawings().len(), sheet.cuts().count());
    let held = match sheet.usual_exposure() {
        1 => "mostly on ones".into(),
        2 => "mostly on twos".into(),
        3 => "mostly on threes".into(),
        more => format!("mostly held for {more} frames"),
    };
    format!("{} frames at {rate}, {drawings} drawings, {held}, {cuts} cuts", sheet.frames())
}

fn report(
    arguments: &Retime,
    output: &Path,
    sheet: &Sheet,
    plan: &Plan,
    (from, to): (Rate, Rate),
    tally: Tally,
    took: Duration,
) {
    if arguments.json {
        crate::models::print_json(&json!({
            "output": output.display().to_string(),
            "from": from.to_string(),
            "to": to.to_string(),
            "frames": plan.frames(),
            "drawn": tally.drawn,
            "copied": tally.copied,
            "resumed": tally.resumed,
            "held_by_engine": tally.held,
            "seconds": took.as_secs_f64(),
            "sheet": sheet_json(sheet),
        }));
        return;
    }
    println!("{}", summary(sheet, from));
    let resumed =
        if tally.resumed > 0 { format!(", {} were there", tally.resumed) } else { String::new() };
    println!(
        "{} frames at {to} in {}: {} drawn, {} from the clip{resumed}, after {:.1} s",
        plan.frames(),
        output.display(),
        tally.drawn,
        tally.copied,
        took.as_secs_f64()
    );
    if tally.held > 0 {
        println!(
            "{} in-betweens hold a drawing, because nothing in one key was found in the other.",
            tally.held
        );
    }
}
