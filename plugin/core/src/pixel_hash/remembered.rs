//! Content addresses of pictures that this process has hashed before.
//!
//! A cached frame should reach the host about as fast as its pixels can be copied, but computing
//! BLAKE3 over two float keys alone takes longer. So a picture is first recognised by a 128-bit
//! XXH3 fingerprint of all its bytes, which leads to its BLAKE3 address. The fingerprint uses a new
//! seed in each process and never leaves it: whatever is stored or shared is named by BLAKE3.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::LazyLock;

use lru::LruCache;
use parking_lot::Mutex;
use rayon::prelude::*;
use twox_hash::xxhash3_128;

use super::{BAND_ROWS, PixelHasher};
use crate::process_memo::ProcessMemo;
use crate::{ContentHash, Error};

/// Number of remembered pictures: the keys of a few hundred spans, in a few tens of kilobytes.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(512).expect("not zero");

/// A picture's size and format, and the fingerprint of its bytes.
#[derive(PartialEq, Eq, Hash)]
struct Fingerprint {
    width: usize,
    row_bytes: usize,
    format: String,
    bands: Vec<u128>,
}

static KNOWN: ProcessMemo<Mutex<LruCache<Fingerprint, ContentHash>>> =
    ProcessMemo::new(|| Mutex::new(LruCache::new(REMEMBERED)), |known| known.lock().clear());

static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("fingerprint"));

impl PixelHasher<'_> {
    /// Like [`PixelHasher::hash`], but several times faster for a picture seen before.
    ///
    /// # Errors
    /// As [`PixelHasher::hash`].
    pub fn hash_remembered<'r>(
        &self,
        row: impl Fn(usize) -> &'r [u8] + Sync,
    ) -> Result<ContentHash, Error> {
        let fingerprint = self.fingerprint(&row)?;
        if let Some(known) = KNOWN.get().lock().get(&fingerprint) {
            return Ok(*known);
        }
        let hash = self.hash(row)?;
        KNOWN.get().lock().put(fingerprint, hash);
        Ok(hash)
    }

    fn fingerprint<'r>(
        &self,
        row: &(impl Fn(usize) -> &'r [u8] + Sync),
    ) -> Result<Fingerprint, Error> {
        let bands = (0..self.height.div_ceil(BAND_ROWS)).into_par_iter().map(|band| {
            let mut hasher = xxhash3_128::Hasher::with_seed(*SEED);
            let start = band * BAND_ROWS;
            for y in start..(start + BAND_ROWS).min(self.height) {
                hasher.write(self.checked(row(y))?);
            }
            Ok::<_, Error>(hasher.finish_128())
        });
        Ok(Fingerprint {
            width: self.width,
            row_bytes: self.row_bytes,
            format: self.format.to_owned(),
            bands: bands.collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows<'a>(bytes: &'a [u8]) -> impl Fn(usize) -> &'a [u8] + Sync {
        move |y| &bytes[y * 28..][..28]
    }

    #[test]
    fn gives_the_address_that_hashing_gives() {
        let bytes: Vec<u8> = (0..28 * 130).map(|at| (at * 7 + at / 256) as u8).collect();
        let hasher = PixelHasher::new(7, 130, 4, "test").unwrap();
        let hash = hasher.hash(rows(&bytes)).unwrap();
        for _ in 0..3 {
            assert_eq!(hasher.hash_remembered(rows(&bytes)).unwrap(), hash);
        }
    }

    #[test]
    fn sees_every_changed_byte_after_remembering() {
        let mut bytes: Vec<u8> = (0..28 * 130).map(|at| (at * 13) as u8).collect();
        let hasher = PixelHasher::new(7, 130, 4, "changes").unwrap();
        let before = hasher.hash_remembered(rows(&bytes)).unwrap();
        for at in [0, 27, 28 * 64, 28 * 130 - 1] {
            bytes[at] ^= 1;
            assert_ne!(hasher.hash_remembered(rows(&bytes)).unwrap(), before, "byte {at}");
            bytes[at] ^= 1;
        }
        assert_eq!(hasher.hash_remembered(rows(&bytes)).unwrap(), before);
    }
}
