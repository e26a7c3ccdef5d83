// Products of bfloat16 rows with frozen weights on the processor's tile unit (AMX).
//
// y (rows, outer) = x (rows, inner) W^T + bias, through GELU or not, rounded to bfloat16. While the
// tile unit adds up one block of 32 x 32 sums, the vector unit rounds and writes the block before:
// the bias and GELU cost next to nothing. A sum's order of additions depends on `inner` alone, never
// on rows or threads. OpenMP's own functions are left undefined: torch has them loaded.

#include <cstdint>
#include <cstring>
#include <cstdlib>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#define TILES 1
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,amx-tile,amx-bf16,avx2,fma")

#include "tiles.h"

namespace {

enum { SIDE = 32, DEEP = 32 };  // of a block of sums; what one step adds to each sum
enum { CACHED = 1 << 19 };      // bytes of x that one thread goes over again and again

struct Block {  // sums that wait to be rounded and written
    const float *sums;
    const float *bias;
    uint16_t *to;
    int64_t rows;  // of them that are wanted
};

template <bool GELU> INLINE void finish(const Block &block, int64_t row, int64_t stride) {
    __m512 a = _mm512_add_ps(_mm512_load_ps(block.sums + row * SIDE), _mm512_loadu_ps(block.bias));
    __m512 b = _mm512_add_ps(_mm512_load_ps(block.sums + row * SIDE + 16),
                             _mm512_loadu_ps(block.bias + 16));
    if (GELU) a = gelu(a), b = gelu(b);
    if (row < block.rows) {
        __m512bh both = _mm512_cvtne2ps_pbh(b, a);
        memcpy(block.to + row * stride, &both, 64);
    }
}

struct Product {
    int64_t rows, inner, outer, x_stride;
    const uint16_t *x, *weight;
    const float *bias;
    uint16_t *y;
};

// rows of x -> blocks of 32 rows, in each steps of 32 inputs, in each two tiles of 16 rows
INLINE void gather(const uint16_t *x, int64_t stride, int64_t rows, int64_t inner, uint16_t *to) {
    for (int64_t m = 0; m < rows; m += SIDE)
        for (int64_t i = 0; i < SIDE; i++) {
            uint16_t *row = to + m * inner + i * DEEP;
            const uint16_t *from = x + (m + i) * stride;
            if (m + i < rows)
                for (int64_t k = 0; k < inner; k += DEEP)
                    _mm512_store_si512(row + k * SIDE, _mm512_loadu_si512(from + k));
            else
                for (int64_t k = 0; k < inner; k += DEEP)
                    _mm512_store_si512(row + k * SIDE, _mm512_setzero_si512());
        }
}

template <bool GELU>
void part(const Product &it, int64_t begin, int64_t end, int64_t first, int64_t last, uint16_t *own) {
    alignas(64) float sums[2][SIDE * SIDE];
    const int64_t steps = it.inner / DEEP, each = (SIDE + steps - 1) / steps;
    gather(it.x + begin * it.x_stride, it.x_stride, end - begin, it.inner, own);
    written();
    Block waiting = {};
    int turn = 0;
    for (int64_t panel = first; panel < last; panel++)
        for (int64_t m = begin; m < end; m += SIDE) {
            const int64_t rows = end - m < SIDE ? end - m : SIDE;
            const uint16_t *x = own + (m - begin) * it.inner;
            const uint16_t *w = it.weight + panel * SIDE * it.inner;
            _tile_zero(0);
            _tile_zero(1);
            _tile_zero(2);
            _tile_zero(3);
            int64_t row = 0;
            for (int64_t k = 0; k < steps; k++) {
                _tile_loadd(4, x + k * 1024, 64);
                _tile_loadd(6, w + k * 1024, 64);
                _tile_loadd(7, w + k * 1024 + 512, 64);
                _tile_dpbf16ps(0, 4, 6);
                _tile_loadd(5, x + k * 1024 + 512, 64);
                _tile_dpbf16ps(1, 4, 7);
                _tile_dpbf16ps(2, 5, 6);
                _tile_dpbf16ps(3, 5, 7);
                if (waiting.sums)
                    for (int64_t i = 0; i < each && row < SIDE; i++)
                        finish<GELU>(waiting, row++, it.outer);
            }
            float *to = sums[turn];
            _tile_stored(0, to, SIDE * 4);
            _tile_stored(1, to + 16, SIDE * 4);
            _tile_stored(2, to + 16 * SIDE, SIDE * 4);
            _tile_stored(3, to + 16 * SIDE + 16, SIDE * 4);
            waiting = {to, it.bias + panel * SIDE, it.y + m * it.outer + panel * SIDE, rows};
            turn ^= 1;
        }
    if (waiting.sums)
        for (int64_t row = 0; row < SIDE; row++) finish<GELU>(waiting, row, it.outer);
}

template <bool GELU> bool product(const Product &it, int threads) {
    const int64_t panels = it.outer / SIDE, blocks = (it.rows + SIDE - 1) / SIDE;
    int64_t most = CACHED / (it.inner * 2 * SIDE);  // blocks of rows
    if (most < 1) most = 1;
    // by rows where there are enough of them, so that each is gathered once; else by outputs too
    int64_t chunks = (blocks + most - 1) / most;
    if (chunks < threads) chunks = blocks < threads ? blocks : threads;
    else chunks = (chunks + threads - 1) / threads * threads;
    const int64_t groups = chunks < threads ? (threads + chunks - 1) / chunks : 1;
    most = (blocks + chunks - 1) / chunks;
    bool failed = false;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        uint16_t *own = (uint16_t *)aligned_alloc(64, most * SIDE * it.inner * 2);
        if (!own) {
#pragma omp atomic write
            failed = true;
        }
        const Registers registers;
#pragma omp for collapse(2) schedule(static)
        for (int64_t c = 0; c < chunks; c++)
            for (int64_t g = 0; g < groups; g++) {
                const int64_t begin = blocks * c / chunks * SIDE, stop = blocks * (c + 1) / chunks * SIDE;
                const int64_t end = stop < it.rows ? stop : it.rows;
                if (own && begin < end)
                    part<GELU>(it, begin, end, panels * g / groups, panels * (g + 1) / groups, own);
            }
        free(own);
    }
    return failed;
}

}  // namespace
#pragma GCC pop_options
#endif

extern "C" {

int weft_tiles() {
#if TILES
    __builtin_cpu_init();
    unsigned a, b, c, d;
    __asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(7), "c"(0));
    if (!(d >> 22 & 1) || !(d >> 24 & 1)) return 0;  // AMX-BF16, AMX-TILE
    __asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(7), "c"(1));
    if (!(a >> 5 & 1) || !__builtin_cpu_supports("avx512vl")) return 0;  // AVX512-BF16
    return syscall(SYS_arch_prctl, 0x1023, 18) == 0;  // the kernel's leave to use tiles
#else
    return 0;
#endif
}

// weight (outer, inner) -> panels of 32 outputs, in each steps of 32 inputs, in each two tiles of
// 16 pairs of inputs by 16 outputs
int tiles_lay_bf16(int64_t outer, int64_t inner, const uint16_t *weight, uint16_t *to) {
    for (int64_t o = 0; o < outer; o++) {
        uint16_t *panel = to + o / 32 * 32 * inner + o / 16 % 2 * 512 + o % 16 * 2;
        for (int64_t i = 0; i < inner; i++)
            panel[i / 32 * 1024 + i % 32 / 2 * 32 + i % 2] = weight[o * inner + i];
    }
    return 0;
}

int tiles_product_bf16(int64_t rows, int64_t inner, int64_t outer, int64_t x_stride,
                       const uint16_t *x, const uint16_t *weight, const float *bias,
                       int64_t through_gelu, uint16_t *y, int64_t threads) {
#if TILES
    const Product it = {rows, inner, outer, x_stride, x, weight, bias, y};
    return through_gelu ? product<true>(it, threads) : product<false>(it, threads);
#else
    return 1;
#endif
}
}
