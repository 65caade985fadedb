// The products of a time loop on the matrix unit of newer Intel processors (AMX), in int8 slices.
//
// Each row of the left factor, and each column of the right one, is scaled so that its entries become integers of 24
// bits: a = a0*2^16 + a1*2^8 + a2 with three int8 slices a0, a1, a2 from -128 to 127. The unit multiplies slices and
// adds the products without any error. Six of the nine products of slices are computed; the other three are no larger
// than a rounding of the largest entries. So an error is that of a float32 number as large as the largest entry of the
// row times the largest of the column, and it does not grow from term to term. After Ootomo, Ozaki and Yokota 2024,
// "DGEMM on Integer Matrix Multiplication Unit".
//
// The left factor has one row of int8 numbers for each sequence, the three slices of 64 terms after each other:
//
//     row b:  | slice 0: terms 0-63 | slice 1: terms 0-63 | slice 2: terms 0-63 | slice 0: terms 64-127 | ...
//
// A panel of the right factor has tiles of 64 terms and 16 columns, and behind them the scales of its columns:
//
//     block of 64 terms   slice    columns 0-15   16-31   ...   (C tiles)
//             0             0         tile         tile
//             0             1         tile         tile
//             0             2         tile         tile
//             1             0         tile         tile
//            ...                                                  then (C, V) float32 scales
//
//     a tile (16 rows of 64 bytes): row r, bytes 4*c .. 4*c + 3 are the terms 4*r .. 4*r + 3 of column c
//
// The sums of the products a_i * b_j go to the level i + j, each level in an accumulator of its own:
//
//     level 0: a0*b0      level 1: a0*b1 + a1*b0      level 2: a0*b2 + a1*b1 + a2*b0
//
// The eight tile registers in int8_sums:
//
//     register   two tiles of rows (R = 2)               two tiles of columns (C = 2)
//     0, 1, 2    levels 0, 1, 2 of the rows 0-15         levels 0, 1, 2 of the columns 0-15
//     3, 4, 5    levels 0, 1, 2 of the rows 16-31        levels 0, 1, 2 of the columns 16-31
//     6          a slice of the left factor              a slice of the right factor
//     7          a slice of the right factor, kept       a slice of the left factor, kept

// B rows, H hidden, G gates, C vectors of a panel's columns, V lanes of a vector. A tile has 16 rows of 64 bytes: 16
// sums of 32 bits, or 64 int8 numbers. K terms of each sum, in blocks of 64
#pragma once

#include "gemm/float_panels.hpp"
#include "simd/amx.hpp"

namespace rnnnlp::ISA {

constexpr int64_t terms_of_int8_block = 64;
constexpr int64_t int8_of_tile = 16 * terms_of_int8_block;
constexpr int num_slices = 3;
// The largest of three slices, 127*256^2 + 127*256 + 127, minus what rounding may add.
constexpr float largest_integer = 8355000.0f;
// Blocks of terms until a sum of 32 bits could overflow: 3 * 128 * 128 * 64 times this is less than 2^31.
constexpr int64_t blocks_of_sum = 640;

// The factors that quantize the entries of a row and dequantize its sums, from the bits of its largest magnitude. If an
// entry is infinite or NaN, all sums of the row are NaN.
struct Scale {
  float quantize, dequantize;

  explicit Scale(int32_t bits_of_largest) {
    constexpr int32_t infinity = 0x7f800000;
    if (bits_of_largest >= infinity) {
      quantize = 0;
      dequantize = __builtin_nanf("");
      return;
    }
    float largest;
    __builtin_memcpy(&largest, &bits_of_largest, sizeof largest);
    if (largest < 1e-30f) largest = 1e-30f;
    quantize = largest_integer / largest;
    dequantize = largest / largest_integer * 65536.0f;
  }
};

// The larger magnitudes of 16 numbers and those before them, as bits. The bits of NaN are larger than those of any
// number.
RNNNLP_INLINE __m512i larger_bits(__m512i before, vec x) {
  return _mm512_max_epi32(before, _mm512_and_si512((__m512i)x, _mm512_set1_epi32(0x7fffffff)));
}

RNNNLP_INLINE int32_t largest_lane(__m512i x) {
  alignas(64) int32_t lanes[V];
  _mm512_store_si512(lanes, x);
  int32_t largest = 0;
  for (int k = 0; k < V; k++) largest = lanes[k] > largest ? lanes[k] : largest;
  return largest;
}

// The slices of 16 numbers: byte 2 of each lane is slice 0, byte 1 is slice 1, byte 0 is slice 2, byte 3 is zero.
RNNNLP_INLINE __m512i slices_of(vec x, vec scale) {
  constexpr float middle = 0x808080;  // adds 128 to each slice, so that no slice borrows from the next one
  return _mm512_xor_si512(_mm512_cvtps_epi32((__m512)(x * scale + middle)), _mm512_set1_epi32((int)middle));
}

// Quantizes 16 numbers: 16 bytes of each slice, the slices `slice_step` bytes apart.
RNNNLP_INLINE void store_slices(vec x, float scale, int8_t* to, int64_t slice_step) {
  const __m512i by_slice = _mm512_set4_epi32(0x0f0b0703, 0x0c080400, 0x0d090501, 0x0e0a0602);
  const __m512i together = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  __m512i d = _mm512_permutexvar_epi32(together, _mm512_shuffle_epi8(slices_of(x, vec{} + scale), by_slice));
  _mm_storeu_si128((__m128i*)to, _mm512_castsi512_si128(d));
  _mm_storeu_si128((__m128i*)(to + slice_step), _mm512_extracti32x4_epi32(d, 1));
  _mm_storeu_si128((__m128i*)(to + 2 * slice_step), _mm512_extracti32x4_epi32(d, 2));
}

// The sums of 16*R rows and 16*C columns: one tile of 32-bit sums for each level, (R or C, 3 levels, 16, 16).
template <int R, int C>
__attribute__((noinline)) void int8_sums(const int8_t* left, int64_t stride, const int8_t* right, int columns,
                                         int64_t blocks, int32_t* sums) {
  static_assert(R * C <= 2);
  const int8_t* below = left + 16 * stride;
  const int64_t slice_step = columns * int8_of_tile;
  asm volatile("" ::: "memory");  // the compiler does not know that tile loads read memory
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  if constexpr (R * C == 2) {
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
  }
// GCC's tile intrinsics take only literal register numbers, hence macros. Register 7 keeps a slice of one factor. ROWS
// multiplies it with slice `left_slice` of two tiles of rows, COLUMNS with slice `right_slice` of one or two tiles of
// columns; the products are added to acc0 and acc1.
#define RNNNLP_ROWS(left_slice, acc0, acc1)                         \
  _tile_loadd(6, left + left_slice * terms_of_int8_block, stride);  \
  _tile_dpbssd(acc0, 6, 7);                                         \
  _tile_loadd(6, below + left_slice * terms_of_int8_block, stride); \
  _tile_dpbssd(acc1, 6, 7);
#define RNNNLP_COLUMNS(right_slice, acc0, acc1)                          \
  _tile_loadd(6, right + right_slice * slice_step, 64);                  \
  _tile_dpbssd(acc0, 7, 6);                                              \
  if constexpr (C > 1) {                                                 \
    _tile_loadd(6, right + right_slice * slice_step + int8_of_tile, 64); \
    _tile_dpbssd(acc1, 7, 6);                                            \
  }
  for (int64_t block = 0; block < blocks; block++) {
    if constexpr (R == 2) {
      _tile_loadd(7, right, 64);
      RNNNLP_ROWS(0, 0, 3);
      RNNNLP_ROWS(1, 1, 4);
      RNNNLP_ROWS(2, 2, 5);
      _tile_loadd(7, right + slice_step, 64);
      RNNNLP_ROWS(0, 1, 4);
      RNNNLP_ROWS(1, 2, 5);
      _tile_loadd(7, right + 2 * slice_step, 64);
      RNNNLP_ROWS(0, 2, 5);

    } else {
      _tile_loadd(7, left, stride);
      RNNNLP_COLUMNS(0, 0, 3);

      RNNNLP_COLUMNS(1, 1, 4);
      RNNNLP_COLUMNS(2, 2, 5);
      _tile_loadd(7, left + terms_of_int8_block, stride);
      RNNNLP_COLUMNS(0, 1, 4);
      RNNNLP_COLUMNS(1, 2, 5);
      _tile_loadd(7, left + 2 * terms_of_int8_block, stride);
      RNNNLP_COLUMNS(0, 2, 5);
    }
    left += num_slices * terms_of_int8_block, below += num_slices * terms_of_int8_block;
    right += num_slices * slice_step;
  }
#undef RNNNLP_ROWS
#undef RNNNLP_COLUMNS
  _tile_stored(0, sums, 64);
  _tile_stored(1, sums + 256, 64);
  _tile_stored(2, sums + 512, 64);
  if constexpr (R * C == 2) {
    _tile_stored(3, sums + 768, 64);
    _tile_stored(4, sums + 1024, 64);
    _tile_stored(5, sums + 1280, 64);
  }
}

// As FloatPanels, on tiles of int8 slices.
struct Int8Panels {
  static constexpr int rows_of_block(int) { return 32; }
  static constexpr int backward_vectors = 4;
  static constexpr bool quantized = true;

  static int64_t size(int64_t K, int C) {
    return (tiles_size(K, C) + C * V * (int64_t)sizeof(float)) / (int64_t)sizeof(float);
  }

  static void pack_gates(int G, int64_t H, const float* W, int64_t K, int64_t U, int64_t p, float* to) {
    const int C = G * U / V;
    int8_t* tiles = reinterpret_cast<int8_t*>(to);
    for (int c = 0; c < C; c++) {
      const int gate = c * V / U;
      alignas(64) int8_t rows[num_slices][int8_of_tile];  // the terms of a unit side by side
      float scale_of[V];
      auto weights = [&](int64_t lane, int64_t k) {
        const int64_t unit = p * U + c * V % U + lane;
        return unit < H && k < K ? load(W + (gate * H + unit) * K + k, K - k) : vec{};
      };
      for (int64_t lane = 0; lane < V; lane++) {
        __m512i largest{};
        for (int64_t k = 0; k < K; k += V) largest = larger_bits(largest, weights(lane, k));
        const Scale scale(largest_lane(largest));
        scale_of[lane] = scale.quantize;
        scales(to, K, C)[c * V + lane] = scale.dequantize;
      }
      for (int64_t block = 0; block < groups_of(K, terms_of_int8_block); block++) {
        for (int64_t lane = 0; lane < V; lane++)
          for (int64_t k = 0; k < terms_of_int8_block; k += V)
            store_slices(weights(lane, block * terms_of_int8_block + k), scale_of[lane],
                         rows[0] + lane * terms_of_int8_block + k, int8_of_tile);
        for (int slice = 0; slice < num_slices; slice++)
          transpose(rows[slice], tiles + ((block * num_slices + slice) * C + c) * int8_of_tile, 64);
      }
    }
  }

  static void pack_columns(int G, int64_t H, const float* W, int64_t p, float* to) {
    constexpr int C = backward_vectors;
    const int64_t K = G * gate_stride(H);
    int8_t* tiles = reinterpret_cast<int8_t*>(to);
    for (int c = 0; c < C; c++) {
      const int64_t column = (p * C + c) * V;
      auto weights = [&](int64_t term) {
        const int64_t gate = term / gate_stride(H), unit = term % gate_stride(H);
        return term < K && unit < H && column < H ? load(W + (gate * H + unit) * H + column, H - column) : vec{};
      };
      alignas(64) int32_t largest[V];
      __m512i bits{};
      for (int64_t k = 0; k < K; k++) bits = larger_bits(bits, weights(k));
      _mm512_store_si512(largest, bits);
      vec scale_of;
      for (int64_t lane = 0; lane < V; lane++) {
        const Scale scale(largest[lane]);
        scale_of[lane] = scale.quantize;
        scales(to, K, C)[c * V + lane] = scale.dequantize;
      }
      for (int64_t k = 0; k < groups_of(K, terms_of_int8_block) * terms_of_int8_block; k += 4) {
        __m512i term[4];
        for (int64_t j = 0; j < 4; j++) term[j] = slices_of(weights(k + j), scale_of);
        for (int slice = 0; slice < num_slices; slice++) {
          __m512i four{};
          for (int j = 3; j >= 0; j--)
            four =
                _mm512_or_si512(_mm512_slli_epi32(four, 8),
                                _mm512_and_si512(_mm512_srli_epi32(term[j], 16 - 8 * slice), _mm512_set1_epi32(255)));
          _mm512_store_si512(tiles + ((k / terms_of_int8_block * num_slices + slice) * C + c) * int8_of_tile +
                                 k % terms_of_int8_block * V,
                             four);
        }
      }
    }
  }

  // The rows (B, K) of the left factor, quantized, and the scale of each. The scale needs the largest entry of the
  // whole row. So `store` does nothing; when a row is complete, it is quantized from memory. If threads split the
  // units, each thread finds the largest entry of its own part in a slot of its own.
  class LeftFactor {
   public:
    static int64_t floats(int64_t B, int64_t K, int threads) {
      return (B + 32) * stride_of(K) / (int64_t)sizeof(float) + B * (1 + threads);  // tiles read past the last row
    }
    LeftFactor(float* memory, int64_t B, int64_t K)
        : rows_(reinterpret_cast<int8_t*>(memory)),
          stride_(stride_of(K)),
          B_(B),
          scales_(memory + (B + 32) * stride_ / (int64_t)sizeof(float)) {}

    RNNNLP_INLINE void store(int64_t, int64_t, vec) const {}

    // Finds the largest magnitude of a part of a row: n entries of each gate, from address from(gate) on.
    template <class From>
    RNNNLP_INLINE void row_absmax(int slot, int64_t row, int gates, int64_t n, From&& from) const {
      __m512i largest{};
      for (int g = 0; g < gates; g++)
        for (int64_t k = 0; k < n; k += V) largest = larger_bits(largest, load(from(g) + k, n - k));
      absmax_of(slot)[row] = largest_lane(largest);
    }

    // Quantizes these entries, when all slots are known. Those of gate g become the terms from g*gate_step + first on.
    template <class From>
    RNNNLP_INLINE void quantize_row(int slot, int slots, int64_t row, int gates, int64_t n, int64_t first,
                                    int64_t gate_step, From&& from) const {
      int32_t largest = 0;
      for (int s = 0; s < slots; s++) largest = absmax_of(s)[row] > largest ? absmax_of(s)[row] : largest;
      const Scale scale(largest);
      if (slot == 0) scales_[row] = scale.dequantize;
      for (int g = 0; g < gates; g++)
        for (int64_t k = 0; k < n; k += V)
          store_slices(load(from(g) + k, n - k), scale.quantize, address(row, g * gate_step + first + k),
                       terms_of_int8_block);
    }

    void set(int64_t row, const float* entries, int64_t n) const {
      auto from = [&](int) { return entries; };
      row_absmax(0, row, 1, n, from);
      quantize_row(0, 1, row, 1, n, 0, 0, from);
    }

   private:
    friend Int8Panels;
    // Not a power of two, which would use only a few cache sets.
    static int64_t stride_of(int64_t K) {
      return groups_of(K, terms_of_int8_block) * num_slices * terms_of_int8_block +
             64 * (1 + groups_of(K, terms_of_int8_block) % 2);
    }
    RNNNLP_INLINE int8_t* address(int64_t row, int64_t k) const {
      return rows_ + row * stride_ + k / terms_of_int8_block * num_slices * terms_of_int8_block +
             k % terms_of_int8_block;
    }
    int32_t* absmax_of(int slot) const { return reinterpret_cast<int32_t*>(scales_) + (1 + slot) * B_; }

    int8_t* rows_;
    int64_t stride_, B_;
    float* scales_;  // (B,), and behind them the largest magnitudes, as bits, of each slot
  };

  template <int C>
  static RNNNLP_INLINE void multiply(int64_t rows, const LeftFactor& left, int64_t row, const float* panel, int64_t K,
                                     float* sums) {
    const int8_t* from = left.rows_ + row * left.stride_;
    const int8_t* tiles = reinterpret_cast<const int8_t*>(panel);
    const float *of_rows = left.scales_ + row, *of_columns = scales(panel, K, C);
    alignas(64) int32_t integers[2 * num_slices * 256];  // the sums of each level
    for (int64_t blocks = groups_of(K, terms_of_int8_block), first = 0; first < blocks; first += blocks_of_sum) {
      const int64_t n = smaller(blocks - first, blocks_of_sum);
      auto dequantize = [&](const int32_t* levels, int64_t r, int c) {
        for (int64_t i = r; i < smaller(r + 16, rows); i++, levels += V) {
          auto at = [&](int level) { return _mm512_cvtepi32_ps(_mm512_load_si512(levels + level * 256)); };
          vec sum = (vec)(at(0) + (at(1) + at(2) * (1.0f / 256)) * (1.0f / 256));
          sum *= load(of_columns + c * V) * of_rows[i];
          float* to = sums + (i * C + c) * V;
          store(to, first ? load(to) + sum : sum);
        }
      };
      if (rows > 16) {
        for (int c = 0; c < C; c++) {
          int8_sums<2, 1>(from, left.stride_, tiles + c * int8_of_tile, C, n, integers);
          dequantize(integers, 0, c);
          dequantize(integers + num_slices * 256, 16, c);
        }
      } else {
        for (int c = 0; c + 1 < C; c += 2) {
          int8_sums<1, 2>(from, left.stride_, tiles + c * int8_of_tile, C, n, integers);
          dequantize(integers, 0, c);
          dequantize(integers + num_slices * 256, 0, c + 1);
        }
        if constexpr (C % 2) {
          int8_sums<1, 1>(from, left.stride_, tiles + (C - 1) * int8_of_tile, C, n, integers);
          dequantize(integers, 0, C - 1);
        }
      }
      from += n * num_slices * terms_of_int8_block, tiles += n * num_slices * C * int8_of_tile;
    }
  }

  using ThreadSetup = TilesInUse;

 private:
  static int64_t tiles_size(int64_t K, int C) {
    return groups_of(K, terms_of_int8_block) * num_slices * C * int8_of_tile;
  }
  static float* scales(float* panel, int64_t K, int C) { return panel + tiles_size(K, C) / (int64_t)sizeof(float); }
  static const float* scales(const float* panel, int64_t K, int C) {
    return panel + tiles_size(K, C) / (int64_t)sizeof(float);
  }
};

}  // namespace rnnnlp::ISA
