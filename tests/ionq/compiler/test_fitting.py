"""Angles are found for which rotations make a unitary, where there are any."""

import numpy as np
import pytest

from qstore_tf.circuits.gates.matrices import PAULIS
from qstore_tf.ionq.compiler.fitting import fit, product_number, unitary_of
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.random_circuits import random_unitary

TEMPLATE = ("ZII", "XII", "IZI", "IXI", "ZZI", "IXX", "IIY", "XIX", "YII")


@pytest.fixture
def rng():
    return np.random.default_rng([daily_seed(), 43])


def numbers(*letters):
    return np.array([product_number(one) for one in letters])


def apart(found, expected):
    """The distance of two unitaries up to global phase."""
    overlap = np.vdot(found, expected)
    return np.linalg.norm(found * overlap / abs(overlap) - expected)


def test_a_unitary_is_the_product_in_time_order():
    angles = [0.3, -1.2]
    expected = np.eye(8)
    for letters, angle in zip(("XYI", "IZZ"), angles, strict=True):
        product = np.kron(np.kron(PAULIS[letters[0]], PAULIS[letters[1]]), PAULIS[letters[2]])
        expected = (np.cos(angle / 2) * np.eye(8) - 1j * np.sin(angle / 2) * product) @ expected
    made = unitary_of(numbers("XYI", "IZZ"), np.array(angles))
    np.testing.assert_allclose(made, expected, atol=1e-14)


def test_what_the_rotations_can_make_is_made(rng):
    products = numbers(*TEMPLATE)
    angles = rng.uniform(-3, 3, len(products))
    wanted = np.exp(0.7j) * unitary_of(products, angles)
    starts = angles + rng.normal(0, 0.2, (6, len(products)))
    found = fit(np.array([wanted] * 6), np.array([products] * 6), starts)
    assert found.residuals.max() < 1e-10
    for row in found.angles:
        assert apart(unitary_of(products, row), wanted) < 1e-10


def test_residuals_are_distances_and_never_grow(rng):
    products = np.array([rng.permutation(numbers(*TEMPLATE)) for _ in range(8)])
    unitaries = np.array([random_unitary(int(seed), 3) for seed in rng.integers(0, 2**31, 8)])
    starts = rng.uniform(-3, 3, products.shape)
    found = fit(unitaries, products, starts)
    for k in range(8):
        now = apart(unitary_of(products[k], found.angles[k]), unitaries[k])
        assert now == pytest.approx(found.residuals[k], abs=1e-9)
        assert now <= apart(unitary_of(products[k], starts[k]), unitaries[k]) + 1e-9


def test_a_start_does_not_depend_on_the_others(rng):
    products = np.array([numbers(*TEMPLATE)] * 5)
    unitaries = np.array([random_unitary(int(seed), 3) for seed in rng.integers(0, 2**31, 5)])
    starts = rng.uniform(-3, 3, products.shape)
    together = fit(unitaries, products, starts)
    for k in range(5):
        alone = fit(unitaries[k : k + 1], products[k : k + 1], starts[k : k + 1])
        np.testing.assert_allclose(alone.residuals[0], together.residuals[k], atol=1e-9)


def test_angles_that_are_not_free_stay(rng):
    products = numbers(*TEMPLATE)
    free = rng.random((4, len(products))) < 0.5
    starts = rng.uniform(-3, 3, free.shape)
    unitaries = np.array([random_unitary(3, 3)] * 4)
    found = fit(unitaries, np.array([products] * 4), starts, free)
    np.testing.assert_array_equal(found.angles[~free], starts[~free])
    assert (found.angles[free] != starts[free]).any()


def test_arguments_stay_as_they_were(rng):
    products = np.array([numbers(*TEMPLATE)] * 2)
    starts = rng.uniform(-3, 3, products.shape)
    before = starts.copy()
    fit(np.array([random_unitary(3, 3)] * 2), products, starts)
    np.testing.assert_array_equal(starts, before)
