// What a compiled set of kernels offers, and the jobs that it gets. The binding knows only this file.

// N tokens, T steps, B sequences, H hidden, G gates, D input, V vocabulary; arrays are C-contiguous float32
#pragma once

#include <cstdint>

#include "recurrent/cell_info.hpp"
#include "runtime/thread_pool.hpp"

namespace rnnnlp {

// What the two directions of a cell have in common. A cell's id is its index in `Kernels::cells`.
struct Recurrence {
  int cell = 0;
  int64_t N = 0, T = 0, B = 0, H = 0;
  const int64_t* batch_sizes = nullptr;  // (T,)
  bool reverse = false;
  const float* W_h = nullptr;           // (G*H, H)
  const float* extra[max_extra] = {};   // as the cell's info says
  const float* state[max_states] = {};  // (B, H) each: the initial states
  float* h = nullptr;                   // (N, H), rows h_stride apart
  int64_t h_stride = 0;
  float* gates = nullptr;        // (N, G*H) after their nonlinearities; null for inference
  float* saved[max_saved] = {};  // as the cell's info says; null for inference
};

struct Forward : Recurrence {
  const float* pre = nullptr;          // (N, G*H), or with row_index a table (V, G*H); may be `gates`
  const int32_t* row_index = nullptr;  // (N,): row row_index[n] of the table is row n of pre; or null
  float* state_T[max_states] = {};     // (B, H) each
};

struct Backward : Recurrence {
  const float* dh = nullptr;  // (N, H), rows dh_stride apart, or null for zeros
  int64_t dh_stride = 0;
  const float* dstate_T[max_states] = {};  // (B, H) each, or null for zeros
  float* dpre = nullptr;                   // (N, G*H); may be `gates`
  float* dstate_0[max_states] = {};        // (B, H) each
  float* dW_h = nullptr;                   // (G*H, H)
  float* dextra[max_extra] = {};           // as `extra`
};

// C (M, N) = A @ B + bias
struct Matmul {
  int64_t M = 0, N = 0, K = 0;
  const float* A = nullptr;  // (M, K), or (K, M) if A_by_k
  int64_t A_stride = 0;      // floats from row to row of A as it is stored
  bool A_by_k = false;
  const float* B = nullptr;  // (N, K), or (K, N) if B_by_k
  int64_t B_stride = 0;
  bool B_by_k = false;
  const float* const* B_rows = nullptr;  // (K,) pointers to the rows of (K, N), instead of B
  const float* bias = nullptr;           // (N,) or null
  float* C = nullptr;
  int64_t C_stride = 0;
  float* A_sums = nullptr;  // (M,) receives the sums of A over K, with A_by_k; or null
};

// Cross-entropy of N rows of K logits; q = keep*onehot + spread is the target.
struct Loss {
  int64_t N = 0, K = 0;
  const float* logits = nullptr;     // (N, K)
  const int32_t* targets = nullptr;  // (N,)
  float keep = 1, spread = 0;
  float* dlogits = nullptr;  // (N, K)
};

// The mean and the maximum of the rows of each sequence, or their gradients.
struct Pooling {
  int64_t T = 0, B = 0, D = 0;
  const int64_t* batch_sizes = nullptr;               // (T,)
  const float* x = nullptr;                           // (N, D)
  float *mean = nullptr, *largest = nullptr;          // (B, D)
  const float *dmean = nullptr, *dlargest = nullptr;  // (B, D), for the gradients
  float* dx = nullptr;                                // (N, D)
};

struct Array {
  const float* data;
  int64_t size;
};

struct AdamParameter {
  float* value = nullptr;
  const float* grad = nullptr;
  float *m = nullptr, *v = nullptr;
  const int64_t* rows = nullptr;  // the rows that have a gradient, or null for all
  int64_t num_rows = 0, row_size = 0, size = 0;
  float decay = 0;
};

struct Adam {
  const AdamParameter* parameters = nullptr;
  int64_t number = 0;
  float lr = 0, beta1 = 0, beta2 = 0, eps = 0;
  float rest1 = 1, rest2 = 1;              // 1 - beta, of the exact betas: one may be rounded to 1
  float correction1 = 0, correction2 = 0;  // 1 - beta^t
  float scale = 1;                         // of the gradients, for clipping
  float smallest_moment = 0;               // smaller moments become 0
};

struct DecoderLayer {
  const float *W_x = nullptr, *W_h = nullptr;  // packed; the first layer has no W_x
  const float* bias = nullptr;                 // (G*H,)
  const float* extra[max_extra] = {};          // as the cell's info says
  int64_t D = 0;
  float* h[2] = {};                           // (padded H) each: the state, and the next one
  float* state[max_states] = {};              // (padded H) each: the states after h
  float* rows[max_rows] = {};                 // (padded H) each: scratch of the cell
  float* second_factor = nullptr;             // (padded H): what a second product multiplies
  float *pre = nullptr, *h_output = nullptr;  // (G*H,), (H,)
  float* sums = nullptr;                      // (G, padded H) of a cell with the row-wise schedule
};

// A language model that reads or samples one token at a time.
struct Decoder {
  int cell = 0;
  int64_t layers = 0, H = 0, vocabulary = 0;
  const float* table = nullptr;                    // (V, G*H): the embedding times the first layer's W_x, plus its bias
  const float *W_out = nullptr, *b_out = nullptr;  // packed; (V,)
  DecoderLayer* layer = nullptr;
  float* logits = nullptr;  // (V,) of the next token
  int parity = 0;           // layer.h[parity] is the state
};

struct Sampling {
  double temperature = 1;
  int64_t top_k = 0;
  double top_p = 1, repetition_penalty = 1;
  int64_t window = 0;
  int32_t excluded = -1;            // a token that is never sampled, or -1
  const int32_t* recent = nullptr;  // (num_recent,) tokens before this call
  int64_t num_recent = 0;
};

struct SamplingSpace;  // of decode/sampling.hpp

// Tokens first .. last - 1 of one call of the decoder.
struct DecodeJob {
  Sampling sampling = {};
  SamplingSpace* spaces = nullptr;   // one for each thread, to sample
  const double* uniforms = nullptr;  // one for each token, from [0, 1), to sample it; or
  const int32_t* given = nullptr;    // the tokens to read
  int64_t first = 0, last = 0;
  int32_t* tokens = nullptr;  // receives the tokens; those before `first` are there
};

struct Kernels {
  const char* name;
  const CellInfo* cells;
  int num_cells;
  void (*forward)(ThreadPool& pool, const Forward& job);
  void (*backward)(ThreadPool& pool, const Backward& job);
  void (*matmul)(ThreadPool& pool, const Matmul& job);
  double (*softmax_cross_entropy)(ThreadPool& pool, const Loss& job);
  void (*square_sums)(ThreadPool& pool, const Array* arrays, int64_t number, double* totals);
  void (*adam)(ThreadPool& pool, const Adam& job);
  void (*gather_rows)(ThreadPool& pool, const float* table, const int32_t* ids, int64_t N, int64_t D, float* rows);
  void (*add_rows)(ThreadPool& pool, const float* rows, const int32_t* ids, int64_t N, int64_t D, float* table);
  void (*mean_and_max)(ThreadPool& pool, const Pooling& job);
  void (*mean_and_max_backward)(ThreadPool& pool, const Pooling& job);
  // The decoder's weights: floats of a packed matrix (G*H, K), or of the output matrix (vocabulary, K), and how to pack
  // them.
  int64_t (*padded)(int64_t columns);
  int64_t (*packed_gates_size)(int cell, int64_t H, int64_t K);
  void (*pack_gates)(int cell, int64_t H, const float* W, int64_t K, float* to);
  int64_t (*packed_output_size)(int64_t vocabulary, int64_t K);
  void (*pack_output)(const float* W, int64_t vocabulary, int64_t K, float* to);
  void (*decode)(ThreadPool& pool, Decoder& decoder, const DecodeJob& job);
};

const Kernels* find_kernels(const char* isa);  // the best for this processor, or the named one; null if it cannot run
const char* names_of_kernels();                // those that this processor can run, best first, with commas
[[noreturn]] void throw_unknown_cell(int id);  // std::invalid_argument

}  // namespace rnnnlp
