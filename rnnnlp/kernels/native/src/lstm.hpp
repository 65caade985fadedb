// LSTM: the gates of one row and V units, forward and backward.

// H hidden, V lanes of a vector; gates i f g o
#pragma once

#include "recurrent.hpp"

namespace rnnnlp::ISA {

struct LSTM : OneProduct {
  static constexpr int gates = 4, U = V;

  template <class Left>
  static RNNNLP_INLINE void finish(const ForwardStep<Left>& step, long row, long unit, long lanes, const float* sums) {
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
    vec h = o * tanh(c);
    store(c_row, c);
    step.h_out.put(row, unit, h);
    store(step.h(row) + unit, h, lanes);
    if (float* gates_row = step.gates(row)) {
      gates_row += unit;
      store(gates_row, i, lanes);
      store(gates_row + H, f, lanes);
      store(gates_row + 2 * H, g, lanes);
      store(gates_row + 3 * H, o, lanes);
      store(step.memory(row) + unit, c, lanes);
    }
  }

  static RNNNLP_INLINE void prefetch_tape(const BackwardStep& step, long row, long unit) {
    prefetch(step.memory(row) + unit, 2 * V);
    prefetch(step.c_before(row) + unit, 2 * V);
  }

  static RNNNLP_INLINE const float* error(const BackwardStep& step, long row, int gate) { return step.dpre(row) + gate * step.job->H; }
  static RNNNLP_INLINE vec carried(const BackwardStep&, long, long) { return vec{}; }

  static RNNNLP_INLINE void finish(const BackwardStep& step, long row, long unit, long lanes, vec dh) {
    const long H = step.job->H;
    const float* gates_row = step.gates(row) + unit;
    vec i = load(gates_row, lanes), f = load(gates_row + H, lanes);
    vec g = load(gates_row + 2 * H, lanes), o = load(gates_row + 3 * H, lanes);
    vec tanh_c = tanh(load(step.memory(row) + unit, lanes));  // cheaper again than from memory
    vec c_before = load(step.c_before(row) + unit, lanes);
    float* dc_row = step.dc + row * step.stride + unit;
    // h = o * tanh_c
    vec da_o = dh * tanh_c * (o * (1.0f - o));
    vec dc = load(dc_row) + dh * o * (1.0f - tanh_c * tanh_c);
    // c = f*c_before + i*g
    vec da_i = dc * g * (i * (1.0f - i));
    vec da_f = dc * c_before * (f * (1.0f - f));
    vec da_g = dc * i * (1.0f - g * g);
    store(dc_row, dc * f);
    float* dpre = step.dpre(row) + unit;
    step.da.put(row, unit, da_i);
    step.da.put(row, whole(H) + unit, da_f);
    step.da.put(row, 2 * whole(H) + unit, da_g);
    step.da.put(row, 3 * whole(H) + unit, da_o);
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
