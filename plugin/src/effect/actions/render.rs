//! Render: finds the pictures, asks the queue, waits while attending to the host, and writes.
//!
//! If an artist is waiting at the screen and allows drafts, a drawing that takes long continues in
//! the background and its draft is shown meanwhile.

use std::sync::Arc;
use std::time::Duration;

use inbetween_core::queue::{Priority, Ticket};
use inbetween_core::{Drawn, EngineKind, Frame, Output, Request, Settings};

use super::background::{self, BackgroundStatus};
use super::engines::queue;
use super::label;
use crate::effect::moment::keys::KeyPicture;
use crate::effect::moment::pixels::Pixels;
use crate::effect::moment::prepare::Prepared;
use crate::effect::moment::task::Task;
use crate::effect::names::OUTPUT_CLIP;
use crate::effect::parameters::choices::Choices;
use crate::ofx::{
    EffectRef, Error, Image, Progress, Rect, RenderArgs, Reply, Result, clear_message,
    show_message, show_warning,
};

/// Interval at which the host is asked whether to stop and told the progress.
const POLL: Duration = Duration::from_millis(20);

/// Draws one render window, or reports why it cannot be drawn.
pub(crate) fn render(effect: &EffectRef<'_>, args: RenderArgs) -> Result<Reply> {
    let mut note = None;
    match draw(effect, args, &mut note) {
        Ok(()) => {
            match note {
                Some(note) => show_warning(effect, &note),
                None => clear_message(effect),
            }
            Ok(Reply::Ok)
        }
        Err(error) => {
            if let Some(text) = error.user_message() {
                show_message(effect, &text);
                if effect.host().quirks().ignores_failures {
                    label_failure(effect, args, &text);
                }
            }
            Err(error)
        }
    }
}

/// Writes onto the picture why it could not be drawn.
fn label_failure(effect: &EffectRef<'_>, args: RenderArgs, text: &str) {
    let output = effect.clip(OUTPUT_CLIP).map(|clip| clip.output_image(args.time));
    if let Some(Ok(mut output)) = output {
        label::failure(&mut output, args.window, text);
    }
}

/// Draws. `note` receives what the artist should know about a picture that could be drawn.
fn draw(effect: &EffectRef<'_>, args: RenderArgs, note: &mut Option<String>) -> Result<()> {
    let output_clip = effect.clip(OUTPUT_CLIP).ok_or(Error::HostLacks("an output clip"))?;
    let mut output = output_clip.output_image(args.time)?;
    if args.window.intersection(output.bounds()).is_empty() {
        return Ok(());
    }
    let choices = Choices::read(effect, args.time)?;
    note.clone_from(&choices.note);
    let settings = choices.settings(output.format().depth, effect.host().quirks())?;
    let task = Task::of(effect, &choices)?;
    let plan = task.plan(effect, settings.encoding, output.whole(), args.time)?;
    if plan.held && settings.output != Output::InBetween {
        fill(&mut output, args.window, still(settings.output));
        return Ok(());
    }
    if let Some((key, source)) = plan.shown_key(settings.output) {
        let fit = Pixels::of_output(effect, args.scale).fit(output.whole());
        let picture = KeyPicture::find(effect, key, source, settings.encoding, fit)?;
        return show(&picture, &mut output, args.window);
    }
    let prepared = Prepared::new(effect, &choices, &plan, &settings, output.whole(), args.scale)?;
    let canvas = prepared.canvas;
    let teller = prepared.teller.clone();
    let shown = obtain(effect, prepared, &choices, args)?;
    let mut said = teller.remarks(&shown.drawn);
    // Shown beside the node while somebody is looking, and never as a dialog or in a batch.
    if effect.host().keeps_messages() && !effect.host().is_background() && !shown.is_draft {
        said.extend(teller.doubt(&shown.drawn));
    }
    *note = note.take().into_iter().chain(said).reduce(|all, said| format!("{all} {said}"));
    write(&shown.drawn, canvas, settings.output, plan.position_per_frame, &mut output, args.window);
    if shown.is_draft {
        label::draft(&mut output, args.window);
    }
    Ok(())
}

/// The value of outputs other than the drawing where nothing moves.
fn still(output: Output) -> [f32; 4] {
    match output {
        Output::Motion => [0.0, 0.0, 0.0, 1.0],
        Output::InBetween | Output::Confidence => [1.0; 4],
    }
}

/// Fills `window` with one value.
fn fill(output: &mut Image<'_>, window: Rect, pixel: [f32; 4]) {
    let format = output.format();
    let width = window.intersection(output.bounds()).width();
    let line = vec![pixel; width];
    output.fill_rows(window, |_, row| format.encode_row(&line, row));
}

/// A drawing to be shown.
struct Shown {
    drawn: Arc<Drawn>,
    /// It is Flow's drawing, shown until the requested one is finished.
    is_draft: bool,
}

/// The drawing, or its draft while an artist waits for it.
fn obtain(
    effect: &EffectRef<'_>,
    prepared: Prepared<'_>,
    choices: &Choices,
    args: RenderArgs,
) -> Result<Shown> {
    let queue = queue()?;
    let finished = |drawn| Shown { drawn, is_draft: false };
    if let Some(drawn) = queue.cached(&prepared.request, prepared.size()) {
        return Ok(finished(drawn));
    }
    let priority = if args.interactive { Priority::Interactive } else { Priority::Final };
    if !shows_drafts(effect, &prepared.request, choices, args) {
        if let Some(ticket) = queue.join(&prepared.request, priority) {
            return wait(effect, ticket).map(finished);
        }
        let request = prepared.request.clone();
        let job = prepared.into_pictures()?.job(request);
        return wait(effect, queue.submit(job, priority)).map(finished);
    }
    let request = prepared.request.clone();
    let key = queue.key(&request)?;
    let running = match background::status_of(&key) {
        BackgroundStatus::Failed(error) => return Err(error.into()),
        BackgroundStatus::Running => true,
        BackgroundStatus::Unknown => false,
    };
    let settings =
        Settings { engine: EngineKind::Flow, tooncrafter: None, ..request.settings.clone() };
    let quick = Request { settings, ..request.clone() };
    let draft = queue.cached(&quick, prepared.size());
    if running && let Some(drawn) = draft {
        return Ok(Shown { drawn, is_draft: true });
    }
    let pictures = prepared.into_pictures()?;
    if !running {
        let ticket = queue.submit(pictures.job(request), priority);
        background::keep(effect.address(), key, ticket, true);
    }
    let drawn = match draft {
        Some(drawn) => drawn,
        None => wait(effect, queue.submit(pictures.job(quick), priority))?,
    };
    Ok(Shown { drawn, is_draft: true })
}

/// Whether a draft may be shown instead: never where the picture may be kept as the result.
fn shows_drafts(
    effect: &EffectRef<'_>,
    request: &Request,
    choices: &Choices,
    args: RenderArgs,
) -> bool {
    choices.draft
        && request.settings.engine == EngineKind::ToonCrafter
        && (args.interactive || args.draft)
        && !effect.host().is_background()
}

/// Shows a key unchanged: bit for bit if the formats agree.
fn show(picture: &KeyPicture<'_>, output: &mut Image<'_>, window: Rect) -> Result<()> {
    if let KeyPicture::Host(image) = picture
        && image.format() == output.format()
    {
        output.copy_from(image, window);
        return Ok(());
    }
    let canvas = picture.bounds().unwrap_or_else(|| output.whole());
    let frame = picture.frame(canvas)?;
    write_frame(&frame, canvas, output, window);
    Ok(())
}

/// Waits for a drawing. Only this thread may talk to the host.
pub(super) fn wait(effect: &EffectRef<'_>, ticket: Ticket) -> Result<Arc<Drawn>> {
    let mut progress = Progress::new(effect, "Drawing the in-between");
    loop {
        if let Some(outcome) = ticket.wait_for(POLL) {
            return Ok(outcome?);
        }
        if effect.is_aborted() || !progress.update(f64::from(ticket.progress())) {
            ticket.cancel();
            return Err(inbetween_core::Error::Cancelled.into());
        }
    }
}

/// Writes a drawing in the form that the host expects.
fn write(
    drawn: &Drawn,
    canvas: Rect,
    wanted: Output,
    position_per_frame: f64,
    output: &mut Image<'_>,
    window: Rect,
) {
    match wanted {
        Output::Motion => {
            write_frame(
                &drawn.motion_of_a_frame(position_per_frame as f32),
                canvas,
                output,
                window,
            );
        }
        Output::InBetween | Output::Confidence => {
            write_frame(&drawn.frame, canvas, output, window);
        }
    }
}

/// Writes the part of `frame` (which covers `canvas`) inside `window`; transparent outside the
/// canvas.
fn write_frame(frame: &Frame, canvas: Rect, output: &mut Image<'_>, window: Rect) {
    let format = output.format();
    let window = window.intersection(output.bounds());
    let shared = window.intersection(canvas);
    let within = shared == window;
    output.fill_rows(window, |y, row| {
        let has_pixels = !shared.is_empty() && (shared.y1..shared.y2).contains(&y);
        let source = if has_pixels {
            let from = (shared.x1 - canvas.x1) as usize;
            &frame.row((canvas.y2 - 1 - y) as usize)[from..from + shared.width()]
        } else {
            &[]
        };
        if within {
            format.encode_row(source, row);
        } else {
            let mut pixels = vec![[0.0; 4]; window.width()];
            if has_pixels {
                let left = (shared.x1 - window.x1) as usize;
                pixels[left..left + source.len()].copy_from_slice(source);
            }
            format.encode_row(&pixels, row);
        }
    });
}
