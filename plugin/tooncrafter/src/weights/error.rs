//! Errors in weight files.

use std::path::PathBuf;

/// Why weights could not be read, always with the file at fault.
#[derive(Debug, thiserror::Error)]
pub enum WeightError {
    /// The file could not be opened, read or written.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is of a kind that holds no weights or that cannot be read.
    #[error("{file}: not a weight file that can be read: {reason}")]
    NotWeights {
        /// The file.
        file: PathBuf,
        /// What it seems to be.
        reason: String,
    },
    /// The file contradicts itself or ends too early.
    #[error("{file}: damaged: {reason}")]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is inconsistent.
        reason: String,
    },
    /// The file requests something that plain weights never need.
    #[error("{file}: refused: {reason}")]
    Refused {
        /// The file.
        file: PathBuf,
        /// What it requests.
        reason: String,
    },
    /// The file holds tensors, but not those of this model.
    #[error("{file}: not a ToonCrafter file; among the {count} tensors are {examples}")]
    OtherModel {
        /// The file.
        file: PathBuf,
        /// How many tensors it has.
        count: usize,
        /// Some of their names.
        examples: String,
    },
    /// A tensor that a network reads is in none of the files.
    #[error("{file}: tensor {key} is missing")]
    Missing {
        /// The main file.
        file: PathBuf,
        /// The tensor's name in the released file.
        key: String,
    },
    /// A tensor has another shape than the network expects.
    #[error("{file}: tensor {key} has shape {found:?}, the model needs {wanted:?}")]
    Shape {
        /// The file.
        file: PathBuf,
        /// The tensor's name.
        key: String,
        /// Its shape.
        found: Vec<usize>,
        /// The expected shape.
        wanted: Vec<usize>,
    },
    /// A tensor holds values that no network can compute with.
    #[error("{file}: tensor {key} holds NaN or infinity, or a number beyond 32 bits")]
    NotFinite {
        /// The file.
        file: PathBuf,
        /// The tensor's name in the file.
        key: String,
    },
    /// A tensor's elements have a type that is not used for weights.
    #[error("{file}: tensor {key} holds {found}, weights are f32, f16 or bf16")]
    Type {
        /// The file.
        file: PathBuf,
        /// The tensor's name.
        key: String,
        /// The type of its elements.
        found: String,
    },
}

impl WeightError {
    /// What happened and what to do, in the artist's words.
    pub fn user_message(&self) -> String {
        match self {
            Self::Io { file, source } => {
                format!("The weight file {} could not be used: {source}.", file.display())
            }
            Self::NotWeights { file, reason } => format!(
                "{} is not a ToonCrafter weight file ({reason}). Choose model.ckpt or a .safetensors file.",
                file.display()
            ),
            Self::NotFinite { file, key } => format!(
                "The weight file {} is damaged (tensor {key} holds NaN or infinity). Download it again; if you \
                 trained or converted it yourself, the training or the conversion went wrong.",
                file.display()
            ),
            Self::Damaged { file, reason } => format!(
                "The weight file {} is damaged ({reason}). Download it again.",
                file.display()
            ),
            Self::Refused { file, reason } => format!(
                "The weight file {} was not opened: {reason}. Plain weights never need this; get the file \
                 from its publisher, or a .safetensors version of it.",
                file.display()
            ),
            Self::OtherModel { file, .. } => format!(
                "{} belongs to another model. Choose the ToonCrafter 512 interpolation weights.",
                file.display()
            ),
            Self::Missing { file, key } => format!(
                "The weights are not complete: {key} is missing in {}. Pruned files need the CLIP towers \
                 as extra files.",
                file.display()
            ),
            Self::Shape { file, .. } | Self::Type { file, .. } => format!(
                "{} does not fit this model ({self}). Choose the ToonCrafter 512 interpolation weights.",
                file.display()
            ),
        }
    }
}

/// The result of reading weights.
pub type Result<T> = std::result::Result<T, WeightError>;
