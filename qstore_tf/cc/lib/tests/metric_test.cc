// The metric against finite differences of the reference simulator's states.
#include "../metric.h"

#include "random_program.h"
#include "reference/reference.h"
#include "testing.h"

namespace qstore {
namespace {

using Complex = std::complex<double>;

struct Case {
  testing::Shape shape;
  Program program;
  std::vector<double> inputs, theta;
  std::vector<Complex> initial;
  Batch<double> batch;
  int64_t dim = 0;
};

Case RandomCase(testing::Rng& rng, int i, int64_t size) {
  Case c;
  c.shape = {1 + i % 4, i % 3, 1 + i % 5, 12, i % 2 == 1};
  std::string error;
  CHECK(ParseProgram(testing::RandomProgram(rng, c.shape), &c.program, &error));
  c.dim = int64_t{1} << c.shape.n_qubits;
  c.inputs = testing::RandomNumbers<double>(rng, size * c.shape.n_inputs);
  c.theta = testing::RandomNumbers<double>(rng, c.shape.n_theta);
  c.initial = testing::RandomComplex<double>(rng, size * c.dim);
  c.batch.size = size;
  return c;
}

Batch<double> BatchOf(const Case& c) {
  Batch<double> batch = c.batch;
  batch.inputs = c.inputs.data();
  batch.theta = c.theta.data();
  batch.initial = c.shape.has_initial ? c.initial.data() : nullptr;
  return batch;
}

std::vector<Complex> States(const Case& c) {
  std::vector<Complex> out(c.batch.size * c.dim);
  testing::MakeReferenceSimulator<double>(c.program, {})->State(BatchOf(c), 1, out.data());
  return out;
}

std::vector<double> ByDifferences(Case c) {
  constexpr double kStep = 1e-5;
  const std::vector<Complex> psi = States(c);
  std::vector<std::vector<Complex>> d;
  for (double& angle : c.theta) {
    const double kept = angle;
    angle = kept + kStep;
    std::vector<Complex> slope = States(c);
    angle = kept - kStep;
    const std::vector<Complex> below = States(c);
    angle = kept;
    for (size_t j = 0; j < slope.size(); ++j) slope[j] = (slope[j] - below[j]) / (2 * kStep);
    d.push_back(slope);
  }
  const auto inner = [&](const std::vector<Complex>& a, const std::vector<Complex>& b, int64_t s) {
    Complex sum = 0;
    for (int64_t j = s * c.dim; j < (s + 1) * c.dim; ++j) sum += std::conj(a[j]) * b[j];
    return sum;
  };
  std::vector<double> metric;
  for (const auto& p : d) {
    for (const auto& q : d) {
      double sum = 0;
      for (int64_t s = 0; s < c.batch.size; ++s) {
        sum += (inner(p, q, s) - inner(p, psi, s) * inner(psi, q, s)).real();
      }
      metric.push_back(sum / static_cast<double>(c.batch.size));
    }
  }
  return metric;
}

TEST(the_metric_agrees_with_finite_differences_of_the_states) {
  testing::Rng rng(11);
  for (int i = 0; i < 30; ++i) {
    const Case c = RandomCase(rng, i, 1 + i % 3);
    const std::vector<double> want = ByDifferences(c);
    std::vector<double> got(want.size());
    Metric<double>(c.program, BatchOf(c), 1 + i % 4, got.data());
    // Random initial states are not normalized, so the scale is that of their norms.
    double scale = 1;
    for (double value : want) scale = std::max(scale, std::abs(value));
    for (size_t k = 0; k < want.size(); ++k) CHECK_NEAR(got[k], want[k], 1e-6 * scale);
  }
}

TEST(the_metric_of_an_empty_batch_is_zero) {
  testing::Rng rng(12);
  Case c = RandomCase(rng, 2, 1);
  Batch<double> batch = BatchOf(c);
  batch.size = 0;
  std::vector<double> got(c.theta.size() * c.theta.size(), 7.0);
  Metric<double>(c.program, batch, 3, got.data());
  for (double value : got) CHECK(value == 0);
}

TEST(the_memory_of_a_metric_is_named_without_overflow) {
  Program program;
  program.n_qubits = kMaxQubits;
  program.n_theta = kMaxSlots;
  CHECK(MetricBytes(program, int64_t{1} << 40, 1 << 16) == UINT64_MAX);
}

}  // namespace
}  // namespace qstore
