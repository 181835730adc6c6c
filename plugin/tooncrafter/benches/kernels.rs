//! Holds the device's operations against those of the CPU in f32.
//!
//! `cargo bench -p inbetween-tooncrafter --bench kernels -- [--device cpu|cuda]` prints the largest error of each operation
//! and precision, relative to the largest value, and fails where one is beyond what its precision explains.

mod common;

use std::collections::HashMap;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use common::{choose_device, device};
use inbetween_tooncrafter::ops::{
    Activation, Addend, Conv2d, GroupNorm, LayerNorm, Linear, Precision, TemporalConv, Window,
    attention, attention_over_time,
};

/// Largest relative errors: order of summation, and factors rounded to 8 bits.
const LIMITS: [(DType, Precision, f64); 2] =
    [(DType::F32, Precision::F32, 1e-4), (DType::BF16, Precision::Bf16, 5e-2)];

/// An operation on weights of a source and a type, given its place.
type Run<'a> = &'a dyn Fn(&VarBuilder, Precision, &Device) -> Result<Tensor>;

/// Normal values on the CPU.
fn random(shape: &[usize]) -> Result<Tensor> {
    Tensor::randn(0f32, 1.0, shape, &Device::Cpu)
}

/// Runs an operation with the same weights on both sides; whether the device agrees.
fn check(name: &str, shapes: &[(&str, &[usize])], run: Run) -> Result<bool> {
    let mut weights = HashMap::new();
    for (name, shape) in shapes {
        let inputs: usize = shape[1..].iter().product();
        weights.insert((*name).to_owned(), (random(shape)? / (inputs as f64).sqrt())?);
    }
    let source = |dtype, device: &Device| VarBuilder::from_tensors(weights.clone(), dtype, device);
    let wanted = run(&source(DType::F32, &Device::Cpu), Precision::F32, &Device::Cpu)?;
    let largest = f64::from(wanted.abs()?.max_all()?.to_scalar::<f32>()?);
    let mut agrees = true;
    for (dtype, precision, limit) in LIMITS {
        let found = run(&source(dtype, device()), precision, device())?;
        let found = found.to_dtype(DType::F32)?.to_device(&Device::Cpu)?;
        let error = f64::from((found - &wanted)?.abs()?.max_all()?.to_scalar::<f32>()?) / largest;
        let good = error <= limit;
        agrees &= good;
        let verdict = if good { "ok" } else { "WRONG" };
        println!("{verdict:5} {dtype:?} {name:40} error {error:.1e} of {limit:.0e} allowed");
    }
    Ok(agrees)
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Some(at) = args.iter().position(|arg| arg == "--device") {
        choose_device(args.get(at + 1).map_or("", String::as_str))?;
    }
    let mut agrees = true;

    let x = random(&[300, 320])?;
    agrees &=
        check("linear 320 -> 96", &[("weight", &[96, 320]), ("bias", &[96])], &|vb, _, place| {
            let layer = Linear::new(320, 96, true, vb)?;
            layer.forward_with(&x.to_device(place)?, Activation::Gelu, Addend::Nothing)
        })?;
    agrees &=
        check("GEGLU 320 -> 64", &[("weight", &[128, 320]), ("bias", &[128])], &|vb, _, place| {
            Linear::gated(320, 64, vb)?.forward(&x.to_device(place)?)
        })?;
    for (name, window) in
        [("same", Window::SAME), ("halving", Window::HALVE), ("doubling", Window::DOUBLE)]
    {
        let x = random(&[3, 10, 14, 64])?;
        let shapes: &[(&str, &[usize])] = &[("weight", &[96, 64, 3, 3]), ("bias", &[96])];
        agrees &= check(&format!("convolution, {name}"), shapes, &|vb, _, place| {
            Conv2d::new(64, 96, window, vb)?.forward(&x.to_device(place)?)
        })?;
    }
    let x = random(&[1, 16, 60, 64])?;
    let shapes: &[(&str, &[usize])] = &[("weight", &[64, 64, 3, 1, 1]), ("bias", &[64])];
    agrees &= check("convolution over time", shapes, &|vb, _, place| {
        TemporalConv::new(64, 64, 1.0, vb)?.forward(&x.to_device(place)?, Addend::Nothing)
    })?;
    for (heads, d, n, m) in [(5, 64, 300, 513), (1, 512, 100, 200), (2, 80, 257, 257)] {
        let q = random(&[2, n, heads * d])?;
        let (k, v) = (random(&[2, m, heads * d])?, random(&[2, m, heads * d])?);
        let name = format!("attention, {heads} heads of {d}");
        agrees &= check(&name, &[("any", &[1, 1])], &|vb, precision, place| {
            let cast = |x: &Tensor| {
                let dtype = if place.is_cpu() { DType::F32 } else { vb.dtype() };
                x.to_device(place)?.to_dtype(dtype)
            };
            attention(&cast(&q)?, &cast(&k)?, &cast(&v)?, heads, precision, false)
        })?;
    }
    let qkv = random(&[1, 16, 60, 3 * 320])?;
    agrees &= check("attention over time, 5 heads", &[("any", &[1, 1])], &|_, _, place| {
        let qkv = qkv.to_device(place)?;
        let part = |i: usize| qkv.narrow(3, i * 320, 320);
        attention_over_time(&part(0)?, &part(1)?, &part(2)?, 5)
    })?;
    let x = (random(&[2, 500, 320])? + 10.0)?;
    let shapes: &[(&str, &[usize])] = &[("weight", &[320]), ("bias", &[320])];
    agrees &= check("group norm + SiLU", shapes, &|vb, _, place| {
        GroupNorm::new(320, 1e-5, true, vb)?.forward(&x.to_device(place)?)
    })?;
    agrees &= check("layer norm", shapes, &|vb, _, place| {
        LayerNorm::new(320, vb)?.forward(&x.to_device(place)?)
    })?;
    if !agrees {
        candle_core::bail!("the device computes something else than the CPU")
    }
    Ok(())
}
