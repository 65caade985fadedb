// All kernels for one instruction set. The build compiles this file several times, each time with another name for ISA.
#include "kernels.hpp"

#include "decode/decoder.hpp"
#include "gemm/gemm.hpp"
#include "recurrent/cells.hpp"
#include "step/loss.hpp"
#include "step/optimizer.hpp"
#include "step/pooling.hpp"
#include "step/rows.hpp"

namespace rnnnlp::ISA {
namespace {

void forward(ThreadPool& pool, const Forward& job) {
  Cells::with_cell(job.cell, [&](auto type) { forward_loop<typename decltype(type)::type>(pool, job); });
}

void backward(ThreadPool& pool, const Backward& job) {
  Cells::with_cell(job.cell, [&](auto type) { cell_backward<typename decltype(type)::type>(pool, job); });
}

#define RNNNLP_TEXT_(x) #x
#define RNNNLP_TEXT(x) RNNNLP_TEXT_(x)

}  // namespace

extern const Kernels kernels;
const Kernels kernels = {
    .name = RNNNLP_TEXT(ISA),
    .cells = Cells::infos,
    .num_cells = Cells::size,
    .forward = forward,
    .backward = backward,
    .matmul = matmul,
    .softmax_cross_entropy = softmax_cross_entropy,
    .square_sums = square_sums,
    .adam = adam,
    .gather_rows = gather_rows,
    .add_rows = add_rows,
    .mean_and_max = mean_and_max,
    .mean_and_max_backward = mean_and_max_backward,
    .padded = padded,
    .packed_gates_size = packed_gates_size,
    .pack_gates = pack_gates,
    .packed_output_size = packed_output_size,
    .pack_output = pack_output,
    .decode = decode,
};

}  // namespace rnnnlp::ISA
