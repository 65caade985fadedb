// Elman network (Elman 1990) with tanh or relu (Le et al. 2015): one row and V units, forward and backward.

// H hidden, V lanes of a vector
#pragma once

#include "recurrent/backward_loop.hpp"
#include "recurrent/forward_loop.hpp"

namespace rnnnlp::ISA {

struct Tanh {
  static constexpr const char* cell_name = "elman_tanh";
  static RNNNLP_INLINE vec of(vec a) { return tanh(a); }
  static RNNNLP_INLINE vec backward(vec dh, vec h) { return dh * (1.0f - h * h); }
};

struct Relu {
  static constexpr const char* cell_name = "elman_relu";
  static RNNNLP_INLINE vec of(vec a) { return at_least(a, 0.0f); }
  static RNNNLP_INLINE vec backward(vec dh, vec h) { return dh * (h > 0.0f ? vec{} + 1.0f : vec{}); }  // NaN stays NaN
};

template <class Nonlinearity>
struct Elman : OneProduct {
  static constexpr CellInfo info{.name = Nonlinearity::cell_name, .gates = 1};
  static constexpr int gates = 1, U = 2 * V;

  template <class Step>
  static RNNNLP_INLINE void epilogue(const Step& step, int64_t row, int64_t unit, int64_t lanes, const float* sums) {
    vec h = Nonlinearity::of(load(sums) + load(step.pre(row) + unit, lanes));
    step.h_out.store(row, unit, h);
    store(step.h(row) + unit, h, lanes);
  }

  template <class Step>
  static RNNNLP_INLINE void prefetch_tape(const Step& step, int64_t row, int64_t unit) {
    prefetch(step.h(row) + unit, 2 * V);
  }

  template <class Step>
  static RNNNLP_INLINE const float* dgates(const Step& step, int64_t row, int) {
    return step.dpre(row);
  }

  template <class Step>
  static RNNNLP_INLINE vec carried_dh(const Step&, int64_t, int64_t) {
    return vec{};
  }

  template <class Step>
  static RNNNLP_INLINE void backward_epilogue(const Step& step, int64_t row, int64_t unit, int64_t lanes, vec dh) {
    vec da = Nonlinearity::backward(dh, load(step.h(row) + unit, lanes));
    step.dgates.store(row, unit, da);
    store(step.dpre(row) + unit, da, lanes);
  }

  // a = pre + h_before @ W_h.T
  static void weight_gradients(ThreadPool& pool, const Backward& job, const BackwardScratch&,
                               const float* const* h_before) {
    weight_gradient(pool, job, {.dgates = job.dpre, .gates = 1, .stride = job.H}, h_before, job.dW_h);
  }
};

}  // namespace rnnnlp::ISA
