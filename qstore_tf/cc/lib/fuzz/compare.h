// Runs one program on the reference and on every engine there is, and compares all results.
#ifndef QSTORE_TF_CC_LIB_FUZZ_COMPARE_H_
#define QSTORE_TF_CC_LIB_FUZZ_COMPARE_H_

#include <string>
#include <vector>

#include "../program.h"
#include "../tests/random_program.h"

namespace qstore {
namespace testing {

// Returns what is wrong, or nothing. With `exact` the numbers are compared; else (angles so large
// that their sines are rounding noise, or not finite) the program is only run.
template <class T>
std::string CompareEngines(Rng& rng, const Program& program,
                           const std::vector<Observable>& observables, bool exact);

}  // namespace testing
}  // namespace qstore

#endif  // QSTORE_TF_CC_LIB_FUZZ_COMPARE_H_
