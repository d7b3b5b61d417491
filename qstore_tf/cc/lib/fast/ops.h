// What a plan tells the vector kernels: plain data, no containers, so that the translation units
// compiled for one instruction set emit no inline library code that another CPU could pick up.
//
// A tile is 2^m rows of W complex numbers, each row stored as W real parts, then W imaginary
// parts. Its lanes are either W samples or the W lowest amplitudes of one sample; in the second
// case log2(W) low index bits live in the lanes. The "base" of a tile is the index of its first
// amplitude in the whole state: it fixes the index bits that the tile does not span.
#ifndef QSTORE_TF_CC_LIB_FAST_OPS_H_
#define QSTORE_TF_CC_LIB_FAST_OPS_H_

#include <stdint.h>

namespace qstore {
namespace fast {

// How a one-qubit gate mixes the pair (a, b): kReal a' = c a + s b, b' = c b - s a (RY);
// kImag a' = c a - i s b, b' = c b - i s a (RX); kMatrix: any 2x2, eight rows of coefficients.
enum Form : int32_t { kReal, kImag, kMatrix };

// What the coefficient rows of a shared rotation hold: one of c and s divided out saves half of the
// arithmetic. The factors left out are the same for all amplitudes and make up one number per call.
enum Mode : int32_t { kGeneral, kUnitCosine, kUnitSine };

// One-qubit gate on row bit or lane bit `bit`. `coef` names the coefficient rows (cosine, sine):
// >= 0 in the rows shared by the batch, else ~coef in the rows of this block of samples.
// `acc` names the row that collects its derivative, -1 for none.
struct OneQubit {
  int32_t bit;
  int32_t form;
  int32_t coef;
  int32_t acc;
};

// The derivative of one member of a merged diagonal.
struct DiagonalTerm {
  uint32_t parity;    // row bits whose parity gives the sign
  uint32_t controls;  // row bits that must be 1
  int32_t acc;
};

// A bit outside the tile that, where set in the base, shifts the source of a permutation.
struct PermutationShift {
  uint64_t base_bit;
  uint32_t row_xor;
  uint32_t lane_xor;
  uint32_t lane_xor_inverse;
};

enum OpType : int32_t {
  kLayer,        // one-qubit gates on distinct row bits
  kLaneLayer,    // rotations on distinct lane bits
  kDiagPermute,  // merged diagonal, then a relabelling of the index
  kPauli,        // exp(-i angle/2 P), any Pauli string that flips a bit, with controls
  kDiagonal,     // one diagonal gate whose angle differs per sample or that reaches outside
  kFlip,         // X on a row or lane bit under any controls
  kUnitary,      // constant matrix on up to five bits, with controls
};

struct Op {
  int32_t type;
  // kDiagPermute: psi before it is saved.
  int32_t saves;
  // A layer or lane layer that begins the run or follows a kDiagPermute, where psi is saved: what
  // comes before it takes psi from there, so psi need not change while the op is undone.
  int32_t frozen;
  int32_t coef;  // kPauli, kDiagonal: as in OneQubit
  int32_t acc;
  // kLayer, kLaneLayer
  const OneQubit* items;
  int32_t n_items;
  // kDiagPermute: new row v = lanes permuted of (diagonal * old)[source_row[v]].
  int64_t diagonal;  // offset into the diagonal tables, -1: none
  // Where not 0, the table has two factors: rows by the lowest row bits, so many, then one complex
  // number by the others.
  int32_t diagonal_low;
  const DiagonalTerm* terms;
  int32_t n_terms;
  const uint32_t* source_row;    // null: no relabelling
  const uint32_t* lane_xor;      // per row; lane l comes from lane_base[l] ^ lane_xor[v]
  const uint32_t* lane_xor_inverse;
  const int32_t* lane_base;      // null: the lanes stay
  const int32_t* lane_base_inverse;
  const PermutationShift* shifts;
  int32_t n_shifts;
  // kPauli, kDiagonal, kFlip, kUnitary: masks over row bits, lanes and base.
  uint32_t flip_rows, flip_lanes;
  uint32_t parity_rows, control_rows, control_lanes;
  uint64_t parity_base, control_base;
  int32_t imaginary;  // kPauli: the flipped amplitude enters with -i s instead of s
  // kUnitary: 2^row_targets x 2^targets complex rows at `matrix` in the constants, and the
  // adjoint's at `matrix_adjoint`; entry (r, c) multiplies the amplitude whose target bits
  // differ by c. Target bits: rows first, then lanes, least significant first.
  int64_t matrix, matrix_adjoint;
  int32_t n_row_targets, n_lane_targets;
  int32_t row_targets[5];
  int32_t lane_targets[5];
};

// One gate of the chain that prepares a qubit of the initial product state.
enum ChainKind : int32_t { kChainRx, kChainRy, kChainRz, kChainPhase, kChainMatrix };
struct ChainGate {
  int32_t kind;
  int32_t coef;
  int32_t acc;
};

template <class T>
struct Tile {
  T* psi;
  T* psi_spare;  // same size: target of relabellings, exchanged with psi
  // Where not 0, ops that save psi leave it and write the next state, so many reals further on;
  // undoing the op goes back to it.
  int64_t saved_reals;
  T* lambda;
  T* lambda_spare;
  const T* shared;     // coefficient rows of the whole batch
  const T* sample;     // coefficient rows of this block
  const int32_t* modes;  // of every shared row
  const T* constants;  // kUnitary matrices, as rows
  const T* diagonals;
  T* work;  // 2^m rows of W reals
  T* acc;   // derivative rows, W each
  uint64_t base;
  int m;
  int lanes_are_samples;  // the diagonal tables then hold one complex scalar per row
};

// The kernels of one instruction set.
template <class T>
struct Kernels {
  int width;  // W
  // Applies ops to psi.
  void (*forward)(Tile<T>* tile, const Op* ops, int n_ops);
  // Undoes ops on psi and lambda in reverse order and adds derivatives to acc.
  void (*backward)(Tile<T>* tile, const Op* ops, int n_ops);
  // u: 4 rows (re0, im0, re1, im1) = the chain's gates applied to |0>.
  void (*chain_forward)(const ChainGate* gates, int n, const T* shared, const T* sample, T* u);
  // r: 4 rows, d = Re<r|du>; u and r are consumed.
  void (*chain_backward)(const ChainGate* gates, int n, const T* shared, const T* sample, T* u,
                         T* r, T* acc);
  // psi = start (2 rows of W reals) times the product over row bits of u (4 rows each).
  void (*product)(T* psi, const T* start, const T* u, int m);
  // r of every row bit (4 rows each) from lambda, which shrinks to its first row; prefix has room
  // for 2^m rows.
  void (*product_backward)(T* lambda, const T* start, const T* u, int m, T* prefix, T* r);
  // Row v of `to` = row (inner[v] | inner_base) of `first` times the complex number h[outer[v] |
  // outer_base].
  void (*expand)(const T* first, const uint32_t* inner, const uint32_t* outer, int64_t rows,
                 uint32_t inner_base, uint32_t outer_base, const T* h, T* to);
  // Its adjoint: row inner of `sum` += conj(h[outer]) lambda; row outer of `weights` += sum of
  // conj(first) lambda.
  void (*contract)(const T* lambda, const T* first, const uint32_t* inner, const uint32_t* outer,
                   int64_t rows, uint32_t inner_base, uint32_t outer_base, const T* h, T* sum,
                   T* weights);
  // Rows offsets[0], offsets[1], ... of `from` one after the other in `to`, and back.
  void (*gather)(const T* from, const int64_t* offsets, int64_t rows, T* to);
  void (*scatter)(const T* from, const int64_t* offsets, int64_t rows, T* to);
  // work = Walsh-Hadamard transform of |psi|^2 over the row bits.
  void (*spectrum)(const T* psi, T* work, int m);
  // lambda = psi * (Walsh-Hadamard transform of work).
  void (*weigh)(const T* psi, T* lambda, T* work, int m);
  // out (W reals) += Re(conj(psi) P psi) and lambda += weight (W reals) P psi, rows [begin, end)
  // of the whole state; P as in PauliTerm, lane signs left to the caller where sign_lanes is null.
  void (*pauli_expectation)(const T* psi, int64_t begin, int64_t end, uint64_t flip_rows,
                            uint32_t flip_lanes, uint64_t parity_rows, int power_of_i, T* out);
  void (*pauli_accumulate)(const T* psi, T* lambda, int64_t begin, int64_t end,
                           uint64_t flip_rows, uint32_t flip_lanes, uint64_t parity_rows,
                           int power_of_i, const T* weight);
  // Sines and cosines of n * W angles (radians).
  void (*sincos)(const T* angle, T* cosine, T* sine, int64_t n);
};

const Kernels<float>* KernelsBase(float);
const Kernels<double>* KernelsBase(double);
const Kernels<float>* KernelsAvx2(float);
const Kernels<double>* KernelsAvx2(double);
const Kernels<float>* KernelsAvx512(float);
const Kernels<double>* KernelsAvx512(double);

}  // namespace fast
}  // namespace qstore

#endif  // QSTORE_TF_CC_LIB_FAST_OPS_H_
