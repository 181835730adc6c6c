//! Random weights in the released layout, for timing and tests without the real ones.

use std::path::Path;

use candle_core::DType;
use half::{bf16, f16};
use rayon::prelude::*;

use super::convert::Converted;
use super::error::Result;
use super::layout::TensorSpec;
use super::stored::Element;
use super::writer::{self, TensorHeader};
use crate::noise::{NoiseSource, Stream};

/// Elements that one thread makes at a time.
const CHUNK: usize = 1 << 16;

/// Writes `wanted` as a `.safetensors` file of random numbers that keep activations in range: norms
/// are the identity, and other weights are uniform with a variance of one over their number of
/// inputs.
///
/// `progress` is called with the bytes written so far and the total.
///
/// # Errors
/// When `path` cannot be written.
pub fn write_random(
    path: &Path,
    wanted: &[TensorSpec],
    element: Element,
    seed: u64,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Converted> {
    let announced: Vec<TensorHeader> = wanted
        .iter()
        .map(|tensor| TensorHeader {
            name: tensor.name.clone(),
            element,
            shape: tensor.shape.clone(),
        })
        .collect();
    let produce = |i: usize| Ok(bytes(&wanted[i], element, seed.wrapping_add(i as u64)));
    let notes = [("contents", "random weights, for tests only".to_owned())];
    let (bytes, digest) = writer::write(path, &announced, &notes, produce, progress)?;
    Ok(Converted { tensors: announced.len(), bytes, digest })
}

/// The element type for a tensor type.
impl TryFrom<DType> for Element {
    type Error = ();

    fn try_from(dtype: DType) -> std::result::Result<Self, ()> {
        match dtype {
            DType::F64 => Ok(Self::F64),
            DType::F32 => Ok(Self::F32),
            DType::F16 => Ok(Self::F16),
            DType::BF16 => Ok(Self::BF16),
            _ => Err(()),
        }
    }
}

fn bytes(wanted: &TensorSpec, element: Element, seed: u64) -> Vec<u8> {
    let (centre, spread) = centre_and_spread(wanted);
    let count: usize = wanted.shape.iter().product();
    let size = element.size();
    let mut bytes = vec![0; count * size];
    bytes.par_chunks_mut(CHUNK * size).enumerate().for_each(|(chunk, bytes)| {
        let uniform =
            NoiseSource::new(seed).uniform(Stream::Step(chunk as u32), bytes.len() / size);
        for (bytes, unit) in bytes.chunks_exact_mut(size).zip(uniform) {
            let value = centre + spread * (2.0 * unit - 1.0);
            match element {
                Element::F64 => bytes.copy_from_slice(&f64::from(value).to_le_bytes()),
                Element::F16 => bytes.copy_from_slice(&f16::from_f32(value).to_le_bytes()),
                Element::BF16 => bytes.copy_from_slice(&bf16::from_f32(value).to_le_bytes()),
                Element::F32 => bytes.copy_from_slice(&value.to_le_bytes()),
                Element::Other(..) => bytes.fill(0),
            }
        }
    });
    bytes
}

/// Uniform numbers within `spread` of a centre.
fn centre_and_spread(wanted: &TensorSpec) -> (f32, f32) {
    let inputs: usize = wanted.shape.iter().skip(1).product();
    match wanted.shape.len() {
        // A norm's weights are about 1; biases and mixing factors are near 0.
        0 | 1 if wanted.name.ends_with(".weight") => (1.0, 0.02),
        0 | 1 => (0.0, 0.02),
        // sqrt(3) gives a uniform number a variance of 1.
        _ => (0.0, (3.0 / inputs as f32).sqrt()),
    }
}
