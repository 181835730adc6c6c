//! Pictures over time: stills, numbered files, and synthetic motion.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, bail};
use parking_lot::Mutex;

use crate::pictures::picture::{Picture, Reading};

/// Pictures over time for one clip.
pub trait Footage: Send + Sync {
    /// The picture at a time, `None` where there is none.
    ///
    /// # Errors
    /// When a file cannot be read.
    fn picture(&self, time: f64) -> Result<Option<Arc<Picture>>>;
    /// First and last frame.
    fn range(&self) -> (f64, f64);
    /// Pixels per row, and rows, at full size.
    fn size(&self) -> (usize, usize);
}

/// Number of pictures of this size that a clip keeps: a few of any size, and more of small ones.
/// Hosts keep some too, because effects request a frame's neighbours again and again.
pub(crate) fn kept((width, height): (usize, usize)) -> usize {
    const BYTES: usize = 192 << 20;
    (BYTES / (width * height * 16).max(1)).clamp(3, 24)
}

/// One picture at all times.
pub struct Still {
    picture: Arc<Picture>,
    range: (f64, f64),
}

impl Still {
    /// A clip with this picture that reports these frames.
    pub fn new(picture: impl Into<Arc<Picture>>, range: (f64, f64)) -> Self {
        Self { picture: picture.into(), range }
    }
}

impl Footage for Still {
    fn picture(&self, _time: f64) -> Result<Option<Arc<Picture>>> {
        Ok(Some(Arc::clone(&self.picture)))
    }

    fn range(&self) -> (f64, f64) {
        self.range
    }

    fn size(&self) -> (usize, usize) {
        (self.picture.width, self.picture.height)
    }
}

/// A picture computed for each time.
pub struct Moving<F> {
    make: F,
    range: (f64, f64),
    size: (usize, usize),
    /// The latest pictures, so that a frame that is fetched twice gives the same picture.
    recent: Mutex<Vec<(u64, Arc<Picture>)>>,
}

impl<F: Fn(f64) -> Picture + Send + Sync> Moving<F> {
    /// `make` computes the picture of a time; all pictures must have the given size.
    pub fn new(size: (usize, usize), range: (f64, f64), make: F) -> Self {
        Self { make, range, size, recent: Mutex::new(Vec::new()) }
    }
}

impl<F: Fn(f64) -> Picture + Send + Sync> Footage for Moving<F> {
    fn picture(&self, time: f64) -> Result<Option<Arc<Picture>>> {
        let time = time.clamp(self.range.0, self.range.1);
        let mut recent = self.recent.lock();
        if let Some((_, picture)) = recent.iter().find(|(at, _)| *at == time.to_bits()) {
            return Ok(Some(Arc::clone(picture)));
        }
        let picture = Arc::new((self.make)(time));
        if recent.len() >= 4 {
            recent.remove(0);
        }
        recent.push((time.to_bits(), Arc::clone(&picture)));
        Ok(Some(picture))
    }

    fn range(&self) -> (f64, f64) {
        self.range
    }

    fn size(&self) -> (usize, usize) {
        self.size
    }
}

/// Numbered files. A time without a file shows the nearest earlier file, or the first.
pub struct Sequence {
    files: BTreeMap<i64, PathBuf>,
    reading: Reading,
    size: (usize, usize),
    resize: Option<(usize, usize)>,
    /// The latest pictures, so that neighbouring frames do not read a file twice.
    recent: Mutex<Vec<(i64, Arc<Picture>)>>,
}

impl Footage for Sequence {
    fn picture(&self, time: f64) -> Result<Option<Arc<Picture>>> {
        let number = time.floor() as i64;
        let earlier = self.files.range(..=number).next_back();
        let Some((number, path)) = earlier.or_else(|| self.files.iter().next()) else {
            return Ok(None);
        };
        let mut recent = self.recent.lock();
        if let Some((_, picture)) = recent.iter().find(|(stored, _)| stored == number) {
            return Ok(Some(Arc::clone(picture)));
        }
        let picture = Arc::new(open(path, self.reading, self.resize)?);
        if (picture.width, picture.height) != self.size {
            let (width, height) = self.size;
            bail!(
                "{} is {}x{}, the sequence began with {width}x{height}; give --size to scale all",
                path.display(),
                picture.width,
                picture.height
            );
        }
        if recent.len() >= kept(self.size) {
            recent.remove(0);
        }
        recent.push((*number, Arc::clone(&picture)));
        Ok(Some(picture))
    }

    fn range(&self) -> (f64, f64) {
        let number =
            |entry: Option<(&i64, &PathBuf)>| entry.map_or(0.0, |(number, _)| *number as f64);
        (number(self.files.iter().next()), number(self.files.iter().next_back()))
    }

    fn size(&self) -> (usize, usize) {
        self.size
    }
}

fn open(path: &Path, reading: Reading, resize: Option<(usize, usize)>) -> Result<Picture> {
    let picture = Picture::open(path, reading)?;
    Ok(match resize {
        Some((width, height)) => picture.resized(width, height),
        None => picture,
    })
}

/// A file name with a place for the frame number: `%04d`, `%d` or `####`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    before: String,
    digits: usize,
    after: String,
}

impl Pattern {
    /// Parses a path; `None` if it has no place for a number.
    pub fn parse(path: &str) -> Option<Self> {
        if let Some(at) = path.find('#') {
            let digits = path[at..].chars().take_while(|c| *c == '#').count();
            return Some(Self {
                before: path[..at].into(),
                digits,
                after: path[at + digits..].into(),
            });
        }
        let at = path.find('%')?;
        let end = at + path[at..].find('d')?;
        let digits = match &path[at + 1..end] {
            "" => 1,
            width if width.chars().all(|c| c.is_ascii_digit()) => width.parse().ok()?,
            _ => return None,
        };
        Some(Self { before: path[..at].into(), digits, after: path[end + 1..].into() })
    }

    /// The path of a frame. Fractions of a frame are kept: `a_0002.5.png`.
    pub fn path(&self, time: f64) -> PathBuf {
        let whole = time.floor();
        let sign = if whole < 0.0 { "-" } else { "" };
        let mut name = format!("{sign}{:0digits$}", whole.abs() as i64, digits = self.digits);
        if time != whole {
            name += format!("{:.3}", time - whole).trim_start_matches('0').trim_end_matches('0');
        }
        PathBuf::from(format!("{}{name}{}", self.before, self.after))
    }

    /// The files that exist, by their numbers.
    fn files(&self) -> Result<BTreeMap<i64, PathBuf>> {
        let probe = PathBuf::from(&self.before);
        let (folder, prefix) = match self.before.rfind(['/', std::path::MAIN_SEPARATOR]) {
            Some(at) => (PathBuf::from(&self.before[..=at]), self.before[at + 1..].to_owned()),
            None => (PathBuf::from("."), self.before.clone()),
        };
        if self.after.contains('/') {
            bail!(
                "{}: the frame number must be in the file's name, not in a folder's",
                probe.display()
            );
        }
        let entries = folder
            .read_dir()
            .with_context(|| format!("cannot read the folder {}", folder.display()))?;
        let mut files = BTreeMap::new();
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let number = name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(&self.after));
            if let Some(number) = number.filter(|number| number.len() >= self.digits)
                && let Ok(number) = number.parse()
            {
                files.insert(number, path);
            }
        }
        Ok(files)
    }
}

/// The footage named by a command-line argument: one file, or a pattern of numbered files. `range`
/// is what a still reports.
///
/// # Errors
/// When the argument makes no sense, or a file cannot be found or read.
pub fn read(
    argument: &str,
    reading: Reading,
    resize: Option<(usize, usize)>,
    range: (f64, f64),
) -> Result<Arc<dyn Footage>> {
    if Path::new(argument).is_file() {
        return Ok(Arc::new(Still::new(open(Path::new(argument), reading, resize)?, range)));
    }
    let Some(pattern) = Pattern::parse(argument) else { bail!("there is no file {argument}") };
    let files = pattern.files()?;
    let Some(first) = files.values().next() else { bail!("there is no file like {argument}") };
    let first = open(first, reading, resize)?;
    let size = (first.width, first.height);
    Ok(Arc::new(Sequence { files, reading, size, resize, recent: Mutex::new(Vec::new()) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_frames() {
        let path = |pattern: &str, time| {
            Pattern::parse(pattern).unwrap().path(time).to_string_lossy().into_owned()
        };
        assert_eq!(path("a/f_%04d.png", 7.0), "a/f_0007.png");
        assert_eq!(path("f.###.exr", 12.0), "f.012.exr");
        assert_eq!(path("f%d.png", 12.0), "f12.png");
        assert_eq!(path("f_%03d.png", 2.5), "f_002.5.png");
        assert_eq!(path("f_%03d.png", -3.0), "f_-003.png");
        assert_eq!(Pattern::parse("plain.png"), None);
        assert_eq!(Pattern::parse("100%.png"), None);
    }

    #[test]
    fn a_sequence_holds_its_last_drawing() {
        let folder = tempfile::tempdir().unwrap();
        for number in [3, 5] {
            let grey = number as f32 / 255.0;
            let picture = Picture::from_fn(2, 2, |_, _| [grey, grey, grey, 1.0]);
            picture
                .save(&folder.path().join(format!("s_{number:03}.png")), Reading::default(), false)
                .unwrap();
        }
        let pattern = folder.path().join("s_%03d.png");
        let footage =
            read(pattern.to_str().unwrap(), Reading::default(), None, (0.0, 0.0)).unwrap();
        assert_eq!(footage.range(), (3.0, 5.0));
        for (time, number) in [(1.0, 3.0), (3.0, 3.0), (4.0, 3.0), (5.0, 5.0), (9.0, 5.0)] {
            let picture = footage.picture(time).unwrap().unwrap();
            assert_eq!(picture.pixels[0][0], number / 255.0, "time {time}");
        }
    }
}
