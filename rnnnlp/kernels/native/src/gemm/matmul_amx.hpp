// Matrix products of any size on the matrix unit: as matmul.hpp, on tiles of bf16 splits.

// C (M, N) = A (M, K) @ B (K, N); V lanes of a vector
#pragma once

#include "kernels.hpp"
#include "runtime/memory.hpp"
#include "runtime/thread_pool.hpp"
#include "simd/amx.hpp"

namespace rnnnlp::ISA {

// The sums start and end in memory once for each part of 512 terms, so results do not depend on the threads.
constexpr long terms_of_split_part = 512;
constexpr long blocks_of_part = terms_of_split_part / terms_of_block;
constexpr long rows_of_split_chunk = 192;
constexpr long stride_of_chunk = blocks_of_part * num_splits * terms_of_block + terms_of_block;

// The terms k .. k + 31 of the columns first .. first + 15 of a matrix (K, columns): one tile of 16 pairs of terms for
// each split, `split_step` apart.
template <class Row>  // row(k) is the address of row k
RNNNLP_INLINE void split_columns(Row&& row, long k, long K, long first, long columns, bf16* to, long split_step) {
  for (long j = 0; j < terms_of_block; j += 2) {
    auto terms = [&](long k) { return k < K && columns > first ? load(row(k) + first, columns - first) : vec{}; };
    Splits s = split_pairs(terms(k + j), terms(k + j + 1));
    for (int k = 0; k < num_splits; k++) _mm512_storeu_si512(to + k * split_step + j * V, s.split[k]);
  }
}

// The same of a matrix (rows, K): 16 rows of 32 terms, `stride` apart.
RNNNLP_INLINE void split_rows(const float* from, long from_stride, long k, long K, long first, long rows, bf16* to,
                              long stride, long split_step) {
  for (long r = 0; r < 16; r++)
    for (long half = 0; half < terms_of_block; half += V) {
      const bool inside = first + r < rows && k + half < K;
      HalfSplits s = split_row(inside ? load(from + (first + r) * from_stride + k + half, K - k - half) : vec{});
      for (int k = 0; k < num_splits; k++)
        _mm256_storeu_si256((__m256i*)(to + k * split_step + r * stride + half), s.split[k]);
    }
}

RNNNLP_INLINE int width_of_split_panel(const Matmul& job, long p) { return job.N - p * 2 * V <= V ? 1 : 2; }

// Panels first .. last - 1 of B, each two columns of tiles wide; the last one may be one column wide. Packs `blocks`
// blocks of terms from k0 on.
inline void split_panels(const Matmul& job, long k0, long blocks, long first, long last, bf16* to, long panel_size) {
  alignas(64) bf16 rows[num_splits * bf16_of_tile];
  for (long block = 0; block < blocks; block++) {
    const long k = k0 + block * terms_of_block;
    for (long p = first; p < last; p++) {
      const int width = width_of_split_panel(job, p);
      const long split_step = width * bf16_of_tile;
      for (int c = 0; c < width; c++) {
        bf16* tile = to + p * panel_size + (block * num_splits * width + c) * bf16_of_tile;
        const long column = p * 2 * V + c * V;
        if (job.B_by_k) {
          split_columns([&](long k) { return job.B_rows ? job.B_rows[k] : job.B + k * job.B_stride; }, k, job.K, column,
                        job.N, tile, split_step);
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
inline void split_chunk(const Matmul& job, long first, long rows, long k0, long blocks, bf16* to, bool sums) {
  alignas(64) bf16 pairs[num_splits * bf16_of_tile];
  for (long block = 0; block < blocks; block++) {
    const long k = k0 + block * terms_of_block;
    bf16* tile = to + block * num_splits * terms_of_block;
    if (!job.A_by_k) {
      for (long r = 0; r < rows; r += 16)
        split_rows(job.A, job.A_stride, k, job.K, first + r, job.M, tile + r * stride_of_chunk, stride_of_chunk,
                   terms_of_block);
      continue;
    }
    for (long j = k + terms_of_block; j < smaller(k + 2 * terms_of_block, job.K);
         j++)  // the processor does not predict rows that are far apart
      prefetch(job.A + j * job.A_stride + first, rows);
    for (long r = 0; r < rows; r += 16) {
      split_columns([&](long k) { return job.A + k * job.A_stride; }, k, job.K, first + r, job.M, pairs, bf16_of_tile);
      for (int split = 0; split < num_splits; split++)
        transpose(pairs + split * bf16_of_tile, tile + r * stride_of_chunk + split * terms_of_block,
                  stride_of_chunk * sizeof(bf16));
    }
    if (sums)
      for (long j = k; j < smaller(job.K, k + terms_of_block); j++)
        for (long r = first; r < first + rows; r++)
          job.A_sums[r] = job.A[j * job.A_stride + r] + (j > 0 ? job.A_sums[r] : 0.0f);
  }
}

template <int R, int C>
RNNNLP_INLINE void add_tiles(bool from_zero, const bf16* A, const bf16* panel, long blocks, float* sums, long stride) {
  from_zero ? tiles_of<R, C, false>(A, stride_of_chunk, panel, C, blocks, sums, stride)
            : tiles_of<R, C, true>(A, stride_of_chunk, panel, C, blocks, sums, stride);
}

// At most 32 rows and columns of the result: the first part starts from zero or from the bias, the others from C.
inline void multiply_tiles(const Matmul& job, const bf16* A, long row, long rows, const bf16* panel, long column,
                           int width, long blocks, bool first) {
  const long columns = smaller(width * V, job.N - column);
  float* to = job.C + row * job.C_stride + column;
  alignas(64) float edge[32 * 32];
  float* sums = to;
  long stride = job.C_stride;
  if (columns < width * V || rows % 16) sums = edge, stride = 32;
  const bool from_bias = first, from_zero = from_bias && !job.bias;
  if (!from_zero && (from_bias || sums == edge))
    for (long r = 0; r < rows; r++)
      for (long n = 0; n < columns; n += V)
        store(sums + r * stride + n, load(from_bias ? job.bias + column + n : to + r * job.C_stride + n, columns - n),
              sums == edge ? V : columns - n);
  if (rows > 16)
    width == 2 ? add_tiles<2, 2>(from_zero, A, panel, blocks, sums, stride)
               : add_tiles<2, 1>(from_zero, A, panel, blocks, sums, stride);
  else
    width == 2 ? add_tiles<1, 2>(from_zero, A, panel, blocks, sums, stride)
               : add_tiles<1, 1>(from_zero, A, panel, blocks, sums, stride);
  if (sums == edge)
    for (long r = 0; r < rows; r++)
      for (long n = 0; n < columns; n += V) store(to + r * job.C_stride + n, load(edge + r * stride + n), columns - n);
}

inline void matmul_splits(ThreadPool& pool, const Matmul& job) {
  const long panels = groups_of(job.N, 2 * V), panel_size = blocks_of_part * num_splits * 2 * bf16_of_tile;
  // About four chunks for each thread, so that a slow thread gets fewer.
  const long chunk = clamp(groups_of(job.M, 4 * pool.size() * 32), 1, rows_of_split_chunk / 32) * 32;
  const long chunks = groups_of(job.M, chunk), bands = clamp(2 * pool.size() / larger(chunks, 1), 1, panels);
  const long tasks = chunks * bands, parts = larger(groups_of(job.K, terms_of_split_part), 1);
  bf16* packed_B = scratch_of<bf16>(Scratch::matmul_panels, (parts > 1 ? 2 : 1) * panels * panel_size);
  bf16* packed_A = scratch_of<bf16>(Scratch::matmul_rows, pool.size() * chunk * stride_of_chunk);

  run_on(pool, [&](int thread) {
    TilesInUse in_use;
    bf16* rows_of_A = packed_A + thread * chunk * stride_of_chunk;
    long task = pool.next_task();
    for (long at = 0; at < parts; at++) {
      const long k0 = at * terms_of_split_part,
                 blocks = groups_of(smaller(terms_of_split_part, job.K - k0), terms_of_block);
      bf16* packed = packed_B + at % 2 * panels * panel_size;
      split_panels(job, k0, blocks, panels * thread / pool.size(), panels * (thread + 1) / pool.size(), packed,
                   panel_size);
      pool.barrier(thread);
      for (; task < (at + 1) * tasks; task = pool.next_task()) {
        const long row = task % tasks / bands * chunk, band = task % bands, rows = smaller(chunk, job.M - row);
        split_chunk(job, row, rows, k0, blocks, rows_of_A, job.A_sums && band == 0);
        const long last = panels * (band + 1) / bands;
        for (long p = panels * band / bands; p < last; p++)
          for (long r = 0; r < rows; r += 32)
            multiply_tiles(job, rows_of_A + r * stride_of_chunk, row + r, smaller(32, rows - r),
                           packed + p * panel_size, p * 2 * V, width_of_split_panel(job, p), blocks, at == 0);
      }
    }
  });
}

}  // namespace rnnnlp::ISA
