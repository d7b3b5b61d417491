"""The rules: pure functions from progress and measurements to shots and depths.

`progress` is epoch / epochs, with the first epoch 0, as in version 3.5.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qstore_tf.errors import ConfigurationError, describe, did_you_mean


def _linear(progress: float) -> float:
    return 1 - progress


def _exponential(progress: float) -> float:
    return math.exp(-3 * progress)


def _step(progress: float) -> float:
    return 1.0 if progress < 0.3 else 0.5 if progress < 0.7 else 0.0


SCHEDULES: Mapping[str, Callable[[float], float]] = {
    "linear": _linear,
    "exponential": _exponential,
    "step": _step,
}
"""How much is left, from 1 to 0, of what is above the minimum, by progress."""

DIRECTIONS = ("down", "up")


def check_choice(name: str, value: object, choices: Sequence[str] | Mapping[str, object]) -> str:
    """Returns a name that is one of the choices.

    Raises:
        ConfigurationError: It is none; the message names the nearest.
    """
    if isinstance(value, str) and value in choices:
        return value
    raise ConfigurationError(
        describe(
            f"Unknown {name}",
            expected=" or ".join(map(repr, choices)),
            received=value,
            hint=did_you_mean(str(value), choices),
        )
    )


def positive(name: str, value: Any, owner: str) -> int:
    """Returns an argument that counts something as an integer.

    Raises:
        ConfigurationError: It is not an integer of at least 1.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < 1:
        raise ConfigurationError(
            describe(
                f"`{name}` of {owner} is wrong",
                expected="an integer of at least 1",
                received=value,
            )
        )
    return int(value)


def depth_at(
    progress: float,
    initial: int,
    minimum: int,
    schedule: str = "linear",
    direction: str = "down",
) -> int:
    """Returns the depth, in layers, rounded up.

    "down" goes from `initial` to `minimum` as version 3.5 did: linear d0 - (d0 - dmin) p,
    exponential dmin + (d0 - dmin) exp(-3 p), step d0 for p < 0.3, the mean for p < 0.7, then
    dmin. "up" is its mirror image, initial + minimum - down.

    >>> [depth_at(epoch / 4, 4, 1) for epoch in range(4)]
    [4, 4, 3, 2]
    >>> [depth_at(epoch / 4, 4, 1, direction="up") for epoch in range(4)]
    [1, 2, 3, 4]
    """
    left = SCHEDULES[schedule](progress)
    share = left if direction == "down" else 1 - left
    # 1e-9: what floating point adds to a whole number is not rounded up.
    return math.ceil(minimum + (initial - minimum) * share - 1e-9)


def shots_at(
    progress: float,
    deviation: float | None,
    min_shots: int,
    base_shots: int,
    max_shots: int,
) -> int:
    """Returns the shots by the rule of version 3.5.

    The minimum for progress below 0.3, the base below 0.7, else the maximum. Where the standard
    deviation of the latest gradient norms is above 0.1, half as many more; below 0.01, a quarter
    fewer; never outside minimum and maximum.

    >>> shots_at(0.5, None, 500, 1000, 2000), shots_at(0.5, 0.2, 500, 1000, 2000)
    (1000, 1500)
    """
    shots: float = min_shots if progress < 0.3 else base_shots if progress < 0.7 else max_shots
    if deviation is not None and deviation > 0.1:
        shots *= 1.5
    elif deviation is not None and deviation < 0.01:
        shots *= 0.75
    return min(max(int(shots), min_shots), max_shots)


def shots_for_ratio(
    signal: float, variance: float, ratio: float, min_shots: int, max_shots: int
) -> int:
    """Returns the shots with which a gradient has a signal-to-noise ratio, on a coarse grid.

    A gradient g is estimated from N shots with the error sigma^2 / N, summed over its components.
    So |g|^2 / (sigma^2 / N) = ratio^2 for N = ratio^2 sigma^2 / |g|^2. It is rounded up to
    `min_shots` times a power of two, so that there are few different numbers.

    The same proportionality, sigma^2 / |g|^2, maximizes the expected gain for each shot of a step
    of gradient descent with learning rate a on a loss whose gradient has the Lipschitz constant L,
    with ratio^2 = 2 L a / (2 - L a): Kuebler, Arrasmith, Cincio, Coles, Quantum 4, 263 (2020), for
    each component by itself, and Gu, Lowe, Dub, Coles, Arrasmith, arXiv:2108.10434, for all at
    once. Ratio 1 is L a = 2/3.

    Args:
        signal: Estimate of |g|^2; may come out negative, as unbiased estimates do.
        variance: Estimate of sigma^2, the error of one shot.
        ratio: The wanted ratio, above 0.
        min_shots: The least.
        max_shots: The most.

    >>> shots_for_ratio(signal=0.01, variance=3.0, ratio=1.0, min_shots=100, max_shots=1000)
    400
    """
    if not variance > 0:
        return min_shots
    wanted = math.inf if signal <= 0 else ratio**2 * variance / signal
    if wanted >= max_shots:
        return max_shots
    shots = min_shots
    while shots < wanted:
        shots *= 2
    return min(shots, max_shots)


def spread(norms: Sequence[float]) -> float | None:
    """Returns the standard deviation of numbers; None of fewer than two."""
    if len(norms) < 2:
        return None
    mean = sum(norms) / len(norms)
    return math.sqrt(sum((norm - mean) ** 2 for norm in norms) / len(norms))
