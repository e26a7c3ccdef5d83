// Products with frozen weights in bfloat16 by AMX tiles (see kernels.cpp).
//
// The weights lie as tiles_lay_bf16 lays them out; `in` and `out` are multiples of 32. Beside the products
// there, these keep GELU's derivative, or multiply with it. While the tile unit adds up one block of
// 32 x 32 sums, the vector unit finishes the block before.

// C in tiles 0-3, A in 4-5, B in 6-7; the upper of A's tiles has so many rows, and the lower
INLINE void configure(int64_t upper, int64_t lower) {
    Layout it = {};
    it.palette = 1;
    const uint8_t rows[8] = {(uint8_t)upper, (uint8_t)upper, (uint8_t)lower, (uint8_t)lower,
                             (uint8_t)upper, (uint8_t)lower, 16, 16};
    for (int i = 0; i < 8; i++) it.rows[i] = rows[i], it.bytes[i] = rows[i] ? 64 : 0;
    _tile_loadconfig(&it);
}

INLINE void put(bf16 *p, v16 x) {
    const __m256bh rounded = _mm512_cvtneps_pbh((__m512)x);
    memcpy(p, &rounded, 32);
}

struct Waiting {  // a block of sums that is yet to be finished
    const float *sums;
    const float *bias;
    bf16 *y, *slope;
    int64_t rows, done, stride;
};

// the next `count` rows
template <int KIND> INLINE void finish(Waiting &it, int64_t count) {
    const int64_t end = it.done + count < it.rows ? it.done + count : it.rows;
    for (int64_t t = it.done; t < end; t++)
        for (int64_t j = 0; j < 32; j += 16) {
            v16 value = load(it.sums + t * 32 + j);
            if (it.bias) value += load(it.bias + j);
            if (KIND == TIMES) value *= load(it.slope + t * it.stride + j);
            if (KIND == STEEP) put(it.slope + t * it.stride + j, (v16)steepness((__m512)value));
            if (KIND == CURVED || KIND == STEEP) value = (v16)curved((__m512)value);
            put(it.y + t * it.stride + j, value);
        }
    it.done = end;
}

// 32 rows (`both`) or up to 16 by 32 columns
template <int KIND>
INLINE void block(bool both, int64_t in, const bf16 *x, int64_t stride, const bf16 *w, float *to,
                  Waiting &before) {
    const int64_t bytes = stride * sizeof(bf16), each = (1023 + in) / in;
    _tile_zero(0);
    _tile_zero(1);
    if (both) {
        _tile_zero(2);
        _tile_zero(3);
        for (int64_t k = 0; k < in; k += 32) {
            _tile_loadd(4, x + k, bytes);
            _tile_loadd(6, w + k * 32, 64);
            _tile_dpbf16ps(0, 4, 6);
            _tile_loadd(7, w + k * 32 + 512, 64);
            _tile_dpbf16ps(1, 4, 7);
            _tile_loadd(5, x + 16 * stride + k, bytes);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
            finish<KIND>(before, each);
        }
        _tile_stored(2, to + 16 * 32, 128);
        _tile_stored(3, to + 16 * 32 + 16, 128);
    } else {
        for (int64_t k = 0; k < in; k += 32) {
            _tile_loadd(4, x + k, bytes);
            _tile_loadd(6, w + k * 32, 64);
            _tile_loadd(7, w + k * 32 + 512, 64);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
            finish<KIND>(before, each);
        }
    }
    _tile_stored(0, to, 128);
    _tile_stored(1, to + 16, 128);
}

// y (rows, out) = x (rows, in) W^T + bias; slope (rows, out) is written or read, or null
template <int KIND>
static void product(int64_t rows, int64_t in, int64_t out, const bf16 *x, int64_t stride,
                    const bf16 *w, const float *bias, bf16 *y, bf16 *slope) {
    // so many rows stay in a core's own cache while the weights pass by
    const int64_t fit = 1 << 19, most = fit / in / 32 * 32 > 32 ? fit / in / 32 * 32 : 32;
    const int64_t parts = (rows + most - 1) / most;
    const int64_t height = ((rows + parts - 1) / parts + 31) / 32 * 32;
#pragma omp parallel if (rows * out > ALONE)
    {
        const Registers registers;
        alignas(64) float areas[2][32 * 32];
        Waiting before = {};
        int turn = 0;
#pragma omp for collapse(2) schedule(static) nowait
        for (int64_t part = 0; part < parts; part++)
            for (int64_t n = 0; n < out; n += 32) {
                const int64_t end = (part + 1) * height < rows ? (part + 1) * height : rows;
                for (int64_t m = part * height; m < end; m += 32) {
                    const int64_t left = end - m < 32 ? end - m : 32, at = m * out + n;
                    if (left < 32) configure(left < 16 ? left : 16, left > 16 ? left - 16 : 0);
                    block<KIND>(left > 16, in, x + m * stride, stride, w + n * in, areas[turn],
                                before);
                    if (left < 32) configure(16, 16);
                    before = {areas[turn], bias ? bias + n : nullptr, y + at,
                              slope ? slope + at : nullptr, left, 0, out};
                    turn ^= 1;
                }
            }
        finish<KIND>(before, 32);
    }
}
