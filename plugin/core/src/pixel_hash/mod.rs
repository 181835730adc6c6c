//! Content addresses of pictures in a host's memory. They are hashed in place, row by row, so a
//! cached frame needs no copy and no conversion of its keys.

mod remembered;

use rayon::prelude::*;

use crate::frame::check_size;
use crate::{ContentHash, Error, Frame};

/// Part of every digest. Change it when the order of hashing changes.
const FORMAT: &[u8] = b"inbetween pixels 1\0";

/// Number of rows that are hashed together. It is part of the digest's definition: changing it
/// changes all digests.
const BAND_ROWS: usize = 64;

/// Bytes gathered for one update. BLAKE3 is fast only on long inputs, and this many fit into a
/// core's cache.
const GATHER_BYTES: usize = 128 * 1024;

/// Hashes pixels of a given size and format on all cores.
///
/// Equal bytes give equal digests, whatever the distance between rows, their order in memory and
/// the number of threads. The same bytes with another size or format give another digest.
///
/// ```
/// use inbetween_core::pixel_hash::PixelHasher;
///
/// // Two rows of three grey pixels, stored bottom row first with one byte of padding.
/// let memory = [4, 5, 6, 0, 1, 2, 3, 0];
/// let padded = PixelHasher::new(3, 2, 1, "grey 8")?.hash(|y| &memory[(1 - y) * 4..][..3])?;
/// let tight = PixelHasher::new(3, 2, 1, "grey 8")?.hash(|y| &[[1, 2, 3], [4, 5, 6]][y][..])?;
/// assert_eq!(padded, tight);
/// # Ok::<(), inbetween_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PixelHasher<'a> {
    width: usize,
    height: usize,
    row_bytes: usize,
    format: &'a str,
}

impl<'a> PixelHasher<'a> {
    /// A hasher for pictures of `width` x `height` pixels of `pixel_bytes` each. `format` says how
    /// the bytes are to be understood: channels, depth, premultiplication, and anything else that
    /// distinguishes equal bytes.
    ///
    /// # Errors
    /// [`Error::Size`] when no picture can have this size.
    pub fn new(
        width: usize,
        height: usize,
        pixel_bytes: usize,
        format: &'a str,
    ) -> Result<Self, Error> {
        check_size(width, height)?;
        let row_bytes = width.checked_mul(pixel_bytes).ok_or(Error::Size {
            width,
            height,
            reason: "a row of pixels has too many bytes",
        })?;
        Ok(Self { width, height, row_bytes, format })
    }

    /// The digest of the rows returned by `row`, where `row(0)` is the top one. It is called once
    /// for each row, from several threads.
    ///
    /// # Errors
    /// [`Error::Size`] when the length of a row does not match the width and the pixel size.
    pub fn hash<'r>(&self, row: impl Fn(usize) -> &'r [u8] + Sync) -> Result<ContentHash, Error> {
        let bands = (0..self.height.div_ceil(BAND_ROWS))
            .into_par_iter()
            .map(|band| self.hash_band(band, &row))
            .collect::<Result<Vec<_>, Error>>()?;
        let mut root = blake3::Hasher::new();
        root.update(FORMAT);
        for number in [self.width, self.height, self.row_bytes, self.format.len()] {
            root.update(&(number as u64).to_le_bytes());
        }
        root.update(self.format.as_bytes());
        for band in bands {
            root.update(band.as_bytes());
        }
        Ok(root.finalize().into())
    }

    fn hash_band<'r>(
        &self,
        band: usize,
        row: &(impl Fn(usize) -> &'r [u8] + Sync),
    ) -> Result<blake3::Hash, Error> {
        let mut hasher = blake3::Hasher::new();
        let mut gathered = Vec::with_capacity(GATHER_BYTES);
        let start = band * BAND_ROWS;
        for y in start..(start + BAND_ROWS).min(self.height) {
            let mut row = self.checked(row(y))?;
            while !row.is_empty() {
                let (now, later) = row.split_at(row.len().min(GATHER_BYTES - gathered.len()));
                gathered.extend_from_slice(now);
                row = later;
                if gathered.len() == GATHER_BYTES {
                    hasher.update(&gathered);
                    gathered.clear();
                }
            }
        }
        hasher.update(&gathered);
        Ok(hasher.finalize())
    }

    fn checked<'r>(&self, row: &'r [u8]) -> Result<&'r [u8], Error> {
        if row.len() == self.row_bytes {
            return Ok(row);
        }
        let reason = "a row of pixels has the wrong length";
        Err(Error::Size { width: self.width, height: self.height, reason })
    }
}

impl Frame {
    /// The content address of this picture.
    pub fn content_hash(&self) -> ContentHash {
        PixelHasher::new(self.width(), self.height(), 16, "frame")
            .and_then(|hasher| hasher.hash(|y| bytemuck::cast_slice(self.row(y))))
            .expect("a frame has a valid size and rows of its width")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|at| (at * 31 + at / 251) as u8).collect()
    }

    fn tight(width: usize, height: usize, format: &str, bytes: &[u8]) -> ContentHash {
        let hasher = PixelHasher::new(width, height, 4, format).unwrap();
        hasher.hash(|y| &bytes[y * width * 4..][..width * 4]).unwrap()
    }

    #[test]
    fn row_stride_and_sign_do_not_matter() {
        for (width, height) in [(1, 1), (7, 5), (300, 63), (300, 64), (301, 129), (9000, 70)] {
            let row_bytes = width * 4;
            let bytes = picture(row_bytes * height);
            let wanted = tight(width, height, "f", &bytes);

            let stride = row_bytes + 13;
            let mut padded = vec![0xee; stride * height];
            let mut flipped = vec![0xdd; stride * height];
            for y in 0..height {
                let row = &bytes[y * row_bytes..][..row_bytes];
                padded[y * stride..][..row_bytes].copy_from_slice(row);
                flipped[(height - 1 - y) * stride..][..row_bytes].copy_from_slice(row);
            }
            let hasher = PixelHasher::new(width, height, 4, "f").unwrap();
            let hash = hasher.hash(|y| &padded[y * stride..][..row_bytes]).unwrap();
            assert_eq!(hash, wanted, "padded, {width} x {height}");
            let hash = hasher.hash(|y| &flipped[(height - 1 - y) * stride..][..row_bytes]).unwrap();
            assert_eq!(hash, wanted, "bottom-up, {width} x {height}");
        }
    }

    #[test]
    fn the_number_of_threads_does_not_matter() {
        let bytes = picture(200 * 4 * 500);
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| tight(200, 500, "f", &bytes))
        };
        assert_eq!(on(1), on(3));
        assert_eq!(on(1), on(8));
    }

    #[test]
    fn every_byte_counts() {
        let mut bytes = picture(20 * 4 * 130);
        let before = tight(20, 130, "f", &bytes);
        for at in (0..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
            bytes[at] ^= 1;
            assert_ne!(tight(20, 130, "f", &bytes), before, "byte {at}");
            bytes[at] ^= 1;
        }
        assert_eq!(tight(20, 130, "f", &bytes), before);
    }

    #[test]
    fn size_and_format_count() {
        let bytes = vec![0; 64 * 64 * 4];
        let hashes = [
            tight(64, 64, "a", &bytes),
            tight(64, 64, "b", &bytes),
            tight(32, 128, "a", &bytes),
            tight(128, 32, "a", &bytes),
            tight(64, 63, "a", &bytes),
            PixelHasher::new(128, 64, 2, "a").unwrap().hash(|_| &bytes[..256]).unwrap(),
        ];
        for (at, one) in hashes.iter().enumerate() {
            assert!(!hashes[at + 1..].contains(one), "hash {at}");
        }
    }

    #[test]
    fn the_digest_is_pinned() {
        // Names on disk depend on this digest, so it may change only together with FORMAT.
        let hash = tight(300, 100, "f", &picture(300 * 100 * 4));
        assert_eq!(
            hash.to_string(),
            "4a72cd9fbe5fe233b029b6ef4bb9361b7ba6ff3c373f7dbc33e5ab62c1a70630"
        );
    }

    #[test]
    fn rows_of_the_wrong_length_are_refused() {
        let bytes = picture(64);
        let hasher = PixelHasher::new(4, 4, 4, "f").unwrap();
        assert!(hasher.hash(|_| &bytes[..15]).is_err());
        assert!(hasher.hash(|_| &bytes[..17]).is_err());
        assert!(PixelHasher::new(0, 4, 4, "f").is_err());
        assert!(PixelHasher::new(4, 4, usize::MAX, "f").is_err());
    }

    #[test]
    fn frames_hash_their_pixels() {
        let mut frame = Frame::transparent(5, 3).unwrap();
        let before = frame.content_hash();
        frame.pixels_mut()[7][2] = 0.5;
        assert_ne!(frame.content_hash(), before);
        assert_ne!(Frame::transparent(3, 5).unwrap().content_hash(), before);
    }
}
