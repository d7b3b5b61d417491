// Vectors of the instruction set that this translation unit is compiled for. Included inside the
// unit's own namespace; QSTORE_VECTOR_BYTES is set by the unit.

template <class T>
struct Simd;

template <>
struct Simd<float> {
  typedef float V __attribute__((vector_size(QSTORE_VECTOR_BYTES), may_alias));
  typedef int32_t I __attribute__((vector_size(QSTORE_VECTOR_BYTES), may_alias));
  typedef int32_t Index;
  static constexpr int kWidth = QSTORE_VECTOR_BYTES / sizeof(float);
};

template <>
struct Simd<double> {
  typedef double V __attribute__((vector_size(QSTORE_VECTOR_BYTES), may_alias));
  typedef int64_t I __attribute__((vector_size(QSTORE_VECTOR_BYTES), may_alias));
  typedef int64_t Index;
  static constexpr int kWidth = QSTORE_VECTOR_BYTES / sizeof(double);
};

#define QSTORE_INLINE static inline __attribute__((always_inline))

template <class T>
QSTORE_INLINE typename Simd<T>::V Load(const T* p) {
  return *reinterpret_cast<const typename Simd<T>::V*>(p);
}

template <class T>
QSTORE_INLINE void Store(T* p, typename Simd<T>::V v) {
  *reinterpret_cast<typename Simd<T>::V*>(p) = v;
}

template <class T>
QSTORE_INLINE typename Simd<T>::I LaneNumbers() {
  typename Simd<T>::I lanes;
  for (int l = 0; l < Simd<T>::kWidth; ++l) lanes[l] = l;
  return lanes;
}

// Lane l of the result is lane index[l] of v, for indices from 0 to the width - 1 that are known only
// when the program runs. GCC has a word for that; Clang's shuffles take constants.
#if !defined(__clang__)

template <class V, class I>
QSTORE_INLINE V Permute(V v, I index) {
  return __builtin_shuffle(v, index);
}

#elif QSTORE_VECTOR_BYTES == 64

QSTORE_INLINE Simd<float>::V Permute(Simd<float>::V v, Simd<float>::I index) {
  return (Simd<float>::V)_mm512_permutexvar_ps((__m512i)index, (__m512)v);
}

QSTORE_INLINE Simd<double>::V Permute(Simd<double>::V v, Simd<double>::I index) {
  return (Simd<double>::V)_mm512_permutexvar_pd((__m512i)index, (__m512d)v);
}

#elif QSTORE_VECTOR_BYTES == 32

QSTORE_INLINE Simd<float>::V Permute(Simd<float>::V v, Simd<float>::I index) {
  return (Simd<float>::V)_mm256_permutevar8x32_ps((__m256)v, (__m256i)index);
}

// AVX2 moves halves of doubles: 2 k and 2 k + 1.
QSTORE_INLINE Simd<double>::V Permute(Simd<double>::V v, Simd<double>::I index) {
  const Simd<double>::I halves = (index * 2) | ((index * 2 + 1) << 32);
  return (Simd<double>::V)_mm256_permutevar8x32_ps((__m256)v, (__m256i)halves);
}

#elif defined(__aarch64__)

// NEON looks bytes up: byte b of element k is 4 k + b (8 k + b).
QSTORE_INLINE Simd<float>::V Permute(Simd<float>::V v, Simd<float>::I index) {
  const Simd<float>::I bytes = index * 0x04040404 + 0x03020100;
  return (Simd<float>::V)vqtbl1q_u8((uint8x16_t)v, (uint8x16_t)bytes);
}

QSTORE_INLINE Simd<double>::V Permute(Simd<double>::V v, Simd<double>::I index) {
  // In halves: NEON multiplies no 64-bit numbers.
  const uint32x4_t within = {0x03020100, 0x07060504, 0x03020100, 0x07060504};
  const uint32x4_t bytes = (uint32x4_t)(index | (index << 32)) * 0x08080808 + within;
  return (Simd<double>::V)vqtbl1q_u8((uint8x16_t)v, (uint8x16_t)bytes);
}

#else

template <class V, class I>
QSTORE_INLINE V Permute(V v, I index) {
  V out;
  for (unsigned l = 0; l < sizeof(V) / sizeof(v[0]); ++l) out[l] = v[index[l]];
  return out;
}

#endif

// Lane l of the result is lane l ^ flip of v. Where lanes are samples, flip is always 0, and to
// permute costs: without AVX2 it goes through memory.
template <class T>
QSTORE_INLINE typename Simd<T>::V FlipLanes(typename Simd<T>::V v, uint32_t flip) {
  if (flip == 0) return v;
  return Permute(v, LaneNumbers<T>() ^ static_cast<typename Simd<T>::Index>(flip));
}

// The number with a zero inserted at `bit`.
QSTORE_INLINE uint32_t InsertZero(uint32_t i, int bit) {
  const uint32_t below = (1u << bit) - 1;
  return ((i & ~below) << 1) | (i & below);
}

QSTORE_INLINE int Parity(uint64_t x) { return __builtin_popcountll(x) & 1; }

template <class T>
QSTORE_INLINE const T* CoefficientRow(const Tile<T>& tile, int32_t coef) {
  constexpr int W = Simd<T>::kWidth;
  return coef >= 0 ? tile.shared + static_cast<int64_t>(coef) * W
                   : tile.sample + static_cast<int64_t>(~coef) * W;
}
