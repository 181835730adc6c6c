//! The messages between client and worker.
//!
//! A piece on the wire consists of a length (4 bytes, little-endian, of what follows), a kind (1
//! byte) and its content: a message in MessagePack with named fields, or a run of pixels. No
//! content is longer than [`MAX_PIECE`]; anything else ends the connection with a reason.
//!
//! A connection is one conversation. The client sends [`ToWorker::Hello`], receives
//! [`ToClient::Welcome`], and then makes one request. It cancels by closing the connection.

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::failure::Failure;
use crate::{ContentHash, EngineInfo, Request};

/// Version of the protocol. Change it when a message changes its form or its meaning.
pub const PROTOCOL: u32 = 1;

/// Longest piece, in bytes.
pub const MAX_PIECE: usize = 1 << 20;

/// Bytes before the content of a piece.
pub(crate) const HEAD_BYTES: usize = 5;

const MESSAGE: u8 = 1;
const PIXELS: u8 = 2;

/// Messages from the client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToWorker {
    /// Identifies the client; always first.
    Hello(Hello),
    /// Draw this; the answer is progress followed by [`ToClient::Done`] or [`ToClient::Failed`].
    Draw(Box<Draw>),
    /// A picture that the worker lacks; its pixels follow.
    Picture(PictureHead),
    /// The drawing was not found on disk: send its pixels.
    Fetch,
    /// Report your status.
    Status,
    /// End, whatever you are doing.
    Stop,
}

/// The client's identification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`] of the client.
    pub protocol: u32,
    /// Version of the client's product.
    pub product: String,
}

/// One in-between.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draw {
    /// The request itself.
    pub request: Request,
    /// The client's name for the drawing. The worker must compute the same one, or their engines
    /// differ.
    pub key: ContentHash,
    /// Width and height of the keys in pixels.
    pub size: (usize, usize),
    /// The client's disk cache; `None` for none.
    pub cache: Option<CacheDir>,
}

/// A disk cache that client and worker share.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CacheDir {
    /// Its directory.
    pub dir: PathBuf,
    /// Most bytes in it.
    pub limit_bytes: u64,
}

/// Sent before the pixels of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureHead {
    /// The content address by which the request names it.
    pub address: ContentHash,
    /// BLAKE3 digest of its pixels.
    pub sum: ContentHash,
}

/// Messages from the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToClient {
    /// Accepts the client.
    Welcome(Welcome),
    /// These versions cannot work together.
    Refused {
        /// Why, as a phrase.
        reason: String,
        /// Whether the worker is now ending to make way for another one.
        ending: bool,
    },
    /// Send these pictures: they are not on disk.
    Wants(Vec<ContentHash>),
    /// The progress of the drawing; also a sign of life.
    Progress {
        /// Fraction that is done, 0..=1.
        fraction: f32,
        /// What the worker is doing, as a phrase.
        phase: String,
    },
    /// The drawing is finished, and in the cache if the cache accepts it.
    Done {
        /// As [`Drawn::confidence`](crate::Drawn::confidence).
        confidence: f32,
        /// As [`Drawn::cut`](crate::Drawn::cut).
        cut: bool,
        /// BLAKE3 digest of its pixels.
        sum: ContentHash,
    },
    /// It cannot be drawn.
    Failed(Failure),
    /// The worker's status.
    Status(Box<Status>),
    /// The worker is ending.
    Stopping,
    /// The last message made no sense; the connection ends.
    Invalid {
        /// Why, as a phrase.
        reason: String,
    },
}

/// The worker's identification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The worker's process id.
    pub pid: u32,
    /// Version of the worker's product.
    pub product: String,
}

/// The worker's status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Its process id.
    pub pid: u32,
    /// Version of its product.
    pub product: String,
    /// Version of its engine.
    pub engine: String,
    /// Seconds since it started.
    pub seconds: u64,
    /// Number of conversations about drawings at the moment.
    pub clients: usize,
    /// What it is drawing at the moment: phase and fraction.
    pub running: Vec<(String, f32)>,
    /// Number of drawings that wait for their turn.
    pub waiting: usize,
    /// What the engine holds, summed over all cache directories.
    pub about: EngineInfo,
    /// The path of its log.
    pub log: PathBuf,
}

/// A piece as it was received.
#[derive(Debug, PartialEq)]
pub(crate) enum Piece<M> {
    Message(M),
    Pixels(Vec<u8>),
}

/// Why bytes are not a valid piece.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PieceError {
    /// Longer than [`MAX_PIECE`].
    #[error("a piece of {0} bytes; at most {MAX_PIECE} are allowed")]
    TooLong(usize),
    /// Neither a message nor pixels.
    #[error("a piece of an unknown kind ({0})")]
    Kind(u8),
    /// A message that does not parse.
    #[error("a message that does not parse: {0}")]
    Message(String),
}

/// The bytes of a message.
///
/// # Errors
/// [`PieceError`] when the message is too long or contains a path that is not Unicode.
pub fn message(message: &impl Serialize) -> Result<Vec<u8>, PieceError> {
    let content =
        rmp_serde::to_vec_named(message).map_err(|error| PieceError::Message(error.to_string()))?;
    if content.len() >= MAX_PIECE {
        return Err(PieceError::TooLong(content.len()));
    }
    Ok(piece(MESSAGE, &content))
}

/// The bytes of a run of pixels, shorter than [`MAX_PIECE`].
pub(crate) fn pixels(content: &[u8]) -> Vec<u8> {
    piece(PIXELS, content)
}

fn piece(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + content.len());
    bytes.extend_from_slice(&(content.len() as u32 + 1).to_le_bytes());
    bytes.push(kind);
    bytes.extend_from_slice(content);
    bytes
}

/// Takes the first piece off `bytes`; `None` while it is incomplete.
pub(crate) fn take<M: DeserializeOwned>(
    bytes: &mut Vec<u8>,
) -> Result<Option<Piece<M>>, PieceError> {
    let Some(head) = bytes.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_le_bytes(*head) as usize;
    // Checked before waiting for bytes that will never come.
    if length == 0 || length > MAX_PIECE {
        return Err(PieceError::TooLong(length));
    }
    let Some(&kind) = bytes.get(4) else { return Ok(None) };
    if kind != MESSAGE && kind != PIXELS {
        return Err(PieceError::Kind(kind));
    }
    let Some(content) = bytes.get(HEAD_BYTES..4 + length) else { return Ok(None) };
    let piece = if kind == PIXELS {
        Piece::Pixels(content.to_vec())
    } else {
        let message = rmp_serde::from_slice(content);
        Piece::Message(message.map_err(|error| PieceError::Message(error.to_string()))?)
    };
    bytes.drain(..4 + length);
    Ok(Some(piece))
}
