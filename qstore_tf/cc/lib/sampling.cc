#include "sampling.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace qstore {
namespace {

// The finalizer of splitmix64 (Steele, Lea, Flood 2014): a bijection that mixes all bits.
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

template <class T>
double Probability(const std::complex<T>& amplitude) {
  const double re = amplitude.real(), im = amplitude.imag();
  return re * re + im * im;
}

}  // namespace

template <class T>
bool SampleState(const std::complex<T>* state, uint64_t size, const int64_t seed[2], int64_t row,
                 int64_t shots, int64_t* out) {
  double total = 0;
  uint64_t last = 0;  // the last state that can occur, for draws that rounding puts past the end
  for (uint64_t j = 0; j < size; ++j) {
    const double p = Probability(state[j]);
    total += p;
    if (p > 0) last = j;
  }
  if (!(total > 0) || !std::isfinite(total)) return false;

  const uint64_t key = Mix(Mix(Mix(seed[0]) ^ uint64_t(seed[1])) ^ uint64_t(row));
  std::vector<std::pair<double, int64_t>> draws(shots);
  for (int64_t s = 0; s < shots; ++s) {
    const double uniform = static_cast<double>(Mix(key ^ Mix(s)) >> 11) * 0x1p-53;  // [0, 1)
    draws[s] = {uniform * total, s};
  }
  // One pass over the state serves all shots when they are taken in order.
  std::sort(draws.begin(), draws.end());
  uint64_t j = 0;
  double below = Probability(state[0]);  // the probability of indices up to and including j
  for (const auto& [draw, shot] : draws) {
    while (draw >= below && j < last) below += Probability(state[++j]);
    out[shot] = static_cast<int64_t>(j);
  }
  return true;
}

template bool SampleState<float>(const std::complex<float>*, uint64_t, const int64_t[2], int64_t,
                                 int64_t, int64_t*);
template bool SampleState<double>(const std::complex<double>*, uint64_t, const int64_t[2],
                                  int64_t, int64_t, int64_t*);

}  // namespace qstore
