// The two ends of a run that starts from |0...0>: the product state its first gates make, and the
// derivatives of those gates, both in time linear in the state's size whatever their number.
#include <algorithm>

#include "runner.h"

namespace qstore {
namespace fast {
namespace {

// For every bit of `weights` (2^bits numbers) the pair r_j = sum over the entries with that bit = j
// of conj(factors of the other bits) * weight. `factor(bit, value)`.
template <class Factor>
std::vector<std::complex<double>> ProductDerivatives(std::vector<std::complex<double>> weights,
                                                     int bits, Factor factor) {
  std::vector<std::complex<double>> prefix(size_t{1} << bits), r(2 * bits);
  for (int b = bits - 1; b >= 0; --b) {
    const size_t half = size_t{1} << b;
    prefix[0] = 1;
    for (int j = 0; j < b; ++j) {
      for (size_t v = 0; v < size_t{1} << j; ++v) {
        prefix[v | size_t{1} << j] = prefix[v] * factor(j, 1);
        prefix[v] *= factor(j, 0);
      }
    }
    for (size_t v = 0; v < half; ++v) {
      r[2 * b] += std::conj(prefix[v]) * weights[v];
      r[2 * b + 1] += std::conj(prefix[v]) * weights[v + half];
      weights[v] = std::conj(factor(b, 0)) * weights[v] + std::conj(factor(b, 1)) * weights[v + half];
    }
  }
  return r;
}

}  // namespace

template <class T>
std::complex<double> Runner<T>::Factor(int index_bit, int value) const {
  const T* u = qubits_.data() + index_bit * 4 * Lanes();
  return {static_cast<double>(u[2 * value * Lanes()]),
          static_cast<double>(u[(2 * value + 1) * Lanes()])};
}

template <class T>
std::complex<double> Runner<T>::HighProduct(int64_t chunk) const {
  std::complex<double> product = 1;
  for (int b = plan_.tile_bits; b < plan_.row_bits; ++b) {
    product *= Factor(plan_.lane_bits + b, (chunk >> (b - plan_.tile_bits)) & 1);
  }
  return product;
}

// The product over the row bits that a tile of the stage does not span.
template <class T>
std::complex<double> Runner<T>::OtherProduct(const Stage& stage, int64_t tile) const {
  std::complex<double> product = 1;
  for (size_t j = 0; j < stage.other_bits.size(); ++j) {
    product *= Factor(plan_.lane_bits + stage.other_bits[j], (tile >> j) & 1);
  }
  return product;
}

// The product over the qubits in the lanes.
template <class T>
void Runner<T>::FillStartRow() {
  for (int64_t l = 0; l < Lanes(); ++l) {
    std::complex<double> product = 1;
    for (int b = 0; b < plan_.lane_bits; ++b) product *= Factor(b, (l >> b) & 1);
    start_.data()[l] = static_cast<T>(product.real());
    start_.data()[Lanes() + l] = static_cast<T>(product.imag());
  }
}

template <class T>
void Runner<T>::ProductFactors() {
  const int64_t width = Lanes();
  for (int b = 0; b < plan_.n_qubits; ++b) {
    const Chain& chain = plan_.chains[b];
    kernels_.chain_forward(chain.gates.data(), static_cast<int>(chain.gates.size()),
                           call_.rows.data(), sample_rows_.data(),
                           qubits_.data() + b * 4 * width);
  }
  if (Whole()) return;
  FillStartRow();
  kernels_.product(low_.data(), start_.data(), qubits_.data() + plan_.lane_bits * 4 * width,
                   plan_.tile_bits);
}

template <class T>
void Runner<T>::ProductState() {
  if (Whole()) {
    FillStartRow();
    kernels_.product(psi_, start_.data(), qubits_.data() + plan_.lane_bits * 4 * Lanes(),
                     plan_.row_bits);
    return;
  }
  if (!plan_.stages.empty()) {  // the first makes its tiles as it goes, from this one
    const std::vector<int>& bits = plan_.stages[0].tile_bits;
    const int64_t factors = 4 * Lanes();
    T* u = ends_.data();
    for (size_t j = 0; j < bits.size(); ++j) {
      std::copy_n(qubits_.data() + (plan_.lane_bits + bits[j]) * factors, factors,
                  u + static_cast<int64_t>(j) * factors);
    }
    kernels_.product(first_tile_.data(), start_.data(), u, static_cast<int>(bits.size()));
    return;
  }
  Split(Chunks(), [&](int64_t begin, int64_t end, Worker&) {
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      const std::complex<double> h = HighProduct(chunk);
      kernels_.scale(low_.data(), psi_ + chunk * ChunkReals(), int64_t{1} << plan_.tile_bits,
                     static_cast<T>(h.real()), static_cast<T>(h.imag()));
    }
  });
}

// r: `count` pairs, one per lane or one for all lanes.
template <class T>
void Runner<T>::QubitEnd(int index_bit, const std::complex<double>* r, int count) {
  const int64_t width = Lanes();
  T* rows = ends_.data() + 4 * width * plan_.n_qubits;
  for (int64_t l = 0; l < width; ++l) {
    const std::complex<double>* pair = r + 2 * (count == 1 ? 0 : l);
    for (int j = 0; j < 2; ++j) {
      rows[2 * j * width + l] = static_cast<T>(pair[j].real());
      rows[(2 * j + 1) * width + l] = static_cast<T>(pair[j].imag());
    }
  }
  const Chain& chain = plan_.chains[index_bit];
  kernels_.chain_backward(chain.gates.data(), static_cast<int>(chain.gates.size()),
                          call_.rows.data(), sample_rows_.data(),
                          qubits_.data() + index_bit * 4 * width, rows, workers_[0].acc.data());
}

template <class T>
void Runner<T>::ProductEnd() {
  const int64_t width = Lanes();
  const int lanes = plan_.lane_bits;
  const bool derive = std::any_of(plan_.chains.begin(), plan_.chains.end(), [](const Chain& chain) {
    return std::any_of(chain.gates.begin(), chain.gates.end(),
                       [](const ChainGate& gate) { return gate.acc >= 0; });
  });
  if (!derive) return;
  FillStartRow();  // WeighObservables used it as scratch
  const T* row_qubits = qubits_.data() + lanes * 4 * width;
  T* ends = ends_.data();
  T* sum = lambda_;
  T* prefix = psi_;
  std::vector<std::complex<double>> chunk_weights;
  if (!Whole()) {
    chunk_weights.resize(Chunks());
    for (Worker& worker : workers_) std::fill_n(worker.lambda.data(), ChunkReals(), T(0));
    Split(Chunks(), [&](int64_t begin, int64_t end, Worker& worker) {
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        const std::complex<double> h = HighProduct(chunk);
        const T factor[2] = {static_cast<T>(h.real()), static_cast<T>(h.imag())};
        T* out = worker.work.data();
        kernels_.contract(lambda_ + chunk * ChunkReals(), low_.data(),
                          int64_t{1} << plan_.tile_bits, factor, worker.lambda.data(), out);
        std::complex<double> total = 0;
        for (int64_t l = 0; l < width; ++l) {
          total += std::complex<double>(out[l], out[width + l]);
        }
        chunk_weights[chunk] = total;
      }
    });
    sum = workers_[0].lambda.data();
    prefix = workers_[0].psi.data();
    for (size_t w = 1; w < workers_.size(); ++w) {
      for (int64_t k = 0; k < ChunkReals(); ++k) sum[k] += workers_[w].lambda.data()[k];
    }
  }
  kernels_.product_backward(sum, start_.data(), row_qubits, plan_.tile_bits, prefix, ends);
  for (int b = 0; b < plan_.tile_bits; ++b) {
    const T* rows = ends + b * 4 * width;
    std::vector<std::complex<double>> r(2 * width);
    for (int64_t l = 0; l < width; ++l) {
      for (int j = 0; j < 2; ++j) {
        r[2 * (lanes > 0 ? 0 : l) + j] +=
            std::complex<double>(rows[2 * j * width + l], rows[(2 * j + 1) * width + l]);
      }
    }
    QubitEnd(lanes + b, r.data(), lanes > 0 ? 1 : static_cast<int>(width));
  }
  const auto finish = [&](std::vector<std::complex<double>> weights, int first, int bits) {
    const auto r = ProductDerivatives(std::move(weights), bits, [&](int bit, int value) {
      return Factor(first + bit, value);
    });
    // QubitEnd consumes the factors, so all pairs are there first.
    for (int b = 0; b < bits; ++b) QubitEnd(first + b, r.data() + 2 * b, 1);
  };
  if (lanes > 0) {
    std::vector<std::complex<double>> weights(width);
    for (int64_t l = 0; l < width; ++l) weights[l] = {sum[l], sum[width + l]};
    finish(std::move(weights), 0, lanes);
  }
  if (!Whole()) {
    finish(std::move(chunk_weights), lanes + plan_.tile_bits, plan_.row_bits - plan_.tile_bits);
  }
}

template void Runner<float>::ProductFactors();
template void Runner<double>::ProductFactors();
template std::complex<double> Runner<float>::OtherProduct(const Stage&, int64_t) const;
template std::complex<double> Runner<double>::OtherProduct(const Stage&, int64_t) const;
template void Runner<float>::ProductState();
template void Runner<double>::ProductState();
template void Runner<float>::ProductEnd();
template void Runner<double>::ProductEnd();

}  // namespace fast
}  // namespace qstore
