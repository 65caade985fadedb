// Matrix products of any size on the matrix unit: as product.hpp, on tiles of parts of numbers.

// C (M, N) = A (M, K) @ B (K, N); V lanes of a vector
#pragma once

#include "amx.hpp"
#include "memory.hpp"
#include "table.hpp"
#include "team.hpp"

namespace rnnnlp::ISA {

// The sums of a product begin and end in memory once for each part of so many terms, always the same ones.
constexpr long terms_of_split_part = 512;
constexpr long blocks_of_part = terms_of_split_part / terms_of_block;
constexpr long rows_of_split_chunk = 192;
constexpr long stride_of_chunk = blocks_of_part * planes * terms_of_block + terms_of_block;

// The terms k .. k + 31 of the columns first .. first + 15 of a matrix (K, columns): 16 pairs of terms, a tile a plane, `plane_step` apart.
template <class Row>  // row(k) is where the term's row begins
RNNNLP_INLINE void split_columns(Row&& row, long k, long K, long first, long columns, part* to, long plane_step) {
  for (long j = 0; j < terms_of_block; j += 2) {
    auto terms = [&](long k) { return k < K && columns > first ? load(row(k) + first, columns - first) : vec{}; };
    Split s = split_pairs(terms(k + j), terms(k + j + 1));
    for (int plane = 0; plane < planes; plane++) _mm512_storeu_si512(to + plane * plane_step + j * V, s.plane[plane]);
  }
}

// The same of a matrix (rows, K): 16 rows of 32 terms, `stride` apart.
RNNNLP_INLINE void split_rows(const float* from, long from_stride, long k, long K, long first, long rows, part* to, long stride, long plane_step) {
  for (long r = 0; r < 16; r++)
    for (long half = 0; half < terms_of_block; half += V) {
      const bool inside = first + r < rows && k + half < K;
      HalfSplit s = split(inside ? load(from + (first + r) * from_stride + k + half, K - k - half) : vec{});
      for (int plane = 0; plane < planes; plane++) _mm256_storeu_si256((__m256i*)(to + plane * plane_step + r * stride + half), s.plane[plane]);
    }
}

RNNNLP_INLINE int width_of_split_panel(const Product& job, long p) { return job.N - p * 2 * V <= V ? 1 : 2; }

// Panels first .. last - 1 of B, two columns of tiles wide (the last one perhaps one): the terms of `blocks` blocks from k0 on.
inline void split_panels(const Product& job, long k0, long blocks, long first, long last, part* to, long panel_size) {
  alignas(64) part rows[planes * parts_of_tile];
  for (long block = 0; block < blocks; block++) {
    const long k = k0 + block * terms_of_block;
    for (long p = first; p < last; p++) {
      const int width = width_of_split_panel(job, p);
      const long plane_step = width * parts_of_tile;
      for (int c = 0; c < width; c++) {
        part* tile = to + p * panel_size + (block * planes * width + c) * parts_of_tile;
        const long column = p * 2 * V + c * V;
        if (job.B_by_k) {
          split_columns([&](long k) { return job.B_rows ? job.B_rows[k] : job.B + k * job.B_stride; }, k, job.K, column, job.N, tile, plane_step);
          continue;
        }
        split_rows(job.B, job.B_stride, k, job.K, column, job.N, rows, terms_of_block, parts_of_tile);
        for (int plane = 0; plane < planes; plane++)
          transpose(rows + plane * parts_of_tile, tile + plane * plane_step, 64);
      }
    }
  }
}

// Rows of A as a left factor, 16 at a time.
inline void split_chunk(const Product& job, long first, long rows, long k0, long blocks, part* to, bool sums) {
  alignas(64) part pairs[planes * parts_of_tile];
  for (long block = 0; block < blocks; block++) {
    const long k = k0 + block * terms_of_block;
    part* tile = to + block * planes * terms_of_block;
    if (!job.A_by_k) {
      for (long r = 0; r < rows; r += 16)
        split_rows(job.A, job.A_stride, k, job.K, first + r, job.M, tile + r * stride_of_chunk, stride_of_chunk, terms_of_block);
      continue;
    }
    for (long j = k + terms_of_block; j < smaller(k + 2 * terms_of_block, job.K); j++)  // rows far apart, which the processor does not guess
      prefetch(job.A + j * job.A_stride + first, rows);
    for (long r = 0; r < rows; r += 16) {
      split_columns([&](long k) { return job.A + k * job.A_stride; }, k, job.K, first + r, job.M, pairs, parts_of_tile);
      for (int plane = 0; plane < planes; plane++)
        transpose(pairs + plane * parts_of_tile, tile + r * stride_of_chunk + plane * terms_of_block, stride_of_chunk * sizeof(part));
    }
    if (sums)
      for (long j = k; j < smaller(job.K, k + terms_of_block); j++)
        for (long r = first; r < first + rows; r++) job.A_sums[r] = job.A[j * job.A_stride + r] + (j > 0 ? job.A_sums[r] : 0.0f);
  }
}

template <int R, int C>
RNNNLP_INLINE void add_tiles(bool from_zero, const part* A, const part* panel, long blocks, float* sums, long stride) {
  from_zero ? tiles_of<R, C, false>(A, stride_of_chunk, panel, C, blocks, sums, stride)
            : tiles_of<R, C, true>(A, stride_of_chunk, panel, C, blocks, sums, stride);
}

// At most 32 rows and columns of the result: the first part starts from zero, the bias, or what C has.
inline void multiply_tiles(const Product& job, const part* A, long row, long rows, const part* panel, long column, int width, long blocks,
                           bool first) {
  const long columns = smaller(width * V, job.N - column);
  float* to = job.C + row * job.C_stride + column;
  alignas(64) float edge[32 * 32];
  float* sums = to;
  long stride = job.C_stride;
  if (columns < width * V || rows % 16) sums = edge, stride = 32;
  const bool from_bias = first && !job.add, from_zero = from_bias && !job.bias;
  if (!from_zero && (from_bias || sums == edge))
    for (long r = 0; r < rows; r++)
      for (long n = 0; n < columns; n += V)
        store(sums + r * stride + n, load(from_bias ? job.bias + column + n : to + r * job.C_stride + n, columns - n), sums == edge ? V : columns - n);
  if (rows > 16)
    width == 2 ? add_tiles<2, 2>(from_zero, A, panel, blocks, sums, stride) : add_tiles<2, 1>(from_zero, A, panel, blocks, sums, stride);
  else
    width == 2 ? add_tiles<1, 2>(from_zero, A, panel, blocks, sums, stride) : add_tiles<1, 1>(from_zero, A, panel, blocks, sums, stride);
  if (sums == edge)
    for (long r = 0; r < rows; r++)
      for (long n = 0; n < columns; n += V) store(to + r * job.C_stride + n, load(edge + r * stride + n), columns - n);
}

inline void multiply_splits(Team& team, const Product& job) {
  const long panels = groups_of(job.N, 2 * V), panel_size = blocks_of_part * planes * 2 * parts_of_tile;
  // About four chunks a rank, so that a rank that is slowed down takes fewer.
  const long chunk = clamp(groups_of(job.M, 4 * team.size() * 32), 1, rows_of_split_chunk / 32) * 32;
  const long chunks = groups_of(job.M, chunk), bands = clamp(2 * team.size() / larger(chunks, 1), 1, panels);
  const long tasks = chunks * bands, parts = larger(groups_of(job.K, terms_of_split_part), 1);
  part* packed_B = scratch_of<part>(Scratch::panels, (parts > 1 ? 2 : 1) * panels * panel_size);
  part* packed_A = scratch_of<part>(Scratch::blocks, team.size() * chunk * stride_of_chunk);

  run_on(team, [&](int rank) {
    TilesInUse in_use;
    part* rows_of_A = packed_A + rank * chunk * stride_of_chunk;
    long task = team.take();
    for (long at = 0; at < parts; at++) {
      const long k0 = at * terms_of_split_part, blocks = groups_of(smaller(terms_of_split_part, job.K - k0), terms_of_block);
      part* packed = packed_B + at % 2 * panels * panel_size;
      split_panels(job, k0, blocks, panels * rank / team.size(), panels * (rank + 1) / team.size(), packed, panel_size);
      team.barrier(rank);
      for (; task < (at + 1) * tasks; task = team.take()) {
        const long row = task % tasks / bands * chunk, band = task % bands, rows = smaller(chunk, job.M - row);
        split_chunk(job, row, rows, k0, blocks, rows_of_A, job.A_sums && band == 0);
        const long last = panels * (band + 1) / bands;
        for (long p = panels * band / bands; p < last; p++)
          for (long r = 0; r < rows; r += 32)
            multiply_tiles(job, rows_of_A + r * stride_of_chunk, row + r, smaller(32, rows - r), packed + p * panel_size, p * 2 * V,
                           width_of_split_panel(job, p), blocks, at == 0);
      }
    }
  });
}

}  // namespace rnnnlp::ISA
