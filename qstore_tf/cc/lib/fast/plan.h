// How a program runs on the vector kernels: what starts as a product state, which gates fall away
// before the measurement, which tiles the state is cut into and what happens inside each.
#ifndef QSTORE_TF_CC_LIB_FAST_PLAN_H_
#define QSTORE_TF_CC_LIB_FAST_PLAN_H_

#include <array>
#include <complex>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "../program.h"
#include "ops.h"

namespace qstore {
namespace fast {

// What the lanes of a vector hold: one sample each, or neighbouring amplitudes of one sample.
enum class Lanes { kSamples, kAmplitudes };

struct PlanOptions {
  Lanes lanes = Lanes::kAmplitudes;
  int width = 1;      // lanes in a vector, a power of two
  int whole_bits = 12;  // a state of up to 2^whole_bits rows is one tile
  int tile_bits = 10;   // else a tile has 2^tile_bits rows, or as many as the widest gate needs
};

// Two coefficient rows: the cosine and sign * sine of factor * angle. In lanes whose index misses
// `lane_controls` they are 1 and 0; the sine changes sign with the parity of index & lane_parity.
struct RotationRows {
  int32_t row = 0;
  int32_t angle = 0;
  double factor = 0.5, sign = 1;
  uint32_t lane_parity = 0, lane_controls = 0;
  bool layered = false;  // a layer's, which may leave a factor out
};

// Eight coefficient rows of a constant 2x2 matrix, row-major, real and imaginary parts.
struct MatrixRows {
  int32_t row = 0;
  std::array<std::complex<double>, 4> matrix;
};

// What a derivative row adds to an angle: weight * the sum of its lanes with these signs.
struct DerivativeRow {
  int32_t angle = 0;
  double weight = 1;
  uint32_t lane_parity = 0, lane_controls = 0;
  bool one_lane = false;  // all lanes hold the same number
};

struct DiagonalMember {
  int32_t angle = 0;
  bool phase = false;      // exp(i angle), else exp(-+ i angle/2) by parity
  uint32_t parity = 0, controls = 0;  // over tile index bits, lanes lowest
};

struct DiagonalTable {
  int64_t offset = 0;  // in reals
  int bits = 0;        // 2^bits entries
  int low = 0;         // as Op::diagonal_low
  std::vector<DiagonalMember> members;
};

// A pass over the state: every tile is loaded, changed by ops and stored.
struct Stage {
  std::vector<int> tile_bits, other_bits;  // row bits of the whole state, ascending
  std::vector<Op> ops;
  std::vector<int64_t> offsets;  // of the tile's rows within the state
};

// Gates on one qubit of |0>.
struct Chain {
  std::vector<ChainGate> gates;
};

struct Plan {
  int n_qubits = 0, lane_bits = 0, row_bits = 0;  // lane_bits = 0 where lanes are samples
  int tile_bits = 0;                              // rows of a tile, of the widest stage
  PlanOptions options;
  std::vector<Angle> angles;       // one per gate of the program, same order
  std::vector<bool> angle_varies;  // depends on the sample
  bool product_start = false;
  std::vector<Chain> chains;  // per index bit, lanes first
  std::vector<Stage> stages;
  std::vector<Observable> observables;  // as they read after the dropped gates
  std::vector<RotationRows> shared_rows, sample_rows;
  std::vector<MatrixRows> matrix_rows;
  int n_shared_rows = 0, n_sample_rows = 0;
  std::vector<DerivativeRow> derivatives;
  std::vector<DiagonalTable> diagonals;
  int64_t diagonal_reals = 0;
  std::vector<double> constants;
  bool relabels = false;  // some op needs the spare buffers
  bool saves = false;     // a run saves states for its way back
  int n_saved = 1;        // so many, the final one included

  // What the ops point to.
  std::deque<std::vector<OneQubit>> items;
  std::deque<std::vector<DiagonalTerm>> terms;
  std::deque<std::vector<uint32_t>> row_maps;
  std::deque<std::vector<int32_t>> lane_maps;
  std::deque<std::vector<PermutationShift>> shifts;

  Plan() = default;
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
};

// With more saved states than this many reals a state is undone gate by gate instead: beyond the
// caches, reading it costs more than computing it.
constexpr int64_t kMostSavedReals = int64_t{1} << 20;

// With `measured`, gates that cannot change an expectation of diagonal observables are dropped and
// relabellings before the measurement go into the observables; the state is then not the
// program's.
std::unique_ptr<Plan> MakePlan(const Program& program, const std::vector<Observable>& observables,
                               bool measured, const PlanOptions& options);

// A gate in index-bit masks. flip = 0: diagonal.
struct PlanGate {
  enum Kind { kRotation, kPhase, kFlip, kSwap, kMatrix };
  Kind kind = kRotation;
  int32_t angle = 0;
  uint64_t flip = 0, parity = 0, controls = 0;
  uint64_t moved = 0;  // bits it acts on other than diagonally
  uint64_t fixed = 0;  // bits it acts on diagonally
  const Gate* source = nullptr;
  bool Diagonal() const { return moved == 0; }
  uint64_t Bits() const { return moved | fixed; }
};

// Turns the gates of one stage into ops.
void BuildOps(const std::vector<PlanGate>& gates, Plan* plan, Stage* stage);

// Rows for cos and sign*sin of factor*angle; the name to put into an op.
int32_t AddRotationRows(Plan* plan, RotationRows rows);
int32_t AddMatrixRows(Plan* plan, const std::vector<std::complex<double>>& matrix);
// -1 where the angle is constant.
int32_t AddDerivative(Plan* plan, DerivativeRow row);

}  // namespace fast
}  // namespace qstore

#endif  // QSTORE_TF_CC_LIB_FAST_PLAN_H_
