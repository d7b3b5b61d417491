#include "tables.h"

#include <cmath>

namespace qstore {
namespace fast {
namespace {

bool Odd(uint32_t mask) { return __builtin_popcount(mask) & 1; }

template <class T>
void FillRotation(const Plan& plan, const RotationRows& spec, double angle, T* rows) {
  const int width = plan.options.width;
  const double c = std::cos(spec.factor * angle), s = spec.sign * std::sin(spec.factor * angle);
  T* row = rows + static_cast<int64_t>(spec.row) * width;
  for (int l = 0; l < width; ++l) {
    const bool on = (l & spec.lane_controls) == spec.lane_controls;
    row[l] = static_cast<T>(on ? c : 1);
    row[l + width] = static_cast<T>(!on ? 0 : Odd(l & spec.lane_parity) ? -s : s);
  }
}

// Single-bit members multiply up bit by bit; the others touch every entry.
template <class T>
void FillDiagonal(const Plan& plan, const DiagonalTable& table,
                  const std::vector<double>& angles, T* diagonals) {
  using Complex = std::complex<T>;
  const uint32_t size = 1u << table.bits;
  std::vector<Complex> factors(2 * table.bits, Complex(1));
  std::complex<double> constant = 1;
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
      factors[2 * b] *= Complex(at(0));
      factors[2 * b + 1] *= Complex(at(bits));
    }
  }
  std::vector<Complex> values(size);
  values[0] = Complex(constant);
  for (int b = 0; b < table.bits; ++b) {
    const T r0 = factors[2 * b].real(), i0 = factors[2 * b].imag();
    const T r1 = factors[2 * b + 1].real(), i1 = factors[2 * b + 1].imag();
    for (uint32_t k = 0; k < 1u << b; ++k) {
      const T re = values[k].real(), im = values[k].imag();
      values[k | 1u << b] = Complex(re * r1 - im * i1, re * i1 + im * r1);
      values[k] = Complex(re * r0 - im * i0, re * i0 + im * r0);
    }
  }
  for (const DiagonalMember* member : wide) {
    const double angle = angles[member->angle];
    const Complex even(std::polar(1.0, member->phase ? angle : -angle / 2));
    const Complex odd(std::polar(1.0, angle / 2));
    for (uint32_t k = 0; k < size; ++k) {
      if ((k & member->controls) != member->controls) continue;
      const Complex& f = Odd(k & member->parity) && !member->phase ? odd : even;
      const T re = values[k].real(), im = values[k].imag();
      values[k] = Complex(re * f.real() - im * f.imag(), re * f.imag() + im * f.real());
    }
  }
  const uint32_t lanes = 1u << plan.lane_bits;
  T* out = diagonals + table.offset;
  for (uint32_t k = 0; k < size; ++k) {
    const uint32_t row = k / lanes, lane = k % lanes;
    out[2 * row * lanes + lane] = values[k].real();
    out[2 * row * lanes + lanes + lane] = values[k].imag();
  }
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
void FillShared(const Plan& plan, const std::vector<double>& theta_angles, T* rows,
                T* diagonals) {
  const int width = plan.options.width;
  for (const RotationRows& spec : plan.shared_rows) {
    FillRotation(plan, spec, theta_angles[spec.angle], rows);
  }
  for (const MatrixRows& spec : plan.matrix_rows) {
    T* row = rows + static_cast<int64_t>(spec.row) * width;
    for (int k = 0; k < 4; ++k) {
      for (int l = 0; l < width; ++l) {
        row[2 * k * width + l] = static_cast<T>(spec.matrix[k].real());
        row[(2 * k + 1) * width + l] = static_cast<T>(spec.matrix[k].imag());
      }
    }
  }
  for (const DiagonalTable& table : plan.diagonals) {
    FillDiagonal(plan, table, theta_angles, diagonals);
  }
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
void AddDerivatives(const Plan& plan, const T* acc, bool varying, int count, int n_inputs,
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
      const double factor = spec.weight * term.coef;
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
  template void FillShared<T>(const Plan&, const std::vector<double>&, T*, T*);                \
  template void FillSample<T>(const Plan&, const Kernels<T>&, const std::vector<double>&,      \
                              const T*, int, int, T*, T*);                                     \
  template void AddDerivatives<T>(const Plan&, const T*, bool, int, int, double*, T*);
QSTORE_INSTANTIATE(float)
QSTORE_INSTANTIATE(double)
#undef QSTORE_INSTANTIATE

}  // namespace fast
}  // namespace qstore
