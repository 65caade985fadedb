// The time loop backward. time_loop.hpp explains the schedules and what a cell has.

// N tokens, T steps, B sequences, B_t sequences alive at step t, H hidden, G gates, V lanes of a vector
#pragma once

#include "recurrent/time_loop.hpp"

namespace rnnnlp::ISA {

// What the loop shares with the weight gradients of a cell.
struct BackwardScratch {
  const int64_t* offsets;      // (T + 1,) first packed row of each step
  int64_t stride;              // floats from row to row of the following arrays
  float* running[max_states];  // (B, stride) each: gradients of the states after h, here and now; running[0] is unused
  float* rows[max_rows];       // (B, stride) each: rows that the cell names
  float* packed;               // (N, backward_packed * H): one row for each token
};

// One step as a cell sees it. Rows are the sequences that are alive.
template <class Cell>
struct BackwardStep {
  const Backward* job;
  BackwardScratch scratch;   // a copy: through a pointer the compiler would load it again after each store
  LeftFactor dgates;         // (B, gates * gate_stride(H)): the gradients of the sums, for the product with the weights
  LeftFactor second_dgates;  // (B, H): the same for the second product
  float *dh_sums, *second_dsums;  // (B, stride): row-wise, the gradients of h and of the second factor
  int64_t first = 0;              // packed row of the step's row 0
  int64_t before = 0;             // packed row of row 0 of the step before, in the forward direction
  int64_t rows_before = 0;  // the number of rows that have a step before; the others started from the initial state

  static constexpr int G = Cell::info.gates;

  RNNNLP_INLINE const float* h(int64_t row) const { return job->h + (first + row) * job->h_stride; }
  RNNNLP_INLINE const float* h_before(int64_t row) const {
    return row < rows_before ? job->h + (before + row) * job->h_stride : job->state[0] + row * job->H;
  }
  RNNNLP_INLINE const float* extra(int k) const { return job->extra[k]; }
  // The tape
  RNNNLP_INLINE const float* gates(int64_t row) const { return job->gates + (first + row) * (G * job->H); }
  RNNNLP_INLINE const float* saved(int k, int64_t row) const { return saved_row(k, first + row); }
  // State k before the step; array `saved_k` of the tape has its value at each step.
  RNNNLP_INLINE const float* state_before(int k, int saved_k, int64_t row) const {
    return row < rows_before ? saved_row(saved_k, before + row) : job->state[k] + row * job->H;
  }
  // Gradients
  RNNNLP_INLINE const float* dh(int64_t row) const { return job->dh + (first + row) * job->dh_stride; }
  RNNNLP_INLINE float* dpre(int64_t row) const { return job->dpre + (first + row) * (G * job->H); }
  RNNNLP_INLINE float* dstate(int k, int64_t row) const { return scratch.running[k] + row * scratch.stride; }
  RNNNLP_INLINE float* rows(int k, int64_t row) const { return scratch.rows[k] + row * scratch.stride; }
  RNNNLP_INLINE float* packed(int64_t row) const {
    return scratch.packed + (first + row) * (Cell::info.backward_packed * job->H);
  }

 private:
  RNNNLP_INLINE const float* saved_row(int k, int64_t n) const {
    return job->saved[k] + n * Cell::info.saved[k].columns(job->H);
  }
};

// This thread's panels of W (G*H, H).
inline void pack_backward_product(int G, const float* W, int64_t H, int thread, int threads, float* to) {
  const int64_t panels = groups_of(H, Panels::backward_vectors * V);
  const int64_t panel_size = Panels::size(G * gate_stride(H), Panels::backward_vectors);
  for (int64_t p = panels * thread / threads; p < panels * (thread + 1) / threads; p++)
    Panels::pack_columns(G, H, W, p, to + p * panel_size);
}

// The state that each packed row's step started from: (N,) pointers to (H,)
inline const float* const* states_before(const Recurrence& job, const int64_t* offsets) {
  const float** before = scratch_of<const float*>(Scratch::h_before, job.N);
  for (int64_t t = 0; t < job.T; t++) {
    const int64_t earlier = job.reverse ? t + 1 : t - 1;
    const int64_t rows = earlier >= 0 && earlier < job.T ? job.batch_sizes[earlier] : 0;
    for (int64_t b = 0; b < job.batch_sizes[t]; b++)
      before[offsets[t] + b] = b < rows ? job.h + (offsets[earlier] + b) * job.h_stride : job.state[0] + b * job.H;
  }
  return before;
}

// Gradients of the sums of some gates: (N, gates * H), rows `stride` apart.
struct GateGradients {
  const float* dgates = nullptr;
  int gates = 1;
  int64_t stride = 0;
  float* db = nullptr;  // (gates * H,) receives their sums, the gradient of a bias; or null
};

// dW (gates * H, H) = dgates.T @ before, with `before` (N,) pointers to rows (H,)
inline void weight_gradient(ThreadPool& pool, const Backward& job, const GateGradients& d, const float* const* before,
                            float* dW) {
  matmul(pool, Matmul{.M = d.gates * job.H,
                      .N = job.H,
                      .K = job.N,
                      .A = d.dgates,
                      .A_stride = d.stride,
                      .A_by_k = true,
                      .B_by_k = true,
                      .B_rows = before,
                      .C = dW,
                      .C_stride = job.H,
                      .A_sums = d.db});
}

// The same with `factor` (N, H).
inline void weight_gradient(ThreadPool& pool, const Backward& job, const GateGradients& d, const float* factor,
                            float* dW) {
  matmul(pool, Matmul{.M = d.gates * job.H,
                      .N = job.H,
                      .K = job.N,
                      .A = d.dgates,
                      .A_stride = d.stride,
                      .A_by_k = true,
                      .B = factor,
                      .B_stride = job.H,
                      .B_by_k = true,
                      .C = dW,
                      .C_stride = job.H,
                      .A_sums = d.db});
}

// Prefetches what the cell will read and write, while the product runs.
template <class Cell>
RNNNLP_INLINE void prefetch_backward(const BackwardStep<Cell>& step, int64_t row, int64_t unit) {
  constexpr int64_t width = Panels::backward_vectors * V;
  const Backward& job = *step.job;
  if (job.dh) prefetch(step.dh(row) + unit, width);
  for (int g = 0; g < step.G; g++) prefetch<true>(step.dpre(row) + g * job.H + unit, width);
  if (job.gates && job.gates != job.dpre)
    for (int g = 0; g < step.G; g++) prefetch(step.gates(row) + g * job.H + unit, width);
  Cell::prefetch_tape(step, row, unit);
}

// The gradient of h: through the product (`dgates_later`, the gates of the step after this one), past it (carried_dh),
// from the final state and from the output. The cell then goes back through its gates. Rows that are not alive at this
// step end with the gradient of their initial state; the others go on.
template <class Cell>
RNNNLP_INLINE void backward_product(const BackwardStep<Cell>& step, const WorkPartition& partition, bool backwards,
                                    int64_t rows_later, int64_t rows_now, const LeftFactor& dgates_later,
                                    const float* weights, float* tile) {
  constexpr int C = Panels::backward_vectors;
  const Backward& job = *step.job;
  const int64_t H = job.H, K = Cell::gates * gate_stride(H), panel_size = Panels::size(K, C);
  partition.for_tiles(backwards, larger(rows_later, rows_now),
                      [&](int64_t panel, int64_t row, int64_t rows) RNNNLP_INLINE_LAMBDA {
                        const int64_t through = smaller(rows, rows_later - row), now = smaller(rows, rows_now - row);
                        for (int64_t r = 0; r < now; r++) prefetch_backward<Cell>(step, row + r, panel * C * V);
                        if (through > 0)
                          Panels::multiply<C>(through, dgates_later, row, weights + panel * panel_size, K, tile);
                        for (int64_t r = 0; r < rows; r++)
                          for (int64_t u = 0; u < C * V; u += V) {
                            const int64_t unit = panel * C * V + u, lanes = H - unit, at = (row + r) * H + unit;
                            if (lanes <= 0) continue;
                            vec dh = r < through ? load(tile + r * C * V + u) + Cell::carried_dh(step, row + r, unit)
                                     : job.dstate_T[0] ? load(job.dstate_T[0] + at, lanes)
                                                       : vec{};
                            if (r >= now) {
                              store(job.dstate_0[0] + at, dh, lanes);
                              continue;
                            }
                            if (job.dh) dh += load(step.dh(row + r) + unit, lanes);
                            if constexpr (rowwise<Cell>)
                              store(step.dh_sums + (row + r) * step.scratch.stride + unit, dh);
                            else
                              Cell::backward_epilogue(step, row + r, unit, lanes, dh);
                          }
                      });
}

// The gradient of the second factor, through the second product of this step.
template <class Cell>
RNNNLP_INLINE void second_backward_product(const BackwardStep<Cell>& step, const WorkPartition& partition,
                                           int64_t rows_now, const float* weights, float* tile) {
  constexpr int C = Panels::backward_vectors;
  const int64_t H = step.job->H, K = gate_stride(H), panel_size = Panels::size(K, C);
  partition.for_tiles(false, rows_now, [&](int64_t panel, int64_t row, int64_t rows) RNNNLP_INLINE_LAMBDA {
    Panels::multiply<C>(rows, step.second_dgates, row, weights + panel * panel_size, K, tile);
    for (int64_t r = 0; r < rows; r++)
      for (int64_t u = 0; u < C * V; u += V) {
        const int64_t unit = panel * C * V + u;
        if (unit >= H) continue;
        const vec d = load(tile + r * C * V + u);
        if constexpr (rowwise<Cell>)
          store(step.second_dsums + (row + r) * step.scratch.stride + unit, d);
        else
          Cell::Second::backward_epilogue(step, row + r, unit, H - unit, d);
      }
  });
}

// Goes back through the gates row by row (row-wise), and makes the gradients of a product ready for the next product.
template <class Cell, class P, class From>
RNNNLP_INLINE void publish_gradients(ThreadPool& pool, const BackwardStep<Cell>& step, const WorkPartition& partition,
                                     int64_t rows_now, const float* dsums, const LeftFactor& out, int gates,
                                     From&& from) {
  const int64_t H = step.job->H;
  if constexpr (rowwise<Cell>)
    run_rows(
        pool, partition, out, rows_now, gates, H,
        [&](int64_t row) { P::backward_row(step, row, dsums + row * step.scratch.stride); }, from);
  else
    publish<Panels::backward_vectors * V>(pool, partition, out, rows_now, gates, H, from);
}

// What follows the product with the state. A cell with a second product first has the gates of that one, and so the
// gradient of its factor.
template <class Cell>
RNNNLP_INLINE void finish_backward_step(ThreadPool& pool, const BackwardStep<Cell>& step,
                                        const WorkPartition& partition, int64_t rows_now, const float* second_weights,
                                        float* tile) {
  using Second = typename Cell::Second;
  auto dgates_of = [&](int64_t row, int gate) { return Cell::dgates(step, row, gate); };
  if constexpr (has_second<Cell>) {
    auto second_dgates_of = [&](int64_t row, int) { return Second::dgates(step, row); };
    publish_gradients<Cell, Cell>(pool, step, partition, rows_now, step.dh_sums, step.second_dgates, 1,
                                  second_dgates_of);
    second_backward_product<Cell>(step, partition, rows_now, second_weights, tile);
    publish_gradients<Cell, Second>(pool, step, partition, rows_now, step.second_dsums, step.dgates, Cell::gates,
                                    dgates_of);
  } else {
    publish_gradients<Cell, Cell>(pool, step, partition, rows_now, step.dh_sums, step.dgates, Cell::gates, dgates_of);
  }
}

template <class Cell>
void backward_loop(ThreadPool& pool, const Backward& job, const BackwardScratch& scratch_arrays) {
  constexpr int C = Panels::backward_vectors;
  constexpr int width = C * V;
  const int64_t H = job.H, K = Cell::gates * gate_stride(H), panels = groups_of(H, width),
                stride = scratch_arrays.stride;
  const int64_t weights_size = panels * Panels::size(K, C);
  if constexpr (has_second<Cell>) static_assert(Cell::Second::gates == 1 && Cell::Second::first_gate == Cell::gates);
  const int64_t second_size = has_second<Cell> ? panels * Panels::size(gate_stride(H), C) : 0;
  float* weights = scratch(Scratch::packed_weights, weights_size + second_size);
  const LeftFactor dgates[2] = {left_factor(Scratch::dgates_in, job.B, K, pool.size()),
                                left_factor(Scratch::dgates_out, job.B, K, pool.size())};
  BackwardStep<Cell> whole{
      &job,      scratch_arrays,
      dgates[0], left_factor(Scratch::second_dgates, has_second<Cell> ? job.B : 0, gate_stride(H), pool.size()),
      nullptr,   nullptr};
  if constexpr (rowwise<Cell>) {
    whole.dh_sums = scratch(Scratch::dh_sums, job.B * stride);
    if constexpr (has_second<Cell>) whole.second_dsums = scratch(Scratch::second_dsums, job.B * stride);
  }
  const bool by_units = split_by_units(job.B, weights_size + second_size, pool);

  run_on(pool, [&](int thread) {
    [[maybe_unused]] Panels::ThreadSetup setup;
    constexpr int64_t rows_of_block = Panels::rows_of_block(C);
    WorkPartition partition(thread, pool.size(), job.B, rows_of_block, panels, by_units);
    pack_backward_product(Cell::gates, job.W_h, H, thread, pool.size(), weights);
    if constexpr (has_second<Cell>)
      pack_backward_product(1, job.W_h + Cell::gates * H * H, H, thread, pool.size(), weights + weights_size);
    if (thread == 0)
      for (int k = 1; k < Cell::info.states; k++)
        copy_rows(job.dstate_T[k], job.B, H, scratch_arrays.running[k], stride);
    pool.barrier(thread);
    alignas(64) float tile[rows_of_block * C * V];
    // Step s brings the gradients of the step after it through the product, then takes those of its own rows through
    // the gates. The last one, s = T, has no rows of its own: it gives the gradients of the initial states.
    for (int64_t s = 0; s <= job.T; s++) {
      const bool alive = s < job.T;
      const int64_t t = job.reverse ? s : job.T - 1 - s, later = job.reverse ? t - 1 : t + 1,
                    earlier = job.reverse ? t + 1 : t - 1;
      const int64_t rows_later = s > 0 ? job.batch_sizes[later] : 0, rows_now = alive ? job.batch_sizes[t] : 0;
      BackwardStep<Cell> step = whole;
      step.dgates = dgates[s % 2];
      if (alive) step.first = scratch_arrays.offsets[t];
      if (alive && earlier >= 0 && earlier < job.T)
        step.before = scratch_arrays.offsets[earlier], step.rows_before = job.batch_sizes[earlier];
      backward_product<Cell>(step, partition, s % 2 == 1, rows_later, rows_now, dgates[(s + 1) % 2], weights, tile);
      finish_backward_step<Cell>(pool, step, partition, rows_now, weights + weights_size, tile);
    }
  });

  for (int s = 1; s < Cell::info.states; s++)
    for (int64_t b = 0; b < job.B; b++)
      for (int64_t k = 0; k < H; k++) job.dstate_0[s][b * H + k] = scratch_arrays.running[s][b * stride + k];
}

// All gradients of a cell: the time loop, then one large product for the weights.
template <class Cell>
void cell_backward(ThreadPool& pool, const Backward& job) {
  BackwardScratch arrays{step_offsets(job), padded(job.H), {}, {}, nullptr};
  split_scratch(Scratch::running_dstates, Cell::info.states - 1, job.B * arrays.stride, arrays.running + 1);
  split_scratch(Scratch::backward_rows, Cell::info.backward_rows, job.B * arrays.stride, arrays.rows);
  arrays.packed = scratch(Scratch::backward_packed, job.N * job.H * Cell::info.backward_packed);
  backward_loop<Cell>(pool, job, arrays);
  Cell::weight_gradients(pool, job, arrays, states_before(job, arrays.offsets));
}

}  // namespace rnnnlp::ISA
