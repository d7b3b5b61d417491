// A persistent pool of threads and a loop over it.
#ifndef QSTORE_TF_CC_LIB_PARALLEL_H_
#define QSTORE_TF_CC_LIB_PARALLEL_H_

#include <cstdint>
#include <functional>

namespace qstore {

// Splits [0, n) into min(threads, n) parts of nearly equal size, in order, and calls
// body(begin, end, worker) once for each, worker = 0, 1, ...; the caller runs part 0 itself.
// The partition depends on threads and n alone, so results that do not depend on timing are
// bitwise reproducible. Returns when all parts are done. Calls from several threads at once, and
// from inside a body, are safe. An exception of a body is rethrown here after all parts ended.
void ParallelFor(int threads, int64_t n,
                 const std::function<void(int64_t begin, int64_t end, int worker)>& body);

// Threads to use where the caller asks for `requested` (0: QSTORE_NUM_THREADS, else all cores in
// the process's affinity mask). At least 1.
int ResolveThreads(int requested);

}  // namespace qstore

#endif  // QSTORE_TF_CC_LIB_PARALLEL_H_
