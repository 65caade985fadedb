// Samples the next token: the rule of rnnnlp/kernels/sampling.py, in double precision.
#pragma once

#include "kernels.hpp"

namespace rnnnlp {

// A token for `uniform`, from [0, 1), by the decoder's logits. The tokens before it are sampling.recent, then tokens[0
// .. number - 1].
int32_t sample_token(const Sampling& sampling, const Decoder& decoder, double uniform, const int32_t* tokens,
                     long number);

}  // namespace rnnnlp
