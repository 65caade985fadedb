// Softmax and cross-entropy in one pass over each row.

// N rows, K classes, V lanes of a vector
#pragma once

#include "kernels.hpp"
#include "runtime/memory.hpp"
#include "simd/simd.hpp"

namespace rnnnlp::ISA {

struct RowLoss {
  float smooth_sum;  // -sum of log p_k, of label smoothing
  float nll;         // -log p of the target
};

// One row: dlogits = d loss / d logits.
inline RowLoss loss_of_row(const Loss& job, int64_t row) {
  const float* logits = job.logits + row * job.K;
  float* dlogits = job.dlogits + row * job.K;
  vec top = vec{} + logits[0];
  for (int64_t k = 0; k < job.K; k += V) {
    vec x = load(logits + k, job.K - k);
    for (int64_t j = job.K - k; j < V; j++) x[j] = logits[0];  // past the last class
    top = x > top ? x : top;                                   // NaN is dropped here, but the total is NaN
  }
  const float highest = largest(top);
  vec totals = {}, shifted_sums = {};
  for (int64_t k = 0; k < job.K; k += V) {
    vec shifted = load(logits + k, job.K - k) - highest, p = exp(shifted);
    for (int64_t j = job.K - k; j < V; j++) p[j] = shifted[j] = 0;
    totals += p;
    if (job.spread > 0) shifted_sums += shifted;
    store(dlogits + k, p, job.K - k);
  }
  const float total = sum(totals), log_total = __builtin_logf(total);
  const int64_t target = job.targets[row];
  RowLoss loss{job.spread > 0 ? log_total * (float)job.K - sum(shifted_sums) : 0.0f,
               log_total - (logits[target] - highest)};
  // loss = -sum over k of q_k * log p_k, with q = keep*onehot + spread
  const float factor = 1 / total, spread = job.spread;
  for (int64_t k = 0; k < job.K; k += V) {
    vec d = load(dlogits + k, job.K - k) * factor;
    if (spread > 0) d -= vec{} + spread;
    store(dlogits + k, d, job.K - k);
  }
  dlogits[target] -= job.keep;
  return loss;
}

inline double softmax_cross_entropy(ThreadPool& pool, const Loss& job) {
  constexpr int64_t rows_of_task = 64;
  const int64_t tasks = groups_of(job.N, rows_of_task);
  double* sums = scratch_of<double>(Scratch::loss_sums, tasks);
  run_on(pool, [&](int) {
    for (int64_t task = pool.next_task(); task < tasks; task = pool.next_task()) {
      double total = 0;
      for (int64_t row = task * rows_of_task; row < smaller(job.N, (task + 1) * rows_of_task); row++) {
        RowLoss loss = loss_of_row(job, row);
        total += (double)job.keep * loss.nll + (double)job.spread * loss.smooth_sum;
      }
      sums[task] = total;
    }
  });
  double total = 0;
  for (int64_t task = 0; task < tasks; task++) total += sums[task];
  return total;
}

}  // namespace rnnnlp::ISA
