// Which vector instructions this machine has.
#ifndef QSTORE_TF_CC_LIB_CPU_H_
#define QSTORE_TF_CC_LIB_CPU_H_

namespace qstore {

enum class Simd { kBase, kAvx2, kAvx512 };

// The best level of this CPU; QSTORE_SIMD=base|avx2|avx512 lowers it, never above what is there.
Simd DetectSimd();

// "base", "avx2" or "avx512".
const char* SimdName(Simd level);

}  // namespace qstore

#endif  // QSTORE_TF_CC_LIB_CPU_H_
