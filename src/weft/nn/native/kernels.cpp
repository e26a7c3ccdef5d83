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

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define SETS 3
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4,prefer-vector-width=512")
namespace v4 {
#include "kernels.h"
}
#pragma GCC pop_options
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
int weft_instruction_set() { return set; }
const char *weft_source() { return WEFT_SOURCE; }
}
