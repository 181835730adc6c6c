//! The operations that take most of the time: products, norms, attention.
//!
//! Each is a function or a layer on channels-last candle tensors. CPUs run our own kernels (AVX-512
//! or AVX2 if present; AMX or AVX512-BF16 for bf16), and so do CUDA devices if the build has them.
//! Other devices run candle's operations. All are called through the same functions.

mod amx;
mod attention;
mod bf16_products;
#[cfg(test)]
mod bf16_tests;
mod bf16_unit;
mod buffer;
mod dot_products;
mod epilogue;
mod igemm;
mod isa;
mod kernel;
mod math;
mod narrow;
mod norm;
mod on_device;
mod pack;
mod product;
mod rows;
mod share;
mod softmax;
#[cfg(test)]
mod tests;
mod time;
mod transpose;
mod winograd;

pub use crate::layer_args::{Activation, Addend, Window};
pub use attention::attention;
pub use bf16_products::{Bf16Products, bf16_products};
pub use buffer::release_memory;
pub use norm::{GroupNorm, LayerNorm};
pub use pack::Precision;
pub use product::{Conv2d, Linear, TemporalConv};
pub use time::attention_over_time;

pub(crate) use pack::Columns;
pub(crate) use product::load;

use candle_core::{CpuStorage, Layout, Result, bail};

/// The contiguous f32 values of an input.
fn cpu_values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let CpuStorage::F32(values) = storage else { bail!("the CPU kernels take f32 activations") };
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&values[start..end]),
        None => bail!("the CPU kernels take contiguous activations"),
    }
}

/// The precision in which a weight source is to be computed.
pub(crate) fn precision(vb: &candle_nn::VarBuilder) -> Precision {
    if vb.dtype() == candle_core::DType::F32 { Precision::F32 } else { Precision::Bf16 }
}
