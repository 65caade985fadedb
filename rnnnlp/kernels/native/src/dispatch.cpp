// Which of the compiled sets of kernels this processor can run.
#include <cstring>

#include "table.hpp"

namespace rnnnlp {

#define RNNNLP_DECLARE(isa) namespace isa { extern const Kernels kernels; }
#if defined(__x86_64__)
RNNNLP_DECLARE(avx512)
RNNNLP_DECLARE(avx2)
#endif
RNNNLP_DECLARE(baseline)

namespace {

struct Candidate {
  const Kernels* kernels;
  bool runs;
};

const Candidate* candidates() {
#if defined(__x86_64__)
  static const Candidate all[] = {
      {&avx512::kernels, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd")},
      {&avx2::kernels, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")},
      {&baseline::kernels, true},
      {nullptr, false}};
#else
  static const Candidate all[] = {{&baseline::kernels, true}, {nullptr, false}};
#endif
  return all;
}

}  // namespace

const Kernels* find_kernels(const char* isa) {
  for (const Candidate* c = candidates(); c->kernels; c++)
    if (c->runs && (isa == nullptr || *isa == 0 || std::strcmp(isa, c->kernels->name) == 0)) return c->kernels;
  return nullptr;
}

const char* names_of_kernels() {
  static char names[64];
  if (*names == 0)
    for (const Candidate* c = candidates(); c->kernels; c++)
      if (c->runs) {
        if (*names) std::strcat(names, ", ");
        std::strcat(names, c->kernels->name);
      }
  return names;
}

}  // namespace rnnnlp
