"""Answers about prices: read exactly, or refused; never guessed and never counted as nothing."""

import json
from decimal import Decimal

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from qstore_tf.errors import PriceError
from qstore_tf.ionq.money.amounts import Money
from qstore_tf.ionq.money.rates import billed, estimated, parse_money_json, read_estimate
from qstore_tf.ionq.prices import cost
from qstore_tf.testing.daily import daily_seed

GATES = {
    "sku": "gates",
    "unit": "gates",
    "cost_1q_gate": 0.000164,
    "cost_2q_gate": 0.001121,
    "job_cost_minimum": 25.7899,
}
TIME = {"sku": "time", "unit": "compute_second", "unit_cost": 0.7}
CONTEXT = {
    "backend": "qpu.forte-1",
    "type": "ionq.circuit.v1",
    "qubits": 4,
    "shots": 10_000,
    "1q_gates": 51,
    "2q_gates": 11,
    "error_mitigation": False,
    "organization": None,
    "project": None,
}


def new(rates=(GATES,), context=(), **other):
    return {
        "estimate_context": {**CONTEXT, **dict(context)},
        "estimated_at": "2026-10-01T00:00:00Z",
        "estimated_unit": "usd",
        "rate_card": {"id": "card", "rates": list(rates)},
        "estimated_total_cost": 206.95,
        "estimated_execution_time": 96250,
        "current_predicted_queue_time": 397577,
        **other,
    }


def old(rates=(), **other):
    keys = ("job_cost_minimum", "cost_1q_gate", "cost_2q_gate")
    information = {**{key: GATES[key] for key in keys}, "organization": "o", **dict(rates)}
    return {
        "input_values": CONTEXT,
        "estimated_at": "2026-01-01T00:00:00Z",
        "cost_unit": "usd",
        "rate_information": information,
        "estimated_cost": 206.95,
        "estimated_execution_time": 1,
        "current_predicted_queue_time": 1,
        **other,
    }


def sent(answer):
    return parse_money_json(json.dumps(answer))


@pytest.mark.parametrize("answer", [new(), old()], ids=["new", "old"])
def test_both_shapes_give_the_contract(answer):
    quote = read_estimate(sent(answer))
    assert quote.price == Money(Decimal("206.95"), "USD")
    assert (quote.n_1q, quote.n_2q, quote.shots) == (51, 11, 10_000)
    assert quote.table.currency == "USD" and quote.table.targets == ("forte-1",)
    # The service charged the larger of minimum and gates; no reading is above the sum.
    assert cost(quote.table, 51, 11, 10_000, False) == Decimal("232.7399")
    assert quote.at_most() == Money(Decimal("232.74"), "USD")
    assert quote.at_most(n_circuits=3) == Money(Decimal("284.32"), "USD")
    with pytest.raises(Exception, match="no price with error mitigation"):
        cost(quote.table, 51, 11, 1000, True)


def test_times_are_in_seconds_where_the_unit_is_published():
    quote = read_estimate(sent(new()))
    assert (quote.execution_s, quote.queue_s) == (96.25, 397.577)
    quote = read_estimate(sent(old()))
    assert (quote.execution_s, quote.queue_s) == (None, None)
    quote = read_estimate(sent(new(estimated_execution_time="soon")))
    assert quote.execution_s is None


def test_a_contract_without_minimum_and_one_with_mitigation():
    rate = {key: value for key, value in GATES.items() if key != "job_cost_minimum"}
    quote = read_estimate(sent(new([rate])))
    assert quote.at_most(n_circuits=10) == Money(Decimal("206.95"), "USD")
    dear = {**GATES, "job_cost_minimum": 168.195}
    quote = read_estimate(sent(new([dear], {"error_mitigation": True})))
    assert quote.table.per_circuit_mitigated == Decimal("168.195")
    assert quote.at_most() == Money(Decimal("375.15"), "USD")


def test_compute_time_is_bounded_by_price_prediction_and_margin():
    time = {"estimated_quantum_compute_time_us": 5_000_000, "estimated_total_cost": 3.5}
    quote = read_estimate(sent(new([TIME], **time)))
    assert quote.table is None and quote.per_second == Decimal("0.7")
    assert quote.at_most(margin=Decimal(1)) == Money(Decimal("3.50"), "USD")
    assert quote.at_most() == Money(Decimal("4.38"), "USD")
    quote = read_estimate(sent(new([TIME])))
    with pytest.raises(PriceError, match="predicts none"):
        quote.at_most()


def test_simulators_are_free_and_machines_without_a_rate_are_not():
    free = {"estimated_total_cost": 0, "estimated_unit": None}
    quote = read_estimate(sent(new([], {"backend": "simulator"}, **free)))
    assert quote.price.amount == quote.at_most(n_circuits=100).amount == 0
    with pytest.raises(PriceError, match="not one rate"):
        read_estimate(sent(new([], **free)))


REFUSED = {
    "credits": new(estimated_unit="credit"),
    "credits in the old shape": old(cost_unit="credits"),
    "no unit": new(estimated_unit=None),
    "an unknown unit": old(cost_unit="dollars"),
    "two rates": new([GATES, TIME]),
    "no rates": new([]),
    "an unknown rate": new([{**GATES, "unit": "shots"}]),
    "a price that is missing": new([{"sku": "g", "unit": "gates", "cost_1q_gate": 1}]),
    "a price that is null": old({"cost_1q_gate": None}),
    "a price that is negative": new([{**GATES, "cost_1q_gate": -1}]),
    "a price that is text": new([{**GATES, "cost_1q_gate": "free"}]),
    "a price that is a bool": new([{**GATES, "cost_1q_gate": False}]),
    "compute time in the old shape": old({"rate_type": "qct", "qct_cost_cents": 50}),
    "no price": new(estimated_total_cost=None),
    "a price above the rates": new(estimated_total_cost=233),
    "no context": new() | {"estimate_context": None},
    "no machine": new(context={"backend": None}),
    "shots that are none": new(context={"shots": 0}),
    "gates that are no count": new(context={"1q_gates": 1.5}),
    "mitigation that is no answer": new(context={"error_mitigation": "no"}),
    "a list": [],
    "nothing": None,
}


@pytest.mark.parametrize("answer", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_understood_is_refused(answer):
    with pytest.raises(PriceError):
        read_estimate(sent(answer))


def test_numbers_are_read_as_they_are_written():
    text = b'{"a": 0.1, "b": 24.830000000000000000001, "c": 3, "d": 1e-7}'
    assert parse_money_json(text) == {
        "a": Decimal("0.1"),
        "b": Decimal("24.830000000000000000001"),
        "c": 3,
        "d": Decimal("0.0000001"),
    }


BROKEN = ["", "<html>", "[1,", '{"a": NaN}', "[Infinity]", "[" * 10**5, "1" * 10**6, b"\xff"]


@pytest.mark.parametrize("text", [*BROKEN, " " * 10**7])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(PriceError):
        parse_money_json(text)


def bill(value, unit="usd", **other):
    return {"dry_run": False, "cost": {"value": value, "unit": unit}, **other}


def test_bills_are_exact_and_unpriced_jobs_have_none():
    answer = '{"dry_run": false, "cost": {"value": 24.830000000000000001, "unit": "eur"}}'
    assert billed(parse_money_json(answer)) == Money(Decimal("24.830000000000000001"), "EUR")
    assert billed(sent(bill(0))) == Money(Decimal(0), "USD")
    assert billed({"dry_run": False}) is None
    assert billed({"dry_run": False, "cost": None}) is None
    dry = {"dry_run": True, "estimated_cost": {"value": 1, "unit": "usd"}}
    assert billed(dry) is None and estimated(dry) == Money(Decimal(1), "USD")
    assert estimated({"dry_run": False}) is None


@pytest.mark.parametrize(
    "answer",
    [
        bill(1, "credit"),
        bill(1, None),
        bill(None),
        bill(-1),
        bill("much"),
        bill(0.5),  # read by somebody else's parser
        bill(True),
        {"dry_run": False, "cost": {}},
        {"dry_run": False, "cost": 5},
        {"dry_run": False, "estimated_cost": {"value": 1, "unit": "usd"}},
        {"dry_run": False, "cost": {"value": Decimal("1e30"), "unit": "usd"}},
        None,
        "24.83",
    ],
)
def test_bills_that_are_not_understood_are_refused(answer):
    with pytest.raises(PriceError):
        billed(answer)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*new(), *old(), *CONTEXT, *GATES, "rates"]), inner)
    ),
    max_leaves=8,
)


@seed(daily_seed())
@settings(max_examples=300, deadline=None, database=None)
@given(st.sampled_from([new(), old()]), st.sampled_from([*new(), *old(), *CONTEXT, *GATES]), JSON)
def test_no_answer_leads_to_another_error(answer, name, value):
    answer = sent(answer)
    asked = answer.get("estimate_context") or answer["input_values"]
    rates = answer["rate_card"]["rates"][0] if "rate_card" in answer else answer["rate_information"]
    for part in (answer, asked, rates):
        if name in part:
            part[name] = value
    for read in (read_estimate, billed, estimated):
        try:
            found = read(answer)
        except PriceError:
            continue
        if read is read_estimate and found.table is not None:
            assert found.price.amount <= found.at_most(2).amount
