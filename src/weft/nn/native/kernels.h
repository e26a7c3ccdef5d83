// The kernels themselves, included once for each instruction set (see kernels.cpp).
//
// Rows are tokens, in canonical order (run, example, token), without padding. Activations are
// float or bfloat16 (T below), sums are float. Vectors are 16 floats wide; the compiler cuts them
// to what the instruction set has. `bits` are 16 random bits an element: an element is kept where
// they are no less than `threshold`; a null pointer drops nothing.

typedef float v16 __attribute__((vector_size(64), aligned(4)));
typedef int32_t i16v __attribute__((vector_size(64), aligned(4)));
typedef uint32_t u16v __attribute__((vector_size(64), aligned(4)));
typedef uint16_t h16v __attribute__((vector_size(32), aligned(2)));

#define INLINE static inline __attribute__((always_inline))

// Lanes of a and b, end to end, in the order that is named.
#ifdef __clang__
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (i16v){__VA_ARGS__})
#endif
#define BY_EIGHT(x) SHUFFLE(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)
#define BY_FOUR(x) SHUFFLE(x, x, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11)
#define BY_TWO(x) SHUFFLE(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)
#define BY_ONE(x) SHUFFLE(x, x, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)

INLINE v16 load(const float *p) { return *(const v16 *)p; }
INLINE v16 load(const bf16 *p) {
    return (v16)(__builtin_convertvector(*(const h16v *)p, u16v) << 16);
}
INLINE void store(float *p, v16 x) { *(v16 *)p = x; }
INLINE void store(bf16 *p, v16 x) {
    u16v u = (u16v)x;
    u += 0x7fff + ((u >> 16) & 1);  // to nearest, ties to even
    *(h16v *)p = __builtin_convertvector(u >> 16, h16v);
}
INLINE float one(const float *p) { return *p; }
INLINE float one(const bf16 *p) {
    uint32_t u = (uint32_t)p->bits << 16;
    float x;
    memcpy(&x, &u, 4);
    return x;
}
INLINE void put(float *p, float x) { *p = x; }
INLINE void put(bf16 *p, float x) {
    uint32_t u;
    memcpy(&u, &x, 4);
    p->bits = (uint16_t)((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}
INLINE v16 fill(float x) { return x - (v16){}; }
INLINE v16 select(i16v mask, v16 a, v16 b) {
    return (v16)((mask & (i16v)a) | (~mask & (i16v)b));
}
INLINE v16 larger(v16 a, v16 b) { return select(a > b, a, b); }
INLINE v16 smaller(v16 a, v16 b) { return select(a < b, a, b); }
INLINE float sum(v16 x) {
    x += BY_EIGHT(x);
    x += BY_FOUR(x);
    x += BY_TWO(x);
    x += BY_ONE(x);
    return x[0];
}
INLINE float largest(v16 x) {
    x = larger(x, BY_EIGHT(x));
    x = larger(x, BY_FOUR(x));
    x = larger(x, BY_TWO(x));
    x = larger(x, BY_ONE(x));
    return x[0];
}
// 16 rows of 16 -> 16 columns of 16
INLINE void transpose(v16 *r) {
    v16 t[16];
    for (int pass = 0; pass < 4; pass++) {
        for (int i = 0; i < 8; i++) {
            t[2 * i] = SHUFFLE(r[i], r[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            t[2 * i + 1] = SHUFFLE(r[i], r[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30,
                                   15, 31);
        }
        for (int i = 0; i < 16; i++) r[i] = t[i];
    }
}
INLINE v16 dropped(v16 x, const uint16_t *bits, uint32_t threshold, float scale) {
    u16v drawn = __builtin_convertvector(*(const h16v *)bits, u16v);
    return (v16)((i16v)(x * scale) & (drawn >= threshold));
}

// e^x for x <= 88, to 2 units in the last place
INLINE v16 exponential(v16 x) {
    x = smaller(larger(x, fill(-87.3f)), fill(88.0f));
    v16 shifted = x * 1.44269504f + 12582912.0f;  // the addend rounds to an integer
    v16 n = shifted - 12582912.0f;
    v16 r = x - n * 0.693359375f + n * 2.12194440e-4f;
    v16 y = fill(1.9875691500e-4f);
    y = y * r + 1.3981999507e-3f;
    y = y * r + 8.3334519073e-3f;
    y = y * r + 4.1665795894e-2f;
    y = y * r + 1.6666665459e-1f;
    y = y * r + 5.0000001201e-1f;
    y = y * r * r + r + 1.0f;
    return (v16)((i16v)y + (__builtin_convertvector(n, i16v) << 23));
}

// ---- LayerNorm of residual + dropout(update)

// Below this many numbers, waking another thread costs more than it saves.
enum { ALONE = 1 << 14 };

template <class T>
static int norm_forward(int64_t rows, int64_t width, const T *update, const uint16_t *bits,
                         uint32_t threshold, float scale, const float *residual,
                         const float *gamma, const float *beta, float epsilon, float *out,
                         T *narrow, float *normal, float *inverse) {
#pragma omp parallel for schedule(static) if (rows * width > ALONE)
    for (int64_t t = 0; t < rows; t++) {
        float *row = (normal ? normal : out) + t * width;
        v16 total = fill(0);
        for (int64_t h = 0; h < width; h += 16) {
            v16 x = load(update + t * width + h);
            if (bits) x = dropped(x, bits + t * width + h, threshold, scale);
            x += load(residual + t * width + h);
            total += x;
            store(row + h, x);
        }
        float mean = sum(total) / width;
        v16 squares = fill(0);
        for (int64_t h = 0; h < width; h += 16) {
            v16 x = load(row + h) - mean;
            squares += x * x;
        }
        float variance = sum(squares) / width;
        // a variance past all numbers would flatten the row to zero, and hide that it is broken
        float factor = variance < INFINITY ? 1.0f / sqrtf(variance + epsilon) : NAN;
        if (inverse) inverse[t] = factor;
        for (int64_t h = 0; h < width; h += 16) {
            v16 x = (load(row + h) - mean) * factor;
            if (normal) store(row + h, x);
            x = x * load(gamma + h) + load(beta + h);
            store(out + t * width + h, x);
            if (narrow) store(narrow + t * width + h, x);
        }
    }
    return 0;
}

// Gradients of `out` and `narrow`, either of which may be null, to those of residual and update.
template <class T>
static int norm_backward(int64_t rows, int64_t width, const float *d_out, const T *d_narrow,
                          const float *normal, const float *inverse, const float *gamma,
                          const uint16_t *bits, uint32_t threshold, float scale,
                          float *d_residual, T *d_update) {
#pragma omp parallel for schedule(static) if (rows * width > ALONE)
    for (int64_t t = 0; t < rows; t++) {
        float *row = d_residual + t * width;
        v16 first = fill(0), second = fill(0);
        for (int64_t h = 0; h < width; h += 16) {
            v16 d = fill(0);
            if (d_out) d += load(d_out + t * width + h);
            if (d_narrow) d += load(d_narrow + t * width + h);
            d *= load(gamma + h);
            first += d;
            second += d * load(normal + t * width + h);
            store(row + h, d);
        }
        float mean = sum(first) / width, slope = sum(second) / width;
        for (int64_t h = 0; h < width; h += 16) {
            v16 d = load(row + h) - mean - load(normal + t * width + h) * slope;
            d *= inverse[t];
            store(row + h, d);
            if (bits) d = dropped(d, bits + t * width + h, threshold, scale);
            store(d_update + t * width + h, d);
        }
    }
    return 0;
}

// ---- GELU by the error function (Abramowitz and Stegun 7.1.26, error below 1.5e-7)

INLINE void normal_law(v16 x, v16 *cumulative, v16 *density) {
    v16 e = exponential(x * x * -0.5f);
    v16 z = larger(x, -x) * 0.70710678f;
    v16 t = 1.0f / (1.0f + 0.3275911f * z);
    v16 tail = fill(1.061405429f);
    tail = tail * t - 1.453152027f;
    tail = tail * t + 1.421413741f;
    tail = tail * t - 0.284496736f;
    tail = tail * t + 0.254829592f;
    tail = tail * t * e * 0.5f;
    *cumulative = select(x < 0.0f, tail, 1.0f - tail);
    *density = e * 0.39894228f;
}

// slope, if wanted, is the derivative: the backward pass is a product with it
template <class T> static int gelu(int64_t count, const T *x, T *out, T *slope) {
#pragma omp parallel for schedule(static) if (count > ALONE)
    for (int64_t i = 0; i < count; i += 16) {
        v16 value = load(x + i), cumulative, density;
        normal_law(value, &cumulative, &density);
        store(out + i, value * cumulative);
        if (slope) store(slope + i, cumulative + value * density);
    }
    return 0;
}

// y += x, and y *= x; `count` is a multiple of 16
template <class T> static int add(int64_t count, T *y, const T *x) {
    for (int64_t i = 0; i < count; i += 16) store(y + i, load(y + i) + load(x + i));
    return 0;
}
template <class T> static int times(int64_t count, T *y, const T *x) {
#pragma omp parallel for schedule(static) if (count > ALONE)
    for (int64_t i = 0; i < count; i += 16) store(y + i, load(y + i) * load(x + i));
    return 0;
}

// ---- Low-rank updates: rows of one run meet that run's own pair (A, B)
//
// `ranks` is r rounded up to a multiple of 8; what lies above r is zero.

enum { BLOCK = 32 };  // rows that one thread takes at a time

// low (rows, ranks) = dropout(x) W^T, W (ranks, width)
template <class T>
INLINE void down(int64_t rows, int64_t width, int64_t ranks, const T *x, int64_t stride,
                 const uint16_t *bits, uint32_t threshold, float scale, const float *w,
                 float factor, float *low) {
    for (int64_t t = 0; t < rows; t++)
        for (int64_t k = 0; k < ranks; k += 8) {
            v16 acc[8] = {};
            for (int64_t h = 0; h < width; h += 16) {
                v16 value = load(x + t * stride + h);
                if (bits) value = dropped(value, bits + t * width + h, threshold, scale);
                for (int i = 0; i < 8; i++) acc[i] += value * load(w + (k + i) * width + h);
            }
            for (int i = 0; i < 8; i++) low[t * ranks + k + i] = sum(acc[i]) * factor;
        }
}

// out (rows, width) += factor * dropout(low W)
template <class T>
INLINE void up(int64_t rows, int64_t width, int64_t ranks, const float *low, const float *w,
               float factor, const uint16_t *bits, uint32_t threshold, float scale, T *out,
               int64_t stride) {
    for (int64_t k = 0; k < ranks; k += 8)
        for (int64_t h = 0; h < width; h += 16) {
            v16 part[8];
            for (int i = 0; i < 8; i++) part[i] = load(w + (k + i) * width + h) * factor;
            for (int64_t t = 0; t < rows; t++) {
                v16 value = fill(0);
                for (int i = 0; i < 8; i++) value += part[i] * low[t * ranks + k + i];
                if (bits) value = dropped(value, bits + t * width + h, threshold, scale);
                store(out + t * stride + h, load(out + t * stride + h) + value);
            }
        }
}

// d_w (ranks, columns begin to end) = low^T dropout(x), over all rows of a run
template <class T>
INLINE void outer(int64_t rows, int64_t width, int64_t ranks, const float *low, const T *x,
                  int64_t stride, const uint16_t *bits, uint32_t threshold, float scale,
                  int64_t h, float *d_w) {
    for (int64_t k = 0; k < ranks; k += 8) {
        v16 acc[8] = {};
        for (int64_t t = 0; t < rows; t++) {
            v16 value = load(x + t * stride + h);
            if (bits) value = dropped(value, bits + t * width + h, threshold, scale);
            for (int i = 0; i < 8; i++) acc[i] += value * low[t * ranks + k + i];
        }
        for (int i = 0; i < 8; i++) store(d_w + (k + i) * width + h, acc[i]);
    }
}

// The weights of one slot, padded to `ranks` rows: A (r, in) as it is, B (out, r) transposed.
INLINE void padded(int64_t r, int64_t ranks, int64_t width, const float *a, float *to) {
    memcpy(to, a, r * width * sizeof(float));
    memset(to + r * width, 0, (ranks - r) * width * sizeof(float));
}
INLINE void transposed(int64_t r, int64_t ranks, int64_t width, const float *b, float *to) {
    for (int64_t h = 0; h < width; h++)
        for (int64_t k = 0; k < r; k++) to[k * width + h] = b[h * r + k];
    memset(to + r * width, 0, (ranks - r) * width * sizeof(float));
}

// y (rows, out) += factor * B A dropout(x); keeps low = A dropout(x) for the backward pass.
template <class T>
static int lora_forward(const Lora *lora, const T *x, T *y, float *low) {
    const int64_t in = lora->in, out = lora->out, r = lora->r, ranks = (r + 7) / 8 * 8;
    const int64_t size = ranks * (in + out);
    float *weights = (float *)malloc(lora->runs * size * sizeof(float));
    if (!weights) return 1;
#pragma omp parallel if (lora->begin[lora->runs] * in > ALONE)
    {
#pragma omp for schedule(static)
        for (int64_t run = 0; run < lora->runs; run++) {
            float *a = weights + run * size;
            padded(r, ranks, in, lora->a + lora->slot[run] * r * in, a);
            transposed(r, ranks, out, lora->b + lora->slot[run] * r * out, a + ranks * in);
        }
        for (int64_t run = 0; run < lora->runs; run++) {
            const float *a = weights + run * size, *b = a + ranks * in;
            const int64_t begin = lora->begin[run], end = lora->begin[run + 1];
#pragma omp for schedule(static) nowait
            for (int64_t t = begin; t < end; t += BLOCK) {
                const int64_t rows = end - t < BLOCK ? end - t : BLOCK;
                const uint16_t *bits = lora->bits ? lora->bits + t * in : nullptr;
                down(rows, in, ranks, x + t * lora->x_stride, lora->x_stride, bits,
                     lora->threshold, lora->scale, a, 1.0f, low + t * ranks);
                up(rows, out, ranks, low + t * ranks, b, lora->factor, (const uint16_t *)nullptr, 0,
                   1.0f, y + t * lora->y_stride, lora->y_stride);
            }
        }
    }
    free(weights);
    return 0;
}

// Adds to d_x (rows, in) and to the slots' own d_a (R, r, in), d_b (R, out, r).
template <class T>
static int lora_backward(const Lora *lora, const T *x, const T *d_y, const float *low, T *d_x,
                          float *d_a, float *d_b) {
    const int64_t in = lora->in, out = lora->out, r = lora->r, ranks = (r + 7) / 8 * 8;
    const int64_t size = ranks * (in + out), rows_all = lora->begin[lora->runs];
    float *weights = (float *)malloc((lora->runs * size + rows_all * ranks) * sizeof(float));
    float *d_low = weights + lora->runs * size;
    float *products = (float *)malloc(lora->runs * size * sizeof(float));
    if (!weights || !products) {
        free(weights);
        free(products);
        return 1;
    }
#pragma omp parallel if (rows_all * in > ALONE)
    {
#pragma omp for schedule(static)
        for (int64_t run = 0; run < lora->runs; run++) {
            float *a = weights + run * size;
            padded(r, ranks, in, lora->a + lora->slot[run] * r * in, a);
            transposed(r, ranks, out, lora->b + lora->slot[run] * r * out, a + ranks * in);
        }
        for (int64_t run = 0; run < lora->runs; run++) {
            const float *a = weights + run * size, *b = a + ranks * in;
            const int64_t begin = lora->begin[run], end = lora->begin[run + 1];
#pragma omp for schedule(static)
            for (int64_t t = begin; t < end; t += BLOCK) {
                const int64_t rows = end - t < BLOCK ? end - t : BLOCK;
                const uint16_t *bits = lora->bits ? lora->bits + t * in : nullptr;
                down(rows, out, ranks, d_y + t * lora->y_stride, lora->y_stride,
                     (const uint16_t *)nullptr, 0, 1.0f, b, lora->factor, d_low + t * ranks);
                if (d_x)
                    up(rows, in, ranks, d_low + t * ranks, a, 1.0f, bits, lora->threshold,
                       lora->scale, d_x + t * in, in);
            }
            float *p_a = products + run * size, *p_b = p_a + ranks * in;
#pragma omp for schedule(static) nowait
            for (int64_t h = 0; h < in + out; h += 16) {
                if (h < in)
                    outer(end - begin, in, ranks, d_low + begin * ranks,
                          x + begin * lora->x_stride, lora->x_stride,
                          lora->bits ? lora->bits + begin * in : nullptr, lora->threshold,
                          lora->scale, h, p_a);
                else
                    outer(end - begin, out, ranks, low + begin * ranks,
                          d_y + begin * lora->y_stride, lora->y_stride, (const uint16_t *)nullptr,
                          0, 1.0f, h - in, p_b);
            }
        }
#pragma omp barrier
#pragma omp for schedule(static)
        for (int64_t run = 0; run < lora->runs; run++) {
            const float *p_a = products + run * size, *p_b = p_a + ranks * in;
            float *own_a = d_a + lora->slot[run] * r * in, *own_b = d_b + lora->slot[run] * r * out;
            for (int64_t i = 0; i < r * in; i++) own_a[i] += p_a[i];
            for (int64_t h = 0; h < out; h++)
                for (int64_t k = 0; k < r; k++)
                    own_b[h * r + k] += lora->factor * p_b[k * out + h];
        }
    }
    free(weights);
    free(products);
    return 0;
}

// ---- Attention of each example's tokens among themselves

// c (m, n) = a b; a's element (i, k) lies at i * row + k * column, b (depth, n) and c have rows of
// `ldb` and `ldc`; n is a multiple of 16. COUNT rows by 16 columns are held in registers.
template <int COUNT>
INLINE void tile(int64_t n, int64_t depth, const float *a, int64_t row, int64_t column,
                 const float *b, int64_t ldb, float *c, int64_t ldc) {
    for (int64_t j = 0; j < n; j += 16) {
        v16 acc[COUNT] = {};
        for (int64_t k = 0; k < depth; k++) {
            v16 value = load(b + k * ldb + j);
            for (int i = 0; i < COUNT; i++) acc[i] += value * a[i * row + k * column];
        }
        for (int i = 0; i < COUNT; i++) store(c + i * ldc + j, acc[i]);
    }
}

// the same of COUNT rows at most
template <int COUNT>
INLINE void rest(int64_t m, int64_t n, int64_t depth, const float *a, int64_t row, int64_t column,
                 const float *b, int64_t ldb, float *c, int64_t ldc) {
    if (m == COUNT) tile<COUNT>(n, depth, a, row, column, b, ldb, c, ldc);
    if constexpr (COUNT > 1) rest<COUNT - 1>(m, n, depth, a, row, column, b, ldb, c, ldc);
}
// the same of any number of rows
static void multiply(int64_t m, int64_t n, int64_t depth, const float *a, int64_t row,
                     int64_t column, const float *b, int64_t ldb, float *c, int64_t ldc) {
    for (; m >= 8; m -= 8, a += 8 * row, c += 8 * ldc)
        tile<8>(n, depth, a, row, column, b, ldb, c, ldc);
    rest<7>(m, n, depth, a, row, column, b, ldb, c, ldc);
}

// (rows, dim) out of an activation into a scratch area whose rows are `wide` floats, rest zero
template <class T>
INLINE void gather(int64_t rows, int64_t dim, int64_t wide, const T *x, int64_t stride,
                   float factor, float *to) {
    for (int64_t i = 0; i < rows; i++) {
        int64_t d = 0;
        for (; d + 16 <= dim; d += 16) store(to + i * wide + d, load(x + i * stride + d) * factor);
        for (; d < dim; d++) to[i * wide + d] = one(x + i * stride + d) * factor;
        for (; d < wide; d++) to[i * wide + d] = 0;
    }
}
template <class T>
INLINE void scatter(int64_t rows, int64_t dim, int64_t wide, const float *from, float factor,
                    T *x, int64_t stride) {
    for (int64_t i = 0; i < rows; i++) {
        int64_t d = 0;
        for (; d + 16 <= dim; d += 16) store(x + i * stride + d, load(from + i * wide + d) * factor);
        for (; d < dim; d++) put(x + i * stride + d, from[i * wide + d] * factor);
    }
}
// the same transposed, each dimension's `lanes` tokens together, those past `rows` zero
template <class T>
INLINE void turn(int64_t rows, int64_t dim, const T *x, int64_t stride, int64_t lanes, float *to) {
    for (int64_t j = 0; j < lanes; j += 16) {
        int64_t d = 0;
        for (; d + 16 <= dim; d += 16) {
            v16 block[16];
            for (int i = 0; i < 16; i++)
                block[i] = j + i < rows ? load(x + (j + i) * stride + d) : fill(0);
            transpose(block);
            for (int i = 0; i < 16; i++) store(to + (d + i) * lanes + j, block[i]);
        }
        for (; d < dim; d++)
            for (int64_t i = j; i < j + 16; i++)
                to[d * lanes + i] = i < rows ? one(x + i * stride + d) : 0.0f;
    }
}

// what dropout multiplies `count` numbers with that lie end to end
INLINE void draws(int64_t count, const uint16_t *bits, uint32_t threshold, float scale, float *to) {
    int64_t i = 0;
    for (; i + 16 <= count; i += 16) store(to + i, dropped(fill(1), bits + i, threshold, scale));
    for (; i < count; i++) to[i] = bits[i] >= threshold ? scale : 0.0f;
}

// whether a lane is one of the first `count`
INLINE i16v among(int64_t count) {
    const i16v lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return lane < (i16v){} + (int32_t)count;
}

// q (Q, heads * dim): a query for each token, or for each example's first token only;
// k, v (rows, heads * dim); probabilities are kept, before dropout, for the backward pass.
template <class T>
static int attend_forward(const Attention *at, const T *q, const T *k, const T *v, T *out,
                           float *kept) {
    const int64_t dim = at->dim, wide = (dim + 15) / 16 * 16;
    const int64_t most = at->longest, lanes_most = (most + 15) / 16 * 16;
    const int64_t size = (2 * most + lanes_most) * wide + most * (lanes_most + 2 * most) + 32;
    int failed = 0;
#pragma omp parallel if (at->begin[at->examples] * at->heads * dim > ALONE)
    {
        float *area = (float *)malloc(size * sizeof(float));
        if (!area) {
#pragma omp atomic write
            failed = 1;
        }
        float *query = area, *value = query + most * wide, *turned = value + most * wide;
        float *p = turned + wide * lanes_most, *flat = p + most * lanes_most;
        float *drawn = flat + most * most + 16;
#pragma omp for collapse(2) schedule(dynamic, 4)
        for (int64_t e = 0; e < at->examples; e++)
            for (int64_t head = 0; head < at->heads; head++) {
                if (!area) continue;
                const int64_t begin = at->begin[e], length = at->begin[e + 1] - begin;
                const int64_t first = at->first_only ? e : begin;
                const int64_t queries = at->first_only ? 1 : length;
                const int64_t lanes = (length + 15) / 16 * 16, column = head * dim;
                if (at->bits)
                    draws(queries * length, at->bits + at->square[e] + head * length * length,
                          at->threshold, at->scale, drawn);
                gather(queries, dim, wide, q + first * at->q_stride + column, at->q_stride,
                       at->factor, query);
                turn(length, dim, k + begin * at->kv_stride + column, at->kv_stride, lanes, turned);
                gather(length, dim, wide, v + begin * at->kv_stride + column, at->kv_stride, 1.0f,
                       value);
                multiply(queries, lanes, dim, query, wide, 1, turned, lanes, p, lanes);
                for (int64_t i = 0; i < queries; i++) {
                    float *row = p + i * lanes;
                    v16 top = fill(-INFINITY), all = fill(0), total = fill(0);
                    for (int64_t j = 0; j < lanes; j += 16) {
                        v16 x = load(row + j);
                        all += x;
                        x = select(among(length - j), x, fill(-INFINITY));
                        top = larger(x, top);
                        store(row + j, x);
                    }
                    const float peak = largest(top), whole = sum(all);
                    for (int64_t j = 0; j < lanes; j += 16) {
                        v16 shifted = load(row + j) - peak;
                        v16 x = exponential(shifted);
                        x = (v16)((i16v)x & (shifted > -87.0f));
                        total += x;
                        store(row + j, x);
                    }
                    // what is not finite stays visible
                    const float inverse = whole - whole == 0.0f ? 1.0f / sum(total) : NAN;
                    for (int64_t j = 0; j < lanes; j += 16) {
                        v16 x = load(row + j) * inverse;
                        store(flat + i * length + j, x);  // past the row's end is the next one's
                        if (at->bits) x *= load(drawn + i * length + j);
                        store(row + j, x);
                    }
                }
                multiply(queries, wide, length, p, lanes, 1, value, wide, query, wide);
                if (kept)
                    memcpy(kept + at->area[e] + head * queries * length, flat,
                           queries * length * sizeof(float));
                scatter(queries, dim, wide, query, 1.0f, out + first * at->heads * dim + column,
                        at->heads * dim);
            }
        free(area);
    }
    return failed;
}

template <class T>
static int attend_backward(const Attention *at, const T *q, const T *k, const T *v,
                            const float *kept, const T *d_out, T *d_q, T *d_k, T *d_v) {
    const int64_t dim = at->dim, wide = (dim + 15) / 16 * 16;
    const int64_t most = at->longest, lanes_most = (most + 15) / 16 * 16;
    const int64_t size = (4 * most + lanes_most) * wide + 2 * most * (lanes_most + most) + 32;
    int failed = 0;
#pragma omp parallel if (at->begin[at->examples] * at->heads * dim > ALONE)
    {
        float *area = (float *)malloc(size * sizeof(float));
        if (!area) {
#pragma omp atomic write
            failed = 1;
        }
        float *query = area, *key = query + most * wide, *d_o = key + most * wide;
        float *result = d_o + most * wide, *turned = result + most * wide;
        float *p = turned + wide * lanes_most, *d_p = p + most * lanes_most;
        float *flat = d_p + most * lanes_most, *drawn = flat + most * most + 16;
#pragma omp for collapse(2) schedule(dynamic, 4)
        for (int64_t e = 0; e < at->examples; e++)
            for (int64_t head = 0; head < at->heads; head++) {
                if (!area) continue;
                const int64_t begin = at->begin[e], length = at->begin[e + 1] - begin;
                const int64_t first = at->first_only ? e : begin;
                const int64_t queries = at->first_only ? 1 : length;
                const int64_t lanes = (length + 15) / 16 * 16, column = head * dim;
                const int64_t o_stride = at->heads * dim;
                const bool bits = at->bits;
                if (bits)
                    draws(queries * length, at->bits + at->square[e] + head * length * length,
                          at->threshold, at->scale, drawn);
                memcpy(flat, kept + at->area[e] + head * queries * length,
                       queries * length * sizeof(float));
                gather(queries, dim, wide, q + first * at->q_stride + column, at->q_stride,
                       at->factor, query);
                gather(length, dim, wide, k + begin * at->kv_stride + column, at->kv_stride, 1.0f,
                       key);
                gather(queries, dim, wide, d_out + first * o_stride + column, o_stride, 1.0f, d_o);
                // of the probabilities, after and before dropout; then of the scores
                turn(length, dim, v + begin * at->kv_stride + column, at->kv_stride, lanes, turned);
                multiply(queries, lanes, dim, d_o, wide, 1, turned, lanes, d_p, lanes);
                for (int64_t i = 0; i < queries; i++) {
                    float *row = p + i * lanes, *d_row = d_p + i * lanes;
                    v16 total = fill(0);
                    for (int64_t j = 0; j < lanes; j += 16) {
                        // past the row's end lies the next one's
                        const i16v own = among(length - j);
                        v16 x = select(own, load(flat + i * length + j), fill(0));
                        v16 d = load(d_row + j);
                        if (bits) d *= select(own, load(drawn + i * length + j), fill(0));
                        total += x * d;
                        store(row + j, x);
                        store(d_row + j, d);
                    }
                    const float mean = sum(total);
                    for (int64_t j = 0; j < lanes; j += 16) {
                        v16 x = load(row + j);
                        store(d_row + j, x * (load(d_row + j) - mean));
                        if (bits) store(row + j, x * load(drawn + i * length + j));
                    }
                }
                multiply(length, wide, queries, p, 1, lanes, d_o, wide, result, wide);
                scatter(length, dim, wide, result, 1.0f, d_v + begin * at->kv_stride + column,
                        at->kv_stride);
                multiply(queries, wide, length, d_p, lanes, 1, key, wide, result, wide);
                scatter(queries, dim, wide, result, at->factor,
                        d_q + first * at->q_stride + column, at->q_stride);
                multiply(length, wide, queries, d_p, 1, lanes, query, wide, result, wide);
                scatter(length, dim, wide, result, 1.0f, d_k + begin * at->kv_stride + column,
                        at->kv_stride);
            }
        free(area);
    }
    return failed;
}
