//! Layers that consist of one product: linear layers, convolutions in space, convolutions in time.
//!
//! Everything is channels-last. On the CPU, the weights are packed when a layer is created; for
//! other devices see [`on_device`](super::on_device).

use std::sync::Arc;

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, DType, Device, Layout, Result, Shape, Tensor, bail,
};
use candle_nn::VarBuilder;

use super::buffer::{self, Unwritten};
use super::epilogue::Epilogue;
use super::igemm::igemm;
use super::on_device::DeviceWeights;
use super::pack::{Columns, Packed};
use super::{cpu_values, narrow, winograd};
use crate::layer_args::{Activation, Addend, Window};

/// Largest number of channels whose taps are gathered.
const FEW_INPUTS: usize = 8;
/// Largest number of outputs whose taps are summed after the product.
const FEW_OUTPUTS: usize = 4;
/// Taps of the convolutions for which that is done.
const TAPS: usize = 9;

/// How the taps of a layer enter its product.
#[derive(Clone, Copy, Debug)]
enum Taps {
    /// Each as a row of its own.
    Apart,
    /// All in one row, of this number of channels each.
    Gathered(usize),
    /// Each as columns of its own, this number of outputs each.
    Summed(usize),
}

/// Weights of a product, in the form that its device needs.
#[derive(Debug)]
enum Weights {
    Packed { packed: Packed, bias: Option<Vec<f32>>, taps: Taps },
    OnDevice(DeviceWeights),
}

/// Where the row for an output position and tap lies.
#[derive(Clone, Copy, Debug)]
enum Rows {
    /// Row `m` is input row `m`.
    Dense,
    Space(Window),
    /// Three frames around the row's own; `t` frames of `pixels` rows each.
    Time {
        t: usize,
        pixels: usize,
    },
}

struct ProductOp {
    weights: Arc<Weights>,
    rows: Rows,
    activation: Activation,
    shape: Shape,
    /// Number of rows of the result that share one row of the second input; 0 means that it is a
    /// residual.
    frame_rows: usize,
}

impl ProductOp {
    fn run(&self, x: &[f32], plus: Option<&[f32]>) -> Result<(CpuStorage, Shape)> {
        let Weights::Packed { packed, bias, taps } = &*self.weights else {
            bail!("the weights of this layer live on another device than its input")
        };
        let end = Epilogue {
            bias: bias.as_deref(),
            activation: self.activation,
            residual: plus.filter(|_| self.frame_rows == 0),
            per_frame: plus.filter(|_| self.frame_rows > 0).map(|plus| (plus, self.frame_rows)),
        };
        let write = |out: &mut Unwritten| self.multiply(x, packed, *taps, &end, out);
        // SAFETY: every product stores all rows of all panels.
        let out = unsafe { buffer::written(self.shape.elem_count(), write) };
        Ok((CpuStorage::F32(out), self.shape.clone()))
    }

    fn multiply(
        &self,
        x: &[f32],
        packed: &Packed,
        taps: Taps,
        end: &Epilogue,
        out: &mut Unwritten,
    ) {
        let (width, outputs) = match taps {
            Taps::Apart => (packed.width, packed.outputs()),
            Taps::Gathered(width) => (width, packed.outputs()),
            Taps::Summed(outputs) => (packed.width, outputs),
        };
        let count = out.len() / outputs;
        if count == 0 {
            return;
        }
        let zeros = vec![0.0f32; width];
        let zeros = zeros.as_slice();
        let pick = move |index: Option<usize>| match index {
            Some(index) => &x[index * width..][..width],
            None => zeros,
        };
        match self.rows {
            Rows::Dense => igemm(|m| move |_| pick(Some(m)), count, packed, end, out),
            Rows::Space(window) if winograd::suits_space(window, packed) => {
                let (h, w) = window.size;
                let frames = x.len() / (h * w * width);
                winograd::conv3x3(x, frames, window, packed, end, out);
            }
            Rows::Space(window) => {
                let (out_h, out_w) = window.output(window.size.0, window.size.1);
                let place = |m: usize| {
                    let (n, y, x) = (m / (out_h * out_w), m / out_w % out_h, m % out_w);
                    let y = (y * window.stride).wrapping_sub(window.before);
                    let x = (x * window.stride).wrapping_sub(window.before);
                    move |tap: usize| {
                        // The side of the kernel is 1 or 3, and 0 / 3 is 0 as well.
                        window.input_row(n, y.wrapping_add(tap / 3), x.wrapping_add(tap % 3))
                    }
                };
                let row = |m: usize| {
                    let place = place(m);
                    move |tap: usize| pick(place(tap))
                };
                match taps {
                    Taps::Apart => igemm(row, count, packed, end, out),
                    Taps::Gathered(width) => {
                        let x = narrow::gather(row, count, TAPS, width);
                        let row = |m: usize| {
                            let x = &x[m * TAPS * width..][..TAPS * width];
                            move |_| x
                        };
                        igemm(row, count, packed, end, out)
                    }
                    Taps::Summed(outputs) => {
                        let inputs = x.len() / width;
                        let multiply = |parts: &mut Unwritten| {
                            let dense = |m| move |_| pick(Some(m));
                            igemm(dense, inputs, packed, &Epilogue::default(), parts);
                        };
                        // SAFETY: every product stores all rows of all panels.
                        let parts = unsafe { buffer::written(inputs * TAPS * outputs, multiply) };
                        narrow::sum_taps(place, &parts, (TAPS, outputs), end, out)
                    }
                }
            }
            Rows::Time { t, pixels } if winograd::suits_time(t, packed) => {
                winograd::conv_over_time(x, (t, pixels), packed, end, out);
            }
            Rows::Time { t, pixels } => {
                let row = |m: usize| {
                    let frame = m / pixels % t;
                    move |tap: usize| {
                        let frame = (frame + tap).wrapping_sub(1);
                        pick((frame < t).then(|| m + tap * pixels - pixels))
                    }
                };
                igemm(row, count, packed, end, out)
            }
        }
    }
}

impl CustomOp1 for ProductOp {
    fn name(&self) -> &'static str {
        "product"
    }
    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        self.run(cpu_values(x, layout)?, None)
    }
}

impl CustomOp2 for ProductOp {
    fn name(&self) -> &'static str {
        "product-plus"
    }
    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        plus: &CpuStorage,
        plus_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.run(cpu_values(x, x_layout)?, Some(cpu_values(plus, plus_layout)?))
    }
}

/// Reads `shape` values under `name` as f32, whatever type the file holds.
pub(crate) fn load(vb: &VarBuilder, shape: impl Into<Shape>, name: &str) -> Result<Tensor> {
    vb.get_with_hints_dtype(shape, name, candle_nn::Init::Const(0.0), DType::F32)
}

fn build(
    vb: &VarBuilder,
    weight: &Tensor,
    (channels, width, taps): (usize, usize, usize),
    bias: Option<Tensor>,
    columns: Columns,
) -> Result<Arc<Weights>> {
    let weights = if matches!(vb.device(), Device::Cpu) {
        let precision = super::precision(vb);
        // A step of a few channels costs as much as a full one, and so does a panel of a few columns.
        let form = match (taps, width, channels) {
            (TAPS, ..=FEW_INPUTS, _) => Taps::Gathered(width),
            (TAPS, _, ..=FEW_OUTPUTS) => Taps::Summed(channels),
            _ => Taps::Apart,
        };
        let by_tap = || weight.reshape((channels, width, taps));
        let (weight, shape) = match form {
            Taps::Apart => (weight.clone(), (channels, width, taps)),
            Taps::Gathered(_) => (by_tap()?.transpose(1, 2)?, (channels, taps * width, 1)),
            Taps::Summed(_) => (by_tap()?.permute((2, 0, 1))?, (taps * channels, width, 1)),
        };
        let values = weight.flatten_all()?.to_vec1::<f32>()?;
        let packed = Packed::new(&values, shape, columns, precision);
        let bias = bias.map(|bias| bias.flatten_all()?.to_vec1::<f32>()).transpose()?;
        Weights::Packed { packed, bias, taps: form }
    } else {
        Weights::OnDevice(DeviceWeights::new(weight, bias, (channels, width, taps), vb)?)
    };
    Ok(Arc::new(weights))
}

fn apply(op: ProductOp, x: &Tensor, plus: Addend) -> Result<Tensor> {
    let x = x.contiguous()?;
    match plus {
        Addend::Nothing => x.apply_op1_no_bwd(&op),
        Addend::Residual(other) => {
            if other.shape() != &op.shape {
                bail!("a residual of shape {:?} meets a product of {:?}", other.shape(), op.shape)
            }
            x.apply_op2_no_bwd(&other.contiguous()?, &op)
        }
        Addend::PerFrame(other) => {
            let dims = op.shape.dims();
            if other.dims() != [dims[0], dims[dims.len() - 1]] {
                bail!("frame vectors of shape {:?} meet a product of {dims:?}", other.shape())
            }
            let frame_rows = dims[1..dims.len() - 1].iter().product();
            x.apply_op2_no_bwd(&other.contiguous()?, &ProductOp { frame_rows, ..op })
        }
    }
}

/// `y = x W^T + b` over the last axis.
#[derive(Clone, Debug)]
pub struct Linear {
    weights: Arc<Weights>,
    inputs: usize,
    outputs: usize,
    gated: bool,
}

impl Linear {
    /// Weight `(outputs, inputs)` under `weight`, and `bias` if there is one.
    ///
    /// # Errors
    /// When a weight is missing under `vb` or has another shape.
    pub fn new(inputs: usize, outputs: usize, bias: bool, vb: &VarBuilder) -> Result<Self> {
        Self::pointwise(inputs, outputs, bias, 0, vb)
    }

    /// Like [`Linear::new`], for a weight that ends in `ones` axes of length 1: a convolution with
    /// a kernel of size 1.
    ///
    /// # Errors
    /// When a weight is missing under `vb` or has another shape.
    pub fn pointwise(
        inputs: usize,
        outputs: usize,
        bias: bool,
        ones: usize,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let mut shape = vec![outputs, inputs];
        shape.resize(2 + ones, 1);
        let weight = load(vb, shape, "weight")?.reshape((outputs, inputs))?;
        let bias = if bias { Some(load(vb, outputs, "bias")?) } else { None };
        Self::from_tensors(&weight, bias, Columns::Plain, vb)
    }

    /// A weight and bias given as tensors; `vb` gives the device and the precision.
    pub(crate) fn from_tensors(
        weight: &Tensor,
        bias: Option<Tensor>,
        columns: Columns,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let (rows, inputs) = weight.dims2()?;
        let gated = columns == Columns::Gated;
        if gated && rows % 2 != 0 {
            bail!("a gated layer needs an even number of rows, found {rows}")
        }
        let outputs = if gated { rows / 2 } else { rows };
        let weights = build(vb, weight, (rows, inputs, 1), bias, columns)?;
        Ok(Self { weights, inputs, outputs, gated })
    }

    /// GEGLU: weight `(2 * outputs, inputs)`; the result is the first half times GELU of the
    /// second.
    ///
    /// # Errors
    /// When a weight is missing under `vb` or has another shape.
    pub fn gated(inputs: usize, outputs: usize, vb: &VarBuilder) -> Result<Self> {
        let weight = load(vb, (2 * outputs, inputs), "weight")?;
        let bias = load(vb, 2 * outputs, "bias")?;
        Self::from_tensors(&weight, Some(bias), Columns::Gated, vb)
    }

    /// Several layers on the same input, computed as one: their results follow each other on the
    /// last axis. No bias.
    ///
    /// # Errors
    /// When a weight of one of the layers is missing or has another shape.
    pub fn stacked(inputs: usize, parts: &[(&str, usize)], vb: &VarBuilder) -> Result<Self> {
        let weights: Vec<Tensor> = parts
            .iter()
            .map(|&(name, outputs)| load(&vb.pp(name), (outputs, inputs), "weight"))
            .collect::<Result<_>>()?;
        Self::from_tensors(&Tensor::cat(&weights, 0)?, None, Columns::Plain, vb)
    }

    /// `x: [.., inputs]` → `[.., outputs]`
    ///
    /// # Errors
    /// As [`Linear::forward_with`].
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_with(x, Activation::None, Addend::Nothing)
    }

    /// Like [`Linear::forward`], then `activation`, then `plus`.
    ///
    /// # Errors
    /// When the rows of `x` are not `inputs` wide, when `plus` has another shape than the result, or when the
    /// device fails.
    pub fn forward_with(&self, x: &Tensor, activation: Activation, plus: Addend) -> Result<Tensor> {
        let mut dims = x.dims().to_vec();
        match dims.last_mut() {
            Some(last) if *last == self.inputs => *last = self.outputs,
            _ => bail!("a layer of {} inputs was given {:?}", self.inputs, x.shape()),
        }
        if let Weights::OnDevice(weights) = &*self.weights {
            return weights.linear(x, &dims, self.gated, activation, plus);
        }
        let op = ProductOp {
            weights: self.weights.clone(),
            rows: Rows::Dense,
            activation,
            shape: dims.into(),
            frame_rows: 0,
        };
        apply(op, x, plus)
    }
}

/// Convolution in space on channels-last frames.
#[derive(Clone, Debug)]
pub struct Conv2d {
    weights: Arc<Weights>,
    inputs: usize,
    outputs: usize,
    window: Window,
}

impl Conv2d {
    /// Weight `(outputs, inputs, k, k)` under `weight`, and `bias`.
    ///
    /// # Errors
    /// When a weight is missing under `vb` or has another shape.
    pub fn new(inputs: usize, outputs: usize, window: Window, vb: &VarBuilder) -> Result<Self> {
        let k = window.kernel;
        let weight = load(vb, (outputs, inputs, k, k), "weight")?;
        let bias = Some(load(vb, outputs, "bias")?);
        let weights = build(vb, &weight, (outputs, inputs, k * k), bias, Columns::Plain)?;
        Ok(Self { weights, inputs, outputs, window })
    }

    /// `x: [n, h, w, inputs]` → `[n, h', w', outputs]`
    ///
    /// # Errors
    /// As [`Conv2d::forward_with`].
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_with(x, Activation::None, Addend::Nothing)
    }

    /// Like [`Conv2d::forward`], then `activation`, then `plus`.
    ///
    /// # Errors
    /// When `x` has other axes or channels, when it is smaller than the kernel, when the shape of
    /// `plus` differs from that of the result, or when the device fails.
    pub fn forward_with(&self, x: &Tensor, activation: Activation, plus: Addend) -> Result<Tensor> {
        let (n, h, w, c) = x.dims4()?;
        let scale = if self.window.enlarge { 2 } else { 1 };
        let reach = self.window.before + self.window.after;
        if c != self.inputs || (h.min(w) * scale) + reach < self.window.kernel {
            bail!("a convolution of {} channels was given {:?}", self.inputs, x.shape())
        }
        let (out_h, out_w) = self.window.output(h, w);
        if let Weights::OnDevice(weights) = &*self.weights {
            let dims = [n, out_h, out_w, self.outputs];
            return weights.conv2d(x, &dims, self.window, activation, plus);
        }
        let op = ProductOp {
            weights: self.weights.clone(),
            rows: Rows::Space(Window { size: (h, w), ..self.window }),
            activation,
            shape: (n, out_h, out_w, self.outputs).into(),
            frame_rows: 0,
        };
        apply(op, x, plus)
    }
}

/// Convolution over three frames, (3, 1, 1), with zeros before the first and after the last.
#[derive(Clone, Debug)]
pub struct TemporalConv {
    weights: Arc<Weights>,
    inputs: usize,
    outputs: usize,
}

impl TemporalConv {
    /// Weight `(outputs, inputs, 3, 1, 1)` under `weight`, and `bias`; both are multiplied by
    /// `scale`.
    ///
    /// # Errors
    /// When a weight is missing under `vb` or has another shape.
    pub fn new(inputs: usize, outputs: usize, scale: f64, vb: &VarBuilder) -> Result<Self> {
        let weight = (load(vb, (outputs, inputs, 3, 1, 1), "weight")? * scale)?;
        let bias = Some((load(vb, outputs, "bias")? * scale)?);
        let weights = build(vb, &weight, (outputs, inputs, 3), bias, Columns::Plain)?;
        Ok(Self { weights, inputs, outputs })
    }

    /// `x: [b, t, .., inputs]` → `[b, t, .., outputs]`, then `plus`.
    ///
    /// # Errors
    /// When `x` has fewer than three axes or other channels, when the shape of `plus` differs from
    /// that of the result, or when the device fails.
    pub fn forward(&self, x: &Tensor, plus: Addend) -> Result<Tensor> {
        let mut dims = x.dims().to_vec();
        let rank = dims.len();
        if rank < 3 || dims[rank - 1] != self.inputs {
            bail!("a temporal convolution of {} channels was given {dims:?}", self.inputs)
        }
        let rows = Rows::Time { t: dims[1], pixels: dims[2..rank - 1].iter().product() };
        dims[rank - 1] = self.outputs;
        if let Weights::OnDevice(weights) = &*self.weights {
            return weights.temporal_conv(x, &dims, plus);
        }
        let op = ProductOp {
            weights: self.weights.clone(),
            rows,
            activation: Activation::None,
            shape: dims.into(),
            frame_rows: 0,
        };
        apply(op, x, plus)
    }
}
