// The walk over time that all cells share: who does what, the packed weights, and the loop.

// N tokens, T steps, B sequences, B_t sequences alive at step t, H hidden, G gates, V lanes of a vector
#pragma once

#include <type_traits>

#include "memory.hpp"
#include "products.hpp"
#include "table.hpp"

namespace rnnnlp::ISA {

using Left = Panels::Left;

// How one rank takes part. While the weights fit its L2 cache, a rank has some rows of the batch and all units: no waiting at all.
// Larger weights are split instead, so that each rank's part stays in its cache; all ranks then wait for each other at each step.
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

  int slot() const { return by_units ? rank : 0; }   // of what each rank finds out about its part of a row
  int slots() const { return by_units ? ranks : 1; }
  long first_panel() const { return by_units ? panels * rank / ranks : 0; }
  long last_panel() const { return by_units ? panels * (rank + 1) / ranks : panels; }
  long first_row(long block) const { return B * block / blocks; }
  // The k-th panel of a step. Every other step walks them backwards: those read last are still in the L2 cache when they come
  // first, which matters where a rank's weights exceed it.
  long panel(long k, bool backwards) const { return backwards ? first_panel() + last_panel() - 1 - k : k; }
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

inline Left left_in(Scratch purpose, long B, long K, int ranks) { return Left(scratch(purpose, Left::floats(B, K, ranks)), B, K); }

// Rows (B, columns) to rows `stride` apart, the rest zero.
inline void copy_rows(const float* from, long B, long columns, float* to, long stride) {
  for (long b = 0; b < B; b++)
    for (long k = 0; k < stride; k++) to[b * stride + k] = from && k < columns ? from[b * columns + k] : 0.0f;
}

// Makes what cells put down in a step ready to be multiplied, when a rank is done with its part: its panels are `width` units wide,
// and from(row, gate) is where the results of a row are.
template <long width, class L, class From>  // L is Left, by another name because FloatPanels has no `measure`
void settle(Team& team, const Share& share, const L& left, long rows_alive, int gates, long H, From&& from) {
  if constexpr (Panels::by_whole_rows) {
    const long first = share.first_panel() * width, n = smaller(share.last_panel() * width, H) - first;
    auto for_own_rows = [&](auto&& f) {
      for (long block = 0; block < share.blocks; block++)
        if (share.has(block))
          for (long row = share.first_row(block); row < smaller(share.first_row(block + 1), rows_alive); row++)
            f(row, [&](int gate) { return from(row, gate) + first; });
    };
    for_own_rows([&](long row, auto&& own) { left.measure(share.slot(), row, gates, n, own); });
    if (share.by_units) team.barrier(share.rank);
    for_own_rows([&](long row, auto&& own) { left.take(share.slot(), share.slots(), row, gates, n, first, whole(H), own); });
  }
  if (share.by_units) team.barrier(share.rank);
}

// ------------------------------------------------------------------------------------------------------------- forward

// One step of the walk as a cell sees it.
template <class Left>
struct ForwardStep {
  const Forward* job;
  long first;          // packed row of the step's row 0
  long before;         // packed row of row 0 of the step before it
  long rows_before;    // rows that have a step before; the others come from the initial state
  Left h_in, h_out;    // (B, H) state before the step, and after it
  float* c;            // (B, stride)
  long stride;
  Left kept;           // (B, H) of a cell with a second product: what that multiplies
  bool backwards;      // whether panels are walked from the last to the first

  const float* pre(long row) const {
    long n = first + row;
    return job->pre + (job->tokens ? job->tokens[n] : n) * (gates_of(job->cell) * job->H);
  }
  float* h(long row) const { return job->h + (first + row) * job->h_stride; }
  const float* h_before(long row) const { return row < rows_before ? job->h + (before + row) * job->h_stride : job->h0 + row * job->H; }
  float* gates(long row) const { return job->gates ? job->gates + (first + row) * (gates_of(job->cell) * job->H) : nullptr; }
  float* memory(long row) const { return job->memory + (first + row) * job->H; }
};

// Of a cell that is done with a step after one product with the state; another one has a `Second` product.
struct OneProduct {
  using Second = void;
  static constexpr int first_gate = 0;

  template <class Step>
  static RNNNLP_INLINE const auto& from(const Step& step) {
    return step.h_in;
  }
};

template <class F>
constexpr bool has_second = !std::is_void_v<typename F::Second>;

// A rank's part of one product of one step, and what the cell makes of the sums.
template <class F>
RNNNLP_INLINE void forward_product(const ForwardStep<Left>& step, const Share& share, long rows_alive, const float* weights, float* sums) {
  constexpr int C = F::gates * F::U / V;  // vectors of columns of a panel
  const Forward& job = *step.job;
  for (long k = share.first_panel(); k < share.last_panel(); k++) {
    const long p = share.panel(k, step.backwards);
    for (long block = 0; block < share.blocks; block++) {
      if (!share.has(block)) continue;
      long row = share.first_row(block), rows = smaller(share.first_row(block + 1), rows_alive) - row;
      if (rows <= 0) break;
      for (long r = 0; r < rows; r++) {  // from memory while the product runs
        for (int g = 0; g < F::gates; g++) prefetch(step.pre(row + r) + (F::first_gate + g) * job.H + p * F::U, F::U);
        prefetch<true>(step.h(row + r) + p * F::U, F::U);
        if (!job.gates) continue;
        for (int g = 0; g < F::gates; g++) prefetch<true>(step.gates(row + r) + (F::first_gate + g) * job.H + p * F::U, F::U);
        prefetch<true>(step.memory(row + r) + p * F::U, F::U);
      }
      Panels::multiply<C>(rows, F::from(step), row, weights + p * Panels::size(job.H, C), job.H, sums);
      for (long r = 0; r < rows; r++)
        for (long u = 0; u < F::U; u += V) {
          long unit = p * F::U + u;
          if (unit < job.H) F::finish(step, row + r, unit, job.H - unit, sums + r * C * V + u);
        }
    }
  }
}

// This rank's panels of one product's part of W (G*H, K).
template <class F, class P>
void pack_forward_product(long H, const float* W, long K, int rank, int ranks, float* to) {
  const long panels = groups_of(H, F::U), panel_size = P::size(K, F::gates * F::U / V);
  for (long p = panels * rank / ranks; p < panels * (rank + 1) / ranks; p++)
    P::pack_gates(F::gates, H, W + F::first_gate * H * K, K, F::U, p, to + p * panel_size);
}

template <class F>  // a cell's forward side: F::U units of a panel, F::finish(step, row, unit, lanes, sums)
void forward_walk(Team& team, const Forward& job) {
  constexpr int C = F::gates * F::U / V;
  const long panels = groups_of(job.H, F::U), stride = padded(job.H);
  const long* offsets = offsets_of(job);
  const long first_weights = panels * Panels::size(job.H, C);
  long second_panels = 0, second_weights = 0;
  if constexpr (has_second<F>) {
    second_panels = groups_of(job.H, F::Second::U);
    second_weights = second_panels * Panels::size(job.H, F::Second::gates * F::Second::U / V);
  }
  float* weights = scratch(Scratch::weights, first_weights + second_weights);
  const Left h_buffers[2] = {left_in(Scratch::h_in, job.B, job.H, team.size()), left_in(Scratch::h_out, job.B, job.H, team.size())};
  const Left kept = left_in(Scratch::kept, has_second<F> ? job.B : 0, job.H, team.size());
  float* c = scratch(Scratch::c, job.B * stride);
  const bool by_units = split_by_units(job, first_weights + second_weights, team);

  run_on(team, [&](int rank) {
    [[maybe_unused]] Panels::InUse in_use;
    constexpr long rows_of_block = Panels::rows_of_block(C);
    Share share(rank, team.size(), job.B, rows_of_block, panels, by_units);
    [[maybe_unused]] Share second_share(rank, team.size(), job.B, rows_of_block, second_panels, by_units);
    // Each rank packs what it will read itself if the units are split, or else an equal part.
    pack_forward_product<F, Panels>(job.H, job.W_h, job.H, rank, team.size(), weights);
    if constexpr (has_second<F>)
      pack_forward_product<typename F::Second, Panels>(job.H, job.W_h, job.H, rank, team.size(), weights + first_weights);
    if (rank == 0) {
      for (const Left& h : h_buffers)  // rows that join later start from either
        for (long b = 0; b < job.B; b++) h.set(b, job.h0 + b * job.H, job.H);
      if (job.c0) copy_rows(job.c0, job.B, job.H, c, stride);
    }
    team.barrier(rank);
    alignas(64) float sums[rows_of_block * C * V];
    for (long s = 0; s < job.T; s++) {
      long t = job.reverse ? job.T - 1 - s : s;
      const long before = job.reverse ? t + 1 : t - 1, rows_before = s > 0 ? job.batch_sizes[before] : 0;
      ForwardStep<Left> step{&job, offsets[t], s > 0 ? offsets[before] : 0, rows_before, h_buffers[s % 2], h_buffers[(s + 1) % 2], c, stride,
                             kept, s % 2 == 1};
      const long rows_alive = job.batch_sizes[t];
      auto h = [&](long row, int) { return step.h(row); };
      forward_product<F>(step, share, rows_alive, weights, sums);
      if constexpr (!has_second<F>) {
        settle<F::U>(team, share, step.h_out, rows_alive, 1, job.H, h);
      } else {
        settle<F::U>(team, share, kept, rows_alive, 1, job.H, h);
        forward_product<typename F::Second>(step, second_share, rows_alive, weights + first_weights, sums);
        settle<F::Second::U>(team, second_share, step.h_out, rows_alive, 1, job.H, h);
      }
    }
  });

  for (long b = 0; b < job.B; b++) {  // the last step of row b: T - 1 steps back it was alive, or step 0
    long t = job.T - 1;
    if (job.reverse) t = 0;
    else while (job.batch_sizes[t] <= b) t--;
    for (long k = 0; k < job.H; k++) {
      job.h_T[b * job.H + k] = job.h[(offsets[t] + b) * job.h_stride + k];
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
  Left da;             // (B, G*whole(H)) errors of the products W_h h, for the walk
  float* dc;           // (B, stride) error of the cell state, or what passes by the product
  long stride;
  float* candidate;    // (N, H) errors of the GRU's W_hn h
  Left dn;             // (B, H) errors of n before its tanh if the reset comes first

  const float* h(long row) const { return job->h + (first + row) * job->h_stride; }
  const float* dh(long row) const { return job->dh + (first + row) * job->dh_stride; }
  const float* gates(long row) const { return job->gates + (first + row) * (gates_of(job->cell) * job->H); }
  const float* memory(long row) const { return job->memory + (first + row) * job->H; }
  const float* c_before(long row) const { return row < rows_before ? job->memory + (before + row) * job->H : job->c0 + row * job->H; }
  const float* h_before(long row) const { return row < rows_before ? job->h + (before + row) * job->h_stride : job->h0 + row * job->H; }
  float* dpre(long row) const { return job->dpre + (first + row) * (gates_of(job->cell) * job->H); }
};

// This rank's panels of W (G*H, H).
inline void pack_backward_product(int G, const float* W, long H, int rank, int ranks, float* to) {
  const long panels = groups_of(H, Panels::backward_vectors * V), panel_size = Panels::size(G * whole(H), Panels::backward_vectors);
  for (long p = panels * rank / ranks; p < panels * (rank + 1) / ranks; p++) Panels::pack_columns(G, H, W, p, to + p * panel_size);
}

// The state that each packed row's step started from: (N,) pointers to (H,)
inline const float** rows_before(const Recurrence& job, const long* offsets) {
  const float** before = scratch_of<const float*>(Scratch::before, job.N);
  for (long t = 0; t < job.T; t++) {
    long earlier = job.reverse ? t + 1 : t - 1;
    long rows = earlier >= 0 && earlier < job.T ? job.batch_sizes[earlier] : 0;
    for (long b = 0; b < job.batch_sizes[t]; b++)
      before[offsets[t] + b] = b < rows ? job.h + (offsets[earlier] + b) * job.h_stride : job.h0 + b * job.H;
  }
  return before;
}

template <class F>  // a cell's backward side: F::finish(step, row, unit, lanes, dh), F::error(step, row, gate), F::carried(step, row, unit)
void backward_walk(Team& team, const Backward& job) {
  constexpr int C = Panels::backward_vectors;
  const int G = gates_of(job.cell);
  const long K = F::gates * whole(job.H), panels = groups_of(job.H, C * V), panel_size = Panels::size(K, C);
  const long second_size = has_second<F> ? Panels::size(whole(job.H), C) : 0;
  const long stride = padded(job.H);
  const long* offsets = offsets_of(job);
  float* weights = scratch(Scratch::weights, panels * (panel_size + second_size));
  [[maybe_unused]] float* second_weights = weights + panels * panel_size;
  const Left da_buffers[2] = {left_in(Scratch::da_in, job.B, K, team.size()), left_in(Scratch::da_out, job.B, K, team.size())};
  const Left dn = left_in(Scratch::dn, has_second<F> ? job.B : 0, whole(job.H), team.size());
  float* dc = scratch(Scratch::dc, job.B * stride);
  float* candidate = scratch(Scratch::d_candidate, job.cell == Cell::gru ? job.N * job.H : 0);
  const bool by_units = split_by_units(job, panels * (panel_size + second_size), team);

  run_on(team, [&](int rank) {
    [[maybe_unused]] Panels::InUse in_use;
    constexpr long rows_of_block = Panels::rows_of_block(C);
    Share share(rank, team.size(), job.B, rows_of_block, panels, by_units);
    pack_backward_product(F::gates, job.W_h, job.H, rank, team.size(), weights);
    if constexpr (has_second<F>) pack_backward_product(1, job.W_h + F::gates * job.H * job.H, job.H, rank, team.size(), second_weights);
    if (rank == 0) copy_rows(job.dc_T, job.B, job.H, dc, stride);
    team.barrier(rank);
    alignas(64) float sums[rows_of_block * C * V];
    // Step s takes the errors of the step that was walked just before through the product, then its own rows through the gates.
    for (long s = 0; s <= job.T; s++) {
      const bool alive = s < job.T;
      long t = job.reverse ? s : job.T - 1 - s, later = job.reverse ? t - 1 : t + 1, earlier = job.reverse ? t + 1 : t - 1;
      long rows_later = s > 0 ? job.batch_sizes[later] : 0, rows_now = alive ? job.batch_sizes[t] : 0;
      BackwardStep step{&job, alive ? offsets[t] : 0, 0, 0, da_buffers[s % 2], dc, stride, candidate, dn};
      if (earlier >= 0 && earlier < job.T && alive) {
        step.before = offsets[earlier];
        step.rows_before = job.batch_sizes[earlier];
      }
      const Left& da_later = da_buffers[(s + 1) % 2];
      for (long k = share.first_panel(); k < share.last_panel(); k++) {
        const long p = share.panel(k, s % 2 == 1);
        for (long block = 0; block < share.blocks; block++) {
          if (!share.has(block)) continue;
          long row = share.first_row(block), end = share.first_row(block + 1);
          long through = smaller(end, rows_later) - row, now = smaller(end, rows_now) - row;
          if (through <= 0 && now <= 0) break;
          for (long r = 0; r < now; r++) {
            if (job.dh) prefetch(step.dh(row + r) + p * C * V, C * V);
            for (int g = 0; g < G; g++) prefetch<true>(step.dpre(row + r) + g * job.H + p * C * V, C * V);
            if (job.gates && job.gates != job.dpre)
              for (int g = 0; g < G; g++) prefetch(step.gates(row + r) + g * job.H + p * C * V, C * V);
            F::prefetch_tape(step, row + r, p * C * V);
          }
          if (through > 0) Panels::multiply<C>(through, da_later, row, weights + p * panel_size, K, sums);
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
              if (job.dh) dh += load(step.dh(row + r) + unit, lanes);
              F::finish(step, row + r, unit, lanes, dh);
            }
        }
      }
      if constexpr (!has_second<F>) {
        settle<C * V>(team, share, step.da, rows_now, F::gates, job.H, [&](long row, int g) { return F::error(step, row, g); });
      } else {
        settle<C * V>(team, share, dn, rows_now, 1, job.H, [&](long row, int) { return F::Second::error(step, row); });
        for (long p = share.first_panel(); p < share.last_panel(); p++)
          for (long block = 0; block < share.blocks; block++) {
            if (!share.has(block)) continue;
            long row = share.first_row(block), now = smaller(share.first_row(block + 1), rows_now) - row;
            if (now <= 0) break;
            Panels::multiply<C>(now, dn, row, second_weights + p * second_size, whole(job.H), sums);
            for (long r = 0; r < now; r++)
              for (long u = 0; u < C * V; u += V) {
                long unit = p * C * V + u;
                if (unit < job.H) F::Second::finish(step, row + r, unit, job.H - unit, load(sums + r * C * V + u));
              }
          }
        settle<C * V>(team, share, step.da, rows_now, F::gates, job.H, [&](long row, int g) { return F::error(step, row, g); });
      }
    }
  });

  if (job.dc_0)
    for (long b = 0; b < job.B; b++)
      for (long k = 0; k < job.H; k++) job.dc_0[b * job.H + k] = dc[b * stride + k];
}

}  // namespace rnnnlp::ISA
