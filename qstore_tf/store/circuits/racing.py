"""Which k of many scores are the best, when each look at a score costs shots.

A pure function of a sampler: `sampler(arms, shots)` runs each of these arms `shots` times, in one
submission, and returns for each the sum of its outcomes, numbers in [0, 1]. An arm's score is
`offset + scale * mean`, so that decayed scores and swap tests, whose outcomes are -1 and 1, race
too.

All arms begin with the same shots. Then a round gives more, on a fixed schedule, to those alone
that may still be wrong: members of the present best k that are not yet certified, and the others
that may beat them by more than `eps`. A member is certified when at most k - 1 others can be better
than it by more than `eps`, as far as their intervals tell. With intervals that hold, a certified
member is at most `eps` worse than the k-th best.

What the intervals are is the one difference between the two ways:

    racing    Wilson's, `z` standard deviations wide. No guarantee: how often they all hold is
              measured (benchmarks/store_shots.py)
    kl-lucb   of the Chernoff bound in relative entropy (Kaufmann and Kalyanakrishnan, COLT 2013),
              with the chance `risk` shared over all arms and all rounds: all of them hold with
              probability 1 - risk, whatever the scores are
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.checks import check_shots
from qstore_tf.errors import ConfigurationError, InputError, describe

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Sampler = Callable[[Integers, int], Floats]
# (sums, shots, rounds that the arms had) -> lower and upper ends of the intervals of the means
Intervals = Callable[[Floats, Integers, Integers], tuple[Floats, Floats]]

GROWTH, Z, EPS, RISK = 1.5, 1.75, 0.02, 0.05
_FIRST = 0.12  # of what tells two arms apart: measured, see benchmarks/store_shots.py
_LEAST_FIRST = 20
_MOST_ROUNDS = 200
_BISECTIONS = 40


@dataclass(frozen=True, eq=False)
class Selection:
    """The best k of M arms.

    Attributes:
        order: [k], the arms, best first; equal scores in the order of the arms.
        certified: bool [k], whether each is surely no more than `eps` worse than the k-th best.
        scores: [M], the estimates.
        standard_errors: [M], of the scores; at least what two more outcomes, a 0 and a 1, leave.
        shots: int64 [M], spent on each arm.
        submissions: How many arms had how many shots each, of every round.
    """

    order: Integers
    certified: NDArray[np.bool_]
    scores: Floats
    standard_errors: Floats
    shots: Integers
    submissions: tuple[tuple[int, int], ...]

    @property
    def rounds(self) -> int:
        """How many submissions there were."""
        return len(self.submissions)


def uniform(
    sampler: Sampler,
    n_arms: int,
    k: int,
    shots: int,
    *,
    eps: float = EPS,
    z: float = Z,
    scale: ArrayLike = 1.0,
    offset: ArrayLike = 0.0,
) -> Selection:
    """Spends the same shots on every arm, in one submission.

    Args:
        sampler: See the module.
        n_arms: M.
        k: How many are wanted; all where there are fewer.
        shots: Of each arm.
        eps: The margin of a certified member, in units of the scores.
        z: Standard deviations of the intervals from which members are certified.
        scale: [M] or one number, at least 0.
        offset: [M] or one number.

    Raises:
        ConfigurationError: An argument makes no sense.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> means = np.array([0.2, 0.9, 0.5])
        >>> found = uniform(lambda arms, shots: rng.binomial(shots, means[arms]) * 1.0, 3, 2, 1000)
        >>> found.order.tolist(), found.certified.tolist(), found.rounds
        ([1, 2], [True, True], 1)
    """
    return _run(sampler, n_arms, k, eps, [check_shots(shots)], _wilson(z), scale, offset)


def race(
    sampler: Sampler,
    n_arms: int,
    k: int,
    *,
    eps: float = EPS,
    z: float = Z,
    max_shots: int | None = None,
    first: int | None = None,
    growth: float = GROWTH,
    scale: ArrayLike = 1.0,
    offset: ArrayLike = 0.0,
) -> Selection:
    """Spends shots where they decide, until all k members are certified or `max_shots` are spent.

    Args:
        sampler: See the module.
        n_arms: M.
        k: How many are wanted; all where there are fewer.
        eps: The margin of a certified member, in units of the scores; above 0.
        z: Standard deviations of the intervals.
        max_shots: The most for one arm; None: as many as a certificate can need.
        first: The shots of the first round; None: by the margin, 300 for 0.02.
        growth: By what factor an arm's shots grow from round to round, above 1.
        scale: [M] or one number, at least 0.
        offset: [M] or one number.

    Raises:
        ConfigurationError: An argument makes no sense.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> means = np.array([0.2, 0.9, 0.5, 0.1])
        >>> found = race(lambda arms, shots: rng.binomial(shots, means[arms]) * 1.0, 4, 2)
        >>> found.order.tolist(), found.certified.all(), found.shots.tolist()
        ([1, 2], np.True_, [300, 300, 300, 300])
    """
    intervals = _wilson(z)
    steps = schedule(eps, first, growth, max_shots, intervals, scale)
    return _run(sampler, n_arms, k, eps, steps, intervals, scale, offset)


def kl_lucb(
    sampler: Sampler,
    n_arms: int,
    k: int,
    *,
    eps: float = EPS,
    risk: float = RISK,
    max_shots: int | None = None,
    first: int | None = None,
    growth: float = GROWTH,
    scale: ArrayLike = 1.0,
    offset: ArrayLike = 0.0,
) -> Selection:
    """Like `race`, with a guarantee: all certificates are true with probability 1 - `risk`.

    Args:
        sampler: See the module.
        n_arms: M.
        k: How many are wanted; all where there are fewer.
        eps: The margin of a certified member, in units of the scores; above 0.
        risk: The chance that any certificate is wrong.
        max_shots: The most for one arm; None: as many as a certificate can need.
        first: The shots of the first round; None: by the margin, 300 for 0.02.
        growth: By what factor an arm's shots grow from round to round, above 1.
        scale: [M] or one number, at least 0.
        offset: [M] or one number.

    Raises:
        ConfigurationError: An argument makes no sense.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> means = np.array([0.2, 0.9, 0.5])
        >>> found = kl_lucb(lambda arms, shots: rng.binomial(shots, means[arms]) * 1.0, 3, 1)
        >>> found.order.tolist(), found.certified.tolist()
        ([1], [True])
    """
    intervals = _chernoff(n_arms, risk)
    steps = schedule(eps, first, growth, max_shots, intervals, scale)
    return _run(sampler, n_arms, k, eps, steps, intervals, scale, offset)


def racing_steps(
    eps: float = EPS,
    z: float = Z,
    max_shots: int | None = None,
    first: int | None = None,
    growth: float = GROWTH,
    scale: ArrayLike = 1.0,
) -> list[int]:
    """Returns the shots of an arm's rounds where it runs to the end: the most that `race` spends.

    Example:
        >>> racing_steps(eps=0.1, first=100)
        [100, 50, 75, 112]
    """
    return schedule(eps, first, growth, max_shots, _wilson(z), scale)


def kl_lucb_steps(
    n_arms: int,
    eps: float = EPS,
    risk: float = RISK,
    max_shots: int | None = None,
    first: int | None = None,
    growth: float = GROWTH,
    scale: ArrayLike = 1.0,
) -> list[int]:
    """Returns the shots of an arm's rounds where it runs to the end, as `racing_steps` does.

    Example:
        >>> sum(kl_lucb_steps(100, eps=0.1, first=100))
        2553
    """
    return schedule(eps, first, growth, max_shots, _chernoff(n_arms, risk), scale)


def schedule(
    eps: float,
    first: int | None,
    growth: float,
    max_shots: int | None,
    intervals: Intervals,
    scale: ArrayLike,
) -> list[int]:
    """Returns the shots of each round of an arm, until no interval is wider than `eps`.

    Beyond that nothing is contested: of two arms with such intervals, the one that is estimated
    lower cannot be better by more than `eps`. Where the arms differ in `scale`, the largest counts.
    """
    _check(eps > 0 and math.isfinite(eps), "`eps`, the margin of a race,", "a number above 0", eps)
    _check(growth > 1, "`growth`, the factor of the shots,", "a number above 1", growth)
    largest = float(np.max(scale, initial=0.0))
    if first is None:
        first = max(_LEAST_FIRST, round(_FIRST * (largest / eps) ** 2))
    check_shots(first)
    most = None if max_shots is None else check_shots(max_shots)
    steps: list[int] = []
    total = 0
    while len(steps) < _MOST_ROUNDS:
        step = first if not steps else max(1, int(total * (growth - 1)))
        if most is not None:
            step = min(step, most - total)
        if step < 1:
            break
        steps.append(step)
        total += step
        low, high = intervals(np.array([total / 2]), np.array([total]), np.array([len(steps)]))
        if largest * float(high[0] - low[0]) <= eps:
            break
    return steps


def _run(
    sampler: Sampler,
    n_arms: int,
    k: int,
    eps: float,
    steps: list[int],
    intervals: Intervals,
    scale: ArrayLike,
    offset: ArrayLike,
) -> Selection:
    _check(isinstance(k, int | np.integer) and k >= 1, "k", "an integer of at least 1", k)
    slopes = np.broadcast_to(np.asarray(scale, np.float64), (n_arms,))
    shifts = np.broadcast_to(np.asarray(offset, np.float64), (n_arms,))
    _check(bool(np.all(slopes >= 0)), "`scale` of a score", "numbers of at least 0", scale)
    sums, shots = np.zeros(n_arms), np.zeros(n_arms, np.int64)
    had = np.zeros(n_arms, np.int64)
    waiting, submissions = np.arange(n_arms), []
    order, certified = waiting[:0], np.zeros(0, np.bool_)
    while len(waiting):
        # One step for all: a submission has one number of shots. Who lags behind goes first.
        lag = had[waiting].min()
        if lag == len(steps):
            break
        now = waiting[had[waiting] == lag]
        sums[now] += _outcomes(sampler(now, steps[lag]), now, steps[lag])
        shots[now] += steps[lag]
        had[now] += 1
        submissions.append((len(now), steps[lag]))
        low, high = intervals(sums, shots, had)
        scores = shifts + slopes * sums / shots
        order, certified, contested = _judge(
            scores, shifts + slopes * low, shifts + slopes * high, k, eps
        )
        waiting = np.flatnonzero(contested & (had < len(steps)))
    means = sums / np.maximum(shots, 1)
    smooth = (sums + 1) / (shots + 2)
    errors = slopes * np.sqrt(smooth * (1 - smooth) / np.maximum(shots, 1))
    scores = shifts + slopes * means
    return Selection(order, certified, scores, errors, shots, tuple(submissions))


def _judge(
    scores: Floats, low: Floats, high: Floats, k: int, eps: float
) -> tuple[Integers, NDArray[np.bool_], NDArray[np.bool_]]:
    """Returns the best k, which of them are certified, and which arms need more shots."""
    order = np.argsort(-scores, kind="stable")[:k]
    inside = np.zeros(len(scores), np.bool_)
    inside[order] = True
    rivals = len(high) - np.searchsorted(np.sort(high), low + eps, side="right")
    rivals = rivals - (high > low + eps)  # nobody is a rival of itself
    certified = inside & (rivals < k)
    open_ = inside & ~certified
    if not open_.any():
        return order, certified[order], open_
    threatening = ~inside & (high > low[open_].min() + eps)
    return order, certified[order], open_ | threatening


def _outcomes(sums: Any, arms: Integers, shots: int) -> Floats:
    found: Floats = np.asarray(sums, np.float64)
    if found.shape != arms.shape or not np.all((found >= -1e-9) & (found <= shots + 1e-9)):
        raise InputError(
            describe(
                "A sampler's outcomes do not fit",
                expected=f"{len(arms)} sums of {shots} numbers from 0 to 1",
                received=found,
            )
        )
    return np.clip(found, 0, shots)


def _wilson(z: float) -> Intervals:
    _check(z > 0 and math.isfinite(z), "`z`, the width of intervals,", "a number above 0", z)

    def intervals(sums: Floats, shots: Integers, had: Integers) -> tuple[Floats, Floats]:
        mean, extra = sums / shots, z * z / shots
        middle = (mean + extra / 2) / (1 + extra)
        half = np.sqrt(extra * (mean * (1 - mean) + extra / 4)) / (1 + extra)
        return middle - half, middle + half

    return intervals


def _chernoff(n_arms: int, risk: float) -> Intervals:
    _check(0 < risk < 1, "`risk`, the chance of a wrong certificate,", "between 0 and 1", risk)

    def intervals(sums: Floats, shots: Integers, had: Integers) -> tuple[Floats, Floats]:
        # The sum over rounds of 1 / (r (r + 1)) is 1, over arms and both ends 2 M: together `risk`.
        level = np.log(2 * max(n_arms, 1) * had * (had + 1) / risk) / shots
        mean = sums / shots
        return 1 - _entropy_end(1 - mean, level), _entropy_end(mean, level)

    return intervals


def _entropy_end(mean: Floats, level: Floats) -> Floats:
    """The largest q with kl(mean, q) <= level, by bisection; rounded away from the mean."""
    low, high = mean.copy(), np.ones_like(mean)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        inside = _relative_entropy(mean, middle) <= level
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return high


def _relative_entropy(p: Floats, q: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.where(p > 0, p * np.log(p / q), 0.0)
        second = np.where(p < 1, (1 - p) * np.log((1 - p) / (1 - q)), 0.0)
    found: Floats = np.where((q >= 1) & (p < 1), np.inf, first + second)
    return found


def _check(holds: bool, what: str, expected: str, received: Any) -> None:
    if not holds:
        raise ConfigurationError(
            describe(f"{what} makes no sense", expected=expected, received=received)
        )
