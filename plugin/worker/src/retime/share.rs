//! Which frames of the output a run makes: all of them, or a share while other machines make the
//! rest.

use std::ops::Range;

use crate::cli::Retime;

/// The share of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    All,
    /// From the first to the last, counted from 1.
    Frames(u64, u64),
    /// The share of one of several machines, counted from 1.
    Shard(u64, u64),
    /// None: joins what other runs have made.
    Join,
}

impl Share {
    pub(super) fn of(arguments: &Retime) -> Self {
        match (arguments.frames, arguments.shard) {
            _ if arguments.join => Self::Join,
            (Some((first, last)), _) => Self::Frames(first, last),
            (_, Some((number, all))) => Self::Shard(number, all),
            _ => Self::All,
        }
    }

    /// A name that no other share has.
    pub(super) fn name(self) -> String {
        match self {
            Self::All => "all".into(),
            Self::Frames(first, last) => format!("frames-{first}-{last}"),
            Self::Shard(number, all) => format!("shard-{number}-{all}"),
            Self::Join => "join".into(),
        }
    }

    /// Whether the output is complete after this run.
    pub(super) fn is_whole(self) -> bool {
        matches!(self, Self::All | Self::Join)
    }

    /// The range of frames, counted from 0, in an output of `frames` frames. Shards end at
    /// multiples of `step`, so that no two machines share a step.
    pub(super) fn range(self, frames: u64, step: u64) -> Range<u64> {
        match self {
            Self::All | Self::Join => 0..frames,
            Self::Frames(first, last) => (first - 1).min(frames)..last.min(frames),
            Self::Shard(number, all) => {
                let steps = u128::from(frames.div_ceil(step));
                let border = |number: u64| {
                    let at = u128::from(number) * steps / u128::from(all) * u128::from(step);
                    u64::try_from(at).unwrap_or(frames).min(frames)
                };
                border(number - 1)..border(number)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_cover_everything_once_and_end_with_steps() {
        for (frames, step, all) in [(1000, 240, 3), (100, 240, 16), (7, 1, 16), (4800, 240, 7)] {
            let ranges: Vec<_> =
                (1..=all).map(|n| Share::Shard(n, all).range(frames, step)).collect();
            assert_eq!((ranges[0].start, ranges[ranges.len() - 1].end), (0, frames));
            assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
            assert!(ranges.iter().all(|range| range.end == frames || range.end % step == 0));
        }
        assert_eq!(Share::Frames(101, 200).range(150, 240), 100..150);
    }
}
