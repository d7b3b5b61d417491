// Diagonal observables through one Walsh-Hadamard transform, and vectorized sines and cosines.

// Of the rows' bits from b on, two at a time, below m; m - b is even.
template <class T>
QSTORE_INLINE void WalshHadamardPairs(T* work, int b, int m, uint32_t rows) {
  typedef typename Simd<T>::V V;
  constexpr int W = Simd<T>::kWidth;
  for (; b < m; b += 2) {
    const int64_t step = (int64_t{1} << b) * W;
    for (uint32_t g = 0; g < rows / 4; ++g) {
      T* p = work + static_cast<int64_t>(InsertZero(InsertZero(g, b), b + 1)) * W;
      const V a = Load(p), c = Load(p + step), d = Load(p + 2 * step), e = Load(p + 3 * step);
      const V s0 = a + c, s1 = a - c, s2 = d + e, s3 = d - e;
      Store(p, s0 + s2);
      Store(p + step, s1 + s3);
      Store(p + 2 * step, s0 - s2);
      Store(p + 3 * step, s1 - s3);
    }
  }
}

// Low bits first, one block of rows after the other in the first-level cache.
template <class T>
static void WalshHadamard(T* work, int m) {
  typedef typename Simd<T>::V V;
  constexpr int W = Simd<T>::kWidth, kLow = 7;
  const uint32_t rows = 1u << m;
  int b = 0;
  if (m & 1) {
    for (uint32_t v = 0; v < rows; v += 2) {
      T* p = work + static_cast<int64_t>(v) * W;
      const V x = Load(p), y = Load(p + W);
      Store(p, x + y);
      Store(p + W, x - y);
    }
    b = 1;
  }
  const int low = m < kLow + b ? m : kLow - 1 + b;
  for (uint32_t v = 0; v < rows; v += 1u << low) {
    WalshHadamardPairs(work + static_cast<int64_t>(v) * W, b, low, 1u << low);
  }
  WalshHadamardPairs(work, low, m, rows);
}

template <class T>
static void Spectrum(const T* psi, T* work, int m) {
  typedef typename Simd<T>::V V;
  constexpr int W = Simd<T>::kWidth;
  const int64_t rows = int64_t{1} << m;
  for (int64_t v = 0; v < rows; ++v) {
    const V re = Load(psi + v * 2 * W), im = Load(psi + v * 2 * W + W);
    Store(work + v * W, re * re + im * im);
  }
  WalshHadamard(work, m);
}

template <class T>
static void Weigh(const T* psi, T* lambda, T* work, int m) {
  typedef typename Simd<T>::V V;
  constexpr int W = Simd<T>::kWidth;
  WalshHadamard(work, m);
  const int64_t rows = int64_t{1} << m;
  for (int64_t v = 0; v < rows; ++v) {
    const V w = Load(work + v * W);
    Store(lambda + v * 2 * W, w * Load(psi + v * 2 * W));
    Store(lambda + v * 2 * W + W, w * Load(psi + v * 2 * W + W));
  }
}

static void SinCos(const double* angle, double* cosine, double* sine, int64_t n) {
  for (int64_t k = 0; k < n * Simd<double>::kWidth; ++k) {
    cosine[k] = __builtin_cos(angle[k]);
    sine[k] = __builtin_sin(angle[k]);
  }
}

// Reduction by multiples of pi/2 in three parts (Cody and Waite), then the minimax polynomials of
// the Cephes library; below 1.2e-7 absolute error. Large angles go to the C library.
static void SinCos(const float* angle, float* cosine, float* sine, int64_t n) {
  typedef Simd<float>::V V;
  typedef Simd<float>::I I;
  constexpr int W = Simd<float>::kWidth;
  constexpr float kLargest = 8192.0f, kRound = 12582912.0f;  // 1.5 * 2^23
  for (int64_t j = 0; j < n; ++j) {
    const float* from = angle + j * W;
    bool large = false;
    for (int l = 0; l < W; ++l) large |= from[l] > kLargest || from[l] < -kLargest;
    if (large) {
      for (int l = 0; l < W; ++l) {
        cosine[j * W + l] = __builtin_cosf(from[l]);
        sine[j * W + l] = __builtin_sinf(from[l]);
      }
      continue;
    }
    const V x = Load(from);
    const V shifted = x * 0.636619772f + kRound;
    const V k = shifted - kRound;
    I quadrant;
    __builtin_memcpy(&quadrant, &shifted, sizeof(quadrant));
    V r = x - k * 1.5703125f;
    r = r - k * 4.837512969970703125e-4f;
    r = r - k * 7.549789948768648e-8f;
    const V r2 = r * r;
    V s = r2 * -1.9515295891e-4f + 8.3321608736e-3f;
    s = s * r2 - 1.6666654611e-1f;
    s = s * r2 * r + r;
    V c = r2 * 2.443315711809948e-5f - 1.388731625493765e-3f;
    c = c * r2 + 4.166664568298827e-2f;
    c = c * r2 * r2 - r2 * 0.5f + 1.0f;
    const I odd = (quadrant & 1) != 0;
    const V sin_part = odd ? c : s, cos_part = odd ? s : c;
    const I sin_minus = (quadrant & 2) != 0, cos_minus = ((quadrant + 1) & 2) != 0;
    Store(sine + j * W, sin_minus ? -sin_part : sin_part);
    Store(cosine + j * W, cos_minus ? -cos_part : cos_part);
  }
}
