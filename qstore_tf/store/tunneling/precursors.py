"""What came before events: windows that are alike ahead of them, beyond what chance allows.

The window of time t and lag l are the rows t - l - window to t - l - 1, and its state is the mean
of their features, for kernel "fidelity" the density matrix rho. For a lag the windows before all
events are compared pair by pair: the *likeness* is the mean of <rho_i - m, rho_j - m> over i < j,
with m the mean of all windows of the series, so for "fidelity" the mean fidelity between the
windows less what any two windows have in common.

The chance of such a likeness comes from moving all events together along the series, its end joined
to its start: that leaves the memory of the series and the spacing of the events as they are. The
p-values of the lags are adjusted by Benjamini and Hochberg, and what is not significant is not
reported. The shifts have two consequences. What follows an event is among them, so where an effect
lasts m rows, no p-value gets much below m / T. And events at equal distances move onto each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.errors import ConfigurationError, InputError, describe
from qstore_tf.store.definitions import ranking
from qstore_tf.store.tunneling.kernels import Features, check_series, kernel_named
from qstore_tf.store.tunneling.regimes import check_alpha

_LEAST_EVENTS = 4
_TRAINING = 2 / 3  # the share of events, the earliest ones, that predict the others


@dataclass(frozen=True)
class Precursor:
    """What was found for one lag.

    Attributes:
        lag: Rows between the window's end and the event; 0 where it ends just before.
        likeness: How alike the windows before the events are, see the module.
        p_value: The share of shifts with at least this likeness, no shift among them.
        q_value: The p-value adjusted for the number of lags.
        hit_rate: Of the last third of the events, the share that an alarm preceded. An alarm is a
            window more like those before the earlier events than all but `alarm_rate` of the
            windows of that earlier time.
        alarm_rate: The share of all times of the later part with an alarm.
        lift: hit_rate / alarm_rate, the rate taken as at least one alarm; 1 is no use at all.
        events: Number of the later events, on which hit_rate rests.
    """

    lag: int
    likeness: float
    p_value: float
    q_value: float
    hit_rate: float
    alarm_rate: float
    lift: float
    events: int


@dataclass(frozen=True)
class Precursors(Sequence[Precursor]):
    """The significant lags in order; a sequence of `Precursor`, empty where there are none.

    Attributes:
        found: They themselves.
        tested: All lags.
        events: The rows of the events that were used.
        window: Rows of a window.
        alpha: The level of false discoveries.
    """

    found: tuple[Precursor, ...]
    tested: tuple[Precursor, ...]
    events: tuple[int, ...]
    window: int
    alpha: float

    def __len__(self) -> int:
        return len(self.found)

    def __getitem__(self, item: Any) -> Any:
        return self.found[item]

    def __iter__(self) -> Iterator[Precursor]:
        return iter(self.found)


def find_precursors(
    series: ArrayLike,
    events: ArrayLike,
    *,
    lags: Iterable[int] = range(10),
    window: int = 5,
    kernel: str = "fidelity",
    alpha: float = 0.05,
    alarm_rate: float = 0.05,
) -> Precursors:
    """Tests whether the series is alike ahead of events.

    Args:
        series: [T, d] one vector per time.
        events: The rows at which events happened, or [T] booleans. Those too early for a window
            at the largest lag are left out.
        lags: Lags to test, at least 0 and within the series.
        window: Rows of a window, at least 1.
        kernel: "fidelity", "lifted" or "gaussian", see `discover_regimes`.
        alpha: At most this share of what is reported is expected to be chance.
        alarm_rate: The share of times that may raise an alarm, where alarms are learned.

    Returns:
        The lags whose adjusted p-value is at most alpha. No random numbers are used.

    Raises:
        InputError: A series or events of the wrong shape, or fewer than 4 usable events.
        ConfigurationError: An unknown kernel, or numbers out of range.
        MemoryLimitError: The features do not fit.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> series, events = rng.normal(size=(600, 4)), np.array([50, 95, 170, 280, 333, 460, 505])
        >>> for event in events:
        ...     series[event - 8 : event - 3] += [0, 0, 6, 0]
        >>> found = find_precursors(series, events)
        >>> 3 in [precursor.lag for precursor in found], found.events == tuple(events)
        (True, True)
    """
    chosen = kernel_named(kernel)
    window = ranking.check_count(window, "window")
    alpha, alarm_rate = check_alpha(alpha), check_alpha(alarm_rate, "alarm_rate")
    rows = check_series(series, window + 2 * _LEAST_EVENTS)
    tried = _check_lags(lags, len(rows) - window - 2 * _LEAST_EVENTS)
    first = window + max(tried, default=0)
    times = _check_events(events, len(rows), first)
    states = _windows(chosen.features(rows), window)
    likeness = _likeness_of_shifts(states, times)
    shifts = np.array([-lag % len(rows) for lag in tried], np.int64)
    # An equal likeness must not count as smaller for the order of summing.
    chance = [
        np.count_nonzero(likeness >= likeness[s] - 1e-12 * abs(likeness[s])) / len(rows)
        for s in shifts
    ]
    tested = tuple(
        Precursor(
            lag=lag,
            likeness=float(likeness[s]),
            p_value=float(p),
            q_value=float(q),
            **_out_of_sample(states, times, lag, first, alarm_rate),
        )
        for lag, s, p, q in zip(tried, shifts, chance, adjusted(chance), strict=True)
    )
    return Precursors(
        found=tuple(one for one in tested if one.q_value <= alpha),
        tested=tested,
        events=tuple(times.tolist()),
        window=window,
        alpha=alpha,
    )


def adjusted(p_values: Sequence[float]) -> NDArray[np.float64]:
    """The p-values of Benjamini and Hochberg: reject those at most alpha.

    Example:
        >>> adjusted([0.01, 0.04, 0.03, 0.5]).round(4).tolist()
        [0.04, 0.0533, 0.0533, 0.5]
    """
    values = np.asarray(p_values, np.float64)
    order = np.argsort(-values, kind="stable")
    ranks = np.arange(len(values), 0, -1)
    result = np.empty_like(values)
    result[order] = np.minimum.accumulate(np.minimum(1.0, values[order] * len(values) / ranks))
    return result


def _windows(features: Features, window: int) -> Features:
    """[T, f] the mean of the features of the `window` rows before each time, less the mean of all.

    Before the start of the series comes its end.
    """
    padded = np.concatenate([features[len(features) - window :], features[:-1]])
    sums = np.cumsum(padded, axis=0)
    sums[window:] = sums[window:] - sums[:-window]
    states = sums[window - 1 :] / window
    return states - states.mean(axis=0)


def _likeness_of_shifts(states: Features, times: NDArray[np.int64]) -> NDArray[np.float64]:
    """[T] the likeness of the windows at times + u, for every shift u around the series."""
    total = np.zeros_like(states)
    own = np.zeros(len(states))
    lengths = np.einsum("tf,tf->t", states, states)
    for time in times.tolist():
        total += np.roll(states, -time, axis=0)
        own += np.roll(lengths, -time)
    count = len(times)
    return (np.einsum("tf,tf->t", total, total) - own) / (count * (count - 1))


def _out_of_sample(
    states: Features, times: NDArray[np.int64], lag: int, first: int, alarm_rate: float
) -> dict[str, Any]:
    """How well the windows before the earlier events tell of the later ones."""
    known = round(_TRAINING * len(times))
    earlier, later = times[:known], times[known:]
    end = int(earlier[-1]) + 1
    before = states[np.arange(first, len(states)) - lag]
    past, future = before[: end - first], before[end - first :]
    pattern = before[earlier - first].mean(axis=0) - past.mean(axis=0)
    threshold = np.quantile(past @ pattern, 1 - alarm_rate)
    alarms = future @ pattern >= threshold
    hits = float(alarms[later - end].mean())
    rate = float(alarms.mean())
    lift = hits / max(rate, 1 / len(alarms))
    return {"hit_rate": hits, "alarm_rate": rate, "lift": lift, "events": len(later)}


def _check_lags(lags: Iterable[int], most: int) -> list[int]:
    """The lags in order, each once."""
    tried = set()
    for lag in lags:  # one by one: a range may be longer than memory
        whole = isinstance(lag, int | np.integer) and not isinstance(lag, bool)
        if not whole or not 0 <= lag <= most:
            raise ConfigurationError(
                describe(
                    "A lag does not fit the series",
                    expected=f"an integer from 0 to {most}",
                    received=lag,
                )
            )
        tried.add(int(lag))
    return sorted(tried)


def _check_events(events: ArrayLike, count: int, first: int) -> NDArray[np.int64]:
    """Rows of the events in order, those with whole windows."""
    given = np.asarray(events)
    if given.dtype == bool and given.shape == (count,):
        given = np.flatnonzero(given)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise InputError(
            describe(
                "Events are rows of the series, or one boolean for each of its rows",
                expected=f"integers, or [{count}] booleans",
                received=f"{given.dtype} {given.shape}",
            )
        )
    times = np.unique(given.astype(np.int64))
    if times.size and (times[0] < 0 or times[-1] >= count):
        outside = int(times[0] if times[0] < 0 else times[-1])
        raise InputError(
            describe(
                "An event is outside the series",
                expected=f"rows from 0 to {count - 1}",
                received=outside,
            )
        )
    times = times[times >= first]
    if len(times) < _LEAST_EVENTS:
        raise InputError(
            describe(
                "Too few events to tell what they have in common",
                expected=f"at least {_LEAST_EVENTS} events from row {first} on, "
                "where the window of the largest lag is whole",
                received=len(times),
            )
        )
    return times
