"""Prices: the published formulas to the last digit, and no price where none is known."""

import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.errors import ConfigurationError
from qstore_tf.ionq.prices import (
    TABLES,
    PriceTable,
    cost,
    cost_per_thousand_shots,
    price_table,
    tables_for,
)
from qstore_tf.ionq.targets import TARGETS, Target

AZURE = price_table("azure", "forte-1")


def made(**changes):
    return PriceTable(**{"provider": "ours", "targets": ("forte-1",), "per_circuit": 0, **changes})


@pytest.mark.parametrize(
    ("provider", "target", "mitigation", "expected"),
    [
        ("azure", "aria-1", False, "12.4166 + 10 * 0.22 + 4 * 0.975"),
        ("azure", "aria-1", True, "97.50 + 10 * 0.22 + 4 * 0.975"),
        ("azure", "forte-1", False, "25.7899 + 10 * 0.1645 + 4 * 1.121"),
        ("azure", "qpu.forte-enterprise-1", True, "168.195 + 10 * 0.1645 + 4 * 1.121"),
        ("braket", "forte-1", False, "0.30 + 80"),
        ("Braket", "forte-enterprise-1", True, "0.30 + 80"),
        ("ionq", "simulator", True, "0"),
    ],
)
def test_a_thousand_shots_cost_what_the_provider_says(provider, target, mitigation, expected):
    terms = [term.split(" * ") for term in expected.split(" + ")]
    exact = sum(Decimal(term[-1]) * Decimal(term[0] if term[1:] else 1) for term in terms)
    table = price_table(provider, target)
    assert cost_per_thousand_shots(table, 10, 4, mitigation) == exact
    assert cost(table, 10, 4, 1000, mitigation) == exact


def test_the_gates_of_known_circuits_cost_what_was_worked_out_by_hand():
    # facts: six qubits, four layers, compiled to 324/20, 65/20 and 60/15 gates; gates only
    gates = [cost(AZURE, a, b, 1000, False) - AZURE.per_circuit for a, b in [(324, 20), (65, 20)]]
    assert [round(amount, 1) for amount in gates] == [Decimal("75.7"), Decimal("33.1")]


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(TABLES),
    st.integers(0, 10**12),
    st.integers(0, 10**12),
    st.integers(1, 10**6),
    st.booleans(),
)
def test_costs_are_exact_however_large(table, n_1q, n_2q, shots, mitigation):
    fee = table.per_circuit_mitigated if mitigation else table.per_circuit
    gates = n_1q * Fraction(table.per_1q_gate) + n_2q * Fraction(table.per_2q_gate)
    exact = Fraction(fee) + shots * (Fraction(table.per_shot) + gates)
    assert Fraction(cost(table, n_1q, n_2q, shots, mitigation)) == exact


def test_what_does_not_fit_the_digits_is_rounded_up():
    tiny = made(per_circuit="1", per_shot="1e-500")
    assert cost(tiny, 0, 0, 1, False) > 1


def test_counts_from_arrays_are_taken():
    assert cost(AZURE, np.int64(3), np.int32(2), np.int64(10), False) == cost(
        AZURE, 3, 2, 10, False
    )


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.title)
def test_every_table_says_whose_and_when_and_where(table):
    assert table.currency == "USD"
    assert isinstance(table.date, datetime.date) and table.source
    assert set(table.targets) <= set(TARGETS)
    assert all(table in tables_for(target) for target in table.targets)


def test_tables_of_today_come_first():
    assert [t.provider for t in tables_for("qpu.forte-1")] == ["azure", "braket"]
    aria = tables_for("aria-1")
    assert [(t.provider, t.listed) for t in aria] == [("azure", True), ("braket", False)]
    assert tables_for(Target(name="t", api_name="qpu.t", n_qubits=2, entangler="ZZ")) == ()


@pytest.mark.parametrize(
    ("provider", "target", "message"),
    [
        ("ionq", "forte-1", "by contract.*GET /jobs/estimate.*PriceTable of your own"),
        ("QCT", "forte-1", "compute time.*upper bound"),
        ("compute_second", "forte-1", "compute time"),
        ("braket", "aria-1", "sells aria-1 no longer.*PriceTable"),
        ("azure", "aria-2", "no price of aria-2"),
        ("azure", "simulator", "no price of simulator"),
        ("azur", "forte-1", "Did you mean 'azure'"),
        (None, "forte-1", "Available: 'azure', 'braket', 'ionq'"),
        ("azure", "forte", "Did you mean 'forte-1'"),
    ],
)
def test_unknown_prices_are_refused(provider, target, message):
    with pytest.raises(ConfigurationError, match=message):
        price_table(provider, target)


def test_a_table_of_ones_own_serves_where_no_price_is_published():
    table = made(per_circuit=Decimal("1.5"), per_2q_gate="0.001", currency="EUR")
    assert cost(table, 7, 3, 100, False) == Decimal("1.8")
    assert table.title == "ours, forte-1"
    with pytest.raises(ConfigurationError, match="no price with error mitigation"):
        cost(table, 7, 3, 100, True)


@pytest.mark.parametrize("field", ["per_circuit", "per_circuit_mitigated", "per_shot"])
@pytest.mark.parametrize("value", [0.08, "x", "NaN", "sNaN", "Infinity", -1, "-0.1", True, "1e99"])
def test_an_amount_is_an_exact_decimal(field, value):
    with pytest.raises(ConfigurationError, match=f"{field} of a price table is no amount"):
        made(**{field: value})


@pytest.mark.parametrize("currency", ["credit", "compute_second", "usd", "", None, "USDT"])
def test_credits_are_no_currency(currency):
    with pytest.raises(ConfigurationError, match="no usable currency.*contract"):
        made(currency=currency)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((AZURE, -1, 0, 1, False), "n_1q is not a number of gates"),
        ((AZURE, 0, 1.0, 1, False), "n_2q is not a number of gates"),
        ((AZURE, True, 0, 1, False), "n_1q"),
        ((AZURE, 10**40, 0, 1, False), "n_1q"),
        ((AZURE, 0, 0, 0, False), "shots"),
        ((AZURE, 0, 0, 10**18, False), "shots"),
        ((AZURE, 0, 0, 1, "no"), "mitigation is True or False"),
        (("azure", 0, 0, 1, False), "no table of prices.*price_table"),
    ],
)
def test_wrong_arguments_of_costs_are_named(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        cost(*arguments)
