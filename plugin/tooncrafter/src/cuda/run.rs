//! Carries out launches on a device, with candle's tensors, streams and allocations.

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::{
    CudaStream, DevicePtr, DevicePtrMut, LaunchConfig, PushKernelArg, SyncOnDrop,
};
use candle_core::cuda_backend::{CudaDevice, CudaStorage, CudaStorageSlice};
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Storage, Tensor, bail};
use half::bf16;

use super::plan::{Arg, Element, Launch};

/// The compiled kernels of a file.
fn ptx(file: &str) -> &'static str {
    match file {
        "attention" => include_str!(concat!(env!("OUT_DIR"), "/attention.ptx")),
        "attention_bf16" => include_str!(concat!(env!("OUT_DIR"), "/attention_bf16.ptx")),
        "norm" => include_str!(concat!(env!("OUT_DIR"), "/norm.ptx")),
        _ => include_str!(concat!(env!("OUT_DIR"), "/product.ptx")),
    }
}

/// The kernels' element type for a tensor.
pub(super) fn element(x: &Tensor) -> Result<Element> {
    match x.dtype() {
        DType::F32 => Ok(Element::F32),
        DType::BF16 => Ok(Element::Bf16),
        other => bail!("the CUDA kernels take f32 and bf16, not {other:?}"),
    }
}

/// Addresses on the device, for building a plan.
pub(super) struct Addresses {
    /// Addresses of the inputs' first elements, in order; 0 for an absent input.
    pub(super) inputs: Vec<u64>,
    /// Addresses of the f32 scratch buffers, in order.
    pub(super) scratch: Vec<u64>,
    pub(super) out: u64,
}

/// Computes one result from several inputs with a few launches.
pub(super) struct Run<'a> {
    /// The inputs after the first one, which is passed to [`Run::on`].
    pub(super) others: &'a [Option<&'a Tensor>],
    pub(super) shape: Shape,
    /// Number of f32 values in each scratch buffer.
    pub(super) scratch: &'a [usize],
    pub(super) plan: &'a dyn Fn(&Addresses) -> Vec<Launch>,
}

impl Run<'_> {
    /// Runs on `x` and the other inputs. Inputs may have strides, which the plan must handle. The
    /// result has the type of `x`.
    pub(super) fn on(&self, x: &Tensor) -> Result<Tensor> {
        x.apply_op1_no_bwd(self)
    }

    fn launch(&self, storage: &CudaStorage, layout: &Layout, out: u64) -> Result<()> {
        let device = storage.device();
        let stream = device.cuda_stream();
        let guards: Vec<_> =
            self.others.iter().map(|x| x.map(Tensor::storage_and_layout)).collect();
        let mut pieces = Vec::with_capacity(self.scratch.len());
        for &len in self.scratch {
            // SAFETY: the plan's kernels write scratch before they read it.
            pieces.push(unsafe { device.alloc::<f32>(len)? });
        }
        // The guards tell other streams when this one has finished, so they must live until this
        // function ends.
        let mut orders = Vec::with_capacity(1 + guards.len());
        let mut inputs = Vec::with_capacity(1 + guards.len());
        let (pointer, order) = address(storage, layout, &stream)?;
        inputs.push(pointer);
        orders.push(order);
        for guard in &guards {
            let Some((storage, layout)) = guard else {
                inputs.push(0);
                continue;
            };
            let Storage::Cuda(storage) = &**storage else {
                bail!("an input of a CUDA kernel lives on another device")
            };
            let (pointer, order) = address(storage, layout, &stream)?;
            inputs.push(pointer);
            orders.push(order);
        }
        let mut scratch = Vec::with_capacity(pieces.len());
        for piece in &mut pieces {
            let (pointer, order) = piece.device_ptr_mut(&stream);
            scratch.push(pointer);
            orders.push(order);
        }
        for launch in (self.plan)(&Addresses { inputs, scratch, out }) {
            start(&launch, device)?;
        }
        drop(orders);
        Ok(())
    }
}

impl CustomOp1 for Run<'_> {
    fn name(&self) -> &'static str {
        "cuda-kernels"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        bail!("a CUDA kernel was given a tensor on the CPU")
    }

    fn cuda_fwd(&self, storage: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let device = storage.device();
        let stream = device.cuda_stream();
        let count = self.shape.elem_count();
        let out = match storage.slice {
            CudaStorageSlice::BF16(_) => {
                // SAFETY: the plan's kernels write the whole result.
                let mut out = unsafe { device.alloc::<bf16>(count)? };
                if count > 0 {
                    let (pointer, _order) = out.device_ptr_mut(&stream);
                    self.launch(storage, layout, pointer)?;
                }
                CudaStorage::wrap_cuda_slice(out, device.clone())
            }
            _ => {
                // SAFETY: as above.
                let mut out = unsafe { device.alloc::<f32>(count)? };
                if count > 0 {
                    let (pointer, _order) = out.device_ptr_mut(&stream);
                    self.launch(storage, layout, pointer)?;
                }
                CudaStorage::wrap_cuda_slice(out, device.clone())
            }
        };
        Ok((out, self.shape.clone()))
    }
}

/// The address of a tensor's first element, and the guard that orders its use.
fn address<'a>(
    storage: &'a CudaStorage,
    layout: &Layout,
    stream: &'a CudaStream,
) -> Result<(u64, SyncOnDrop<'a>)> {
    let start = layout.start_offset() as u64;
    let (pointer, order, size) = match &storage.slice {
        CudaStorageSlice::F32(slice) => {
            let (pointer, order) = slice.device_ptr(stream);
            (pointer, order, 4)
        }
        CudaStorageSlice::BF16(slice) => {
            let (pointer, order) = slice.device_ptr(stream);
            (pointer, order, 2)
        }
        _ => bail!("the CUDA kernels take f32 and bf16, not {:?}", storage.dtype()),
    };
    Ok((pointer + start * size, order))
}

fn start(launch: &Launch, device: &CudaDevice) -> Result<()> {
    let function = device.get_or_load_custom_func(&launch.kernel, launch.file, ptx(launch.file))?;
    let mut builder = function.builder();
    for arg in &launch.args {
        match arg {
            Arg::Pointer(value) => builder.arg(value),
            Arg::Int(value) => builder.arg(value),
            Arg::Long(value) => builder.arg(value),
            Arg::Float(value) => builder.arg(value),
        };
    }
    let config = LaunchConfig {
        grid_dim: (launch.grid[0], launch.grid[1], 1),
        block_dim: (launch.block, 1, 1),
        shared_mem_bytes: 0,
    };
    // SAFETY: the plan gives each kernel arguments that match its declaration, and addresses of
    // tensors and scratch of the sizes that it states.
    unsafe { builder.launch(config) }.map_err(candle_core::Error::wrap)?;
    Ok(())
}
