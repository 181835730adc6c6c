//! Status codes with their names.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::host::sys::*;

/// The status returned by an action.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status(pub OfxStatus);

impl Status {
    /// Done.
    pub const OK: Self = Self(kOfxStatOK);
    /// The host should do its default.
    pub const DEFAULT: Self = Self(kOfxStatReplyDefault);

    /// Whether it is not an error.
    pub fn is_fine(self) -> bool {
        matches!(self.0, kOfxStatOK | kOfxStatReplyDefault | kOfxStatReplyYes | kOfxStatReplyNo)
    }
}

/// An action returned an error.
#[derive(Debug)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            kOfxStatOK => "OK",
            kOfxStatFailed => "Failed",
            kOfxStatErrFatal => "ErrFatal",
            kOfxStatErrUnknown => "ErrUnknown",
            kOfxStatErrMissingHostFeature => "ErrMissingHostFeature",
            kOfxStatErrUnsupported => "ErrUnsupported",
            kOfxStatErrExists => "ErrExists",
            kOfxStatErrFormat => "ErrFormat",
            kOfxStatErrMemory => "ErrMemory",
            kOfxStatErrBadHandle => "ErrBadHandle",
            kOfxStatErrBadIndex => "ErrBadIndex",
            kOfxStatErrValue => "ErrValue",
            kOfxStatReplyYes => "ReplyYes",
            kOfxStatReplyNo => "ReplyNo",
            kOfxStatReplyDefault => "ReplyDefault",
            kOfxStatUnlicensed => "Unlicensed",
            kOfxStatErrImageFormat => "ErrImageFormat",
            other => return write!(f, "status {other}"),
        })
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
