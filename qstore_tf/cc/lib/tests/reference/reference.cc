// Gradients: adjoint differentiation, arXiv:2009.02823.
#include "reference.h"

#include <algorithm>
#include <cmath>

namespace qstore {
namespace testing {
namespace {

using Complex = std::complex<double>;
using Vector = std::vector<Complex>;

constexpr Complex kI{0, 1};

int Popcount(uint64_t bits) { return __builtin_popcountll(bits); }

// i^popcount(x & z) (-1)^popcount(j & z), so that P|j> = Phase(j)|j ^ x>.
Complex PauliPhase(uint64_t x, uint64_t z, uint64_t j) {
  static constexpr Complex kPowers[4] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}};
  return kPowers[(Popcount(x & z) + 2 * Popcount(j & z)) % 4];
}

struct Masks {
  uint64_t controls = 0, x = 0, z = 0;
};

uint64_t Bit(int n_qubits, int qubit) { return uint64_t{1} << (n_qubits - 1 - qubit); }

Masks MasksOf(const Gate& gate, int n) {
  Masks masks;
  for (int q : gate.controls) masks.controls |= Bit(n, q);
  for (size_t i = 0; i < gate.paulis.size(); ++i) {
    if (gate.paulis[i] != 'Z') masks.x |= Bit(n, gate.targets[i]);
    if (gate.paulis[i] != 'X') masks.z |= Bit(n, gate.targets[i]);
  }
  return masks;
}

// out[j] = (P psi)[j].
Complex PauliElement(const Masks& masks, const Vector& psi, uint64_t j) {
  const uint64_t from = j ^ masks.x;
  return PauliPhase(masks.x, masks.z, from) * psi[from];
}

void ApplyUnitary(const Gate& gate, int n, bool inverse, uint64_t controls, Vector* psi) {
  const size_t dim = size_t{1} << gate.targets.size();
  std::vector<uint64_t> offset(dim, 0);
  uint64_t all_targets = 0;
  for (size_t t = 0; t < gate.targets.size(); ++t) {
    const uint64_t bit = Bit(n, gate.targets[t]);
    all_targets |= bit;
    for (size_t row = 0; row < dim; ++row) {
      if (row >> (gate.targets.size() - 1 - t) & 1) offset[row] |= bit;
    }
  }
  Vector before(dim);
  for (uint64_t j = 0; j < psi->size(); ++j) {
    if ((j & controls) != controls || (j & all_targets) != 0) continue;
    for (size_t row = 0; row < dim; ++row) before[row] = (*psi)[j | offset[row]];
    for (size_t row = 0; row < dim; ++row) {
      Complex sum = 0;
      for (size_t col = 0; col < dim; ++col) {
        sum += (inverse ? std::conj(gate.matrix[col * dim + row]) : gate.matrix[row * dim + col]) *
               before[col];
      }
      (*psi)[j | offset[row]] = sum;
    }
  }
}

// psi <- U psi, or U^dagger psi.
void Apply(const Gate& gate, int n, double angle, bool inverse, Vector* psi) {
  const Masks masks = MasksOf(gate, n);
  if (inverse) angle = -angle;
  switch (gate.kind) {
    case GateKind::kRot: {
      const double c = std::cos(angle / 2), s = std::sin(angle / 2);
      const Vector before = *psi;
      for (uint64_t j = 0; j < psi->size(); ++j) {
        if ((j & masks.controls) != masks.controls) continue;
        (*psi)[j] = c * before[j] - kI * s * PauliElement(masks, before, j);
      }
      break;
    }
    case GateKind::kPhase: {
      const Complex phase{std::cos(angle), std::sin(angle)};
      for (uint64_t j = 0; j < psi->size(); ++j) {
        if ((j & masks.controls) == masks.controls) (*psi)[j] *= phase;
      }
      break;
    }
    case GateKind::kFlip: {
      const uint64_t bit = Bit(n, gate.targets[0]);
      for (uint64_t j = 0; j < psi->size(); ++j) {
        if ((j & masks.controls) == masks.controls && !(j & bit)) {
          std::swap((*psi)[j], (*psi)[j | bit]);
        }
      }
      break;
    }
    case GateKind::kSwap: {
      const uint64_t a = Bit(n, gate.targets[0]), b = Bit(n, gate.targets[1]);
      for (uint64_t j = 0; j < psi->size(); ++j) {
        if ((j & masks.controls) == masks.controls && (j & a) && !(j & b)) {
          std::swap((*psi)[j], (*psi)[j ^ a ^ b]);
        }
      }
      break;
    }
    case GateKind::kUnitary:
      ApplyUnitary(gate, n, inverse, masks.controls, psi);
      break;
  }
}

// Re<lambda| dU/dangle psi_before>, from psi = U psi_before: the generators commute with U.
double AngleGradient(const Gate& gate, int n, const Vector& lambda, const Vector& psi) {
  const Masks masks = MasksOf(gate, n);
  Complex sum = 0;
  for (uint64_t j = 0; j < psi.size(); ++j) {
    if ((j & masks.controls) != masks.controls) continue;
    const Complex derivative = gate.kind == GateKind::kRot
                                   ? -0.5 * kI * PauliElement(masks, psi, j)
                                   : kI * psi[j];
    sum += std::conj(lambda[j]) * derivative;
  }
  return sum.real();
}

bool HasAngle(const Gate& gate) {
  return gate.kind == GateKind::kRot || gate.kind == GateKind::kPhase;
}

template <class T>
class ReferenceSimulator : public Simulator<T> {
 public:
  ReferenceSimulator(const Program& program, const std::vector<Observable>& observables)
      : program_(program), observables_(observables), dim_(uint64_t{1} << program.n_qubits) {}

  void State(const Batch<T>& batch, int, std::complex<T>* out) override {
    for (int64_t b = 0; b < batch.size; ++b) Store(Forward(batch, b), out + b * dim_);
  }

  void Expectation(const Batch<T>& batch, int, T* out) override {
    const int64_t k = observables_.size();
    for (int64_t b = 0; b < batch.size; ++b) {
      const Vector psi = Forward(batch, b);
      for (int64_t i = 0; i < k; ++i) out[b * k + i] = static_cast<T>(Mean(psi, i));
    }
  }

  void ExpectationVjp(const Batch<T>& batch, const T* grad, int, T* d_inputs, T* d_theta,
                      std::complex<T>* d_initial) override {
    const int64_t k = observables_.size();
    Vjp(batch, d_inputs, d_theta, d_initial, [&](int64_t b, const Vector& psi) {
      Vector lambda(dim_);
      for (int64_t i = 0; i < k; ++i) AddObservable(psi, i, 2.0 * grad[b * k + i], &lambda);
      return lambda;
    });
  }

  void StateVjp(const Batch<T>& batch, const std::complex<T>* grad, int, T* d_inputs, T* d_theta,
                std::complex<T>* d_initial) override {
    Vjp(batch, d_inputs, d_theta, d_initial, [&](int64_t b, const Vector&) {
      return Vector(grad + b * dim_, grad + (b + 1) * dim_);
    });
  }

  uint64_t ScratchBytes(int64_t, int, bool) const override {
    const uint64_t gradients = uint64_t(program_.n_theta) + program_.n_inputs;
    return 3 * sizeof(Complex) * dim_ + 8 * gradients;  // psi, lambda, and Apply's copy
  }

 private:
  double Value(const Angle& angle, const Batch<T>& batch, int64_t b) const {
    double value = angle.constant;
    for (const AngleTerm& term : angle.terms) {
      const T* values = term.is_theta ? batch.theta : batch.inputs + b * program_.n_inputs;
      value += term.coef * static_cast<double>(values[term.slot]);
    }
    return value;
  }

  Vector Forward(const Batch<T>& batch, int64_t b) const {
    Vector psi(dim_);
    if (program_.has_initial) {
      std::copy(batch.initial + b * dim_, batch.initial + (b + 1) * dim_, psi.begin());
    } else {
      psi[0] = 1;
    }
    for (const Gate& gate : program_.gates) {
      Apply(gate, program_.n_qubits, Value(gate.angle, batch, b), false, &psi);
    }
    return psi;
  }

  void Store(const Vector& psi, std::complex<T>* out) const {
    for (uint64_t j = 0; j < dim_; ++j) out[j] = std::complex<T>(psi[j]);
  }

  double Mean(const Vector& psi, int64_t i) const {
    Complex sum = 0;
    for (const PauliTerm& term : observables_[i].terms) {
      const Masks masks{0, term.x_mask, term.z_mask};
      for (uint64_t j = 0; j < dim_; ++j) {
        sum += term.coef * std::conj(psi[j]) * PauliElement(masks, psi, j);
      }
    }
    return sum.real();
  }

  // lambda += factor * O_i psi.
  void AddObservable(const Vector& psi, int64_t i, double factor, Vector* lambda) const {
    for (const PauliTerm& term : observables_[i].terms) {
      const Masks masks{0, term.x_mask, term.z_mask};
      for (uint64_t j = 0; j < dim_; ++j) {
        (*lambda)[j] += factor * term.coef * PauliElement(masks, psi, j);
      }
    }
  }

  // make_lambda(b, psi) gives the cotangent of sample b's final state.
  template <class MakeLambda>
  void Vjp(const Batch<T>& batch, T* d_inputs, T* d_theta, std::complex<T>* d_initial,
           const MakeLambda& make_lambda) const {
    std::vector<double> theta_sums(program_.n_theta), d_sample(program_.n_inputs);
    for (int64_t b = 0; b < batch.size; ++b) {
      Vector psi = Forward(batch, b);
      Vector lambda = make_lambda(b, psi);
      std::fill(d_sample.begin(), d_sample.end(), 0.0);
      Sweep(batch, b, &psi, &lambda, &d_sample, &theta_sums);
      std::copy(d_sample.begin(), d_sample.end(), d_inputs + b * program_.n_inputs);
      if (d_initial != nullptr) Store(lambda, d_initial + b * dim_);
    }
    std::copy(theta_sums.begin(), theta_sums.end(), d_theta);
  }

  // Back through the gates, undoing each on psi and lambda. Leaves lambda = U^dagger lambda.
  void Sweep(const Batch<T>& batch, int64_t b, Vector* psi, Vector* lambda,
             std::vector<double>* d_sample, std::vector<double>* d_theta) const {
    for (auto gate = program_.gates.rbegin(); gate != program_.gates.rend(); ++gate) {
      const double angle = Value(gate->angle, batch, b);
      if (HasAngle(*gate) && !gate->angle.terms.empty()) {
        const double d_angle = AngleGradient(*gate, program_.n_qubits, *lambda, *psi);
        for (const AngleTerm& term : gate->angle.terms) {
          (*(term.is_theta ? d_theta : d_sample))[term.slot] += term.coef * d_angle;
        }
      }
      Apply(*gate, program_.n_qubits, angle, true, psi);
      Apply(*gate, program_.n_qubits, angle, true, lambda);
    }
  }

  const Program program_;
  const std::vector<Observable> observables_;
  const uint64_t dim_;
};

}  // namespace

template <class T>
std::unique_ptr<Simulator<T>> MakeReferenceSimulator(const Program& program,
                                                     const std::vector<Observable>& observables) {
  return std::make_unique<ReferenceSimulator<T>>(program, observables);
}

template std::unique_ptr<Simulator<float>> MakeReferenceSimulator<float>(
    const Program&, const std::vector<Observable>&);
template std::unique_ptr<Simulator<double>> MakeReferenceSimulator<double>(
    const Program&, const std::vector<Observable>&);

}  // namespace testing
}  // namespace qstore
