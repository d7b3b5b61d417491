#include <algorithm>
#include <atomic>

#include "../lib/memory.h"
#include "../lib/parallel.h"
#include "../lib/sampling.h"
#include "run.h"

namespace qstore {
namespace {

// States are made this many amplitudes at a time, so memory does not grow with the batch.
constexpr int64_t kChunkAmplitudes = 1 << 20;

template <class T>
class Sample {
 public:
  static constexpr bool kMeasures = false;
  static constexpr int kInputs = 4;

  explicit Sample(const Attributes& attributes) : shots_(attributes.Int("shots")) {}

  void Compute(const Circuit<T>& circuit, const Context& context) const {
    const Arguments<T> arguments = circuit.Read(context);
    const Tensor seed = context.Input(3, "seed");
    seed.Expect({2}, "a seed is two integers");
    const int64_t batch = arguments.batch.size;
    const int64_t chunk =
        std::min(batch, std::max<int64_t>(1, kChunkAmplitudes / circuit.dim()));
    const int threads = circuit.Threads(batch);
    circuit.GuardMemory(chunk, threads, false, Bytes(circuit.dim(), batch, chunk, threads));
    const Tensor out = context.Output<int64_t>(0, "samples", {batch, shots_});
    std::vector<std::complex<T>> states(chunk * circuit.dim());
    for (int64_t begin = 0; begin < batch; begin += chunk) {
      const int64_t end = std::min(batch, begin + chunk);
      circuit.simulator().State(Rows(circuit, arguments.batch, begin, end), threads, states.data());
      Draw(circuit.dim(), states, begin, end, threads, seed.data<int64_t>(), out.data<int64_t>());
    }
  }

 private:
  uint64_t Bytes(int64_t dim, int64_t batch, int64_t chunk, int threads) const {
    const uint64_t states = sizeof(std::complex<T>) * uint64_t(chunk * dim);
    const uint64_t draws = SaturatingMultiply(16, SaturatingMultiply(threads, shots_));
    const uint64_t samples = SaturatingMultiply(8, SaturatingMultiply(batch, shots_));
    return SaturatingAdd(states, SaturatingAdd(draws, samples));
  }

  static Batch<T> Rows(const Circuit<T>& circuit, const Batch<T>& batch, int64_t begin,
                       int64_t end) {
    Batch<T> rows = batch;
    rows.size = end - begin;
    rows.inputs += begin * circuit.program().n_inputs;
    if (rows.initial != nullptr) rows.initial += begin * circuit.dim();
    return rows;
  }

  void Draw(int64_t dim, const std::vector<std::complex<T>>& states, int64_t begin, int64_t end,
            int threads, const int64_t* seed, int64_t* out) const {
    std::atomic<int64_t> bad_row{-1};
    ParallelFor(threads, end - begin, [&](int64_t first, int64_t last, int) {
      for (int64_t b = first; b < last; ++b) {
        const int64_t row = begin + b;
        if (!SampleState(states.data() + b * dim, dim, seed, row, shots_, out + row * shots_)) {
          bad_row = row;
        }
      }
    });
    if (bad_row >= 0) {
      throw InvalidArgument("cannot sample row " + std::to_string(bad_row) +
                            " of the batch: the norm of its state must be positive and finite. "
                            "Are there NaNs or infinities in inputs or theta, or zeros in "
                            "initial_state?");
    }
  }

  const int64_t shots_;
};

}  // namespace

void RegisterSample() { RegisterRun<Sample>("QstoreSample"); }

}  // namespace qstore
