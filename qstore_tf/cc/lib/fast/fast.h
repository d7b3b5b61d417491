// The fast engine with its choices open, for tests and tuning.
#ifndef QSTORE_TF_CC_LIB_FAST_FAST_H_
#define QSTORE_TF_CC_LIB_FAST_FAST_H_

#include <memory>
#include <vector>

#include "../simulator.h"

namespace qstore {
namespace fast {

struct Options {
  enum Layout { kAuto, kSampleLanes, kAmplitudeLanes };
  Layout layout = kAuto;  // kAmplitudeLanes needs at least log2(lanes) qubits, else samples
  // A state of up to 2^whole_bits rows is worked on whole, unless one pass over tiles does: two
  // passes a layer over the second-level cache cost less than cutting it up. Larger ones are cut
  // into tiles of up to 2^tile_bits rows.
  int whole_bits = 12;
  int tile_bits = 10;
  bool share_state = false;  // all threads on one state at a time, however small it is
};

template <class T>
std::unique_ptr<Simulator<T>> MakeSimulator(const Program& program,
                                            const std::vector<Observable>& observables, Simd level,
                                            const Options& options);

}  // namespace fast
}  // namespace qstore

#endif  // QSTORE_TF_CC_LIB_FAST_FAST_H_
