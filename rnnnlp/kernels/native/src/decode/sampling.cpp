#include "decode/sampling.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace rnnnlp {
namespace {

void penalize_recent(const Sampling& sampling, const int32_t* tokens, int64_t number, SamplingSpace& space) {
  std::vector<double>& logits = space.p;
  std::vector<char>& seen = space.seen;
  std::fill(seen.begin(), seen.end(), 0);
  for (int64_t back = 1; back <= sampling.window; back++) {
    int64_t at = number - back;  // before the first token of this call: in `recent`
    if (at < 0 && sampling.num_recent + at < 0) break;
    int32_t token = at >= 0 ? tokens[at] : sampling.recent[sampling.num_recent + at];
    if (seen[token]) continue;
    seen[token] = 1;
    double& logit = logits[token];
    logit = logit > 0 ? logit / sampling.repetition_penalty : logit * sampling.repetition_penalty;
  }
}

// The token of the largest logit, the first of several; NaN is no logit. Without any logit it is the first token that
// is not excluded.
int32_t most_probable(const std::vector<double>& logits, int excluded) {
  size_t best = excluded == 0 && logits.size() > 1 ? 1 : 0;
  double top = -INFINITY;
  for (size_t k = 0; k < logits.size(); k++)
    if (logits[k] > top) top = logits[k], best = k;
  return static_cast<int32_t>(best);
}

void keep_top_k(int64_t k, SamplingSpace& space) {
  std::vector<double>&p = space.p, &sorted = space.sorted;
  std::copy(p.begin(), p.end(), sorted.begin());
  std::nth_element(sorted.begin(), sorted.begin() + (k - 1), sorted.end(), std::greater<>());
  for (double& x : p)
    if (x < sorted[k - 1]) x = 0;
}

void keep_top_p(double top_p, SamplingSpace& space) {
  std::vector<double>& p = space.p;
  std::vector<int32_t>& order = space.order;
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return p[a] > p[b]; });
  const double limit = top_p * std::accumulate(p.begin(), p.end(), 0.0);
  double before = 0;
  for (int32_t k : order) {
    double x = p[k];
    if (before >= limit) p[k] = 0;
    before += x;
  }
}

}  // namespace

int32_t sample_token(const Sampling& sampling, const Decoder& decoder, double uniform, const int32_t* tokens,
                     int64_t number, SamplingSpace& space) {
  std::vector<double>& p = space.p;
  std::copy_n(decoder.logits, decoder.vocabulary, p.begin());
  if (sampling.excluded >= 0) p[sampling.excluded] = -INFINITY;
  if (sampling.repetition_penalty != 1) penalize_recent(sampling, tokens, number, space);
  const int32_t best = most_probable(p, sampling.excluded);
  const double top = p[best];
  if (sampling.temperature == 0 || !std::isfinite(top)) return best;
  for (double& x : p) x = x > -INFINITY ? std::exp((x - top) / sampling.temperature) : 0;  // NaN: never
  if (sampling.top_k > 0 && sampling.top_k < (int64_t)p.size()) keep_top_k(sampling.top_k, space);
  if (sampling.top_p < 1) keep_top_p(sampling.top_p, space);
  std::partial_sum(p.begin(), p.end(), p.begin());
  auto at = std::upper_bound(p.begin(), p.end(), uniform * p.back());
  return static_cast<int32_t>(std::min<int64_t>(at - p.begin(), (int64_t)p.size() - 1));
}

}  // namespace rnnnlp
