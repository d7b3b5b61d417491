// Drawing basis states from a state vector.
#ifndef QSTORE_TF_CC_LIB_SAMPLING_H_
#define QSTORE_TF_CC_LIB_SAMPLING_H_

#include <complex>
#include <cstdint>

namespace qstore {

// Draws `shots` indices j with probability |state[j]|^2 / norm^2. The draw of shot s of the sample
// numbered `row` is a pure function of (seed, row, s, state): it depends on neither the number of
// threads nor the other rows. Time O(size + shots log shots), memory O(shots). Returns false, with
// nothing written, where the norm is not a positive finite number.
template <class T>
bool SampleState(const std::complex<T>* state, uint64_t size, const int64_t seed[2], int64_t row,
                 int64_t shots, int64_t* out);

}  // namespace qstore

#endif  // QSTORE_TF_CC_LIB_SAMPLING_H_
