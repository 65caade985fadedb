// The mean and the maximum over the steps of each sequence of a packed batch, and their gradients.

// N rows, T steps, B sequences, B_t sequences alive at step t, D columns
#pragma once

#include "kernels.hpp"
#include "runtime/memory.hpp"
#include "simd/simd.hpp"

namespace rnnnlp::ISA {

constexpr int64_t sequences_of_task = 4;

// Calls f(row, b) for each packed row of the sequences b of a task, in the order of the steps.
template <class F>
RNNNLP_INLINE void rows_of_task(const Pooling& job, int64_t task, F&& f) {
  const int64_t first = task * sequences_of_task, last = smaller(job.B, first + sequences_of_task);
  for (int64_t t = 0, offset = 0; t < job.T && job.batch_sizes[t] > first; offset += job.batch_sizes[t++])
    for (int64_t b = first; b < smaller(last, job.batch_sizes[t]); b++) f(offset + b, b);
}

inline void mean_and_max(ThreadPool& pool, const Pooling& job) {
  const int64_t D = job.D, tasks = groups_of(job.B, sequences_of_task);
  run_on(pool, [&](int) {
    for (int64_t task = pool.next_task(); task < tasks; task = pool.next_task()) {
      int64_t lengths[sequences_of_task] = {};
      rows_of_task(job, task, [&](int64_t row, int64_t b) {
        const bool first = lengths[b % sequences_of_task]++ == 0;
        const float* x = job.x + row * D;
        float *mean = job.mean + b * D, *top = job.largest + b * D;
        for (int64_t k = 0; k < D; k += V) {
          const int64_t lanes = D - k;
          vec value = load(x + k, lanes), highest = load(top + k, lanes);
          store(mean + k, first ? value : load(mean + k, lanes) + value, lanes);
          store(top + k, first ? value : value > highest || value != value ? value : highest, lanes);  // NaN passes
        }
      });
      for (int64_t b = task * sequences_of_task; b < smaller(job.B, (task + 1) * sequences_of_task); b++)
        for (int64_t k = 0; k < D; k++) job.mean[b * D + k] /= (float)lengths[b % sequences_of_task];
    }
  });
}

// The gradient of a maximum goes to the first step that has it. `remainder` is the gradient that has not found its step
// yet.
inline void mean_and_max_backward(ThreadPool& pool, const Pooling& job) {
  const int64_t D = job.D, tasks = groups_of(job.B, sequences_of_task);
  float* remainder = scratch(Scratch::pooling_remainder, job.B * D);
  run_on(pool, [&](int) {
    for (int64_t task = pool.next_task(); task < tasks; task = pool.next_task()) {
      int64_t lengths[sequences_of_task] = {};
      rows_of_task(job, task, [&](int64_t, int64_t b) { lengths[b % sequences_of_task]++; });
      for (int64_t b = task * sequences_of_task; b < smaller(job.B, (task + 1) * sequences_of_task); b++)
        __builtin_memcpy(remainder + b * D, job.dlargest + b * D, D * sizeof(float));
      rows_of_task(job, task, [&](int64_t row, int64_t b) {
        const float share = 1.0f / (float)lengths[b % sequences_of_task];
        for (int64_t k = 0; k < D; k += V) {
          const int64_t lanes = D - k, at = b * D + k;
          vec mean = load(job.dmean + at, lanes) * share, rest = load(remainder + at, lanes);
          auto here = load(job.x + row * D + k, lanes) == load(job.largest + at, lanes);
          store(job.dx + row * D + k, mean + (here ? rest : vec{}), lanes);
          store(remainder + at, here ? vec{} : rest, lanes);
        }
      });
    }
  });
}

}  // namespace rnnnlp::ISA
