// Softmax attention for heads of 64 channels on the tensor cores: bf16 factors, f32 sums and softmax.
//
// Each warp holds 16 queries. Scores come out of the tensor cores spread over the lanes just as the
// weights have to go in again, so they never leave the registers. In the 16 x 8 results of one
// instruction, lane l holds rows l / 4 and l / 4 + 8 of columns l % 4 * 2 and the next.
#include "common.cuh"

#define D 64
#define QUERIES 64
#define KEYS 64
// Rows of 144 bytes: eight rows at one column fall into different banks.
#define PITCH (D + 8)

#ifdef __CUDACC__
// c += a b with a: 16 x 16, b: 16 x 8.
__device__ inline void multiply(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                 "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Four 8 x 8 matrices; lanes 8 i .. 8 i + 7 name the rows of the i-th.
__device__ inline void load_matrices(unsigned (&r)[4], const bf16 *row) {
    const unsigned address = (unsigned)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

// The same, transposed.
__device__ inline void load_transposed(unsigned (&r)[4], const bf16 *row) {
    const unsigned address = (unsigned)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

__device__ inline unsigned pack(float low, float high) {
    const __nv_bfloat162 both = __floats2bfloat162_rn(low, high);
    return *reinterpret_cast<const unsigned *>(&both);
}
#endif

// Copies a tile of 64 rows in pieces of 16 bytes, zeros where there is no row.
__device__ inline void stage(bf16 (*tile)[PITCH], const bf16 *source, index_t pitch, index_t count) {
    for (int i = threadIdx.x; i < 64 * D / 8; i += blockDim.x) {
        const int row = i / (D / 8), channel = i % (D / 8) * 8;
        uint4 piece = {0, 0, 0, 0};
        if (row < count) piece = *reinterpret_cast<const uint4 *>(source + row * pitch + channel);
        *reinterpret_cast<uint4 *>(&tile[row][channel]) = piece;
    }
}

// As `attention` in attention.cu, for d = 64; rows start at multiples of 16 bytes. 128 threads.
extern "C" __global__ void attention_tensor_bf16(const bf16 *q, const bf16 *k, const bf16 *v, bf16 *y,
                                                 index_t q_pitch, index_t k_pitch, index_t v_pitch,
                                                 int heads, int d, index_t queries, int n, int m,
                                                 float scale, int causal) {
    alignas(16) __shared__ bf16 keys[KEYS][PITCH];
    alignas(16) __shared__ bf16 values[KEYS][PITCH];
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    const int head = blockIdx.y % heads;
    const index_t group = blockIdx.y / heads;
    const index_t first = (index_t)blockIdx.x * QUERIES;
    q += (group * queries + first) * q_pitch + head * D;
    k += group * m * k_pitch + head * D;
    v += group * m * v_pitch + head * D;

    // The queries pass through the room of the keys once and then stay in registers.
    stage(keys, q, q_pitch, queries - first);
    __syncthreads();
    unsigned query[D / 16][4];
#pragma unroll
    for (int step = 0; step < D / 16; step++)
        // Rows 0-7 and 8-15, then the same of the next eight channels.
        load_matrices(query[step], &keys[warp * 16 + lane % 16][step * 16 + lane / 16 * 8]);

    float sums[D / 8][4] = {};
    float most[2] = {-INFINITY, -INFINITY}, total[2] = {0, 0};
    // Of the lane's two rows: the last key that each may see, and one beyond.
    int seen[2];
    for (int half = 0; half < 2; half++) {
        const index_t at = first + warp * 16 + lane / 4 + 8 * half;
        seen[half] = causal && at % n + 1 < m ? (int)(at % n) + 1 : m;
    }
    // exp(x) = 2^(x log2 e), and 2^x is one instruction.
    const float steepness = scale * 1.4426950408889634f;

    for (int start = 0; start < m; start += KEYS) {
        __syncthreads();
        stage(keys, k + start * k_pitch, k_pitch, m - start);
        stage(values, v + start * v_pitch, v_pitch, m - start);
        __syncthreads();

        float scores[KEYS / 8][4] = {};
#pragma unroll
        for (int step = 0; step < D / 16; step++)
#pragma unroll
            for (int column = 0; column < KEYS / 8; column += 2) {
                // Eight keys at both halves of the 16 channels, then the next eight keys.
                unsigned b[4];
                const int row = column * 8 + lane % 8 + lane / 16 * 8;
                load_matrices(b, &keys[row][step * 16 + lane / 8 % 2 * 8]);
                multiply(scores[column], query[step], b[0], b[1]);
                multiply(scores[column + 1], query[step], b[2], b[3]);
            }

#pragma unroll
        for (int half = 0; half < 2; half++) {
            float now = most[half];
#pragma unroll
            for (int column = 0; column < KEYS / 8; column++)
#pragma unroll
                for (int i = 0; i < 2; i++) {
                    float &score = scores[column][half * 2 + i];
                    const int key = start + column * 8 + lane % 4 * 2 + i;
                    score = key < seen[half] ? score * steepness : -INFINITY;
                    now = fmaxf(now, score);
                }
            // The four lanes of a row are neighbours.
            now = fmaxf(now, __shfl_xor_sync(ALL_LANES, now, 1));
            now = fmaxf(now, __shfl_xor_sync(ALL_LANES, now, 2));
            const float factor = exp2f(most[half] - now);
            most[half] = now;
            float sum = 0;
#pragma unroll
            for (int column = 0; column < KEYS / 8; column++)
#pragma unroll
                for (int i = 0; i < 2; i++) {
                    float &score = scores[column][half * 2 + i];
                    score = exp2f(score - now);
                    sum += score;
                }
            total[half] = total[half] * factor + sum;
#pragma unroll
            for (int column = 0; column < D / 8; column++) {
                sums[column][half * 2] *= factor;
                sums[column][half * 2 + 1] *= factor;
            }
        }

#pragma unroll
        for (int step = 0; step < KEYS / 16; step++) {
            const float(&low)[4] = scores[2 * step], (&high)[4] = scores[2 * step + 1];
            const unsigned weights[4] = {pack(low[0], low[1]), pack(low[2], low[3]),
                                         pack(high[0], high[1]), pack(high[2], high[3])};
#pragma unroll
            for (int column = 0; column < D / 8; column += 2) {
                // Sixteen keys at eight channels, then at the next eight.
                unsigned b[4];
                load_transposed(b, &values[step * 16 + lane % 16][column * 8 + lane / 16 * 8]);
                multiply(sums[column], weights, b[0], b[1]);
                multiply(sums[column + 1], weights, b[2], b[3]);
            }
        }
    }

    for (int half = 0; half < 2; half++) {
        float sum = total[half];
        sum += __shfl_xor_sync(ALL_LANES, sum, 1);
        sum += __shfl_xor_sync(ALL_LANES, sum, 2);
        const index_t row = first + warp * 16 + lane / 4 + 8 * half;
        if (row >= queries) continue;
        bf16 *out = y + ((group * queries + row) * heads + head) * D;
#pragma unroll
        for (int column = 0; column < D / 8; column++) {
            const unsigned both =
                pack(sums[column][half * 2] / sum, sums[column][half * 2 + 1] / sum);
            *reinterpret_cast<unsigned *>(out + column * 8 + lane % 4 * 2) = both;
        }
    }
}
