// A stage over a state that is cut into tiles: each is fetched, changed and put back. What happens
// to a state before its first stage and after its last one happens to the tiles while they are in
// the caches.
#include <utility>

#include "runner.h"

namespace qstore {
namespace fast {

template <class T>
void Runner<T>::RunTiles(size_t index, bool backward) {
  Split(Chunks(), [&](int64_t begin, int64_t end, Worker& worker) {
    for (int64_t tile = begin; tile < end; ++tile) {
      if (backward) {
        BackwardTile(index, tile, &worker);
      } else {
        ForwardTile(index, tile, &worker);
      }
    }
  });
}

// With psi from where the stage begins, else from where it ended.
template <class T>
Tile<T> Runner<T>::FetchTile(size_t index, int64_t tile, bool begins, Worker* worker) {
  const Stage& stage = plan_.stages[index];
  const int64_t rows = int64_t{1} << plan_.tile_bits;
  Tile<T> own = NewTile();
  own.base = static_cast<uint64_t>(stage.Base(tile)) << plan_.lane_bits;
  own.psi = worker->psi.data();
  own.psi_spare = worker->psi_spare.data();
  own.lambda = worker->lambda.data();
  own.lambda_spare = worker->lambda_spare.data();
  own.work = worker->work.data();
  own.acc = worker->acc.data();
  if (Reruns() && backward_ && stage.SavesLate()) std::swap(own.psi, own.psi_spare);
  if (begins && BeginsAsProduct(index)) {
    ExpandTile(stage, tile, own.psi);
  } else {
    kernels_.gather(Input(index) + stage.Base(tile) * RowReals(), stage.offsets.data(), rows,
                    own.psi);
  }
  return own;
}

template <class T>
void Runner<T>::ForwardTile(size_t index, int64_t tile, Worker* worker) {
  const Stage& stage = plan_.stages[index];
  Tile<T> own = FetchTile(index, tile, true, worker);
  kernels_.forward(&own, stage.ops.data(), static_cast<int>(stage.ops.size()));
  if (MeasuresInTiles() && index + 1 == plan_.stages.size()) {
    if (!backward_) MeasureTile(tile, own.psi, worker);
    if (Reruns() || (!backward_ && kept_ == nullptr)) return;
  }
  kernels_.scatter(own.psi, stage.offsets.data(), int64_t{1} << plan_.tile_bits,
                   Input(index + 1) + stage.Base(tile) * RowReals());
}

template <class T>
void Runner<T>::BackwardTile(size_t index, int64_t tile, Worker* worker) {
  const Stage& stage = plan_.stages[index];
  const int n_ops = static_cast<int>(stage.ops.size());
  const int64_t rows = int64_t{1} << plan_.tile_bits, at = stage.Base(tile) * RowReals();
  Tile<T> own = FetchTile(index, tile, Reruns(), worker);
  if (Reruns()) {
    own.saved_reals = ChunkReals();
    kernels_.forward(&own, stage.ops.data(), n_ops);
  }
  if (MeasuresInTiles() && index + 1 == plan_.stages.size()) {
    WeighTile(tile, own.psi, own.lambda, worker);
  } else {
    kernels_.gather(lambda_ + at, stage.offsets.data(), rows, own.lambda);
  }
  kernels_.backward(&own, stage.ops.data(), n_ops);
  // Back at the start nothing asks for psi any more.
  if (!Reruns() && !BeginsAsProduct(index)) {
    kernels_.scatter(own.psi, stage.offsets.data(), rows, psi_ + at);
  }
  if (BeginsAsProduct(index)) {
    ContractTile(stage, tile, own.lambda, worker);
  } else {
    kernels_.scatter(own.lambda, stage.offsets.data(), rows, lambda_ + at);
  }
}

template void Runner<float>::RunTiles(size_t, bool);
template void Runner<double>::RunTiles(size_t, bool);

}  // namespace fast
}  // namespace qstore
