// The extension module: threads, memory, instruction set and cells, and the checks of arrays.
#include "bind/arrays.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

#include "runtime/memory.hpp"

namespace rnnnlp {
namespace {

std::string text_of(std::initializer_list<int64_t> shape) {
  std::string text = "(";
  for (int64_t n : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(n);
  return text + (shape.size() == 1 ? ",)" : ")");
}

std::atomic<const Kernels*> selected{nullptr};  // read without the global lock

void select_isa(const std::string& isa) {
  const Kernels* found = find_kernels(isa.c_str());
  if (found == nullptr)
    throw nb::value_error(("instruction set " + isa + " cannot run here; there are: " + names_of_kernels()).c_str());
  selected = found;
}

nb::list facts_of(const ArrayInfo* arrays, int number) {
  nb::list facts;
  for (int k = 0; k < number; k++) facts.append(nb::make_tuple(arrays[k].name, arrays[k].per_hidden, arrays[k].fixed));
  return facts;
}

// The facts of each cell: {name: {"gates": ..., ...}}. An array is (name, a, b) if it has a*hidden_size + b columns.
nb::dict cells() {
  const Kernels& kernels = kernels_in_use();
  nb::dict all;
  for (int k = 0; k < kernels.num_cells; k++) {
    const CellInfo& info = kernels.cells[k];
    nb::dict cell;
    cell["gates"] = info.gates;
    cell["states"] = info.states;
    cell["extra"] = facts_of(info.extra, info.num_extra());
    cell["saves_gates"] = info.saves_gates;
    cell["saved"] = facts_of(info.saved, info.num_saved());
    cell["schedule"] = info.schedule == Schedule::fused ? "fused" : "rowwise";
    all[info.name] = cell;
  }
  return all;
}

}  // namespace

Out new_array(std::initializer_list<size_t> shape) {
  size_t floats = 1, most = 1;  // most: without the dimensions that are 0
  for (size_t n : shape) {
    if (__builtin_mul_overflow(most, n ? n : 1, &most) || most > most_floats) throw std::bad_alloc();
    floats *= n;
  }
  float* memory = acquire_memory(floats);
  nb::capsule owner(memory, [](void* p) noexcept { return_memory(static_cast<float*>(p)); });
  return Out(memory, shape, owner);
}

void expect(const char* name, std::initializer_list<int64_t> shape, std::initializer_list<int64_t> expected) {
  throw nb::value_error((std::string(name) + " is " + text_of(shape) + "; expected " + text_of(expected)).c_str());
}

void expect_below(const char* name, const Indices& indices, int64_t limit) {
  const int32_t* p = indices.data();
  int32_t low = 0, high = -1;
  for (size_t k = 0; k < indices.shape(0); k++) {
    low = p[k] < low ? p[k] : low;
    high = p[k] > high ? p[k] : high;
  }
  if (low < 0 || high >= limit)
    throw nb::value_error((std::string(name) + " has " + std::to_string(low < 0 ? low : high) + "; expected 0 to " +
                           std::to_string(limit - 1))
                              .c_str());
}

const Kernels& kernels_in_use() {
  if (selected.load() == nullptr) {
    const char* asked = std::getenv("RNNNLP_ISA");
    select_isa(asked ? asked : "");
  }
  return *selected.load();
}

int cell_id(const std::string& name) {
  const Kernels& kernels = kernels_in_use();
  std::string names;
  for (int k = 0; k < kernels.num_cells; k++) {
    if (name == kernels.cells[k].name) return k;
    names += (k ? ", " : "") + std::string(kernels.cells[k].name);
  }
  throw nb::value_error(("cell is " + name + "; it must be one of " + names).c_str());
}

}  // namespace rnnnlp

NB_MODULE(_native, m) {
  using namespace rnnnlp;
  nb::set_leak_warnings(false);  // a decoder may live until the interpreter ends
  // Once in a process, also if the module is imported again: a handler that ran twice would wait for its own locks.
  [[maybe_unused]] static const bool once = (prepare_for_forks(), prepare_exit_for_forks(), true);
  m.def(
      "set_threads",
      [](int threads) {
        if (threads < 1)
          throw nb::value_error(("threads is " + std::to_string(threads) + "; it must be at least 1").c_str());
        set_threads(threads);
      },
      nb::arg("threads"));
  m.def("threads", &threads);
  m.def("instruction_set", [] { return std::string(kernels_in_use().name); });
  m.def("instruction_sets", [] { return std::string(names_of_kernels()); });
  m.def("use_instruction_set", &select_isa, nb::arg("isa"));
  m.def("begin_exit", &begin_exit);
  m.def("used_bytes", &used_bytes);
  m.def("kept_bytes", &kept_bytes);
  m.def(
      "empty",
      [](std::vector<size_t> shape) {
        switch (shape.size()) {
          case 1:
            return new_array({shape[0]});
          case 2:
            return new_array({shape[0], shape[1]});
          default:
            throw nb::value_error("empty takes one or two dimensions");
        }
      },
      nb::arg("shape"));
  m.def("cells", &cells);
  bind_recurrent(m);
  bind_matmul(m);
  bind_step(m);
  bind_decoder(m);
}
