"""What is TensorFlow Quantum's alone: circuits written once, what it lacks named."""

import numpy as np
import pytest
import tensorflow as tf

from qstore_tf import backends
from qstore_tf.circuits import UnifiedCircuit, compile_circuit, parse_observables
from qstore_tf.errors import ConfigurationError

tfq = pytest.importorskip("tensorflow_quantum")
pytestmark = pytest.mark.tfq

CIRCUIT = UnifiedCircuit(2).add_gate("RX", 0, "x").add_gate("CRZ", [0, 1], "2*t + x")
PROGRAM = compile_circuit(CIRCUIT.add_gate("H", 1), inputs=["x"])
Z = parse_observables("Z", 2)


def test_a_circuit_is_serialized_once(monkeypatch):
    from qstore_tf.backends import tfq as module

    module._serialized.cache_clear()
    calls, convert = [], tfq.convert_to_tensor
    monkeypatch.setattr(tfq, "convert_to_tensor", lambda *a: calls.append(a) or convert(*a))
    backend = backends.get("tfq")
    for step in range(3):
        backend.expectation(PROGRAM, Z, tf.fill([5, 1], float(step)), tf.constant([0.1]))
    assert len(calls) <= 1 + len(Z)


def test_states_have_no_gradient_and_say_so():
    backend, x = backends.get("tfq"), tf.constant([[0.5]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(backend.probabilities(PROGRAM, x, [0.1]))
    with pytest.raises(ConfigurationError, match="no gradients of states.*backend='native'"):
        tape.gradient(loss, x)


def test_a_matrix_that_cannot_be_decomposed_is_named(monkeypatch):
    from qstore_tf.backends import tfq as module

    monkeypatch.setattr(module, "_decomposed", lambda matrix, n: None)
    circuit = UnifiedCircuit(3).add_gate("H", 0).add_unitary(np.eye(8)[::-1], [0, 1, 2])
    with pytest.raises(ConfigurationError, match=r"gate 2 .*Unitary on qubits \(0, 1, 2\)"):
        backends.get("tfq").check(compile_circuit(circuit))


def test_samples_in_pieces_are_those_of_the_whole_batch():
    x = tf.reshape(tf.linspace(0.0, 3.0, 7), [7, 1])
    whole = backends.get("tfq").sample(PROGRAM, x, [0.1], shots=30, seed=[1, 2])
    pieces = backends.get("tfq", max_rows=3).sample(PROGRAM, x, [0.1], shots=30, seed=[1, 2])
    np.testing.assert_array_equal(whole, pieces)
