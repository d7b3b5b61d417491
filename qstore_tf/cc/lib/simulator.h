// What a simulator does with a batch. The fast engine implements it, and the tests' reference.
#ifndef QSTORE_TF_CC_LIB_SIMULATOR_H_
#define QSTORE_TF_CC_LIB_SIMULATOR_H_

#include <complex>
#include <cstdint>
#include <memory>
#include <vector>

#include "cpu.h"
#include "program.h"

namespace qstore {

template <class T>
struct Batch {
  int64_t size = 0;                           // B, 0 is allowed
  const T* inputs = nullptr;                  // [B, F]
  const T* theta = nullptr;                   // [P]
  const std::complex<T>* initial = nullptr;   // [B, 2^n] where program.has_initial, else null
};

// Results depend on the batch and `threads` alone. All methods may be called from several threads
// at once. Outputs are overwritten (they need not be zeroed). Allocation failure throws
// std::bad_alloc.
template <class T>
class Simulator {
 public:
  virtual ~Simulator() = default;

  // out: [B, 2^n].
  virtual void State(const Batch<T>& batch, int threads, std::complex<T>* out) = 0;

  // out: [B, K].
  virtual void Expectation(const Batch<T>& batch, int threads, T* out) = 0;

  // grad: [B, K]; d_inputs: [B, F]; d_theta: [P], summed over the batch; d_initial: [B, 2^n] or
  // null where there is no initial state. With lambda = 2 sum_k grad[b,k] O_k psi the parameter
  // gradients are d_x = Re<lambda| d psi/dx> and d_initial = U^dagger lambda.
  virtual void ExpectationVjp(const Batch<T>& batch, const T* grad, int threads, T* d_inputs,
                              T* d_theta, std::complex<T>* d_initial) = 0;

  // The same with lambda = grad: [B, 2^n].
  virtual void StateVjp(const Batch<T>& batch, const std::complex<T>* grad, int threads,
                        T* d_inputs, T* d_theta, std::complex<T>* d_initial) = 0;

  // Upper bound on the memory that one call allocates besides its arguments, for the guard.
  virtual uint64_t ScratchBytes(int64_t batch, int threads, bool vjp) const = 0;
};

// The vectorized engine in fast/.
template <class T>
std::unique_ptr<Simulator<T>> MakeFastSimulator(const Program& program,
                                                const std::vector<Observable>& observables,
                                                Simd level);

}  // namespace qstore

#endif  // QSTORE_TF_CC_LIB_SIMULATOR_H_
