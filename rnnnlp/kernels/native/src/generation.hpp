// A language model's steps at batch size 1, many tokens in one call: no packing, no Python, a barrier a layer and one for the logits.

// L layers, H hidden, G gates, V vocabulary (lanes of a vector too, as everywhere)
#pragma once

#include "choice.hpp"
#include "elman.hpp"
#include "gru.hpp"
#include "gru_reset_first.hpp"
#include "lstm.hpp"
#include "panels.hpp"

namespace rnnnlp::ISA {

// Packed weights of one layer: panels as in forward_walk, but always of floats. One row is read faster than it is multiplied.
template <class F>
constexpr int vectors_of = F::gates * F::U / V;

// Floats of the packed weights (gates*H, K) of one product.
template <class F>
long size_of_product(long H, long K) { return groups_of(H, F::U) * K * F::gates * F::U; }

template <class F>
long size_of_cell(long H, long K) {
  if constexpr (has_second<F>) return size_of_product<F>(H, K) + size_of_product<typename F::Second>(H, K);
  return size_of_product<F>(H, K);
}

template <class F>
void pack_cell(long H, const float* W, long K, float* to) {
  pack_forward_product<F, FloatPanels>(H, W, K, 0, 1, to);
  if constexpr (has_second<F>) pack_forward_product<typename F::Second, FloatPanels>(H, W, K, 0, 1, to + size_of_product<F>(H, K));
}

// Floats that `pack_gates` writes for a matrix (G*H, K).
inline long packed_size(Cell cell, long H, long K) {
  switch (cell) {
    case Cell::lstm: return size_of_cell<LSTM>(H, K);
    case Cell::gru: return size_of_cell<GRU>(H, K);
    case Cell::gru_reset_first: return size_of_cell<GRUResetFirst>(H, K);
    default: return size_of_cell<Elman<false>>(H, K);
  }
}

inline void pack_gates(Cell cell, long H, const float* W, long K, float* to) {
  switch (cell) {
    case Cell::lstm: return pack_cell<LSTM>(H, W, K, to);
    case Cell::gru: return pack_cell<GRU>(H, W, K, to);
    case Cell::gru_reset_first: return pack_cell<GRUResetFirst>(H, W, K, to);
    default: return pack_cell<Elman<false>>(H, W, K, to);
  }
}

inline long packed_output_size(long vocabulary, long K) { return groups_of(vocabulary, 2 * V) * FloatPanels::size(K, 2); }

inline void pack_output(const float* W, long vocabulary, long K, float* to) {
  for (long p = 0; p < groups_of(vocabulary, 2 * V); p++) FloatPanels::pack_gates(1, vocabulary, W, K, 2 * V, p, to + p * FloatPanels::size(K, 2));
}

// This rank's units of one product of one layer for one token; every other token walks the panels backwards, as in forward_walk.
template <class F>
void product_of_layer(const Stepper& s, const StepLayer& layer, const float* W_x, const float* W_h, const float* x, const float* pre_row,
                      int parity, int rank, int ranks) {
  constexpr int C = vectors_of<F>;
  const long H = s.H, panels = groups_of(H, F::U);
  Forward job{};
  job.cell = s.cell, job.B = 1, job.H = H, job.b_hn = layer.b_hn;
  job.pre = pre_row ? pre_row : layer.pre, job.h0 = layer.h[parity], job.h = layer.h_output;
  using Row = FloatPanels::Left;
  const ForwardStep<Row> step{&job, 0, 0, 0, Row(layer.h[parity], 1, H), Row(layer.h[1 - parity], 1, H), layer.c, padded(H),
                              Row(layer.kept, 1, H), parity == 1};
  alignas(64) float sums[C * V];
  const long first = panels * rank / ranks, last = panels * (rank + 1) / ranks;
  for (long k = first; k < last; k++) {
    const long p = step.backwards ? first + last - 1 - k : k;
    if (!pre_row) {  // pre = x @ W_x.T + b
      multiply<C>(1, x, 0, W_x + p * layer.D * C * V, layer.D, sums);
      for (int g = 0; g < F::gates; g++)
        for (long u = 0; u < F::U; u += V) {
          long unit = p * F::U + u, at = (F::first_gate + g) * H + unit;
          if (unit < H) store(layer.pre + at, load(sums + g * F::U + u) + load(layer.bias + at, H - unit), H - unit);
        }
    }
    FloatPanels::multiply<C>(1, F::from(step), 0, W_h + p * H * C * V, H, sums);
    for (long u = 0; u < F::U; u += V)
      if (p * F::U + u < H) F::finish(step, 0, p * F::U + u, H - p * F::U - u, sums + u);
  }
}

// One layer for one token: the state h[1 - parity], which other ranks may read after a barrier.
template <class F>
void step_of_layer(Team& team, const Stepper& s, const StepLayer& layer, const float* x, const float* pre_row, int parity, int rank) {
  product_of_layer<F>(s, layer, layer.W_x, layer.W_h, x, pre_row, parity, rank, team.size());
  if constexpr (has_second<F>) {
    team.barrier(rank);
    const float* W_x = layer.W_x ? layer.W_x + size_of_product<F>(s.H, layer.D) : nullptr;
    product_of_layer<typename F::Second>(s, layer, W_x, layer.W_h + size_of_product<F>(s.H, s.H), x, pre_row, parity, rank, team.size());
  }
}

// What follows tokens[0 .. first - 1]: chooses the tokens up to last - 1, or reads them if `given`, and leaves state and logits
// after them.
template <class F>
void walk_tokens(Team& team, Stepper& s, const Choice& choice, const double* uniforms, const int32_t* given, long first, long last,
                 int32_t* tokens) {
  const long panels = groups_of(s.vocabulary, 2 * V);
  run_on(team, [&](int rank) {
    alignas(64) float sums[2 * V];
    int parity = s.parity;
    for (long n = first; n < last; n++) {
      // All ranks choose the same: that takes less time than to wait for one that does.
      const int32_t token = given ? given[n] : choose(choice, s, uniforms[n], tokens, n);
      if (rank == 0) tokens[n] = token;
      const float* pre = s.table + (long)token * gates_of(s.cell) * s.H;
      for (long l = 0; l < s.layers; l++) {
        const StepLayer& layer = s.layer[l];
        step_of_layer<F>(team, s, layer, l ? s.layer[l - 1].h[1 - parity] : nullptr, l ? nullptr : pre, parity, rank);
        team.barrier(rank);
      }
      const float* h = s.layer[s.layers - 1].h[1 - parity];
      for (long p = panels * rank / team.size(); p < panels * (rank + 1) / team.size(); p++) {
        multiply<2>(1, h, 0, s.W_out + p * s.H * 2 * V, s.H, sums);
        for (long u = 0; u < 2 * V; u += V) {
          long k = p * 2 * V + u;
          if (k < s.vocabulary) store(s.logits + k, load(sums + u) + load(s.b_out + k, s.vocabulary - k), s.vocabulary - k);
        }
      }
      team.barrier(rank);
      parity = 1 - parity;
    }
  });
  if ((last - first) % 2) s.parity = 1 - s.parity;
}

inline void step_tokens(Team& team, Stepper& s, const Choice& choice, const double* uniforms, const int32_t* given, long first, long last,
                        int32_t* tokens) {
  switch (s.cell) {
    case Cell::lstm: return walk_tokens<LSTM>(team, s, choice, uniforms, given, first, last, tokens);
    case Cell::gru: return walk_tokens<GRU>(team, s, choice, uniforms, given, first, last, tokens);
    case Cell::elman_tanh: return walk_tokens<Elman<false>>(team, s, choice, uniforms, given, first, last, tokens);
    case Cell::elman_relu: return walk_tokens<Elman<true>>(team, s, choice, uniforms, given, first, last, tokens);
    case Cell::gru_reset_first: return walk_tokens<GRUResetFirst>(team, s, choice, uniforms, given, first, last, tokens);
  }
}

}  // namespace rnnnlp::ISA
