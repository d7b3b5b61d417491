"""Routers with a local IonQ among their backends: prices, waits, fidelity, and what is sent."""

import socket
import time
from collections.abc import Iterator
from decimal import Decimal

import keras
import numpy as np
import pytest

from qstore_tf import backends, ionq
from qstore_tf.backends.arrays import as_batch
from qstore_tf.backends.forecast import Forecast
from qstore_tf.callbacks import telemetry
from qstore_tf.circuits import UnifiedCircuit, compile_circuit, parse_observables
from qstore_tf.errors import ConfigurationError
from qstore_tf.ionq.emulator.running import Emulator
from qstore_tf.ionq.foreseeing import Foresight
from qstore_tf.ionq.money.amounts import Money
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.money.tracker import CostTracker
from qstore_tf.ionq.prices import cost, price_table
from qstore_tf.ionq.service.network import Answer, Http
from qstore_tf.ionq.service.server import Server
from qstore_tf.ionq.targets import lookup
from qstore_tf.layers import QuantumLayer
from qstore_tf.routing import Router

X = np.random.default_rng(0).normal(size=(6, 2)).astype("float32")
Y = np.zeros((6, 2), "float32")
CIRCUIT = UnifiedCircuit(2).add_gate("RX", 0, "x").add_gate("RY", 1, "y").add_gate("CX", [0, 1])
PROGRAM = compile_circuit(CIRCUIT.add_gate("RZ", 0, "a"), inputs=["x", "y"])
# What a test makes a simulator seem, so that another one is better.
POOR = Forecast(wait_s=1e9, fidelity=0.0, price=Money(Decimal(10_000), "USD"))
MIDDLING = Forecast(wait_s=60.0, price=Money(Decimal(10), "USD"))
OBSERVABLES = tuple(parse_observables(["ZI", "IZ"], 2))


@pytest.fixture(autouse=True)
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with Emulator() as running:
        monkeypatch.setenv("IONQ_API_URL", running.url)
        monkeypatch.setenv("IONQ_API_KEY", "a-key")
        yield running


def a_model(backend, **options) -> keras.Model:
    keras.utils.set_random_seed(1)
    layer = QuantumLayer(
        2, depth=1, encoding="angle", observables=["Z0", "X1"], backend=backend, **options
    )
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2), layer])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


def a_batch(rows: int = 2):
    return as_batch(PROGRAM, np.full((rows, 2), 0.4, "float32"), np.ones(1))


def a_machine(**options):
    return backends.get("ionq", target="qpu.forte-1", shots=500, **{"prices": "azure", **options})


def test_the_forecast_is_what_is_sent_and_billed_at_most(emulator: Emulator) -> None:
    tracker = CostTracker()
    machine = a_machine(tracker=tracker)
    found = machine.forecast(PROGRAM, OBSERVABLES, 3)
    machine.arrays.expectation(a_batch(3), OBSERVABLES)
    jobs = tracker.jobs()
    assert found.circuits == sum(job.circuits for job in jobs) == 3
    assert found.shots == sum(job.shots for job in jobs) == 1500
    assert found.price.amount == sum(job.estimated for job in jobs)
    n_1q, n_2q = jobs[0].gates_1q // 3, jobs[0].gates_2q // 3
    table = price_table("azure", "forte-1")
    assert abs(3 * cost(table, n_1q, n_2q, 500, False) - found.price.amount) < 1
    assert found.fidelity == pytest.approx(lookup("forte-1").estimated_fidelity(n_1q, n_2q))
    assert found.note == ""


def test_prices_of_the_service_are_asked_once_for_each_kind_of_work(emulator: Emulator) -> None:
    machine = a_machine(prices=None)
    first = machine.forecast(PROGRAM, OBSERVABLES, 3)
    assert first.price.amount > 0 and not emulator.jobs()
    asked = len(emulator.requests())
    assert machine.forecast(PROGRAM, OBSERVABLES, 3) == first
    assert len(emulator.requests()) == asked


def test_a_service_that_fails_once_tells_its_price_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine, send, failed = a_machine(prices=None), Http.send, []

    def fails_once(wire, method, path, *rest):
        if "estimate" in path and not failed:
            failed.append(path)
            return Answer(503, b"")
        return send(wire, method, path, *rest)

    monkeypatch.setattr(Http, "send", fails_once)
    assert machine.forecast(PROGRAM, OBSERVABLES, 3).price.amount > 0 and failed


@pytest.mark.slow
def test_a_silent_service_does_not_hold_up_a_training(monkeypatch: pytest.MonkeyPatch) -> None:
    known = a_machine(prices=None)
    price = known.forecast(PROGRAM, OBSERVABLES, 3).price
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes connections, and no more
        monkeypatch.setenv("IONQ_API_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        begin = time.monotonic()
        found = a_machine(prices=None).forecast(PROGRAM, OBSERVABLES, 3)
        assert found.price is None and "timed out" in found.note
        # A price and a wait, with 5 s for each try.
        assert time.monotonic() - begin < 20
        # What one knows one is not kept from by what it cannot ask.
        known.arrays._server = lambda: Server(f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert known.forecast(PROGRAM, OBSERVABLES, 1).price is None
        assert known.forecast(PROGRAM, OBSERVABLES, 3).price == price


def test_a_simulator_with_the_noise_of_a_machine_has_its_fidelity_and_no_price() -> None:
    ideal = backends.get("ionq_simulator").forecast(PROGRAM, OBSERVABLES, 2)
    assert (ideal.price.amount, ideal.fidelity, ideal.shots) == (0, 1.0, 0)
    noisy = backends.get("ionq_simulator", noise="aria-1").forecast(PROGRAM, OBSERVABLES, 2)
    assert noisy.price.amount == 0 and 0.9 < noisy.fidelity < 1
    unknown = backends.get("ionq_simulator", noise="harmony").forecast(PROGRAM, OBSERVABLES, 2)
    assert unknown.fidelity is None and "not published" in unknown.note


def test_training_goes_where_the_scores_say_and_costs_nothing_then(emulator: Emulator) -> None:
    router = Router(["native", a_machine()], budget=2)
    model = a_model(router, shots=500)
    model.fit(X, Y, batch_size=3, verbose=0)
    assert not emulator.jobs()
    assert router.telemetry()["share_native"] == 1.0
    explained = router.explain(PROGRAM, 500, observables=OBSERVABLES, rows=3)
    assert "'ionq:qpu.forte-1' cannot: it would cost up to" in explained.sentence
    assert "the budget has 2 USD left" in explained.sentence


@pytest.mark.parametrize("gradient", ["parameter_shift", "spsa"])
def test_a_machine_alone_trains_until_the_budget_cannot_pay(
    emulator: Emulator, gradient: str
) -> None:
    budget = Budget(usd=700)
    router = Router([a_machine()], budget=budget)
    model = a_model(router, gradient=gradient)
    with pytest.raises(Exception, match="would cost up to .* and the budget has"):
        model.fit(X, Y, batch_size=2, epochs=50, verbose=0)
    assert 0 < budget.spent.money <= 700 and budget.reserved.money == 0
    assert router.telemetry()["cost"] == pytest.approx(float(budget.spent.money))


def test_when_the_money_is_gone_training_goes_on_where_it_costs_nothing() -> None:
    budget = Budget(usd=600)
    router = Router([a_machine(), "native"], budget=budget, precision=0.0)
    # Nothing else would make a machine the better one.
    router.members[1].forecast = lambda *_: POOR
    model = a_model(router, gradient="parameter_shift")
    model.fit(X, Y, batch_size=2, epochs=3, verbose=0)
    found = router.telemetry()
    assert 0 < budget.spent.money <= 600
    assert found["share_ionq:qpu.forte-1"] > 0 and found["share_native"] > 0
    assert any("the budget has" in words for words in router.decisions)


def test_estimates_find_senders_within_routers_and_take_the_dearest(emulator: Emulator) -> None:
    alone = ionq.estimate(a_model(a_machine(), gradient="parameter_shift"), (X, Y), batch_size=3)
    router = Router(["native", "ionq_simulator", a_machine()], budget=1)
    model = a_model(router, gradient="parameter_shift")
    found = ionq.estimate(model, (X, Y), batch_size=3, epochs=2)
    assert found.run.circuits == 2 * alone.run.circuits
    assert found.run.price.amount == 2 * alone.run.price.amount
    assert not emulator.jobs()
    # An estimate is no decision, and teaches nothing.
    assert router.telemetry()["batches"] == 0 and not router.decisions
    machine = router.members[2]
    assert not machine.speeds._measured and not machine.breaker.trips
    with pytest.raises(ConfigurationError, match="No layer of this model sends"):
        ionq.estimate(a_model(Router(["native"])), (X, Y))


def test_two_budgets_are_seen_by_the_estimate() -> None:
    layers = [
        QuantumLayer(
            2, depth=1, encoding="angle", observables="Z", gradient="parameter_shift",
            backend=Router(["native", a_machine()], budget=usd),
        )
        for usd in (1, 2)
    ]  # fmt: skip
    model = keras.Sequential([keras.Input((2,)), *layers])
    model.compile("sgd", "mse")
    with pytest.raises(ConfigurationError, match="spend from different budgets"):
        ionq.estimate(model, (X, Y))


def test_waits_are_announced_by_the_service_or_measured(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = {"queue_s": 0.0, "jobs": 0.0}
    sender = a_machine().arrays.sender
    asked = Foresight("qpu.forte-1", None, sender._server, lambda: waits)
    monkeypatch.setattr(emulator.service.jobs, "queue_ms", lambda name: 90_000.0)
    assert asked.wait_s() == 90.0
    monkeypatch.setattr(emulator.service.jobs, "queue_ms", lambda name: 10_000.0)
    assert asked.wait_s() == 90.0  # asked once a minute

    class Silent:
        def __init__(self):
            self.asked = 0

        def __call__(self):
            self.asked += 1
            raise ConfigurationError("no service")

    silent = Silent()
    measured = Foresight("qpu.forte-1", None, silent, lambda: waits)
    assert measured.wait_s() == 0.0
    waits.update(queue_s=40.0, jobs=2.0)
    assert measured.wait_s() == 20.0
    waits.update(queue_s=90.0, jobs=3.0)
    assert measured.wait_s() == pytest.approx(0.7 * 20 + 0.3 * 50)
    assert silent.asked == 1


def test_a_long_queue_moves_work_away(monkeypatch: pytest.MonkeyPatch, emulator: Emulator) -> None:
    def chosen(queue_ms: float) -> str:
        monkeypatch.setattr(emulator.service.jobs, "queue_ms", lambda name: queue_ms)
        backend = backends.get("ionq", target="simulator", max_in_flight=2)
        router = Router([backend, "native"])
        router.members[1].forecast = lambda *_: MIDDLING
        found = router.explain(PROGRAM, observables=OBSERVABLES)
        assert found.candidates[0].numbers.wait_s == queue_ms / 1000
        return found.chosen.member.name

    assert chosen(0.0) == "ionq:simulator"
    assert chosen(600_000.0) == "native"


def test_results_and_telemetry_through_a_router_are_those_of_the_service(
    emulator: Emulator,
) -> None:
    exact = backends.get("native").expectation(PROGRAM, OBSERVABLES, [[0.4, 0.4]], [1.0])
    router = Router(["ionq_simulator"])
    found = router.expectation(a_batch(1), OBSERVABLES)
    np.testing.assert_allclose(found, exact, atol=1e-6)
    model = a_model(router, gradient="parameter_shift")
    model.predict(X, verbose=0)
    numbers = telemetry.reported([model.layers[-1]])
    assert numbers["router"]["share_ionq:simulator"] == 1.0
    assert numbers["ionq"]["jobs"] == len(emulator.jobs()) == 2


def test_a_machine_that_is_down_is_left_and_the_work_goes_on(emulator: Emulator) -> None:
    gone = a_machine(url="http://localhost:9/v0.4", api_key="k", deadline_s=0.5)
    router = Router([gone, "native"], precision=0.0)
    router.members[1].forecast = lambda *_: POOR
    found = router.expectation(a_batch(2), OBSERVABLES)
    native = backends.get("native").expectation(PROGRAM, OBSERVABLES, np.full((2, 2), 0.4), [1.0])
    np.testing.assert_allclose(found, native, atol=1e-6)
    assert router.telemetry()["fallbacks"] == 1
    assert "There was no more time" in router.members[0].breaker.last_error
