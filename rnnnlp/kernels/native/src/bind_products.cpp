// Matrix products.

// C (M, N), K terms of each sum
#include "arrays.hpp"

namespace rnnnlp {
namespace {

using MatrixOut = InOut<float, 2>;

// The layouts of A and B as stored; see Product.
nb::object multiply(const Matrix& A, bool A_by_k, const Matrix& B, bool B_by_k, const std::optional<Vector>& bias,
                    std::optional<MatrixOut> out, bool add, std::optional<InOut<float, 1>> A_sums) {
  const size_t M = A.shape(A_by_k ? 1 : 0), K = A.shape(A_by_k ? 0 : 1), N = B.shape(B_by_k ? 1 : 0);
  expect("the second factor", B, B_by_k ? K : N, B_by_k ? N : K);
  if (bias) expect("bias", *bias, N);
  if (A_sums && A_sums->shape(0) != M) expect("sums", {(long)A_sums->shape(0)}, {(long)M});
  std::optional<Out> made;
  if (!out) made = new_array({M, N});
  else expect("out", *out, M, N);
  Product job{};
  job.M = M, job.N = N, job.K = K;
  job.A = A.data(), job.A_stride = A.shape(1), job.A_by_k = A_by_k;
  job.B = B.data(), job.B_stride = B.shape(1), job.B_by_k = B_by_k;
  job.bias = data_of(bias), job.add = add;
  job.C = out ? out->data() : made->data(), job.C_stride = N;
  job.A_sums = A_sums ? A_sums->data() : nullptr;
  if (M && N) {
    nb::gil_scoped_release others_may_run;
    Crew crew;
    kernels_in_use().multiply(crew.team_for((double)M * N * K / 16), job);
  }
  return out ? nb::cast(*out) : nb::cast(std::move(*made));
}

}  // namespace

void bind_products(nb::module_& m) {
  m.def("multiply", &multiply, nb::arg("A").noconvert(), nb::arg("A_by_k"), nb::arg("B").noconvert(), nb::arg("B_by_k"),
        nb::arg("bias").noconvert().none(), nb::arg("out").noconvert().none(), nb::arg("add"), nb::arg("A_sums").noconvert().none());
}

}  // namespace rnnnlp
