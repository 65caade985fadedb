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
RNNNLP_DECLARE(amx)
RNNNLP_DECLARE(avx512)
RNNNLP_DECLARE(avx2)
RNNNLP_DECLARE(neon)
RNNNLP_DECLARE(baseline)

namespace {

struct Candidate {
  const Kernels* kernels;
  bool runs;
};

const Candidate* candidates() {  // the fastest first; every processor that the module is built for runs the last
  static const Candidate all[] = {
#if defined(RNNNLP_HAS_amx)  // CMakeLists.txt says which there are
      {&amx::kernels, has_amx()},
#endif
#if defined(RNNNLP_HAS_avx512)
      {&avx512::kernels, has_avx512()},
#endif
#if defined(RNNNLP_HAS_avx2)
      {&avx2::kernels, has_avx2()},
#endif
#if defined(RNNNLP_HAS_neon)
      {&neon::kernels, true},
#endif
#if defined(RNNNLP_HAS_baseline)
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
