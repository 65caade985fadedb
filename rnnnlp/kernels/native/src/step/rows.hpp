// Rows of a table by index: an embedding forward, and its gradient.

// N tokens, D columns
#pragma once

#include "kernels.hpp"
#include "runtime/memory.hpp"
#include "simd/simd.hpp"

namespace rnnnlp::ISA {

inline void gather_rows(ThreadPool& pool, const float* table, const int32_t* ids, int64_t N, int64_t D, float* rows) {
  const int64_t rows_of_task = larger(1, 16384 / larger(D, 1)), tasks = groups_of(N, rows_of_task);
  run_on(pool, [&](int) {
    for (int64_t task = pool.next_task(); task < tasks; task = pool.next_task())
      for (int64_t n = task * rows_of_task; n < smaller(N, (task + 1) * rows_of_task); n++)
        __builtin_memcpy(rows + n * D, table + ids[n] * D, D * sizeof(float));
  });
}

// table[ids[n]] += rows[n], in the order of n. Each thread has a block of columns, so no two threads write the same
// entry.
inline void add_rows(ThreadPool& pool, const float* rows, const int32_t* ids, int64_t N, int64_t D, float* table) {
  const int64_t columns = larger(64, groups_of(D, pool.size() * 64) * 64), tasks = groups_of(D, columns);
  run_on(pool, [&](int) {
    for (int64_t task = pool.next_task(); task < tasks; task = pool.next_task()) {
      const int64_t column = task * columns, width = smaller(columns, D - column);
      for (int64_t n = 0; n < N; n++) {
        const float* from = rows + n * D + column;
        if (n + 4 < N) prefetch(from + 4 * D, width);
        float* to = table + ids[n] * D + column;
        for (int64_t k = 0; k < width; k += V)
          store(to + k, load(to + k, width - k) + load(from + k, width - k), width - k);
      }
    }
  });
}

}  // namespace rnnnlp::ISA
