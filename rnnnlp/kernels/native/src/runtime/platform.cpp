#include "runtime/platform.hpp"

#include <cstdlib>

#if defined(_WIN32)
#include <malloc.h>
#else
#include <pthread.h>
#include <unistd.h>
#endif
#if defined(__linux__)
#include <sys/mman.h>
#include <sys/syscall.h>
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace rnnnlp {

#if defined(_WIN32)
void* allocate_aligned(size_t alignment, size_t bytes) { return _aligned_malloc(bytes, alignment); }
void free_aligned(void* memory) { _aligned_free(memory); }
void at_fork(void (*)(), void (*)(), void (*)()) {}
#else
void* allocate_aligned(size_t alignment, size_t bytes) {
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment, bytes) != 0) return nullptr;
#if defined(__linux__)
  if (alignment == huge_page) madvise(memory, bytes, MADV_HUGEPAGE);  // fewer page faults where the system allows it
#endif
  return memory;
}

void free_aligned(void* memory) { std::free(memory); }

void at_fork(void (*before)(), void (*in_parent)(), void (*in_child)()) { pthread_atfork(before, in_parent, in_child); }
#endif

int64_t bytes_of_L2() {
  constexpr int64_t usual = 1 << 20;
#if defined(_SC_LEVEL2_CACHE_SIZE)
  int64_t bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  return bytes > 0 ? bytes : usual;
#else
  return usual;
#endif
}

#if defined(__x86_64__)
namespace {

// Instructions and registers, by the bits of CPUID and XCR0.
struct Processor {
  unsigned features = 0;                       // leaf 1, ECX
  unsigned extended = 0, tiles = 0, bf16 = 0;  // leaf 7: EBX, EDX; EAX of its part 1
  unsigned saved = 0;                          // registers that the operating system saves

  Processor() {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return;
    features = c;
    if (!has(features, 27)) return;  // OSXSAVE: whether XCR0 can be read
    asm("xgetbv" : "=a"(saved), "=d"(d) : "c"(0));
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) extended = b, tiles = d;
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d)) bf16 = a;
  }

  static bool has(unsigned bits, int bit) { return bits >> bit & 1; }
  bool saves(unsigned registers) const { return (saved & registers) == registers; }
};

const Processor& processor() {
  static const Processor found;
  return found;
}

}  // namespace

bool has_avx2() {
  const Processor& p = processor();
  const bool fma = Processor::has(p.features, 12), avx2 = Processor::has(p.extended, 5),
             bmi2 = Processor::has(p.extended, 8);
  return p.saves(0x6) && fma && avx2 && bmi2;
}

bool has_avx512() {
  constexpr unsigned f = 1u << 16, dq = 1u << 17, cd = 1u << 28, bw = 1u << 30, vl = 1u << 31,
                     all = f | dq | cd | bw | vl;
#if defined(__APPLE__)
  constexpr unsigned registers = 0x6;  // macOS saves those of AVX-512 from their first use on
#else
  constexpr unsigned registers = 0xe6;
#endif
  return has_avx2() && processor().saves(registers) && (processor().extended & all) == all;
}

bool has_amx() {
#if defined(__linux__)
  constexpr unsigned bf16 = 1u << 22, tile = 1u << 24, int8 = 1u << 25, all = bf16 | tile | int8;
  if (!has_avx512() || (processor().tiles & all) != all || !Processor::has(processor().bf16, 5)) return false;
  // Linux saves the tile registers of a thread only if it is asked to.
  constexpr long request_permission = 0x1023, tile_data = 18;
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
  return false;
#endif
}
#else
bool has_avx2() { return false; }
bool has_avx512() { return false; }
bool has_amx() { return false; }
#endif

}  // namespace rnnnlp
