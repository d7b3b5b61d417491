"""Queries by shots measure what queries without them compute."""

from decimal import Decimal

import numpy as np
import pytest

from qstore_tf.backends.arrays.ionq import IonQ
from qstore_tf.backends.arrays.qsim import Qsim
from qstore_tf.errors import BudgetExceededError, ConfigurationError, LibraryError
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.prices import price_table
from qstore_tf.store.database import QuantumDatabase
from qstore_tf.store.definitions.decoherence import ManualClock
from qstore_tf.testing.daily import daily_seed


def filled(backend, clock, **settings):
    rng = np.random.default_rng([daily_seed(), 5])
    db = QuantumDatabase(clock=clock, quantum_backend=backend, **settings)
    for row in range(8):
        own = rng.normal(size=3)
        contexts = [("a", 0.3), ("b", 0.7, own)] if row % 2 else [("a", 0.6), ("c", 0.4)]
        db.insert(f"i{row}", rng.normal(size=3), contexts, 5000.0 if row % 3 else None)
        clock.advance(100.0)
    return db, rng.normal(size=3)


@pytest.mark.parametrize(
    ("context", "rank_by"),
    [
        (None, "score"),
        ("a", "score"),
        ("b", "score"),
        ("a", "fidelity"),
        ({"a": 0.5, "b": 0.5}, "score"),
    ],
)
def test_measured_scores_are_the_computed_ones_within_their_errors(context, rank_by):
    db, query = filled(Qsim(), ManualClock(0.0))
    with db:
        exact = {m.id: m.score for m in db.query(query, context, rank_by=rank_by, top_k=20)}
        found = db.query(query, context, rank_by=rank_by, top_k=20, shots=4000, seed=3)
        assert not found.scores_exact and found.shots == 4000 * len(exact)
        assert {m.id for m in found} == set(exact)
        for match in found:
            assert 0 < match.standard_error < 0.02
            assert abs(match.score - exact[match.id]) < 5.5 * match.standard_error
        assert found.cost.amount == 0


def test_a_precise_query_returns_what_is_certain():
    db, query = filled(Qsim(), ManualClock(0.0))
    with db:
        found = db.query(query, mode="precise", top_k=2, shots=0, seed=1)
        best = db.query(query, top_k=2)
        assert found.certified and 1 <= len(found) <= 2
        for match in found:
            assert match.score > best[1].score - 0.05


def test_shots_need_a_backend_and_few_enough_qubits():
    db, query = filled(None, ManualClock(0.0))
    with db, pytest.raises(ConfigurationError, match="quantum_backend="):
        db.query(query, shots=100)
    db, query = filled(Qsim(), ManualClock(0.0), n_qubits=1)
    with db, pytest.raises(ConfigurationError, match="too wide.*at most 1 qubits"):
        db.query(query, shots=100)


def test_the_price_is_known_before_and_a_budget_stops_it(ionq_emulator, tmp_path):
    prices = price_table("azure", "forte-1")
    budget = Budget(usd=Decimal(1), path=tmp_path / "budget.sqlite")
    backend = IonQ(
        "simulator",
        noise="forte-1",
        shots=100,
        prices=prices,
        budget=budget,
        journal=tmp_path / "journal.sqlite",
    )
    db, query = filled(backend, ManualClock(0.0))
    with db:
        planned = db.estimate(query, "a", top_k=2, candidates=3, shots=100)
        assert planned.circuits == 3 and planned.price.amount > 1
        before = len(ionq_emulator.requests())
        with pytest.raises(BudgetExceededError, match="nothing of it was sent"):
            db.query(query, "a", top_k=2, candidates=3, shots=100)
        assert len(ionq_emulator.requests()) == before


@pytest.mark.parametrize("name", ["tensorflow", "native", "qsim"])
def test_backends_of_every_kind_measure(name):
    """Those that compute in TensorFlow too, of which the message about a missing one names one."""
    backends = pytest.importorskip("qstore_tf.backends")
    try:
        backend = backends.get(name)
    except LibraryError as error:
        pytest.skip(str(error))
    db, query = filled(backend, ManualClock())
    exact = {match.id: match.score for match in db.query(query, top_k=8)}
    found = db.query(query, top_k=8, shots=2000, seed=3)
    assert found.shots == 8 * 2000 and not found.scores_exact
    for match in found:
        assert abs(match.score - exact[match.id]) <= 5 * max(match.standard_error, 1e-3)
    again = db.query(query, top_k=8, shots=2000, seed=3)
    assert again.scores.tolist() == found.scores.tolist()
    assert db.query(query, top_k=3, mode="precise", shots=0, seed=3).shots > 0
    assert db.estimate(query, shots=100).shots > 0
