// What a compiled set of kernels offers, and the arguments. The binding knows this file only.

// N tokens, T steps, B sequences, H hidden, G gates, D input, V vocabulary; arrays are C-contiguous float32
#pragma once

#include <cstdint>

#include "team.hpp"

namespace rnnnlp {

enum class Cell { lstm, gru, elman_tanh, elman_relu };

constexpr int gates_of(Cell cell) { return cell == Cell::lstm ? 4 : cell == Cell::gru ? 3 : 1; }

struct Recurrence {
  Cell cell;
  long N, T, B, H;
  const int64_t* batch_sizes;  // (T,)
  bool reverse;
  const float* W_h;    // (G*H, H)
  const float* b_hn;   // (H,) of the GRU
  const float* h0;     // (B, H)
  const float* c0;     // (B, H) of the LSTM
  float* h;            // (N, H)
  float* tape;         // (N, tape_width); none: nothing is kept for a backward pass
};

struct Forward : Recurrence {
  const float* pre;       // (N, G*H), or with tokens a table (V, G*H)
  const int32_t* tokens;  // (N,): row tokens[n] of the table is row n of pre
  float *h_T, *c_T;       // (B, H)
};

struct Backward : Recurrence {
  const float* dh;           // (N, H), or none
  const float *dh_T, *dc_T;  // (B, H), or none
  float* dpre;               // (N, G*H)
  float *dh_0, *dc_0;        // (B, H)
  float* dW_h;               // (G*H, H)
  float* db_hn;              // (H,)
};

// C (M, N) = A @ B + bias, or C += A @ B
struct Product {
  long M, N, K;
  const float* A;               // (M, K), or (K, M) if A_by_k
  long A_stride;                // floats from row to row of A as it is stored
  bool A_by_k;
  const float* B;               // (N, K), or (K, N) if B_by_k
  long B_stride;
  bool B_by_k;
  const float* const* B_rows;   // (K,) pointers to the rows of (K, N) instead of B
  const float* bias;            // (N,) or none
  bool add;
  float* C;
  long C_stride;
  float* A_sums;                // (M,) sums of A over K, with A_by_k; or none
};

struct Kernels {
  const char* name;
  long (*tape_width)(Cell cell, long H);
  void (*forward)(Team& team, const Forward& job);
  void (*backward)(Team& team, const Backward& job);
  void (*multiply)(Team& team, const Product& job);
};

const Kernels* find_kernels(const char* isa);  // the best for this processor, or the named one; none if it cannot run
const char* names_of_kernels();                // those that this processor can run, best first, with commas

}  // namespace rnnnlp
