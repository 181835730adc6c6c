// What goes before and after a matrix product: rows of a convolution gathered side by side, and bias,
// activation, gate and addition in one pass.
#include "common.cuh"

// out[m - first] = the rows of x under all taps of output position m, one after the other, zeros outside.
// x: [frames, h, w] rows of `units`; positions of [frames, out_h, out_w]. Grid: positions / 8.
template <typename U>
__device__ void unfold_space(const U *x, U *out, index_t first, index_t count, int units, int h, int w,
                             int out_h, int out_w, int kernel, int stride, int before, int enlarge) {
    const int taps = kernel * kernel;
    for (int i = 0; i < 8; i++) {
        const index_t place = (index_t)blockIdx.x * 8 + i;
        if (place >= count) return;
        const index_t m = first + place;
        const int column = (int)(m % out_w), row = (int)(m / out_w % out_h);
        const index_t frame = m / out_w / out_h;
        for (int j = threadIdx.x; j < taps * units; j += blockDim.x) {
            const int tap = j / units, unit = j % units;
            // With nearest-neighbour enlargement every input pixel counts as 2 x 2.
            const int y = row * stride + tap / kernel - before;
            const int x_at = column * stride + tap % kernel - before;
            const bool inside = y >= 0 && x_at >= 0 && y < (h << enlarge) && x_at < (w << enlarge);
            const index_t source = (frame * h + (y >> enlarge)) * w + (x_at >> enlarge);
            out[place * taps * units + j] = inside ? x[source * units + unit] : U();
        }
    }
}

// The same over time: three frames around each position of [batches, t, pixels].
template <typename U>
__device__ void unfold_time(const U *x, U *out, index_t first, index_t count, int units, int t,
                            index_t pixels) {
    for (int i = 0; i < 8; i++) {
        const index_t place = (index_t)blockIdx.x * 8 + i;
        if (place >= count) return;
        const index_t m = first + place;
        const int frame = (int)(m / pixels % t);
        for (int j = threadIdx.x; j < 3 * units; j += blockDim.x) {
            const int tap = j / units - 1;
            const bool inside = frame + tap >= 0 && frame + tap < t;
            out[place * 3 * units + j] = inside ? x[(m + tap * pixels) * units + j % units] : U();
        }
    }
}

enum Activation { NONE = 0, SILU = 1, GELU = 2 };

// y = activation(x + bias) + plus. x: [rows, c]; bias: [c] or null; plus: null, or one row of c for
// every `share` rows of x. Grid: rows / stretch.
template <typename T>
__device__ void finish(const T *x, const float *bias, const T *plus, T *y, index_t rows, int c,
                       index_t share, int activation, int stretch, int width) {
    const Walker at(width);
    if (at.row >= at.height) return;
    const index_t first = (index_t)blockIdx.x * stretch;
    const index_t end = first + stretch < rows ? first + stretch : rows;
    for (int channel = at.column; channel < c; channel += width) {
        const float add = bias ? bias[channel] : 0.0f;
        for (index_t row = first + at.row; row < end; row += at.height) {
            float value = widen(x[row * c + channel]) + add;
            if (activation == SILU) value = silu(value);
            if (activation == GELU) value = gelu(value);
            if (plus) value += widen(plus[row / share * c + channel]);
            y[row * c + channel] = narrow<T>(value);
        }
    }
}

// The first half of each row times the GELU of the second. x: [rows, 2 c] -> y: [rows, c].
template <typename T>
__device__ void gate(const T *x, const float *bias, T *y, index_t rows, int c, int stretch, int width) {
    const Walker at(width);
    if (at.row >= at.height) return;
    const index_t first = (index_t)blockIdx.x * stretch;
    const index_t end = first + stretch < rows ? first + stretch : rows;
    for (int channel = at.column; channel < c; channel += width) {
        const float add = bias ? bias[channel] : 0.0f, add_gate = bias ? bias[c + channel] : 0.0f;
        for (index_t row = first + at.row; row < end; row += at.height) {
            const T *in = x + row * 2 * c;
            const float value = widen(in[channel]) + add;
            y[row * c + channel] = narrow<T>(value * gelu(widen(in[c + channel]) + add_gate));
        }
    }
}

// Rows are copied in the largest units that divide them: 16, 4 or 2 bytes.
#define UNFOLD(bytes, U)                                                                             \
    extern "C" __global__ void unfold_space_##bytes(                                                 \
        const U *x, U *out, index_t first, index_t count, int units, int h, int w, int out_h,        \
        int out_w, int kernel, int stride, int before, int enlarge) {                                \
        unfold_space(x, out, first, count, units, h, w, out_h, out_w, kernel, stride, before, enlarge); \
    }                                                                                                \
    extern "C" __global__ void unfold_time_##bytes(const U *x, U *out, index_t first, index_t count, \
                                                   int units, int t, index_t pixels) {               \
        unfold_time(x, out, first, count, units, t, pixels);                                         \
    }
UNFOLD(16, uint4)
UNFOLD(4, unsigned int)
UNFOLD(2, unsigned short)

#define FINISH(T)                                                                                    \
    (const T *x, const float *bias, const T *plus, T *y, index_t rows, int c, index_t share,         \
     int activation, int stretch, int width)
FOR_BOTH_TYPES(finish, FINISH, (x, bias, plus, y, rows, c, share, activation, stretch, width))
#define GATE(T) (const T *x, const float *bias, T *y, index_t rows, int c, int stretch, int width)
FOR_BOTH_TYPES(gate, GATE, (x, bias, y, rows, c, stretch, width))
