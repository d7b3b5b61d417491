// Gates of one stage into ops: each gate joins an earlier op of its kind where everything in
// between commutes with it, so that layers, diagonals and relabellings come out merged.
#include <algorithm>

#include "plan.h"

namespace qstore {
namespace fast {
namespace {

constexpr size_t kLookBack = 24;  // ops; keeps planning linear in the number of gates

// A linear map over bits plus a constant: source(i) = XOR of column[b] over set bits b of i, and
// of shift columns over set bits of the base.
struct Relabelling {
  std::vector<uint32_t> column;
  uint32_t constant = 0;
  std::vector<std::pair<uint64_t, uint32_t>> shifts;
  bool used = false;
};

struct Draft {
  Op op{};
  uint64_t moved = 0, fixed = 0;  // index bits of the whole state
  std::vector<OneQubit> items;
  std::vector<DiagonalTerm> terms;
  DiagonalTable table;
  Relabelling map;
};

class Builder {
 public:
  Builder(Plan* plan, Stage* stage) : plan_(plan), stage_(stage) {
    inside_ = (uint64_t{1} << plan->lane_bits) - 1;
    for (int b : stage->tile_bits) inside_ |= uint64_t{1} << (b + plan->lane_bits);
    n_local_ = plan->lane_bits + static_cast<int>(stage->tile_bits.size());
  }

  void Add(const PlanGate& gate) {
    if (gate.Diagonal()) {
      AddDiagonal(gate);
    } else if (gate.kind == PlanGate::kRotation) {
      AddRotation(gate);
    } else if (gate.kind == PlanGate::kFlip) {
      AddFlip(gate);
    } else if (gate.kind == PlanGate::kSwap) {
      AddSwap(gate);
    } else {
      AddMatrix(gate);
    }
  }

  void Finish() {
    SinkDiagonals();
    PutLanesFirst();
    for (Draft& draft : drafts_) stage_->ops.push_back(Seal(&draft));
  }

 private:
  // Index bits of the whole state into bits of the tile's index, lanes lowest.
  uint32_t Local(uint64_t mask) const {
    const int lanes = plan_->lane_bits;
    uint32_t local = static_cast<uint32_t>(mask & ((uint64_t{1} << lanes) - 1));
    for (size_t j = 0; j < stage_->tile_bits.size(); ++j) {
      if ((mask >> (stage_->tile_bits[j] + lanes)) & 1) local |= 1u << (lanes + j);
    }
    return local;
  }
  uint32_t Rows(uint64_t mask) const { return Local(mask) >> plan_->lane_bits; }
  uint32_t LaneBits(uint64_t mask) const {
    return static_cast<uint32_t>(mask & ((uint64_t{1} << plan_->lane_bits) - 1));
  }
  uint64_t Outside(uint64_t mask) const { return mask & ~inside_; }

  // The latest op that accepts the gate and that it can reach, or a new one at the end.
  template <class Accepts>
  Draft* Place(const PlanGate& gate, Accepts accepts, bool* joined) {
    const size_t last = drafts_.size() > kLookBack ? drafts_.size() - kLookBack : 0;
    for (size_t k = drafts_.size(); k-- > last;) {
      Draft& draft = drafts_[k];
      if (accepts(draft)) {
        *joined = true;
        return Touch(&draft, gate);
      }
      const bool commutes = (gate.moved & (draft.moved | draft.fixed)) == 0 &&
                            (gate.fixed & draft.moved) == 0;
      if (!commutes) break;
    }
    *joined = false;
    drafts_.emplace_back();
    return Touch(&drafts_.back(), gate);
  }

  static Draft* Touch(Draft* draft, const PlanGate& gate) {
    draft->moved |= gate.moved;
    draft->fixed |= gate.fixed;
    return draft;
  }

  Draft* Append(const PlanGate& gate) {
    bool joined;
    return Place(gate, [](const Draft&) { return false; }, &joined);
  }

  // Moves merged diagonals towards the end, into the next one where all in between commutes.
  void SinkDiagonals() {
    for (size_t k = drafts_.size(); k-- > 0;) {
      Draft& from = drafts_[k];
      if (from.op.type != kDiagPermute || from.map.used) continue;
      for (size_t j = k + 1; j < drafts_.size() && j <= k + kLookBack; ++j) {
        Draft& to = drafts_[j];
        if (to.op.type == kDiagPermute) {
          to.fixed |= from.fixed;
          to.terms.insert(to.terms.end(), from.terms.begin(), from.terms.end());
          to.table.members.insert(to.table.members.end(), from.table.members.begin(),
                                  from.table.members.end());
          drafts_.erase(drafts_.begin() + static_cast<int64_t>(k));
          break;
        }
        if ((from.fixed & to.moved) != 0) break;
      }
    }
  }

  // Gates on lanes in front of gates on rows, with which they commute: after a merged diagonal they
  // share its pass.
  void PutLanesFirst() {
    for (size_t k = 0; k + 1 < drafts_.size(); ++k) {
      if (drafts_[k].op.type == kLayer && drafts_[k + 1].op.type == kLaneLayer) {
        std::swap(drafts_[k], drafts_[k + 1]);
      }
    }
  }

  static void MakeDiagPermute(Draft* draft, bool joined) {
    if (joined) return;
    draft->op.type = kDiagPermute;
    draft->op.diagonal = -1;
  }

  void AddDiagonal(const PlanGate& gate) {
    const bool phase = gate.kind == PlanGate::kPhase;
    if (plan_->angle_varies[gate.angle] || Outside(gate.fixed) != 0) {
      Draft* draft = Append(gate);
      SetMasks(gate, &draft->op);
      draft->op.type = kDiagonal;
      const double factor = phase ? 1 : 0.5, sign = phase ? -1 : 1;
      draft->op.coef = AddRotationRows(plan_, {0, gate.angle, factor, sign, LaneBits(gate.parity),
                                               LaneBits(gate.controls), false});
      draft->op.acc = AddDerivative(plan_, {gate.angle, factor * sign, LaneBits(gate.parity),
                                            LaneBits(gate.controls), false});
      return;
    }
    // A relabelling comes after the diagonal of its op, so only ops without one accept more.
    bool joined;
    Draft* draft = Place(
        gate, [](const Draft& d) { return d.op.type == kDiagPermute && !d.map.used; }, &joined);
    MakeDiagPermute(draft, joined);
    draft->table.members.push_back(
        {gate.angle, phase, Local(gate.parity), Local(gate.controls)});
    const int32_t acc = AddDerivative(plan_, {gate.angle, phase ? -1.0 : 0.5, LaneBits(gate.parity),
                                              LaneBits(gate.controls), false});
    draft->terms.push_back({Rows(gate.parity), Rows(gate.controls), acc});
  }

  void AddRotation(const PlanGate& gate) {
    const int y = __builtin_popcountll(gate.flip & gate.parity) & 3;
    const double sign = y == 0 || y == 3 ? 1 : -1;
    const bool imaginary = (y & 1) == 0;
    const uint32_t lane_parity = LaneBits(gate.parity), lane_controls = LaneBits(gate.controls);
    const uint32_t flip = Local(gate.flip);
    const bool single = (flip & (flip - 1)) == 0 && gate.fixed == 0;
    if (single && AddToLayer(gate, flip, imaginary ? kImag : kReal, [&] {
          return AddRotationRows(plan_, {0, gate.angle, 0.5, sign, lane_parity, 0, true});
        }, [&] {
          return AddDerivative(plan_, {gate.angle, 0.5 * sign, lane_parity, 0, false});
        })) {
      return;
    }
    Draft* draft = Append(gate);
    SetMasks(gate, &draft->op);
    draft->op.type = kPauli;
    draft->op.flip_rows = Rows(gate.flip);
    draft->op.flip_lanes = LaneBits(gate.flip);
    draft->op.imaginary = imaginary;
    draft->op.coef =
        AddRotationRows(plan_, {0, gate.angle, 0.5, sign, lane_parity, lane_controls, false});
    draft->op.acc = AddDerivative(
        plan_, {gate.angle, 0.5 * sign, lane_parity, lane_controls, false});
  }

  // Lane layers hold rotations only, and at most one per lane bit.
  template <class Coef, class Acc>
  bool AddToLayer(const PlanGate& gate, uint32_t flip, Form form, Coef coef, Acc acc) {
    const int bit = __builtin_ctz(flip);
    const bool lane = bit < plan_->lane_bits;
    if (lane && form == kMatrix) return false;
    const OpType type = lane ? kLaneLayer : kLayer;
    const uint64_t moved = gate.moved;
    bool joined;
    Draft* draft = Place(
        gate, [&](const Draft& d) { return d.op.type == type && (d.moved & moved) == 0; },
        &joined);
    if (!joined) draft->op.type = type;
    draft->items.push_back({lane ? bit : bit - plan_->lane_bits, form, coef(), acc()});
    return true;
  }

  void AddFlip(const PlanGate& gate) {
    const uint64_t control = gate.controls;
    const bool linear = (control & (control - 1)) == 0;
    const uint32_t target = Local(gate.moved);
    // A row that depends on the lane cannot be fetched whole.
    const bool lane_to_row = LaneBits(control) != 0 && Rows(gate.moved) != 0;
    if (linear && !lane_to_row) {
      const int t = __builtin_ctz(target);
      bool joined;
      Draft* draft = Place(
          gate, [&](const Draft& d) { return d.op.type == kDiagPermute && CanCompose(d, gate); },
          &joined);
      MakeDiagPermute(draft, joined);
      Relabelling& map = Start(draft);
      const uint32_t image = map.column[t];
      if (control == 0) {
        map.constant ^= image;
      } else if (Outside(control) == 0) {
        map.column[__builtin_ctz(Local(control))] ^= image;
      } else {
        map.shifts.emplace_back(control, image);
      }
      return;
    }
    Draft* draft = Append(gate);
    SetMasks(gate, &draft->op);
    draft->op.type = kFlip;
    draft->op.flip_rows = Rows(gate.moved);
    draft->op.flip_lanes = LaneBits(gate.moved);
  }

  // Lane columns must stay within the lanes after the composition.
  bool CanCompose(const Draft& draft, const PlanGate& gate) const {
    if (!draft.map.used) return true;
    const uint32_t lanes = (1u << plan_->lane_bits) - 1;
    const uint32_t control = Local(gate.controls);
    const uint32_t image = draft.map.column[__builtin_ctz(Local(gate.moved))];
    return (control & lanes) == 0 || (image & ~lanes) == 0;
  }

  Relabelling& Start(Draft* draft) {
    Relabelling& map = draft->map;
    if (!map.used) {
      map.used = true;
      for (int b = 0; b < n_local_; ++b) map.column.push_back(1u << b);
    }
    return map;
  }

  // As three flips: what merges, merges.
  void AddSwap(const PlanGate& gate) {
    const uint64_t low = gate.moved & (~gate.moved + 1), high = gate.moved ^ low;
    const uint64_t turns[3][2] = {{low, high}, {high, low}, {low, high}};
    for (const auto& turn : turns) {
      PlanGate flip;
      flip.kind = PlanGate::kFlip;
      flip.moved = turn[0];
      flip.controls = flip.fixed = turn[1] | gate.controls;
      AddFlip(flip);
    }
  }

  void AddMatrix(const PlanGate& gate) {
    const uint32_t targets = Local(gate.moved);
    const auto& matrix = gate.source->matrix;
    if ((targets & (targets - 1)) == 0 && gate.controls == 0 &&
        AddToLayer(gate, targets, kMatrix, [&] { return AddMatrixRows(plan_, matrix); },
                   [] { return -1; })) {
      return;
    }
    Draft* draft = Append(gate);
    Op& op = draft->op;
    SetMasks(gate, &op);
    op.type = kUnitary;
    const int lanes = plan_->lane_bits;
    // Entry positions: row targets first, then lane targets.
    std::vector<int> source_bit;  // bit of the matrix index for each position
    for (const bool want_rows : {true, false}) {
      for (size_t j = 0; j < gate.source->targets.size(); ++j) {
        const uint64_t global = uint64_t{1} << plan_->order[gate.source->targets[j]];
        const int bit = __builtin_ctz(Local(global));
        if ((bit >= lanes) != want_rows) continue;
        if (want_rows) {
          op.row_targets[op.n_row_targets++] = bit - lanes;
        } else {
          op.lane_targets[op.n_lane_targets++] = bit;
        }
        source_bit.push_back(static_cast<int>(gate.source->targets.size() - 1 - j));
      }
    }
    op.matrix = AddConstants(op, matrix, source_bit, LaneBits(gate.controls), false);
    op.matrix_adjoint = AddConstants(op, matrix, source_bit, LaneBits(gate.controls), true);
  }

  int64_t AddConstants(const Op& op, const std::vector<std::complex<double>>& matrix,
                       const std::vector<int>& source_bit, uint32_t lane_controls, bool adjoint) {
    const int64_t start = static_cast<int64_t>(plan_->constants.size());
    const int width = plan_->options.width;
    const int n = op.n_row_targets + op.n_lane_targets, size = 1 << n;
    const auto spread = [&](int position) {
      int index = 0;
      for (int j = 0; j < n; ++j) index |= ((position >> j) & 1) << source_bit[j];
      return index;
    };
    for (int row = 0; row < 1 << op.n_row_targets; ++row) {
      for (int offset = 0; offset < size; ++offset) {
        std::vector<double> re(width), im(width);
        for (int lane = 0; lane < width; ++lane) {
          int position = row;
          for (int j = 0; j < op.n_lane_targets; ++j) {
            position |= ((lane >> op.lane_targets[j]) & 1) << (op.n_row_targets + j);
          }
          const int to = spread(position), from = spread(position ^ offset);
          std::complex<double> entry = adjoint ? std::conj(matrix[from * size + to])
                                               : matrix[to * size + from];
          if ((lane & lane_controls) != lane_controls) entry = offset == 0 ? 1 : 0;
          re[lane] = entry.real();
          im[lane] = entry.imag();
        }
        plan_->constants.insert(plan_->constants.end(), re.begin(), re.end());
        plan_->constants.insert(plan_->constants.end(), im.begin(), im.end());
      }
    }
    return start;
  }

  void SetMasks(const PlanGate& gate, Op* op) const {
    op->parity_rows = Rows(gate.parity);
    op->parity_base = Outside(gate.parity);
    op->control_rows = Rows(gate.controls);
    op->control_lanes = LaneBits(gate.controls);
    op->control_base = Outside(gate.controls);
    op->acc = -1;
  }

  // The gates of a layer run a few at a time, in passes over all rows. The bits of one pass are far
  // from each other: rows that differ in high bits alone have one place in the caches.
  static void SpreadBits(std::vector<OneQubit>* items) {
    constexpr size_t kInPass = 4;
    std::sort(items->begin(), items->end(),
              [](const OneQubit& a, const OneQubit& b) { return a.bit < b.bit; });
    std::vector<OneQubit> spread;
    const size_t passes = (items->size() + kInPass - 1) / kInPass;
    for (size_t first = 0; first < passes; ++first) {
      for (size_t k = first; k < items->size(); k += passes) spread.push_back((*items)[k]);
    }
    items->swap(spread);
  }

  // Row bits of the first factor of a merged diagonal; 0 where its table is kept as a whole. Two
  // factors stay in the first-level cache, where a whole table would take the place of states.
  int LowBits(const DiagonalTable& table) const {
    constexpr int kLow = 6;
    if (plan_->lane_bits == 0 || n_local_ - plan_->lane_bits < 2 + kLow) return 0;
    for (const DiagonalMember& member : table.members) {
      const uint32_t bits = member.parity | member.controls;
      if ((bits & (bits - 1)) != 0) return 0;
    }
    return kLow;
  }

  Op Seal(Draft* draft) {
    Op& op = draft->op;
    if (op.type == kLayer) SpreadBits(&draft->items);
    if (op.type != kPauli && op.type != kDiagonal) op.acc = -1;
    if (!draft->items.empty()) {
      plan_->items.push_back(draft->items);
      op.items = plan_->items.back().data();
      op.n_items = static_cast<int32_t>(draft->items.size());
    }
    if (!draft->table.members.empty()) {
      draft->table.bits = n_local_;
      draft->table.offset = plan_->diagonal_reals;
      op.diagonal = plan_->diagonal_reals;
      op.diagonal_low = draft->table.low = LowBits(draft->table);
      const int first = plan_->lane_bits + op.diagonal_low;  // bits of the first factor
      plan_->diagonal_reals += op.diagonal_low == 0 ? int64_t{2} << n_local_
                                                    : (int64_t{2} << first) +
                                                          (int64_t{2} << (n_local_ - first));
      plan_->diagonal_reals = (plan_->diagonal_reals + 15) & ~int64_t{15};
      plan_->diagonals.push_back(draft->table);
      draft->terms.erase(std::remove_if(draft->terms.begin(), draft->terms.end(),
                                        [](const DiagonalTerm& t) { return t.acc < 0; }),
                         draft->terms.end());
      plan_->terms.push_back(draft->terms);
      op.terms = plan_->terms.back().data();
      op.n_terms = static_cast<int32_t>(draft->terms.size());
    }
    if (draft->map.used) SealMap(draft->map, &op);
    return op;
  }

  void SealMap(const Relabelling& map, Op* op) {
    plan_->relabels = true;
    const int lanes = plan_->lane_bits;
    const uint32_t lane_mask = (1u << lanes) - 1;
    const auto apply = [&](uint32_t index) {
      uint32_t out = 0;
      for (int b = 0; b < n_local_; ++b) {
        if ((index >> b) & 1) out ^= map.column[b];
      }
      return out;
    };
    std::vector<int32_t> base(1u << lanes), inverse(1u << lanes);
    for (uint32_t l = 0; l <= lane_mask; ++l) base[l] = static_cast<int32_t>(apply(l) & lane_mask);
    for (uint32_t l = 0; l <= lane_mask; ++l) inverse[base[l]] = static_cast<int32_t>(l);
    std::vector<uint32_t> rows, lane_xor, lane_xor_inverse;
    bool lanes_move = false;
    for (uint32_t l = 0; l <= lane_mask; ++l) lanes_move |= base[l] != static_cast<int32_t>(l);
    for (uint32_t v = 0; v < 1u << (n_local_ - lanes); ++v) {
      const uint32_t source = apply(v << lanes) ^ map.constant;
      rows.push_back(source >> lanes);
      lane_xor.push_back(source & lane_mask);
      lane_xor_inverse.push_back(static_cast<uint32_t>(inverse[source & lane_mask]));
      lanes_move |= (source & lane_mask) != 0;
    }
    std::vector<PermutationShift> shifts;
    for (const auto& shift : map.shifts) {
      const uint32_t lane = shift.second & lane_mask;
      shifts.push_back({shift.first, shift.second >> lanes, lane,
                        static_cast<uint32_t>(inverse[lane])});
      lanes_move |= lane != 0;
    }
    plan_->row_maps.push_back(rows);
    op->source_row = plan_->row_maps.back().data();
    plan_->row_maps.push_back(lane_xor);
    op->lane_xor = plan_->row_maps.back().data();
    plan_->row_maps.push_back(lane_xor_inverse);
    op->lane_xor_inverse = plan_->row_maps.back().data();
    if (lanes_move) {
      plan_->lane_maps.push_back(base);
      op->lane_base = plan_->lane_maps.back().data();
      plan_->lane_maps.push_back(inverse);
      op->lane_base_inverse = plan_->lane_maps.back().data();
    }
    plan_->shifts.push_back(shifts);
    op->shifts = plan_->shifts.back().data();
    op->n_shifts = static_cast<int32_t>(shifts.size());
  }

  Plan* plan_;
  Stage* stage_;
  uint64_t inside_ = 0;
  int n_local_ = 0;
  std::deque<Draft> drafts_;
};

}  // namespace

void BuildOps(const std::vector<PlanGate>& gates, Plan* plan, Stage* stage) {
  Builder builder(plan, stage);
  for (const PlanGate& gate : gates) builder.Add(gate);
  builder.Finish();
}

}  // namespace fast
}  // namespace qstore
