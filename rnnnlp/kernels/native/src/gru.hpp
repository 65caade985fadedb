// GRU, reset applied after the product: the gates of one row and V units, forward and backward.

// H hidden, V lanes of a vector; gates r z n
#pragma once

#include "recurrent.hpp"

namespace rnnnlp::ISA {

struct GRU : OneProduct {
  static constexpr int gates = 3, U = V;

  template <class Left>
  static RNNNLP_INLINE void finish(const ForwardStep<Left>& step, long row, long unit, long lanes, const float* sums) {
    const float* pre = step.pre(row) + unit;
    const long H = step.job->H;
    vec r = load(sums) + load(pre, lanes);
    vec z = load(sums + V) + load(pre + H, lanes);
    vec a_hn = load(sums + 2 * V) + load(step.job->b_hn + unit, lanes);
    two_sigmoids(r, z);
    vec n = tanh(load(pre + 2 * H, lanes) + r * a_hn);
    vec h_before = load(step.h_before(row) + unit, lanes);
    vec h = n + z * (h_before - n);
    step.h_out.put(row, unit, h);
    store(step.h(row) + unit, h, lanes);
    if (float* gates_row = step.gates(row)) {
      gates_row += unit;
      store(gates_row, r, lanes);
      store(gates_row + H, z, lanes);
      store(gates_row + 2 * H, n, lanes);
      store(step.memory(row) + unit, a_hn, lanes);
    }
  }

  static RNNNLP_INLINE void prefetch_tape(const BackwardStep& step, long row, long unit) {
    prefetch(step.memory(row) + unit, 2 * V);
    prefetch(step.h_before(row) + unit, 2 * V);
  }

  static RNNNLP_INLINE const float* error(const BackwardStep& step, long row, int gate) {
    const long H = step.job->H;
    return gate == 2 ? step.candidate + (step.first + row) * H : step.dpre(row) + gate * H;
  }

  // dh*z, which reaches the state before without passing through the product
  static RNNNLP_INLINE vec carried(const BackwardStep& step, long row, long unit) { return load(step.dc + row * step.stride + unit); }

  static RNNNLP_INLINE void finish(const BackwardStep& step, long row, long unit, long lanes, vec dh) {
    const long H = step.job->H;
    const float* gates_row = step.gates(row) + unit;
    vec r = load(gates_row, lanes), z = load(gates_row + H, lanes), n = load(gates_row + 2 * H, lanes);
    vec a_hn = load(step.memory(row) + unit, lanes);
    vec h_before = load(step.h_before(row) + unit, lanes);
    // h = n + z*(h_before - n)
    vec through = dh * z;
    vec da_z = dh * (h_before - n) * (z * (1.0f - z));
    // n = tanh(pre_n + r*a_hn)
    vec da_n = (dh - through) * (1.0f - n * n);
    vec da_r = da_n * a_hn * (r * (1.0f - r));
    vec da_hn = da_n * r;
    store(step.dc + row * step.stride + unit, through);
    float* dpre = step.dpre(row) + unit;
    step.da.put(row, unit, da_r);
    step.da.put(row, whole(H) + unit, da_z);
    step.da.put(row, 2 * whole(H) + unit, da_hn);
    store(dpre, da_r, lanes);
    store(dpre + H, da_z, lanes);
    store(dpre + 2 * H, da_n, lanes);
    store(step.candidate + (step.first + row) * H + unit, da_hn, lanes);
  }
};

inline void gru_backward(Team& team, const Backward& job) {
  backward_walk<GRU>(team, job);
  // r, z: pre + h_before @ W_h.T;  a_hn = h_before @ W_hn.T + b_hn
  const float** before = rows_before(job, offsets_of(job));
  const long H = job.H;
  Product dW_rz{2 * H, H, job.N, job.dpre, 3 * H, true, nullptr, 0, true, before, nullptr, false, job.dW_h, H, nullptr};
  multiply_matrices(team, dW_rz);
  Product dW_hn{H, H, job.N, scratch(Scratch::d_candidate, job.N * H), H, true, nullptr, 0, true, before,
                nullptr, false, job.dW_h + 2 * H * H, H, job.db_hn};
  multiply_matrices(team, dW_hn);
}

}  // namespace rnnnlp::ISA
