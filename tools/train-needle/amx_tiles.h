// Tile arithmetic on 32 x 32 blocks, and the layouts that it reads.
//
// Every block of a product is held in four tiles, 0 to 3, in reading order; 4 and 5 take the left-hand factor,
// 6 and 7 the right-hand one. A step is 32 elements of the inner dimension. Packed factors are panels of 32 rows (left)
// or columns (right); a panel has 1024 elements a step: two tiles of 16 rows of 64 bytes, one for each half of the panel.
// A right-hand tile holds in row r the pairs (b[2r][n], b[2r + 1][n]), as the instruction wants them.
#pragma once
#include "numeric.h"
#include <immintrin.h>

namespace tiles {

// Eight tiles of 16 rows of 64 bytes. Constant, because the compiler sees only the first bytes of it being read.
inline void configure() {
    struct Settings { uint8_t palette = 1, start = 0, reserved[14] = {}; uint16_t row_bytes[16] = {}; uint8_t rows[16] = {}; };
    alignas(64) static constexpr Settings settings = [] {
        Settings s;
        for (int i = 0; i < 8; i++) s.row_bytes[i] = 64, s.rows[i] = 16;
        return s;
    }();
    _tile_loadconfig(&settings);
}

// Tile loads do not tell the compiler that they read memory, so what was written must be in place before them.
// Every product begins with one of the next two functions.
inline void settle() { asm volatile("" ::: "memory"); }

inline void clear() {
    settle();
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

inline void load(const float* from, size_t stride) {
    settle();
    _tile_loadd(0, from, stride * 4);
    _tile_loadd(1, from + 16, stride * 4);
    _tile_loadd(2, from + 16 * stride, stride * 4);
    _tile_loadd(3, from + 16 * stride + 16, stride * 4);
}

// Asks for a block that load() will want soon.
inline void fetch(const float* from, size_t stride) {
    for (int r = 0; r < 32; r++) __builtin_prefetch(from + r * stride, 1), __builtin_prefetch(from + r * stride + 16, 1);
}

inline void store(float* to, size_t stride) {
    _tile_stored(0, to, stride * 4);
    _tile_stored(1, to + 16, stride * 4);
    _tile_stored(2, to + 16 * stride, stride * 4);
    _tile_stored(3, to + 16 * stride + 16, stride * 4);
}

// Adds a left-hand factor in rows (element step `advance` from one step to the next) times a packed panel.
inline void multiply(const bf16* left, size_t stride, size_t advance, const bf16* right, int steps) {
    for (int s = 0; s < steps; s++, left += advance, right += 1024) {
        _tile_loadd(4, left, stride * 2);
        _tile_loadd(6, right, 64);
        _tile_loadd(7, right + 512, 64);
        _tile_loadd(5, left + 16 * stride, stride * 2);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
}

// The same for a packed left-hand panel.
inline void multiply_packed(const bf16* left, const bf16* right, int steps) { multiply(left, 32, 1024, right, steps); }

// Transposes 16 x 16 elements of 32 bits.
inline void transpose(__m512i v[16]) {
    __m512i t[16];
    for (int i = 0; i < 16; i += 2) t[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]), t[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
    for (int i = 0; i < 16; i += 4)
        for (int j = 0; j < 2; j++) {
            v[i + 2 * j] = _mm512_unpacklo_epi64(t[i + j], t[i + j + 2]);
            v[i + 2 * j + 1] = _mm512_unpackhi_epi64(t[i + j], t[i + j + 2]);
        }
    // Now v[4 g + c] holds, in its lane q, rows 4 g .. 4 g + 3 of column 4 q + c.
    for (int c = 0; c < 4; c++) {
        const __m512i a = _mm512_shuffle_i32x4(v[c], v[4 + c], 0x88), b = _mm512_shuffle_i32x4(v[8 + c], v[12 + c], 0x88);
        const __m512i e = _mm512_shuffle_i32x4(v[c], v[4 + c], 0xdd), f = _mm512_shuffle_i32x4(v[8 + c], v[12 + c], 0xdd);
        t[c] = _mm512_shuffle_i32x4(a, b, 0x88), t[8 + c] = _mm512_shuffle_i32x4(a, b, 0xdd);
        t[4 + c] = _mm512_shuffle_i32x4(e, f, 0x88), t[12 + c] = _mm512_shuffle_i32x4(e, f, 0xdd);
    }
    for (int i = 0; i < 16; i++) v[i] = t[i];
}

// Interleaves two rows of 32 elements into one row of each of a panel's two tiles.
inline void interleave(__m512i even, __m512i odd, __m512i& low, __m512i& high) {
    alignas(64) static constexpr auto order = [] {
        struct { uint16_t low[32], high[32]; } o{};
        for (int i = 0; i < 32; i++) o.low[i] = uint16_t(i / 2 + i % 2 * 32), o.high[i] = uint16_t(16 + i / 2 + i % 2 * 32);
        return o;
    }();
    low = _mm512_permutex2var_epi16(even, _mm512_load_si512(order.low), odd);
    high = _mm512_permutex2var_epi16(even, _mm512_load_si512(order.high), odd);
}

inline void pair(__m512i even, __m512i odd, bf16* to) {
    __m512i low, high;
    interleave(even, odd, low, high);
    _mm512_store_si512(to, low);
    _mm512_store_si512(to + 512, high);
}

// Rounds two rows of 32 floats into one row of each tile of a right-hand panel.
inline void round_and_pair(const float* rows, bf16* to) {
    pair((__m512i)_mm512_cvtne2ps_pbh(_mm512_load_ps(rows + 16), _mm512_load_ps(rows)), (__m512i)_mm512_cvtne2ps_pbh(_mm512_load_ps(rows + 48), _mm512_load_ps(rows + 32)), to);
}

// Packs M^T as a right-hand factor, for M [rows x cols]: its panels are rows of M, its steps run along them.
inline void pack_right_transposed(const bf16* m, size_t stride, int rows, int cols, bf16* to) {
    for (int panel = 0; panel < rows; panel += 32)
        for (int step = 0; step < cols; step += 32)
            for (int half = 0; half < 32; half += 16, to += 512) {
                __m512i v[16];
                for (int r = 0; r < 16; r++) v[r] = _mm512_loadu_si512(m + (panel + half + r) * stride + step);
                transpose(v);
                for (int r = 0; r < 16; r++) _mm512_store_si512(to + r * 32, v[r]);
            }
}

// Packs M [rows x cols] itself as a right-hand factor: its panels are columns, its steps run down the rows.
// A panel has room for `steps` steps.
inline void pack_right(const bf16* m, size_t stride, int rows, int cols, int steps, bf16* to) {
    for (int step = 0; step < rows / 32; step++)
        for (int r = 0; r < 16; r++) {
            const bf16* row = m + (step * 32 + r * 2) * stride;
            for (int panel = 0; panel < cols / 32; panel++)
                pair(_mm512_loadu_si512(row + panel * 32), _mm512_loadu_si512(row + stride + panel * 32), to + (size_t(panel) * steps + step) * 1024 + r * 32);
        }
}

// Packs M^T as a left-hand factor, for M [rows x cols]: its panels are columns of M, its steps run down the rows.
inline void pack_left_transposed(const bf16* m, size_t stride, int rows, int cols, int steps, bf16* to) {
    for (int step = 0; step < rows / 32; step++)
        for (int panel = 0; panel < cols / 32; panel++) {
            __m512i low[16], high[16];
            for (int r = 0; r < 16; r++) {
                const bf16* row = m + (step * 32 + r * 2) * stride + panel * 32;
                interleave(_mm512_loadu_si512(row), _mm512_loadu_si512(row + stride), low[r], high[r]);
            }
            transpose(low), transpose(high);
            bf16* at = to + (size_t(panel) * steps + step) * 1024;
            for (int r = 0; r < 16; r++) _mm512_store_si512(at + r * 32, low[r]), _mm512_store_si512(at + 512 + r * 32, high[r]);
        }
}

// 2^x for x <= about 100, to a few units in 1e6: finer than the bf16 that it ends in.
inline __m512 exp2(__m512 x) {
    const __m512 n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), f = _mm512_sub_ps(x, n);
    __m512 p = _mm512_set1_ps(0.0096181291f);
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.0555041087f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.2402265070f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.6931471806f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1));
    return _mm512_scalef_ps(p, n);
}

}
