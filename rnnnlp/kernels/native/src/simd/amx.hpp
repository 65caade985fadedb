// Products of float32 on the matrix unit of newer Intel processors (AMX), which multiplies bfloat16.
//
// A float32 number has 24 significant bits. It is the exact sum of three bf16 splits of 8 bits each: high, middle and
// low. (Below 2^-110 the low split is a denormal number, and lost.) Six of the nine products of splits are computed;
// the other three are below 2^-25 of the whole. Sums are kept in float32. So a product is as exact as in float32, and
// faster. After Henry, Tang and Heinecke 2019, "Leveraging the bfloat16 Artificial Intelligence Datatype For
// Higher-Precision Computations".
//
// The eight tile registers in tiles_of<2, 2>; smaller R or C leave some unused:
//
//                         tile 6: 16 columns | tile 7: the next 16 columns     (right factor)
//     tile 4: 16 rows  |  tile 0 += 4 * 6    | tile 1 += 4 * 7
//     tile 5: 16 rows  |  tile 2 += 5 * 6    | tile 3 += 5 * 7                 (sums, float32)
//     (left factor)

// A tile has 16 rows of 64 bytes: 16 sums, or 32 bf16 numbers. K terms of each sum, in blocks of 32
#pragma once

#include <immintrin.h>

#include "simd/simd.hpp"

namespace rnnnlp::ISA {

typedef uint16_t bf16;  // the bits of a bfloat16
constexpr int64_t terms_of_block = 32;
constexpr int64_t bf16_of_tile = 16 * terms_of_block;
constexpr int num_splits = 3;

// The splits of 32 numbers in a row, or of 16 pairs of numbers.
struct Splits {
  __m512i split[num_splits];
};

RNNNLP_INLINE __m512 low_half(__m512i x) { return (__m512)_mm512_slli_epi32(x, 16); }

// Lane j of each split holds the bf16 numbers of even[j] and odd[j].
RNNNLP_INLINE Splits split_pairs(vec even, vec odd) {
  Splits s;
  __m512 a = (__m512)even, b = (__m512)odd;
  for (int k = 0; k < num_splits; k++) {
    __m512i rounded_a = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(a));
    __m512i rounded_b = _mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(b)), 16);
    s.split[k] = _mm512_or_si512(rounded_a, rounded_b);
    a -= low_half(rounded_a);
    b -= (__m512)rounded_b;
  }
  return s;
}

// The splits of 16 numbers, in their order.
struct HalfSplits {
  __m256i split[num_splits];
};

RNNNLP_INLINE HalfSplits split_row(vec x) {
  HalfSplits s;
  __m512 rest = (__m512)x;
  for (int k = 0; k < num_splits; k++) {
    s.split[k] = (__m256i)_mm512_cvtneps_pbh(rest);
    rest -= low_half(_mm512_cvtepu16_epi32(s.split[k]));
  }
  return s;
}

// 16 rows of 16 entries of 4 bytes (pairs of bf16 numbers, or groups of four int8 numbers) to rows `to_stride` bytes
// apart: rows become columns.
inline void transpose(const void* from, void* to, int64_t to_stride) {
  auto row = [&](int64_t k) { return (const char*)from + k * 64; };
  auto column = [&](int64_t k) { return (char*)to + k * to_stride; };
  __m512i r[16], s[16];
  for (int k = 0; k < 16; k++) r[k] = _mm512_loadu_si512(row(k));
  for (int k = 0; k < 16; k += 4) {
    __m512i a = _mm512_unpacklo_epi32(r[k], r[k + 1]), b = _mm512_unpackhi_epi32(r[k], r[k + 1]);
    __m512i c = _mm512_unpacklo_epi32(r[k + 2], r[k + 3]), d = _mm512_unpackhi_epi32(r[k + 2], r[k + 3]);
    s[k] = _mm512_unpacklo_epi64(a, c), s[k + 1] = _mm512_unpackhi_epi64(a, c);
    s[k + 2] = _mm512_unpacklo_epi64(b, d), s[k + 3] = _mm512_unpackhi_epi64(b, d);
  }
  for (int k = 0; k < 4; k++) {  // s[4*g + k] has, in each quarter q, entry 4*q + k of the rows 4*g .. 4*g + 3
    __m512i a = _mm512_shuffle_i32x4(s[k], s[4 + k], 0x88), b = _mm512_shuffle_i32x4(s[k], s[4 + k], 0xdd);
    __m512i c = _mm512_shuffle_i32x4(s[8 + k], s[12 + k], 0x88), d = _mm512_shuffle_i32x4(s[8 + k], s[12 + k], 0xdd);
    _mm512_storeu_si512(column(k), _mm512_shuffle_i32x4(a, c, 0x88));
    _mm512_storeu_si512(column(4 + k), _mm512_shuffle_i32x4(b, d, 0x88));
    _mm512_storeu_si512(column(8 + k), _mm512_shuffle_i32x4(a, c, 0xdd));
    _mm512_storeu_si512(column(12 + k), _mm512_shuffle_i32x4(b, d, 0xdd));
  }
}

// Configures the tile registers of a thread, all at full size.
struct TilesInUse {
  TilesInUse() {
    struct {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t bytes_of_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } all;
    asm volatile("" ::"r"(&all) : "memory");  // the compiler assumes that only the first bytes are read
    _tile_loadconfig(&all);
  }
  ~TilesInUse() { _tile_release(); }
  TilesInUse(const TilesInUse&) = delete;
};

// Rows of a left factor: (K / 32 blocks, 3 splits, 32 terms) each, `stride` numbers apart.
// Tiles of a right factor: (K / 32 blocks, 3 splits, C columns of tiles), each of 16 pairs of terms and 16 columns.

// sums (16*R, 16*C) = left @ right, or added to them.
template <int R, int C, bool add>
__attribute__((noinline)) void tiles_of(const bf16* left, int64_t stride, const bf16* right, int columns,
                                        int64_t blocks, float* sums, int64_t sums_stride) {
  static_assert(R <= 2 && C <= 2);
  const int64_t row_bytes = stride * sizeof(bf16), sum_bytes = sums_stride * sizeof(float);
  const bf16* below = left + 16 * stride;
  float* sums_below = sums + 16 * sums_stride;
  asm volatile("" ::: "memory");  // the compiler does not know that tile loads read memory
  if constexpr (add) {
    _tile_loadd(0, sums, sum_bytes);
    if constexpr (C > 1) _tile_loadd(1, sums + 16, sum_bytes);
    if constexpr (R > 1) _tile_loadd(2, sums_below, sum_bytes);
    if constexpr (R > 1 && C > 1) _tile_loadd(3, sums_below + 16, sum_bytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
// GCC's tile intrinsics take only literal register numbers, hence macros. LEFT loads a split of the left factor; RIGHT
// adds its product with a split of the right factor to the sums.
#define RNNNLP_LEFT(left_split)                                  \
  _tile_loadd(4, left + left_split * terms_of_block, row_bytes); \
  if constexpr (R > 1) _tile_loadd(5, below + left_split * terms_of_block, row_bytes);
#define RNNNLP_RIGHT(right_split)                                    \
  {                                                                  \
    const bf16* tile = right + right_split * columns * bf16_of_tile; \
    _tile_loadd(6, tile, 64);                                        \
    _tile_dpbf16ps(0, 4, 6);                                         \
    if constexpr (R > 1) _tile_dpbf16ps(2, 5, 6);                    \
    if constexpr (C > 1) {                                           \
      _tile_loadd(7, tile + bf16_of_tile, 64);                       \
      _tile_dpbf16ps(1, 4, 7);                                       \
      if constexpr (R > 1) _tile_dpbf16ps(3, 5, 7);                  \
    }                                                                \
  }
  for (int64_t block = 0; block < blocks; block++) {
    RNNNLP_LEFT(0);

    RNNNLP_RIGHT(0);
    RNNNLP_RIGHT(1);
    RNNNLP_RIGHT(2);
    RNNNLP_LEFT(1);
    RNNNLP_RIGHT(1);
    RNNNLP_RIGHT(0);
    RNNNLP_LEFT(2);

    RNNNLP_RIGHT(0) left += num_splits * terms_of_block, below += num_splits * terms_of_block;
    right += num_splits * columns * bf16_of_tile;
  }
#undef RNNNLP_LEFT
#undef RNNNLP_RIGHT
  _tile_stored(0, sums, sum_bytes);
  if constexpr (C > 1) _tile_stored(1, sums + 16, sum_bytes);
  if constexpr (R > 1) _tile_stored(2, sums_below, sum_bytes);
  if constexpr (R > 1 && C > 1) _tile_stored(3, sums_below + 16, sum_bytes);
}

}  // namespace rnnnlp::ISA
