"""Angles for whole batches: the same as one after the other, and as matrices."""

import numpy as np
import pytest

from qstore_tf.circuits.gates.matrices import PAULIS
from qstore_tf.circuits.symbols import Affine
from qstore_tf.ionq.compiler.formulas import Evaluator, euler, product, quaternion, rotated, times
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.random_circuits import random_affine, random_unitary
from tests.ionq.compiler.test_rotations import assert_same_up_to_phase, basis
from tests.ionq.compiler.test_rotations import rotated as rotated_states


@pytest.fixture
def rng():
    return np.random.default_rng([daily_seed(), 44])


def turns(letters, angles):
    matrix = basis(1)
    for letter, angle in zip(letters, angles, strict=True):
        matrix = rotated_states(matrix, [0], letter, angle)
    return matrix


def matrix_of(numbers):
    """w - i (x X + y Y + z Z)."""
    w, *rest = numbers
    return w * np.eye(2) - 1j * sum(n * PAULIS[p] for n, p in zip(rest, "XYZ", strict=True))


def samples(quaternions):
    return [matrix_of([float(part[k]) for part in quaternions]) for k in range(len(quaternions[0]))]


def test_expressions_are_evaluated_as_one_by_one(rng):
    symbols = [f"s{k}" for k in range(12)]
    expressions = [random_affine(rng, symbols) for _ in range(50)]
    expressions += [Affine(), Affine(0.5), Affine.of("s3 - 2*s1 + 4*s0 + 1"), Affine.of("s11")]
    values = rng.uniform(-5, 5, (12, 7))
    found = Evaluator(expressions, symbols)(values)
    assert found.shape == (54, 7)
    for sample, numbers in zip(values.T, found.T, strict=True):
        bound = dict(zip(symbols, sample.tolist(), strict=True))
        expected = [expression.evaluate(bound) for expression in expressions]
        np.testing.assert_allclose(numbers, expected, rtol=1e-14, atol=1e-14)


def test_a_sample_of_a_batch_is_that_sample_alone(rng):
    evaluate = Evaluator([random_affine(rng, ["a", "b"]) for _ in range(9)], ["b", "a"])
    values = rng.uniform(-5, 5, (2, 4))
    for k in range(4):
        np.testing.assert_array_equal(evaluate(values)[:, k], evaluate(values[:, k : k + 1])[:, 0])


def test_there_may_be_no_expressions_no_symbols_and_no_samples():
    assert Evaluator([], ["a"])(np.zeros((1, 3))).shape == (0, 3)
    np.testing.assert_array_equal(Evaluator([Affine(2.0)], [])(np.zeros((0, 2))), [[2.0, 2.0]])
    assert Evaluator([Affine.of("a")], ["a"])(np.zeros((1, 0))).shape == (1, 0)


def test_a_result_is_not_the_next_ones():
    evaluate = Evaluator([Affine.of("a"), Affine(1.0)], ["a"])
    first = evaluate(np.array([[1.0]]))
    evaluate(np.array([[2.0]]))
    np.testing.assert_array_equal(first, [[1.0], [1.0]])


def test_products_of_rotations_are_those_of_their_matrices(rng):
    for count in (1, 2, 3, 6):
        letters = "".join(rng.choice(list("XYZ"), count))
        angles = rng.uniform(-7, 7, (count, 5))
        for k, matrix in enumerate(samples(product(letters, list(angles)))):
            np.testing.assert_allclose(matrix, turns(letters, angles[:, k]), atol=1e-14)


@pytest.mark.parametrize("letter", "XYZ")
def test_a_rotation_comes_after_what_is_there(letter, rng):
    angles = rng.uniform(-7, 7, (3, 4))
    found = samples(rotated(product("XZ", list(angles[:2])), letter, angles[2]))
    for k, matrix in enumerate(found):
        np.testing.assert_allclose(matrix, turns("XZ" + letter, angles[:, k]), atol=1e-14)


def test_a_constant_comes_after_too_and_unitaries_are_quaternions_up_to_phase(rng):
    angles = rng.uniform(-7, 7, (2, 4))
    for _ in range(20):
        constant = random_unitary(rng, 1)
        assert_same_up_to_phase(matrix_of(quaternion(constant)), constant, 1e-13)
        found = samples(times(quaternion(constant), product("YX", list(angles))))
        for k, matrix in enumerate(found):
            assert_same_up_to_phase(matrix, constant @ turns("YX", angles[:, k]), 1e-13)


@pytest.mark.parametrize("letter", "IXYZ")
def test_letters_are_quaternions(letter):
    assert_same_up_to_phase(matrix_of(quaternion(PAULIS[letter])), PAULIS[letter], 1e-15)


def test_euler_angles_give_the_rotation_back(rng):
    angles = rng.uniform(-7, 7, (3, 200))
    a, b, c = euler(product("XYZ", list(angles)))
    assert (b >= 0).all() and (b <= np.pi).all()
    for k in range(200):
        assert_same_up_to_phase(turns("ZYZ", (c[k], b[k], a[k])), turns("XYZ", angles[:, k]), 1e-13)


@pytest.mark.parametrize("angle", [0.0, np.pi, -np.pi, 2 * np.pi, 1e-9, np.pi - 1e-9, np.pi / 2])
@pytest.mark.parametrize("letter", "XYZ")
def test_euler_angles_of_special_rotations_are_finite_and_right(letter, angle):
    parts = product(letter, [np.array([angle])])
    a, b, c = (float(part[0]) for part in euler(parts))
    assert np.isfinite([a, b, c]).all()
    assert_same_up_to_phase(turns("ZYZ", (c, b, a)), turns(letter, [angle]), 1e-13)
