// One-qubit gates on row bits, up to three of them on the amplitudes that registers hold, and
// rotations on lane bits, which are a permutation and a multiply-add.

template <class T>
struct Mixer {
  typename Simd<T>::V c, s;
  const T* rows;
  int form, mode;
};

template <class T>
QSTORE_INLINE Mixer<T> MakeMixer(const Tile<T>& tile, const OneQubit& item, bool adjoint) {
  constexpr int W = Simd<T>::kWidth;
  Mixer<T> mixer;
  mixer.rows = CoefficientRow(tile, item.coef);
  mixer.form = item.form;
  mixer.mode = item.coef >= 0 ? tile.modes[item.coef] : kGeneral;
  mixer.c = Load(mixer.rows);
  mixer.s = Load(mixer.rows + W);
  if (adjoint) mixer.s = -mixer.s;
  return mixer;
}

template <class T, bool kAdjoint>
QSTORE_INLINE void Mix(const Mixer<T>& mixer, typename Simd<T>::V& ar, typename Simd<T>::V& ai,
                       typename Simd<T>::V& br, typename Simd<T>::V& bi) {
  typedef typename Simd<T>::V V;
  constexpr int W = Simd<T>::kWidth;
  // With c = 1 or |s| = 1 the compiler is left with one multiply-add per number.
  if (mixer.form == kReal && mixer.mode == kUnitCosine) {
    const V r = ar, i = ai;
    ar = r + mixer.s * br;
    ai = i + mixer.s * bi;
    br = br - mixer.s * r;
    bi = bi - mixer.s * i;
  } else if (mixer.form == kReal && mixer.mode == kUnitSine) {
    const V r = ar, i = ai;
    ar = kAdjoint ? mixer.c * r - br : mixer.c * r + br;
    ai = kAdjoint ? mixer.c * i - bi : mixer.c * i + bi;
    br = kAdjoint ? mixer.c * br + r : mixer.c * br - r;
    bi = kAdjoint ? mixer.c * bi + i : mixer.c * bi - i;
  } else if (mixer.form == kImag && mixer.mode == kUnitCosine) {
    const V r = ar, i = ai;
    ar = r + mixer.s * bi;
    ai = i - mixer.s * br;
    br = br + mixer.s * i;
    bi = bi - mixer.s * r;
  } else if (mixer.form == kImag && mixer.mode == kUnitSine) {
    const V r = ar, i = ai;
    ar = kAdjoint ? mixer.c * r - bi : mixer.c * r + bi;
    ai = kAdjoint ? mixer.c * i + br : mixer.c * i - br;
    br = kAdjoint ? mixer.c * br - i : mixer.c * br + i;
    bi = kAdjoint ? mixer.c * bi + r : mixer.c * bi - r;
  } else if (mixer.form == kReal) {
    const V r = ar, i = ai;
    ar = mixer.c * r + mixer.s * br;
    ai = mixer.c * i + mixer.s * bi;
    br = mixer.c * br - mixer.s * r;
    bi = mixer.c * bi - mixer.s * i;
  } else if (mixer.form == kImag) {
    const V r = ar, i = ai;
    ar = mixer.c * r + mixer.s * bi;
    ai = mixer.c * i - mixer.s * br;
    br = mixer.c * br + mixer.s * i;
    bi = mixer.c * bi - mixer.s * r;
  } else {
    const T* p = mixer.rows;
    const V r = ar, i = ai;
    const V m00r = Load(p), m00i = kAdjoint ? -Load(p + W) : Load(p + W);
    const V m11r = Load(p + 6 * W), m11i = kAdjoint ? -Load(p + 7 * W) : Load(p + 7 * W);
    const V m01r = Load(p + (kAdjoint ? 4 : 2) * W), m10r = Load(p + (kAdjoint ? 2 : 4) * W);
    const V m01i = kAdjoint ? -Load(p + 5 * W) : Load(p + 3 * W);
    const V m10i = kAdjoint ? -Load(p + 3 * W) : Load(p + 5 * W);
    ar = m00r * r - m00i * i + m01r * br - m01i * bi;
    ai = m00r * i + m00i * r + m01r * bi + m01i * br;
    const V b = br;
    br = m10r * r - m10i * i + m11r * b - m11i * bi;
    bi = m10r * i + m10i * r + m11r * bi + m11i * b;
  }
}

// The rows of a tile in groups of 2^G, which differ in the bits of G gates: bit j of the place in
// the group is the bit of gate j.
template <class T, int G>
struct Groups {
  int sorted[G];
  int64_t at[1 << G];  // where each row of a group is, from the first, in reals

  explicit Groups(const OneQubit* items) {
    for (int j = 0; j < G; ++j) {
      int k = j;
      for (; k > 0 && sorted[k - 1] > items[j].bit; --k) sorted[k] = sorted[k - 1];
      sorted[k] = items[j].bit;
    }
    for (int k = 0; k < 1 << G; ++k) {
      at[k] = 0;
      for (int j = 0; j < G; ++j) {
        at[k] += static_cast<int64_t>((k >> j) & 1) * 2 * Simd<T>::kWidth << items[j].bit;
      }
    }
  }

  int64_t First(uint32_t group) const {
    for (int j = 0; j < G; ++j) group = InsertZero(group, sorted[j]);
    return static_cast<int64_t>(group) * 2 * Simd<T>::kWidth;
  }
};

// Mixes pairs among N real or N imaginary parts, for a gate that AllUnitReal accepts. The mode is
// asked for once, not by every pair.
template <class T, int N, bool kAdjoint>
QSTORE_INLINE void MixReal(const Mixer<T>& mixer, int j, typename Simd<T>::V* x) {
  typedef typename Simd<T>::V V;
  if (mixer.mode == kUnitCosine) {
#pragma GCC unroll 16
    for (int k = 0; k < N; ++k) {
      if ((k >> j) & 1) continue;
      const V a = x[k], b = x[k | (1 << j)];
      x[k] = a + mixer.s * b;
      x[k | (1 << j)] = b - mixer.s * a;
    }
  } else {
#pragma GCC unroll 16
    for (int k = 0; k < N; ++k) {
      if ((k >> j) & 1) continue;
      const V a = x[k], b = x[k | (1 << j)];
      x[k] = kAdjoint ? mixer.c * a - b : mixer.c * a + b;
      x[k | (1 << j)] = kAdjoint ? mixer.c * b + a : mixer.c * b - a;
    }
  }
}

// Applies G gates to the rows of a group. Gates that are all kReal leave real and imaginary parts
// apart, so that half of the registers do.
template <class T, int G, bool kAdjoint, bool kAllReal>
QSTORE_INLINE void MixGroup(const Mixer<T>* mixers, T* rows, const int64_t* at) {
  typedef typename Simd<T>::V V;
  constexpr int W = Simd<T>::kWidth, N = 1 << G;
  if (kAllReal) {
#pragma GCC unroll 2
    for (int part = 0; part < 2; ++part) {
      V x[N];
#pragma GCC unroll 16
      for (int k = 0; k < N; ++k) x[k] = Load(rows + at[k] + part * W);
#pragma GCC unroll 4
      for (int j = 0; j < G; ++j) MixReal<T, N, kAdjoint>(mixers[j], j, x);
#pragma GCC unroll 16
      for (int k = 0; k < N; ++k) Store(rows + at[k] + part * W, x[k]);
    }
    return;
  }
  V re[N], im[N];
#pragma GCC unroll 8
  for (int k = 0; k < N; ++k) {
    re[k] = Load(rows + at[k]);
    im[k] = Load(rows + at[k] + W);
  }
#pragma GCC unroll 3
  for (int j = 0; j < G; ++j) {
#pragma GCC unroll 8
    for (int k = 0; k < N; ++k) {
      if ((k >> j) & 1) continue;
      const int q = k | (1 << j);
      Mix<T, kAdjoint>(mixers[j], re[k], im[k], re[q], im[q]);
    }
  }
#pragma GCC unroll 8
  for (int k = 0; k < N; ++k) {
    Store(rows + at[k], re[k]);
    Store(rows + at[k] + W, im[k]);
  }
}

template <class T, int G, bool kAdjoint, bool kAllReal>
static void MixRows(const Tile<T>& tile, T* state, const OneQubit* items) {
  const Groups<T, G> groups(items);
  Mixer<T> mixers[G];
  for (int j = 0; j < G; ++j) mixers[j] = MakeMixer(tile, items[j], kAdjoint);
  for (uint32_t g = 0; g < 1u << tile.m >> G; ++g) {
    MixGroup<T, G, kAdjoint, kAllReal>(mixers, state + groups.First(g), groups.at);
  }
}

template <class T, int G>
static void LayerBackward(const Tile<T>& tile, const OneQubit* items) {
  typedef typename Simd<T>::V V;
  constexpr int W = Simd<T>::kWidth, N = 1 << G;
  const Groups<T, G> rows(items);
  Mixer<T> mixers[G];
  V sum_re[G], sum_im[G];
  for (int j = 0; j < G; ++j) {
    mixers[j] = MakeMixer(tile, items[j], true);
    sum_re[j] = sum_im[j] = V{};
  }
  const uint32_t groups = (1u << tile.m) >> G;
  for (uint32_t g = 0; g < groups; ++g) {
    T* psi = tile.psi + rows.First(g);
    T* lambda = tile.lambda + rows.First(g);
    V pr[N], pi[N], lr[N], li[N];
#pragma GCC unroll 4
    for (int k = 0; k < N; ++k) {
      const T* p = psi + rows.at[k];
      const T* l = lambda + rows.at[k];
      pr[k] = Load(p);
      pi[k] = Load(p + W);
      lr[k] = Load(l);
      li[k] = Load(l + W);
    }
#pragma GCC unroll 2
    for (int j = 0; j < G; ++j) {
#pragma GCC unroll 4
      for (int k = 0; k < N; ++k) {
        if ((k >> j) & 1) continue;
        const int q = k | (1 << j);
        if (mixers[j].form == kReal) {
          sum_re[j] += lr[k] * pr[q];
          sum_im[j] += li[k] * pi[q];
          sum_re[j] -= lr[q] * pr[k];
          sum_im[j] -= li[q] * pi[k];
        } else if (mixers[j].form == kImag) {
          sum_re[j] += lr[k] * pi[q];
          sum_im[j] -= li[k] * pr[q];
          sum_re[j] += lr[q] * pi[k];
          sum_im[j] -= li[q] * pr[k];
        }
        Mix<T, true>(mixers[j], pr[k], pi[k], pr[q], pi[q]);
        Mix<T, true>(mixers[j], lr[k], li[k], lr[q], li[q]);
      }
    }
#pragma GCC unroll 4
    for (int k = 0; k < N; ++k) {
      T* p = psi + rows.at[k];
      T* l = lambda + rows.at[k];
      Store(p, pr[k]);
      Store(p + W, pi[k]);
      Store(l, lr[k]);
      Store(l + W, li[k]);
    }
  }
  for (int j = 0; j < G; ++j) {
    if (items[j].acc < 0) continue;
    T* acc = tile.acc + static_cast<int64_t>(items[j].acc) * W;
    Store(acc, Load(acc) + sum_re[j] + sum_im[j]);
  }
}

// Gates whose rows 32 or 16 registers hold, and gates of whose rows they hold the real parts alone.
constexpr int kMostInRegisters = QSTORE_VECTOR_BYTES == 64 ? 3 : 2;
constexpr int kMostOfParts = kMostInRegisters + 1;

// How many of n gates to do next, at most `most`, so that passes are few and about equal.
QSTORE_INLINE int NextGates(int n, int most) {
  const int passes = (n + most - 1) / most;
  return (n + passes - 1) / passes;
}

// Whether all gates are kReal and leave a factor out.
template <class T>
static bool AllUnitReal(const Tile<T>& tile, const OneQubit* items, int n) {
  for (int j = 0; j < n; ++j) {
    if (items[j].form != kReal || items[j].coef < 0) return false;
    if (tile.modes[items[j].coef] == kGeneral) return false;
  }
  return true;
}

// Applies gates on rows to a state, or their inverse.
template <class T, bool kAdjoint>
static void MixItems(const Tile<T>& tile, T* state, const OneQubit* items, int n) {
  while (n > 0) {
    int next = NextGates(n, kMostOfParts);
    if (AllUnitReal(tile, items, next)) {
      if (next == 1) MixRows<T, 1, kAdjoint, true>(tile, state, items);
      if (next == 2) MixRows<T, 2, kAdjoint, true>(tile, state, items);
      if (next == 3) MixRows<T, 3, kAdjoint, true>(tile, state, items);
      if (next == 4) MixRows<T, kMostOfParts, kAdjoint, true>(tile, state, items);
    } else {
      next = NextGates(n, kMostInRegisters);
      if (next == 1) MixRows<T, 1, kAdjoint, false>(tile, state, items);
      if (next == 2) MixRows<T, 2, kAdjoint, false>(tile, state, items);
      if (next == 3) MixRows<T, kMostInRegisters, kAdjoint, false>(tile, state, items);
    }
    items += next;
    n -= next;
  }
}

// The derivatives of G gates of one form with psi and lambda as they are, which is all the same
// for gates that commute. Real and imaginary parts one after the other, to have registers for G.
template <class T, int G, bool kImaginary>
static void LayerSums(const Tile<T>& tile, const OneQubit* items) {
  typedef typename Simd<T>::V V;
  constexpr int W = Simd<T>::kWidth, N = 1 << G;
  const Groups<T, G> groups(items);
  V plus[G], minus[G];
  for (int j = 0; j < G; ++j) plus[j] = minus[j] = V{};
  for (uint32_t g = 0; g < 1u << tile.m >> G; ++g) {
    const int64_t first = groups.First(g);
#pragma GCC unroll 2
    for (int part = 0; part < 2; ++part) {
      V p[N], l[N];
      const T* psi = tile.psi + first + (kImaginary ? 1 - part : part) * W;
      const T* lambda = tile.lambda + first + part * W;
#pragma GCC unroll 8
      for (int k = 0; k < N; ++k) {
        p[k] = Load(psi + groups.at[k]);
        l[k] = Load(lambda + groups.at[k]);
      }
#pragma GCC unroll 3
      for (int j = 0; j < G; ++j) {
#pragma GCC unroll 8
        for (int k = 0; k < N; ++k) {
          if ((k >> j) & 1) continue;
          const int q = k | (1 << j);
          if (kImaginary && part == 1) {
            minus[j] += l[k] * p[q];
            minus[j] += l[q] * p[k];
          } else {
            plus[j] += l[k] * p[q];
            if (kImaginary) {
              plus[j] += l[q] * p[k];
            } else {
              minus[j] += l[q] * p[k];
            }
          }
        }
      }
    }
  }
  for (int j = 0; j < G; ++j) {
    T* acc = tile.acc + static_cast<int64_t>(items[j].acc) * W;
    Store(acc, Load(acc) + (plus[j] - minus[j]));
  }
}

template <class T, bool kImaginary>
static void FormSums(const Tile<T>& tile, const OneQubit* items, int n) {
  constexpr int kMost = kMostInRegisters;
  OneQubit group[kMost];
  int size = 0;
  for (int j = 0; j < n; ++j) {
    if (items[j].form != (kImaginary ? kImag : kReal) || items[j].acc < 0) continue;
    group[size++] = items[j];
    if (size < kMost) continue;
    LayerSums<T, kMost, kImaginary>(tile, group);
    size = 0;
  }
  if (size == 2) LayerSums<T, 2, kImaginary>(tile, group);
  if (size == 1) LayerSums<T, 1, kImaginary>(tile, group);
}

template <class T>
static void ItemSums(const Tile<T>& tile, const OneQubit* items, int n) {
  FormSums<T, false>(tile, items, n);
  FormSums<T, true>(tile, items, n);
}

// Undoes G gates that AllUnitReal accepts on psi and lambda, real and imaginary parts apart.
template <class T, int G>
static void RealBackward(const Tile<T>& tile, const OneQubit* items) {
  typedef typename Simd<T>::V V;
  constexpr int W = Simd<T>::kWidth, N = 1 << G;
  const Groups<T, G> groups(items);
  Mixer<T> mixers[G];
  V plus[G], minus[G];
  for (int j = 0; j < G; ++j) {
    mixers[j] = MakeMixer(tile, items[j], true);
    plus[j] = minus[j] = V{};
  }
  for (uint32_t g = 0; g < 1u << tile.m >> G; ++g) {
    const int64_t first = groups.First(g);
#pragma GCC unroll 2
    for (int part = 0; part < 2 * W; part += W) {
      T* psi = tile.psi + first + part;
      T* lambda = tile.lambda + first + part;
      V p[N], l[N];
#pragma GCC unroll 8
      for (int k = 0; k < N; ++k) {
        p[k] = Load(psi + groups.at[k]);
        l[k] = Load(lambda + groups.at[k]);
      }
#pragma GCC unroll 3
      for (int j = 0; j < G; ++j) {
#pragma GCC unroll 8
        for (int k = 0; k < N; ++k) {
          if ((k >> j) & 1) continue;
          plus[j] += l[k] * p[k | (1 << j)];
          minus[j] += l[k | (1 << j)] * p[k];
        }
        MixReal<T, N, true>(mixers[j], j, p);
        MixReal<T, N, true>(mixers[j], j, l);
      }
#pragma GCC unroll 8
      for (int k = 0; k < N; ++k) {
        Store(psi + groups.at[k], p[k]);
        Store(lambda + groups.at[k], l[k]);
      }
    }
  }
  for (int j = 0; j < G; ++j) {
    if (items[j].acc < 0) continue;
    T* acc = tile.acc + static_cast<int64_t>(items[j].acc) * W;
    Store(acc, Load(acc) + (plus[j] - minus[j]));
  }
}

template <class T>
static void BackwardLayer(const Tile<T>& tile, const Op& op) {
  const OneQubit* items = op.items;
  for (int n = op.n_items; n > 0;) {
    int next = NextGates(n, kMostInRegisters);
    if (AllUnitReal(tile, items, next)) {
      if (next == 1) RealBackward<T, 1>(tile, items);
      if (next == 2) RealBackward<T, 2>(tile, items);
      if (next == 3) RealBackward<T, kMostInRegisters>(tile, items);
    } else {
      next = n == 1 ? 1 : 2;
      if (next == 1) LayerBackward<T, 1>(tile, items);
      if (next == 2) LayerBackward<T, 2>(tile, items);
    }
    items += next;
    n -= next;
  }
}

template <class T>
QSTORE_INLINE typename Simd<T>::V LaneScale(const Mixer<T>& mixer, typename Simd<T>::V v) {
  return mixer.mode == kUnitCosine ? v : mixer.c * v;
}

// A lane layer, or its inverse, on one row. The sign of the partner amplitude is part of the sine row:
// lanes differ in it.
template <class T, bool kAdjoint>
struct LaneMixer {
  typedef typename Simd<T>::V V;
  static constexpr int kMost = 4;
  Mixer<T> mixers[kMost];
  typename Simd<T>::I partner[kMost];
  int n;
};

template <class T, bool kAdjoint>
QSTORE_INLINE LaneMixer<T, kAdjoint> MakeLaneMixer(const Tile<T>& tile, const Op* op) {
  LaneMixer<T, kAdjoint> mixer;
  mixer.n = op == nullptr ? 0 : op->n_items;
#pragma GCC unroll 4
  for (int j = 0; j < mixer.kMost; ++j) {
    if (j >= mixer.n) break;
    mixer.mixers[j] = MakeMixer(tile, op->items[j], kAdjoint);
    mixer.partner[j] =
        LaneNumbers<T>() ^ static_cast<typename Simd<T>::Index>(1 << op->items[j].bit);
  }
  return mixer;
}

template <class T, bool kAdjoint>
QSTORE_INLINE void MixLanes(const LaneMixer<T, kAdjoint>& lanes, typename Simd<T>::V* re,
                            typename Simd<T>::V* im) {
  // Unrolled, so that the mixers are in registers.
#pragma GCC unroll 4
  for (int j = 0; j < lanes.kMost; ++j) {
    if (j >= lanes.n) break;
    const Mixer<T>& mixer = lanes.mixers[j];
    const typename Simd<T>::V qr = Permute(*re, lanes.partner[j]);
    const typename Simd<T>::V qi = Permute(*im, lanes.partner[j]);
    if (mixer.form == kReal) {
      *re = LaneScale(mixer, *re) + mixer.s * qr;
      *im = LaneScale(mixer, *im) + mixer.s * qi;
    } else {
      *re = LaneScale(mixer, *re) + mixer.s * qi;
      *im = LaneScale(mixer, *im) - mixer.s * qr;
    }
  }
}

template <class T, bool kAdjoint>
static void LaneLayer(const Tile<T>& tile, T* state, const Op& op) {
  constexpr int W = Simd<T>::kWidth;
  const LaneMixer<T, kAdjoint> lanes = MakeLaneMixer<T, kAdjoint>(tile, &op);
  const int64_t rows = int64_t{1} << tile.m;
  for (int64_t v = 0; v < rows; ++v) {
    T* p = state + v * 2 * W;
    typename Simd<T>::V re = Load(p), im = Load(p + W);
    MixLanes(lanes, &re, &im);
    Store(p, re);
    Store(p + W, im);
  }
}

// Derivatives of a lane layer, psi and lambda as they are.
template <class T>
static void LaneSums(const Tile<T>& tile, const Op& op) {
  typedef typename Simd<T>::V V;
  typedef typename Simd<T>::I I;
  constexpr int W = Simd<T>::kWidth, kMost = 4;
  I partner[kMost];
  V sum_re[kMost], sum_im[kMost];
  const int n = op.n_items;
  for (int j = 0; j < n; ++j) {
    partner[j] = LaneNumbers<T>() ^ static_cast<typename Simd<T>::Index>(1 << op.items[j].bit);
    sum_re[j] = sum_im[j] = V{};
  }
  const int64_t rows = int64_t{1} << tile.m;
  for (int64_t v = 0; v < rows; ++v) {
    const T* p = tile.psi + v * 2 * W;
    const T* l = tile.lambda + v * 2 * W;
    const V pr = Load(p), pi = Load(p + W), lr = Load(l), li = Load(l + W);
    for (int j = 0; j < n; ++j) {
      const V qr = Permute(pr, partner[j]), qi = Permute(pi, partner[j]);
      if (op.items[j].form == kReal) {
        sum_re[j] += lr * qr;
        sum_im[j] += li * qi;
      } else {
        sum_re[j] += lr * qi;
        sum_im[j] -= li * qr;
      }
    }
  }
  for (int j = 0; j < n; ++j) {
    if (op.items[j].acc < 0) continue;
    T* acc = tile.acc + static_cast<int64_t>(op.items[j].acc) * W;
    Store(acc, Load(acc) + sum_re[j] + sum_im[j]);
  }
}

// Undoes a lane layer on psi and lambda.
template <class T>
static void BackwardLanes(const Tile<T>& tile, const Op& op) {
  typedef typename Simd<T>::V V;
  typedef typename Simd<T>::I I;
  constexpr int W = Simd<T>::kWidth, kMost = 4;
  Mixer<T> mixers[kMost];
  I partner[kMost];
  V sum_re[kMost], sum_im[kMost];
  const int n = op.n_items;
  for (int j = 0; j < n; ++j) {
    mixers[j] = MakeMixer(tile, op.items[j], true);
    partner[j] = LaneNumbers<T>() ^ static_cast<typename Simd<T>::Index>(1 << op.items[j].bit);
    sum_re[j] = sum_im[j] = V{};
  }
  const int64_t rows = int64_t{1} << tile.m;
  for (int64_t v = 0; v < rows; ++v) {
    T* p = tile.psi + v * 2 * W;
    T* l = tile.lambda + v * 2 * W;
    V pr = Load(p), pi = Load(p + W), lr = Load(l), li = Load(l + W);
    for (int j = 0; j < n; ++j) {
      const Mixer<T>& mixer = mixers[j];
      const V qr = Permute(pr, partner[j]), qi = Permute(pi, partner[j]);
      if (mixer.form == kReal) {
        sum_re[j] += lr * qr;
        sum_im[j] += li * qi;
        const V kr = Permute(lr, partner[j]), ki = Permute(li, partner[j]);
        lr = LaneScale(mixer, lr) + mixer.s * kr;
        li = LaneScale(mixer, li) + mixer.s * ki;
        pr = LaneScale(mixer, pr) + mixer.s * qr;
        pi = LaneScale(mixer, pi) + mixer.s * qi;
      } else {
        sum_re[j] += lr * qi;
        sum_im[j] -= li * qr;
        const V kr = Permute(lr, partner[j]), ki = Permute(li, partner[j]);
        lr = LaneScale(mixer, lr) + mixer.s * ki;
        li = LaneScale(mixer, li) - mixer.s * kr;
        pr = LaneScale(mixer, pr) + mixer.s * qi;
        pi = LaneScale(mixer, pi) - mixer.s * qr;
      }
    }
    Store(p, pr);
    Store(p + W, pi);
    Store(l, lr);
    Store(l + W, li);
  }
  for (int j = 0; j < n; ++j) {
    if (op.items[j].acc < 0) continue;
    T* acc = tile.acc + static_cast<int64_t>(op.items[j].acc) * W;
    Store(acc, Load(acc) + sum_re[j] + sum_im[j]);
  }
}
