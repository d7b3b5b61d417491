// Where the circuit of an op comes from. K<T> says what the op computes of it:
//   static constexpr bool kMeasures;  // whether it takes observables
//   static constexpr int kInputs;     // its inputs, the fed texts not counted
//   explicit K(const Attributes&);
//   void Compute(const Circuit<T>&, const Context&) const;
#ifndef QSTORE_TF_CC_KERNELS_RUN_H_
#define QSTORE_TF_CC_KERNELS_RUN_H_

#include "circuit.h"
#include "kernel.h"

namespace qstore {

// Attributes hold the texts, which are parsed once. For graphs: TensorFlow keeps one kernel for
// each op of a graph, as long as the graph.
template <class T, template <class> class K>
class Fixed : public Kernel {
 public:
  explicit Fixed(const Attributes& attributes)
      : body_(attributes), circuit_(Parse(attributes)) {}

  void Compute(const Context& context) override { body_.Compute(circuit_, context); }

 private:
  static Circuit<T> Parse(const Attributes& attributes) {
    const std::string observables = K<T>::kMeasures ? attributes.String("observables") : "";
    return Circuit<T>(attributes.String("program"), K<T>::kMeasures ? &observables : nullptr,
                      attributes.Int("num_threads"));
  }

  const K<T> body_;
  const Circuit<T> circuit_;
};

// The last inputs hold the texts. For eager calls: TensorFlow keeps a kernel for every value of
// the attributes that was ever called, 40 KB and more each, which a search over circuits would
// pile up.
template <class T, template <class> class K>
class Fed : public Kernel {
 public:
  explicit Fed(const Attributes& attributes)
      : body_(attributes),
        num_threads_(attributes.Int("num_threads")),
        recent_(RecentCircuits<T>::Shared()) {}

  void Compute(const Context& context) override {
    const std::string program = context.Input(K<T>::kInputs, "program").Text();
    const std::string observables =
        K<T>::kMeasures ? context.Input(K<T>::kInputs + 1, "observables").Text() : "";
    const auto circuit =
        recent_->Get(program, K<T>::kMeasures ? &observables : nullptr, num_threads_);
    body_.Compute(*circuit, context);
  }

 private:
  const K<T> body_;
  const int64_t num_threads_;
  const std::shared_ptr<RecentCircuits<T>> recent_;
};

template <class K>
std::unique_ptr<Kernel> Make(const Attributes& attributes) {
  return std::make_unique<K>(attributes);
}

// Registers the kernels of an op and of its twin with fed texts.
template <template <class> class K>
void RegisterRun(const std::string& op) {
  RegisterKernel<Make<Fixed<float, K>>, Make<Fixed<double, K>>>(op.c_str());
  RegisterKernel<Make<Fed<float, K>>, Make<Fed<double, K>>>((op + "Fed").c_str());
}

}  // namespace qstore

#endif  // QSTORE_TF_CC_KERNELS_RUN_H_
