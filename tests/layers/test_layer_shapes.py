"""Shapes, specs and `build` of every layer accept what `call` accepts, and say what it returns."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from qstore_tf import UnifiedCircuit, layers
from qstore_tf.errors import QstoreError
from qstore_tf.testing.daily import daily_seed

TWO = UnifiedCircuit(2).add_gate("RX", 0, "a").add_gate("RY", 1, "b")
FOUR = TWO.copy().add_gate("RX", 0, "c").add_gate("RX", 1, "d")

CASES: list[tuple[str, dict[str, Any]]] = [
    ("AmplitudeEncoding", {"n_qubits": 2}),
    ("AngleEncoding", {"n_qubits": 3, "dtype": "float64"}),
    ("ExpectationValue", {}),
    ("ExpectationValue", {"observables": "ZI", "dtype": "float64"}),
    ("Probabilities", {}),
    ("QuantumLayer", {}),
    ("QuantumLayer", {"n_qubits": 2, "shots": 5}),
    ("QuantumLayer", {"n_qubits": 2, "encoding": "amplitude", "dtype": "float64"}),
    ("QuantumLayer", {"encoding": "amplitude", "observables": "ZI"}),
    ("QuantumLayer", {"n_qubits": 3, "encoding": "basis"}),
    ("QuantumLayer", {"circuit": TWO, "inputs": ["a"]}),
    ("QuantumLayer", {"circuit": FOUR, "inputs": ["a", "b", "c", "d"]}),
    ("QuantumLayer", {"circuit": TWO}),
    ("Sample", {"shots": 3}),
    ("StateVector", {}),
    ("Unitary", {}),
]
SHAPES: list[tuple[int, ...]] = [
    *((3, width) for width in (0, 1, 2, 3, 4, 5, 8)),
    *((), (3,), (3, 2, 2), (3, 1, 4)),
]
FLOATING = ["float32", "float64", "complex64", "complex128"]
DTYPES = [*FLOATING, "float16", "int32", "bool", "string"]
# Of all pairs so many for each case, others every day.
DRAWN = 15


def data(name: str, shape: tuple[int, ...], dtype: str) -> tf.Tensor:
    if dtype == "string":
        return tf.fill(shape, "a")
    value = tf.cast(tf.ones(shape), dtype)
    n_qubits = {2: 1, 4: 2, 8: 3}.get(shape[-1] if len(shape) == 2 else 0)
    if name == "Unitary" and value.dtype.is_complex and n_qubits:
        # It takes nothing but what a quantum layer returns.
        return layers.QuantumLayer(n_qubits, dtype=value.dtype.real_dtype.name)(value)
    return value


def answer(ask: Any, *arguments: Any) -> Any:
    """What a call returns, or None where it is refused; other errors are failures."""
    try:
        return ask(*arguments)
    except QstoreError:
        return None


def called(layer: Any, value: tf.Tensor) -> Any:
    found = layer(value)
    return tuple(found.shape[1:]), found.dtype.name


def described(found: Any) -> Any:
    return tuple(found.shape[1:]), tf.as_dtype(found.dtype).name


def specified(layer: Any, symbol: Any) -> Any:
    return described(layer.compute_output_spec(symbol))


def symbolic(layer: Any, symbol: Any) -> Any:
    return described(layer(symbol))


def computed(layer: Any, shape: tuple[int | None, ...]) -> Any:
    return tuple(layer.compute_output_shape(shape)[1:])


def computed_once_built(layer: Any, shape: tuple[int | None, ...]) -> Any:
    layer.build(shape)
    return computed(layer, shape)


def open_shape(shape: tuple[int, ...]) -> tuple[int | None, ...]:
    return (None, *shape[1:]) if shape else ()


def test_the_cases_name_every_public_layer() -> None:
    assert {name for name, _ in CASES} == set(layers.__all__)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"), CASES, ids=[f"{k}-{case[0]}" for k, case in enumerate(CASES)]
)
def test_they_agree(name: str, options: dict[str, Any]) -> None:
    def new() -> Any:
        return getattr(layers, name)(**options)

    rng = np.random.default_rng([daily_seed(), 11])
    pairs = [(shape, dtype) for shape in SHAPES for dtype in DTYPES]
    built = None
    for place in rng.permutation(len(pairs))[:DRAWN]:
        shape, dtype = pairs[place]
        symbol = keras.KerasTensor(open_shape(shape), dtype=dtype)
        value = data(name, shape, dtype)
        layer = new()
        want = answer(called, layer, value)
        assert answer(specified, new(), symbol) == want, pairs[place]
        assert answer(symbolic, new(), symbol) == want, pairs[place]
        if built is not None:  # a layer that is built answers for what else it may be fed
            want = answer(called, built, value)
            assert answer(specified, built, symbol) == want, pairs[place]
        elif want is not None:
            built = layer


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"), CASES, ids=[f"{k}-{case[0]}" for k, case in enumerate(CASES)]
)
def test_shapes_alone_agree(name: str, options: dict[str, Any]) -> None:
    """A shape can be that of features and of states: it is taken where one of them is.

    Before a layer knows its number of qubits, shapes are those of features.
    """

    def new() -> Any:
        return getattr(layers, name)(**options)

    for shape in SHAPES:
        real, states = [], []
        for dtype in FLOATING:
            value = data(name, shape, dtype)
            found = answer(called, new(), value)
            if found is not None:
                (states if value.dtype.is_complex else real).append(found[0])
        if name == "QuantumLayer" and new().n_qubits is None:
            states = []
        want = (real or states or [None])[0]
        assert answer(computed, new(), open_shape(shape)) == want, shape
        assert answer(computed_once_built, new(), open_shape(shape)) == want, shape
