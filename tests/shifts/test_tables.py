"""Tables of shifted runs add up to derivatives, computed by the reference simulator."""

import numpy as np
import pytest

from qstore_tf import shifts
from qstore_tf.circuits import Program, reference
from qstore_tf.testing.random_circuits import random_observables, random_program, random_values


def columns_of(unrolled: shifts.Unrolled, inputs: np.ndarray, theta: np.ndarray) -> np.ndarray:
    return np.array([[row.angle.evaluate(x, theta) for row in unrolled.columns] for x in inputs])


def by_difference(function, theta: np.ndarray, step: float = 1e-5) -> np.ndarray:
    moves = step * np.eye(len(theta))
    return np.array([(function(theta + m) - function(theta - m)) / (2 * step) for m in moves])


def case(seed: int) -> tuple[Program, np.ndarray, np.ndarray]:
    program = random_program(seed, 3, 15, 2, 3)
    inputs, theta, _ = random_values(seed, program, 1)
    return program, inputs, theta


@pytest.mark.parametrize("seed", range(5))
def test_shifted_runs_add_up_to_the_gradient(seed):
    program, inputs, theta = case(seed)
    sums = random_observables(seed, 3, 2)
    unrolled = shifts.unroll(program)
    assert unrolled.program.n_theta == 0 and len(unrolled.gates) == len(unrolled.columns)
    moves, weights = shifts.shift_table(
        unrolled, range(len(unrolled.columns)), lambda gate: shifts.shift_rule(gate.frequencies)
    )
    angles = columns_of(unrolled, inputs, theta)
    found = np.zeros((program.n_theta, len(sums)))
    if len(moves):
        values = reference.expectation(unrolled.program, sums, angles + moves)
        found = unrolled.jacobian(program.n_theta).T @ (weights.T @ values)
    expected = by_difference(lambda t: reference.expectation(program, sums, inputs, t)[0], theta)
    np.testing.assert_allclose(found, expected, atol=1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_shifted_states_add_up_to_the_derivative_of_the_state(seed):
    program, inputs, theta = case(seed)
    unrolled = shifts.unroll(program)
    moves, weights = shifts.state_table(program)
    found = np.zeros((program.n_theta, 8))
    if len(moves):
        states = reference.state_vector(
            unrolled.program, columns_of(unrolled, inputs, theta) + moves
        )
        found = weights.T @ states
    expected = by_difference(lambda t: reference.state_vector(program, inputs, t)[0], theta)
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_terms_that_do_not_shift_are_one_run():
    program, _, _ = case(0)
    unrolled = shifts.unroll(program)
    columns = range(len(unrolled.columns))
    moves, weights = shifts.shift_table(
        unrolled, columns, lambda gate: shifts.difference_rule(0.1, "forward")
    )
    assert len(moves) == len(unrolled.columns) + 1
    np.testing.assert_array_equal(moves[0], 0)
    np.testing.assert_allclose(weights[0], -10)


@pytest.mark.parametrize("seed", range(3))
def test_promoted_programs_and_inverses_do_what_the_program_does(seed):
    program, inputs, theta = case(seed)
    promoted = shifts.promote(program)
    columns = columns_of(promoted, inputs, theta)
    np.testing.assert_allclose(
        reference.state_vector(promoted.program, columns),
        reference.state_vector(program, inputs, theta),
        atol=1e-12,
    )
    unrolled = shifts.unroll(program)
    angles = columns_of(unrolled, inputs, theta)
    back = reference.state_vector(shifts.there_and_back(unrolled.program), np.hstack([angles] * 2))
    np.testing.assert_allclose(back[0], np.eye(8)[0], atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_hadamard_tests_add_up_to_the_gradient(seed):
    program, inputs, theta = case(seed)
    sums = random_observables(seed, 3, 2)
    unrolled = shifts.unroll(program)
    tests = shifts.hadamard_tests(unrolled, tuple(range(len(unrolled.columns))))
    by_angle = np.zeros((len(unrolled.columns), len(sums)))
    if tests.columns:
        switches = np.eye(len(tests.columns))
        angles = np.repeat(columns_of(unrolled, inputs, theta), len(switches), axis=0)
        measured = [shifts.with_extra_qubit(observable, 3) for observable in sums]
        values = reference.expectation(tests.program, measured, np.hstack([angles, switches]))
        np.add.at(by_angle, list(tests.columns), np.array(tests.weights)[:, None] * values)
    found = unrolled.jacobian(program.n_theta).T @ by_angle
    expected = by_difference(lambda t: reference.expectation(program, sums, inputs, t)[0], theta)
    np.testing.assert_allclose(found, expected, atol=1e-7)
