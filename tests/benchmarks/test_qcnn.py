"""The QCNN is the network it says it is."""

import numpy as np
import pytest

from benchmarks.qcnn import build
from qstore_tf.circuits import compile_circuit, reference


@pytest.mark.parametrize("n_qubits", [2, 3, 4, 5, 8, 23])
def test_every_level_has_fifteen_angles_of_convolution_and_six_of_pooling(n_qubits: int) -> None:
    levels, left = 0, n_qubits
    while left > 1:
        levels, left = levels + 1, left - left // 2
    trained = [name for name in build(n_qubits).parameters if not name.startswith("x")]
    assert len(trained) == 21 * levels
    assert {f"x{qubit}" for qubit in range(n_qubits)} <= set(build(n_qubits).parameters)


def test_it_starts_from_a_cluster_state() -> None:
    circuit = build(4)
    zeros = circuit.bind(dict.fromkeys(circuit.parameters, 0.0))
    # With all angles 0 only the CNOTs of the poolings follow: 0 -> 2, 1 -> 3, then 2 -> 3.
    state = reference.state_vector(compile_circuit(zeros))[0]
    expected = np.zeros(16, complex)
    for index in range(16):
        bits = [index >> (3 - qubit) & 1 for qubit in range(4)]
        phase = sum(bits[qubit] * bits[(qubit + 1) % 4] for qubit in range(4))
        bits[2] ^= bits[0]
        bits[3] ^= bits[1]
        bits[3] ^= bits[2]
        expected[int("".join(map(str, bits)), 2)] = (-1) ** phase / 4
    np.testing.assert_allclose(state, expected, atol=1e-6)


def test_its_readout_depends_on_every_input_and_every_angle() -> None:
    import tensorflow as tf

    from qstore_tf.layers import QuantumLayer

    names = [f"x{qubit}" for qubit in range(5)]
    layer = QuantumLayer(circuit=build(5), inputs=names, observables=["IIIIZ"], seed=1)
    inputs = tf.random.stateless_uniform([8, 5], (1, 2), 0.2, 1.5)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = tf.reduce_sum(layer(inputs) * tf.range(1.0, 9.0)[:, None])
    by_inputs, by_angles = tape.gradient(value, [inputs, layer.theta])
    assert np.all(np.abs(by_inputs.numpy()).max(axis=0) > 1e-4)
    # The last pooling's angles on the source, and rotations about what is read, change nothing.
    assert np.count_nonzero(np.abs(by_angles.numpy()) > 1e-5) > 0.7 * layer.theta.shape[0]
