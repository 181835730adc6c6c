//! The file format of everything that the cache holds. All numbers are little-endian.
//!
//! | bytes    | content |
//! |----------|---------|
//! | 0..8     | `INBTWEEN` |
//! | 8..12    | version of this form, 2 |
//! | 12..16   | what it holds: 1 a drawing, 2 a key or sketch, 3 the generated frames of a span |
//! | 16..20   | width in pixels |
//! | 20..24   | height in pixels |
//! | 24..28   | number of frames, 1 except for a span |
//! | 28..32   | 1 when the keys show different scenes, else 0 |
//! | 32..36   | confidence, 32-bit float |
//! | 36..40   | bytes of remarks behind the pixels; 0 in files of versions that had none |
//! | 40..48   | bytes after this head |
//! | 48..80   | cache key |
//! | 80..112  | BLAKE3 of bytes 0..80 and of what follows the head |
//! | 112..    | pixels of all frames in order, packed (see [`packing`](super::packing)): 32-bit float RGBA, premultiplied, top row first; then the remarks (see [`remarks`](super::remarks)) |
//!
//! The checksum detects damage. It is not a signature: anyone who may write to the directory can
//! put a drawing into it.

use std::fs::File;
use std::io::{self, ErrorKind, Read};

use super::{packing, remarks};
use crate::frame::{MAX_PIXELS, check_size};
use crate::{ContentHash, Frame, Remarks};

/// Bytes ahead of the pixels.
pub(super) const HEAD_BYTES: usize = 112;

const SIGNED_BYTES: usize = 80;
const MAGIC: &[u8; 8] = b"INBTWEEN";
const VERSION: u32 = 2;

/// Most frames of a span.
const MAX_FRAMES: usize = 256;

/// What a file of the cache holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A finished in-between.
    Drawing,
    /// A key or a sketch that is being passed to another process.
    Picture,
    /// The frames that an engine generated for a whole span.
    Span,
}

impl EntryKind {
    pub(super) const ALL: [Self; 3] = [Self::Drawing, Self::Picture, Self::Span];

    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Drawing => "drawing",
            Self::Picture => "picture",
            Self::Span => "span",
        }
    }

    fn tag(self) -> u32 {
        match self {
            Self::Drawing => 1,
            Self::Picture => 2,
            Self::Span => 3,
        }
    }
}

/// Why a file yields no drawing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// The system could not read it.
    #[error("{0}")]
    Io(io::Error),
    /// It is not the drawing that its name promises, or not the one that was requested.
    #[error("{0}")]
    Damaged(&'static str),
}

/// The head of a file: what it says about itself ahead of its pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Header {
    pub(super) holds: EntryKind,
    /// Width and height of each frame.
    pub(super) size: (usize, usize),
    pub(super) frames: usize,
    pub(super) cut: bool,
    pub(super) confidence: f32,
}

/// The head as it is stored.
struct StoredHeader {
    head: Header,
    bytes: [u8; HEAD_BYTES],
    packed: u64,
    remarks: usize,
}

/// The contents of a file: its head and the frames that the head announces.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) head: Header,
    pub(super) frames: Vec<Frame>,
    pub(super) remarks: Remarks,
}

/// The file for these frames; `None` if there are none or too many, or if their sizes differ.
pub(super) fn file(
    holds: EntryKind,
    key: &ContentHash,
    frames: &[&Frame],
    cut: bool,
    confidence: f32,
    remarks: &Remarks,
) -> Option<Vec<u8>> {
    let size = |frame: &Frame| (frame.width(), frame.height());
    let first = frames.first()?;
    let alike = frames.iter().all(|frame| size(frame) == size(first));
    if !alike || frames.len() > MAX_FRAMES || first.pixels().len() * frames.len() > MAX_PIXELS {
        return None;
    }
    let packed: Option<Vec<_>> = frames.iter().map(|frame| packing::pack(frame.pixels())).collect();
    let packed = packed?;
    // Each of several frames is preceded by its length, so that they can be told apart.
    let remarks = remarks::pack(remarks);
    let length = packed.iter().map(|frame| 8 + frame.len()).sum::<usize>() + remarks.len();
    let number = |of: usize| (of as u32).to_le_bytes();
    let mut file = Vec::with_capacity(HEAD_BYTES + length);
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&VERSION.to_le_bytes());
    file.extend_from_slice(&holds.tag().to_le_bytes());
    for of in [first.width(), first.height(), frames.len(), usize::from(cut)] {
        file.extend_from_slice(&number(of));
    }
    file.extend_from_slice(&confidence.to_le_bytes());
    file.extend_from_slice(&number(remarks.len()));
    file.extend_from_slice(&(length as u64).to_le_bytes());
    file.extend_from_slice(&key.0);
    file.resize(HEAD_BYTES, 0);
    for frame in &packed {
        file.extend_from_slice(&(frame.len() as u64).to_le_bytes());
        file.extend_from_slice(frame);
    }
    file.extend_from_slice(&remarks);
    let sum = checksum(&file[..SIGNED_BYTES], &file[HEAD_BYTES..]);
    file[SIGNED_BYTES..HEAD_BYTES].copy_from_slice(&sum.0);
    Some(file)
}

/// Reads the head of `key`'s file and checks what can be checked without the pixels.
pub(super) fn head(file: &mut File, key: &ContentHash) -> Result<Header, Unreadable> {
    Ok(found(file, key)?.head)
}

fn found(file: &mut File, key: &ContentHash) -> Result<StoredHeader, Unreadable> {
    let length = file.metadata().map_err(Unreadable::Io)?.len();
    let mut bytes = [0; HEAD_BYTES];
    fill(file, &mut bytes)?;
    let number = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| bytes[at + byte]));
    if bytes[..8] != *MAGIC || number(8) != VERSION {
        return Err(Unreadable::Damaged("it is not of this version"));
    }
    let holds = EntryKind::ALL.into_iter().find(|holds| holds.tag() == number(12));
    let Some(holds) = holds else {
        return Err(Unreadable::Damaged("it holds nothing that is known"));
    };
    if bytes[48..80] != key.0 {
        return Err(Unreadable::Damaged("it is another drawing"));
    }
    let size = (number(16) as usize, number(20) as usize);
    let frames = number(24) as usize;
    // Checked before memory is allocated, since a damaged head may claim any size.
    let wrong = || Unreadable::Damaged("its length does not match its size");
    check_size(size.0, size.1).map_err(|_| wrong())?;
    let packed = u64::from_le_bytes(std::array::from_fn(|byte| bytes[40 + byte]));
    if !(1..=MAX_FRAMES).contains(&frames)
        || size.0 * size.1 * frames > MAX_PIXELS
        || packed.checked_add(HEAD_BYTES as u64) != Some(length)
    {
        return Err(wrong());
    }
    let confidence = f32::from_bits(number(32));
    if !confidence.is_finite() {
        return Err(Unreadable::Damaged("its confidence is not a number"));
    }
    let head = Header { holds, size, frames, cut: number(28) != 0, confidence };
    Ok(StoredHeader { head, bytes, packed, remarks: number(36) as usize })
}

/// Reads the file of `key` and checks every byte of it. `wanted` must accept its head first, so
/// that no memory is allocated for a file of another kind or size.
pub(super) fn read(
    file: &mut File,
    key: &ContentHash,
    wanted: impl FnOnce(&Header) -> bool,
) -> Result<Entry, Unreadable> {
    let StoredHeader { head, bytes, packed, remarks } = found(file, key)?;
    if !wanted(&head) {
        return Err(Unreadable::Damaged("it is of another kind or size than was asked for"));
    }
    // Running out of memory is an error here. It must not end the host.
    let mut content = Vec::new();
    let length = usize::try_from(packed).map_err(|_| Unreadable::Damaged("it is too long"))?;
    content.try_reserve_exact(length).map_err(|_| Unreadable::Io(ErrorKind::OutOfMemory.into()))?;
    content.resize(length, 0);
    fill(file, &mut content)?;
    if bytes[SIGNED_BYTES..] != checksum(&bytes[..SIGNED_BYTES], &content).0 {
        return Err(Unreadable::Damaged("its checksum does not match"));
    }
    let mut rest = &*content;
    let frames = (0..head.frames).map(|_| {
        let (length, after) = rest.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (packed, after) = after.split_at_checked(length)?;
        rest = after;
        let (width, height) = head.size;
        let mut frame = Frame::transparent(width, height).ok()?;
        packing::unpack(packed, frame.pixels_mut())?;
        let finite = frame.pixels().as_flattened().iter().all(|sample| sample.is_finite());
        finite.then_some(frame)
    });
    let frames = frames.collect::<Option<Vec<_>>>();
    match frames.zip(remarks::unpack(rest)) {
        Some((frames, said)) if rest.len() == remarks => Ok(Entry { head, frames, remarks: said }),
        _ => Err(Unreadable::Damaged("its pixels cannot be unpacked")),
    }
}

fn fill(file: &mut File, bytes: &mut [u8]) -> Result<(), Unreadable> {
    file.read_exact(bytes).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => Unreadable::Damaged("it is truncated"),
        _ => Unreadable::Io(error),
    })
}

fn checksum(head: &[u8], packed: &[u8]) -> ContentHash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(head);
    hasher.update_rayon(packed);
    hasher.finalize().into()
}
