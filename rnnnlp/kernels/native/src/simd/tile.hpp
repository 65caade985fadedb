// The product that everything is made of: a few rows times one packed panel of columns, kept in registers.

// R rows of a tile, C vectors of columns, V lanes of a vector, K terms of each sum
#pragma once

#include "simd/simd.hpp"

namespace rnnnlp::ISA {

// Rows that fill the registers with sums and leave room for the panel's row.
constexpr int rows_of_tile(int C) {
  return registers == 32 ? (C == 4 ? 6 : C == 3 ? 8 : 12) : (C == 4 ? 3 : C == 3 ? 4 : 6);
}

template <int R>
struct Rows {
  static constexpr int count = R;
};

// Calls f(Rows<rows>) for 1 <= rows <= R.
template <int R, class F>
RNNNLP_INLINE void with_rows(int64_t rows, F&& f) {
  if (rows == R) return f(Rows<R>{});
  if constexpr (R > 1) with_rows<R - 1>(rows, f);
}

// sums (R, C*V) = A (R, K) @ panel (K, C*V), or added to `sums`. A's element (r, k) is at A[r*stride + k*R] if packed
// (stride 1), else at A[r*stride + k]. Each sum runs over k in order whatever R is: results do not depend on the cut
// into tiles.
template <int R, int C, bool packed, bool add>
__attribute__((noinline)) void tile_of(const float* A, int64_t stride, const float* panel, int64_t K, float* sums,
                                       int64_t sums_stride) {
  vec s[R][C];
  for (int r = 0; r < R; r++)
    for (int c = 0; c < C; c++) s[r][c] = add ? load(sums + r * sums_stride + c * V) : vec{};
  for (int64_t k = 0; k < K; k++) {
    vec b[C];
#pragma GCC unroll 4
    for (int c = 0; c < C; c++) b[c] = load(panel + (k * C + c) * V);
#pragma GCC unroll 16
    for (int r = 0; r < R; r++) {
      float a = packed ? A[k * R + r] : A[r * stride + k];
#pragma GCC unroll 4
      for (int c = 0; c < C; c++) s[r][c] += a * b[c];
    }
  }
  for (int r = 0; r < R; r++)
    for (int c = 0; c < C; c++) store(sums + r * sums_stride + c * V, s[r][c]);
}

// The same for rows known at run time; sums (rows, C*V) are written.
template <int C>
RNNNLP_INLINE void multiply(int64_t rows, const float* A, int64_t stride, const float* panel, int64_t K, float* sums) {
  with_rows<rows_of_tile(C)>(rows,
                             [&](auto R) { tile_of<R.count, C, false, false>(A, stride, panel, K, sums, C * V); });
}

}  // namespace rnnnlp::ISA
