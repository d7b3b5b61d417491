// The states that a forward pass leaves for the gradient that follows it, which then need not run
// the circuit once more. They are found by the numbers they were computed from, compared
// bit for bit, so a gradient of anything else runs the circuit itself and is as right.
#ifndef QSTORE_TF_CC_LIB_FAST_KEPT_STATES_H_
#define QSTORE_TF_CC_LIB_FAST_KEPT_STATES_H_

#include <atomic>
#include <complex>
#include <cstring>
#include <mutex>
#include <vector>

#include "../simulator.h"
#include "buffer.h"

namespace qstore {
namespace fast {

// States beyond this are computed again. It is two samples of 22 qubits in single precision.
constexpr uint64_t kMostKeptBytes = uint64_t{64} << 20;

// What all simulators together keep. Who comes when this is full computes again.
constexpr uint64_t kMostKeptInAll = uint64_t{192} << 20;

// A share of it, given back with the states.
class KeptShare {
 public:
  ~KeptShare() { Take(0); }
  // Changes the share to `bytes`; false, and none, where they are too many.
  bool Take(uint64_t bytes) {
    const uint64_t before = Total().fetch_add(bytes - bytes_) - bytes_;
    bytes_ = bytes;
    if (bytes == 0 || before + bytes <= kMostKeptInAll) return true;
    return Take(0), false;
  }

 private:
  static std::atomic<uint64_t>& Total() {
    static std::atomic<uint64_t> total{0};
    return total;
  }
  uint64_t bytes_ = 0;
};

template <class T>
class KeptStates {
 public:
  // Whether a forward pass should leave its states: a gradient was asked for, and the states left
  // last were used. Where only expectations are asked for, the states would cost memory for
  // nothing.
  bool Wanted(uint64_t bytes) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (states_.data() != nullptr) {
      wanted_ = false;
      Drop();
    }
    return wanted_ && bytes <= kMostKeptBytes;
  }

  void Put(const Program& program, const Batch<T>& batch, Buffer<T> states) {
    std::lock_guard<std::mutex> lock(mutex_);
    Drop();
    size_ = batch.size;
    for (const auto& [data, n] : Parts(program, batch)) {
      numbers_.insert(numbers_.end(), data, data + n);
    }
    if (share_.Take(states.bytes() + numbers_.size() * sizeof(T))) {
      states_ = std::move(states);
    } else {
      Drop();
    }
  }

  // The states of these numbers, no longer kept, or an empty buffer.
  Buffer<T> Take(const Program& program, const Batch<T>& batch) {
    std::lock_guard<std::mutex> lock(mutex_);
    wanted_ = true;
    if (states_.data() == nullptr || size_ != batch.size) return Buffer<T>();
    const T* at = numbers_.data();
    for (const auto& [data, n] : Parts(program, batch)) {
      if (n > 0 && std::memcmp(at, data, n * sizeof(T)) != 0) return Buffer<T>();
      at += n;
    }
    Buffer<T> states = std::move(states_);
    Drop();
    return states;
  }

 private:
  struct Part {
    const T* data;
    int64_t n;
  };

  static std::vector<Part> Parts(const Program& program, const Batch<T>& batch) {
    const int64_t amplitudes = program.has_initial ? batch.size << program.n_qubits : 0;
    return {{batch.inputs, batch.size * program.n_inputs},
            {batch.theta, program.n_theta},
            {reinterpret_cast<const T*>(batch.initial), 2 * amplitudes}};
  }

  void Drop() {
    states_ = Buffer<T>();
    numbers_ = std::vector<T>();
    share_.Take(0);
  }

  std::mutex mutex_;
  KeptShare share_;
  bool wanted_ = false;
  int64_t size_ = 0;
  std::vector<T> numbers_;
  Buffer<T> states_;
};

}  // namespace fast
}  // namespace qstore

#endif  // QSTORE_TF_CC_LIB_FAST_KEPT_STATES_H_
