// Runs a plan on one block of samples after the other: start, forward, measure, backward.
#ifndef QSTORE_TF_CC_LIB_FAST_RUNNER_H_
#define QSTORE_TF_CC_LIB_FAST_RUNNER_H_

#include <complex>
#include <functional>
#include <vector>

#include "../simulator.h"
#include "buffer.h"
#include "plan.h"
#include "tables.h"

namespace qstore {
namespace fast {

// What all runners of one call share, read-only.
template <class T>
struct Call {
  Call(const Program& program, const Plan& plan, const Kernels<T>& kernels, const Batch<T>& batch);

  const Program& program;
  const Plan& plan;
  const Kernels<T>& kernels;
  const Batch<T>& batch;
  std::vector<double> theta_angles;
  Buffer<T> rows, diagonals, constants;
  std::vector<int32_t> modes;
  Scales scales;
};

// A block is `width` samples where lanes are samples, else one sample. `threads` share one state.
template <class T>
class Runner {
 public:
  // `kept`: room for the saved states of all blocks, SavedReals each, or null.
  Runner(const Call<T>& call, int threads, bool backward, T* kept);

  // Samples [first, first + count) from the initial to the final state; with `kept`, left there.
  void Forward(int64_t first, int count);
  // The same samples where an earlier runner left their states in `kept`.
  void Resume(int64_t first, int count);
  void StoreState(std::complex<T>* out) const {  // [count, 2^n]
    Store(psi_, call_.scales.state, out);
  }
  void Expectations(T* out);                                         // [count, K]
  // lambda = 2 sum_k grad[b,k] O_k psi, or the given states.
  void WeighObservables(const T* grad);            // [count, K]
  void LoadLambda(const std::complex<T>* lambda);  // [count, 2^n]
  // d_inputs: [count, F], added to; d_initial: [count, 2^n] or null.
  void Backward(T* d_inputs, std::complex<T>* d_initial);
  // Adds what the blocks so far gave. Call once, last.
  void AddTheta(double* d_theta);

  static int64_t SavedReals(const Plan& plan) { return plan.n_saved * StateReals(plan); }
  static uint64_t Bytes(const Plan& plan, int threads, bool backward);

 private:
  struct Worker {
    Buffer<T> psi, psi_spare, lambda, lambda_spare, work, acc;
    std::vector<double> sums;
  };

  static int64_t StateReals(const Plan& plan) {
    return int64_t{2 * plan.options.width} << plan.row_bits;
  }
  int64_t Lanes() const { return plan_.options.width; }
  int64_t RowReals() const { return 2 * Lanes(); }
  // Whether psi is saved on the way, for a way back here or in another runner.
  bool Saves() const { return plan_.saves && (backward_ || kept_ != nullptr); }
  // The first op is a relabelling whose psi is not saved: it goes from the spare to the first place.
  bool SavesLate() const { return !plan_.stages[0].ops[0].saves && plan_.stages[0].ops[0].type == kDiagPermute; }
  bool Whole() const { return plan_.tile_bits == plan_.row_bits; }
  int64_t Chunks() const { return int64_t{1} << (plan_.row_bits - plan_.tile_bits); }
  int64_t ChunkReals() const { return RowReals() << plan_.tile_bits; }
  void Split(int64_t n, const std::function<void(int64_t, int64_t, Worker&)>& body);
  void Run(const Stage& stage, bool backward);
  void Start(int64_t first, int count);
  void FillStartRow();
  void ProductFactors();
  void ProductState();
  void ProductEnd();
  void QubitEnd(int index_bit, const std::complex<double>* r, int count);
  std::complex<double> HighProduct(int64_t chunk) const;
  std::complex<double> OtherProduct(const Stage& stage, int64_t tile) const;
  std::complex<double> Factor(int index_bit, int value) const;
  void Load(const std::complex<T>* in, double factor, T* state);
  void Store(const T* state, double factor, std::complex<T>* out) const;

  const Call<T>& call_;
  const Plan& plan_;
  const Kernels<T>& kernels_;
  const int threads_;
  const bool backward_;
  T* const kept_;
  int count_ = 0;
  int64_t first_ = 0;
  Buffer<T> psi_memory_, psi_spare_memory_, lambda_memory_, lambda_spare_memory_;
  T *psi_ = nullptr, *psi_spare_ = nullptr, *lambda_ = nullptr, *lambda_spare_ = nullptr;
  Buffer<T> sample_rows_, scratch_, start_, qubits_, ends_, low_, first_tile_;
  std::vector<Worker> workers_;
  std::vector<double> d_theta_;
};

}  // namespace fast
}  // namespace qstore

#endif  // QSTORE_TF_CC_LIB_FAST_RUNNER_H_
