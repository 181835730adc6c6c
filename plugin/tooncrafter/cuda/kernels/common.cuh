// What all kernels share: element types and rows of channels.
//
// Everything is channels-last: a tensor is rows of `c` contiguous channels. Elements are f32 or bf16;
// arithmetic is f32 throughout. These files also compile as plain C++ (../emulation), where threads take
// turns on the processor, so they keep to what both languages know.
#pragma once

#ifdef __CUDACC__
#include <cuda_bf16.h>
typedef __nv_bfloat16 bf16;
__device__ inline float widen(bf16 x) { return __bfloat162float(x); }
template <typename T> __device__ inline T narrow(float x);
template <> __device__ inline bf16 narrow<bf16>(float x) { return __float2bfloat16(x); }
#else
#include "emulation.hpp"
template <typename T> inline T narrow(float x);
template <> inline bf16 narrow<bf16>(float x) { return round_to_bf16(x); }
#endif
__device__ inline float widen(float x) { return x; }
template <> __device__ inline float narrow<float>(float x) { return x; }

// Positions in tensors: more elements than 32 bits count.
typedef long long index_t;

#define WARP 32
#define ALL_LANES 0xffffffffu

// Defines the kernels `name_f32` and `name_bf16` from the function template `name`.
#define FOR_BOTH_TYPES(name, parameters, arguments)                                      \
    extern "C" __global__ void name##_f32 parameters(float) { name<float> arguments; }   \
    extern "C" __global__ void name##_bf16 parameters(bf16) { name<bf16> arguments; }

// The threads of a block as `width` columns by `256 / width` rows, for walking over rows of channels.
struct Walker {
    int column, row, width, height;
    __device__ Walker(int width)
        : column(threadIdx.x % width), row(threadIdx.x / width), width(width),
          height(blockDim.x / width) {}
};

__device__ inline float warp_sum(float x) {
    for (int offset = WARP / 2; offset > 0; offset /= 2) x += __shfl_xor_sync(ALL_LANES, x, offset);
    return x;
}

__device__ inline float silu(float x) { return x / (1.0f + expf(-x)); }
__device__ inline float gelu(float x) { return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f)); }
