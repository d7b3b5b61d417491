import numpy as np
import pytest
import tensorflow as tf

from qstore_tf.errors import ConfigurationError, InputError
from qstore_tf.layers import (
    AmplitudeEncoding,
    AngleEncoding,
    ExpectationValue,
    QuantumLayer,
    StateVector,
)
from qstore_tf.testing.gradient_agreement import check_gradients
from qstore_tf.testing.layer_test import run_layer_test
from qstore_tf.testing.random_circuits import random_state


def test_it_keeps_the_promises_of_a_keras_layer() -> None:
    output = run_layer_test(
        StateVector,
        {},
        input_shape=(4, 8),
        input_dtype="complex64",
        expected_output_shape=(4, 8),
        expected_output_dtype="complex64",
        expected_n_weights=0,
    )
    assert output.shape == (4, 8)


def test_a_state_stays_what_it_is() -> None:
    states = random_state(0, 4, 3)
    np.testing.assert_allclose(StateVector(dtype="float64")(states), states, atol=1e-14)


@pytest.mark.parametrize("backend", [None, "native", "tensorflow"])
def test_after_quantum_layers_it_runs_the_circuit(backend: str | None) -> None:
    x = np.random.default_rng(0).normal(size=(3, 3))
    layers = [
        AngleEncoding(3, dtype="float64"),
        QuantumLayer(3, 1, dtype="float64"),
        QuantumLayer(3, 1, dtype="float64"),
    ]

    def states(x: tf.Tensor) -> tf.Tensor:
        for layer in layers:
            x = layer(x)
        return x

    read = StateVector(backend=backend, dtype="float64")
    np.testing.assert_allclose(read(states(x)), states(x), atol=1e-12)
    check_gradients(lambda x: tf.math.real(read(states(x))), [x])


def test_a_traced_chain_is_one_operation() -> None:
    layers = [AngleEncoding(3), QuantumLayer(3, 1), QuantumLayer(3, 2), StateVector()]

    def model(x: tf.Tensor) -> tf.Tensor:
        for layer in layers:
            x = layer(x)
        return x

    model(tf.zeros([1, 3]))
    graph = tf.function(model).get_concrete_function(tf.TensorSpec((None, 3))).graph
    depends, waiting = set(), [graph.outputs[0].op]
    while waiting:
        operation = waiting.pop()
        if operation.name not in depends:
            depends.add(operation.name)
            waiting += [tensor.op for tensor in operation.inputs]
    found = [op.type for op in graph.get_operations() if op.name in depends]
    assert [kind for kind in found if kind.startswith("Qstore")] in (["QstoreState"], [])


def test_quantum_layers_may_follow() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4))
    encode, layer = AmplitudeEncoding(2), QuantumLayer(2, 1)
    measure, read = ExpectationValue("Z"), StateVector()
    np.testing.assert_allclose(
        measure(layer(read(encode(x)))), measure(layer(encode(x))), atol=1e-6
    )


def test_shots_in_front_are_refused_with_what_to_do() -> None:
    state = QuantumLayer(2, 1, shots=10)(AmplitudeEncoding(2)(np.ones((1, 4))))
    with pytest.raises(ConfigurationError, match=r"Sample\(shots"):
        StateVector()(state)


def test_real_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="AmplitudeEncoding"):
        StateVector()(np.ones((2, 8), "float32"))
