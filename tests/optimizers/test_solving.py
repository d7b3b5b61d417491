"""Metrics of angles that do the same thing: no step along what only rounding tells apart."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from qstore_tf.circuits import UnifiedCircuit, compile_circuit
from qstore_tf.gradients import fubini_study
from qstore_tf.layers import QuantumLayer
from qstore_tf.optimizers import QuantumNaturalGradient
from qstore_tf.optimizers.solving import solve
from qstore_tf.testing.daily import daily_seed


def redundant(rng):
    """A circuit of which every angle turns about the same axis as the one before or after it."""
    n_qubits = int(rng.integers(1, 4))
    circuit = UnifiedCircuit(n_qubits)
    for k in range(int(rng.integers(2, 12))):
        gate, qubit = rng.choice(["RX", "RY", "RZ"]), int(rng.integers(n_qubits))
        circuit.add_gate(gate, qubit, f"a{k}").add_gate(gate, qubit, f"{rng.uniform(0.3, 2)}*b{k}")
        if n_qubits > 1:
            circuit.add_gate("CX", [int(q) for q in rng.permutation(n_qubits)[:2]])
    return circuit


def cases(count):
    """Circuits, angles and their metrics, whose eigenvalues are clearly zero or clearly not."""
    rng = np.random.default_rng([daily_seed(), 7])
    while count:
        circuit = redundant(rng)
        program = compile_circuit(circuit)
        theta = rng.uniform(-3, 3, program.n_theta)
        exact = fubini_study(program, np.zeros((1, 0)), theta, backend="tensorflow").numpy()
        values = np.linalg.eigvalsh(exact)
        zero = values < 1e-12
        if zero.any() and values.max() > 0.1 and (values[~zero] > 1e-2).all():
            count -= 1
            yield circuit, program, theta, exact, rng


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_redundant_angles_take_the_step_of_the_exact_pseudoinverse(dtype):
    for _, program, theta, exact, rng in cases(6):
        row = np.zeros((1, 0), dtype)
        metric = fubini_study(program, row, theta.astype(dtype)).numpy()
        slope = exact @ rng.normal(size=len(theta))
        slope += {"float32": 1e-7, "float64": 1e-16}[dtype] * rng.normal(size=len(theta))
        want = np.linalg.pinv(exact, rcond=1e-9, hermitian=True) @ slope
        # Rounding may make the smallest eigenvalues positive, negative or zero.
        for shift in (0.0, 2e-8, -2e-8) if dtype == "float32" else (0.0, 1e-16, -1e-16):
            moved = metric + shift * np.eye(len(theta), dtype=dtype)
            for damping in (0.0, 1e-9) if dtype == "float32" else (0.0,):
                step, left_out = solve(tf.constant(moved), tf.constant(slope), damping)
                tolerance = {"float32": 1e-3, "float64": 1e-9}[dtype]
                np.testing.assert_allclose(step, want, atol=tolerance * np.abs(want).max())
                assert left_out


@pytest.mark.parametrize("damping", [0.0, 1e-6, 1e-2])
def test_where_nothing_is_lost_the_step_is_that_of_the_matrix(damping):
    rng = np.random.default_rng([daily_seed(), 8])
    for size in (1, 5, 30):
        root = rng.normal(size=(size, 2 * size))
        matrix, vector = root @ root.T / (2 * size), rng.normal(size=size)
        step, left_out = solve(tf.constant(matrix), tf.constant(vector), damping)
        want = np.linalg.solve(matrix + damping * np.eye(size), vector)
        np.testing.assert_allclose(step, want, rtol=1e-6, atol=1e-9)
        assert not left_out


def test_a_metric_that_is_clearly_regular_is_solved_without_its_eigenvalues(monkeypatch):
    def refuse(matrix):
        raise AssertionError("a decomposition ten times as slow, for nothing")

    monkeypatch.setattr(tf.linalg, "eigh", refuse)
    rng = np.random.default_rng([daily_seed(), 9])
    for size in (20, 400):
        basis = np.linalg.qr(rng.normal(size=(size, size)))[0]
        values, vector = rng.uniform(0.02, 0.25, size), rng.normal(size=size)
        matrix = tf.constant((basis * values) @ basis.T, tf.float32)
        step, left_out = solve(matrix, tf.constant(vector), 0.0)
        want = basis @ (basis.T @ vector / values)
        np.testing.assert_allclose(step, want, atol=1e-3 * np.abs(want).max())
        assert not left_out


def test_training_without_regularization_takes_steps_of_sensible_length():
    for circuit, _, theta, _, _ in cases(2):
        layer = QuantumLayer(circuit=circuit, encoding="angle", backend="native")
        rows = np.zeros((1, circuit.n_qubits), "float32")
        model = keras.Sequential([keras.Input((circuit.n_qubits,)), layer])
        layer.theta.assign(theta)
        model.compile(QuantumNaturalGradient(0.1, regularization=0.0), "mse")
        target = np.zeros((1, model.output_shape[-1]))
        model.fit(rows, target, epochs=3, verbose=0)
        assert np.abs(layer.theta.numpy() - theta).max() < 10
