//! Names, and the tensors made with them, which are the only supported "calls".

use super::super::index::Element;
use super::machine::Machine;
use super::{Error, Id, Name, Object, Result, Storage, View, malformed};

/// Most axes of a tensor.
const MAX_RANK: usize = 8;

/// Most arguments of a call; a tensor has seven.
const MAX_ARGUMENTS: usize = 16;

/// Longest name of a storage, in bytes; PyTorch uses consecutive numbers.
const MAX_KEY: usize = 64;

/// Element types of storages, by the name of their class.
pub(super) const ELEMENTS: [(&str, Element); 10] = [
    ("DoubleStorage", Element::F64),
    ("FloatStorage", Element::F32),
    ("HalfStorage", Element::F16),
    ("BFloat16Storage", Element::BF16),
    ("LongStorage", Element::Other("64-bit integers", 8)),
    ("IntStorage", Element::Other("32-bit integers", 4)),
    ("ShortStorage", Element::Other("16-bit integers", 2)),
    ("CharStorage", Element::Other("8-bit integers", 1)),
    ("ByteStorage", Element::Other("8-bit integers", 1)),
    ("BoolStorage", Element::Other("truth values", 1)),
];

impl Machine<'_> {
    /// Accepts `module.name` if it is one of the few names that describe tensors.
    pub(super) fn name(&mut self, module: &str, name: &str) -> Result<()> {
        let element = ELEMENTS.iter().position(|(class, _)| module == "torch" && *class == name);
        let known = match (module, name, element) {
            ("collections", "OrderedDict", _) => Name::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor", _) => Name::RebuildTensor,
            ("torch._utils", "_rebuild_parameter", _) => Name::RebuildParameter,
            (_, _, Some(element)) => Name::Storage(element as u8),
            _ => {
                let shown: String = format!("{module}.{name}").chars().take(120).collect();
                return Err(Error::Forbidden(shown));
            }
        };
        self.push(Object::Name(known))
    }

    /// Reads `("storage", type, key, location, count)`: a storage in an entry of the archive.
    pub(super) fn persistent(&mut self) -> Result<()> {
        let id = self.pop()?;
        let fields = self.items(id)?;
        let &[kind, element, key, _, count] = fields.get(..5).unwrap_or_default() else {
            return malformed("has a storage with too few fields");
        };
        let (Some(kind), &Object::Name(Name::Storage(element)), Some(key)) =
            (self.text_of(kind), self.object(element), self.text_of(key))
        else {
            return malformed("has a storage whose fields make no sense");
        };
        if kind != "storage" {
            return Err(Error::Forbidden("a persistent object that is not a storage".into()));
        }
        if key.len() > MAX_KEY {
            return malformed("has a storage with an absurdly long name");
        }
        let (element, key) = (ELEMENTS[usize::from(element)].1, key.into());
        let count = self.size(count)?;
        self.push_storage(Storage { element, key, count })
    }

    /// The only supported "calls": an empty dictionary, a tensor, and a tensor wrapped as a
    /// parameter.
    pub(super) fn reduce(&mut self) -> Result<()> {
        let arguments = self.pop()?;
        let callee = self.pop()?;
        // Only a few fields are copied, so that a giant tuple is not copied a million times.
        let arguments = match self.items(arguments)? {
            arguments if arguments.len() <= MAX_ARGUMENTS => arguments.to_vec(),
            arguments => return malformed(format!("passes {} arguments", arguments.len())),
        };
        match self.object(callee) {
            Object::Name(Name::OrderedDict) if arguments.is_empty() => self.new_dict(Vec::new()),
            Object::Name(Name::OrderedDict) => malformed("makes a dictionary of something"),
            Object::Name(Name::RebuildTensor) => {
                let view = self.view(&arguments)?;
                self.push_tensor(view)
            }
            Object::Name(Name::RebuildParameter) => match arguments.first() {
                Some(&tensor) if matches!(self.object(tensor), Object::Tensor(_)) => {
                    self.push_known(tensor)
                }
                _ => malformed("has a parameter that is not a tensor"),
            },
            _ => malformed("calls something that is not a function"),
        }
    }

    /// Reads `(storage, offset, shape, strides, ...)`.
    fn view(&self, arguments: &[Id]) -> Result<View> {
        let &[storage, offset, shape, strides] = arguments.get(..4).unwrap_or_default() else {
            return malformed("has a tensor with too few fields");
        };
        let Object::Storage(storage) = self.object(storage) else {
            return malformed("has a tensor without storage");
        };
        let (shape, strides) = (self.items(shape)?, self.items(strides)?);
        if shape.len() != strides.len() || shape.len() > MAX_RANK {
            return malformed(format!(
                "has a tensor of {} axes and {} strides",
                shape.len(),
                strides.len()
            ));
        }
        let sizes = |ids: &[Id]| ids.iter().map(|&id| self.size(id)).collect::<Result<Vec<_>>>();
        let (shape, strides) = (sizes(shape)?, sizes(strides)?);
        Ok(View { storage: Storage::clone(storage), offset: self.size(offset)?, shape, strides })
    }

    /// Ignores the attributes of a dictionary, where PyTorch keeps versions.
    pub(super) fn build(&mut self) -> Result<()> {
        self.pop()?;
        let target = self.peek()?;
        match self.object(target) {
            Object::Dict(_) | Object::Tensor(_) => Ok(()),
            _ => malformed("sets attributes of something that has none"),
        }
    }

    fn items(&self, id: Id) -> Result<&[Id]> {
        match self.tuple_of(id) {
            Some(items) => Ok(items),
            None => malformed("has something else instead of a tuple"),
        }
    }

    fn size(&self, id: Id) -> Result<usize> {
        match self.object(id) {
            Object::Int(value) => match usize::try_from(*value) {
                Ok(size) => Ok(size),
                Err(_) => malformed(format!("has {value} instead of a size")),
            },
            _ => malformed("has something else instead of a size"),
        }
    }
}
