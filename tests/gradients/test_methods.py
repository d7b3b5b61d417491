"""Each method does what its options say, at the price it names."""

import numpy as np
import pytest
import tensorflow as tf

from qstore_tf import gradients
from qstore_tf.backends import TensorFlow
from qstore_tf.backends.sampled import Sampled
from qstore_tf.circuits import Program, UnifiedCircuit, compile_circuit, parse_observables
from qstore_tf.circuits.primitives import Angle, Phase
from qstore_tf.errors import ConfigurationError, InputError
from qstore_tf.gradients import (
    SPSA,
    Adaptive,
    FiniteDifference,
    HadamardTest,
    ParameterShift,
    shift_rule,
)
from qstore_tf.testing import random_circuits as rc
from qstore_tf.testing.counting import Counting
from qstore_tf.testing.gradient_agreement import gradients_of

SEED = [3, 0]


def seeded(method, backend, program, observables, seed=SEED):
    function = method.expectation(backend, program, observables)
    return lambda *values: function(*values, seed=seed)


def small():
    """A rotation, one shared with another, one under control, and one fixed."""
    circuit = UnifiedCircuit(2).add_gate("RX", 0, "x").add_gate("RY", 1, "2*a + x")
    circuit.add_gate("CRZ", [0, 1], "a").add_gate("RX", 1, "b").add_gate("RX", 0, 0.3)
    values = [np.array([[0.3], [0.4], [0.5]]), np.array([0.1, 0.2])]
    return compile_circuit(circuit, inputs=["x"]), parse_observables(["ZI", "XZ"], 2), values


@pytest.mark.parametrize(
    ("method", "runs"),
    [
        (ParameterShift(), 2 + 2 + 4 + 2),
        (ParameterShift(inputs=False), 2 + 4 + 2),
        (FiniteDifference(), 2 * 4),
        (FiniteDifference(scheme="forward"), 4 + 1),
        (FiniteDifference(scheme="forward", inputs=False), 3 + 1),
        (SPSA(), 2),
        (SPSA(directions=5), 10),
        (HadamardTest(), 1 + 1 + 2 + 1),
        (HadamardTest(inputs=False), 1 + 2 + 1),
        (Adaptive(), 2),
        (Adaptive(cheap=SPSA(3), precise="hadamard_test"), 6),
    ],
)
def test_a_step_is_two_calls_and_costs_what_the_method_says(method, runs):
    program, observables, values = small()
    backend = Counting()
    gradients_of(seeded(method, backend, program, observables), values)
    assert backend.calls == [3, 3 * runs]


@pytest.mark.parametrize("name", gradients.METHODS)
def test_configurations_make_the_same_method_again(name):
    if name == "adjoint":
        options = {}
    elif name == "adaptive":
        options = {"cheap": SPSA(4), "precise": "adjoint", "threshold": 0.5, "window": 7}
    else:
        options = {"inputs": False}
    method = gradients.METHODS[name](**options)
    again = gradients.METHODS[name](**method.get_config())
    assert repr(again) == repr(method)
    assert again.get_config() == method.get_config()
    assert (again.name, again.random) == (name, name in ("spsa", "adaptive"))
    assert eval(repr(method), vars(gradients)).get_config() == method.get_config()


def test_directions_follow_from_the_seed():
    program, observables, values = small()

    def by(seed):
        return gradients_of(seeded(SPSA(), TensorFlow(), program, observables, seed), values)

    for one, other in zip(by([1, 2]), by([1, 2]), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len({float(by([1, k])[0].sum()) for k in range(5)}) > 1
    assert not any(np.array_equal(by([1, 2])[1], by([2, k])[1]) for k in range(3))


def test_one_direction_moves_every_parameter_by_the_step():
    backend = Counting()
    program = rc.random_program(0, 2, 8, 2, 3)
    inputs, theta, _ = rc.random_values(0, program, 4)
    ends = []

    class Watching(Counting):
        def expectation(self, program, observables, inputs, theta, initial=None, *, seed=None):
            ends.append(inputs.numpy())
            return super().expectation(program, observables, inputs, theta, initial, seed=seed)

    backend = Watching()
    observables = rc.random_observables(0, 2, 1)
    for calls in (0, 3):
        ends.clear()
        method = SPSA(step=0.2, decay=0.5)
        gradients_of(seeded(method, backend, program, observables, [9, calls]), [inputs, theta])
        there, back = ends[1][:4], ends[1][4:]
        step = 0.2 / (calls + 1) ** 0.5
        np.testing.assert_allclose(abs(there - back), 2 * step)
        np.testing.assert_allclose((there + back) / 2, np.hstack([inputs, [theta] * 4]))
        moved = there - back
        assert (moved[:, 2:] == moved[:1, 2:]).all()
        assert not (moved[:, :2] == moved[:1, :2]).all()


def test_spsa_without_inputs_leaves_them_alone():
    program, observables, values = small()
    by_inputs, by_theta = gradients_of(
        seeded(SPSA(inputs=False), TensorFlow(), program, observables), values
    )
    assert not by_inputs.any()
    assert by_theta.any()


@pytest.mark.parametrize("scheme", ["central", "forward"])
def test_finite_differences_get_better_with_smaller_steps(scheme):
    program, observables, values = small()
    exact = gradients_of(seeded(ParameterShift(), TensorFlow(), program, observables), values)
    errors = []
    for step in (0.1, 0.05):
        method = FiniteDifference(step, scheme)
        got = gradients_of(seeded(method, TensorFlow(), program, observables), values)
        errors.append(max(np.abs(a - b).max() for a, b in zip(exact, got, strict=True)))
    order = np.log2(errors[0] / errors[1])
    assert abs(order - (2 if scheme == "central" else 1)) < 0.3


def test_hadamard_tests_are_one_program_with_a_switch_for_each():
    program, observables, values = small()
    backend = Counting()
    gradients_of(seeded(HadamardTest(), backend, program, observables), values)
    first, tests = backend.programs
    assert first == program
    assert (tests.n_qubits, tests.n_inputs) == (3, 4 + 5)


@pytest.mark.parametrize("method", [SPSA(), HadamardTest(), FiniteDifference(scheme="forward")])
def test_programs_without_effect_of_their_angles_have_no_gradient(method):
    program = Program(1, 0, 1, False, (Phase(Angle(0.2, (("t", 0, 1.0),))),))
    function = seeded(method, Counting(), program, parse_observables("Z", 1))
    _, by_theta = gradients_of(function, [np.zeros((2, 0)), np.array([0.5])])
    np.testing.assert_allclose(by_theta, 0, atol=1e-12)


@pytest.mark.parametrize("method", [HadamardTest(), SPSA(directions=3)])
def test_second_derivatives_come_from_the_same_method(method):
    program = rc.random_program(5, 2, 6, 1, 2)
    inputs, theta, _ = rc.random_values(5, program, 2)
    observables = rc.random_observables(5, 2, 2)

    def hessian(method):
        function = seeded(method, TensorFlow(), program, observables)
        t = tf.constant(theta)
        with tf.GradientTape(persistent=True) as outer:
            outer.watch(t)
            with tf.GradientTape() as inner:
                inner.watch(t)
                total = tf.reduce_sum(function(tf.constant(inputs), t) ** 2)
            first = inner.gradient(total, t)
        return outer.jacobian(first, t, experimental_use_pfor=False).numpy()

    if method.random:
        assert np.isfinite(hessian(method)).all()
    else:
        np.testing.assert_allclose(hessian(method), hessian(gradients.Adjoint()), atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("name", gradients.METHODS)
def test_methods_work_in_traced_functions_of_unknown_batch_size(name):
    program = rc.random_program(9, 3, 12, 2, 3, has_initial=True)
    observables = rc.random_observables(9, 3, 2)
    method = gradients.get(name, TensorFlow())
    function = method.expectation(TensorFlow(), program, observables)
    spec = [
        tf.TensorSpec([None, 2], tf.float64),
        tf.TensorSpec([3], tf.float64),
        tf.TensorSpec([None, 8], tf.complex128),
        tf.TensorSpec([2], tf.int64),
    ]

    def step(inputs, theta, initial, seed):
        with tf.GradientTape() as tape:
            tape.watch([inputs, theta, initial])
            out = function(inputs, theta, initial, seed)
        return tape.gradient(out, [inputs, theta, initial])

    traced = tf.function(step, input_signature=spec)
    for batch in (0, 1, 4):
        values = rc.random_values(1, program, batch)
        arguments = [tf.constant(v) for v in values] + [tf.constant([1, 2], tf.int64)]
        for a, b in zip(step(*arguments), traced(*arguments), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in gradients.METHODS if name != "adaptive"])
def test_methods_compile_with_xla(name):
    program, observables, values = small()
    function = gradients.get(name, TensorFlow()).expectation(TensorFlow(), program, observables)

    def step(inputs, theta):
        with tf.GradientTape() as tape:
            tape.watch([inputs, theta])
            out = function(inputs, theta, seed=[1, 2])
        return tape.gradient(out, [inputs, theta])

    values = [tf.constant(value) for value in values]
    for a, b in zip(step(*values), tf.function(step, jit_compile=True)(*values), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)


def test_the_rule_of_a_gate_can_be_given():
    """Two frequencies where the gates have one: more runs, and the same derivative."""

    class Wasteful(ParameterShift):
        def rule(self, gate):
            return shift_rule((1.0, 2.5)) if gate.frequencies == (1.0,) else super().rule(gate)

    program, observables, values = small()
    backend = Counting()
    got = gradients_of(seeded(Wasteful(), backend, program, observables), values)
    want = gradients_of(seeded(ParameterShift(), backend, program, observables), values)
    assert backend.calls == [3, 3 * 16, 3, 3 * 10]
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-10)


def test_random_methods_want_a_seed():
    program, observables, values = small()
    for method in (SPSA(), Adaptive()):
        function = method.expectation(TensorFlow(), program, observables)
        with pytest.raises(ConfigurationError, match="was given no seed.*seed="):
            function(*values)
        for bad in ([1], 5, [0.5, 1.0], "seed"):
            with pytest.raises(InputError, match="two integers"):
                function(*values, seed=bad)
    function = ParameterShift().expectation(TensorFlow(), program, observables)
    assert function(*values).shape == (3, 2)


def test_pairs_that_do_not_go_together_name_one_that_does():
    shots = Sampled(TensorFlow(), 100)
    for bad in ("adjoint", Adaptive(precise="adjoint")):
        with pytest.raises(ConfigurationError, match="Use gradient='parameter_shift'"):
            gradients.get(bad, shots)
    for bad in ("finite_difference", Adaptive(cheap="finite_difference")):
        with pytest.raises(ConfigurationError, match="drown.*'parameter_shift'.*step=0.3"):
            gradients.get(bad, shots)
    program, observables, _ = small()

    class Narrow(Counting):
        def check(self, program):
            if program.n_qubits > 2:
                raise ConfigurationError("Too wide.")

    with pytest.raises(ConfigurationError, match="'counting' cannot run.*'parameter_shift'"):
        HadamardTest().expectation(Narrow(), program, observables)
    for good in (FiniteDifference(0.3), "spsa", "hadamard_test", "adaptive", "auto"):
        gradients.get(good, shots)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: SPSA(directions=0), "integer >= 1"),
        (lambda: SPSA(directions=True), "integer >= 1"),
        (lambda: SPSA(step=-1), "positive"),
        (lambda: SPSA(step=float("nan")), "positive"),
        (lambda: SPSA(decay=-0.1), ">= 0"),
        (lambda: SPSA(inputs="yes"), "True or False"),
        (lambda: FiniteDifference(scheme="centrl"), "Did you mean 'central'"),
        (lambda: Adaptive(window=1), "integer >= 2"),
        (lambda: Adaptive(threshold=None), ">= 0"),
        (lambda: Adaptive(cheap="adaptive"), "Available: 'adjoint'"),
        (lambda: Adaptive(precise={"name": "parameter_shit"}), "Did you mean 'parameter_shift'"),
        (lambda: Adaptive(cheap=Adaptive()), "can switch between"),
    ],
)
def test_options_that_make_no_sense_are_refused(make, said):
    with pytest.raises(ConfigurationError, match=said):
        make()
