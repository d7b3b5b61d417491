"""The run that is attached to a state: one operation, and the same numbers without it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from qstore_tf import backends
from qstore_tf.backends import Backend, Capabilities
from qstore_tf.circuits import PauliSum, Program
from qstore_tf.errors import ConfigurationError, InputError
from qstore_tf.layers import (
    AmplitudeEncoding,
    AngleEncoding,
    ExpectationValue,
    QuantumLayer,
)
from qstore_tf.layers.run import run_of
from qstore_tf.testing.gradient_agreement import check_gradients_agree


class Counting(Backend):
    """The plain simulator as hardware looks: no states, no gradients, and it counts its runs."""

    name = "counting"
    capabilities = Capabilities(
        state_vector=False, exact=True, adjoint=False, dtypes=("float32", "float64")
    )

    def __init__(self) -> None:
        self.runs: list[tuple[int, bool]] = []

    def expectation(
        self,
        program: Program,
        observables: Sequence[PauliSum],
        inputs: Any,
        theta: Any,
        initial_state: Any = None,
        *,
        seed: Any = None,
    ) -> tf.Tensor:
        self.runs.append((len(program.gates), initial_state is not None))
        return backends.get("tensorflow").expectation(program, observables, inputs, theta)

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


class Forward(Counting):
    """A simulator with states but without gradients."""

    name = "forward"
    capabilities = Capabilities(
        state_vector=True, exact=True, adjoint=False, dtypes=("float32", "float64")
    )

    def state_vector(
        self, program: Program, inputs: Any, theta: Any, initial_state: Any = None
    ) -> tf.Tensor:
        return backends.get("tensorflow").state_vector(program, inputs, theta, initial_state)


def features(width: int, batch: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(batch, width))


def with_theta(layer: QuantumLayer, width: int, seed: int = 1, **options: Any) -> QuantumLayer:
    layer.build((None, width), **options)
    layer.theta.assign(np.random.default_rng(seed).uniform(-3, 3, size=layer.theta.shape))
    return layer


FRONTS = {
    "amplitude": (AmplitudeEncoding, 5),
    "angle": (AngleEncoding, 3),
}


@pytest.mark.parametrize("backend", ["native", "tensorflow"])
@pytest.mark.parametrize("encoding", FRONTS)
@pytest.mark.parametrize("gradient", ["adjoint", "parameter_shift"])
@pytest.mark.parametrize("fuse", [True, False])
def test_both_ways_of_writing_a_model_are_the_same_function(
    backend: str, encoding: str, gradient: str, fuse: bool
) -> None:
    kind, width = FRONTS[encoding]
    options = {"backend": backend, "gradient": gradient, "dtype": "float64"}
    one = with_theta(QuantumLayer(3, 2, encoding=encoding, **options), width)
    many = with_theta(QuantumLayer(3, 2, **options), 8)
    encode = kind(3, dtype="float64")
    measure = ExpectationValue("Z", fuse=fuse, dtype="float64")

    def in_layers(x: tf.Tensor) -> tf.Tensor:
        return measure(many(encode(x)))

    x = features(width)
    np.testing.assert_allclose(in_layers(x), one(x), atol=1e-12)
    check_gradients_agree({"one": one, "many": in_layers}, [x], atol=1e-9)


def test_gradients_of_theta_agree_between_fused_and_unfused_chains() -> None:
    x = tf.constant(features(5))
    layers = [
        AmplitudeEncoding(3, dtype="float64"),
        with_theta(QuantumLayer(3, 1, dtype="float64"), 8),
        with_theta(QuantumLayer(3, 2, entanglement="full", dtype="float64"), 8, seed=2),
    ]
    found = []
    for fuse in (True, False):
        with tf.GradientTape() as tape:
            state = x
            for layer in layers:
                state = layer(state)
            value = ExpectationValue(["ZZI", "X0 + Y2"], fuse=fuse, dtype="float64")(state)
        weights = [weight for layer in layers for weight in layer.trainable_weights]
        variables = [getattr(weight, "value", weight) for weight in weights]
        found.append([g.numpy() for g in tape.gradient(value, variables)])
    for fused, unfused in zip(*found, strict=True):
        np.testing.assert_allclose(fused, unfused, atol=1e-12)


def names_in(graph: tf.Graph, fetches: Sequence[tf.Tensor]) -> list[str]:
    """Types of the operations that the fetches depend on."""
    seen: dict[str, str] = {}
    waiting = [tensor.op for tensor in fetches]
    while waiting:
        operation = waiting.pop()
        if operation.name not in seen:
            seen[operation.name] = operation.type
            waiting += [tensor.op for tensor in operation.inputs] + list(operation.control_inputs)
    return [kind for kind in seen.values() if kind.startswith("Qstore")]


@pytest.mark.skipif(
    backends.available()["native"] is not None, reason="counts the operations of the native library"
)
def test_a_traced_model_runs_as_one_operation() -> None:
    model = keras.Sequential(
        [
            keras.Input((5,)),
            AngleEncoding(5),
            QuantumLayer(5, 2),
            QuantumLayer(5, 1),
            ExpectationValue("Z"),
        ]
    )
    concrete = tf.function(lambda x: model(x)).get_concrete_function(
        tf.TensorSpec((None, 5), tf.float32)
    )
    assert names_in(concrete.graph, concrete.outputs) == ["QstoreExpectation"]


@pytest.mark.parametrize("traced", [False, True])
def test_operations_in_between_are_respected(traced: bool) -> None:
    encode, measure = AmplitudeEncoding(2), ExpectationValue("X")

    def model(x: tf.Tensor) -> tf.Tensor:
        state = encode(x)
        # Z on qubit 0 by hand; the run that is attached to `state` does not know.
        return measure(state * tf.constant([1.0, 1.0, -1.0, -1.0], tf.complex64))

    x = tf.constant(features(4), tf.float32)
    value = (tf.function(model) if traced else model)(x)
    plain = measure(encode(x))
    np.testing.assert_allclose(value, plain * [-1.0, 1.0], atol=1e-6)


def test_the_state_does_not_keep_itself_alive() -> None:
    import gc
    import weakref

    gc.collect()
    gc.disable()
    try:
        state = AmplitudeEncoding(2, dtype="float64")(features(4) + 0j)
        watch = weakref.ref(run_of(state))
        del state
        assert watch() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("encoding", FRONTS)
def test_a_backend_without_states_runs_the_whole_circuit(encoding: str) -> None:
    kind, width = FRONTS[encoding]
    backend = Counting()
    model = keras.Sequential(
        [
            keras.Input((width,), dtype="float64"),
            kind(3, dtype="float64"),
            with_theta(QuantumLayer(3, 1, backend=backend, dtype="float64"), 8),
            ExpectationValue("Z", dtype="float64"),
        ]
    )
    expected = with_theta(QuantumLayer(3, 1, encoding=encoding, dtype="float64"), width)
    x = features(width)
    np.testing.assert_allclose(model(x), expected(x), atol=1e-9)
    assert len(backend.runs) == 1
    assert not backend.runs[0][1]
    single = with_theta(
        QuantumLayer(3, 1, encoding=encoding, backend=backend, dtype="float64"), width
    )
    check_gradients_agree({"states": expected, "no states": single, "model": model}, [x], atol=1e-8)
    assert not any(initial for _, initial in backend.runs)


def test_a_backend_without_states_says_how_to_write_the_model_where_the_circuit_is_lost() -> None:
    layer = QuantumLayer(2, 1, backend=Counting())
    with pytest.raises(InputError, match=r"QuantumLayer\(.*encoding="):
        layer(np.array([[1, 0, 0, 0]], "complex64"))
    with pytest.raises(InputError, match=r"QuantumLayer\(.*encoding="):
        ExpectationValue("Z", backend=Counting())(np.array([[1, 0, 0, 0]], "complex64"))
    shown = layer(AmplitudeEncoding(2)(np.eye(4)))
    assert np.all(np.isnan(shown.numpy()))


@pytest.mark.parametrize("encoding", FRONTS)
def test_a_backend_whose_states_have_no_gradient_trains_by_parameter_shift(encoding: str) -> None:
    kind, width = FRONTS[encoding]
    layer = with_theta(QuantumLayer(3, 1, backend=Forward(), dtype="float64"), 8)
    expected = with_theta(QuantumLayer(3, 1, encoding=encoding, dtype="float64"), width)
    encode = kind(3, dtype="float64")
    measure = ExpectationValue("Z", dtype="float64")
    x = features(width)
    state = layer(encode(x))
    simulated = with_theta(QuantumLayer(3, 1, dtype="float64"), 8)(encode(x))
    np.testing.assert_allclose(state, simulated, atol=1e-12)
    check_gradients_agree(
        {"states": expected, "no gradients": lambda x: measure(layer(encode(x)))}, [x], atol=1e-8
    )
    with tf.GradientTape() as tape, pytest.raises(ConfigurationError, match="ExpectationValue"):
        tape.gradient(tf.math.real(layer(encode(x))), layer.trainable_variables)
