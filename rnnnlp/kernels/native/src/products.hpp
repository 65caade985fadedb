// Of which products the kernels of this instruction set are made.
#pragma once

#if defined(__AMX_BF16__)
#include "digits.hpp"
#include "product_amx.hpp"
#else
#include "product.hpp"
#endif
#include "panels.hpp"

namespace rnnnlp::ISA {

#if defined(__AMX_BF16__)
using Panels = DigitPanels;
inline void multiply_matrices(Team& team, const Product& job) { multiply_splits(team, job); }
#else
using Panels = FloatPanels;
inline void multiply_matrices(Team& team, const Product& job) { multiply_floats(team, job); }
#endif

}  // namespace rnnnlp::ISA
