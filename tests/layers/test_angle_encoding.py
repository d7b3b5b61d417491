import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits import compile_circuit, reference
from qstore_tf.circuits.encodings import angle_encoding
from qstore_tf.errors import ConfigurationError, InputError
from qstore_tf.layers import AngleEncoding
from qstore_tf.testing.gradient_agreement import check_gradients
from qstore_tf.testing.layer_test import run_layer_test


@pytest.mark.parametrize("width", [1, 3])
def test_it_keeps_the_promises_of_a_keras_layer(width: int) -> None:
    run_layer_test(
        AngleEncoding,
        {"n_qubits": 3, "axis": "y"},
        input_shape=(4, width),
        expected_output_shape=(4, 8),
        expected_output_dtype="complex64",
        expected_n_weights=0,
    )


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 999), n_qubits=st.integers(1, 4), axis=st.sampled_from("xyzXYZ"))
def test_it_prepares_the_state_of_its_circuit(seed: int, n_qubits: int, axis: str) -> None:
    features = np.random.default_rng(seed).uniform(-4, 4, size=(3, n_qubits))
    state = AngleEncoding(n_qubits, axis, dtype="float64")(features).numpy()
    circuit = angle_encoding(n_qubits, axis.lower())
    program = compile_circuit(circuit, inputs=circuit.parameters)
    np.testing.assert_allclose(state, reference.state_vector(program, features), atol=1e-12)


def test_qubits_without_a_feature_stay_in_the_ground_state() -> None:
    state = AngleEncoding(3, dtype="float64")(np.array([[0.3]])).numpy()
    expected = np.zeros((1, 8), complex)
    expected[0, [0, 4]] = np.cos(0.15), -1j * np.sin(0.15)
    np.testing.assert_allclose(state, expected, atol=1e-12)


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_gradients_are_those_of_finite_differences(axis: str) -> None:
    layer = AngleEncoding(2, axis, dtype="float64")
    check_gradients(layer, [np.random.default_rng(0).normal(size=(3, 2))])


def test_an_unknown_axis_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'x', 'y' or 'z'"):
        AngleEncoding(2, axis="w")


def test_too_many_features_name_both_numbers() -> None:
    with pytest.raises(InputError, match=r"5 features.* 4 qubits"):
        AngleEncoding(4)(np.zeros((2, 5)))


def test_complex_features_are_refused() -> None:
    with pytest.raises(InputError, match="complex64"):
        AngleEncoding(4)(np.zeros((2, 4), complex))
