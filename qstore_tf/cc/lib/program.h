// The compiled circuit and the observables, as data, and the parsers of their text form.
//
// Qubit 0 is the most significant bit of a basis-state index. Angles are in radians.
#ifndef QSTORE_TF_CC_LIB_PROGRAM_H_
#define QSTORE_TF_CC_LIB_PROGRAM_H_

#include <complex>
#include <cstdint>
#include <string>
#include <vector>

namespace qstore {

// Limits that the parser enforces, so that a hostile text cannot exhaust the machine.
constexpr int kMaxQubits = 40;
constexpr int kMaxGates = 1000000;
constexpr int kMaxUnitaryTargets = 5;
constexpr int kMaxSlots = 1 << 24;

struct AngleTerm {
  bool is_theta = false;  // a slot of theta [P], else of the per-sample inputs [B, F]
  int32_t slot = 0;
  double coef = 0;
};

// constant + sum(coef * slot value).
struct Angle {
  double constant = 0;
  std::vector<AngleTerm> terms;
};

enum class GateKind {
  kRot,      // exp(-i angle/2 P), P the Pauli string `paulis` on `targets`
  kPhase,    // exp(i angle) where all controls are 1; no controls: a global phase
  kFlip,     // X on targets[0]
  kSwap,     // targets[0] <-> targets[1]
  kUnitary,  // matrix (row-major, targets[0] the most significant bit) on targets
};

// Every kind acts only on the subspace where all `controls` are 1.
struct Gate {
  GateKind kind = GateKind::kPhase;
  std::string paulis;
  std::vector<int> targets, controls;
  Angle angle;
  std::vector<std::complex<double>> matrix;
};

struct Program {
  int n_qubits = 0;
  int n_inputs = 0;
  int n_theta = 0;
  bool has_initial = false;
  std::vector<Gate> gates;
};

// coef * P with P|j> = i^popcount(x & z) (-1)^popcount(j & z) |j ^ x>. Bit (n-1-q) of a mask
// belongs to qubit q, so masks combine with basis-state indices directly; Y sets both bits.
struct PauliTerm {
  double coef = 0;
  uint64_t x_mask = 0, z_mask = 0;
};

struct Observable {
  std::vector<PauliTerm> terms;
};

// A program's text: five header lines, then one gate a line, fields separated by single spaces.
//
//   qstore_program 1
//   qubits 6
//   inputs 6
//   theta 48
//   initial 0
//   rot XY 0,3 - 0.5*t3,1.0*i2,0.25     paulis, targets, controls, angle
//   phase 0,1 1.0*t4                    controls, angle
//   flip 1 0                            target, controls
//   swap 0,1 -                          targets, controls
//   unitary 0,1 - re,im,re,im,...       targets, controls, matrix row by row
//
// `-` is an empty list; an angle is a sum of `c*tN` (theta), `c*iN` (inputs) and constants. The
// text of K observables is K lists of terms joined by `;`, each term `coefficient:` and Paulis:
// `1.0:Z0;0.5:X0 Y1,0.3:`.
//
// Both return false and set *error (line or term, gate and position named) on malformed text.
// Neither throws, whatever the text.
bool ParseProgram(const std::string& text, Program* out, std::string* error);
bool ParseObservables(const std::string& text, int n_qubits, std::vector<Observable>* out,
                      std::string* error);

}  // namespace qstore

#endif  // QSTORE_TF_CC_LIB_PROGRAM_H_
