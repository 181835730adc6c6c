//! Unpacks animated GIF and PNG files into one picture for each frame of their rate.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::{AnimationDecoder, DynamicImage, Frames, ImageResult};
use inbetween_core::retime::{Rate, common_divisor};
use tempfile::TempDir;

use super::sequence::Sequence;
use crate::failure::{Failure, Kind, Result};

/// GIF delays shorter than this, in milliseconds, count as [`SLOW`], as in all browsers.
const LEAST: u32 = 20;
const SLOW: u32 = 100;

/// An unpacked file. Its pictures are deleted when it is dropped.
pub(super) struct Animation {
    pub(super) path: PathBuf,
    /// The rate at which every delay is a whole number of frames.
    pub(super) rate: Rate,
    _folder: TempDir,
}

/// Whether the file holds a moving picture of its own.
pub(super) fn is_animation(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(1 << 16).read_to_end(&mut head));
    let is_moving_png = || {
        // Its control chunk comes before the pixels.
        let before = |part: &[u8]| head.windows(4).position(|four| four == part);
        head.starts_with(b"\x89PNG")
            && before(b"acTL")
                .is_some_and(|control| before(b"IDAT").is_none_or(|data| control < data))
    };
    read.is_ok() && (head.starts_with(b"GIF8") || is_moving_png())
}

impl Animation {
    /// Writes the pictures of the file into a separate folder.
    pub(super) fn unpack(path: &Path) -> Result<(Self, Sequence)> {
        let failed = |err: &dyn std::fmt::Display| {
            Failure::new(Kind::File, format!("{} could not be read: {err}.", path.display()))
        };
        let folder = TempDir::new().map_err(|err| failed(&err))?;
        let mut pictures: Vec<(PathBuf, (u32, u32))> = Vec::new();
        let mut is_opaque = true;
        let is_gif = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gif"));
        for frame in frames_of(path).map_err(|err| failed(&err))? {
            let frame = frame.map_err(|err| failed(&err))?;
            let delay = match frame.delay().numer_denom_ms() {
                (delay, of) if is_gif && delay < LEAST * of => (SLOW, 1),
                (0, _) => (SLOW, 1),
                delay => delay,
            };
            is_opaque &= frame.buffer().pixels().all(|pixel| pixel[3] == u8::MAX);
            let file = folder.path().join(format!("{:06}.png", pictures.len()));
            frame.buffer().save(&file).map_err(|err| failed(&err))?;
            pictures.push((file, delay));
        }
        if is_opaque {
            // If nothing is transparent, alpha is dropped, because not every container can store
            // it.
            for (file, _) in &pictures {
                let picture = image::open(file).map(DynamicImage::into_rgb8);
                picture.and_then(|picture| picture.save(file)).map_err(|err| failed(&err))?;
            }
        }
        let delays: Vec<(u32, u32)> = pictures.iter().map(|(_, delay)| *delay).collect();
        let (rate, frames) = rate_of(&delays).ok_or_else(|| failed(&"it says no usable times"))?;
        let files = pictures.iter().zip(frames);
        let files = files.flat_map(|((file, _), frames)| std::iter::repeat_n(file.clone(), frames));
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("frame");
        let sequence = Sequence::of_files(files.collect(), name);
        Ok((Self { path: path.into(), rate, _folder: folder }, sequence))
    }
}

fn frames_of(path: &Path) -> ImageResult<Frames<'static>> {
    let file = || -> ImageResult<_> { Ok(BufReader::new(File::open(path)?)) };
    match GifDecoder::new(file()?) {
        Ok(gif) => Ok(gif.into_frames()),
        Err(_) => Ok(PngDecoder::new(file()?)?.apng()?.into_frames()),
    }
}

/// The slowest rate at which every delay (a fraction of milliseconds) is a whole number of frames,
/// and these numbers.
fn rate_of(delays: &[(u32, u32)]) -> Option<(Rate, Vec<usize>)> {
    let below = delays.iter().try_fold(1_u64, |all, (_, of)| {
        let of = u64::from(*of);
        (all / common_divisor(all, of)).checked_mul(of)
    })?;
    let parts: Vec<u64> =
        delays.iter().map(|(delay, of)| u64::from(*delay) * (below / u64::from(*of))).collect();
    let step = parts.iter().copied().fold(0, common_divisor);
    let second = 1000 * below;
    let divisor = common_divisor(second, step).max(1);
    let number = |value: u64| u32::try_from(value / divisor).ok();
    let rate = Rate::new(number(second)?, number(step)?).ok()?;
    let frames = parts.iter().map(|part| usize::try_from(part / step).ok());
    Some((rate, frames.collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_makes_every_delay_a_whole_number_of_frames() {
        let rate = |text: &str| text.parse::<Rate>().unwrap();
        assert_eq!(rate_of(&[(40, 1), (40, 1)]), Some((rate("25"), vec![1, 1])));
        assert_eq!(rate_of(&[(40, 1), (120, 1), (50, 1)]), Some((rate("100"), vec![4, 12, 5])));
        assert_eq!(rate_of(&[(1000, 24), (2000, 24)]), Some((rate("24"), vec![1, 2])));
        assert_eq!(rate_of(&[(1001, 24), (1001, 24)]), Some((rate("23.976"), vec![1, 1])));
    }
}
