"""Estimates: sums are exact, and what is not known stays unknown."""

import dataclasses
from decimal import Decimal

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from qstore_tf.errors import ConfigurationError, PriceError
from qstore_tf.ionq.money.amounts import EXACT, Money, add, exact, up_to_cents
from qstore_tf.ionq.money.estimating import Estimate, duration, estimate_batch, estimate_table
from qstore_tf.ionq.prices import PriceTable, cost, price_table
from qstore_tf.testing.daily import daily_seed

FORTE = price_table("azure", "forte-1")
COUNTS = st.integers(0, 1000)


@seed(daily_seed())
@settings(max_examples=100, deadline=None, database=None)
@given(COUNTS, COUNTS, st.integers(0, 5000), st.integers(1, 10**6), st.booleans(), COUNTS)
def test_a_batch_costs_its_circuits_rounded_up_to_cents(n_1q, n_2q, circuits, shots, mitigated, n):
    batch = estimate_batch(n_1q, n_2q, circuits, shots, FORTE, mitigated)
    exactly = circuits * cost(FORTE, n_1q, n_2q, shots, mitigated)
    assert exactly <= batch.price.amount < exactly + Decimal("0.01")
    assert batch.price.amount * 100 % 1 == 0
    many = n * batch
    assert many == sum([batch] * n, Estimate(price=Money(Decimal(0), "USD")))
    assert many.price.amount == n * batch.price.amount
    assert (many.shots, many.gates_1q) == (n * circuits * shots, n * circuits * n_1q)


def test_what_is_not_known_is_not_nothing():
    known = estimate_batch(1, 1, 1, 100, FORTE, False, seconds=2.0)
    unknown = estimate_batch(1, 1, 1, 100, None, False)
    both = known + unknown
    assert both.price is None and both.seconds is None and both.shots == 200
    assert "not known" in str(both) and "?" in str(both)
    assert (known + known).seconds == 4.0


def test_a_price_that_is_no_bound_says_so_also_in_a_sum():
    known = estimate_batch(1, 1, 1, 100, FORTE, False, seconds=2.0)
    rough = dataclasses.replace(known, is_bound=False)
    assert not (known + rough).is_bound and not (3 * rough).is_bound and (2 * known).is_bound
    assert f"about {(known + rough).price}" in str(known + rough)
    assert "about" not in str(known)
    assert rough.to_dict()["is_bound"] is False


def test_currencies_are_not_added():
    euro = PriceTable(provider="x", targets=("y",), per_circuit=1, currency="EUR")
    with pytest.raises(PriceError, match="two currencies"):
        estimate_batch(1, 1, 1, 1, euro, False) + estimate_batch(1, 1, 1, 1, FORTE, False)


def test_the_table_and_the_dictionary():
    step = estimate_batch(60, 15, 32, 1000, FORTE, False, seconds=90.0)
    assert step.to_dict() == {
        "jobs": 1,
        "circuits": 32,
        "shots": 32_000,
        "gates_1q": 1920,
        "gates_2q": 480,
        "price": "1679.2",
        "currency": "USD",
        "seconds": 90.0,
        "is_bound": True,
    }
    lines = estimate_table({"step": step, "run": 100 * step}).splitlines()
    assert len(lines) == 3 and len({len(line) for line in lines}) == 1
    words = lines[2].split()
    assert words[:6] == ["run", "100", "3200", "3200000", "192000", "48000"]
    assert words[6:] == ["167920", "USD", "2", "h", "30", "min"]


@pytest.mark.parametrize("wrong", [{"n_1q": -1}, {"n_circuits": 1.5}, {"shots": 0}, {"n_2q": None}])
def test_counts_are_counts(wrong):
    right = {"n_1q": 1, "n_2q": 1, "n_circuits": 1, "shots": 1, "table": FORTE, "mitigation": False}
    with pytest.raises(ConfigurationError):
        estimate_batch(**{**right, **wrong})


def test_only_whole_times():
    for times in (-1, 1.5, True):
        with pytest.raises(TypeError):
            times * Estimate()
    with pytest.raises(TypeError):
        Estimate() + 1


def test_times_that_are_none():
    assert duration(float("nan")) == duration(float("inf")) == "?"
    assert duration(59.9) == "59.9 s" and duration(60) == "1 min 0 s"


def test_sums_keep_every_decimal():
    large, small = Decimal(10**18), Decimal("1e-30")
    assert add(large, small, large) == Decimal("2000000000000000000.000000000000000000000000000001")
    assert 2 * Estimate(price=Money(add(large, small), "USD")) == Estimate(
        price=Money(add(large, small, large, small), "USD")
    )


@seed(daily_seed())
@settings(max_examples=200, deadline=None, database=None)
@given(st.decimals(0, 10**18, places=30) | st.integers(0, 10**18))
def test_amounts_come_back_from_text_as_they_were(amount):
    found = exact(str(amount), "x")
    assert found == amount
    cents = up_to_cents(found)
    assert found <= cents and EXACT.subtract(cents, found) < Decimal("0.01")
