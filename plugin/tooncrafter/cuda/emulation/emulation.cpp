// Runs launches of the kernels on the processor.
#include "../kernels/common.cuh"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <ucontext.h>
#include <vector>

Place threadIdx, blockIdx, blockDim, gridDim;

namespace {

const int LANES = 32;

// A meeting point: nobody goes on before all have come.
struct Meeting {
    unsigned arrived = 0;
    unsigned long held = 0;
};

struct Thread {
    ucontext_t context;
    std::unique_ptr<char[]> stack;
    bool done = false;
};

// What the lanes of a warp show each other.
struct Warp {
    Meeting meeting;
    float values[LANES];
    unsigned words[LANES][6];
    const bf16 *rows[LANES];
};

std::vector<Thread> threads;
std::vector<Warp> warps;
Meeting block_meeting;
ucontext_t scheduler;
unsigned running;

void meet(Meeting &meeting, unsigned count) {
    const unsigned long held = meeting.held;
    if (++meeting.arrived == count) {
        meeting.arrived = 0;
        meeting.held++;
    }
    // Each thread gives way at least once, so that the turns stay even.
    do {
        swapcontext(&threads[running].context, &scheduler);
    } while (meeting.held == held);
}

unsigned lane() { return threadIdx.x % LANES; }
Warp &warp() { return warps[threadIdx.x / LANES]; }
void meet_warp() { meet(warp().meeting, LANES); }

struct Job {
    void (*call)(void *kernel, void **args);
    void *kernel;
    void **args;
} job;

void run_thread() {
    job.call(job.kernel, job.args);
    threads[running].done = true;
    swapcontext(&threads[running].context, &scheduler);
}

void run_block() {
    const size_t stack = 256 << 10;
    block_meeting = {};
    warps.assign((blockDim.x + LANES - 1) / LANES, {});
    threads.resize(blockDim.x);
    for (auto &thread : threads) {
        if (!thread.stack) thread.stack.reset(new char[stack]);
        thread.done = false;
        getcontext(&thread.context);
        thread.context.uc_stack.ss_sp = thread.stack.get();
        thread.context.uc_stack.ss_size = stack;
        thread.context.uc_link = nullptr;
        makecontext(&thread.context, run_thread, 0);
    }
    unsigned left = blockDim.x;
    for (unsigned long turn = 0; left > 0; turn++) {
        if (turn > 10000000) {
            std::fprintf(stderr, "threads of a block wait for each other for ever\n");
            std::abort();
        }
        for (running = 0; running < blockDim.x; running++) {
            if (threads[running].done) continue;
            threadIdx = {running, 0};
            swapcontext(&scheduler, &threads[running].context);
            if (threads[running].done) left--;
        }
    }
}

// Element (row, column) of an 8 x 8 matrix lies in lane row * 4 + column / 2.
uint16_t half_of(unsigned word, int index) { return (uint16_t)(word >> 16 * index); }
float element(unsigned word, int index) { return widen(bf16{half_of(word, index)}); }

void load(unsigned (&r)[4], const bf16 *row, bool transposed) {
    Warp &own = warp();
    own.rows[lane()] = row;
    meet_warp();
    const int first = lane() / 4, second = lane() % 4 * 2;
    for (int matrix = 0; matrix < 4; matrix++) {
        const bf16 *const *rows = own.rows + 8 * matrix;
        const bf16 low = transposed ? rows[second][first] : rows[first][second];
        const bf16 high = transposed ? rows[second + 1][first] : rows[first][second + 1];
        r[matrix] = low.bits | (unsigned)high.bits << 16;
    }
    meet_warp();
}

}  // namespace

void __syncthreads() { meet(block_meeting, blockDim.x); }

float __shfl_xor_sync(unsigned, float value, int mask) {
    Warp &own = warp();
    own.values[lane()] = value;
    meet_warp();
    const float other = own.values[lane() ^ mask];
    meet_warp();
    return other;
}

void multiply(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    Warp &own = warp();
    const unsigned words[6] = {a[0], a[1], a[2], a[3], b0, b1};
    std::memcpy(own.words[lane()], words, sizeof words);
    meet_warp();
    for (int i = 0; i < 4; i++) {
        const int row = lane() / 4 + i / 2 * 8, column = lane() % 4 * 2 + i % 2;
        for (int k = 0; k < 16; k++) {
            const int high = k / 8, pair = k % 8 / 2;
            const unsigned x = own.words[row % 8 * 4 + pair][row / 8 + 2 * high];
            const unsigned y = own.words[column * 4 + pair][4 + high];
            c[i] += element(x, k % 2) * element(y, k % 2);
        }
    }
    meet_warp();
}

void load_matrices(unsigned (&r)[4], const bf16 *row) { load(r, row, false); }
void load_transposed(unsigned (&r)[4], const bf16 *row) { load(r, row, true); }

namespace norm {
#include "../kernels/norm.cu"
}
namespace product {
#include "../kernels/product.cu"
}
namespace attention_any {
#include "../kernels/attention.cu"
#undef QUERIES
#undef KEYS
}
namespace attention_tensor {
#include "../kernels/attention_bf16.cu"
}

namespace {

template <size_t... I> struct Indices {};
template <size_t N, size_t... I> struct MakeIndices : MakeIndices<N - 1, N - 1, I...> {};
template <size_t... I> struct MakeIndices<0, I...> { typedef Indices<I...> type; };

template <typename... A, size_t... I>
void call_with(void (*kernel)(A...), void **args, Indices<I...>) { kernel(*(A *)args[I]...); }

template <typename... A> struct Caller {
    static void call(void *kernel, void **args) {
        call_with((void (*)(A...))kernel, args, typename MakeIndices<sizeof...(A)>::type());
    }
};

struct Entry {
    const char *name;
    void *kernel;
    void (*call)(void *, void **);
};

template <typename... A> Entry entry(const char *name, void (*kernel)(A...)) {
    return {name, (void *)kernel, Caller<A...>::call};
}

#define ONE(space, name) entry(#name, space::name)
#define BOTH(space, name) ONE(space, name##_f32), ONE(space, name##_bf16)
const Entry ENTRIES[] = {
    BOTH(norm, group_sums), BOTH(norm, group_coefficients), BOTH(norm, group_apply),
    BOTH(norm, layer_norm), BOTH(product, finish), BOTH(product, gate),
    ONE(product, unfold_space_16), ONE(product, unfold_space_4), ONE(product, unfold_space_2),
    ONE(product, unfold_time_16), ONE(product, unfold_time_4), ONE(product, unfold_time_2),
    BOTH(attention_any, attention_64), BOTH(attention_any, attention_128),
    BOTH(attention_any, attention_512), BOTH(attention_any, attention_over_time),
    ONE(attention_tensor, attention_tensor_bf16),
};

}  // namespace

// Runs a kernel; `args` point to its arguments, as for the driver's launch function. Returns 0 when there
// is no kernel of that name. Not to be called from two threads at once.
extern "C" int inbetween_emulate(const char *name, unsigned grid_x, unsigned grid_y, unsigned block,
                                 void **args) {
    for (const Entry &found : ENTRIES) {
        if (std::strcmp(found.name, name) != 0) continue;
        job = {found.call, found.kernel, args};
        gridDim = {grid_x, grid_y};
        blockDim = {block, 1};
        for (unsigned y = 0; y < grid_y; y++)
            for (unsigned x = 0; x < grid_x; x++) {
                blockIdx = {x, y};
                run_block();
            }
        return 1;
    }
    return 0;
}
