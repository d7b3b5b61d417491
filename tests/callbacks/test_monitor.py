"""The barren-plateau monitor warns once, and only where it should."""

import warnings

import numpy as np
import pytest

from qstore_tf.callbacks import BarrenPlateauWarning
from qstore_tf.callbacks.monitor import Monitor


def fed(monitor: Monitor, gradients: np.ndarray) -> Monitor:
    for gradient in gradients:
        monitor.observables.add(gradient)
    return monitor


FLAT = np.full((3, 4), 1e-6) * np.array([[1, -1, 1, -1]])


def test_a_flat_circuit_is_warned_about_once() -> None:
    monitor = fed(Monitor("deep", window=3, threshold=1e-5), FLAT)
    with pytest.warns(BarrenPlateauWarning, match="'deep'.*1e-12.*McClean") as caught:
        message = monitor.check()
    assert len(caught) == 1
    assert message == str(caught[0].message)
    assert monitor.check() is None


@pytest.mark.parametrize(
    ("gradients", "threshold", "why"),
    [
        (FLAT[:2], 1e-5, "the window is not full"),
        (FLAT * 1e5, 1e-5, "the gradients are large"),
        (FLAT, 0.0, "no warning is wanted"),
        (FLAT * np.nan, 1e-5, "nothing is known of NaN"),
    ],
)
def test_nothing_is_said_where(gradients: np.ndarray, threshold: float, why: str) -> None:
    monitor = fed(Monitor("layer", window=3, threshold=threshold), gradients)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert monitor.check() is None, why


def test_shots_raise_the_threshold_to_what_they_can_resolve() -> None:
    monitor = fed(Monitor("layer", window=3, threshold=1e-5, shots=100), FLAT * 1e4)
    with pytest.warns(BarrenPlateauWarning, match="below 0.01 .1 / shots, of shots=100"):
        monitor.check()
    assert Monitor("layer", 3, 0.5, shots=100).threshold == 0.5
    assert Monitor("layer", 3, 0.0, shots=100).threshold == 0.0


def test_a_converged_loss_is_no_barren_plateau() -> None:
    monitor = fed(Monitor("layer", window=3, threshold=1e-5), FLAT * 1e5)
    for _ in range(3):
        monitor.loss.add(np.zeros(4))
    assert monitor.check() is None
