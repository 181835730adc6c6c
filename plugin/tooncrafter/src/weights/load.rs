//! Loads tensors from the bytes of a file: cast on the CPU with all cores, then moved to the
//! device.

use bytemuck::Pod;
use candle_core::{DType, Device, Shape, Tensor};
use half::{bf16, f16};
use rayon::prelude::*;

use super::error::{Result, WeightError};
use super::stored::{Element, TensorEntry, WeightFile};

/// Elements that one thread casts at a time.
const CHUNK: usize = 1 << 16;

/// A type of number that weights are stored in or cast to.
trait Number: Pod + Send + Sync {
    fn to_f32(self) -> f32;
    fn from_f32(value: f32) -> Self;
}

impl Number for f64 {
    fn to_f32(self) -> f32 {
        self as f32
    }
    fn from_f32(value: f32) -> Self {
        value.into()
    }
}

impl Number for f32 {
    fn to_f32(self) -> f32 {
        self
    }
    fn from_f32(value: f32) -> Self {
        value
    }
}

impl Number for f16 {
    fn to_f32(self) -> f32 {
        f16::to_f32(self)
    }
    fn from_f32(value: f32) -> Self {
        f16::from_f32(value)
    }
}

impl Number for bf16 {
    fn to_f32(self) -> f32 {
        bf16::to_f32(self)
    }
    fn from_f32(value: f32) -> Self {
        bf16::from_f32(value)
    }
}

/// Loads one tensor as `dtype` onto `device`.
pub(super) fn tensor(
    file: &WeightFile,
    name: &str,
    stored: &TensorEntry,
    dtype: DType,
    device: &Device,
) -> Result<candle_core::Result<Tensor>> {
    let shape = Shape::from_dims(&stored.shape);
    let on_cpu = match dtype {
        DType::F32 => numbers::<f32>(file, name, stored)
            .map(|values| Tensor::from_vec(values, shape, &Device::Cpu)),
        DType::F16 => numbers::<f16>(file, name, stored)
            .map(|values| Tensor::from_vec(values, shape, &Device::Cpu)),
        DType::BF16 => numbers::<bf16>(file, name, stored)
            .map(|values| Tensor::from_vec(values, shape, &Device::Cpu)),
        DType::F64 => numbers::<f64>(file, name, stored)
            .map(|values| Tensor::from_vec(values, shape, &Device::Cpu)),
        other => {
            let reason = format!("weights cannot be loaded as {other:?}");
            return Err(WeightError::NotWeights { file: file.path().into(), reason });
        }
    }?;
    Ok(on_cpu.and_then(|tensor| tensor.to_device(device)))
}

/// Rejects a tensor that contains NaN or infinity. Every picture drawn with it would be useless,
/// after minutes of work.
pub(super) fn check_finite(file: &WeightFile, name: &str, stored: &TensorEntry) -> Result<()> {
    let finite = match stored.element {
        Element::F64 => all_finite::<f64>(file, stored),
        Element::F32 => all_finite::<f32>(file, stored),
        Element::F16 => all_finite::<f16>(file, stored),
        Element::BF16 => all_finite::<bf16>(file, stored),
        Element::Other(..) => return Err(wrong_type(file, name, stored.element)),
    };
    if finite {
        return Ok(());
    }
    Err(WeightError::NotFinite { file: file.path().into(), key: name.into() })
}

fn all_finite<From: Number>(file: &WeightFile, stored: &TensorEntry) -> bool {
    // For a view, only the elements that it shows are checked.
    if stored.view.is_some() {
        return read::<From, f32>(file, stored).iter().all(|value| value.is_finite());
    }
    let size = size_of::<From>();
    file.bytes(stored).par_chunks(CHUNK * size).all(|bytes| {
        let finite =
            |bytes: &[u8]| bytemuck::pod_read_unaligned::<From>(bytes).to_f32().is_finite();
        bytes.chunks_exact(size).all(finite)
    })
}

/// Reads one tensor as bytes of the given type, little-endian, in row-major order.
pub(super) fn bytes(
    file: &WeightFile,
    name: &str,
    stored: &TensorEntry,
    element: Element,
) -> Result<Vec<u8>> {
    let flat = |bytes: &[u8]| bytes.to_vec();
    Ok(match element {
        Element::F64 => flat(bytemuck::cast_slice(&numbers::<f64>(file, name, stored)?)),
        Element::F32 => flat(bytemuck::cast_slice(&numbers::<f32>(file, name, stored)?)),
        Element::F16 => flat(bytemuck::cast_slice(&numbers::<f16>(file, name, stored)?)),
        Element::BF16 => flat(bytemuck::cast_slice(&numbers::<bf16>(file, name, stored)?)),
        Element::Other(..) => return Err(wrong_type(file, name, element)),
    })
}

fn wrong_type(file: &WeightFile, name: &str, element: Element) -> WeightError {
    let found = element.name().into();
    WeightError::Type { file: file.path().into(), key: name.into(), found }
}

fn numbers<T: Number>(file: &WeightFile, name: &str, stored: &TensorEntry) -> Result<Vec<T>> {
    let values = match stored.element {
        Element::F64 => read::<f64, T>(file, stored),
        Element::F32 => read::<f32, T>(file, stored),
        Element::F16 => read::<f16, T>(file, stored),
        Element::BF16 => read::<bf16, T>(file, stored),
        Element::Other(..) => return Err(wrong_type(file, name, stored.element)),
    };
    file.release(stored);
    Ok(values)
}

fn read<From: Number, To: Number>(file: &WeightFile, stored: &TensorEntry) -> Vec<To> {
    let bytes = file.bytes(stored);
    let size = size_of::<From>();
    let cast = |bytes: &[u8]| To::from_f32(bytemuck::pod_read_unaligned::<From>(bytes).to_f32());
    let mut values = vec![To::zeroed(); stored.count()];
    match &stored.view {
        None => values.par_chunks_mut(CHUNK).zip(bytes.par_chunks(CHUNK * size)).for_each(
            |(values, bytes)| {
                for (value, bytes) in values.iter_mut().zip(bytes.chunks_exact(size)) {
                    *value = cast(bytes);
                }
            },
        ),
        Some((offset, strides)) => {
            let shape = &stored.shape;
            values.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, values)| {
                for (i, value) in values.iter_mut().enumerate() {
                    // Row-major position → place in the storage.
                    let (mut rest, mut at) = (chunk * CHUNK + i, *offset);
                    for (side, stride) in shape.iter().zip(strides).rev() {
                        at += rest % side * stride;
                        rest /= side;
                    }
                    *value = cast(&bytes[at * size..(at + 1) * size]);
                }
            });
        }
    }
    values
}
