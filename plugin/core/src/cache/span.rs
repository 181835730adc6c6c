//! The file form of a generated span: several frames of one size. All numbers are little-endian.
//!
//! | bytes    | content |
//! |----------|---------|
//! | 0..8     | `INBTSPAN` |
//! | 8..12    | version of this form, 1 |
//! | 12..16   | width in pixels |
//! | 16..20   | height in pixels |
//! | 20..24   | number of frames |
//! | 24..32   | 0 |
//! | 32..64   | span key |
//! | 64..96   | BLAKE3 of bytes 0..64 and of the pixels |
//! | 96..     | frame after frame: 32-bit float RGBA, premultiplied, top row first |

use std::fs::File;
use std::io::{self, Write};

use super::entry::{HEADER_BYTES, Unreadable, fill};
use crate::frame::{MAX_PIXELS, check_size};
use crate::{ContentHash, Frame};

const SIGNED_BYTES: usize = 64;
const MAGIC: &[u8; 8] = b"INBTSPAN";
const VERSION: u32 = 1;

/// Most frames of a span.
const MAX_FRAMES: usize = 256;

/// Size of the file for these frames, in bytes; `None` when they are none, too many, or not of one
/// size.
pub(super) fn file_bytes(frames: &[Frame]) -> Option<u64> {
    let size = |frame: &Frame| (frame.width(), frame.height());
    let first = frames.first()?;
    let alike = frames.iter().all(|frame| size(frame) == size(first));
    let pixels = first.pixels().len() * frames.len();
    let fits = frames.len() <= MAX_FRAMES && pixels <= MAX_PIXELS;
    (alike && fits).then_some((HEADER_BYTES + pixels * size_of::<[f32; 4]>()) as u64)
}

/// Writes the frames, for which [`file_bytes`] has given a size, in file form.
pub(super) fn write(file: &mut impl Write, key: &ContentHash, frames: &[Frame]) -> io::Result<()> {
    let number = |of: usize| (of as u32).to_le_bytes();
    let (width, height) = frames.first().map_or((0, 0), |frame| (frame.width(), frame.height()));
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&VERSION.to_le_bytes());
    for of in [width, height, frames.len()] {
        header.extend_from_slice(&number(of));
    }
    header.extend_from_slice(&[0; 8]);
    header.extend_from_slice(&key.0);
    let mut hasher = blake3::Hasher::new();
    hasher.update(&header);
    for frame in frames {
        hasher.update_rayon(bytemuck::cast_slice(frame.pixels()));
    }
    header.extend_from_slice(hasher.finalize().as_bytes());
    file.write_all(&header)?;
    for frame in frames {
        file.write_all(bytemuck::cast_slice(frame.pixels()))?;
    }
    Ok(())
}

/// Reads the span of `key` and checks every byte of it.
pub(super) fn read(file: &mut File, key: &ContentHash) -> Result<Vec<Frame>, Unreadable> {
    let length = file.metadata().map_err(Unreadable::Io)?.len();
    let mut header = [0; HEADER_BYTES];
    fill(file, &mut header)?;
    let number = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| header[at + byte]));
    if header[..8] != *MAGIC || number(8) != VERSION {
        return Err(Unreadable::Damaged("it is not a span of this version"));
    }
    if header[32..64] != key.0 {
        return Err(Unreadable::Damaged("it is another span"));
    }
    let (width, height) = (number(12) as usize, number(16) as usize);
    let count = number(20) as usize;
    // Before memory is taken for what a damaged header claims.
    let wrong = || Unreadable::Damaged("its length does not match its size");
    check_size(width, height).map_err(|_| wrong())?;
    if !(1..=MAX_FRAMES).contains(&count)
        || width * height * count > MAX_PIXELS
        || length != (HEADER_BYTES + width * height * count * 16) as u64
    {
        return Err(wrong());
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&header[..SIGNED_BYTES]);
    let mut frames = Vec::with_capacity(count);
    for _ in 0..count {
        let mut pixels = vec![[0.0_f32; 4]; width * height];
        fill(file, bytemuck::cast_slice_mut(&mut pixels))?;
        hasher.update_rayon(bytemuck::cast_slice(&pixels));
        let frame = Frame::from_pixels(width, height, pixels)
            .map_err(|_| Unreadable::Damaged("its size is out of range"))?;
        frames.push(frame);
    }
    if header[SIGNED_BYTES..] != *hasher.finalize().as_bytes() {
        return Err(Unreadable::Damaged("its checksum does not match"));
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use tempfile::TempDir;

    use super::*;
    use crate::Drawn;
    use crate::cache::{DiskCache, DiskConfig};

    const FRAMES: usize = 3;
    const FILE_BYTES: u64 = (96 + FRAMES * 5 * 3 * 16) as u64;

    fn span(of: f32) -> Vec<Frame> {
        let frame = |at: usize| {
            let pixels = (0..15).map(|pixel| [of, at as f32, pixel as f32, 1.0]).collect();
            Frame::from_pixels(5, 3, pixels).unwrap()
        };
        (0..FRAMES).map(frame).collect()
    }

    fn disk(dir: &Path, limit_bytes: u64) -> DiskCache {
        DiskCache::new(DiskConfig { dir: dir.to_owned(), limit_bytes })
    }

    fn file_of(dir: &Path, key: &ContentHash) -> PathBuf {
        dir.join("drawings-1").join(format!("{key}.span"))
    }

    #[test]
    fn frames_come_back_in_order() {
        let dir = TempDir::new().unwrap();
        let (cache, key) = (disk(dir.path(), 1 << 20), ContentHash::of(b"span"));
        assert!(!cache.has_span(&key));
        assert!(cache.put_span(&key, &span(1.0)));
        assert!(cache.has_span(&key));
        assert_eq!(cache.get_span(&key), Some(span(1.0)));
        assert_eq!(fs::metadata(file_of(dir.path(), &key)).unwrap().len(), FILE_BYTES);
        assert_eq!(cache.get_span(&ContentHash::of(b"other")), None);
    }

    #[test]
    fn frames_that_do_not_belong_together_are_not_stored() {
        let dir = TempDir::new().unwrap();
        let (cache, key) = (disk(dir.path(), 1 << 20), ContentHash::of(b"span"));
        let mut odd = span(1.0);
        odd.push(Frame::transparent(3, 5).unwrap());
        assert!(!cache.put_span(&key, &odd));
        assert!(!cache.put_span(&key, &[]));
        assert!(!cache.has_span(&key));
    }

    #[test]
    fn damage_anywhere_is_found_and_healed() {
        let dir = TempDir::new().unwrap();
        let (cache, key) = (disk(dir.path(), 1 << 20), ContentHash::of(b"span"));
        let path = file_of(dir.path(), &key);
        cache.put_span(&key, &span(1.0));
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(&path, bad).unwrap();
            assert!(cache.get_span(&key).is_none(), "byte {at}");
            assert!(!path.exists(), "byte {at}");
        }
        for length in [0, 20, 95, 96, 100, good.len() - 1] {
            fs::write(&path, &good[..length]).unwrap();
            assert!(cache.get_span(&key).is_none(), "{length} bytes");
        }
        assert!(cache.put_span(&key, &span(1.0)));
        assert_eq!(cache.get_span(&key), Some(span(1.0)));
    }

    #[test]
    fn spans_pictures_and_drawings_share_one_limit() {
        let dir = TempDir::new().unwrap();
        let cache = disk(dir.path(), 3 * FILE_BYTES);
        let key = |of: u8| ContentHash::of(&[of]);
        let frame = span(1.0).remove(0);
        let drawn = Drawn { frame: frame.clone(), confidence: 1.0, cut: false };
        for of in 0..12 {
            match of % 3 {
                0 => assert!(cache.put_span(&key(of), &span(f32::from(of)))),
                1 => assert!(cache.put_picture(&key(of), &frame)),
                _ => assert!(cache.put(&key(of), &drawn)),
            }
            let files = fs::read_dir(dir.path().join("drawings-1")).unwrap();
            let total: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
            assert!(total <= 3 * FILE_BYTES, "{total} bytes after {of}");
        }
        assert_eq!(cache.get_picture(&key(10)), Some(frame));
        assert_eq!(cache.get(&key(11)), Some(drawn));
        assert!(cache.get(&key(10)).is_none(), "a picture is no drawing");
        assert!(cache.stats().evicted > 0);
    }
}
