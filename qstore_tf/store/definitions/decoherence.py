"""Decay of items: the depolarizing semigroup, as plain numbers.

After the age t, the state of an item with coherence time tau is `eta rho + (1 - eta) I / D`, where
`eta = exp(-t / tau)`. So a score s decays to `eta s + (1 - eta) / D`, and the state's purity to
`eta^2 (1 - 1/D) + 1/D`. The time at which eta falls below a threshold is known beforehand.

This tau is a setting of the item. It has nothing to do with the T1 and T2 of a quantum computer.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.errors import ConfigurationError, describe

Array = NDArray[Any]
Float = NDArray[np.float64]

Clock = Callable[[], float]  # ms


def wall_clock() -> float:
    """The time of day in ms since 1970.

    Example:
        >>> wall_clock() > 1.6e12
        True
    """
    return time.time() * 1000


class ManualClock:
    """A clock that stands still until it is moved: for tests, and for replaying histories.

    Args:
        now: Where it starts, in ms.

    Example:
        >>> clock = ManualClock(5.0)
        >>> clock.advance(2.5)
        >>> clock()
        7.5
    """

    def __init__(self, now: float = 0.0) -> None:
        self.now = float(now)

    def __call__(self) -> float:
        """The time in ms."""
        return self.now

    def advance(self, ms: float) -> None:
        """Moves it by `ms`, which may be negative: clocks of machines step back too."""
        self.now += ms


def coherence(age: ArrayLike, tau: ArrayLike) -> Float:
    """eta = exp(-age / tau); 1 for an age below 0, which only a clock set back brings.

    Args:
        age: In ms.
        tau: Coherence times in ms, above 0; `math.inf` for ever.

    Returns:
        eta in [0, 1], float64, of the shape that both broadcast to.

    Example:
        >>> coherence([0.0, 1000.0], 1000.0).round(4)
        array([1.    , 0.3679])
    """
    return np.asarray(
        np.exp(-np.maximum(np.asarray(age, np.float64), 0) / np.asarray(tau, np.float64))
    )


def decayed(score: ArrayLike, eta: ArrayLike, dimension: float) -> Float:
    """eta s + (1 - eta) / D: what a measurement of the decayed state gives.

    Args:
        score: What it gives without decay.
        eta: The coherence.
        dimension: D of the space that is measured.

    Example:
        >>> float(decayed(1.0, 0.5, 4))
        0.625
    """
    eta = np.asarray(eta, np.float64)
    return np.asarray(eta * np.asarray(score, np.float64) + (1 - eta) / dimension)


def depolarize(density: ArrayLike, eta: float) -> Array:
    """The decayed state itself, eta rho + (1 - eta) I / D, for a density matrix [D, D]."""
    rho = np.asarray(density)
    mixed = np.eye(len(rho)) / len(rho)
    result: Array = eta * rho + (1 - eta) * mixed
    return result


def purity(eta: ArrayLike, dimension: float) -> Float:
    """Tr rho^2 of a pure state after decay: eta^2 (1 - 1/D) + 1/D.

    Example:
        >>> float(purity(0.5, 2))
        0.625
    """
    return np.asarray(np.asarray(eta, np.float64) ** 2 * (1 - 1 / dimension) + 1 / dimension)


def coherence_at_purity(value: float, dimension: float) -> float:
    """The eta at which a pure state's purity has fallen to `value`.

    Raises:
        ConfigurationError: No state of this dimension has such a purity.

    Example:
        >>> coherence_at_purity(0.625, 2)
        0.5
    """
    if not 1 / dimension <= value <= 1 or dimension <= 1:
        raise ConfigurationError(
            describe(
                "A purity is out of range",
                expected=f"from 1/D to 1, for D = {dimension} above 1",
                received=value,
            )
        )
    return math.sqrt((value - 1 / dimension) / (1 - 1 / dimension))


def expires_at(written_at: ArrayLike, tau: ArrayLike, threshold: float) -> Float:
    """When the coherence reaches a threshold: t0 + tau ln(1 / threshold), in ms.

    Args:
        written_at: t0 in ms.
        tau: Coherence times in ms; `math.inf` for ever.
        threshold: The least eta, in (0, 1].

    Returns:
        Times in ms; `math.inf` where tau is.

    Raises:
        ConfigurationError: The threshold is out of range.

    Example:
        >>> float(expires_at(500.0, 1000.0, 0.5).round(1))
        1193.1
    """
    if not 0 < threshold <= 1:
        raise ConfigurationError(
            describe(
                "The threshold of coherence is out of range",
                expected="above 0, at most 1",
                received=threshold,
            )
        )
    times = np.asarray(tau, np.float64)
    # An item kept for ever never expires, even at threshold 1, where inf * 0 is no number.
    finite = np.where(np.isinf(times), 0, times) * -math.log(threshold)
    wait = np.where(np.isinf(times), math.inf, finite)
    return np.asarray(np.asarray(written_at, np.float64) + wait)
