// What a compiled set of kernels offers, and the arguments. The binding knows this file only.

// N tokens, T steps, B sequences, H hidden, G gates, D input, V vocabulary; arrays are C-contiguous float32
#pragma once

#include <cstdint>

#include "team.hpp"

namespace rnnnlp {

enum class Cell { lstm, gru, elman_tanh, elman_relu, gru_reset_first };

constexpr int gates_of(Cell cell) { return cell == Cell::lstm ? 4 : cell == Cell::gru || cell == Cell::gru_reset_first ? 3 : 1; }

struct Recurrence {
  Cell cell;
  long N, T, B, H;
  const int64_t* batch_sizes;  // (T,)
  bool reverse;
  const float* W_h;    // (G*H, H)
  const float* b_hn;   // (H,) of the GRU
  const float* h0;     // (B, H)
  const float* c0;     // (B, H) of the LSTM
  float* h;            // (N, H), rows h_stride apart
  long h_stride;
  // The tape, or none for inference: the gates after their nonlinearities, and c of the LSTM, W_hn h + b_hn of the GRU, or r*h_before
  // of the GRU that resets first.
  float* gates;        // (N, G*H); the Elman network needs only h
  float* memory;       // (N, H)
};

struct Forward : Recurrence {
  const float* pre;       // (N, G*H), or with tokens a table (V, G*H); may be `gates`, which then take its place
  const int32_t* tokens;  // (N,): row tokens[n] of the table is row n of pre
  float *h_T, *c_T;       // (B, H)
};

struct Backward : Recurrence {
  const float* dh;           // (N, H), rows dh_stride apart, or none
  long dh_stride;
  const float *dh_T, *dc_T;  // (B, H), or none
  float* dpre;               // (N, G*H); may be `gates`
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

// Cross-entropy of N rows of K logits; q = keep*onehot + spread is the target, each class weighs w_k.
struct Loss {
  long N, K;
  const float* logits;          // (N, K)
  const int32_t* targets;       // (N,)
  const float* class_weights;   // (K,) or none
  float weights_sum, keep, spread, scale;
  float* dlogits;               // (N, K), times scale
};

// The mean and the maximum of the rows of each sequence, or their gradients.
struct Pooling {
  long T, B, D;
  const int64_t* batch_sizes;         // (T,)
  const float* x;                     // (N, D)
  float *mean, *largest;              // (B, D)
  const float *dmean, *dlargest;      // (B, D) on the way back
  float* dx;                          // (N, D)
};

struct Array {
  const float* data;
  long size;
};

struct AdamParameter {
  float* value;
  const float* grad;
  float *m, *v;
  float* average;          // or none
  const int64_t* rows;     // those that have a gradient, or none: all
  long number_of_rows, row_size, size;
  float decay;
};

struct Adam {
  const AdamParameter* parameters;
  long number;
  float lr, beta1, beta2, eps;
  float correction1, correction2;  // 1 - beta^t
  float scale;                     // of the gradients, for clipping
  float average_keep;
};

struct StepLayer {
  const float *W_x, *W_h;   // packed
  const float *bias, *b_hn; // (G*H,), (H,)
  long D;
  float* h[2];              // (padded H): the state, and the next one
  float *c, *kept;          // (padded H): the cell state, or what waits for a second product
  float *pre, *h_output;    // (G*H,), (H,)
};

// A language model that reads or makes one token at a time.
struct Stepper {
  Cell cell;
  long layers, H, vocabulary;
  const float* table;             // (V, G*H) embedding through the first layer's input weights, biases included
  const float *W_out, *b_out;     // packed; (V,)
  StepLayer* layer;
  float* logits;                  // (V,) of the next token
  int parity;                     // layer.h[parity] is the state
};

struct Choice {
  double temperature;
  long top_k;
  double top_p, repetition_penalty;
  long window;
  int32_t excluded;               // a token that is never chosen, or -1
  const int32_t* recent;          // tokens before this call
  long number_of_recent;
};

struct Kernels {
  const char* name;
  void (*forward)(Team& team, const Forward& job);
  void (*backward)(Team& team, const Backward& job);
  void (*multiply)(Team& team, const Product& job);
  double (*softmax_cross_entropy)(Team& team, const Loss& job);
  void (*square_sums)(Team& team, const Array* arrays, long number, double* totals);
  void (*adam)(Team& team, const Adam& job);
  void (*gather_rows)(Team& team, const float* table, const int32_t* ids, long N, long D, float* rows);
  void (*mean_and_max)(Team& team, const Pooling& job);
  void (*mean_and_max_backward)(Team& team, const Pooling& job);
  void (*add_rows)(Team& team, const float* rows, const int32_t* ids, long N, long D, float* table);
  long (*padded)(long columns);
  long (*packed_size)(Cell cell, long H, long K);
  void (*pack_gates)(Cell cell, long H, const float* W, long K, float* to);
  long (*packed_output_size)(long vocabulary, long K);
  void (*pack_output)(const float* W, long vocabulary, long K, float* to);
  void (*step_tokens)(Team& team, Stepper& stepper, const Choice& choice, const double* uniforms, const int32_t* given, long first,
                      long last, int32_t* tokens);
};

const Kernels* find_kernels(const char* isa);  // the best for this processor, or the named one; none if it cannot run
const char* names_of_kernels();                // those that this processor can run, best first, with commas

}  // namespace rnnnlp
