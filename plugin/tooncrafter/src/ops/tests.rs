//! Compares the fast operations with chains of candle's own, at sizes that leave remainders
//! everywhere.

use std::cell::Cell;
use std::collections::HashMap;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;

use crate::noise::{NoiseSource, Stream};
use crate::reference;

use super::{
    Activation, Addend, Conv2d, GroupNorm, LayerNorm, Linear, Precision, TemporalConv, Window,
    attention, attention_over_time,
};

/// Allowed relative error: from the order of summation, or from rounding factors to 8 bits.
const TOLERANCES: [(DType, f64); 2] = [(DType::F32, 5e-6), (DType::BF16, 4e-2)];

/// Normally distributed values, the same in every run. If a few terms happen to cancel, the error
/// relative to the result means nothing, and whether a test passes must not depend on that chance.
pub(super) fn random(shape: &[usize]) -> Result<Tensor> {
    thread_local!(static DRAWN: Cell<u32> = const { Cell::new(0) });
    let drawn = DRAWN.replace(DRAWN.get() + 1);
    NoiseSource::new(1).tensor(Stream::Step(drawn), shape, &Device::Cpu)
}

/// Weights with these names and shapes, scaled to keep results near 1, and a source that serves
/// them.
fn weights(
    shapes: &[(&str, &[usize])],
    dtype: DType,
) -> Result<(HashMap<String, Tensor>, VarBuilder<'static>)> {
    let mut tensors = HashMap::new();
    for (name, shape) in shapes {
        let inputs: usize = shape[1..].iter().product();
        tensors.insert((*name).to_owned(), (random(shape)? / (inputs as f64).sqrt())?);
    }
    let vb = VarBuilder::from_tensors(tensors.clone(), dtype, &Device::Cpu);
    Ok((tensors, vb))
}

#[track_caller]
pub(super) fn assert_close(what: &str, found: &Tensor, wanted: &Tensor, tolerance: f64) {
    assert_eq!(found.dims(), wanted.dims(), "{what}: shape");
    let values = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (found, wanted) = (values(found), values(wanted));
    let largest = wanted.iter().fold(1e-9f32, |m, v| m.max(v.abs()));
    for (i, (a, b)) in found.iter().zip(&wanted).enumerate() {
        let error = f64::from((a - b).abs() / largest);
        assert!(
            error <= tolerance,
            "{what}: {a} instead of {b} at {i}, relative error {error:.1e}"
        );
    }
}

#[test]
fn linear_layers() -> Result<()> {
    for (dtype, tolerance) in TOLERANCES {
        for (rows, inputs, outputs) in [(1, 1, 1), (7, 5, 3), (33, 37, 45), (300, 2100, 70)] {
            let what = format!("{dtype:?} {rows} x {inputs} -> {outputs}");
            let (tensors, vb) =
                weights(&[("weight", &[outputs, inputs]), ("bias", &[outputs])], dtype)?;
            let layer = Linear::new(inputs, outputs, true, &vb)?;
            let x = random(&[rows, inputs])?;
            let plain = reference::linear(&x, &tensors["weight"], Some(&tensors["bias"]))?;
            assert_close(&what, &layer.forward(&x)?, &plain, tolerance);
            let residual = random(&[rows, outputs])?;
            for activation in [Activation::None, Activation::Silu, Activation::Gelu] {
                let found = layer.forward_with(&x, activation, Addend::Residual(&residual))?;
                let wanted =
                    reference::finish(plain.clone(), activation, Addend::Residual(&residual))?;
                assert_close(&format!("{what} {activation:?}"), &found, &wanted, tolerance);
            }
        }
    }
    Ok(())
}

#[test]
fn gated_layers() -> Result<()> {
    for (dtype, tolerance) in TOLERANCES {
        for (rows, inputs, outputs) in [(1, 8, 4), (45, 40, 20), (70, 64, 128)] {
            let (tensors, vb) =
                weights(&[("weight", &[2 * outputs, inputs]), ("bias", &[2 * outputs])], dtype)?;
            let x = random(&[3, rows, inputs])?;
            let wide = reference::linear(&x, &tensors["weight"], Some(&tensors["bias"]))?;
            let found = Linear::gated(inputs, outputs, &vb)?.forward(&x)?;
            let what = format!("{dtype:?} {rows} x {inputs} -> {outputs}");
            assert_close(&what, &found, &reference::gate(&wide)?, tolerance);
        }
    }
    Ok(())
}

#[test]
fn convolutions() -> Result<()> {
    let point = Window::POINT;
    for (dtype, tolerance) in TOLERANCES {
        for window in [point, Window::SAME, Window::HALVE, Window::HALVE_AFTER, Window::DOUBLE] {
            for (n, h, w, c_in, c_out) in [
                (1, 3, 2, 1, 1),
                (2, 5, 7, 3, 35),
                (3, 6, 4, 40, 8),
                (1, 16, 18, 33, 64),
                (3, 5, 9, 48, 70),
                (1, 8, 12, 336, 40),
                (2, 9, 34, 48, 3),
            ] {
                let what = format!("{dtype:?} {window:?} {n} x {h} x {w}, {c_in} -> {c_out}");
                let k = window.kernel;
                let (tensors, vb) =
                    weights(&[("weight", &[c_out, c_in, k, k]), ("bias", &[c_out])], dtype)?;
                let conv = Conv2d::new(c_in, c_out, window, &vb)?;
                let x = random(&[n, h, w, c_in])?;
                let found = conv.forward(&x)?;
                let wanted =
                    reference::conv2d(&x, &tensors["weight"], Some(&tensors["bias"]), window)?;
                assert_close(&what, &found, &wanted, tolerance);
                let frames = random(&[n, c_out])?;
                let found = conv.forward_with(&x, Activation::None, Addend::PerFrame(&frames))?;
                let wanted =
                    reference::finish(wanted, Activation::None, Addend::PerFrame(&frames))?;
                assert_close(&format!("{what}, per frame"), &found, &wanted, tolerance);
            }
        }
    }
    Ok(())
}

#[test]
fn convolutions_over_time() -> Result<()> {
    for (dtype, tolerance) in TOLERANCES {
        for (b, t, p, c_in, c_out) in [
            (1, 1, 1, 1, 1),
            (2, 2, 5, 33, 7),
            (1, 5, 21, 40, 40),
            (2, 3, 1, 32, 32),
            (2, 7, 9, 48, 70),
            (1, 16, 50, 336, 40),
        ] {
            let shape: &[usize] = &[c_out, c_in, 3, 1, 1];
            let (tensors, vb) = weights(&[("weight", shape), ("bias", &[c_out])], dtype)?;
            let conv = TemporalConv::new(c_in, c_out, 0.5, &vb)?;
            let x = random(&[b, t, p, c_in])?;
            let bias = Some(&tensors["bias"]);
            let wanted = (reference::temporal_conv(&x, &tensors["weight"], bias)? * 0.5)?;
            let what = format!("{dtype:?} {b} x {t} x {p}, {c_in} -> {c_out}");
            assert_close(&what, &conv.forward(&x, Addend::Nothing)?, &wanted, tolerance);
        }
    }
    Ok(())
}

#[test]
fn norms() -> Result<()> {
    for (n, p, c) in [(1, 1, 32), (3, 7, 64), (2, 700, 96)] {
        let (tensors, vb) = weights(&[("weight", &[c]), ("bias", &[c])], DType::F32)?;
        let (weight, bias) = (&tensors["weight"], &tensors["bias"]);
        // A careless variance loses its digits when the mean is far from zero.
        let x = (random(&[n, p, c])? + 100.0)?;
        for silu in [false, true] {
            let found = GroupNorm::new(c, 1e-5, silu, &vb)?.forward(&x)?;
            let wanted = reference::group_norm(&x, 32, 1e-5, weight, bias, silu)?;
            assert_close(&format!("group norm {n} x {p} x {c}"), &found, &wanted, 1e-4);
        }
        let x = random(&[n, p, c])?;
        let found = LayerNorm::new(c, &vb)?.forward(&x)?;
        let wanted = reference::layer_norm(&x, 1e-5, weight, bias)?;
        assert_close(&format!("layer norm {n} x {p} x {c}"), &found, &wanted, 1e-5);
    }
    Ok(())
}

#[test]
fn attentions() -> Result<()> {
    for (precision, tolerance) in [(Precision::F32, 5e-6), (Precision::Bf16, 2e-2)] {
        for (b, kv, n, m, heads, d, causal) in [
            (1, 1, 1, 1, 1, 1, false),
            (2, 2, 45, 77, 3, 5, false),
            (4, 2, 33, 300, 2, 16, false),
            (6, 1, 130, 513, 1, 80, false),
            (2, 2, 77, 77, 4, 24, true),
            (1, 1, 300, 300, 1, 8, true),
        ] {
            let what = format!("{precision:?} {b}/{kv} x {heads} of {d}, {n} x {m}");
            // The rows are not contiguous, as in a fused projection.
            let q = random(&[b, n, 3 * heads * d])?.narrow(2, heads * d, heads * d)?;
            let kv = random(&[kv, m, 2 * heads * d])?;
            let (k, v) = (kv.narrow(2, 0, heads * d)?, kv.narrow(2, heads * d, heads * d)?);
            let found = attention(&q, &k, &v, heads, precision, causal)?;
            let scale = 1.0 / (d as f64).sqrt();
            let (q, k, v) = (q.contiguous()?, k.contiguous()?, v.contiguous()?);
            let wanted = reference::attention(&q, &k, &v, heads, scale, causal)?;
            assert_close(&what, &found, &wanted, tolerance);
        }
    }
    Ok(())
}

#[test]
fn attention_survives_large_scores() -> Result<()> {
    let q = (random(&[1, 40, 16])? * 1e4)?;
    let found = attention(&q, &q, &q, 1, Precision::F32, false)?;
    let wanted = reference::attention(&q, &q, &q, 1, 0.25, false)?;
    assert_close("large scores", &found, &wanted, 1e-5);
    Ok(())
}

#[test]
fn attentions_over_time() -> Result<()> {
    for (b, t, p, heads, d) in
        [(1, 1, 1, 1, 1), (2, 5, 7, 3, 5), (1, 16, 40, 2, 64), (1, 33, 3, 1, 20)]
    {
        let qkv = random(&[b, t, p, 3 * heads * d])?;
        let part = |i: usize| qkv.narrow(3, i * heads * d, heads * d);
        let (q, k, v) = (part(0)?, part(1)?, part(2)?);
        let found = attention_over_time(&q, &k, &v, heads)?;
        let scale = 1.0 / (d as f64).sqrt();
        let wanted = reference::attention_over_time(&q, &k, &v, heads, scale)?;
        assert_close(&format!("{b} x {t} x {p}, {heads} of {d}"), &found, &wanted, 5e-6);
    }
    Ok(())
}

#[test]
fn wrong_shapes_are_refused() -> Result<()> {
    let (_, vb) = weights(&[("weight", &[4, 3]), ("bias", &[4])], DType::F32)?;
    let layer = Linear::new(3, 4, true, &vb)?;
    assert!(layer.forward(&random(&[2, 5])?).is_err());
    let plus = random(&[2, 5])?;
    assert!(
        layer.forward_with(&random(&[2, 3])?, Activation::None, Addend::Residual(&plus)).is_err()
    );
    let (q, k) = (random(&[2, 4, 8])?, random(&[3, 4, 8])?);
    assert!(attention(&q, &k, &k, 2, Precision::F32, false).is_err());
    assert!(attention(&q, &q, &q, 3, Precision::F32, false).is_err());
    Ok(())
}
