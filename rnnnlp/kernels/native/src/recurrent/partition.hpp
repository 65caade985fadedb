// Which thread computes which rows and units of a step.

// B sequences, H hidden
#pragma once

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
  long B, blocks, panels;

  WorkPartition(int thread, int threads, long B, long rows_of_block, long panels, bool by_units)
      : by_units(by_units), thread(thread), threads(threads), B(B), panels(panels) {
    blocks = groups_of(B, rows_of_block);
    if (!by_units) blocks = smaller(groups_of(blocks, threads) * threads, B);
  }

  // If threads split the units, each has a slot for its part of a row.
  int slot() const { return by_units ? thread : 0; }
  int slots() const { return by_units ? threads : 1; }

  long first_panel() const { return by_units ? panels * thread / threads : 0; }
  long last_panel() const { return by_units ? panels * (thread + 1) / threads : panels; }

  // Calls f(panel, row, rows) for the tiles of this thread in the rows before `limit`. Every other step takes the
  // panels backwards: the last panels of a step are still in the L2 cache when they come first in the next one. That
  // matters if the weights exceed the cache.
  template <class F>
  RNNNLP_INLINE void for_tiles(bool backwards, long limit, F&& f) const {
    const long first = first_panel(), last = last_panel();
    for (long k = first; k < last; k++) {
      const long panel = backwards ? first + last - 1 - k : k;
      for (long block = 0; block < blocks; block++) {
        if (!has(block)) continue;
        const long row = first_row(block), rows = smaller(first_row(block + 1), limit) - row;
        if (rows <= 0) break;
        f(panel, row, rows);
      }
    }
  }

  // Calls f(row) for the rows before `limit` that have units of this thread.
  template <class F>
  RNNNLP_INLINE void for_rows(long limit, F&& f) const {
    for (long block = 0; block < blocks; block++)
      if (has(block))
        for (long row = first_row(block); row < smaller(first_row(block + 1), limit); row++) f(row);
  }

  // Calls f(row) so that each row before `limit` goes to one thread, whether the units are split or not.
  template <class F>
  RNNNLP_INLINE void for_whole_rows(long limit, F&& f) const {
    if (!by_units) return for_rows(limit, f);
    for (long row = limit * thread / threads; row < limit * (thread + 1) / threads; row++) f(row);
  }

 private:
  long first_row(long block) const { return B * block / blocks; }
  bool has(long block) const {
    if (by_units) return true;
    long lap = block / threads, place = block % threads;
    return (lap % 2 ? threads - 1 - place : place) == thread;
  }
};

inline bool split_by_units(long B, long weights, const ThreadPool& pool) {
  if (pool.size() == 1) return false;
  return weights * (long)sizeof(float) > bytes_of_L2() || B < 2 * pool.size();
}

}  // namespace rnnnlp::ISA
