"""Vectors with their components first: the same as NumPy's with their components last."""

import numpy as np
import pytest

from qstore_tf.ionq.compiler.vectors import cross, dot, perpendicular
from qstore_tf.testing.daily import daily_seed


@pytest.fixture
def rng():
    return np.random.default_rng([daily_seed(), 45])


def units(rng, *shape):
    vectors = rng.normal(size=(3, *shape))
    return vectors / np.sqrt((vectors**2).sum(axis=0))


def test_products_are_those_of_numpy(rng):
    a, b = rng.normal(size=(2, 3, 50))
    np.testing.assert_allclose(dot(a, b), (a * b).sum(axis=0), atol=1e-15)
    np.testing.assert_allclose(cross(a, b), np.cross(a, b, axis=0), atol=1e-15)


def test_shapes_are_broadcast(rng):
    one, many = units(rng, 1, 4), units(rng, 6, 4)
    assert dot(one, many).shape == (6, 4)
    assert cross(one, many).shape == perpendicular(one, many).shape == (3, 6, 4)
    np.testing.assert_allclose(cross(one, many)[:, 2, 3], np.cross(one[:, 0, 3], many[:, 2, 3]))


def check(axis, other, accuracy=1e-7):
    made = perpendicular(axis, other)
    np.testing.assert_allclose(dot(made, made), 1, atol=1e-12)
    # The axis counts more: that of a pulse or an entangler has to be met exactly.
    np.testing.assert_allclose(dot(made, axis), 0, atol=1e-9)
    np.testing.assert_allclose(dot(made, other), 0, atol=accuracy)
    return made


def test_a_perpendicular_vector_is_so_to_both_and_of_length_one(rng):
    axis, other = units(rng, 300), units(rng, 300)
    made = check(axis, other, 1e-12)
    np.testing.assert_allclose(dot(cross(axis, other), made) > 0, True)


def test_it_is_so_to_parallel_and_to_nearly_parallel_ones(rng):
    axis = np.concatenate([units(rng, 60), np.eye(3), -np.eye(3)], axis=1)
    for other in (axis, -axis):
        check(axis, other, 1e-12)
    for size in (1e-16, 1e-12, 1e-8, 1e-7, 1e-6, 1e-3):
        other = axis + size * rng.normal(size=axis.shape)
        # What is perpendicular to the axis is so to this one up to the distance of the two.
        check(axis, other / np.sqrt(dot(other, other)), 10 * size + 1e-9)


def test_some_samples_may_be_parallel_and_others_not(rng):
    axis, other = units(rng, 2, 5), units(rng, 2, 5)
    other[:, 1, 3] = axis[:, 1, 3]
    made = check(axis, other)
    alone = perpendicular(axis[:, 0], other[:, 0])
    np.testing.assert_allclose(made[:, 0], alone, atol=1e-15)


def test_what_is_given_is_not_changed(rng):
    axis = units(rng, 4)
    other = axis.copy()
    before = axis.copy()
    perpendicular(axis, other)
    np.testing.assert_array_equal(axis, before)
    np.testing.assert_array_equal(other, before)
