//! Names, and the tensors that are made with them: the only "calls" there are.

use super::super::index::Element;
use super::machine::Machine;
use super::{Error, Id, Name, Object, Result, Storage, View, malformed};

/// Most axes of a tensor.
const MAX_RANK: usize = 8;

/// Most arguments of a call; a tensor has seven.
const MAX_ARGUMENTS: usize = 16;

/// Longest name of a storage, in bytes; PyTorch counts them.
const MAX_KEY: usize = 64;

impl Machine<'_> {
    /// Takes in `module.name`, if it is among the few that describe tensors.
    pub(super) fn name(&mut self, module: &str, name: &str) -> Result<()> {
        let known = match (module, name) {
            ("collections", "OrderedDict") => Name::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => Name::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Name::RebuildParameter,
            ("torch", "DoubleStorage") => Name::Storage(Element::F64),
            ("torch", "FloatStorage") => Name::Storage(Element::F32),
            ("torch", "HalfStorage") => Name::Storage(Element::F16),
            ("torch", "BFloat16Storage") => Name::Storage(Element::BF16),
            ("torch", "LongStorage") => Name::Storage(Element::Other("64-bit integers", 8)),
            ("torch", "IntStorage") => Name::Storage(Element::Other("32-bit integers", 4)),
            ("torch", "ShortStorage") => Name::Storage(Element::Other("16-bit integers", 2)),
            ("torch", "CharStorage" | "ByteStorage") => {
                Name::Storage(Element::Other("8-bit integers", 1))
            }
            ("torch", "BoolStorage") => Name::Storage(Element::Other("truth values", 1)),
            _ => {
                let shown: String = format!("{module}.{name}").chars().take(120).collect();
                return Err(Error::Forbidden(shown));
            }
        };
        self.push(Object::Name(known))
    }

    /// `("storage", type, key, location, count)`: a storage in an entry of the archive.
    pub(super) fn persistent(&mut self) -> Result<()> {
        let id = self.pop()?;
        let fields = self.tuple(id)?;
        let &[kind, element, key, _, count] = fields.get(..5).unwrap_or_default() else {
            return malformed("has a storage with too few fields");
        };
        let (Object::Text(kind), Object::Name(Name::Storage(element)), Object::Text(key)) =
            (self.object(kind), self.object(element), self.object(key))
        else {
            return malformed("has a storage whose fields make no sense");
        };
        if **kind != *"storage" {
            return Err(Error::Forbidden("a persistent object that is no storage".into()));
        }
        if key.len() > MAX_KEY {
            return malformed("has a storage with an absurdly long name");
        }
        let (element, key) = (*element, key.clone());
        let count = self.size(count)?;
        self.push(Object::Storage(Storage { element, key, count }))
    }

    /// The only "calls": an empty dictionary, a tensor, a tensor wrapped as parameter.
    pub(super) fn reduce(&mut self) -> Result<()> {
        let arguments = self.pop()?;
        let callee = self.pop()?;
        // A few fields at most, so that a giant tuple is not copied a million times.
        let arguments = match self.tuple(arguments)? {
            arguments if arguments.len() <= MAX_ARGUMENTS => arguments.to_vec(),
            arguments => return malformed(format!("passes {} arguments", arguments.len())),
        };
        match self.object(callee) {
            Object::Name(Name::OrderedDict) if arguments.is_empty() => {
                self.push(Object::Dict(Vec::new()))
            }
            Object::Name(Name::OrderedDict) => malformed("makes a dictionary of something"),
            Object::Name(Name::RebuildTensor) => {
                let view = self.view(&arguments)?;
                self.push(Object::Tensor(view))
            }
            Object::Name(Name::RebuildParameter) => match arguments.first() {
                Some(&tensor) if matches!(self.object(tensor), Object::Tensor(_)) => {
                    self.stack.push(tensor);
                    Ok(())
                }
                _ => malformed("has a parameter that is no tensor"),
            },
            _ => malformed("calls something that is no function"),
        }
    }

    /// `(storage, offset, shape, strides, ...)`
    fn view(&self, arguments: &[Id]) -> Result<View> {
        let &[storage, offset, shape, strides] = arguments.get(..4).unwrap_or_default() else {
            return malformed("has a tensor with too few fields");
        };
        let Object::Storage(storage) = self.object(storage) else {
            return malformed("has a tensor without storage");
        };
        let (shape, strides) = (self.tuple(shape)?, self.tuple(strides)?);
        if shape.len() != strides.len() || shape.len() > MAX_RANK {
            return malformed(format!(
                "has a tensor of {} axes and {} strides",
                shape.len(),
                strides.len()
            ));
        }
        let sizes = |ids: &[Id]| ids.iter().map(|&id| self.size(id)).collect::<Result<Vec<_>>>();
        let (shape, strides) = (sizes(shape)?, sizes(strides)?);
        Ok(View { storage: storage.clone(), offset: self.size(offset)?, shape, strides })
    }

    /// Attributes of a dictionary (PyTorch notes versions there) are dropped.
    pub(super) fn build(&mut self) -> Result<()> {
        self.pop()?;
        let target = self.peek()?;
        match self.object(target) {
            Object::Dict(_) | Object::Tensor(_) => Ok(()),
            _ => malformed("sets attributes of something that has none"),
        }
    }

    fn tuple(&self, id: Id) -> Result<&[Id]> {
        match self.object(id) {
            Object::Tuple(items) => Ok(items),
            _ => malformed("has something else where a tuple belongs"),
        }
    }

    fn size(&self, id: Id) -> Result<usize> {
        match self.object(id) {
            Object::Int(value) => match usize::try_from(*value) {
                Ok(size) => Ok(size),
                Err(_) => malformed(format!("has {value} where a size belongs")),
            },
            _ => malformed("has something else where a size belongs"),
        }
    }
}
