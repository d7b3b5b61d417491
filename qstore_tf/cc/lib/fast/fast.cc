#include "fast.h"

#include <algorithm>
#include <mutex>

#include "../parallel.h"
#include "kept_states.h"
#include "runner.h"

namespace qstore {
namespace fast {
namespace {

template <class T>
const Kernels<T>& KernelsFor(Simd level) {
#if defined(__x86_64__)
  if (level == Simd::kAvx512) return *KernelsAvx512(T());
  if (level == Simd::kAvx2) return *KernelsAvx2(T());
#endif
  (void)level;
  return *KernelsBase(T());
}

// Up to this many qubits a block of samples fits the innermost caches, lanes holding samples.
constexpr int kSampleLaneQubits = 8;

// States of all threads beyond this many bytes leave the last-level cache; the threads then share
// one state after the other.
constexpr uint64_t kSharedStateBytes = uint64_t{24} << 20;

template <class T>
class FastSimulator : public Simulator<T> {
 public:
  FastSimulator(const Program& program, const std::vector<Observable>& observables, Simd level,
                const Options& options)
      : program_(program),
        observables_(observables),
        kernels_(KernelsFor<T>(level)),
        options_(options) {}

  void State(const Batch<T>& batch, int threads, std::complex<T>* out) override {
    Each(batch, threads, false, nullptr, [&](Runner<T>& runner, int64_t first, int count) {
      runner.Forward(first, count);
      runner.StoreState(out + (first << program_.n_qubits));
    });
  }

  void Expectation(const Batch<T>& batch, int threads, T* out) override {
    const size_t reals = KeptReals(batch.size);
    Buffer<T> states;
    if (kept_.Wanted(reals * sizeof(T)) && reals > 0) states = Buffer<T>(reals);
    Each(batch, threads, true, states.data(), [&](Runner<T>& runner, int64_t first, int count) {
      runner.Forward(first, count);
      runner.Expectations(out + first * static_cast<int64_t>(observables_.size()));
    });
    if (states.data() != nullptr) kept_.Put(program_, batch, std::move(states));
  }

  void ExpectationVjp(const Batch<T>& batch, const T* grad, int threads, T* d_inputs, T* d_theta,
                      std::complex<T>* d_initial) override {
    const Buffer<T> states = kept_.Take(program_, batch);
    Vjp(batch, threads, true, states.data(), d_inputs, d_theta, d_initial,
        [&](Runner<T>& runner, int64_t first) {
          runner.WeighObservables(grad + first * static_cast<int64_t>(observables_.size()));
        });
  }

  void StateVjp(const Batch<T>& batch, const std::complex<T>* grad, int threads, T* d_inputs,
                T* d_theta, std::complex<T>* d_initial) override {
    Vjp(batch, threads, false, nullptr, d_inputs, d_theta, d_initial,
        [&](Runner<T>& runner, int64_t first) {
          runner.LoadLambda(grad + (first << program_.n_qubits));
        });
  }

  uint64_t ScratchBytes(int64_t batch, int threads, bool vjp) const override {
    const uint64_t reals = KeptReals(batch);
    const uint64_t kept = reals > kMostKeptBytes / sizeof(T) ? 0 : reals * sizeof(T);
    uint64_t most = 0;
    for (const bool measured : {true, false}) {
      const Split split = Divide(batch, threads, measured, vjp);
      most = std::max(most, split.runners * Runner<T>::Bytes(*split.plan, split.inner, vjp) +
                                static_cast<uint64_t>(split.plan->diagonal_reals) * sizeof(T));
    }
    return most + kept;
  }

 private:
  // How a call's work is divided: `runners` at once, each with `inner` threads.
  struct Split {
    const Plan* plan = nullptr;
    int64_t block = 1;  // samples
    int runners = 1, inner = 1;
  };

  bool SampleLanes(int64_t batch) const {
    const int lane_bits = __builtin_ctz(kernels_.width);
    if (program_.n_qubits < lane_bits) return true;
    if (options_.layout != Options::kAuto) return options_.layout == Options::kSampleLanes;
    return program_.n_qubits <= kSampleLaneQubits && 2 * batch >= kernels_.width;
  }

  const Plan& PlanFor(bool sample_lanes, bool measured) const {
    std::lock_guard<std::mutex> lock(mutex_);
    std::unique_ptr<Plan>& plan = plans_[2 * sample_lanes + measured];
    if (!plan) {
      PlanOptions options;
      options.lanes = sample_lanes ? Lanes::kSamples : Lanes::kAmplitudes;
      options.width = kernels_.width;
      options.real_bytes = sizeof(T);
      options.whole_bits = options_.whole_bits;
      options.tile_bits = options_.tile_bits;
      plan = MakePlan(program_, observables_, measured, options);
    }
    return *plan;
  }

  Split Divide(int64_t batch, int threads, bool measured, bool vjp) const {
    Split split;
    const bool sample_lanes = SampleLanes(batch);
    split.plan = &PlanFor(sample_lanes, measured);
    split.block = sample_lanes ? kernels_.width : 1;
    const int64_t blocks = std::max<int64_t>(1, (batch + split.block - 1) / split.block);
    const uint64_t one = Runner<T>::Bytes(*split.plan, 1, vjp);
    const bool whole = split.plan->tile_bits == split.plan->row_bits;
    const bool share = !sample_lanes && !whole &&
                       (options_.share_state || blocks < threads ||
                        one * static_cast<uint64_t>(threads) > kSharedStateBytes);
    if (share) {
      split.inner = threads;
    } else {
      split.runners = static_cast<int>(std::min<int64_t>(threads, blocks));
    }
    return split;
  }

  // Reals of the states that a forward pass can leave; 0 where its last state is in no fixed place.
  uint64_t KeptReals(int64_t batch) const {
    const bool sample_lanes = SampleLanes(batch);
    const Plan& plan = PlanFor(sample_lanes, true);
    if (!plan.saves && plan.relabels && plan.tile_bits == plan.row_bits) return 0;
    const uint64_t block = sample_lanes ? kernels_.width : 1;
    return (static_cast<uint64_t>(batch) + block - 1) / block *
           static_cast<uint64_t>(Runner<T>::SavedReals(plan));
  }

  // body(runner, first, count) for every block; done(runner) for every runner, in order.
  template <class Body, class Done>
  void EachThen(const Batch<T>& batch, int threads, bool measured, bool vjp, T* kept, Body body,
                Done done) {
    const Split split = Divide(batch.size, threads, measured, vjp);
    const Call<T> call(program_, *split.plan, kernels_, batch);
    std::vector<std::unique_ptr<Runner<T>>> runners(split.runners);
    const int64_t blocks = (batch.size + split.block - 1) / split.block;
    ParallelFor(split.runners, blocks, [&](int64_t begin, int64_t end, int worker) {
      runners[worker] = std::make_unique<Runner<T>>(call, split.inner, vjp, kept);
      for (int64_t k = begin; k < end; ++k) {
        const int64_t first = k * split.block;
        body(*runners[worker], first,
             static_cast<int>(std::min(split.block, batch.size - first)));
      }
    });
    for (auto& runner : runners) {
      if (runner) done(*runner);
    }
  }

  template <class Body>
  void Each(const Batch<T>& batch, int threads, bool measured, T* kept, Body body) {
    EachThen(batch, threads, measured, false, kept, body, [](Runner<T>&) {});
  }

  template <class SetLambda>
  void Vjp(const Batch<T>& batch, int threads, bool measured, T* kept, T* d_inputs, T* d_theta,
           std::complex<T>* d_initial, SetLambda set_lambda) {
    const int n_inputs = program_.n_inputs;
    std::fill_n(d_inputs, batch.size * n_inputs, T(0));
    std::vector<double> sums(program_.n_theta, 0.0);
    EachThen(
        batch, threads, measured, true, kept,
        [&](Runner<T>& runner, int64_t first, int count) {
          if (kept == nullptr) {
            runner.Forward(first, count);
          } else {
            runner.Resume(first, count);
          }
          set_lambda(runner, first);
          runner.Backward(d_inputs + first * n_inputs,
                          d_initial == nullptr ? nullptr
                                               : d_initial + (first << program_.n_qubits));
        },
        [&](Runner<T>& runner) { runner.AddTheta(sums.data()); });
    for (int j = 0; j < program_.n_theta; ++j) d_theta[j] = static_cast<T>(sums[j]);
  }

  const Program program_;
  const std::vector<Observable> observables_;
  const Kernels<T>& kernels_;
  const Options options_;
  mutable std::mutex mutex_;
  mutable std::unique_ptr<Plan> plans_[4];
  KeptStates<T> kept_;
};

}  // namespace

template <class T>
std::unique_ptr<Simulator<T>> MakeSimulator(const Program& program,
                                            const std::vector<Observable>& observables, Simd level,
                                            const Options& options) {
  return std::make_unique<FastSimulator<T>>(program, observables, level, options);
}

#define QSTORE_INSTANTIATE(T)                                                                     \
  template std::unique_ptr<Simulator<T>> MakeSimulator<T>(                                        \
      const Program&, const std::vector<Observable>&, Simd, const Options&);
QSTORE_INSTANTIATE(float)
QSTORE_INSTANTIATE(double)
#undef QSTORE_INSTANTIATE

}  // namespace fast

template <class T>
std::unique_ptr<Simulator<T>> MakeFastSimulator(const Program& program,
                                                const std::vector<Observable>& observables,
                                                Simd level) {
  return fast::MakeSimulator<T>(program, observables, level, fast::Options());
}
template std::unique_ptr<Simulator<float>> MakeFastSimulator<float>(
    const Program&, const std::vector<Observable>&, Simd);
template std::unique_ptr<Simulator<double>> MakeFastSimulator<double>(
    const Program&, const std::vector<Observable>&, Simd);

}  // namespace qstore
