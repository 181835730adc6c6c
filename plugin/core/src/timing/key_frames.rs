//! Any number of keys in one clip.

use std::fmt;
use std::str::FromStr;

use super::{MAX_TIME, TIME_TOLERANCE};
use crate::Error;

/// The frames of the keys in a clip, scene by scene.
///
/// As text, the frames are listed in order, separated by blanks or commas. A `|` starts a new
/// scene, and nothing is drawn across it.
///
/// ```
/// use inbetween_core::timing::{KeyFrames, KeySpan};
///
/// let keys: KeyFrames = "1, 7, 12 | 20".parse()?;
/// let span = keys.span_at(9.0);
/// assert_eq!(span, KeySpan { first: 7, last: Some(12), before: Some(1), after: None });
/// // The last key of a scene is held.
/// assert_eq!(keys.span_at(15.0), KeySpan { first: 12, last: None, before: None, after: None });
/// assert_eq!(keys.to_string(), "1 7 12 | 20");
/// # Ok::<(), inbetween_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFrames {
    /// Never empty, and no scene in it is empty.
    scenes: Vec<Vec<i64>>,
}

/// The keys around a time, as frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpan {
    /// The key that is shown, or that the movement leaves.
    pub first: i64,
    /// The next key; `None` where `first` is held because its scene has no later key.
    pub last: Option<i64>,
    /// The key of the same scene before `first`.
    pub before: Option<i64>,
    /// The key of the same scene after `last`.
    pub after: Option<i64>,
}

impl KeyFrames {
    /// The keys of these scenes.
    ///
    /// # Errors
    /// [`Error::Setting`] unless each frame comes after the one before it and none is beyond
    /// [`MAX_TIME`], or when there is no key at all.
    pub fn new(scenes: impl IntoIterator<Item = Vec<i64>>) -> Result<Self, Error> {
        let scenes = scenes.into_iter().filter(|scene| !scene.is_empty()).collect();
        let keys = Self { scenes };
        let frames: Vec<i64> = keys.scenes.iter().flatten().copied().collect();
        let far = |frame: &i64| frame.unsigned_abs() > MAX_TIME as u64;
        if frames.is_empty() || frames.iter().any(far) || !frames.is_sorted_by(|a, b| a < b) {
            return Err(wrong(&keys.to_string()));
        }
        Ok(keys)
    }

    /// The keys around `time`. Before the first key, that key is held.
    pub fn span_at(&self, time: f64) -> KeySpan {
        let seen = |frame: &i64| *frame as f64 <= time + TIME_TOLERANCE;
        let scene = self.scenes.iter().rev().find(|scene| seen(&scene[0]));
        let Some(scene) = scene else {
            let first = self.scenes[0][0];
            return KeySpan { first, last: None, before: None, after: None };
        };
        let at = scene.partition_point(seen) - 1;
        let Some(last) = scene.get(at + 1).copied() else {
            return KeySpan { first: scene[at], last: None, before: None, after: None };
        };
        let before = at.checked_sub(1).map(|before| scene[before]);
        KeySpan { first: scene[at], last: Some(last), before, after: scene.get(at + 2).copied() }
    }

    /// Number of keys.
    pub fn count(&self) -> usize {
        self.scenes.iter().map(Vec::len).sum()
    }
}

impl FromStr for KeyFrames {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let frames = |scene: &str| -> Result<Vec<i64>, Error> {
            let words = scene.split(|c: char| c.is_whitespace() || c == ',' || c == ';');
            let words = words.filter(|word| !word.is_empty());
            words.map(|word| word.parse().map_err(|_| wrong(text))).collect()
        };
        let scenes: Result<Vec<_>, _> = text.split('|').map(frames).collect();
        Self::new(scenes?).map_err(|_| wrong(text))
    }
}

impl fmt::Display for KeyFrames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, scene) in self.scenes.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { " | " })?;
            for (at, frame) in scene.iter().enumerate() {
                write!(f, "{}{frame}", if at == 0 { "" } else { " " })?;
            }
        }
        Ok(())
    }
}

fn wrong(text: &str) -> Error {
    Error::Setting {
        name: "Key frames",
        value: text.into(),
        allowed: "it must be a list of frames in rising order, such as 1 7 12, with a | where a new scene begins",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> KeyFrames {
        text.parse().unwrap()
    }

    #[test]
    fn lists_are_read_as_they_are_written() {
        for (text, read) in [
            ("1 7 12", "1 7 12"),
            (" 1,7 ; 12\n", "1 7 12"),
            ("-24 -1|0 | 5", "-24 -1 | 0 | 5"),
            ("| 3 9 |", "3 9"),
        ] {
            assert_eq!(keys(text).to_string(), read);
            assert_eq!(keys(read), keys(text));
        }
        assert_eq!(keys("1 7 | 12").count(), 3);
    }

    #[test]
    fn what_is_no_list_is_told_what_one_is() {
        for text in ["", " | ", "1 7 7", "7 1", "1 | 1", "1 7.5", "one", "1-7", "9999999999 1e3"] {
            let said = text.parse::<KeyFrames>().unwrap_err().user_message();
            assert!(said.contains("Key frames") && said.contains("1 7 12"), "{text}: {said}");
        }
        assert!(KeyFrames::new([]).is_err() && KeyFrames::new([vec![2_000_000_000]]).is_err());
    }

    #[test]
    fn every_time_lies_in_a_span_or_is_held() {
        let keys = keys("1 7 12 | 20 | 30 31 40 44");
        let held = |first| KeySpan { first, last: None, before: None, after: None };
        for (time, first) in [(-9.0, 1), (0.9, 1), (12.0, 12), (19.9, 12), (20.0, 20), (29.5, 20)] {
            assert_eq!(keys.span_at(time), held(first), "{time}");
        }
        assert_eq!(keys.span_at(44.0), held(44));
        assert_eq!(keys.span_at(1e9), held(44));
        let span = |first, last, before, after| KeySpan { first, last: Some(last), before, after };
        assert_eq!(keys.span_at(1.0), span(1, 7, None, Some(12)));
        assert_eq!(keys.span_at(6.999_95), span(7, 12, Some(1), None), "a hair before the key");
        assert_eq!(keys.span_at(30.5), span(30, 31, None, Some(40)));
        assert_eq!(keys.span_at(35.0), span(31, 40, Some(30), Some(44)));
    }
}
