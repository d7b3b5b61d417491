// The Fubini-Study metric of a program with respect to theta.
#ifndef QSTORE_TF_CC_LIB_METRIC_H_
#define QSTORE_TF_CC_LIB_METRIC_H_

#include <cstdint>

#include "program.h"
#include "simulator.h"

namespace qstore {

// out: [P, P], the mean over the batch of
//
//   g_pq = Re<d_p psi|d_q psi> - Re(<d_p psi|psi><psi|d_q psi>),
//
// a quarter of the quantum Fisher information; zero for an empty batch. The states are taken to be
// normalized. One pass over the gates carries the state and all its derivatives along: time
// O(B 2^n P (gates + P)), memory MetricBytes. Computed in double; the result depends on the batch
// and `threads` alone. Allocation failure throws std::bad_alloc.
template <class T>
void Metric(const Program& program, const Batch<T>& batch, int threads, T* out);

// What one call of Metric allocates.
uint64_t MetricBytes(const Program& program, int64_t batch, int threads);

}  // namespace qstore

#endif  // QSTORE_TF_CC_LIB_METRIC_H_
