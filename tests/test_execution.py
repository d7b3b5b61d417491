"""Program, observables, backend and gradient method joined into one function."""

import numpy as np
import pytest
import tensorflow as tf

from qstore_tf.backends import Backend, Capabilities, TensorFlow
from qstore_tf.backends.sampled import Sampled
from qstore_tf.circuits import parse_observables, reference
from qstore_tf.errors import ConfigurationError, ObservableError
from qstore_tf.execution import build_expectation, build_state, check_dtype, choose
from qstore_tf.testing import random_circuits as rc

PROGRAM = rc.random_program(0, 3, 15, 2, 3)
INPUTS, THETA, _ = rc.random_values(0, PROGRAM, 4)
OBSERVABLES = rc.random_observables(0, 3, 2)


class Counts(Backend):
    name = "counts"
    capabilities = Capabilities(state_vector=False, exact=False, adjoint=False)

    def expectation(self, program, observables, inputs, theta, initial_state=None, *, seed=None):
        raise AssertionError("must not run")


class NoGates(TensorFlow):
    name = "no_gates"

    def check(self, program):
        if program.gates:
            raise ConfigurationError("cannot run a gate")


@pytest.mark.parametrize("backend", ["auto", "native", "tensorflow", "local_cpu"])
@pytest.mark.parametrize("gradient", ["auto", "adjoint", "parameter_shift"])
def test_every_pair_gives_the_same_values_and_gradients(backend, gradient):
    function = build_expectation(PROGRAM, OBSERVABLES, backend, gradient)

    def run(inputs, theta):
        with tf.GradientTape() as tape:
            tape.watch([inputs, theta])
            values = function(inputs, theta)
        return [values, *tape.gradient(values, [inputs, theta])]

    arguments = tf.constant(INPUTS), tf.constant(THETA)
    eager, traced = run(*arguments), tf.function(run)(*arguments)
    want = reference.expectation(PROGRAM, OBSERVABLES, INPUTS, THETA)
    np.testing.assert_allclose(eager[0], want, atol=1e-10)
    exact = build_expectation(PROGRAM, OBSERVABLES, "tensorflow", "adjoint")
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        values = exact(*arguments)
    for a, b, c in zip(eager[1:], traced[1:], tape.gradient(values, arguments), strict=True):
        np.testing.assert_allclose(a, c, atol=1e-9)
        np.testing.assert_allclose(b, c, atol=1e-9)


@pytest.mark.parametrize("backend", ["native", "tensorflow"])
def test_states_come_from_the_backend(backend):
    states = build_state(PROGRAM, backend)(INPUTS, THETA)
    want = reference.state_vector(PROGRAM, INPUTS, THETA)
    np.testing.assert_allclose(states, want, atol=1e-10)


def test_wrong_choices_fail_when_the_function_is_built():
    with pytest.raises(ConfigurationError, match="Did you mean 'tensorflow'"):
        build_expectation(PROGRAM, OBSERVABLES, "tensorflw")
    with pytest.raises(ConfigurationError, match="parameter_shift"):
        build_expectation(PROGRAM, OBSERVABLES, Counts(), "adjoint")
    with pytest.raises(ConfigurationError, match="one layer"):
        build_state(PROGRAM, Counts())
    with pytest.raises(ConfigurationError, match="states"):
        build_state(PROGRAM, "tensorflow", "parameter_shift")
    with pytest.raises(ObservableError, match="qubits 0 to 2"):
        build_expectation(PROGRAM, parse_observables("Z3", 4))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["native", "tensorflow"])
def test_shots_estimate_values_and_gradients(backend):
    # 5 standard deviations, 6e-7 each, 19 numbers for 2 backends: 1 false alarm in 40,000.
    times, shots = 300, 20
    function = build_expectation(PROGRAM, OBSERVABLES, backend, "parameter_shift", shots)
    inputs, theta = tf.constant(INPUTS), tf.constant(THETA)

    @tf.function
    def run(seed):
        with tf.GradientTape() as tape:
            tape.watch([inputs, theta])
            values = function(inputs, theta, seed=seed)
            loss = tf.reduce_sum(values)
        gradients = tape.gradient(loss, [inputs, theta])
        return tf.concat([tf.reshape(v, [-1]) for v in (values, *gradients)], 0)

    found = np.array([run(tf.constant([7, k], tf.int64)) for k in range(times)])
    exact = build_expectation(PROGRAM, OBSERVABLES, "tensorflow", "adjoint")
    with tf.GradientTape() as tape:
        tape.watch([inputs, theta])
        values = exact(inputs, theta)
        loss = tf.reduce_sum(values)
    gradients = tape.gradient(loss, [inputs, theta])
    want = np.concatenate([np.ravel(v) for v in (values, *gradients)])
    error = found.std(axis=0, ddof=1) / np.sqrt(times)
    assert np.all(abs(found.mean(axis=0) - want) <= 5 * error + 1e-12)
    np.testing.assert_array_equal(run(tf.constant([7, 0], tf.int64)), found[0])


def test_wrong_choices_of_shots_fail_when_the_function_is_built():
    for shots in (0, 1.5, True, "10"):
        with pytest.raises(ConfigurationError, match="integer >= 1"):
            build_expectation(PROGRAM, OBSERVABLES, "tensorflow", shots=shots)
    with pytest.raises(ConfigurationError, match="'parameter_shift' or gradient='spsa'"):
        build_expectation(PROGRAM, OBSERVABLES, "tensorflow", "adjoint", shots=10)
    sampled = Sampled(TensorFlow(), 10)
    with pytest.raises(ConfigurationError, match="'parameter_shift' or gradient='spsa'"):
        build_expectation(PROGRAM, OBSERVABLES, sampled, "adjoint")
    with pytest.raises(ConfigurationError, match="already sets shots"):
        build_expectation(PROGRAM, OBSERVABLES, sampled, shots=10)
    for options in ({"shots": 10}, {"backend": sampled}):
        with pytest.raises(ConfigurationError, match=r"shots=None.*Sample\(shots"):
            build_state(PROGRAM, **{"backend": "tensorflow", **options})
    with pytest.raises(ConfigurationError, match="seed"):
        build_expectation(PROGRAM, OBSERVABLES, "tensorflow", shots=10)(INPUTS, THETA)


def test_a_gate_the_backend_cannot_run_is_found_when_the_function_is_built():
    for shots in (None, 10):
        with pytest.raises(ConfigurationError, match="cannot run a gate"):
            build_expectation(PROGRAM, OBSERVABLES, NoGates(), shots=shots)
    with pytest.raises(ConfigurationError, match="cannot run a gate"):
        build_state(PROGRAM, NoGates())


def test_a_precision_the_backend_lacks_is_named_with_those_it_has():
    check_dtype(TensorFlow(), tf.float64)
    with pytest.raises(ConfigurationError, match="float64.*dtype='float32', or backend='native'"):
        check_dtype(Counts(), "float64")


def test_auto_differentiates_shots_by_parameter_shift():
    backend, method = choose("tensorflow", "auto", shots=5)
    assert (backend, method.name) == (Sampled(TensorFlow(), 5), "parameter_shift")
    assert choose("tensorflow", "auto")[1].name == "adjoint"
