"""Scores: in [0, 1], monotone in each number, weighted as users of earlier versions know."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qstore_tf.routing.scores import NAMES, WEIGHTS, Numbers, Scores, scores, standard_error

numbers = st.builds(
    Numbers,
    circuits_per_second=st.floats(0, 1e9),
    price=st.one_of(st.none(), st.floats(0, 1e7)),
    standard_error=st.floats(0, 2),
    fidelity=st.one_of(st.none(), st.floats(0, 1)),
    wait_s=st.floats(0, 1e7),
)
# By the name of a number: which score depends on it, and whether more of it is better.
MONOTONE = {
    "circuits_per_second": ("speed", True),
    "price": ("cost", False),
    "standard_error": ("precision", False),
    "fidelity": ("precision", True),
    "wait_s": ("queue", False),
}


@given(numbers)
def test_scores_and_totals_are_from_0_to_1(given_numbers: Numbers) -> None:
    found = scores(given_numbers)
    for name in NAMES:
        assert 0 <= getattr(found, name) <= 1
    for weights in WEIGHTS.values():
        assert -1e-12 <= found.total(weights) <= 1 + 1e-12


@given(
    numbers, st.sampled_from(sorted(MONOTONE)), st.floats(0, 1e6), st.sampled_from(list(WEIGHTS))
)
def test_each_number_moves_its_own_score_alone_and_one_way(
    given_numbers: Numbers, name: str, more: float, priority: str
) -> None:
    before = getattr(given_numbers, name)
    if before is None:
        return
    after = min(1.0, before + more) if name == "fidelity" else before + more
    one, other = scores(given_numbers), scores(replace(given_numbers, **{name: after}))
    score, up = MONOTONE[name]
    low, high = (one, other) if up else (other, one)
    assert getattr(low, score) <= getattr(high, score)
    assert low.total(WEIGHTS[priority]) <= high.total(WEIGHTS[priority]) + 1e-12
    for untouched in set(NAMES) - {score}:
        assert getattr(one, untouched) == getattr(other, untouched)


@pytest.mark.parametrize(
    ("priority", "weights"),
    [
        ("cost", (0.2, 0.5, 0.2, 0.1)),
        ("speed", (0.5, 0.1, 0.2, 0.2)),
        ("balanced", (0.3, 0.3, 0.2, 0.2)),
    ],
)
def test_weights_are_those_of_earlier_versions(
    priority: str, weights: tuple[float, float, float, float]
) -> None:
    found = WEIGHTS[priority]
    assert (found.speed, found.cost, found.precision, found.queue) == weights
    assert sum(weights) == pytest.approx(1)
    one = Scores(0.1, 0.2, 0.3, 0.4)
    assert one.total(found) == pytest.approx(
        sum(weight * score for weight, score in zip(weights, (0.1, 0.2, 0.3, 0.4), strict=True))
    )


def test_the_scores_are_what_their_definition_says() -> None:
    found = scores(Numbers(999.0, price=0.999, standard_error=0.1, fidelity=0.8, wait_s=180.0))
    assert found.speed == pytest.approx(0.5)
    assert found.cost == pytest.approx(0.5)
    assert found.precision == pytest.approx(0.72)
    assert found.queue == pytest.approx(0.25)
    extremes = scores(Numbers(1e7, price=0.0))
    assert (extremes.speed, extremes.cost, extremes.precision, extremes.queue) == (1, 1, 1, 1)
    assert scores(Numbers(0.0, price=2000.0)).cost == 0 == scores(Numbers(0.0)).speed
    assert scores(Numbers(1.0, price=None)).cost == 0  # an unknown price is not counted as nothing
    assert scores(Numbers(1.0, fidelity=None, standard_error=0.2)).precision == pytest.approx(0.8)


def test_the_standard_error_is_that_of_the_worst_pauli_string() -> None:
    assert [standard_error(shots) for shots in (None, 0, 1, 100, 10_000)] == [0, 0, 1, 0.1, 0.01]
