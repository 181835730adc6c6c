// Group norm with SiLU, and layer norm. Statistics in f32 over short stretches, in f64 over all of them.
#include "common.cuh"

// Sums of one stretch of rows, per channel, around the sample's first row: a mean far from zero then
// costs no digits. x: [n, rows, c] -> sums: [n, stretches, 2, c], the sum and the sum of squares.
// Grid: (stretches, n).
template <typename T>
__device__ void group_sums(const T *x, float *sums, index_t rows, int c, int stretch, int width) {
    __shared__ float parts[2][256];
    const Walker at(width);
    const T *sample = x + blockIdx.y * rows * c;
    const index_t first = (index_t)blockIdx.x * stretch;
    const index_t end = first + stretch < rows ? first + stretch : rows;
    float *out = sums + ((index_t)blockIdx.y * gridDim.x + blockIdx.x) * 2 * c;
    for (int start = 0; start < c; start += width) {
        const int channel = start + at.column;
        float sum = 0, square = 0;
        if (channel < c && at.row < at.height) {
            const float pivot = widen(sample[channel]);
            for (index_t row = first + at.row; row < end; row += at.height) {
                const float value = widen(sample[row * c + channel]) - pivot;
                sum += value;
                square += value * value;
            }
        }
        parts[0][threadIdx.x] = sum;
        parts[1][threadIdx.x] = square;
        __syncthreads();
        if (at.row == 0 && channel < c) {
            for (int other = 1; other < at.height; other++) {
                sum += parts[0][other * width + at.column];
                square += parts[1][other * width + at.column];
            }
            out[channel] = sum;
            out[c + channel] = square;
        }
        __syncthreads();
    }
}

// Adds up `value` over the 256 threads of a block, for all of them.
__device__ inline double block_sum(double value) {
    __shared__ double parts[256];
    parts[threadIdx.x] = value;
    __syncthreads();
    for (unsigned half = 128; half > 0; half /= 2) {
        if (threadIdx.x < half) parts[threadIdx.x] += parts[threadIdx.x + half];
        __syncthreads();
    }
    const double sum = parts[0];
    __syncthreads();
    return sum;
}

// Means and factors per channel from the sums. -> coefficients: [n, 2, c]. Grid: (groups, n).
template <typename T>
__device__ void group_coefficients(const T *x, const float *sums, const float *weight,
                                   float *coefficients, index_t rows, int c, int stretches, float eps) {
    const int each = c / gridDim.x, first = blockIdx.x * each;
    const T *pivots = x + blockIdx.y * rows * c;
    const float *parts = sums + (index_t)blockIdx.y * stretches * 2 * c;
    const double count = (double)rows * each;
    const int values = stretches * each;

    double sum = 0;
    for (int i = threadIdx.x; i < values; i += blockDim.x)
        sum += parts[(index_t)(i / each) * 2 * c + first + i % each];
    for (int i = threadIdx.x; i < each; i += blockDim.x) sum += (double)rows * widen(pivots[first + i]);
    const double mean = block_sum(sum) / count;

    // Of (x - mean)^2 = (x - pivot)^2 + 2 (x - pivot) shift + shift^2 with shift = pivot - mean.
    double square = 0;
    for (int i = threadIdx.x; i < values; i += blockDim.x) {
        const int channel = first + i % each;
        const float *part = parts + (index_t)(i / each) * 2 * c;
        square += part[c + channel] + 2.0 * (widen(pivots[channel]) - mean) * part[channel];
    }
    for (int i = threadIdx.x; i < each; i += blockDim.x) {
        const double shift = widen(pivots[first + i]) - mean;
        square += (double)rows * shift * shift;
    }
    const double variance = block_sum(square) / count;
    const double inverse = 1.0 / sqrt((variance > 0 ? variance : 0) + eps);

    float *out = coefficients + (index_t)blockIdx.y * 2 * c;
    for (int i = first + threadIdx.x; i < first + each; i += blockDim.x) {
        out[i] = (float)mean;
        out[c + i] = (float)(inverse * weight[i]);
    }
}

// y = (x - mean) * factor + bias, then SiLU if wanted. Grid: (stretches, n).
template <typename T>
__device__ void group_apply(const T *x, const float *coefficients, const float *bias, T *y,
                            index_t rows, int c, int stretch, int width, int with_silu) {
    const Walker at(width);
    if (at.row >= at.height) return;
    const index_t sample = blockIdx.y * rows * c;
    const float *means = coefficients + (index_t)blockIdx.y * 2 * c, *factors = means + c;
    const index_t first = (index_t)blockIdx.x * stretch;
    const index_t end = first + stretch < rows ? first + stretch : rows;
    for (int channel = at.column; channel < c; channel += width) {
        const float mean = means[channel], factor = factors[channel], add = bias[channel];
        for (index_t row = first + at.row; row < end; row += at.height) {
            const index_t i = sample + row * c + channel;
            const float value = (widen(x[i]) - mean) * factor + add;
            y[i] = narrow<T>(with_silu ? silu(value) : value);
        }
    }
}

// Norm over the channels of each row; a warp for each row. Grid: rows / warps of a block.
template <typename T>
__device__ void layer_norm(const T *x, const float *weight, const float *bias, T *y, index_t rows,
                           int c, float eps) {
    const int lane = threadIdx.x % WARP;
    const index_t row = (index_t)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    // The lanes of a warp share a row, so they leave together.
    if (row >= rows) return;
    const T *in = x + row * c;
    float sum = 0;
    for (int i = lane; i < c; i += WARP) sum += widen(in[i]);
    const float mean = warp_sum(sum) / c;
    float square = 0;
    for (int i = lane; i < c; i += WARP) {
        const float value = widen(in[i]) - mean;
        square += value * value;
    }
    const float inverse = 1.0f / sqrtf(warp_sum(square) / c + eps);
    for (int i = lane; i < c; i += WARP)
        y[row * c + i] = narrow<T>((widen(in[i]) - mean) * inverse * weight[i] + bias[i]);
}

#define SUMS(T) (const T *x, float *sums, index_t rows, int c, int stretch, int width)
FOR_BOTH_TYPES(group_sums, SUMS, (x, sums, rows, c, stretch, width))
#define COEFFICIENTS(T)                                                                           \
    (const T *x, const float *sums, const float *weight, float *coefficients, index_t rows, int c, \
     int stretches, float eps)
FOR_BOTH_TYPES(group_coefficients, COEFFICIENTS,
               (x, sums, weight, coefficients, rows, c, stretches, eps))
#define APPLY(T)                                                                              \
    (const T *x, const float *coefficients, const float *bias, T *y, index_t rows, int c,     \
     int stretch, int width, int with_silu)
FOR_BOTH_TYPES(group_apply, APPLY,
               (x, coefficients, bias, y, rows, c, stretch, width, with_silu))
#define LAYER(T)                                                                                   \
    (const T *x, const float *weight, const float *bias, T *y, index_t rows, int c, float eps)
FOR_BOTH_TYPES(layer_norm, LAYER, (x, weight, bias, y, rows, c, eps))
