// Diagonal gates and relabellings of the index (CX, X, SWAP), done in one pass, with the lane layer
// that follows where there is one.

template <class T>
QSTORE_INLINE void Shifts(const Tile<T>& tile, const Op& op, uint32_t* row_xor,
                          uint32_t* lane_xor, uint32_t* lane_xor_inverse) {
  *row_xor = *lane_xor = *lane_xor_inverse = 0;
  for (int j = 0; j < op.n_shifts; ++j) {
    if ((tile.base & op.shifts[j].base_bit) == 0) continue;
    *row_xor ^= op.shifts[j].row_xor;
    *lane_xor ^= op.shifts[j].lane_xor;
    *lane_xor_inverse ^= op.shifts[j].lane_xor_inverse;
  }
}

// low: Op::diagonal_low.
template <class T>
QSTORE_INLINE void LoadDiagonal(const T* table, int64_t row, bool scalar, int low,
                                typename Simd<T>::V* re, typename Simd<T>::V* im) {
  typedef typename Simd<T>::V V;
  constexpr int W = Simd<T>::kWidth;
  if (scalar) {
    *re = V{} + table[2 * row];
    *im = V{} + table[2 * row + 1];
  } else if (low == 0) {
    *re = Load(table + row * 2 * W);
    *im = Load(table + row * 2 * W + W);
  } else {
    const T* a = table + (row & ((int64_t{1} << low) - 1)) * 2 * W;
    const T* b = table + ((int64_t{2} * W) << low) + 2 * (row >> low);
    const V ar = Load(a), ai = Load(a + W);
    *re = ar * b[0] - ai * b[1];
    *im = ar * b[1] + ai * b[0];
  }
}

template <class T>
QSTORE_INLINE typename Simd<T>::I LaneMap(const int32_t* base) {
  typename Simd<T>::I map = LaneNumbers<T>();
  if (base != nullptr) {
    for (int l = 0; l < Simd<T>::kWidth; ++l) map[l] = base[l];
  }
  return map;
}

template <class T, bool kScalar>
static void ForwardDiagPermute(Tile<T>& tile, const Op& op, const Op* lane_layer) {
  typedef typename Simd<T>::V V;
  typedef typename Simd<T>::I I;
  typedef typename Simd<T>::Index Index;
  constexpr int W = Simd<T>::kWidth;
  uint32_t row_xor, lane_xor, lane_inverse;
  Shifts(tile, op, &row_xor, &lane_xor, &lane_inverse);
  const I lanes = LaneMap<T>(op.lane_base);
  const bool permute = op.source_row != nullptr, permute_lanes = op.lane_base != nullptr;
  const T* table = op.diagonal >= 0 ? tile.diagonals + op.diagonal : nullptr;
  const bool save = tile.saved_reals != 0 && op.saves;
  T* to = save ? tile.psi + tile.saved_reals : permute ? tile.psi_spare : tile.psi;
  const LaneMixer<T, false> mixer = MakeLaneMixer<T, false>(tile, lane_layer);
  const int64_t rows = int64_t{1} << tile.m;
  for (int64_t v = 0; v < rows; ++v) {
    const int64_t source = permute ? (op.source_row[v] ^ row_xor) : v;
    const T* p = tile.psi + source * 2 * W;
    V re = Load(p), im = Load(p + W);
    if (table != nullptr) {
      V dr, di;
      LoadDiagonal(table, source, kScalar, op.diagonal_low, &dr, &di);
      const V r = re;
      re = dr * r - di * im;
      im = dr * im + di * r;
    }
    if (permute_lanes) {
      const I map = lanes ^ static_cast<Index>(op.lane_xor[v] ^ lane_xor);
      re = Permute(re, map);
      im = Permute(im, map);
    }
    MixLanes(mixer, &re, &im);
    Store(to + v * 2 * W, re);
    Store(to + v * 2 * W + W, im);
  }
  if (!save && permute) tile.psi_spare = tile.psi;
  tile.psi = to;
}

// Adds the derivatives of a merged diagonal's members, given work = Im(conj(lambda) psi), which
// is folded up: one pass gives the signed sums of all single bits.
template <class T>
static void DiagonalDerivatives(const Tile<T>& tile, const DiagonalTerm* terms, int n_terms) {
  typedef typename Simd<T>::V V;
  constexpr int W = Simd<T>::kWidth;
  const uint32_t rows = 1u << tile.m;
  bool fold = false;
  for (int j = 0; j < n_terms; ++j) {
    const uint32_t bits = terms[j].parity | terms[j].controls;
    if (terms[j].acc < 0) continue;
    if ((bits & (bits - 1)) == 0) {
      fold = true;
      continue;
    }
    V sum{};
    for (uint32_t v = 0; v < rows; ++v) {
      if ((v & terms[j].controls) != terms[j].controls) continue;
      const V w = Load(tile.work + static_cast<int64_t>(v) * W);
      sum = Parity(v & terms[j].parity) ? sum - w : sum + w;
    }
    T* acc = tile.acc + static_cast<int64_t>(terms[j].acc) * W;
    Store(acc, Load(acc) + sum);
  }
  if (!fold) return;
  V signed_sum[32];
  for (int b = tile.m - 1; b >= 0; --b) {
    const int64_t half = int64_t{1} << b;
    V sum{};
    for (int64_t v = 0; v < half; ++v) {
      const V low = Load(tile.work + v * W), high = Load(tile.work + (v + half) * W);
      sum += low - high;
      Store(tile.work + v * W, low + high);
    }
    signed_sum[b] = sum;
  }
  const V total = Load(tile.work);
  for (int j = 0; j < n_terms; ++j) {
    const uint32_t bits = terms[j].parity | terms[j].controls;
    if (terms[j].acc < 0 || (bits & (bits - 1)) != 0) continue;
    V sum = total;
    if (bits != 0) {
      const V one = signed_sum[__builtin_ctz(bits)];
      sum = terms[j].parity != 0 ? one : (total - one) * static_cast<T>(0.5);
      if (terms[j].parity != 0 && terms[j].controls != 0) sum = (one - total) * static_cast<T>(0.5);
    }
    T* acc = tile.acc + static_cast<int64_t>(terms[j].acc) * W;
    Store(acc, Load(acc) + sum);
  }
}

template <class T, bool kScalar>
static void BackwardDiagPermute(Tile<T>& tile, const Op& op) {
  typedef typename Simd<T>::V V;
  typedef typename Simd<T>::I I;
  typedef typename Simd<T>::Index Index;
  constexpr int W = Simd<T>::kWidth;
  uint32_t row_xor, lane_xor, lane_inverse;
  Shifts(tile, op, &row_xor, &lane_xor, &lane_inverse);
  const I lanes = LaneMap<T>(op.lane_base_inverse);
  const bool permute = op.source_row != nullptr, permute_lanes = op.lane_base != nullptr;
  const T* table = op.diagonal >= 0 ? tile.diagonals + op.diagonal : nullptr;
  T* to_psi = permute ? tile.psi_spare : tile.psi;
  T* to_lambda = permute ? tile.lambda_spare : tile.lambda;
  const int64_t rows = int64_t{1} << tile.m;
  const bool derive = op.n_terms > 0;
  for (int64_t v = 0; v < rows; ++v) {
    const int64_t source = permute ? (op.source_row[v] ^ row_xor) : v;
    const T* p = tile.psi + v * 2 * W;
    const T* l = tile.lambda + v * 2 * W;
    V pr = Load(p), pi = Load(p + W), lr = Load(l), li = Load(l + W);
    if (permute_lanes) {
      const I map = lanes ^ static_cast<Index>(op.lane_xor_inverse[v] ^ lane_inverse);
      pr = Permute(pr, map);
      pi = Permute(pi, map);
      lr = Permute(lr, map);
      li = Permute(li, map);
    }
    if (table != nullptr) {
      if (derive) Store(tile.work + source * W, lr * pi - li * pr);
      V dr, di;
      LoadDiagonal(table, source, kScalar, op.diagonal_low, &dr, &di);
      V r = pr;
      pr = dr * r + di * pi;
      pi = dr * pi - di * r;
      r = lr;
      lr = dr * r + di * li;
      li = dr * li - di * r;
    }
    Store(to_psi + source * 2 * W, pr);
    Store(to_psi + source * 2 * W + W, pi);
    Store(to_lambda + source * 2 * W, lr);
    Store(to_lambda + source * 2 * W + W, li);
  }
  if (permute) {
    tile.psi_spare = tile.psi;
    tile.psi = to_psi;
    tile.lambda_spare = tile.lambda;
    tile.lambda = to_lambda;
  }
  if (derive) DiagonalDerivatives(tile, op.terms, op.n_terms);
}

// The same where psi is saved from before the op: only lambda is undone. Of the lane layer, the
// derivatives are there already.
template <class T, bool kScalar>
static void BackwardSavedDiagPermute(Tile<T>& tile, const Op& op, const Op* lane_layer) {
  typedef typename Simd<T>::V V;
  typedef typename Simd<T>::I I;
  typedef typename Simd<T>::Index Index;
  constexpr int W = Simd<T>::kWidth;
  uint32_t row_xor, lane_xor, lane_inverse;
  Shifts(tile, op, &row_xor, &lane_xor, &lane_inverse);
  const I lanes = LaneMap<T>(op.lane_base_inverse);
  const bool permute = op.source_row != nullptr, permute_lanes = op.lane_base != nullptr;
  const T* table = op.diagonal >= 0 ? tile.diagonals + op.diagonal : nullptr;
  T* to = permute ? tile.lambda_spare : tile.lambda;
  const LaneMixer<T, true> mixer = MakeLaneMixer<T, true>(tile, lane_layer);
  const int64_t rows = int64_t{1} << tile.m;
  const bool derive = op.n_terms > 0;
  if (op.saves) tile.psi -= tile.saved_reals;
  for (int64_t v = 0; v < rows; ++v) {
    const int64_t source = permute ? (op.source_row[v] ^ row_xor) : v;
    const T* l = tile.lambda + v * 2 * W;
    V lr = Load(l), li = Load(l + W);
    MixLanes(mixer, &lr, &li);
    if (permute_lanes) {
      const I map = lanes ^ static_cast<Index>(op.lane_xor_inverse[v] ^ lane_inverse);
      lr = Permute(lr, map);
      li = Permute(li, map);
    }
    if (table != nullptr) {
      V dr, di;
      LoadDiagonal(table, source, kScalar, op.diagonal_low, &dr, &di);
      const V r = lr;
      lr = dr * r + di * li;
      li = dr * li - di * r;
    }
    if (derive) {
      const T* p = tile.psi + source * 2 * W;
      Store(tile.work + source * W, lr * Load(p + W) - li * Load(p));
    }
    Store(to + source * 2 * W, lr);
    Store(to + source * 2 * W + W, li);
  }
  if (permute) {
    tile.lambda_spare = tile.lambda;
    tile.lambda = to;
  }
  if (derive) DiagonalDerivatives(tile, op.terms, op.n_terms);
}

// psi' = (c - i sign s) psi where the controls are 1.
template <class T, bool kBackward>
static void SingleDiagonal(const Tile<T>& tile, const Op& op) {
  typedef typename Simd<T>::V V;
  constexpr int W = Simd<T>::kWidth;
  if ((tile.base & op.control_base) != op.control_base) return;
  const T* rows_cs = CoefficientRow(tile, op.coef);
  const V c = Load(rows_cs);
  V s = Load(rows_cs + W);
  const bool minus = Parity(tile.base & op.parity_base) != 0;
  if (minus != kBackward) s = -s;
  V sum{};
  const uint32_t rows = 1u << tile.m;
  for (uint32_t v = 0; v < rows; ++v) {
    if ((v & op.control_rows) != op.control_rows) continue;
    const bool odd = Parity(v & op.parity_rows) != 0;
    const V sign_s = odd ? -s : s;
    T* p = tile.psi + static_cast<int64_t>(v) * 2 * W;
    const V pr = Load(p), pi = Load(p + W);
    Store(p, c * pr + sign_s * pi);
    Store(p + W, c * pi - sign_s * pr);
    if (kBackward) {
      T* l = tile.lambda + static_cast<int64_t>(v) * 2 * W;
      const V lr = Load(l), li = Load(l + W);
      const V w = lr * pi - li * pr;
      sum = odd ? sum - w : sum + w;
      Store(l, c * lr + sign_s * li);
      Store(l + W, c * li - sign_s * lr);
    }
  }
  if (kBackward && op.acc >= 0) {
    T* acc = tile.acc + static_cast<int64_t>(op.acc) * W;
    Store(acc, minus ? Load(acc) - sum : Load(acc) + sum);
  }
}
