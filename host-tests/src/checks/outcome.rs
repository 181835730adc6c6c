//! The outcomes of checks.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::host::plugin::Incompatible;

/// Outcome of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", content = "text", rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing is wrong. The text may contain a figure worth knowing.
    Success(String),
    /// Allowed, but some host or user will trip over it.
    Warning(String),
    /// A rule is broken.
    Failed(String),
    /// Could not be checked here, with the reason.
    Skipped(String),
    /// The check's process died, or did not end in time.
    Crashed(String),
}

impl Outcome {
    /// Whether it makes a plug-in unfit for use.
    pub fn is_bad(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Crashed(_))
    }

    /// The word and the text.
    pub fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Success(text) => ("success", text),
            Self::Warning(text) => ("warning", text),
            Self::Failed(text) => ("failed", text),
            Self::Skipped(text) => ("skipped", text),
            Self::Crashed(text) => ("crashed", text),
        }
    }
}

/// Why a check stops early.
#[derive(Debug)]
pub enum Stop {
    /// It cannot be done here.
    Skip(String),
    /// A rule is broken.
    Fail(String),
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast_ref::<Incompatible>() {
            Some(incompatible) => Self::Skip(incompatible.to_string()),
            None => Self::Fail(format!("{error:#}")),
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skip(text) | Self::Fail(text) => f.write_str(text),
        }
    }
}

/// Result of a check's body.
pub type Checked<T = Outcome> = Result<T, Stop>;

/// Stops with a failure unless the claim is true.
///
/// # Errors
/// [`Stop::Fail`] with the text when the claim is false.
pub fn require(claim: bool, otherwise: impl FnOnce() -> String) -> Checked<()> {
    if claim { Ok(()) } else { Err(Stop::Fail(otherwise())) }
}
