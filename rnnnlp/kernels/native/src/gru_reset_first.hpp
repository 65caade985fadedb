// GRU whose reset is applied before the product: two products a step, the second of what the first lets through.

// H hidden, V lanes of a vector; gates r z n
#pragma once

#include "recurrent.hpp"

namespace rnnnlp::ISA {

// From the first product come r and z; r*h_before waits in step.kept, z in step.c.
struct ResetFirstCandidate : OneProduct {
  static constexpr int first_gate = 2, gates = 1, U = 2 * V;

  template <class Step>
  static RNNNLP_INLINE const auto& from(const Step& step) {
    return step.kept;
  }

  template <class Left>
  static RNNNLP_INLINE void finish(const ForwardStep<Left>& step, long row, long unit, long lanes, const float* sums) {
    const long H = step.job->H;
    vec z = load(step.c + row * step.stride + unit);
    vec n = tanh(load(sums) + load(step.pre(row) + 2 * H + unit, lanes));
    vec h_before = load(step.h_before(row) + unit, lanes);
    vec h = n + z * (h_before - n);
    step.h_out.put(row, unit, h);
    store(step.h(row) + unit, h, lanes);
    if (float* gates_row = step.gates(row)) store(gates_row + 2 * H + unit, n, lanes);
  }

  static RNNNLP_INLINE const float* error(const BackwardStep& step, long row) { return step.dpre(row) + 2 * step.job->H; }

  // kept = r*h_before, whose error the second product of the walk back gives
  static RNNNLP_INLINE void finish(const BackwardStep& step, long row, long unit, long lanes, vec dkept) {
    vec r = load(step.gates(row) + unit, lanes), h_before = load(step.h_before(row) + unit, lanes);
    vec da_r = dkept * h_before * (r * (1.0f - r));
    float* dc = step.dc + row * step.stride + unit;
    store(dc, load(dc) + dkept * r);
    step.da.put(row, unit, da_r);
    store(step.dpre(row) + unit, da_r, lanes);
  }
};

struct GRUResetFirst {
  using Second = ResetFirstCandidate;
  static constexpr int first_gate = 0, gates = 2, U = V;

  template <class Step>
  static RNNNLP_INLINE const auto& from(const Step& step) {
    return step.h_in;
  }

  template <class Left>
  static RNNNLP_INLINE void finish(const ForwardStep<Left>& step, long row, long unit, long lanes, const float* sums) {
    const float* pre = step.pre(row) + unit;
    const long H = step.job->H;
    vec r = load(sums) + load(pre, lanes);
    vec z = load(sums + V) + load(pre + H, lanes);
    two_sigmoids(r, z);
    vec kept = r * load(step.h_before(row) + unit, lanes);
    step.kept.put(row, unit, kept);
    if constexpr (Panels::by_whole_rows) store(step.h(row) + unit, kept, lanes);  // to be taken from there, until there is h
    store(step.c + row * step.stride + unit, z);
    if (float* gates_row = step.gates(row)) {
      store(gates_row + unit, r, lanes);
      store(gates_row + H + unit, z, lanes);
      store(step.memory(row) + unit, kept, lanes);
    }
  }

  static RNNNLP_INLINE void prefetch_tape(const BackwardStep& step, long row, long unit) { prefetch(step.h_before(row) + unit, 2 * V); }

  static RNNNLP_INLINE const float* error(const BackwardStep& step, long row, int gate) { return step.dpre(row) + gate * step.job->H; }

  // dh*z and the error that came through kept, neither of which passes through the first product
  static RNNNLP_INLINE vec carried(const BackwardStep& step, long row, long unit) { return load(step.dc + row * step.stride + unit); }

  static RNNNLP_INLINE void finish(const BackwardStep& step, long row, long unit, long lanes, vec dh) {
    const long H = step.job->H;
    const float* gates_row = step.gates(row) + unit;
    vec z = load(gates_row + H, lanes), n = load(gates_row + 2 * H, lanes);
    vec h_before = load(step.h_before(row) + unit, lanes);
    // h = n + z*(h_before - n)
    vec through = dh * z;
    vec da_z = dh * (h_before - n) * (z * (1.0f - z));
    // n = tanh(pre_n + kept @ W_n.T)
    vec da_n = (dh - through) * (1.0f - n * n);
    store(step.dc + row * step.stride + unit, through);
    step.dn.put(row, unit, da_n);
    step.da.put(row, whole(H) + unit, da_z);
    float* dpre = step.dpre(row) + unit;
    store(dpre + H, da_z, lanes);
    store(dpre + 2 * H, da_n, lanes);
  }
};

inline void gru_reset_first_backward(Team& team, const Backward& job) {
  backward_walk<GRUResetFirst>(team, job);
  // r, z: pre + h_before @ W_rz.T;  n: pre + kept @ W_n.T
  const long H = job.H;
  Product dW_rz{2 * H, H, job.N, job.dpre, 3 * H, true, nullptr, 0, true, rows_before(job, offsets_of(job)), nullptr, false, job.dW_h, H, nullptr};
  multiply_matrices(team, dW_rz);
  Product dW_n{H, H, job.N, job.dpre + 2 * H, 3 * H, true, job.memory, H, true, nullptr, nullptr, false, job.dW_h + 2 * H * H, H, nullptr};
  multiply_matrices(team, dW_n);
}

}  // namespace rnnnlp::ISA
