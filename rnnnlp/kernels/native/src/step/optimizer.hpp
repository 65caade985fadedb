// From gradients to updates: the norms for clipping, and Adam with decoupled weight decay.
#pragma once

#include "kernels.hpp"
#include "runtime/memory.hpp"
#include "simd/simd.hpp"

namespace rnnnlp::ISA {

constexpr int64_t entries_of_task = 1 << 14;

// Sum of squares of n numbers; the order of the additions does not depend on the threads.
inline double square_sum(const float* x, int64_t n) {
  double total = 0;
  for (int64_t k = 0; k < n; k += 64 * V) {
    vec sums = {};
    for (int64_t j = k; j < smaller(n, k + 64 * V); j += V) {
      vec y = load(x + j, n - j);
      sums += y * y;
    }
    total += sum(sums);
  }
  return total;
}

inline void square_sums(ThreadPool& pool, const Array* arrays, int64_t number, double* totals) {
  int64_t tasks = 0;
  for (int64_t a = 0; a < number; a++) tasks += groups_of(arrays[a].size, entries_of_task);
  double* sums = scratch_of<double>(Scratch::norm_sums, tasks);
  run_on(pool, [&](int) {
    int64_t a = 0, first = 0;  // the array of the task, and its first task
    for (int64_t task = pool.next_task(); task < tasks; task = pool.next_task()) {
      while (task - first >= groups_of(arrays[a].size, entries_of_task))
        first += groups_of(arrays[a++].size, entries_of_task);
      int64_t start = (task - first) * entries_of_task;
      sums[task] = square_sum(arrays[a].data + start, smaller(entries_of_task, arrays[a].size - start));
    }
  });
  for (int64_t a = 0, task = 0; a < number; a++) {
    totals[a] = 0;
    for (int64_t last = task + groups_of(arrays[a].size, entries_of_task); task < last; task++) totals[a] += sums[task];
  }
}

inline void adam_entries(const Adam& job, const AdamParameter& p, int64_t start, int64_t n) {
  float* __restrict value = p.value + start;
  const float* __restrict grad = p.grad + start;
  float* __restrict m = p.m + start;
  float* __restrict v = p.v + start;
  const float shrink = 1 - job.lr * p.decay, rate = job.lr / job.correction1,
              unbias = 1 / __builtin_sqrtf(job.correction2);
  const float beta1 = job.beta1, beta2 = job.beta2, rest1 = job.rest1, rest2 = job.rest2;
  const float eps = job.eps, scale = job.scale, smallest = job.smallest_moment;
  for (int64_t k = 0; k < n; k++) {
    float g = grad[k] * scale;
    float m_k = beta1 * m[k] + rest1 * g, v_k = beta2 * v[k] + rest2 * (g * g);
    value[k] = value[k] * shrink - rate * (m_k / (__builtin_sqrtf(v_k) * unbias + eps));
    m[k] = __builtin_fabsf(m_k) < smallest ? 0 : m_k;
    v[k] = v_k < smallest ? 0 : v_k;
  }
}

// Where only some rows of a parameter have a gradient, only these change.
inline void adam(ThreadPool& pool, const Adam& job) {
  auto rows_of_task = [](const AdamParameter& p) { return larger(1, entries_of_task / p.row_size); };
  auto tasks_of = [&](const AdamParameter& p) {
    return p.rows ? groups_of(p.num_rows, rows_of_task(p)) : groups_of(p.size, entries_of_task);
  };
  int64_t tasks = 0;
  for (int64_t a = 0; a < job.number; a++) tasks += tasks_of(job.parameters[a]);
  run_on(pool, [&](int) {
    int64_t a = 0, first = 0;
    for (int64_t task = pool.next_task(); task < tasks; task = pool.next_task()) {
      while (task - first >= tasks_of(job.parameters[a])) first += tasks_of(job.parameters[a++]);
      const AdamParameter& p = job.parameters[a];
      if (!p.rows) {
        int64_t start = (task - first) * entries_of_task, n = smaller(entries_of_task, p.size - start);
        adam_entries(job, p, start, n);
        continue;
      }
      int64_t row = (task - first) * rows_of_task(p);
      for (int64_t end = smaller(p.num_rows, row + rows_of_task(p)); row < end; row++)
        adam_entries(job, p, p.rows[row] * p.row_size, p.row_size);
    }
  });
}

}  // namespace rnnnlp::ISA
