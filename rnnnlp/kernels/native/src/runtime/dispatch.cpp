// Chooses the set of kernels that this processor can run.
#include <cstring>
#include <stdexcept>
#include <string>

#if defined(RNNNLP_AMX)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "kernels.hpp"

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
RNNNLP_DECLARE(baseline)

namespace {

struct Candidate {
  const Kernels* kernels;
  bool runs;
};

#if defined(RNNNLP_AMX)
// Linux must save the tile registers of a thread, and gives permission only on request.
bool may_use_tiles() {
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (~d & (1u << 22 | 1u << 24 | 1u << 25)))
    return false;                                                               // AMX-BF16, -TILE, -INT8
  if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a >> 5 & 1)) return false;  // AVX512-BF16
  constexpr long request_permission = 0x1023, tile_data = 18;
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}
#endif

const Candidate* candidates() {
#if defined(__x86_64__)
  static const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                             __builtin_cpu_supports("avx512cd");
  static const Candidate all[] = {
#if defined(RNNNLP_AMX)
      {&amx::kernels, avx512 && may_use_tiles()},
#endif
      {&avx512::kernels, avx512},
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
