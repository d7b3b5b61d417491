#include "plan.h"

#include <algorithm>

namespace qstore {
namespace fast {
namespace {

constexpr size_t kWindow = 4096;  // gates looked at for one stage

uint64_t QubitBit(const Program& program, int qubit) {
  return uint64_t{1} << (program.n_qubits - 1 - qubit);
}

PlanGate Convert(const Program& program, const Gate& gate, int32_t index) {
  PlanGate out;
  out.angle = index;
  out.source = &gate;
  for (int q : gate.controls) out.controls |= QubitBit(program, q);
  out.fixed = out.controls;
  switch (gate.kind) {
    case GateKind::kRot:
      out.kind = PlanGate::kRotation;
      for (size_t j = 0; j < gate.targets.size(); ++j) {
        const uint64_t bit = QubitBit(program, gate.targets[j]);
        if (gate.paulis[j] == 'X' || gate.paulis[j] == 'Y') out.flip |= bit;
        if (gate.paulis[j] == 'Z' || gate.paulis[j] == 'Y') out.parity |= bit;
      }
      out.moved = out.flip;
      out.fixed |= out.parity & ~out.flip;
      break;
    case GateKind::kPhase:
      out.kind = PlanGate::kPhase;
      break;
    default:
      out.kind = gate.kind == GateKind::kFlip   ? PlanGate::kFlip
                 : gate.kind == GateKind::kSwap ? PlanGate::kSwap
                                                : PlanGate::kMatrix;
      for (int q : gate.targets) out.moved |= QubitBit(program, q);
  }
  return out;
}

bool OneBit(uint64_t mask) { return mask != 0 && (mask & (mask - 1)) == 0; }

// Conjugates the observables, which are diagonal, by a flip or swap that the state skips.
void Absorb(const PlanGate& gate, std::vector<Observable>* observables) {
  for (Observable& observable : *observables) {
    for (PauliTerm& term : observable.terms) {
      if (gate.kind == PlanGate::kSwap) {
        const uint64_t on = term.z_mask & gate.moved;
        if (OneBit(on)) term.z_mask ^= gate.moved;
      } else if ((term.z_mask & gate.moved) != 0) {
        if (gate.controls == 0) {
          term.coef = -term.coef;
        } else {
          term.z_mask ^= gate.controls;
        }
      }
    }
  }
}

// Drops what the measurement of diagonal observables does not see, from the end.
void DropUnseen(std::vector<PlanGate>* gates, std::vector<Observable>* observables) {
  uint64_t blocked = 0;
  std::vector<PlanGate> kept;
  for (size_t k = gates->size(); k-- > 0;) {
    const PlanGate& gate = (*gates)[k];
    const bool relabels = (gate.kind == PlanGate::kFlip && (gate.controls == 0 || OneBit(gate.controls))) ||
                          (gate.kind == PlanGate::kSwap && gate.controls == 0);
    if ((gate.Bits() & blocked) == 0 && (gate.Diagonal() || relabels)) {
      if (relabels) Absorb(gate, observables);
      continue;
    }
    blocked |= gate.Bits();
    kept.push_back(gate);
  }
  std::reverse(kept.begin(), kept.end());
  gates->swap(kept);
}

// The gate as a link of the chain on its only qubit; false where it is not one.
bool AddToChain(const PlanGate& gate, Plan* plan) {
  if (!OneBit(gate.Bits())) return false;
  ChainGate link{};
  link.acc = -1;
  const int bit = __builtin_ctzll(gate.Bits());
  if (gate.kind == PlanGate::kRotation && gate.controls == 0) {
    const bool y = gate.flip != 0 && gate.parity != 0;
    link.kind = y ? kChainRy : gate.flip != 0 ? kChainRx : kChainRz;
    const double sign = y ? -1 : 1;
    link.coef = AddRotationRows(plan, {0, gate.angle, 0.5, sign, 0, 0, false});
    link.acc = AddDerivative(plan, {gate.angle, 0.5 * sign, 0, 0, plan->lane_bits > 0});
  } else if (gate.kind == PlanGate::kPhase) {
    link.kind = kChainPhase;
    link.coef = AddRotationRows(plan, {0, gate.angle, 1, -1, 0, 0, false});
    link.acc = AddDerivative(plan, {gate.angle, -1, 0, 0, plan->lane_bits > 0});
  } else if (gate.kind == PlanGate::kFlip && gate.controls == 0) {
    link.kind = kChainMatrix;
    link.coef = AddMatrixRows(plan, {0, 1, 1, 0});
  } else if (gate.kind == PlanGate::kMatrix && gate.controls == 0) {
    link.kind = kChainMatrix;
    link.coef = AddMatrixRows(plan, gate.source->matrix);
  } else {
    return false;
  }
  plan->chains[bit].gates.push_back(link);
  return true;
}

std::vector<PlanGate> TakeChains(const std::vector<PlanGate>& gates, Plan* plan) {
  uint64_t blocked = 0;
  std::vector<PlanGate> rest;
  for (const PlanGate& gate : gates) {
    if ((gate.Bits() & blocked) == 0 && AddToChain(gate, plan)) continue;
    blocked |= gate.Bits();
    rest.push_back(gate);
  }
  return rest;
}

int CountBits(uint64_t mask) { return __builtin_popcountll(mask); }

// Chooses the row bits of the next stage while taking, in order, every gate from *start on that can
// run in it. Gates left behind block what does not commute with them; they are moved up against
// the ones not looked at, and *start with them.
std::vector<PlanGate> TakeStage(std::vector<PlanGate>* gates, size_t* start, const Plan& plan,
                                int tile_bits, uint64_t* tile) {
  const uint64_t lane_mask = (uint64_t{1} << plan.lane_bits) - 1;
  const uint64_t all = (uint64_t{1} << plan.n_qubits) - 1;
  std::vector<PlanGate> taken, rest;
  uint64_t blocked = 0, blocked_moves = 0;  // for any use; for all but diagonal use
  size_t end = *start;
  for (; end < gates->size() && end - *start < kWindow && blocked != all; ++end) {
    const PlanGate& gate = (*gates)[end];
    bool fits = (gate.moved & (blocked | blocked_moves)) == 0 && (gate.fixed & blocked) == 0;
    if (fits) {
      // All of its bits where there is room. Else the bits it moves must be inside, and of a
      // diagonal gate on several bits, one.
      uint64_t need = gate.Bits() & ~lane_mask;
      if (CountBits(*tile | need) > tile_bits) {
        if (!gate.Diagonal()) {
          need = gate.moved & ~lane_mask;
        } else if (!OneBit(gate.fixed)) {
          if ((gate.fixed & (*tile | lane_mask)) != 0) {
            need = 0;
          } else if (*tile == 0) {
            need &= ~need + 1;
          }
        }
      }
      fits = CountBits(*tile | need) <= tile_bits;
      if (fits) *tile |= need;
    }
    if (fits) {
      taken.push_back(gate);
    } else {
      blocked |= gate.moved;
      blocked_moves |= gate.fixed;
      rest.push_back(gate);
    }
  }
  *start = end - rest.size();
  std::copy(rest.begin(), rest.end(), gates->begin() + static_cast<int64_t>(*start));
  return taken;
}

void AddStage(const std::vector<PlanGate>& gates, uint64_t tile, int tile_bits, Plan* plan) {
  plan->stages.emplace_back();
  Stage& stage = plan->stages.back();
  for (int b = 0; b < plan->row_bits && CountBits(tile) < tile_bits; ++b) {
    tile |= uint64_t{1} << (b + plan->lane_bits);
  }
  for (int b = 0; b < plan->row_bits; ++b) {
    const bool inside = (tile >> (b + plan->lane_bits)) & 1;
    (inside ? stage.tile_bits : stage.other_bits).push_back(b);
  }
  stage.offsets.resize(size_t{1} << stage.tile_bits.size());
  for (size_t v = 0; v < stage.offsets.size(); ++v) {
    int64_t offset = 0;
    for (size_t j = 0; j < stage.tile_bits.size(); ++j) {
      if ((v >> j) & 1) offset |= int64_t{1} << stage.tile_bits[j];
    }
    stage.offsets[v] = offset;
  }
  BuildOps(gates, plan, &stage);
}

// Decides whether psi is saved before every merged diagonal, and marks the ops that profit.
void SaveStates(Plan* plan) {
  if (plan->tile_bits != plan->row_bits) return;
  int n_diagonals = 0, n_saved = 1;
  for (Stage& stage : plan->stages) {
    for (Op& op : stage.ops) {
      if (op.type != kDiagPermute) continue;
      // Nothing asks for psi before a relabelling that comes first.
      op.saves = n_diagonals++ > 0 || &op != plan->stages[0].ops.data() || op.n_terms > 0 ||
                 op.source_row == nullptr;
      n_saved += op.saves;
    }
  }
  const int64_t state = int64_t{2 * plan->options.width} << plan->row_bits;
  if (n_diagonals == 0 || n_saved * state > kMostSavedReals) return;
  plan->saves = true;
  plan->n_saved = n_saved;
  for (Stage& stage : plan->stages) {
    bool fresh = &stage == plan->stages.data();
    uint64_t rows = 0, lanes = 0;  // bits of the frozen ops since psi was saved
    for (Op& op : stage.ops) {
      if (op.type == kDiagPermute) {
        fresh = true;
        rows = lanes = 0;
        continue;
      }
      uint64_t& bits = op.type == kLayer ? rows : lanes;
      fresh = fresh && (op.type == kLayer || op.type == kLaneLayer) && bits == 0;
      if (!fresh) continue;
      op.frozen = 1;
      for (int j = 0; j < op.n_items; ++j) bits |= uint64_t{1} << op.items[j].bit;
    }
  }
}

}  // namespace

int32_t AddRotationRows(Plan* plan, RotationRows rows) {
  const bool varies = plan->angle_varies[rows.angle];
  int& next = varies ? plan->n_sample_rows : plan->n_shared_rows;
  rows.row = next;
  next += 2;
  (varies ? plan->sample_rows : plan->shared_rows).push_back(rows);
  return varies ? ~rows.row : rows.row;
}

int32_t AddMatrixRows(Plan* plan, const std::vector<std::complex<double>>& matrix) {
  MatrixRows rows;
  rows.row = plan->n_shared_rows;
  std::copy(matrix.begin(), matrix.begin() + 4, rows.matrix.begin());
  plan->n_shared_rows += 8;
  plan->matrix_rows.push_back(rows);
  return rows.row;
}

int32_t AddDerivative(Plan* plan, DerivativeRow row) {
  if (plan->angles[row.angle].terms.empty()) return -1;
  plan->derivatives.push_back(row);
  return static_cast<int32_t>(plan->derivatives.size()) - 1;
}

std::unique_ptr<Plan> MakePlan(const Program& program, const std::vector<Observable>& observables,
                               bool measured, const PlanOptions& options) {
  auto plan = std::make_unique<Plan>();
  plan->options = options;
  plan->n_qubits = program.n_qubits;
  plan->lane_bits = options.lanes == Lanes::kSamples ? 0 : __builtin_ctz(options.width);
  plan->row_bits = program.n_qubits - plan->lane_bits;
  plan->observables = observables;
  plan->product_start = !program.has_initial;
  plan->chains.resize(program.n_qubits);

  std::vector<PlanGate> gates;
  int widest = 1;
  const uint64_t lane_mask = (uint64_t{1} << plan->lane_bits) - 1;
  for (const Gate& gate : program.gates) {
    gates.push_back(Convert(program, gate, static_cast<int32_t>(gates.size())));
    plan->angles.push_back(gate.angle);
    plan->angle_varies.push_back(
        std::any_of(gate.angle.terms.begin(), gate.angle.terms.end(),
                    [](const AngleTerm& term) { return !term.is_theta; }));
    widest = std::max(widest, CountBits(gates.back().moved & ~lane_mask));
  }
  bool diagonal = true;
  for (const Observable& observable : observables) {
    for (const PauliTerm& term : observable.terms) diagonal = diagonal && term.x_mask == 0;
  }
  if (measured && diagonal) DropUnseen(&gates, &plan->observables);
  if (plan->product_start) gates = TakeChains(gates, plan.get());

  const int most = std::max(options.tile_bits, widest);
  const bool whole = options.lanes == Lanes::kSamples || plan->row_bits <= options.whole_bits;
  const int tile_bits = whole ? plan->row_bits : std::min(plan->row_bits, most);
  plan->tile_bits = tile_bits;
  for (size_t start = 0; start < gates.size();) {
    uint64_t tile = 0;
    const std::vector<PlanGate> taken = TakeStage(&gates, &start, *plan, tile_bits, &tile);
    AddStage(taken, tile, tile_bits, plan.get());
  }
  SaveStates(plan.get());
  return plan;
}

}  // namespace fast
}  // namespace qstore
