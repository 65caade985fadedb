// Any cell on the row-wise schedule, unit by unit. The build option ROWWISE_SCHEDULE runs all cells so, and the tests
// then prove the schedule: the results have the same bits.

// H hidden, V lanes of a vector
#pragma once

#include "recurrent/backward_loop.hpp"
#include "recurrent/forward_loop.hpp"

namespace rnnnlp::ISA {

template <class Product>
struct RowwiseProduct : Product {
  template <class Step>
  static void forward_row(const Step& step, int64_t row, const float* sums) {
    constexpr int gates = Product::gates, U = Product::U;
    const int64_t H = step.job->H;
    alignas(64) float tile[gates * U];
    for (int64_t first = 0; first < H; first += U) {
      for (int g = 0; g < gates; g++)
        for (int64_t u = 0; u < U; u += V) store(tile + g * U + u, load(sums + g * step.stride + first + u));
      for (int64_t u = 0; u < U && first + u < H; u += V)
        Product::epilogue(step, row, first + u, H - first - u, tile + u);
    }
  }

  template <class Step>
  static void backward_row(const Step& step, int64_t row, const float* dh) {
    const int64_t H = step.job->H;
    for (int64_t unit = 0; unit < H; unit += V) Product::backward_epilogue(step, row, unit, H - unit, load(dh + unit));
  }
};

template <class Second>
struct RowwiseSecond {
  using type = RowwiseProduct<Second>;
};

template <>
struct RowwiseSecond<void> {
  using type = void;
};

template <class Cell>
struct Rowwise : RowwiseProduct<Cell> {
  static constexpr CellInfo rowwise_info() {
    CellInfo info = Cell::info;
    info.schedule = Schedule::rowwise;
    return info;
  }
  static constexpr CellInfo info = rowwise_info();
  using Second = typename RowwiseSecond<typename Cell::Second>::type;
};

}  // namespace rnnnlp::ISA
