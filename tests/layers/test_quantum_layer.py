from typing import Any

import cirq
import numpy as np
import pytest
import sympy
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow import keras

from qstore_tf import UnifiedCircuit
from qstore_tf.circuits import ansatz, compile_circuit, parse_observables, reference
from qstore_tf.circuits.encodings import angle_encoding, basis_encoding, normalized_amplitudes
from qstore_tf.layers import QuantumLayer
from qstore_tf.testing.gradient_agreement import check_gradients
from qstore_tf.testing.layer_test import run_layer_test
from qstore_tf.testing.random_circuits import random_circuit, random_state


def features(width: int, batch: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(batch, width))


def reuploading() -> UnifiedCircuit:
    """Features uploaded twice, between trained rotations; `w` is shared and scaled."""
    circuit = UnifiedCircuit(2)
    for step in range(2):
        for qubit in range(2):
            circuit = circuit.add_gate("RX", qubit, f"2*x{qubit} + 0.1")
            circuit = circuit.add_gate("RY", qubit, f"w{step}")
        circuit = circuit.add_gate("CRZ", [0, 1], "0.5*w")
    return circuit


CASES: dict[str, tuple[dict[str, Any], int, str, int, int]] = {
    # options, input width, dtype, output width, trained angles
    "angle": ({"n_qubits": 3, "depth": 2}, 3, "float32", 3, 12),
    "fewer features": ({"n_qubits": 3}, 2, "float32", 3, 6),
    "qubits from features": ({"observables": "X"}, 4, "float32", 4, 8),
    "amplitude": ({"n_qubits": 3, "encoding": "amplitude"}, 6, "float32", 3, 6),
    "qubits from amplitudes": ({"encoding": "amplitude"}, 5, "float32", 3, 6),
    "basis": ({"n_qubits": 3, "encoding": "basis"}, 3, "float32", 3, 6),
    "state": ({"n_qubits": 3, "depth": 2}, 8, "complex64", 8, 12),
    "qubits from state": ({}, 8, "complex64", 8, 6),
    "no layers": ({"n_qubits": 2, "depth": 0}, 2, "float32", 2, 0),
    "pairs": ({"n_qubits": 3, "entanglement": [(0, 2), (2, 1)]}, 3, "float32", 3, 6),
    "circuit": ({"circuit": reuploading(), "inputs": ["x0", "x1"]}, 2, "float32", 2, 3),
    "circuit behind encoding": (
        {
            "circuit": random_circuit(0, 3, 8, symbols=["a", "b"]),
            "encoding": "amplitude",
            "observables": ["X0", "Y1", "Z2"],
        },
        8,
        "float32",
        3,
        2,
    ),
    "circuit on state": (
        {"circuit": UnifiedCircuit(2).add_gate("RX", 0, "a").add_unitary(np.eye(4)[::-1], [1, 0])},
        4,
        "complex64",
        4,
        1,
    ),
    "float64": ({"n_qubits": 2, "dtype": "float64"}, 2, "float64", 2, 4),
    "parameter shift": ({"n_qubits": 2, "gradient": "parameter_shift"}, 2, "float32", 2, 4),
    "plain TensorFlow": ({"n_qubits": 2, "backend": "tensorflow"}, 2, "float32", 2, 4),
}


@pytest.mark.parametrize("case", CASES)
def test_it_keeps_the_promises_of_a_keras_layer(case: str) -> None:
    options, width, dtype, outputs, n_weights = CASES[case]
    run_layer_test(
        QuantumLayer,
        options,
        input_shape=(4, width),
        input_dtype=dtype,
        expected_output_shape=(4, outputs),
        expected_output_dtype=dtype,
        expected_n_weights=n_weights,
    )


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 999),
    n_qubits=st.integers(1, 4),
    depth=st.integers(0, 2),
    encoding=st.sampled_from(["angle", "basis", "amplitude"]),
    kind=st.sampled_from(sorted(ansatz.ANSATZE)),
    entanglement=st.sampled_from(sorted(ansatz.ENTANGLEMENTS)),
    backend=st.sampled_from(["auto", "tensorflow"]),
)
def test_it_computes_what_the_reference_simulator_computes(
    seed: int,
    n_qubits: int,
    depth: int,
    encoding: str,
    kind: str,
    entanglement: str,
    backend: str,
) -> None:
    width = 2**n_qubits - 1 if encoding == "amplitude" else n_qubits
    x = features(width, seed=seed)
    layer = QuantumLayer(
        n_qubits,
        depth,
        encoding,
        kind,
        entanglement,
        observables=["Z0", "X0 - 0.5"],
        backend=backend,
        dtype="float64",
    )
    value = layer(x).numpy()

    evolution = ansatz.get_ansatz(kind)(n_qubits, depth, entanglement)
    program = compile_circuit(evolution, has_initial=True)
    if encoding == "amplitude":
        initial = normalized_amplitudes(x, n_qubits) + 0j
    else:
        circuit = (angle_encoding if encoding == "angle" else basis_encoding)(n_qubits)
        initial = reference.state_vector(compile_circuit(circuit, circuit.parameters), x)
    theta = np.asarray(layer.theta)
    expected = reference.expectation(
        program, parse_observables(["Z0", "X0 - 0.5"], n_qubits), np.zeros((4, 0)), theta, initial
    )
    np.testing.assert_allclose(value, expected, atol=1e-10)
    assert layer.circuit == evolution


@pytest.mark.parametrize("encoding", ["angle", "amplitude", "basis"])
def test_gradients_of_features_are_those_of_finite_differences(encoding: str) -> None:
    layer = QuantumLayer(3, 1, encoding, observables=["ZZI", "X2"], dtype="float64")
    check_gradients(layer, [features(3)])


def test_gradients_of_states_are_those_of_finite_differences() -> None:
    check_gradients(QuantumLayer(2, 1, dtype="float64"), [random_state(0, 3, 2)])


@pytest.mark.parametrize("gradient", ["adjoint", "parameter_shift"])
def test_gradients_of_a_circuit_of_ones_own_are_those_of_finite_differences(gradient: str) -> None:
    layer = QuantumLayer(
        circuit=reuploading(),
        inputs=["x0", "x1"],
        observables=["ZX", "Y0 + Z1"],
        gradient=gradient,
        dtype="float64",
    )
    layer.build((None, 2))

    def function(x: tf.Tensor, theta: tf.Tensor) -> tf.Tensor:
        # The theta of the layer, as an argument.
        variable = layer.theta
        layer.__dict__["theta"] = theta
        try:
            return layer.call(x)
        finally:
            layer.__dict__["theta"] = variable

    check_gradients(function, [features(2), np.array([0.3, -0.7, 1.9])])


def test_inputs_are_taken_in_the_order_named_and_theta_in_order_of_appearance() -> None:
    names = [f"p{k}" for k in range(12)]
    circuit = UnifiedCircuit(1)
    for name in [*reversed(names), "b", "a"]:
        circuit = circuit.add_gate("RX" if name in "ab" else "RY", 0, name)
    layer = QuantumLayer(circuit=circuit, inputs=["a", "b"], dtype="float64")
    layer.build((None, 2))
    values = np.linspace(0.1, 1.2, 12)
    layer.theta.assign(values)
    x = np.array([[0.4, 0.9]])
    bound = {**dict(zip(reversed(names), values, strict=True)), "a": 0.4, "b": 0.9}
    state = circuit.unitary(bound)[:, 0]
    expected = abs(state[0]) ** 2 - abs(state[1]) ** 2
    np.testing.assert_allclose(layer(x).numpy(), [[expected]], atol=1e-12)


def test_a_cirq_circuit_keeps_its_symbols_and_its_qubits() -> None:
    qubits = cirq.GridQubit.rect(1, 2)
    x, w = sympy.symbols("x w")
    circuit = cirq.Circuit(
        cirq.rx(x)(qubits[0]), cirq.ry(2 * w + 0.5)(qubits[1]), cirq.CNOT(qubits[1], qubits[0])
    )
    observable = cirq.Z(qubits[0]) * cirq.Z(qubits[1])
    layer = QuantumLayer(circuit=circuit, inputs=[x], observables=observable, dtype="float64")
    value = layer(np.array([[0.3]])).numpy()
    resolved = cirq.resolve_parameters(circuit, {"x": 0.3, "w": float(np.asarray(layer.theta)[0])})
    state = resolved.final_state_vector(qubit_order=qubits, dtype=np.complex128)
    signs = np.array([1, -1, -1, 1])
    np.testing.assert_allclose(value, [[np.sum(signs * abs(state) ** 2)]], atol=1e-6)
    assert layer.circuit.parameters == ("x", "w")


def test_changing_the_circuit_afterwards_does_not_change_the_layer() -> None:
    circuit = UnifiedCircuit(1).add_gate("RX", 0, "x")
    layer = QuantumLayer(circuit=circuit, inputs=["x"], dtype="float64")
    circuit.add_gate("X", 0)
    np.testing.assert_allclose(layer(np.zeros((1, 1))), [[1.0]], atol=1e-12)


@pytest.mark.slow
def test_a_dense_layer_in_front_learns() -> None:
    keras.utils.set_random_seed(0)
    x = features(6, batch=64)
    y = np.sign(x[:, :1] + 0.5 * x[:, 1:2])
    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(2), QuantumLayer(2, 1, observables=["Z1"])]
    )
    model.compile(keras.optimizers.Adam(0.05), "mse")
    before = model.layers[0].kernel.numpy()
    losses = model.fit(x, y, epochs=30, verbose=0).history["loss"]
    assert losses[-1] < 0.6 * losses[0]
    assert np.abs(model.layers[0].kernel.numpy() - before).min() > 0


def test_regularizer_and_constraint_act_on_theta() -> None:
    layer = QuantumLayer(
        2,
        theta_initializer="ones",
        theta_regularizer=keras.regularizers.L2(0.5),
        theta_constraint=keras.constraints.NonNeg(),
    )
    layer(np.zeros((1, 2), "float32"))
    np.testing.assert_array_equal(np.asarray(layer.theta), 1)
    np.testing.assert_allclose(sum(layer.losses), 0.5 * 4)
    assert isinstance(layer.get_config()["theta_constraint"], dict)
    revived = QuantumLayer.from_config(layer.get_config())
    assert isinstance(revived.theta_constraint, keras.constraints.NonNeg)


def test_theta_starts_out_within_one_radian_and_follows_the_seed() -> None:
    found = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        layer = QuantumLayer(6, 50)
        layer.build((None, 6))
        found.append(np.asarray(layer.theta))
    np.testing.assert_array_equal(found[0], found[1])
    assert np.any(found[0] != found[2])
    assert 1.0 >= found[0].max() > 0.9 and -1.0 <= found[0].min() < -0.9


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("encoding", ["angle", "amplitude"])
def test_features_that_are_not_finite_come_out_as_nan_in_their_row_only(
    bad: float, encoding: str
) -> None:
    x = features(3).astype("float32")
    x[2, 1] = bad
    value = QuantumLayer(3, 1, encoding, entanglement="full")(x).numpy()
    assert np.all(np.isnan(value[2]) | np.isfinite(value[2]))
    assert np.any(np.isnan(value[2]))
    assert np.all(np.isfinite(np.delete(value, 2, axis=0)))


@pytest.mark.parametrize("dtype", ["int32", "bool", "float16"])
def test_other_numbers_are_cast_to_the_precision_of_the_layer(dtype: str) -> None:
    x = np.array([[0, 1], [1, 1]], dtype)
    layer = QuantumLayer(2, 0, "basis")
    value = layer(tf.constant(x)).numpy()
    assert value.dtype == np.float32
    np.testing.assert_allclose(value, [[1, -1], [-1, -1]], atol=1e-6)


def test_shapes_and_dtypes_are_known_without_running_anything() -> None:
    layer = QuantumLayer(20, depth=1, encoding="amplitude", observables=["Z0", "Z19"])
    assert layer.compute_output_shape((7, 2**20)) == (7, 2)
    assert not layer.built
    state = keras.Input((2**10,), dtype="complex64")
    spec = QuantumLayer(10).compute_output_spec(state)
    assert (spec.shape, spec.dtype) == ((None, 1024), "complex64")
    # 1024 features never fit into 10 angles, so this shape can only be a state.
    assert QuantumLayer(10).compute_output_shape((3, 1024)) == (3, 1024)


def test_whether_xla_may_compile_it_follows_from_the_backend() -> None:
    assert QuantumLayer(2, backend="tensorflow").supports_jit
    x = tf.constant(features(2), tf.float32)
    layer = QuantumLayer(2, backend="tensorflow")
    compiled = tf.function(layer, jit_compile=True)
    np.testing.assert_allclose(compiled(x), layer(x), atol=1e-5)


def test_the_native_layer_opts_out_of_xla_so_that_keras_does_not_compile_it() -> None:
    layer = QuantumLayer(2, backend="native")
    assert not layer.supports_jit
    model = keras.Sequential([keras.Input((2,)), layer, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(features(2), features(1), verbose=0)
