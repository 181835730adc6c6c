//! Frame rates as exact fractions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// Largest numerator or denominator of a rate.
const MOST: u32 = 10_000_000;

/// Most frames per second.
const FASTEST: u32 = 1000;

/// Decimals that stand for television rates: so many thousandths mean so many frames in 1.001
/// seconds.
const OF_TELEVISION: [(u64, u32); 7] = [
    (23_976, 24_000),
    (23_980, 24_000),
    (29_970, 30_000),
    (47_952, 48_000),
    (59_940, 60_000),
    (119_880, 120_000),
    (14_985, 15_000),
];

/// A frame rate: an exact fraction of frames per second, in lowest terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rate {
    frames: u32,
    seconds: u32,
}

impl Rate {
    /// The rate of `frames` frames in `seconds` seconds.
    ///
    /// # Errors
    /// [`Error::Setting`] when either is 0 or beyond ten million, or when the rate is above 1000.
    pub fn new(frames: u32, seconds: u32) -> Result<Self, Error> {
        let usable = (1..=MOST).contains(&frames)
            && (1..=MOST).contains(&seconds)
            && u64::from(frames) <= u64::from(FASTEST) * u64::from(seconds);
        if !usable {
            return Err(refuse(&format!("{frames}/{seconds}")));
        }
        let common = common_divisor(frames.into(), seconds.into()) as u32;
        Ok(Self { frames: frames / common, seconds: seconds / common })
    }

    /// The rate that a program gives as a decimal. 23.976 and similar values become the exact
    /// television rates; others are rounded to a thousandth.
    ///
    /// # Errors
    /// [`Error::Setting`] for anything but a number above 0, and as [`Rate::new`].
    pub fn of_decimal(per_second: f64) -> Result<Self, Error> {
        if !(per_second > 0.0 && per_second <= f64::from(FASTEST)) {
            return Err(refuse(&per_second.to_string()));
        }
        format!("{per_second:.3}").parse()
    }

    /// The numerator.
    pub fn frames(self) -> u32 {
        self.frames
    }

    /// The denominator.
    pub fn seconds(self) -> u32 {
        self.seconds
    }

    /// Frames per second.
    pub fn per_second(self) -> f64 {
        f64::from(self.frames) / f64::from(self.seconds)
    }

    /// This rate, multiplied by `times`.
    ///
    /// # Errors
    /// As [`Rate::new`].
    pub fn times(self, times: u32) -> Result<Self, Error> {
        let frames = self.frames.checked_mul(times);
        frames.map_or_else(|| Err(refuse(&self.to_string())), |n| Self::new(n, self.seconds))
    }

    /// The exact time of this rate's frame `number`, in frames of the `source` rate.
    pub fn time_at(self, source: Self, number: u64) -> Moment {
        let above = u128::from(number) * u128::from(source.frames) * u128::from(self.seconds);
        let below = u128::from(source.seconds) * u128::from(self.frames);
        Moment {
            above: i128::try_from(above).unwrap_or(i128::MAX),
            below: i128::try_from(below).unwrap_or(i128::MAX),
        }
    }

    /// Number of frames at this rate for a clip of `frames` frames at the `source` rate: all frames
    /// that begin before the clip ends.
    pub fn length_of(self, source: Self, frames: u64) -> u64 {
        let above = u128::from(frames) * u128::from(self.frames) * u128::from(source.seconds);
        let below = u128::from(self.seconds) * u128::from(source.frames);
        u64::try_from(above.div_ceil(below)).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.frames)?;
        if self.seconds == 1 { Ok(()) } else { write!(f, "/{}", self.seconds) }
    }
}

impl FromStr for Rate {
    type Err = Error;

    /// Reads `24`, `24000/1001` or `12.5`, and replaces `23.976`, `29.97` and `59.94` by the exact
    /// television rates.
    ///
    /// # Errors
    /// [`Error::Setting`] for anything else, and as [`Rate::new`].
    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let refused = || refuse(text);
        if let Some((above, below)) = text.split_once('/') {
            let number = |text: &str| text.trim().parse().map_err(|_| refused());
            return Self::new(number(above)?, number(below)?);
        }
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        if whole.is_empty() || whole.len() > 4 || part.len() > 3 || !digits(whole) || !digits(part)
        {
            return Err(refused());
        }
        let thousandths: u64 = format!("{whole}{part:0<3}").parse().map_err(|_| refused())?;
        if let Some((_, frames)) = OF_TELEVISION.iter().find(|(decimal, _)| *decimal == thousandths)
        {
            return Self::new(*frames, 1001);
        }
        Self::new(u32::try_from(thousandths).map_err(|_| refused())?, 1000)
    }
}

fn refuse(value: &str) -> Error {
    Error::Setting {
        name: "Frame rate",
        value: value.into(),
        allowed: "write frames per second as 24, 23.976 or 24000/1001, above 0 and at most 1000",
    }
}

/// The greatest common divisor; if one number is 0, the other one.
pub fn common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// A time in frames of a clip, as an exact fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    above: i128,
    below: i128,
}

impl Moment {
    /// A time that is known only as a decimal, to a millionth of a frame; `None` for NaN and
    /// infinity.
    pub fn of_time(time: f64) -> Option<Self> {
        const PARTS: f64 = 1e6;
        let parts = (time * PARTS).round();
        (parts.abs() < 1e18).then_some(Self { above: parts as i128, below: PARTS as i128 })
    }

    /// The frame that is shown at this time.
    pub fn frame(self) -> i64 {
        self.above.div_euclid(self.below) as i64
    }

    /// How far this time lies on the way from the beginning of `first` to the beginning of `last`.
    pub fn position(self, first: i64, last: i64) -> f64 {
        let way = i128::from(last - first) * self.below;
        (self.above - i128::from(first) * self.below) as f64 / way as f64
    }
}
