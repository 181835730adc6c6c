//! What can go wrong below the host layer, for the log and for the artist.

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
    /// A setting lies outside its range.
    #[error("{name} is {value}; {allowed}")]
    Setting {
        /// The setting's name as the artist sees it.
        name: &'static str,
        /// The value found.
        value: String,
        /// What is allowed, as a phrase.
        allowed: &'static str,
    },
    /// A key picture could not be read.
    #[error("{path}: {reason}")]
    Picture {
        /// The picture file.
        path: PathBuf,
        /// Why it could not be read.
        reason: String,
    },
    /// The engine failed inside.
    #[error("{engine}: {reason}")]
    Engine {
        /// The engine's name.
        engine: &'static str,
        /// What failed.
        reason: String,
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
            Self::Picture { path, reason } => format!(
                "The key picture {} could not be read: {reason}. Choose a PNG, JPEG, TIFF or EXR file.",
                path.display()
            ),
            Self::Engine { engine, reason } => {
                format!("The {engine} engine could not draw this in-between: {reason}.")
            }
            Self::Io { path, source } => {
                format!("{} could not be used: {source}.", path.display())
            }
        }
    }
}
