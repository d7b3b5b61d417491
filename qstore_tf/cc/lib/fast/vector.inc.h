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

// Lane l of the result is lane index[l] of v.
template <class V, class I>
QSTORE_INLINE V Permute(V v, I index) {
  return __builtin_shuffle(v, index);
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
