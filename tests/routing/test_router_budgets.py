"""Never over the budget, one budget for a training, and what happens where nobody can pay."""

import sys
from decimal import Decimal
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from qstore_tf import backends
from qstore_tf.backends.arrays import as_batch
from qstore_tf.callbacks import CostPhases
from qstore_tf.errors import (
    BudgetExceededError,
    ConfigurationError,
    JobFailedError,
)
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.layers import QuantumLayer
from qstore_tf.routing import Router, one_budget
from qstore_tf.testing.daily import daily_seed

sys.path.insert(0, str(Path(__file__).parent))
from simulated_members import Simulated, a_program  # noqa: E402

PROGRAM, OBSERVABLES = a_program()
X = np.zeros((6, 2), "float32")


def a_batch(rows: int):
    return as_batch(PROGRAM, np.zeros((rows, 2), "float32"), np.zeros(1))


@pytest.mark.parametrize(
    "case", [*range(3), *(pytest.param(k, marks=pytest.mark.slow) for k in range(3, 30))]
)
def test_no_schedule_of_sizes_prices_and_failures_spends_more(case: int) -> None:
    rng = np.random.default_rng([daily_seed(), 1414, case])
    limit = Decimal(int(rng.integers(1, 30))) / 2
    budget = Budget(usd=limit, shots=int(rng.integers(500, 20_000)))
    machines = [
        Simulated(
            f"machine {k}",
            answer=k,
            price=str(rng.integers(1, 60) / 100),
            shots_per_row=int(rng.integers(1, 100)),
            billed=str(rng.choice(["1", "0.5", "0.99"])),
            fails=[JobFailedError("lost") if rng.random() < 0.2 else None for _ in range(60)],
        )
        for k in range(3)
    ]
    free = Simulated("free", answer=9, fails=[RuntimeError("no") if rng.random() < 0.1 else None
                                              for _ in range(60)])  # fmt: skip
    members = [*machines, free] if rng.random() < 0.7 else machines
    router = Router(members, priority="speed", budget=budget, precision=0.0)
    done = refused = 0
    for _ in range(60):
        rows = int(rng.integers(1, 12))
        before = budget.spent
        try:
            found = router.expectation(a_batch(rows), OBSERVABLES)
        except (BudgetExceededError, JobFailedError, RuntimeError):
            refused += 1
        else:
            assert found.shape == (rows, 2)
            done += 1
            if found[0, 0] == 9 and not any(m.fails for m in machines):
                assert budget.spent == before
        balance = budget.balance
        assert balance.overspent.money == 0 and balance.overspent.shots == 0
        assert balance.spent.money <= limit and balance.reserved.money == 0
    assert done and done + refused == 60
    rows_run = sum(member.rows for member in members)
    assert router.telemetry()["batches"] == done
    assert sum(router.tally._rows.values()) == rows_run


def test_a_budget_that_no_backend_fits_is_one_clear_error() -> None:
    machines = Simulated("one", price="3"), Simulated("other", price="4")
    router = Router(machines, budget=Budget(usd=10))
    assert router.expectation(a_batch(2), OBSERVABLES).shape == (2, 2)
    with pytest.raises(BudgetExceededError) as failure:
        router.expectation(a_batch(2), OBSERVABLES)
    for words in (
        "'one' cannot: it would cost up to 6 USD, and the budget has 4 USD left",
        "'other' cannot: it would cost up to 8 USD, and the budget has 4 USD left",
    ):
        assert words in str(failure.value)
    assert (machines[0].rows, machines[1].rows) == (2, 0)


def test_shots_and_unknown_prices_are_limits_too() -> None:
    drawn = Router([Simulated("drawn", price="0", shots_per_row=100)], budget=Budget(shots=150))
    drawn.expectation(a_batch(1), OBSERVABLES)
    with pytest.raises(BudgetExceededError, match="100 shots, and the budget has 50 left"):
        drawn.expectation(a_batch(1), OBSERVABLES)
    machine = backends.get("ionq", target="qpu.forte-1", url="http://localhost:1", api_key="k")
    router = Router([machine], budget=5, precision=0)
    found = router.explain(PROGRAM, 100, observables=OBSERVABLES)
    assert "its price is not known, and the budget limits money" in found.sentence


def test_what_the_budget_names_runs_when_nothing_else_can_pay(caplog) -> None:
    machine = Simulated("machine", answer=1, price="3")
    budget = Budget(usd=7, on_exceed="fallback", fallback="native")
    router = Router([machine], budget=budget)
    values = np.full((2, 2), 0.3, "float32")
    batch = as_batch(PROGRAM, values, np.ones(1))
    assert router.expectation(batch, OBSERVABLES)[0, 0] == 1
    found = router.expectation(batch, OBSERVABLES)
    native = backends.get("native").expectation(PROGRAM, OBSERVABLES, values, [1.0])
    np.testing.assert_allclose(found, native, atol=1e-6)
    assert machine.rows == 2 and budget.spent.money == 6
    assert "'native' runs it, as the budget says" in router.decisions[-1]
    telemetry = router.telemetry()
    assert telemetry["share_native"] == 0.5
    # With shots, it draws as many.
    assert np.isin(router.with_shots(100).expectation(batch, OBSERVABLES, [1, 2]) * 50 % 1, 0).any()


def a_model(one, other) -> keras.Model:
    layers = [
        QuantumLayer(2, depth=1, encoding="angle", observables="Z", backend=backend)
        for backend in (one, other)
    ]
    model = keras.Sequential([keras.Input((2,)), *layers])
    model.compile("sgd", "mse")
    return model


def test_two_routers_of_one_model_with_two_budgets_are_one_clear_error() -> None:
    model = a_model(Router(["native"], budget=1), Router(["native"], budget=2))
    for attempt in (lambda: one_budget(model), lambda: model.fit(X, X, verbose=0)):
        with pytest.raises(ConfigurationError, match="spend from different budgets"):
            attempt()


def test_two_routers_with_two_budgets_are_seen_where_keras_runs_eagerly() -> None:
    model = a_model(Router(["native"], budget=1), Router(["native"], budget=2))
    model.compile("sgd", "mse", run_eagerly=True)
    with pytest.raises(Exception, match="spend from different budgets"):
        model.fit(X, X, verbose=0, callbacks=[CostPhases()])


def test_one_budget_for_all_is_fine_also_by_its_file(tmp_path) -> None:
    budget = Budget(usd=1, path=tmp_path / "budget.sqlite")
    again = Budget(path=tmp_path / "budget.sqlite")
    model = a_model(Router(["native"], budget=budget), Router(["tensorflow"], budget=again))
    assert one_budget(model) is budget
    model.fit(X, X, verbose=0)
    other = a_model(Router(["native"]), Router(["native"], budget=2))
    assert one_budget(other) is not None
    other.fit(X, X, verbose=0)
    assert one_budget(a_model("native", "tensorflow")) is None
    routers = [Router(["native"], budget=1), Router(["native"], budget=1)]
    with pytest.raises(ConfigurationError, match="one Router with it for all layers"):
        one_budget(routers)


def test_trainings_one_after_the_other_may_have_budgets_of_their_own() -> None:
    for _ in range(2):
        router = Router(["native"], budget=1)
        model = a_model(router, router)
        model.fit(X, X, verbose=0, callbacks=[CostPhases()])
    assert tf.executing_eagerly()


def test_a_machine_that_cannot_take_a_budget_is_refused() -> None:
    class Stubborn(Simulated):
        with_budget = property()  # it has none

    machine = Stubborn("machine", price="1")
    with pytest.raises(ConfigurationError, match="cannot spend from a budget"):
        Router([machine], budget=1)
    machine.budget = budget = Budget(usd=1)
    assert Router([machine], budget=budget).members[0].budget is budget


def test_without_a_budget_members_keep_their_own() -> None:
    own = Budget(usd=2)
    machine, free = Simulated("machine", 1, price="1", budget=own), Simulated("free", 2)
    router = Router([machine, free], priority="speed", margin=0.0)
    answers = []
    for _ in range(4):
        machine.wait_s, free.wait_s = 0.0, 1e6  # the machine would be far better
        answers.append(router.expectation(a_batch(1), OBSERVABLES)[0, 0])
    assert answers == [1, 1, 2, 2] and own.spent.money == 2
