//! Converts the time stamps of a file to frames at an even rate.

use inbetween_core::retime::Rate;

/// A faster rate is that of a clock, unless there are as many pictures.
const FASTEST: f64 = 240.0;

/// How far a time stamp may be from its frame, in frames: the jitter of a camera's clock.
const UNREST: f64 = 0.25;

/// Share of the time stamps that may be farther away.
const ASTRAY: f64 = 0.01;

/// A frame rate at which irregular times are kept to within five milliseconds.
const FINE: f64 = 120.0;

/// Usual frame rates: frames, and the number of seconds they take.
const USUAL: [(u32, u32); 14] = [
    (12, 1),
    (25, 2),
    (15, 1),
    (24_000, 1001),
    (24, 1),
    (25, 1),
    (30_000, 1001),
    (30, 1),
    (48, 1),
    (50, 1),
    (60_000, 1001),
    (60, 1),
    (120, 1),
    (240, 1),
];

/// Relative error that the mean of an unsteady clock may have.
const NEAR: f64 = 0.01;

/// Longest hold of a picture, in seconds; longer ones are jumps of the clock.
const LONGEST_HOLD: f64 = 3600.0;

/// One second in the unit of times.
const SECOND: f64 = 1e6;

/// The even frame rate on which the pictures with these `times` (in seconds, ascending) lie. `real`
/// is the rate that fits all time stamps according to the container, `mean` the number of pictures
/// per second.
pub(super) fn rate_of(real: &str, mean: &str, times: &[f64]) -> Option<Rate> {
    let mean = rate(mean).or_else(|| mean_of(times));
    let counted = mean.map_or(0.0, Rate::per_second);
    let usable = |rate: &Rate| {
        let fast = rate.per_second();
        fast <= FASTEST || (counted > 0.0 && fast <= counted * 1.05)
    };
    let real = rate(real);
    // Some containers store the rate of fields or of a clock; a rate that fits every picture is enough.
    let divided = real.zip(mean).and_then(|(real, mean)| {
        let times = (real.per_second() / mean.per_second()).round();
        let even = (real.per_second() / mean.per_second() / times - 1.0).abs() < 0.005;
        let below = (times as u32).checked_mul(real.seconds())?;
        (times >= 2.0 && even).then(|| Rate::new(real.frames(), below).ok())?
    });
    // A clock that counts everything says nothing, so a rate that cameras use is preferred.
    let tells = real.is_some_and(|real| usable(&real));
    let usual =
        if tells || times.len() < 2 { None } else { mean.and_then(|mean| usual(mean, times)) };
    let known = [usual, divided, real.filter(usable), mean.filter(usable)];
    let mut known = known.into_iter().flatten();
    if times.len() < 2 {
        return known.next();
    }
    let first = known.clone().next();
    known.find(|rate| fits(*rate, times)).or_else(|| finer(first.or(mean)?)).or(first)
}

fn rate(text: &str) -> Option<Rate> {
    text.parse().ok().or_else(|| {
        let (above, below) = text.split_once('/')?;
        Rate::of_decimal(above.parse::<f64>().ok()? / below.parse::<f64>().ok()?).ok()
    })
}

fn mean_of(times: &[f64]) -> Option<Rate> {
    let length = times.last()? - times.first()?;
    (length > 0.0).then(|| Rate::of_decimal((times.len() - 1) as f64 / length).ok())?
}

/// The usual rate near `mean` that fits the times of an unsteady clock best.
fn usual(mean: Rate, times: &[f64]) -> Option<Rate> {
    let near = |rate: &Rate| (rate.per_second() / mean.per_second() - 1.0).abs() < NEAR;
    let rates = USUAL.iter().filter_map(|(frames, seconds)| Rate::new(*frames, *seconds).ok());
    let fitting = rates.filter(|rate| near(rate) && fits(*rate, times));
    fitting.min_by(|a, b| unrest(*a, times).total_cmp(&unrest(*b, times)))
}

/// Variance of the distance from time stamps to their frames, in frames.
fn unrest(rate: Rate, times: &[f64]) -> f64 {
    let off = |time: &f64| {
        let frames = (time - times[0]) * rate.per_second();
        frames - frames.round()
    };
    let count = times.len() as f64;
    let mean = times.iter().map(off).sum::<f64>() / count;
    times.iter().map(|time| (off(time) - mean).powi(2)).sum::<f64>() / count
}

fn fits(rate: Rate, times: &[f64]) -> bool {
    let astray = times.iter().filter(|time| {
        let frames = (*time - times[0]) * rate.per_second();
        (frames - frames.round()).abs() > UNREST
    });
    astray.count() as f64 <= ASTRAY * times.len() as f64
}

/// A multiple of the rate that is fine enough for irregular times.
fn finer(rate: Rate) -> Option<Rate> {
    let times = (FINE / rate.per_second()).ceil().max(1.0);
    rate.times(times as u32).ok()
}

/// Assigns pictures to frames, one after the other.
#[derive(Debug)]
pub(super) struct FrameSlots {
    rate: Rate,
    /// Time of the first picture, in millionths of a second.
    pub(super) begins: Option<i64>,
    last: i64,
}

/// The frame that a picture belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// This frame, and those after it until the next picture.
    At(i64),
    /// None: its frame and the next one are taken.
    None,
    /// An implausible time.
    Jump,
}

impl FrameSlots {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, begins: None, last: -1 }
    }

    /// The frame of the next picture. `time` is in millionths of a second; a picture without a time follows the last one.
    pub(super) fn next(&mut self, time: Option<i64>) -> Slot {
        let begins = *self.begins.get_or_insert(time.unwrap_or(0));
        let exact = time.map_or((self.last + 1) as f64, |time| self.frames(time - begins));
        // Two pictures with the same time are a writer's mistake: the second gets the next frame, if that is free.
        let slot = (exact.round() as i64).max(self.last + 1);
        if slot as f64 - exact > 1.5 {
            return Slot::None;
        }
        if (slot - self.last) as f64 > LONGEST_HOLD * self.rate.per_second() {
            return Slot::Jump;
        }
        self.last = slot;
        Slot::At(slot)
    }

    /// Number of frames of a clip whose last picture ends at `ends`, in millionths of a second.
    pub(super) fn length(&self, ends: Option<i64>) -> i64 {
        let until = ends.zip(self.begins).map(|(ends, begins)| self.frames(ends - begins));
        let most = self.last as f64 + LONGEST_HOLD * self.rate.per_second();
        (until.unwrap_or(0.0).min(most).round() as i64).max(self.last + 1)
    }

    fn frames(&self, time: i64) -> f64 {
        time as f64 * f64::from(self.rate.frames()) / (SECOND * f64::from(self.rate.seconds()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn even(rate: f64, count: usize) -> Vec<f64> {
        (0..count).map(|n| 0.5 + n as f64 / rate).collect()
    }

    fn found(real: &str, mean: &str, times: &[f64]) -> String {
        rate_of(real, mean, times).unwrap().to_string()
    }

    #[test]
    fn the_rate_that_all_pictures_need() {
        assert_eq!(found("24000/1001", "24000/1001", &even(23.976, 50)), "24000/1001");
        assert_eq!(found("480/1", "480/1", &even(480.0, 96)), "480");
        assert_eq!(found("50/1", "25/1", &even(25.0, 50)), "25", "fields are counted");
        assert_eq!(found("1000/1", "25/1", &even(25.0, 50)), "25", "a clock");
        assert_eq!(found("1000/1", "25/1", &[]), "25");
        assert!(rate_of("0/0", "0/0", &[]).is_none());
    }

    #[test]
    fn left_out_pictures_and_an_unsteady_clock_change_no_rate() {
        let gaps: Vec<f64> = even(24.0, 50)
            .into_iter()
            .enumerate()
            .filter(|(n, _)| n % 3 != 1)
            .map(|(_, t)| t)
            .collect();
        assert_eq!(found("24/1", "16/1", &gaps), "24");
        let unsteady: Vec<f64> = even(30.0, 90)
            .iter()
            .enumerate()
            .map(|(n, t)| t + 0.006 * ((n * 7 % 5) as f64 / 4.0))
            .collect();
        assert_eq!(found("30/1", "8100000/270253", &unsteady), "30");
        assert_eq!(found("90000/1", "8100000/270253", &unsteady), "30", "a clock tells no rate");
    }

    #[test]
    fn irregular_times_are_met_to_five_thousandths() {
        // Half at 24, half at 30, as in mixed material.
        let mut times = even(24.0, 48);
        let last = times[47];
        times.extend((1..60).map(|n| last + f64::from(n) / 30.0));
        let rate = rate_of("90000/1", "27/1", &times).unwrap();
        let off = |time: &f64| {
            let frames = (time - times[0]) * rate.per_second();
            ((frames - frames.round()) / rate.per_second()).abs()
        };
        assert!(times.iter().all(|time| off(time) < 0.005), "{rate}");
    }

    #[test]
    fn pictures_find_their_frames() {
        let mut slots = FrameSlots::new("24".parse().unwrap());
        // One time appears twice and the next is missing, as a bad writer leaves them; then one was
        // left out.
        let times = [541_667, 583_333, 583_333, 666_667, 750_000];
        let dealt: Vec<Slot> = times.iter().map(|time| slots.next(Some(*time))).collect();
        assert_eq!(dealt, [0, 1, 2, 3, 5].map(Slot::At));
        assert_eq!((slots.begins, slots.length(Some(833_333))), (Some(541_667), 7));
        assert_eq!(slots.length(None), 6);
        assert_eq!(slots.next(Some(750_000)), Slot::At(6));
        assert_eq!(slots.next(Some(750_000)), Slot::None, "there is no room for a third");
        assert_eq!(slots.next(Some(9_000_000_000)), Slot::Jump);
    }
}
