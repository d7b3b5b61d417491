#include "runner.h"

#include <algorithm>

#include "../parallel.h"

namespace qstore {
namespace fast {
namespace {

// Mostly asked of 0, where lanes are samples; the baseline instruction set has no population count.
bool Odd(uint64_t mask) { return mask != 0 && (__builtin_popcountll(mask) & 1) != 0; }

int CountY(const PauliTerm& term) {
  return __builtin_popcountll(term.x_mask & term.z_mask);
}

// P moves i^(3 Y) out of the sign that the kernels take from the parity of the target's index.
int PowerOfI(const PauliTerm& term) { return (3 * CountY(term)) & 3; }

}  // namespace

template <class T>
Call<T>::Call(const Program& p, const Plan& l, const Kernels<T>& k, const Batch<T>& b)
    : program(p),
      plan(l),
      kernels(k),
      batch(b),
      theta_angles(ThetaAngles(l, b.theta)),
      rows(static_cast<size_t>(l.n_shared_rows) * l.options.width),
      diagonals(static_cast<size_t>(l.diagonal_reals)),
      constants(l.constants.size()),
      modes(l.n_shared_rows),
      scales(FillShared(l, k, theta_angles, rows.data(), diagonals.data(), modes.data())) {
  for (size_t j = 0; j < plan.constants.size(); ++j) {
    constants.data()[j] = static_cast<T>(plan.constants[j]);
  }
}

template <class T>
Runner<T>::Runner(const Call<T>& call, int threads, bool backward, T* kept)
    : call_(call),
      plan_(call.plan),
      kernels_(call.kernels),
      threads_(threads),
      backward_(backward),
      kept_(kept) {
  const size_t width = static_cast<size_t>(Lanes());
  const size_t state = static_cast<size_t>(StateReals(plan_));
  const size_t tile = static_cast<size_t>(ChunkReals());
  const auto take = [&](Buffer<T>* buffer, size_t size) {
    *buffer = Buffer<T>(size);
    return buffer->data();
  };
  if (kept == nullptr) psi_ = take(&psi_memory_, Saves() ? state * plan_.n_saved : state);
  if (backward) lambda_ = take(&lambda_memory_, state);
  if (Whole() && plan_.relabels) {
    if (!Saves() || SavesLate()) psi_spare_ = take(&psi_spare_memory_, state);
    if (backward) lambda_spare_ = take(&lambda_spare_memory_, state);
  }
  take(&sample_rows_, static_cast<size_t>(plan_.n_sample_rows) * width);
  take(&scratch_, 3 * plan_.sample_rows.size() * width);
  take(&start_, 2 * width);
  take(&qubits_, 4 * width * plan_.n_qubits);
  take(&ends_, 4 * width * (plan_.n_qubits + 1));
  if (!Whole() && plan_.product_start) {
    take(&low_, tile);
    take(&first_tile_, tile);
  }
  workers_.resize(threads);
  for (Worker& worker : workers_) {
    if (!Whole()) {
      take(&worker.psi, tile);
      take(&worker.psi_spare, tile);
      if (backward) {
        take(&worker.lambda, tile);
        take(&worker.lambda_spare, tile);
      }
    }
    take(&worker.work, tile / 2);
    if (backward) {
      const size_t rows = plan_.derivatives.size() * width;
      take(&worker.acc, rows);
      std::fill_n(worker.acc.data(), rows, T(0));
    }
  }
  d_theta_.assign(call.program.n_theta, 0.0);
}

template <class T>
uint64_t Runner<T>::Bytes(const Plan& plan, int threads, bool backward) {
  const uint64_t row = 2 * sizeof(T) * static_cast<uint64_t>(plan.options.width);
  const uint64_t states = backward ? 2 : 1;
  const bool whole = plan.tile_bits == plan.row_bits;
  const uint64_t spare = plan.relabels ? 2 : 1;
  const uint64_t saved = backward ? static_cast<uint64_t>(plan.n_saved) - 1 : 0;
  const uint64_t state = (row << plan.row_bits) * (states * (whole ? spare : 1) + saved);
  const uint64_t tiles = (row << plan.tile_bits) * (whole ? 1 : 1 + 2 * states);
  const uint64_t rows = plan.n_sample_rows + 8 * plan.n_qubits + 8 + plan.sample_rows.size() * 3 +
                        plan.derivatives.size() * threads;
  return state + tiles * (threads + 2) + rows * row;
}

template <class T>
void Runner<T>::Split(int64_t n, const std::function<void(int64_t, int64_t, Worker&)>& body) {
  if (threads_ == 1) {
    body(0, n, workers_[0]);
    return;
  }
  ParallelFor(threads_, n, [&](int64_t begin, int64_t end, int worker) {
    body(begin, end, workers_[worker]);
  });
}

template <class T>
void Runner<T>::Start(int64_t first, int count) {
  first_ = first;
  count_ = count;
  const int n_inputs = call_.program.n_inputs;
  FillSample(plan_, kernels_, call_.theta_angles, call_.batch.inputs + first * n_inputs, n_inputs,
             count, scratch_.data(), sample_rows_.data());
  if (plan_.product_start) ProductFactors();
  if (kept_ != nullptr) {
    psi_ = kept_ + first / (plan_.lane_bits > 0 ? 1 : Lanes()) * SavedReals(plan_);
  } else if (Saves()) {
    psi_ = psi_memory_.data();
  }
}

template <class T>
void Runner<T>::Forward(int64_t first, int count) {
  Start(first, count);
  if (Saves() && SavesLate()) {
    psi_spare_ = psi_;
    psi_ = psi_spare_memory_.data();
  }
  if (plan_.product_start) {
    ProductState();
  } else {
    Load(call_.batch.initial + (first << plan_.n_qubits), 1, psi_);
  }
  for (const Stage& stage : plan_.stages) Run(stage, false);
}

template <class T>
void Runner<T>::Resume(int64_t first, int count) {
  Start(first, count);
  if (Saves()) psi_ += (plan_.n_saved - 1) * StateReals(plan_);
}

template <class T>
void Runner<T>::Load(const std::complex<T>* in, double factor, T* state) {
  const T scale = static_cast<T>(factor);
  const int64_t width = Lanes(), size = int64_t{1} << plan_.n_qubits;
  if (plan_.lane_bits > 0) {
    Split(size / width, [&](int64_t begin, int64_t end, Worker&) {
      for (int64_t v = begin; v < end; ++v) {
        for (int64_t l = 0; l < width; ++l) {
          state[v * 2 * width + l] = scale * in[v * width + l].real();
          state[v * 2 * width + width + l] = scale * in[v * width + l].imag();
        }
      }
    });
    return;
  }
  for (int64_t l = 0; l < width; ++l) {
    for (int64_t v = 0; v < size; ++v) {
      const std::complex<T> value = l < count_ ? scale * in[l * size + v] : std::complex<T>(0);
      state[v * 2 * width + l] = value.real();
      state[v * 2 * width + width + l] = value.imag();
    }
  }
}

template <class T>
void Runner<T>::Store(const T* state, double factor, std::complex<T>* out) const {
  const T scale = static_cast<T>(factor);
  const int64_t width = Lanes(), size = int64_t{1} << plan_.n_qubits;
  if (plan_.lane_bits > 0) {
    for (int64_t v = 0; v < size / width; ++v) {
      for (int64_t l = 0; l < width; ++l) {
        out[v * width + l] = {scale * state[v * 2 * width + l],
                              scale * state[v * 2 * width + width + l]};
      }
    }
    return;
  }
  for (int64_t l = 0; l < count_; ++l) {
    for (int64_t v = 0; v < size; ++v) {
      out[l * size + v] = {scale * state[v * 2 * width + l],
                              scale * state[v * 2 * width + width + l]};
    }
  }
}

template <class T>
void Runner<T>::Run(const Stage& stage, bool backward) {
  const int64_t row = RowReals();
  Tile<T> tile{};
  tile.shared = call_.rows.data();
  tile.sample = sample_rows_.data();
  tile.modes = call_.modes.data();
  tile.constants = call_.constants.data();
  tile.diagonals = call_.diagonals.data();
  tile.m = static_cast<int>(stage.tile_bits.size());
  tile.lanes_are_samples = plan_.lane_bits == 0;
  const int n_ops = static_cast<int>(stage.ops.size());
  const auto run = [&](Tile<T>* t) {
    if (backward) {
      kernels_.backward(t, stage.ops.data(), n_ops);
    } else {
      kernels_.forward(t, stage.ops.data(), n_ops);
    }
  };
  if (Whole()) {
    tile.psi = psi_;
    tile.psi_spare = psi_spare_;
    tile.saved_reals = Saves() ? StateReals(plan_) : 0;
    tile.lambda = lambda_;
    tile.lambda_spare = lambda_spare_;
    tile.work = workers_[0].work.data();
    tile.acc = workers_[0].acc.data();
    run(&tile);
    psi_ = tile.psi;
    psi_spare_ = tile.psi_spare;
    lambda_ = tile.lambda;
    lambda_spare_ = tile.lambda_spare;
    return;
  }
  const int64_t rows = int64_t{1} << tile.m;
  const int64_t* offsets = stage.offsets.data();
  const bool first = &stage == plan_.stages.data();
  Split(Chunks(), [&](int64_t begin, int64_t end, Worker& worker) {
    for (int64_t k = begin; k < end; ++k) {
      int64_t base = 0;
      for (size_t j = 0; j < stage.other_bits.size(); ++j) {
        base |= ((k >> j) & 1) << stage.other_bits[j];
      }
      Tile<T> own = tile;
      own.base = static_cast<uint64_t>(base) << plan_.lane_bits;
      own.psi = worker.psi.data();
      own.psi_spare = worker.psi_spare.data();
      own.lambda = worker.lambda.data();
      own.lambda_spare = worker.lambda_spare.data();
      own.work = worker.work.data();
      own.acc = worker.acc.data();
      T* psi = psi_ + base * row;
      T* lambda = backward ? lambda_ + base * row : nullptr;
      if (first && !backward && plan_.product_start) {
        const std::complex<double> h = OtherProduct(stage, k);
        kernels_.scale(first_tile_.data(), own.psi, rows, static_cast<T>(h.real()),
                       static_cast<T>(h.imag()));
      } else {
        kernels_.gather(psi, offsets, rows, own.psi);
      }
      if (backward) kernels_.gather(lambda, offsets, rows, own.lambda);
      run(&own);
      // Back at the start nothing asks for psi any more.
      if (!first || !backward) kernels_.scatter(own.psi, offsets, rows, psi);
      if (backward) kernels_.scatter(own.lambda, offsets, rows, lambda);
    }
  });
}

template <class T>
void Runner<T>::Expectations(T* out) {
  const int64_t width = Lanes();
  const size_t n_observables = plan_.observables.size();
  const bool samples = plan_.lane_bits == 0;
  const uint64_t lane_mask = (uint64_t{1} << plan_.lane_bits) - 1;
  const uint64_t tile_rows = uint64_t{1} << plan_.tile_bits;
  const size_t n_sums = n_observables * (samples ? width : 1);
  bool diagonal = false;
  for (Worker& worker : workers_) worker.sums.assign(n_sums, 0.0);
  const auto add = [&](const T* row, const PauliTerm& term, double coef, double* sums) {
    for (int64_t l = 0; l < width; ++l) {
      const double value = coef * static_cast<double>(row[l]);
      sums[samples ? l : 0] += Odd(static_cast<uint64_t>(l) & lane_mask & term.z_mask) ? -value : value;
    }
  };
  for (size_t k = 0; k < n_observables; ++k) {
    for (const PauliTerm& term : plan_.observables[k].terms) {
      diagonal = diagonal || term.x_mask == 0;
      if (term.x_mask == 0) continue;
      Split(int64_t{1} << plan_.row_bits, [&](int64_t begin, int64_t end, Worker& worker) {
        T* row = worker.work.data();
        std::fill_n(row, width, T(0));
        kernels_.pauli_expectation(psi_, begin, end, term.x_mask >> plan_.lane_bits,
                                   static_cast<uint32_t>(term.x_mask & lane_mask),
                                   term.z_mask >> plan_.lane_bits, PowerOfI(term), row);
        add(row, term, term.coef, worker.sums.data() + k * (samples ? width : 1));
      });
    }
  }
  if (diagonal) {
    Split(Chunks(), [&](int64_t begin, int64_t end, Worker& worker) {
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        kernels_.spectrum(psi_ + chunk * ChunkReals(), worker.work.data(), plan_.tile_bits);
        for (size_t k = 0; k < n_observables; ++k) {
          for (const PauliTerm& term : plan_.observables[k].terms) {
            if (term.x_mask != 0) continue;
            const uint64_t z_rows = term.z_mask >> plan_.lane_bits;
            const bool odd = Odd(static_cast<uint64_t>(chunk) & (z_rows >> plan_.tile_bits));
            add(worker.work.data() + static_cast<int64_t>(z_rows & (tile_rows - 1)) * width, term,
                odd ? -term.coef : term.coef, worker.sums.data() + k * (samples ? width : 1));
          }
        }
      }
    });
  }
  const double squared = call_.scales.state * call_.scales.state;
  for (int b = 0; b < count_; ++b) {
    for (size_t k = 0; k < n_observables; ++k) {
      double sum = 0;
      for (const Worker& worker : workers_) sum += worker.sums[samples ? k * width + b : k];
      out[b * n_observables + k] = static_cast<T>(sum * squared);
    }
  }
}

template <class T>
void Runner<T>::WeighObservables(const T* grad) {
  const int64_t width = Lanes();
  const size_t n_observables = plan_.observables.size();
  const bool samples = plan_.lane_bits == 0;
  const uint64_t lane_mask = (uint64_t{1} << plan_.lane_bits) - 1;
  const uint64_t tile_rows = uint64_t{1} << plan_.tile_bits;
  const auto add = [&](const PauliTerm& term, size_t k, double coef, T* row) {
    for (int64_t l = 0; l < width; ++l) {
      if (samples && l >= count_) break;
      const T g = grad[(samples ? l : 0) * static_cast<int64_t>(n_observables) +
                       static_cast<int64_t>(k)];
      const T value = static_cast<T>(2 * coef) * g;
      row[l] += Odd(static_cast<uint64_t>(l) & lane_mask & term.z_mask) ? -value : value;
    }
  };
  Split(Chunks(), [&](int64_t begin, int64_t end, Worker& worker) {
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      std::fill_n(worker.work.data(), width << plan_.tile_bits, T(0));
      for (size_t k = 0; k < n_observables; ++k) {
        for (const PauliTerm& term : plan_.observables[k].terms) {
          if (term.x_mask != 0) continue;
          const uint64_t z_rows = term.z_mask >> plan_.lane_bits;
          const bool odd = Odd(static_cast<uint64_t>(chunk) & (z_rows >> plan_.tile_bits));
          add(term, k, odd ? -term.coef : term.coef,
              worker.work.data() + static_cast<int64_t>(z_rows & (tile_rows - 1)) * width);
        }
      }
      kernels_.weigh(psi_ + chunk * ChunkReals(), lambda_ + chunk * ChunkReals(),
                     worker.work.data(), plan_.tile_bits);
    }
  });
  for (size_t k = 0; k < n_observables; ++k) {
    for (const PauliTerm& term : plan_.observables[k].terms) {
      if (term.x_mask == 0) continue;
      T* weight = start_.data();
      std::fill_n(weight, width, T(0));
      add(term, k, term.coef, weight);
      Split(int64_t{1} << plan_.row_bits, [&](int64_t begin, int64_t end, Worker&) {
        kernels_.pauli_accumulate(psi_, lambda_, begin, end, term.x_mask >> plan_.lane_bits,
                                  static_cast<uint32_t>(term.x_mask & lane_mask),
                                  term.z_mask >> plan_.lane_bits, PowerOfI(term), weight);
      });
    }
  }
}

template <class T>
void Runner<T>::LoadLambda(const std::complex<T>* lambda) {
  Load(lambda, 1 / call_.scales.state, lambda_);
}

template <class T>
void Runner<T>::Backward(T* d_inputs, std::complex<T>* d_initial) {
  for (size_t k = plan_.stages.size(); k-- > 0;) Run(plan_.stages[k], true);
  if (d_initial != nullptr && !plan_.product_start) {
    Store(lambda_, call_.scales.start, d_initial);
  }
  if (plan_.product_start) ProductEnd();
  for (Worker& worker : workers_) {
    AddDerivatives(plan_, call_.scales, worker.acc.data(), true, count_, call_.program.n_inputs, d_theta_.data(),
                   d_inputs);
    for (size_t k = 0; k < plan_.derivatives.size(); ++k) {
      if (!plan_.angle_varies[plan_.derivatives[k].angle]) continue;
      std::fill_n(worker.acc.data() + static_cast<int64_t>(k) * Lanes(), Lanes(), T(0));
    }
  }
}

template <class T>
void Runner<T>::AddTheta(double* d_theta) {
  for (Worker& worker : workers_) {
    AddDerivatives(plan_, call_.scales, worker.acc.data(), false, 0, 0, d_theta_.data(),
                   static_cast<T*>(nullptr));
  }
  for (size_t j = 0; j < d_theta_.size(); ++j) d_theta[j] += d_theta_[j];
}

template class Runner<float>;
template class Runner<double>;
template struct Call<float>;
template struct Call<double>;

}  // namespace fast
}  // namespace qstore
