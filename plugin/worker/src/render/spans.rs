//! The spans that a command draws: the one between two keys, or those of a sequence of keys.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use inbetween_core::settings::list::MotionPath;

use super::usage;
use crate::cli::{Render, frame_range};
use crate::failure::{Failure, Kind, Result};
use crate::retime::sequence::numbered;

/// The spans, each as the arguments that would draw it alone.
pub(super) fn of(arguments: &Render) -> Result<Vec<Render>> {
    let keys = match &arguments.keys {
        Some(keys) => keys_in_order(arguments, keys)?,
        None if arguments.further.is_empty()
            && arguments.at.is_empty()
            && arguments.span.is_none() =>
        {
            return Ok(vec![arguments.clone()]);
        }
        None => named_keys(arguments)?,
    };
    let count = keys.len() - 1;
    if let Some(span) = arguments.span.filter(|span| !(1..=count).contains(span)) {
        return Err(usage(format!("There is no span {span}: {} keys make {count}.", count + 1)));
    }
    let (first, last) = (keys[0].0, keys[count].0);
    let wanted = match &arguments.frames {
        None => (first, last),
        Some(text) => frame_range(text).filter(|(from, to)| from <= to).ok_or_else(|| {
            usage(format!("Frames are written as 3-5 or 4, and lie between {first} and {last}."))
        })?,
    };
    let sketches = sketches(arguments)?;
    let mut spans = Vec::new();
    for (at, pair) in keys.windows(2).enumerate() {
        if arguments.span.is_some_and(|span| span != at + 1) {
            continue;
        }
        let [(from, first), (to, last)] = pair else { continue };
        let (from, to) = (*from, *to);
        // A key that two spans share is written by the second of them.
        let end = if at + 1 == count { to } else { to - 1 };
        let frames = (from.max(wanted.0), end.min(wanted.1));
        if frames.0 > frames.1 {
            continue;
        }
        let beside = |at: Option<usize>| {
            let (frame, file) = keys.get(at?)?;
            let position = (f64::from(*frame) - f64::from(from)) / f64::from(to - from);
            (arguments.path == MotionPath::Smooth).then(|| (position, file.clone()))
        };
        let neighbours = [beside(at.checked_sub(1)), beside(at.checked_add(2))];
        let within = |frame: usize| (from as usize + 1..to as usize).contains(&frame);
        spans.push(Render {
            first: first.clone(),
            last: last.clone(),
            start: from,
            in_betweens: Some(to - from - 1),
            frames: Some(format!("{}-{}", frames.0, frames.1)),
            sequence: keys.clone(),
            neighbours,
            timed: Some(arguments.timing_of(at, count)?),
            sketch: sketches.iter().filter(|(frame, _)| within(*frame)).cloned().collect(),
            ..arguments.clone()
        });
    }
    if spans.is_empty() {
        return Err(usage(format!("No frame is asked for: the keys stand on {first} to {last}.")));
    }
    if spans.len() > 1 && !arguments.pin.is_empty() {
        return Err(usage("Pins belong to one span: name it with --span."));
    }
    Ok(spans)
}

/// The keys named one by one, with their frames.
fn named_keys(arguments: &Render) -> Result<Vec<(u32, PathBuf)>> {
    let keys = [&arguments.first, &arguments.last].into_iter().chain(&arguments.further);
    if arguments.at.is_empty() {
        let between = arguments.in_betweens()?;
        let at = |n: u32| evenly_spaced(arguments.start, between, n);
        return keys.zip(0..).map(|(key, n)| Ok((at(n)?, key.clone()))).collect();
    }
    let count = 2 + arguments.further.len();
    if arguments.at.len() != count || !arguments.at.windows(2).all(|pair| pair[0] < pair[1]) {
        return Err(usage(format!(
            "--at names the frame of each key, each after the one before it, as 1,7,12,20: there are {count} keys and {} frames.",
            arguments.at.len()
        )));
    }
    Ok(arguments.at.iter().copied().zip(keys.cloned()).collect())
}

/// The frame of key `n`, counted from 0, with `between` frames between each key and the next.
fn evenly_spaced(start: u32, between: u32, n: u32) -> Result<u32> {
    let frame = between.checked_add(1).and_then(|step| step.checked_mul(n)?.checked_add(start));
    frame.ok_or_else(|| usage("There are more frames than can be numbered."))
}

/// The keys in order, with their frames.
fn keys_in_order(arguments: &Render, keys: &Path) -> Result<Vec<(u32, PathBuf)>> {
    let (pattern, files) = numbered(keys)?;
    let numbers = match &arguments.key_frames {
        Some(text) => numbers(text)?,
        None => files.keys().copied().collect(),
    };
    if numbers.len() < 2 {
        return Err(Failure::new(
            Kind::File,
            format!(
                "A sequence needs two keys at least; of {} there are {}.",
                pattern.file(numbers.first().copied().unwrap_or(1)).display(),
                numbers.len()
            ),
        ));
    }
    let keys = numbers.into_iter().zip(0_u32..).map(|(number, at)| {
        let file = files.get(&number).cloned().unwrap_or_else(|| pattern.file(number));
        let frame = match arguments.in_betweens {
            None => u32::try_from(number).map_err(|_| {
                usage(format!(
                    "{} stands on frame {number}, and frames are numbered from 0. Say with --in-betweens how many \
                     frames lie between two keys, and with --start where the first stands.",
                    file.display()
                ))
            }),
            Some(between) => evenly_spaced(arguments.start, between, at),
        };
        Ok((frame?, file))
    });
    let keys = keys.collect::<Result<Vec<_>>>()?;
    if keys.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0) {
        return Err(usage(
            "The keys are numbered one after another, so there is no frame between them. Say with \
             --in-betweens how many there shall be.",
        ));
    }
    Ok(keys)
}

/// Reads 1,9,17-20 or -4,-2-0, in any order.
fn numbers(text: &str) -> Result<Vec<i64>> {
    let mut found = BTreeSet::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match number_range(part) {
            Some((from, to)) if from <= to && to.saturating_sub(from) <= 1_000_000 => {
                found.extend(from..=to);
            }
            _ => {
                return Err(usage(format!("Key frames are written as 1,9,17-20; {part} is none.")));
            }
        }
    }
    Ok(found.into_iter().collect())
}

/// Reads 17-20 or 9, where numbers may be negative.
fn number_range(text: &str) -> Option<(i64, i64)> {
    // A leading dash belongs to the first number.
    let dash = text.char_indices().skip(1).find(|(_, letter)| *letter == '-');
    let (from, to) = dash.map_or((text, text), |(at, _)| (&text[..at], &text[at + 1..]));
    from.trim().parse().ok().zip(to.trim().parse().ok())
}

/// All sketches with their frames.
fn sketches(arguments: &Render) -> Result<Vec<(usize, PathBuf)>> {
    let mut sketches = arguments.sketch.clone();
    if let Some(path) = arguments.sketches.as_deref().filter(|path| !is_empty(path)) {
        let (_, files) = numbered(path)?;
        let of_frame = |(number, file)| Some((usize::try_from(number).ok()?, file));
        sketches.extend(files.into_iter().filter_map(of_frame));
    }
    Ok(sketches)
}

/// Whether it is an empty folder, as farms create for missing inputs.
fn is_empty(path: &Path) -> bool {
    std::fs::read_dir(path).is_ok_and(|mut files| files.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_frames_are_a_list() {
        assert_eq!(numbers("1, 9,17-19,9").unwrap(), [1, 9, 17, 18, 19]);
        assert_eq!(numbers("5,-4,-2-0,-12--10").unwrap(), [-12, -11, -10, -4, -2, -1, 0, 5]);
        for wrong in ["1,x", "9-1", "-", "1;2", "-1--4", "--2"] {
            assert!(numbers(wrong).is_err(), "{wrong}");
        }
    }
}
