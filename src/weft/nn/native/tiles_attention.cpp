// Attention of each example's tokens among themselves on the processor's tile unit (AMX).
//
// Of one example and one head at a time: scores = Q K^T, softmax by rows, context = P V, the sums in
// float32, what is multiplied in bfloat16. Without dropout, and nothing is kept for a gradient.

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>
#define TILES 1
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,amx-tile,amx-bf16,avx2,fma")

#include "tiles.h"

namespace {

INLINE int64_t up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// rows (length, dim) with 16 between them -> the same end to end, followed by rows of zeros
INLINE void copy(const uint16_t *x, int64_t stride, int64_t length, int64_t rows, int64_t dim,
                 uint16_t *to) {
    for (int64_t i = 0; i < length; i++)
        for (int64_t d = 0; d < dim; d += 32)
            _mm512_store_si512(to + i * dim + d, _mm512_loadu_si512(x + i * stride + d));
    memset(to + length * dim, 0, (rows - length) * dim * 2);
}

// 16 rows of 16 pairs -> 16 rows of the same pair of each
INLINE void turn(__m512i *r) {
    __m512i t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
    for (int i = 0; i < 8; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    }
}

// keys (length, dim) -> tiles of 16 pairs of dimensions by 16 keys, the dimensions of 16 keys together
INLINE void turned(const uint16_t *k, int64_t stride, int64_t length, int64_t dim, uint16_t *to) {
    for (int64_t j = 0; j < length; j += 16)
        for (int64_t d = 0; d < dim; d += 32, to += 512) {
            __m512i rows[16];
            for (int64_t i = 0; i < 16; i++)
                rows[i] = j + i < length ? _mm512_loadu_si512(k + (j + i) * stride + d)
                                         : _mm512_setzero_si512();
            turn(rows);
            for (int64_t i = 0; i < 16; i++) _mm512_store_si512(to + i * 32, rows[i]);
        }
}

// values (length, dim) -> tiles of 16 pairs of tokens by 16 dimensions
INLINE void paired(const uint16_t *v, int64_t stride, int64_t length, int64_t dim, uint16_t *to) {
    for (int64_t j = 0; j < length; j += 32)
        for (int64_t d = 0; d < dim; d += 16)
            for (int64_t i = j; i < j + 32; i += 2, to += 32) {
                __m512i both = _mm512_setzero_si512();
                if (i < length)
                    both = _mm512_cvtepu16_epi32(
                        _mm256_loadu_si256((const __m256i *)(v + i * stride + d)));
                if (i + 1 < length)
                    both = _mm512_or_si512(
                        both, _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(
                                                    (const __m256i *)(v + (i + 1) * stride + d))),
                                                16));
                _mm512_store_si512(to, both);
            }
}

// scores (rows of `lanes`) -> e^(factor score) less the row's largest, as pairs of bfloat16 in rows of
// `deep`; one over their sums
INLINE void soften(const float *scores, int64_t rows, int64_t length, int64_t lanes, int64_t deep,
                   float factor, uint16_t *to, float *inverse) {
    const __m512 scale = _mm512_set1_ps(factor * 1.44269504f);
    for (int64_t i = 0; i < rows; i++) {
        const float *row = scores + i * lanes;
        const __m512 least = _mm512_set1_ps(-INFINITY);
        __m512 top = least;
        for (int64_t j = 0; j < length; j += 16) {
            const __mmask16 there = length - j < 16 ? (1 << (length - j)) - 1 : 0xffff;
            top = _mm512_max_ps(top, _mm512_mask_mov_ps(least, there, _mm512_load_ps(row + j)));
        }
        const __m512 most = _mm512_mul_ps(_mm512_set1_ps(_mm512_reduce_max_ps(top)), scale);
        __m512 total = _mm512_setzero_ps();
        for (int64_t j = 0; j < deep; j += 16) {
            __m256bh narrow = {};
            if (j < length) {
                const __mmask16 there = length - j < 16 ? (1 << (length - j)) - 1 : 0xffff;
                __m512 p = power(_mm512_fmsub_ps(_mm512_load_ps(row + j), scale, most));
                p = _mm512_maskz_mov_ps(there, p);
                total = _mm512_add_ps(total, p);
                narrow = _mm512_cvtneps_pbh(p);
            }
            memcpy(to + i * deep + j, &narrow, 32);
        }
        inverse[i] = 1.0f / _mm512_reduce_add_ps(total);
    }
}

struct Heads {
    int64_t examples, heads, dim, longest, first_only, q_stride, kv_stride;
    const int64_t *begin;  // rows begin[e] .. begin[e + 1] are example e's
    float factor;
};

struct Area {  // one thread's
    uint16_t *query, *key, *value, *p;
    float *scores, *inverse, *context;
};

void attend(const Heads &at, int64_t e, int64_t head, const uint16_t *q, const uint16_t *k,
            const uint16_t *v, uint16_t *out, const Area &area) {
    const int64_t dim = at.dim, begin = at.begin[e], length = at.begin[e + 1] - begin;
    const int64_t first = at.first_only ? e : begin, queries = at.first_only ? 1 : length;
    const int64_t lanes = up(length, 16), deep = up(length, 32), column = head * dim;
    copy(q + first * at.q_stride + column, at.q_stride, queries, up(queries, 16), dim, area.query);
    turned(k + begin * at.kv_stride + column, at.kv_stride, length, dim, area.key);
    paired(v + begin * at.kv_stride + column, at.kv_stride, length, dim, area.value);
    for (int64_t i = 0; i < queries; i += 16) {
        const int64_t rows = queries - i < 16 ? queries - i : 16;
        written();
        for (int64_t j = 0; j < length; j += 16) {
            _tile_zero(0);
            for (int64_t d = 0; d < dim; d += 32) {
                _tile_loadd(1, area.query + i * dim + d, dim * 2);
                _tile_loadd(2, area.key + j * dim + d * 16, 64);
                _tile_dpbf16ps(0, 1, 2);
            }
            _tile_stored(0, area.scores + j, lanes * 4);
        }
        soften(area.scores, rows, length, lanes, deep, at.factor, area.p, area.inverse);
        written();
        for (int64_t d = 0; d < dim; d += 16) {
            _tile_zero(0);
            for (int64_t j = 0; j < length; j += 32) {
                _tile_loadd(1, area.p + j, deep * 2);
                _tile_loadd(2, area.value + j * dim + d * 32, 64);
                _tile_dpbf16ps(0, 1, 2);
            }
            _tile_stored(0, area.context + d, dim * 4);
        }
        for (int64_t r = 0; r < rows; r++) {
            const __m512 inverse = _mm512_set1_ps(area.inverse[r]);
            uint16_t *to = out + (first + i + r) * at.heads * dim + column;
            for (int64_t d = 0; d < dim; d += 32) {
                const float *from = area.context + r * dim + d;
                __m512bh both =
                    _mm512_cvtne2ps_pbh(_mm512_mul_ps(_mm512_load_ps(from + 16), inverse),
                                        _mm512_mul_ps(_mm512_load_ps(from), inverse));
                memcpy(to + d, &both, 64);
            }
        }
    }
}

bool attend_all(const Heads &at, const uint16_t *q, const uint16_t *k, const uint16_t *v,
                uint16_t *out, int threads) {
    const int64_t dim = at.dim, most = up(at.longest, 32);
    const int64_t floats = 16 * most + 16 + 16 * dim, halves = 3 * most * dim + 16 * most;
    bool failed = false;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        float *own = (float *)aligned_alloc(64, floats * 4 + halves * 2);
        const Registers registers;
        if (!own) {
#pragma omp atomic write
            failed = true;
        } else {
            memset(own, 0, floats * 4 + halves * 2);
        }
        uint16_t *half = (uint16_t *)(own + floats);
        const Area area = {half,
                           half + most * dim,
                           half + 2 * most * dim,
                           half + 3 * most * dim,
                           own,
                           own + 16 * most,
                           own + 16 * most + 16};
#pragma omp for collapse(2) schedule(dynamic, 8)
        for (int64_t e = 0; e < at.examples; e++)
            for (int64_t head = 0; head < at.heads; head++)
                if (own) attend(at, e, head, q, k, v, out, area);
        free(own);
    }
    return failed;
}

}  // namespace
#pragma GCC pop_options
#endif

extern "C" int tiles_attend_bf16(int64_t examples, int64_t heads, int64_t dim, int64_t longest,
                                 int64_t first_only, int64_t q_stride, int64_t kv_stride,
                                 const int64_t *begin, float factor, const uint16_t *q,
                                 const uint16_t *k, const uint16_t *v, uint16_t *out,
                                 int64_t threads) {
#if TILES
    const Heads at = {examples, heads, dim, longest, first_only, q_stride, kv_stride, begin, factor};
    return attend_all(at, q, k, v, out, threads);
#else
    return 1;
#endif
}
