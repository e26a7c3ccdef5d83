// What the files on the processor's tile unit (AMX) share: its registers, and the vector unit's part.
//
// Eight registers hold 16 rows of 64 bytes each. OpenMP's own functions are left undefined: torch
// has them loaded. Included inside a function-wide `#pragma GCC target`, see tiles.cpp.

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

// x times the normal law's cumulative probability, to 2e-5; what is not finite becomes NaN
INLINE __m512 gelu(__m512 x) {
    const __m512 size = _mm512_abs_ps(x);
    // the addend rounds to an integer, whose lowest bits choose
    const __m512 far = _mm512_min_ps(_mm512_mul_ps(size, _mm512_set1_ps(3.2f)), _mm512_set1_ps(15));
    const __m512 shifted = _mm512_add_ps(far, _mm512_set1_ps(12582912.0f));
    const __m512 r = _mm512_sub_ps(far, _mm512_sub_ps(shifted, _mm512_set1_ps(12582912.0f)));
    const __m512i i = _mm512_castps_si512(shifted);
    __m512 tail = _mm512_permutexvar_ps(i, _mm512_load_ps(TAIL[3]));
    tail = _mm512_fmadd_ps(tail, r, _mm512_permutexvar_ps(i, _mm512_load_ps(TAIL[2])));
    tail = _mm512_fmadd_ps(tail, r, _mm512_permutexvar_ps(i, _mm512_load_ps(TAIL[1])));
    tail = _mm512_fmadd_ps(tail, r, _mm512_permutexvar_ps(i, _mm512_load_ps(TAIL[0])));
    return _mm512_fnmadd_ps(size, tail, _mm512_max_ps(x, _mm512_setzero_ps()));
}

}  // namespace
