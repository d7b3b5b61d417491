#include "compare.h"

#include "../simulator.h"
#include "../tests/reference/reference.h"

namespace qstore {
namespace testing {
namespace {

// All numbers that a simulator gives for one batch, in double, and their size.
struct Results {
  std::vector<double> state, expectations, d_inputs, d_theta, d_initial;
};

template <class T>
struct Data {
  Batch<T> batch;
  std::vector<T> inputs, theta, grad;
  std::vector<std::complex<T>> initial, state_grad;
};

template <class T>
Data<T> RandomData(Rng& rng, const Program& program, size_t n_observables) {
  Data<T> data;
  // Mostly tiny; at times more than the lanes of one vector, and never a multiple of them.
  const int sizes[] = {0, 1, 1, 2, 3, 5, 17, 33};
  const int limit = program.n_qubits <= 4 ? 7 : 4;
  const int64_t size = sizes[Uniform(rng, 0, limit)];
  const size_t states = size << program.n_qubits;
  data.inputs = RandomNumbers<T>(rng, size * program.n_inputs);
  data.theta = RandomNumbers<T>(rng, program.n_theta);
  data.grad = RandomNumbers<T>(rng, size * n_observables);
  data.initial = RandomComplex<T>(rng, states);
  for (auto& value : data.initial) value *= std::sqrt(T(0.5) / (1 << program.n_qubits));
  data.state_grad = RandomComplex<T>(rng, states);
  data.batch.size = size;
  data.batch.inputs = data.inputs.data();
  data.batch.theta = data.theta.data();
  data.batch.initial = program.has_initial ? data.initial.data() : nullptr;
  return data;
}

template <class T>
void Append(const std::vector<T>& from, std::vector<double>* to) {
  to->insert(to->end(), from.begin(), from.end());
}

template <class T>
void Append(const std::vector<std::complex<T>>& from, std::vector<double>* to) {
  for (const auto& value : from) {
    to->push_back(value.real());
    to->push_back(value.imag());
  }
}

// Outputs start as NaN: whatever a simulator forgets to write shows.
template <class T>
Results Run(Simulator<T>& simulator, const Program& program, const Data<T>& data, int threads) {
  const T nan = static_cast<T>(std::nan(""));
  std::vector<std::complex<T>> state(data.state_grad.size(), nan), d_initial(state);
  std::vector<T> expectations(data.grad.size(), nan);
  std::vector<T> d_inputs(data.inputs.size(), nan), d_theta(data.theta.size(), nan);
  std::complex<T>* d_initial_or_null = program.has_initial ? d_initial.data() : nullptr;
  Results results;
  simulator.ScratchBytes(data.batch.size, threads, true);
  simulator.State(data.batch, threads, state.data());
  Append(state, &results.state);
  simulator.Expectation(data.batch, threads, expectations.data());
  Append(expectations, &results.expectations);
  for (bool of_state : {false, true}) {
    if (of_state) {
      simulator.StateVjp(data.batch, data.state_grad.data(), threads, d_inputs.data(),
                         d_theta.data(), d_initial_or_null);
    } else {
      simulator.ExpectationVjp(data.batch, data.grad.data(), threads, d_inputs.data(),
                               d_theta.data(), d_initial_or_null);
    }
    Append(d_inputs, &results.d_inputs);
    Append(d_theta, &results.d_theta);
    if (program.has_initial) Append(d_initial, &results.d_initial);
  }
  return results;
}

// Rounding errors grow with the largest numbers that are added up.
std::string Compare(const char* what, const std::vector<double>& expected,
                    const std::vector<double>& received, double tolerance, double scale) {
  for (double value : expected) scale = std::max(scale, std::abs(value));
  for (size_t i = 0; i < expected.size(); ++i) {
    if (std::abs(expected[i] - received[i]) <= tolerance * scale) continue;
    return std::string(what) + "[" + std::to_string(i) + "]: expected " + Number(expected[i]) +
           ", received " + Number(received[i]);
  }
  return "";
}

std::string CompareAll(const Results& a, const Results& b, double tolerance, double scale) {
  std::string wrong = Compare("state", a.state, b.state, tolerance, 1);
  if (wrong.empty()) {
    wrong = Compare("expectations", a.expectations, b.expectations, tolerance, scale);
  }
  if (wrong.empty()) wrong = Compare("d_inputs", a.d_inputs, b.d_inputs, tolerance, scale);
  if (wrong.empty()) wrong = Compare("d_theta", a.d_theta, b.d_theta, tolerance, scale);
  if (wrong.empty()) wrong = Compare("d_initial", a.d_initial, b.d_initial, tolerance, scale);
  return wrong;
}

// Unitary circuits keep norms: checks the reference itself.
template <class T>
std::string CheckNorms(const Results& results, const Program& program, const Data<T>& data,
                       double tolerance) {
  const size_t dim = size_t{1} << program.n_qubits;
  for (int64_t b = 0; b < data.batch.size; ++b) {
    double before = program.has_initial ? 0 : 1, after = 0;
    for (size_t j = 0; j < dim; ++j) {
      if (program.has_initial) before += std::norm(data.initial[b * dim + j]);
      after += std::pow(results.state[2 * (b * dim + j)], 2);
      after += std::pow(results.state[2 * (b * dim + j) + 1], 2);
    }
    if (!(std::abs(before - after) <= tolerance * (1 + before))) {
      return "norm^2 of row " + std::to_string(b) + ": " + Number(before) + " became " +
             Number(after);
    }
  }
  return "";
}

double ScaleOf(const std::vector<Observable>& observables) {
  double scale = 1;
  for (const Observable& observable : observables) {
    double sum = 0;
    for (const PauliTerm& term : observable.terms) sum += std::abs(term.coef);
    scale += sum;
  }
  return scale;
}

}  // namespace

template <class T>
std::string CompareEngines(Rng& rng, const Program& program,
                           const std::vector<Observable>& observables, bool exact) {
  const double tolerance = sizeof(T) == 4 ? 3e-5 : 1e-11;
  const Data<T> data = RandomData<T>(rng, program, observables.size());
  const int threads = Uniform(rng, 1, 3);
  const auto reference = MakeReferenceSimulator<T>(program, observables);
  const Results expected = Run(*reference, program, data, threads);
  // Matrices may be off unitarity by the parser's tolerance, each.
  const double drift = 1e-5 * (1 + static_cast<double>(program.gates.size()));
  if (exact) {
    const std::string wrong = CheckNorms(expected, program, data, drift + tolerance);
    if (!wrong.empty()) return "reference: " + wrong;
  }
  for (Simd level : {Simd::kBase, Simd::kAvx2, Simd::kAvx512}) {
    if (level > DetectSimd()) break;
    const auto fast = MakeFastSimulator<T>(program, observables, level);
    const Results received = Run(*fast, program, data, threads);
    if (!exact) continue;
    const std::string wrong = CompareAll(expected, received, tolerance, ScaleOf(observables));
    if (!wrong.empty()) {
      return std::string("fast, ") + SimdName(level) + ", batch " +
             std::to_string(data.batch.size) + ", threads " + std::to_string(threads) + ", " +
             (sizeof(T) == 4 ? "float: " : "double: ") + wrong;
    }
  }
  return "";
}

template std::string CompareEngines<float>(Rng&, const Program&, const std::vector<Observable>&,
                                           bool);
template std::string CompareEngines<double>(Rng&, const Program&, const std::vector<Observable>&,
                                            bool);

}  // namespace testing
}  // namespace qstore
