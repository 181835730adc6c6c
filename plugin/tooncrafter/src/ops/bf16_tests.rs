//! Compares every way to multiply bf16 with plain products summed in f32: the emulated tile unit,
//! the processor's own instructions if it has them, and widened weights.

use candle_core::{DType, Device, Result, Tensor};

use super::Precision;
use super::attention::{attention_on, rounded_where_asked};
use super::bf16_products::{Bf16Products, bf16_products};
use super::buffer::{self, Unwritten};
use super::epilogue::Epilogue;
use super::igemm::igemm_on;
use super::pack::{Columns, Packed};
use super::tests::{assert_close, random};
use crate::reference;

/// The ways that work on this processor.
fn ways() -> Vec<Bf16Products> {
    let mut ways = vec![Bf16Products::Emulated, Bf16Products::Widened];
    if bf16_products() != Bf16Products::Widened {
        ways.push(bf16_products());
    }
    ways
}

/// Whole numbers from -8 to 8. bf16 holds them exactly, and every sum of their products here is
/// exact in f32.
fn whole_numbers(shape: &[usize]) -> Result<Tensor> {
    (random(shape)? * 3.0)?.round()?.clamp(-8f32, 8f32)
}

fn values(x: &Tensor) -> Result<Vec<f32>> {
    x.flatten_all()?.to_vec1()
}

fn rounded(x: &Tensor) -> Result<Tensor> {
    x.to_dtype(DType::BF16)?.to_dtype(DType::F32)
}

/// `x w^T` by `way`, with the factors as given.
fn product(x: &Tensor, weight: &Tensor, way: Bf16Products) -> Result<Tensor> {
    let ((rows, inputs), outputs) = (x.dims2()?, weight.dim(0)?);
    let shape = (outputs, inputs, 1);
    let packed = Packed::new(&values(weight)?, shape, Columns::Plain, Precision::Bf16);
    let halved = outputs.next_multiple_of(32) * inputs.next_multiple_of(32) * 2;
    assert_eq!(packed.byte_len(), halved, "weights stay halved in memory");
    let x = values(x)?;
    let row = |m: usize| {
        let row = &x[m * inputs..][..inputs];
        move |_| row
    };
    let write = |out: &mut Unwritten| igemm_on(row, rows, &packed, &Epilogue::default(), out, way);
    // SAFETY: the product writes all rows.
    let out = unsafe { buffer::written(rows * outputs, write) };
    Tensor::from_vec(out, (rows, outputs), &Device::Cpu)
}

const SIZES: [(usize, usize, usize); 5] =
    [(1, 1, 1), (7, 5, 3), (15, 33, 45), (45, 2100, 70), (400, 64, 33)];

#[test]
fn products_of_whole_numbers_are_exact() -> Result<()> {
    for way in ways() {
        for (rows, inputs, outputs) in SIZES {
            let x = whole_numbers(&[rows, inputs])?;
            let weight = whole_numbers(&[outputs, inputs])?;
            let found = product(&x, &weight, way)?;
            let wanted = x.matmul(&weight.t()?)?;
            let what = format!("{way:?}, {rows} x {inputs} -> {outputs}");
            assert!(values(&found)? == values(&wanted)?, "{what}");
        }
    }
    Ok(())
}

#[test]
fn products_are_those_of_rounded_factors() -> Result<()> {
    for way in ways() {
        for (rows, inputs, outputs) in SIZES {
            let (x, weight) = (random(&[rows, inputs])?, random(&[outputs, inputs])?);
            let found = product(&x, &weight, way)?;
            // Widened weights are multiplied by unrounded activations.
            let x = if way == Bf16Products::Widened { x } else { rounded(&x)? };
            let wanted = x.matmul(&rounded(&weight)?.t()?)?;
            assert_close(&format!("{way:?} {rows} x {inputs}"), &found, &wanted, 5e-6);
        }
    }
    Ok(())
}

#[test]
fn attention_takes_the_value_of_the_one_key_that_matches() -> Result<()> {
    let (n, heads, d) = (77, 2, 40);
    // Each key `j` has its own pair of channels, which gives it a score far above all others.
    let code = |j: usize| -> Vec<f32> {
        let mut code = vec![0.0; d];
        code[j % d] = 64.0;
        code[(j + 1 + j / d) % d] = 64.0;
        code
    };
    let keys: Vec<f32> = (0..n).flat_map(|j| [code(j), code((j * 5) % n)].concat()).collect();
    let keys = Tensor::from_vec(keys, (1, n, heads * d), &Device::Cpu)?;
    let kept = whole_numbers(&[1, n, heads * d])?;
    for way in ways() {
        let found = attention_on(&keys, &keys, &kept, heads, Some(way), false)?;
        // The weight of the other keys is below the last bit of any value except 0.
        assert_close(&format!("{way:?}"), &found, &kept, 1e-25);
    }
    Ok(())
}

#[test]
fn attention_to_equal_keys_is_the_mean_of_their_values() -> Result<()> {
    // The number of keys is a power of two and fills more than one tile, so the mean of whole
    // numbers is exact.
    let (n, m, heads, d) = (19, 512, 2, 33);
    let q = random(&[1, n, heads * d])?;
    let k = Tensor::zeros((1, m, heads * d), DType::F32, &Device::Cpu)?;
    let v = whole_numbers(&[1, m, heads * d])?;
    let mean = v.mean_keepdim(1)?.broadcast_as((1, n, heads * d))?.contiguous()?;
    for way in ways() {
        let found = attention_on(&q, &k, &v, heads, Some(way), false)?;
        assert!(values(&found)? == values(&mean)?, "{way:?}");
    }
    Ok(())
}

#[test]
fn attention_is_that_of_rounded_factors() -> Result<()> {
    for way in ways() {
        for (b, kv, n, m, heads, d, causal) in [
            (2, 2, 45, 77, 3, 5, false),
            (6, 1, 130, 513, 1, 80, false),
            (1, 1, 300, 300, 1, 8, true),
        ] {
            let q = random(&[b, n, heads * d])?;
            let (k, v) = (random(&[kv, m, heads * d])?, random(&[kv, m, heads * d])?);
            let found = attention_on(&q, &k, &v, heads, Some(way), causal)?;
            let scale = 1.0 / (d as f64).sqrt();
            let (q, k, v) = match way {
                Bf16Products::Widened => (q, k, v),
                _ => (rounded(&q)?, rounded(&k)?, rounded(&v)?),
            };
            let wanted = reference::attention(&q, &k, &v, heads, scale, causal)?;
            // Each weight is rounded to 8 bits, as the factors are.
            assert_close(&format!("{way:?} {n} x {m}"), &found, &wanted, 4e-3);
        }
    }
    Ok(())
}

#[test]
fn what_the_processor_says_it_has_is_used() {
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let has = |flag: &str| flags.split_whitespace().any(|word| word == flag);
    match bf16_products() {
        Bf16Products::Tiles => assert!(has("amx_bf16")),
        Bf16Products::DotProducts => assert!(has("avx512_bf16")),
        // A processor may report the instructions although the system does not let us use the
        // registers.
        _ => {
            assert!(!(has("avx512_bf16") && has("avx512bw") && has("avx512dq") && has("avx512vl")))
        }
    }
    assert_eq!(rounded_where_asked(Precision::F32), None);
    assert_eq!(rounded_where_asked(Precision::Bf16), Some(bf16_products()));
}
