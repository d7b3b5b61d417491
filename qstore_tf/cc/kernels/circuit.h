// What all kernels share: the program parsed once, the simulator for it, the checks of the tensors
// that fill its slots, and the circuits that eager ops were fed last.
#ifndef QSTORE_TF_CC_KERNELS_CIRCUIT_H_
#define QSTORE_TF_CC_KERNELS_CIRCUIT_H_

#include <complex>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "../lib/simulator.h"
#include "context.h"

namespace qstore {

// The inputs of a run, alive as long as `batch` is used.
template <class T>
struct Arguments {
  Tensor inputs, theta, initial;
  Batch<T> batch;
};

template <class T>
class Circuit {
 public:
  // Parses the texts; no observables where `observables` is null.
  Circuit(const std::string& program, const std::string* observables, int64_t num_threads);

  // Inputs 0 to 2, checked against the program.
  Arguments<T> Read(const Context& context) const;

  // Threads for a batch: as many as asked for, as far as each gets work worth waking it.
  int Threads(int64_t batch) const;

  // Throws unless `outputs` bytes and the scratch memory of one simulator call fit into memory.
  void GuardMemory(int64_t batch, int threads, bool vjp, uint64_t outputs) const;

  Simulator<T>& simulator() const { return *simulator_; }
  const Program& program() const { return program_; }
  int64_t n_observables() const { return n_observables_; }
  int64_t dim() const { return int64_t{1} << program_.n_qubits; }

 private:
  Program program_;
  int64_t n_observables_ = 0;
  int num_threads_;
  std::shared_ptr<Simulator<T>> simulator_;
};

// The circuits that ops with fed texts ran last. They are few, however many different circuits a
// process runs. Held by the kernels of those ops: where TensorFlow drops all of them, as
// keras.backend.clear_session() has it do, the circuits go too.
template <class T>
class RecentCircuits {
 public:
  static std::shared_ptr<RecentCircuits> Shared();

  std::shared_ptr<const Circuit<T>> Get(const std::string& program, const std::string* observables,
                                        int64_t num_threads);

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<const Circuit<T>> circuit;
  };
  void Forget();

  std::mutex mutex_;
  std::list<Entry> entries_;  // the latest first
  std::unordered_map<std::string, typename std::list<Entry>::iterator> by_key_;
  size_t bytes_ = 0;  // of all keys
};

// The three outputs of a gradient op.
template <class T>
struct Gradients {
  Gradients(const Context& context, const Circuit<T>& circuit, int64_t batch);
  Tensor inputs, theta, initial;
  std::complex<T>* initial_or_null;

  // Bytes of all three, for the memory guard.
  static uint64_t Bytes(const Circuit<T>& circuit, int64_t batch);
};

}  // namespace qstore

#endif  // QSTORE_TF_CC_KERNELS_CIRCUIT_H_
