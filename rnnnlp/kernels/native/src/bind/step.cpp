// Loss, optimizer, pooling, and rows of a table.

// N rows, K classes, D columns
#include <cmath>

#include "bind/arrays.hpp"

namespace rnnnlp {
namespace {

using Flat = nb::ndarray<const float, nb::numpy, nb::c_contig, nb::device::cpu>;
using FlatOut = nb::ndarray<float, nb::numpy, nb::c_contig, nb::device::cpu>;
using RowIndices = In<int64_t, 1>;

nb::tuple softmax_cross_entropy(const Matrix& logits, const Indices& targets, double label_smoothing) {
  const size_t N = logits.shape(0), K = logits.shape(1);
  if (targets.shape(0) != N) expect("targets", {(int64_t)targets.shape(0)}, {(int64_t)N});
  expect_below("targets", targets, K);
  Out dlogits = new_array({N, K});
  const Loss job{.N = (int64_t)N,
                 .K = (int64_t)K,
                 .logits = logits.data(),
                 .targets = targets.data(),
                 .keep = (float)(1 - label_smoothing),
                 .spread = (float)(label_smoothing / K),
                 .dlogits = dlogits.data()};
  double loss_sum;
  {
    GilRelease others_may_run;
    PoolLock lock;
    loss_sum = kernels_in_use().softmax_cross_entropy(lock.pool_for((double)N * K), job);
  }
  return nb::make_tuple(loss_sum, (double)N, std::move(dlogits));
}

std::vector<double> norms(const std::vector<Flat>& arrays) {
  std::vector<Array> jobs;
  double floats = 0;
  for (const Flat& a : arrays) {
    jobs.push_back({a.data(), (int64_t)a.size()});
    floats += a.size();
  }
  std::vector<double> totals(jobs.size());
  {
    GilRelease others_may_run;
    PoolLock lock;
    kernels_in_use().square_sums(lock.pool_for(floats), jobs.data(), jobs.size(), totals.data());
  }
  for (double& total : totals) total = std::sqrt(total);
  return totals;
}

void same_size(const char* name, size_t size, size_t expected) {
  if (size != expected) expect(name, {(int64_t)size}, {(int64_t)expected});
}

void adam(const std::vector<FlatOut>& values, const std::vector<Flat>& grads, const std::vector<FlatOut>& m,
          const std::vector<FlatOut>& v, const std::vector<std::optional<RowIndices>>& rows,
          const std::vector<double>& decays, double lr, double beta1, double beta2, double eps, int64_t step,
          double scale) {
  const size_t number = values.size();
  for (size_t others : {grads.size(), m.size(), v.size(), rows.size(), decays.size()})
    same_size("the lists of adam", others, number);
  std::vector<AdamParameter> parameters;
  for (size_t a = 0; a < number; a++) {
    const size_t size = values[a].size();
    for (size_t other : {grads[a].size(), m[a].size(), v[a].size()}) same_size("an array of adam", other, size);
    const int64_t all_rows = values[a].ndim() ? values[a].shape(0) : 1;
    AdamParameter p{.value = values[a].data(),
                    .grad = grads[a].data(),
                    .m = m[a].data(),
                    .v = v[a].data(),
                    .row_size = (int64_t)size / (all_rows ? all_rows : 1),
                    .size = (int64_t)size,
                    .decay = (float)decays[a]};
    if (const std::optional<RowIndices>& some = rows[a]) {
      static const int64_t nothing = 0;  // an empty array may have no address, and null would mean all rows
      p.num_rows = some->shape(0);
      for (int64_t k = 0; k < p.num_rows; k++) {
        const int64_t row = some->data()[k];
        if (row < 0 || row >= all_rows) throw nb::value_error("a row of adam is outside of its parameter");
        if (k && row <= some->data()[k - 1]) throw nb::value_error("the rows of adam must be sorted, each once");
      }
      p.rows = p.num_rows ? some->data() : &nothing;
    }
    if (size > 0) parameters.push_back(p);
  }
  const Adam job{.parameters = parameters.data(),
                 .number = (int64_t)parameters.size(),
                 .lr = (float)lr,
                 .beta1 = (float)beta1,
                 .beta2 = (float)beta2,
                 .eps = (float)eps,
                 .rest1 = (float)(1 - beta1),
                 .rest2 = (float)(1 - beta2),
                 .correction1 = (float)(1 - std::pow(beta1, step)),
                 .correction2 = (float)(1 - std::pow(beta2, step)),
                 .scale = (float)scale,
                 .smallest_moment = step % 128 == 0 ? 1e-30f : 0};
  double floats = 0;
  for (const AdamParameter& p : parameters) floats += p.rows ? p.num_rows * p.row_size : p.size;
  GilRelease others_may_run;
  PoolLock lock;
  kernels_in_use().adam(lock.pool_for(floats), job);
}

Out gather_rows(const Matrix& table, const Indices& ids) {
  expect_below("ids", ids, table.shape(0));
  const size_t N = ids.shape(0), D = table.shape(1);
  Out rows = new_array({N, D});
  GilRelease others_may_run;
  PoolLock lock;
  kernels_in_use().gather_rows(lock.pool_for((double)N * D), table.data(), ids.data(), N, D, rows.data());
  return rows;
}

Pooling pooling(const Matrix& x, const Sizes& batch_sizes) {
  Pooling job{
      .T = (int64_t)batch_sizes.shape(0), .D = (int64_t)x.shape(1), .batch_sizes = batch_sizes.data(), .x = x.data()};
  job.B = job.T ? batch_sizes.data()[0] : 0;
  int64_t N = 0;
  for (int64_t t = 0; t < job.T; t++) {
    if (job.batch_sizes[t] < 1 || job.batch_sizes[t] > (t ? job.batch_sizes[t - 1] : job.B))
      throw nb::value_error("batch_sizes must fall, and be at least 1");
    N += job.batch_sizes[t];
  }
  expect("x", x, N, job.D);
  return job;
}

nb::tuple mean_and_max(const Matrix& x, const Sizes& batch_sizes) {
  Pooling job = pooling(x, batch_sizes);
  Out mean = new_array({(size_t)job.B, (size_t)job.D}), largest = new_array({(size_t)job.B, (size_t)job.D});
  job.mean = mean.data(), job.largest = largest.data();
  {
    GilRelease others_may_run;
    PoolLock lock;
    kernels_in_use().mean_and_max(lock.pool_for((double)x.size()), job);
  }
  return nb::make_tuple(std::move(mean), std::move(largest));
}

Out mean_and_max_backward(const Matrix& dmean, const Matrix& dlargest, const Matrix& x, const Matrix& largest,
                          const Sizes& batch_sizes) {
  Pooling job = pooling(x, batch_sizes);
  for (const Matrix* a : {&dmean, &dlargest, &largest}) expect("a gradient of the pooling", *a, job.B, job.D);
  Out dx = new_array({x.shape(0), x.shape(1)});
  job.largest = const_cast<float*>(largest.data()), job.dmean = dmean.data(), job.dlargest = dlargest.data(),
  job.dx = dx.data();
  GilRelease others_may_run;
  PoolLock lock;
  kernels_in_use().mean_and_max_backward(lock.pool_for((double)x.size()), job);
  return dx;
}

void add_rows(const Matrix& rows, const Indices& ids, const InOut<float, 2>& table) {
  expect("rows", rows, ids.shape(0), table.shape(1));
  expect_below("ids", ids, table.shape(0));
  GilRelease others_may_run;
  PoolLock lock;
  kernels_in_use().add_rows(lock.pool_for((double)rows.size()), rows.data(), ids.data(), ids.shape(0), table.shape(1),
                            table.data());
}

// The ids that occur, in order, and for each id its index among them.
nb::tuple unique(const Indices& ids, int64_t vocab_size) {
  expect_below("ids", ids, vocab_size);
  const size_t N = ids.shape(0);
  std::vector<int32_t> index_of(vocab_size, -1);
  for (size_t n = 0; n < N; n++) index_of[ids.data()[n]] = 0;
  int32_t number = 0;
  for (int32_t& index : index_of)
    if (index == 0) index = number++;
  auto* found = new std::vector<int64_t>(number);
  nb::capsule owner(found, [](void* p) noexcept { delete static_cast<std::vector<int64_t>*>(p); });
  for (int64_t id = 0; id < vocab_size; id++)
    if (index_of[id] >= 0) (*found)[index_of[id]] = id;
  auto* row_index = new std::vector<int32_t>(N);
  nb::capsule owner_of_index(row_index, [](void* p) noexcept { delete static_cast<std::vector<int32_t>*>(p); });
  for (size_t n = 0; n < N; n++) (*row_index)[n] = index_of[ids.data()[n]];
  return nb::make_tuple(nb::ndarray<int64_t, nb::numpy>(found->data(), {(size_t)number}, owner),
                        nb::ndarray<int32_t, nb::numpy>(row_index->data(), {N}, owner_of_index));
}

}  // namespace

void bind_step(nb::module_& m) {
  m.def("softmax_cross_entropy", &softmax_cross_entropy, nb::arg("logits").noconvert(), nb::arg("targets").noconvert(),
        nb::arg("label_smoothing"));
  m.def("norms", &norms, nb::arg("arrays").noconvert());
  m.def("adam", &adam, nb::arg("values").noconvert(), nb::arg("grads").noconvert(), nb::arg("m").noconvert(),
        nb::arg("v").noconvert(), nb::arg("rows").noconvert(), nb::arg("decays"), nb::arg("lr"), nb::arg("beta1"),
        nb::arg("beta2"), nb::arg("eps"), nb::arg("step"), nb::arg("scale"));
  m.def("unique", &unique, nb::arg("ids").noconvert(), nb::arg("vocab_size"));
  m.def("gather_rows", &gather_rows, nb::arg("table").noconvert(), nb::arg("ids").noconvert());
  m.def("mean_and_max", &mean_and_max, nb::arg("x").noconvert(), nb::arg("batch_sizes").noconvert());
  m.def("mean_and_max_backward", &mean_and_max_backward, nb::arg("dmean").noconvert(), nb::arg("dlargest").noconvert(),
        nb::arg("x").noconvert(), nb::arg("largest").noconvert(), nb::arg("batch_sizes").noconvert());
  m.def("add_rows", &add_rows, nb::arg("rows").noconvert(), nb::arg("ids").noconvert(), nb::arg("table").noconvert());
}

}  // namespace rnnnlp
