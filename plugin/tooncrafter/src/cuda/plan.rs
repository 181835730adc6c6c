//! Describes launches: which kernel runs on how many blocks with which arguments.
//!
//! A launch is plain data, so that tests can carry it out with kernels that run on the processor.
//! Pointers are addresses on whatever runs the kernel; the callers check the shapes.

/// Threads per block, unless a kernel says otherwise.
const THREADS: u32 = 256;
/// Number of rows that a block of the row-wise kernels processes.
const STRETCH: usize = 256;
/// Number of positions that a block of `unfold` gathers.
const POSITIONS: usize = 8;

/// Element types of activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    F32,
    Bf16,
}

impl Element {
    pub(crate) fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
        }
    }

    fn named(self, kernel: &str) -> String {
        let suffix = match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        };
        format!("{kernel}_{suffix}")
    }
}

/// A kernel's argument, with the type in the kernel's declaration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Arg {
    Pointer(u64),
    Int(i32),
    Long(i64),
    Float(f32),
}

fn int(value: usize) -> Arg {
    Arg::Int(i32::try_from(value).unwrap_or(i32::MAX))
}

fn long(value: usize) -> Arg {
    Arg::Long(value as i64)
}

/// One launch of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Launch {
    /// The file that contains the kernel, without extension.
    pub(crate) file: &'static str,
    pub(crate) kernel: String,
    pub(crate) grid: [u32; 2],
    pub(crate) block: u32,
    pub(crate) args: Vec<Arg>,
}

fn launch(
    file: &'static str,
    kernel: String,
    grid: [usize; 2],
    block: u32,
    args: Vec<Arg>,
) -> Launch {
    // The first side of a grid has 31 bits, the second 16. No launch comes near either limit.
    let grid = grid.map(|side| u32::try_from(side).unwrap_or(u32::MAX));
    Launch { file, kernel, grid, block, args }
}

/// Number of columns of threads with which a block processes rows of `c` channels. At least a warp,
/// so that neighbouring threads read neighbouring values. Of the possible widths, the one that
/// leaves the fewest threads idle is chosen, and the widest of equal ones.
fn walk_width(c: usize) -> usize {
    let threads = THREADS as usize;
    let used = |width: usize| {
        let busy = (threads / width * width) as f64 / threads as f64;
        busy * c as f64 / (c.div_ceil(width) * width) as f64
    };
    let widths = c.clamp(1, 32)..=c.clamp(1, threads);
    widths.max_by(|a, b| used(*a).total_cmp(&used(*b))).unwrap_or(1)
}

/// `n` samples of rows of channels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Samples {
    pub(crate) n: usize,
    pub(crate) rows: usize,
    pub(crate) c: usize,
}

impl Samples {
    fn stretches(self) -> usize {
        self.rows.div_ceil(STRETCH)
    }

    /// Number of f32 scratch values that a group norm needs: for sums, and for coefficients.
    pub(crate) fn group_norm_scratch(self) -> [usize; 2] {
        [self.n * self.stretches() * 2 * self.c, self.n * 2 * self.c]
    }
}

/// Addresses of a group norm.
pub(crate) struct GroupNorm {
    pub(crate) x: u64,
    /// In f32, like everything except `x` and `y`.
    pub(crate) weight: u64,
    pub(crate) bias: u64,
    pub(crate) y: u64,
    pub(crate) sums: u64,
    pub(crate) coefficients: u64,
}

pub(crate) fn group_norm(
    element: Element,
    at: &GroupNorm,
    size: Samples,
    groups: usize,
    eps: f64,
    silu: bool,
) -> Vec<Launch> {
    let Samples { n, rows, c } = size;
    let stretches = size.stretches();
    let walk = [int(STRETCH), int(walk_width(c))];
    let pointer = Arg::Pointer;
    let shape = [long(rows), int(c)];
    let sums = [&[pointer(at.x), pointer(at.sums)][..], &shape, &walk].concat();
    let coefficients = [
        &[pointer(at.x), pointer(at.sums), pointer(at.weight), pointer(at.coefficients)][..],
        &shape,
        &[int(stretches), Arg::Float(eps as f32)],
    ]
    .concat();
    let apply = [
        &[pointer(at.x), pointer(at.coefficients), pointer(at.bias), pointer(at.y)][..],
        &shape,
        &walk,
        &[int(usize::from(silu))],
    ]
    .concat();
    let step = |kernel, grid, args| launch("norm", element.named(kernel), grid, THREADS, args);
    vec![
        step("group_sums", [stretches, n], sums),
        step("group_coefficients", [groups, n], coefficients),
        step("group_apply", [stretches, n], apply),
    ]
}

/// Arguments are `[x, weight, bias, y]`, with weight and bias in f32.
pub(crate) fn layer_norm(
    element: Element,
    at: [u64; 4],
    rows: usize,
    c: usize,
    eps: f32,
) -> Vec<Launch> {
    let mut args = at.map(Arg::Pointer).to_vec();
    args.extend([long(rows), int(c), Arg::Float(eps)]);
    let grid = [rows.div_ceil(THREADS as usize / 32), 1];
    vec![launch("norm", element.named("layer_norm"), grid, THREADS, args)]
}

/// Arguments are `[x, bias, plus, y]`, with 0 for none. Every `share` rows of `x` use one row of
/// `plus`. `activation` is its number in `product.cu`.
pub(crate) fn finish(
    element: Element,
    at: [u64; 4],
    (rows, c): (usize, usize),
    share: usize,
    activation: i32,
) -> Vec<Launch> {
    let mut args = at.map(Arg::Pointer).to_vec();
    args.extend([long(rows), int(c), long(share.max(1)), Arg::Int(activation)]);
    args.extend([int(STRETCH / 4), int(walk_width(c))]);
    let grid = [rows.div_ceil(STRETCH / 4), 1];
    vec![launch("product", element.named("finish"), grid, THREADS, args)]
}

/// Arguments are `[x, bias, y]`; the result has `c` channels.
pub(crate) fn gate(element: Element, at: [u64; 3], rows: usize, c: usize) -> Vec<Launch> {
    let mut args = at.map(Arg::Pointer).to_vec();
    args.extend([long(rows), int(c), int(STRETCH / 4), int(walk_width(c))]);
    let grid = [rows.div_ceil(STRETCH / 4), 1];
    vec![launch("product", element.named("gate"), grid, THREADS, args)]
}

/// Where the rows under the taps of a convolution are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Taps {
    Space {
        size: (usize, usize),
        out: (usize, usize),
        kernel: usize,
        stride: usize,
        before: usize,
        enlarge: bool,
    },
    Time {
        t: usize,
        pixels: usize,
    },
}

impl Taps {
    pub(crate) fn count(self) -> usize {
        match self {
            Self::Space { kernel, .. } => kernel * kernel,
            Self::Time { .. } => 3,
        }
    }
}

/// Gathers positions `first..first + count` of `x` into `out`, in rows of `row_bytes`.
pub(crate) fn unfold(
    [x, out]: [u64; 2],
    (first, count): (usize, usize),
    row_bytes: usize,
    taps: Taps,
) -> Vec<Launch> {
    let fits = |unit: &usize| row_bytes.is_multiple_of(*unit) && x.is_multiple_of(*unit as u64);
    let unit = [16, 4].into_iter().find(fits).unwrap_or(2);
    let units = row_bytes / unit;
    let mut args = vec![Arg::Pointer(x), Arg::Pointer(out), long(first), long(count), int(units)];
    let name = match taps {
        Taps::Space { size, out, kernel, stride, before, enlarge } => {
            args.extend([size.0, size.1, out.0, out.1, kernel, stride, before].map(int));
            args.push(int(usize::from(enlarge)));
            "space"
        }
        Taps::Time { t, pixels } => {
            args.extend([int(t), long(pixels)]);
            "time"
        }
    };
    let kernel = format!("unfold_{name}_{unit}");
    vec![launch("product", kernel, [count.div_ceil(POSITIONS), 1], THREADS, args)]
}

/// Addresses and row distances (in elements) of queries, keys, values and the result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attended {
    pub(crate) q: (u64, usize),
    pub(crate) k: (u64, usize),
    pub(crate) v: (u64, usize),
    pub(crate) y: u64,
}

impl Attended {
    fn args(&self) -> Vec<Arg> {
        let pointers = [self.q.0, self.k.0, self.v.0, self.y].map(Arg::Pointer);
        let pitches = [self.q.1, self.k.1, self.v.1].map(long);
        pointers.into_iter().chain(pitches).collect()
    }

    /// Whether rows can be read 16 bytes at a time.
    fn is_aligned(&self, element: Element) -> bool {
        [self.q, self.k, self.v].iter().all(|(address, pitch)| {
            address.is_multiple_of(16) && (pitch * element.size()).is_multiple_of(16)
        })
    }
}

/// Sizes of an attention; see [`attention`](crate::ops::attention()).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heads {
    pub(crate) heads: usize,
    pub(crate) d: usize,
    pub(crate) n: usize,
    pub(crate) m: usize,
    pub(crate) kv_batch: usize,
    /// Number of batches of queries per batch of keys.
    pub(crate) repeat: usize,
    pub(crate) scale: f32,
    pub(crate) causal: bool,
}

/// Widest head for which there is a kernel.
pub(crate) const WIDEST_HEAD: usize = 512;

pub(crate) fn attention(element: Element, at: &Attended, size: &Heads) -> Vec<Launch> {
    const QUERIES: usize = 64;
    let tensor_cores = element == Element::Bf16 && size.d == 64 && at.is_aligned(element);
    let (file, kernel, block) = match size.d {
        64 if tensor_cores => ("attention_bf16", "attention_tensor", 128),
        0..=64 => ("attention", "attention_64", THREADS),
        65..=128 => ("attention", "attention_128", THREADS),
        _ => ("attention", "attention_512", THREADS),
    };
    let queries = size.repeat * size.n;
    let mut args = at.args();
    args.extend([int(size.heads), int(size.d), long(queries), int(size.n), int(size.m)]);
    args.extend([Arg::Float(size.scale), int(usize::from(size.causal))]);
    let grid = [queries.div_ceil(QUERIES), size.kv_batch * size.heads];
    vec![launch(file, element.named(kernel), grid, block, args)]
}

/// Sizes of an attention over time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OverTime {
    pub(crate) batches: usize,
    pub(crate) t: usize,
    pub(crate) pixels: usize,
    pub(crate) heads: usize,
    pub(crate) d: usize,
    pub(crate) scale: f32,
}

impl OverTime {
    /// Whether a head's frames fit into a block's memory.
    pub(crate) fn fits(&self) -> bool {
        const FRAMES: usize = 32;
        const FRAME_VALUES: usize = 2304;
        self.t <= FRAMES && self.t * (self.d + 1) <= FRAME_VALUES
    }
}

pub(crate) fn attention_over_time(element: Element, at: &Attended, size: &OverTime) -> Vec<Launch> {
    let mut args = at.args();
    args.extend([int(size.heads), int(size.d), int(size.t), long(size.pixels)]);
    args.push(Arg::Float(size.scale));
    let grid = [size.batches * size.pixels, size.heads];
    vec![launch("attention", element.named("attention_over_time"), grid, 128, args)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_thread_is_idle_at_the_widths_of_the_model() {
        for (c, width) in [(320, 64), (640, 128), (1280, 256), (128, 128), (512, 256), (32, 32)] {
            assert_eq!(walk_width(c), width, "{c} channels");
        }
        assert_eq!((walk_width(1), walk_width(0), walk_width(33)), (1, 1, 33));
    }

    #[test]
    fn tensor_cores_want_aligned_rows() {
        let size = Heads {
            heads: 5,
            d: 64,
            n: 100,
            m: 77,
            kv_batch: 2,
            repeat: 3,
            scale: 0.125,
            causal: false,
        };
        let at = |pitch| Attended { q: (256, pitch), k: (256, 320), v: (256, 320), y: 256 };
        let kernel = |element, pitch| attention(element, &at(pitch), &size).remove(0).kernel;
        assert_eq!(kernel(Element::Bf16, 960), "attention_tensor_bf16");
        assert_eq!(kernel(Element::Bf16, 961), "attention_64_bf16");
        assert_eq!(kernel(Element::F32, 960), "attention_64_f32");
        let launch = attention(Element::Bf16, &at(960), &size).remove(0);
        assert_eq!(launch.grid, [5, 10]);
    }

    #[test]
    fn rows_are_copied_in_the_largest_unit_that_divides_them() {
        let kernel = |x, bytes| {
            unfold([x, 0], (0, 9), bytes, Taps::Time { t: 3, pixels: 3 }).remove(0).kernel
        };
        assert_eq!(kernel(256, 640), "unfold_time_16");
        assert_eq!(kernel(260, 640), "unfold_time_4");
        assert_eq!(kernel(256, 6), "unfold_time_2");
    }
}
