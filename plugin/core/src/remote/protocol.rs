//! What client and worker say to each other.
//!
//! A piece on the wire is a length (4 bytes, little-endian, of what follows), a kind (1 byte) and
//! its content: a message in MessagePack with named fields, or a stretch of pixels. Neither is
//! longer than [`MAX_PIECE`]; whatever else arrives ends the connection with a reason.
//!
//! A connection is one conversation. The client says [`ToWorker::Hello`] and hears
//! [`ToClient::Welcome`]; then it asks for one thing. Closing the connection is the way to cancel.

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::failure::Failure;
use crate::{ContentHash, EngineInfo, Request};

/// Another number when a message changes its form or its meaning.
pub const PROTOCOL: u32 = 1;

/// Longest piece, in bytes.
pub const MAX_PIECE: usize = 1 << 20;

/// Bytes ahead of the content of a piece.
pub(crate) const HEAD_BYTES: usize = 5;

const MESSAGE: u8 = 1;
const PIXELS: u8 = 2;

/// What the client says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToWorker {
    /// Who speaks; always first.
    Hello(Hello),
    /// Draw this; the answer is progress and then [`ToClient::Done`] or [`ToClient::Failed`].
    Draw(Box<Draw>),
    /// A picture that the worker lacks; its pixels follow.
    Picture(PictureHead),
    /// The drawing was not on disk: send its pixels.
    Fetch,
    /// Tell how it stands.
    Status,
    /// End, whatever goes on.
    Stop,
}

/// Who speaks.
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
    /// What is asked.
    pub request: Request,
    /// The name that the client gives the drawing: both must mean the same engine.
    pub key: ContentHash,
    /// Width and height of the keys in pixels.
    pub size: (usize, usize),
    /// The disk cache of the client; `None` for none.
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

/// What comes ahead of the pixels of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureHead {
    /// Content address by which the request names it.
    pub address: ContentHash,
    /// BLAKE3 of its pixels.
    pub sum: ContentHash,
}

/// What the worker says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToClient {
    /// Go on.
    Welcome(Welcome),
    /// These versions cannot work together. `ending` when the worker makes room for another one.
    Refused {
        /// Why, as a phrase.
        reason: String,
        /// Whether the worker ends itself now.
        ending: bool,
    },
    /// Send these pictures: they are not on disk.
    Wants(Vec<ContentHash>),
    /// How far it is; also a sign of life.
    Progress {
        /// 0..=1.
        fraction: f32,
        /// What goes on, as a phrase.
        phase: String,
    },
    /// It is drawn, and lies in the cache if the cache takes it.
    Done {
        /// As [`Drawn::confidence`](crate::Drawn::confidence).
        confidence: f32,
        /// As [`Drawn::cut`](crate::Drawn::cut).
        cut: bool,
        /// BLAKE3 of its pixels.
        sum: ContentHash,
    },
    /// It cannot be drawn.
    Failed(Failure),
    /// How it stands.
    Status(Box<Status>),
    /// The worker ends.
    Stopping,
    /// What was said makes no sense here; the connection ends.
    Invalid {
        /// Why, as a phrase.
        reason: String,
    },
}

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The worker's process.
    pub pid: u32,
    /// Version of the worker's product.
    pub product: String,
}

/// How the worker stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Its process.
    pub pid: u32,
    /// Version of its product.
    pub product: String,
    /// Version of its engine.
    pub engine: String,
    /// Seconds since it started.
    pub seconds: u64,
    /// Conversations about drawings at the moment.
    pub clients: usize,
    /// What is drawn at the moment: phase and fraction.
    pub running: Vec<(String, f32)>,
    /// Drawings that wait for their turn.
    pub waiting: usize,
    /// What the engine holds; of several cache directories the sum.
    pub about: EngineInfo,
    /// Where it logs.
    pub log: PathBuf,
}

/// A piece as it came.
#[derive(Debug, PartialEq)]
pub(crate) enum Piece<M> {
    Message(M),
    Pixels(Vec<u8>),
}

/// Why bytes are no piece.
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
/// [`PieceError`] when it is too long or holds a path that is no Unicode.
pub fn message(message: &impl Serialize) -> Result<Vec<u8>, PieceError> {
    let content =
        rmp_serde::to_vec_named(message).map_err(|error| PieceError::Message(error.to_string()))?;
    if content.len() >= MAX_PIECE {
        return Err(PieceError::TooLong(content.len()));
    }
    Ok(piece(MESSAGE, &content))
}

/// The bytes of a stretch of pixels, shorter than [`MAX_PIECE`].
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

/// Takes the first piece off `bytes`; `None` while it is not there whole.
pub(crate) fn take<M: DeserializeOwned>(
    bytes: &mut Vec<u8>,
) -> Result<Option<Piece<M>>, PieceError> {
    let Some(head) = bytes.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_le_bytes(*head) as usize;
    // Before waiting for what will never come.
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
