// The two ends of a run that starts from |0...0>: the product state its first gates make, and the
// derivatives of those gates, both in time linear in the state's size whatever their number.
#include <algorithm>
#include <utility>

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
  FillStartRow();
  const Stage& cut = plan_.FirstCut();
  const int64_t factors = 4 * width;
  for (size_t j = 0; j < cut.tile_bits.size(); ++j) {
    std::copy_n(qubits_.data() + (plan_.lane_bits + cut.tile_bits[j]) * factors, factors,
                cut_qubits_.data() + static_cast<int64_t>(j) * factors);
  }
  if (!Whole()) ProductTile();
}

// The tile that the state is made of, where it begins to be more than a product, and its factors.
template <class T>
void Runner<T>::ProductTile() {
  const Stage& cut = plan_.FirstCut();
  Tile<T> tile = FirstTile();
  kernels_.product(tile.psi, start_.data(), cut_qubits_.data(), tile.m);
  if (plan_.first_stage > 0) {
    kernels_.forward(&tile, cut.ops.data(), static_cast<int>(cut.ops.size()));
  }
  begin_ = tile.psi;
  begin_spare_ = tile.psi_spare;
  std::vector<std::complex<double>> products = {1.0};
  for (int bit : cut.other_bits) {
    const size_t n = products.size();
    const std::complex<double> zero = Factor(plan_.lane_bits + bit, 0);
    const std::complex<double> one = Factor(plan_.lane_bits + bit, 1);
    for (size_t k = 0; k < n; ++k) products.push_back(products[k] * one);
    for (size_t k = 0; k < n; ++k) products[k] *= zero;
  }
  for (size_t k = 0; k < products.size(); ++k) {
    factors_.data()[2 * k] = static_cast<T>(products[k].real());
    factors_.data()[2 * k + 1] = static_cast<T>(products[k].imag());
  }
}

// As it is before the first stage, with what its ops need.
template <class T>
Tile<T> Runner<T>::FirstTile() {
  Tile<T> tile = NewTile();
  tile.m = plan_.FirstBits();
  tile.psi = first_tile_.data();
  tile.psi_spare = first_spare_.data();
  if (Reruns() && backward_) {
    tile.saved_reals = FirstReals();
    if (plan_.first_stage > 0 && plan_.FirstCut().SavesLate()) std::swap(tile.psi, tile.psi_spare);
  }
  tile.lambda_spare = first_lambda_.data();
  tile.work = first_work_.data();
  tile.acc = workers_[0].acc.data();
  return tile;
}

// A tile of the state that is still a product of the first tile and the factors.
template <class T>
void Runner<T>::ExpandTile(const Stage& cut, int64_t tile, T* psi) const {
  const Stage& first = plan_.FirstCut();
  const uint64_t base = static_cast<uint64_t>(cut.Base(tile));
  kernels_.expand(begin_, cut.inner.data(), cut.outer.data(), int64_t{1} << plan_.tile_bits,
                  static_cast<uint32_t>(Picked(base, first.tile_bits)),
                  static_cast<uint32_t>(Picked(base, first.other_bits)), factors_.data(), psi);
}

template <class T>
void Runner<T>::ProductState() {
  if (Whole()) {
    kernels_.product(psi_, start_.data(), cut_qubits_.data(), plan_.row_bits);
    return;
  }
  if (!plan_.stages.empty()) return;  // the first makes its tiles as it goes
  Split(Chunks(), [&](int64_t begin, int64_t end, Worker&) {
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      ExpandTile(plan_.chunk, chunk, psi_ + chunk * ChunkReals());
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

// Whether the gates that make the product state have derivatives.
template <class T>
bool Runner<T>::StartDerives() const {
  return std::any_of(plan_.chains.begin(), plan_.chains.end(), [](const Chain& chain) {
    return std::any_of(chain.gates.begin(), chain.gates.end(),
                       [](const ChainGate& gate) { return gate.acc >= 0; });
  });
}

template <class T>
void Runner<T>::StartContraction() {
  if (Whole()) return;
  for (Worker& worker : workers_) {
    std::fill_n(worker.end.data(), FirstReals(), T(0));
    std::fill_n(worker.weights.data(), RowReals() * Factors(), T(0));
  }
}

// Lambda, back where the state is a product, against the factors and against the first tile.
template <class T>
void Runner<T>::ContractTile(const Stage& cut, int64_t tile, const T* lambda, Worker* worker) {
  const Stage& first = plan_.FirstCut();
  const uint64_t base = static_cast<uint64_t>(cut.Base(tile));
  kernels_.contract(lambda, begin_, cut.inner.data(), cut.outer.data(),
                    int64_t{1} << plan_.tile_bits,
                    static_cast<uint32_t>(Picked(base, first.tile_bits)),
                    static_cast<uint32_t>(Picked(base, first.other_bits)), factors_.data(),
                    worker->end.data(), worker->weights.data());
}

// The sums of all workers go to the first one's, and what is left of lambda is a first tile's: it
// runs back to the product state. Returns that and the weights of the factors.
template <class T>
T* Runner<T>::FirstTileEnd(std::vector<std::complex<double>>* weights) {
  const Stage& cut = plan_.FirstCut();
  if (plan_.stages.empty()) {
    Split(Chunks(), [&](int64_t begin, int64_t end, Worker& worker) {
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        ContractTile(cut, chunk, lambda_ + chunk * ChunkReals(), &worker);
      }
    });
  }
  weights->assign(Factors(), 0.0);
  T* sum = workers_[0].end.data();
  for (size_t w = 0; w < workers_.size(); ++w) {
    const T* rows = workers_[w].weights.data();
    for (int64_t k = 0; k < Factors(); ++k, rows += RowReals()) {
      for (int64_t l = 0; l < Lanes(); ++l) {
        (*weights)[k] += std::complex<double>(rows[l], rows[Lanes() + l]);
      }
    }
    for (int64_t k = 0; w > 0 && k < FirstReals(); ++k) sum[k] += workers_[w].end.data()[k];
  }
  if (plan_.first_stage == 0) return sum;
  Tile<T> tile = FirstTile();
  tile.psi = begin_;
  tile.psi_spare = begin_spare_;
  tile.lambda = sum;
  kernels_.backward(&tile, cut.ops.data(), static_cast<int>(cut.ops.size()));
  return tile.lambda;
}

template <class T>
void Runner<T>::ProductEnd() {
  const int64_t width = Lanes();
  const int lanes = plan_.lane_bits;
  T* ends = ends_.data();
  T* sum = lambda_;
  T* prefix = psi_;
  std::vector<std::complex<double>> tile_weights;
  if (!Whole()) {
    sum = FirstTileEnd(&tile_weights);
    prefix = first_tile_.data();
  }
  if (!StartDerives()) return;
  const Stage& cut = plan_.FirstCut();
  FillStartRow();  // WeighObservables used it as scratch
  const int first_bits = plan_.FirstBits();
  kernels_.product_backward(sum, start_.data(), cut_qubits_.data(), first_bits, prefix, ends);
  for (int b = 0; b < first_bits; ++b) {
    const T* rows = ends + b * 4 * width;
    std::vector<std::complex<double>> r(2 * width);
    for (int64_t l = 0; l < width; ++l) {
      for (int j = 0; j < 2; ++j) {
        r[2 * (lanes > 0 ? 0 : l) + j] +=
            std::complex<double>(rows[2 * j * width + l], rows[(2 * j + 1) * width + l]);
      }
    }
    QubitEnd(lanes + cut.tile_bits[b], r.data(), lanes > 0 ? 1 : static_cast<int>(width));
  }
  const auto finish = [&](std::vector<std::complex<double>> weights, const std::vector<int>& bits) {
    const int n = static_cast<int>(bits.size());
    const auto r = ProductDerivatives(std::move(weights), n, [&](int bit, int value) {
      return Factor(bits[bit], value);
    });
    // QubitEnd consumes the factors, so all pairs are there first.
    for (int b = 0; b < n; ++b) QubitEnd(bits[b], r.data() + 2 * b, 1);
  };
  if (lanes > 0) {
    std::vector<std::complex<double>> weights(width);
    for (int64_t l = 0; l < width; ++l) weights[l] = {sum[l], sum[width + l]};
    std::vector<int> bits(lanes);
    for (int b = 0; b < lanes; ++b) bits[b] = b;
    finish(std::move(weights), bits);
  }
  if (!Whole()) {
    std::vector<int> bits = cut.other_bits;
    for (int& b : bits) b += lanes;
    finish(std::move(tile_weights), bits);
  }
}

template void Runner<float>::ProductFactors();
template void Runner<double>::ProductFactors();
template void Runner<float>::ProductState();
template void Runner<double>::ProductState();
template void Runner<float>::StartContraction();
template void Runner<double>::StartContraction();
template void Runner<float>::ExpandTile(const Stage&, int64_t, float*) const;
template void Runner<double>::ExpandTile(const Stage&, int64_t, double*) const;
template void Runner<float>::ContractTile(const Stage&, int64_t, const float*, Worker*);
template void Runner<double>::ContractTile(const Stage&, int64_t, const double*, Worker*);
template void Runner<float>::ProductEnd();
template void Runner<double>::ProductEnd();

}  // namespace fast
}  // namespace qstore
