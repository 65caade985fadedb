// The products of a walk on the matrix unit of newer Intel processors (AMX), in whole numbers.
//
// Each row of the left factor, and each column of the right one, is scaled so that its entries become whole numbers of 24 bits:
// three digits from -128 to 127. The unit multiplies digits and adds them up without any error. Six of the nine products of
// digits are computed; the three left out are no larger than a rounding of the largest entries. So errors are those of float32
// numbers as large as the largest of a row times the largest of a column, but do not grow from term to term. After Ootomo, Ozaki
// and Yokota 2024, "DGEMM on Integer Matrix Multiplication Unit".

// B rows, H hidden, G gates, C vectors of a panel's columns, V lanes of a vector. A tile has 16 rows of 64 bytes: 16 sums, or
// 64 digits. K terms of each sum, in blocks of 64
#pragma once

#include "amx.hpp"
#include "panels.hpp"

namespace rnnnlp::ISA {

typedef int8_t digit;
constexpr long digits_of_block = 64;
constexpr long digits_of_tile = 16 * digits_of_block;
constexpr int places = 3;
constexpr float largest_whole = 8355000.0f;  // of three digits: 127*256^2 + 127*256 + 127, less what rounding may add
constexpr long blocks_of_sum = 640;          // 3 * 128 * 128 * 64 times this is less than 2^31

// What makes the entries of a row whole numbers, and what makes its sums numbers again, from the bits of its largest entry.
struct Scale {
  float to_whole, from_whole;

  explicit Scale(int32_t bits_of_largest) {
    constexpr int32_t infinity = 0x7f800000;
    if (bits_of_largest >= infinity) {  // infinite or not a number: so are all the sums
      to_whole = 0;
      from_whole = __builtin_nanf("");
      return;
    }
    float largest;
    __builtin_memcpy(&largest, &bits_of_largest, sizeof largest);
    if (largest < 1e-30f) largest = 1e-30f;
    to_whole = largest_whole / largest;
    from_whole = largest / largest_whole * 65536.0f;
  }
};

// The largest of 16 numbers and what was largest before, as bits without signs: numbers that are none are larger than any.
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

// 16 numbers as whole ones: byte 2 of each lane is its first digit, byte 0 its last, byte 3 is zero.
RNNNLP_INLINE __m512i digits_of(vec x, vec to_whole) {
  constexpr float middle = 0x808080;  // adds 128 to each digit, so that they become bytes without borrowing
  return _mm512_xor_si512(_mm512_cvtps_epi32((__m512)(x * to_whole + middle)), _mm512_set1_epi32((int)middle));
}

// The digits of 16 numbers to 16 bytes a place, the places `step` bytes apart.
RNNNLP_INLINE void store_digits(vec x, float to_whole, digit* to, long step) {
  const __m512i by_place = _mm512_set4_epi32(0x0f0b0703, 0x0c080400, 0x0d090501, 0x0e0a0602);
  const __m512i together = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  __m512i d = _mm512_permutexvar_epi32(together, _mm512_shuffle_epi8(digits_of(x, vec{} + to_whole), by_place));
  _mm_storeu_si128((__m128i*)to, _mm512_castsi512_si128(d));
  _mm_storeu_si128((__m128i*)(to + step), _mm512_extracti32x4_epi32(d, 1));
  _mm_storeu_si128((__m128i*)(to + 2 * step), _mm512_extracti32x4_epi32(d, 2));
}

// Rows of a left factor: (K / 64 blocks, 3 places, 64 digits) each, `stride` digits apart.
// Tiles of a right factor: (K / 64 blocks, 3 places, C columns of tiles), each of 16 fours of terms and 16 columns.

// The sums of 16*R rows and 16*C columns of tiles, one tile for each place of the result: (R or C, 3 places, 16, 16).
template <int R, int C>
__attribute__((noinline)) void sums_of_digits(const digit* left, long stride, const digit* right, int columns, long blocks, int32_t* sums) {
  static_assert(R * C <= 2);
  const digit* below = left + 16 * stride;
  const long step = columns * digits_of_tile;  // from place to place
  asm volatile("" ::: "memory");  // the compiler does not know that tiles are loaded from memory
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  if constexpr (R * C == 2) {
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
  }
// One tile stays, and is multiplied with place p of two rows or columns of tiles: added to their sums of a place, a and b.
#define RNNNLP_ROWS(p, a, b)                               \
  _tile_loadd(6, left + p * digits_of_block, stride);      \
  _tile_dpbssd(a, 6, 7);                                   \
  _tile_loadd(6, below + p * digits_of_block, stride);     \
  _tile_dpbssd(b, 6, 7);
#define RNNNLP_COLUMNS(p, a, b)                            \
  _tile_loadd(6, right + p * step, 64);                    \
  _tile_dpbssd(a, 7, 6);                                   \
  if constexpr (C > 1) {                                   \
    _tile_loadd(6, right + p * step + digits_of_tile, 64); \
    _tile_dpbssd(b, 7, 6);                                 \
  }
  for (long block = 0; block < blocks; block++) {
    if constexpr (R == 2) {
      _tile_loadd(7, right, 64);
      RNNNLP_ROWS(0, 0, 3) RNNNLP_ROWS(1, 1, 4) RNNNLP_ROWS(2, 2, 5)
      _tile_loadd(7, right + step, 64);
      RNNNLP_ROWS(0, 1, 4) RNNNLP_ROWS(1, 2, 5)
      _tile_loadd(7, right + 2 * step, 64);
      RNNNLP_ROWS(0, 2, 5)
    } else {
      _tile_loadd(7, left, stride);
      RNNNLP_COLUMNS(0, 0, 3) RNNNLP_COLUMNS(1, 1, 4) RNNNLP_COLUMNS(2, 2, 5)
      _tile_loadd(7, left + digits_of_block, stride);
      RNNNLP_COLUMNS(0, 1, 4) RNNNLP_COLUMNS(1, 2, 5)
      _tile_loadd(7, left + 2 * digits_of_block, stride);
      RNNNLP_COLUMNS(0, 2, 5)
    }
    left += places * digits_of_block, below += places * digits_of_block;
    right += places * step;
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

// As FloatPanels, on tiles of digits. Behind its tiles a panel has what makes the sums of each column numbers again: (C, V).
struct DigitPanels {
  static constexpr int rows_of_block(int) { return 32; }
  static constexpr int backward_vectors = 4;
  static constexpr bool by_whole_rows = true;

  static long size(long K, int C) { return (tiles_size(K, C) + C * V * (long)sizeof(float)) / (long)sizeof(float); }

  static void pack_gates(int G, long H, const float* W, long K, long U, long p, float* to) {
    const int C = G * U / V;
    digit* tiles = reinterpret_cast<digit*>(to);
    for (int c = 0; c < C; c++) {
      const int gate = c * V / U;
      alignas(64) digit rows[places][digits_of_tile];  // a unit's terms side by side
      float to_whole[V];
      auto weights = [&](long lane, long k) {
        const long unit = p * U + c * V % U + lane;
        return unit < H && k < K ? load(W + (gate * H + unit) * K + k, K - k) : vec{};
      };
      for (long lane = 0; lane < V; lane++) {
        __m512i largest{};
        for (long k = 0; k < K; k += V) largest = larger_bits(largest, weights(lane, k));
        const Scale scale(largest_lane(largest));
        to_whole[lane] = scale.to_whole;
        scales(to, K, C)[c * V + lane] = scale.from_whole;
      }
      for (long block = 0; block < groups_of(K, digits_of_block); block++) {
        for (long lane = 0; lane < V; lane++)
          for (long k = 0; k < digits_of_block; k += V)
            store_digits(weights(lane, block * digits_of_block + k), to_whole[lane], rows[0] + lane * digits_of_block + k, digits_of_tile);
        for (int place = 0; place < places; place++)
          transpose(rows[place], tiles + ((block * places + place) * C + c) * digits_of_tile, 64);
      }
    }
  }

  static void pack_columns(int G, long H, const float* W, long p, float* to) {
    constexpr int C = backward_vectors;
    const long K = G * whole(H);
    digit* tiles = reinterpret_cast<digit*>(to);
    for (int c = 0; c < C; c++) {
      const long column = (p * C + c) * V;
      auto weights = [&](long term) {
        const long gate = term / whole(H), unit = term % whole(H);
        return term < K && unit < H && column < H ? load(W + (gate * H + unit) * H + column, H - column) : vec{};
      };
      alignas(64) int32_t largest[V];
      __m512i bits{};
      for (long k = 0; k < K; k++) bits = larger_bits(bits, weights(k));
      _mm512_store_si512(largest, bits);
      vec to_whole;
      for (long lane = 0; lane < V; lane++) {
        const Scale scale(largest[lane]);
        to_whole[lane] = scale.to_whole;
        scales(to, K, C)[c * V + lane] = scale.from_whole;
      }
      for (long k = 0; k < groups_of(K, digits_of_block) * digits_of_block; k += 4) {
        __m512i term[4];
        for (long j = 0; j < 4; j++) term[j] = digits_of(weights(k + j), to_whole);
        for (int place = 0; place < places; place++) {
          __m512i four{};
          for (int j = 3; j >= 0; j--)
            four = _mm512_or_si512(_mm512_slli_epi32(four, 8), _mm512_and_si512(_mm512_srli_epi32(term[j], 16 - 8 * place), _mm512_set1_epi32(255)));
          _mm512_store_si512(tiles + ((k / digits_of_block * places + place) * C + c) * digits_of_tile + k % digits_of_block * V, four);
        }
      }
    }
  }

  // Rows of digits, (B, K), and what makes the sums of each row numbers again. A row's largest entry is known when all of it is:
  // so what cells put down is taken from memory then.
  class Left {
   public:
    static long floats(long B, long K, int ranks) {
      return (B + 32) * stride_of(K) / (long)sizeof(float) + B * (1 + ranks);  // tiles read past the last row
    }
    Left(float* memory, long B, long K)
        : rows_(reinterpret_cast<digit*>(memory)), stride_(stride_of(K)), B_(B), from_whole_(memory + (B + 32) * stride_ / (long)sizeof(float)) {}

    RNNNLP_INLINE void put(long, long, vec) const {}

    // The largest of n entries, of each of several gates, for the share `slot` of a row; from(gate) is where they begin.
    template <class From>
    RNNNLP_INLINE void measure(int slot, long row, int gates, long n, From&& from) const {
      __m512i largest{};
      for (int g = 0; g < gates; g++)
        for (long k = 0; k < n; k += V) largest = larger_bits(largest, load(from(g) + k, n - k));
      largest_of(slot)[row] = largest_lane(largest);
    }

    // Takes these entries, those of gate g as the terms from g*step + first on, when all `slots` are measured.
    template <class From>
    RNNNLP_INLINE void take(int slot, int slots, long row, int gates, long n, long first, long step, From&& from) const {
      int32_t largest = 0;
      for (int s = 0; s < slots; s++) largest = largest_of(s)[row] > largest ? largest_of(s)[row] : largest;
      const Scale scale(largest);
      if (slot == 0) from_whole_[row] = scale.from_whole;
      for (int g = 0; g < gates; g++)
        for (long k = 0; k < n; k += V) store_digits(load(from(g) + k, n - k), scale.to_whole, address(row, g * step + first + k), digits_of_block);
    }

    void set(long row, const float* entries, long n) const {
      auto from = [&](int) { return entries; };
      measure(0, row, 1, n, from);
      take(0, 1, row, 1, n, 0, 0, from);
    }

   private:
    friend DigitPanels;
    // Not a power of two, which would crowd a few cache sets.
    static long stride_of(long K) { return groups_of(K, digits_of_block) * places * digits_of_block + 64 * (1 + groups_of(K, digits_of_block) % 2); }
    RNNNLP_INLINE digit* address(long row, long k) const {
      return rows_ + row * stride_ + k / digits_of_block * places * digits_of_block + k % digits_of_block;
    }
    int32_t* largest_of(int slot) const { return reinterpret_cast<int32_t*>(from_whole_) + (1 + slot) * B_; }

    digit* rows_;
    long stride_, B_;
    float* from_whole_;  // (B,), and behind them the largest entries, as bits, of each slot
  };

  template <int C>
  static RNNNLP_INLINE void multiply(long rows, const Left& left, long row, const float* panel, long K, float* sums) {
    const digit* from = left.rows_ + row * left.stride_;
    const digit* tiles = reinterpret_cast<const digit*>(panel);
    const float *of_rows = left.from_whole_ + row, *of_columns = scales(panel, K, C);
    alignas(64) int32_t wholes[2 * places * 256];
    for (long blocks = groups_of(K, digits_of_block), first = 0; first < blocks; first += blocks_of_sum) {
      const long n = smaller(blocks - first, blocks_of_sum);
      auto numbers = [&](const int32_t* w, long r, int c) {
        for (long i = r; i < smaller(r + 16, rows); i++, w += V) {
          auto at = [&](int place) { return _mm512_cvtepi32_ps(_mm512_load_si512(w + place * 256)); };
          vec sum = (vec)(at(0) + (at(1) + at(2) * (1.0f / 256)) * (1.0f / 256));
          sum *= load(of_columns + c * V) * of_rows[i];
          float* to = sums + (i * C + c) * V;
          store(to, first ? load(to) + sum : sum);
        }
      };
      if (rows > 16) {
        for (int c = 0; c < C; c++) {
          sums_of_digits<2, 1>(from, left.stride_, tiles + c * digits_of_tile, C, n, wholes);
          numbers(wholes, 0, c);
          numbers(wholes + places * 256, 16, c);
        }
      } else {
        for (int c = 0; c + 1 < C; c += 2) {
          sums_of_digits<1, 2>(from, left.stride_, tiles + c * digits_of_tile, C, n, wholes);
          numbers(wholes, 0, c);
          numbers(wholes + places * 256, 0, c + 1);
        }
        if constexpr (C % 2) {
          sums_of_digits<1, 1>(from, left.stride_, tiles + (C - 1) * digits_of_tile, C, n, wholes);
          numbers(wholes, 0, C - 1);
        }
      }
      from += n * places * digits_of_block, tiles += n * places * C * digits_of_tile;
    }
  }

  using InUse = TilesInUse;

 private:
  static long tiles_size(long K, int C) { return groups_of(K, digits_of_block) * places * C * digits_of_tile; }
  static float* scales(float* panel, long K, int C) { return panel + tiles_size(K, C) / (long)sizeof(float); }
  static const float* scales(const float* panel, long K, int C) { return panel + tiles_size(K, C) / (long)sizeof(float); }
};

}  // namespace rnnnlp::ISA
