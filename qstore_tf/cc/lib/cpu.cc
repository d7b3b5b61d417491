#include "cpu.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace qstore {
namespace {

#if defined(__x86_64__)

bool Has(uint64_t word, std::initializer_list<int> bits) {
  return std::all_of(bits.begin(), bits.end(), [&](int bit) { return (word >> bit & 1) != 0; });
}

// The registers that the operating system saves (XCR0).
uint64_t SavedRegisters() {
  uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<uint64_t>(high) << 32 | low;
}

// Asked of the processor itself: __builtin_cpu_supports needs a runtime library that knows it, and
// says no to everything with some that cross-compilers bring.
Simd Available() {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return Simd::kBase;
  const bool fma = Has(c, {12}), saves = Has(c, {27});
  if (!fma || !saves || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return Simd::kBase;
  const uint64_t saved = SavedRegisters();
  if (!Has(b, {5}) || !Has(saved, {1, 2})) return Simd::kBase;  // AVX2; xmm, ymm
  // F, DQ, BW, VL; masks, the upper halves of zmm0 to 15, zmm16 to 31.
  if (!Has(b, {16, 17, 30, 31}) || !Has(saved, {5, 6, 7})) return Simd::kAvx2;
  return Simd::kAvx512;
}

#else

Simd Available() { return Simd::kBase; }

#endif

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
