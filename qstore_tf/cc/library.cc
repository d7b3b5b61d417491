// What happens when the library is loaded, and what it tells about itself.
#include "kernels/kernel.h"
#include "lib/cpu.h"
#include "ops/schema.h"

#if !defined(QSTORE_VERSION)
#define QSTORE_VERSION "unknown"
#endif
#if defined(__x86_64__)
#define QSTORE_LEVELS "base, avx2, avx512"
#else
#define QSTORE_LEVELS "base"
#endif
#if defined(__clang__)
#define QSTORE_COMPILER "clang " __clang_version__
#else
#define QSTORE_COMPILER "g++ " __VERSION__
#endif

#define QSTORE_EXPORT extern "C" __attribute__((visibility("default")))

// For ctypes. "qstore 0.1.0; compiler g++ 12.2.0; simd base, avx2, avx512".
QSTORE_EXPORT const char* qstore_build_info() {
  return "qstore " QSTORE_VERSION "; compiler " QSTORE_COMPILER "; simd " QSTORE_LEVELS;
}

// The level in use: base, avx2 or avx512.
QSTORE_EXPORT const char* qstore_simd_level() { return qstore::SimdName(qstore::DetectSimd()); }

__attribute__((constructor)) static void RegisterLibrary() {
  qstore::RegisterOps();
  qstore::RegisterExpectation();
  qstore::RegisterState();
  qstore::RegisterSample();
  qstore::RegisterMetric();
}
