// Memory that is used again from step to step: new pages cost more than the arithmetic on them.
#pragma once

#include <cstddef>

namespace rnnnlp {

// Scratch of the kernels: one array for each purpose.
enum class Scratch {
  // Time loop
  step_offsets,
  packed_weights,
  h_in,  // left factors: the state before a step, and after it
  h_out,
  second_factor,   // left factor of a second product
  running_states,  // states after h, of the current step
  forward_rows,    // rows that a cell names
  forward_sums,    // row-wise: sums of a step
  second_sums,
  dgates_in,  // left factors on the way back: gradients of the gates of a step, and of the step after it
  dgates_out,
  second_dgates,
  running_dstates,
  backward_rows,
  backward_packed,
  dh_sums,
  second_dsums,
  h_before,  // pointers to the state before each row
  // Matrix products
  matmul_panels,
  matmul_rows,
  // Other kernels
  loss_sums,
  norm_sums,
  pooling_remainder,
  count
};

constexpr size_t most_floats = size_t(1) << 48;  // in one array: more than any machine has, so that no size overflows

// The scratch of one caller at a time. An array grows when a call needs more, and stays. Aligned to 64 bytes.
struct ScratchMemory {
  struct Buffer {
    float* memory = nullptr;
    size_t floats = 0;
  };
  Buffer buffers[static_cast<int>(Scratch::count)];
};

void use_scratch(ScratchMemory* memory);         // of this thread from now on
float* scratch(Scratch purpose, size_t floats);  // from that memory
template <class T>
T* scratch_of(Scratch purpose, size_t number) {
  return reinterpret_cast<T*>(scratch(purpose, (number * sizeof(T) + sizeof(float) - 1) / sizeof(float)));
}

// Memory of arrays that Python gets. When an array is gone, its memory waits for the next array of about that size.
float* acquire_memory(size_t floats);
void return_memory(float* memory);
size_t kept_bytes();  // waiting to be used again
size_t used_bytes();  // in arrays that are alive

// The lock of that memory, to be held across a fork.
void hold_memory();
void release_memory();

}  // namespace rnnnlp
