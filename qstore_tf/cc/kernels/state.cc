#include "../lib/memory.h"
#include "circuit.h"
#include "kernel.h"

namespace qstore {
namespace {

template <class T>
class State : public Kernel {
 public:
  explicit State(const Attributes& attributes) : circuit_(attributes, false) {}

  void Compute(const Context& context) override {
    const Arguments<T> arguments = circuit_.Read(context);
    const int64_t batch = arguments.batch.size;
    const int threads = circuit_.Threads(batch);
    circuit_.GuardMemory(
        batch, threads, false,
        SaturatingMultiply(sizeof(std::complex<T>) * uint64_t(circuit_.dim()), batch));
    const Tensor out = context.Output<std::complex<T>>(0, "state", {batch, circuit_.dim()});
    if (batch > 0) {
      circuit_.simulator().State(arguments.batch, threads,
                                 out.template data<std::complex<T>>());
    }
  }

 private:
  const Circuit<T> circuit_;
};

template <class T>
class StateGrad : public Kernel {
 public:
  explicit StateGrad(const Attributes& attributes) : circuit_(attributes, false) {}

  void Compute(const Context& context) override {
    const Arguments<T> arguments = circuit_.Read(context);
    const int64_t batch = arguments.batch.size;
    const Tensor grad = context.Input(3, "grad");
    grad.Expect({batch, circuit_.dim()}, "that is the shape of the states");
    const int threads = circuit_.Threads(batch);
    circuit_.GuardMemory(batch, threads, true, Gradients<T>::Bytes(circuit_, batch));
    const Gradients<T> out(context, circuit_, batch);
    if (batch > 0) {
      circuit_.simulator().StateVjp(
          arguments.batch, grad.template data<std::complex<T>>(), threads,
          out.inputs.template data<T>(), out.theta.template data<T>(), out.initial_or_null);
    }
  }

 private:
  const Circuit<T> circuit_;
};

template <class T, template <class> class K>
std::unique_ptr<Kernel> Make(const Attributes& attributes) {
  return std::make_unique<K<T>>(attributes);
}

}  // namespace

void RegisterState() {
  RegisterKernel<Make<float, State>, Make<double, State>>("QstoreState");
  RegisterKernel<Make<float, StateGrad>, Make<double, StateGrad>>("QstoreStateGrad");
}

}  // namespace qstore
