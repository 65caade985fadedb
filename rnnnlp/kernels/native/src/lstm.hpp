// LSTM: the gates of one row and V units, forward and backward.

// H hidden, V lanes of a vector; gates i f g o
#pragma once

#include "recurrent.hpp"

namespace rnnnlp::ISA {

// The tape has, for each row and each V units, six vectors side by side.
enum { tape_i, tape_f, tape_g, tape_o, tape_c, tape_tanh_c, lstm_vectors };

struct LSTM {
  static constexpr int gates = 4, U = V;

  static long tape_width(long H) { return groups_of(H, V) * lstm_vectors * V; }

  static RNNNLP_INLINE void finish(const ForwardStep& step, long row, long unit, long lanes, const float* sums) {
    const float* pre = step.pre(row) + unit;
    const long H = step.job->H;
    vec i = load(sums) + load(pre, lanes);
    vec f = load(sums + V) + load(pre + H, lanes);
    vec g = load(sums + 2 * V) + load(pre + 2 * H, lanes);
    vec o = load(sums + 3 * V) + load(pre + 3 * H, lanes);
    two_sigmoids(i, f);
    sigmoid_and_tanh(o, g);
    float* c_row = step.c + row * step.stride + unit;
    vec c = load(c_row);
    c = f * c + i * g;
    vec tanh_c = tanh(c);
    vec h = o * tanh_c;
    store(c_row, c);
    store(step.h_out + row * step.stride + unit, h);
    store(step.h(row) + unit, h, lanes);
    if (float* tape = step.tape(row)) {
      tape += unit * lstm_vectors;
      store(tape + tape_i * V, i);
      store(tape + tape_f * V, f);
      store(tape + tape_g * V, g);
      store(tape + tape_o * V, o);
      store(tape + tape_c * V, c);
      store(tape + tape_tanh_c * V, tanh_c);
    }
  }

  static RNNNLP_INLINE void prefetch(const BackwardStep& step, long row, long unit) {
    const float* tape = step.tape(row) + unit * lstm_vectors;
    for (int k = 0; k < 2 * lstm_vectors * V; k += 16) __builtin_prefetch(tape + k);
  }

  static RNNNLP_INLINE vec carried(const BackwardStep&, long, long) { return vec{}; }

  static RNNNLP_INLINE void finish(const BackwardStep& step, long row, long unit, long lanes, vec dh) {
    const float* tape = step.tape(row) + unit * lstm_vectors;
    const float* tape_before = step.tape_before(row);
    vec i = load(tape + tape_i * V), f = load(tape + tape_f * V), g = load(tape + tape_g * V), o = load(tape + tape_o * V);
    vec tanh_c = load(tape + tape_tanh_c * V);
    const long H = step.job->H;
    vec c_before = tape_before ? load(tape_before + unit * lstm_vectors + tape_c * V) : load(step.job->c0 + row * H + unit, lanes);
    float* dc_row = step.dc + row * step.stride + unit;
    // h = o * tanh_c
    vec da_o = dh * tanh_c * (o * (1.0f - o));
    vec dc = load(dc_row) + dh * o * (1.0f - tanh_c * tanh_c);
    // c = f*c_before + i*g
    vec da_i = dc * g * (i * (1.0f - i));
    vec da_f = dc * c_before * (f * (1.0f - f));
    vec da_g = dc * i * (1.0f - g * g);
    store(dc_row, dc * f);
    float* da = step.da + row * step.da_stride + unit;
    float* dpre = step.dpre(row) + unit;
    store(da, da_i, lanes);
    store(da + H, da_f, lanes);
    store(da + 2 * H, da_g, lanes);
    store(da + 3 * H, da_o, lanes);
    store(dpre, da_i, lanes);
    store(dpre + H, da_f, lanes);
    store(dpre + 2 * H, da_g, lanes);
    store(dpre + 3 * H, da_o, lanes);
  }
};

inline void lstm_backward(Team& team, const Backward& job) {
  backward_walk<LSTM>(team, job);
  // a = pre + h_before @ W_h.T
  Product dW{4 * job.H, job.H, job.N, job.dpre, 4 * job.H, true, nullptr, 0, true, rows_before(job, offsets_of(job)),
             nullptr, false, job.dW_h, job.H, nullptr};
  multiply_matrices(team, dW);
}

}  // namespace rnnnlp::ISA
