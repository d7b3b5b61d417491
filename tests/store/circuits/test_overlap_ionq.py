"""Fidelities on IonQ's service, against a local one: one submission a round, price and budget."""

import re
from collections.abc import Iterator
from decimal import Decimal

import numpy as np
import pytest

from qstore_tf.backends import arrays
from qstore_tf.errors import BudgetExceededError, DryRunError, PriceError
from qstore_tf.ionq.emulator.running import Emulator
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.store.circuits import overlap
from qstore_tf.store.circuits.overlap_circuits import METHODS
from qstore_tf.store.circuits.preparing import superposed
from qstore_tf.store.definitions.encoding import METRICS
from qstore_tf.store.definitions.measurement import fidelity
from qstore_tf.store.queries import reranking
from qstore_tf.testing.daily import daily_seed
from tests.store.index.plain import Twins


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


@pytest.fixture(autouse=True)
def service(emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("IONQ_API_URL", emulator.url)
    monkeypatch.setenv("IONQ_API_KEY", "a-key")
    monkeypatch.setenv("QSTORE_IONQ_JOURNAL", str(tmp_path / "journal.sqlite"))
    monkeypatch.delenv("IONQ_BUDGET_USD", raising=False)


def a_question(case: int, count: int = 8, d: int = 3, **options):
    rng = np.random.default_rng([daily_seed(), case])
    states = METRICS["cosine"].encode(rng.normal(size=(count, d)))
    query = METRICS["cosine"].encode_query(rng.normal(size=d))
    return overlap.ask(states, query, **options), fidelity(query, states)


def sent(emulator: Emulator) -> int:
    return len(emulator.jobs())


@pytest.mark.parametrize("method", METHODS)
def test_all_candidates_are_one_submission_exact_or_by_shots(method: str, emulator) -> None:
    asked, exact = a_question(1, method=method)
    before = sent(emulator)
    found = overlap.measure(asked, arrays.get("ionq"))
    np.testing.assert_allclose(found.values, exact, atol=1e-6)
    assert sent(emulator) == before + 1
    found = overlap.measure(asked, arrays.get("ionq"), shots=2000, seed=3)
    assert sent(emulator) == before + 2
    spread = exact * (1 - exact) if method == "inversion" else 1 - exact**2
    assert np.all(np.abs(found.values - exact) < 5 * np.sqrt(spread / 2000) + 5 / 2000)


def test_contexts_on_a_machine_are_those_of_the_definition(emulator) -> None:
    rng = np.random.default_rng([daily_seed(), 2])
    weights = rng.dirichlet(np.ones(2))
    states = METRICS["cosine"].encode(rng.normal(size=(2, 3)))
    query = METRICS["cosine"].encode_query(rng.normal(size=3))
    item = superposed(weights, states, 1)
    asked = overlap.ask(item, query, n_context=1, context=1)
    found = overlap.measure(asked, arrays.get("ionq"))
    assert found.values[0] == pytest.approx(weights[1] * fidelity(query, states[1]), abs=1e-6)


def test_each_round_of_a_race_is_one_submission_and_nothing_is_sent_twice(emulator) -> None:
    asked, exact = a_question(3)
    budget = Budget(usd=10_000)
    backend = arrays.get("ionq", target="qpu.forte-1", prices="azure", budget=budget)
    before = emulator.jobs()
    found = overlap.select(asked, 2, backend, eps=0.1, first=200)
    jobs = [job for job in emulator.jobs() if job.id not in {old.id for old in before}]
    assert len(jobs) == found.rounds
    assert np.all(exact[found.order] >= np.sort(exact)[-2] - 0.15)
    # Every job is billed once, and no more was spent than was estimated.
    most = overlap.estimate_selection(asked, backend, eps=0.1, first=200).price
    assert 0 < budget.spent.money <= most.amount
    came_to = overlap.estimate(asked, backend, found.submissions).price.amount
    assert budget.spent.money <= came_to <= most.amount
    assert len(budget.entries("spent")) == len(jobs) and not budget.entries("reserved")
    assert sent(emulator) == len(before) + len(jobs)


def test_an_estimate_names_the_price_and_sends_nothing(emulator) -> None:
    asked, _ = a_question(4)
    before = sent(emulator)
    by_table = arrays.get("ionq", target="qpu.forte-1", prices="azure")
    one = overlap.estimate(asked, by_table, [(8, 1000)])
    assert (one.jobs, one.circuits, one.shots) == (1, 8, 8000)
    # By azure's table: 25.7899 for each circuit, and its gates in each shot.
    gates = one.gates_1q * Decimal("0.0001645") + one.gates_2q * Decimal("0.001121")
    assert abs(one.price.amount - (8 * Decimal("25.7899") + 1000 * gates)) < Decimal("0.01")
    by_service = overlap.estimate(asked, arrays.get("ionq", target="qpu.forte-1"), [(8, 1000)])
    assert by_service.price is not None and by_service.price.amount > 0
    assert sent(emulator) == before


def test_a_dry_run_brings_the_price_of_the_service_and_runs_nothing(emulator) -> None:
    asked, _ = a_question(5)
    backend = arrays.get("ionq", target="qpu.forte-1", dry_run=True)
    with pytest.raises(DryRunError, match=r"\d USD") as caught:
        overlap.measure(asked, backend, shots=100)
    assert re.fullmatch(r"[\d.]+ USD", caught.value.price)
    assert all(job.dry_run for job in emulator.jobs()[-1:])


@pytest.mark.parametrize(
    "budget", [Budget(usd=1), Budget(shots=1500)], ids=["of money", "of shots"]
)
@pytest.mark.parametrize("allocation", overlap.ALLOCATIONS)
def test_a_budget_too_small_refuses_before_anything_is_sent(budget, allocation, emulator) -> None:
    asked, _ = a_question(6)
    backend = arrays.get("ionq", target="qpu.forte-1", prices="azure", budget=budget)
    before = sent(emulator)
    # The first round alone, of 100 shots each, would fit into the budget of shots.
    options = {"shots": 1000} if allocation == "uniform" else {"first": 100}
    with pytest.raises(BudgetExceededError, match="nothing of it was sent"):
        overlap.select(asked, 2, backend, allocation=allocation, **options)
    with pytest.raises(BudgetExceededError, match="nothing of it was sent"):
        overlap.measure(asked, backend, shots=1000)
    assert sent(emulator) == before
    assert not any(budget.spent) and not any(budget.reserved)


def test_a_budget_may_name_where_to_go_on(emulator) -> None:
    asked, exact = a_question(10)
    budget = Budget(shots=50, on_exceed="fallback", fallback="tensorflow")
    backend = arrays.get("ionq", target="qpu.forte-1", budget=budget)
    before = sent(emulator)
    found = overlap.measure(asked, backend, shots=1000)
    assert sent(emulator) == before and not any(budget.spent)
    assert np.all(np.abs(found.values - exact) < 5 * np.sqrt(exact * (1 - exact) / 1000) + 5e-3)


def test_a_cost_that_is_not_known_loses_no_outcomes(emulator, monkeypatch) -> None:
    pair = Twins([daily_seed(), 11], "cosine", 3)
    pair.apply(groups=False)
    snapshot, query = pair.index.snapshot(), pair.query()
    hits = snapshot.search(query[None], 4, at_ms=pair.now).row(0)
    candidates = reranking.candidates(snapshot, hits, query)

    def unknown(*_):
        raise PriceError("nobody knows")

    monkeypatch.setattr(overlap, "estimate", unknown)
    result = reranking.rerank(candidates, 2, arrays.get("ionq"), shots=100)
    assert result.cost is None and len(result.columns) == 2


def test_a_price_in_another_currency_is_not_counted_as_nothing(emulator) -> None:
    asked, _ = a_question(7)
    budget = Budget(amount=100, currency="EUR")
    backend = arrays.get("ionq", target="qpu.forte-1", prices="azure", budget=budget)
    before = sent(emulator)
    with pytest.raises(PriceError, match="EUR"):
        overlap.measure(asked, backend, shots=100)
    assert sent(emulator) == before


def test_a_query_is_measured_again_on_a_machine_within_its_budget(emulator) -> None:
    pair = Twins([daily_seed(), 9], "cosine", 3)
    pair.apply(groups=False)
    snapshot, query = pair.index.snapshot(), pair.query()
    hits = snapshot.search(query[None], 5, at_ms=pair.now).row(0)
    candidates = reranking.candidates(snapshot, hits, query)
    budget = Budget(usd=1000)
    backend = arrays.get("ionq", target="qpu.forte-1", prices="azure", budget=budget)
    most = reranking.estimate(candidates, backend, shots=200).price
    result = reranking.rerank(candidates, 3, backend, shots=200)
    # The local machine is without noise.
    exact = hits.scores[0][result.columns]
    assert np.all(np.abs(result.ranked.scores - exact) < 5 * result.ranked.standard_errors + 0.03)
    assert result.cost == most and 0 < budget.spent.money <= most.amount
    before = sent(emulator)
    with pytest.raises(BudgetExceededError, match="nothing of it was sent"):
        reranking.rerank(candidates, 3, backend, shots=100_000)
    assert sent(emulator) == before


def test_an_estimate_does_not_touch_what_others_run_meanwhile(emulator) -> None:
    asked, exact = a_question(8)
    backend = arrays.get("ionq", target="qpu.forte-1", prices="azure")
    with backend.sender.rehearsing():  # somebody else's
        assert overlap.estimate(asked, arrays.get("ionq"), [(8, 10)]).circuits == 8
    before = sent(emulator)
    overlap.estimate(asked, backend, [(8, 10)])
    overlap.measure(asked, backend, shots=10)
    assert sent(emulator) == before + 1
