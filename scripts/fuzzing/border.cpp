// A target of libFuzzer: calls each function of the extension module as Python does, with arrays and numbers that the
// input chooses. Most arrays have the right shape, so that the kernels run; now and then one is of another shape, type
// or layout, or has values that no model should have. The module may answer with ValueError, TypeError or MemoryError.
// scripts/fuzz_border.sh builds it with AddressSanitizer and UBSan and runs it.

// N tokens, T steps, B sequences, H hidden, G gates, V vocabulary or classes, D columns
#include <Python.h>
#include <fuzzer/FuzzedDataProvider.h>
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace nb = nanobind;
using namespace nb::literals;

extern "C" PyObject* PyInit__native();

namespace {

struct Python {
  nb::object native, empty, strided;
  nb::dict cells;
};

// The interpreter is never ended, so neither are these objects.
const Python& python() {
  static const Python* all = [] {
    PyImport_AppendInittab("_native", PyInit__native);
    Py_InitializeEx(0);
    auto* made = new Python;
    made->native = nb::steal(PyImport_ImportModule("_native"));
    nb::object numpy = nb::steal(PyImport_ImportModule("numpy"));
    if (!made->native.is_valid() || !numpy.is_valid()) {
      PyErr_Print();
      std::abort();
    }
    made->empty = numpy.attr("empty");
    made->strided = numpy.attr("asfortranarray");
    made->cells = nb::cast<nb::dict>(made->native.attr("cells")());
    return made;
  }();
  return *all;
}

class Case {
 public:
  Case(const uint8_t* data, size_t size) : input_(data, size) {}

  void run() {
    const Python& py = python();
    try {
      native_ = py.native;
      native_.attr("set_threads")(number(1, 3));
      if (chance(8)) native_.attr("use_instruction_set")(chance(2) ? "baseline" : "");
      H_ = size(40), T_ = size(6), B_ = size(5), V_ = size(40), D_ = size(40);
      choose_batch_sizes();
      static void (Case::* const functions[])() = {&Case::recurrent, &Case::matmul, &Case::loss,  &Case::adam,
                                                   &Case::rows,      &Case::pool,   &Case::decode};
      for (int calls = number(1, 3); calls > 0; calls--) (this->*functions[number(0, std::size(functions) - 1)])();
    } catch (nb::python_error& error) {
      for (PyObject* allowed : {PyExc_ValueError, PyExc_TypeError, PyExc_MemoryError})
        if (error.matches(allowed)) return;
      std::fprintf(stderr, "%s\n", error.what());
      std::abort();
    }
  }

 private:
  long number(long low, long high) { return input_.ConsumeIntegralInRange<long>(low, high); }
  long size(long most) { return chance(30) ? 0 : number(1, most); }
  bool chance(int one_in) { return number(0, one_in - 1) == one_in - 1; }  // false when the input is at its end

  // Falling sizes that begin with B; now and then others.
  void choose_batch_sizes() {
    sizes_.clear();
    N_ = 0;
    for (long t = 0, size = B_; t < T_; t++) {
      sizes_.push_back(size);
      N_ += size;
      if (size > 1 && chance(3)) size--;
    }
    if (!sizes_.empty() && chance(30)) sizes_[number(0, sizes_.size() - 1)] = number(-2, 1L << 40);
  }

  template <class T>
  nb::object filled(std::vector<long> shape, const char* dtype, const std::vector<T>& values) {
    nb::list dimensions;
    for (long n : shape) dimensions.append(n);
    nb::object array = python().empty(nb::tuple(dimensions), dtype);
    Py_buffer view;
    if (PyObject_GetBuffer(array.ptr(), &view, PyBUF_WRITABLE | PyBUF_ND)) throw nb::python_error();
    if (!values.empty()) std::memcpy(view.buf, values.data(), values.size() * sizeof(T));
    PyBuffer_Release(&view);
    return array;
  }

  std::vector<long> spoiled(std::vector<long> shape) {
    if (chance(40)) shape[number(0, shape.size() - 1)] = number(0, 50);
    if (chance(80)) shape.push_back(1);
    return shape;
  }

  static size_t size_of(const std::vector<long>& shape) {
    size_t all = 1;
    for (long n : shape) all *= n;
    return all;
  }

  nb::object floats(std::vector<long> shape) {
    shape = spoiled(shape);
    std::minstd_rand random(input_.ConsumeIntegral<uint16_t>());
    const bool strange = chance(8);
    static const float strange_values[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e-42f, 0};
    std::vector<float> values(size_of(shape));
    for (float& x : values) {
      x = std::uniform_real_distribution<float>(-1, 1)(random);
      if (strange && random() % 4 == 0) x = strange_values[random() % std::size(strange_values)];
    }
    nb::object array = filled(shape, "float32", values);
    if (chance(60)) array = array.attr("astype")("float64");
    if (chance(60)) array = python().strided(array);
    if (chance(200)) array = nb::none();
    return array;
  }

  // Integers below `limit`; now and then one outside.
  template <class T>
  nb::object indices(long n, long limit, const char* dtype) {
    std::vector<long> shape = spoiled({n});
    std::minstd_rand random(input_.ConsumeIntegral<uint16_t>());
    std::vector<T> values(size_of(shape));
    for (T& x : values) x = limit > 0 ? random() % limit : 0;
    if (!values.empty() && chance(30)) {
      static const T outside[] = {-1, std::numeric_limits<T>::min(), std::numeric_limits<T>::max(), (T)limit};
      values[random() % values.size()] = outside[random() % std::size(outside)];
    }
    return filled(shape, dtype, values);
  }
  nb::object ids(long n, long limit) { return indices<int32_t>(n, limit, "int32"); }

  nb::object batch_sizes() { return filled<int64_t>({(long)sizes_.size()}, "int64", sizes_); }

  double real() {
    static const double usual[] = {1, 0.5, 0, -1, 1e-3, 1e9, NAN, INFINITY};
    return usual[number(0, std::size(usual) - 1)];
  }

  nb::list list_of(long n, std::vector<long> shape) {
    nb::list arrays;
    for (long k = 0; k < n; k++) arrays.append(floats(shape));
    if (chance(60)) arrays.append(floats(shape));
    return arrays;
  }

  // The name of a cell, and what it needs.
  nb::dict choose_cell() {
    nb::list names = python().cells.keys();
    cell_ = nb::cast<std::string>(names[number(0, nb::len(names) - 1)]);
    nb::dict facts = nb::cast<nb::dict>(python().cells[cell_.c_str()]);
    gates_ = nb::cast<long>(facts["gates"]), states_ = nb::cast<long>(facts["states"]);
    extra_.clear();
    for (nb::handle array : nb::cast<nb::list>(facts["extra"]))
      extra_.push_back(nb::cast<long>(array[1]) * H_ + nb::cast<long>(array[2]));
    if (chance(100)) cell_ = "no cell";
    return facts;
  }
  nb::list extra() {
    nb::list arrays;
    for (long columns : extra_) arrays.append(floats({columns}));
    if (chance(60)) arrays.append(floats({H_}));
    return arrays;
  }

  void recurrent() {
    nb::dict facts = choose_cell();
    const long GH = gates_ * H_;
    const bool table = chance(3), keep_tape = !chance(3), reverse = chance(3);
    nb::object sizes = batch_sizes(), W_h = floats({GH, H_}), pre = floats({table ? V_ : N_, GH});
    nb::object row_index = nb::none(), gates_out = nb::none(), h = floats({N_, H_});
    if (table) row_index = ids(N_, V_);
    if (chance(3)) gates_out = table ? floats({N_, GH}) : pre;
    if (chance(4))
      h = floats({N_, 2 * H_ + 1})[nb::make_tuple(nb::slice(nb::none(), nb::none(), nb::none()),
                                                  nb::slice(nb::int_(0), nb::int_(H_), nb::none()))];
    nb::list state = list_of(states_, {B_, H_}), more = extra();
    nb::object done =
        native_.attr("forward")(cell_, pre, row_index, sizes, state, W_h, more, reverse, keep_tape, gates_out, h);
    if (!keep_tape && !chance(4)) return;
    nb::object tape = done[1];
    if (chance(6)) {  // a tape that no forward pass wrote
      nb::list other;
      if (nb::cast<bool>(facts["saves_gates"])) other.append(floats({N_, GH}));
      for (nb::handle array : nb::cast<nb::list>(facts["saved"]))
        other.append(floats({N_, nb::cast<long>(array[1]) * H_ + nb::cast<long>(array[2])}));
      tape = other;
    }
    nb::object dh = chance(6) ? nb::none() : floats({N_, H_});
    nb::list dstate;
    for (long k = 0; k < states_; k++) dstate.append(chance(3) ? nb::none() : floats({B_, H_}));
    native_.attr("backward")(cell_, dh, dstate, h, tape, sizes, state, W_h, more, reverse, chance(2));
  }

  void matmul() {
    const bool A_by_k = chance(2), B_by_k = chance(2);
    nb::object A = A_by_k ? floats({D_, N_}) : floats({N_, D_}), B = B_by_k ? floats({D_, V_}) : floats({V_, D_});
    nb::object bias = nb::none(), sums = nb::none();
    if (chance(2)) bias = floats({V_});
    if (chance(2)) sums = floats({N_});
    native_.attr("matmul")(A, A_by_k, B, B_by_k, bias, sums);
  }

  void loss() { native_.attr("softmax_cross_entropy")(floats({N_, V_}), ids(N_, V_), real()); }

  void adam() {
    nb::list values, gradients, m, v, rows, decays;
    for (long parameters = number(0, 3); parameters > 0; parameters--) {
      const std::vector<long> shape = chance(3) ? std::vector<long>{D_} : std::vector<long>{V_, D_};
      for (nb::list list : {values, gradients, m, v}) list.append(floats(shape));
      decays.append(real());
      if (chance(2))
        rows.append(indices<int64_t>(number(0, 6), shape[0], "int64"));
      else
        rows.append(nb::none());
    }
    native_.attr("norms")(gradients);
    native_.attr("adam")(values, gradients, m, v, rows, decays, real(), real(), real(), real(), number(-1, 1L << 40),
                         real());
  }

  void rows() {
    nb::object some = ids(N_, V_), table = floats({V_, D_});
    native_.attr("add_rows")(native_.attr("gather_rows")(table, some), some, table);
    native_.attr("unique")(some, chance(12) ? number(-5, 1000) : V_);
    native_.attr("empty")(nb::make_tuple(chance(2) ? number(1L << 42, 1L << 62) : number(0, 4096), D_));
  }

  void pool() {
    nb::object x = floats({N_, D_}), sizes = batch_sizes();
    nb::object pooled = native_.attr("mean_and_max")(x, sizes);
    native_.attr("mean_and_max_backward")(floats({B_, D_}), floats({B_, D_}), x, pooled[1], sizes);
  }

  void decode() {
    choose_cell();
    const long GH = gates_ * H_, layers = chance(50) ? 0 : number(1, 3);
    nb::list weights;
    for (long l = 0; l < layers; l++) {
      nb::object W_x = nb::none();
      if (l > 0) W_x = floats({GH, H_});
      weights.append(nb::make_tuple(W_x, floats({GH, H_}), floats({GH}), extra()));
    }
    nb::object decoder = native_.attr("Decoder")(cell_, floats({V_, GH}), weights, floats({V_, H_}), floats({V_}));
    for (long calls = number(1, 4); calls > 0; calls--) {
      if (chance(3)) decoder.attr("set")(list_of(states_, {layers, H_}), floats({V_}));
      if (chance(2)) decoder.attr("read")(ids(number(0, 20), V_));
      std::vector<double> uniforms(number(0, 20));
      std::minstd_rand random(input_.ConsumeIntegral<uint16_t>());
      for (double& u : uniforms) u = std::uniform_real_distribution<double>(0, 1)(random);
      if (!uniforms.empty() && chance(20)) uniforms[0] = real();
      nb::object tokens = decoder.attr("sample")(
          filled({(long)uniforms.size()}, "float64", uniforms), real(), number(-1, V_ + 2), real(), real(),
          number(-1, 30), chance(2) ? number(-1, V_ - 1) : number(-1, 1000), ids(number(0, 9), V_));
      for (nb::handle token : nb::cast<nb::list>(tokens))
        if (long t = nb::cast<long>(token); t < 0 || t >= V_) std::abort();
      decoder.attr("state")();
      decoder.attr("logits")();
    }
  }

  FuzzedDataProvider input_;
  nb::object native_;
  long H_ = 0, T_ = 0, B_ = 0, V_ = 0, D_ = 0, N_ = 0, gates_ = 0, states_ = 0;
  std::vector<long> extra_;
  std::vector<int64_t> sizes_;
  std::string cell_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  python();
  if (std::getenv("FUZZ_FAULT") != nullptr) {  // a fault that the sanitizers must find
    volatile char* byte = static_cast<volatile char*>(std::malloc(8));
    byte[8] = 1;
    std::free(const_cast<char*>(byte));
  }
  Case(data, size).run();
  return 0;
}
