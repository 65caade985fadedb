// The products of a time loop in float32: rows of the state, or of gradients, times a packed panel of weights.

// B rows, H hidden, G gates, C vectors of a panel's columns, V lanes of a vector, K terms of each sum
#pragma once

#include "simd/tile.hpp"

namespace rnnnlp::ISA {

// The distance of the rows of a float matrix: whole vectors, and not a power of two, which would use only a few cache
// sets.
RNNNLP_INLINE long padded(long columns) { return groups_of(columns, 16) * 16 + 16; }

// The distance of the gates in a row of gradients: each gate starts at a whole vector.
RNNNLP_INLINE long gate_stride(long H) { return groups_of(H, V) * V; }

struct FloatPanels {
  static constexpr int rows_of_block(int C) { return rows_of_tile(C); }
  static constexpr int backward_vectors = 2;
  static constexpr bool quantized = false;

  // Floats of a panel of C vectors.
  static long size(long K, int C) { return K * C * V; }

  // Panel p has, for each k, the weights of G gates of the units p*U .. p*U + U - 1: (K, G, U).
  static void pack_gates(int G, long H, const float* W, long K, long U, long p, float* to) {
    for (long k = 0; k < K; k += 16)  // 16 at a time: one cache line of each row
      for (int g = 0; g < G; g++)
        for (long lane = 0; lane < U; lane++) {
          long unit = p * U + lane;
          const float* row = W + (g * H + unit) * K;
          for (long j = k; j < smaller(k + 16, K); j++) to[(j * G + g) * U + lane] = unit < H ? row[j] : 0.0f;
        }
  }

  // Panel p of W (G*H, H), for gradients in rows of G*gate_stride(H): (G*gate_stride(H), backward_vectors*V).
  static void pack_columns(int G, long H, const float* W, long p, float* to) {
    constexpr int C = backward_vectors;
    for (int g = 0; g < G; g++)
      for (long k = 0; k < gate_stride(H); k++, to += C * V)
        for (int c = 0; c < C; c++) {
          const long column = (p * C + c) * V;
          store(to + c * V, k < H ? load(W + (g * H + k) * H + column, H - column) : vec{});
        }
  }

  // The rows (B, K) of the left factor.
  class LeftFactor {
   public:
    static long floats(long B, long K, int) { return B * padded(K); }
    LeftFactor(float* rows, long, long K) : rows_(rows), stride_(padded(K)) {}

    RNNNLP_INLINE void store(long row, long k, vec x) const { ISA::store(rows_ + row * stride_ + k, x); }
    void set(long row, const float* entries, long n) const {
      for (long k = 0; k < n; k += V) store(row, k, load(entries + k, n - k));
    }

   private:
    friend FloatPanels;
    float* rows_;
    long stride_;
  };

  // sums (rows, C*V) = rows `row` and on of `left` @ panel
  template <int C>
  static RNNNLP_INLINE void multiply(long rows, const LeftFactor& left, long row, const float* panel, long K,
                                     float* sums) {
    ISA::multiply<C>(rows, left.rows_ + row * left.stride_, left.stride_, panel, K, sums);
  }

  struct ThreadSetup {};
};

}  // namespace rnnnlp::ISA
