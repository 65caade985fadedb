// The time loop forward. time_loop.hpp explains the schedules and what a cell has.

// N tokens, T steps, B sequences, B_t sequences alive at step t, H hidden, G gates, V lanes of a vector
#pragma once

#include "recurrent/time_loop.hpp"

namespace rnnnlp::ISA {

// One step as a cell sees it. Rows are the sequences that are alive.
template <class Cell, class Factor>
struct ForwardStep {
  const Forward* job;
  int64_t stride;              // floats from row to row of the scratch arrays
  Factor h_in, h_out;          // (B, H): the state before the step, and after it
  Factor second_factor;        // (B, H): what the second product multiplies
  float* running[max_states];  // (B, stride) each: the states after h, here and now; running[0] is unused
  float* scratch[max_rows];    // (B, stride) each: rows that the cell names
  float *sums, *second_sums;   // (B, gates, stride): row-wise, the sums of the products
  int64_t first = 0;           // packed row of the step's row 0
  int64_t before = 0;          // packed row of row 0 of the step before
  int64_t rows_before = 0;     // the number of rows that have a step before; the others start from the initial state
  bool backwards = false;      // whether panels are taken from the last to the first

  static constexpr int G = Cell::info.gates;

  RNNNLP_INLINE const float* pre(int64_t row) const {
    const int64_t n = first + row;
    return job->pre + (job->row_index ? job->row_index[n] : n) * (G * job->H);
  }
  RNNNLP_INLINE float* h(int64_t row) const { return job->h + (first + row) * job->h_stride; }
  RNNNLP_INLINE const float* h_before(int64_t row) const {
    return row < rows_before ? job->h + (before + row) * job->h_stride : job->state[0] + row * job->H;
  }
  RNNNLP_INLINE float* state(int k, int64_t row) const { return running[k] + row * stride; }
  RNNNLP_INLINE float* rows(int k, int64_t row) const { return scratch[k] + row * stride; }
  RNNNLP_INLINE const float* extra(int k) const { return job->extra[k]; }
  // The tape. There is none for inference.
  RNNNLP_INLINE bool keeps_tape() const {
    return Cell::info.saves_gates ? job->gates != nullptr : job->saved[0] != nullptr;
  }
  RNNNLP_INLINE float* gates(int64_t row) const { return job->gates + (first + row) * (G * job->H); }
  RNNNLP_INLINE float* saved(int k, int64_t row) const {
    return job->saved[k] + (first + row) * Cell::info.saved[k].columns(job->H);
  }
};

// This thread's panels of the part of W (G*H, K) that product P multiplies with.
template <class P, class Panels>
void pack_forward_product(int64_t H, const float* W, int64_t K, int thread, int threads, float* to) {
  const int64_t panels = groups_of(H, P::U), panel_size = Panels::size(K, P::gates * P::U / V);
  for (int64_t p = panels * thread / threads; p < panels * (thread + 1) / threads; p++)
    Panels::pack_gates(P::gates, H, W + P::first_gate * H * K, K, P::U, p, to + p * panel_size);
}

// Gives the sums of `rows` rows and one panel to the cell; tile (rows, gates, U).
template <class Cell, class P, class Step>
RNNNLP_INLINE void forward_tile(const Step& step, int64_t row, int64_t rows, int64_t panel, const float* tile,
                                float* all_sums) {
  constexpr int width = P::gates * P::U;
  const int64_t H = step.job->H;
  for (int64_t r = 0; r < rows; r++)
    for (int64_t u = 0; u < P::U; u += V) {
      const int64_t unit = panel * P::U + u;
      if (unit >= H) continue;
      if constexpr (rowwise<Cell>) {
        float* to = all_sums + (row + r) * P::gates * step.stride + unit;
        for (int g = 0; g < P::gates; g++) store(to + g * step.stride, load(tile + r * width + g * P::U + u));
      } else {
        P::epilogue(step, row + r, unit, H - unit, tile + r * width + u);
      }
    }
}

// Prefetches what the cell will read and write, while the product runs.
template <class Cell, class P, class Step>
RNNNLP_INLINE void prefetch_forward(const Step& step, int64_t row, int64_t unit) {
  const int64_t H = step.job->H;
  for (int g = 0; g < P::gates; g++) prefetch(step.pre(row) + (P::first_gate + g) * H + unit, P::U);
  prefetch<true>(step.h(row) + unit, P::U);
  if (!step.keeps_tape()) return;
  for (int g = 0; Cell::info.saves_gates && g < P::gates; g++)
    prefetch<true>(step.gates(row) + (P::first_gate + g) * H + unit, P::U);
  for (int k = 0; k < Cell::info.num_saved(); k++)
    if (Cell::info.saved[k].per_hidden == 1) prefetch<true>(step.saved(k, row) + unit, P::U);
}

// This thread's part of one product of one step, and what the cell makes of the sums. `out` is the factor of the next
// product.
template <class Cell, class P, class Step>
RNNNLP_INLINE void forward_product(ThreadPool& pool, const Step& step, const WorkPartition& partition,
                                   int64_t rows_alive, const float* weights, float* tile, float* all_sums,
                                   const LeftFactor& out) {
  constexpr int C = P::gates * P::U / V;  // vectors of columns of a panel
  const int64_t H = step.job->H;
  partition.for_tiles(step.backwards, rows_alive, [&](int64_t panel, int64_t row, int64_t rows) RNNNLP_INLINE_LAMBDA {
    for (int64_t r = 0; r < rows; r++) prefetch_forward<Cell, P>(step, row + r, panel * P::U);
    Panels::multiply<C>(rows, P::factor(step), row, weights + panel * Panels::size(H, C), H, tile);
    forward_tile<Cell, P>(step, row, rows, panel, tile, all_sums);
  });
  auto h = [&](int64_t row, int) { return step.h(row); };
  if constexpr (rowwise<Cell>)
    run_rows(
        pool, partition, out, rows_alive, 1, H,
        [&](int64_t row) { P::forward_row(step, row, all_sums + row * P::gates * step.stride); }, h);
  else
    publish<P::U>(pool, partition, out, rows_alive, 1, H, h);
}

// state_T: what each sequence has after its last step.
inline void store_final_states(const Forward& job, const int64_t* offsets, float* const* running, int64_t stride,
                               int states) {
  for (int64_t b = 0; b < job.B; b++) {
    int64_t t = job.T - 1;  // the last step that the loop made with this row
    if (job.reverse)
      t = 0;
    else
      while (job.batch_sizes[t] <= b) t--;
    for (int64_t k = 0; k < job.H; k++) {
      job.state_T[0][b * job.H + k] = job.h[(offsets[t] + b) * job.h_stride + k];
      for (int s = 1; s < states; s++) job.state_T[s][b * job.H + k] = running[s][b * stride + k];
    }
  }
}

template <class Cell>
void forward_loop(ThreadPool& pool, const Forward& job) {
  constexpr int C = Cell::gates * Cell::U / V, states = Cell::info.states;
  const int64_t panels = groups_of(job.H, Cell::U), stride = padded(job.H);
  const int64_t* offsets = step_offsets(job);
  const int64_t weights_size = panels * Panels::size(job.H, C);
  int64_t second_panels = 0, second_size = 0;
  if constexpr (has_second<Cell>) {
    using Second = typename Cell::Second;
    static_assert(Second::gates * Second::U / V == C);  // then both products have the same blocks of rows
    second_panels = groups_of(job.H, Second::U);
    second_size = second_panels * Panels::size(job.H, C);
  }
  float* weights = scratch(Scratch::packed_weights, weights_size + second_size);
  const LeftFactor h_buffers[2] = {left_factor(Scratch::h_in, job.B, job.H, pool.size()),
                                   left_factor(Scratch::h_out, job.B, job.H, pool.size())};
  ForwardStep<Cell, LeftFactor> whole{
      &job,
      stride,
      h_buffers[0],
      h_buffers[1],
      left_factor(Scratch::second_factor, has_second<Cell> ? job.B : 0, job.H, pool.size()),
      {},
      {},
      nullptr,
      nullptr};
  split_scratch(Scratch::running_states, states - 1, job.B * stride, whole.running + 1);
  split_scratch(Scratch::forward_rows, Cell::info.forward_rows, job.B * stride, whole.scratch);
  if constexpr (rowwise<Cell>) {
    whole.sums = scratch(Scratch::forward_sums, job.B * Cell::gates * stride);
    if constexpr (has_second<Cell>)
      whole.second_sums = scratch(Scratch::second_sums, job.B * Cell::Second::gates * stride);
  }
  const bool by_units = split_by_units(job.B, weights_size + second_size, pool);

  run_on(pool, [&](int thread) {
    [[maybe_unused]] Panels::ThreadSetup setup;
    constexpr int64_t rows_of_block = Panels::rows_of_block(C);
    WorkPartition partition(thread, pool.size(), job.B, rows_of_block, panels, by_units);
    [[maybe_unused]] WorkPartition second_partition(thread, pool.size(), job.B, rows_of_block, second_panels, by_units);
    // If the units are split, each thread packs what it reads itself, else an equal part.
    pack_forward_product<Cell, Panels>(job.H, job.W_h, job.H, thread, pool.size(), weights);
    if constexpr (has_second<Cell>)
      pack_forward_product<typename Cell::Second, Panels>(job.H, job.W_h, job.H, thread, pool.size(),
                                                          weights + weights_size);
    if (thread == 0) {
      for (const LeftFactor& h : h_buffers)  // in reverse, a row may join at any step and so start from either
        for (int64_t b = 0; b < job.B; b++) h.set(b, job.state[0] + b * job.H, job.H);
      for (int k = 1; k < states; k++) copy_rows(job.state[k], job.B, job.H, whole.running[k], stride);
    }
    pool.barrier(thread);
    alignas(64) float tile[rows_of_block * C * V];
    for (int64_t s = 0; s < job.T; s++) {
      const int64_t t = job.reverse ? job.T - 1 - s : s, before = job.reverse ? t + 1 : t - 1,
                    rows_alive = job.batch_sizes[t];
      ForwardStep<Cell, LeftFactor> step = whole;
      step.h_in = h_buffers[s % 2], step.h_out = h_buffers[(s + 1) % 2];
      step.first = offsets[t], step.backwards = s % 2 == 1;
      if (s > 0) step.before = offsets[before], step.rows_before = job.batch_sizes[before];
      if constexpr (has_second<Cell>) {
        forward_product<Cell, Cell>(pool, step, partition, rows_alive, weights, tile, step.sums, step.second_factor);
        forward_product<Cell, typename Cell::Second>(pool, step, second_partition, rows_alive, weights + weights_size,
                                                     tile, step.second_sums, step.h_out);
      } else {
        forward_product<Cell, Cell>(pool, step, partition, rows_alive, weights, tile, step.sums, step.h_out);
      }
    }
  });
  store_final_states(job, offsets, whole.running, stride, states);
}

}  // namespace rnnnlp::ISA
