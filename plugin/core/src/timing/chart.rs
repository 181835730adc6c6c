//! Timing charts: how the drawings of a span are spaced, as animators note it beside a key.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// Most positions that a custom chart may list.
pub const MAX_POSITIONS: usize = 10_000;

/// The allowed contents of a custom chart, for messages.
const ALLOWED: &str = "write the positions of the in-betweens one after the other, each from 0 \
    (first key) to 1 (last key), as 0.25, 25% or 1/4, with spaces, commas or semicolons between";

/// Spacing of the drawings between two keys.
///
/// The charts below show seven in-betweens (`|`) between the first key (left) and the last (right).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Chart {
    /// Even spacing.
    ///
    /// ```text
    /// first |-------|-------|-------|-------|-------|-------|-------|-------| last
    /// ```
    #[default]
    Linear,
    /// Eases in to the last key: fast at first, then closer and closer before the last key (a
    /// slow-in). Position 1 - (1 - t)² at the fraction t of the span.
    ///
    /// ```text
    /// first |---------------|------------|----------|---------|------|----|--|-| last
    /// ```
    EaseIn,
    /// Eases out of the first key: close to the first, then faster and faster (a slow-out).
    /// Position t², the mirror of [`Chart::EaseIn`].
    ///
    /// ```text
    /// first |-|--|----|------|---------|----------|------------|---------------| last
    /// ```
    EaseOut,
    /// Eases out of the first key and in to the last. Position 3t² - 2t³, symmetric.
    ///
    /// ```text
    /// first |--|------|---------|-----------|-----------|---------|------|--| last
    /// ```
    EaseInOut,
    /// The breakdown (the middle drawing) sits on the third next to the first key; the drawings on
    /// either side of it are spaced evenly.
    ///
    /// ```text
    /// first |-----|-----|-----|-----|-----------|-----------|-----------|-----------| last
    ///       0                      1/3                                              1
    /// ```
    FavourFirst,
    /// The breakdown sits on the third next to the last key: the mirror of [`Chart::FavourFirst`].
    ///
    /// ```text
    /// first |-----------|-----------|-----------|-----------|-----|-----|-----|-----| last
    ///       0                                              2/3                      1
    /// ```
    FavourLast,
    /// The positions of the in-betweens in the order in which they are shown, each 0..=1. Holds
    /// (equal neighbours), moving back, and returning to a key are all allowed.
    ///
    /// A span with as many in-between drawings as the list has entries shows one entry after the
    /// other. Any other span moves along the list at an even pace, from key to key, and
    /// interpolates between the entries.
    Custom(Vec<f64>),
}

impl Chart {
    /// The position (0..=1) at the fraction `t` of the span; `t` is clamped to 0..=1.
    pub fn position(&self, t: f64) -> f64 {
        let t = if t.is_nan() { 0.0 } else { t.clamp(0.0, 1.0) };
        match self {
            Self::Linear => t,
            Self::EaseIn => 1.0 - (1.0 - t) * (1.0 - t),
            Self::EaseOut => t * t,
            Self::EaseInOut => t * t * (3.0 - 2.0 * t),
            Self::FavourFirst => favour_first(t),
            Self::FavourLast => 1.0 - favour_first(1.0 - t),
            Self::Custom(list) => {
                let steps = list.len() as f64 + 1.0;
                along(list, t * steps, steps)
            }
        }
        .clamp(0.0, 1.0)
    }

    /// Checks the positions of a custom chart.
    pub(super) fn check(&self) -> Result<(), Error> {
        let Self::Custom(list) = self else { return Ok(()) };
        check_count(list.len())?;
        match list.iter().position(|position| !(0.0..=1.0).contains(position)) {
            Some(at) => Err(refuse(at, &list[at])),
            None => Ok(()),
        }
    }
}

impl FromStr for Chart {
    type Err = Error;

    /// Reads a custom chart as an artist types it: `0.1 0.3; 50%, 2/3`.
    ///
    /// # Errors
    /// [`Error::Setting`] that names the entry which is not a position from 0 to 1, or when the
    /// list is empty or longer than [`MAX_POSITIONS`].
    fn from_str(text: &str) -> Result<Self, Error> {
        let separates = |c: char| c.is_whitespace() || c == ',' || c == ';';
        let entries = text.split(separates).filter(|entry| !entry.is_empty());
        let positions = entries
            .take(MAX_POSITIONS + 1)
            .enumerate()
            .map(|(at, entry)| parse_position(entry).ok_or_else(|| refuse(at, &entry)))
            .collect::<Result<Vec<f64>, Error>>()?;
        check_count(positions.len())?;
        Ok(Self::Custom(positions))
    }
}

/// The position `u` drawings after the first key. The list's entries are drawings 1, 2, …; the last
/// key is drawing `end`. A whole `u` gives exactly the entry.
pub(super) fn along(list: &[f64], u: f64, end: f64) -> f64 {
    // The division that produced `u` may be off a whole number by a rounding error.
    let u = if (u - u.round()).abs() < 1e-9 { u.round() } else { u };
    let before = (u.max(0.0).floor() as usize).min(list.len());
    let entry = |at: usize| match at.checked_sub(1) {
        None => (0.0, 0.0),
        Some(index) => list.get(index).map_or((end, 1.0), |value| (at as f64, *value)),
    };
    let ((from, low), (to, high)) = (entry(before), entry(before + 1));
    let part = if to > from { ((u - from) / (to - from)).clamp(0.0, 1.0) } else { 0.0 };
    // This form gives both ends exactly.
    low * (1.0 - part) + high * part
}

fn favour_first(t: f64) -> f64 {
    if t <= 0.5 { t * 2.0 / 3.0 } else { 1.0 / 3.0 + (t - 0.5) * 4.0 / 3.0 }
}

/// `0.25`, `25%` or `1/4`; `None` for anything else and for positions outside 0..=1.
fn parse_position(entry: &str) -> Option<f64> {
    let position = if let Some(percent) = entry.strip_suffix('%') {
        percent.parse::<f64>().ok()? / 100.0
    } else if let Some((above, below)) = entry.split_once('/') {
        above.parse::<f64>().ok()? / below.parse::<f64>().ok()?
    } else {
        entry.parse::<f64>().ok()?
    };
    // Adding 0 turns a typed -0 into 0.
    (0.0..=1.0).contains(&position).then_some(position + 0.0)
}

fn refuse(at: usize, entry: &dyn fmt::Display) -> Error {
    let mut entry = entry.to_string();
    if entry.chars().count() > 40 {
        entry = entry.chars().take(40).chain(['…']).collect();
    }
    Error::Setting {
        name: "Custom chart",
        value: format!("\"{entry}\" in place {}", at + 1),
        allowed: ALLOWED,
    }
}

fn check_count(count: usize) -> Result<(), Error> {
    if (1..=MAX_POSITIONS).contains(&count) {
        return Ok(());
    }
    let value = if count == 0 { "empty".into() } else { "longer than 10000 positions".into() };
    Err(Error::Setting { name: "Custom chart", value, allowed: ALLOWED })
}
