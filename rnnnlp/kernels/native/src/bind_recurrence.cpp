// forward and backward of the recurrent cells.

// N tokens, T steps, B sequences, H hidden, G gates
#include "arrays.hpp"

namespace rnnnlp {
namespace {


// What both directions have in common, checked.
Recurrence recurrence(int cell, const Sizes& batch_sizes, const Matrix& h0, const std::optional<Matrix>& c0, const Matrix& W_h,
                      const std::optional<Vector>& b_hn, bool reverse) {
  Recurrence job{};
  job.cell = static_cast<Cell>(cell);
  job.T = batch_sizes.shape(0);
  job.B = h0.shape(0);
  job.H = h0.shape(1);
  job.batch_sizes = batch_sizes.data();
  for (long t = 0; t < job.T; t++) {
    if (job.batch_sizes[t] < 1 || job.batch_sizes[t] > (t ? job.batch_sizes[t - 1] : job.B))
      throw nb::value_error("batch_sizes must fall from the number of sequences, and be at least 1");
    job.N += job.batch_sizes[t];
  }
  if (job.T < 1 || job.batch_sizes[0] != job.B) throw nb::value_error("batch_sizes[0] must be the number of rows of the state");
  expect("W_h", W_h, gates_of(job.cell) * job.H, job.H);
  if (job.cell == Cell::lstm) {
    if (!c0) throw nb::value_error("the state of an LSTM is (h0, c0)");
    expect("c0", *c0, job.B, job.H);
  }
  if (job.cell == Cell::gru) {
    if (!b_hn) throw nb::value_error("a GRU needs b_hn");
    expect("b_hn", *b_hn, job.H);
  }
  job.reverse = reverse;
  job.W_h = W_h.data();
  job.b_hn = job.cell == Cell::gru ? b_hn->data() : nullptr;
  job.h0 = h0.data();
  job.c0 = job.cell == Cell::lstm ? c0->data() : nullptr;
  return job;
}

bool needs_gates(const Recurrence& job) { return gates_of(job.cell) > 1; }

// With `gates`, the tape goes there (it may be `pre`) and not into a new array; h goes to `out`.
nb::tuple forward(int cell, const Matrix& pre, const std::optional<Indices>& tokens, const Sizes& batch_sizes, const Matrix& h0,
                  const std::optional<Matrix>& c0, const Matrix& W_h, const std::optional<Vector>& b_hn, bool reverse, bool keep,
                  const std::optional<InOut<float, 2>>& gates, const ColumnsOut& out) {
  const Kernels& kernels = kernels_in_use();
  Forward job{recurrence(cell, batch_sizes, h0, c0, W_h, b_hn, reverse), pre.data(), data_of(tokens), nullptr, nullptr};
  const size_t N = job.N, B = job.B, H = job.H;
  expect("pre", pre, tokens ? pre.shape(0) : N, gates_of(job.cell) * H);
  if (tokens) {
    if (tokens->shape(0) != N) expect("tokens", {(long)tokens->shape(0)}, {job.N});
    expect_below("tokens", *tokens, pre.shape(0));
  }
  const size_t GH = gates_of(job.cell) * H;
  const bool taped = keep && needs_gates(job);
  if (gates) expect("gates", *gates, N, GH);
  job.h = out.data();
  job.h_stride = stride_of("out", out, N, H);
  Out h_T = new_array({B, H});
  std::optional<Out> c_T, new_gates, memory;
  if (job.c0) c_T = new_array({B, H});
  if (taped && !gates) new_gates = new_array({N, GH});
  if (taped) memory = new_array({N, H});
  job.h_T = h_T.data();
  job.c_T = c_T ? c_T->data() : nullptr;
  if (taped) job.gates = gates ? gates->data() : new_gates->data(), job.memory = memory->data();
  {
    nb::gil_scoped_release others_may_run;
    Crew crew;
    kernels.forward(crew.team_for((double)job.N * GH * H / 16), job);
  }
  nb::object kept = !taped ? nb::none() : gates ? nb::cast(*gates) : nb::cast(std::move(*new_gates));
  return nb::make_tuple(std::move(h_T), std::move(c_T), kept, std::move(memory));
}

nb::tuple backward(int cell, const std::optional<Columns>& dh, const std::optional<Matrix>& dh_T, const std::optional<Matrix>& dc_T,
                   const Columns& h, const std::optional<Matrix>& gates, const std::optional<Matrix>& memory, const Sizes& batch_sizes,
                   const Matrix& h0, const std::optional<Matrix>& c0, const Matrix& W_h, const std::optional<Vector>& b_hn, bool reverse,
                   const std::optional<InOut<float, 2>>& out) {
  const Kernels& kernels = kernels_in_use();
  Backward job{};
  static_cast<Recurrence&>(job) = recurrence(cell, batch_sizes, h0, c0, W_h, b_hn, reverse);
  const size_t N = job.N, B = job.B, H = job.H, GH = gates_of(job.cell) * H;
  job.h_stride = stride_of("h", h, N, H);
  if (dh) job.dh_stride = stride_of("dh", *dh, N, H);
  if (dh_T) expect("dh_T", *dh_T, B, H);
  if (dc_T) expect("dc_T", *dc_T, B, H);
  if (needs_gates(job)) {
    if (!gates || !memory) throw nb::value_error("there is no tape: forward ran for inference");
    expect("gates", *gates, N, GH);
    expect("the tape", *memory, N, H);
  }
  if (out) expect("out", *out, N, GH);
  Out dh_0 = new_array({B, H}), dW_h = new_array({GH, H});
  std::optional<Out> dpre, dc_0, db_hn;
  if (!out) dpre = new_array({N, GH});
  if (job.c0) dc_0 = new_array({B, H});
  if (job.b_hn) db_hn = new_array({H});
  job.h = const_cast<float*>(h.data());
  job.gates = const_cast<float*>(data_of(gates));
  job.memory = const_cast<float*>(data_of(memory));
  job.dh = data_of(dh);
  job.dh_T = data_of(dh_T);
  job.dc_T = data_of(dc_T);
  job.dpre = out ? out->data() : dpre->data();
  job.dh_0 = dh_0.data();
  job.dc_0 = dc_0 ? dc_0->data() : nullptr;
  job.dW_h = dW_h.data();
  job.db_hn = db_hn ? db_hn->data() : nullptr;
  {
    nb::gil_scoped_release others_may_run;
    Crew crew;
    kernels.backward(crew.team_for((double)job.N * GH * H / 8), job);
  }
  nb::object errors = out ? nb::cast(*out) : nb::cast(std::move(*dpre));
  return nb::make_tuple(errors, std::move(dh_0), std::move(dc_0), std::move(dW_h), std::move(db_hn));
}

}  // namespace

void bind_recurrence(nb::module_& m) {
  m.def("forward", &forward, nb::arg("cell"), nb::arg("pre").noconvert(), nb::arg("tokens").noconvert().none(),
        nb::arg("batch_sizes").noconvert(), nb::arg("h0").noconvert(), nb::arg("c0").noconvert().none(), nb::arg("W_h").noconvert(),
        nb::arg("b_hn").noconvert().none(), nb::arg("reverse"), nb::arg("keep"),
        nb::arg("gates").noconvert().none(), nb::arg("out").noconvert());
  m.def("backward", &backward, nb::arg("cell"), nb::arg("dh").noconvert().none(), nb::arg("dh_T").noconvert().none(),
        nb::arg("dc_T").noconvert().none(), nb::arg("h").noconvert(), nb::arg("gates").noconvert().none(), nb::arg("memory").noconvert().none(),
        nb::arg("batch_sizes").noconvert(), nb::arg("h0").noconvert(), nb::arg("c0").noconvert().none(), nb::arg("W_h").noconvert(),
        nb::arg("b_hn").noconvert().none(), nb::arg("reverse"), nb::arg("out").noconvert().none());
}

}  // namespace rnnnlp
