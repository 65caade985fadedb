// forward and backward of the recurrent cells.

// N tokens, T steps, B sequences, H hidden, G gates
#include "bind/arrays.hpp"

namespace rnnnlp {
namespace {

using Matrices = std::vector<Matrix>;
using Vectors = std::vector<Vector>;

const CellInfo& info_of(const Recurrence& job) { return kernels_in_use().cells[job.cell]; }

void expect_number(const char* what, const CellInfo& info, size_t number, size_t expected) {
  if (number == expected) return;
  const std::string counts =
      std::to_string(number) + " " + what + "; cell " + info.name + " has " + std::to_string(expected);
  throw nb::value_error(counts.c_str());
}

std::string name_of(const char* what, int k) { return std::string(what) + "[" + std::to_string(k) + "]"; }

// What both directions have in common, checked.
void set_common(Recurrence& job, const std::string& cell, const Sizes& batch_sizes, const Matrices& state,
                const Matrix& W_h, const Vectors& extra, bool reverse) {
  job.cell = cell_id(cell);
  const CellInfo& info = info_of(job);
  expect_number("arrays of the state", info, state.size(), info.states);
  expect_number("arrays of extra parameters", info, extra.size(), info.num_extra());
  job.T = batch_sizes.shape(0);
  job.B = state[0].shape(0);
  job.H = state[0].shape(1);
  job.batch_sizes = batch_sizes.data();
  for (int64_t t = 0; t < job.T; t++) {
    if (job.batch_sizes[t] < 1 || job.batch_sizes[t] > (t ? job.batch_sizes[t - 1] : job.B))
      throw nb::value_error("batch_sizes must fall from the number of sequences, and be at least 1");
    job.N += job.batch_sizes[t];
  }
  if (job.T < 1 || job.batch_sizes[0] != job.B)
    throw nb::value_error("batch_sizes[0] must be the number of rows of the state");
  expect("W_h", W_h, info.gates * job.H, job.H);
  for (int k = 0; k < info.states; k++) {
    expect(name_of("state", k).c_str(), state[k], job.B, job.H);
    job.state[k] = state[k].data();
  }
  for (int k = 0; k < info.num_extra(); k++) {
    expect(info.extra[k].name, extra[k], info.extra[k].columns(job.H));
    job.extra[k] = extra[k].data();
  }
  job.W_h = W_h.data();
  job.reverse = reverse;
}

// New arrays (rows, columns); their addresses go to `data`.
std::vector<Out> new_arrays(int number, int64_t rows, int64_t columns, float** data) {
  std::vector<Out> arrays;
  for (int k = 0; k < number; k++) {
    arrays.push_back(new_array({(size_t)rows, (size_t)columns}));
    data[k] = arrays[k].data();
  }
  return arrays;
}

// h goes to `out`. `gates_out`, which may be `pre`, takes the gates of the tape, if the cell saves them. Returns the
// final state and the arrays of the tape; inference has none.
nb::tuple forward(const std::string& cell, const Matrix& pre, const std::optional<Indices>& row_index,
                  const Sizes& batch_sizes, const Matrices& state, const Matrix& W_h, const Vectors& extra,
                  bool reverse, bool keep_tape, const std::optional<InOut<float, 2>>& gates_out,
                  const ColumnsOut& out) {
  const Kernels& kernels = kernels_in_use();
  Forward job{};
  set_common(job, cell, batch_sizes, state, W_h, extra, reverse);
  const CellInfo& info = info_of(job);
  const int64_t N = job.N, GH = info.gates * job.H;
  expect("pre", pre, row_index ? pre.shape(0) : N, GH);
  if (row_index) {
    expect("row_index", *row_index, N);
    expect_below("row_index", *row_index, pre.shape(0));
    job.row_index = row_index->data();
  }
  if (gates_out) expect("gates", *gates_out, N, GH);
  job.pre = pre.data();
  job.h = out.data();
  job.h_stride = stride_of("out", out, N, job.H);
  std::vector<Out> state_T = new_arrays(info.states, job.B, job.H, job.state_T);
  nb::list tape;
  if (keep_tape && info.saves_gates) {
    if (gates_out) {
      job.gates = gates_out->data();
      tape.append(*gates_out);
    } else {
      std::vector<Out> gates = new_arrays(1, N, GH, &job.gates);
      tape.append(std::move(gates[0]));
    }
  }
  for (int k = 0; keep_tape && k < info.num_saved(); k++) {
    std::vector<Out> saved = new_arrays(1, N, info.saved[k].columns(job.H), &job.saved[k]);
    tape.append(std::move(saved[0]));
  }
  {
    GilRelease others_may_run;
    PoolLock lock;
    kernels.forward(lock.pool_for((double)N * GH * job.H / 16), job);
  }
  return nb::make_tuple(std::move(state_T), tape);
}

// `tape` is that of forward. With `overwrite`, dpre takes the memory of its gates, if the cell saves them.
nb::tuple backward(const std::string& cell, const std::optional<Columns>& dh,
                   const std::vector<std::optional<Matrix>>& dstate_T, const Columns& h,
                   const std::vector<InOut<float, 2>>& tape, const Sizes& batch_sizes, const Matrices& state,
                   const Matrix& W_h, const Vectors& extra, bool reverse, bool overwrite) {
  const Kernels& kernels = kernels_in_use();
  Backward job{};
  set_common(job, cell, batch_sizes, state, W_h, extra, reverse);
  const CellInfo& info = info_of(job);
  const int64_t N = job.N, B = job.B, H = job.H, GH = info.gates * H;
  expect_number("arrays of the gradient of the final state", info, dstate_T.size(), info.states);
  expect_number("arrays of the tape", info, tape.size(), info.saves_gates + info.num_saved());
  job.h = const_cast<float*>(h.data());
  job.h_stride = stride_of("h", h, N, H);
  if (dh) job.dh = dh->data(), job.dh_stride = stride_of("dh", *dh, N, H);
  for (int k = 0; k < info.states; k++) {
    const std::optional<Matrix>& dstate = dstate_T[k];
    if (dstate) expect(name_of("dstate_T", k).c_str(), *dstate, B, H);
    job.dstate_T[k] = data_of(dstate);
  }
  if (info.saves_gates) {
    expect("gates", tape[0], N, GH);
    job.gates = tape[0].data();
  }
  for (int k = 0; k < info.num_saved(); k++) {
    const InOut<float, 2>& saved = tape[info.saves_gates + k];
    expect(info.saved[k].name, saved, N, info.saved[k].columns(H));
    job.saved[k] = saved.data();
  }
  nb::object dpre;
  if (overwrite && info.saves_gates) {
    job.dpre = job.gates;
    dpre = nb::cast(tape[0]);
  } else {
    std::vector<Out> made = new_arrays(1, N, GH, &job.dpre);
    dpre = nb::cast(std::move(made[0]));
  }
  std::vector<Out> dstate_0 = new_arrays(info.states, B, H, job.dstate_0), dW_h = new_arrays(1, GH, H, &job.dW_h),
                   dextra;
  for (int k = 0; k < info.num_extra(); k++) {
    dextra.push_back(new_array({(size_t)info.extra[k].columns(H)}));
    job.dextra[k] = dextra[k].data();
  }
  {
    GilRelease others_may_run;
    PoolLock lock;
    kernels.backward(lock.pool_for((double)N * GH * H / 8), job);
  }
  return nb::make_tuple(dpre, std::move(dstate_0), std::move(dW_h[0]), std::move(dextra));
}

}  // namespace

void bind_recurrent(nb::module_& m) {
  m.def("forward", &forward, nb::arg("cell"), nb::arg("pre").noconvert(), nb::arg("row_index").noconvert().none(),
        nb::arg("batch_sizes").noconvert(), nb::arg("state").noconvert(), nb::arg("W_h").noconvert(),
        nb::arg("extra").noconvert(), nb::arg("reverse"), nb::arg("keep_tape"), nb::arg("gates_out").noconvert().none(),
        nb::arg("out").noconvert());
  m.def("backward", &backward, nb::arg("cell"), nb::arg("dh").noconvert().none(), nb::arg("dstate_T").noconvert(),
        nb::arg("h").noconvert(), nb::arg("tape").noconvert(), nb::arg("batch_sizes").noconvert(),
        nb::arg("state").noconvert(), nb::arg("W_h").noconvert(), nb::arg("extra").noconvert(), nb::arg("reverse"),
        nb::arg("overwrite"));
}

}  // namespace rnnnlp
