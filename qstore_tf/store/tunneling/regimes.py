"""Regimes of a series: the longest stretches whose states are alike.

The rows of a stretch have a mean state rho, the average of their |x><x|. The cost of a stretch of
n rows is n (1 - purity of rho), and the cut points are those of least total cost (kernel change
points, 1202.3878, found by the library ruptures, 1801.00826). Stretches are then joined into
recurring regimes by the distance of their states. For the Gaussian kernel "state" is the mean of
the kernel's features, and all else holds unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf import memory
from qstore_tf.errors import ConfigurationError, LibraryError, describe, did_you_mean
from qstore_tf.store.definitions import ranking
from qstore_tf.store.tunneling.kernels import DISTANCES, Features, check_series, kernel_named
from qstore_tf.store.tunneling.recurrence import (
    join_by_test,
    join_nearest,
    mean_states,
    rows_of,
)

_LEAST_ALPHA = 1e-3


@dataclass(frozen=True)
class Regime:
    """One stretch of the series.

    Attributes:
        start: Its first row.
        end: The row after its last.
        label: Stretches of one label are the same regime; labels are numbered by first appearance.
        purity: Of its mean state: near 1 where all rows are alike.
        cost: (end - start) (1 - purity), for kernels whose k(x, x) is 1.
    """

    start: int
    end: int
    label: int
    purity: float
    cost: float


@dataclass(frozen=True)
class Regimes(Sequence[Regime]):
    """The stretches of a series, in order of time; a sequence of `Regime`.

    Attributes:
        stretches: They themselves.
        kernel: The kernel's name.
        penalty: What a cut had to save to be made; None where their number was given.
        states: [L, D, D] density matrix of each label; None for the Gaussian kernel.
    """

    stretches: tuple[Regime, ...]
    kernel: str
    penalty: float | None
    states: NDArray[Any] | None

    def __len__(self) -> int:
        return len(self.stretches)

    def __getitem__(self, item: Any) -> Any:
        return self.stretches[item]

    def __iter__(self) -> Iterator[Regime]:
        return iter(self.stretches)

    @property
    def changes(self) -> tuple[int, ...]:
        """The rows at which a new stretch begins."""
        return tuple(stretch.start for stretch in self.stretches[1:])

    @property
    def labels(self) -> NDArray[np.int64]:
        """[T] the label of each row."""
        lengths = [stretch.end - stretch.start for stretch in self.stretches]
        return np.repeat([stretch.label for stretch in self.stretches], lengths)

    def starts(self, label: int) -> tuple[int, ...]:
        """The rows at which a regime begins, the start of the series left out."""
        return tuple(s.start for s in self.stretches if s.label == label and s.start > 0)


def discover_regimes(
    series: ArrayLike,
    *,
    kernel: str = "fidelity",
    n_changes: int | None = None,
    n_regimes: int | None = None,
    distance: str = "hilbert_schmidt",
    min_size: int = 10,
    alpha: float = 0.05,
    seed: int = 0,
) -> Regimes:
    """Cuts a series where its states change, and finds which stretches are the same regime.

    Args:
        series: [T, d] one vector per time, real or, with kernel "fidelity", complex.
        kernel: What counts as a change. "fidelity" sees changes of axis and of covariance,
            not of sign or size; "lifted" of the mean direction; "gaussian" of any kind, most of
            all of the mean.
        n_changes: The number of cuts; None to let the data decide: a cut must then save more than
            the best cut saves in shuffled copies of the series, in all but a share `alpha`.
            Shuffles know no memory, so a series with a long one is cut more often.
        n_regimes: The number of different regimes; None to join what a test at level `alpha`
            cannot tell apart, never two neighbours in time.
        distance: Between mean states, for `n_regimes`: "hilbert_schmidt" or "bures".
        min_size: The shortest stretch, at least 2.
        alpha: In (0, 1); at least 0.001 where the number of cuts is to be found, as 2 / alpha
            shuffles are made.
        seed: Of the shuffles.

    Returns:
        The stretches in order.

    Raises:
        InputError: A series of the wrong shape, shorter than 2 min_size, or with rows that make no
            state.
        ConfigurationError: An unknown kernel or distance, or numbers that do not fit the series.
        LibraryError: ruptures is not installed: pip install 'qstore-tf[regimes]'.
        MemoryLimitError: The features do not fit.

    Example:
        >>> calm, stormy = np.tile([[1, 0.1], [1, -0.1]], (20, 1)), np.tile([[0.1, 1]], (40, 1))
        >>> found = discover_regimes(np.concatenate([calm, stormy, calm]))
        >>> found.changes, [stretch.label for stretch in found]
        ((40, 80), [0, 1, 0])
    """
    chosen = kernel_named(kernel)
    if distance not in DISTANCES:
        hint = did_you_mean(str(distance), DISTANCES)
        raise ConfigurationError(describe("This distance is unknown", received=distance, hint=hint))
    if distance != "hilbert_schmidt" and not chosen.metric:
        raise ConfigurationError(
            describe("The Gaussian kernel has no density matrices", received=distance)
        )
    min_size = max(2, ranking.check_count(min_size, "min_size"))
    alpha = check_alpha(alpha)
    rows = check_series(series, 2 * min_size)
    features = chosen.features(rows)
    most = len(rows) // min_size - 1
    if n_changes is not None and not (type(n_changes) is int and 0 <= n_changes <= most):
        raise ConfigurationError(
            describe(
                "n_changes does not fit the series",
                expected=f"an integer from 0 to {most}, or None",
                received=n_changes,
            )
        )
    if n_changes is None and alpha < _LEAST_ALPHA:
        raise ConfigurationError(
            describe(
                "alpha is too small to find the number of changes by shuffles",
                expected=f"at least {_LEAST_ALPHA}",
                received=alpha,
                hint="Pass n_changes",
            )
        )
    rng = np.random.default_rng(seed)
    penalty = None if n_changes is not None else _penalty(features, min_size, alpha, rng)
    cuts = _cuts(features, min_size, n_changes, penalty)
    bounds = [0, *cuts, len(rows)]
    stretches = [np.arange(a, b) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
    if n_regimes is None:
        groups = join_by_test(features, stretches, alpha)
    else:
        if ranking.check_count(n_regimes, "n_regimes") > len(stretches):
            raise ConfigurationError(
                describe(
                    "There cannot be more regimes than stretches",
                    expected=f"at most {len(stretches)}",
                    received=n_regimes,
                )
            )
        groups = join_nearest(chosen, rows, features, stretches, n_regimes, distance)
    label_of = {number: label for label, group in enumerate(groups) for number in group}
    return Regimes(
        stretches=tuple(
            _regime(features, stretch, label_of[n]) for n, stretch in enumerate(stretches)
        ),
        kernel=kernel,
        penalty=penalty,
        states=mean_states(chosen, rows, [rows_of(stretches, group) for group in groups]),
    )


def segment_cost(features: Features) -> float:
    """The cost of one stretch: the sum of squared distances of its features from their mean."""
    return float(np.sum(features**2) - np.sum(features.sum(axis=0) ** 2) / len(features))


def _regime(features: Features, stretch: NDArray[np.int64], label: int) -> Regime:
    mine = features[stretch]
    return Regime(
        start=int(stretch[0]),
        end=int(stretch[-1]) + 1,
        label=label,
        purity=float(np.sum(mine.mean(axis=0) ** 2)),
        cost=segment_cost(mine),
    )


def _cuts(
    features: Features, min_size: int, n_changes: int | None, penalty: float | None
) -> list[int]:
    ruptures = _ruptures()
    if n_changes == 0:
        return []
    if n_changes is not None:
        memory.check(24 * n_changes * len(features), f"The search for {n_changes} changes")
    search = ruptures.KernelCPD("linear", min_size=min_size).fit(features)
    found = search.predict(n_bkps=n_changes) if penalty is None else search.predict(pen=penalty)
    return [int(cut) for cut in found[:-1]]


def _ruptures() -> Any:
    try:
        import ruptures
    except ImportError as error:
        raise LibraryError(
            describe(
                f"Regimes need ruptures, which cannot be imported ({error})",
                hint="Install it: pip install 'qstore-tf[regimes]'",
            )
        ) from error
    return ruptures


def _penalty(features: Features, min_size: int, alpha: float, rng: np.random.Generator) -> float:
    """What the best single cut of a shuffled series saves, exceeded with chance alpha.

    Of 2/alpha - 1 shuffles the second largest: one more would exceed it with chance alpha.
    """
    savings = sorted(
        _best_saving(features[rng.permutation(len(features))], min_size)
        for _ in range(max(2, math.ceil(2 / alpha) - 1))
    )
    return max(savings[-2], 1e-9)


def _best_saving(features: Features, min_size: int) -> float:
    """How much the best single cut lowers the cost."""
    count = len(features)
    left = np.cumsum(features, axis=0)[min_size - 1 : count - min_size]
    whole = features.sum(axis=0)
    sizes = np.arange(min_size, count - min_size + 1)
    total = float(whole @ whole)
    on_left = np.einsum("tf,tf->t", left, left)
    on_right = total - 2 * left @ whole + on_left
    return float((on_left / sizes + on_right / (count - sizes)).max() - total / count)


def check_alpha(alpha: Any, name: str = "alpha") -> float:
    """Returns the level as a float; raises ConfigurationError unless it is in (0, 1)."""
    level = ranking.check_fraction(alpha, name)
    if not 0 < level < 1:
        raise ConfigurationError(describe(f"{name} must lie between 0 and 1", received=alpha))
    return level
