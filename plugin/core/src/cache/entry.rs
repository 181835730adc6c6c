//! The file form of one drawing, and of a key or sketch. All numbers are little-endian.
//!
//! | bytes    | content |
//! |----------|---------|
//! | 0..8     | `INBTWEEN` |
//! | 8..12    | version of this form, 1 |
//! | 12..16   | width in pixels |
//! | 16..20   | height in pixels |
//! | 20..24   | 1 when the keys show different scenes, else 0 |
//! | 24..28   | confidence, 32-bit float |
//! | 28..32   | 0 |
//! | 32..64   | cache key |
//! | 64..96   | BLAKE3 of bytes 0..64 and of the pixels |
//! | 96..     | pixels: 32-bit float RGBA, premultiplied, top row first |

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};

use crate::frame::check_size;
use crate::{ContentHash, Drawn, Frame};

#[cfg(target_endian = "big")]
compile_error!("cached pixels are written as they lie in memory: little-endian only");

/// Bytes ahead of the pixels.
pub(super) const HEADER_BYTES: usize = 96;

const SIGNED_BYTES: usize = 64;
const MAGIC: &[u8; 8] = b"INBTWEEN";
const VERSION: u32 = 1;

/// Why a file gives no drawing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// The system could not read it.
    #[error("{0}")]
    Io(io::Error),
    /// It is not the drawing that its name promises.
    #[error("{0}")]
    Damaged(&'static str),
}

/// What is known of a picture beyond its pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    pub(super) confidence: f32,
    pub(super) cut: bool,
}

/// Size of the file for a picture, in bytes.
pub(super) fn file_bytes(frame: &Frame) -> u64 {
    (HEADER_BYTES + frame.byte_len()) as u64
}

/// Writes a picture in file form.
pub(super) fn write(
    file: &mut impl Write,
    key: &ContentHash,
    frame: &Frame,
    about: About,
) -> io::Result<()> {
    let side = |length: usize| (length as u32).to_le_bytes();
    let pixels: &[u8] = bytemuck::cast_slice(frame.pixels());
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&side(frame.width()));
    header.extend_from_slice(&side(frame.height()));
    header.extend_from_slice(&u32::from(about.cut).to_le_bytes());
    header.extend_from_slice(&about.confidence.to_le_bytes());
    header.extend_from_slice(&[0; 4]);
    header.extend_from_slice(&key.0);
    let sum = checksum(&header, pixels);
    header.extend_from_slice(&sum.0);
    file.write_all(&header)?;
    file.write_all(pixels)
}

/// Reads the drawing of `key` and checks every byte of it.
pub(super) fn read(file: &mut File, key: &ContentHash) -> Result<Drawn, Unreadable> {
    let length = file.metadata().map_err(Unreadable::Io)?.len();
    let mut header = [0; HEADER_BYTES];
    fill(file, &mut header)?;
    let number = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| header[at + byte]));
    if header[..8] != *MAGIC || number(8) != VERSION {
        return Err(Unreadable::Damaged("it is not a drawing of this version"));
    }
    if header[32..64] != key.0 {
        return Err(Unreadable::Damaged("it is another drawing"));
    }
    let (width, height) = (number(12) as usize, number(16) as usize);
    // Before memory is taken for what a damaged header claims.
    if check_size(width, height).is_err() || length != (HEADER_BYTES + width * height * 16) as u64 {
        return Err(Unreadable::Damaged("its length does not match its size"));
    }
    let mut pixels = vec![[0.0_f32; 4]; width * height];
    fill(file, bytemuck::cast_slice_mut(&mut pixels))?;
    let sum = checksum(&header[..SIGNED_BYTES], bytemuck::cast_slice(&pixels));
    if header[64..] != sum.0 {
        return Err(Unreadable::Damaged("its checksum does not match"));
    }
    let frame = Frame::from_pixels(width, height, pixels)
        .map_err(|_| Unreadable::Damaged("its size is out of range"))?;
    Ok(Drawn { frame, confidence: f32::from_bits(number(24)), cut: number(20) != 0 })
}

pub(super) fn fill(file: &mut File, bytes: &mut [u8]) -> Result<(), Unreadable> {
    file.read_exact(bytes).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => Unreadable::Damaged("it is truncated"),
        _ => Unreadable::Io(error),
    })
}

fn checksum(header: &[u8], pixels: &[u8]) -> ContentHash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(header);
    hasher.update_rayon(pixels);
    hasher.finalize().into()
}
