// Random circuits, observables and numbers, for the unit tests and the fuzzer.
#ifndef QSTORE_TF_CC_LIB_TESTS_RANDOM_PROGRAM_H_
#define QSTORE_TF_CC_LIB_TESTS_RANDOM_PROGRAM_H_

#include <algorithm>
#include <complex>
#include <cstdio>
#include <numeric>
#include <random>
#include <string>
#include <vector>

namespace qstore {
namespace testing {

using Rng = std::mt19937_64;

inline int Uniform(Rng& rng, int low, int high) {  // both included
  return std::uniform_int_distribution<int>(low, high)(rng);
}

inline bool Chance(Rng& rng, double p) { return std::bernoulli_distribution(p)(rng); }

inline double Normal(Rng& rng) { return std::normal_distribution<double>()(rng); }

inline std::string Number(double value) {
  char buffer[40];
  std::snprintf(buffer, sizeof(buffer), "%.17g", value);
  return buffer;
}

inline std::string List(const std::vector<int>& values) {
  std::string text;
  for (int value : values) text += (text.empty() ? "" : ",") + std::to_string(value);
  return text.empty() ? "-" : text;
}

// A random unitary: Gram-Schmidt on a Gaussian matrix, row-major.
inline std::vector<std::complex<double>> RandomUnitary(Rng& rng, size_t dim) {
  std::vector<std::complex<double>> m(dim * dim);
  for (auto& value : m) value = {Normal(rng), Normal(rng)};
  for (size_t i = 0; i < dim; ++i) {
    for (int pass = 0; pass < 2; ++pass) {  // once more for orthogonality to the last digits
      for (size_t j = 0; j < i; ++j) {
        std::complex<double> overlap = 0;
        for (size_t k = 0; k < dim; ++k) overlap += std::conj(m[j * dim + k]) * m[i * dim + k];
        for (size_t k = 0; k < dim; ++k) m[i * dim + k] -= overlap * m[j * dim + k];
      }
    }
    double norm = 0;
    for (size_t k = 0; k < dim; ++k) norm += std::norm(m[i * dim + k]);
    for (size_t k = 0; k < dim; ++k) m[i * dim + k] /= std::sqrt(norm);
  }
  return m;
}

struct Shape {
  int n_qubits = 3, n_inputs = 2, n_theta = 3, n_gates = 8;
  bool has_initial = false;
};

inline std::string RandomAngle(Rng& rng, const Shape& shape) {
  std::string text;
  for (int terms = Uniform(rng, 0, 2); terms > 0; --terms) {
    const bool theta = shape.n_inputs == 0 || (shape.n_theta > 0 && Chance(rng, 0.6));
    const int slots = theta ? shape.n_theta : shape.n_inputs;
    if (slots == 0) break;
    const double coef = Chance(rng, 0.5) ? 1.0 : Normal(rng);
    text += Number(coef) + "*" + (theta ? "t" : "i") + std::to_string(Uniform(rng, 0, slots - 1));
    text += ",";
  }
  // Multiples of pi/2 happen often in practice and take short cuts in a fast engine.
  const double constant = Chance(rng, 0.3) ? Uniform(rng, -4, 4) * 1.5707963267948966
                                           : Normal(rng);
  return text + Number(Chance(rng, 0.5) ? 0 : constant);
}

inline std::string RandomGate(Rng& rng, const Shape& shape) {
  std::vector<int> qubits(shape.n_qubits);
  std::iota(qubits.begin(), qubits.end(), 0);
  std::shuffle(qubits.begin(), qubits.end(), rng);
  const auto take = [&](int n) {
    const std::vector<int> taken(qubits.end() - n, qubits.end());
    qubits.resize(qubits.size() - n);
    return taken;
  };
  const auto controls = [&] {
    const int left = static_cast<int>(qubits.size());
    return List(Chance(rng, 0.5) ? take(Uniform(rng, 0, std::min(left, 3))) : take(0));
  };
  switch (Uniform(rng, 0, 5)) {
    case 0:
    case 1: {
      const auto targets = take(Uniform(rng, 1, Chance(rng, 0.6) ? 1 : shape.n_qubits));
      std::string paulis;
      for (size_t i = 0; i < targets.size(); ++i) paulis += "XYZ"[Uniform(rng, 0, 2)];
      return "rot " + paulis + " " + List(targets) + " " + controls() + " " +
             RandomAngle(rng, shape);
    }
    case 2:
      return "phase " + controls() + " " + RandomAngle(rng, shape);
    case 3: {
      const std::string target = List(take(1));
      return "flip " + target + " " + controls();
    }
    case 4:
      if (shape.n_qubits >= 2) {
        const std::string targets = List(take(2));
        return "swap " + targets + " " + controls();
      }
      [[fallthrough]];
    default: {
      const auto targets = take(Uniform(rng, 1, std::min(shape.n_qubits, Uniform(rng, 1, 5))));
      std::string matrix;
      for (const auto& value : RandomUnitary(rng, size_t{1} << targets.size())) {
        matrix += (matrix.empty() ? "" : ",") + Number(value.real()) + "," + Number(value.imag());
      }
      const std::string head = "unitary " + List(targets) + " ";
      return head + controls() + " " + matrix;
    }
  }
}

inline std::string Header(const Shape& shape) {
  return "qstore_program 1\nqubits " + std::to_string(shape.n_qubits) + "\ninputs " +
         std::to_string(shape.n_inputs) + "\ntheta " + std::to_string(shape.n_theta) +
         "\ninitial " + std::to_string(shape.has_initial) + "\n";
}

inline std::string RandomProgram(Rng& rng, const Shape& shape) {
  std::string text = Header(shape);
  for (int g = 0; g < shape.n_gates; ++g) text += RandomGate(rng, shape) + "\n";
  return text;
}

inline std::string RandomObservables(Rng& rng, int n_qubits, int k) {
  std::string text;
  const bool only_z = Chance(rng, 0.5);
  for (int i = 0; i < k; ++i) {
    if (i > 0) text += ";";
    for (int terms = Uniform(rng, 1, 3), t = 0; t < terms; ++t) {
      if (t > 0) text += ",";
      text += Number(Normal(rng)) + ":";
      std::string paulis;
      for (int q = 0; q < n_qubits; ++q) {
        if (!Chance(rng, 0.5)) continue;
        paulis += (paulis.empty() ? "" : " ") + std::string(1, only_z ? 'Z' : "XYZ"[q % 3]) +
                  std::to_string(q);
      }
      text += paulis;
    }
  }
  return text;
}

template <class T>
std::vector<T> RandomNumbers(Rng& rng, size_t n) {
  std::vector<T> values(n);
  for (T& value : values) value = static_cast<T>(Normal(rng));
  return values;
}

template <class T>
std::vector<std::complex<T>> RandomComplex(Rng& rng, size_t n) {
  std::vector<std::complex<T>> values(n);
  for (auto& value : values) value = {static_cast<T>(Normal(rng)), static_cast<T>(Normal(rng))};
  return values;
}

}  // namespace testing
}  // namespace qstore

#endif  // QSTORE_TF_CC_LIB_TESTS_RANDOM_PROGRAM_H_
