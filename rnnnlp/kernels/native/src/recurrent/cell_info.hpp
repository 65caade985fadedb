// The facts of a cell. Each cell struct has one `CellInfo`; cells.hpp lists the cells.

// N tokens, B sequences, H hidden, G gates
#pragma once

namespace rnnnlp {

constexpr int max_states = 2;
constexpr int max_extra = 8;  // further parameters of a cell
constexpr int max_saved = 4;  // arrays of the tape, besides the gates
constexpr int max_rows = 2;   // scratch arrays of a cell

// How the time loop calls a cell; see time_loop.hpp.
enum class Schedule {
  fused,    // The epilogue gets the sums of a few units, while they are in registers or in the L1 cache.
  rowwise,  // The row hook gets all sums of a row: it may need their mean and variance before it computes a gate.
};

// An array of a cell, with per_hidden * H + fixed columns. An array without a name does not exist.
struct ArrayInfo {
  const char* name = nullptr;
  int per_hidden = 0;
  int fixed = 0;

  constexpr int64_t columns(int64_t H) const { return per_hidden * H + fixed; }
};

struct CellInfo {
  const char* name = nullptr;
  int gates = 0;                    // W_h is (gates * H, H), and `pre` is (N, gates * H)
  int states = 1;                   // 1: h. 2: h and c. Each is (B, H).
  ArrayInfo extra[max_extra] = {};  // further parameters: vectors of columns(H) floats
  // What the tape holds besides h. The gates, after their nonlinearities, are (N, gates * H); they may take the memory
  // of `pre`, and `dpre` may take theirs. The other arrays are (N, columns(H)).
  bool saves_gates = false;
  ArrayInfo saved[max_saved] = {};
  Schedule schedule = Schedule::fused;
  int forward_rows = 0;     // number of scratch arrays (B, H) on the way forward
  int backward_rows = 0;    // the same on the way back
  int backward_packed = 0;  // one scratch array (N, backward_packed * H) on the way back

  constexpr int num_extra() const { return count(extra); }
  constexpr int num_saved() const { return count(saved); }

 private:
  template <int size>
  static constexpr int count(const ArrayInfo (&arrays)[size]) {
    int n = 0;
    while (n < size && arrays[n].name != nullptr) n++;
    return n;
  }
};

}  // namespace rnnnlp
