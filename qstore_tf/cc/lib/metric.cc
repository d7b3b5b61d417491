#include "metric.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <vector>

#include "memory.h"
#include "parallel.h"

namespace qstore {
namespace {

using Complex = std::complex<double>;

constexpr int kNoLane = -1;

// Lanes of a row are padded to this many, so that rows start at a cache line.
constexpr int64_t kPadding = 8;

int Popcount(uint64_t bits) { return __builtin_popcountll(bits); }

uint64_t Bit(int n_qubits, int qubit) { return uint64_t{1} << (n_qubits - 1 - qubit); }

uint64_t BitsOf(const std::vector<int>& qubits, int n) {
  uint64_t bits = 0;
  for (int q : qubits) bits |= Bit(n, q);
  return bits;
}

bool HasAngle(const Gate& gate) {
  return gate.kind == GateKind::kRot || gate.kind == GateKind::kPhase;
}

// The lane of each theta slot: 1, 2, ... in the order in which the gates first read them, so that
// the lanes in use at any gate are the first ones. Lane 0 is the state itself.
std::vector<int> LanesOf(const Program& program) {
  std::vector<int> lanes(program.n_theta, kNoLane);
  int next = 1;
  for (const Gate& gate : program.gates) {
    if (!HasAngle(gate)) continue;
    for (const AngleTerm& term : gate.angle.terms) {
      if (term.is_theta && lanes[term.slot] == kNoLane) lanes[term.slot] = next++;
    }
  }
  return lanes;
}

int64_t Padded(int64_t lanes) { return (lanes + kPadding - 1) / kPadding * kPadding; }

// x <- a x + b y and y <- c x + d y on the first n lanes.
void Mix(Complex a, Complex b, Complex c, Complex d, int64_t n, double* __restrict xr,
         double* __restrict xi, double* __restrict yr, double* __restrict yi) {
  const double ar = a.real(), ai = a.imag(), br = b.real(), bi = b.imag();
  const double cr = c.real(), ci = c.imag(), dr = d.real(), di = d.imag();
  for (int64_t l = 0; l < n; ++l) {
    const double pr = xr[l], pi = xi[l], qr = yr[l], qi = yi[l];
    xr[l] = ar * pr - ai * pi + br * qr - bi * qi;
    xi[l] = ar * pi + ai * pr + br * qi + bi * qr;
    yr[l] = cr * pr - ci * pi + dr * qr - di * qi;
    yi[l] = cr * pi + ci * pr + dr * qi + di * qr;
  }
}

void Scale(Complex a, int64_t n, double* __restrict xr, double* __restrict xi) {
  const double ar = a.real(), ai = a.imag();
  for (int64_t l = 0; l < n; ++l) {
    const double pr = xr[l], pi = xi[l];
    xr[l] = ar * pr - ai * pi;
    xi[l] = ar * pi + ai * pr;
  }
}

// One sample's state and derivatives, as rows of lanes: row j holds amplitude j of all of them.
class Tangents {
 public:
  Tangents(const Program& program, const std::vector<int>& lane_of)
      : program_(program),
        lane_of_(lane_of),
        n_(program.n_qubits),
        dim_(uint64_t{1} << program.n_qubits),
        n_lanes_(1 + std::count_if(lane_of.begin(), lane_of.end(),
                                   [](int lane) { return lane != kNoLane; })),
        stride_(Padded(n_lanes_)),
        re_(dim_ * stride_),
        im_(dim_ * stride_) {}

  // Runs the program. `value(angle)` gives an angle in radians.
  template <class T, class Value>
  void Run(const std::complex<T>* initial, const Value& value) {
    std::fill(re_.begin(), re_.end(), 0.0);
    std::fill(im_.begin(), im_.end(), 0.0);
    if (initial == nullptr) {
      re_[0] = 1;
    } else {
      for (uint64_t j = 0; j < dim_; ++j) {
        re_[j * stride_] = initial[j].real();
        im_[j * stride_] = initial[j].imag();
      }
    }
    active_ = 1;
    for (const Gate& gate : program_.gates) {
      const double angle = HasAngle(gate) ? value(gate.angle) : 0;
      Apply(gate, angle);
      if (HasAngle(gate)) Differentiate(gate);
    }
  }

  // gram [lanes, lanes]: adds Re<d_a|d_b> - Re(<d_a|psi><psi|d_b>) for b <= a, lane 0 left out.
  void AddMetric(std::vector<double>* gram) const {
    const int64_t n = n_lanes_;
    std::vector<double> vr(n), vi(n);
    for (uint64_t j = 0; j < dim_; ++j) {
      const double* r = re_.data() + j * stride_;
      const double* i = im_.data() + j * stride_;
      for (int64_t l = 1; l < n; ++l) {  // <psi|d_l>
        vr[l] += r[0] * r[l] + i[0] * i[l];
        vi[l] += r[0] * i[l] - i[0] * r[l];
      }
    }
    // Two rows at a time: half the traffic to `gram`. dim_ is a power of two from 2 up.
    for (uint64_t j = 0; j < dim_; j += 2) {
      const double* __restrict r0 = re_.data() + j * stride_;
      const double* __restrict i0 = im_.data() + j * stride_;
      const double* __restrict r1 = r0 + stride_;
      const double* __restrict i1 = i0 + stride_;
      for (int64_t a = 1; a < n; ++a) {
        const double ra = r0[a], ia = i0[a], rb = r1[a], ib = i1[a];
        double* __restrict row = gram->data() + a * n;
        for (int64_t l = 1; l <= a; ++l) {
          row[l] += ra * r0[l] + ia * i0[l] + rb * r1[l] + ib * i1[l];
        }
      }
    }
    for (int64_t a = 1; a < n; ++a) {
      for (int64_t l = 1; l <= a; ++l) (*gram)[a * n + l] -= vr[a] * vr[l] + vi[a] * vi[l];
    }
  }

  int64_t n_lanes() const { return n_lanes_; }

 private:
  double* Re(uint64_t j) { return re_.data() + j * stride_; }
  double* Im(uint64_t j) { return im_.data() + j * stride_; }

  // Phase of P|j> = Phase(j)|j ^ x>: i^popcount(x & z) (-1)^popcount(j & z).
  static Complex PauliPhase(uint64_t x, uint64_t z, uint64_t j) {
    static constexpr Complex kPowers[4] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}};
    return kPowers[(Popcount(x & z) + 2 * Popcount(j & z)) % 4];
  }

  void PauliMasks(const Gate& gate, uint64_t* x, uint64_t* z) const {
    *x = *z = 0;
    for (size_t i = 0; i < gate.paulis.size(); ++i) {
      if (gate.paulis[i] != 'Z') *x |= Bit(n_, gate.targets[i]);
      if (gate.paulis[i] != 'X') *z |= Bit(n_, gate.targets[i]);
    }
  }

  void Apply(const Gate& gate, double angle) {
    const uint64_t controls = BitsOf(gate.controls, n_);
    switch (gate.kind) {
      case GateKind::kRot:
        Rotate(gate, controls, angle);
        break;
      case GateKind::kPhase:
        for (uint64_t j = 0; j < dim_; ++j) {
          if ((j & controls) == controls) {
            Scale({std::cos(angle), std::sin(angle)}, active_, Re(j), Im(j));
          }
        }
        break;
      case GateKind::kFlip:
        Exchange(controls, Bit(n_, gate.targets[0]), 0);
        break;
      case GateKind::kSwap:
        Exchange(controls, Bit(n_, gate.targets[0]), Bit(n_, gate.targets[1]));
        break;
      case GateKind::kUnitary:
        Multiply(gate, controls);
        break;
    }
  }

  void Rotate(const Gate& gate, uint64_t controls, double angle) {
    uint64_t x, z;
    PauliMasks(gate, &x, &z);
    const double c = std::cos(angle / 2), s = std::sin(angle / 2);
    for (uint64_t j = 0; j < dim_; ++j) {
      if ((j & controls) != controls) continue;
      if (x == 0) {
        Scale(Complex(c, 0) + Complex(0, -s) * PauliPhase(x, z, j), active_, Re(j), Im(j));
        continue;
      }
      const uint64_t k = j ^ x;
      if (k < j) continue;
      Mix(c, Complex(0, -s) * PauliPhase(x, z, k), Complex(0, -s) * PauliPhase(x, z, j), c,
          active_, Re(j), Im(j), Re(k), Im(k));
    }
  }

  // Exchanges the rows with bit `a` but not bit `b` for those with `b` but not `a`; b = 0 flips a.
  void Exchange(uint64_t controls, uint64_t a, uint64_t b) {
    for (uint64_t j = 0; j < dim_; ++j) {
      if ((j & controls) != controls || !(j & a) || (j & b)) continue;
      const uint64_t k = j ^ a ^ b;
      std::swap_ranges(Re(j), Re(j) + active_, Re(k));
      std::swap_ranges(Im(j), Im(j) + active_, Im(k));
    }
  }

  void Multiply(const Gate& gate, uint64_t controls) {
    const size_t k = gate.targets.size(), size = size_t{1} << k;
    const uint64_t targets = BitsOf(gate.targets, n_);
    std::vector<uint64_t> offset(size, 0);
    for (size_t t = 0; t < k; ++t) {
      for (size_t row = 0; row < size; ++row) {
        if (row >> (k - 1 - t) & 1) offset[row] |= Bit(n_, gate.targets[t]);
      }
    }
    std::vector<double> before_r(size * active_), before_i(size * active_);
    for (uint64_t j = 0; j < dim_; ++j) {
      if ((j & controls) != controls || (j & targets) != 0) continue;
      for (size_t row = 0; row < size; ++row) {
        const uint64_t from = j | offset[row];
        std::copy_n(Re(from), active_, before_r.data() + row * active_);
        std::copy_n(Im(from), active_, before_i.data() + row * active_);
      }
      for (size_t row = 0; row < size; ++row) {
        double* __restrict r = Re(j | offset[row]);
        double* __restrict i = Im(j | offset[row]);
        std::fill_n(r, active_, 0.0);
        std::fill_n(i, active_, 0.0);
        for (size_t column = 0; column < size; ++column) {
          const Complex m = gate.matrix[row * size + column];
          const double mr = m.real(), mi = m.imag();
          const double* __restrict br = before_r.data() + column * active_;
          const double* __restrict bi = before_i.data() + column * active_;
          for (int64_t l = 0; l < active_; ++l) {
            r[l] += mr * br[l] - mi * bi[l];
            i[l] += mr * bi[l] + mi * br[l];
          }
        }
      }
    }
  }

  // Adds d gate/d theta psi to the lanes of the slots that the gate reads. The gate is applied
  // already, which its generator commutes with.
  void Differentiate(const Gate& gate) {
    const uint64_t controls = BitsOf(gate.controls, n_);
    uint64_t x, z;
    PauliMasks(gate, &x, &z);
    for (const AngleTerm& term : gate.angle.terms) {
      if (!term.is_theta) continue;
      const int lane = lane_of_[term.slot];
      active_ = std::max<int64_t>(active_, lane + 1);
      const Complex factor(0, gate.kind == GateKind::kRot ? -0.5 * term.coef : term.coef);
      for (uint64_t j = 0; j < dim_; ++j) {
        if ((j & controls) != controls) continue;
        const uint64_t from = j ^ x;  // x and z are 0 for a phase
        const Complex d = factor * PauliPhase(x, z, from) * Complex(*Re(from), *Im(from));
        Re(j)[lane] += d.real();
        Im(j)[lane] += d.imag();
      }
    }
  }

  const Program& program_;
  const std::vector<int>& lane_of_;
  const int n_;
  const uint64_t dim_;
  const int64_t n_lanes_, stride_;
  std::vector<double> re_, im_;
  int64_t active_ = 1;
};

int Workers(int64_t batch, int threads) {
  return static_cast<int>(std::max<int64_t>(1, std::min<int64_t>(threads, batch)));
}

}  // namespace

template <class T>
void Metric(const Program& program, const Batch<T>& batch, int threads, T* out) {
  const std::vector<int> lane_of = LanesOf(program);
  const int workers = Workers(batch.size, threads);
  const int64_t dim = int64_t{1} << program.n_qubits, n_theta = program.n_theta;
  std::vector<std::vector<double>> grams(workers);
  int64_t n = 1;
  for (int lane : lane_of) n += lane != kNoLane;
  ParallelFor(workers, batch.size, [&](int64_t begin, int64_t end, int worker) {
    Tangents tangents(program, lane_of);
    grams[worker].assign(n * n, 0.0);
    for (int64_t b = begin; b < end; ++b) {
      tangents.Run(batch.initial == nullptr ? nullptr : batch.initial + b * dim,
                   [&](const Angle& angle) {
                     double value = angle.constant;
                     for (const AngleTerm& term : angle.terms) {
                       const T* from =
                           term.is_theta ? batch.theta : batch.inputs + b * program.n_inputs;
                       value += term.coef * static_cast<double>(from[term.slot]);
                     }
                     return value;
                   });
      tangents.AddMetric(&grams[worker]);
    }
  });
  for (int64_t p = 0; p < n_theta; ++p) {
    for (int64_t q = 0; q < n_theta; ++q) {
      const int64_t a = std::max(lane_of[p], lane_of[q]), b = std::min(lane_of[p], lane_of[q]);
      double sum = 0;  // in the order of the workers: reproducible
      if (b != kNoLane && batch.size > 0) {
        for (const auto& gram : grams) sum += gram[a * n + b];
        sum /= static_cast<double>(batch.size);
      }
      out[p * n_theta + q] = static_cast<T>(sum);
    }
  }
}

uint64_t MetricBytes(const Program& program, int64_t batch, int threads) {
  const uint64_t dim = uint64_t{1} << program.n_qubits;
  const uint64_t lanes = Padded(1 + int64_t{program.n_theta});
  const uint64_t one = SaturatingAdd(SaturatingMultiply(16 * lanes, dim),
                                     SaturatingMultiply(8 * lanes, lanes));
  return SaturatingMultiply(Workers(batch, threads), one);
}

template void Metric<float>(const Program&, const Batch<float>&, int, float*);
template void Metric<double>(const Program&, const Batch<double>&, int, double*);

}  // namespace qstore
