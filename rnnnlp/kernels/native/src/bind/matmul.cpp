// Matrix products.

// C (M, N), K terms of each sum
#include "bind/arrays.hpp"

namespace rnnnlp {
namespace {

// A_by_k and B_by_k say how A and B are stored; see struct Matmul.
Out matmul(const Matrix& A, bool A_by_k, const Matrix& B, bool B_by_k, const std::optional<Vector>& bias,
           const std::optional<InOut<float, 1>>& A_sums) {
  const int64_t M = A.shape(A_by_k ? 1 : 0), K = A.shape(A_by_k ? 0 : 1), N = B.shape(B_by_k ? 1 : 0);
  expect("the second factor", B, B_by_k ? K : N, B_by_k ? N : K);
  if (bias) expect("bias", *bias, N);
  if (A_sums) expect("sums", *A_sums, M);
  Out C = new_array({(size_t)M, (size_t)N});
  const Matmul job{.M = M,
                   .N = N,
                   .K = K,
                   .A = A.data(),
                   .A_stride = (int64_t)A.shape(1),
                   .A_by_k = A_by_k,
                   .B = B.data(),
                   .B_stride = (int64_t)B.shape(1),
                   .B_by_k = B_by_k,
                   .bias = data_of(bias),
                   .C = C.data(),
                   .C_stride = N,
                   .A_sums = data_of(A_sums)};
  if (A_sums && !(K && N)) {  // what the kernels sum up beside products
    for (int64_t m = 0; m < M; m++) {
      float sum = 0;
      for (int64_t k = 0; k < K; k++) sum += A.data()[A_by_k ? k * M + m : m * K + k];
      A_sums->data()[m] = sum;
    }
  }
  if (M && N) {
    GilRelease others_may_run;
    PoolLock lock;
    kernels_in_use().matmul(lock.pool_for((double)M * N * K / 16), job);
  }
  return C;
}

}  // namespace

void bind_matmul(nb::module_& m) {
  m.def("matmul", &matmul, nb::arg("A").noconvert(), nb::arg("A_by_k"), nb::arg("B").noconvert(), nb::arg("B_by_k"),
        nb::arg("bias").noconvert().none(), nb::arg("A_sums").noconvert().none());
}

}  // namespace rnnnlp
