// Matrix products of any size: A @ B.T, A @ B and A.T @ B.

// C (M, N) = A (M, K) @ B (K, N); V lanes of a vector
#pragma once

#include "kernels.hpp"
#include "runtime/memory.hpp"
#include "runtime/thread_pool.hpp"
#include "simd/tile.hpp"

namespace rnnnlp::ISA {

// A sum is cut into parts of this number of terms, so results do not depend on the threads.
constexpr int64_t terms_of_part = 256;
constexpr int panel_vectors = 2;
constexpr int64_t panel_columns = panel_vectors * V;
constexpr int64_t block_rows = rows_of_tile(panel_vectors);
constexpr int64_t blocks_of_chunk = 8;
constexpr int64_t row_stride = terms_of_part + 16;
constexpr int64_t strided_rows = registers == 32 ? 8 : block_rows;  // pointers to more rows would not stay in registers

RNNNLP_INLINE int64_t width_of_panel(const Matmul& job, int64_t p) {
  return job.N - p * panel_columns <= V ? V : panel_columns;  // the last panel may be one vector wide
}

// Panels first .. last - 1 of B stored (K, N): the terms k0 .. k0 + terms - 1, each panel (terms, width).
inline void pack_rows(const Matmul& job, int64_t k0, int64_t terms, int64_t first, int64_t last, float* to) {
  for (int64_t k = 0; k < terms; k++) {
    const float* row = job.B_rows ? job.B_rows[k0 + k] : job.B + (k0 + k) * job.B_stride;
    for (int64_t p = first; p < last; p++) {
      const int64_t width = width_of_panel(job, p);
      float* line = to + (p - first) * terms_of_part * panel_columns + k * width;
      for (int64_t n = 0; n < width; n += V)
        store(line + n, load(row + p * panel_columns + n, job.N - p * panel_columns - n));
    }
  }
}

// The same for one panel of B stored (N, K).
inline void pack_panel(const Matmul& job, int64_t k0, int64_t terms, int64_t column, int64_t width, float* to) {
  const int64_t columns = smaller(width, job.N - column);
  for (int64_t k = 0; k < terms; k += 16)  // 16 terms at a time: one cache line of each row
    for (int64_t n = 0; n < width; n++) {
      const float* row = job.B + (column + n) * job.B_stride + k0;
      for (int64_t j = k; j < smaller(k + 16, terms); j++) to[j * width + n] = n < columns ? row[j] : 0.0f;
    }
}

// Copies the rows of a chunk to where its tiles read them. If A is stored (K, M), they become blocks of block_rows
// rows, each (terms, rows of the block); the last block may be smaller. If A is stored (M, K), only the distance of the
// rows changes: it must not be a power of two, which would use only a few cache sets.
inline void pack_chunk(const Matmul& job, int64_t row, int64_t rows, int64_t k0, int64_t terms, float* to, bool sums) {
  if (!job.A_by_k) {
    for (int64_t r = 0; r < rows; r++)
      __builtin_memcpy(to + r * row_stride, job.A + (row + r) * job.A_stride + k0, terms * sizeof(float));
    return;
  }
  for (int64_t k = 0; k < terms; k++) {
    const float* from = job.A + (k0 + k) * job.A_stride + row;
    if (k + 8 < terms)
      prefetch(from + 8 * job.A_stride, rows);  // the processor does not predict rows that are far apart
    for (int64_t block = 0; block < rows; block += block_rows) {
      float* line = to + block * terms;
      if (rows - block >= block_rows) {
        __builtin_memcpy(line + k * block_rows, from + block, block_rows * sizeof(float));
      } else {
        int64_t height = rows - block;
        for (int64_t r = 0; r < height; r++) line[k * height + r] = from[block + r];
      }
    }
    if (sums)
      for (int64_t r = 0; r < rows; r++) job.A_sums[row + r] = from[r] + (k0 + k > 0 ? job.A_sums[row + r] : 0.0f);
  }
}

// One tile of the result. Its first part starts from zero or from the bias, the others from C.
template <int C>
void multiply_tile(const Matmul& job, const float* A, int64_t row, int64_t rows, const float* panel, int64_t column,
                   int64_t terms, bool first) {
  const int64_t columns = smaller(C * V, job.N - column);
  float* to = job.C + row * job.C_stride + column;
  alignas(64) float edge[block_rows * C * V];
  float* sums = to;
  int64_t stride = job.C_stride;
  if (columns < C * V) {
    sums = edge;
    stride = C * V;
  }
  const bool from_zero = first && !job.bias;
  if (!from_zero) {
    bool from_bias = first;
    if (from_bias || sums == edge)
      for (int64_t r = 0; r < rows; r++)
        for (int64_t n = 0; n < columns; n += V)
          store(sums + r * stride + n,
                load(from_bias ? job.bias + column + n : to + r * job.C_stride + n, columns - n));
  }
  with_rows<block_rows>(rows, [&](auto R) {
    if (job.A_by_k)
      from_zero ? tile_of<R.count, C, true, false>(A, 1, panel, terms, sums, stride)
                : tile_of<R.count, C, true, true>(A, 1, panel, terms, sums, stride);
    else
      from_zero ? tile_of<R.count, C, false, false>(A, row_stride, panel, terms, sums, stride)
                : tile_of<R.count, C, false, true>(A, row_stride, panel, terms, sums, stride);
  });
  if (sums == edge)
    for (int64_t r = 0; r < rows; r++)
      for (int64_t n = 0; n < columns; n += V)
        store(to + r * job.C_stride + n, load(edge + r * stride + n), columns - n);
}

inline void matmul_floats(ThreadPool& pool, const Matmul& job) {
  const int64_t panels = groups_of(job.N, panel_columns), panel_size = terms_of_part * panel_columns;
  // About four chunks for each thread, so that a slow thread gets fewer.
  const int64_t chunk = clamp(groups_of(job.M, 4 * pool.size() * block_rows), 1, blocks_of_chunk) * block_rows;
  const int64_t rows_of_block = job.A_by_k ? block_rows : strided_rows;
  const int64_t chunks = groups_of(job.M, chunk), bands = clamp(2 * pool.size() / larger(chunks, 1), 1, panels);
  const int64_t tasks = chunks * bands, parts = larger(groups_of(job.K, terms_of_part), 1);
  float* packed_B = scratch(Scratch::matmul_panels, (parts > 1 ? 2 : 1) * panels * panel_size);
  float* packed_A = scratch(Scratch::matmul_rows, pool.size() * chunk * row_stride);

  run_on(pool, [&](int thread) {
    float* blocks = packed_A + thread * chunk * row_stride;
    int64_t task = pool.next_task();
    for (int64_t part = 0; part < parts; part++) {
      const int64_t k0 = part * terms_of_part, terms = smaller(terms_of_part, job.K - k0);
      float* packed = packed_B + part % 2 * panels * panel_size;
      const int64_t first = panels * thread / pool.size(), last = panels * (thread + 1) / pool.size();
      if (job.B_by_k)
        pack_rows(job, k0, terms, first, last, packed + first * panel_size);
      else
        for (int64_t p = first; p < last; p++)
          pack_panel(job, k0, terms, p * panel_columns, width_of_panel(job, p), packed + p * panel_size);
      pool.barrier(thread);
      for (; task < (part + 1) * tasks; task = pool.next_task()) {
        const int64_t row = task % tasks / bands * chunk, band = task % bands, rows = smaller(chunk, job.M - row);
        pack_chunk(job, row, rows, k0, terms, blocks, job.A_sums && band == 0);
        for (int64_t p = panels * band / bands; p < panels * (band + 1) / bands; p++)
          for (int64_t r = 0; r < rows; r += rows_of_block) {
            const int64_t height = smaller(rows_of_block, rows - r), column = p * panel_columns;
            const float* panel = packed + p * panel_size;
            const float* block = blocks + r * (job.A_by_k ? terms : row_stride);
            if (width_of_panel(job, p) == V)
              multiply_tile<1>(job, block, row + r, height, panel, column, terms, part == 0);
            else
              multiply_tile<panel_vectors>(job, block, row + r, height, panel, column, terms, part == 0);
          }
      }
    }
  });
}

}  // namespace rnnnlp::ISA
