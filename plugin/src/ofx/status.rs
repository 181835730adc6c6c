//! The results of actions that a host understands: answers and failures.

use std::ffi::c_int;

use openfx::sys::generic::core::*;

/// A successful answer to an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Done.
    Ok,
    /// Not handled: the host does its default.
    Default,
}

impl Reply {
    /// The status code for the host.
    pub(crate) fn status(self) -> OfxStatus {
        match self {
            Self::Ok => kOfxStatOK,
            Self::Default => kOfxStatReplyDefault,
        }
    }
}

/// Why an action failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A call to the host returned an error.
    #[error("the host answered {status} to {call}")]
    Refused {
        /// The suite function or property.
        call: String,
        /// The host's status.
        status: c_int,
    },
    /// The host lacks an indispensable suite or function.
    #[error("the host lacks {0}")]
    HostLacks(&'static str),
    /// The host passed something that makes no sense.
    #[error("the host passed a bad {what}: {found}")]
    BadArgument {
        /// Which argument.
        what: &'static str,
        /// Its value.
        found: String,
    },
    /// The artist has to do something; the text says what.
    #[error("{0}")]
    ForArtist(String),
    /// The domain or an engine failed.
    #[error(transparent)]
    Core(#[from] inbetween_core::Error),
    /// A shared run of the engine failed.
    #[error(transparent)]
    Shared(#[from] std::sync::Arc<inbetween_core::Error>),
}

/// The result of anything that talks to the host.
pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The status code for the host.
    pub(crate) fn status(&self) -> OfxStatus {
        match self {
            Self::HostLacks(_) => kOfxStatErrMissingHostFeature,
            Self::BadArgument { .. } => kOfxStatErrValue,
            Self::Refused { .. } | Self::ForArtist(_) | Self::Core(_) | Self::Shared(_) => {
                kOfxStatFailed
            }
        }
    }

    /// The message for the artist; `None` when the artist asked to stop.
    pub(crate) fn user_message(&self) -> Option<String> {
        let core = match self {
            Self::Core(error) => error,
            Self::Shared(error) => error.as_ref(),
            Self::ForArtist(text) => return Some(text.clone()),
            other => return Some(format!("AI In-between could not work with this host: {other}.")),
        };
        match core {
            inbetween_core::Error::Cancelled => None,
            error => Some(error.user_message()),
        }
    }
}

/// Converts a host's status to a result.
pub(crate) fn check(status: OfxStatus, call: impl FnOnce() -> String) -> Result<()> {
    if status == kOfxStatOK { Ok(()) } else { Err(Error::Refused { call: call(), status }) }
}

/// For queries whose answer may be missing: `Some` if the host answered.
pub(crate) fn answered(status: Result<OfxStatus>) -> Option<()> {
    (status.ok()? == kOfxStatOK).then_some(())
}
