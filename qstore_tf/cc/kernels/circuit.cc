#include "circuit.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <string>

#include "../lib/memory.h"
#include "../lib/parallel.h"

namespace qstore {
namespace {

// Amplitude updates that one thread does in about the time that waking another takes.
constexpr uint64_t kWorkPerThread = 1 << 16;

// Below this a call is not worth the time that reading the memory limits takes.
constexpr uint64_t kUnguardedBytes = uint64_t{64} << 20;

// How many circuits ops with fed texts keep, and how many bytes of text, which memory goes with.
constexpr size_t kMostCircuits = 64;
constexpr size_t kMostText = size_t{4} << 20;

std::string Key(const std::string& program, const std::string* observables) {
  return observables == nullptr ? program : program + '\0' + *observables;
}

// One simulator for all kernels that run the same program, so that a gradient finds what the
// forward pass left in it. It lives as long as one of them.
template <class T>
std::shared_ptr<Simulator<T>> SharedSimulator(const std::string& key, const Program& program,
                                              const std::vector<Observable>& observables) {
  struct Registry {
    std::mutex mutex;
    std::map<std::string, std::weak_ptr<Simulator<T>>> simulators;
  };
  static Registry* registry = new Registry;  // kernels may outlive what the process destroys
  std::lock_guard<std::mutex> lock(registry->mutex);
  auto& simulators = registry->simulators;
  if (const auto found = simulators.find(key); found != simulators.end()) {
    if (auto simulator = found->second.lock()) return simulator;
  }
  for (auto it = simulators.begin(); it != simulators.end();) {
    it = it->second.expired() ? simulators.erase(it) : std::next(it);
  }
  std::shared_ptr<Simulator<T>> simulator =
      MakeFastSimulator<T>(program, observables, DetectSimd());
  simulators[key] = simulator;
  return simulator;
}

std::string Slots(int n, const char* kind) {
  return "the program has " + std::to_string(n) + " " + kind + (n == 1 ? " slot" : " slots");
}

}  // namespace

template <class T>
Circuit<T>::Circuit(const std::string& program, const std::string* observables,
                    int64_t num_threads)
    : num_threads_(static_cast<int>(std::min<int64_t>(num_threads, 1 << 16))) {
  std::string error;
  if (!ParseProgram(program, &program_, &error)) throw InvalidArgument(error);
  std::vector<Observable> parsed;
  if (observables != nullptr &&
      !ParseObservables(*observables, program_.n_qubits, &parsed, &error)) {
    throw InvalidArgument(error);
  }
  n_observables_ = static_cast<int64_t>(parsed.size());
  simulator_ = SharedSimulator<T>(Key(program, observables), program_, parsed);
}

template <class T>
std::shared_ptr<RecentCircuits<T>> RecentCircuits<T>::Shared() {
  static std::mutex mutex;
  static auto* shared = new std::weak_ptr<RecentCircuits>;  // as the registry above
  std::lock_guard<std::mutex> lock(mutex);
  std::shared_ptr<RecentCircuits> found = shared->lock();
  if (found == nullptr) *shared = found = std::make_shared<RecentCircuits>();
  return found;
}

template <class T>
std::shared_ptr<const Circuit<T>> RecentCircuits<T>::Get(const std::string& program,
                                                         const std::string* observables,
                                                         int64_t num_threads) {
  const std::string key = std::to_string(num_threads) + ' ' + Key(program, observables);
  std::lock_guard<std::mutex> lock(mutex_);
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->circuit;
  }
  const auto circuit = std::make_shared<const Circuit<T>>(program, observables, num_threads);
  entries_.push_front({key, circuit});
  by_key_[key] = entries_.begin();
  bytes_ += key.size();
  while (entries_.size() > kMostCircuits || (bytes_ > kMostText && entries_.size() > 1)) Forget();
  return circuit;
}

template <class T>
void RecentCircuits<T>::Forget() {
  bytes_ -= entries_.back().key.size();
  by_key_.erase(entries_.back().key);
  entries_.pop_back();
}

template <class T>
Arguments<T> Circuit<T>::Read(const Context& context) const {
  Arguments<T> arguments{context.Input(0, "inputs"), context.Input(1, "theta"),
                         context.Input(2, "initial_state"), {}};
  arguments.inputs.Expect({-1, program_.n_inputs}, Slots(program_.n_inputs, "input"));
  arguments.theta.Expect({program_.n_theta}, Slots(program_.n_theta, "theta"));
  Batch<T>& batch = arguments.batch;
  batch.size = arguments.inputs.dim(0);
  batch.inputs = arguments.inputs.template data<T>();
  batch.theta = arguments.theta.template data<T>();
  if (program_.has_initial) {
    arguments.initial.Expect({batch.size, dim()},
                             "inputs has " + std::to_string(batch.size) +
                                 " rows and the program starts from a state of " +
                                 std::to_string(program_.n_qubits) + " qubits");
    batch.initial = arguments.initial.template data<std::complex<T>>();
  } else {
    arguments.initial.Expect({0, 0}, "the program starts from |0...0>");
  }
  return arguments;
}

template <class T>
int Circuit<T>::Threads(int64_t batch) const {
  const uint64_t updates = SaturatingMultiply(
      SaturatingMultiply(static_cast<uint64_t>(batch), program_.gates.size() + 1), dim());
  const uint64_t useful = std::max<uint64_t>(1, updates / kWorkPerThread);
  if (useful == 1) return 1;
  return static_cast<int>(std::min<uint64_t>(ResolveThreads(num_threads_), useful));
}

template <class T>
void Circuit<T>::GuardMemory(int64_t batch, int threads, bool vjp, uint64_t outputs) const {
  const uint64_t needed = SaturatingAdd(outputs, simulator_->ScratchBytes(batch, threads, vjp));
  if (needed < kUnguardedBytes) return;
  const uint64_t available = AvailableMemory();
  if (needed <= available) return;
  throw OpError(TF_RESOURCE_EXHAUSTED,
                "not enough memory for " + std::to_string(program_.n_qubits) +
                    " qubits and a batch of " + std::to_string(batch) + ". Needed: " +
                    FormatBytes(needed) + ". Available: " + FormatBytes(available) +
                    ". Use fewer qubits or a smaller batch.");
}

template <class T>
Gradients<T>::Gradients(const Context& context, const Circuit<T>& circuit, int64_t batch)
    : inputs(context.Output<T>(0, "d_inputs", {batch, circuit.program().n_inputs})),
      theta(context.Output<T>(1, "d_theta", {circuit.program().n_theta})),
      initial(context.Output<std::complex<T>>(
          2, "d_initial_state",
          circuit.program().has_initial ? std::vector<int64_t>{batch, circuit.dim()}
                                        : std::vector<int64_t>{0, 0})),
      initial_or_null(circuit.program().has_initial ? initial.template data<std::complex<T>>()
                                                    : nullptr) {
  if (batch == 0) std::fill_n(theta.template data<T>(), circuit.program().n_theta, T(0));
}

template <class T>
uint64_t Gradients<T>::Bytes(const Circuit<T>& circuit, int64_t batch) {
  uint64_t per_sample = sizeof(T) * static_cast<uint64_t>(circuit.program().n_inputs);
  if (circuit.program().has_initial) per_sample += 2 * sizeof(T) * uint64_t(circuit.dim());
  return SaturatingAdd(sizeof(T) * uint64_t(circuit.program().n_theta),
                       SaturatingMultiply(per_sample, batch));
}

template class Circuit<float>;
template class Circuit<double>;
template class RecentCircuits<float>;
template class RecentCircuits<double>;
template struct Gradients<float>;
template struct Gradients<double>;

}  // namespace qstore
