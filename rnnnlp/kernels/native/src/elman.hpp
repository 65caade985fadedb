// Elman network with tanh or relu: one row and V units, forward and backward.

// H hidden, V lanes of a vector
#pragma once

#include "recurrent.hpp"

namespace rnnnlp::ISA {

template <bool relu>
struct Elman : OneProduct {
  static constexpr int gates = 1, U = 2 * V;

  template <class Left>
  static RNNNLP_INLINE void finish(const ForwardStep<Left>& step, long row, long unit, long lanes, const float* sums) {
    vec a = load(sums) + load(step.pre(row) + unit, lanes);
    vec h = relu ? at_least(a, 0.0f) : tanh(a);
    step.h_out.put(row, unit, h);
    store(step.h(row) + unit, h, lanes);
  }

  static RNNNLP_INLINE void prefetch_tape(const BackwardStep& step, long row, long unit) {
    prefetch(step.h(row) + unit, 2 * V);
  }
  static RNNNLP_INLINE const float* error(const BackwardStep& step, long row, int) { return step.dpre(row); }
  static RNNNLP_INLINE vec carried(const BackwardStep&, long, long) { return vec{}; }

  static RNNNLP_INLINE void finish(const BackwardStep& step, long row, long unit, long lanes, vec dh) {
    vec h = load(step.h(row) + unit, lanes);
    // h = tanh(a), or relu(a)
    vec da = relu ? (h > 0.0f ? dh : vec{}) : dh * (1.0f - h * h);
    step.da.put(row, unit, da);
    store(step.dpre(row) + unit, da, lanes);
  }
};

template <bool relu>
void elman_backward(Team& team, const Backward& job) {
  backward_walk<Elman<relu>>(team, job);
  // a = pre + h_before @ W_h.T
  Product dW{job.H, job.H, job.N, job.dpre, job.H, true, nullptr, 0, true, rows_before(job, offsets_of(job)),
             nullptr, false, job.dW_h, job.H, nullptr};
  multiply_matrices(team, dW);
}

}  // namespace rnnnlp::ISA
