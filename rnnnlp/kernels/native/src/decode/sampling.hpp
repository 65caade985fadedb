// Samples the next token: the rule of rnnnlp/kernels/sampling.py, in double precision.
#pragma once

#include <vector>

#include "kernels.hpp"

namespace rnnnlp {

// What one thread needs to sample from a vocabulary. Threads of the pool must not allocate: nobody could catch it if
// there is no memory.
struct SamplingSpace {
  explicit SamplingSpace(int64_t vocabulary) : p(vocabulary), sorted(vocabulary), order(vocabulary), seen(vocabulary) {}

  std::vector<double> p, sorted;
  std::vector<int32_t> order;
  std::vector<char> seen;
};

// A token for `uniform`, from [0, 1), by the decoder's logits. The tokens before it are sampling.recent, then tokens[0
// .. number - 1].
int32_t sample_token(const Sampling& sampling, const Decoder& decoder, double uniform, const int32_t* tokens,
                     int64_t number, SamplingSpace& space);

}  // namespace rnnnlp
