// The reference simulator: what the tests and the fuzzer compare the fast engine with. Not part of
// the library.
#ifndef QSTORE_TF_CC_LIB_TESTS_REFERENCE_REFERENCE_H_
#define QSTORE_TF_CC_LIB_TESTS_REFERENCE_REFERENCE_H_

#include <memory>
#include <vector>

#include "../../simulator.h"

namespace qstore {
namespace testing {

// One sample at a time, one gate at a time, complex<double>, one thread, no tricks.
template <class T>
std::unique_ptr<Simulator<T>> MakeReferenceSimulator(const Program& program,
                                                     const std::vector<Observable>& observables);

}  // namespace testing
}  // namespace qstore

#endif  // QSTORE_TF_CC_LIB_TESTS_REFERENCE_REFERENCE_H_
