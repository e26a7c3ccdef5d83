// What the files on the processor's tile unit (AMX) share: its registers, and the vector unit's part.
//
// Eight registers hold 16 rows of 64 bytes each. OpenMP's own functions are left undefined: torch
// has them loaded. Included inside a function-wide `#pragma GCC target`, see kernels.cpp.

#define INLINE static inline __attribute__((always_inline))

namespace {

// The compiler does not know all that instructions on tiles read, and may leave it unwritten.
INLINE void written() { __asm__ volatile("" ::: "memory"); }

struct Layout {  // what the registers hold; see Intel's manual of LDTILECFG
    uint8_t palette, start, unused[14];
    uint16_t bytes[16];
    uint8_t rows[16];
};

struct Registers {  // a thread's, for as long as this lives; then as oneDNN had left them
    Layout before;
    Registers() {
        Layout it = {};
        it.palette = 1;
        for (int i = 0; i < 8; i++) it.bytes[i] = 64, it.rows[i] = 16;
        _tile_storeconfig(&before);
        written();
        _tile_loadconfig(&it);
    }
    ~Registers() {
        written();
        if (before.palette)
            _tile_loadconfig(&before);
        else
            _tile_release();
    }
};

// 2^x, to 4e-5 of it; what is not finite stays visible
INLINE __m512 power(__m512 x) {
    __m512 whole = _mm512_roundscale_ps(x, 8);
    __m512 r = _mm512_sub_ps(x, whole);
    __m512 y = _mm512_fmadd_ps(r, _mm512_set1_ps(0.009618129f), _mm512_set1_ps(0.05550411f));
    y = _mm512_fmadd_ps(y, r, _mm512_set1_ps(0.24022651f));
    y = _mm512_fmadd_ps(y, r, _mm512_set1_ps(0.69314718f));
    y = _mm512_fmadd_ps(y, r, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(y, whole);
}

// The normal law's tail beyond |x|, by cubics in r between the points i / 3.2; from 4.5 on, 0.
alignas(64) const float TAIL[4][16] = {
    {0.5f, 0.377331346f, 0.265987183f, 0.174252294f, 0.105650791f, 0.0590854438f, 0.0303961585f,
     0.0143525821f, 0.00620922437f, 0.00245757363f, 0.000888826556f, 0.00029345295f,
     8.83715752e-05f, 2.42570944e-05f, 6.06544891e-06f, 0},
    {-0.124668884f, -0.118727869f, -0.102550174f, -0.0803357818f, -0.0570781861f, -0.0367806398f,
     -0.0214959025f, -0.0113940606f, -0.00547755563f, -0.00238824749f, -0.000944397418f,
     -0.000338697255f, -0.000110166186f, -3.24984656e-05f, -8.69467336e-06f, 0},
    {0, 0.00576317493f, 0.0099616866f, 0.011717254f, 0.0111154435f, 0.00896931649f,
     0.00630410203f, 0.00390852128f, 0.00215380496f, 0.00106003439f, 0.000467516762f,
     0.000185211446f, 6.60225089e-05f, 2.12054205e-05f, 6.14300454e-06f, 0},
    {0.00201986505f, 0.00173658638f, 0.00101505521f, 0.000161313677f, -0.000517006616f,
     -0.000857695965f, -0.000877068622f, -0.000701153067f, -0.000468670529f, -0.000269684136f,
     -0.000135677031f, -6.02375063e-05f, -2.37454058e-05f, -8.34592967e-06f, -2.6234838e-06f, 0},
};

// The same of what GELU's derivative lacks of 1 on the right side of 0, and of 0 on the left.
alignas(64) const float BEND[4][16] = {
    {0.5f, 0.258608168f, 0.0608936953f, -0.0667492912f, -0.12265927f, -0.124818084f, -0.0985812109f,
     -0.0654079484f, -0.0376126781f, -0.0190373637f, -0.00855536162f, -0.00343221199f,
     -0.00123356617f, -0.000398178212f, -0.00011563617f, 0},
    {-0.249343923f, -0.225859651f, -0.165041816f, -0.0900656094f, -0.0249738855f, 0.0162335972f,
     0.0325791996f, 0.0317346374f, 0.0232804521f, 0.0141157582f, 0.00733445721f, 0.0033251611f,
     0.00132906687f, 0.000471436053f, 0.000149062962f, 0},
    {4.984412e-05f, 0.0224242152f, 0.0358656341f, 0.0365114128f, 0.0270993191f, 0.0140477759f,
     0.00315634183f, -0.00296494921f, -0.00476335954f, -0.00409000991f, -0.00266433675f,
     -0.00143228115f, -0.00065767093f, -0.000262590936f, -9.2138233e-05f, 0},
    {0.00799330158f, 0.0063884425f, 0.00236594135f, -0.00177418852f, -0.00413953725f,
     -0.00424447876f, -0.00288251594f, -0.0012322983f, -7.21536996e-05f, 0.000428189254f,
     0.000473957419f, 0.000335819674f, 0.000186146112f, 8.58798709e-05f, 3.39206143e-05f, 0},
};

struct Place {  // where |x| lies in a table
    __m512i i;
    __m512 r;
};

INLINE Place place(__m512 size) {
    // the addend rounds to an integer, whose lowest bits choose
    const __m512 far = _mm512_min_ps(_mm512_mul_ps(size, _mm512_set1_ps(3.2f)), _mm512_set1_ps(15));
    const __m512 shifted = _mm512_add_ps(far, _mm512_set1_ps(12582912.0f));
    const __m512 r = _mm512_sub_ps(far, _mm512_sub_ps(shifted, _mm512_set1_ps(12582912.0f)));
    return {_mm512_castps_si512(shifted), r};
}

INLINE __m512 cubic(const float table[4][16], Place at) {
    __m512 y = _mm512_permutexvar_ps(at.i, _mm512_load_ps(table[3]));
    for (int k = 2; k >= 0; k--)
        y = _mm512_fmadd_ps(y, at.r, _mm512_permutexvar_ps(at.i, _mm512_load_ps(table[k])));
    return y;
}

// x times the normal law's cumulative probability, to 2e-5; what is not finite becomes NaN
INLINE __m512 curved(__m512 x) {
    const __m512 size = _mm512_abs_ps(x), tail = cubic(TAIL, place(size));
    return _mm512_fnmadd_ps(size, tail, _mm512_max_ps(x, _mm512_setzero_ps()));
}

// its derivative, to 6e-5
INLINE __m512 steepness(__m512 x) {
    const __m512 bend = cubic(BEND, place(_mm512_abs_ps(x)));
    const __mmask16 right = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GE_OQ);
    return _mm512_mask_sub_ps(bend, right, _mm512_set1_ps(1.0f), bend);
}

}  // namespace
