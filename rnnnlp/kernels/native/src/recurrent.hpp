// The walk over time that all cells share: who does what, the packed weights, and the loop.

// N tokens, T steps, B sequences, B_t sequences alive at step t, H hidden, G gates, V lanes of a vector
#pragma once

#include <type_traits>

#include "memory.hpp"
#include "product.hpp"
#include "table.hpp"
#include "tile.hpp"

namespace rnnnlp::ISA {

// Rows of the running state lie this far apart: whole vectors, and not a power of two, which would crowd a few cache sets.
RNNNLP_INLINE long padded(long columns) { return groups_of(columns, 16) * 16 + 16; }

// How one rank takes part. While the weights fit its L2 cache, a rank has some rows of the batch and all units: no waiting at all.
// Larger weights are split instead, so that each rank's part stays in its cache; all ranks then wait for each other once a step.
// Rows are cut into blocks of nearly equal size, dealt in a snake because the first rows of a ragged batch live longest.
struct Share {
  bool by_units;
  int rank, ranks;
  long B, blocks, panels;

  Share(int rank, int ranks, long B, long rows_of_block, long panels, bool by_units)
      : by_units(by_units), rank(rank), ranks(ranks), B(B), panels(panels) {
    blocks = groups_of(B, rows_of_block);
    if (!by_units) blocks = smaller(groups_of(blocks, ranks) * ranks, B);
  }

  long first_panel() const { return by_units ? panels * rank / ranks : 0; }
  long last_panel() const { return by_units ? panels * (rank + 1) / ranks : panels; }
  long first_row(long block) const { return B * block / blocks; }
  bool has(long block) const {
    if (by_units) return true;
    long lap = block / ranks, place = block % ranks;
    return (lap % 2 ? ranks - 1 - place : place) == rank;
  }
};

RNNNLP_INLINE bool split_by_units(const Recurrence& job, long weights, const Team& team) {
  if (team.size() == 1) return false;
  return weights * (long)sizeof(float) > bytes_of_L2() || job.B < 2 * team.size();
}

// First packed row of each step, and N at the end: (T + 1,)
inline long* offsets_of(const Recurrence& job) {
  long* offsets = scratch_of<long>(Scratch::offsets, job.T + 1);
  offsets[0] = 0;
  for (long t = 0; t < job.T; t++) offsets[t + 1] = offsets[t] + job.batch_sizes[t];
  return offsets;
}

// Rows (B, columns) to rows `stride` apart, the rest zero.
inline void copy_rows(const float* from, long B, long columns, float* to, long stride) {
  for (long b = 0; b < B; b++)
    for (long k = 0; k < stride; k++) to[b * stride + k] = from && k < columns ? from[b * columns + k] : 0.0f;
}

// ------------------------------------------------------------------------------------------------------------- forward

// One step of the walk as a cell sees it.
struct ForwardStep {
  const Forward* job;
  long first;          // packed row of the step's row 0
  const float* h_in;   // (B, stride) state before the step
  float* h_out;        // (B, stride) and after it
  float* c;            // (B, stride)
  long stride;

  const float* pre(long row) const {
    long n = first + row;
    return job->pre + (job->tokens ? job->tokens[n] : n) * (gates_of(job->cell) * job->H);
  }
  float* h(long row) const { return job->h + (first + row) * job->H; }
  float* gates(long row) const { return job->gates ? job->gates + (first + row) * (gates_of(job->cell) * job->H) : nullptr; }
  float* memory(long row) const { return job->memory + (first + row) * job->H; }
};

// Of a cell that is done with a step after one product with the state; another one has a `Second` product.
struct OneProduct {
  using Second = void;
  static constexpr int first_gate = 0;

  static RNNNLP_INLINE const float* from(const ForwardStep& step) { return step.h_in; }
};

template <class F>
constexpr bool has_second = !std::is_void_v<typename F::Second>;

// Panel p has, for each k, the weights of G gates of the units p*U .. p*U + U - 1: (K, G, U).
inline void pack_forward_panel(int G, long H, const float* W, long K, long U, long panel, float* to) {
  for (long k = 0; k < K; k += 16)  // 16 at a time: one cache line of each row
    for (int g = 0; g < G; g++)
      for (long lane = 0; lane < U; lane++) {
        long unit = panel * U + lane;
        const float* row = W + (g * H + unit) * K;
        for (long j = k; j < smaller(k + 16, K); j++) to[(j * G + g) * U + lane] = unit < H ? row[j] : 0.0f;
      }
}

// A rank's part of one product of one step, and what the cell makes of the sums.
template <class F>
RNNNLP_INLINE void forward_product(const ForwardStep& step, const Share& share, long rows_alive, const float* weights, float* sums) {
  constexpr int C = F::gates * F::U / V;  // vectors of columns of a panel
  const Forward& job = *step.job;
  for (long p = share.first_panel(); p < share.last_panel(); p++)
    for (long block = 0; block < share.blocks; block++) {
      if (!share.has(block)) continue;
      long row = share.first_row(block), rows = smaller(share.first_row(block + 1), rows_alive) - row;
      if (rows <= 0) break;
      for (long r = 0; r < rows; r++)  // from memory while the product runs
        for (int g = 0; g < F::gates; g++) prefetch(step.pre(row + r) + (F::first_gate + g) * job.H + p * F::U, F::U);
      multiply<C>(rows, F::from(step) + row * step.stride, step.stride, weights + p * job.H * C * V, job.H, sums);
      for (long r = 0; r < rows; r++)
        for (long u = 0; u < F::U; u += V) {
          long unit = p * F::U + u;
          if (unit < job.H) F::finish(step, row + r, unit, job.H - unit, sums + r * C * V + u);
        }
    }
}

// This rank's panels of one product's part of W (G*H, K).
template <class F>
void pack_forward_product(long H, const float* W, long K, int rank, int ranks, float* to) {
  const long panels = groups_of(H, F::U), panel_size = K * F::gates * F::U;
  for (long p = panels * rank / ranks; p < panels * (rank + 1) / ranks; p++)
    pack_forward_panel(F::gates, H, W + F::first_gate * H * K, K, F::U, p, to + p * panel_size);
}

template <class F>  // a cell's forward side: F::U units of a panel, F::finish(step, row, unit, lanes, sums)
void forward_walk(Team& team, const Forward& job) {
  constexpr int C = F::gates * F::U / V;
  const long panels = groups_of(job.H, F::U), stride = padded(job.H);
  const long* offsets = offsets_of(job);
  const long first_weights = panels * job.H * C * V;
  long second_panels = 0, second_weights = 0;
  if constexpr (has_second<F>) {
    second_panels = groups_of(job.H, F::Second::U);
    second_weights = second_panels * job.H * F::Second::gates * F::Second::U;
  }
  float* weights = scratch(Scratch::weights, first_weights + second_weights);
  float* h_buffers[2] = {scratch(Scratch::h_in, job.B * stride), scratch(Scratch::h_out, job.B * stride)};
  float* c = scratch(Scratch::c, (has_second<F> ? 2 : 1) * job.B * stride);
  const bool by_units = split_by_units(job, first_weights + second_weights, team);

  run_on(team, [&](int rank) {
    Share share(rank, team.size(), job.B, rows_of_tile(C), panels, by_units);
    [[maybe_unused]] Share second_share(rank, team.size(), job.B, rows_of_tile(C), second_panels, by_units);
    // Each rank packs what it will read itself if the units are split, or else an equal part.
    pack_forward_product<F>(job.H, job.W_h, job.H, rank, team.size(), weights);
    if constexpr (has_second<F>)
      pack_forward_product<typename F::Second>(job.H, job.W_h, job.H, rank, team.size(), weights + first_weights);
    if (rank == 0) {
      copy_rows(job.h0, job.B, job.H, h_buffers[0], stride);
      copy_rows(job.h0, job.B, job.H, h_buffers[1], stride);  // rows that join later start from either
      if (job.c0) copy_rows(job.c0, job.B, job.H, c, stride);
    }
    team.barrier();
    alignas(64) float sums[rows_of_tile(C) * C * V];
    for (long s = 0; s < job.T; s++) {
      long t = job.reverse ? job.T - 1 - s : s;
      ForwardStep step{&job, offsets[t], h_buffers[s % 2], h_buffers[(s + 1) % 2], c, stride};
      forward_product<F>(step, share, job.batch_sizes[t], weights, sums);
      if (by_units) team.barrier();
      if constexpr (has_second<F>) {
        forward_product<typename F::Second>(step, second_share, job.batch_sizes[t], weights + first_weights, sums);
        if (by_units) team.barrier();
      }
    }
  });

  for (long b = 0; b < job.B; b++) {  // the last step of row b: T - 1 steps back it was alive, or step 0
    long t = job.T - 1;
    if (job.reverse) t = 0;
    else while (job.batch_sizes[t] <= b) t--;
    for (long k = 0; k < job.H; k++) {
      job.h_T[b * job.H + k] = job.h[(offsets[t] + b) * job.H + k];
      if (job.c0) job.c_T[b * job.H + k] = c[b * stride + k];
    }
  }
}

// ------------------------------------------------------------------------------------------------------------ backward

// One step of the walk back as a cell sees it.
struct BackwardStep {
  const Backward* job;
  long first;          // packed row of the step's row 0
  long before;         // packed row of row 0 of the step before it, on the forward walk
  long rows_before;    // rows that have a step before; the others came from the initial state
  float* da;           // (B, da_stride) errors of the products W_h h, for the walk
  float* dc;           // (B, stride) error of the cell state, or what passes by the product
  float* candidate;    // errors of the GRU's W_hn h (N, H), or of n before its tanh if the reset comes first (B, stride)
  long da_stride, stride;

  const float* gates(long row) const { return job->gates + (first + row) * (gates_of(job->cell) * job->H); }
  const float* memory(long row) const { return job->memory + (first + row) * job->H; }
  const float* c_before(long row) const { return row < rows_before ? job->memory + (before + row) * job->H : job->c0 + row * job->H; }
  const float* h_before(long row) const { return row < rows_before ? job->h + (before + row) * job->H : job->h0 + row * job->H; }
  float* dpre(long row) const { return job->dpre + (first + row) * (gates_of(job->cell) * job->H); }
};

// This rank's panels of W (K, H): columns p*2V .. p*2V + 2V - 1, each panel (K, 2V).
inline void pack_backward_product(const float* W, long K, long H, int rank, int ranks, float* to) {
  const long panels = groups_of(H, 2 * V);
  for (long p = panels * rank / ranks; p < panels * (rank + 1) / ranks; p++)
    for (long k = 0; k < K; k++)
      for (long lane = 0; lane < 2 * V; lane += V) {
        long unit = p * 2 * V + lane;
        store(to + (p * K + k) * 2 * V + lane, load(W + k * H + unit, H - unit));
      }
}

// The state that each packed row's step started from: (N,) pointers to (H,)
inline const float** rows_before(const Recurrence& job, const long* offsets) {
  const float** before = scratch_of<const float*>(Scratch::before, job.N);
  for (long t = 0; t < job.T; t++) {
    long earlier = job.reverse ? t + 1 : t - 1;
    long rows = earlier >= 0 && earlier < job.T ? job.batch_sizes[earlier] : 0;
    for (long b = 0; b < job.batch_sizes[t]; b++)
      before[offsets[t] + b] = b < rows ? job.h + (offsets[earlier] + b) * job.H : job.h0 + b * job.H;
  }
  return before;
}

template <class F>  // a cell's backward side: F::finish(step, row, unit, lanes, dh) and F::carried(step, row, unit)
void backward_walk(Team& team, const Backward& job) {
  constexpr int C = 2;
  const int G = gates_of(job.cell);
  const long K = F::gates * job.H, panels = groups_of(job.H, C * V), panel_size = K * C * V;
  const long second_size = has_second<F> ? job.H * C * V : 0;
  const long stride = padded(job.H), da_stride = padded(K);
  const long* offsets = offsets_of(job);
  float* weights = scratch(Scratch::weights, panels * (panel_size + second_size));
  [[maybe_unused]] float* second_weights = weights + panels * panel_size;
  float* da_buffers[2] = {scratch(Scratch::da_in, job.B * da_stride), scratch(Scratch::da_out, job.B * da_stride)};
  float* dc = scratch(Scratch::dc, job.B * stride);
  float* candidate = scratch(Scratch::d_candidate, has_second<F> ? job.B * stride : job.cell == Cell::gru ? job.N * job.H : 0);
  const bool by_units = split_by_units(job, panels * (panel_size + second_size), team);

  run_on(team, [&](int rank) {
    Share share(rank, team.size(), job.B, rows_of_tile(C), panels, by_units);
    pack_backward_product(job.W_h, K, job.H, rank, team.size(), weights);
    if constexpr (has_second<F>) pack_backward_product(job.W_h + K * job.H, job.H, job.H, rank, team.size(), second_weights);
    if (rank == 0) copy_rows(job.dc_T, job.B, job.H, dc, stride);
    team.barrier();
    alignas(64) float sums[rows_of_tile(C) * C * V];
    // Step s takes the errors of the step that was walked just before through the product, then its own rows through the gates.
    for (long s = 0; s <= job.T; s++) {
      const bool alive = s < job.T;
      long t = job.reverse ? s : job.T - 1 - s, later = job.reverse ? t - 1 : t + 1, earlier = job.reverse ? t + 1 : t - 1;
      long rows_later = s > 0 ? job.batch_sizes[later] : 0, rows_now = alive ? job.batch_sizes[t] : 0;
      BackwardStep step{&job, alive ? offsets[t] : 0, 0, 0, da_buffers[s % 2], dc, candidate, da_stride, stride};
      if (earlier >= 0 && earlier < job.T && alive) {
        step.before = offsets[earlier];
        step.rows_before = job.batch_sizes[earlier];
      }
      const float* da_later = da_buffers[(s + 1) % 2];
      for (long p = share.first_panel(); p < share.last_panel(); p++)
        for (long block = 0; block < share.blocks; block++) {
          if (!share.has(block)) continue;
          long row = share.first_row(block), end = share.first_row(block + 1);
          long through = smaller(end, rows_later) - row, now = smaller(end, rows_now) - row;
          if (through <= 0 && now <= 0) break;
          for (long r = 0; r < now; r++) {
            if (job.dh) prefetch(job.dh + (step.first + row + r) * job.H + p * C * V, C * V);
            for (int g = 0; g < G; g++) prefetch<true>(step.dpre(row + r) + g * job.H + p * C * V, C * V);
            if (job.gates && job.gates != job.dpre)
              for (int g = 0; g < G; g++) prefetch(step.gates(row + r) + g * job.H + p * C * V, C * V);
            F::prefetch_tape(step, row + r, p * C * V);
          }
          if (through > 0) multiply<C>(through, da_later + row * da_stride, da_stride, weights + p * panel_size, K, sums);
          for (long r = 0; r < larger(through, now); r++)
            for (long u = 0; u < C * V; u += V) {
              long unit = p * C * V + u, lanes = job.H - unit, at = (row + r) * job.H + unit;
              if (lanes <= 0) continue;
              vec dh = r < through ? load(sums + r * C * V + u) + F::carried(step, row + r, unit)
                       : job.dh_T  ? load(job.dh_T + at, lanes)
                                   : vec{};
              if (r >= now) {
                store(job.dh_0 + at, dh, lanes);
                continue;
              }
              if (job.dh) dh += load(job.dh + (step.first + row + r) * job.H + unit, lanes);
              F::finish(step, row + r, unit, lanes, dh);
            }
        }
      if (by_units) team.barrier();
      if constexpr (has_second<F>) {
        for (long p = share.first_panel(); p < share.last_panel(); p++)
          for (long block = 0; block < share.blocks; block++) {
            if (!share.has(block)) continue;
            long row = share.first_row(block), now = smaller(share.first_row(block + 1), rows_now) - row;
            if (now <= 0) break;
            multiply<C>(now, candidate + row * stride, stride, second_weights + p * second_size, job.H, sums);
            for (long r = 0; r < now; r++)
              for (long u = 0; u < C * V; u += V) {
                long unit = p * C * V + u;
                if (unit < job.H) F::Second::finish(step, row + r, unit, job.H - unit, load(sums + r * C * V + u));
              }
          }
        if (by_units) team.barrier();
      }
    }
  });

  if (job.dc_0)
    for (long b = 0; b < job.B; b++)
      for (long k = 0; k < job.H; k++) job.dc_0[b * job.H + k] = dc[b * stride + k];
}

}  // namespace rnnnlp::ISA
