// Expectations of the final state and the lambda that begins the way back: by one Walsh-Hadamard
// transform of each tile where observables are diagonal, term by term over the state else.
#include <algorithm>

#include "runner.h"

namespace qstore {
namespace fast {
namespace {

// Mostly asked of 0, where lanes are samples; the baseline instruction set has no population count.
bool Odd(uint64_t mask) { return mask != 0 && (__builtin_popcountll(mask) & 1) != 0; }

int CountY(const PauliTerm& term) {
  return __builtin_popcountll(term.x_mask & term.z_mask);
}

// P moves i^(3 Y) out of the sign that the kernels take from the parity of the target's index.
int PowerOfI(const PauliTerm& term) { return (3 * CountY(term)) & 3; }

}  // namespace

template <class T>
void Runner<T>::ClearSums() {
  const size_t n_sums = plan_.observables.size() * (plan_.lane_bits == 0 ? Lanes() : 1);
  for (Worker& worker : workers_) worker.sums.assign(n_sums, 0.0);
}

// A row of lanes times a term's coefficient to the sums of observable k.
template <class T>
void Runner<T>::AddRow(const T* row, uint64_t z_lanes, double coef, size_t k, Worker* worker) {
  const int64_t width = Lanes();
  const bool samples = plan_.lane_bits == 0;
  double* sums = worker->sums.data() + k * (samples ? width : 1);
  for (int64_t l = 0; l < width; ++l) {
    const double value = coef * static_cast<double>(row[l]);
    sums[samples ? l : 0] += Odd(static_cast<uint64_t>(l) & z_lanes) ? -value : value;
  }
}

template <class T>
void Runner<T>::MeasureTile(int64_t tile, const T* psi, Worker* worker) {
  kernels_.spectrum(psi, worker->work.data(), plan_.tile_bits);
  for (const DiagonalPlace& term : plan_.places) {
    const bool odd = Odd(static_cast<uint64_t>(tile) & term.tiles);
    AddRow(worker->work.data() + term.row * Lanes(), term.lanes, odd ? -term.coef : term.coef,
           term.observable, worker);
  }
}

template <class T>
void Runner<T>::Expectations(T* out) {
  const int64_t width = Lanes();
  const size_t n_observables = plan_.observables.size();
  const bool samples = plan_.lane_bits == 0;
  const uint64_t lane_mask = (uint64_t{1} << plan_.lane_bits) - 1;
  if (!MeasuresInTiles()) ClearSums();
  for (size_t k = 0; k < n_observables && !MeasuresInTiles(); ++k) {
    for (const PauliTerm& term : plan_.observables[k].terms) {
      if (term.x_mask == 0) continue;
      Split(int64_t{1} << plan_.row_bits, [&](int64_t begin, int64_t end, Worker& worker) {
        T* row = worker.work.data();
        std::fill_n(row, width, T(0));
        kernels_.pauli_expectation(Final(), begin, end, term.x_mask >> plan_.lane_bits,
                                   static_cast<uint32_t>(term.x_mask & lane_mask),
                                   term.z_mask >> plan_.lane_bits, PowerOfI(term), row);
        AddRow(row, term.z_mask & lane_mask, term.coef, k, &worker);
      });
    }
  }
  if (!MeasuresInTiles() && !plan_.places.empty()) {
    Split(Chunks(), [&](int64_t begin, int64_t end, Worker& worker) {
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        MeasureTile(chunk, Final() + chunk * ChunkReals(), &worker);
      }
    });
  }
  const double squared = call_.scales.state * call_.scales.state;
  for (int b = 0; b < count_; ++b) {
    for (size_t k = 0; k < n_observables; ++k) {
      double sum = 0;
      for (const Worker& worker : workers_) sum += worker.sums[samples ? k * width + b : k];
      out[b * n_observables + k] = static_cast<T>(sum * squared);
    }
  }
}

// The weight in lambda of a term of observable k to a row of lanes.
template <class T>
void Runner<T>::AddWeight(uint64_t z_lanes, size_t k, double coef, T* row) const {
  const int64_t n_observables = static_cast<int64_t>(plan_.observables.size());
  const bool samples = plan_.lane_bits == 0;
  for (int64_t l = 0; l < Lanes(); ++l) {
    if (samples && l >= count_) break;
    const T g = weights_[(samples ? l : 0) * n_observables + static_cast<int64_t>(k)];
    const T value = static_cast<T>(2 * coef) * g;
    row[l] += Odd(static_cast<uint64_t>(l) & z_lanes) ? -value : value;
  }
}

template <class T>
void Runner<T>::WeighTile(int64_t tile, const T* psi, T* lambda, Worker* worker) {
  T* work = worker->work.data();
  std::fill_n(work, Lanes() << plan_.tile_bits, T(0));
  for (const DiagonalPlace& term : plan_.places) {
    const bool odd = Odd(static_cast<uint64_t>(tile) & term.tiles);
    AddWeight(term.lanes, term.observable, odd ? -term.coef : term.coef,
              work + term.row * Lanes());
  }
  kernels_.weigh(psi, lambda, work, plan_.tile_bits);
}

template <class T>
void Runner<T>::WeighObservables(const T* grad) {
  weights_ = grad;
  if (MeasuresInTiles()) return;  // the last stage's tiles do it
  const int64_t width = Lanes();
  const uint64_t lane_mask = (uint64_t{1} << plan_.lane_bits) - 1;
  Split(Chunks(), [&](int64_t begin, int64_t end, Worker& worker) {
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      WeighTile(chunk, Final() + chunk * ChunkReals(), lambda_ + chunk * ChunkReals(), &worker);
    }
  });
  for (size_t k = 0; k < plan_.observables.size(); ++k) {
    for (const PauliTerm& term : plan_.observables[k].terms) {
      if (term.x_mask == 0) continue;
      T* weight = start_.data();
      std::fill_n(weight, width, T(0));
      AddWeight(term.z_mask & lane_mask, k, term.coef, weight);
      Split(int64_t{1} << plan_.row_bits, [&](int64_t begin, int64_t end, Worker&) {
        kernels_.pauli_accumulate(Final(), lambda_, begin, end, term.x_mask >> plan_.lane_bits,
                                  static_cast<uint32_t>(term.x_mask & lane_mask),
                                  term.z_mask >> plan_.lane_bits, PowerOfI(term), weight);
      });
    }
  }
}

#define QSTORE_INSTANTIATE(T)                                                                   \
  template void Runner<T>::ClearSums();                                                         \
  template void Runner<T>::MeasureTile(int64_t, const T*, Worker*);                             \
  template void Runner<T>::Expectations(T*);                                                    \
  template void Runner<T>::WeighTile(int64_t, const T*, T*, Worker*);                           \
  template void Runner<T>::WeighObservables(const T*);
QSTORE_INSTANTIATE(float)
QSTORE_INSTANTIATE(double)
#undef QSTORE_INSTANTIATE

}  // namespace fast
}  // namespace qstore
