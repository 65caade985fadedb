// LSTM that normalises c before its output sees it: by its root mean square over the units (RMSNorm, Zhang and Sennrich
// 2019), at the place of Ba et al. 2016. The state c itself stays as it is.
//
//   n = scale * c,   scale = 1 / sqrt(mean of c*c over the units + eps)
//   h = o * tanh(n)

// H hidden, V lanes of a vector; gates i f g o
#pragma once

#include "recurrent/backward_loop.hpp"
#include "recurrent/forward_loop.hpp"

namespace rnnnlp::ISA {

struct LSTMRmsNorm : OneProduct {
  static constexpr CellInfo info{.name = "lstm_rms_norm",
                                 .gates = 4,
                                 .states = 2,
                                 .saves_gates = true,
                                 .saved = {{"c", 1}, {"scale", 0, 1}},
                                 .schedule = Schedule::rowwise,
                                 .forward_rows = 1,
                                 .backward_rows = 1};
  static constexpr int gates = 4, U = V;
  static constexpr float eps = 1e-5f;  // NORM_EPS of definition.py
  struct State {
    static constexpr int c = 1;
  };
  struct Saved {
    static constexpr int c = 0, scale = 1;
  };
  struct ForwardRows {
    static constexpr int o = 0;
  };
  struct BackwardRows {
    static constexpr int dn = 0;
  };

  // In the lanes past H, c is 0, and so is h.
  template <class Step>
  static void forward_row(const Step& step, int64_t row, const float* sums) {
    const int64_t H = step.job->H, stride = step.stride;
    const float* pre = step.pre(row);
    float *c_row = step.state(State::c, row), *o_row = step.rows(ForwardRows::o, row);
    vec squares{};
    for (int64_t unit = 0; unit < H; unit += V) {
      const int64_t lanes = H - unit;
      vec i = load(sums + unit) + load(pre + unit, lanes);
      vec f = load(sums + stride + unit) + load(pre + H + unit, lanes);
      vec g = load(sums + 2 * stride + unit) + load(pre + 2 * H + unit, lanes);
      vec o = load(sums + 3 * stride + unit) + load(pre + 3 * H + unit, lanes);
      two_sigmoids(i, f);
      sigmoid_and_tanh(o, g);
      vec c = f * load(c_row + unit) + i * g;
      squares += c * c;
      store(c_row + unit, c);
      store(o_row + unit, o);
      if (step.keeps_tape()) {
        float* gates_row = step.gates(row) + unit;
        store(gates_row, i, lanes);
        store(gates_row + H, f, lanes);
        store(gates_row + 2 * H, g, lanes);
        store(gates_row + 3 * H, o, lanes);
        store(step.saved(Saved::c, row) + unit, c, lanes);
      }
    }
    const float scale = 1.0f / __builtin_sqrtf(sum(squares) / H + eps);
    if (step.keeps_tape()) *step.saved(Saved::scale, row) = scale;
    for (int64_t unit = 0; unit < H; unit += V) {
      vec h = load(o_row + unit) * tanh(scale * load(c_row + unit));
      step.h_out.store(row, unit, h);
      store(step.h(row) + unit, h, H - unit);
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
  static void backward_row(const Step& step, int64_t row, const float* dh) {
    const int64_t H = step.job->H;
    const float *gates_row = step.gates(row), *c_row = step.saved(Saved::c, row);
    const float* c_before_row = step.state_before(State::c, Saved::c, row);
    const float scale = *step.saved(Saved::scale, row);
    float *dc_row = step.dstate(State::c, row), *dn_row = step.rows(BackwardRows::dn, row), *dpre = step.dpre(row);
    // h = o * tanh(n)
    vec along{};
    for (int64_t unit = 0; unit < H; unit += V) {
      const int64_t lanes = H - unit;
      vec o = load(gates_row + 3 * H + unit, lanes), n = scale * load(c_row + unit, lanes);
      vec tanh_n = tanh(n), dh_unit = load(dh + unit);
      vec da_o = dh_unit * tanh_n * (o * (1.0f - o));
      vec dn = dh_unit * o * (1.0f - tanh_n * tanh_n);
      along += dn * n;
      store(dn_row + unit, dn);
      step.dgates.store(row, 3 * gate_stride(H) + unit, da_o);
      store(dpre + 3 * H + unit, da_o, lanes);  // in the memory of o, perhaps
    }
    const float mean = sum(along) / H;
    for (int64_t unit = 0; unit < H; unit += V) {
      const int64_t lanes = H - unit;
      vec i = load(gates_row + unit, lanes), f = load(gates_row + H + unit, lanes);
      vec g = load(gates_row + 2 * H + unit, lanes);
      vec n = scale * load(c_row + unit, lanes), c_before = load(c_before_row + unit, lanes);
      // n = scale * c, and scale is of all c of the row
      vec dc = load(dc_row + unit) + scale * (load(dn_row + unit) - mean * n);
      // c = f*c_before + i*g
      vec da_i = dc * g * (i * (1.0f - i));
      vec da_f = dc * c_before * (f * (1.0f - f));
      vec da_g = dc * i * (1.0f - g * g);
      store(dc_row + unit, dc * f);
      step.dgates.store(row, unit, da_i);
      step.dgates.store(row, gate_stride(H) + unit, da_f);
      step.dgates.store(row, 2 * gate_stride(H) + unit, da_g);
      store(dpre + unit, da_i, lanes);
      store(dpre + H + unit, da_f, lanes);
      store(dpre + 2 * H + unit, da_g, lanes);
    }
  }

  // a = pre + h_before @ W_h.T
  static void weight_gradients(ThreadPool& pool, const Backward& job, const BackwardScratch&,
                               const float* const* h_before) {
    weight_gradient(pool, job, {.dgates = job.dpre, .gates = 4, .stride = 4 * job.H}, h_before, job.dW_h);
  }
};

}  // namespace rnnnlp::ISA
