// The product state that one-qubit gates make of |0...0>, and its derivatives.

template <class T>
QSTORE_INLINE const T* ChainRow(const T* shared, const T* sample, int32_t coef) {
  constexpr int W = Simd<T>::kWidth;
  return coef >= 0 ? shared + static_cast<int64_t>(coef) * W
                   : sample + static_cast<int64_t>(~coef) * W;
}

// Applies one gate (or its inverse) to the pair in x: 4 rows re0, im0, re1, im1.
template <class T, bool kAdjoint>
QSTORE_INLINE void ChainApply(const ChainGate& gate, const T* rows, typename Simd<T>::V* x) {
  typedef typename Simd<T>::V V;
  constexpr int W = Simd<T>::kWidth;
  Mixer<T> mixer;
  mixer.rows = rows;
  mixer.mode = kGeneral;
  mixer.c = Load(rows);
  mixer.s = kAdjoint ? -Load(rows + W) : Load(rows + W);
  const V c = mixer.c, s = mixer.s, r0 = x[0], r1 = x[2];
  switch (gate.kind) {
    case kChainRz:
      x[0] = c * r0 + s * x[1];
      x[1] = c * x[1] - s * r0;
      x[2] = c * r1 - s * x[3];
      x[3] = c * x[3] + s * r1;
      return;
    case kChainPhase:
      x[2] = c * r1 + s * x[3];
      x[3] = c * x[3] - s * r1;
      return;
    default:
      mixer.form = gate.kind == kChainRy ? kReal : gate.kind == kChainRx ? kImag : kMatrix;
      Mix<T, kAdjoint>(mixer, x[0], x[1], x[2], x[3]);
  }
}

template <class T>
static void ChainForward(const ChainGate* gates, int n, const T* shared, const T* sample, T* u) {
  typedef typename Simd<T>::V V;
  constexpr int W = Simd<T>::kWidth;
  V x[4] = {V{} + static_cast<T>(1), V{}, V{}, V{}};
  for (int g = 0; g < n; ++g) {
    ChainApply<T, false>(gates[g], ChainRow(shared, sample, gates[g].coef), x);
  }
  for (int k = 0; k < 4; ++k) Store(u + k * W, x[k]);
}

template <class T>
static void ChainBackward(const ChainGate* gates, int n, const T* shared, const T* sample, T* u,
                          T* r, T* acc) {
  typedef typename Simd<T>::V V;
  constexpr int W = Simd<T>::kWidth;
  V x[4], y[4];
  for (int k = 0; k < 4; ++k) {
    x[k] = Load(u + k * W);
    y[k] = Load(r + k * W);
  }
  for (int g = n - 1; g >= 0; --g) {
    const ChainGate& gate = gates[g];
    if (gate.acc >= 0) {
      V d{};
      const V im0 = y[0] * x[1] - y[1] * x[0], im1 = y[2] * x[3] - y[3] * x[2];
      if (gate.kind == kChainRy) {
        d = y[0] * x[2] + y[1] * x[3] - y[2] * x[0] - y[3] * x[1];
      } else if (gate.kind == kChainRx) {
        d = y[0] * x[3] - y[1] * x[2] + y[2] * x[1] - y[3] * x[0];
      } else if (gate.kind == kChainRz) {
        d = im0 - im1;
      } else if (gate.kind == kChainPhase) {
        d = im1;
      }
      T* row = acc + static_cast<int64_t>(gate.acc) * W;
      Store(row, Load(row) + d);
    }
    const T* rows = ChainRow(shared, sample, gate.coef);
    ChainApply<T, true>(gate, rows, x);
    ChainApply<T, true>(gate, rows, y);
  }
}

// Doubles a product state over row bits first to last: the rows given are those without these bits.
template <class T>
QSTORE_INLINE void ExtendProduct(T* psi, const T* u, int first, int last, int64_t rows) {
  typedef typename Simd<T>::V V;
  constexpr int W = Simd<T>::kWidth;
  const int64_t step = (int64_t{1} << first) * 2 * W;
  for (int b = first; b < last; ++b, rows *= 2) {
    const T* w = u + static_cast<int64_t>(b) * 4 * W;
    const V r0 = Load(w), i0 = Load(w + W), r1 = Load(w + 2 * W), i1 = Load(w + 3 * W);
    for (int64_t v = 0; v < rows; ++v) {
      T* low = psi + v * step;
      T* high = low + rows * step;
      const V re = Load(low), im = Load(low + W);
      Store(high, re * r1 - im * i1);
      Store(high + W, re * i1 + im * r1);
      Store(low, re * r0 - im * i0);
      Store(low + W, re * i0 + im * r0);
    }
  }
}

// High bits first, of one row in 2^kLow, then the rows between: so each goes to memory once.
template <class T>
static void Product(T* psi, const T* start, const T* u, int m) {
  constexpr int W = Simd<T>::kWidth, kLow = 6;
  const int low = m < kLow ? m : kLow;
  Store(psi, Load(start));
  Store(psi + W, Load(start + W));
  ExtendProduct(psi, u, low, m, 1);
  for (int64_t block = 0; block < int64_t{1} << (m - low); ++block) {
    ExtendProduct(psi + (block << low) * 2 * W, u, 0, low, 1);
  }
}

template <class T>
static void ProductBackward(T* lambda, const T* start, const T* u, int m, T* prefix, T* r) {
  typedef typename Simd<T>::V V;
  constexpr int W = Simd<T>::kWidth;
  // prefix[2^b ...) holds the product over the bits below b.
  if (m > 0) {  // a state of one row has no room for more, and needs none
    Store(prefix + 2 * W, Load(start));
    Store(prefix + 3 * W, Load(start + W));
  }
  for (int b = 0; b + 1 < m; ++b) {
    const T* w = u + static_cast<int64_t>(b) * 4 * W;
    const V r0 = Load(w), i0 = Load(w + W), r1 = Load(w + 2 * W), i1 = Load(w + 3 * W);
    const int64_t half = int64_t{1} << b;
    for (int64_t v = 0; v < half; ++v) {
      const T* from = prefix + (half + v) * 2 * W;
      T* low = prefix + (2 * half + v) * 2 * W;
      T* high = low + half * 2 * W;
      const V re = Load(from), im = Load(from + W);
      Store(low, re * r0 - im * i0);
      Store(low + W, re * i0 + im * r0);
      Store(high, re * r1 - im * i1);
      Store(high + W, re * i1 + im * r1);
    }
  }
  for (int b = m - 1; b >= 0; --b) {
    const T* w = u + static_cast<int64_t>(b) * 4 * W;
    const V ur0 = Load(w), ui0 = Load(w + W), ur1 = Load(w + 2 * W), ui1 = Load(w + 3 * W);
    const int64_t half = int64_t{1} << b;
    const T* q = prefix + half * 2 * W;
    V r0r{}, r0i{}, r1r{}, r1i{};
    for (int64_t v = 0; v < half; ++v) {
      T* low = lambda + v * 2 * W;
      const T* high = lambda + (v + half) * 2 * W;
      const V ar = Load(low), ai = Load(low + W), br = Load(high), bi = Load(high + W);
      const V pr = Load(q + v * 2 * W), pi = Load(q + v * 2 * W + W);
      r0r += pr * ar + pi * ai;
      r0i += pr * ai - pi * ar;
      r1r += pr * br + pi * bi;
      r1i += pr * bi - pi * br;
      Store(low, ur0 * ar + ui0 * ai + ur1 * br + ui1 * bi);
      Store(low + W, ur0 * ai - ui0 * ar + ur1 * bi - ui1 * br);
    }
    T* out = r + static_cast<int64_t>(b) * 4 * W;
    Store(out, r0r);
    Store(out + W, r0i);
    Store(out + 2 * W, r1r);
    Store(out + 3 * W, r1i);
  }
}

template <class T>
static void Expand(const T* first, const uint32_t* inner, const uint32_t* outer, int64_t rows,
                   uint32_t inner_base, uint32_t outer_base, const T* h, T* to) {
  typedef typename Simd<T>::V V;
  constexpr int W = Simd<T>::kWidth;
  for (int64_t v = 0; v < rows; ++v) {
    const T* p = first + static_cast<int64_t>(inner[v] | inner_base) * 2 * W;
    const T* factor = h + 2 * static_cast<int64_t>(outer[v] | outer_base);
    const V re = Load(p), im = Load(p + W);
    Store(to + v * 2 * W, re * factor[0] - im * factor[1]);
    Store(to + v * 2 * W + W, re * factor[1] + im * factor[0]);
  }
}

template <class T>
static void Contract(const T* lambda, const T* first, const uint32_t* inner, const uint32_t* outer,
                     int64_t rows, uint32_t inner_base, uint32_t outer_base, const T* h, T* sum,
                     T* weights) {
  typedef typename Simd<T>::V V;
  constexpr int W = Simd<T>::kWidth;
  for (int64_t v = 0; v < rows;) {
    const uint32_t tile = outer[v];
    T* weight = weights + static_cast<int64_t>(tile | outer_base) * 2 * W;
    const T* factor = h + 2 * static_cast<int64_t>(tile | outer_base);
    const V hr = V{} + factor[0], hi = V{} + factor[1];
    V total_re = Load(weight), total_im = Load(weight + W);
    for (; v < rows && outer[v] == tile; ++v) {
      const int64_t at = static_cast<int64_t>(inner[v] | inner_base) * 2 * W;
      const V lr = Load(lambda + v * 2 * W), li = Load(lambda + v * 2 * W + W);
      const V pr = Load(first + at), pi = Load(first + at + W);
      total_re += pr * lr + pi * li;
      total_im += pr * li - pi * lr;
      Store(sum + at, Load(sum + at) + hr * lr + hi * li);
      Store(sum + at + W, Load(sum + at + W) + hr * li - hi * lr);
    }
    Store(weight, total_re);
    Store(weight + W, total_im);
  }
}

template <class T>
static void Gather(const T* from, const int64_t* offsets, int64_t rows, T* to) {
  constexpr int W = Simd<T>::kWidth;
  for (int64_t v = 0; v < rows; ++v) {
    const T* p = from + offsets[v] * 2 * W;
    Store(to + v * 2 * W, Load(p));
    Store(to + v * 2 * W + W, Load(p + W));
  }
}

template <class T>
static void Scatter(const T* from, const int64_t* offsets, int64_t rows, T* to) {
  constexpr int W = Simd<T>::kWidth;
  for (int64_t v = 0; v < rows; ++v) {
    T* p = to + offsets[v] * 2 * W;
    Store(p, Load(from + v * 2 * W));
    Store(p + W, Load(from + v * 2 * W + W));
  }
}
