#include "runner.h"

#include <algorithm>

#include "../parallel.h"

namespace qstore {
namespace fast {
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
  const size_t states = Saves() ? plan_.n_saved : plan_.InOnePass() && !backward ? 0 : 1;
  if (kept == nullptr) psi_ = take(&psi_memory_, state * states);
  if (backward) lambda_ = take(&lambda_memory_, Reruns() && plan_.InOnePass() ? 0 : state);
  if (Whole() && plan_.relabels) {
    if (!Saves() || plan_.stages[0].SavesLate()) psi_spare_ = take(&psi_spare_memory_, state);
    if (backward) lambda_spare_ = take(&lambda_spare_memory_, state);
  }
  take(&sample_rows_, static_cast<size_t>(plan_.n_sample_rows) * width);
  take(&scratch_, 3 * plan_.sample_rows.size() * width);
  take(&start_, 2 * width);
  take(&qubits_, 4 * width * plan_.n_qubits);
  take(&ends_, 4 * width * (plan_.n_qubits + 1));
  if (plan_.product_start) {
    const size_t first = static_cast<size_t>(FirstReals());
    take(&cut_qubits_, 4 * width * plan_.FirstBits());
    if (!Whole()) {
      take(&first_tile_, Reruns() ? first * plan_.n_run_saved : first);
      take(&first_spare_, first);
      take(&factors_, 2 * static_cast<size_t>(Factors()));
      if (backward) {
        take(&first_lambda_, first);
        take(&first_work_, first / 2);
      }
    }
  }
  workers_.resize(threads);
  for (Worker& worker : workers_) {
    if (!Whole()) {
      take(&worker.psi, Reruns() ? tile * plan_.n_run_saved : tile);
      take(&worker.psi_spare, tile);
      if (backward) {
        take(&worker.lambda, tile);
        take(&worker.lambda_spare, tile);
        if (plan_.product_start) {
          take(&worker.end, static_cast<size_t>(FirstReals()));
          take(&worker.weights, static_cast<size_t>(RowReals() * Factors()));
        }
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
  const bool whole = plan.Whole();
  const uint64_t spare = plan.relabels ? 2 : 1;
  const uint64_t saved = backward ? static_cast<uint64_t>(std::max(plan.n_saved, 1)) - 1 : 0;
  const uint64_t state = (row << plan.row_bits) * (states * (whole ? spare : 1) + saved);
  const uint64_t copies = backward ? plan.n_run_saved : 1;
  const uint64_t tiles = (row << plan.tile_bits) * (whole ? 1 : 2 * states + copies) +
                         (row << (plan.row_bits - plan.FirstBits()));
  const uint64_t first = whole || !plan.product_start
                             ? 0
                             : (row << plan.FirstBits()) * (copies + 4 + (backward ? threads : 0));
  const uint64_t rows = plan.n_sample_rows + 8 * plan.n_qubits + 8 + plan.sample_rows.size() * 3 +
                        plan.derivatives.size() * threads;
  return state + tiles * (threads + 2) + first + rows * row;
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
  if (Saves() && Whole() && plan_.stages[0].SavesLate()) {
    psi_spare_ = psi_;
    psi_ = psi_spare_memory_.data();
  }
  if (plan_.product_start) {
    ProductState();
  } else {
    Load(call_.batch.initial + (first << plan_.n_qubits), 1, psi_);
  }
  const bool measure = MeasuresInTiles() && !backward_;
  if (measure) ClearSums();
  size_t n = plan_.stages.size();
  // The way back runs the last stage once more.
  if (MeasuresInTiles() && backward_ && Reruns()) --n;
  for (size_t k = plan_.first_stage; k < n; ++k) Run(k, false);
}

template <class T>
void Runner<T>::Resume(int64_t first, int count) {
  Start(first, count);
  if (Saves() && Whole()) psi_ += (plan_.n_saved - 1) * StateReals(plan_);
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
Tile<T> Runner<T>::NewTile() {
  Tile<T> tile{};
  tile.shared = call_.rows.data();
  tile.sample = sample_rows_.data();
  tile.modes = call_.modes.data();
  tile.constants = call_.constants.data();
  tile.diagonals = call_.diagonals.data();
  tile.m = plan_.tile_bits;
  tile.lanes_are_samples = plan_.lane_bits == 0;
  return tile;
}

template <class T>
void Runner<T>::Run(size_t index, bool backward) {
  if (!Whole()) {
    RunTiles(index, backward);
    return;
  }
  const Stage& stage = plan_.stages[index];
  Tile<T> tile = NewTile();
  tile.psi = psi_;
  tile.psi_spare = psi_spare_;
  tile.saved_reals = Saves() ? StateReals(plan_) : 0;
  tile.lambda = lambda_;
  tile.lambda_spare = lambda_spare_;
  tile.work = workers_[0].work.data();
  tile.acc = workers_[0].acc.data();
  const auto run = backward ? kernels_.backward : kernels_.forward;
  run(&tile, stage.ops.data(), static_cast<int>(stage.ops.size()));
  psi_ = tile.psi;
  psi_spare_ = tile.psi_spare;
  lambda_ = tile.lambda;
  lambda_spare_ = tile.lambda_spare;
}

template <class T>
void Runner<T>::LoadLambda(const std::complex<T>* lambda) {
  Load(lambda, 1 / call_.scales.state, lambda_);
}

template <class T>
void Runner<T>::Backward(T* d_inputs, std::complex<T>* d_initial) {
  if (plan_.product_start) StartContraction();
  for (size_t k = plan_.stages.size(); k-- > static_cast<size_t>(plan_.first_stage);) Run(k, true);
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
