// CPU time of gradients, one line "NAME SECONDS" for each workload, for comparing compilers.
//
// Usage: compilers [NAME]
// Everything on one thread; the least of several times, each of at least 20 ms.

#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>

#include "../qstore_tf/cc/lib/fast/fast.h"
#include "../qstore_tf/cc/lib/simulator.h"
#include "../qstore_tf/cc/lib/tests/random_program.h"

namespace qstore {
namespace {

using testing::Rng;

double CpuSeconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct Workload {
  const char* name;
  int n_qubits, depth, batch;
  bool several;   // rotations and observables on several qubits, and matrices
  bool is_double;
};

constexpr Workload kWorkloads[] = {
    {"6,4,256", 6, 4, 256, false, false},
    {"10,4,32", 10, 4, 32, false, false},
    {"16,4,2", 16, 4, 2, false, false},
    {"6,4,256-double", 6, 4, 256, false, true},
    {"10,4,32-double", 10, 4, 32, false, true},
    {"6,4,64-several", 6, 4, 64, true, false},
    {"10,4,8-several", 10, 4, 8, true, false},
    {"10,4,8-several-double", 10, 4, 8, true, true},
};

// The circuit of workload.py; with `several`, rotations on pairs and a random matrix in each layer.
std::string ProgramText(const Workload& w) {
  const int n = w.n_qubits;
  int slots = 0;
  std::string gates;
  Rng rng(7);
  const auto name = [](int q) { return std::to_string(q); };
  for (int q = 0; q < n; ++q) gates += "rot X " + name(q) + " - 1.0*i" + name(q) + "\n";
  for (int layer = 0; layer < w.depth; ++layer) {
    for (int q = 0; q < n; ++q) {
      gates += "rot Y " + name(q) + " - 1.0*t" + name(slots++) + "\n";
      gates += "rot Z " + name(q) + " - 1.0*t" + name(slots++) + "\n";
    }
    for (int q = 0; q + 1 < n; ++q) {
      const std::string pair = name(q) + "," + name(q + 1);
      if (!w.several) {
        gates += "flip " + name(q + 1) + " " + name(q) + "\n";
      } else if (q % 3 < 2) {
        gates += std::string(q % 3 == 0 ? "rot ZZ " : "rot XY ") + pair + " - 1.0*t" +
                 name(slots++) + "\n";
      } else {
        std::string matrix;
        for (const auto& value : testing::RandomUnitary(rng, 4)) {
          matrix += (matrix.empty() ? "" : ",") + testing::Number(value.real()) + "," +
                    testing::Number(value.imag());
        }
        gates += "unitary " + pair + " - " + matrix + "\n";
      }
    }
  }
  return "qstore_program 1\nqubits " + name(n) + "\ninputs " + name(n) + "\ntheta " + name(slots) +
         "\ninitial 0\n" + gates;
}

std::string ObservablesText(const Workload& w) {
  std::string text;
  for (int q = 0; q < w.n_qubits; ++q) {
    text += (q == 0 ? "1.0:" : ";1.0:") + std::string(w.several && q % 2 ? "X" : "Z") +
            std::to_string(q);
  }
  return text;
}

template <class T>
double Measure(const Workload& w) {
  Program program;
  std::vector<Observable> observables;
  std::string error;
  if (!ParseProgram(ProgramText(w), &program, &error) ||
      !ParseObservables(ObservablesText(w), w.n_qubits, &observables, &error)) {
    std::fprintf(stderr, "%s\n", error.c_str());
    std::exit(1);
  }
  Rng rng(5);
  const auto inputs = testing::RandomNumbers<T>(rng, w.batch * w.n_qubits);
  const auto theta = testing::RandomNumbers<T>(rng, program.n_theta);
  const auto grad = testing::RandomNumbers<T>(rng, w.batch * observables.size());
  std::vector<T> out(w.batch * observables.size()), d_inputs(inputs.size()), d_theta(theta.size());
  Batch<T> batch;
  batch.size = w.batch;
  batch.inputs = inputs.data();
  batch.theta = theta.data();
  const auto simulator = MakeFastSimulator<T>(program, observables, DetectSimd());
  const auto run = [&](int times) {
    const double begin = CpuSeconds();
    for (int k = 0; k < times; ++k) {
      simulator->Expectation(batch, 1, out.data());
      simulator->ExpectationVjp(batch, grad.data(), 1, d_inputs.data(), d_theta.data(), nullptr);
    }
    return (CpuSeconds() - begin) / times;
  };
  run(1);
  const int times = 1 + static_cast<int>(0.02 / run(1));
  double least = run(times);
  for (int k = 0; k < 4; ++k) least = std::min(least, run(times));
  return least;
}

}  // namespace
}  // namespace qstore

int main(int argc, char** argv) {
  for (const auto& workload : qstore::kWorkloads) {
    if (argc > 1 && std::strcmp(argv[1], workload.name) != 0) continue;
    const double seconds = workload.is_double ? qstore::Measure<double>(workload)
                                              : qstore::Measure<float>(workload);
    std::printf("%s %.6e\n", workload.name, seconds);
    std::fflush(stdout);
  }
}
