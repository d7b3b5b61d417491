#include "../lib/memory.h"
#include "circuit.h"
#include "kernel.h"

namespace qstore {
namespace {

template <class T>
class Expectation : public Kernel {
 public:
  explicit Expectation(const Attributes& attributes) : circuit_(attributes, true) {}

  void Compute(const Context& context) override {
    const Arguments<T> arguments = circuit_.Read(context);
    const int64_t batch = arguments.batch.size;
    const int threads = circuit_.Threads(batch);
    circuit_.GuardMemory(batch, threads, false,
                         SaturatingMultiply(sizeof(T) * circuit_.n_observables(), batch));
    const Tensor out =
        context.Output<T>(0, "expectations", {batch, circuit_.n_observables()});
    if (batch > 0) {
      circuit_.simulator().Expectation(arguments.batch, threads, out.template data<T>());
    }
  }

 private:
  const Circuit<T> circuit_;
};

template <class T>
class ExpectationGrad : public Kernel {
 public:
  explicit ExpectationGrad(const Attributes& attributes) : circuit_(attributes, true) {}

  void Compute(const Context& context) override {
    const Arguments<T> arguments = circuit_.Read(context);
    const int64_t batch = arguments.batch.size;
    const Tensor grad = context.Input(3, "grad");
    grad.Expect({batch, circuit_.n_observables()},
                "that is the shape of the expectation values: one row per sample, one column "
                "per observable");
    const int threads = circuit_.Threads(batch);
    circuit_.GuardMemory(batch, threads, true, Gradients<T>::Bytes(circuit_, batch));
    const Gradients<T> out(context, circuit_, batch);
    if (batch > 0) {
      circuit_.simulator().ExpectationVjp(
          arguments.batch, grad.template data<T>(), threads, out.inputs.template data<T>(),
          out.theta.template data<T>(), out.initial_or_null);
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

void RegisterExpectation() {
  RegisterKernel<Make<float, Expectation>, Make<double, Expectation>>("QstoreExpectation");
  RegisterKernel<Make<float, ExpectationGrad>, Make<double, ExpectationGrad>>(
      "QstoreExpectationGrad");
}

}  // namespace qstore
