"""What only the Qulacs backend has: parametric circuits that are built once."""

import numpy as np
import pytest
import tensorflow as tf

from qstore_tf import backends
from qstore_tf.circuits import compile_circuit, parse_observables
from qstore_tf.circuits.primitives import Angle, Phase
from qstore_tf.circuits.program import Program
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.testing.random_circuits import random_program, random_values

pytest.importorskip("qulacs")


def test_a_program_is_built_once(monkeypatch):
    import qulacs

    built = []
    make = qulacs.ParametricQuantumCircuit
    monkeypatch.setattr(qulacs, "ParametricQuantumCircuit", lambda n: built.append(n) or make(n))
    circuit = UnifiedCircuit(2).add_gate("RX", 0, "x").add_gate("CX", [0, 1]).add_gate("RY", 1, "a")
    program = compile_circuit(circuit, inputs=["x"])
    backend, sums = backends.get("qulacs"), parse_observables("Z", 2)
    for step in range(3):
        backend.expectation(program, sums, np.full((5, 1), step / 10), np.array([0.3]))
    assert built == [2, 2]  # forward and inverse


@pytest.mark.parametrize("seed", range(3))
def test_gradients_of_large_states_equal_those_of_the_native_backend(seed):
    program = random_program(seed, 10, 60, 2, 3)
    inputs, theta, _ = random_values(seed, program, 2)
    inputs, theta = tf.constant(inputs), tf.constant(theta)
    found = []
    for name in ("qulacs", "native"):
        with tf.GradientTape() as tape:
            tape.watch([inputs, theta])
            values = backends.get(name).expectation(
                program, parse_observables("Y", 10), inputs, theta
            )
        found.append(tape.gradient(values, [inputs, theta]))
    for mine, other in zip(*found, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-9)


def test_a_phase_under_many_controls_is_exact():
    program = Program(7, 0, 1, True, (Phase(Angle(0.1, (("t", 0, 1.0),)), tuple(range(7))),))
    state = np.full((1, 128), 1 / np.sqrt(128), np.complex128)
    theta = tf.constant([0.6], tf.float64)
    found = backends.get("qulacs").state_vector(program, np.zeros((1, 0)), theta, state)
    expected = state.copy()
    expected[0, -1] *= np.exp(0.7j)
    np.testing.assert_allclose(found, expected, atol=1e-14)


def test_qulacs_takes_no_options():
    with pytest.raises(ValueError, match="does not take these options"):
        backends.get("qulacs", num_threads=2)
