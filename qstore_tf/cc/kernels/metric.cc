#include "../lib/metric.h"

#include <algorithm>

#include "../lib/memory.h"
#include "run.h"

namespace qstore {
namespace {

template <class T>
class MetricKernel {
 public:
  static constexpr bool kMeasures = false;
  static constexpr int kInputs = 3;

  explicit MetricKernel(const Attributes&) {}

  void Compute(const Circuit<T>& circuit, const Context& context) const {
    const Arguments<T> arguments = circuit.Read(context);
    const Program& program = circuit.program();
    const int64_t batch = arguments.batch.size, n_theta = program.n_theta;
    // The state and each derivative pass all gates, so a sample is work for so many samples.
    const int64_t runs = static_cast<int64_t>(SaturatingMultiply(batch, n_theta + 1) >> 1);
    const int threads = static_cast<int>(
        std::max<int64_t>(1, std::min<int64_t>(batch, circuit.Threads(runs))));
    const uint64_t out_bytes = SaturatingMultiply(sizeof(T) * uint64_t(n_theta), n_theta);
    circuit.GuardMemory(batch, threads, false,
                        SaturatingAdd(out_bytes, MetricBytes(program, batch, threads)));
    const Tensor out = context.Output<T>(0, "metric", {n_theta, n_theta});
    Metric<T>(program, arguments.batch, threads, out.template data<T>());
  }
};

}  // namespace

void RegisterMetric() { RegisterRun<MetricKernel>("QstoreMetric"); }

}  // namespace qstore
