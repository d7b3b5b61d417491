#include "sampling.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace qstore {
namespace {

// Drawing with a table of the states costs two numbers a state. It pays where there are not many
// more states than shots, and the table stays in the cache.
constexpr uint64_t kGuidedStates = 1 << 15;
constexpr uint64_t kGuidedStatesPerShot = 8;

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

// Finds the state of each draw, in any order: the first j with uniform * total < below[j], where
// below[j] is the probability of indices up to and including j.
class Guide {
 public:
  template <class T>
  Guide(const std::complex<T>* state, uint64_t size, double total, uint64_t last)
      : last_(last), total_(total), below_(size), start_(size) {
    double sum = 0;
    for (uint64_t j = 0; j < size; ++j) below_[j] = sum += Probability(state[j]);
    uint64_t j = 0;
    for (uint64_t cell = 0; cell < size; ++cell) {
      while (j < last_ && below_[j] / total * size <= cell) ++j;
      start_[cell] = j;
    }
  }

  // Constant time on average, as there are as many cells as states.
  uint64_t Find(double uniform) const {
    const double draw = uniform * total_;
    uint64_t j = start_[static_cast<uint64_t>(uniform * start_.size())];
    while (j > 0 && draw < below_[j - 1]) --j;  // where rounding chose a cell too high
    while (draw >= below_[j] && j < last_) ++j;
    return j;
  }

 private:
  const uint64_t last_;
  const double total_;
  std::vector<double> below_;
  std::vector<uint64_t> start_;
};

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
  const auto uniform = [key](int64_t shot) {  // in [0, 1)
    return static_cast<double>(Mix(key ^ Mix(shot)) >> 11) * 0x1p-53;
  };
  if (size <= kGuidedStates && size <= kGuidedStatesPerShot * uint64_t(shots)) {
    const Guide guide(state, size, total, last);
    for (int64_t s = 0; s < shots; ++s) out[s] = static_cast<int64_t>(guide.Find(uniform(s)));
    return true;
  }
  // The same states by sorting: one pass serves all shots when they are taken in order.
  std::vector<std::pair<double, int64_t>> draws(shots);
  for (int64_t s = 0; s < shots; ++s) draws[s] = {uniform(s) * total, s};
  std::sort(draws.begin(), draws.end());
  uint64_t j = 0;
  double below = Probability(state[0]);
  for (const auto& [drawn, shot] : draws) {
    while (drawn >= below && j < last) below += Probability(state[++j]);
    out[shot] = static_cast<int64_t>(j);
  }
  return true;
}

template bool SampleState<float>(const std::complex<float>*, uint64_t, const int64_t[2], int64_t,
                                 int64_t, int64_t*);
template bool SampleState<double>(const std::complex<double>*, uint64_t, const int64_t[2],
                                  int64_t, int64_t, int64_t*);

}  // namespace qstore
