// What the kernels need to run as plain C++: a block's threads take turns on one processor, each on a
// stack of its own, and give way where the kernel waits for the others.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#define __global__
#define __device__
#define __shared__ static
#define __forceinline__ inline

struct Place { unsigned x, y; };
extern Place threadIdx, blockIdx, blockDim, gridDim;

struct uint4 { unsigned x, y, z, w; };
struct bf16 { uint16_t bits; };

inline float widen(bf16 value) {
    const uint32_t bits = (uint32_t)value.bits << 16;
    float wide;
    std::memcpy(&wide, &bits, 4);
    return wide;
}

// To nearest, ties to even.
inline bf16 round_to_bf16(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    if ((bits & 0x7fffffff) > 0x7f800000) return {(uint16_t)(bits >> 16 | 64)};
    return {(uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

// Waits for all threads of the block.
void __syncthreads();
// The value of the lane whose number differs in the bits of `mask`.
float __shfl_xor_sync(unsigned lanes, float value, int mask);
// The instructions of the tensor cores, as NVIDIA's PTX manual describes the matrices' places in the
// lanes' registers (m16n8k16 for bf16, ldmatrix).
void multiply(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1);
void load_matrices(unsigned (&r)[4], const bf16 *row);
void load_transposed(unsigned (&r)[4], const bf16 *row);
inline unsigned pack(float low, float high) {
    return round_to_bf16(low).bits | (unsigned)round_to_bf16(high).bits << 16;
}
