"""A circuit that takes no features: a model of rows without any, trained, saved and reloaded."""

import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

import qstore_tf
from qstore_tf import backends
from qstore_tf.backends.registry import SERVICES
from qstore_tf.circuits import ansatz, parse_observables
from qstore_tf.errors import InputError
from qstore_tf.layers import ExpectationValue, QuantumLayer, StateVector
from qstore_tf.testing.daily import daily_seed

# H2 at 0.735 A in two qubits (parity mapping), its nuclear repulsion left out; in Hartree.
ENERGY = "-1.052373 + 0.397937 Z0 - 0.397937 Z1 - 0.011280 Z0 Z1 + 0.180931 X0 X1"
NOTHING = np.zeros((1, 0))
NAMES = [n for n, why in sorted(backends.available().items()) if why is None and n not in SERVICES]


def layer(**options: object) -> QuantumLayer:
    circuit = ansatz.hardware_efficient(2, 2)
    return QuantumLayer(circuit=circuit, observables=[ENERGY], **options)


def ground_energy() -> float:
    terms = parse_observables([ENERGY], 2)[0].terms
    matrix = sum(term.coefficient * _kron(dict(term.paulis)) for term in terms)
    return float(np.linalg.eigvalsh(matrix)[0])


def _kron(paulis: dict[int, str]) -> np.ndarray:
    single = {"I": np.eye(2), "X": np.array([[0, 1], [1, 0]]), "Z": np.diag([1, -1])}
    return np.kron(single[paulis.get(0, "I")], single[paulis.get(1, "I")])


@pytest.mark.slow
def test_fit_finds_the_ground_state_and_the_model_comes_back(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((0,)), layer()])
    model.compile(keras.optimizers.Adam(0.1), loss=lambda target, energy: energy - target)
    model.fit(NOTHING, np.zeros((1, 1)), epochs=150, verbose=0)
    found = model.predict(NOTHING, verbose=0)
    np.testing.assert_allclose(found, [[ground_energy()]], atol=1e-3)
    model.save(tmp_path / "vqe.keras")
    loaded = keras.models.load_model(tmp_path / "vqe.keras", compile=False)
    np.testing.assert_array_equal(loaded.predict(NOTHING, verbose=0), found)
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "served"))
    np.testing.assert_allclose(served.serve(np.zeros((3, 0), "float32")), [found[0]] * 3, atol=1e-5)


@pytest.mark.parametrize("shots", [None, 4000])
def test_every_backend_takes_rows_of_no_features(shots: int | None) -> None:
    theta = np.random.default_rng(daily_seed()).uniform(-1, 1, 8)
    found = {}
    for name in NAMES:
        made = layer(backend=name, shots=shots, seed=1)
        made.build((None, 0))
        made.theta.assign(theta)
        with tf.GradientTape() as tape:
            values = made(np.zeros((2, 0)))
            loss = tf.reduce_sum(values)
        gradient = tape.gradient(loss, made.trainable_variables)[0]
        found[name] = np.concatenate([values[:, 0], gradient])
    for values in found.values():
        np.testing.assert_allclose(values, found["tensorflow"], atol=5e-3 if shots is None else 0.2)


def test_rows_of_no_features_are_the_ground_state() -> None:
    made = layer()
    value = made(np.zeros((2, 0)))
    state = made(np.eye(4, dtype="complex64")[[0, 0]])
    np.testing.assert_allclose(ExpectationValue([ENERGY])(state), value, atol=1e-6)
    assert StateVector()(state).shape == (2, 4)


def test_layers_with_features_refuse_rows_without() -> None:
    for encoding in ("angle", "amplitude"):
        with pytest.raises(InputError, match="0 features") as refused:
            QuantumLayer(2, encoding=encoding)(NOTHING)
        # What the error advises works.
        circuit = re.search(r"circuit=(qstore_tf\..*?\))\)", str(refused.value))[1]
        advised = QuantumLayer(circuit=eval(circuit, {"qstore_tf": qstore_tf}))
        assert advised(NOTHING).shape == (1, 2)
    with pytest.raises(InputError, match=r"\[batch, 0\]"):
        layer()(np.zeros((1, 3)))
