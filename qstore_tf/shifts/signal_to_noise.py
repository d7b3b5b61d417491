"""How much signal is in estimates of a gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from qstore_tf import limits


def signal_to_noise(estimates: Sequence[np.ndarray] | np.ndarray) -> float:
    """Returns the signal-to-noise ratio of one gradient estimate, from W of them [W, P].

    With m the mean of the estimates and V the sum over the parameters of their variances, it is
    (|m|^2 - V / W) / V, or 0 where that is negative: |m|^2 - V / W is the squared length of the
    gradient without bias, since the mean of W estimates is off by V / W in square. Estimates
    that do not vary at all have the ratio infinity, or 0 where all are zero.

    Example:
        >>> signal_to_noise([[1.0, 2.0], [1.0, 4.0]])
        4.5
    """
    table = np.asarray(estimates, dtype=np.float64)
    signal = float((table.mean(axis=0) ** 2).sum())
    noise = float(table.var(axis=0, ddof=1).sum())
    if noise == 0:
        return float("inf") if signal > 0 else 0.0
    return max(signal - noise / len(table), 0.0) / noise


def window_for(n_theta: int, at_best: float) -> int:
    """Returns how many estimates show whether there is a signal in them.

    The squared length of the mean of W estimates, less noise, is off by sqrt(2 / P) / W of the
    noise; where the signal is 1 / (P - 1) of it, W = 10 sqrt(P) makes that a seventh of the signal.

    Args:
        n_theta: Parameters P.
        at_best: The signal-to-noise ratio of an estimate without noise from elsewhere, at most 1.

    Example:
        >>> window_for(4, 1.0), window_for(401, 1 / 400)
        (20, 201)
    """
    directions = at_best * max(n_theta - 1, 1)
    wanted = math.ceil(10 * math.sqrt(n_theta) / directions)
    return min(max(20, wanted), limits.WINDOW.current)
