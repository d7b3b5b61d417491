"""Up axes where the rule has no direction to go: what the pulses need is found beside it."""

import numpy as np
import pytest

from qstore_tf.circuits.symbols import Affine
from qstore_tf.ionq.compiler.axes import Choice, Path, Way
from qstore_tf.ionq.compiler.following import Steps, misses
from qstore_tf.ionq.compiler.settling import settle
from qstore_tf.ionq.compiler.turning import Formulas, Turning
from qstore_tf.ionq.compiler.turns import Turn

A, B, ZERO = Affine.symbol("0"), Affine.symbol("1"), Affine()
# There by one pulse, across by one more and on for three entanglers, and two to the end.
PATH = Path(
    (Choice(Way.ACROSS, pulses=1), Choice(Way.ACROSS, pulses=1), Choice(Way.STAY)), 2, False
)


def turning():
    # Between the last two entanglers nothing turns.
    middles = (Affine(0.8), A, ZERO, Affine(0.3))
    turns = [Turn(None, B if n == 1 else ZERO, middle, B) for n, middle in enumerate(middles)]
    return Turning([Formulas(turns)], [[0, 1]], np.zeros(2))


def moved(azimuths, rng, by):
    changed = azimuths.copy()
    changed[1:-1] *= np.exp(1j * rng.uniform(-by, by, changed[1:-1].shape))
    return changed


@pytest.mark.parametrize("by", [1e-6, 1e-3, 0.1])
def test_axes_nearby_are_moved_to_where_nothing_is_missed(by):
    rng = np.random.default_rng(0)
    steps, turned = Steps([PATH], False), turning()(rng.uniform(-3, 3, (2, 20)))
    azimuths = steps.azimuths(turned)
    assert misses(steps, turned, azimuths).max() < 1e-14
    off = moved(azimuths, rng, by)
    assert misses(steps, turned, off).min() > by / 1000
    settled = settle(steps, 0, turned, off)
    assert misses(steps, turned, settled).max() < 1e-11
    np.testing.assert_allclose(abs(settled), 1, atol=1e-12)
    assert abs(settled - off).max() < 20 * by


def test_axes_that_miss_nothing_stay():
    rng = np.random.default_rng(1)
    steps, turned = Steps([PATH], False), turning()(rng.uniform(-3, 3, (2, 5)))
    azimuths = steps.azimuths(turned)
    np.testing.assert_array_equal(settle(steps, 0, turned, azimuths), azimuths)


def test_each_sample_is_settled_alone():
    rng = np.random.default_rng(2)
    values = rng.uniform(-3, 3, (2, 4))
    steps, turned = Steps([PATH], False), turning()(values)
    off = moved(steps.azimuths(turned), rng, 0.05)
    together = settle(steps, 0, turned, off)
    for row in range(4):
        alone = settle(steps, 0, turned.of(np.array([row])), off[:, row : row + 1])
        np.testing.assert_allclose(together[:, row], alone[:, 0], atol=1e-10)
