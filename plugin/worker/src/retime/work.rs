//! What is finished already: a folder of frames and a manifest that tells which retiming they are of.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use inbetween_core::ContentHash;
use inbetween_core::exposure::Sheet;
use inbetween_core::retime::Rate;
use serde::{Deserialize, Serialize};

use super::pictures::whole_or_not;
use super::sequence::Pattern;
use crate::failure::{Failure, Kind, Result};

/// The manifest's name; hidden, so that it stays with the frames without being taken for one.
const MANIFEST: &str = ".inbetween-retime.json";

/// What decides every picture of a retiming.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Order {
    /// Form of this file.
    pub(super) format: u32,
    /// The source's files.
    pub(super) source: ContentHash,
    pub(super) from: Rate,
    pub(super) to: Rate,
    pub(super) strength: f64,
    pub(super) quality: String,
    /// The engine's version.
    pub(super) engine: String,
    /// How the frames are named.
    pub(super) frames: String,
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    order: Order,
    sheet: Sheet,
}

/// A folder for frames and what is known of it.
pub(super) struct Work {
    pub(super) pattern: Pattern,
    pub(super) start: u64,
    /// The drawings, where a run before has found them.
    pub(super) sheet: Option<Sheet>,
}

impl Work {
    /// Opens the folder of `pattern` for `order`: goes on where an equal one was interrupted, and refuses to mix with
    /// other pictures unless they may be overwritten.
    pub(super) fn open(
        pattern: Pattern,
        start: u64,
        order: &Order,
        overwrite: bool,
    ) -> Result<Self> {
        let folder = &pattern.folder;
        fs::create_dir_all(folder).map_err(|err| failed(folder, &err))?;
        let known = fs::read(folder.join(MANIFEST)).ok();
        let known: Option<Manifest> = known.and_then(|text| serde_json::from_slice(&text).ok());
        if let Some(manifest) = known.filter(|manifest| manifest.order == *order) {
            return Ok(Self { pattern, start, sheet: Some(manifest.sheet) });
        }
        let there = pattern.numbers()?;
        if !there.is_empty() && !overwrite {
            return Err(Failure::new(
                Kind::Usage,
                format!(
                    "{} exist already and are not of this retiming. Choose another output, or add --overwrite.",
                    pattern.text()
                ),
            ));
        }
        for number in there {
            let file = pattern.file(number);
            fs::remove_file(&file).map_err(|err| failed(&file, &err))?;
        }
        Ok(Self { pattern, start, sheet: None })
    }

    /// Writes down what the frames in the folder will be.
    pub(super) fn begin(&self, order: &Order, sheet: &Sheet) -> Result<()> {
        let manifest = Manifest { order: order.clone(), sheet: sheet.clone() };
        let path = self.pattern.folder.join(MANIFEST);
        let text = serde_json::to_vec(&manifest)
            .map_err(|err| Failure::new(Kind::File, format!("{}: {err}", path.display())))?;
        whole_or_not(&path, |mut file| file.write_all(&text))
    }

    /// The file of the output's frame `at`, counted from 0.
    pub(super) fn file(&self, at: u64) -> PathBuf {
        self.pattern.file(self.start + at)
    }

    pub(super) fn is_finished(&self, at: u64) -> bool {
        self.file(at).is_file()
    }

    /// Removes the frames, the manifest, and the folder if nothing else is in it.
    pub(super) fn remove(&self, frames: u64) -> Result<()> {
        for at in 0..frames {
            let file = self.file(at);
            fs::remove_file(&file).map_err(|err| failed(&file, &err))?;
        }
        let manifest = self.pattern.folder.join(MANIFEST);
        fs::remove_file(&manifest).map_err(|err| failed(&manifest, &err))?;
        // Somebody else's files keep the folder.
        let _ = fs::remove_dir(&self.pattern.folder);
        Ok(())
    }
}

fn failed(path: &Path, err: &std::io::Error) -> Failure {
    Failure::new(Kind::File, format!("{}: {err}", path.display()))
}
