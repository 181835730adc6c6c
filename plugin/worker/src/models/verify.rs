//! `models verify`: checks whether weight files have what the model needs.

use inbetween_tooncrafter::config::SketchConfig;
use inbetween_tooncrafter::weights::layout::{ModelConfig, model, sketch, tiny_sketch};
use inbetween_tooncrafter::weights::{
    Problem, Report, WeightError, Weights, digest_of, verify, verify_numbers,
};
use serde_json::json;

use super::print_json;
use crate::cli::Verify;
use crate::failure::{Failure, Kind, Result};
use crate::progress;
use crate::stdio;

/// Number of names that are listed; further ones are only counted.
const SHOWN: usize = 20;

pub(crate) fn run(arguments: &Verify) -> Result<()> {
    let weights = Weights::open(&arguments.files)?;
    let wanted = match (arguments.sketch, arguments.tiny) {
        (false, false) => model(&ModelConfig::default()),
        (false, true) => model(&ModelConfig::tiny()),
        (true, false) => sketch(&SketchConfig::default()),
        (true, true) => sketch(&tiny_sketch()),
    };
    let report = verify(&weights, &wanted);
    let bar = progress::of_bytes("checking the numbers");
    let mut tell = progress::reporter(&bar);
    let mut go_on = |done, all| {
        tell(done, all);
        true
    };
    let broken = verify_numbers(&weights, &wanted, &mut go_on);
    bar.finish_and_clear();
    let changed: Vec<String> = weights
        .files()
        .iter()
        .filter(|file| digest_of(file.file()).is_some_and(|(_, matches)| !matches))
        .map(|file| file.file().path().display().to_string())
        .collect();
    if arguments.json {
        print_json(&as_json(&report, &changed, &broken));
    } else {
        stdio::out(format_args!("{}", in_words(&report, &broken)));
    }
    if let Some(first) = broken.into_iter().next() {
        return Err(first.into());
    }
    if let Some(file) = changed.first() {
        let message =
            format!("{file} has changed since it was written. Convert or fetch it again.");
        return Err(Failure::new(Kind::Weights, message));
    }
    if report.present.is_empty() {
        let hint = if arguments.sketch { "" } else { " For the sketch encoder add --sketch." };
        let message = format!("The files hold no part of the model.{hint}");
        return Err(Failure::new(Kind::Unfit, message));
    }
    if !report.is_sound() {
        let message = format!("{} tensors do not fit the model.", report.problems.len());
        return Err(Failure::new(Kind::Unfit, message));
    }
    Ok(())
}

fn as_json(report: &Report, changed: &[String], broken: &[WeightError]) -> serde_json::Value {
    let problems: Vec<_> = report
        .problems
        .iter()
        .map(|problem| match problem {
            Problem::Missing { key, wanted } => json!({"missing": key, "wanted": wanted}),
            Problem::Shape { key, found, wanted } => {
                json!({"shape": key, "found": found, "wanted": wanted})
            }
            Problem::Type { key, found } => json!({"type": key, "found": found}),
            Problem::Unjoinable { key } => json!({"unjoinable": key}),
        })
        .collect();
    let present: Vec<_> = (report.present.iter())
        .map(|(part, parameters)| json!({"part": part.label(), "parameters": parameters}))
        .collect();
    json!({
        "complete": report.is_complete() && changed.is_empty() && broken.is_empty(),
        "present": present,
        "absent": report.absent.iter().map(|part| part.label()).collect::<Vec<_>>(),
        "problems": problems,
        "unused": report.unused,
        "unneeded": report.unneeded,
        "changed": changed,
        "broken": broken.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn in_words(report: &Report, broken: &[WeightError]) -> String {
    let mut text = String::new();
    for (part, parameters) in &report.present {
        text += &format!("{}: {:.1} M parameters\n", part.label(), *parameters as f64 / 1e6);
    }
    for part in &report.absent {
        text += &format!("{}: not in these files\n", part.label());
    }
    let problems: Vec<String> = report
        .problems
        .iter()
        .map(|problem| match problem {
            Problem::Missing { key, wanted } => format!("missing    {key} {wanted:?}"),
            Problem::Shape { key, found, wanted } => {
                format!("mis-shaped {key}: {found:?}, the model needs {wanted:?}")
            }
            Problem::Type { key, found } => format!("wrong type {key}: {found}"),
            Problem::Unjoinable { key } => {
                format!("incomplete {key}: q, k and v do not go together")
            }
        })
        .collect();
    text += &listed(&problems);
    text += &listed(&broken.iter().map(|error| format!("broken     {error}")).collect::<Vec<_>>());
    let unused: Vec<String> =
        report.unused.iter().map(|name| format!("unused     {name}")).collect();
    text += &listed(&unused);
    if report.unneeded > 0 {
        text += &format!("{} tensors of the released file are never read\n", report.unneeded);
    }
    if !broken.is_empty() {
        text += "unusable\n";
    } else if report.is_complete() {
        text += "complete\n";
    } else if report.is_sound() && !report.present.is_empty() {
        text += "sound; the parts that are not here must come from other files\n";
    }
    text
}

fn listed(lines: &[String]) -> String {
    let mut text: String = lines.iter().take(SHOWN).map(|line| format!("{line}\n")).collect();
    if lines.len() > SHOWN {
        text += &format!("... and {} more (--json lists all)\n", lines.len() - SHOWN);
    }
    text
}
