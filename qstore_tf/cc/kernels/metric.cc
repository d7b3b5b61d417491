#include "../lib/metric.h"

#include <algorithm>

#include "../lib/memory.h"
#include "circuit.h"
#include "kernel.h"

namespace qstore {
namespace {

template <class T>
class MetricKernel : public Kernel {
 public:
  explicit MetricKernel(const Attributes& attributes) : circuit_(attributes, false) {}

  void Compute(const Context& context) override {
    const Arguments<T> arguments = circuit_.Read(context);
    const Program& program = circuit_.program();
    const int64_t batch = arguments.batch.size, n_theta = program.n_theta;
    // The state and each derivative pass all gates, so a sample is work for so many samples.
    const int64_t runs = static_cast<int64_t>(SaturatingMultiply(batch, n_theta + 1) >> 1);
    const int threads = static_cast<int>(
        std::max<int64_t>(1, std::min<int64_t>(batch, circuit_.Threads(runs))));
    const uint64_t out_bytes = SaturatingMultiply(sizeof(T) * uint64_t(n_theta), n_theta);
    circuit_.GuardMemory(batch, threads, false,
                         SaturatingAdd(out_bytes, MetricBytes(program, batch, threads)));
    const Tensor out = context.Output<T>(0, "metric", {n_theta, n_theta});
    Metric<T>(program, arguments.batch, threads, out.template data<T>());
  }

 private:
  const Circuit<T> circuit_;
};

template <class T>
std::unique_ptr<Kernel> Make(const Attributes& attributes) {
  return std::make_unique<MetricKernel<T>>(attributes);
}

}  // namespace

void RegisterMetric() { RegisterKernel<Make<float>, Make<double>>("QstoreMetric"); }

}  // namespace qstore
