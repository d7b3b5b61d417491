"""Program, observables, backend and gradient method joined into one function."""

import numpy as np
import pytest
import tensorflow as tf

from qstore_tf.backends import Backend, Capabilities
from qstore_tf.circuits import parse_observables, reference
from qstore_tf.errors import ConfigurationError, ObservableError
from qstore_tf.execution import build_expectation, build_state
from qstore_tf.testing import random_circuits as rc

PROGRAM = rc.random_program(0, 3, 15, 2, 3)
INPUTS, THETA, _ = rc.random_values(0, PROGRAM, 4)
OBSERVABLES = rc.random_observables(0, 3, 2)


class Counts(Backend):
    name = "counts"
    capabilities = Capabilities(state_vector=False, exact=False, adjoint=False)

    def expectation(self, program, observables, inputs, theta, initial_state=None):
        raise AssertionError("must not run")


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
