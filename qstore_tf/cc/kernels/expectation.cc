#include "../lib/memory.h"
#include "run.h"

namespace qstore {
namespace {

template <class T>
class Expectation {
 public:
  static constexpr bool kMeasures = true;
  static constexpr int kInputs = 3;

  explicit Expectation(const Attributes&) {}

  void Compute(const Circuit<T>& circuit, const Context& context) const {
    const Arguments<T> arguments = circuit.Read(context);
    const int64_t batch = arguments.batch.size;
    const int threads = circuit.Threads(batch);
    circuit.GuardMemory(batch, threads, false,
                        SaturatingMultiply(sizeof(T) * circuit.n_observables(), batch));
    const Tensor out = context.Output<T>(0, "expectations", {batch, circuit.n_observables()});
    if (batch > 0) {
      circuit.simulator().Expectation(arguments.batch, threads, out.template data<T>());
    }
  }
};

template <class T>
class ExpectationGrad {
 public:
  static constexpr bool kMeasures = true;
  static constexpr int kInputs = 4;

  explicit ExpectationGrad(const Attributes&) {}

  void Compute(const Circuit<T>& circuit, const Context& context) const {
    const Arguments<T> arguments = circuit.Read(context);
    const int64_t batch = arguments.batch.size;
    const Tensor grad = context.Input(3, "grad");
    grad.Expect({batch, circuit.n_observables()},
                "that is the shape of the expectation values: one row per sample, one column "
                "per observable");
    const int threads = circuit.Threads(batch);
    circuit.GuardMemory(batch, threads, true, Gradients<T>::Bytes(circuit, batch));
    const Gradients<T> out(context, circuit, batch);
    if (batch > 0) {
      circuit.simulator().ExpectationVjp(
          arguments.batch, grad.template data<T>(), threads, out.inputs.template data<T>(),
          out.theta.template data<T>(), out.initial_or_null);
    }
  }
};

}  // namespace

void RegisterExpectation() {
  RegisterRun<Expectation>("QstoreExpectation");
  RegisterRun<ExpectationGrad>("QstoreExpectationGrad");
}

}  // namespace qstore
