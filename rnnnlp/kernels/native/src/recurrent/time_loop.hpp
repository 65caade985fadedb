// What the two directions of the time loop share. forward_loop.hpp and backward_loop.hpp have the loops.
//
// A step multiplies the state of the sequences (or the gradients of the gates) with the recurrent weights. The weights
// are packed once for each call into panels: a panel has, for each term of the sums, the weights of all gates of the
// same few units. `Panels` (gemm.hpp) multiplies, and a cell turns the sums into gates and states. A cell has one of
// two schedules:
//
//   fused     for each panel of this thread:            rowwise     for each panel of this thread:
//               for each block of rows:                               for each block of rows:
//                 multiply                                              multiply
//                 epilogue of these units                               store the sums
//             publish the rows                                      barrier, if threads split the units
//             barrier, if threads split the units                   for each row, on one thread:
//                                                                     row hook: all units; publish the row
//                                                                   barrier, if threads split the units
//
// The fused schedule is faster: the sums stay in registers or the L1 cache. A cell needs the row-wise one if a gate
// depends on all sums of its row, as in layer normalisation.
//
// A cell is a struct with these members:
//
//   info
//       Its facts: cell_info.hpp.
//   first_gate, gates, U
//       Its product with the state gives the gates first_gate .. first_gate + gates - 1, in panels of U units (V or
//       2*V).
//   Second
//       A second product of the same step, whose factor the first one gives; void if there is none. It is a struct with
//       first_gate, gates, U, and the functions of its own. It gives one gate, which follows those of the first
//       product; so its dgates(step, row) takes no gate.
//   factor(step)
//       What the product multiplies: step.h_in, or step.second_factor.
//   epilogue(step, row, unit, lanes, sums)
//       Fused, forward: V units of a row; the first `lanes` exist. The sums of gate g are at sums + g*U.
//   backward_epilogue(step, row, unit, lanes, dh)
//       Fused, backward: the same units. dh is the gradient of h; in Second, that of its factor.
//   forward_row(step, row, sums)
//       Row-wise, forward: all units of a row. The sums of gate g are at sums + g*step.stride.
//   backward_row(step, row, dh)
//       Row-wise, backward: all units. dh (H,) is the gradient of h; in Second, that of its factor.
//   carried_dh(step, row, unit)
//       The part of the gradient of the state before that does not pass through the product.
//   dgates(step, row, gate)
//       The address of the gradients (H,) of the sums of a gate.
//   prefetch_tape(step, row, unit)
//       Prefetches what the way back reads of the tape.
//   weight_gradients(pool, job, scratch, h_before)
//       The gradients of W_h and of the extra parameters, after the loop: sums over all N rows, in a fixed order.
//
// An epilogue or a row hook writes the new entries of a left factor twice: into the factor, with `store`, and to
// memory, at step.h(row) or dgates(...). FloatPanels multiplies the factor. Int8Panels quantizes the entries from
// memory when the row is complete.
//
// A row hook may read and write all arrays of its own row, as often as it needs. A row is always on one thread, so its
// statistics have the same bits for any number of threads. Statistics that the way back needs are an array of
// `info.saved`, with `fixed` columns.

// N tokens, T steps, B sequences, B_t sequences alive at step t, H hidden, G gates, V lanes of a vector
#pragma once

#include <type_traits>

#include "gemm/gemm.hpp"
#include "kernels.hpp"
#include "recurrent/partition.hpp"
#include "runtime/memory.hpp"

namespace rnnnlp::ISA {

using LeftFactor = Panels::LeftFactor;

// The base of a cell that has only one product with the state.
struct OneProduct {
  using Second = void;
  static constexpr int first_gate = 0;

  template <class Step>
  static RNNNLP_INLINE const auto& factor(const Step& step) {
    return step.h_in;
  }
};

template <class Cell>
constexpr bool has_second = !std::is_void_v<typename Cell::Second>;

template <class Cell>
constexpr bool rowwise = Cell::info.schedule == Schedule::rowwise;

// First packed row of each step, and N at the end: (T + 1,)
inline const int64_t* step_offsets(const Recurrence& job) {
  int64_t* offsets = scratch_of<int64_t>(Scratch::step_offsets, job.T + 1);
  offsets[0] = 0;
  for (int64_t t = 0; t < job.T; t++) offsets[t + 1] = offsets[t] + job.batch_sizes[t];
  return offsets;
}

inline LeftFactor left_factor(Scratch purpose, int64_t B, int64_t K, int threads) {
  return LeftFactor(scratch(purpose, LeftFactor::floats(B, K, threads)), B, K);
}

// Rows (B, H), or zeros for null, to rows `stride` apart; the other columns become zero.
inline void copy_rows(const float* from, int64_t B, int64_t H, float* to, int64_t stride) {
  for (int64_t b = 0; b < B; b++)
    for (int64_t k = 0; k < stride; k++) to[b * stride + k] = from && k < H ? from[b * H + k] : 0.0f;
}

// Splits one scratch array into `number` arrays of the same size.
inline void split_scratch(Scratch purpose, int number, int64_t floats, float** arrays) {
  float* all = scratch(purpose, number * floats);
  for (int k = 0; k < number; k++) arrays[k] = all + k * floats;
}

// Fused: makes the rows of a step ready for the next product, after this thread has done its part, whose panels are
// `width` units wide. from(row, gate) is where the entries of a row are in memory. Int8 panels need the largest entry
// of the whole row before they quantize it; if threads split the units, all of them find it together.
template <int64_t width, class Factor,
          class From>  // Factor is LeftFactor, as a parameter because FloatPanels has no `row_absmax`
void publish(ThreadPool& pool, const WorkPartition& partition, const Factor& factor, int64_t rows_alive, int gates,
             int64_t H, From&& from) {
  if constexpr (Panels::quantized) {
    const int64_t first = partition.first_panel() * width, n = smaller(partition.last_panel() * width, H) - first;
    auto own_part = [&](int64_t row) { return [&from, row, first](int gate) { return from(row, gate) + first; }; };
    partition.for_rows(rows_alive,
                       [&](int64_t row) { factor.row_absmax(partition.slot(), row, gates, n, own_part(row)); });
    if (partition.by_units) pool.barrier(partition.thread);
    partition.for_rows(rows_alive, [&](int64_t row) {
      factor.quantize_row(partition.slot(), partition.slots(), row, gates, n, first, gate_stride(H), own_part(row));
    });
  }
  if (partition.by_units) pool.barrier(partition.thread);
}

// Row-wise: calls hook(row) on one thread for each row, when all threads have stored their sums, and makes the rows
// ready for the next product.
template <class Factor, class Hook, class From>
void run_rows(ThreadPool& pool, const WorkPartition& partition, const Factor& factor, int64_t rows_alive, int gates,
              int64_t H, Hook&& hook, From&& from) {
  if (partition.by_units) pool.barrier(partition.thread);
  partition.for_whole_rows(rows_alive, [&](int64_t row) {
    hook(row);
    if constexpr (Panels::quantized) {
      auto whole_row = [&](int gate) { return from(row, gate); };
      factor.row_absmax(0, row, gates, H, whole_row);
      factor.quantize_row(0, 1, row, gates, H, 0, gate_stride(H), whole_row);
    }
  });
  if (partition.by_units) pool.barrier(partition.thread);
}

}  // namespace rnnnlp::ISA
