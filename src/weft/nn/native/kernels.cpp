// The elementwise, low-rank and attention parts of a bank's step, each in one pass over memory.
//
// The frozen products are oneDNN's, by torch. Nothing here allocates beyond a call, and nothing
// depends on the number of threads but which thread does what. OpenMP's own functions are left
// undefined: torch has them loaded, and two pools of threads would fight for the cores.

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>

struct bf16 {
    uint16_t bits;
};

struct Lora {  // rows begin[run] .. begin[run + 1] belong to slot[run]
    int64_t runs, in, out, r, x_stride, y_stride;
    const int64_t *begin, *slot;
    const float *a, *b;  // (R, r, in), (R, out, r)
    const uint16_t *bits;
    uint32_t threshold;
    float scale, factor;
};

struct Attention {  // rows begin[e] .. begin[e + 1] are example e's
    int64_t examples, heads, dim, longest, first_only, q_stride, kv_stride;
    const int64_t *begin;
    const int64_t *area, *square;  // where example e's kept probabilities and its bits begin
    const uint16_t *bits;
    uint32_t threshold;
    float scale, factor;
};

struct Update {
    Lora lora;
    int64_t column;     // of the product, where its outputs begin
    float *d_a, *d_b;   // the slots' own gradients, added to
};

struct Product {
    const bf16 *ahead, *back;  // tiles, once for each direction
    const float *bias;
    int64_t in, out, count;
    const Update *updates;
};

// What a product's results become: + bias | gelu of that | the same, its slope kept | * slope
enum Kind { BIASED, CURVED, STEEP, TIMES };

struct Drop {
    const uint16_t *bits;
    uint32_t threshold;
    float scale;
};

struct Norm {
    const float *gamma, *beta;
    float epsilon;
    Drop drop;
};

struct Layer {
    int64_t rows, tokens, last;  // of what it is given, of those with a token, of its result
    int64_t backward, lowest;    // whether gradients will be asked for; also of its input
    const int64_t *first;        // each example's first row, where nothing else is asked; or null
    Product query, mixed, out, up, down;
    Norm middle, end;
    Attention attention;
    char *kept, *meanwhile;
};

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define SETS 3
#include <immintrin.h>
#if defined(__linux__) && __GNUC__ >= 11
#define AMX
#include <sys/syscall.h>
#include <unistd.h>
#endif
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4,prefer-vector-width=512")
namespace v4 {
#include "kernels.h"
}
#pragma GCC pop_options
#ifdef AMX
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4,prefer-vector-width=512,avx512bf16,amx-tile,amx-bf16")
#include "tiles.h"
namespace v4 {
#include "amx.h"
}
#pragma GCC pop_options
#endif
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v3")
namespace v3 {
#include "kernels.h"
}
#pragma GCC pop_options
#else
#define SETS 1
#endif
namespace plain {
#include "kernels.h"
}

static int best() {
#if SETS == 3
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v4")) return 4;
    if (__builtin_cpu_supports("x86-64-v3")) return 3;
#endif
    return 1;
}

static int set = best();

#if SETS == 3
#define CALL(name, ...)                             \
    return set == 4   ? v4::name(__VA_ARGS__)       \
           : set == 3 ? v3::name(__VA_ARGS__)       \
                      : plain::name(__VA_ARGS__)
#else
#define CALL(name, ...) return plain::name(__VA_ARGS__)
#endif

// One entry a kernel and a number format; 0, or 1 where memory ran out.
#define BOTH(FORMAT, T)                                                                            \
    int norm_forward_##FORMAT(int64_t rows, int64_t width, const T *update, const uint16_t *bits, \
                               uint32_t threshold, float scale, const float *residual,             \
                               const float *gamma, const float *beta, float epsilon, float *out,   \
                               T *narrow, float *normal, float *inverse) {                         \
        CALL(norm_forward, rows, width, update, bits, threshold, scale, residual, gamma, beta,     \
             epsilon, out, narrow, normal, inverse);                                               \
    }                                                                                              \
    int norm_backward_##FORMAT(int64_t rows, int64_t width, const float *d_out,                   \
                                const T *d_narrow, const float *normal, const float *inverse,      \
                                const float *gamma, const uint16_t *bits, uint32_t threshold,      \
                                float scale, float *d_residual, T *d_update) {                     \
        CALL(norm_backward, rows, width, d_out, d_narrow, normal, inverse, gamma, bits, threshold, \
             scale, d_residual, d_update);                                                         \
    }                                                                                              \
    int gelu_##FORMAT(int64_t count, const T *x, T *out, T *slope) {                              \
        CALL(gelu, count, x, out, slope);                                                          \
    }                                                                                              \
    int add_##FORMAT(int64_t count, T *y, const T *x) { CALL(add, count, y, x); }                 \
    int times_##FORMAT(int64_t count, T *y, const T *x) { CALL(times, count, y, x); }             \
    int lora_forward_##FORMAT(const Lora *lora, const T *x, T *y, float *low) {                   \
        CALL(lora_forward, lora, x, y, low);                                                       \
    }                                                                                              \
    int lora_backward_##FORMAT(const Lora *lora, const T *x, const T *d_y, const float *low,      \
                                T *d_x, float *d_a, float *d_b) {                                  \
        CALL(lora_backward, lora, x, d_y, low, d_x, d_a, d_b);                                     \
    }                                                                                              \
    int attend_forward_##FORMAT(const Attention *at, const T *q, const T *k, const T *v, T *out,  \
                                 float *kept) {                                                    \
        CALL(attend_forward, at, q, k, v, out, kept);                                              \
    }                                                                                              \
    int attend_backward_##FORMAT(const Attention *at, const T *q, const T *k, const T *v,         \
                                  const float *kept, const T *d_out, T *d_q, T *d_k, T *d_v) {     \
        CALL(attend_backward, at, q, k, v, kept, d_out, d_q, d_k, d_v);                            \
    }

extern "C" {
BOTH(float32, float)
BOTH(bf16, bf16)
// Words of 64 random bits by SFC64 (Chris Doty-Humphrey), as NumPy draws them; `s` moves on.
int draw(int64_t words, uint64_t *s, uint64_t *out) {
    uint64_t a = s[0], b = s[1], c = s[2], count = s[3];
    for (int64_t i = 0; i < words; i++) {
        const uint64_t word = a + b + count++;
        a = b ^ (b >> 11);
        b = c + (c << 3);
        c = (c << 24 | c >> 40) + word;
        memcpy(out + i, &word, sizeof(word));
    }
    s[0] = a, s[1] = b, s[2] = c, s[3] = count;
    return 0;
}
// Whether the processor has a tile unit (AMX) that the kernels may use
int weft_tiles() {
#ifdef AMX
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

// weight (out, in) -> panels of 32 outputs, in each steps of 32 inputs, in each two tiles of
// 16 pairs of inputs by 16 outputs
int tiles_lay_bf16(int64_t out, int64_t in, const uint16_t *weight, uint16_t *to) {
    for (int64_t o = 0; o < out; o++) {
        uint16_t *panel = to + o / 32 * 32 * in + o / 16 % 2 * 512 + o % 16 * 2;
        for (int64_t i = 0; i < in; i++)
            panel[i / 32 * 1024 + i % 32 / 2 * 32 + i % 2] = weight[o * in + i];
    }
    return 0;
}
// `kind` is one of amx.h's; only where weft_tiles() is true
int product_bf16(int64_t rows, int64_t in, int64_t out, const bf16 *x, int64_t stride,
                 const bf16 *w, const float *bias, bf16 *y, bf16 *slope, int64_t kind) {
#ifdef AMX
    switch (kind) {
        case BIASED: v4::product<BIASED>(rows, in, out, x, stride, w, bias, y, slope); break;
        case CURVED: v4::product<CURVED>(rows, in, out, x, stride, w, bias, y, slope); break;
        case STEEP: v4::product<STEEP>(rows, in, out, x, stride, w, bias, y, slope); break;
        default: v4::product<TIMES>(rows, in, out, x, stride, w, bias, y, slope);
    }
    return 0;
#else
    return 1;
#endif
}
}

#include "layer.h"

extern "C" {
int layer_forward(const Layer *layer, const float *wide, const bf16 *narrow, float *wide_out,
                  bf16 *narrow_out) {
    return forward(*layer, wide, narrow, wide_out, narrow_out);
}
int layer_backward(const Layer *layer, const bf16 *narrow, const float *d_out,
                   const bf16 *d_narrow, float *d_wide, bf16 *d_x) {
    return backward(*layer, narrow, d_out, d_narrow, d_wide, d_x);
}
// Bytes that a layer keeps for its backward pass, and that either pass takes meanwhile.
int64_t layer_kept(const Layer *layer) { return Kept(*layer, nullptr).bytes; }
int64_t layer_meanwhile(const Layer *layer) { return meanwhile(*layer); }
int weft_instruction_set() { return set; }
const char *weft_source() { return WEFT_SOURCE; }
}
