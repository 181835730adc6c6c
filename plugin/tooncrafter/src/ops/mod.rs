//! The operations that take the time: products, norms, attention.
//!
//! Each is a function or a layer on candle tensors, channels-last. The CPU runs own kernels
//! (AVX-512 or AVX2 where present; AMX or AVX512-BF16 for bf16), CUDA devices run own kernels where the build has
//! them, other devices candle's own operations, all through the same functions.

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

/// The precision that a weight source stands for.
pub(crate) fn precision(vb: &candle_nn::VarBuilder) -> Precision {
    if vb.dtype() == candle_core::DType::F32 { Precision::F32 } else { Precision::Bf16 }
}
