// Gates on several qubits: Pauli rotations, controlled flips, constant matrices.

// psi'[i] = c psi[i] + q s sign(i) psi[i ^ flip], q = 1 or -i.
template <class T, bool kBackward>
static void PauliRotation(const Tile<T>& tile, const Op& op) {
  typedef typename Simd<T>::V V;
  constexpr int W = Simd<T>::kWidth;
  if ((tile.base & op.control_base) != op.control_base) return;
  const T* rows_cs = CoefficientRow(tile, op.coef);
  const V c = Load(rows_cs);
  V s = Load(rows_cs + W);
  const bool minus = Parity(tile.base & op.parity_base) != 0;
  if (minus != kBackward) s = -s;
  const bool imaginary = op.imaginary != 0;
  const uint32_t flip = op.flip_rows;
  const uint32_t top = flip == 0 ? 0 : 1u << (31 - __builtin_clz(flip));
  V sum{};
  const uint32_t rows = 1u << tile.m;
  for (uint32_t v = 0; v < rows; ++v) {
    if ((v & top) != 0 || (v & op.control_rows) != op.control_rows) continue;
    const uint32_t pair[2] = {v, v ^ flip};
    const int members = flip == 0 ? 1 : 2;
    // Unrolled, so that the pair is in registers.
#pragma GCC unroll 2
    for (int turn = 0; turn < 1 + kBackward; ++turn) {
      T* state = turn == 0 ? tile.psi : tile.lambda;
      V re[2], im[2];
#pragma GCC unroll 2
      for (int k = 0; k < 2; ++k) {
        const T* p = state + static_cast<int64_t>(pair[k]) * 2 * W;
        re[k] = Load(p);
        im[k] = Load(p + W);
      }
#pragma GCC unroll 2
      for (int k = 0; k < 2; ++k) {
        if (k == members) break;
        const int other = 1 - k;  // the row itself where only lanes flip
        const V qr = FlipLanes<T>(re[other], op.flip_lanes);
        const V qi = FlipLanes<T>(im[other], op.flip_lanes);
        const bool odd = Parity(pair[k] & op.parity_rows) != 0;
        const V sign_s = odd ? -s : s;
        if (kBackward && turn == 0) {
          const T* l = tile.lambda + static_cast<int64_t>(pair[k]) * 2 * W;
          const V lr = Load(l), li = Load(l + W);
          const V w = imaginary ? lr * qi - li * qr : lr * qr + li * qi;
          sum = odd ? sum - w : sum + w;
        }
        T* p = state + static_cast<int64_t>(pair[k]) * 2 * W;
        if (imaginary) {
          Store(p, c * re[k] + sign_s * qi);
          Store(p + W, c * im[k] - sign_s * qr);
        } else {
          Store(p, c * re[k] + sign_s * qr);
          Store(p + W, c * im[k] + sign_s * qi);
        }
      }
    }
  }
  if (kBackward && op.acc >= 0) {
    T* acc = tile.acc + static_cast<int64_t>(op.acc) * W;
    Store(acc, minus ? Load(acc) - sum : Load(acc) + sum);
  }
}

template <class T>
static void Flip(const Tile<T>& tile, const Op& op, T* state) {
  typedef typename Simd<T>::V V;
  typedef typename Simd<T>::I I;
  typedef typename Simd<T>::Index Index;
  constexpr int W = Simd<T>::kWidth;
  if ((tile.base & op.control_base) != op.control_base) return;
  const I lanes = LaneNumbers<T>(), controls = I{} + static_cast<Index>(op.control_lanes);
  const I on = (lanes & controls) == controls;
  const I partner = lanes ^ (on & static_cast<Index>(op.flip_lanes));
  const uint32_t rows = 1u << tile.m;
  for (uint32_t v = 0; v < rows; ++v) {
    if ((v & op.control_rows) != op.control_rows || (v & op.flip_rows) != 0) continue;
    T* p = state + static_cast<int64_t>(v) * 2 * W;
    if (op.flip_rows == 0) {
      Store(p, Permute(Load(p), partner));
      Store(p + W, Permute(Load(p + W), partner));
      continue;
    }
    T* q = state + static_cast<int64_t>(v ^ op.flip_rows) * 2 * W;
    for (int part = 0; part < 2 * W; part += W) {
      const V a = Load(p + part), b = Load(q + part);
      Store(p + part, on ? b : a);
      Store(q + part, on ? a : b);
    }
  }
}

template <class T>
static void ConstantMatrix(const Tile<T>& tile, const Op& op, T* state, int64_t matrix) {
  typedef typename Simd<T>::V V;
  constexpr int W = Simd<T>::kWidth;
  if ((tile.base & op.control_base) != op.control_base) return;
  const int n_rows = 1 << op.n_row_targets;
  const int n_offsets = 1 << (op.n_row_targets + op.n_lane_targets);
  uint32_t all = 0, row_of[32], lane_of[32];
  for (int j = 0; j < op.n_row_targets; ++j) all |= 1u << op.row_targets[j];
  for (int k = 0; k < n_offsets; ++k) {
    row_of[k] = lane_of[k] = 0;
    for (int j = 0; j < op.n_row_targets; ++j) {
      row_of[k] |= ((k >> j) & 1u) << op.row_targets[j];
    }
    for (int j = 0; j < op.n_lane_targets; ++j) {
      lane_of[k] |= ((k >> (op.n_row_targets + j)) & 1u) << op.lane_targets[j];
    }
  }
  const T* table = tile.constants + matrix;
  const uint32_t rows = 1u << tile.m;
  for (uint32_t v = 0; v < rows; ++v) {
    if ((v & all) != 0 || (v & op.control_rows) != op.control_rows) continue;
    V re[32], im[32];  // of the rows that are mixed, lanes moved as each entry wants them
    for (int offset = 0; offset < n_offsets; ++offset) {
      const T* p = state + static_cast<int64_t>(v | row_of[offset]) * 2 * W;
      re[offset] = FlipLanes<T>(Load(p), lane_of[offset]);
      im[offset] = FlipLanes<T>(Load(p + W), lane_of[offset]);
    }
    for (int k = 0; k < n_rows; ++k) {
      V sum_re{}, sum_im{};
      for (int offset = 0; offset < n_offsets; ++offset) {
        const V xr = re[offset ^ k], xi = im[offset ^ k];
        const T* entry = table + (static_cast<int64_t>(k) * n_offsets + offset) * 2 * W;
        const V mr = Load(entry), mi = Load(entry + W);
        sum_re += mr * xr - mi * xi;
        sum_im += mr * xi + mi * xr;
      }
      T* p = state + static_cast<int64_t>(v | row_of[k]) * 2 * W;
      Store(p, sum_re);
      Store(p + W, sum_im);
    }
  }
}

// (P psi)[i] = i^power sign(i) psi[i ^ flip], sign from the parity of i's row bits.
template <class T>
QSTORE_INLINE void PauliRow(const T* psi, int64_t v, uint64_t flip_rows, uint32_t flip_lanes,
                            uint64_t parity_rows, int power, typename Simd<T>::V* re,
                            typename Simd<T>::V* im) {
  typedef typename Simd<T>::V V;
  constexpr int W = Simd<T>::kWidth;
  const T* p = psi + (v ^ static_cast<int64_t>(flip_rows)) * 2 * W;
  V r = FlipLanes<T>(Load(p), flip_lanes), i = FlipLanes<T>(Load(p + W), flip_lanes);
  const int turns = (power + 2 * Parity(static_cast<uint64_t>(v) & parity_rows)) & 3;
  if (turns & 1) {
    const V old = r;
    r = -i;
    i = old;
  }
  *re = turns & 2 ? -r : r;
  *im = turns & 2 ? -i : i;
}

template <class T>
static void PauliExpectation(const T* psi, int64_t begin, int64_t end, uint64_t flip_rows,
                             uint32_t flip_lanes, uint64_t parity_rows, int power, T* out) {
  typedef typename Simd<T>::V V;
  constexpr int W = Simd<T>::kWidth;
  V sum{};
  for (int64_t v = begin; v < end; ++v) {
    V re, im;
    PauliRow(psi, v, flip_rows, flip_lanes, parity_rows, power, &re, &im);
    sum += Load(psi + v * 2 * W) * re + Load(psi + v * 2 * W + W) * im;
  }
  Store(out, Load(out) + sum);
}

template <class T>
static void PauliAccumulate(const T* psi, T* lambda, int64_t begin, int64_t end,
                            uint64_t flip_rows, uint32_t flip_lanes, uint64_t parity_rows,
                            int power, const T* weight) {
  typedef typename Simd<T>::V V;
  constexpr int W = Simd<T>::kWidth;
  const V w = Load(weight);
  for (int64_t v = begin; v < end; ++v) {
    V re, im;
    PauliRow(psi, v, flip_rows, flip_lanes, parity_rows, power, &re, &im);
    T* l = lambda + v * 2 * W;
    Store(l, Load(l) + w * re);
    Store(l + W, Load(l + W) + w * im);
  }
}
