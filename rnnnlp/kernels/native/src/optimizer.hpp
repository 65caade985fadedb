// Gradients to updates: the norm for clipping, Adam with decoupled weight decay, and the averages of the weights.
#pragma once

#include "memory.hpp"
#include "simd.hpp"
#include "table.hpp"

namespace rnnnlp::ISA {

constexpr long entries_of_task = 1 << 14;

// Sum of squares of n numbers; the order of the additions does not depend on the threads.
inline double square_sum(const float* x, long n) {
  double total = 0;
  for (long k = 0; k < n; k += 64 * V) {
    vec sums = {};
    for (long j = k; j < smaller(n, k + 64 * V); j += V) {
      vec y = load(x + j, n - j);
      sums += y * y;
    }
    total += sum(sums);
  }
  return total;
}

inline void square_sums(Team& team, const Array* arrays, long number, double* totals) {
  long tasks = 0;
  for (long a = 0; a < number; a++) tasks += groups_of(arrays[a].size, entries_of_task);
  double* sums = scratch_of<double>(Scratch::sums, tasks);
  run_on(team, [&](int) {
    long a = 0, first = 0;  // the array of the task, and its first task
    for (long task = team.take(); task < tasks; task = team.take()) {
      while (task - first >= groups_of(arrays[a].size, entries_of_task)) first += groups_of(arrays[a++].size, entries_of_task);
      long start = (task - first) * entries_of_task;
      sums[task] = square_sum(arrays[a].data + start, smaller(entries_of_task, arrays[a].size - start));
    }
  });
  for (long a = 0, task = 0; a < number; a++) {
    totals[a] = 0;
    for (long last = task + groups_of(arrays[a].size, entries_of_task); task < last; task++) totals[a] += sums[task];
  }
}

inline void adam_entries(const Adam& job, const AdamParameter& p, long start, long n) {
  float* __restrict value = p.value + start;
  const float* __restrict grad = p.grad + start;
  float* __restrict m = p.m + start;
  float* __restrict v = p.v + start;
  const float shrink = 1 - job.lr * p.decay, rate = job.lr / job.correction1, unbias = 1 / __builtin_sqrtf(job.correction2);
  const float beta1 = job.beta1, beta2 = job.beta2, eps = job.eps, scale = job.scale;
  for (long k = 0; k < n; k++) {
    float g = grad[k] * scale;
    m[k] = beta1 * m[k] + (1 - beta1) * g;
    v[k] = beta2 * v[k] + (1 - beta2) * (g * g);
    value[k] = value[k] * shrink - rate * (m[k] / (__builtin_sqrtf(v[k]) * unbias + eps));
  }
}

inline void average_entries(const Adam& job, const AdamParameter& p, long start, long n) {
  const float* __restrict value = p.value + start;
  float* __restrict average = p.average + start;
  const float part = 1 - job.average_keep;
  for (long k = 0; k < n; k++) average[k] += part * (value[k] - average[k]);
}

// A parameter of which few rows have a gradient updates these alone; its average always follows as a whole.
inline void adam(Team& team, const Adam& job) {
  auto rows_of_task = [](const AdamParameter& p) { return larger(1, entries_of_task / p.row_size); };
  auto tasks_of = [&](const AdamParameter& p) {
    return p.rows ? groups_of(p.number_of_rows, rows_of_task(p)) : groups_of(p.size, entries_of_task);
  };
  long tasks = 0;
  for (long a = 0; a < job.number; a++) tasks += tasks_of(job.parameters[a]);
  run_on(team, [&](int) {
    long a = 0, first = 0;
    for (long task = team.take(); task < tasks; task = team.take()) {
      while (task - first >= tasks_of(job.parameters[a])) first += tasks_of(job.parameters[a++]);
      const AdamParameter& p = job.parameters[a];
      if (!p.rows) {
        long start = (task - first) * entries_of_task, n = smaller(entries_of_task, p.size - start);
        adam_entries(job, p, start, n);
        if (p.average) average_entries(job, p, start, n);
        continue;
      }
      long row = (task - first) * rows_of_task(p);
      for (long end = smaller(p.number_of_rows, row + rows_of_task(p)); row < end; row++)
        adam_entries(job, p, p.rows[row] * p.row_size, p.row_size);
    }
  });
  for (long a = 0; a < job.number; a++) {
    const AdamParameter& p = job.parameters[a];
    if (!p.rows || !p.average) continue;
    const long parts = groups_of(p.size, entries_of_task);
    run_on(team, [&](int) {
      for (long task = team.take(); task < parts; task = team.take())
        average_entries(job, p, task * entries_of_task, smaller(entries_of_task, p.size - task * entries_of_task));
    });
  }
}

}  // namespace rnnnlp::ISA
