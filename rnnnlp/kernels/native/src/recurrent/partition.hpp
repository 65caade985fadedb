// Which thread computes which rows and units of a step.

// B sequences, H hidden
#pragma once

#include "runtime/platform.hpp"
#include "runtime/thread_pool.hpp"
#include "simd/simd.hpp"

namespace rnnnlp::ISA {

// The part of one thread. While the weights fit the L2 cache of a core, a thread has some rows of the batch and all
// units: no thread waits for another. Larger weights are split by units, so that the part of each thread stays in its
// cache; then all threads wait for each other at each step. Rows are cut into blocks of nearly equal size. The first
// rows of a ragged batch live longest, so the blocks go to the threads in a snake order: 0 1 2 2 1 0 0 1 2 ...
struct WorkPartition {
  bool by_units;
  int thread, threads;
  int64_t B, blocks, panels;

  WorkPartition(int thread, int threads, int64_t B, int64_t rows_of_block, int64_t panels, bool by_units)
      : by_units(by_units), thread(thread), threads(threads), B(B), panels(panels) {
    blocks = groups_of(B, rows_of_block);
    if (!by_units) blocks = smaller(groups_of(blocks, threads) * threads, B);
  }

  // If threads split the units, each has a slot for its part of a row.
  int slot() const { return by_units ? thread : 0; }
  int slots() const { return by_units ? threads : 1; }

  int64_t first_panel() const { return by_units ? panels * thread / threads : 0; }
  int64_t last_panel() const { return by_units ? panels * (thread + 1) / threads : panels; }

  // Calls f(panel, row, rows) for the tiles of this thread in the rows before `limit`. Every other step takes the
  // panels backwards: the last panels of a step are still in the L2 cache when they come first in the next one. That
  // matters if the weights exceed the cache.
  template <class F>
  RNNNLP_INLINE void for_tiles(bool backwards, int64_t limit, F&& f) const {
    const int64_t first = first_panel(), last = last_panel();
    for (int64_t k = first; k < last; k++) {
      const int64_t panel = backwards ? first + last - 1 - k : k;
      for (int64_t block = 0; block < blocks; block++) {
        if (!has(block)) continue;
        const int64_t row = first_row(block), rows = smaller(first_row(block + 1), limit) - row;
        if (rows <= 0) break;
        f(panel, row, rows);
      }
    }
  }

  // Calls f(row) for the rows before `limit` that have units of this thread.
  template <class F>
  RNNNLP_INLINE void for_rows(int64_t limit, F&& f) const {
    for (int64_t block = 0; block < blocks; block++)
      if (has(block))
        for (int64_t row = first_row(block); row < smaller(first_row(block + 1), limit); row++) f(row);
  }

  // Calls f(row) so that each row before `limit` goes to one thread, whether the units are split or not.
  template <class F>
  RNNNLP_INLINE void for_whole_rows(int64_t limit, F&& f) const {
    if (!by_units) return for_rows(limit, f);
    for (int64_t row = limit * thread / threads; row < limit * (thread + 1) / threads; row++) f(row);
  }

 private:
  int64_t first_row(int64_t block) const { return B * block / blocks; }
  bool has(int64_t block) const {
    if (by_units) return true;
    int64_t lap = block / threads, place = block % threads;
    return (lap % 2 ? threads - 1 - place : place) == thread;
  }
};

inline bool split_by_units(int64_t B, int64_t weights, const ThreadPool& pool) {
  if (pool.size() == 1) return false;
  return weights * (int64_t)sizeof(float) > bytes_of_L2() || B < 2 * pool.size();
}

}  // namespace rnnnlp::ISA
