#include "cpu.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace qstore {
namespace {

Simd Available() {
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return Simd::kBase;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    return Simd::kAvx512;
  }
  return Simd::kAvx2;
#else
  return Simd::kBase;
#endif
}

}  // namespace

Simd DetectSimd() {
  static const Simd available = Available();
  const char* wanted = std::getenv("QSTORE_SIMD");
  if (wanted == nullptr) return available;
  for (Simd level : {Simd::kBase, Simd::kAvx2, Simd::kAvx512}) {
    if (std::strcmp(wanted, SimdName(level)) == 0) return std::min(level, available);
  }
  return available;
}

const char* SimdName(Simd level) {
  switch (level) {
    case Simd::kAvx512:
      return "avx512";
    case Simd::kAvx2:
      return "avx2";
    default:
      return "base";
  }
}

}  // namespace qstore
