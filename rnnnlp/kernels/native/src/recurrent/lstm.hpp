// LSTM (Hochreiter and Schmidhuber 1997; Gers et al. 2000): the gates of one row and V units, forward and backward.

// H hidden, V lanes of a vector; gates i f g o
#pragma once

#include "recurrent/backward_loop.hpp"
#include "recurrent/forward_loop.hpp"

namespace rnnnlp::ISA {

struct LSTM : OneProduct {
  static constexpr CellInfo info{.name = "lstm", .gates = 4, .states = 2, .saves_gates = true, .saved = {{"c", 1}}};
  static constexpr int gates = 4, U = V;
  struct State {
    static constexpr int c = 1;
  };
  struct Saved {
    static constexpr int c = 0;
  };

  template <class Step>
  static RNNNLP_INLINE void epilogue(const Step& step, int64_t row, int64_t unit, int64_t lanes, const float* sums) {
    const float* pre = step.pre(row) + unit;
    const int64_t H = step.job->H;
    vec i = load(sums) + load(pre, lanes);
    vec f = load(sums + V) + load(pre + H, lanes);
    vec g = load(sums + 2 * V) + load(pre + 2 * H, lanes);
    vec o = load(sums + 3 * V) + load(pre + 3 * H, lanes);
    two_sigmoids(i, f);
    sigmoid_and_tanh(o, g);
    float* c_row = step.state(State::c, row) + unit;
    vec c = load(c_row);
    c = f * c + i * g;
    vec h = o * tanh(c);
    store(c_row, c);
    step.h_out.store(row, unit, h);
    store(step.h(row) + unit, h, lanes);
    if (step.keeps_tape()) {
      float* gates_row = step.gates(row) + unit;
      store(gates_row, i, lanes);
      store(gates_row + H, f, lanes);
      store(gates_row + 2 * H, g, lanes);
      store(gates_row + 3 * H, o, lanes);
      store(step.saved(Saved::c, row) + unit, c, lanes);
    }
  }

  template <class Step>
  static RNNNLP_INLINE void prefetch_tape(const Step& step, int64_t row, int64_t unit) {
    prefetch(step.saved(Saved::c, row) + unit, 2 * V);
    prefetch(step.state_before(State::c, Saved::c, row) + unit, 2 * V);
  }

  template <class Step>
  static RNNNLP_INLINE const float* dgates(const Step& step, int64_t row, int gate) {
    return step.dpre(row) + gate * step.job->H;
  }

  template <class Step>
  static RNNNLP_INLINE vec carried_dh(const Step&, int64_t, int64_t) {
    return vec{};
  }

  template <class Step>
  static RNNNLP_INLINE void backward_epilogue(const Step& step, int64_t row, int64_t unit, int64_t lanes, vec dh) {
    const int64_t H = step.job->H;
    const float* gates_row = step.gates(row) + unit;
    vec i = load(gates_row, lanes), f = load(gates_row + H, lanes);
    vec g = load(gates_row + 2 * H, lanes), o = load(gates_row + 3 * H, lanes);
    vec tanh_c = tanh(load(step.saved(Saved::c, row) + unit, lanes));  // faster again than from memory
    vec c_before = load(step.state_before(State::c, Saved::c, row) + unit, lanes);
    float* dc_row = step.dstate(State::c, row) + unit;
    // h = o * tanh_c
    vec da_o = dh * tanh_c * (o * (1.0f - o));
    vec dc = load(dc_row) + dh * o * (1.0f - tanh_c * tanh_c);
    // c = f*c_before + i*g
    vec da_i = dc * g * (i * (1.0f - i));
    vec da_f = dc * c_before * (f * (1.0f - f));
    vec da_g = dc * i * (1.0f - g * g);
    store(dc_row, dc * f);
    float* dpre = step.dpre(row) + unit;
    step.dgates.store(row, unit, da_i);
    step.dgates.store(row, gate_stride(H) + unit, da_f);
    step.dgates.store(row, 2 * gate_stride(H) + unit, da_g);
    step.dgates.store(row, 3 * gate_stride(H) + unit, da_o);
    store(dpre, da_i, lanes);
    store(dpre + H, da_f, lanes);
    store(dpre + 2 * H, da_g, lanes);
    store(dpre + 3 * H, da_o, lanes);
  }

  // a = pre + h_before @ W_h.T
  static void weight_gradients(ThreadPool& pool, const Backward& job, const BackwardScratch&,
                               const float* const* h_before) {
    weight_gradient(pool, job, {.dgates = job.dpre, .gates = 4, .stride = 4 * job.H}, h_before, job.dW_h);
  }
};

}  // namespace rnnnlp::ISA
