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
    Store(Final(), call_.scales.state, out);
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
    Buffer<T> psi, psi_spare, lambda, lambda_spare, end, weights, work, acc;
    std::vector<double> sums;
  };

  static int64_t StateReals(const Plan& plan) {
    return int64_t{2 * plan.options.width} << plan.row_bits;
  }
  int64_t Lanes() const { return plan_.options.width; }
  int64_t RowReals() const { return 2 * Lanes(); }
  // Whether psi is saved on the way, for a way back here or in another runner.
  bool Saves() const { return plan_.saves && (backward_ || kept_ != nullptr); }
  bool Whole() const { return plan_.Whole(); }
  // Whether what the stages begin with is saved, from which the way back runs their tiles again.
  bool Reruns() const { return Saves() && !Whole(); }
  bool MeasuresInTiles() const { return plan_.measures_in_tiles; }
  // Psi where a stage begins, and where the one before it ends.
  T* Input(size_t stage) const {
    const int64_t saved = static_cast<int64_t>(stage) - plan_.first_stage - plan_.product_start;
    return psi_ + (Reruns() ? saved * StateReals(plan_) : 0);
  }
  T* Final() const { return Whole() ? psi_ : Input(plan_.stages.size()); }
  int64_t Chunks() const { return int64_t{1} << (plan_.row_bits - plan_.tile_bits); }
  int64_t ChunkReals() const { return RowReals() << plan_.tile_bits; }
  int64_t FirstReals() const { return RowReals() << plan_.FirstBits(); }
  int64_t Factors() const { return int64_t{1} << (plan_.row_bits - plan_.FirstBits()); }
  void Split(int64_t n, const std::function<void(int64_t, int64_t, Worker&)>& body);
  void Run(size_t stage, bool backward);
  Tile<T> NewTile();
  void RunTiles(size_t stage, bool backward);
  Tile<T> FetchTile(size_t stage, int64_t tile, bool begins, Worker* worker);
  void ForwardTile(size_t stage, int64_t tile, Worker* worker);
  void BackwardTile(size_t stage, int64_t tile, Worker* worker);
  void ClearSums();
  void AddRow(const T* row, uint64_t z_lanes, double coef, size_t k, Worker* worker);
  void MeasureTile(int64_t tile, const T* psi, Worker* worker);
  void AddWeight(uint64_t z_lanes, size_t k, double coef, T* row) const;
  void WeighTile(int64_t tile, const T* psi, T* lambda, Worker* worker);
  void Start(int64_t first, int count);
  void FillStartRow();
  void ProductFactors();
  void ProductState();
  bool StartDerives() const;
  void StartContraction();
  void ContractTile(const Stage& cut, int64_t tile, const T* lambda, Worker* worker);
  void ExpandTile(const Stage& cut, int64_t tile, T* psi) const;
  void ProductTile();
  T* FirstTileEnd(std::vector<std::complex<double>>* weights);
  Tile<T> FirstTile();
  bool BeginsAsProduct(size_t stage) const {
    return plan_.product_start && static_cast<int>(stage) == plan_.first_stage;
  }
  void ProductEnd();
  void QubitEnd(int index_bit, const std::complex<double>* r, int count);
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
  T *begin_ = nullptr, *begin_spare_ = nullptr;  // the first tile, run through the first stage
  T *psi_ = nullptr, *psi_spare_ = nullptr, *lambda_ = nullptr, *lambda_spare_ = nullptr;
  Buffer<T> sample_rows_, scratch_, start_, qubits_, ends_, cut_qubits_, first_tile_, first_spare_,
      first_lambda_, first_work_, factors_;
  const T* weights_ = nullptr;  // of the observables, [count, K]
  std::vector<Worker> workers_;
  std::vector<double> d_theta_;
};

}  // namespace fast
}  // namespace qstore

#endif  // QSTORE_TF_CC_LIB_FAST_RUNNER_H_
