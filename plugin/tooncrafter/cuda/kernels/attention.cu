// Softmax attention in f32 arithmetic for any head of up to 512 channels, and attention over time.
//
// The scores of a tile of queries and keys live in shared memory and registers; a running maximum and
// sum per query (online softmax) make the matrix of all scores unnecessary.
#include "common.cuh"

#define QUERIES 64
#define KEYS 32
// Channels that are in shared memory at a time.
#define DEPTH 64

// Copies `count` rows of `depth` channels (of which `have` exist) into shared memory, zeros elsewhere.
template <typename T, int ROWS>
__device__ void stage(float (*tile)[DEPTH + 1], const T *source, index_t pitch, index_t count, int have) {
    for (int i = threadIdx.x; i < ROWS * DEPTH; i += blockDim.x) {
        const int row = i / DEPTH, channel = i % DEPTH;
        const bool inside = row < count && channel < have;
        tile[row][channel] = inside ? widen(source[row * pitch + channel]) : 0.0f;
    }
}

// q: rows of all queries of one group of keys, k and v: its keys and values, rows `pitch` elements apart;
// y: [queries, heads * d]. A group's queries are `queries = repeat * n` rows; with `causal` query i
// sees keys 0..=i % n. CHUNKS: d / 64, rounded up. Grid: (queries / 64, groups * heads). 256 threads.
template <typename T, int CHUNKS>
__device__ void attention(const T *q, const T *k, const T *v, T *y, index_t q_pitch, index_t k_pitch,
                          index_t v_pitch, int heads, int d, index_t queries, int n, int m, float scale,
                          int causal) {
    __shared__ float query[QUERIES][DEPTH + 1];
    __shared__ float other[KEYS][DEPTH + 1];
    __shared__ float weights[QUERIES][KEYS + 1];
    // A thread holds 4 queries by 2 keys of the scores, and 4 queries by 4 channels of each chunk.
    const int across = threadIdx.x % 16, down = threadIdx.x / 16;
    const int head = blockIdx.y % heads;
    const index_t group = blockIdx.y / heads;
    const index_t first = (index_t)blockIdx.x * QUERIES;
    q += (group * queries + first) * q_pitch + head * d;
    k += group * m * k_pitch + head * d;
    v += group * m * v_pitch + head * d;
    y += (group * queries + first) * heads * d + head * d;

    float sums[CHUNKS][4][4] = {};
    float most[4], total[4] = {};
    for (int i = 0; i < 4; i++) most[i] = -INFINITY;

    for (int start = 0; start < m; start += KEYS) {
        float scores[4][2] = {};
        for (int chunk = 0; chunk < CHUNKS; chunk++) {
            __syncthreads();
            const int from = chunk * DEPTH;
            // With a single chunk the queries stay where they are.
            if (CHUNKS > 1 || start == 0)
                stage<T, QUERIES>(query, q + from, q_pitch, queries - first, d - from);
            stage<T, KEYS>(other, k + start * k_pitch + from, k_pitch, m - start, d - from);
            __syncthreads();
            for (int i = 0; i < DEPTH; i++) {
                const float a = other[across * 2][i], b = other[across * 2 + 1][i];
#pragma unroll
                for (int r = 0; r < 4; r++) {
                    const float x = query[down * 4 + r][i];
                    scores[r][0] += x * a;
                    scores[r][1] += x * b;
                }
            }
        }
#pragma unroll
        for (int r = 0; r < 4; r++) {
            const index_t at = first + down * 4 + r;
            const int seen = causal ? (int)(at % n) + 1 : m;
#pragma unroll
            for (int j = 0; j < 2; j++) {
                const int key = start + across * 2 + j;
                scores[r][j] = key < m && key < seen ? scores[r][j] * scale : -INFINITY;
            }
            // The 16 threads of a row are neighbours in a warp.
            float now = fmaxf(scores[r][0], scores[r][1]);
            for (int offset = 8; offset > 0; offset /= 2)
                now = fmaxf(now, __shfl_xor_sync(ALL_LANES, now, offset));
            // Key 0 is seen by all, so this is finite from the first tile on.
            now = fmaxf(now, most[r]);
            const float factor = expf(most[r] - now);
            most[r] = now;
            float sum = 0;
#pragma unroll
            for (int j = 0; j < 2; j++) {
                const float weight = expf(scores[r][j] - now);
                weights[down * 4 + r][across * 2 + j] = weight;
                sum += weight;
            }
            for (int offset = 8; offset > 0; offset /= 2)
                sum += __shfl_xor_sync(ALL_LANES, sum, offset);
            total[r] = total[r] * factor + sum;
#pragma unroll
            for (int chunk = 0; chunk < CHUNKS; chunk++)
#pragma unroll
                for (int j = 0; j < 4; j++) sums[chunk][r][j] *= factor;
        }
#pragma unroll
        for (int chunk = 0; chunk < CHUNKS; chunk++) {
            __syncthreads();
            const int from = chunk * DEPTH;
            stage<T, KEYS>(other, v + start * v_pitch + from, v_pitch, m - start, d - from);
            __syncthreads();
            for (int key = 0; key < KEYS; key++) {
#pragma unroll
                for (int r = 0; r < 4; r++) {
                    const float weight = weights[down * 4 + r][key];
#pragma unroll
                    for (int j = 0; j < 4; j++)
                        sums[chunk][r][j] += weight * other[key][across + 16 * j];
                }
            }
        }
    }
#pragma unroll
    for (int r = 0; r < 4; r++) {
        const int row = down * 4 + r;
        if (first + row >= queries) continue;
#pragma unroll
        for (int chunk = 0; chunk < CHUNKS; chunk++)
#pragma unroll
            for (int j = 0; j < 4; j++) {
                const int channel = chunk * DEPTH + across + 16 * j;
                if (channel < d) {
                    y[(index_t)row * heads * d + channel] = narrow<T>(sums[chunk][r][j] / total[r]);
                }
            }
    }
}

// Most frames, and most values of frames by channels, of attention over time.
#define FRAMES 32
#define FRAME_VALUES 2304

// Attention over the `t` frames of one pixel and head. Rows of [batches, t, pixels]; y: the same with
// rows of heads * d. Grid: (batches * pixels, heads). 128 threads.
template <typename T>
__device__ void attention_over_time(const T *q, const T *k, const T *v, T *y, index_t q_pitch,
                                    index_t k_pitch, index_t v_pitch, int heads, int d, int t,
                                    index_t pixels, float scale) {
    __shared__ float query[FRAME_VALUES], keys[FRAME_VALUES], values[FRAME_VALUES];
    __shared__ float weights[FRAMES * FRAMES];
    const int from = blockIdx.y * d, each = d + 1;
    const index_t first = blockIdx.x / pixels * t * pixels + blockIdx.x % pixels;
    for (int i = threadIdx.x; i < t * d; i += blockDim.x) {
        const int frame = i / d, channel = i % d, to = frame * each + channel;
        const index_t row = first + frame * pixels;
        query[to] = widen(q[row * q_pitch + from + channel]);
        keys[to] = widen(k[row * k_pitch + from + channel]);
        values[to] = widen(v[row * v_pitch + from + channel]);
    }
    __syncthreads();
    for (int i = threadIdx.x; i < t * t; i += blockDim.x) {
        const float *a = query + i / t * each, *b = keys + i % t * each;
        float sum = 0;
        for (int channel = 0; channel < d; channel++) sum += a[channel] * b[channel];
        weights[i] = sum * scale;
    }
    __syncthreads();
    if ((int)threadIdx.x < t) {
        float *row = weights + threadIdx.x * t;
        float most = row[0], sum = 0;
        for (int i = 1; i < t; i++) most = fmaxf(most, row[i]);
        for (int i = 0; i < t; i++) sum += row[i] = expf(row[i] - most);
        for (int i = 0; i < t; i++) row[i] /= sum;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < t * d; i += blockDim.x) {
        const int frame = i / d, channel = i % d;
        float sum = 0;
        for (int other = 0; other < t; other++)
            sum += weights[frame * t + other] * values[other * each + channel];
        y[(first + frame * pixels) * heads * d + from + channel] = narrow<T>(sum);
    }
}

#define ATTENTION(T)                                                                                \
    (const T *q, const T *k, const T *v, T *y, index_t q_pitch, index_t k_pitch, index_t v_pitch,   \
     int heads, int d, index_t queries, int n, int m, float scale, int causal)
#define ARGUMENTS (q, k, v, y, q_pitch, k_pitch, v_pitch, heads, d, queries, n, m, scale, causal)
#define HEADS_UP_TO(width, chunks)                                                                  \
    extern "C" __global__ void attention_##width##_f32 ATTENTION(float) {                           \
        attention<float, chunks> ARGUMENTS;                                                         \
    }                                                                                               \
    extern "C" __global__ void attention_##width##_bf16 ATTENTION(bf16) {                           \
        attention<bf16, chunks> ARGUMENTS;                                                          \
    }
HEADS_UP_TO(64, 1)
HEADS_UP_TO(128, 2)
HEADS_UP_TO(512, 8)

#define OVER_TIME(T)                                                                                \
    (const T *q, const T *k, const T *v, T *y, index_t q_pitch, index_t k_pitch, index_t v_pitch,   \
     int heads, int d, int t, index_t pixels, float scale)
FOR_BOTH_TYPES(attention_over_time, OVER_TIME,
               (q, k, v, y, q_pitch, k_pitch, v_pitch, heads, d, t, pixels, scale))
