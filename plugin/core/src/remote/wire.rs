//! A connection as a stream of messages and pixels. It never blocks for long, so that its user can
//! watch for other things: a host that wants to stop, a client that has gone.

#[cfg(not(windows))]
use std::io::Read;
use std::io::{self, ErrorKind, Write};
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use interprocess::local_socket::Stream;
use interprocess::local_socket::traits::Stream as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::protocol::{self, HEAD_BYTES, MAX_PIECE, Piece, PieceError};
use crate::frame::check_size;
use crate::{ContentHash, Error, Frame};

/// Longest run of pixels in one piece.
const STRETCH: usize = MAX_PIECE - HEAD_BYTES;

/// Most bytes written at once: a quarter of the buffer of a Windows pipe.
pub(super) const WRITTEN: usize = 64 << 10;

/// How long the other side may take to read, or to continue what it began.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pauses between two checks: short at first, for immediate answers.
const SHORTEST_REST: Duration = Duration::from_micros(100);
const LONGEST_REST: Duration = Duration::from_millis(10);

/// A connection that receives messages of type `M`.
pub struct Wire<M> {
    stream: Stream,
    /// The read end of the same pipe; see [`Wire::read`].
    #[cfg(windows)]
    incoming: std::fs::File,
    arrived: Vec<u8>,
    listens_for: PhantomData<M>,
}

/// Why a connection can no longer be used.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The other side has closed it.
    #[error("the connection was closed")]
    Closed,
    /// The other side takes too long.
    #[error("no answer for {0:?}")]
    Silent(Duration),
    /// The system's reason.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The received bytes make no sense.
    #[error("{0}")]
    PieceError(#[from] PieceError),
    /// Pixels arrived in place of a message or the other way round, or pixels with a wrong length
    /// or digest.
    #[error("{0}")]
    Unexpected(&'static str),
    /// The user of this connection wants to stop.
    #[error("cancelled")]
    Cancelled,
}

impl<M: DeserializeOwned> Wire<M> {
    /// Wraps a connection.
    ///
    /// # Errors
    /// The system's reason.
    pub fn new(stream: Stream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            #[cfg(windows)]
            incoming: {
                use std::os::windows::io::AsHandle;
                let Stream::NamedPipe(pipe) = &stream;
                pipe.as_handle().try_clone_to_owned()?.into()
            },
            stream,
            arrived: Vec::new(),
            listens_for: PhantomData,
        })
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`WireError`], also when `go_on` returns false.
    pub fn send(
        &mut self,
        message: &impl Serialize,
        go_on: impl Fn() -> bool,
    ) -> Result<(), WireError> {
        self.write(&protocol::message(message)?, &go_on)
    }

    /// Sends the pixels of a picture.
    ///
    /// # Errors
    /// As [`Wire::send`].
    pub fn send_pixels(
        &mut self,
        frame: &Frame,
        go_on: impl Fn() -> bool,
    ) -> Result<(), WireError> {
        let bytes: &[u8] = bytemuck::cast_slice(frame.pixels());
        for stretch in bytes.chunks(STRETCH) {
            self.write(&protocol::pixels(stretch), &go_on)?;
        }
        Ok(())
    }

    /// The next message, if one arrives within `at_most`.
    ///
    /// # Errors
    /// [`WireError`]; [`WireError::Closed`] when the other side has gone.
    pub fn receive(&mut self, at_most: Duration) -> Result<Option<M>, WireError> {
        match self.piece(at_most)? {
            None => Ok(None),
            Some(Piece::Message(message)) => Ok(Some(message)),
            Some(Piece::Pixels(_)) => {
                Err(WireError::Unexpected("pixels arrived instead of a message"))
            }
        }
    }

    /// The pixels of a picture of `size` whose BLAKE3 digest is `sum`. Memory is allocated only as
    /// they arrive.
    ///
    /// # Errors
    /// [`WireError`], also when `go_on` returns false.
    pub fn receive_pixels(
        &mut self,
        size: (usize, usize),
        sum: &ContentHash,
        go_on: impl Fn() -> bool,
    ) -> Result<Frame, WireError> {
        let wrong = WireError::Unexpected("the pixels are not those of the picture");
        if check_size(size.0, size.1).is_err() {
            return Err(wrong);
        }
        let wanted = size.0 * size.1 * size_of::<[f32; 4]>();
        let mut bytes: Vec<u8> = Vec::new();
        let mut heard = Instant::now();
        while bytes.len() < wanted {
            if !go_on() {
                return Err(WireError::Cancelled);
            }
            match self.piece(LONGEST_REST)? {
                Some(Piece::Pixels(stretch)) if stretch.len() <= wanted - bytes.len() => {
                    bytes.extend_from_slice(&stretch);
                    heard = Instant::now();
                }
                Some(_) => return Err(wrong),
                None if heard.elapsed() > PATIENCE => return Err(WireError::Silent(PATIENCE)),
                None => {}
            }
        }
        let pixels: Vec<[f32; 4]> = bytemuck::pod_collect_to_vec(&bytes);
        match Frame::from_pixels(size.0, size.1, pixels) {
            Ok(frame) if sum_of(&frame) == *sum => Ok(frame),
            _ => Err(wrong),
        }
    }

    fn piece(&mut self, at_most: Duration) -> Result<Option<Piece<M>>, WireError> {
        let until = Instant::now() + at_most;
        let mut rest = SHORTEST_REST;
        let mut buffer = vec![0; 64 << 10];
        loop {
            if let Some(piece) = protocol::take(&mut self.arrived)? {
                return Ok(Some(piece));
            }
            match self.read(&mut buffer) {
                Ok(0) => return Err(WireError::Closed),
                Ok(count) => self.arrived.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Ok(None);
                    }
                    std::thread::sleep(rest.min(left));
                    rest = (2 * rest).min(LONGEST_REST);
                }
                Err(error) => return Err(gone(error)),
            }
        }
    }

    /// Reads what has arrived; nothing when the other side has closed.
    #[cfg(not(windows))]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }

    /// Reads what has arrived; nothing when the other side has closed.
    ///
    /// Windows answers "no data" for an empty pipe. Reading it as a stream would take that for the
    /// end of the pipe. Reading at an offset, which has no meaning for a pipe, returns the system's
    /// own answer.
    #[cfg(windows)]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use std::os::windows::fs::FileExt;
        const NO_DATA: i32 = 232;
        match self.incoming.seek_read(buffer, 0) {
            Err(error) if error.raw_os_error() == Some(NO_DATA) => {
                Err(ErrorKind::WouldBlock.into())
            }
            other => other,
        }
    }

    fn write(&mut self, mut bytes: &[u8], go_on: &impl Fn() -> bool) -> Result<(), WireError> {
        let mut heard = Instant::now();
        let mut rest = SHORTEST_REST;
        while !bytes.is_empty() {
            match self.stream.write(&bytes[..bytes.len().min(WRITTEN)]) {
                // A full, non-blocking named pipe accepts nothing.
                Ok(0) => {}
                Ok(count) => {
                    bytes = &bytes[count..];
                    (heard, rest) = (Instant::now(), SHORTEST_REST);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(gone(error)),
            }
            if !go_on() {
                return Err(WireError::Cancelled);
            }
            if heard.elapsed() > PATIENCE {
                return Err(WireError::Silent(PATIENCE));
            }
            std::thread::sleep(rest);
            rest = (2 * rest).min(LONGEST_REST);
        }
        Ok(())
    }
}

/// The digest by which pixels are checked on arrival.
pub fn sum_of(frame: &Frame) -> ContentHash {
    let mut hasher = blake3::Hasher::new();
    hasher.update_rayon(bytemuck::cast_slice(frame.pixels()));
    hasher.finalize().into()
}

fn gone(error: io::Error) -> WireError {
    match error.kind() {
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof => {
            WireError::Closed
        }
        _ => WireError::Io(error),
    }
}

impl From<WireError> for Error {
    fn from(broken: WireError) -> Self {
        match broken {
            WireError::Cancelled => Self::Cancelled,
            other => Self::Worker {
                reason: format!("could not be understood ({other})"),
                advice: "Try again; if it stays, end it with `inbetween serve --stop`.".into(),
            },
        }
    }
}
