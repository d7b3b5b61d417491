// The reference simulator against results known by hand and against finite differences.
#include "../simulator.h"

#include "../sampling.h"
#include "random_program.h"
#include "reference/reference.h"
#include "testing.h"

namespace qstore {
namespace {

using Complex = std::complex<double>;

Program Parsed(const std::string& text) {
  Program program;
  std::string error;
  if (!ParseProgram(text, &program, &error)) testing::Report("simulator_test.cc", 0, error);
  return program;
}

std::vector<Observable> Observed(const std::string& text, int n) {
  std::vector<Observable> observables;
  std::string error;
  if (!ParseObservables(text, n, &observables, &error)) {
    testing::Report("simulator_test.cc", 0, error);
  }
  return observables;
}

std::vector<Complex> StateOf(int n, const std::string& gates) {
  const Program program = Parsed(testing::Header({n, 0, 0, 0, false}) + gates);
  const auto simulator = testing::MakeReferenceSimulator<double>(program, {});
  std::vector<Complex> out(size_t{1} << n);
  Batch<double> batch;
  batch.size = 1;
  simulator->State(batch, 1, out.data());
  return out;
}

void CheckSame(const std::vector<Complex>& a, const std::vector<Complex>& b) {
  CHECK(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) CHECK_NEAR(a[i], b[i], 1e-12);
}

TEST(qubit_0_is_the_most_significant_bit) {
  CheckSame(StateOf(3, "flip 0 -\n"), {0, 0, 0, 0, 1, 0, 0, 0});
  CheckSame(StateOf(3, "flip 2 -\n"), {0, 1, 0, 0, 0, 0, 0, 0});
}

TEST(rotations_follow_the_convention_exp_minus_i_half_angle) {
  const double c = std::cos(0.35), s = std::sin(0.35);
  const Complex i(0, 1);
  CheckSame(StateOf(1, "rot X 0 - 0.7\n"), {c, -i * s});
  CheckSame(StateOf(1, "rot Y 0 - 0.7\n"), {c, s});
  CheckSame(StateOf(1, "rot Z 0 - 0.7\n"), {c - i * s, 0});
  CheckSame(StateOf(2, "rot XX 0,1 - 0.7\n"), {c, 0, 0, -i * s});
  CheckSame(StateOf(2, "rot YY 0,1 - 0.7\n"), {c, 0, 0, i * s});
  CheckSame(StateOf(2, "flip 0 -\nrot XY 0,1 - 0.7\n"), {0, s, c, 0});
}

TEST(controls_act_where_all_of_them_are_one) {
  CheckSame(StateOf(2, "flip 1 0\n"), {1, 0, 0, 0});
  CheckSame(StateOf(2, "flip 0 -\nflip 1 0\n"), {0, 0, 0, 1});
  CheckSame(StateOf(3, "flip 0 -\nflip 2 0,1\n"), {0, 0, 0, 0, 1, 0, 0, 0});
  CheckSame(StateOf(2, "flip 0 -\nrot X 1 0 3.141592653589793\n"), {0, 0, 0, {0, -1}});
  CheckSame(StateOf(3, "flip 0 -\nflip 2 -\nswap 0,1 2\n"), {0, 0, 0, 1, 0, 0, 0, 0});
}

TEST(phases_are_global_without_controls) {
  const Complex e = std::exp(Complex(0, 0.4));
  CheckSame(StateOf(1, "phase - 0.4\n"), {e, 0});
  CheckSame(StateOf(1, "phase 0 0.4\n"), {1, 0});
  CheckSame(StateOf(1, "flip 0 -\nphase 0 0.4\n"), {0, e});
}

TEST(the_first_target_of_a_matrix_is_its_most_significant_bit) {
  // The matrix of j -> j + 1 mod 4.
  const std::string step =
      "0,0,0,0,0,0,1,0," "1,0,0,0,0,0,0,0," "0,0,1,0,0,0,0,0," "0,0,0,0,1,0,0,0";
  CheckSame(StateOf(2, "unitary 0,1 - " + step + "\n"), {0, 1, 0, 0});
  CheckSame(StateOf(2, "unitary 1,0 - " + step + "\n"), {0, 0, 1, 0});
}

struct Case {
  testing::Shape shape;
  Program program;
  std::vector<Observable> observables;
  std::vector<double> inputs, theta;
  std::vector<Complex> initial;
  int64_t size = 0;

  Batch<double> batch() const {
    Batch<double> batch;
    batch.size = size;
    batch.inputs = inputs.data();
    batch.theta = theta.data();
    batch.initial = shape.has_initial ? initial.data() : nullptr;
    return batch;
  }
  int64_t dim() const { return int64_t{1} << shape.n_qubits; }
};

Case RandomCase(testing::Rng& rng, int i) {
  Case c;
  c.shape = {1 + i % 4, i % 3, 1 + i % 4, 10, i % 2 == 1};
  c.program = Parsed(testing::RandomProgram(rng, c.shape));
  c.observables = Observed(testing::RandomObservables(rng, c.shape.n_qubits, 2), c.shape.n_qubits);
  c.size = 1 + i % 3;
  c.inputs = testing::RandomNumbers<double>(rng, c.size * c.shape.n_inputs);
  c.theta = testing::RandomNumbers<double>(rng, c.shape.n_theta);
  c.initial = testing::RandomComplex<double>(rng, c.size * c.dim());
  return c;
}

// Re<weights|state> and sum(weights * expectations): scalars whose gradients the VJPs are.
double StateScalar(const Case& c, const std::vector<Complex>& weights) {
  std::vector<Complex> psi(c.size * c.dim());
  testing::MakeReferenceSimulator<double>(c.program, {})->State(c.batch(), 1, psi.data());
  double sum = 0;
  for (size_t j = 0; j < psi.size(); ++j) sum += (std::conj(weights[j]) * psi[j]).real();
  return sum;
}

double ExpectationScalar(const Case& c, const std::vector<double>& weights) {
  std::vector<double> values(weights.size());
  testing::MakeReferenceSimulator<double>(c.program, c.observables)
      ->Expectation(c.batch(), 1, values.data());
  double sum = 0;
  for (size_t j = 0; j < values.size(); ++j) sum += weights[j] * values[j];
  return sum;
}

// Compares gradients with central differences of `scalar`.
template <class Scalar>
void CheckGradients(Case c, const Scalar& scalar, const std::vector<double>& d_inputs,
                    const std::vector<double>& d_theta, const std::vector<Complex>& d_initial) {
  const auto difference = [&](double* value) {
    constexpr double kStep = 1e-5;
    const double kept = *value;
    *value = kept + kStep;
    const double above = scalar(c);
    *value = kept - kStep;
    const double below = scalar(c);
    *value = kept;
    return (above - below) / (2 * kStep);
  };
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    CHECK_NEAR(d_inputs[i], difference(&c.inputs[i]), 1e-6);
  }
  for (size_t p = 0; p < c.theta.size(); ++p) {
    CHECK_NEAR(d_theta[p], difference(&c.theta[p]), 1e-6);
  }
  if (!c.shape.has_initial) return;
  for (size_t j = 0; j < c.initial.size(); ++j) {
    double* parts = reinterpret_cast<double*>(&c.initial[j]);
    CHECK_NEAR(d_initial[j], Complex(difference(parts), difference(parts + 1)), 1e-6);
  }
}

TEST(gradients_of_expectations_agree_with_finite_differences) {
  testing::Rng rng(2);
  for (int i = 0; i < 24; ++i) {
    const Case c = RandomCase(rng, i);
    const auto weights = testing::RandomNumbers<double>(rng, c.size * 2);
    std::vector<double> d_inputs(c.inputs.size()), d_theta(c.theta.size());
    std::vector<Complex> d_initial(c.initial.size());
    testing::MakeReferenceSimulator<double>(c.program, c.observables)
        ->ExpectationVjp(c.batch(), weights.data(), 2, d_inputs.data(), d_theta.data(),
                         c.shape.has_initial ? d_initial.data() : nullptr);
    const auto scalar = [&](const Case& at) { return ExpectationScalar(at, weights); };
    CheckGradients(c, scalar, d_inputs, d_theta, d_initial);
  }
}

TEST(gradients_of_states_agree_with_finite_differences) {
  testing::Rng rng(3);
  for (int i = 0; i < 24; ++i) {
    const Case c = RandomCase(rng, i);
    const auto weights = testing::RandomComplex<double>(rng, c.size * c.dim());
    std::vector<double> d_inputs(c.inputs.size()), d_theta(c.theta.size());
    std::vector<Complex> d_initial(c.initial.size());
    testing::MakeReferenceSimulator<double>(c.program, {})
        ->StateVjp(c.batch(), weights.data(), 2, d_inputs.data(), d_theta.data(),
                   c.shape.has_initial ? d_initial.data() : nullptr);
    const auto scalar = [&](const Case& at) { return StateScalar(at, weights); };
    CheckGradients(c, scalar, d_inputs, d_theta, d_initial);
  }
}

TEST(a_simulator_of_many_qubits_is_built_without_its_state) {
  const Program program = Parsed(testing::Header({40, 0, 1, 0, false}) + "rot X 39 - 1.0*t0\n");
  const auto observables = Observed("1.0:Z0", 40);
  const uint64_t state = 8 * (uint64_t{1} << 40);
  const auto fast = MakeFastSimulator<float>(program, observables, DetectSimd());
  CHECK(fast->ScratchBytes(1, 1, true) >= state);
}

TEST(samples_follow_the_probabilities_and_only_possible_states_occur) {
  const std::vector<Complex> state = {0, {0.6, 0}, 0, {0, 0.8}, 0};
  const int64_t seed[2] = {3, 4};
  std::vector<int64_t> out(20000);
  CHECK(SampleState(state.data(), state.size(), seed, 0, out.size(), out.data()));
  int ones = 0;
  for (int64_t j : out) {
    CHECK(j == 1 || j == 3);
    ones += j == 1;
  }
  CHECK_NEAR(ones / 20000.0, 0.36, 0.02);
}

TEST(samples_depend_on_seed_and_row_and_on_nothing_else) {
  testing::Rng rng(5);
  const auto state = testing::RandomComplex<float>(rng, 64);
  const auto draw = [&](int64_t a, int64_t b, int64_t row, int64_t shots) {
    const int64_t seed[2] = {a, b};
    std::vector<int64_t> out(shots);
    CHECK(SampleState(state.data(), state.size(), seed, row, shots, out.data()));
    return out;
  };
  const auto base = draw(1, 2, 3, 100);
  CHECK(base == draw(1, 2, 3, 100));
  CHECK(base != draw(2, 1, 3, 100) && base != draw(1, 3, 3, 100) && base != draw(1, 2, 4, 100));
  const auto longer = draw(1, 2, 3, 200);
  CHECK(std::equal(base.begin(), base.end(), longer.begin()));
  // So few shots are sorted, where more are looked up in a table.
  const auto shorter = draw(1, 2, 3, 5);
  CHECK(std::equal(shorter.begin(), shorter.end(), longer.begin()));
}

TEST(states_without_a_norm_cannot_be_sampled) {
  const int64_t seed[2] = {0, 0};
  int64_t out = -1;
  for (double bad : {0.0, std::nan(""), HUGE_VAL}) {
    const std::vector<Complex> state = {bad, 0};
    CHECK(!SampleState(state.data(), 2, seed, 0, 1, &out));
  }
  CHECK(out == -1);
}

}  // namespace
}  // namespace qstore
