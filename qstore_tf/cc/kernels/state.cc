#include "../lib/memory.h"
#include "run.h"

namespace qstore {
namespace {

template <class T>
class State {
 public:
  static constexpr bool kMeasures = false;
  static constexpr int kInputs = 3;

  explicit State(const Attributes&) {}

  void Compute(const Circuit<T>& circuit, const Context& context) const {
    const Arguments<T> arguments = circuit.Read(context);
    const int64_t batch = arguments.batch.size;
    const int threads = circuit.Threads(batch);
    circuit.GuardMemory(
        batch, threads, false,
        SaturatingMultiply(sizeof(std::complex<T>) * uint64_t(circuit.dim()), batch));
    const Tensor out = context.Output<std::complex<T>>(0, "state", {batch, circuit.dim()});
    if (batch > 0) {
      circuit.simulator().State(arguments.batch, threads, out.template data<std::complex<T>>());
    }
  }
};

template <class T>
class StateGrad {
 public:
  static constexpr bool kMeasures = false;
  static constexpr int kInputs = 4;

  explicit StateGrad(const Attributes&) {}

  void Compute(const Circuit<T>& circuit, const Context& context) const {
    const Arguments<T> arguments = circuit.Read(context);
    const int64_t batch = arguments.batch.size;
    const Tensor grad = context.Input(3, "grad");
    grad.Expect({batch, circuit.dim()}, "that is the shape of the states");
    const int threads = circuit.Threads(batch);
    circuit.GuardMemory(batch, threads, true, Gradients<T>::Bytes(circuit, batch));
    const Gradients<T> out(context, circuit, batch);
    if (batch > 0) {
      circuit.simulator().StateVjp(
          arguments.batch, grad.template data<std::complex<T>>(), threads,
          out.inputs.template data<T>(), out.theta.template data<T>(), out.initial_or_null);
    }
  }
};

}  // namespace

void RegisterState() {
  RegisterRun<State>("QstoreState");
  RegisterRun<StateGrad>("QstoreStateGrad");
}

}  // namespace qstore
