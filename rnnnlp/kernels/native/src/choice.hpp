// Which token comes next: the same rule as in kernels/choice.py, in double precision.
#pragma once

#include "table.hpp"

namespace rnnnlp {

// A token for `uniform` in [0, 1), from the logits of `stepper`. Before it came choice.recent, then tokens[0 .. number - 1].
int32_t choose(const Choice& choice, const Stepper& stepper, double uniform, const int32_t* tokens, long number);

}  // namespace rnnnlp
