//! Runs the CUDA kernels on the processor with the launches that a GPU would get, and compares them
//! with candle's own operations. This cannot show their speed or problems that need true
//! simultaneity.

use std::ffi::{CString, c_char, c_int, c_uint, c_void};

use candle_core::{DType, Device, Result, Tensor};
use half::bf16;
use parking_lot::Mutex;

use super::plan::{self, Arg, Attended, Element, Heads, Launch, OverTime, Samples, Taps};
use crate::layer_args::{Activation, Addend, Window};
use crate::noise::{NoiseSource, Stream};
use crate::reference;

unsafe extern "C" {
    fn inbetween_emulate(
        name: *const c_char,
        grid_x: c_uint,
        grid_y: c_uint,
        block: c_uint,
        args: *mut *mut c_void,
    ) -> c_int;
}

/// Both element types, each with a relative error that rounding explains.
const ELEMENTS: [(Element, f64); 2] = [(Element::F32, 5e-6), (Element::Bf16, 1e-2)];

fn run(launches: &[Launch]) {
    // The emulator has one set of threads.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock();
    for launch in launches {
        let mut args: Vec<*mut c_void> = (launch.args.iter())
            .map(|arg| match arg {
                Arg::Pointer(value) => std::ptr::from_ref(value).cast_mut().cast(),
                Arg::Int(value) => std::ptr::from_ref(value).cast_mut().cast(),
                Arg::Long(value) => std::ptr::from_ref(value).cast_mut().cast(),
                Arg::Float(value) => std::ptr::from_ref(value).cast_mut().cast(),
            })
            .collect();
        let name = CString::new(launch.kernel.as_str()).expect("kernels' names have no zeros");
        let [x, y] = launch.grid;
        // SAFETY: the arguments have the types in the kernel's declaration and point to the test's
        // own buffers, which are as large as the shapes among the arguments say.
        let found =
            unsafe { inbetween_emulate(name.as_ptr(), x, y, launch.block, args.as_mut_ptr()) };
        assert_eq!(found, 1, "there is no kernel {}", launch.kernel);
    }
}

/// Elements in the form that a kernel sees.
enum Buffer {
    F32(Vec<f32>),
    Bf16(Vec<bf16>),
}

impl Buffer {
    fn of(x: &Tensor, element: Element) -> Result<Self> {
        let values = x.flatten_all()?.to_vec1::<f32>()?;
        Ok(match element {
            Element::F32 => Self::F32(values),
            Element::Bf16 => Self::Bf16(values.into_iter().map(bf16::from_f32).collect()),
        })
    }

    /// Filled with NaN, so that values which a kernel fails to write are noticed.
    fn empty(len: usize, element: Element) -> Self {
        match element {
            Element::F32 => Self::F32(vec![f32::NAN; len]),
            Element::Bf16 => Self::Bf16(vec![bf16::NAN; len]),
        }
    }

    fn at(&mut self) -> u64 {
        match self {
            Self::F32(values) => values.as_mut_ptr() as u64,
            Self::Bf16(values) => values.as_mut_ptr() as u64,
        }
    }

    fn values(&self) -> Vec<f32> {
        match self {
            Self::F32(values) => values.clone(),
            Self::Bf16(values) => values.iter().map(|value| value.to_f32()).collect(),
        }
    }
}

/// Normally distributed values that both element types hold exactly.
fn random(number: u32, shape: &[usize]) -> Result<Tensor> {
    let x = NoiseSource::new(2).tensor(Stream::Step(number), shape, &Device::Cpu)?;
    x.to_dtype(DType::BF16)?.to_dtype(DType::F32)
}

#[track_caller]
fn assert_close(what: &str, found: &Buffer, wanted: &Tensor, tolerance: f64) {
    let wanted = wanted.flatten_all().and_then(|x| x.to_vec1::<f32>()).expect("f32 values");
    let found = found.values();
    assert_eq!(found.len(), wanted.len(), "{what}");
    let largest = wanted.iter().fold(1e-9f32, |m, v| m.max(v.abs()));
    for (i, (a, b)) in found.iter().zip(&wanted).enumerate() {
        let error = f64::from((a - b).abs() / largest);
        assert!(error <= tolerance, "{what}: {a} instead of {b} at {i}, error {error:.1e}");
    }
}

#[test]
fn group_norms() -> Result<()> {
    for (element, tolerance) in ELEMENTS {
        for (n, rows, c) in [(1, 1, 32), (3, 7, 64), (2, 300, 96), (1, 600, 320)] {
            let size = Samples { n, rows, c };
            // A mean far from zero, where a careless variance would lose its digits.
            let x = (random(1, &[n, rows, c])? + 8.0)?;
            let x = x.to_dtype(DType::BF16)?.to_dtype(DType::F32)?;
            let (weight, bias) = (random(2, &[c])?, random(3, &[c])?);
            for silu in [false, true] {
                let wanted = reference::group_norm(&x, 32, 1e-5, &weight, &bias, silu)?;
                let mut x = Buffer::of(&x, element)?;
                let mut weight = Buffer::of(&weight, Element::F32)?;
                let mut bias = Buffer::of(&bias, Element::F32)?;
                let mut y = Buffer::empty(n * rows * c, element);
                let [mut sums, mut coefficients] =
                    size.group_norm_scratch().map(|len| Buffer::empty(len, Element::F32));
                let at = plan::GroupNorm {
                    x: x.at(),
                    weight: weight.at(),
                    bias: bias.at(),
                    y: y.at(),
                    sums: sums.at(),
                    coefficients: coefficients.at(),
                };
                run(&plan::group_norm(element, &at, size, 32, 1e-5, silu));
                let what = format!("{element:?} {n} x {rows} x {c}, SiLU {silu}");
                assert_close(&what, &y, &wanted, tolerance.max(3e-5));
            }
        }
    }
    Ok(())
}

#[test]
fn layer_norms() -> Result<()> {
    for (element, tolerance) in ELEMENTS {
        for (rows, c) in [(1, 1), (9, 33), (21, 320)] {
            let x = random(4, &[rows, c])?;
            let (weight, bias) = (random(5, &[c])?, random(6, &[c])?);
            let wanted = reference::layer_norm(&x, 1e-5, &weight, &bias)?;
            let mut buffers = [
                Buffer::of(&x, element)?,
                Buffer::of(&weight, Element::F32)?,
                Buffer::of(&bias, Element::F32)?,
                Buffer::empty(rows * c, element),
            ];
            let at = buffers.each_mut().map(Buffer::at);
            run(&plan::layer_norm(element, at, rows, c, 1e-5));
            assert_close(&format!("{element:?} {rows} x {c}"), &buffers[3], &wanted, tolerance);
        }
    }
    Ok(())
}

#[test]
fn ends_of_products() -> Result<()> {
    for (element, tolerance) in ELEMENTS {
        for (frames, each, c) in [(1, 1, 1), (2, 35, 40), (3, 70, 300)] {
            let x = random(7, &[frames, each, c])?;
            let (bias, plus) = (random(8, &[c])?, random(9, &[frames, each, c])?);
            let per_frame = random(10, &[frames, c])?;
            for (number, activation) in
                [Activation::None, Activation::Silu, Activation::Gelu].into_iter().enumerate()
            {
                let biased = x.broadcast_add(&bias)?;
                for (added, share) in [(None, 1), (Some(&plus), 1), (Some(&per_frame), each)] {
                    let kind = match added {
                        None => Addend::Nothing,
                        Some(added) if share == 1 && added.rank() == 3 => Addend::Residual(added),
                        Some(added) => Addend::PerFrame(added),
                    };
                    let wanted = reference::finish(biased.clone(), activation, kind)?;
                    let mut x = Buffer::of(&x, element)?;
                    let mut bias = Buffer::of(&bias, Element::F32)?;
                    let mut added = added.map(|added| Buffer::of(added, element)).transpose()?;
                    let mut y = Buffer::empty(frames * each * c, element);
                    let added = added.as_mut().map_or(0, Buffer::at);
                    let at = [x.at(), bias.at(), added, y.at()];
                    run(&plan::finish(element, at, (frames * each, c), share, number as i32));
                    let what =
                        format!("{element:?} {frames} x {each} x {c} {activation:?} {share}");
                    assert_close(&what, &y, &wanted, tolerance);
                }
            }
        }
    }
    Ok(())
}

#[test]
fn gates() -> Result<()> {
    for (element, tolerance) in ELEMENTS {
        for (rows, c) in [(1, 1), (70, 33), (3, 640)] {
            let (x, bias) = (random(11, &[rows, 2 * c])?, random(12, &[2 * c])?);
            let wanted = reference::gate(&x.broadcast_add(&bias)?)?;
            let mut buffers = [
                Buffer::of(&x, element)?,
                Buffer::of(&bias, Element::F32)?,
                Buffer::empty(rows * c, element),
            ];
            let at = buffers.each_mut().map(Buffer::at);
            run(&plan::gate(element, at, rows, c));
            assert_close(&format!("{element:?} {rows} x {c}"), &buffers[2], &wanted, tolerance);
        }
    }
    Ok(())
}

/// Gathers in two parts, multiplies, and compares the result with the convolution.
fn gathered(
    what: &str,
    x: &Tensor,
    weight: &Tensor,
    rows: usize,
    taps: Taps,
    wanted: &Tensor,
) -> Result<()> {
    let (c_out, c_in) = (weight.dim(0)?, weight.dim(1)?);
    let count = taps.count();
    let weight = weight.reshape((c_out, c_in, count))?.transpose(1, 2)?.contiguous()?;
    let weight = weight.reshape((c_out, count * c_in))?;
    for element in [Element::F32, Element::Bf16] {
        let mut x = Buffer::of(x, element)?;
        let mut values = Vec::new();
        for (first, len) in [(0, rows / 3), (rows / 3, rows - rows / 3)] {
            let mut out = Buffer::empty(len * count * c_in, element);
            let bytes = c_in * element.size();
            run(&plan::unfold([x.at(), out.at()], (first, len), bytes, taps));
            values.extend(out.values());
        }
        let rows = Tensor::from_vec(values, (rows, count * c_in), &Device::Cpu)?;
        let found = rows.matmul(&weight.t()?)?.flatten_all()?.to_vec1()?;
        assert_close(&format!("{element:?} {what}"), &Buffer::F32(found), wanted, 5e-6);
    }
    Ok(())
}

#[test]
fn gathered_rows_make_convolutions() -> Result<()> {
    for window in [Window::SAME, Window::HALVE, Window::HALVE_AFTER, Window::DOUBLE] {
        for (n, h, w, c_in, c_out) in [(1, 3, 2, 1, 2), (2, 5, 7, 6, 3), (1, 6, 4, 16, 2)] {
            let x = random(13, &[n, h, w, c_in])?;
            let weight = random(14, &[c_out, c_in, window.kernel, window.kernel])?;
            let wanted = reference::conv2d(&x, &weight, None, window)?;
            let out = window.output(h, w);
            let taps = Taps::Space {
                size: (h, w),
                out,
                kernel: window.kernel,
                stride: window.stride,
                before: window.before,
                enlarge: window.enlarge,
            };
            let what = format!("{window:?} {n} x {h} x {w} x {c_in}");
            gathered(&what, &x, &weight, n * out.0 * out.1, taps, &wanted)?;
        }
    }
    for (b, t, pixels, c) in [(1, 1, 1, 1), (2, 3, 5, 7), (1, 5, 4, 16)] {
        let x = random(15, &[b, t, pixels, c])?;
        let weight = random(16, &[3, c, 3, 1, 1])?;
        let wanted = reference::temporal_conv(&x, &weight, None)?;
        let what = format!("{b} x {t} x {pixels} x {c}");
        gathered(&what, &x, &weight, b * t * pixels, Taps::Time { t, pixels }, &wanted)?;
    }
    Ok(())
}

/// A buffer whose first value is aligned to 16 bytes, as on the GPU.
struct Aligned {
    buffer: Buffer,
    skip: usize,
}

impl Aligned {
    fn of(x: &Tensor, element: Element) -> Result<Self> {
        let values = x.flatten_all()?.to_vec1::<f32>()?;
        let padded = Tensor::from_vec(values, x.elem_count(), &Device::Cpu)?;
        let mut buffer = Buffer::of(&padded.pad_with_zeros(0, 0, 8)?, element)?;
        let skip = (buffer.at().next_multiple_of(16) - buffer.at()) as usize / element.size();
        match &mut buffer {
            Buffer::F32(values) => values.rotate_right(skip),
            Buffer::Bf16(values) => values.rotate_right(skip),
        }
        Ok(Self { buffer, skip })
    }

    fn at(&mut self, from: usize, element: Element) -> u64 {
        self.buffer.at() + ((self.skip + from) * element.size()) as u64
    }
}

#[test]
fn attentions() -> Result<()> {
    for (element, tolerance) in ELEMENTS {
        for (kv_batch, repeat, n, m, heads, d, causal) in [
            (1, 1, 1, 1, 1, 1, false),
            (2, 2, 45, 77, 3, 5, false),
            (2, 1, 70, 130, 2, 64, false),
            (1, 3, 33, 200, 2, 64, false),
            (1, 1, 77, 77, 2, 64, true),
            (1, 2, 77, 77, 2, 24, true),
            (1, 1, 20, 70, 1, 80, false),
            (1, 1, 65, 40, 1, 512, false),
        ] {
            let what = format!("{element:?} {kv_batch} x {repeat}, {heads} of {d}, {n} x {m}");
            let inner = heads * d;
            // Rows are spaced apart, as in a fused projection.
            let qkv = random(17, &[kv_batch * repeat, n, 3 * inner])?;
            let kv = random(18, &[kv_batch, m, 2 * inner])?;
            let q = qkv.narrow(2, inner, inner)?.contiguous()?;
            let (k, v) = (kv.narrow(2, 0, inner)?, kv.narrow(2, inner, inner)?);
            let scale = 1.0 / (d as f64).sqrt();
            let (k, v) = (k.contiguous()?, v.contiguous()?);
            let wanted = reference::attention(&q, &k, &v, heads, scale, causal)?;
            let (mut qkv, mut kv) = (Aligned::of(&qkv, element)?, Aligned::of(&kv, element)?);
            let mut y = Buffer::empty(wanted.elem_count(), element);
            let at = Attended {
                q: (qkv.at(inner, element), 3 * inner),
                k: (kv.at(0, element), 2 * inner),
                v: (kv.at(inner, element), 2 * inner),
                y: y.at(),
            };
            let size = Heads { heads, d, n, m, kv_batch, repeat, scale: scale as f32, causal };
            let launches = plan::attention(element, &at, &size);
            let tensor_cores = element == Element::Bf16 && d == 64;
            assert_eq!(launches[0].kernel.contains("tensor"), tensor_cores, "{what}");
            run(&launches);
            assert_close(&what, &y, &wanted, tolerance);
        }
    }
    Ok(())
}

#[test]
fn attention_survives_large_scores() -> Result<()> {
    for (element, tolerance) in ELEMENTS {
        let x = (random(19, &[1, 90, 64])? * 64.0)?;
        let wanted = reference::attention(&x, &x, &x, 1, 0.125, false)?;
        let mut x = Aligned::of(&x, element)?;
        let mut y = Buffer::empty(wanted.elem_count(), element);
        let row = (x.at(0, element), 64);
        let at = Attended { q: row, k: row, v: row, y: y.at() };
        let size = Heads {
            heads: 1,
            d: 64,
            n: 90,
            m: 90,
            kv_batch: 1,
            repeat: 1,
            scale: 0.125,
            causal: false,
        };
        run(&plan::attention(element, &at, &size));
        assert_close(&format!("{element:?}"), &y, &wanted, tolerance);
    }
    Ok(())
}

#[test]
fn attentions_over_time() -> Result<()> {
    for (element, tolerance) in ELEMENTS {
        for (batches, t, pixels, heads, d) in
            [(1, 1, 1, 1, 1), (2, 5, 7, 3, 5), (1, 16, 6, 2, 64), (1, 32, 3, 1, 20)]
        {
            let inner = heads * d;
            let qkv = random(20, &[batches, t, pixels, 3 * inner])?;
            let part = |i: usize| qkv.narrow(3, i * inner, inner)?.contiguous();
            let scale = 1.0 / (d as f64).sqrt();
            let wanted =
                reference::attention_over_time(&part(0)?, &part(1)?, &part(2)?, heads, scale)?;
            let mut qkv = Aligned::of(&qkv, element)?;
            let mut y = Buffer::empty(wanted.elem_count(), element);
            let mut row = |i: usize| (qkv.at(i * inner, element), 3 * inner);
            let at = Attended { q: row(0), k: row(1), v: row(2), y: y.at() };
            let size = OverTime { batches, t, pixels, heads, d, scale: scale as f32 };
            assert!(size.fits());
            run(&plan::attention_over_time(element, &at, &size));
            let what = format!("{element:?} {batches} x {t} x {pixels}, {heads} of {d}");
            assert_close(&what, &y, &wanted, tolerance);
        }
    }
    Ok(())
}
