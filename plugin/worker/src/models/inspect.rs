//! `models inspect`: describes a weight file.

use std::collections::{BTreeMap, BTreeSet};

use inbetween_tooncrafter::weights::{NamedFile, Part, WeightError, WeightFile, digest_of};
use serde::Serialize;

use super::{bytes, print_json};
use crate::cli::Inspect;
use crate::failure::{Failure, Kind, Result};
use crate::stdio;

/// The description of a file.
#[derive(Debug, Serialize)]
struct Description {
    file: String,
    format: &'static str,
    bytes: usize,
    /// `None` when it is not a file of this model.
    layout: Option<&'static str>,
    tensors: usize,
    parts: Vec<PartDescription>,
    notes: BTreeMap<String, String>,
    digest: Option<Digest>,
}

#[derive(Debug, Serialize)]
struct PartDescription {
    part: &'static str,
    tensors: usize,
    parameters: usize,
    precision: BTreeSet<&'static str>,
    bytes: usize,
}

#[derive(Debug, Serialize)]
struct Digest {
    blake3: String,
    matches: bool,
}

pub(crate) fn run(arguments: &Inspect) -> Result<()> {
    let description = describe(arguments)?;
    if arguments.json {
        print_json(&description);
    } else {
        stdio::out(format_args!("{}", in_words(&description)));
    }
    // Everything is printed, but the command fails, because the file is not of this model.
    if description.layout.is_none() {
        let message = format!("{} belongs to another model.", description.file);
        return Err(Failure::new(Kind::Unfit, message));
    }
    Ok(())
}

fn describe(arguments: &Inspect) -> Result<Description> {
    let about = |file: &WeightFile| Description {
        file: file.path().display().to_string(),
        format: file.format().label(),
        bytes: file.byte_len(),
        layout: None,
        tensors: file.tensors().len(),
        parts: Vec::new(),
        notes: file.metadata().clone(),
        digest: digest_of(file).map(|(blake3, matches)| Digest { blake3, matches }),
    };
    match NamedFile::open(&arguments.file) {
        Ok(named) => {
            let mut description = about(named.file());
            description.layout = Some(named.layout().label());
            description.parts = parts(&named);
            Ok(description)
        }
        Err(WeightError::OtherModel { .. }) => Ok(about(&WeightFile::open(&arguments.file)?)),
        Err(err) => Err(err.into()),
    }
}

fn parts(named: &NamedFile) -> Vec<PartDescription> {
    let all: &[Part] = if named.has(Part::Sketch) { &[Part::Sketch] } else { &Part::MAIN };
    let mut found: BTreeMap<Option<usize>, PartDescription> = BTreeMap::new();
    for (name, source) in named.names() {
        let which = all.iter().position(|part| name.starts_with(part.prefix()));
        let part = found.entry(which).or_insert_with(|| PartDescription {
            part: which.map_or("schedule and leftovers", |which| all[which].label()),
            tensors: 0,
            parameters: 0,
            precision: BTreeSet::new(),
            bytes: 0,
        });
        for name in source.names() {
            let Some(stored) = named.file().tensors().get(name) else { continue };
            part.tensors += 1;
            part.parameters += stored.count();
            part.bytes += stored.count() * stored.element.size();
            part.precision.insert(stored.element.name());
        }
    }
    // Tensors that belong to no part come last.
    let rest = found.remove(&None);
    found.into_values().chain(rest).collect()
}

fn in_words(about: &Description) -> String {
    let what = about.layout.unwrap_or("not a ToonCrafter file");
    let mut text = format!(
        "{}: {what} ({}, {}, {} tensors)\n",
        about.file,
        about.format,
        bytes(about.bytes),
        about.tensors
    );
    for part in &about.parts {
        let precision: Vec<&str> = part.precision.iter().copied().collect();
        text += &format!(
            "  {:24} {:5} tensors {:8.1} M parameters  {:>11}  {}\n",
            part.part,
            part.tensors,
            part.parameters as f64 / 1e6,
            bytes(part.bytes),
            precision.join(", ")
        );
    }
    for (key, value) in about.notes.iter().filter(|(key, _)| *key != "blake3") {
        text += &format!("  note {key}: {value}\n");
    }
    if let Some(digest) = &about.digest {
        let verdict =
            if digest.matches { "matches" } else { "DOES NOT MATCH: the file has changed" };
        text += &format!("  digest {} {verdict}\n", digest.blake3);
    }
    text
}
