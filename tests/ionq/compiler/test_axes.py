"""Up axes at MS gates: a way that can be gone, with the pulses that it says, and few of them."""

import itertools

import numpy as np
import pytest

from qstore_tf.ionq.compiler.axes import Way, cheapest
from qstore_tf.ionq.compiler.vectors import dot, perpendicular
from qstore_tf.testing.daily import daily_seed

Z = np.array([0.0, 0.0, 1.0])
SIX = [sign * row for row in np.eye(3) for sign in (1.0, -1.0)]
CLOSE = 1e-6


@pytest.fixture
def rng():
    return np.random.default_rng([daily_seed(), 46])


def stacked(*vectors):
    """Vectors as entanglers' axes with one sample, [n, 3, 1]."""
    return np.array(vectors, float).reshape(-1, 3, 1)


def sides_of(axes):
    """An axis perpendicular to each, [n, 3, S]."""
    return np.array([perpendicular(axis, np.eye(3)[:, :1]) for axis in axes]).reshape(axes.shape)


def way_of(axes, end, flip=1):
    return cheapest(axes, sides_of(axes), end, flip)


def ups(path, axes, end):
    """The up axes of a path, as its choices describe them, [n + 1, 3, S] with the start."""
    start = np.broadcast_to(Z[:, None], end.shape)
    everything = [start, *axes, end]
    made = [start]
    for axis, side, choice in zip(axes, sides_of(axes), path.choices, strict=True):
        if choice.way is Way.STAY:
            made.append(made[-1])
            continue
        if choice.way is Way.SIDE:
            made.append(np.cross(axis, side, axis=0) if choice.other else side)
            continue
        other = made[-1] if choice.way is Way.ACROSS else everything[choice.other]
        up = perpendicular(axis, other)
        if choice.way is Way.TOWARD:
            up = perpendicular(axis, up)
        made.append(up)
    return made


def pulses(path):
    return sum(choice.pulses for choice in path.choices) + path.last


def check(axes, end, flip=1):
    """That a path can be gone with the pulses that it says; returns how many they are."""
    path = way_of(axes, end, flip)
    way = ups(path, axes, end)
    for before, up, axis, choice in zip(way, way[1:], axes, path.choices, strict=False):
        assert (abs(dot(up, axis)) < CLOSE).all()
        if choice.pulses == 0:
            assert (dot(up, before) > 1 - CLOSE).all()
        elif choice.pulses == 1:
            assert (abs(dot(up, before)) < CLOSE).all()
        else:
            assert choice.pulses == 2
    final = dot(way[-1], end)
    if path.last == 0:
        # After a pulse the opposite axes serve as well.
        if pulses(path):
            final = abs(final)
        assert (final < CLOSE - 1).all() if path.opposite else (final > 1 - CLOSE).all()
    elif path.last == 1:
        assert (abs(final) < CLOSE).all()
    return pulses(path) + flip * (path.last == 0 and path.opposite)


def fewest_by_search(axes, end, flip):
    """The fewest pulses of all ways over the six coordinate axes."""
    costs = {4: 0}  # by the place among SIX; the start is +Z
    for axis in axes[:, :, 0]:
        following = {}
        for place, up in enumerate(SIX):
            if abs(up @ axis) > CLOSE:
                continue
            for before, cost in costs.items():
                step = 0 if before == place else 2 - (abs(SIX[before] @ up) < CLOSE)
                following[place] = min(following.get(place, 99), cost + step)
        costs = following
    last = []
    for place, cost in costs.items():
        height = SIX[place] @ end[:, 0]
        turn = 0 if height > 0.5 else flip if height < -0.5 else 1
        last.append(cost + turn)
    return min(last)


@pytest.mark.parametrize("flip", [0, 1])
def test_between_coordinate_axes_no_way_takes_fewer_pulses(flip):
    np.testing.assert_array_equal(SIX[4], Z)
    for n in (0, 1, 2, 3):
        for axes in itertools.product(np.eye(3), repeat=n):
            for end in SIX:
                given = stacked(*axes), np.array(end).reshape(3, 1)
                assert check(*given, flip) <= fewest_by_search(*given, flip)


@pytest.mark.parametrize("flip", [0, 1])
def test_any_way_can_be_gone_as_it_says(flip, rng):
    for n in (1, 2, 3, 5, 9):
        for _ in range(8):
            axes = rng.normal(size=(n, 3, 3))
            # Some are like those before, and some are coordinate axes.
            for k in range(1, n):
                if rng.random() < 0.3:
                    axes[k] = axes[k - 1]
                elif rng.random() < 0.3:
                    axes[k] = np.eye(3)[:, rng.integers(3), None]
            axes /= np.sqrt((axes**2).sum(axis=1, keepdims=True))
            end = rng.normal(size=(3, 3)) if rng.random() < 0.5 else np.eye(3)
            end = end / np.sqrt(dot(end, end))
            assert check(axes, end, flip) <= 2 * n + 2


def test_nothing_between_start_and_end_takes_nothing():
    assert way_of(np.empty((0, 3, 2)), np.array([[0, 0], [0, 0], [1, 1.0]]), 1).last == 0


def test_one_entangler_about_z_takes_two_pulses_and_two_about_z_no_more():
    for n in (1, 2, 5):
        assert check(stacked(*[Z] * n), Z[:, None]) == 2


def test_axes_in_one_plane_take_the_pulses_of_one(rng):
    # As in layers of RX between ZZ, with any angles: X is perpendicular to all of them.
    angles = rng.uniform(-3, 3, (6, 1, 3))
    axes = np.concatenate([0 * angles, np.sin(angles), np.cos(angles)], axis=1)
    end = axes[-1]
    assert check(axes, end) == 2


def test_two_axes_in_any_directions_take_three_pulses_from_start_to_end(rng):
    axes = rng.normal(size=(2, 3, 3))
    axes /= np.sqrt((axes**2).sum(axis=1, keepdims=True))
    # There and on; to the end of which nothing is known it takes two or less.
    end = np.cross(axes[0], axes[1], axis=0)
    end = end / np.sqrt(dot(end, end))
    assert check(axes, end) <= 2


def test_a_flip_at_the_end_costs_what_it_is_said_to_cost():
    up_side_down = -Z[:, None]
    path = way_of(np.empty((0, 3, 1)), up_side_down, 0)
    assert (path.last, path.opposite) == (0, True)
    assert check(np.empty((0, 3, 1)), up_side_down, 0) == 0
    assert check(np.empty((0, 3, 1)), up_side_down, 1) == 1
