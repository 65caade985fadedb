// GRU with the reset after the product, as in cuDNN and PyTorch: the gates of one row and V units, forward and
// backward.

// H hidden, V lanes of a vector; gates r z n
#pragma once

#include "recurrent/backward_loop.hpp"
#include "recurrent/forward_loop.hpp"

namespace rnnnlp::ISA {

struct GRU : OneProduct {
  static constexpr CellInfo info{.name = "gru",
                                 .gates = 3,
                                 .extra = {{"b_hn", 1}},
                                 .saves_gates = true,
                                 .saved = {{"a_hn", 1}},
                                 .backward_rows = 1,
                                 .backward_packed = 1};
  static constexpr int gates = 3, U = V;
  struct Extra {
    static constexpr int b_hn = 0;
  };
  struct Saved {
    static constexpr int a_hn = 0;  // W_hn h + b_hn
  };
  struct Rows {
    static constexpr int dh_past_product = 0;  // dh*z
  };
  // backward_packed: da_hn (N, H)

  template <class Step>
  static RNNNLP_INLINE void epilogue(const Step& step, int64_t row, int64_t unit, int64_t lanes, const float* sums) {
    const float* pre = step.pre(row) + unit;
    const int64_t H = step.job->H;
    vec r = load(sums) + load(pre, lanes);
    vec z = load(sums + V) + load(pre + H, lanes);
    vec a_hn = load(sums + 2 * V) + load(step.extra(Extra::b_hn) + unit, lanes);
    two_sigmoids(r, z);
    vec n = tanh(load(pre + 2 * H, lanes) + r * a_hn);
    vec h_before = load(step.h_before(row) + unit, lanes);
    vec h = n + z * (h_before - n);
    step.h_out.store(row, unit, h);
    store(step.h(row) + unit, h, lanes);
    if (step.keeps_tape()) {
      float* gates_row = step.gates(row) + unit;
      store(gates_row, r, lanes);
      store(gates_row + H, z, lanes);
      store(gates_row + 2 * H, n, lanes);
      store(step.saved(Saved::a_hn, row) + unit, a_hn, lanes);
    }
  }

  template <class Step>
  static RNNNLP_INLINE void prefetch_tape(const Step& step, int64_t row, int64_t unit) {
    prefetch(step.saved(Saved::a_hn, row) + unit, 2 * V);
    prefetch(step.h_before(row) + unit, 2 * V);
  }

  template <class Step>
  static RNNNLP_INLINE const float* dgates(const Step& step, int64_t row, int gate) {
    return gate == 2 ? step.packed(row) : step.dpre(row) + gate * step.job->H;
  }

  template <class Step>
  static RNNNLP_INLINE vec carried_dh(const Step& step, int64_t row, int64_t unit) {
    return load(step.rows(Rows::dh_past_product, row) + unit);
  }

  template <class Step>
  static RNNNLP_INLINE void backward_epilogue(const Step& step, int64_t row, int64_t unit, int64_t lanes, vec dh) {
    const int64_t H = step.job->H;
    const float* gates_row = step.gates(row) + unit;
    vec r = load(gates_row, lanes), z = load(gates_row + H, lanes), n = load(gates_row + 2 * H, lanes);
    vec a_hn = load(step.saved(Saved::a_hn, row) + unit, lanes);
    vec h_before = load(step.h_before(row) + unit, lanes);
    // h = n + z*(h_before - n)
    vec past = dh * z;
    vec da_z = dh * (h_before - n) * (z * (1.0f - z));
    // n = tanh(pre_n + r*a_hn)
    vec da_n = (dh - past) * (1.0f - n * n);
    vec da_r = da_n * a_hn * (r * (1.0f - r));
    vec da_hn = da_n * r;
    store(step.rows(Rows::dh_past_product, row) + unit, past);
    float* dpre = step.dpre(row) + unit;
    step.dgates.store(row, unit, da_r);
    step.dgates.store(row, gate_stride(H) + unit, da_z);
    step.dgates.store(row, 2 * gate_stride(H) + unit, da_hn);
    store(dpre, da_r, lanes);
    store(dpre + H, da_z, lanes);
    store(dpre + 2 * H, da_n, lanes);
    store(step.packed(row) + unit, da_hn, lanes);
  }

  // r, z: pre + h_before @ W_h.T;  a_hn = h_before @ W_hn.T + b_hn
  static void weight_gradients(ThreadPool& pool, const Backward& job, const BackwardScratch& scratch,
                               const float* const* h_before) {
    const int64_t H = job.H;
    weight_gradient(pool, job, {.dgates = job.dpre, .gates = 2, .stride = 3 * H}, h_before, job.dW_h);
    weight_gradient(pool, job, {.dgates = scratch.packed, .stride = H, .db = job.dextra[Extra::b_hn]}, h_before,
                    job.dW_h + 2 * H * H);
  }
};

}  // namespace rnnnlp::ISA
