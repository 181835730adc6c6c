//! What a run prints: the exposure sheet, and what was done.

use std::path::Path;
use std::time::Duration;

use inbetween_core::exposure::{Kind as Shows, Sheet};
use inbetween_core::retime::{FrameMap, Rate};
use serde_json::{Value, json};

use super::draw::FrameCounts;
use super::share::Share;
use super::work_folder::ClipAnalysis;
use crate::cli::Retime;
use crate::failure::Result;
use crate::stdio::outln;

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
        "usual_exposure": sheet.median_exposure(),
        "cuts": sheet.cuts().collect::<Vec<_>>(),
        "confidence": sheet.confidence(),
        "drawings": drawings,
    })
}

/// Prints only the exposure sheet.
pub(super) fn show_sheet(arguments: &Retime, analysis: &ClipAnalysis, rate: Rate) -> Result<()> {
    let sheet = &analysis.sheet;
    if arguments.json {
        let mut report = sheet_json(sheet);
        report["restored"] = analysis.restoration.json();
        report["overlays"] = analysis.overlays.json();
        report["damage"] = json!(analysis.damage);
        crate::models::print_json(&report);
        return Ok(());
    }
    outln!("{}", summary(sheet, rate));
    if let Some(done) = analysis.restoration.summary() {
        outln!("restored: {done}");
    }
    if let Some(found) = analysis.overlays.summary(rate) {
        outln!("{found}");
    }
    for drawing in sheet.drawings() {
        let pan = match drawing.kind {
            Shows::Held => String::new(),
            Shows::Panned { shift: [x, y] } => format!("  pans by {x:.1}, {y:.1} pixels"),
        };
        let cut = if drawing.cut { "  cut" } else { "" };
        let doubt = if drawing.confidence < 0.3 { "  unsure" } else { "" };
        outln!("{:>7}  held for {}{pan}{cut}{doubt}", drawing.first, drawing.frames);
    }
    Ok(())
}

fn summary(sheet: &Sheet, rate: Rate) -> String {
    let (drawings, cuts) = (sheet.drawings().len(), sheet.cuts().count());
    let held = match sheet.median_exposure() {
        1 => "mostly on ones".into(),
        2 => "mostly on twos".into(),
        3 => "mostly on threes".into(),
        more => format!("mostly held for {more} frames"),
    };
    format!("{} frames at {rate}, {drawings} drawings, {held}, {cuts} cuts", sheet.frames())
}

pub(super) fn report(
    arguments: &Retime,
    (output, share): (&Path, Share),
    analysis: &ClipAnalysis,
    frame_map: &FrameMap,
    (from, to): (Rate, Rate),
    counts: FrameCounts,
    took: Duration,
) {
    let sheet = &analysis.sheet;
    if arguments.json {
        crate::models::print_json(&json!({
            "output": output.display().to_string(),
            "from": from.to_string(),
            "to": to.to_string(),
            "frames": frame_map.frames(),
            "drawn": counts.drawn,
            "copied": counts.copied,
            "carried": counts.panned,
            "resumed": counts.resumed,
            "held_by_engine": counts.held,
            "unsure": counts.unsure,
            "worst": counts.worst.map(|(frame, share)| json!({ "frame": frame, "share": share })),
            "whole": share.is_whole(),
            "restored": analysis.restoration.json(),
            "overlays": analysis.overlays.json(),
            "damage": analysis.damage,
            "seconds": took.as_secs_f64(),
            "sheet": sheet_json(sheet),
        }));
        return;
    }
    outln!("{}", summary(sheet, from));
    if let Some(done) = analysis.restoration.summary() {
        outln!("restored: {done}");
    }
    if let Some(found) = analysis.overlays.summary(from) {
        outln!("{found}");
    }
    let resumed =
        if counts.resumed > 0 { format!(", {} were there", counts.resumed) } else { String::new() };
    outln!(
        "{} frames at {to} in {}: {} drawn, {} from the clip{resumed}, after {:.1} s",
        frame_map.frames(),
        output.display(),
        counts.drawn,
        counts.copied,
        took.as_secs_f64()
    );
    if !share.is_whole() {
        outln!("This was a share of them; --join makes a whole when all are drawn.");
    }
    if counts.panned > 0 {
        outln!("{} frames carry a pan on to a cut or the end.", counts.panned);
    }
    if let Some((frame, share)) = counts.worst {
        outln!(
            "{} in-betweens are unsure in places, frame {frame} of the output most: {:.0} % of it.",
            counts.unsure,
            100.0 * share
        );
    }
    if counts.held > 0 {
        outln!(
            "{} in-betweens hold a drawing, because nothing in one key was found in the other.",
            counts.held
        );
    }
}
