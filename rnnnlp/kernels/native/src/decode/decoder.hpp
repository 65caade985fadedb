// Decoding at batch size 1: a language model reads or samples many tokens in one call. There is one barrier after each
// layer and one after the logits.

// L layers, H hidden, G gates, V lanes of a vector
#pragma once

#include "decode/sampling.hpp"
#include "recurrent/cells.hpp"

namespace rnnnlp::ISA {

// The packed weights of a layer are float panels, as in forward_loop, on every instruction set: reading them takes
// longer than the arithmetic, and slices would be no smaller.

// Floats of the packed weights (gates * H, K) of one product.
template <class P>
int64_t packed_product_size(int64_t H, int64_t K) {
  return groups_of(H, P::U) * FloatPanels::size(K, P::gates * P::U / V);
}

// Floats that `pack_gates` writes for a matrix (G*H, K).
inline int64_t packed_gates_size(int cell, int64_t H, int64_t K) {
  int64_t size = 0;
  Cells::with_cell(cell, [&](auto type) {
    using Cell = typename decltype(type)::type;
    size = packed_product_size<Cell>(H, K);
    if constexpr (has_second<Cell>) size += packed_product_size<typename Cell::Second>(H, K);
  });
  return size;
}

inline void pack_gates(int cell, int64_t H, const float* W, int64_t K, float* to) {
  Cells::with_cell(cell, [&](auto type) {
    using Cell = typename decltype(type)::type;
    pack_forward_product<Cell, FloatPanels>(H, W, K, 0, 1, to);
    if constexpr (has_second<Cell>)
      pack_forward_product<typename Cell::Second, FloatPanels>(H, W, K, 0, 1, to + packed_product_size<Cell>(H, K));
  });
}

inline int64_t packed_output_size(int64_t vocabulary, int64_t K) {
  return groups_of(vocabulary, 2 * V) * FloatPanels::size(K, 2);
}

inline void pack_output(const float* W, int64_t vocabulary, int64_t K, float* to) {
  for (int64_t p = 0; p < groups_of(vocabulary, 2 * V); p++)
    FloatPanels::pack_gates(1, vocabulary, W, K, 2 * V, p, to + p * FloatPanels::size(K, 2));
}

// The part of one thread in one layer and one token.
struct LayerStep {
  const Decoder& decoder;
  const DecoderLayer& layer;
  const float* x;        // (D,) the input of the layer, or null for the first one, which has
  const float* pre_row;  // (G*H,) its share of the gates
  int parity;            // of the token: layer.h[parity] is the state before
  int thread, threads;
};

// This thread's units of one product. Every other token takes the panels backwards, as in WorkPartition.
template <class Cell, class P, class Step>
void decode_product(const LayerStep& at, const Step& step, const float* W_x, const float* W_h, float* all_sums) {
  constexpr int C = P::gates * P::U / V;
  const DecoderLayer& layer = at.layer;
  const int64_t H = at.decoder.H, panels = groups_of(H, P::U);
  alignas(64) float tile[C * V];
  const int64_t first = panels * at.thread / at.threads, last = panels * (at.thread + 1) / at.threads;
  for (int64_t k = first; k < last; k++) {
    const int64_t p = step.backwards ? first + last - 1 - k : k;
    if (!at.pre_row) {  // pre = x @ W_x.T + b
      multiply<C>(1, at.x, 0, W_x + p * layer.D * C * V, layer.D, tile);
      for (int g = 0; g < P::gates; g++)
        for (int64_t u = 0; u < P::U; u += V) {
          const int64_t unit = p * P::U + u, place = (P::first_gate + g) * H + unit;
          if (unit < H)
            store(layer.pre + place, load(tile + g * P::U + u) + load(layer.bias + place, H - unit), H - unit);
        }
    }
    FloatPanels::multiply<C>(1, P::factor(step), 0, W_h + p * H * C * V, H, tile);
    forward_tile<Cell, P>(step, 0, 1, p, tile, all_sums);
  }
}

// After a barrier: row-wise, one thread computes the gates of the row.
template <class Cell, class P, class Step>
void decode_row(ThreadPool& pool, const LayerStep& at, const Step& step, const float* all_sums) {
  if constexpr (rowwise<Cell>) {
    pool.barrier(at.thread);
    if (at.thread == 0) P::forward_row(step, 0, all_sums);
  }
}

// One layer and one token: computes the state h[1 - parity], which other threads may read after a barrier.
template <class Cell>
void decode_layer(ThreadPool& pool, const LayerStep& at) {
  const DecoderLayer& layer = at.layer;
  const int64_t H = at.decoder.H;
  using Row = FloatPanels::LeftFactor;
  // A forward pass over one sequence and one step, without a tape.
  Forward job{};
  job.N = job.T = job.B = 1, job.H = H;
  job.pre = at.pre_row ? at.pre_row : layer.pre;
  job.state[0] = layer.h[at.parity], job.h = layer.h_output, job.h_stride = H;
  for (int k = 0; k < Cell::info.num_extra(); k++) job.extra[k] = layer.extra[k];
  ForwardStep<Cell, Row> step{&job,
                              padded(H),
                              Row(layer.h[at.parity], 1, H),
                              Row(layer.h[1 - at.parity], 1, H),
                              Row(layer.second_factor, 1, H),
                              {},
                              {},
                              layer.sums,
                              nullptr};
  for (int k = 1; k < Cell::info.states; k++) step.running[k] = layer.state[k];
  for (int k = 0; k < Cell::info.forward_rows; k++) step.scratch[k] = layer.rows[k];
  if constexpr (rowwise<Cell> && has_second<Cell>) step.second_sums = layer.sums + Cell::gates * step.stride;
  step.backwards = at.parity == 1;

  decode_product<Cell, Cell>(at, step, layer.W_x, layer.W_h, step.sums);
  decode_row<Cell, Cell>(pool, at, step, step.sums);
  if constexpr (has_second<Cell>) {
    using Second = typename Cell::Second;
    pool.barrier(at.thread);
    const float* W_x = layer.W_x ? layer.W_x + packed_product_size<Cell>(H, layer.D) : nullptr;
    decode_product<Cell, Second>(at, step, W_x, layer.W_h + packed_product_size<Cell>(H, H), step.second_sums);
    decode_row<Cell, Second>(pool, at, step, step.second_sums);
  }
}

// logits = W_out @ h + b_out: this thread's panels.
inline void decode_logits(const Decoder& decoder, const float* h, int thread, int threads) {
  const int64_t panels = groups_of(decoder.vocabulary, 2 * V);
  alignas(64) float tile[2 * V];
  for (int64_t p = panels * thread / threads; p < panels * (thread + 1) / threads; p++) {
    multiply<2>(1, h, 0, decoder.W_out + p * decoder.H * 2 * V, decoder.H, tile);
    for (int64_t u = 0; u < 2 * V; u += V) {
      const int64_t k = p * 2 * V + u, lanes = decoder.vocabulary - k;
      if (lanes > 0) store(decoder.logits + k, load(tile + u) + load(decoder.b_out + k, lanes), lanes);
    }
  }
}

template <class Cell>
void decode_tokens(ThreadPool& pool, Decoder& decoder, const DecodeJob& job) {
  run_on(pool, [&](int thread) {
    int parity = decoder.parity;
    for (int64_t n = job.first; n < job.last; n++) {
      // Each thread samples the same token itself: that takes less time than to wait for another thread.
      const int32_t token =
          job.given ? job.given[n]
                    : sample_token(job.sampling, decoder, job.uniforms[n], job.tokens, n, job.spaces[thread]);
      if (thread == 0) job.tokens[n] = token;
      const float* pre = decoder.table + (int64_t)token * Cell::info.gates * decoder.H;
      const float* x = nullptr;
      for (int64_t l = 0; l < decoder.layers; l++) {
        decode_layer<Cell>(pool, {decoder, decoder.layer[l], x, l ? nullptr : pre, parity, thread, pool.size()});
        pool.barrier(thread);
        x = decoder.layer[l].h[1 - parity];
      }
      decode_logits(decoder, x, thread, pool.size());
      pool.barrier(thread);
      parity = 1 - parity;
    }
  });
  if ((job.last - job.first) % 2) decoder.parity = 1 - decoder.parity;
}

// Reads or samples the tokens first .. last - 1, which follow tokens[0 .. first - 1]; leaves the state and the logits
// after them.
inline void decode(ThreadPool& pool, Decoder& decoder, const DecodeJob& job) {
  Cells::with_cell(decoder.cell, [&](auto type) { decode_tokens<typename decltype(type)::type>(pool, decoder, job); });
}

}  // namespace rnnnlp::ISA
