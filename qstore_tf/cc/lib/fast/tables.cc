#include "tables.h"

#include <cmath>

#include "buffer.h"

namespace qstore {
namespace fast {
namespace {

// Mostly asked of 0, where lanes are samples; the baseline instruction set has no population count.
bool Odd(uint32_t mask) { return mask != 0 && (__builtin_popcount(mask) & 1) != 0; }

template <class T>
void FillRotation(const Plan& plan, const RotationRows& spec, double angle, T* rows) {
  const int width = plan.options.width;
  const double c = std::cos(spec.factor * angle), s = spec.sign * std::sin(spec.factor * angle);
  T* row = rows + static_cast<int64_t>(spec.row) * width;
  const T cosine = static_cast<T>(c), sine = static_cast<T>(s);
  for (int l = 0; l < width; ++l) {
    const bool on = (l & spec.lane_controls) == spec.lane_controls;
    row[l] = on ? cosine : T(1);
    row[l + width] = !on ? T(0) : Odd(l & spec.lane_parity) ? -sine : sine;
  }
}

// A merged diagonal of single-bit factors is a product state; members on several bits then touch
// every entry.
template <class T>
void FillDiagonal(const Plan& plan, const Kernels<T>& kernels, const DiagonalTable& table,
                  const std::vector<double>& angles, double scale, T* diagonals) {
  std::vector<std::complex<double>> factors(2 * table.bits, 1.0);
  std::complex<double> constant = scale;
  std::vector<const DiagonalMember*> wide;
  for (const DiagonalMember& member : table.members) {
    const uint32_t bits = member.parity | member.controls;
    if ((bits & (bits - 1)) != 0) {
      wide.push_back(&member);
      continue;
    }
    const double angle = angles[member.angle];
    const auto at = [&](uint32_t index) {
      if ((index & member.controls) != member.controls) return std::complex<double>(1);
      const double turn = member.phase ? angle : Odd(index & member.parity) ? angle / 2 : -angle / 2;
      return std::polar(1.0, turn);
    };
    if (bits == 0) {
      constant *= at(0);
    } else {
      const int b = __builtin_ctz(bits);
      factors[2 * b] *= at(0);
      factors[2 * b + 1] *= at(bits);
    }
  }
  const uint32_t lanes = 1u << plan.lane_bits, size = 1u << table.bits;
  T* out = diagonals + table.offset;
  const auto put = [&](T* to, uint32_t lane, std::complex<double> value) {
    to[lane] = static_cast<T>(value.real());
    to[lanes + lane] = static_cast<T>(value.imag());
  };
  if (plan.lane_bits > 0) {
    const int row_bits = table.bits - plan.lane_bits;
    const Buffer<T> rows(static_cast<size_t>(2 + 4 * row_bits) * lanes);
    T* u = rows.data() + 2 * lanes;
    for (uint32_t l = 0; l < lanes; ++l) {
      std::complex<double> product = constant;
      for (int b = 0; b < plan.lane_bits; ++b) product *= factors[2 * b + ((l >> b) & 1)];
      put(rows.data(), l, product);
      for (int k = 0; k < 2 * row_bits; ++k) {
        put(u + 2 * k * lanes, l, factors[2 * plan.lane_bits + k]);
      }
    }
    kernels.product(out, rows.data(), u, table.low == 0 ? row_bits : table.low);
    if (table.low > 0) {
      const int first = plan.lane_bits + table.low;
      T* high = out + (int64_t{2} << first);
      for (uint32_t k = 0; k < 1u << (table.bits - first); ++k) {
        std::complex<double> product = 1;
        for (int b = 0; first + b < table.bits; ++b) {
          product *= factors[2 * (first + b) + ((k >> b) & 1)];
        }
        high[2 * k] = static_cast<T>(product.real());
        high[2 * k + 1] = static_cast<T>(product.imag());
      }
    }
  } else {
    put(out, 0, constant);
    for (int b = 0; b < table.bits; ++b) {
      const T r0 = static_cast<T>(factors[2 * b].real());
      const T i0 = static_cast<T>(factors[2 * b].imag());
      const T r1 = static_cast<T>(factors[2 * b + 1].real());
      const T i1 = static_cast<T>(factors[2 * b + 1].imag());
      for (uint32_t k = 0; k < 1u << b; ++k) {
        const T re = out[2 * k], im = out[2 * k + 1];
        T* high = out + (2u << b);
        high[2 * k] = re * r1 - im * i1;
        high[2 * k + 1] = re * i1 + im * r1;
        out[2 * k] = re * r0 - im * i0;
        out[2 * k + 1] = re * i0 + im * r0;
      }
    }
  }
  for (const DiagonalMember* member : wide) {
    const double angle = angles[member->angle];
    const std::complex<T> even(std::polar(1.0, member->phase ? angle : -angle / 2));
    const std::complex<T> odd(std::polar(1.0, angle / 2));
    for (uint32_t k = 0; k < size; ++k) {
      if ((k & member->controls) != member->controls) continue;
      const std::complex<T>& f = Odd(k & member->parity) && !member->phase ? odd : even;
      T* at = out + 2 * (k & ~(lanes - 1)) + (k & (lanes - 1));
      const T re = at[0], im = at[lanes];
      at[0] = re * f.real() - im * f.imag();
      at[lanes] = re * f.imag() + im * f.real();
    }
  }
}

// Below this the factor goes back into the state, so that single precision keeps its range.
constexpr double kSmallestScale = 1e-6;

// Rewrites the rows of a rotation in a layer. Returns how the factor of the stored state changes.
template <class T>
double FillLayerRotation(const Plan& plan, const RotationRows& spec, double angle, bool lane,
                         double scale, T* rows, int32_t* modes) {
  const int width = plan.options.width;
  double c = std::cos(spec.factor * angle), s = spec.sign * std::sin(spec.factor * angle);
  double factor = 1, folded = 1;
  int32_t mode = kGeneral;
  if (!(std::abs(scale) > kSmallestScale)) {
    folded = scale;
    c *= scale;
    s *= scale;
  } else if (std::abs(c) >= std::abs(s)) {
    mode = kUnitCosine;
    factor = c;
  } else if (!lane) {
    mode = kUnitSine;
    factor = s;
  }
  modes[spec.row] = mode;
  T* row = rows + static_cast<int64_t>(spec.row) * width;
  const T cosine = static_cast<T>(c / factor), sine = static_cast<T>(s / factor);
  for (int l = 0; l < width; ++l) {
    row[l] = cosine;
    row[l + width] = Odd(l & spec.lane_parity) ? -sine : sine;
  }
  return factor / folded;
}

}  // namespace

template <class T>
std::vector<double> ThetaAngles(const Plan& plan, const T* theta) {
  std::vector<double> values;
  values.reserve(plan.angles.size());
  for (const Angle& angle : plan.angles) {
    double value = angle.constant;
    for (const AngleTerm& term : angle.terms) {
      if (term.is_theta) value += term.coef * static_cast<double>(theta[term.slot]);
    }
    values.push_back(value);
  }
  return values;
}

template <class T>
Scales FillShared(const Plan& plan, const Kernels<T>& kernels,
                  const std::vector<double>& theta_angles, T* rows, T* diagonals,
                  int32_t* modes) {
  const int width = plan.options.width;
  std::vector<const RotationRows*> spec_of(plan.n_shared_rows, nullptr);
  for (const RotationRows& spec : plan.shared_rows) {
    modes[spec.row] = kGeneral;
    if (!spec.layered) FillRotation(plan, spec, theta_angles[spec.angle], rows);
    spec_of[spec.row] = &spec;
  }
  for (const MatrixRows& spec : plan.matrix_rows) {
    T* row = rows + static_cast<int64_t>(spec.row) * width;
    modes[spec.row] = kGeneral;
    for (int k = 0; k < 4; ++k) {
      for (int l = 0; l < width; ++l) {
        row[2 * k * width + l] = static_cast<T>(spec.matrix[k].real());
        row[(2 * k + 1) * width + l] = static_cast<T>(spec.matrix[k].imag());
      }
    }
  }

  // Forward: how every op, or item of a layer, changes the stored state's factor. Merged diagonals
  // take it in.
  std::vector<const Op*> ops;
  std::vector<std::vector<double>> changes;
  std::vector<double> before;
  std::vector<bool> begins;  // a stage
  double scale = 1;
  size_t table = 0;
  for (const Stage& stage : plan.stages) {
    for (const Op& op : stage.ops) {
      ops.push_back(&op);
      begins.push_back(&op == stage.ops.data());
      changes.emplace_back();
      before.push_back(scale);
      for (int j = 0; j < op.n_items; ++j) {
        const OneQubit& item = op.items[j];
        double change = 1;
        if (item.coef >= 0 && item.form != kMatrix) {
          const RotationRows& spec = *spec_of[item.coef];
          change = FillLayerRotation(plan, spec, theta_angles[spec.angle], op.type == kLaneLayer,
                                     scale, rows, modes);
        }
        scale *= change;
        changes.back().push_back(change);
      }
      if (op.type == kDiagPermute && op.diagonal >= 0) {
        FillDiagonal(plan, kernels, plan.diagonals[table++], theta_angles, scale, diagonals);
        changes.back().push_back(1 / scale);
        scale = 1;
      }
    }
  }

  // Backward: the inverse of a rotation leaves out the same factor, that of an op which took a
  // factor in takes it in once more. Derivatives see psi and lambda. A psi that was saved has the
  // factor it had then.
  Scales scales;
  scales.state = scale;
  scales.derivatives.assign(plan.derivatives.size(), 1.0);
  double psi = scale, lambda = scale;
  const auto set = [&](int32_t acc) {
    if (acc >= 0) scales.derivatives[acc] = psi * lambda;
  };
  const bool saved = plan.saves, rerun = saved && !plan.Whole();
  const size_t n_first = plan.first_stage > 0 ? plan.stages[0].ops.size() : 0;
  const auto undo = [&](const std::vector<double>& factors) {
    for (double factor : factors) lambda *= factor;
  };
  for (size_t k = ops.size(); k-- > 0;) {
    const Op& op = *ops[k];
    // Psi came from a run forwards.
    if (k + 1 < ops.size() && begins[k + 1] && (rerun || k + 1 == n_first)) psi = before[k + 1];
    if (saved && op.type == kDiagPermute) {
      undo(changes[k]);
      psi = before[k];
      for (int j = 0; j < op.n_terms; ++j) set(op.terms[j].acc);
    } else if (saved && op.frozen) {
      size_t first = k;
      while (!begins[first] && ops[first - 1]->frozen) --first;
      for (size_t i = first; i <= k; ++i) {
        for (int j = 0; j < ops[i]->n_items; ++j) set(ops[i]->items[j].acc);
      }
      for (size_t i = first; i <= k; ++i) undo(changes[i]);
      k = first;
    } else {
      set(op.acc);
      for (int j = 0; j < op.n_terms; ++j) set(op.terms[j].acc);
      // Items of a layer are undone in their own order.
      for (size_t j = 0; j < changes[k].size(); ++j) {
        if (op.n_items > 0) set(op.items[j].acc);
        lambda *= changes[k][j];
        psi *= changes[k][j];
      }
    }
  }
  scales.start = lambda;
  for (const Chain& chain : plan.chains) {
    for (const ChainGate& gate : chain.gates) {
      if (gate.acc >= 0) scales.derivatives[gate.acc] = lambda;
    }
  }
  return scales;
}

template <class T>
void FillSample(const Plan& plan, const Kernels<T>& kernels,
                const std::vector<double>& theta_angles, const T* inputs, int n_inputs, int count,
                T* scratch, T* rows) {
  const int width = plan.options.width;
  const auto angle_of = [&](const RotationRows& spec, int sample) {
    double value = theta_angles[spec.angle];
    for (const AngleTerm& term : plan.angles[spec.angle].terms) {
      if (term.is_theta || sample >= count) continue;
      value += term.coef *
               static_cast<double>(inputs[static_cast<int64_t>(sample) * n_inputs + term.slot]);
    }
    return value;
  };
  if (plan.options.lanes == Lanes::kAmplitudes) {
    for (const RotationRows& spec : plan.sample_rows) {
      FillRotation(plan, spec, angle_of(spec, 0), rows);
    }
    return;
  }
  T* at = scratch;
  for (const RotationRows& spec : plan.sample_rows) {
    for (int l = 0; l < width; ++l) *at++ = static_cast<T>(spec.factor * angle_of(spec, l));
  }
  const int64_t n = static_cast<int64_t>(plan.sample_rows.size());
  T* cosine = scratch + n * width;
  T* sine = cosine + n * width;
  kernels.sincos(scratch, cosine, sine, n);
  for (int64_t k = 0; k < n; ++k) {
    const RotationRows& spec = plan.sample_rows[k];
    T* row = rows + static_cast<int64_t>(spec.row) * width;
    const T sign = static_cast<T>(spec.sign);
    for (int l = 0; l < width; ++l) {
      row[l] = cosine[k * width + l];
      row[l + width] = sign * sine[k * width + l];
    }
  }
}

template <class T>
void AddDerivatives(const Plan& plan, const Scales& scales, const T* acc, bool varying, int count, int n_inputs,
                    double* d_theta, T* d_inputs) {
  const int width = plan.options.width;
  const bool samples = plan.options.lanes == Lanes::kSamples;
  for (size_t k = 0; k < plan.derivatives.size(); ++k) {
    const DerivativeRow& spec = plan.derivatives[k];
    if (plan.angle_varies[spec.angle] != varying) continue;
    const T* row = acc + static_cast<int64_t>(k) * width;
    double total = 0;
    for (int l = 0; l < width; ++l) {
      if (spec.one_lane && l > 0) break;
      if ((l & spec.lane_controls) != spec.lane_controls) continue;
      total += Odd(l & spec.lane_parity) ? -static_cast<double>(row[l]) : static_cast<double>(row[l]);
    }
    for (const AngleTerm& term : plan.angles[spec.angle].terms) {
      const double factor = spec.weight * term.coef * scales.derivatives[k];
      if (term.is_theta) {
        d_theta[term.slot] += factor * total;
      } else if (samples) {
        for (int b = 0; b < count; ++b) {
          d_inputs[static_cast<int64_t>(b) * n_inputs + term.slot] +=
              static_cast<T>(factor * static_cast<double>(row[b]));
        }
      } else {
        d_inputs[term.slot] += static_cast<T>(factor * total);
      }
    }
  }
}

#define QSTORE_INSTANTIATE(T)                                                                  \
  template std::vector<double> ThetaAngles<T>(const Plan&, const T*);                          \
  template Scales FillShared<T>(const Plan&, const Kernels<T>&, const std::vector<double>&,    \
                                T*, T*, int32_t*);                                             \
  template void FillSample<T>(const Plan&, const Kernels<T>&, const std::vector<double>&,      \
                              const T*, int, int, T*, T*);                                     \
  template void AddDerivatives<T>(const Plan&, const Scales&, const T*, bool, int, int,         \
                                  double*, T*);
QSTORE_INSTANTIATE(float)
QSTORE_INSTANTIATE(double)
#undef QSTORE_INSTANTIATE

}  // namespace fast
}  // namespace qstore
