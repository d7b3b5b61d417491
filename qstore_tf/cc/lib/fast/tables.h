// The numbers of a step: coefficient rows, merged diagonals, and derivatives back to the slots.
#ifndef QSTORE_TF_CC_LIB_FAST_TABLES_H_
#define QSTORE_TF_CC_LIB_FAST_TABLES_H_

#include <vector>

#include "plan.h"

namespace qstore {
namespace fast {

// Every angle's constant and theta terms, summed.
template <class T>
std::vector<double> ThetaAngles(const Plan& plan, const T* theta);

// The factors that rotations leave out (see Mode): what the program says = factor * what is stored.
struct Scales {
  double state = 1;                 // of psi after the last op
  double start = 1;                 // of lambda when all ops are undone
  std::vector<double> derivatives;  // of every derivative row
};

// The rows and diagonals that all samples share, and the mode of every row.
template <class T>
Scales FillShared(const Plan& plan, const Kernels<T>& kernels,
                  const std::vector<double>& theta_angles, T* rows, T* diagonals, int32_t* modes);

// The rows of one block: `count` samples from `inputs` on, n_inputs numbers each; missing samples
// are filled with angles of zero input. Amplitude lanes take one sample. scratch: one W-row per
// entry of plan.sample_rows.
template <class T>
void FillSample(const Plan& plan, const Kernels<T>& kernels,
                const std::vector<double>& theta_angles, const T* inputs, int n_inputs, int count,
                T* scratch, T* rows);

// Adds the derivative rows whose angles vary with the sample (`varying`), or those of the others,
// to d_theta and to the samples' d_inputs (n_inputs numbers each, `count` samples).
template <class T>
void AddDerivatives(const Plan& plan, const Scales& scales, const T* acc, bool varying, int count, int n_inputs,
                    double* d_theta, T* d_inputs);

}  // namespace fast
}  // namespace qstore

#endif  // QSTORE_TF_CC_LIB_FAST_TABLES_H_
