//! Numbered pictures: where a sequence lies, and how its frames are named.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Kind, Result};

/// Endings of picture files.
const PICTURES: [&str; 6] = ["png", "jpg", "jpeg", "tif", "tiff", "exr"];

/// How the files of a sequence are named: something, a number, something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pattern {
    pub(super) folder: PathBuf,
    before: String,
    /// Digits, with zeros in front, at least.
    digits: usize,
    after: String,
}

impl Pattern {
    /// Files in `folder` named as AI In-between does.
    pub(super) fn usual(folder: &Path, extension: &str) -> Self {
        Self {
            folder: folder.into(),
            before: "frame.".into(),
            digits: 4,
            after: format!(".{extension}"),
        }
    }

    /// Reads `folder/name.%04d.png` or `folder/name.####.png`; nothing for other names.
    pub(super) fn parse(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        if let Some((before, rest)) = name.split_once('%') {
            let (digits, after) = rest.split_once('d')?;
            let digits =
                if digits.is_empty() { 1 } else { digits.strip_prefix('0')?.parse().ok()? };
            return (1..=12).contains(&digits).then(|| Self {
                folder,
                before: before.into(),
                digits,
                after: after.into(),
            });
        }
        let start = name.find('#')?;
        let digits = name[start..].chars().take_while(|c| *c == '#').count();
        let after = name[start + digits..].to_owned();
        Some(Self { folder, before: name[..start].into(), digits, after })
    }

    /// The file of a frame.
    pub(super) fn file(&self, number: u64) -> PathBuf {
        let digits = self.digits;
        self.folder.join(format!("{}{number:0digits$}{}", self.before, self.after))
    }

    /// The ending of its files, in small letters.
    pub(super) fn extension(&self) -> String {
        self.after.rsplit('.').next().unwrap_or_default().to_lowercase()
    }

    /// For messages.
    pub(super) fn text(&self) -> String {
        self.folder.join(self.name()).display().to_string()
    }

    /// The names of its files, without the folder.
    pub(super) fn name(&self) -> String {
        format!("{}%0{}d{}", self.before, self.digits, self.after)
    }

    /// The number in the name of one of its files.
    fn number(&self, name: &str) -> Option<u64> {
        let digits = name.strip_prefix(&self.before)?.strip_suffix(&self.after)?;
        let fits =
            digits.len() == self.digits || (digits.len() > self.digits && !digits.starts_with('0'));
        (fits && digits.chars().all(|c| c.is_ascii_digit())).then(|| digits.parse().ok())?
    }

    /// The numbers of the files that are there, in order.
    pub(super) fn numbers(&self) -> Result<Vec<u64>> {
        let mut numbers: Vec<u64> =
            names(&self.folder)?.iter().filter_map(|name| self.number(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }
}

/// A sequence that is there, without gaps.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    pub(super) pattern: Pattern,
    pub(super) first: u64,
    pub(super) count: usize,
}

impl Sequence {
    /// The sequence that `path` names: a folder that holds one, or a pattern.
    pub(super) fn find(path: &Path) -> Result<Self> {
        let pattern = if path.is_dir() { the_one_in(path)? } else { of_file(path)? };
        let numbers = pattern.numbers()?;
        let Some((first, last)) = numbers.first().zip(numbers.last()) else {
            return Err(file(format!(
                "There are no pictures {}. Check the folder, or write the pattern as name.%04d.png.",
                pattern.text()
            )));
        };
        if let Some(gap) = numbers.windows(2).find(|pair| pair[1] != pair[0] + 1) {
            return Err(file(format!(
                "{} is missing. Fill the gap, or put the parts into folders of their own.",
                pattern.file(gap[0] + 1).display()
            )));
        }
        log::info!("{}: {first} to {last}", pattern.text());
        Ok(Self { first: *first, count: numbers.len(), pattern })
    }

    /// The file of the frame that is the `at`-th, counted from 0.
    pub(super) fn file(&self, at: usize) -> PathBuf {
        self.pattern.file(self.first + at as u64)
    }
}

fn of_file(path: &Path) -> Result<Pattern> {
    if let Some(pattern) = Pattern::parse(path) {
        return Ok(pattern);
    }
    let shown = path.display();
    Err(if path.is_file() {
        file(format!(
            "{shown} is one picture. Give the folder that holds all of them, or a pattern such as name.%04d.png."
        ))
    } else {
        file(format!(
            "{shown} is not there. Give a folder of pictures, a pattern such as name.%04d.png, or a video file."
        ))
    })
}

/// The only sequence in a folder.
fn the_one_in(folder: &Path) -> Result<Pattern> {
    let mut found: BTreeMap<Pattern, usize> = BTreeMap::new();
    for name in names(folder)? {
        if let Some(pattern) = pattern_of(folder, &name) {
            *found.entry(pattern).or_default() += 1;
        }
    }
    // Numbers without zeros in front grow by a digit: what differs in nothing else is one sequence.
    let mut merged: BTreeMap<(String, String), Pattern> = BTreeMap::new();
    for pattern in found.into_keys() {
        let name = (pattern.before.clone(), pattern.after.clone());
        merged.entry(name).or_insert(pattern);
    }
    let mut patterns = merged.into_values();
    match (patterns.next(), patterns.next()) {
        (Some(pattern), None) => Ok(pattern),
        (Some(one), Some(other)) => Err(file(format!(
            "{} holds several sequences. Name one, as {} or {}.",
            folder.display(),
            one.text(),
            other.text()
        ))),
        _ => Err(file(format!(
            "{} holds no numbered pictures. PNG, JPEG, TIFF and EXR files with numbers in their names are read.",
            folder.display()
        ))),
    }
}

/// The pattern of a numbered picture: the last number in its name counts.
fn pattern_of(folder: &Path, name: &str) -> Option<Pattern> {
    let (stem, extension) = name.rsplit_once('.')?;
    if stem.starts_with('.') || !PICTURES.contains(&extension.to_lowercase().as_str()) {
        return None;
    }
    let end = stem.rfind(|c: char| c.is_ascii_digit())? + 1;
    let start = stem[..end]
        .rfind(|c: char| !c.is_ascii_digit())
        .map_or(0, |at| at + stem[at..].chars().next().map_or(1, char::len_utf8));
    let after = format!("{}.{extension}", &stem[end..]);
    Some(Pattern {
        folder: folder.into(),
        before: stem[..start].into(),
        digits: end - start,
        after,
    })
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let failed = |err: std::io::Error| file(format!("{}: {err}", folder.display()));
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        if let Ok(name) = entry.map_err(failed)?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn file(message: String) -> Failure {
    Failure::new(Kind::File, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_of(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::TempDir::new().unwrap();
        for name in names {
            fs::write(folder.path().join(name), b"x").unwrap();
        }
        folder
    }

    #[test]
    fn patterns_are_written_in_two_ways() {
        for text in ["shots/a_%04d.v2.png", "shots/a_####.v2.png"] {
            let pattern = Pattern::parse(Path::new(text)).unwrap();
            assert_eq!(pattern.file(7), Path::new("shots/a_0007.v2.png"));
            assert_eq!(pattern.file(123_456), Path::new("shots/a_123456.v2.png"));
            assert_eq!(pattern.extension(), "png");
        }
        assert!(Pattern::parse(Path::new("a.png")).is_none());
        assert!(Pattern::parse(Path::new("a%s.png")).is_none());
    }

    #[test]
    fn a_folder_with_one_sequence_is_enough() {
        let folder = folder_of(&["cut3_0998.png", "cut3_0999.png", "cut3_1000.png", "notes.txt"]);
        let sequence = Sequence::find(folder.path()).unwrap();
        assert_eq!((sequence.first, sequence.count), (998, 3));
        assert_eq!(sequence.file(2), folder.path().join("cut3_1000.png"));
    }

    #[test]
    fn numbers_may_come_without_zeros() {
        let folder = folder_of(&["8.png", "9.png", "10.png", "11.png"]);
        let sequence = Sequence::find(folder.path()).unwrap();
        assert_eq!((sequence.first, sequence.count), (8, 4));
        assert_eq!(sequence.file(3), folder.path().join("11.png"));
    }

    #[test]
    fn what_is_unclear_is_said() {
        let message = |names: &[&str]| Sequence::find(folder_of(names).path()).unwrap_err().message;
        assert!(message(&["a1.png", "a2.png", "a4.png"]).contains("a3.png is missing"));
        assert!(message(&["a1.png", "b1.png"]).contains("several sequences"));
        assert!(message(&["notes.txt"]).contains("no numbered pictures"));
        let folder = folder_of(&["one.png"]);
        let one = Sequence::find(&folder.path().join("one.png")).unwrap_err();
        assert!(one.message.contains("is one picture"), "{}", one.message);
    }
}
