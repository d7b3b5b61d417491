"""Likeness against loops, no discoveries by chance, power where something is planted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.errors import ConfigurationError, InputError
from qstore_tf.store.tunneling.precursors import adjusted, find_precursors
from qstore_tf.testing.daily import daily_seed


def random_series(seed, count=400, dimension=3):
    return np.random.default_rng([daily_seed(), *np.atleast_1d(seed)]).normal(
        size=(count, dimension)
    )


def density(rows):
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return sum(np.outer(x, x) for x in unit) / len(unit)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(20, 40),
    window=st.integers(1, 4),
    lag=st.integers(0, 3),
)
def test_likeness_and_its_chance_are_what_the_definition_says(seed, count, window, lag):
    series = random_series(seed, count)
    rng = np.random.default_rng(seed)
    events = np.sort(rng.choice(np.arange(window + lag, count), 5, replace=False))
    found = find_precursors(series, events, lags=[lag], window=window).tested[0]

    def windowed(t):
        return density(series[[(t - step) % count for step in range(1, window + 1)]])

    everything = [windowed(t) for t in range(count)]
    mean = sum(everything) / count

    def likeness(times):
        states = [everything[t % count] - mean for t in times]
        pairs = [np.trace(a @ b) for i, a in enumerate(states) for b in states[:i]]
        return np.mean(pairs)

    want = likeness(events - lag)
    assert found.likeness == pytest.approx(want, abs=1e-12)
    shifts = [likeness(events - lag + s) for s in range(count)]
    assert found.p_value == pytest.approx(np.mean(np.array(shifts) >= want - 1e-10))


@settings(max_examples=40, deadline=None)
@given(p_values=st.lists(st.sampled_from([0.001, 0.01, 0.02, 0.04, 0.2, 1.0]), max_size=8))
def test_adjusted_p_values_reject_what_the_step_up_rule_rejects(p_values):
    values = adjusted(p_values)
    for alpha in (0.01, 0.05, 0.2):
        order = np.sort(p_values)
        below = np.flatnonzero(order <= alpha * np.arange(1, len(order) + 1) / max(1, len(order)))
        cut = order[below[-1]] if len(below) else -1.0
        assert [v <= alpha + 1e-12 for v in values] == [p <= cut for p in p_values]


def runs_with_discoveries(series_of, events_of, runs, **options):
    return sum(len(find_precursors(series_of(n), events_of(n), **options)) > 0 for n in range(runs))


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("memory", [0.0, 0.9])
def test_series_that_know_nothing_of_the_events_give_discoveries_as_rarely_as_asked(
    clustered, memory
):
    runs, alpha = 150, 0.1

    def series_of(n):
        noise = random_series([7, n], 250)
        for t in range(1, len(noise)):
            noise[t] += memory * noise[t - 1]
        return noise

    def events_of(n):
        rng = np.random.default_rng([daily_seed(), 8, n])
        if clustered:
            return np.unique(rng.integers(20, 210) + rng.integers(0, 30, 10))
        return rng.choice(np.arange(20, 250), 10, replace=False)

    found = runs_with_discoveries(series_of, events_of, runs, alpha=alpha, lags=range(6))
    assert found <= runs * alpha + 5 * np.sqrt(runs * alpha * (1 - alpha))


def planted(n, gap=3):
    """Events, and before each, five rows along one axis that end `gap` rows ahead of it."""
    rng = np.random.default_rng([daily_seed(), 11, n])
    series = rng.normal(size=(600, 4))
    events = 40 + np.cumsum(rng.integers(25, 45, 14))
    for event in events:
        series[event - gap - 5 : event - gap] += [0, 0, 4, 0]
    return series, events


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["fidelity", "lifted", "gaussian"])
def test_what_is_planted_is_found_at_its_lag_and_tells_of_later_events(kernel):
    for n in range(5):
        series, events = planted(n)
        found = find_precursors(series, events, kernel=kernel)
        best = max(found.tested, key=lambda one: one.likeness)
        assert best.lag == 3 and best in found.found
        assert best.p_value <= 3 / len(series)
        assert best.hit_rate >= 0.6 and best.lift > 3 and best.events == 5
        assert best.alarm_rate < 0.3
        assert [one.lag for one in found.tested] == list(range(10))
        assert all(one.q_value <= 0.05 for one in found) and len(found) == len(found.found)


def test_events_are_rows_or_booleans_and_early_ones_are_left_out():
    series, events = planted(0)
    mask = np.zeros(len(series), bool)
    mask[events] = True
    assert find_precursors(series, mask) == find_precursors(series, events[::-1])
    early = find_precursors(series, [2, 10, *events], window=5, lags=[0, 6])
    assert early.events == tuple(events) and early.window == 5


def test_what_has_no_precursors_is_refused():
    series = random_series(1, 60)
    for events, words in (
        ([10, 20, 30], "at least 4 events"),
        ([1, 2, 3, 4, 5], "at least 4 events"),
        ([10, 20, 30, 60], "outside the series"),
        ([-1, 10, 20, 30], "outside the series"),
        ([10.5, 20.0, 30.0, 40.0], "Events are rows"),
        ([[10, 20], [30, 40]], "Events are rows"),
        ([], "at least 4 events"),
    ):
        with pytest.raises(InputError, match=words):
            find_precursors(series, events)
    with pytest.raises(InputError, match="series is too short"):
        find_precursors(series, [20, 30, 40, 50], window=10**18)
    for options, words in (
        ({"kernel": "rbf"}, "kernel"),
        ({"window": 0}, "window"),
        ({"lags": [-1]}, "A lag does not fit"),
        ({"lags": [1.5]}, "A lag does not fit"),
        ({"lags": range(10**18)}, "from 0 to 47"),
        ({"alpha": 0}, "alpha"),
        ({"alarm_rate": 1}, "alarm_rate"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            find_precursors(series, [20, 30, 40, 50], **options)
