// fuzz SEED COUNT SECONDS: random and mutated programs, parsed and run on all engines. Ends with
// status 1 and the program on the first wrong answer or unclear error. Meant to be compiled with
// -fsanitize=address,undefined.
#include <chrono>
#include <cstdlib>
#include <iostream>

#include "compare.h"
#include "mutate.h"

namespace qstore {
namespace testing {
namespace {

struct Counts {
  int64_t texts = 0, refused = 0, compared = 0, only_run = 0, too_large = 0;
};

// Texts that mutation made valid but too large to run here are only built.
bool IsSmall(const Program& program, const std::vector<Observable>& observables) {
  return program.n_qubits <= 7 && program.n_inputs <= 64 && program.n_theta <= 64 &&
         program.gates.size() <= 64 && observables.size() <= 64;
}

// Whether rounding lets engines agree: numbers of ordinary size, matrices unitary to the digits.
bool IsTame(const Program& program, const std::vector<Observable>& observables) {
  for (const Gate& gate : program.gates) {
    if (std::abs(gate.angle.constant) > 20) return false;
    for (const AngleTerm& term : gate.angle.terms) {
      if (std::abs(term.coef) > 20) return false;
    }
    const size_t dim = size_t{1} << gate.targets.size();
    for (size_t row = 0; gate.kind == GateKind::kUnitary && row < dim; ++row) {
      double norm = 0;
      for (size_t k = 0; k < dim; ++k) norm += std::norm(gate.matrix[row * dim + k]);
      if (std::abs(norm - 1) > 1e-12) return false;
    }
  }
  for (const Observable& observable : observables) {
    for (const PauliTerm& term : observable.terms) {
      if (std::abs(term.coef) > 1e3) return false;
    }
  }
  return true;
}

bool IsClear(const std::string& error, const char* start) {
  if (error.rfind(start, 0) != 0 || error.size() > 500) return false;
  for (char c : error) {
    if (c < ' ' || c > '~') return false;
  }
  return true;
}

std::string Try(Rng& rng, const std::string& text, const std::string& observables_text,
                bool damaged, Counts* counts) {
  Program program;
  std::vector<Observable> observables;
  std::string error;
  if (!ParseProgram(text, &program, &error)) {
    ++counts->refused;
    if (!damaged) return "a good program was refused: " + error;
    return IsClear(error, "program line ") ? "" : "unclear error: " + error;
  }
  if (!ParseObservables(observables_text, program.n_qubits, &observables, &error)) {
    ++counts->refused;
    if (!damaged) return "good observables were refused: " + error;
    return IsClear(error, "observable ") ? "" : "unclear error: " + error;
  }
  if (!IsSmall(program, observables)) {
    ++counts->too_large;
    return "";
  }
  const bool tame = IsTame(program, observables);
  ++(tame ? counts->compared : counts->only_run);
  return Chance(rng, 0.5) ? CompareEngines<float>(rng, program, observables, tame)
                          : CompareEngines<double>(rng, program, observables, tame);
}

int Fuzz(uint64_t seed, int64_t count, double seconds) {
  const auto start = std::chrono::steady_clock::now();
  Counts counts;
  for (; counts.texts < count; ++counts.texts) {
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    if (spent.count() > seconds) break;
    Rng rng(seed * 1000003 + counts.texts);  // each text can be made again by itself
    Shape shape;
    shape.n_qubits = Uniform(rng, 1, Chance(rng, 0.1) ? 7 : 4);
    shape.n_inputs = Uniform(rng, 0, 3);
    shape.n_theta = Uniform(rng, 0, 4);
    shape.n_gates = Uniform(rng, 0, 10);
    shape.has_initial = Chance(rng, 0.3);
    std::string text = RandomProgram(rng, shape);
    std::string observables = RandomObservables(rng, shape.n_qubits, Uniform(rng, 1, 3));
    const bool damaged = Chance(rng, 0.7);
    if (damaged && Chance(rng, 0.85)) text = Mutate(rng, text);
    if (damaged && Chance(rng, 0.3)) observables = Mutate(rng, observables);
    const std::string wrong = Try(rng, text, observables, damaged, &counts);
    if (wrong.empty()) continue;
    std::cerr << "seed " << seed << ", text " << counts.texts << ": " << wrong << "\nobservables: "
              << observables << "\n" << text << "\n";
    return 1;
  }
  std::cout << "texts " << counts.texts << " refused " << counts.refused << " compared "
            << counts.compared << " only_run " << counts.only_run << " too_large "
            << counts.too_large << std::endl;
  return 0;
}

}  // namespace
}  // namespace testing
}  // namespace qstore

int main(int argc, char** argv) {
  const uint64_t seed = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
  const int64_t count = argc > 2 ? std::strtoll(argv[2], nullptr, 10) : 20000;
  const double seconds = argc > 3 ? std::strtod(argv[3], nullptr) : 60;
  return qstore::testing::Fuzz(seed, count, seconds);
}
