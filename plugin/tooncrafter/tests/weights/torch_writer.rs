//! Writes checkpoints as PyTorch does, and pickles that PyTorch would never write.

use std::io::{Cursor, Write};

use candle_core::{DType, Tensor};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A pickle under construction, with only what checkpoints need.
#[derive(Default)]
pub(crate) struct Pickle(pub(crate) Vec<u8>);

impl Pickle {
    pub(crate) fn new() -> Self {
        Self(vec![0x80, 2])
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        let length = (text.len() as u32).to_le_bytes();
        self.raw(b"X").raw(&length).raw(text.as_bytes())
    }

    pub(crate) fn int(self, value: i64) -> Self {
        if let Ok(value) = i32::try_from(value) {
            self.raw(b"J").raw(&value.to_le_bytes())
        } else {
            self.raw(&[0x8a, 8]).raw(&value.to_le_bytes())
        }
    }

    pub(crate) fn name(self, module: &str, name: &str) -> Self {
        self.raw(format!("c{module}\n{name}\n").as_bytes())
    }

    pub(crate) fn ints(self, values: &[i64]) -> Self {
        values.iter().fold(self.raw(b"("), |pickle, &value| pickle.int(value)).raw(b"t")
    }

    pub(crate) fn storage(self, class: &str, key: &str, count: i64) -> Self {
        let pickle = self.raw(b"(").text("storage").name("torch", class);
        pickle.text(key).text("cpu").int(count).raw(b"tQ")
    }

    /// A view of a storage.
    pub(crate) fn tensor(
        self,
        storage: (&str, &str, i64),
        offset: i64,
        shape: &[i64],
        strides: &[i64],
    ) -> Self {
        let (class, key, count) = storage;
        self.name("torch._utils", "_rebuild_tensor_v2")
            .raw(b"(")
            .storage(class, key, count)
            .int(offset)
            .ints(shape)
            .ints(strides)
            .raw(b"\x89")
            .name("collections", "OrderedDict")
            .raw(b")RtR")
    }

    pub(crate) fn done(self) -> Vec<u8> {
        self.raw(b".").0
    }
}

/// A pickle of `{"state_dict": {name: one tensor}}`.
pub(crate) fn one_tensor(
    storage: (&str, &str, i64),
    offset: i64,
    shape: &[i64],
    strides: &[i64],
) -> Vec<u8> {
    let pickle = Pickle::new().raw(b"}").text("state_dict").raw(b"}").text("w");
    pickle.tensor(storage, offset, shape, strides).raw(b"ss").done()
}

/// An archive of the given entries under `archive/`.
pub(crate) fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in entries {
        zip.start_file(format!("archive/{name}"), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// What surrounds the state dict.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// `{"state_dict": ...}`
    StateDict,
    /// Only the tensors.
    Bare,
    /// `{"module": ...}` with a prefix of 16 characters before each name.
    Module,
}

/// A checkpoint of `tensors` (`f32`, `f16` or `bf16`).
pub(crate) fn checkpoint(tensors: &[(String, Tensor)], form: Form) -> Vec<u8> {
    let mut pickle = Pickle::new();
    let prefix = match form {
        Form::StateDict => {
            pickle = pickle.raw(b"}").text("state_dict");
            ""
        }
        Form::Bare => "",
        Form::Module => {
            pickle = pickle.raw(b"}").text("module");
            "_forward_module."
        }
    };
    pickle = pickle.name("collections", "OrderedDict").raw(b")R");
    let mut entries: Vec<(String, Vec<u8>)> = Vec::new();
    for (i, (name, tensor)) in tensors.iter().enumerate() {
        let (class, bytes) = bytes_of(tensor);
        let shape: Vec<i64> = tensor.dims().iter().map(|&side| side as i64).collect();
        let strides: Vec<i64> =
            tensor.layout().stride().iter().map(|&stride| stride as i64).collect();
        let key = i.to_string();
        pickle = pickle
            .text(&format!("{prefix}{name}"))
            .tensor((class, &key, tensor.elem_count() as i64), 0, &shape, &strides)
            .raw(b"s");
        entries.push((format!("data/{i}"), bytes));
    }
    if !matches!(form, Form::Bare) {
        pickle = pickle.raw(b"s");
    }
    let pickle = pickle.done();
    let mut all: Vec<(&str, &[u8])> = vec![("data.pkl", &pickle), ("byteorder", b"little")];
    all.extend(entries.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
    archive(&all)
}

fn bytes_of(tensor: &Tensor) -> (&'static str, Vec<u8>) {
    let flat = tensor.flatten_all().unwrap();
    match tensor.dtype() {
        DType::F32 => {
            let values = flat.to_vec1::<f32>().unwrap();
            ("FloatStorage", values.iter().flat_map(|v| v.to_le_bytes()).collect())
        }
        DType::F16 => {
            let values = flat.to_vec1::<half::f16>().unwrap();
            ("HalfStorage", values.iter().flat_map(|v| v.to_le_bytes()).collect())
        }
        DType::BF16 => {
            let values = flat.to_vec1::<half::bf16>().unwrap();
            ("BFloat16Storage", values.iter().flat_map(|v| v.to_le_bytes()).collect())
        }
        other => panic!("no storage for {other:?}"),
    }
}
