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
  int real_bytes = 8;   // of a number
  int whole_bits = 12;  // a state of up to 2^whole_bits rows is one tile, if that is no slower
  int tile_bits = 10;   // else a tile has up to 2^tile_bits rows, or as the widest gate needs
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
  std::vector<int64_t> offsets;  // of the tile's rows within the state, where it is cut

  // Where the state's first tile has the tile's rows (see Plan::first_stage): the row in it, and
  // the number of the tile. The same of the tile's base is to be added.
  std::vector<uint32_t> inner, outer;

  // The row that the tile begins with, in the whole state.
  int64_t Base(int64_t tile) const {
    int64_t base = 0;
    for (size_t j = 0; j < other_bits.size(); ++j) base |= ((tile >> j) & 1) << other_bits[j];
    return base;
  }
  // The first op is a relabelling before which psi is not saved.
  bool SavesLate() const { return ops[0].type == kDiagPermute && !ops[0].saves; }
};

// Where a diagonal term of an observable is in the transform of a tile that is measured: its row,
// and the numbers of tiles and the lanes whose parity gives the sign.
struct DiagonalPlace {
  size_t observable = 0;
  double coef = 0;
  int64_t row = 0;
  uint64_t tiles = 0, lanes = 0;
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
  std::vector<int> order;          // the index bit of every qubit
  std::vector<Stage> stages;
  Stage chunk;  // neighbouring rows, no ops: how a state is cut where no stage says
  // A state that starts as a product and is cut is one tile times a factor for each tile. Where the
  // first stage's gates stay within the tile, that tile alone runs through it, the state remains
  // such a product, and the stages that take all of the state are those from this one on. That
  // tile may be larger than the others.
  int first_stage = 0;
  std::vector<Observable> observables;  // as they read after the dropped gates
  std::vector<DiagonalPlace> places;    // of their diagonal terms
  std::vector<RotationRows> shared_rows, sample_rows;
  std::vector<MatrixRows> matrix_rows;
  int n_shared_rows = 0, n_sample_rows = 0;
  std::vector<DerivativeRow> derivatives;
  std::vector<DiagonalTable> diagonals;
  int64_t diagonal_reals = 0;
  std::vector<double> constants;
  bool relabels = false;  // some op needs the spare buffers
  bool saves = false;     // a run saves states for its way back
  // So many, the final one included. Where the state is cut into tiles, what every stage begins
  // with, from which its tiles run forwards once more; a product state needs no room.
  int n_saved = 1;
  int n_run_saved = 1;  // copies of psi that a run over the whole state, or a tile, needs at most
  // Diagonal observables alone: the last stage measures its tiles, nobody needs the final state.
  bool measures_in_tiles = false;

  // What the ops point to.
  std::deque<std::vector<OneQubit>> items;
  std::deque<std::vector<DiagonalTerm>> terms;
  std::deque<std::vector<uint32_t>> row_maps;
  std::deque<std::vector<int32_t>> lane_maps;
  std::deque<std::vector<PermutationShift>> shifts;

  bool Whole() const { return tile_bits == row_bits; }  // not cut
  // How the state is cut where it begins.
  const Stage& FirstCut() const { return stages.empty() ? chunk : stages[0]; }
  int FirstBits() const { return static_cast<int>(FirstCut().tile_bits.size()); }
  int Passes() const { return static_cast<int>(stages.size()) - first_stage; }
  // Whether a run goes over the state once, so that no tile need be put back.
  bool InOnePass() const { return measures_in_tiles && product_start && Passes() == 1; }

  Plan() = default;
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
};

// States of at least this many row bits are cut where they may stay whole, and tiles have at least
// so many.
constexpr int kLeastCutBits = 10, kLeastTileBits = 7;

// The first tile has at most so many row bits, and leaves at least so many to the factors, where
// it is larger than the others (see Plan::first_stage).
constexpr int kMostFirstBits = 13, kLeastFactorBits = 4;

// With more saved states than this many reals, a state that is not cut is undone gate by gate
// instead: beyond the caches, reading it costs more than computing it.
constexpr int64_t kMostSavedReals = int64_t{1} << 20;

// The same of a state that is cut: copies of a tile, which are to stay in the second-level cache,
// and bytes of what the stages begin with, unless it is a single state.
constexpr int kMostTileSaved = 8;
constexpr int64_t kMostStageBytes = int64_t{64} << 20;

// With `measured`, gates that cannot change an expectation of diagonal observables are dropped and
// relabellings before the measurement go into the observables; the state is then not the
// program's.
std::unique_ptr<Plan> MakePlan(const Program& program, const std::vector<Observable>& observables,
                               bool measured, const PlanOptions& options);

// The bits of a mask that `bits` names, in their order.
uint64_t Picked(uint64_t mask, const std::vector<int>& bits);

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
