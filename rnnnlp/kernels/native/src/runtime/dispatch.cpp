// Chooses the set of kernels that this processor can run.
#include <cstring>
#include <stdexcept>
#include <string>

#include "kernels.hpp"
#include "runtime/platform.hpp"

namespace rnnnlp {

#define RNNNLP_DECLARE(isa)     \
  namespace isa {               \
  extern const Kernels kernels; \
  }
#if defined(RNNNLP_AMX)
RNNNLP_DECLARE(amx)
#endif
#if defined(__x86_64__)
RNNNLP_DECLARE(avx512)
RNNNLP_DECLARE(avx2)
#endif
#if defined(__aarch64__)
RNNNLP_DECLARE(neon)
#else
RNNNLP_DECLARE(baseline)
#endif

namespace {

struct Candidate {
  const Kernels* kernels;
  bool runs;
};

const Candidate* candidates() {  // the fastest first; every processor that the module is built for runs the last
  static const Candidate all[] = {
#if defined(RNNNLP_AMX)
      {&amx::kernels, has_amx()},
#endif
#if defined(__x86_64__)
      {&avx512::kernels, has_avx512()},
      {&avx2::kernels, has_avx2()},
#endif
#if defined(__aarch64__)
      {&neon::kernels, true},
#else
      {&baseline::kernels, true},
#endif
      {nullptr, false}};
  return all;
}

}  // namespace

const Kernels* find_kernels(const char* isa) {
  for (const Candidate* c = candidates(); c->kernels; c++)
    if (c->runs && (isa == nullptr || *isa == 0 || std::strcmp(isa, c->kernels->name) == 0)) return c->kernels;
  return nullptr;
}

const char* names_of_kernels() {
  static const std::string names = [] {
    std::string all;
    for (const Candidate* c = candidates(); c->kernels; c++)
      if (c->runs) all += (all.empty() ? "" : ", ") + std::string(c->kernels->name);
    return all;
  }();
  return names.c_str();
}

void throw_unknown_cell(int id) { throw std::invalid_argument("there is no cell " + std::to_string(id)); }

}  // namespace rnnnlp
