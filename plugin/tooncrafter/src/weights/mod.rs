//! Weight files: opening, checking, naming and loading them.
//!
//! [`Weights`] combines one or more files and gives each part of the model to its network as a
//! [`VarBuilder`]. A tensor is read and cast only when the network asks for it:
//!
//! ```no_run
//! use candle_core::{DType, Device};
//! use inbetween_tooncrafter::weights::{Part, Weights};
//!
//! let weights = Weights::open(["model.ckpt"])?;
//! let vb = weights.var_builder(Part::Unet, DType::BF16, &Device::Cpu);
//! # Ok::<(), inbetween_tooncrafter::weights::WeightError>(())
//! ```
//!
//! Files come from strangers. Readers allocate memory in proportion to the contents of the file,
//! check every range against it, and never execute anything.

mod convert;
mod error;
mod index;
pub mod layout;
mod load;
mod names;
mod pickle;
mod random;
mod safetensors;
mod stored;
mod torch;
mod verify;
mod writer;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::var_builder::{SimpleBackend, VarBuilderArgs};
use candle_nn::{Init, VarBuilder};

pub use convert::{Converted, convert, digest_of};
pub use error::{Result, WeightError};
pub use layout::Part;
pub use names::{Layout, Source};
pub use random::write_random;
pub use stored::{Element, Format, TensorEntry, WeightFile};
pub use verify::{Problem, Report, verify, verify_numbers};

/// A file, and the names of its tensors in the released checkpoint.
#[derive(Debug)]
pub struct NamedFile {
    file: WeightFile,
    layout: Layout,
    names: BTreeMap<String, Source>,
}

impl NamedFile {
    /// Opens `path` and recognises its layout.
    ///
    /// # Errors
    /// As [`WeightFile::open`], and when the tensors are not those of this model.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let file = WeightFile::open(path)?;
        let Some(layout) = names::detect(file.tensors()) else {
            let examples: Vec<&str> = file.tensors().keys().take(5).map(String::as_str).collect();
            return Err(WeightError::OtherModel {
                file: file.path().into(),
                count: file.tensors().len(),
                examples: examples.join(", "),
            });
        };
        let names = names::released_names(layout, file.tensors());
        Ok(Self { file, layout, names })
    }

    /// The file itself.
    pub fn file(&self) -> &WeightFile {
        &self.file
    }

    /// The layout that was recognised.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Released names, and how each tensor is made from those in the file.
    pub fn names(&self) -> &BTreeMap<String, Source> {
        &self.names
    }

    /// Shape and element type of a tensor under its released name.
    ///
    /// `None` if the file does not have it, or if q, k and v do not match.
    pub fn shape(&self, released: &str) -> Option<(Vec<usize>, Element)> {
        let mut parts =
            self.names.get(released)?.names().iter().map(|n| self.file.tensors().get(n));
        let first = parts.next()??;
        let mut shape = first.shape.clone();
        for part in parts {
            let part = part?;
            if part.element != first.element || part.shape != first.shape {
                return None;
            }
            *shape.first_mut()? += part.shape.first()?;
        }
        Some((shape, first.element))
    }

    /// Whether any tensor of `part` is in the file.
    pub fn has(&self, part: Part) -> bool {
        match part {
            Part::Sketch => self.layout == Layout::Sketch,
            _ if self.layout == Layout::Sketch => false,
            part => {
                let prefix = part.prefix();
                let mut from = self.names.range(prefix.to_owned()..);
                from.next().is_some_and(|(name, _)| name.starts_with(prefix))
            }
        }
    }

    fn load(
        &self,
        released: &str,
        dtype: DType,
        device: &Device,
    ) -> Option<candle_core::Result<Tensor>> {
        let source = self.names.get(released)?;
        let one = |name: &String| load_tensor(&self.file, name, dtype, device);
        Some(match source {
            Source::Whole(name) => one(name),
            Source::Joined(names) => names
                .iter()
                .map(one)
                .collect::<candle_core::Result<Vec<_>>>()
                .and_then(|parts| Tensor::cat(&parts, 0)),
        })
    }
}

/// Loads one tensor of any file by its name in that file.
///
/// # Errors
/// When there is no such tensor, when it does not hold weights, or when the device cannot hold it.
pub fn load_tensor(
    file: &WeightFile,
    name: &str,
    dtype: DType,
    device: &Device,
) -> candle_core::Result<Tensor> {
    let Some(stored) = file.tensors().get(name) else {
        let (file, key) = (file.path().into(), name.into());
        return Err(candle_core::Error::wrap(WeightError::Missing { file, key }));
    };
    load::tensor(file, name, stored, dtype, device).map_err(candle_core::Error::wrap)?
}

/// All files of a model. Cheap to clone; the files stay open while anything uses them.
#[derive(Clone, Debug)]
pub struct Weights {
    files: Arc<Vec<NamedFile>>,
}

impl Weights {
    /// Opens the files of a model: the main checkpoint first, then files with what it lacks (CLIP
    /// towers, sketch encoder). If two files have the same tensor, the earlier one is used.
    ///
    /// # Errors
    /// As [`NamedFile::open`].
    pub fn open<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self> {
        let files = paths.into_iter().map(NamedFile::open).collect::<Result<_>>()?;
        Ok(Self { files: Arc::new(files) })
    }

    /// The files, in order.
    pub fn files(&self) -> &[NamedFile] {
        &self.files
    }

    /// Whether any of the files has tensors of `part`.
    pub fn has(&self, part: Part) -> bool {
        self.files.iter().any(|file| file.has(part))
    }

    /// Bytes of memory that `part` takes once loaded as `dtype`, without unneeded tensors.
    pub fn byte_len(&self, part: Part, dtype: DType) -> usize {
        let wanted = match part {
            Part::Sketch => layout::sketch(&Default::default()),
            _ => layout::model(&Default::default()),
        };
        let unneeded: std::collections::HashSet<&str> = wanted
            .iter()
            .filter(|wanted| !wanted.needed)
            .map(|wanted| wanted.name.as_str())
            .collect();
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for file in self.files.iter().filter(|file| file.has(part)) {
            let names = file.names.keys().filter(|name| name.starts_with(part.prefix()));
            for name in names.filter(|name| !unneeded.contains(name.as_str())) {
                let count = file.shape(name).map_or(0, |(shape, _)| shape.iter().product());
                counts.entry(name).or_insert(count);
            }
        }
        counts.values().sum::<usize>() * dtype.size_in_bytes()
    }

    /// The tensors of `part`, named without the part's prefix (`time_embed.0.weight`). Each is cast
    /// to `dtype` and moved to `device` when it is requested.
    ///
    /// Requesting a tensor that no file has, or with the wrong shape, gives an error that wraps a
    /// [`WeightError`].
    pub fn var_builder(&self, part: Part, dtype: DType, device: &Device) -> VarBuilder<'static> {
        let backend = PartOfWeights { files: Arc::clone(&self.files), part };
        VarBuilderArgs::from_backend(Box::new(backend), dtype, device.clone())
    }
}

/// The tensors of one part, in the form that candle requests them.
struct PartOfWeights {
    files: Arc<Vec<NamedFile>>,
    part: Part,
}

impl PartOfWeights {
    fn holder(&self, name: &str) -> Option<(&NamedFile, String)> {
        let released = format!("{}{name}", self.part.prefix());
        let is_sketch = self.part == Part::Sketch;
        let mut files =
            self.files.iter().filter(|file| (file.layout == Layout::Sketch) == is_sketch);
        files.find(|file| file.names.contains_key(&released)).map(|file| (file, released))
    }

    fn missing(&self, name: &str) -> candle_core::Error {
        let file = self.files.first().map(|file| file.file.path().into()).unwrap_or_default();
        let key = format!("{}{name}", self.part.prefix());
        candle_core::Error::wrap(WeightError::Missing { file, key })
    }
}

impl SimpleBackend for PartOfWeights {
    fn get(
        &self,
        wanted: Shape,
        name: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let Some((file, released)) = self.holder(name) else { return Err(self.missing(name)) };
        let found = file.shape(&released).map(|(shape, _)| shape).unwrap_or_default();
        if found != wanted.dims() {
            return Err(candle_core::Error::wrap(WeightError::Shape {
                file: file.file.path().into(),
                key: released,
                found,
                wanted: wanted.into_dims(),
            }));
        }
        self.get_unchecked(name, dtype, device)
    }

    fn get_unchecked(
        &self,
        name: &str,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let loaded = self.holder(name).and_then(|(file, key)| file.load(&key, dtype, device));
        loaded.unwrap_or_else(|| Err(self.missing(name)))
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.holder(name).is_some()
    }
}
