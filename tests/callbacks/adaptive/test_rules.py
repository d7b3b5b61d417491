"""The rules as version 3.5 had them, and that of the signal-to-noise ratio."""

import math

import numpy as np
import pytest

from qstore_tf.callbacks.adaptive import rules
from qstore_tf.errors import ConfigurationError
from qstore_tf.testing.daily import daily_seed


@pytest.mark.parametrize(
    ("schedule", "formula"),
    [
        ("linear", lambda p: 7 - 5 * p),
        ("exponential", lambda p: 2 + 5 * math.exp(-3 * p)),
        ("step", lambda p: 7 if p < 0.3 else 4.5 if p < 0.7 else 2),
    ],
)
def test_depths_are_the_formulas_rounded_up(schedule: str, formula: object) -> None:
    for epoch in range(50):
        p = epoch / 50
        expected = formula(p)  # type: ignore[operator]
        assert rules.depth_at(p, 7, 2, schedule) == math.ceil(round(expected, 9))
        mirrored = math.ceil(round(9 - expected, 9))
        assert rules.depth_at(p, 7, 2, schedule, "up") == mirrored


def test_depths_stay_between_their_ends_and_go_one_way() -> None:
    generator = np.random.default_rng([daily_seed(), 1410])
    for _ in range(200):
        minimum = int(generator.integers(1, 6))
        initial = minimum + int(generator.integers(0, 6))
        progress = np.sort(generator.uniform(0, 1, 20))
        for schedule in rules.SCHEDULES:
            down = [rules.depth_at(p, initial, minimum, schedule) for p in progress]
            up = [rules.depth_at(p, initial, minimum, schedule, "up") for p in progress]
            assert sorted(down, reverse=True) == down and sorted(up) == up
            assert {*down, *up} <= set(range(minimum, initial + 1))
            assert rules.depth_at(0, initial, minimum, schedule) == initial
            assert rules.depth_at(0, initial, minimum, schedule, "up") == minimum


@pytest.mark.parametrize(
    ("progress", "deviation", "shots"),
    [
        (0.0, None, 500), (0.29, 0.05, 500), (0.3, 0.05, 1000), (0.69, 0.05, 1000),
        (0.7, 0.05, 2000), (0.0, 0.11, 750), (0.5, 0.11, 1500), (0.9, 0.11, 2000),
        (0.0, 0.009, 500), (0.5, 0.009, 750), (0.9, 0.009, 1500), (0.5, 0.1, 1000),
        (0.5, 0.01, 1000),
    ],
)  # fmt: skip
def test_shots_by_progress(progress: float, deviation: float | None, shots: int) -> None:
    assert rules.shots_at(progress, deviation, 500, 1000, 2000) == shots


def test_shots_by_ratio_reach_it_with_less_than_twice_what_is_needed() -> None:
    generator = np.random.default_rng([daily_seed(), 1411])
    for _ in range(300):
        signal, variance = 10 ** generator.uniform(-6, 1, 2)
        ratio = float(generator.uniform(0.2, 3))
        shots = rules.shots_for_ratio(signal, variance, ratio, 10, 5000)
        needed = ratio**2 * variance / signal
        if 10 < needed < 5000:
            assert needed <= shots + 1e-9 and (shots < 2 * needed or shots == 10)
        assert 10 <= shots <= 5000
        assert shots == 5000 or math.log2(shots / 10).is_integer()


def test_shots_by_ratio_grow_with_the_noise_and_fall_with_the_signal() -> None:
    signals = [rules.shots_for_ratio(s, 1.0, 1.0, 10, 5000) for s in (1e-9, 1e-3, 1e-2, 1.0)]
    assert signals == [5000, 1280, 160, 10]
    noises = [rules.shots_for_ratio(0.01, v, 1.0, 10, 5000) for v in (0.0, 0.5, 5.0, 1e9)]
    assert noises == [10, 80, 640, 5000]


def test_a_signal_below_the_noise_asks_for_all_shots() -> None:
    assert rules.shots_for_ratio(-0.1, 1.0, 1.0, 10, 5000) == 5000
    assert rules.shots_for_ratio(0.0, 0.0, 1.0, 10, 5000) == 10


def test_the_deviation_is_that_of_numpy() -> None:
    norms = np.random.default_rng([daily_seed(), 1412]).uniform(0, 1, 10).tolist()
    assert rules.spread(norms) == pytest.approx(np.std(norms))
    assert rules.spread([0.3]) is None


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'exponential'"):
        rules.check_choice("schedule", "exponental", rules.SCHEDULES)
