"""QuantumTrainer of version 3.5: what each key does, against today's parts by hand."""

import asyncio

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

import qstore_tf as qs
from qstore_tf.compat import v3_5
from qstore_tf.compat.v3_5.backends import backend_of, create_ionq_backend
from qstore_tf.compat.v3_5.trainer import batches, optimizer_of
from qstore_tf.errors import ConfigurationError, InputError
from qstore_tf.ionq.emulator.running import Emulator

X = np.random.default_rng(3).normal(size=(12, 2)).astype("float32")
Y = (X[:, 0] > 0).astype("int64")


def trained(loader=(X, Y), model=None, backend="native", **settings):
    config = v3_5.TrainingConfig(**{"n_qubits": 2, "epochs": 2, "batch_size": 4, **settings})
    model = model or v3_5.QuantumModel(2, 2, 2)
    trainer = v3_5.QuantumTrainer(config, backend=backend)
    return asyncio.run(trainer.train(model, loader, verbose=0)).history, model, trainer


def test_it_is_the_training_that_one_writes_by_hand():
    chunks = [(X[k : k + 4], Y[k : k + 4]) for k in (0, 4, 8)]
    model = v3_5.QuantumModel(2, 2, 2, backend="native", depth=1)
    start = model.keras_model.get_weights()
    history, _, _ = trained(chunks, model, gradient_method="parameter_shift", circuit_depth=1)
    layer = qs.layers.QuantumLayer(2, depth=1, encoding="angle", gradient="parameter_shift")
    by_hand = keras.Sequential([keras.Input((2,)), layer, keras.layers.Dense(2)])
    by_hand.set_weights(start)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    by_hand.compile(keras.optimizers.Adam(0.01), loss)
    expected = by_hand.fit(X, Y, batch_size=4, shuffle=False, epochs=2, verbose=0).history
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spsa_parallel", "parameter_shift", "natural_gradient"])
def test_every_gradient_method_trains(method):
    history, model, _ = trained(gradient_method=method, optimizer="sgd", circuit_depth=1)
    assert np.isfinite(history["loss"]).all()
    layer = model.keras_model.get_layer("quantum")
    assert layer.get_config()["gradient"] is not None
    kind = type(model.keras_model.optimizer).__name__
    assert (kind == "QuantumNaturalGradient") == (method == "natural_gradient")


@pytest.mark.slow
def test_adaptive_keys_are_the_callbacks():
    history, model, _ = trained(
        gradient_method="parameter_shift", epochs=4, adaptive_circuit_depth=True,
        circuit_depth_schedule="linear", min_circuit_depth=1, max_circuit_depth=3,
        adaptive_shot_allocation=True, min_shots=10, base_shots=20, max_shots=40,
        backend="native",
    )  # fmt: skip
    assert history["depth"] == [3, 3, 2, 2]
    assert all(10 <= shots <= 40 for shots in history["shots"])
    assert model.keras_model.get_layer("quantum").circuit_options.depth == 3


@pytest.mark.slow
def test_several_backends_are_a_pool(cloud):
    with Emulator(machine_noise=False) as second:
        config = {
            "enable_multi_backend": True,
            "backend_configs": [
                {"provider": "ionq", "target": "simulator", "api_key": "a"},
                {"provider": "ionq", "simulator": True, "url": second.url, "api_key": "b"},
            ],
        }
        history, _, trainer = trained(backend=None, epochs=1, circuit_depth=1, **config)
    assert np.isfinite(history["loss"]).all()
    assert trainer.backend.name == "pool"
    stats = trainer.backend.arrays.statistics()
    assert len(stats) == 2
    assert all(each["circuits"] > 0 for each in stats.values())


@pytest.mark.slow
def test_an_interrupted_training_goes_on(tmp_path, capsys):
    folder = str(tmp_path / "run")
    kept = {"checkpoint_dir": folder, "checkpoint_interval": 2, "circuit_depth": 1}
    trained(epochs=1, **kept)
    history, _, _ = trained(epochs=3, **kept)
    assert len(history["loss"]) == 3
    assert "goes on from epoch 2" in capsys.readouterr().out


def test_a_second_configuration_keeps_the_weights():
    _, model, _ = trained(epochs=1, circuit_depth=1)
    before = model.keras_model.get_weights()
    other = v3_5.TrainingConfig(n_qubits=2, entanglement="full", circuit_depth=1)
    again = model.for_training(other, "native")
    for one, two in zip(before, again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    with pytest.raises(ConfigurationError, match="another number of layers"):
        model.for_training(other.replace(circuit_depth=2), "native")


def test_loaders_of_every_kind_are_the_same_data():
    chunks = [(X[:4], Y[:4]), (X[4:8], Y[4:8])]
    dataset = tf.data.Dataset.from_tensor_slices((X[:8], Y[:8])).batch(4)
    for loader in (chunks, iter(chunks), (chunk for chunk in chunks), dataset):
        data, kind = batches(loader, 4)
        assert kind == np.int64
        for _ in range(2):  # in every epoch anew
            found = [(np.asarray(x), np.asarray(y)) for x, y in data]
            np.testing.assert_array_equal(np.concatenate([x for x, _ in found]), X[:8])
            np.testing.assert_array_equal(np.concatenate([y for _, y in found]), Y[:8])
    for wrong in ([], [X], tf.data.Dataset.range(3)):
        with pytest.raises(InputError):
            batches(wrong, 4)


@pytest.mark.slow
def test_targets_that_are_no_classes_are_learned_as_numbers():
    history, model, _ = trained((X, X), circuit_depth=1)
    assert "mae" in history
    assert model.predict(X).shape == (12, 2)


def test_models_that_cannot_be():
    with pytest.raises(ConfigurationError, match="at most 4"):
        v3_5.QuantumModel(input_dim=5, n_qubits=2, output_dim=1)
    with pytest.raises(ConfigurationError):
        v3_5.QuantumModel(input_dim=2, n_qubits=2, output_dim=0)
    with pytest.raises(ConfigurationError, match="made from a configuration of version"):
        v3_5.QuantumTrainer(qs.TrainingConfig())
    assert v3_5.QuantumModel(4, 2, 1).encoding == "amplitude"


@pytest.mark.slow
def test_backends_of_configurations():
    config = v3_5.TrainingConfig(
        quantum_target="qpu.forte-1", shots_per_circuit=123, use_native_gates=False,
        connection_pool_size=3, quantum_api_key="secret",
    )  # fmt: skip
    made = create_ionq_backend(config).get_config()
    assert (made["target"], made["shots"], made["gateset"]) == ("qpu.forte-1", 123, "qis")
    assert made["max_in_flight"] == 3
    assert backend_of({"provider": "tensorflow"}).name == "tensorflow"
    with pytest.raises(ConfigurationError, match="no provider") as caught:
        backend_of({"api_key": "secret"})
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="'provider'"):
        backend_of({"providr": "ionq"})
    assert trained(epochs=1, circuit_depth=1)[2].get_performance_stats()["total_circuits"] == 12


def test_no_training_no_numbers():
    trainer = v3_5.QuantumTrainer(v3_5.TrainingConfig(), backend="native")
    assert set(trainer.get_performance_stats().values()) == {0.0}
    assert optimizer_of(v3_5.TrainingConfig(optimizer="sgd", momentum=0.5)).momentum == 0.5
    assert optimizer_of(v3_5.TrainingConfig(weight_decay=0.1)).weight_decay == 0.1
