"""The ops as TensorFlow runs them: numbers, shapes, and errors for everything that is wrong."""

from __future__ import annotations

import ctypes
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import qstore_tf.ops
from qstore_tf.circuits import observables as paulis
from qstore_tf.circuits import reference
from qstore_tf.testing import random_circuits

LIBRARY = Path(qstore_tf.ops.__file__).parent / "_qstore_ops.so"
PROGRAM = """qstore_program 1
qubits 2
inputs 1
theta 1
initial 0
rot X 0 - 1.0*i0
rot Y 1 0 1.0*t0
"""
INITIAL = PROGRAM.replace("initial 0", "initial 1")
OBSERVABLES = "1.0:Z0;0.5:X0 Y1,0.25:"


@pytest.fixture(scope="module")
def ops() -> Any:
    assert LIBRARY.exists(), "build it with: python setup.py build_ext --inplace"
    return tf.load_op_library(str(LIBRARY))


def arguments(batch: int = 3, dtype: Any = tf.float32) -> dict[str, Any]:
    complex_type = tf.complex64 if dtype == tf.float32 else tf.complex128
    return {
        "inputs": tf.cast(np.linspace(-1, 2, batch)[:, None], dtype),
        "theta": tf.constant([0.7], dtype),
        "initial_state": tf.zeros([0, 0], complex_type),
        "program": PROGRAM,
    }


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), batch=st.integers(1, 4), has_initial=st.booleans())
def test_states_and_expectations_equal_the_reference_in_numpy(
    ops: Any, seed: int, batch: int, has_initial: bool
) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))
    program = random_circuits.random_program(rng, n, 12, 2, 3, has_initial=has_initial)
    observed = random_circuits.random_observables(rng, n, 2)
    inputs, theta = rng.normal(size=(batch, 2)), rng.normal(size=3)
    initial = None
    if has_initial:
        initial = rng.normal(size=(batch, 2**n)) + 1j * rng.normal(size=(batch, 2**n))
        initial /= np.linalg.norm(initial, axis=1, keepdims=True)
    state = reference.state_vector(program, inputs, theta, initial)
    values = reference.expectation(program, observed, inputs, theta, initial)
    given_state = np.zeros((0, 0), complex) if initial is None else initial
    feed = {"inputs": inputs, "theta": theta, "initial_state": given_state}
    feed["program"] = program.to_text()
    np.testing.assert_allclose(ops.qstore_state(**feed), state, atol=1e-12)
    text = paulis.observables_text(observed)
    got = ops.qstore_expectation(**feed, observables=text)
    np.testing.assert_allclose(got, values, atol=1e-11)
    feed["inputs"], feed["theta"] = inputs.astype("float32"), theta.astype("float32")
    feed["initial_state"] = given_state.astype("complex64")
    scale = 1 + np.abs(values).max()
    got = ops.qstore_expectation(**feed, observables=text)
    np.testing.assert_allclose(got, values, atol=2e-5 * scale)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_an_empty_batch_gives_empty_results_and_zero_gradients(ops: Any, dtype: Any) -> None:
    feed = arguments(0, dtype)
    assert ops.qstore_state(**feed).shape == (0, 4)
    assert ops.qstore_expectation(**feed, observables=OBSERVABLES).shape == (0, 2)
    grad = ops.qstore_expectation_grad(
        **feed, observables=OBSERVABLES, grad=tf.zeros([0, 2], dtype)
    )
    assert grad.d_inputs.shape == (0, 1)
    np.testing.assert_array_equal(grad.d_theta, [0.0])
    assert ops.qstore_sample(**feed, seed=[1, 2], shots=5).shape == (0, 5)


def test_shapes_are_known_as_far_as_they_can_be_with_an_unknown_batch(ops: Any) -> None:
    spec = [tf.TensorSpec([None, 1]), tf.TensorSpec([1])]

    @tf.function(input_signature=spec)
    def run(inputs: tf.Tensor, theta: tf.Tensor) -> tf.Tensor:
        feed = {**arguments(), "inputs": inputs, "theta": theta, "observables": OBSERVABLES}
        values = ops.qstore_expectation(**feed)
        assert values.shape.rank == 2
        grads = ops.qstore_expectation_grad(**feed, grad=values)
        assert grads.d_inputs.shape.as_list() == [None, 1]
        assert grads.d_theta.shape == (1,)
        return values

    feed = arguments()
    for batch in (0, 1, 3):
        assert run(feed["inputs"][:batch], feed["theta"]).shape == (batch, 2)


def test_samples_are_reproducible_whatever_the_number_of_threads(ops: Any) -> None:
    rng = np.random.default_rng(0)
    program = random_circuits.random_program(rng, 10, 60, 0, 0)
    feed = {**arguments(), "theta": tf.zeros([0]), "inputs": tf.zeros([7, 0])}
    feed["program"] = program.to_text()
    one = ops.qstore_sample(**feed, seed=[5, 6], shots=50, num_threads=1)
    four = ops.qstore_sample(**feed, seed=[5, 6], shots=50, num_threads=4)
    other = ops.qstore_sample(**feed, seed=[5, 7], shots=50)
    np.testing.assert_array_equal(one, four)
    assert np.any(one != other)


def test_samples_follow_the_probabilities(ops: Any) -> None:
    feed = arguments()
    probabilities = np.abs(ops.qstore_state(**feed)) ** 2
    samples = ops.qstore_sample(**feed, seed=[0, 0], shots=20000).numpy()
    for row, expected in zip(samples, probabilities, strict=True):
        np.testing.assert_allclose(np.bincount(row, minlength=4) / 20000, expected, atol=0.02)


def test_calls_from_several_threads_at_once_do_not_disturb_each_other(ops: Any) -> None:
    rng = np.random.default_rng(1)
    program = random_circuits.random_program(rng, 8, 40, 1, 1).to_text()
    feeds = [{**arguments(16), "theta": [float(i)], "program": program} for i in range(8)]

    def run(feed: dict[str, Any]) -> np.ndarray:
        return ops.qstore_expectation_grad(
            **feed, observables="1.0:Z0", grad=tf.ones([16, 1]), num_threads=3
        ).d_theta.numpy()

    alone = [run(feed) for feed in feeds]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(run, feeds * 4))
    np.testing.assert_array_equal(together, alone * 4)


WRONG = {
    "inputs of rank 1": ({"inputs": np.zeros(3, "f")}, r"inputs .*\[batch, 1\].*Received: \[3\]"),
    "too many inputs": ({"inputs": np.zeros((3, 2), "f")}, r"1 input slot.*Received: \[3, 2\]"),
    "too few theta": ({"theta": np.zeros(0, "f")}, r"theta .*\[1\].*1 theta slot.*\[0\]"),
    "a state not asked for": (
        {"initial_state": np.zeros((3, 4), "complex64")},
        r"initial_state .*\[0, 0\].*Received: \[3, 4\]",
    ),
    "no state though asked for": ({"program": INITIAL}, r"initial_state .*\[3, 4\].*\[0, 0\]"),
    "mixed precision": ({"initial_state": np.zeros((0, 0), complex)}, "must be complex64"),
    "a bad program": ({"program": PROGRAM + "flip 7 -\n"}, r"line 8, gate 2 \('flip'\)"),
    "no program": ({"program": ""}, "qstore_program"),
    "bad observables": ({"observables": "1.0:Z0;1.0:Z9"}, "observable 1, term 0"),
    "no observables": ({"observables": ""}, "COEFFICIENT"),
    "a negative number of threads": ({"num_threads": -1}, "num_threads"),
}


@pytest.mark.parametrize("case", WRONG, ids=list(WRONG))
def test_bad_input_is_an_invalid_argument_that_says_what_is_wrong(ops: Any, case: str) -> None:
    change, message = WRONG[case]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        ops.qstore_expectation(**{**arguments(), "observables": OBSERVABLES, **change})


def test_gradients_of_the_wrong_shape_are_named(ops: Any) -> None:
    feed = arguments()
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"grad .*\[3, 2\].*\[3, 1\]"):
        ops.qstore_expectation_grad(**feed, observables=OBSERVABLES, grad=tf.zeros([3, 1]))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"grad .*\[3, 4\].*\[2, 4\]"):
        ops.qstore_state_grad(**feed, grad=tf.zeros([2, 4], tf.complex64))


def test_states_that_cannot_be_sampled_are_named(ops: Any) -> None:
    feed = arguments()
    feed["inputs"] = tf.constant([[0.0], [np.nan], [1.0]])
    with pytest.raises(tf.errors.InvalidArgumentError, match="row 1 of the batch"):
        ops.qstore_sample(**feed, seed=[1, 2], shots=5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="seed is two integers|seed has"):
        ops.qstore_sample(**arguments(), seed=[1], shots=5)


def test_nan_flows_to_the_rows_it_belongs_to(ops: Any) -> None:
    feed = arguments()
    feed["inputs"] = tf.constant([[0.0], [np.nan], [np.inf]])
    values = ops.qstore_expectation(**feed, observables="1.0:Z0").numpy()
    assert np.isfinite(values[0]).all()
    assert np.isnan(values[1:]).all()


@pytest.mark.parametrize("n_qubits", [36, 40])
def test_too_many_qubits_for_memory_fail_with_both_numbers(ops: Any, n_qubits: int) -> None:
    feed = arguments()
    feed["program"] = PROGRAM.replace("qubits 2", f"qubits {n_qubits}")
    message = r"Needed: [\d.]+ [GTPE]iB\. Available: [\d.]+ [MGT]iB"
    with pytest.raises(tf.errors.ResourceExhaustedError, match=message):
        ops.qstore_expectation(**feed, observables="1.0:Z0")
    with pytest.raises(tf.errors.ResourceExhaustedError, match=message):
        ops.qstore_state(**feed)
    with pytest.raises(tf.errors.ResourceExhaustedError, match=message):
        ops.qstore_sample(**feed, seed=[1, 2], shots=1)


def test_the_library_says_how_it_was_built(ops: Any) -> None:
    library = ctypes.CDLL(str(LIBRARY))
    library.qstore_build_info.restype = ctypes.c_char_p
    library.qstore_simd_level.restype = ctypes.c_char_p
    assert re.match(rb"qstore \d+\.\d+\.\d+; compiler ", library.qstore_build_info())
    assert library.qstore_simd_level() in (b"base", b"avx2", b"avx512")


def test_the_library_needs_tensorflow_by_name_and_shows_nothing_but_its_own_functions() -> None:
    dynamic = subprocess.run(["readelf", "-d", LIBRARY], capture_output=True, text=True).stdout
    assert "[libtensorflow_framework.so.2]" in dynamic
    assert "libstdc++" not in dynamic
    symbols = subprocess.run(
        ["nm", "-D", "--defined-only", LIBRARY], capture_output=True, text=True
    ).stdout
    assert {line.split()[-1] for line in symbols.splitlines()} == {
        "qstore_build_info",
        "qstore_simd_level",
    }
