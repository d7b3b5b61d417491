"""Which stretches of a series are the same regime: those whose mean states are alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc

from qstore_tf.store.tunneling.kernels import DISTANCES, Features, Kernel


def rows_of(stretches: Sequence[NDArray[np.int64]], group: Sequence[int]) -> NDArray[np.int64]:
    """The rows of a group of stretches, one stretch after the other."""
    return np.concatenate([stretches[number] for number in group])


def join_by_test(
    features: Features, stretches: Sequence[NDArray[np.int64]], alpha: float
) -> list[list[int]]:
    """Joins the pair that is told apart worst, until all that may be joined are told apart.

    Neighbours in time may not be: the cut between them says that they differ. The level is shared
    by all pairs of stretches, since the first to be joined are chosen among them.
    """
    groups = [[number] for number in range(len(stretches))]
    level = alpha / max(1, len(groups) * (len(groups) - 1) // 2)

    def p_value(i: int, j: int) -> float:
        touching = any(abs(a - b) == 1 for a in groups[i] for b in groups[j])
        if touching:
            return 0.0
        one, other = (features[rows_of(stretches, groups[n])] for n in (i, j))
        return chance_of_gap(one, other)

    found = {(i, j): p_value(i, j) for i in range(len(groups)) for j in range(i + 1, len(groups))}
    alive = set(range(len(groups)))
    while found:
        (i, j), chance = max(found.items(), key=lambda item: item[1])
        if chance <= level:
            break
        groups[i] += groups[j]
        alive.discard(j)
        found = {pair: value for pair, value in found.items() if i not in pair and j not in pair}
        for other in sorted(alive - {i}):
            found[min(i, other), max(i, other)] = p_value(*sorted((i, other)))
    return [sorted(groups[number]) for number in sorted(alive)]


def chance_of_gap(one: Features, other: Features) -> float:
    """The chance that two samples of the same rows have means at least as far apart.

    The squared distance is compared with a gamma distribution of the mean and the variance that it
    has when rows are dealt to the two samples at random (Gretton et al., NIPS 2009).

    Args:
        one: [m, f] features.
        other: [n, f] features.

    Example:
        >>> chance_of_gap(np.zeros((5, 1)), np.zeros((5, 1)))
        1.0
    """
    both = np.concatenate([one, other])
    centred = both - both.mean(axis=0)
    spread = float(np.sum(centred**2)) / (len(both) - 1)
    if spread < 1e-12:
        return 1.0
    share = 1 / len(one) + 1 / len(other)
    gap = share**2 * float(np.sum(centred[: len(one)].sum(axis=0) ** 2))
    inner = centred.T @ centred if centred.shape[1] < len(both) else centred @ centred.T
    squares = float(np.sum(inner**2)) / (len(both) - 1) ** 2
    # Noise adds to the squares, and cannot leave less than one direction's worth of them.
    squares = max(squares - spread**2 / (len(both) - 1), spread**2 / len(both))
    shape = spread**2 / (2 * squares)
    return float(gammaincc(shape, shape * gap / (share * spread)))


def join_nearest(
    kernel: Kernel,
    rows: NDArray[Any],
    features: Features,
    stretches: Sequence[NDArray[np.int64]],
    n_regimes: int,
    distance: str,
) -> list[list[int]]:
    """Joins the groups whose mean states are nearest, until so many are left."""
    groups = [[number] for number in range(len(stretches))]
    while len(groups) > n_regimes:
        members = [rows_of(stretches, group) for group in groups]
        states = mean_states(kernel, rows, members)
        means: Sequence[NDArray[Any]] = (
            [features[group].mean(axis=0) for group in members] if states is None else list(states)
        )
        i, j = min(
            ((i, j) for i in range(len(groups)) for j in range(i + 1, len(groups))),
            key=lambda pair: DISTANCES[distance](means[pair[0]], means[pair[1]]),
        )
        groups[i] = sorted(groups[i] + groups.pop(j))
    return groups


def mean_states(
    kernel: Kernel, rows: NDArray[Any], members: Sequence[NDArray[np.int64]]
) -> NDArray[Any] | None:
    """[L, D, D] the density matrix of each group of rows."""
    states = kernel.states(rows)
    if states is None:
        return None
    return np.stack([states[m].T @ states[m].conj() / len(m) for m in members])
