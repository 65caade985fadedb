// A language model at batch size 1.

// L layers, H hidden, G gates, V vocabulary
#include <nanobind/stl/tuple.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <tuple>

#include "arrays.hpp"
#include "memory.hpp"

namespace rnnnlp {
namespace {

struct Release {
  void operator()(float* p) const { give_memory(p); }
};
using Memory = std::unique_ptr<float, Release>;

class LanguageModel {
 public:
  // weights: for each layer (W_x or None for the first, W_h, bias, b_hn or None)
  LanguageModel(int cell, const Matrix& table, const std::vector<std::tuple<std::optional<Matrix>, Matrix, Vector, std::optional<Vector>>>& weights,
                const Matrix& W_out, const Vector& b_out)
      : kernels_(kernels_in_use()), layers_(weights.size()) {
    if (weights.empty()) throw nb::value_error("a language model needs a layer");
    stepper_.cell = static_cast<Cell>(cell);
    const long H = stepper_.H = std::get<1>(weights[0]).shape(1), vocabulary = stepper_.vocabulary = table.shape(0);
    const long GH = gates_of(stepper_.cell) * H;
    stepper_.layers = weights.size();
    stepper_.layer = layers_.data();
    expect("the table", table, vocabulary, GH);
    expect("W_out", W_out, vocabulary, H);
    expect("b_out", b_out, vocabulary);
    stepper_.table = copy(table.data(), vocabulary * GH);
    stepper_.b_out = copy(b_out.data(), vocabulary);
    stepper_.logits = zeros(vocabulary);
    float* packed = zeros(kernels_.packed_output_size(vocabulary, H));
    kernels_.pack_output(W_out.data(), vocabulary, H, packed);
    stepper_.W_out = packed;
    for (size_t l = 0; l < weights.size(); l++) set_layer(l, weights[l], GH);
  }

  LanguageModel(const LanguageModel&) = delete;

  // The state (L, H) of h and of c, and the logits (V,) of what follows.
  void set(const Matrix& h, const std::optional<Matrix>& c, const Vector& logits) {
    expect("h", h, stepper_.layers, stepper_.H);
    if (c) expect("c", *c, stepper_.layers, stepper_.H);
    expect("logits", logits, stepper_.vocabulary);
    std::copy_n(logits.data(), stepper_.vocabulary, stepper_.logits);
    for (long l = 0; l < stepper_.layers; l++) {
      std::copy_n(h.data() + l * stepper_.H, stepper_.H, layers_[l].h[stepper_.parity]);
      if (c) std::copy_n(c->data() + l * stepper_.H, stepper_.H, layers_[l].c);
    }
  }

  nb::tuple state() const {
    Out h = new_array({(size_t)stepper_.layers, (size_t)stepper_.H}), c = new_array({(size_t)stepper_.layers, (size_t)stepper_.H});
    for (long l = 0; l < stepper_.layers; l++) {
      std::copy_n(layers_[l].h[stepper_.parity], stepper_.H, h.data() + l * stepper_.H);
      std::copy_n(layers_[l].c, stepper_.H, c.data() + l * stepper_.H);
    }
    return nb::make_tuple(std::move(h), std::move(c));
  }

  Out logits() const {
    Out logits = new_array({(size_t)stepper_.vocabulary});
    std::copy_n(stepper_.logits, stepper_.vocabulary, logits.data());
    return logits;
  }

  void read(const Indices& tokens) {
    expect_below("tokens", tokens, stepper_.vocabulary);
    std::vector<int32_t> walked(tokens.shape(0));
    walk(Choice{}, nullptr, tokens.data(), walked);
  }

  std::vector<int32_t> sample(const In<double, 1>& uniforms, double temperature, long top_k, double top_p, double repetition_penalty,
                              long window, int excluded, const Indices& recent) {
    expect_below("recent", recent, stepper_.vocabulary);
    if (excluded >= stepper_.vocabulary) throw nb::value_error("excluded is not a token of the vocabulary");
    std::vector<int32_t> tokens(uniforms.shape(0));
    walk({temperature, top_k, top_p, repetition_penalty, window, excluded, recent.data(), (long)recent.shape(0)}, uniforms.data(), nullptr, tokens);
    return tokens;
  }

 private:
  void walk(const Choice& choice, const double* uniforms, const int32_t* given, std::vector<int32_t>& tokens) {
    nb::gil_scoped_release others_may_run;
    Crew crew;
    const long number = tokens.size();
    for (long first = 0, last; first < number; first = last) {
      last = std::min(first + tokens_of_part, number);
      const bool alone = crew.team().size() == 1 || alone_is_faster();
      auto start = std::chrono::steady_clock::now();
      kernels_.step_tokens(alone ? Crew::alone() : crew.team(), stepper_, choice, uniforms, given, first, last, tokens.data());
      std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      note_time(alone, seconds.count() / (last - first));
    }
  }

  // One part that was disturbed changes little, two in a row do.
  void note_time(bool alone, double seconds) {
    double& known = seconds_per_token_[alone];
    known = known == 0 ? seconds : std::min(seconds, 1.5 * known);
  }

  // A step takes microseconds: whether a team is worth its barriers depends on the caches and on who else uses the cores. So
  // the last times decide. The other way is tried again now and then, less and less often while it loses, and twice, for its
  // first part also wakes threads and fills caches. The results are the same.
  bool alone_is_faster() {
    const long part = parts_++;
    if (part < 2 * tries) return part >= tries;
    const bool best = seconds_per_token_[true] <= seconds_per_token_[false];
    if (part == next_try_) tried_ = !best;
    if (part < next_try_) return best;
    if (part < next_try_ + tries) return tried_;
    pause_ = best == tried_ ? shortest_pause : 2 * pause_;
    next_try_ = part + pause_;
    return best;
  }

  float* zeros(long floats) {
    memory_.emplace_back(take_memory(floats));
    return std::fill_n(memory_.back().get(), floats, 0.0f) - floats;
  }

  float* copy(const float* from, long floats) {
    float* p = zeros(floats);
    std::copy_n(from, floats, p);
    return p;
  }

  template <class Weights>
  void set_layer(size_t l, const Weights& weights, long GH) {
    const auto& [W_x, W_h, bias, b_hn] = weights;
    StepLayer& layer = layers_[l];
    const long H = stepper_.H, padded = kernels_.padded(H);
    expect("W_h", W_h, GH, H);
    expect("bias", bias, GH);
    float* packed = zeros(kernels_.packed_size(stepper_.cell, H, H));
    kernels_.pack_gates(stepper_.cell, H, W_h.data(), H, packed);
    layer.W_h = packed;
    if (l > 0) {
      if (!W_x) throw nb::value_error("layers after the first need W_x");
      expect("W_x", *W_x, GH, H);
      float* packed_x = zeros(kernels_.packed_size(stepper_.cell, H, H));
      kernels_.pack_gates(stepper_.cell, H, W_x->data(), H, packed_x);
      layer.W_x = packed_x;
    }
    layer.D = H;
    layer.bias = copy(bias.data(), GH);
    if (stepper_.cell == Cell::gru) {
      if (!b_hn) throw nb::value_error("a GRU needs b_hn");
      expect("b_hn", *b_hn, H);
      layer.b_hn = copy(b_hn->data(), H);
    }
    layer.h[0] = zeros(padded), layer.h[1] = zeros(padded), layer.c = zeros(padded), layer.kept = zeros(padded);
    layer.pre = zeros(GH), layer.h_output = zeros(H);
  }

  const Kernels& kernels_;
  std::vector<Memory> memory_;
  std::vector<StepLayer> layers_;
  Stepper stepper_{};
  double seconds_per_token_[2] = {};  // of the team, and alone
  static constexpr long tokens_of_part = 8, tries = 2, shortest_pause = 128;
  long parts_ = 0, next_try_ = shortest_pause, pause_ = shortest_pause;  // between two tries of the other way
  bool tried_ = false;                                                   // alone, or the team
};

}  // namespace

void bind_stepper(nb::module_& m) {
  nb::class_<LanguageModel>(m, "LanguageModel")
      .def(nb::init<int, const Matrix&, const std::vector<std::tuple<std::optional<Matrix>, Matrix, Vector, std::optional<Vector>>>&,
                    const Matrix&, const Vector&>(),
           nb::arg("cell"), nb::arg("table"), nb::arg("weights"), nb::arg("W_out"), nb::arg("b_out"))
      .def("set", &LanguageModel::set, nb::arg("h"), nb::arg("c").none(), nb::arg("logits"))
      .def("state", &LanguageModel::state)
      .def("logits", &LanguageModel::logits)
      .def("read", &LanguageModel::read, nb::arg("tokens"))
      .def("sample", &LanguageModel::sample, nb::arg("uniforms"), nb::arg("temperature"), nb::arg("top_k"), nb::arg("top_p"),
           nb::arg("repetition_penalty"), nb::arg("window"), nb::arg("excluded"), nb::arg("recent"));
}

}  // namespace rnnnlp
