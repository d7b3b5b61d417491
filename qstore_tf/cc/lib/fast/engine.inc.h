// The table of kernels of one instruction set. A translation unit sets QSTORE_VECTOR_BYTES and
// QSTORE_KERNELS (the function's name), is compiled with the set's flags and includes this file.
#include <stdint.h>

#if defined(__clang__) && defined(__x86_64__)
#include <immintrin.h>
#elif defined(__clang__) && defined(__aarch64__)
#include <arm_neon.h>
#endif

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

// The lane layer right after op k, which is done in the same pass.
QSTORE_INLINE const Op* LanesAfter(const Op* ops, int n_ops, int k) {
  return k + 1 < n_ops && ops[k + 1].type == kLaneLayer ? &ops[k + 1] : nullptr;
}

template <class T>
static void Forward(Tile<T>* tile, const Op* ops, int n_ops) {
  for (int k = 0; k < n_ops; ++k) {
    const Op& op = ops[k];
    switch (op.type) {
      case kLayer:
        MixItems<T, false>(*tile, tile->psi, op.items, op.n_items);
        break;
      case kLaneLayer:
        LaneLayer<T, false>(*tile, tile->psi, op);
        break;
      case kDiagPermute: {
        const Op* lanes = LanesAfter(ops, n_ops, k);
        if (lanes != nullptr) ++k;
        if (tile->lanes_are_samples) {
          ForwardDiagPermute<T, true>(*tile, op, lanes);
        } else {
          ForwardDiagPermute<T, false>(*tile, op, lanes);
        }
        break;
      }
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

// Undoes the ops from *k down that leave psi alone: all of their derivatives are taken before lambda
// changes. A lane layer right after a kDiagPermute is undone on lambda with that.
template <class T>
static void BackwardFrozen(const Tile<T>& tile, const Op* ops, int* k) {
  int first = *k;
  while (first > 0 && ops[first - 1].frozen) --first;
  for (int j = first; j <= *k; ++j) {
    if (ops[j].type == kLayer) {
      ItemSums(tile, ops[j].items, ops[j].n_items);
    } else {
      LaneSums(tile, ops[j]);
    }
  }
  for (int j = first; j <= *k; ++j) {
    if (ops[j].type == kLayer) {
      MixItems<T, true>(tile, tile.lambda, ops[j].items, ops[j].n_items);
    } else if (j == 0 || ops[j - 1].type != kDiagPermute) {
      LaneLayer<T, true>(tile, tile.lambda, ops[j]);
    }
  }
  *k = first;
}

template <class T>
static void Backward(Tile<T>* tile, const Op* ops, int n_ops) {
  for (int k = n_ops - 1; k >= 0; --k) {
    const Op& op = ops[k];
    if (tile->saved_reals != 0 && op.frozen) {
      BackwardFrozen(*tile, ops, &k);
      continue;
    }
    switch (op.type) {
      case kLayer:
        BackwardLayer(*tile, op);
        break;
      case kLaneLayer:
        BackwardLanes(*tile, op);
        break;
      case kDiagPermute:
        if (tile->saved_reals != 0) {
          const Op* lanes = LanesAfter(ops, n_ops, k);
          if (tile->lanes_are_samples) {
            BackwardSavedDiagPermute<T, true>(*tile, op, lanes);
          } else {
            BackwardSavedDiagPermute<T, false>(*tile, op, lanes);
          }
        } else if (tile->lanes_are_samples) {
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
      &Product<T>,     &ProductBackward<T>, &Expand<T>, &Contract<T>, &Gather<T>, &Scatter<T>, &Spectrum<T>,
      &Weigh<T>,       &PauliExpectation<T>, &PauliAccumulate<T>, &SinCos,
  };
  return &table;
}

}  // namespace

const Kernels<float>* QSTORE_KERNELS(float) { return Table<float>(); }
const Kernels<double>* QSTORE_KERNELS(double) { return Table<double>(); }

}  // namespace fast
}  // namespace qstore
