// Chooses the matrix products of this instruction set: `Panels` for the time loop, `matmul` for products of any size.
#pragma once

#if defined(__AMX_BF16__) && defined(__AMX_INT8__)
#include "gemm/int8_panels.hpp"
#include "gemm/matmul_amx.hpp"
#else
#include "gemm/matmul.hpp"
#endif
#include "gemm/float_panels.hpp"

namespace rnnnlp::ISA {

#if defined(__AMX_BF16__) && defined(__AMX_INT8__)
using Panels = Int8Panels;
inline void matmul(ThreadPool& pool, const Matmul& job) { matmul_splits(pool, job); }
#else
using Panels = FloatPanels;
inline void matmul(ThreadPool& pool, const Matmul& job) { matmul_floats(pool, job); }
#endif

}  // namespace rnnnlp::ISA
