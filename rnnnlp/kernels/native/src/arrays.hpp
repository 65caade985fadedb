// NumPy arrays at the border of the kernels: checked on the way in, made of reused memory on the way out.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <initializer_list>
#include <optional>
#include <string>

#include "table.hpp"

namespace rnnnlp {

namespace nb = nanobind;

template <class T, int dims>
using In = nb::ndarray<const T, nb::numpy, nb::ndim<dims>, nb::c_contig, nb::device::cpu>;
template <class T, int dims>
using InOut = nb::ndarray<T, nb::numpy, nb::ndim<dims>, nb::c_contig, nb::device::cpu>;
// Some columns of a matrix: rows are contiguous, but may lie further apart than they are long.
using Columns = nb::ndarray<const float, nb::numpy, nb::ndim<2>, nb::device::cpu>;
using ColumnsOut = nb::ndarray<float, nb::numpy, nb::ndim<2>, nb::device::cpu>;
using Out = nb::ndarray<float, nb::numpy>;

using Vector = In<float, 1>;
using Matrix = In<float, 2>;
using Indices = In<int32_t, 1>;
using Sizes = In<int64_t, 1>;

// A new array; its memory goes back to the store with the last reference.
Out new_array(std::initializer_list<size_t> shape);

// ValueError "name is (2, 3); expected (2, 4)"
void expect(const char* name, std::initializer_list<long> shape, std::initializer_list<long> expected);

template <class A>
void expect(const char* name, const A& a, long rows, long columns) {
  if ((long)a.shape(0) != rows || (long)a.shape(1) != columns) expect(name, {(long)a.shape(0), (long)a.shape(1)}, {rows, columns});
}
// The same, and TypeError if its rows are not contiguous or overlap; returns how far apart they are.
template <class A>
long stride_of(const char* name, const A& a, long rows, long columns) {
  expect(name, a, rows, columns);
  if ((columns > 1 && a.stride(1) != 1) || (rows > 1 && a.stride(0) < columns))
    throw nb::type_error((std::string("the rows of ") + name + " must be contiguous and apart").c_str());
  return a.stride(0);
}
inline void expect(const char* name, const Vector& a, long size) {
  if ((long)a.shape(0) != size) expect(name, {(long)a.shape(0)}, {size});
}
void expect_below(const char* name, const Indices& indices, long limit);

template <class A>
auto data_of(const std::optional<A>& array) {
  return array ? array->data() : nullptr;
}

const Kernels& kernels_in_use();

void bind_recurrence(nb::module_& m);
void bind_products(nb::module_& m);
void bind_training(nb::module_& m);
void bind_stepper(nb::module_& m);

}  // namespace rnnnlp
