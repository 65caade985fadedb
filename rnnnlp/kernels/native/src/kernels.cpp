// All kernels for one instruction set. The build compiles this file several times, each with its own name for ISA.
#include "elman.hpp"
#include "generation.hpp"
#include "gru.hpp"
#include "gru_reset_first.hpp"
#include "loss.hpp"
#include "lstm.hpp"
#include "optimizer.hpp"
#include "pooling.hpp"
#include "products.hpp"
#include "rows.hpp"
#include "table.hpp"

namespace rnnnlp::ISA {
namespace {

void forward(Team& team, const Forward& job) {
  switch (job.cell) {
    case Cell::lstm: return forward_walk<LSTM>(team, job);
    case Cell::gru: return forward_walk<GRU>(team, job);
    case Cell::elman_tanh: return forward_walk<Elman<false>>(team, job);
    case Cell::elman_relu: return forward_walk<Elman<true>>(team, job);
    case Cell::gru_reset_first: return forward_walk<GRUResetFirst>(team, job);
  }
}

void backward(Team& team, const Backward& job) {
  switch (job.cell) {
    case Cell::lstm: return lstm_backward(team, job);
    case Cell::gru: return gru_backward(team, job);
    case Cell::elman_tanh: return elman_backward<false>(team, job);
    case Cell::elman_relu: return elman_backward<true>(team, job);
    case Cell::gru_reset_first: return gru_reset_first_backward(team, job);
  }
}

#define RNNNLP_TEXT_(x) #x
#define RNNNLP_TEXT(x) RNNNLP_TEXT_(x)

}  // namespace

extern const Kernels kernels;
const Kernels kernels = {RNNNLP_TEXT(ISA), forward, backward, multiply_matrices, softmax_cross_entropy, square_sums, adam,
                         gather_rows, mean_and_max, mean_and_max_backward, add_rows, padded, packed_size, pack_gates,
                         packed_output_size, pack_output, step_tokens};

}  // namespace rnnnlp::ISA
