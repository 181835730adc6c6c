//! Errors in the form in which the worker sends them to the client. Everything the artist needs is
//! kept.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{EngineKind, Error};

/// An [`Error`] that can be sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Failure {
    /// [`Error::Cancelled`].
    Cancelled,
    /// [`Error::Picture`].
    Picture {
        /// The picture file.
        path: String,
        /// Why it could not be read.
        reason: String,
    },
    /// [`Error::Weights`].
    Weights {
        /// The weight file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// [`Error::Memory`].
    Memory {
        /// The device, in words.
        device: String,
        /// Bytes needed.
        needed: Option<u64>,
        /// Bytes available.
        available: Option<u64>,
        /// What to do.
        advice: String,
    },
    /// [`Error::Worker`].
    Worker {
        /// What happened.
        reason: String,
        /// What to do.
        advice: String,
    },
    /// Every other error, in words.
    Engine {
        /// What failed.
        reason: String,
    },
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let text = |path: &PathBuf| path.to_string_lossy().into_owned();
        match error {
            Error::Cancelled => Self::Cancelled,
            Error::Picture { path, reason } => {
                Self::Picture { path: text(path), reason: reason.clone() }
            }
            Error::Weights { path, reason } => {
                Self::Weights { path: text(path), reason: reason.clone() }
            }
            Error::Memory { device, needed, available, advice } => Self::Memory {
                device: device.clone(),
                needed: *needed,
                available: *available,
                advice: advice.clone(),
            },
            Error::Worker { reason, advice } => {
                Self::Worker { reason: reason.clone(), advice: advice.clone() }
            }
            Error::Engine { reason, .. } => Self::Engine { reason: reason.clone() },
            Error::Size { .. }
            | Error::KeysDiffer { .. }
            | Error::Setting { .. }
            | Error::Range { .. }
            | Error::Io { .. } => Self::Engine { reason: error.to_string() },
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Cancelled => Self::Cancelled,
            Failure::Picture { path, reason } => Self::Picture { path: path.into(), reason },
            Failure::Weights { path, reason } => Self::Weights { path: path.into(), reason },
            Failure::Memory { device, needed, available, advice } => {
                Self::Memory { device, needed, available, advice }
            }
            Failure::Worker { reason, advice } => Self::Worker { reason, advice },
            Failure::Engine { reason } => {
                Self::Engine { engine: EngineKind::ToonCrafter.name(), reason }
            }
        }
    }
}
