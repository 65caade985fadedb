// Matrix products of any size on the matrix unit: as matmul.hpp, on tiles of bf16 splits.

// C (M, N) = A (M, K) @ B (K, N); V lanes of a vector
#pragma once

#include "kernels.hpp"
#include "runtime/memory.hpp"
#include "runtime/thread_pool.hpp"
#include "simd/amx.hpp"

namespace rnnnlp::ISA {

// The sums start and end in memory once for each part of 512 terms, so results do not depend on the threads.
constexpr int64_t terms_of_split_part = 512;
constexpr int64_t blocks_of_part = terms_of_split_part / terms_of_block;
constexpr int64_t rows_of_split_chunk = 192;
constexpr int64_t stride_of_chunk = blocks_of_part * num_splits * terms_of_block + terms_of_block;

// The terms k .. k + 31 of the columns first .. first + 15 of a matrix (K, columns): one tile of 16 pairs of terms for
// each split, `split_step` apart.
template <class Row>  // row(k) is the address of row k
RNNNLP_INLINE void split_columns(Row&& row, int64_t k, int64_t K, int64_t first, int64_t columns, bf16* to,
                                 int64_t split_step) {
  for (int64_t j = 0; j < terms_of_block; j += 2) {
    auto terms = [&](int64_t k) { return k < K && columns > first ? load(row(k) + first, columns - first) : vec{}; };
    Splits s = split_pairs(terms(k + j), terms(k + j + 1));
    for (int k = 0; k < num_splits; k++) _mm512_storeu_si512(to + k * split_step + j * V, s.split[k]);
  }
}

// The same of a matrix (rows, K): 16 rows of 32 terms, `stride` apart.
RNNNLP_INLINE void split_rows(const float* from, int64_t from_stride, int64_t k, int64_t K, int64_t first, int64_t rows,
                              bf16* to, int64_t stride, int64_t split_step) {
  for (int64_t r = 0; r < 16; r++)
    for (int64_t half = 0; half < terms_of_block; half += V) {
      const bool inside = first + r < rows && k + half < K;
      HalfSplits s = split_row(inside ? load(from + (first + r) * from_stride + k + half, K - k - half) : vec{});
      for (int k = 0; k < num_splits; k++)
        _mm256_storeu_si256((__m256i*)(to + k * split_step + r * stride + half), s.split[k]);
    }
}

RNNNLP_INLINE int width_of_split_panel(const Matmul& job, int64_t p) { return job.N - p * 2 * V <= V ? 1 : 2; }

// Panels first .. last - 1 of B, each two columns of tiles wide; the last one may be one column wide. Packs `blocks`
// blocks of terms from k0 on.
inline void split_panels(const Matmul& job, int64_t k0, int64_t blocks, int64_t first, int64_t last, bf16* to,
                         int64_t panel_size) {
  alignas(64) bf16 rows[num_splits * bf16_of_tile];
  for (int64_t block = 0; block < blocks; block++) {
    const int64_t k = k0 + block * terms_of_block;
    for (int64_t p = first; p < last; p++) {
      const int width = width_of_split_panel(job, p);
      const int64_t split_step = width * bf16_of_tile;
      for (int c = 0; c < width; c++) {
        bf16* tile = to + p * panel_size + (block * num_splits * width + c) * bf16_of_tile;
        const int64_t column = p * 2 * V + c * V;
        if (job.B_by_k) {
          split_columns([&](int64_t k) { return job.B_rows ? job.B_rows[k] : job.B + k * job.B_stride; }, k, job.K,
                        column, job.N, tile, split_step);
          continue;
        }
        split_rows(job.B, job.B_stride, k, job.K, column, job.N, rows, terms_of_block, bf16_of_tile);
        for (int split = 0; split < num_splits; split++)
          transpose(rows + split * bf16_of_tile, tile + split * split_step, 64);
      }
    }
  }
}

// Rows of A as a left factor, 16 at a time.
inline void split_chunk(const Matmul& job, int64_t first, int64_t rows, int64_t k0, int64_t blocks, bf16* to,
                        bool sums) {
  alignas(64) bf16 pairs[num_splits * bf16_of_tile];
  for (int64_t block = 0; block < blocks; block++) {
    const int64_t k = k0 + block * terms_of_block;
    bf16* tile = to + block * num_splits * terms_of_block;
    if (!job.A_by_k) {
      for (int64_t r = 0; r < rows; r += 16)
        split_rows(job.A, job.A_stride, k, job.K, first + r, job.M, tile + r * stride_of_chunk, stride_of_chunk,
                   terms_of_block);
      continue;
    }
    for (int64_t j = k + terms_of_block; j < smaller(k + 2 * terms_of_block, job.K);
         j++)  // the processor does not predict rows that are far apart
      prefetch(job.A + j * job.A_stride + first, rows);
    for (int64_t r = 0; r < rows; r += 16) {
      split_columns([&](int64_t k) { return job.A + k * job.A_stride; }, k, job.K, first + r, job.M, pairs,
                    bf16_of_tile);
      for (int split = 0; split < num_splits; split++)
        transpose(pairs + split * bf16_of_tile, tile + r * stride_of_chunk + split * terms_of_block,
                  stride_of_chunk * sizeof(bf16));
    }
    if (sums)
      for (int64_t j = k; j < smaller(job.K, k + terms_of_block); j++)
        for (int64_t r = first; r < first + rows; r++)
          job.A_sums[r] = job.A[j * job.A_stride + r] + (j > 0 ? job.A_sums[r] : 0.0f);
  }
}

template <int R, int C>
RNNNLP_INLINE void add_tiles(bool from_zero, const bf16* A, const bf16* panel, int64_t blocks, float* sums,
                             int64_t stride) {
  from_zero ? tiles_of<R, C, false>(A, stride_of_chunk, panel, C, blocks, sums, stride)
            : tiles_of<R, C, true>(A, stride_of_chunk, panel, C, blocks, sums, stride);
}

// At most 32 rows and columns of the result: the first part starts from zero or from the bias, the others from C.
inline void multiply_tiles(const Matmul& job, const bf16* A, int64_t row, int64_t rows, const bf16* panel,
                           int64_t column, int width, int64_t blocks, bool first) {
  const int64_t columns = smaller(width * V, job.N - column);
  float* to = job.C + row * job.C_stride + column;
  alignas(64) float edge[32 * 32];
  float* sums = to;
  int64_t stride = job.C_stride;
  if (columns < width * V || rows % 16) sums = edge, stride = 32;
  const bool from_bias = first, from_zero = from_bias && !job.bias;
  if (!from_zero && (from_bias || sums == edge))
    for (int64_t r = 0; r < rows; r++)
      for (int64_t n = 0; n < columns; n += V)
        store(sums + r * stride + n, load(from_bias ? job.bias + column + n : to + r * job.C_stride + n, columns - n),
              sums == edge ? V : columns - n);
  if (rows > 16)
    width == 2 ? add_tiles<2, 2>(from_zero, A, panel, blocks, sums, stride)
               : add_tiles<2, 1>(from_zero, A, panel, blocks, sums, stride);
  else
    width == 2 ? add_tiles<1, 2>(from_zero, A, panel, blocks, sums, stride)
               : add_tiles<1, 1>(from_zero, A, panel, blocks, sums, stride);
  if (sums == edge)
    for (int64_t r = 0; r < rows; r++)
      for (int64_t n = 0; n < columns; n += V)
        store(to + r * job.C_stride + n, load(edge + r * stride + n), columns - n);
}

inline void matmul_splits(ThreadPool& pool, const Matmul& job) {
  const int64_t panels = groups_of(job.N, 2 * V), panel_size = blocks_of_part * num_splits * 2 * bf16_of_tile;
  // About four chunks for each thread, so that a slow thread gets fewer.
  const int64_t chunk = clamp(groups_of(job.M, 4 * pool.size() * 32), 1, rows_of_split_chunk / 32) * 32;
  const int64_t chunks = groups_of(job.M, chunk), bands = clamp(2 * pool.size() / larger(chunks, 1), 1, panels);
  const int64_t tasks = chunks * bands, parts = larger(groups_of(job.K, terms_of_split_part), 1);
  bf16* packed_B = scratch_of<bf16>(Scratch::matmul_panels, (parts > 1 ? 2 : 1) * panels * panel_size);
  bf16* packed_A = scratch_of<bf16>(Scratch::matmul_rows, pool.size() * chunk * stride_of_chunk);

  run_on(pool, [&](int thread) {
    TilesInUse in_use;
    bf16* rows_of_A = packed_A + thread * chunk * stride_of_chunk;
    int64_t task = pool.next_task();
    for (int64_t at = 0; at < parts; at++) {
      const int64_t k0 = at * terms_of_split_part,
                    blocks = groups_of(smaller(terms_of_split_part, job.K - k0), terms_of_block);
      bf16* packed = packed_B + at % 2 * panels * panel_size;
      split_panels(job, k0, blocks, panels * thread / pool.size(), panels * (thread + 1) / pool.size(), packed,
                   panel_size);
      pool.barrier(thread);
      for (; task < (at + 1) * tasks; task = pool.next_task()) {
        const int64_t row = task % tasks / bands * chunk, band = task % bands, rows = smaller(chunk, job.M - row);
        split_chunk(job, row, rows, k0, blocks, rows_of_A, job.A_sums && band == 0);
        const int64_t last = panels * (band + 1) / bands;
        for (int64_t p = panels * band / bands; p < last; p++)
          for (int64_t r = 0; r < rows; r += 32)
            multiply_tiles(job, rows_of_A + r * stride_of_chunk, row + r, smaller(32, rows - r),
                           packed + p * panel_size, p * 2 * V, width_of_split_panel(job, p), blocks, at == 0);
      }
    }
  });
}

}  // namespace rnnnlp::ISA
