"""What a fit with a Router shows in TensorBoard: shares, scores and decisions, from event files."""

import sys
from pathlib import Path

import numpy as np
from tensorflow import keras

import qstore_tf as qs

sys.path.insert(0, str(Path(__file__).parent))
from event_files import read

X = np.random.default_rng(0).normal(size=(6, 2)).astype("float32")


def test_shares_scores_and_decisions_are_written(tmp_path) -> None:
    router = qs.routing.Router(["native", "tensorflow"])
    layer = qs.layers.QuantumLayer(2, depth=1, encoding="angle", observables="Z", backend=router)
    model = keras.Sequential([keras.Input((2,)), layer])
    model.compile("adam", "mse")
    board = qs.callbacks.QuantumTensorBoard(tmp_path, every=1)
    model.fit(X, X, batch_size=3, epochs=2, verbose=0, callbacks=[board])
    charts = read(tmp_path / "train")
    shares = [charts[f"backend_router/share_{name}"] for name in ("native", "tensorflow")]
    for (step, one), (other_step, other) in zip(*shares, strict=True):
        assert step == other_step and abs(float(one) + float(other) - 1) < 1e-6
    assert float(charts["backend_router/batches"][-1][1]) >= 8
    assert all(f"backend_router/{name}" in charts for name in ("changes", "fallbacks", "cost"))
    texts = " ".join(str(value) for _, value in charts["quantum/routing"])
    assert "'native' runs it" in texts and "2 qubits" in texts
    assert len(charts["quantum/routing"]) == len(router.decisions)
