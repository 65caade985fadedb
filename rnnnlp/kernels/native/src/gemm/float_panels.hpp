// The products of a time loop in float32: rows of the state, or of gradients, times a packed panel of weights.

// B rows, H hidden, G gates, C vectors of a panel's columns, V lanes of a vector, K terms of each sum
#pragma once

#include "simd/tile.hpp"

namespace rnnnlp::ISA {

// The distance of the rows of a float matrix: whole vectors, and not a power of two, which would use only a few cache
// sets.
RNNNLP_INLINE int64_t padded(int64_t columns) { return groups_of(columns, 16) * 16 + 16; }

// The distance of the gates in a row of gradients: each gate starts at a whole vector.
RNNNLP_INLINE int64_t gate_stride(int64_t H) { return groups_of(H, V) * V; }

struct FloatPanels {
  static constexpr int rows_of_block(int C) { return rows_of_tile(C); }
  static constexpr int backward_vectors = 2;
  static constexpr bool quantized = false;

  // Floats of a panel of C vectors.
  static int64_t size(int64_t K, int C) { return K * C * V; }

  // Panel p has, for each k, the weights of G gates of the units p*U .. p*U + U - 1: (K, G, U).
  static void pack_gates(int G, int64_t H, const float* W, int64_t K, int64_t U, int64_t p, float* to) {
    for (int64_t k = 0; k < K; k += 16)  // 16 at a time: one cache line of each row
      for (int g = 0; g < G; g++)
        for (int64_t lane = 0; lane < U; lane++) {
          int64_t unit = p * U + lane;
          const float* row = W + (g * H + unit) * K;
          for (int64_t j = k; j < smaller(k + 16, K); j++) to[(j * G + g) * U + lane] = unit < H ? row[j] : 0.0f;
        }
  }

  // Panel p of W (G*H, H), for gradients in rows of G*gate_stride(H): (G*gate_stride(H), backward_vectors*V).
  static void pack_columns(int G, int64_t H, const float* W, int64_t p, float* to) {
    constexpr int C = backward_vectors;
    for (int g = 0; g < G; g++)
      for (int64_t k = 0; k < gate_stride(H); k++, to += C * V)
        for (int c = 0; c < C; c++) {
          const int64_t column = (p * C + c) * V;
          store(to + c * V, k < H ? load(W + (g * H + k) * H + column, H - column) : vec{});
        }
  }

  // The rows (B, K) of the left factor.
  class LeftFactor {
   public:
    static int64_t floats(int64_t B, int64_t K, int) { return B * padded(K); }
    LeftFactor(float* rows, int64_t, int64_t K) : rows_(rows), stride_(padded(K)) {}

    RNNNLP_INLINE void store(int64_t row, int64_t k, vec x) const { ISA::store(rows_ + row * stride_ + k, x); }
    void set(int64_t row, const float* entries, int64_t n) const {
      for (int64_t k = 0; k < n; k += V) store(row, k, load(entries + k, n - k));
    }

   private:
    friend FloatPanels;
    float* rows_;
    int64_t stride_;
  };

  // sums (rows, C*V) = rows `row` and on of `left` @ panel
  template <int C>
  static RNNNLP_INLINE void multiply(int64_t rows, const LeftFactor& left, int64_t row, const float* panel, int64_t K,
                                     float* sums) {
    ISA::multiply<C>(rows, left.rows_ + row * left.stride_, left.stride_, panel, K, sums);
  }

  struct ThreadSetup {};
};

}  // namespace rnnnlp::ISA
