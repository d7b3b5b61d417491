"""Every wrong argument gets one clear error, before the op where it can be seen there."""

import numpy as np
import pytest
import tensorflow as tf

from qstore_tf import memory
from qstore_tf.circuits import compile_circuit, parse_observables
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import InputError, MemoryLimitError, ObservableError
from qstore_tf.ops import native, plain
from qstore_tf.ops.inputs import prepare
from qstore_tf.testing import random_circuits as rc

MODULES = pytest.mark.parametrize("ops", [plain, native], ids=["plain", "native"])
CIRCUIT = UnifiedCircuit(2).add_gate("RX", 0, "x").add_gate("RY", 1, "y").add_gate("RZ", 1, "a")
PROGRAM = compile_circuit(CIRCUIT, inputs=["x", "y"])
STARTED = compile_circuit(CIRCUIT, inputs=["x", "y"], has_initial=True)
Z = parse_observables("Z0", 2)
X, THETA = np.zeros((3, 2), np.float32), np.zeros(1, np.float32)
STATE = np.eye(4, dtype=np.complex64)[:3]


@MODULES
@pytest.mark.parametrize(
    ("inputs", "theta", "words"),
    [
        (X[0], THETA, ["`inputs`", "[B, 2]", "[2]"]),
        (X[None], THETA, ["`inputs`", "[B, 2]", "[1, 3, 2]"]),
        (np.zeros((3, 5), np.float32), THETA, ["`inputs`", "[B, 2]", "[3, 5]"]),
        (X, np.zeros(4, np.float32), ["`theta`", "[1]", "[4]"]),
        (X, np.zeros((1, 1), np.float32), ["`theta`", "[1]", "[1, 1]"]),
        (X.astype(np.float64), THETA, ["different dtypes", "float64", "float32", "tf.cast"]),
        (X.astype(np.complex64), THETA, ["`inputs`", "float32 or float64", "complex64"]),
        (X.astype(np.float16), THETA, ["`inputs`", "float32 or float64", "float16"]),
        ([[1.0], [1.0, 2.0]], THETA, ["`inputs`", "rectangular"]),
    ],
)
def test_wrong_values_are_named_with_what_was_expected(ops, inputs, theta, words):
    for call in (
        lambda: ops.expectation(PROGRAM, Z, inputs, theta),
        lambda: ops.state_vector(PROGRAM, inputs, theta),
    ):
        with pytest.raises(InputError) as error:
            call()
        for word in words:
            assert word in str(error.value)


@MODULES
@pytest.mark.parametrize(
    ("program", "state", "words"),
    [
        (PROGRAM, STATE, ["starts from |0...0>"]),
        (STARTED, None, ["none was given", "[B, 4]"]),
        (STARTED, STATE[:, :2], ["`initial_state`", "[3, 4]", "[3, 2]"]),
        (STARTED, STATE[:2], ["`initial_state`", "[3, 4]", "[2, 4]"]),
        (STARTED, STATE.astype(np.complex128), ["precision", "complex64", "complex128"]),
        (STARTED, STATE.real, ["not complex", "float32"]),
    ],
)
def test_wrong_initial_states_are_named_with_what_was_expected(ops, program, state, words):
    with pytest.raises(InputError) as error:
        ops.expectation(program, Z, X, THETA, state)
    for word in words:
        assert word in str(error.value)


@MODULES
def test_lists_and_integers_take_the_precision_of_the_other_argument(ops):
    values = ops.expectation(PROGRAM, Z, [[0, 1], [2, 3]], np.zeros(1))
    assert values.dtype == tf.float64
    assert ops.expectation(PROGRAM, Z, np.zeros((2, 2), int), [0.5]).dtype == tf.float32
    assert prepare(PROGRAM, X, [1])[1].dtype == tf.float32


@MODULES
def test_observables_have_to_fit(ops):
    with pytest.raises(ObservableError, match="at least one"):
        ops.expectation(PROGRAM, (), X, THETA)
    with pytest.raises(ObservableError, match="qubits 0 to 1.*Received: 4"):
        ops.expectation(PROGRAM, parse_observables("Z4", 5), X, THETA)


@MODULES
def test_shots_and_seeds_have_to_be_integers(ops):
    for shots, seed in ((0, [1, 2]), (1.5, [1, 2]), (True, [1, 2]), (5, [1, 2, 3]), (5, "seed")):
        with pytest.raises(InputError):
            ops.sample(PROGRAM, X, THETA, shots=shots, seed=seed)


@MODULES
def test_shapes_unknown_while_tracing_are_checked_when_the_op_runs(ops):
    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32)])
    def traced(inputs):
        return ops.expectation(PROGRAM, Z, inputs, THETA)

    assert traced(X).shape == (3, 1)
    for wrong in (X[0], X[:, :1], np.zeros((3, 5), np.float32), X[None]):
        with pytest.raises(tf.errors.InvalidArgumentError):
            traced(wrong)


@MODULES
def test_an_initial_state_of_another_batch_is_refused_when_the_op_runs(ops):
    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 2], tf.float32),
            tf.TensorSpec([None, 4], tf.complex64),
        ]
    )
    def traced(inputs, state):
        return ops.expectation(STARTED, Z, inputs, THETA, state)

    assert traced(X, STATE).shape == (3, 1)
    for wrong in (STATE[:2], STATE[:1]):
        with pytest.raises(tf.errors.InvalidArgumentError):
            traced(X, wrong)


def test_a_state_too_large_for_memory_is_refused_with_both_numbers():
    program = rc.random_program(0, 38, 3, 2, 1)
    inputs, theta, _ = rc.random_values(0, program, 2)
    with pytest.raises(MemoryLimitError, match=r"38 qubits.*iB.*available.*needs at least.*iB"):
        plain.expectation(program, parse_observables("Z0", 38), inputs, theta)


def test_unknown_memory_stops_nothing(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: None)
    memory.check(2**80, "Anything")


def test_memory_is_counted_in_readable_units():
    assert memory.written(512) == "512 B"
    assert memory.written(3 * 2**30 // 2) == "1.5 GiB"
    assert memory.written(2**60).endswith("PiB")
    assert (memory.available_bytes() or 1) > 0
