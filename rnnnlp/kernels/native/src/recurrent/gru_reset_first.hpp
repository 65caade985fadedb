// GRU with the reset before the product (Cho et al. 2014): a step has two products, and the second one multiplies
// r*h_before.

// H hidden, V lanes of a vector; gates r z n
#pragma once

#include "recurrent/backward_loop.hpp"
#include "recurrent/forward_loop.hpp"

namespace rnnnlp::ISA {

// The first product, of h_before, gives r and z.
struct GRUResetFirst : OneProduct {
  static constexpr CellInfo info{.name = "gru_reset_first",
                                 .gates = 3,
                                 .saves_gates = true,
                                 .saved = {{"gated_h", 1}},
                                 .forward_rows = 1,
                                 .backward_rows = 1};
  static constexpr int gates = 2, U = V;
  struct Saved {
    static constexpr int gated_h = 0;  // r*h_before
  };
  struct ForwardRows {
    static constexpr int z = 0;
  };
  struct BackwardRows {
    static constexpr int dh_past_product = 0;  // dh*z, and the gradient that comes through gated_h
  };
  struct Second;

  template <class Step>
  static RNNNLP_INLINE void epilogue(const Step& step, int64_t row, int64_t unit, int64_t lanes, const float* sums) {
    const float* pre = step.pre(row) + unit;
    const int64_t H = step.job->H;
    vec r = load(sums) + load(pre, lanes);
    vec z = load(sums + V) + load(pre + H, lanes);
    two_sigmoids(r, z);
    vec gated_h = r * load(step.h_before(row) + unit, lanes);
    step.second_factor.store(row, unit, gated_h);
    if constexpr (Panels::quantized)
      store(step.h(row) + unit, gated_h, lanes);  // to be quantized from there; later h takes its place
    store(step.rows(ForwardRows::z, row) + unit, z);
    if (step.keeps_tape()) {
      float* gates_row = step.gates(row) + unit;
      store(gates_row, r, lanes);
      store(gates_row + H, z, lanes);
      store(step.saved(Saved::gated_h, row) + unit, gated_h, lanes);
    }
  }

  template <class Step>
  static RNNNLP_INLINE void prefetch_tape(const Step& step, int64_t row, int64_t unit) {
    prefetch(step.h_before(row) + unit, 2 * V);
  }

  template <class Step>
  static RNNNLP_INLINE const float* dgates(const Step& step, int64_t row, int gate) {
    return step.dpre(row) + gate * step.job->H;
  }

  template <class Step>
  static RNNNLP_INLINE vec carried_dh(const Step& step, int64_t row, int64_t unit) {
    return load(step.rows(BackwardRows::dh_past_product, row) + unit);
  }

  template <class Step>
  static RNNNLP_INLINE void backward_epilogue(const Step& step, int64_t row, int64_t unit, int64_t lanes, vec dh) {
    const int64_t H = step.job->H;
    const float* gates_row = step.gates(row) + unit;
    vec z = load(gates_row + H, lanes), n = load(gates_row + 2 * H, lanes);
    vec h_before = load(step.h_before(row) + unit, lanes);
    // h = n + z*(h_before - n)
    vec past = dh * z;
    vec da_z = dh * (h_before - n) * (z * (1.0f - z));
    // n = tanh(pre_n + gated_h @ W_n.T)
    vec da_n = (dh - past) * (1.0f - n * n);
    store(step.rows(BackwardRows::dh_past_product, row) + unit, past);
    step.second_dgates.store(row, unit, da_n);
    step.dgates.store(row, gate_stride(H) + unit, da_z);
    float* dpre = step.dpre(row) + unit;
    store(dpre + H, da_z, lanes);
    store(dpre + 2 * H, da_n, lanes);
  }

  // r, z: pre + h_before @ W_rz.T;  n: pre + gated_h @ W_n.T
  static void weight_gradients(ThreadPool& pool, const Backward& job, const BackwardScratch&,
                               const float* const* h_before) {
    const int64_t H = job.H;
    weight_gradient(pool, job, {.dgates = job.dpre, .gates = 2, .stride = 3 * H}, h_before, job.dW_h);
    const float* gated_h = job.saved[Saved::gated_h];
    weight_gradient(pool, job, {.dgates = job.dpre + 2 * H, .gates = 1, .stride = 3 * H}, gated_h,
                    job.dW_h + 2 * H * H);
  }
};

// The second product, of gated_h, gives n and h.
struct GRUResetFirst::Second {
  static constexpr int first_gate = 2, gates = 1, U = 2 * V;

  template <class Step>
  static RNNNLP_INLINE const auto& factor(const Step& step) {
    return step.second_factor;
  }

  template <class Step>
  static RNNNLP_INLINE void epilogue(const Step& step, int64_t row, int64_t unit, int64_t lanes, const float* sums) {
    const int64_t H = step.job->H;
    vec z = load(step.rows(ForwardRows::z, row) + unit);
    vec n = tanh(load(sums) + load(step.pre(row) + 2 * H + unit, lanes));
    vec h_before = load(step.h_before(row) + unit, lanes);
    vec h = n + z * (h_before - n);
    step.h_out.store(row, unit, h);
    store(step.h(row) + unit, h, lanes);
    if (step.keeps_tape()) store(step.gates(row) + 2 * H + unit, n, lanes);
  }

  template <class Step>
  static RNNNLP_INLINE const float* dgates(const Step& step, int64_t row) {
    return step.dpre(row) + 2 * step.job->H;
  }

  // gated_h = r*h_before
  template <class Step>
  static RNNNLP_INLINE void backward_epilogue(const Step& step, int64_t row, int64_t unit, int64_t lanes,
                                              vec dgated_h) {
    vec r = load(step.gates(row) + unit, lanes), h_before = load(step.h_before(row) + unit, lanes);
    vec da_r = dgated_h * h_before * (r * (1.0f - r));
    float* dh = step.rows(BackwardRows::dh_past_product, row) + unit;
    store(dh, load(dh) + dgated_h * r);
    step.dgates.store(row, unit, da_r);
    store(step.dpre(row) + unit, da_r, lanes);
  }
};

}  // namespace rnnnlp::ISA
