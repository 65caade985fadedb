// Rows of a table by number: an embedding forward, and its gradient.

// N tokens, D columns
#pragma once

#include "simd.hpp"
#include "table.hpp"

namespace rnnnlp::ISA {

inline void gather_rows(Team& team, const float* table, const int32_t* ids, long N, long D, float* rows) {
  const long rows_of_task = larger(1, 16384 / larger(D, 1)), tasks = groups_of(N, rows_of_task);
  run_on(team, [&](int) {
    for (long task = team.take(); task < tasks; task = team.take())
      for (long n = task * rows_of_task; n < smaller(N, (task + 1) * rows_of_task); n++)
        __builtin_memcpy(rows + n * D, table + ids[n] * D, D * sizeof(float));
  });
}

// table[ids[n]] += rows[n], in the order of n. Ranks share the columns, so no two write one entry; each has one stretch of
// them, for every row is on other pages.
inline void add_rows(Team& team, const float* rows, const int32_t* ids, long N, long D, float* table) {
  const long columns = larger(64, groups_of(D, team.size() * 64) * 64), tasks = groups_of(D, columns);
  run_on(team, [&](int) {
    for (long task = team.take(); task < tasks; task = team.take()) {
      const long column = task * columns, width = smaller(columns, D - column);
      for (long n = 0; n < N; n++) {
        const float* from = rows + n * D + column;
        if (n + 4 < N) prefetch(from + 4 * D, width);
        float* to = table + ids[n] * D + column;
        for (long k = 0; k < width; k += V) store(to + k, load(to + k, width - k) + load(from + k, width - k), width - k);
      }
    }
  });
}

}  // namespace rnnnlp::ISA
