"""Layers train circuits of other libraries."""

import numpy as np
import pytest
from tensorflow import keras

from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConfigurationError
from qstore_tf.layers import QuantumLayer
from qstore_tf.layers.base import QuantumBase
from qstore_tf.testing.extras import needs_extra


def test_a_qiskit_circuit_is_trained_by_fit_and_saved(tmp_path):
    qiskit = needs_extra("qiskit")
    keras.utils.set_random_seed(0)
    x, w = (qiskit.circuit.ParameterVector(name, 2) for name in ("x", "w"))
    circuit = qiskit.QuantumCircuit(2)
    for qubit in range(2):
        circuit.rx(x[qubit], qubit)
        circuit.ry(2 * w[qubit] + 0.1, qubit)
    circuit.cx(0, 1)
    layer = QuantumLayer(circuit=circuit, inputs=["x[0]", "x[1]"], observables=["IZ"])
    model = keras.Sequential([keras.Input((2,)), layer])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    features = np.random.default_rng(0).uniform(-1, 1, (32, 2)).astype("float32")
    targets = np.cos(features[:, :1])
    history = model.fit(features, targets, epochs=15, verbose=0).history["loss"]
    assert history[-1] < 0.5 * history[0]
    assert layer.circuit.parameters == ("x[0]", "w[0]", "x[1]", "w[1]")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(features), model(features), atol=1e-6)


def test_text_and_tapes_make_the_same_layer_as_the_circuit():
    qml = needs_extra("pennylane")
    needs_extra("openqasm3.parser")
    expected = UnifiedCircuit(2).add_gate("RX", 0, 0.3).add_gate("CX", [0, 1])
    forms = [
        expected.to_json(),
        expected.to_qasm(),
        qml.tape.QuantumScript([qml.RX(0.3, 0), qml.CNOT([0, 1])]),
        'OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; rx(0.3) q[0]; cx q[0], q[1];',
    ]
    for form in forms:
        assert QuantumLayer(circuit=form).circuit == expected


@pytest.mark.parametrize("value", [3, object(), [1]])
def test_what_is_no_circuit_is_refused_with_a_list_of_what_is(value):
    with pytest.raises(ConfigurationError, match="qiskit.QuantumCircuit"):
        QuantumLayer(circuit=value)


@pytest.mark.parametrize("version", ["1", 1.5, True, 0, None])
def test_a_version_that_is_no_number_is_malformed_not_newer(version):
    config = {**QuantumLayer(n_qubits=2).get_config(), "version": version}
    with pytest.raises(ConfigurationError, match="malformed"):
        QuantumLayer.from_config(config)
    assert issubclass(QuantumLayer, QuantumBase)
