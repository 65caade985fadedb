// NumPy arrays between Python and the kernels: inputs are checked, outputs use the memory of arrays that are gone.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <initializer_list>
#include <optional>
#include <string>

#include "bind/gil.hpp"
#include "kernels.hpp"

namespace rnnnlp {

namespace nb = nanobind;

template <class T, int dims>
using In = nb::ndarray<const T, nb::numpy, nb::ndim<dims>, nb::c_contig, nb::device::cpu>;
template <class T, int dims>
using InOut = nb::ndarray<T, nb::numpy, nb::ndim<dims>, nb::c_contig, nb::device::cpu>;
// Some columns of a matrix: each row is contiguous, but rows may be further apart than they are long.
using Columns = nb::ndarray<const float, nb::numpy, nb::ndim<2>, nb::device::cpu>;
using ColumnsOut = nb::ndarray<float, nb::numpy, nb::ndim<2>, nb::device::cpu>;
using Out = nb::ndarray<float, nb::numpy>;

using Vector = In<float, 1>;
using Matrix = In<float, 2>;
using Indices = In<int32_t, 1>;
using Sizes = In<int64_t, 1>;

// A new array. Its memory returns to the store with the last reference.
Out new_array(std::initializer_list<size_t> shape);

// ValueError "name is (2, 3); expected (2, 4)"
void expect(const char* name, std::initializer_list<int64_t> shape, std::initializer_list<int64_t> expected);

template <class A>
void expect(const char* name, const A& a, int64_t rows, int64_t columns) {
  if ((int64_t)a.shape(0) != rows || (int64_t)a.shape(1) != columns)
    expect(name, {(int64_t)a.shape(0), (int64_t)a.shape(1)}, {rows, columns});
}
// The same, and TypeError if the rows are not contiguous or overlap; returns the distance of the rows.
template <class A>
int64_t stride_of(const char* name, const A& a, int64_t rows, int64_t columns) {
  expect(name, a, rows, columns);
  if ((columns > 1 && a.stride(1) != 1) || (rows > 1 && a.stride(0) < columns))
    throw nb::type_error((std::string("the rows of ") + name + " must be contiguous and apart").c_str());
  return a.stride(0);
}
// For arrays of one dimension.
template <class A>
void expect(const char* name, const A& a, int64_t size) {
  if ((int64_t)a.shape(0) != size) expect(name, {(int64_t)a.shape(0)}, {size});
}
void expect_below(const char* name, const Indices& indices, int64_t limit);

template <class A>
auto data_of(const std::optional<A>& array) {
  return array ? array->data() : nullptr;
}

const Kernels& kernels_in_use();

// A cell's id, its place in kernels_in_use().cells; ValueError for an unknown name.
int cell_id(const std::string& name);

void bind_recurrent(nb::module_& m);
void bind_matmul(nb::module_& m);
void bind_step(nb::module_& m);
void bind_decoder(nb::module_& m);

}  // namespace rnnnlp
