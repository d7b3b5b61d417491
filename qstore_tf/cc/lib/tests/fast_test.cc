// The fast engine, in every layout and on every instruction set of this machine, against the
// reference.
#include "../fast/fast.h"
#include "../fast/kept_states.h"

#include <limits>

#include "random_program.h"
#include "reference/reference.h"
#include "testing.h"

namespace qstore {
namespace {

template <class T>
struct Work {
  Program program;
  std::vector<Observable> observables;
  std::vector<T> inputs, theta, weights;
  std::vector<std::complex<T>> initial, state_weights;
  int64_t size = 1;

  Batch<T> batch() const {
    Batch<T> batch;
    batch.size = size;
    batch.inputs = inputs.data();
    batch.theta = theta.data();
    batch.initial = program.has_initial ? initial.data() : nullptr;
    return batch;
  }
};

template <class T>
Work<T> MakeWork(testing::Rng& rng, const std::string& text, const std::string& observables,
                 int64_t size) {
  Work<T> work;
  std::string error;
  CHECK(ParseProgram(text, &work.program, &error));
  CHECK(ParseObservables(observables, work.program.n_qubits, &work.observables, &error));
  const size_t dim = size_t{1} << work.program.n_qubits;
  work.size = size;
  work.inputs = testing::RandomNumbers<T>(rng, size * work.program.n_inputs);
  work.theta = testing::RandomNumbers<T>(rng, work.program.n_theta);
  work.weights = testing::RandomNumbers<T>(rng, size * work.observables.size());
  work.initial = testing::RandomComplex<T>(rng, work.program.has_initial ? size * dim : 0);
  for (auto& value : work.initial) value /= static_cast<T>(std::sqrt(2.0 * dim));
  work.state_weights = testing::RandomComplex<T>(rng, size * dim);
  return work;
}

// All results of all methods, one after the other.
template <class T>
std::vector<std::complex<double>> Results(Simulator<T>& simulator, const Work<T>& work,
                                          int threads) {
  const size_t dim = size_t{1} << work.program.n_qubits;
  std::vector<std::complex<double>> all;
  const auto keep = [&](const auto& values) {
    for (const auto& value : values) all.push_back(std::complex<double>(value));
  };
  std::vector<std::complex<T>> state(work.size * dim);
  simulator.State(work.batch(), threads, state.data());
  keep(state);
  std::vector<T> values(work.weights.size());
  simulator.Expectation(work.batch(), threads, values.data());
  keep(values);
  for (const bool of_state : {false, true}) {
    std::vector<T> d_inputs(work.inputs.size(), T(9)), d_theta(work.theta.size(), T(9));
    std::vector<std::complex<T>> d_initial(work.initial.size());
    std::complex<T>* initial = work.program.has_initial ? d_initial.data() : nullptr;
    if (of_state) {
      simulator.StateVjp(work.batch(), work.state_weights.data(), threads, d_inputs.data(),
                         d_theta.data(), initial);
    } else {
      simulator.ExpectationVjp(work.batch(), work.weights.data(), threads, d_inputs.data(),
                               d_theta.data(), initial);
    }
    keep(d_inputs);
    keep(d_theta);
    keep(d_initial);
  }
  return all;
}

template <class T>
void CheckAgainstReference(const Work<T>& work, const fast::Options& options, Simd level,
                           int threads, double tolerance) {
  const auto reference = testing::MakeReferenceSimulator<T>(work.program, work.observables);
  const auto simulator = fast::MakeSimulator<T>(work.program, work.observables, level, options);
  const auto expected = Results(*reference, work, 1), received = Results(*simulator, work, threads);
  double worst = 0, scale = 1;
  for (size_t j = 0; j < expected.size(); ++j) {
    const double distance = std::abs(expected[j] - received[j]);
    worst = distance > worst || std::isnan(distance) ? distance : worst;
    scale = std::max(scale, std::abs(expected[j]));
  }
  CHECK_NEAR(worst / scale, 0.0, tolerance);
  CHECK(Results(*simulator, work, threads) == received);  // bitwise, from reused memory too
}

std::vector<Simd> Levels() {
  std::vector<Simd> levels = {Simd::kBase};
  if (DetectSimd() >= Simd::kAvx2) levels.push_back(Simd::kAvx2);
  if (DetectSimd() >= Simd::kAvx512) levels.push_back(Simd::kAvx512);
  return levels;
}

std::vector<fast::Options> Layouts() {
  std::vector<fast::Options> all(5);
  all[1].layout = fast::Options::kSampleLanes;
  all[2].layout = all[3].layout = all[4].layout = fast::Options::kAmplitudeLanes;
  all[3].tile_bits = all[4].tile_bits = all[3].whole_bits = all[4].whole_bits = 2;
  all[4].share_state = true;
  return all;
}

template <class T>
void CheckRandomPrograms(uint64_t seed, int n, double tolerance) {
  testing::Rng rng(seed);
  for (int i = 0; i < n; ++i) {
    testing::Shape shape{1 + i % 9, i % 4, 1 + i % 3, 6 + i % 30, i % 3 == 0};
    const int64_t size = i % 5 == 0 ? 19 : 1 + i % 4;
    const Work<T> work =
        MakeWork<T>(rng, testing::RandomProgram(rng, shape),
                    testing::RandomObservables(rng, shape.n_qubits, 1 + i % 3), size);
    for (Simd level : Levels()) {
      for (const fast::Options& options : Layouts()) {
        CheckAgainstReference(work, options, level, 1 + i % 3, tolerance);
      }
    }
  }
}

TEST(the_fast_engine_agrees_with_the_reference_in_double_precision) {
  CheckRandomPrograms<double>(11, 60, 1e-11);
}

TEST(the_fast_engine_agrees_with_the_reference_in_single_precision) {
  CheckRandomPrograms<float>(12, 60, 3e-5);
}

// Layers of rotations and entanglers, as people train them: what the plan merges most.
std::string LayeredProgram(int n, int depth, bool ring) {
  testing::Shape shape{n, n, 2 * n * depth, 0, false};
  std::string text = testing::Header(shape);
  for (int q = 0; q < n; ++q) {
    text += "rot X " + std::to_string(q) + " - 1.0*i" + std::to_string(q) + "\n";
  }
  int slot = 0;
  for (int layer = 0; layer < depth; ++layer) {
    for (int q = 0; q < n; ++q) {
      for (const char* axis : {"Y", "Z"}) {
        text += std::string("rot ") + axis + " " + std::to_string(q) + " - 1.0*t" +
                std::to_string(slot++) + "\n";
      }
    }
    for (int q = 0; q + 1 < n + ring; ++q) {
      text += "flip " + std::to_string((q + 1) % n) + " " + std::to_string(q) + "\n";
    }
  }
  return text;
}

template <class T>
void CheckLayeredProgram(testing::Rng& rng, int n, int64_t size, double tolerance) {
  std::string observables;
  for (int q = 0; q < n; ++q) observables += (q > 0 ? ";1.0:Z" : "1.0:Z") + std::to_string(q);
  const Work<T> work = MakeWork<T>(rng, LayeredProgram(n, 3, n % 2 == 1), observables, size);
  for (Simd level : Levels()) {
    for (const fast::Options& options : Layouts()) {
      CheckAgainstReference(work, options, level, 2, tolerance);
    }
  }
}

// Where lanes hold amplitudes, these are from less than one vector to some rows of them.
TEST(layered_circuits_of_every_small_size_agree_with_the_reference) {
  testing::Rng rng(14);
  for (int n = 2; n <= 7; ++n) {
    for (int64_t size : {1, 3, 17}) {
      CheckLayeredProgram<float>(rng, n, size, 3e-5);
      CheckLayeredProgram<double>(rng, n, size, 1e-11);
    }
  }
}

TEST(layered_circuits_agree_with_the_reference) {
  testing::Rng rng(13);
  for (int n : {9, 11, 13, 14}) CheckLayeredProgram<float>(rng, n, 2, 3e-5);
  CheckLayeredProgram<float>(rng, 5, 33, 3e-5);
}

// Diagonals between rotations, more of them than a tile saves its state for.
TEST(circuits_of_many_diagonals_on_few_qubits_agree_with_the_reference) {
  testing::Rng rng(18);
  for (int n : {7, 9}) {
    testing::Shape shape{n, 0, 24 * n, 0, false};
    std::string text = testing::Header(shape);
    for (int k = 0; k < 12 * n; ++k) {
      const std::string qubit = " " + std::to_string(k % n) + " - 1.0*t";
      if (k == 3 * n) {
        for (int q = 0; q + 1 < n; ++q) {
          text += "flip " + std::to_string(q + 1) + " " + std::to_string(q) + "\n";
        }
      }
      text += "rot X" + qubit + std::to_string(2 * k) + "\n";
      text += "rot Z" + qubit + std::to_string(2 * k + 1) + "\n";
    }
    const Work<float> work = MakeWork<float>(rng, text, "1.0:Z0;0.5:X1,0.25:Z2 Z3", 3);
    const Work<float> diagonal = MakeWork<float>(rng, text, "1.0:Z0;0.25:Z2 Z3", 3);
    for (Simd level : Levels()) {
      for (const fast::Options& options : Layouts()) {
        CheckAgainstReference(work, options, level, 2, 3e-5);
        CheckAgainstReference(diagonal, options, level, 2, 3e-5);
      }
    }
  }
}

// Gradients of a simulator that ran nothing before.
template <class T>
std::vector<T> FreshGradients(const Work<T>& work, const fast::Options& options) {
  const auto simulator =
      fast::MakeSimulator<T>(work.program, work.observables, DetectSimd(), options);
  std::vector<T> all(work.inputs.size() + work.theta.size());
  std::vector<std::complex<T>> d_initial(work.initial.size());
  simulator->ExpectationVjp(work.batch(), work.weights.data(), 2, all.data(),
                            all.data() + work.inputs.size(),
                            work.program.has_initial ? d_initial.data() : nullptr);
  for (const auto& value : d_initial) all.insert(all.end(), {value.real(), value.imag()});
  return all;
}

TEST(gradients_are_the_same_whatever_the_forward_pass_left) {
  testing::Rng rng(16);
  for (int i = 0; i < 24; ++i) {
    testing::Shape shape{1 + i % 9, 2, 3, 8 + i % 20, i % 4 == 2};
    const std::string text = i % 2 == 0 ? testing::RandomProgram(rng, shape)
                                        : LayeredProgram(shape.n_qubits, 1 + i % 4,
                                                         i % 3 == 0 && shape.n_qubits > 1);
    Work<float> work = MakeWork<float>(rng, text, "1.0:Z0;0.5:X0", i % 3 == 0 ? 19 : 3);
    for (const fast::Options& options : Layouts()) {
      const auto simulator =
          fast::MakeSimulator<float>(work.program, work.observables, DetectSimd(), options);
      std::vector<float> values(work.weights.size());
      const auto check = [&] {
        std::vector<float> all(work.inputs.size() + work.theta.size());
        std::vector<std::complex<float>> d_initial(work.initial.size());
        simulator->ExpectationVjp(work.batch(), work.weights.data(), 2, all.data(),
                                  all.data() + work.inputs.size(),
                                  work.program.has_initial ? d_initial.data() : nullptr);
        for (const auto& value : d_initial) all.insert(all.end(), {value.real(), value.imag()});
        CHECK(all == FreshGradients(work, options));
      };
      check();
      for (int k = 0; k < 2; ++k) {
        simulator->Expectation(work.batch(), 2, values.data());
        check();  // from what the forward pass left
        check();  // which is gone now
      }
      // Other numbers than those of the forward pass, one at a time. What was left and not used is
      // not left the next time, so each begins with a gradient.
      const auto leave = [&] {
        simulator->Expectation(work.batch(), 2, values.data());
        check();
        simulator->Expectation(work.batch(), 2, values.data());
      };
      for (std::vector<float>* changed : {&work.inputs, &work.theta}) {
        leave();
        if (!changed->empty()) changed->back() += 0.25f;
        check();
      }
      leave();
      if (!work.initial.empty()) work.initial.back() += 0.25f;
      check();
      if (work.size == 1) continue;
      leave();
      --work.size;
      const size_t features = work.inputs.size();
      work.inputs.resize(work.size * work.program.n_inputs);
      check();
      ++work.size;
      work.inputs.resize(features, 0.5f);
    }
  }
}

TEST(states_are_kept_where_gradients_ask_for_them) {
  testing::Rng rng(17);
  const Work<float> work = MakeWork<float>(rng, LayeredProgram(2, 1, false), "1.0:Z0", 3);
  const auto& [program, batch] = std::make_pair(work.program, work.batch());
  fast::KeptStates<float> kept;
  CHECK(!kept.Wanted(1));  // nothing asked for a gradient yet
  CHECK(kept.Take(program, batch).data() == nullptr);
  CHECK(kept.Wanted(1));
  CHECK(!kept.Wanted(fast::kMostKeptBytes + 1));
  fast::Buffer<float> states(64);
  const float* place = states.data();
  kept.Put(program, batch, std::move(states));
  CHECK(kept.Take(program, batch).data() == place);
  CHECK(kept.Take(program, batch).data() == nullptr);
  kept.Put(program, batch, fast::Buffer<float>(64));
  CHECK(!kept.Wanted(1));  // no gradient took the last ones
  CHECK(kept.Take(program, batch).data() == nullptr);
  CHECK(kept.Wanted(1));
  // Where samples have no numbers of their own, their count tells.
  Work<float> alike =
      MakeWork<float>(rng, "qstore_program 1\nqubits 1\ninputs 0\ntheta 1\ninitial 0\nrot Y 0 - 1.0*t0\n",
                      "1.0:Z0", 3);
  kept.Put(alike.program, alike.batch(), fast::Buffer<float>(64));
  ++alike.size;
  CHECK(kept.Take(alike.program, alike.batch()).data() == nullptr);
  --alike.size;
  CHECK(kept.Take(alike.program, alike.batch()).data() != nullptr);
}

TEST(angles_far_from_zero_are_reduced_exactly) {
  testing::Rng rng(14);
  Work<float> work = MakeWork<float>(rng, LayeredProgram(3, 1, false), "1.0:Z0;1.0:Z2", 40);
  for (size_t j = 0; j < work.inputs.size(); ++j) {
    work.inputs[j] *= static_cast<float>(std::pow(10.0, static_cast<double>(j % 7)));
  }
  for (Simd level : Levels()) CheckAgainstReference(work, fast::Options(), level, 1, 1e-5);
}

TEST(a_sample_that_is_not_a_number_leaves_the_others_alone) {
  testing::Rng rng(15);
  Work<float> work = MakeWork<float>(rng, LayeredProgram(4, 2, true), "1.0:Z0", 20);
  const auto simulator =
      fast::MakeSimulator<float>(work.program, work.observables, DetectSimd(), fast::Options());
  std::vector<float> clean(20), dirty(20);
  simulator->Expectation(work.batch(), 1, clean.data());
  work.inputs[4 * 7] = std::numeric_limits<float>::quiet_NaN();
  simulator->Expectation(work.batch(), 1, dirty.data());
  for (int b = 0; b < 20; ++b) CHECK(b == 7 ? std::isnan(dirty[b]) : dirty[b] == clean[b]);
}

}  // namespace
}  // namespace qstore
