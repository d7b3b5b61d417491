// How much memory there is, so that a call too large fails with two numbers and not with a kill.
#ifndef QSTORE_TF_CC_LIB_MEMORY_H_
#define QSTORE_TF_CC_LIB_MEMORY_H_

#include <cstdint>
#include <string>

namespace qstore {

// Bytes that this process can still allocate: the least of what the machine has available, what
// its control groups (v1 and v2) leave, and its address-space limit. UINT64_MAX where unknown.
uint64_t AvailableMemory();

// Sums and products that stop at UINT64_MAX instead of wrapping around.
uint64_t SaturatingAdd(uint64_t a, uint64_t b);
uint64_t SaturatingMultiply(uint64_t a, uint64_t b);

// "1.5 GiB".
std::string FormatBytes(uint64_t bytes);

}  // namespace qstore

#endif  // QSTORE_TF_CC_LIB_MEMORY_H_
