"""Every wrong option and input is one error that names what is wrong and what to do."""

from typing import Any

import cirq
import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from qstore_tf import UnifiedCircuit
from qstore_tf.errors import (
    ConfigurationError,
    ConversionError,
    InputError,
    MemoryLimitError,
    ObservableError,
)
from qstore_tf.layers import AmplitudeEncoding, ExpectationValue, QuantumLayer

CIRCUIT = UnifiedCircuit(2).add_gate("RX", 0, "x0").add_gate("RY", 1, "w")

OPTIONS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"encoding": "angel"}, ConfigurationError, "Did you mean 'angle'"),
    ({"encoding": 3}, ConfigurationError, "encoding"),
    ({"ansatz": "hardware_eficient"}, ConfigurationError, "Did you mean 'hardware_efficient'"),
    ({"entanglement": "liner"}, ConfigurationError, "Did you mean 'linear'"),
    ({"n_qubits": None, "entanglement": "liner"}, ConfigurationError, "Did you mean 'linear'"),
    ({"entanglement": [(0, 4)]}, ConfigurationError, r"\(0, 4\)"),
    ({"entanglement": [(1, 1)]}, ConfigurationError, "two different qubits"),
    ({"entanglement": [(0, 1, 2)]}, ConfigurationError, "pair"),
    ({"entanglement": 5}, ConfigurationError, "entanglement"),
    ({"backend": "nativ"}, ConfigurationError, "Did you mean 'native'"),
    ({"backend": 7}, ConfigurationError, "backend"),
    ({"gradient": "ajoint"}, ConfigurationError, "Did you mean 'adjoint'"),
    ({"gradient": 7}, ConfigurationError, "gradient"),
    ({"n_qubits": 0}, ConfigurationError, "n_qubits"),
    ({"n_qubits": 2.0}, ConfigurationError, "n_qubits"),
    ({"depth": -1}, ConfigurationError, "depth"),
    ({"n_qubits": None, "depth": -1}, ConfigurationError, "depth"),
    ({"n_qubits": 60}, MemoryLimitError, "iB"),
    ({"observables": "Z4"}, ObservableError, "qubit 4.*0 to 3"),
    ({"observables": "ZZZ"}, ObservableError, "letters"),
    ({"observables": [cirq.Z] * 3}, ObservableError, "4"),
    ({"observables": cirq.Z(cirq.LineQubit(9))}, ObservableError, "qubit 9"),
    ({"observables": []}, ObservableError, "observable"),
    ({"observables": "Q"}, ObservableError, "cannot be read"),
    ({"observables": 3}, ObservableError, "cannot be read"),
    ({"observables": 1j * cirq.Z(cirq.LineQubit(0))}, ObservableError, "real"),
    ({"inputs": ["x0"]}, ConfigurationError, "`circuit`"),
    ({"circuit": "RX"}, ConversionError, "OPENQASM 2.0"),
    ({"circuit": 3}, ConfigurationError, "cirq.Circuit"),
    ({"circuit": CIRCUIT}, ConfigurationError, "n_qubits=2"),
    ({"n_qubits": 2, "circuit": CIRCUIT, "inputs": ["xO"]}, ConfigurationError, "'x0'"),
    ({"n_qubits": 2, "circuit": CIRCUIT, "inputs": ["x0", "x0"]}, ConfigurationError, "twice"),
    ({"n_qubits": 2, "circuit": CIRCUIT, "depth": 3}, ConfigurationError, "depth"),
    (
        {"n_qubits": 2, "circuit": CIRCUIT, "inputs": ["x0"], "encoding": "angle"},
        ConfigurationError,
        "`encoding`",
    ),
]


@pytest.mark.parametrize(("options", "error", "message"), OPTIONS, ids=str)
def test_wrong_options_fail_at_construction(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        QuantumLayer(**{"n_qubits": 4, **options})


SHAPES: list[tuple[dict[str, Any], tuple[int | None, ...], str]] = [
    ({"n_qubits": 4}, (None, 5), r"5 features.* 4 qubits.*n_qubits=5"),
    ({"n_qubits": 4, "encoding": "basis"}, (None, 7), r"7 features"),
    ({"n_qubits": 4, "encoding": "amplitude"}, (None, 17), r"17 features.*2\^4 = 16.*n_qubits=5"),
    ({"n_qubits": 4}, (None, 0), "0 features"),
    ({"n_qubits": 4}, (None, 8, 8), r"shape \(None, 8, 8\).*Flatten"),
    ({"n_qubits": 4}, (None,), "one row per sample"),
    ({"n_qubits": 4}, (None, None), r"Input\(\(64,\)\)"),
    ({"circuit": CIRCUIT, "inputs": ["x0"]}, (None, 2), r"2 features.*1 inputs"),
    ({"circuit": CIRCUIT}, (None, 2), "inputs="),
]


@pytest.mark.parametrize(("options", "shape", "message"), SHAPES, ids=str)
def test_wrong_shapes_fail_when_the_layer_is_built_and_before_anything_runs(
    options: dict[str, Any], shape: tuple[int | None, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        QuantumLayer(**options).build(shape)
    if None not in shape[1:]:
        with pytest.raises(InputError, match=message):
            QuantumLayer(**options)(keras.Input(shape[1:]))


def test_a_built_layer_refuses_more_features_than_it_has_qubits() -> None:
    layer = QuantumLayer(3)
    layer(np.zeros((2, 3), "float32"))
    with pytest.raises(InputError, match="4 features"):
        layer(np.zeros((2, 4), "float32"))


def test_a_state_of_another_size_is_refused() -> None:
    with pytest.raises(InputError, match=r"complex \[batch, 8\].*3 qubits"):
        QuantumLayer(3)(AmplitudeEncoding(2)(np.ones((2, 4), "float32")))


def test_a_circuit_with_inputs_does_not_take_a_state() -> None:
    layer = QuantumLayer(circuit=CIRCUIT, inputs=["x0"])
    with pytest.raises(InputError, match="Feed the features"):
        layer(AmplitudeEncoding(2)(np.ones((2, 4), "float32")))


def test_a_float64_tensor_in_a_float32_layer_is_an_error_but_an_array_is_cast() -> None:
    layer = QuantumLayer(2)
    x = np.random.default_rng(0).normal(size=(3, 2))
    for wrong in (tf.constant(x), keras.Input((2,), dtype="float64")):
        with pytest.raises(InputError, match="float32.*float64.*dtype='float64'"):
            layer(wrong)
    assert layer(x).dtype == tf.float32
    assert layer(x.tolist()).dtype == tf.float32
    assert QuantumLayer(2, dtype="float64")(tf.constant(x, tf.float32)).dtype == tf.float64


def test_states_of_mixed_precision_are_refused() -> None:
    state = AmplitudeEncoding(2, dtype="float64")(np.ones((2, 4)))
    for layer in (QuantumLayer(2), ExpectationValue("Z")):
        with pytest.raises(InputError, match="complex128"):
            layer(state)


def test_strings_are_refused() -> None:
    with pytest.raises(InputError, match="string"):
        QuantumLayer(2)(tf.constant([["a", "b"]]))


def test_the_circuit_of_a_layer_that_is_not_built_asks_for_the_number_of_qubits() -> None:
    with pytest.raises(ConfigurationError, match="n_qubits"):
        _ = QuantumLayer().circuit


def test_qubits_found_from_too_many_features_fail_for_memory() -> None:
    with pytest.raises(MemoryLimitError):
        QuantumLayer().build((None, 64))


def test_a_saved_options_mapping_with_an_unknown_backend_names_the_near_match() -> None:
    config = {**QuantumLayer(2).get_config(), "backend": {"name": "tensorfow", "options": {}}}
    with pytest.raises(ConfigurationError, match="tensorflow"):
        QuantumLayer.from_config(config)


def test_lists_are_read_and_several_inputs_are_refused() -> None:
    layer = QuantumLayer(2)
    expected = layer(np.array([[0.1, 0.2], [0.3, 0.4]]))
    rows = [tf.constant([0.1, 0.2]), tf.constant([0.3, 0.4])]
    np.testing.assert_allclose(layer(rows), expected, atol=1e-6)
    np.testing.assert_allclose(layer(((0.1, 0.2), (0.3, 0.4))), expected, atol=1e-6)
    ragged = tf.ragged.constant([[0.1, 0.2], [0.3]])
    for wrong in (ragged, [keras.Input((2,)), keras.Input((2,))], {"x": rows[0]}):
        with pytest.raises(InputError, match="one dense tensor.*Concatenate"):
            layer(wrong)


@pytest.mark.parametrize(
    ("n_qubits", "error", "message"),
    [
        (2_000, MemoryLimitError, "does not fit into memory"),
        (100_000, ConfigurationError, "too many qubits.*QSTORE_MAX_QUBITS"),
        (10**9, ConfigurationError, "too many qubits.*QSTORE_MAX_QUBITS"),
    ],
)
def test_absurd_numbers_of_qubits_fail_at_once(
    n_qubits: int, error: type[Exception], message: str
) -> None:
    for make in (QuantumLayer, AmplitudeEncoding):
        with pytest.raises(error, match=message):
            make(n_qubits=n_qubits)


@pytest.mark.parametrize("dtype", ["int32", "complex64", "bool"])
def test_a_layer_does_not_compute_in_what_is_not_a_real_floating_type(dtype: str) -> None:
    with pytest.raises(ConfigurationError, match=f"cannot compute in {dtype}.*float64"):
        QuantumLayer(n_qubits=2, dtype=dtype)


def test_errors_keep_their_type_where_the_user_traces_a_function_of_their_own() -> None:
    layer = QuantumLayer(n_qubits=2)
    layer(np.zeros((1, 2), "float32"))
    traced = tf.function(lambda x: layer(x))

    @tf.function
    def step(x: tf.Tensor) -> tf.Tensor:
        return layer(x)

    for function in (traced, step):
        with pytest.raises(InputError, match="3 features do not fit"):
            function(tf.zeros((1, 3)))


def test_measuring_what_is_no_power_of_two_wide_says_so() -> None:
    with pytest.raises(InputError, match="power of two.*width 3.*AmplitudeEncoding"):
        ExpectationValue()(np.zeros((2, 3), "complex64"))


def test_rows_of_different_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="one dense tensor.*every row of one length"):
        QuantumLayer(n_qubits=2)([[1.0, 2.0], [1.0]])
