// The list of cells. A new cell is a header beside this file and a name in this list; rnnnlp/kernels/cells.py lists the
// same cells.
#pragma once

#include "recurrent/elman.hpp"
#include "recurrent/gru.hpp"
#include "recurrent/gru_reset_first.hpp"
#include "recurrent/lstm.hpp"
#include "recurrent/lstm_rms_norm.hpp"
#include "recurrent/rowwise.hpp"

namespace rnnnlp::ISA {

// A value that stands for a cell type: decltype(cell)::type.
template <class Cell>
struct CellType {
  using type = Cell;
};

template <class... Cell>
struct CellList {
  static constexpr int size = sizeof...(Cell);
  static constexpr CellInfo infos[] = {Cell::info...};

  // Calls f(CellType<Cell>) for the cell with this id, its index in the list. Throws for an unknown id.
  template <class F>
  static void with_cell(int id, F&& f) {
    int k = 0;
    const bool found = ((k++ == id && (f(CellType<Cell>{}), true)) || ...);
    if (!found) throw_unknown_cell(id);
  }
};

#if defined(RNNNLP_ROWWISE_SCHEDULE)
template <class... Cell>
using CellsInUse = CellList<std::conditional_t<rowwise<Cell>, Cell, Rowwise<Cell>>...>;
#else
template <class... Cell>
using CellsInUse = CellList<Cell...>;
#endif

using Cells = CellsInUse<LSTM, LSTMRmsNorm, GRU, GRUResetFirst, Elman<Tanh>, Elman<Relu>>;

}  // namespace rnnnlp::ISA
