// The table of kernels of one instruction set. A translation unit sets QSTORE_VECTOR_BYTES and
// QSTORE_KERNELS (the function's name), is compiled with the set's flags and includes this file.
#include <stdint.h>

#include "ops.h"

namespace qstore {
namespace fast {
namespace {

#include "vector.inc.h"
#include "layer.inc.h"
#include "diagonal.inc.h"
#include "pauli.inc.h"
#include "product.inc.h"
#include "measure.inc.h"

template <class T>
static void Forward(Tile<T>* tile, const Op* ops, int n_ops) {
  for (int k = 0; k < n_ops; ++k) {
    const Op& op = ops[k];
    switch (op.type) {
      case kLayer:
        ForwardLayer(*tile, op);
        break;
      case kLaneLayer:
        LaneLayer<T, false>(*tile, op);
        break;
      case kDiagPermute:
        if (tile->lanes_are_samples) {
          ForwardDiagPermute<T, true>(*tile, op);
        } else {
          ForwardDiagPermute<T, false>(*tile, op);
        }
        break;
      case kPauli:
        PauliRotation<T, false>(*tile, op);
        break;
      case kDiagonal:
        SingleDiagonal<T, false>(*tile, op);
        break;
      case kFlip:
        Flip(*tile, op, tile->psi);
        break;
      case kUnitary:
        ConstantMatrix(*tile, op, tile->psi, op.matrix);
        break;
    }
  }
}

template <class T>
static void Backward(Tile<T>* tile, const Op* ops, int n_ops) {
  for (int k = n_ops - 1; k >= 0; --k) {
    const Op& op = ops[k];
    switch (op.type) {
      case kLayer:
        BackwardLayer(*tile, op);
        break;
      case kLaneLayer:
        LaneLayer<T, true>(*tile, op);
        break;
      case kDiagPermute:
        if (tile->lanes_are_samples) {
          BackwardDiagPermute<T, true>(*tile, op);
        } else {
          BackwardDiagPermute<T, false>(*tile, op);
        }
        break;
      case kPauli:
        PauliRotation<T, true>(*tile, op);
        break;
      case kDiagonal:
        SingleDiagonal<T, true>(*tile, op);
        break;
      case kFlip:
        Flip(*tile, op, tile->psi);
        Flip(*tile, op, tile->lambda);
        break;
      case kUnitary:
        ConstantMatrix(*tile, op, tile->psi, op.matrix_adjoint);
        ConstantMatrix(*tile, op, tile->lambda, op.matrix_adjoint);
        break;
    }
  }
}

template <class T>
const Kernels<T>* Table() {
  static constexpr Kernels<T> table = {
      Simd<T>::kWidth, &Forward<T>,     &Backward<T>, &ChainForward<T>,     &ChainBackward<T>,
      &Product<T>,     &ProductBackward<T>, &Contract<T>, &Gather<T>, &Scatter<T>, &Scale<T>, &Spectrum<T>,
      &Weigh<T>,       &PauliExpectation<T>, &PauliAccumulate<T>, &SinCos,
  };
  return &table;
}

}  // namespace

const Kernels<float>* QSTORE_KERNELS(float) { return Table<float>(); }
const Kernels<double>* QSTORE_KERNELS(double) { return Table<double>(); }

}  // namespace fast
}  // namespace qstore
