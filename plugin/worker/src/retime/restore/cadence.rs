//! Finds the rate that a film had before it was transferred, from the frames on which its drawings
//! begin.
//!
//! A transfer repeats frames of the film, so drawings can begin only on some frames; for a film at
//! 24 in a video at 30, on four of five. Cuts in the video change which ones. So the frames of the
//! film are found as the best path through phases that may jump now and then. A rate is accepted if
//! drawings begin where it allows them much more often than by chance.

use inbetween_core::retime::Rate;

/// Rates of films, the likely ones first.
const FILMS: [(u32, u32); 5] = [(24_000, 1001), (24, 1), (25, 1), (30_000, 1001), (30, 1)];

/// Film rates as fractions of a transfer's rate that repeating frames can produce, and the
/// tolerance: a thousandth is the difference between two clocks.
const PARTS: [(u32, u32); 7] = [(4, 5), (24, 25), (1, 2), (2, 5), (5, 6), (12, 25), (5, 12)];
const NEAR: f64 = 0.0004;

/// Tolerance for two rates that differ only by their clocks.
const CLOCKS: f64 = 0.002;

/// A film's rate must be below this share of its transfer's.
const SLOWER: f64 = 0.97;

/// Number of phases that are distinguished within one frame of the film.
const PHASES: usize = 20;

/// Share of drawings that may begin where none should, and the same beside mixes, where drawings
/// with a small share in a mix are not recognised.
const OFF_CADENCE: f64 = 0.01;
const OFF_CADENCE_MIXED: f64 = 0.08;

/// Up to this multiple of that share still counts as a cadence.
const MOST_OFF_CADENCE: f64 = 4.0;

/// Pictures are transferred at no more than this rate.
const FASTEST: f64 = 61.0;

/// Cost of a jump of the phase, as a logarithm: while looking for a cadence, and once one is
/// accepted. With cheap jumps, any cadence would fit anything.
const JUMP_COST: f64 = 8.0;
const JUMP_COST_BELIEVED: f64 = 5.0;

/// Bonus for a drawing that is held for as long as the previous one, as a logarithm.
const EVEN_HOLD_BONUS: f64 = 0.3;

/// A cadence is accepted if it is this much likelier than chance, as a logarithm, and if there are
/// this many drawings in a row for each jump.
const LEAST_LIKELIHOOD: f64 = 12.0;
const DRAWINGS_PER_JUMP: usize = 20;

/// Cost of a film whose clock is not used for such transfers, as a logarithm.
const CLOCK_CHANGE_COST: f64 = 20.0;

/// The clock on which a rate is based.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    /// Cinema and computers: 24, 30, 60.
    Even,
    /// Television of 50 fields.
    Pal,
    /// Television of 60 fields, and everything shown on it: 24000/1001, 30000/1001.
    Ntsc,
}

impl Clock {
    fn of(rate: Rate) -> Self {
        match (rate.seconds(), rate.frames()) {
            (1001, _) => Self::Ntsc,
            (1, 25 | 50) => Self::Pal,
            _ => Self::Even,
        }
    }

    /// Whether a film with this clock can be transferred to the other one. Repeated frames and
    /// fields keep the clock, but the clocks of 24 and 25 are the same. Mixed frames are made only
    /// for the other kind of television.
    fn becomes(self, transfer: Self, mixed: bool) -> bool {
        match (self, transfer) {
            (Self::Ntsc, Self::Ntsc) | (Self::Pal, Self::Pal) => true,
            (Self::Ntsc, Self::Even) | (Self::Even, Self::Ntsc) => false,
            (Self::Ntsc, Self::Pal) | (Self::Pal, Self::Ntsc) => mixed,
            (Self::Even, Self::Pal) => !mixed,
            (Self::Pal | Self::Even, Self::Even) => true,
        }
    }
}

/// Which frame of the film is shown on each frame of its transfer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cadence {
    pub(super) film_rate: Rate,
    /// Frames of the film per frames of the transfer.
    ratio: (u64, u64),
    /// The frames of the transfer at which the phase changes, and the new phases.
    phases: Vec<(usize, usize)>,
    likelihood: f64,
    /// Number of drawings that begin where none should.
    off_cadence: usize,
}

impl Cadence {
    /// The cadence of a transfer at `rate` whose drawings begin on these frames; `None` if there is
    /// none.
    pub(super) fn find(starts: &[usize], rate: Rate, mixed: bool) -> Option<Self> {
        if rate.per_second() > FASTEST {
            return None;
        }
        let films = FILMS.iter().filter_map(|(frames, seconds)| Rate::new(*frames, *seconds).ok());
        let films = films.map(|film| exactly(film, rate));
        let slower = films.filter(|film| film.per_second() < SLOWER * rate.per_second());
        let told =
            slower.clone().filter_map(|film| Self::fit(film, starts, rate, mixed, JUMP_COST));
        let most_off_cadence = MOST_OFF_CADENCE * off_cadence(mixed) * starts.len() as f64;
        let sure = told.filter(|found| {
            found.likelihood > LEAST_LIKELIHOOD
                && found.breaks() * DRAWINGS_PER_JUMP <= starts.len()
                && found.off_cadence as f64 <= most_off_cadence
        });
        // Whether there is a cadence and which clock it has are separate questions, because a short
        // clip can distinguish 24 from 24000/1001 only by chance.
        let sure: Vec<Rate> = sure.map(|found| found.film_rate).collect();
        let is_near = |film: &Rate| {
            sure.iter().any(|other| (film.per_second() / other.per_second() - 1.0).abs() < CLOCKS)
        };
        // The first of equally likely ones is taken.
        let prior = |found: &Self| {
            let is_usual = Clock::of(found.film_rate).becomes(Clock::of(rate), mixed);
            found.likelihood - if is_usual { 0.0 } else { CLOCK_CHANGE_COST }
        };
        let believed =
            slower.filter(is_near).filter_map(|film| Self::of(film, starts, rate, mixed));
        believed.reduce(|best, other| if prior(&other) > prior(&best) + 1.0 { other } else { best })
    }

    /// The best cadence for a film at this rate; `None` if the film is not slower.
    pub(super) fn of(film: Rate, starts: &[usize], rate: Rate, mixed: bool) -> Option<Self> {
        Self::fit(film, starts, rate, mixed, JUMP_COST_BELIEVED)
    }

    fn fit(film: Rate, starts: &[usize], rate: Rate, mixed: bool, jump: f64) -> Option<Self> {
        let above = u64::from(film.frames()) * u64::from(rate.seconds());
        let below = u64::from(film.seconds()) * u64::from(rate.frames());
        if above >= below {
            return None;
        }
        let ratio = (above, below);
        let mut found =
            Self { film_rate: film, ratio, phases: vec![(0, 0)], likelihood: 0.0, off_cadence: 0 };
        found.fit_phases(starts, off_cadence(mixed), jump);
        Some(found)
    }

    /// Number of jumps of the phase.
    pub(super) fn breaks(&self) -> usize {
        self.phases.len() - 1
    }

    /// For each of `count` frames of the transfer, the frame of the film, in ascending order, and
    /// the distance from its middle in thousandths of a film frame.
    pub(super) fn frames(&self, count: usize) -> impl Iterator<Item = (usize, u32)> + '_ {
        let mut part = 0;
        let mut last = 0;
        (0..count).map(move |frame| {
            while self.phases.get(part + 1).is_some_and(|(from, _)| *from <= frame) {
                part += 1;
            }
            let phase = self.phases[part].1;
            last = last.max(self.at(frame, phase) as usize);
            let place = frame as f64 * self.ratio.0 as f64 / self.ratio.1 as f64;
            let place = (place + phase as f64 / PHASES as f64).fract();
            (last, (1000.0 * (place - 0.5).abs()) as u32)
        })
    }

    fn at(&self, frame: usize, phase: usize) -> u64 {
        let (above, below) = (u128::from(self.ratio.0), u128::from(self.ratio.1));
        let phases = PHASES as u128;
        let at = (frame as u128 * above * phases + phase as u128 * below) / (below * phases);
        u64::try_from(at).unwrap_or(u64::MAX)
    }

    /// The likeliest path of phases (Viterbi algorithm).
    fn fit_phases(&mut self, starts: &[usize], off_cadence: f64, jump: f64) {
        let share = self.ratio.0 as f64 / self.ratio.1 as f64;
        let (right, wrong) =
            (((1.0 - off_cadence) / share).ln(), (off_cadence / (1.0 - share)).ln());
        let mut scores = [0.0_f64; PHASES];
        let mut held = [None::<u64>; PHASES];
        let mut held_before: Option<usize> = None;
        let mut before = 0;
        let mut from: Vec<[u8; PHASES]> = Vec::with_capacity(starts.len());
        let starts: Vec<usize> = starts.iter().copied().filter(|start| *start > 0).collect();
        for start in &starts {
            let best = best_of(&scores);
            let (jumped, last) = (scores[best] - jump, scores);
            let mut came = [0; PHASES];
            let now = start - before;
            let even_before = held_before == Some(now);
            for phase in 0..PHASES {
                let (score, origin) =
                    if jumped > last[phase] { (jumped, best) } else { (last[phase], phase) };
                came[phase] = origin as u8;
                let begins = self.at(*start, phase) != self.at(start - 1, phase);
                let length = self.at(*start, phase) - self.at(before, phase);
                let even = held[phase] == Some(length);
                let evener = f64::from(u8::from(even)) - f64::from(u8::from(even_before));
                scores[phase] =
                    score + if begins { right } else { wrong } + EVEN_HOLD_BONUS * evener;
                held[phase] = Some(length);
            }
            held_before = Some(now);
            before = *start;
            from.push(came);
        }
        let mut phase = best_of(&scores);
        self.likelihood = scores[phase];
        let mut path = vec![(0, phase)];
        for (start, came) in starts.iter().zip(&from).rev() {
            self.off_cadence += usize::from(self.at(*start, phase) == self.at(start - 1, phase));
            let origin = usize::from(came[phase]);
            if origin != phase {
                path.push((*start, phase));
                phase = origin;
            }
        }
        path[0].1 = phase;
        path[1..].reverse();
        self.phases = path;
    }
}

/// The film's rate as a usual fraction of the transfer's, if it is one, so that nothing drifts even
/// if the file states 29.97 as another fraction.
fn exactly(film: Rate, rate: Rate) -> Rate {
    let part = |(above, below): &(u32, u32)| {
        let frames = rate.frames().checked_mul(*above)?;
        Rate::new(frames, rate.seconds().checked_mul(*below)?).ok()
    };
    let mut parts = PARTS.iter().filter_map(part);
    let is_near = |part: &Rate| (part.per_second() / film.per_second() - 1.0).abs() < NEAR;
    parts.find(is_near).unwrap_or(film)
}

fn off_cadence(mixed: bool) -> f64 {
    if mixed { OFF_CADENCE_MIXED } else { OFF_CADENCE }
}

fn best_of(scores: &[f64; PHASES]) -> usize {
    (0..PHASES).fold(0, |best, at| if scores[at] > scores[best] + 1e-9 { at } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    /// Where drawings begin that are held for these numbers of film frames, after a frame-by-frame
    /// transfer.
    fn starts(
        film: &str,
        to: &str,
        holds: impl Iterator<Item = usize>,
        seconds: f64,
    ) -> Vec<usize> {
        let share = rate(to).per_second() / rate(film).per_second();
        let mut at = 0;
        let mut all = Vec::new();
        for hold in holds {
            all.push((at as f64 * share - 1e-6).ceil().max(0.0) as usize);
            at += hold;
            if at as f64 > seconds * rate(film).per_second() {
                break;
            }
        }
        all
    }

    #[test]
    fn the_film_s_rate_is_found_and_drawings_are_even_again() {
        for (film, to) in [
            ("23.976", "29.97"),
            ("23.976", "59.94"),
            ("24", "25"),
            ("24", "30"),
            ("25", "50"),
            ("25", "30"),
            ("24", "60"),
            ("30", "60"),
        ] {
            for hold in 1..=3 {
                let starts = starts(film, to, std::iter::repeat(hold), 60.0);
                let found = Cadence::find(&starts, rate(to), false);
                let found = found.unwrap_or_else(|| panic!("{film} in {to} held for {hold}"));
                let near = found.film_rate.per_second() / rate(film).per_second() - 1.0;
                assert!(near.abs() < 0.002, "{film} in {to}: {}", found.film_rate);
                assert_eq!(found.breaks(), 0, "{film} in {to} held for {hold}");
                let frames: Vec<usize> =
                    found.frames(starts[starts.len() - 1] + 1).map(|(frame, _)| frame).collect();
                let held: Vec<usize> =
                    starts.windows(2).map(|two| frames[two[1]] - frames[two[0]]).collect();
                let odd = held.iter().filter(|held| **held != hold).count();
                assert!(odd * 50 <= held.len(), "{film} in {to}: {held:?}");
            }
        }
    }

    #[test]
    fn what_was_drawn_for_its_rate_has_no_other() {
        for to in ["23.976", "24", "25", "29.97", "30", "50", "59.94"] {
            for hold in 1..=4 {
                let starts: Vec<usize> = (0..1500).step_by(hold).collect();
                let found = Cadence::find(&starts, rate(to), false);
                // A film at 25, held for two or four of 50 frames, is the same.
                let same = found.as_ref().is_some_and(|found| {
                    let times = rate(to).per_second() / found.film_rate.per_second();
                    (times.round() - times).abs() < 1e-9 && hold as f64 % times == 0.0
                });
                assert!(found.is_none() || same, "{to} {hold}: {found:?}");
            }
            // Held irregularly, as an animator likes.
            let mut at = 0;
            let mixed = [1, 2, 2, 3, 1, 4, 2, 1, 2, 3, 3, 2, 1, 6, 1];
            let starts: Vec<usize> = (0..900)
                .map(|n| {
                    at += mixed[(n * 7 + n / 15) % 15];
                    at
                })
                .collect();
            assert!(Cadence::find(&starts, rate(to), false).is_none(), "{to}");
        }
    }

    #[test]
    fn a_film_s_rate_is_an_exact_part_of_its_transfer_s() {
        for (film, to, told) in [
            ("23.976", "29.97", "24000/1001"),
            ("23.976", "59.94", "24000/1001"),
            ("24", "30", "24"),
            ("24", "25", "24"),
            // The fractions that some writers use for 29.97.
            ("23.976", "2997/100", "2997/125"),
        ] {
            let starts = starts(film, to, std::iter::repeat(1), 60.0);
            let found = Cadence::find(&starts, rate(to), false).unwrap();
            assert_eq!(found.film_rate, rate(told), "{film} in {to}");
        }
        // Three hours with a break every minute.
        let minute = starts("23.976", "29.97", std::iter::repeat(2), 60.0);
        let long: Vec<usize> = (0..180)
            .flat_map(|part| minute.iter().filter(move |n| **n > 7).map(move |n| n + part * 1797))
            .collect();
        for mixed in [false, true] {
            let found = Cadence::find(&long, rate("29.97"), mixed).unwrap();
            assert_eq!(found.film_rate, rate("24000/1001"), "{mixed}");
            let count = 180 * 1797;
            let last = found.frames(count).last().unwrap().0 as f64;
            assert!((last - count as f64 * 0.8).abs() < 2.0, "{last}");
        }
    }

    #[test]
    fn a_short_clip_with_cuts_keeps_the_clock_of_its_transfer() {
        // Twos, ones, threes, a rest and twos again, with three cuts. A film at 24 explains it with
        // fewer breaks.
        let starts = [
            3, 5, 8, 10, 13, 15, 18, 20, 23, 25, 28, 30, 31, 33, 36, 38, 41, 43, 46, 48, 51, 53,
            56, 58, 59, 61, 62, 63, 64, 66, 67, 68, 69, 71, 72, 73, 74, 75, 76, 77, 78, 80, 81, 82,
            86, 90, 93, 97, 101, 105, 108, 112, 116, 117, 132, 134, 137, 139, 142, 144, 147, 149,
            152, 154, 157, 159, 162, 164, 167, 169, 172,
        ];
        let found = Cadence::find(&starts, rate("29.97"), false).unwrap();
        assert_eq!((found.film_rate, found.breaks()), (rate("23.976"), 3));
    }

    #[test]
    fn cuts_in_the_transfer_break_the_cadence_and_nothing_is_lost() {
        let mut all = Vec::new();
        let mut at = 0;
        for part in 0..6 {
            let own = starts("23.976", "29.97", std::iter::repeat(1), 4.0);
            let skipped = part % 5;
            all.extend(own.iter().filter(|n| **n >= skipped).map(|n| at + n - skipped));
            at += own[own.len() - 1] + 1 - skipped;
        }
        all.sort_unstable();
        all.dedup();
        let found = Cadence::find(&all, rate("29.97"), false).unwrap();
        assert!((3..=5).contains(&found.breaks()), "{:?}", found.phases);
        let frames: Vec<usize> = found.frames(at).map(|(frame, _)| frame).collect();
        let lost = all.windows(2).filter(|two| frames[two[0]] == frames[two[1]]).count();
        assert!(lost <= 6, "{lost} of {}", all.len());
    }
}
