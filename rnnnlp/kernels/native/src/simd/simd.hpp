// Vectors of floats in the compiler's vector extension, and the nonlinearities of the gates on them.
//
// Everything in an ISA namespace is compiled once for each instruction set (see kernels.cpp). Such a file uses no
// inline function of the standard library: the linker would keep one copy of it, perhaps with instructions that the
// processor lacks.

// V lanes of a vector
#pragma once

#include <cstdint>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#define RNNNLP_INLINE inline __attribute__((always_inline))
#define RNNNLP_INLINE_LAMBDA __attribute__((always_inline))

namespace rnnnlp::ISA {

#if defined(__AVX512F__)
constexpr int V = 16;
constexpr int registers = 32;
#elif defined(__AVX__)
constexpr int V = 8;
constexpr int registers = 16;
#elif defined(__aarch64__)
constexpr int V = 4;
constexpr int registers = 32;
#else
constexpr int V = 4;
constexpr int registers = 16;
#endif

typedef float vec __attribute__((vector_size(4 * V)));
typedef int32_t ivec __attribute__((vector_size(4 * V)));
typedef float unaligned_vec __attribute__((vector_size(4 * V), aligned(4), may_alias));

RNNNLP_INLINE vec load(const float* p) { return *reinterpret_cast<const unaligned_vec*>(p); }
RNNNLP_INLINE void store(float* p, vec x) { *reinterpret_cast<unaligned_vec*>(p) = x; }

// Only the first `lanes`, for the last columns of a row. The other lanes are zero.
RNNNLP_INLINE vec load(const float* p, int64_t lanes) {
  if (lanes >= V) return load(p);
  vec x = {};
  for (int64_t k = 0; k < lanes; k++) x[k] = p[k];
  return x;
}

RNNNLP_INLINE void store(float* p, vec x, int64_t lanes) {
  if (lanes >= V) return store(p, x);
  for (int64_t k = 0; k < lanes; k++) p[k] = x[k];
}

RNNNLP_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
RNNNLP_INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
RNNNLP_INLINE int64_t clamp(int64_t x, int64_t low, int64_t high) { return smaller(larger(x, low), high); }
RNNNLP_INLINE int64_t groups_of(int64_t n, int64_t size) { return (n + size - 1) / size; }

// Prefetches n floats that will be read (or written) soon. They may start anywhere in a cache line.
template <bool write = false>
RNNNLP_INLINE void prefetch(const float* p, int64_t n) {
  for (int64_t k = 0; k < n; k += 16) __builtin_prefetch(p + k, write);
  if (reinterpret_cast<uintptr_t>(p) % 64) __builtin_prefetch(p + n - 1, write);
}

// The comparisons let NaN pass: a diverged run must be noticed.
#if defined(__AVX512F__)
// One instruction, where the compiler would make a mask and a masked move. If one operand is NaN, it returns the second
// one.
RNNNLP_INLINE vec at_most(vec x, float high) {
  return (vec)_mm512_maskz_min_ps(0xffff, (__m512)(vec{} + high), (__m512)x);
}
RNNNLP_INLINE vec at_least(vec x, float low) {
  return (vec)_mm512_maskz_max_ps(0xffff, (__m512)(vec{} + low), (__m512)x);
}
#else
RNNNLP_INLINE vec at_most(vec x, float high) { return x > high ? vec{} + high : x; }
RNNNLP_INLINE vec at_least(vec x, float low) { return x < low ? vec{} + low : x; }
#endif

// 1 / x for 2^-126 < |x| < 2^126, within two units in the last place.
#if defined(__AVX512F__)
RNNNLP_INLINE vec reciprocal(vec x) {
  vec r = (vec)_mm512_rcp14_ps(
      (__m512)x);  // 14 bits; one step of Newton's method doubles them, and is faster than a division
  return r + r * (1.0f - x * r);
}
#else
RNNNLP_INLINE vec reciprocal(vec x) { return 1.0f / x; }
#endif

RNNNLP_INLINE float sum(vec x) {
  float total = 0;
  for (int k = 0; k < V; k++) total += x[k];
  return total;
}

RNNNLP_INLINE float largest(vec x) {
  float top = x[0];
  for (int k = 1; k < V; k++) top = x[k] > top ? x[k] : top;
  return top;
}

// 2^t = scale * (1 + m) with scale a power of two and |m| < 0.42; needs -126 <= t <= 127.
RNNNLP_INLINE void split_exp2(vec t, vec& scale, vec& m) {
  constexpr float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, left in the low bits
  vec shifted = t + magic;
  vec r = t - (shifted - magic);
  vec q = r * 1.3264728e-3f + 9.671513e-3f;  // minimax on [-1/2, 1/2], relative error 9e-8
  q = q * r + 5.5507336e-2f;
  q = q * r + 2.4022242e-1f;
  q = q * r + 6.93147e-1f;
  m = q * r;
  scale = (vec)(((ivec)shifted << 23) + 0x3f800000);
}

constexpr float log2_e = 1.44269504f;

RNNNLP_INLINE vec exp(vec x) {
  vec scale, m;
  split_exp2(at_least(at_most(x * log2_e, 127.0f), -126.0f), scale, m);
  return scale * m + scale;
}

// sigmoid(x) = 1 / below. At most 2^62, so that the product of two is finite and they can share a division.
RNNNLP_INLINE vec sigmoid_below(vec x) {
  vec scale, m;
  split_exp2(at_least(at_most(x * -log2_e, 62.0f), -126.0f), scale, m);
  return scale * m + scale + 1.0f;
}

// tanh(x) = above / (above + 2) with above = exp(2x) - 1, exact near 0.
RNNNLP_INLINE vec tanh_above(vec x) {
  vec scale, m;
  split_exp2(at_least(at_most(x * (2 * log2_e), 62.0f), -62.0f), scale, m);
  return scale * m + (scale - 1.0f);
}

RNNNLP_INLINE vec tanh(vec x) {
  vec above = tanh_above(x);
  return above * reciprocal(above + 2.0f);
}

RNNNLP_INLINE void two_sigmoids(vec& x, vec& y) {
  vec below_x = sigmoid_below(x), below_y = sigmoid_below(y);
  vec r = reciprocal(below_x * below_y);
  x = r * below_y;
  y = r * below_x;
}

RNNNLP_INLINE void sigmoid_and_tanh(vec& x, vec& y) {
  vec below_x = sigmoid_below(x), above_y = tanh_above(y), below_y = above_y + 2.0f;
  vec r = reciprocal(below_x * below_y);
  x = r * below_y;
  y = above_y * (r * below_x);
}

}  // namespace rnnnlp::ISA
