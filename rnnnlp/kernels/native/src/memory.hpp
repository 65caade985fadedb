// Memory that is used again from step to step: fresh pages cost more than the arithmetic on them.
#pragma once

#include <cstddef>

namespace rnnnlp {

// Scratch of the kernels, one array a purpose; it grows when a call needs more and stays. Aligned to 64 bytes.
enum class Scratch { offsets, h_in, h_out, c, weights, da_in, da_out, dc, before, d_candidate, kept, dn, panels, blocks, sums, count };

float* scratch(Scratch purpose, size_t floats);
template <class T>
T* scratch_of(Scratch purpose, size_t number) {
  return reinterpret_cast<T*>(scratch(purpose, (number * sizeof(T) + sizeof(float) - 1) / sizeof(float)));
}

// Memory of arrays that are handed out. Given back, it is kept for the next array of about that size.
float* take_memory(size_t floats);
void give_memory(float* memory);
size_t kept_bytes();     // waiting to be used again
size_t used_bytes();     // in arrays that are alive
void release_memory();   // frees what waits

}  // namespace rnnnlp
