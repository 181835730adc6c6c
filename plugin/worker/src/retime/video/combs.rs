//! Finds out what the fields of a video show: ffmpeg counts the combs in frames whose two fields
//! belong to different pictures.

use std::path::Path;
use std::process::Stdio;

use inbetween_core::program;

use super::fields::COMBED;
use super::{Video, ffmpeg};
use crate::failure::Result;

/// Number of frames that are examined.
const LOOKED_AT: u32 = 4000;

/// The index, in the filter graph, of the filter that reports on unchanged frames.
const OWN: u32 = 5;

/// Share of the frames that look interlaced which must agree on the order of fields.
const ONE_ORDER: f64 = 0.8;

/// Share of the frames in which cuts may leave a field without a partner.
const LEFT_ALONE: f64 = 0.1;

/// What fields show at the beginning of a video.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct CombCounts {
    pub(in super::super) frames: u64,
    /// Combed frames whose fields have a partner in the neighbouring frame.
    pub(in super::super) moved: u64,
    /// Frames that stay combed.
    pub(in super::super) left: u64,
    /// Frames that are combed if left unchanged.
    pub(in super::super) combed: u64,
    /// Frames that look like those of an interlaced camera.
    pub(in super::super) interlaced: u64,
    pub(in super::super) top_first: bool,
}

impl CombCounts {
    /// Examines the beginning of the video. If a file's fields cannot be examined, there are none.
    pub(in super::super) fn count(path: &Path, video: &Video) -> Result<Self> {
        let tell = format!("mode=pcn:combmatch=full:combpel={COMBED}:cthresh=10");
        // The filter counts a frame's own combs only if it does not prefer the neighbouring frame,
        // so the third instance gets each frame twice.
        let graph = format!(
            "[0:V:0]idet,split=3[a][b][c];[a]fieldmatch=order=tff:{tell}[top];\
             [b]fieldmatch=order=bff:{tell}[bottom];[c]fps=2*{},fieldmatch=order=tff:{tell}[own]",
            video.rate
        );
        let mut command = program::command("ffmpeg");
        command.args(["-hide_banner", "-nostdin", "-nostats", "-loglevel", "debug"]);
        if let Some(decoder) = video.decoder {
            command.args(["-c:v", decoder]);
        }
        command.arg("-i").arg(ffmpeg::address(path)).args(["-filter_complex", &graph]);
        for (output, frames) in
            [("[top]", LOOKED_AT), ("[bottom]", LOOKED_AT), ("[own]", 2 * LOOKED_AT)]
        {
            command.args(["-map", output, "-frames:v", &frames.to_string(), "-f", "null", "-"]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let done = command.output().map_err(|err| ffmpeg::cannot_start("ffmpeg", &err))?;
        Ok(Self::read(&String::from_utf8_lossy(&done.stderr)))
    }

    fn read(said: &str) -> Self {
        let (mut top, mut bottom) = (Self::default(), Self::default());
        let (mut first_top, mut first_bottom) = (0, 0);
        let mut combed_twice = 0;
        for line in said.lines() {
            if let Some(found) = FieldMatch::read(line) {
                if found.filter == OWN {
                    combed_twice += u64::from(found.own > COMBED);
                    continue;
                }
                let counts = if found.filter == 2 { &mut top } else { &mut bottom };
                counts.frames += 1;
                counts.left += u64::from(found.left > COMBED);
                counts.moved += u64::from(found.is_moved && found.left <= COMBED);
            } else if let Some((_, counts)) = line.split_once("Multi frame detection:") {
                let number = |name: &str| -> u64 {
                    let rest = counts.split_once(name).map_or("", |(_, rest)| rest);
                    rest.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
                };
                (first_top, first_bottom) = (number("TFF:"), number("BFF:"));
            }
        }
        let seen_first = first_top >= first_bottom;
        let (all, most) = (first_top + first_bottom, first_top.max(first_bottom));
        let in_one_order = most as f64 >= ONE_ORDER * all as f64;
        // At a cut a field has no partner. The right order leaves it combed; the wrong order may
        // pair it with the next picture and lose its own.
        let alone = LEFT_ALONE * top.frames.max(bottom.frames) as f64;
        let top_first = match top.left.cmp(&bottom.left) {
            _ if all > 0 && in_one_order && (top.left.abs_diff(bottom.left) as f64) < alone => {
                seen_first
            }
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Greater => false,
            std::cmp::Ordering::Equal => seen_first,
        };
        // Where fields have no partner, their order in time is what counts.
        let stays = top.left.min(bottom.left) > (top.moved + bottom.moved) / 2;
        let top_first = if stays { seen_first } else { top_first };
        let counts = if top_first { top } else { bottom };
        // An interlaced camera keeps the order of fields; moving stripes and thin lines look like
        // either.
        let interlaced = if in_one_order { all } else { 0 };
        Self { interlaced, top_first, combed: combed_twice.div_ceil(2), ..counts }
    }
}

/// What the filter `fieldmatch` reports about a frame.
struct FieldMatch {
    filter: u32,
    /// Combs of the unchanged frame; negative if not counted.
    own: i64,
    is_moved: bool,
    left: i64,
}

impl FieldMatch {
    fn read(line: &str) -> Option<Self> {
        let rest = line.split_once("[Parsed_fieldmatch_")?.1;
        let (filter, rest) = rest.split_once(" @ ")?;
        let counts = rest.split_once("COMBS:")?.1;
        let (counts, rest) = counts.split_once('(')?;
        let counts: Vec<i64> = counts.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        let (_, rest) = rest.split_once("match=")?;
        let at: usize = rest.split_whitespace().next()?.parse().ok()?;
        let own = *counts.get(1)?;
        Some(Self {
            filter: filter.parse().ok()?,
            own,
            // A frame that is not examined unchanged was rejected already.
            is_moved: at != 1 && !(0..=COMBED).contains(&own),
            left: *counts.get(at)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_filters_say_is_counted() {
        let said = "\
[Parsed_fieldmatch_2 @ 0x5] SC:0 | COMBS:   0  96  -1  -1  -1 (combpel=28) match=0 combed=NO\n\
[Parsed_fieldmatch_2 @ 0x5] SC:0 | COMBS:  96   0  -1  -1  -1 (combpel=28) match=1 combed=NO\n\
[Parsed_fieldmatch_3 @ 0x6] SC:0 | COMBS:  96  96  96  -1  -1 (combpel=28) match=1 combed=YES\n\
[Parsed_fieldmatch_3 @ 0x6] SC:0 | COMBS:  96   0  -1  -1  -1 (combpel=28) match=1 combed=NO\n\
[Parsed_fieldmatch_5 @ 0x8] SC:0 | COMBS:  -1  96  -1  -1  -1 (combpel=28) match=1 combed=YES\n\
[Parsed_fieldmatch_5 @ 0x8] SC:0 | COMBS:   0  -1  -1  -1  -1 (combpel=28) match=0 combed=NO\n\
[Parsed_idet_0 @ 0x7] Multi frame detection: TFF:     7 BFF:     1 Progressive:     2 Undetermined:     0\n";
        let wanted =
            CombCounts { frames: 2, moved: 1, left: 0, combed: 1, interlaced: 8, top_first: true };
        assert_eq!(CombCounts::read(said), wanted);
        let torn = said.replace("BFF:     1", "BFF:     3");
        assert_eq!(CombCounts::read(&torn), CombCounts { interlaced: 0, ..wanted }, "in no order");
    }

    #[test]
    fn a_field_that_a_cut_left_alone_does_not_change_the_order() {
        let frame = |filter: u32, left: u32, times: usize| {
            let match_at = u32::from(left > 0);
            format!("[Parsed_fieldmatch_{filter} @ 0x5] SC:0 | COMBS:   0 {left}  -1  -1  -1 (combpel=28) match={match_at}\n")
                .repeat(times)
        };
        let order = "[Parsed_idet_0 @ 0x7] Multi frame detection: TFF:    40 BFF:     2 Progressive:    50\n";
        let said = frame(2, 0, 97) + &frame(2, 96, 3) + &frame(3, 0, 100) + order;
        let found = CombCounts::read(&said);
        assert_eq!((found.top_first, found.left), (true, 3));
        let wrong = frame(2, 0, 70) + &frame(2, 96, 30) + &frame(3, 0, 100) + order;
        assert!(!CombCounts::read(&wrong).top_first);
    }
}
