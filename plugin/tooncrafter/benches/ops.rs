//! Speed of the operations at the sizes of the released model.
//!
//! `cargo bench -p inbetween-tooncrafter --bench ops -- [--device cpu|cuda] [NAME..]` prints the
//! best of several runs for each operation and precision: processor milliseconds (over all
//! threads), wall milliseconds, GFLOP/s per core, and the ratio of its processor time to that of a
//! plain matrix product (the gemm crate, f32) with the same FLOP, timed in the same process.
//! Processor time is what matters on a machine that others use too; where it cannot be measured,
//! wall time stands in.

mod common;

use std::collections::HashMap;
use std::time::Instant;

use candle_core::{DType, Result, Tensor};
use candle_nn::VarBuilder;
use common::{choose_device, device, processor_seconds, random, settle};
use inbetween_tooncrafter::kept_memory::keep;
use inbetween_tooncrafter::ops::{
    Activation, Addend, Conv2d, GroupNorm, LayerNorm, Linear, Precision, TemporalConv, Window,
    attention, attention_over_time, bf16_products,
};

/// Random weights of these names and shapes.
fn weights(shapes: &[(&str, &[usize])], dtype: DType) -> Result<VarBuilder<'static>> {
    let mut tensors = HashMap::new();
    for (name, shape) in shapes {
        tensors.insert((*name).to_owned(), random(shape)?);
    }
    Ok(VarBuilder::from_tensors(tensors, dtype, device()))
}

/// Processor and wall seconds of the fastest run, out of at least three runs and about a second in
/// all.
fn best<T>(mut run: impl FnMut() -> Result<T>) -> Result<(f64, f64)> {
    let (started, mut best, mut runs) = (Instant::now(), (f64::INFINITY, f64::INFINITY), 0);
    while runs < 3 || started.elapsed().as_secs_f64() < 1.0 {
        let (start, cpu) = (Instant::now(), processor_seconds());
        run()?;
        settle()?;
        best.0 = (processor_seconds() - cpu).min(best.0);
        best.1 = start.elapsed().as_secs_f64().min(best.1);
        runs += 1;
    }
    Ok(best)
}

/// The seconds that count: of all threads on the CPU, on the clock for a GPU.
fn counted((processor, wall): (f64, f64)) -> f64 {
    if device().is_cpu() { processor } else { wall }
}

/// GFLOP/s of a plain f32 product on the device: per core on the gemm crate, or of candle's on a GPU.
fn plain_product() -> Result<f64> {
    if device().is_cpu() {
        return plain_gemm();
    }
    let (a, b) = (random(&[2560, 1280])?, random(&[1280, 2560])?);
    let seconds = counted(best(|| a.matmul(&b))?);
    Ok(2.0 * (2560.0 * 1280.0 * 2560.0) / seconds / 1e9)
}

/// GFLOP/s per core of a plain product with the gemm crate.
fn plain_gemm() -> Result<f64> {
    let (m, k, n) = (2560, 1280, 2560);
    let (a, b, mut c) = (vec![0.5f32; m * k], vec![0.25f32; k * n], vec![0.0f32; m * n]);
    let (seconds, _) = best(|| {
        // SAFETY: row-major matrices of exactly these sizes, none of which overlap.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                c.as_mut_ptr(),
                1,
                n as isize,
                false,
                a.as_ptr(),
                1,
                k as isize,
                b.as_ptr(),
                1,
                n as isize,
                0.0,
                1.0,
                false,
                false,
                false,
                gemm::Parallelism::Rayon(0),
            );
        }
        Ok(())
    })?;
    assert!((c[0] - 0.125 * k as f32).abs() < 1e-2, "the plain product is right");
    Ok(2.0 * (m * n * k) as f64 / seconds / 1e9)
}

impl Bench {
    /// An operation beside `limit`, the seconds that it cannot fall below.
    fn isolated(
        &self,
        name: &str,
        bytes: f64,
        limit: f64,
        run: impl FnMut() -> Result<Tensor>,
    ) -> Result<()> {
        if !self.wants(name) {
            return Ok(());
        }
        let seconds = counted(best(run)?);
        let (ms, speed, ratio) = (seconds * 1e3, bytes / seconds / 1e9, seconds / limit);
        println!("{name:44} {ms:8.1} ms {speed:8.1} GB/s {ratio:6.2} x limit");
        Ok(())
    }

    fn wants(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|wanted| name.contains(wanted))
    }
}

struct Bench {
    names: Vec<String>,
    plain: f64,
}

impl Bench {
    /// `flop` is the count for one run; 0 for operations that move data rather than compute.
    fn run(
        &self,
        name: &str,
        flop: f64,
        bytes: f64,
        run: impl FnMut() -> Result<Tensor>,
    ) -> Result<()> {
        if !self.wants(name) {
            return Ok(());
        }
        let (processor, wall) = best(run)?;
        let seconds = counted((processor, wall));
        let (ms, wall) = (processor * 1e3, wall * 1e3);
        if flop > 0.0 {
            let speed = flop / seconds / 1e9;
            let ratio = self.plain / speed;
            println!("{name:44} {ms:8.1} {wall:8.1} ms {speed:8.1} GFLOP/s {ratio:6.2} x plain");
        } else {
            println!("{name:44} {ms:8.1} {wall:8.1} ms {:8.1} GB/s", bytes / seconds / 1e9);
        }
        Ok(())
    }
}

fn main() -> Result<()> {
    let mut names = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--device" => choose_device(&args.next().unwrap_or_default())?,
            name if !name.starts_with('-') => names.push(name.to_owned()),
            _ => {}
        }
    }
    let _keeping = keep();
    let bench = Bench { names, plain: plain_product()? };
    println!(
        "{} threads, plain f32 product {:.1} GFLOP/s, bf16 by {:?}; processor and wall time:",
        rayon::current_num_threads(),
        bench.plain,
        bf16_products()
    );
    for (dtype, precision, label) in
        [(DType::F32, Precision::F32, "f32"), (DType::BF16, Precision::Bf16, "bf16")]
    {
        products(&bench, dtype, label)?;
        attentions(&bench, precision, label)?;
    }
    memory_bound(&bench)
}

fn products(bench: &Bench, dtype: DType, label: &str) -> Result<()> {
    for (rows, inputs, outputs) in [(40960, 320, 320), (2560, 1280, 1280), (2560, 5120, 1280)] {
        let vb = weights(&[("weight", &[outputs, inputs]), ("bias", &[outputs])], dtype)?;
        let layer = Linear::new(inputs, outputs, true, &vb)?;
        let x = random(&[rows, inputs])?;
        let flop = 2.0 * (rows * inputs * outputs) as f64;
        let name = format!("{label} linear {rows} x {inputs} -> {outputs}");
        bench.run(&name, flop, 0.0, || layer.forward(&x))?;
    }
    let vb = weights(&[("weight", &[2560, 320]), ("bias", &[2560])], dtype)?;
    let layer = Linear::gated(320, 1280, &vb)?;
    let x = random(&[40960, 320])?;
    let name = format!("{label} GEGLU 40960 x 320 -> 1280");
    bench.run(&name, 2.0 * 40960.0 * 320.0 * 2560.0, 0.0, || layer.forward(&x))?;

    for (n, h, w, c_in, c_out) in [
        (16, 40, 64, 320, 320),
        (16, 20, 32, 640, 640),
        (16, 10, 16, 1280, 1280),
        (16, 5, 8, 1280, 1280),
        (1, 320, 512, 128, 128),
        (1, 320, 512, 128, 3),
        (16, 40, 64, 320, 4),
        (16, 40, 64, 8, 320),
        (2, 320, 512, 3, 128),
    ] {
        let vb = weights(&[("weight", &[c_out, c_in, 3, 3]), ("bias", &[c_out])], dtype)?;
        let conv = Conv2d::new(c_in, c_out, Window::SAME, &vb)?;
        let x = random(&[n, h, w, c_in])?;
        let flop = 18.0 * (n * h * w * c_in * c_out) as f64;
        let name = format!("{label} conv 3x3 {n} x {h} x {w}, {c_in} -> {c_out}");
        bench.run(&name, flop, 0.0, || conv.forward(&x))?;
    }
    for (t, p, c) in [(16, 2560, 320), (16, 160, 1280)] {
        let vb = weights(&[("weight", &[c, c, 3, 1, 1]), ("bias", &[c])], dtype)?;
        let conv = TemporalConv::new(c, c, 1.0, &vb)?;
        let x = random(&[1, t, p, c])?;
        let name = format!("{label} conv over time {t} x {p}, {c}");
        bench
            .run(&name, 6.0 * (t * p * c * c) as f64, 0.0, || conv.forward(&x, Addend::Nothing))?;
    }
    Ok(())
}

fn attentions(bench: &Bench, precision: Precision, label: &str) -> Result<()> {
    for (b, kv, n, m, heads, d) in [
        (4, 4, 2560, 2560, 5, 64),
        (4, 4, 640, 640, 10, 64),
        (16, 1, 2560, 77, 5, 64),
        (1, 1, 2560, 20480, 8, 64),
        (2, 2, 2560, 2560, 1, 512),
    ] {
        let q = random(&[b, n, heads * d])?;
        let (k, v) = (random(&[kv, m, heads * d])?, random(&[kv, m, heads * d])?);
        let flop = 4.0 * (b * heads * n * m * d) as f64;
        let name = format!("{label} attention {b} x {heads} heads of {d}, {n} x {m}");
        bench.run(&name, flop, 0.0, || attention(&q, &k, &v, heads, precision, false))?;
    }
    Ok(())
}

/// Operations that move data, each beside one pass of candle's over as much. On a GPU that is the limit; on the CPU candle
/// takes one thread, so a ratio below 1 is possible.
fn memory_bound(bench: &Bench) -> Result<()> {
    let (t, p, c) = (16, 2560, 320);
    let x = random(&[t, p, c])?;
    let bytes = 8.0 * (t * p * c) as f64;
    let vb = weights(&[("weight", &[c]), ("bias", &[c])], DType::F32)?;
    let copy = counted(best(|| x.affine(1.0, 0.0))?);
    println!(
        "{:44} {:8.1} ms {:8.1} GB/s",
        "isolated: read and write once",
        copy * 1e3,
        bytes / copy / 1e9
    );
    for silu in [false, true] {
        let norm = GroupNorm::new(c, 1e-5, silu, &vb)?;
        let name = format!("f32 group norm{} {t} x {p}, {c}", if silu { " + SiLU" } else { "" });
        bench.isolated(&name, bytes, copy, || norm.forward(&x))?;
    }
    let norm = LayerNorm::new(c, &vb)?;
    bench.isolated(&format!("f32 layer norm {t} x {p}, {c}"), bytes, copy, || norm.forward(&x))?;
    // Heads of 8 channels: nearly all of the time is softmax. Its limit is one exponential for each score.
    let (heads, n) = (40, 640);
    let scores = random(&[heads, n, n])?;
    let exp = counted(best(|| scores.exp())?);
    let q = random(&[1, n, heads * 8])?;
    bench.isolated("f32 softmax 40 x 640 x 640", 8.0 * (heads * n * n) as f64, exp, || {
        attention(&q, &q, &q, heads, Precision::F32, false)
    })?;
    let qkv = random(&[1, t, p, 3 * c])?;
    let part = |i: usize| qkv.narrow(3, i * c, c);
    let (q, k, v) = (part(0)?, part(1)?, part(2)?);
    let flop = 4.0 * (p * t * t * c) as f64;
    bench.run(&format!("f32 attention over time {t} x {p}, 5 heads"), flop, 0.0, || {
        attention_over_time(&q, &k, &v, 5)
    })?;
    let gate =
        Linear::new(c, c, true, &weights(&[("weight", &[c, c]), ("bias", &[c])], DType::F32)?)?;
    bench.run(&format!("f32 linear + GELU {}", t * p), 2.0 * (t * p * c * c) as f64, 0.0, || {
        gate.forward_with(&x, Activation::Gelu, Addend::Nothing)
    })
}
