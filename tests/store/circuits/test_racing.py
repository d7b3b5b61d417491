"""Races: certificates that hold, shots that go where they decide."""

import numpy as np
import pytest

from qstore_tf.errors import ConfigurationError, InputError
from qstore_tf.store.circuits import racing
from qstore_tf.testing.daily import daily_seed


class Coins:
    """A sampler of coins with these chances; notes what it was asked for."""

    def __init__(self, chances, seed: int = 0) -> None:
        self.chances, self.asked = np.asarray(chances, float), []
        self.rng = np.random.default_rng([daily_seed(), seed % 2**32])

    def __call__(self, arms, shots):
        self.asked.append((arms.tolist(), shots))
        return self.rng.binomial(shots, self.chances[arms]).astype(float)


def exact(chances):
    """A sampler whose means are the chances, without noise."""
    return lambda arms, shots: shots * np.asarray(chances, float)[arms]


def candidates(rng, count=40):
    """Fidelities as a search among clusters finds them: a few near, many behind, no gap."""
    return np.sort(0.45 + 0.35 * rng.beta(1.2, 3.5, count))[::-1]


def is_wrong(chances, members, k, eps):
    return bool((chances[members] < np.sort(chances)[-k] - eps).any())


def test_a_race_spends_less_than_uniform_shots_for_no_more_errors() -> None:
    rng = np.random.default_rng([daily_seed(), 1])
    cases = [candidates(rng) for _ in range(150)]
    raced = [racing.race(Coins(chances, run), 40, 5) for run, chances in enumerate(cases)]
    shots = int(np.mean([found.shots.sum() for found in raced]) / 0.65 / 40)
    even = [racing.uniform(Coins(chances, -run), 40, 5, shots) for run, chances in enumerate(cases)]
    errors, uniform_errors = (
        sum(is_wrong(case, one.order, 5, 0.02) for case, one in zip(cases, found, strict=True))
        for found in (raced, even)
    )
    assert errors <= uniform_errors
    assert errors <= 0.06 * len(cases)
    assert max(found.rounds for found in raced) <= 30


def test_every_round_is_one_submission_with_one_number_of_shots() -> None:
    coins = Coins(candidates(np.random.default_rng([daily_seed(), 2])))
    found = racing.race(coins, 40, 5)
    assert len(coins.asked) == found.rounds
    spent = np.zeros(40, int)
    for arms, shots in coins.asked:
        assert len(set(arms)) == len(arms)
        spent[arms] += shots
    np.testing.assert_array_equal(spent, found.shots)
    assert coins.asked[0] == (list(range(40)), 300)
    assert found.shots.max() <= sum(racing.racing_steps())
    assert found.certified.all()


@pytest.mark.slow
@pytest.mark.parametrize("gap", [0.021, 0.06])
def test_the_guarantee_of_kl_lucb_holds_where_it_is_hardest(gap: float) -> None:
    # All others are worse by a little more than the margin: each that is returned is an error.
    chances = np.array([0.5] * 2 + [0.5 - gap] * 4)
    risk, runs = 0.2, 40
    wrong = 0
    for run in range(runs):
        found = racing.kl_lucb(Coins(chances, run), 6, 2, risk=risk)
        assert found.certified.all()
        wrong += is_wrong(chances, found.order, 2, 0.02)
    assert wrong <= risk * runs


@pytest.mark.slow
def test_the_intervals_of_kl_lucb_all_hold_with_the_stated_chance() -> None:
    risk, missed = 0.3, 0
    for run in range(80):
        coins = Coins([0.02, 0.3, 0.5, 0.97], run)
        sums, shots = np.zeros(4), np.zeros(4, np.int64)
        intervals, outside = racing._chernoff(4, risk), False
        for had in range(1, 15):
            sums, shots = sums + coins(np.arange(4), 40), shots + 40
            low, high = intervals(sums, shots, np.full(4, had))
            outside |= bool(((coins.chances < low) | (coins.chances > high)).any())
            assert np.all(low <= sums / shots) and np.all(sums / shots <= high)
        missed += outside
    assert missed <= 80 * risk


def test_what_cannot_be_told_apart_is_returned_but_not_certified() -> None:
    chances = [0.9, 0.5, 0.4999, 0.499, 0.1]
    found = racing.race(exact(chances), 5, 2, eps=1e-3, first=300, max_shots=1000)
    assert found.order.tolist() == [0, 1] and found.certified.tolist() == [True, False]
    assert found.shots.tolist() == [300, 1000, 1000, 1000, 300]
    even = racing.uniform(exact(chances), 5, 2, 1000, eps=1e-3)
    assert even.order.tolist() == [0, 1] and even.certified.tolist() == [True, False]


def test_a_margin_makes_equal_arms_good_enough() -> None:
    found = racing.race(exact([0.5] * 6), 6, 2)
    assert found.order.tolist() == [0, 1] and found.certified.all()


def test_scale_and_offset_are_those_of_the_scores() -> None:
    rng = np.random.default_rng([daily_seed(), 3])
    chances = candidates(rng, 12)
    slopes, shifts = rng.uniform(0.2, 1, 12), rng.uniform(0, 0.2, 12)
    found = racing.race(exact(chances), 12, 4, scale=slopes, offset=shifts)
    wanted = shifts + slopes * chances
    np.testing.assert_allclose(found.scores, wanted, atol=1e-12)
    np.testing.assert_array_equal(found.order, np.argsort(-wanted, kind="stable")[:4])
    # Outcomes -1 and 1: the same race with half the margin.
    signs = racing.race(exact((1 + chances) / 2), 12, 4, eps=0.02, scale=2.0, offset=-1.0)
    plain = racing.race(exact((1 + chances) / 2), 12, 4, eps=0.01)
    np.testing.assert_array_equal(signs.shots, plain.shots)
    np.testing.assert_allclose(signs.scores, chances, atol=1e-12)


def test_standard_errors_are_those_of_repeated_estimates() -> None:
    chances = np.array([0.0, 0.1, 0.5, 0.9])
    found = [racing.uniform(Coins(chances, run), 4, 1, 400, scale=0.5) for run in range(300)]
    spread = np.std([one.scores for one in found], axis=0)
    stated = np.mean([one.standard_errors for one in found], axis=0)
    np.testing.assert_allclose(stated[1:], spread[1:], rtol=0.25)
    assert stated[0] > 0  # no outcome yet is no certainty


def test_few_and_no_arms() -> None:
    found = racing.race(exact([0.2, 0.4]), 2, 10)
    assert found.order.tolist() == [1, 0] and found.certified.all() and found.rounds == 1
    nothing = racing.race(exact([]), 0, 10)
    assert nothing.order.size == 0 and nothing.rounds == 0
    assert racing.kl_lucb(exact([]), 0, 1).shots.size == 0


def test_the_first_round_goes_with_the_margin() -> None:
    assert racing.racing_steps(eps=0.02)[0] == 300
    assert racing.racing_steps(eps=0.04)[0] == racing.racing_steps(eps=0.08, scale=2.0)[0] == 75
    assert racing.racing_steps(eps=0.5)[0] == 20
    assert racing.racing_steps(eps=0.02, max_shots=250) == [250]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"k": 0}, "k makes no sense"),
        ({"eps": 0.0}, "margin"),
        ({"growth": 1.0}, "above 1"),
        ({"z": 0.0}, "`z`"),
        ({"max_shots": 0}, "shots"),
        ({"scale": -1.0}, "scale"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        racing.race(exact([0.1, 0.2]), 2, **{"k": 1, **arguments})
    with pytest.raises(ConfigurationError, match="risk"):
        racing.kl_lucb(exact([0.1]), 1, 1, risk=0.0)


@pytest.mark.parametrize("wrong", [np.zeros(3), np.array([1e9, 0.0]), np.array([np.nan, 0.0])])
def test_outcomes_that_do_not_fit_are_refused(wrong) -> None:
    with pytest.raises(InputError, match="outcomes"):
        racing.race(lambda arms, shots: wrong, 2, 1)
