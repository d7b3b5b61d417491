"""The examples of the guides to versions 3.4 and 3.5 that train, with a local IonQ."""

import asyncio

import numpy as np
import pytest

from qstore_tf.compat.v3_5 import (
    QuantumModel,
    QuantumTrainer,
    TrainingConfig,
    create_ionq_backend,
)

RNG = np.random.default_rng(1)


def loader(batches=2, size=10, features=8):
    made = []
    for _ in range(batches):
        x = RNG.normal(size=(size, features)).astype("float32")
        made.append((x, (x[:, 0] > 0).astype("int64")))
    return made


@pytest.mark.slow
def test_the_example_of_the_guide_trains(cloud):
    config = TrainingConfig(
        quantum_sdk="ionq",
        quantum_api_key="a-key",
        quantum_target="simulator",
        learning_rate=0.01,
        batch_size=10,
        epochs=2,
        n_qubits=4,
        circuit_depth=2,
        entanglement="linear",
        optimizer="adam",
        gradient_method="spsa_parallel",
        use_concurrent_submission=True,
        use_native_gates=True,
        enable_smart_caching=True,
        connection_pool_size=5,
        shots_per_circuit=1000,
    )
    backend = create_ionq_backend(config)
    model = QuantumModel(input_dim=8, n_qubits=4, output_dim=2, backend=backend, depth=2)
    trainer = QuantumTrainer(config, backend=backend)
    train = loader()
    history = asyncio.run(trainer.train(model, train, loader(1), verbose=0))
    assert len(history.history["loss"]) == len(history.history["val_loss"]) == 2
    stats = trainer.get_performance_stats()
    # Two epochs of twenty rows, each validated on ten.
    assert stats["total_circuits"] == 2 * 20 + 2 * 10
    assert 0 < stats["avg_batch_time_ms"] < 60_000
    seconds = stats["avg_batch_time_ms"] / 1000 * 6
    assert stats["throughput_circuits_per_sec"] == pytest.approx(60 / seconds)
    assert 0 < stats["cache_hit_rate"] < 1
    assert cloud.jobs()
