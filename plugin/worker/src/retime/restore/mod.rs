//! Undoes what a transfer to tape or disc did to a film.
//!
//! Filters of ffmpeg join or separate fields ([`Fields`]). Repeated and mixed frames are undone
//! here, by choosing the frames that make up the film. A mix is never shown; in its place, a frame
//! is drawn between the neighbouring pictures if needed.

mod cadence;
mod ghosts;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;

use inbetween_core::Encoding;
use inbetween_core::exposure::{Analyser, Blend, Sheet};
use inbetween_core::retime::Rate;
use inbetween_core::settings::list::Restore;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::video::{CombCounts, Decoder, Fields, Video};
use crate::failure::Result;
use cadence::Cadence;
use ghosts::Haunted;

/// Share of a video's frames that show combs, or whose fields belong to different pictures, from
/// which this is not chance.
const LEAST_COMBED: f64 = 0.01;

/// Share of those that may still show combs after fields are joined.
const STILL_COMBED: f64 = 0.2;

/// Share of changes with a mix from which mixes come from a converter; single ones can be intended.
const LEAST_BLENDED: f64 = 0.2;

/// Number of consecutive mixes that make a dissolve.
const DISSOLVE: usize = 3;

/// Number of film frames by which it may be late after a break has left more drawings than time.
const MOST_LATE: usize = 2;

/// Least number of film frames that a drawing must be held to give one up, and the number of frames
/// after which any repeat is used.
const SPARES: usize = 3;
const PATIENCE: usize = 12;

/// Number of frames examined to find out what the fields are.
const LOOKED_AT: usize = 3000;

/// The user's choices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RestoreOptions {
    pub(super) restore: Restore,
    /// The film's rate, if the user knows it.
    pub(super) film_rate: Option<Rate>,
}

/// What was undone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Restoration {
    pub(super) fields: Fields,
    /// The film's own rate, if it differs from the transfer's.
    pub(super) film_rate: Option<Rate>,
    /// Number of breaks in the rhythm of repeated frames.
    cadence_breaks: usize,
    /// Number of mixed frames.
    blended_frames: usize,
    /// The frame of the transfer for each frame of the film; empty if every frame belongs to the
    /// film.
    source_frames: Vec<u32>,
    /// Frames of the film through which a neighbour shows, in order.
    haunted: Vec<Haunted>,
}

impl Restoration {
    /// A restoration that only changes fields and keeps every frame.
    pub(super) fn with_fields(fields: Fields) -> Self {
        Self { fields, ..Self::default() }
    }

    /// The film's rate in a video with this rate.
    pub(super) fn rate(&self, video: Rate) -> Rate {
        self.film_rate.unwrap_or_else(|| self.fields.rate(video))
    }

    /// The frame of the transfer that shows a frame of the film.
    pub(super) fn source_frame(&self, frame: usize) -> usize {
        if self.source_frames.is_empty() {
            return frame;
        }
        self.source_frames.get(frame).map_or(usize::MAX, |frame| *frame as usize)
    }

    /// The ghost in a frame of the film.
    pub(super) fn haunted(&self, frame: usize) -> Option<Haunted> {
        let at = self.haunted.binary_search_by_key(&frame, |haunted| haunted.frame as usize);
        at.ok().map(|at| self.haunted[at])
    }

    /// Uses an analysis of the film itself. Where a converter has mixed frames, a picture without a
    /// clean frame retains a trace of its neighbour.
    pub(super) fn look_at(&mut self, film: &Analyser) {
        if self.blended_frames > 0 {
            self.haunted = Haunted::of(film.ghosts(), film.frames());
        }
    }

    /// Number of film frames that a frame of the transfer shows.
    pub(super) fn repeats(&self, source_frame: usize) -> usize {
        if self.source_frames.is_empty() {
            return 1;
        }
        let below =
            |most: usize| self.source_frames.partition_point(|frame| (*frame as usize) < most);
        below(source_frame + 1) - below(source_frame)
    }

    /// Largest number of transfer frames per film frame.
    pub(super) fn longest_gap(&self) -> usize {
        self.source_frames
            .windows(2)
            .map(|two| two[1].saturating_sub(two[0]) as usize)
            .max()
            .unwrap_or(1)
    }

    /// A description in words; `None` if nothing was undone.
    pub(super) fn summary(&self) -> Option<String> {
        let mut done = Vec::new();
        match self.fields {
            Fields::Progressive => {}
            Fields::FieldMatched { .. } => done.push("fields put together (telecine)".to_owned()),
            Fields::Bobbed { .. } => {
                done.push("a picture made of every field (interlaced)".to_owned())
            }
        }
        if let Some(film) = self.film_rate {
            let breaks = match self.cadence_breaks {
                0 => String::new(),
                1 => ", whose cadence breaks once".to_owned(),
                n => format!(", whose cadence breaks {n} times"),
            };
            done.push(format!("repeated frames left out of a film at {film}{breaks}"));
        }
        if self.blended_frames > 0 {
            done.push(format!("{} blended frames left out", self.blended_frames));
        }
        if !self.haunted.is_empty() {
            done.push(format!("a neighbour taken out of {} frames", self.haunted.len()));
        }
        (!done.is_empty()).then(|| done.join("; "))
    }

    pub(super) fn json(&self) -> Value {
        let fields = match self.fields {
            Fields::Progressive => Value::Null,
            Fields::FieldMatched { .. } => "matched".into(),
            Fields::Bobbed { .. } => "split".into(),
        };
        json!({
            "fields": fields,
            "film": self.film_rate.map(|film| film.to_string()),
            "breaks": self.cadence_breaks,
            "blends": self.blended_frames,
            "ghosts": self.haunted.len(),
        })
    }
}

/// Decides what to do with the fields of a video.
pub(super) fn detect_fields(path: &Path, video: &Video, options: RestoreOptions) -> Result<Fields> {
    // Only television has fields: nobody stores them at the rates of films, or in clips with
    // irregular times.
    let of_television = (24.5..30.5).contains(&video.rate.per_second());
    match options.restore {
        Restore::Off | Restore::Duplicates => return Ok(Fields::Progressive),
        Restore::Auto if !of_television && !video.interlaced => return Ok(Fields::Progressive),
        _ => {}
    }
    let combs = CombCounts::count(path, video)?;
    let top_first = combs.top_first;
    let (matched, split) = (Fields::FieldMatched { top_first }, Fields::Bobbed { top_first });
    let share = |count: u64| count as f64 / combs.frames.max(1) as f64;
    let of_fields =
        share(combs.moved) > LEAST_COMBED || share(combs.interlaced) > 2.0 * LEAST_COMBED;
    // Titles that roll by whole lines of a frame look like fields from other frames, but have no
    // combs.
    let is_combed = share(combs.combed) > LEAST_COMBED;
    let blended = || -> Result<bool> {
        let mut decoder = Decoder::open(path, video, split)?;
        let mut analyser = Analyser::new();
        while analyser.frames() < LOOKED_AT
            && let Some(raw) = decoder.next()?
        {
            let signature = split.signature(&video.frame(&raw)?, Encoding::Srgb);
            analyser.push_signature(signature.into());
        }
        let blends = analyser.blends().to_vec();
        Ok(!converter_blends(&blends, &analyser.finish(), false).is_empty())
    };
    Ok(match options.restore {
        Restore::Telecine => matched,
        Restore::Deinterlace => split,
        Restore::Blends if of_fields => split,
        Restore::Auto if of_fields && is_combed => {
            let left = combs.left as f64 > STILL_COMBED * (combs.left + combs.moved) as f64;
            if left || blended()? { split } else { matched }
        }
        _ => Fields::Progressive,
    })
}

/// Decides what to undo in a clip at `rate` with this sheet and these mixes.
pub(super) fn restore_frames(
    sheet: &Sheet,
    blends: &[Blend],
    (fields, rate): (Fields, Rate),
    options: RestoreOptions,
) -> Restoration {
    let mut restored = Restoration::with_fields(fields);
    if options.restore == Restore::Off {
        return restored;
    }
    let blends = match options.restore {
        Restore::Auto | Restore::Blends => {
            converter_blends(blends, sheet, options.restore == Restore::Blends)
        }
        _ => BTreeMap::new(),
    };
    let starts = starts(sheet, &blends);
    let cadence = match (options.film_rate, options.restore) {
        (Some(film), _) => Cadence::of(film, &starts, rate, !blends.is_empty()),
        (None, Restore::Deinterlace) => None,
        (None, _) => Cadence::find(&starts, rate, !blends.is_empty()),
    };
    if blends.is_empty() && cadence.is_none() {
        return restored;
    }
    restored.source_frames = chosen_frames(sheet, &blends, cadence.as_ref())
        .into_iter()
        .map(|frame| frame as u32)
        .collect();
    restored.blended_frames = blends.len();
    restored.cadence_breaks = cadence.as_ref().map_or(0, Cadence::breaks);
    restored.film_rate = cadence.map(|cadence| cadence.film_rate);
    restored
}

/// The mixes that a converter has made, each with the neighbouring frame that has the larger share;
/// or all mixes, if the user asked for that.
fn converter_blends(blends: &[Blend], sheet: &Sheet, asked: bool) -> BTreeMap<usize, usize> {
    let mut kept = BTreeMap::new();
    for run in blends.chunk_by(|a, b| b.frame == a.frame + 1) {
        if run.len() >= DISSOLVE {
            continue;
        }
        for (at, blend) in run.iter().enumerate() {
            let (before, after) = (run[0].frame - 1, run[run.len() - 1].frame + 1);
            let first = if run.len() == 1 { blend.share < 0.5 } else { at == 0 };
            kept.insert(blend.frame, if first { before } else { after });
        }
    }
    let changes = sheet.drawings().len().saturating_sub(kept.len());
    if !asked && (kept.len() as f64) < LEAST_BLENDED * changes as f64 {
        BTreeMap::new()
    } else {
        kept
    }
}

/// Where drawings begin if each mix counts as the picture with the larger share.
fn starts(sheet: &Sheet, blends: &BTreeMap<usize, usize>) -> Vec<usize> {
    let mut starts: Vec<usize> = Vec::with_capacity(sheet.drawings().len());
    for drawing in sheet.drawings() {
        let mut first = drawing.first;
        while first < drawing.end() && blends.get(&first).is_some_and(|shown| *shown < first) {
            first += 1;
        }
        // A mix that belongs to the next drawing is its beginning.
        let is_next = |frame: usize| blends.get(&frame).is_some_and(|shown| *shown > frame);
        if first == drawing.end() || (first..drawing.end()).all(is_next) {
            continue;
        }
        while first > 0 && is_next(first - 1) {
            first -= 1;
        }
        starts.push(first);
    }
    starts.dedup();
    starts
}

/// The frame of the transfer for each frame of the film.
fn chosen_frames(
    sheet: &Sheet,
    blends: &BTreeMap<usize, usize>,
    cadence: Option<&Cadence>,
) -> Vec<usize> {
    let count = sheet.frames();
    let clean = |frame: usize| blends.get(&frame).copied().unwrap_or(frame).min(count - 1);
    let Some(cadence) = cadence else { return (0..count).map(clean).collect() };
    let mut taken: Vec<usize> = Vec::new();
    // Of the transfer frames for a film frame, the best is one of a drawing that appears nowhere
    // else, and a late one. If frames are mixed, it must not be a mix, and the best is inside its
    // drawing and in the middle of its time, because towards the ends there are mixes too faint to
    // be detected.
    let rank = |frame: usize, off: u32| {
        let drawing = sheet.drawing_at(frame);
        let held = drawing.map_or(0, |drawing| drawing.frames);
        if blends.is_empty() {
            return (true, false, Reverse(held), Reverse(0), frame);
        }
        let inside = drawing.is_some_and(|d| d.first < frame && frame + 1 < d.end());
        let alone = Reverse(usize::from(held < 2));
        (!blends.contains_key(&frame), inside, alone, Reverse(off), frame)
    };
    let mut best = None;
    for (frame, (of_film, off)) in cadence.frames(count).enumerate() {
        let here = (of_film, rank(frame, off), frame);
        match best {
            Some((known, best_rank, _)) if known == of_film && best_rank >= here.1 => {}
            Some((known, _, other)) => {
                if known != of_film {
                    taken.resize(known + 1, clean(other));
                }
                best = Some(here);
            }
            None => best = Some(here),
        }
    }
    if let Some((known, _, other)) = best {
        taken.resize(known + 1, clean(other));
    }
    // Without a break, only drawings that were made for another rate are lost; and beside mixes, a
    // supposed drawing may be a mix too faint to be detected.
    let is_broken = blends.is_empty() && cadence.breaks() > 0;
    if is_broken { with_every_drawing(sheet, &taken) } else { taken }
}

/// The same frames, plus the drawings for which a break of the cadence leaves no time. The delay
/// that this causes in the film is made up where a drawing is held.
fn with_every_drawing(sheet: &Sheet, taken: &[usize]) -> Vec<usize> {
    let drawings = sheet.drawings();
    let drawing_on = |frame: usize| drawings.partition_point(|drawing| drawing.end() <= frame);
    let mut kept: Vec<usize> = Vec::with_capacity(taken.len());
    let (mut upcoming, mut late, mut waited) = (0, 0, 0);
    let on_drawing = |a: &usize, b: &usize| drawing_on(*a) == drawing_on(*b);
    for exposure in taken.chunk_by(on_drawing) {
        let drawing = drawing_on(exposure[0]);
        for lost in drawings.get(upcoming..drawing).unwrap_or_default() {
            if late < MOST_LATE {
                kept.push(lost.first);
                late += 1;
            }
        }
        upcoming = drawing + 1;
        waited = if late == 0 { 0 } else { waited + exposure.len() };
        let least = if waited > PATIENCE { 2 } else { SPARES };
        let spared = late.min((exposure.len() + 1).saturating_sub(least));
        late -= spared;
        kept.extend_from_slice(&exposure[..exposure.len() - spared]);
    }
    kept
}

#[cfg(test)]
mod tests {
    use inbetween_core::exposure::Drawing;

    use super::*;

    const AUTO: RestoreOptions = RestoreOptions { restore: Restore::Auto, film_rate: None };

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    fn restored(
        holds: &[usize],
        blends: &[Blend],
        at: &str,
        options: RestoreOptions,
    ) -> (Restoration, Vec<usize>) {
        let sheet = Sheet::of_exposures(holds.iter().copied());
        let restored = restore_frames(&sheet, blends, (Fields::Progressive, rate(at)), options);
        let shown = |drawing: &Drawing| {
            (drawing.first..drawing.end()).map(|at| restored.repeats(at)).sum::<usize>()
        };
        let held = sheet.drawings().iter().map(shown).filter(|held| *held > 0).collect();
        (restored, held)
    }

    #[test]
    fn a_film_on_twos_in_a_telecine_is_on_twos_again() {
        let (done, held) = restored(&[3, 2].repeat(60), &[], "29.97", AUTO);
        assert_eq!(done.film_rate, Some(rate("23.976")));
        assert!(held.iter().all(|held| *held == 2), "{held:?}");
        assert_eq!(held.len(), 120);
        assert!(done.summary().unwrap().contains("24000/1001"));
    }

    #[test]
    fn a_break_costs_no_drawing_and_what_makes_the_film_late_is_taken_back() {
        // Twos, then ones where a cut has left six consecutive drawings, threes with a long rest,
        // and twos.
        let ones = [[1, 1, 1, 2].repeat(4), vec![1; 6], vec![1, 2]].concat();
        let holds = [[3, 2].repeat(30), ones, vec![4, 4, 3, 4, 15], [3, 2].repeat(20)].concat();
        let (done, held) = restored(&holds, &[], "29.97", AUTO);
        assert_eq!((done.film_rate, held.len()), (Some(rate("23.976")), holds.len()));
        let frames: usize = held.iter().sum();
        let wanted = holds.iter().sum::<usize>() as f64 * 0.8;
        assert!((frames as f64 - wanted).abs() < 2.0, "{frames} for {wanted}");
    }

    #[test]
    fn mixes_are_never_taken() {
        // A A x B B x, where the mix has a larger share of the drawing before.
        let holds = [2, 1].repeat(40);
        let blends: Vec<Blend> = (0..39).map(|n| Blend { frame: 3 * n + 2, share: 0.4 }).collect();
        let (done, held) = restored(&holds, &blends, "24", AUTO);
        assert_eq!((done.blended_frames, done.film_rate), (39, None));
        assert!((0..39).all(|n| done.source_frame(3 * n + 2) == 3 * n + 1));
        assert!(held[..39].iter().all(|held| *held == 3), "{held:?}");
        // A few mixes are intended, and several in a row are a dissolve.
        assert_eq!(restored(&holds, &blends[..4], "24", AUTO).0, Restoration::default());
        let row: Vec<Blend> = (2..60).map(|frame| Blend { frame, share: 0.5 }).collect();
        assert_eq!(restored(&[1; 60], &row, "24", AUTO).0, Restoration::default());
    }

    #[test]
    fn a_person_s_word_counts_more() {
        let film = Some(rate("24"));
        let (done, held) =
            restored(&[1; 300], &[], "25", RestoreOptions { film_rate: film, ..AUTO });
        assert_eq!((done.film_rate, held.len()), (film, 288));
        let off = RestoreOptions { restore: Restore::Off, film_rate: None };
        assert_eq!(restored(&[3, 2].repeat(60), &[], "29.97", off).0, Restoration::default());
    }
}
