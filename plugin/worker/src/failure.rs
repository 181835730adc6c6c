//! Why a command failed, and the exit code that reports it to scripts.

use std::fmt;

use inbetween_core::Error;
use inbetween_tooncrafter::weights::WeightError;

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The arguments make no sense.
    Usage,
    /// A file or folder could not be read or written.
    File,
    /// A weight file is damaged, rejected or of another kind.
    Weights,
    /// Weights are valid, but not what the model needs.
    Unfit,
    /// The network or the server failed.
    Network,
    /// The licence was not accepted.
    Licence,
    /// Memory, the device or the model failed while drawing.
    Engine,
    /// Everything possible was done, but the input is damaged.
    Damaged,
}

impl Kind {
    /// The exit code; scripts rely on it.
    pub fn code(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::File => 3,
            Self::Weights => 4,
            Self::Unfit => 5,
            Self::Network => 6,
            Self::Licence => 7,
            Self::Engine => 8,
            Self::Damaged => 9,
        }
    }
}

/// A failure with its message, which says what happened and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind it was.
    pub kind: Kind,
    /// The message for the person at the terminal.
    pub message: String,
}

impl Failure {
    /// A failure of `kind`.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<WeightError> for Failure {
    fn from(err: WeightError) -> Self {
        let kind = match err {
            WeightError::Io { .. } => Kind::File,
            WeightError::NotWeights { .. }
            | WeightError::Damaged { .. }
            | WeightError::NotFinite { .. }
            | WeightError::Refused { .. } => Kind::Weights,
            WeightError::OtherModel { .. }
            | WeightError::Missing { .. }
            | WeightError::Shape { .. }
            | WeightError::Type { .. } => Kind::Unfit,
        };
        Self::new(kind, err.user_message())
    }
}

impl From<Error> for Failure {
    fn from(err: Error) -> Self {
        Self::new(kind_of(&err), err.user_message())
    }
}

/// The kind of failure for an error of the domain.
pub(crate) fn kind_of(err: &Error) -> Kind {
    match err {
        Error::Size { .. }
        | Error::KeysDiffer { .. }
        | Error::Setting { .. }
        | Error::Range { .. } => Kind::Usage,
        Error::Picture { .. } | Error::Io { .. } => Kind::File,
        Error::Weights { .. } => Kind::Weights,
        Error::Cancelled | Error::Engine { .. } | Error::Memory { .. } | Error::Worker { .. } => {
            Kind::Engine
        }
    }
}

/// The result of a command.
pub type Result<T> = std::result::Result<T, Failure>;
