// A language model at batch size 1.

// L layers, H hidden, G gates, V vocabulary
#include <nanobind/stl/tuple.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <tuple>

#include "bind/arrays.hpp"
#include "decode/sampling.hpp"
#include "runtime/memory.hpp"

namespace rnnnlp {
namespace {

struct ReturnMemory {
  void operator()(float* p) const { return_memory(p); }
};
using Memory = std::unique_ptr<float, ReturnMemory>;

// (W_x, or None for the first layer; W_h; bias; extra)
using Layer = std::tuple<std::optional<Matrix>, Matrix, Vector, std::vector<Vector>>;

// Decides whether one thread or the pool makes the next part of the tokens. A token takes microseconds: whether the
// pool is worth its barriers depends on the caches, and on who else uses the cores. So the last times decide. The
// slower way is tried again now and then, less and less often while it loses; it is tried twice, because its first part
// also wakes threads and fills caches. The results are the same.
class ThreadChoice {
 public:
  bool alone_next() {
    const int64_t part = parts_++;
    if (part < 2 * tries) return part >= tries;
    const bool best = seconds_per_token_[true] <= seconds_per_token_[false];
    if (part == next_try_) tried_ = !best;
    if (part < next_try_) return best;
    if (part < next_try_ + tries) return tried_;
    pause_ = best == tried_ ? shortest_pause : 2 * pause_;
    next_try_ = part + pause_;
    return best;
  }

  // One part that was disturbed changes little; two in a row change more.
  void add_time(bool alone, double seconds_per_token) {
    double& known = seconds_per_token_[alone];
    known = known == 0 ? seconds_per_token : std::min(seconds_per_token, 1.5 * known);
  }

 private:
  static constexpr int64_t tries = 2, shortest_pause = 128;
  double seconds_per_token_[2] = {};  // of the pool, and of one thread alone
  int64_t parts_ = 0, next_try_ = shortest_pause,
          pause_ = shortest_pause;  // pause_: parts between two tries of the slower way
  bool tried_ = false;              // the way that is tried: alone, or the pool
};

// Copies the weights, packed.
class DecoderObject {
 public:
  DecoderObject(const std::string& cell, const Matrix& table, const std::vector<Layer>& layers, const Matrix& W_out,
                const Vector& b_out)
      : kernels_(kernels_in_use()), layers_(layers.size()) {
    if (layers.empty()) throw nb::value_error("a decoder needs a layer");
    decoder_.cell = cell_id(cell);
    if (table.shape(0) < 1 || std::get<1>(layers[0]).shape(1) < 1)
      throw nb::value_error("a decoder needs a token and a hidden unit");
    const int64_t H = decoder_.H = std::get<1>(layers[0]).shape(1), vocabulary = decoder_.vocabulary = table.shape(0);
    const int64_t GH = info().gates * H;
    decoder_.layers = layers.size();
    decoder_.layer = layers_.data();
    expect("the table", table, vocabulary, GH);
    expect("W_out", W_out, vocabulary, H);
    expect("b_out", b_out, vocabulary);
    decoder_.table = copy(table.data(), vocabulary * GH);
    decoder_.b_out = copy(b_out.data(), vocabulary);
    decoder_.logits = copy(b_out.data(), vocabulary);  // of a state of zeros
    float* packed = zeros(kernels_.packed_output_size(vocabulary, H));
    kernels_.pack_output(W_out.data(), vocabulary, H, packed);
    decoder_.W_out = packed;
    for (size_t l = 0; l < layers.size(); l++) set_layer(l, layers[l]);
  }

  DecoderObject(const DecoderObject&) = delete;

  // The states (L, H) each, and the logits (V,) of the next token.
  void set(const std::vector<Matrix>& state, const Vector& logits) {
    if (state.size() != (size_t)info().states)
      throw nb::value_error("the state must have one array for each state of the cell");
    for (const Matrix& s : state) expect("a state", s, decoder_.layers, decoder_.H);
    expect("logits", logits, decoder_.vocabulary);
    GilRelease others_may_run;
    PoolLock lock;
    std::lock_guard<std::mutex> own(mutex_);  // another thread may be decoding
    std::copy_n(logits.data(), decoder_.vocabulary, decoder_.logits);
    for (int k = 0; k < info().states; k++)
      for (int64_t l = 0; l < decoder_.layers; l++) {
        std::copy_n(state[k].data() + l * decoder_.H, decoder_.H, state_of(l, k));
        // A text whose state was NaN may have left NaN in the lanes past H, which a cell may sum.
        std::fill_n(state_of(l, k) + decoder_.H, kernels_.padded(decoder_.H) - decoder_.H, 0.0f);
      }
  }

  std::vector<Out> state() const {
    std::vector<Out> state;
    for (int k = 0; k < info().states; k++) state.push_back(new_array({(size_t)decoder_.layers, (size_t)decoder_.H}));
    GilRelease others_may_run;
    PoolLock lock;
    std::lock_guard<std::mutex> own(mutex_);
    for (int k = 0; k < info().states; k++)
      for (int64_t l = 0; l < decoder_.layers; l++)
        std::copy_n(state_of(l, k), decoder_.H, state[k].data() + l * decoder_.H);
    return state;
  }

  Out logits() const {
    Out logits = new_array({(size_t)decoder_.vocabulary});
    GilRelease others_may_run;
    PoolLock lock;
    std::lock_guard<std::mutex> own(mutex_);
    std::copy_n(decoder_.logits, decoder_.vocabulary, logits.data());
    return logits;
  }

  void read(const Indices& tokens) {
    expect_below("tokens", tokens, decoder_.vocabulary);
    std::vector<int32_t> out(tokens.shape(0));
    decode({.given = tokens.data()}, out);
  }

  std::vector<int32_t> sample(const In<double, 1>& uniforms, double temperature, int64_t top_k, double top_p,
                              double repetition_penalty, int64_t window, int excluded, const Indices& recent) {
    expect_below("recent", recent, decoder_.vocabulary);
    if (excluded >= decoder_.vocabulary) throw nb::value_error("excluded is not a token of the vocabulary");
    for (size_t n = 0; n < uniforms.shape(0); n++)
      if (!(uniforms.data()[n] >= 0 && uniforms.data()[n] < 1)) throw nb::value_error("uniforms must be from [0, 1)");
    if (!(temperature >= 0 && top_p > 0 && repetition_penalty > 0))
      throw nb::value_error("temperature must be at least 0; top_p and repetition_penalty must be above 0");
    const Sampling sampling{.temperature = temperature,
                            .top_k = top_k,
                            .top_p = top_p,
                            .repetition_penalty = repetition_penalty,
                            .window = window,
                            .excluded = excluded,
                            .recent = recent.data(),
                            .num_recent = (int64_t)recent.shape(0)};
    std::vector<int32_t> tokens(uniforms.shape(0));
    decode({.sampling = sampling, .uniforms = uniforms.data()}, tokens);
    return tokens;
  }

 private:
  const CellInfo& info() const { return kernels_.cells[decoder_.cell]; }
  float* state_of(int64_t l, int k) const { return k == 0 ? layers_[l].h[decoder_.parity] : layers_[l].state[k]; }

  // Decodes as many tokens as `tokens` has room for, in parts of a few tokens.
  void decode(DecodeJob job, std::vector<int32_t>& tokens) {
    GilRelease others_may_run;
    PoolLock lock;
    std::lock_guard<std::mutex> own(mutex_);
    job.tokens = tokens.data();
    if (!job.given && spaces_.size() < (size_t)lock.pool().size())
      spaces_.resize(lock.pool().size(), SamplingSpace(decoder_.vocabulary));
    job.spaces = spaces_.data();
    const int64_t number = tokens.size();
    for (; job.first < number; job.first = job.last) {
      job.last = std::min(job.first + tokens_of_part, number);
      const bool alone = lock.pool().size() == 1 || thread_choice_.alone_next();
      auto start = std::chrono::steady_clock::now();
      kernels_.decode(alone ? lock.alone() : lock.pool(), decoder_, job);
      std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      thread_choice_.add_time(alone, seconds.count() / (job.last - job.first));
    }
  }

  float* zeros(int64_t floats) {
    memory_.emplace_back(acquire_memory(floats));
    std::fill_n(memory_.back().get(), floats, 0.0f);
    return memory_.back().get();
  }

  float* copy(const float* from, int64_t floats) {
    float* p = zeros(floats);
    std::copy_n(from, floats, p);
    return p;
  }

  // W (G*H, H), packed
  const float* packed_gates(const char* name, const Matrix& W) {
    const int64_t H = decoder_.H;
    expect(name, W, info().gates * H, H);
    float* packed = zeros(kernels_.packed_gates_size(decoder_.cell, H, H));
    kernels_.pack_gates(decoder_.cell, H, W.data(), H, packed);
    return packed;
  }

  void set_layer(size_t l, const Layer& weights) {
    const auto& [W_x, W_h, bias, extra] = weights;
    DecoderLayer& layer = layers_[l];
    const int64_t H = decoder_.H, GH = info().gates * H, padded = kernels_.padded(H);
    layer.W_h = packed_gates("W_h", W_h);
    if (l > 0) {
      if (!W_x) throw nb::value_error("layers after the first need W_x");
      layer.W_x = packed_gates("W_x", *W_x);
    }
    layer.D = H;
    expect("bias", bias, GH);
    layer.bias = copy(bias.data(), GH);
    if (extra.size() != (size_t)info().num_extra())
      throw nb::value_error("a layer must have all extra parameters of its cell");
    for (int k = 0; k < info().num_extra(); k++) {
      const int64_t columns = info().extra[k].columns(H);
      expect(info().extra[k].name, extra[k], columns);
      layer.extra[k] = copy(extra[k].data(), columns);
    }
    layer.h[0] = zeros(padded), layer.h[1] = zeros(padded), layer.second_factor = zeros(padded);
    // NOLINTNEXTLINE(clang-analyzer-security.ArrayBound): no cell has more than max_states
    for (int k = 1; k < info().states; k++) layer.state[k] = zeros(padded);
    for (int k = 0; k < info().forward_rows; k++) layer.rows[k] = zeros(padded);
    layer.pre = zeros(GH), layer.h_output = zeros(H);
    if (info().schedule == Schedule::rowwise) layer.sums = zeros(info().gates * padded);
  }

  static constexpr int64_t tokens_of_part = 8;
  mutable std::mutex mutex_;  // taken after a PoolLock, so that nobody holds it during a fork
  const Kernels& kernels_;
  std::vector<Memory> memory_;
  std::vector<SamplingSpace> spaces_;
  std::vector<DecoderLayer> layers_;
  Decoder decoder_;
  ThreadChoice thread_choice_;
};

}  // namespace

void bind_decoder(nb::module_& m) {
  nb::class_<DecoderObject>(m, "Decoder")
      .def(nb::init<const std::string&, const Matrix&, const std::vector<Layer>&, const Matrix&, const Vector&>(),
           nb::arg("cell"), nb::arg("table"), nb::arg("layers"), nb::arg("W_out"), nb::arg("b_out"))
      .def("set", &DecoderObject::set, nb::arg("state"), nb::arg("logits"))
      .def("state", &DecoderObject::state)
      .def("logits", &DecoderObject::logits)
      .def("read", &DecoderObject::read, nb::arg("tokens"))
      .def("sample", &DecoderObject::sample, nb::arg("uniforms"), nb::arg("temperature"), nb::arg("top_k"),
           nb::arg("top_p"), nb::arg("repetition_penalty"), nb::arg("window"), nb::arg("excluded"), nb::arg("recent"));
}

}  // namespace rnnnlp
