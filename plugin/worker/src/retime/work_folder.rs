//! Records what is finished: a folder with a manifest that identifies the retiming, and ledgers
//! that list every finished file with its checksum.
//!
//! Only files listed in a ledger with their current checksum count as finished. So a run may be
//! killed at any moment, and several machines may share a folder, since each writes its own ledger.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use inbetween_core::ContentHash;
use inbetween_core::exposure::Sheet;
use inbetween_core::retime::Rate;
use serde::{Deserialize, Serialize};

use super::atomic_file;
use super::overlay::Overlays;
use super::restore::Restoration;
use super::sequence::Pattern;
use super::video::is_video;
use crate::failure::{Failure, Kind, Result};

/// The manifest's name; hidden, so that it stays with the frames without being taken for one.
const MANIFEST: &str = ".inbetween-retime.json";

/// Prefix and suffix of the names of ledgers.
const LEDGER: (&str, &str) = (".inbetween-retime.", ".ledger");

/// Everything that determines the pictures of a retiming.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct JobSpec {
    /// Version of this file's format.
    pub(super) format: u32,
    /// The source's files.
    pub(super) source: ContentHash,
    pub(super) from: Rate,
    pub(super) to: Rate,
    pub(super) strength: f64,
    pub(super) motion_path: String,
    pub(super) hold_camera: bool,
    pub(super) move_overlays: bool,
    pub(super) restore: String,
    pub(super) from_cadence: Option<Rate>,
    pub(super) quality: String,
    /// The engine's version.
    pub(super) engine: String,
    /// How the frames are named.
    pub(super) frames: String,
}

/// The results of examining every frame of the source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ClipAnalysis {
    pub(super) sheet: Sheet,
    /// What was undone of a transfer; the sheet is that of the film.
    pub(super) restoration: Restoration,
    /// What lies over the film and stays when it moves.
    pub(super) overlays: Overlays,
    /// Whether all pictures are opaque, so that there is no transparency to keep.
    pub(super) opaque: bool,
    /// When a video's first picture is shown, in microseconds after the file's beginning.
    pub(super) start_micros: i64,
    /// Number of pictures that could be decoded; 0 for a sequence.
    pub(super) pictures: u64,
    /// What is wrong with the source; empty if nothing is.
    pub(super) damage: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    spec: JobSpec,
    analysis: ClipAnalysis,
    /// The checksum of the output if it is a single file, recorded just before it is moved into
    /// place.
    output: Option<ContentHash>,
}

/// Frames that were encoded together, and with which encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Identifies the encoder and its settings.
    pub(super) encoding: ContentHash,
    pub(super) file: ContentHash,
}

/// A folder for frames, and what is known about it.
pub(super) struct WorkFolder {
    pub(super) pattern: Pattern,
    pub(super) start: i64,
    /// The results of an earlier run.
    pub(super) analysis: Option<ClipAnalysis>,
    spec: JobSpec,
    output: Option<ContentHash>,
    frames: HashMap<u64, ContentHash>,
    parts: BTreeMap<u64, Part>,
    ledger: File,
}

impl WorkFolder {
    /// Opens the folder of `pattern` for `spec`: continues an interrupted run with the same `spec`,
    /// and refuses to mix with other pictures unless they may be overwritten. `run_name` names this
    /// run's ledger; runs with the same name take turns.
    pub(super) fn open(
        pattern: Pattern,
        start: i64,
        spec: JobSpec,
        run_name: &str,
        overwrite: bool,
    ) -> Result<Self> {
        let folder = &pattern.folder;
        fs::create_dir_all(folder).map_err(|err| failed(folder, &err))?;
        let manifest = manifest_in(folder).filter(|manifest| manifest.spec == spec);
        if manifest.is_none() {
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
                remove(&pattern.file(number))?;
            }
            remove_own(folder)?;
        }
        let mut work = Self {
            ledger: ledger(folder, run_name)?,
            analysis: None,
            output: None,
            frames: HashMap::new(),
            parts: BTreeMap::new(),
            pattern,
            start,
            spec,
        };
        if let Some(manifest) = manifest {
            (work.analysis, work.output) = (Some(manifest.analysis), manifest.output);
            work.read_ledgers()?;
        }
        Ok(work)
    }

    /// The analysis, if the folder of `pattern` contains a retiming of `spec` whose output, `file`,
    /// is already in its place: that run was stopped while it cleaned up.
    pub(super) fn finished_analysis(
        pattern: &Pattern,
        spec: &JobSpec,
        file: &Path,
    ) -> Option<ClipAnalysis> {
        let manifest = manifest_in(&pattern.folder).filter(|manifest| manifest.spec == *spec)?;
        (manifest.output? == atomic_file::checksum(file)?).then_some(manifest.analysis)
    }

    /// Records what the frames in the folder will be.
    pub(super) fn record_analysis(&mut self, analysis: &ClipAnalysis) -> Result<()> {
        self.analysis = Some(analysis.clone());
        self.write_manifest()
    }

    /// Records what the output will be, just before it is moved into place.
    pub(super) fn record_output(&mut self, output: ContentHash) -> Result<()> {
        self.output = Some(output);
        self.write_manifest()
    }

    fn write_manifest(&self) -> Result<()> {
        let path = self.pattern.folder.join(MANIFEST);
        let Some(analysis) = self.analysis.clone() else { return Ok(()) };
        let manifest = Manifest { spec: self.spec.clone(), analysis, output: self.output };
        let text = serde_json::to_vec(&manifest)
            .map_err(|err| Failure::new(Kind::File, format!("{}: {err}", path.display())))?;
        atomic_file::write(&path, &text).map(|_| ())
    }

    /// The file of the output's frame `at`, counted from 0.
    pub(super) fn file(&self, at: u64) -> PathBuf {
        self.pattern.file(self.start + at as i64)
    }

    pub(super) fn is_finished(&self, at: u64) -> bool {
        let known = self.frames.get(&at);
        known.is_some() && known == atomic_file::checksum(&self.file(at)).as_ref()
    }

    /// The checksum that the file of a finished frame had when it was written.
    pub(super) fn checksum(&self, at: u64) -> Option<ContentHash> {
        self.frames.get(&at).copied()
    }

    /// Records that the file of a frame is written.
    pub(super) fn record_frame(&mut self, at: u64, file: ContentHash) -> Result<()> {
        self.frames.insert(at, file);
        self.append_to_ledger(&format!("frame {at} {file}\n"))
    }

    /// The file of a part of a video.
    pub(super) fn part_file(&self, part: u64, ending: &str) -> PathBuf {
        self.pattern.folder.join(part_name(part, ending))
    }

    /// Whether a part is finished with this `encoding`.
    pub(super) fn has_part(&self, part: u64, ending: &str, encoding: ContentHash) -> bool {
        let known = self.parts.get(&part).filter(|known| known.encoding == encoding);
        known.is_some_and(|known| {
            atomic_file::checksum(&self.part_file(part, ending)) == Some(known.file)
        })
    }

    /// Records that a part is written, which from now on replaces its frames.
    pub(super) fn record_part(&mut self, part: u64, made: Part) -> Result<()> {
        self.parts.insert(part, made);
        self.append_to_ledger(&format!("part {part} {} {}\n", made.encoding, made.file))
    }

    /// Deletes the files of frames.
    pub(super) fn delete_frames(&mut self, frames: std::ops::Range<u64>) -> Result<()> {
        for at in frames {
            self.frames.remove(&at);
            remove(&self.file(at))?;
        }
        Ok(())
    }

    fn append_to_ledger(&mut self, line: &str) -> Result<()> {
        let written = self.ledger.write_all(line.as_bytes());
        written.and_then(|()| self.ledger.sync_data()).map_err(|err| {
            Failure::new(
                Kind::File,
                format!(
                    "{}: {err}. What is finished is kept; the same command goes on from there.",
                    self.pattern.folder.display()
                ),
            )
        })
    }

    fn read_ledgers(&mut self) -> Result<()> {
        for path in own_files(&self.pattern.folder, |name| {
            name.starts_with(LEDGER.0) && name.ends_with(LEDGER.1)
        }) {
            let text = fs::read(&path).map_err(|err| failed(&path, &err))?;
            // An incomplete line from a killed run names nothing that can be trusted.
            for line in String::from_utf8_lossy(&text).lines() {
                let words: Vec<&str> = line.split(' ').collect();
                match words[..] {
                    ["frame", at, file] => {
                        let entry = at.parse().ok().zip(hash_of(file));
                        self.frames.extend(entry);
                    }
                    ["part", part, encoding, file] => {
                        let made = hash_of(encoding).zip(hash_of(file));
                        let made = made.map(|(encoding, file)| Part { encoding, file });
                        self.parts.extend(part.parse().ok().zip(made));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Deletes half-written files that killed runs left beside the frames.
    pub(super) fn tidy(&self) -> Result<()> {
        atomic_file::unfinished_in(&self.pattern.folder).iter().try_for_each(|path| remove(path))
    }

    /// Deletes everything made on the way to a video, and the folder if nothing else is in it.
    pub(super) fn remove(pattern: &Pattern) -> Result<()> {
        for number in pattern.numbers()? {
            remove(&pattern.file(number))?;
        }
        remove_own(&pattern.folder)?;
        // The folder stays if it contains somebody else's files.
        let _ = fs::remove_dir(&pattern.folder);
        Ok(())
    }
}

/// The name of the file of a part.
pub(super) fn part_name(part: u64, ending: &str) -> String {
    format!("part.{part:05}.{ending}")
}

fn is_part(name: &str) -> bool {
    let number = name.strip_prefix("part.").and_then(|rest| rest.split_once('.'));
    number.is_some_and(|(number, _)| {
        number.len() >= 5 && number.bytes().all(|c| c.is_ascii_digit()) && is_video(Path::new(name))
    })
}

/// Deletes all our files except frames, and the manifest last: as long as it exists, the others are
/// known to be ours.
fn remove_own(folder: &Path) -> Result<()> {
    atomic_file::unfinished_in(folder).iter().try_for_each(|path| remove(path))?;
    let ours = |name: &str| name.starts_with(LEDGER.0) && name.ends_with(LEDGER.1);
    let manifest = folder.join(MANIFEST);
    if manifest.exists() {
        own_files(folder, |name| is_part(name) || name == LIST)
            .iter()
            .try_for_each(|path| remove(path))?;
    }
    own_files(folder, ours).iter().try_for_each(|path| remove(path))?;
    remove(&manifest)
}

/// The name of the list of parts that is passed to ffmpeg.
pub(super) const LIST: &str = "parts.ffconcat";

fn own_files(folder: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_str().is_some_and(&wanted))
        .map(|entry| entry.path())
        .collect()
}

fn manifest_in(folder: &Path) -> Option<Manifest> {
    let text = fs::read(folder.join(MANIFEST)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// This run's ledger, locked for as long as the run lives.
fn ledger(folder: &Path, run_name: &str) -> Result<File> {
    let path = folder.join(format!("{}{run_name}{}", LEDGER.0, LEDGER.1));
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW);
    let mut file = options.open(&path).map_err(|err| failed(&path, &err))?;
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        return Err(Failure::new(
            Kind::Usage,
            format!("Another run works on {} already. Let it finish.", folder.display()),
        ));
    }
    // A killed run may have left its last line incomplete.
    file.write_all(b"\n").map_err(|err| failed(&path, &err))?;
    Ok(file)
}

/// Parses the text form of a [`ContentHash`].
fn hash_of(text: &str) -> Option<ContentHash> {
    blake3::Hash::from_hex(text).ok().map(ContentHash::from)
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(err) if err.kind() != std::io::ErrorKind::NotFound => Err(failed(path, &err)),
        _ => Ok(()),
    }
}

fn failed(path: &Path, err: &std::io::Error) -> Failure {
    Failure::new(Kind::File, format!("{}: {err}", path.display()))
}
