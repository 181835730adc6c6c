//! Numbered pictures: finds a sequence, and names its frames.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Kind, Result};

/// Endings of picture files that are read.
const PICTURES: [&str; 7] = ["png", "jpg", "jpeg", "tif", "tiff", "exr", "webp"];

/// Extensions of other files with one picture or one clip. A path that ends like this is not a
/// folder.
const OTHER_FILES: [&str; 21] = [
    "apng", "avif", "bmp", "cin", "dpx", "flv", "gif", "heic", "hdr", "jxl", "m2ts", "mpeg", "mpg",
    "mts", "ogv", "psd", "sgi", "tga", "ts", "vob", "wmv",
];

/// Whether a path names one file by its ending.
pub(super) fn names_one_file(path: &Path) -> bool {
    let ending = ending_of(path);
    PICTURES.contains(&ending.as_str()) || OTHER_FILES.contains(&ending.as_str())
}

fn ending_of(path: &Path) -> String {
    path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase()
}

/// How the files of a sequence are named: a prefix, a number, a suffix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pattern {
    pub(super) folder: PathBuf,
    before: String,
    /// Least number of digits, including leading zeros.
    digits: usize,
    /// Whether the minus sign of a negative number replaces one digit, as when C prints numbers.
    counts_sign: bool,
    after: String,
}

impl Pattern {
    /// Files in `folder` with AI In-between's usual names.
    pub(super) fn usual(folder: &Path, extension: &str) -> Self {
        Self {
            folder: folder.into(),
            before: "frame.".into(),
            digits: 4,
            counts_sign: false,
            after: format!(".{extension}"),
        }
    }

    /// The same names in another folder.
    pub(super) fn within(&self, folder: &Path) -> Self {
        Self { folder: folder.into(), ..self.clone() }
    }

    /// Parses `folder/name.%04d.png` or `folder/name.####.png`; `None` for other names. The last of
    /// several numbers is the frame's, and a `%` or `#` that stands for no number is a plain
    /// character.
    pub(super) fn parse(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let printed = number_sign(name);
        let counts_sign = printed.is_some();
        let (before, digits, after) = printed.or_else(|| crosses(name))?;
        let (before, after) = (before.replace("%%", "%"), after.replace("%%", "%"));
        Some(Self { folder, before, digits, counts_sign, after })
    }

    /// The file of a frame.
    pub(crate) fn file(&self, number: i64) -> PathBuf {
        let sign = if number < 0 { "-" } else { "" };
        let digits = if number < 0 && self.counts_sign {
            self.digits.saturating_sub(1)
        } else {
            self.digits
        };
        let number = number.unsigned_abs();
        self.folder.join(format!("{}{sign}{number:0digits$}{}", self.before, self.after))
    }

    /// The extension of its files, in lower case.
    pub(super) fn extension(&self) -> String {
        self.after.rsplit('.').next().unwrap_or_default().to_lowercase()
    }

    /// The pattern as text, for messages.
    pub(super) fn text(&self) -> String {
        self.folder.join(self.name()).display().to_string()
    }

    /// The names of its files as C and ffmpeg write patterns, without the folder.
    pub(super) fn name(&self) -> String {
        let plain = |text: &str| text.replace('%', "%%");
        format!("{}%0{}d{}", plain(&self.before), self.digits, plain(&self.after))
    }

    /// The number in the name of one of its files.
    fn number(&self, name: &str) -> Option<i64> {
        let middle = name.strip_prefix(&self.before)?.strip_suffix(&self.after)?;
        let digits = middle.strip_prefix('-').unwrap_or(middle);
        if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
            return None;
        }
        let number: i64 = middle.parse().ok()?;
        // Programs differ in whether a minus sign replaces a digit.
        let written = |counts_sign: bool| {
            let file = Self { counts_sign, ..self.clone() }.file(number);
            file.file_name().and_then(|written| written.to_str()) == Some(name)
        };
        (written(self.counts_sign) || written(!self.counts_sign)).then_some(number)
    }

    /// Whether a file in its folder matches the pattern.
    pub(super) fn names(&self, file: &Path) -> bool {
        file.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| self.number(name).is_some())
    }

    /// The numbers of the existing files, in order.
    pub(super) fn numbers(&self) -> Result<Vec<i64>> {
        let mut numbers: Vec<i64> =
            names(&self.folder)?.iter().filter_map(|name| self.number(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }
}

/// The last `%d` or `%04d` of a name: what is before it, its digits, and a picture's ending after it.
fn number_sign(name: &str) -> Option<(&str, usize, &str)> {
    name.rmatch_indices('%').find_map(|(at, _)| {
        let (digits, after) = name[at + 1..].split_once('d')?;
        let digits = match digits {
            "" => 1,
            padded => padded.strip_prefix('0')?.parse().ok()?,
        };
        ((1..=12).contains(&digits) && has_ending(after)).then_some((&name[..at], digits, after))
    })
}

/// The last `####` of a name.
fn crosses(name: &str) -> Option<(&str, usize, &str)> {
    let end = name.rfind('#')? + 1;
    let start = name[..end].trim_end_matches('#').len();
    has_ending(&name[end..]).then_some((&name[..start], end - start, &name[end..]))
}

/// Whether the rest of a name ends like a file, so that a folder called `100%done` is not a
/// pattern.
fn has_ending(after: &str) -> bool {
    after.rsplit_once('.').is_some_and(|(_, ending)| {
        !ending.is_empty() && ending.chars().all(|c| c.is_ascii_alphanumeric())
    })
}

/// An existing sequence without gaps.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    /// How its files are named; files with other padding are read too.
    pub(super) pattern: Pattern,
    pub(super) first: i64,
    files: Vec<PathBuf>,
}

impl Sequence {
    /// The sequence at `path`: a folder with one sequence, or a pattern.
    pub(super) fn find(path: &Path) -> Result<Self> {
        let (pattern, files) = numbered(path)?;
        let Some((first, last)) = files.first_key_value().zip(files.last_key_value()) else {
            return Err(file(format!(
                "There are no pictures {}. Check the folder, or write the pattern as name.%04d.png.",
                pattern.text()
            )));
        };
        let (first, last) = (*first.0, *last.0);
        if let Some(gap) = (first..last).find(|number| !files.contains_key(number)) {
            return Err(file(format!(
                "{} is missing. Fill the gap, or put the parts into folders of their own.",
                pattern.file(gap).display()
            )));
        }
        log::info!("{}: {first} to {last}", pattern.text());
        Ok(Self { pattern, first, files: files.into_values().collect() })
    }

    /// A sequence of these files, one for each frame from 1 on, called `name`.
    pub(super) fn of_files(files: Vec<PathBuf>, name: &str) -> Self {
        let folder = files.first().and_then(|file| file.parent()).unwrap_or(Path::new("."));
        let pattern = Pattern { before: format!("{name}."), ..Pattern::usual(folder, "png") };
        Self { pattern, first: 1, files }
    }

    /// Its files, in order.
    pub(super) fn files(&self) -> &[PathBuf] {
        &self.files
    }
}

/// The numbered files at `path`: those of a pattern, or of the only sequence in a folder.
///
/// # Errors
/// When it is neither.
pub(crate) fn numbered(path: &Path) -> Result<(Pattern, BTreeMap<i64, PathBuf>)> {
    if path.is_dir() { the_one_in(path) } else { of_file(path) }
}

/// Files by their numbers.
type Numbered = BTreeMap<i64, PathBuf>;

fn of_file(path: &Path) -> Result<(Pattern, Numbered)> {
    if let Some(mut pattern) = Pattern::parse(path) {
        let mut files = Numbered::new();
        for name in names(&pattern.folder)? {
            if let Some(number) = pattern.number(&name) {
                let file = pattern.folder.join(&name);
                // Written in the same way as they are read.
                pattern.counts_sign &= number >= 0 || pattern.file(number) == file;
                files.insert(number, file);
            }
        }
        return Ok((pattern, files));
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

/// A file name, split at the last number in it.
struct Parts {
    before: String,
    negative: bool,
    digits: usize,
    number: i64,
    after: String,
}

/// The only sequence in a folder. Files whose names differ only in the number form one sequence,
/// however the numbers are padded.
fn the_one_in(folder: &Path) -> Result<(Pattern, Numbered)> {
    let mut found: BTreeMap<(String, String), Vec<(Parts, PathBuf)>> = BTreeMap::new();
    for name in names(folder)? {
        if let Some(parts) = parts_of(&name) {
            let key = (parts.before.clone(), parts.after.clone());
            found.entry(key).or_default().push((parts, folder.join(&name)));
        }
    }
    let pattern_of = |parts: &[(Parts, PathBuf)]| pattern_of(folder, parts);
    let mut sequences = found.into_values();
    match (sequences.next(), sequences.next()) {
        (Some(one), None) => {
            let pattern = pattern_of(&one);
            let mut files = Numbered::new();
            for (parts, path) in one {
                if let Some(other) = files.insert(parts.number, path.clone()) {
                    return Err(file(format!(
                        "{} and {} are both frame {}. Remove one of them.",
                        other.display(),
                        path.display(),
                        parts.number
                    )));
                }
            }
            Ok((pattern, files))
        }
        (Some(one), Some(other)) => Err(file(format!(
            "{} holds several sequences. Name one, as {} or {}.",
            folder.display(),
            pattern_of(&one).text(),
            pattern_of(&other).text()
        ))),
        _ => Err(file(format!(
            "{} holds no numbered pictures. PNG, JPEG, TIFF, EXR and WebP files with numbers in their names are read.",
            folder.display()
        ))),
    }
}

/// The names of a sequence, with as many digits as its shortest number.
fn pattern_of(folder: &Path, parts: &[(Parts, PathBuf)]) -> Pattern {
    let shortest = |negative: bool| {
        let those = parts.iter().filter(|(part, _)| part.negative == negative);
        those.map(|(part, _)| part.digits).min()
    };
    let (digits, counts_sign) = match (shortest(false), shortest(true)) {
        (Some(plain), Some(signed)) => (plain, signed < plain),
        (Some(digits), None) | (None, Some(digits)) => (digits, false),
        (None, None) => (4, false),
    };
    let (before, after) = parts
        .first()
        .map_or_else(Default::default, |(part, _)| (part.before.clone(), part.after.clone()));
    Pattern { folder: folder.into(), before, digits, counts_sign, after }
}

/// Splits the name of a numbered picture at its last number. A minus sign belongs to the number if
/// it is separate from what precedes it: `run.-0016.png` is frame -16, `run-0016.png` is frame 16.
fn parts_of(name: &str) -> Option<Parts> {
    let (stem, extension) = name.rsplit_once('.')?;
    if stem.starts_with('.') || !PICTURES.contains(&extension.to_lowercase().as_str()) {
        return None;
    }
    let end = stem.rfind(|c: char| c.is_ascii_digit())? + 1;
    let start = stem[..end].trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let before = &stem[..start];
    let apart = before.strip_suffix('-').filter(|rest| {
        rest.chars().next_back().is_none_or(|last| matches!(last, '.' | '_' | '-' | ' '))
    });
    let digits = &stem[start..end];
    let number: i64 = digits.parse().ok()?;
    Some(Parts {
        before: apart.unwrap_or(before).into(),
        negative: apart.is_some(),
        digits: digits.len(),
        number: if apart.is_some() { -number } else { number },
        after: format!("{}.{extension}", &stem[end..]),
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
        for text in ["a.png", "a%s.png", "100%done", "50%", "a#1", "50%d"] {
            assert!(Pattern::parse(Path::new(text)).is_none(), "{text}");
        }
        let odd = Pattern::parse(Path::new("100%% #1 12:30_%03d.png")).unwrap();
        assert_eq!(odd.file(-7), Path::new("100% #1 12:30_-07.png"));
        assert_eq!(odd.name(), "100%% #1 12:30_%03d.png");
    }

    #[test]
    fn a_folder_with_one_sequence_is_enough() {
        let folder = folder_of(&["cut3_0998.png", "cut3_0999.png", "cut3_1000.png", "notes.txt"]);
        let sequence = Sequence::find(folder.path()).unwrap();
        assert_eq!((sequence.first, sequence.files().len()), (998, 3));
        assert_eq!(sequence.files()[2], folder.path().join("cut3_1000.png"));
    }

    #[test]
    fn numbers_may_come_without_zeros() {
        let folder = folder_of(&["8.png", "9.png", "10.png", "11.png"]);
        let sequence = Sequence::find(folder.path()).unwrap();
        assert_eq!((sequence.first, sequence.files().len()), (8, 4));
        assert_eq!(sequence.files()[3], folder.path().join("11.png"));
        assert_eq!(sequence.pattern.file(12), folder.path().join("12.png"));
    }

    /// The names of the files in the order in which they play.
    fn order(names: &[&str]) -> (i64, Vec<String>) {
        let folder = folder_of(names);
        let sequence = Sequence::find(folder.path()).unwrap();
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        (sequence.first, sequence.files().iter().map(name).collect())
    }

    #[test]
    fn negative_frames_come_first() {
        let names = ["f.-0002.png", "f.-0001.png", "f.0000.png", "f.0001.png"];
        assert_eq!(order(&names), (-2, names.map(String::from).to_vec()));
        // Padded as in C.
        let names = ["f.-010.png", "f.-009.png", "f.-008.png"];
        assert_eq!(order(&names), (-10, names.map(String::from).to_vec()));
        // A hyphen that connects is not a minus sign.
        let names = ["run-0001.png", "run-0002.png"];
        assert_eq!(order(&names), (1, names.map(String::from).to_vec()));
    }

    #[test]
    fn names_go_on_as_they_began() {
        let named = |names: &[&str], number: i64| {
            let folder = folder_of(names);
            let pattern = Sequence::find(folder.path()).unwrap().pattern;
            pattern.file(number).file_name().unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(named(&["f.-0002.png", "f.-0001.png"], -16), "f.-0016.png");
        assert_eq!(named(&["f.-001.png", "f.0000.png"], -16), "f.-016.png");
        assert_eq!(named(&["f.-001.png", "f.0000.png"], 16), "f.0016.png");
        assert_eq!(named(&["50% a#1.png", "50% a#2.png"], 3), "50% a#3.png");
    }

    #[test]
    fn padding_may_be_mixed_but_numbers_must_be_single() {
        let names = ["f.8.png", "f.09.png", "f.010.png"];
        assert_eq!(order(&names), (8, names.map(String::from).to_vec()));
        let folder = folder_of(&["f.8.png", "f.08.png"]);
        let twice = Sequence::find(folder.path()).unwrap_err().message;
        assert!(twice.contains("both frame 8"), "{twice}");
    }

    #[test]
    fn endings_tell_files_from_folders() {
        for name in ["a.png", "a.GIF", "shots.v2/a.dpx"] {
            assert!(names_one_file(Path::new(name)), "{name}");
        }
        for name in ["sc01_v1.2", "out", "final.v3", "mr. toad"] {
            assert!(!names_one_file(Path::new(name)), "{name}");
        }
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
