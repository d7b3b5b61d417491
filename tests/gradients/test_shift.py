"""Shifted runs give the same gradients as the adjoint method, in one backend call."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf import gradients
from qstore_tf.backends import TensorFlow
from qstore_tf.circuits import Angle, Phase, Program, Rot, compile_circuit, parse_observables
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConfigurationError, InputError
from qstore_tf.gradients import Adjoint, FiniteDifference, ParameterShift
from qstore_tf.ops import native
from qstore_tf.testing import random_circuits as rc
from qstore_tf.testing.counting import Counting


def slopes(function, *values):
    values = [tf.constant(v) for v in values]
    with tf.GradientTape() as tape:
        tape.watch(values)
        out = function(*values)
        total = tf.reduce_sum(out**2)
    return [g.numpy() for g in tape.gradient(total, values, unconnected_gradients="zero")]


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), has_initial=st.booleans(), batch=st.integers(0, 3))
def test_parameter_shift_equals_the_adjoint_method(seed, has_initial, batch):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))
    program = rc.random_program(rng, n, 15, 3, 4, has_initial)
    observables = rc.random_observables(rng, n, 2)
    values = [v for v in rc.random_values(rng, program, batch) if v is not None]
    backend = TensorFlow()
    exact = slopes(Adjoint().expectation(backend, program, observables), *values)
    shifted = slopes(ParameterShift().expectation(backend, program, observables), *values)
    near = slopes(FiniteDifference(1e-3).expectation(backend, program, observables), *values)
    for a, b, c in zip(exact, shifted, near, strict=True):
        scale = 1 + np.abs(a).max(initial=0)
        np.testing.assert_allclose(b, a, atol=1e-9 * scale)
        np.testing.assert_allclose(c, a, atol=1e-4 * scale)


def test_all_shifted_circuits_of_a_step_are_one_backend_call():
    circuit = UnifiedCircuit(2).add_gate("RX", 0, "x").add_gate("RY", 1, "2*a + x")
    circuit.add_gate("CRZ", [0, 1], "a").add_gate("RX", 1, "b").add_gate("RX", 0, 0.3)
    program = compile_circuit(circuit, inputs=["x"])
    backend = Counting()
    function = ParameterShift().expectation(backend, program, parse_observables("Z1", 2))
    got = slopes(function, np.array([[0.3], [0.4], [0.5]]), np.array([0.1, 0.2]))
    assert backend.calls == [3, 3 * (2 + 2 + 4 + 2)]
    want = slopes(
        Adjoint().expectation(TensorFlow(), program, parse_observables("Z1", 2)),
        np.array([[0.3], [0.4], [0.5]]),
        np.array([0.1, 0.2]),
    )
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)
    backend.calls.clear()
    function = ParameterShift(inputs=False).expectation(
        backend, program, parse_observables("Z1", 2)
    )
    by_inputs, by_theta = slopes(function, np.array([[0.3], [0.4], [0.5]]), np.array([0.1, 0.2]))
    assert backend.calls == [3, 3 * (2 + 4 + 2)]
    assert not by_inputs.any()
    np.testing.assert_allclose(by_theta, want[1], atol=1e-12)


def test_second_derivatives_come_from_shifts_of_shifts():
    program = rc.random_program(5, 3, 10, 2, 3)
    inputs, theta, _ = rc.random_values(5, program, 2)
    observables = rc.random_observables(5, 3, 2)

    def hessian(function):
        t, x = tf.constant(theta), tf.constant(inputs)
        with tf.GradientTape(persistent=True) as outer:
            outer.watch(t)
            with tf.GradientTape() as inner:
                inner.watch(t)
                total = tf.reduce_sum(function(x, t) ** 2)
            first = inner.gradient(total, t)
        return outer.jacobian(first, t, experimental_use_pfor=False).numpy()

    np.testing.assert_allclose(
        hessian(ParameterShift().expectation(Counting(), program, observables)),
        hessian(Adjoint().expectation(TensorFlow(), program, observables)),
        atol=1e-10,
    )


def test_shifts_work_in_traced_functions_of_unknown_batch_size():
    program = rc.random_program(9, 3, 12, 2, 3)
    observables = rc.random_observables(9, 3, 2)
    function = ParameterShift().expectation(TensorFlow(), program, observables)
    spec = [tf.TensorSpec([None, 2], tf.float64), tf.TensorSpec([3], tf.float64)]

    @tf.function(input_signature=spec)
    def step(inputs, theta):
        with tf.GradientTape() as tape:
            tape.watch([inputs, theta])
            out = function(inputs, theta)
        return tape.gradient(out, [inputs, theta])

    for batch in (0, 1, 5):
        inputs, theta, _ = rc.random_values(1, program, batch)
        x, t = tf.constant(inputs), tf.constant(theta)
        with tf.GradientTape() as tape:
            tape.watch([x, t])
            out = native.expectation(program, observables, x, t)
        for a, b in zip(step(x, t), tape.gradient(out, [x, t]), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-10)


@pytest.mark.parametrize("gate", [Phase(Angle(0.2, (("t", 0, 1.0),))), Rot("X", (0,), Angle(0.3))])
def test_programs_without_anything_to_shift_have_zero_gradients(gate):
    program = Program(1, 0, 1, False, (gate,))
    backend = Counting()
    z = parse_observables("Z", 1)
    for method in (ParameterShift(), FiniteDifference()):
        _, by_theta = slopes(
            method.expectation(backend, program, z), np.zeros((2, 0)), np.array([0.5])
        )
        assert by_theta == [0]
    assert set(backend.calls) == {2}


def test_a_bad_pair_is_refused_with_a_good_one():
    with pytest.raises(
        ConfigurationError,
        match="gradient='adjoint' needs state vectors; backend 'counting' returns counts. "
        "Use gradient='parameter_shift'",
    ):
        gradients.get("adjoint", Counting())
    assert isinstance(gradients.get("auto", Counting()), ParameterShift)
    assert isinstance(gradients.get("auto", TensorFlow()), Adjoint)


def test_wrong_methods_are_refused():
    with pytest.raises(ConfigurationError, match="Did you mean 'adjoint'"):
        gradients.get("adjont", TensorFlow())
    with pytest.raises(ConfigurationError, match="a name or a GradientMethod"):
        gradients.get(1, TensorFlow())
    with pytest.raises(ConfigurationError, match="positive"):
        FiniteDifference(step=0)
    with pytest.raises(ConfigurationError, match="differentiates expectations, not states"):
        ParameterShift().state(TensorFlow(), rc.random_program(0, 2, 3, 1, 1))
    method = FiniteDifference(0.1, inputs=False)
    assert gradients.get(method, TensorFlow()) is method
    assert repr(FiniteDifference(**method.get_config())) == repr(method)
    assert gradients.get("parameter_shift", TensorFlow(), inputs=False).inputs is False


def test_backends_without_states_take_no_initial_state():
    program = rc.random_program(0, 2, 5, 1, 1, has_initial=True)
    function = ParameterShift().expectation(Counting(), program, parse_observables("Z", 2))
    with pytest.raises(ConfigurationError, match="one layer"):
        function(*rc.random_values(0, program, 2))
    with pytest.raises(InputError):
        function(np.zeros((2, 1)), np.zeros(1))


def test_options_that_a_method_does_not_take_are_named():
    with pytest.raises(ConfigurationError, match="does not take these options.*'foo'"):
        gradients.get("parameter_shift", TensorFlow(), foo=1)
