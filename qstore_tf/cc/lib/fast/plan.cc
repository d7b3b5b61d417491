#include "plan.h"

#include <algorithm>

namespace qstore {
namespace fast {
namespace {

constexpr size_t kWindow = 4096;  // gates looked at for one stage

PlanGate Convert(const Plan& plan, const Gate& gate, int32_t index) {
  const auto bit_of = [&](int qubit) { return uint64_t{1} << plan.order[qubit]; };
  PlanGate out;
  out.angle = index;
  out.source = &gate;
  for (int q : gate.controls) out.controls |= bit_of(q);
  out.fixed = out.controls;
  switch (gate.kind) {
    case GateKind::kRot:
      out.kind = PlanGate::kRotation;
      for (size_t j = 0; j < gate.targets.size(); ++j) {
        const uint64_t bit = bit_of(gate.targets[j]);
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
      for (int q : gate.targets) out.moved |= bit_of(q);
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
// run in it; `closed`, if all its bits are inside. Gates left behind block what does not commute with them; they are moved up against
// the ones not looked at, and *start with them.
std::vector<PlanGate> TakeStage(std::vector<PlanGate>* gates, size_t* start, const Plan& plan,
                                int tile_bits, bool closed, uint64_t* tile) {
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
      if (CountBits(*tile | need) > tile_bits && !closed) {
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

// A stage of the tile bits given and the lowest others, so many in all.
Stage CutState(const Plan& plan, uint64_t tile, int tile_bits) {
  Stage stage;
  for (int b = 0; b < plan.row_bits && CountBits(tile) < tile_bits; ++b) {
    tile |= uint64_t{1} << (b + plan.lane_bits);
  }
  for (int b = 0; b < plan.row_bits; ++b) {
    const bool inside = (tile >> (b + plan.lane_bits)) & 1;
    (inside ? stage.tile_bits : stage.other_bits).push_back(b);
  }
  if (plan.Whole()) return stage;
  stage.offsets.resize(size_t{1} << stage.tile_bits.size());
  for (size_t v = 0; v < stage.offsets.size(); ++v) {
    int64_t offset = 0;
    for (size_t j = 0; j < stage.tile_bits.size(); ++j) {
      if ((v >> j) & 1) offset |= int64_t{1} << stage.tile_bits[j];
    }
    stage.offsets[v] = offset;
  }
  return stage;
}

void FindFirstRows(const Stage& first, Stage* stage) {
  for (int64_t offset : stage->offsets) {
    stage->inner.push_back(static_cast<uint32_t>(Picked(offset, first.tile_bits)));
    stage->outer.push_back(static_cast<uint32_t>(Picked(offset, first.other_bits)));
  }
}

void PlaceTerms(Plan* plan) {
  const Stage& cut = plan->measures_in_tiles ? plan->stages.back() : plan->chunk;
  for (size_t k = 0; k < plan->observables.size(); ++k) {
    for (const PauliTerm& term : plan->observables[k].terms) {
      if (term.x_mask != 0) continue;
      const uint64_t z_rows = term.z_mask >> plan->lane_bits;
      plan->places.push_back({k, term.coef, static_cast<int64_t>(Picked(z_rows, cut.tile_bits)),
                              Picked(z_rows, cut.other_bits),
                              term.z_mask & ((uint64_t{1} << plan->lane_bits) - 1)});
    }
  }
}

// Marks the ops before which psi is saved; returns how many they are. A state that is not cut is
// saved over the stages, a tile within its stage.
int MarkSaves(Plan* plan) {
  const bool whole = plan->Whole();
  int n_diagonals = 0, n_saved = 1;
  for (Stage& stage : plan->stages) {
    if (!whole) n_saved = 1;
    for (Op& op : stage.ops) {
      if (op.type != kDiagPermute) continue;
      // Nothing asks for psi before a relabelling that comes first.
      const bool first = &op == stage.ops.data() && (!whole || n_diagonals == 0);
      op.saves = !first || op.n_terms > 0 || op.source_row == nullptr;
      n_saved += op.saves;
      ++n_diagonals;
    }
    plan->n_run_saved = std::max(plan->n_run_saved, n_saved);
  }
  return n_diagonals;
}

// Whether to save psi before the ops marked and, where the state is cut, before every stage.
bool SavesPay(const Plan& plan, int n_diagonals) {
  const int64_t state = int64_t{2 * plan.options.width} << plan.row_bits;
  if (plan.Whole()) return n_diagonals > 0 && plan.n_saved * state <= kMostSavedReals;
  if (plan.stages.empty() || plan.n_run_saved > kMostTileSaved) return false;
  return plan.n_saved <= 1 || plan.n_saved * state * plan.options.real_bytes <= kMostStageBytes;
}

// Decides whether psi is saved, and marks the ops that profit.
void SaveStates(Plan* plan) {
  const int n_diagonals = MarkSaves(plan);
  plan->n_saved = plan->Whole() ? plan->n_run_saved
                                : static_cast<int>(plan->stages.size()) - plan->first_stage +
                                      !plan->product_start - plan->measures_in_tiles;
  plan->saves = SavesPay(*plan, n_diagonals);
  if (!plan->saves) {
    plan->n_saved = plan->n_run_saved = 1;
    return;
  }
  for (Stage& stage : plan->stages) {
    bool fresh = !plan->Whole() || &stage == plan->stages.data();
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

uint64_t Reordered(uint64_t mask, const std::vector<int>& order) {
  const int n = static_cast<int>(order.size());
  uint64_t out = 0;
  for (int q = 0; q < n; ++q) out |= ((mask >> (n - 1 - q)) & 1) << order[q];
  return out;
}

}  // namespace

uint64_t Picked(uint64_t mask, const std::vector<int>& bits) {
  uint64_t out = 0;
  for (size_t j = 0; mask != 0 && j < bits.size(); ++j) out |= ((mask >> bits[j]) & 1) << j;
  return out;
}

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

namespace {

std::unique_ptr<Plan> MakeOrdered(const Program& program,
                                  const std::vector<Observable>& observables, bool measured,
                                  const PlanOptions& options, int tile_bits, int first_bits,
                                  const std::vector<int>& order) {
  auto plan = std::make_unique<Plan>();
  plan->options = options;
  plan->order = order;
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
    gates.push_back(Convert(*plan, gate, static_cast<int32_t>(gates.size())));
    plan->angles.push_back(gate.angle);
    plan->angle_varies.push_back(
        std::any_of(gate.angle.terms.begin(), gate.angle.terms.end(),
                    [](const AngleTerm& term) { return !term.is_theta; }));
    widest = std::max(widest, CountBits(gates.back().moved & ~lane_mask));
  }
  bool diagonal = true;
  for (Observable& observable : plan->observables) {
    for (PauliTerm& term : observable.terms) {
      term.x_mask = Reordered(term.x_mask, order);
      term.z_mask = Reordered(term.z_mask, order);
      diagonal = diagonal && term.x_mask == 0;
    }
  }
  if (measured && diagonal) DropUnseen(&gates, &plan->observables);
  if (plan->product_start) gates = TakeChains(gates, plan.get());

  plan->tile_bits = std::min(plan->row_bits, std::max(tile_bits, widest));
  plan->chunk = CutState(*plan, 0, plan->tile_bits);
  size_t start = 0;
  uint64_t tile = 0;
  const auto add_stage = [&](const std::vector<PlanGate>& taken, int bits) {
    plan->stages.push_back(CutState(*plan, tile, bits));
    BuildOps(taken, plan.get(), &plan->stages.back());
  };
  if (plan->product_start && !plan->Whole()) {
    std::vector<PlanGate> left = gates;
    const auto taken = TakeStage(&left, &start, *plan, first_bits, true, &tile);
    if (!taken.empty() && start < left.size()) {
      gates.swap(left);
      add_stage(taken, first_bits);
      plan->first_stage = 1;
    } else {
      start = 0;
    }
  }
  while (start < gates.size()) {
    tile = 0;
    add_stage(TakeStage(&gates, &start, *plan, plan->tile_bits, false, &tile), plan->tile_bits);
  }
  if (plan->product_start && !plan->Whole()) {
    for (Stage& stage : plan->stages) FindFirstRows(plan->FirstCut(), &stage);
    FindFirstRows(plan->FirstCut(), &plan->chunk);
  }
  plan->measures_in_tiles = measured && diagonal && !plan->stages.empty() && !plan->Whole();
  PlaceTerms(plan.get());
  SaveStates(plan.get());
  return plan;
}

// The order of qubits in which the tiles of all stages are made of long runs of rows: first the
// bits that the most stages have inside.
std::vector<int> BetterOrder(const Plan& plan) {
  std::vector<std::vector<int>> outside(plan.row_bits);  // stages whose tiles do not span the bit
  for (size_t k = 0; k < plan.stages.size(); ++k) {
    for (int b : plan.stages[k].other_bits) outside[b].push_back(static_cast<int>(k));
  }
  std::vector<int> bits(plan.row_bits);
  for (int b = 0; b < plan.row_bits; ++b) bits[b] = b;
  std::stable_sort(bits.begin(), bits.end(), [&](int a, int b) {
    if (outside[a].size() != outside[b].size()) return outside[a].size() < outside[b].size();
    return outside[a] > outside[b];
  });
  std::vector<int> order = plan.order;
  for (int& bit : order) {
    if (bit < plan.lane_bits) continue;
    const auto place = std::find(bits.begin(), bits.end(), bit - plan.lane_bits);
    bit = plan.lane_bits + static_cast<int>(place - bits.begin());
  }
  return order;
}

// Bits of the first tile, a small part of the state.
int FirstBits(int row_bits, int tile_bits) {
  return std::max(tile_bits, std::min(row_bits - kLeastFactorBits, kMostFirstBits));
}

// The smallest tiles with which a run makes the fewest passes over the state: they stay closest to
// the first-level cache. Null where a state that may stay whole would need more than one.
template <class Make>
std::unique_ptr<Plan> CutPlan(const PlanOptions& options, bool may_stay, bool many_gates,
                              Make make) {
  std::unique_ptr<Plan> best;
  const int least = many_gates ? options.tile_bits : std::min(kLeastTileBits, options.tile_bits);
  for (int bits = least; bits <= options.tile_bits; ++bits) {
    auto plan = make(bits);
    if (plan->Whole()) break;
    if (may_stay && !(plan->InOnePass() && plan->saves)) continue;
    const bool fewer = best && plan->Passes() < best->Passes();
    if (!best || fewer) best = std::move(plan);
  }
  return best;
}

}  // namespace

std::unique_ptr<Plan> MakePlan(const Program& program, const std::vector<Observable>& observables,
                               bool measured, const PlanOptions& options) {
  std::vector<int> order(program.n_qubits);
  for (int q = 0; q < program.n_qubits; ++q) order[q] = program.n_qubits - 1 - q;
  const bool samples = options.lanes == Lanes::kSamples;
  const int row_bits = program.n_qubits - (samples ? 0 : __builtin_ctz(options.width));
  const auto make = [&](int tile_bits) {
    return MakeOrdered(program, observables, measured, options, tile_bits,
                       FirstBits(row_bits, tile_bits), order);
  };
  // Where nobody sees a state, its order is free, and it need not be put together.
  const bool seen = !measured || program.has_initial;
  const bool may_stay = row_bits <= options.whole_bits;
  const bool many_gates = program.gates.size() > kWindow;
  if (samples || (may_stay && (row_bits < kLeastCutBits || seen || many_gates))) {
    return make(row_bits);
  }
  auto plan = CutPlan(options, may_stay, many_gates, make);
  if (!plan) return make(row_bits);
  if (seen || plan->stages.size() < 2) return plan;
  order = BetterOrder(*plan);
  return make(plan->tile_bits);
}

}  // namespace fast
}  // namespace qstore
