// The extension module: state of the whole (threads, memory, instruction set), and the arrays' border.
#include "arrays.hpp"

#include <cstdlib>

#include "memory.hpp"

namespace rnnnlp {
namespace {

std::string text_of(std::initializer_list<long> shape) {
  std::string text = "(";
  for (long n : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(n);
  return text + (shape.size() == 1 ? ",)" : ")");
}

const Kernels* chosen = nullptr;

void choose(const std::string& isa) {
  const Kernels* found = find_kernels(isa.c_str());
  if (found == nullptr) throw nb::value_error(("instruction set " + isa + " cannot run here; there are: " + names_of_kernels()).c_str());
  chosen = found;
}

}  // namespace

Out new_array(std::initializer_list<size_t> shape) {
  size_t floats = 1;
  for (size_t n : shape) floats *= n;
  float* memory = take_memory(floats);
  nb::capsule owner(memory, [](void* p) noexcept { give_memory(static_cast<float*>(p)); });
  return Out(memory, shape, owner);
}

void expect(const char* name, std::initializer_list<long> shape, std::initializer_list<long> expected) {
  throw nb::value_error((std::string(name) + " is " + text_of(shape) + "; expected " + text_of(expected)).c_str());
}

void expect_below(const char* name, const Indices& indices, long limit) {
  const int32_t* p = indices.data();
  int32_t low = 0, high = -1;
  for (size_t k = 0; k < indices.shape(0); k++) {
    low = p[k] < low ? p[k] : low;
    high = p[k] > high ? p[k] : high;
  }
  if (low < 0 || high >= limit)
    throw nb::value_error((std::string(name) + " has " + std::to_string(low < 0 ? low : high) + "; expected 0 to " + std::to_string(limit - 1)).c_str());
}

const Kernels& kernels_in_use() {
  if (chosen == nullptr) {
    const char* asked = std::getenv("RNNNLP_ISA");
    choose(asked ? asked : "");
  }
  return *chosen;
}

}  // namespace rnnnlp

NB_MODULE(_native, m) {
  using namespace rnnnlp;
  nb::set_leak_warnings(false);  // a model that lives until the interpreter ends is no mistake
  m.def("set_threads", [](int threads) {
    if (threads < 1) throw nb::value_error(("threads is " + std::to_string(threads) + "; it must be at least 1").c_str());
    set_threads(threads);
  }, nb::arg("threads"));
  m.def("threads", &threads);
  m.def("instruction_set", [] { return std::string(kernels_in_use().name); });
  m.def("instruction_sets", [] { return std::string(names_of_kernels()); });
  m.def("use_instruction_set", &choose, nb::arg("isa"));
  m.def("used_bytes", &used_bytes);
  m.def("kept_bytes", &kept_bytes);
  m.def("release_memory", &release_memory);
  m.def("empty", [](std::vector<size_t> shape) {
    switch (shape.size()) {
      case 1: return new_array({shape[0]});
      case 2: return new_array({shape[0], shape[1]});
      default: throw nb::value_error("empty takes one or two dimensions");
    }
  }, nb::arg("shape"));
  bind_recurrence(m);
  bind_products(m);
  bind_training(m);
  bind_stepper(m);
}
