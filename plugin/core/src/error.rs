//! What can go wrong below the host layer, for the log and for the artist.

use std::any::Any;
use std::path::PathBuf;

/// Any failure of the domain or of an engine.
///
/// `Display` is for the log; [`Error::user_message`] is for the artist.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host or the artist asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// A picture has a size that cannot be used.
    #[error("picture of {width} x {height} pixels: {reason}")]
    Size {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The two keys of a job differ in size.
    #[error("the keys differ in size: {first:?} and {last:?} pixels")]
    KeysDiffer {
        /// Width and height of the first key.
        first: (usize, usize),
        /// Width and height of the last key.
        last: (usize, usize),
    },
    /// A setting has a value that is not allowed.
    #[error("{name} is {value}; {allowed}")]
    Setting {
        /// The setting's name as the artist sees it.
        name: &'static str,
        /// The value found.
        value: String,
        /// What is allowed, as a phrase.
        allowed: &'static str,
    },
    /// A number is outside its setting's range.
    #[error("{name} is {value}; it must lie between {lowest} and {highest}")]
    Range {
        /// The setting's name as the artist sees it.
        name: &'static str,
        /// The value found.
        value: f64,
        /// The lowest that is allowed.
        lowest: f64,
        /// The highest that is allowed.
        highest: f64,
    },
    /// A key picture could not be read.
    #[error("{path}: {reason}")]
    Picture {
        /// The picture file.
        path: PathBuf,
        /// Why it could not be read.
        reason: String,
    },
    /// The engine failed internally.
    #[error("{engine}: {reason}")]
    Engine {
        /// The engine's name.
        engine: &'static str,
        /// What failed.
        reason: String,
    },
    /// A weight file is missing, damaged, or not the one that was chosen.
    #[error("{path}: {reason}")]
    Weights {
        /// The weight file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The device has too little memory for the drawing.
    #[error("{device} is out of memory: {needed:?} of {available:?} bytes")]
    Memory {
        /// The device, in words.
        device: String,
        /// Bytes that the drawing needs, if known.
        needed: Option<u64>,
        /// Bytes that were available, if known.
        available: Option<u64>,
        /// Which setting lowers the need for memory, as a sentence.
        advice: String,
    },
    /// The worker process could not be started or reached, gave an answer that made no sense, or
    /// ended.
    #[error("worker: {reason}")]
    Worker {
        /// What happened, as a phrase.
        reason: String,
        /// What to do, as a sentence.
        advice: String,
    },
    /// A file or directory could not be used.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl Error {
    /// What happened and what to do, in the artist's words.
    pub fn user_message(&self) -> String {
        match self {
            Self::Cancelled => "Stopped before the in-between was finished.".into(),
            Self::Size { width, height, reason } => format!(
                "A key of {width} x {height} pixels cannot be used: {reason}. Check the size of the key clips."
            ),
            Self::KeysDiffer { first, last } => format!(
                "The keys differ in size ({} x {} and {} x {}). Give both keys the same format.",
                first.0, first.1, last.0, last.1
            ),
            Self::Setting { name, value, allowed } => {
                format!("{name} cannot be {value}: {allowed}.")
            }
            Self::Range { name, value, lowest, highest } => {
                format!("{name} cannot be {value}: it must lie between {lowest} and {highest}.")
            }
            Self::Picture { path, reason } => format!(
                "The key picture {} could not be read: {reason}. Choose a PNG, JPEG, TIFF or EXR file.",
                path.display()
            ),
            Self::Engine { engine, reason } => {
                format!("The {engine} engine could not draw this in-between: {reason}.")
            }
            Self::Weights { path, reason } => format!(
                "The weight file {} cannot be used: {reason}. Choose the checkpoint again, or fetch it with `inbetween models download`.",
                path.display()
            ),
            Self::Memory { device, needed, available, advice } => {
                let gigabytes = |bytes: &u64| format!("{:.1} GB", *bytes as f64 / 1e9);
                match (needed, available) {
                    (Some(needed), Some(available)) => format!(
                        "{device} has too little memory: this drawing needs about {}, and {} were free. {advice}",
                        gigabytes(needed),
                        gigabytes(available)
                    ),
                    (Some(needed), None) => format!(
                        "{device} has too little memory: this drawing needs about {}. {advice}",
                        gigabytes(needed)
                    ),
                    _ => format!("{device} has too little memory for this drawing. {advice}"),
                }
            }
            Self::Worker { reason, advice } => {
                format!("The worker process of AI In-between {reason}. {advice}")
            }
            Self::Io { path, source } => {
                format!("{} could not be used: {source}.", path.display())
            }
        }
    }
}

/// The message of a panic that was caught.
pub fn panic_text(cause: &(dyn Any + Send)) -> &str {
    let text = cause.downcast_ref::<&str>().copied();
    text.or_else(|| cause.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}
