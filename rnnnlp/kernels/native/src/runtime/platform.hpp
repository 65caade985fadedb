// What differs between operating systems and processors: memory, forks, caches, instruction sets. Nothing else in the
// kernels includes a header of the system.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rnnnlp {

constexpr size_t huge_page = size_t(2) << 20;

// Memory that starts at a multiple of `alignment`, a power of two; null if there is none. `free_aligned` takes it back.
void* allocate_aligned(size_t alignment, size_t bytes);
void free_aligned(void* memory);

// Functions to run before a fork and then in each of the two processes; null for none. Windows has no forks.
void at_fork(void (*before)(), void (*in_parent)(), void (*in_child)());

int64_t bytes_of_L2();  // of one core

// What this processor can run, and the operating system lets it.
bool has_avx2();    // also FMA and BMI2
bool has_avx512();  // F, VL, BW, DQ, CD
bool has_amx();     // tiles of bf16 and int8, and AVX512-BF16

}  // namespace rnnnlp
