"""What a fit on IonQ shows in TensorBoard: cost, waiting and hit rates, read from event files."""

import copy
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from tensorflow import keras

import qstore_tf as qs
from qstore_tf import backends
from qstore_tf.caching import counts_of
from qstore_tf.callbacks import telemetry
from qstore_tf.ionq import measuring
from qstore_tf.ionq.emulator.running import Emulator
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.service.counting import COUNTS

sys.path.insert(0, str(Path(__file__).parent))
from event_files import read

X = np.random.default_rng(0).normal(size=(6, 2)).astype("float32")
Y = np.zeros((6, 2), "float32")
RATES = ("structure_cache_hit_rate", "bound_cache_hit_rate")


@pytest.fixture
def emulator(monkeypatch, tmp_path):
    with Emulator(delay_s=0.02, run_s=0.03) as running:
        monkeypatch.setenv("IONQ_API_URL", running.url)
        monkeypatch.setenv("IONQ_API_KEY", "a-key")
        monkeypatch.setenv("QSTORE_IONQ_JOURNAL", str(tmp_path / "journal.sqlite"))
        yield running


def fitted(backend, folder, epochs=3):
    """Fits two steps an epoch and looks at each; returns what is in the event files, by name."""
    keras.utils.set_random_seed(1)
    layer = qs.layers.QuantumLayer(
        2, depth=1, encoding="angle", observables=["Z0", "X1"], backend=backend,
        gradient="parameter_shift", name="circuit",
    )  # fmt: skip
    model = keras.Sequential([keras.Input((2,)), layer])
    model.compile("adam", "mse")
    board = qs.callbacks.QuantumTensorBoard(folder, every=1)
    model.fit(X, Y, batch_size=3, epochs=epochs, verbose=0, shuffle=False, callbacks=[board])
    charts = read(folder / "train")
    head = "backend_ionq/"
    return {
        tag.removeprefix(head): [(step, float(value)) for step, value in points]
        for tag, points in charts.items()
        if tag.startswith(head)
    }


def test_cost_waiting_and_hit_rates_are_charts(emulator, tmp_path):
    budget = Budget(usd=100_000)
    backend = backends.get("ionq", target="qpu.forte-1", shots=50, budget=budget, prices="azure")
    before = copy.copy(counts_of(measuring.plan))
    charts = fitted(backend, tmp_path / "run")
    assert set(charts) == {*COUNTS, *RATES, "fallbacks"}
    for name, points in charts.items():
        steps, values = zip(*points, strict=True)
        assert list(steps) == sorted(steps) and set(steps) == {1, 2, 3, 4, 5, 6}, name
        if name not in RATES:
            assert list(values) == sorted(values), name  # counts never fall
    last = {name: points[-1][1] for name, points in charts.items()}
    now = backend.telemetry()
    assert last == pytest.approx({name: now[name] for name in last}, rel=1e-6)
    jobs = emulator.jobs()
    assert last["jobs"] == len(jobs) == 12  # values and gradient of each step; looking sends none
    billed = sum(Decimal(job.price) for job in jobs)
    assert (
        last["billed"] == pytest.approx(float(billed)) == pytest.approx(float(budget.spent.money))
    )
    assert last["queue_s"] >= 0.02 * len(jobs) * 0.99 and last["run_s"] >= 0.03 * len(jobs) * 0.99
    assert last["shots"] == 50 * last["circuits"] > 0 == last["failed"]
    # Structures are compiled once, values and gradients; rates are those of the whole process.
    counts = counts_of(measuring.plan)
    assert counts.misses - before.misses <= 2 < counts.hits - before.hits
    rate = counts.hits / (counts.hits + counts.misses)
    assert last["structure_cache_hit_rate"] == pytest.approx(rate)
    assert 0 <= last["bound_cache_hit_rate"] <= 1
    first = {name: points[0][1] for name, points in charts.items()}
    assert first["billed"] < last["billed"] and first["queue_s"] < last["queue_s"]


@pytest.mark.slow
def test_trouble_is_in_the_charts_too(emulator, tmp_path):
    emulator.set_faults(
        {"name": "lost_answer", "where": "submit", "times": 1},
        {"name": "server_error", "where": "poll", "times": 3},
    )
    charts = fitted(backends.get("ionq_simulator"), tmp_path / "run", epochs=1)
    last = {name: points[-1][1] for name, points in charts.items()}
    assert last["ambiguous"] == 1 and last["retries"] >= 3
    assert last["billed"] == 0 and last["duplicates"] == last["sent_again"] == 0


def test_each_layer_with_a_backend_of_its_own_has_charts_of_its_own(emulator, tmp_path):
    first, second = (backends.get("ionq", target="simulator") for _ in range(2))
    layers = [
        qs.layers.QuantumLayer(2, 1, encoding="angle", observables=["Z0", "X1"], backend=each)
        for each in (first, second, first)
    ]
    model = keras.Sequential([keras.Input((2,)), *layers])
    model.predict(X, verbose=0)
    found = telemetry.reported(layers)
    assert found == {"ionq": first.telemetry(), "ionq_2": second.telemetry()}
    assert (found["ionq"]["jobs"], found["ionq_2"]["jobs"]) == (2, 1)


@pytest.mark.slow
def test_the_account_of_a_router_is_charts_over_restarts_too(emulator, tmp_path):
    path = tmp_path / "budget.sqlite"
    Budget(usd=100_000, path=path).reserve("of another run", 7)
    for run in ("first", "second"):
        budget = Budget(path=path)
        begin = float(budget.spent.money)
        machine = backends.get("ionq", target="qpu.forte-1", shots=50, prices="azure")
        router = qs.routing.Router([machine], budget=budget, precision=0.0)
        fitted(router, tmp_path / run, epochs=1)
        charts = read(tmp_path / run / "train")
        found = {
            tag: [float(v) for _, v in points]
            for tag, points in charts.items()
            if tag.startswith(("budget", "backend_router"))
        }
        assert found["budget/spent_usd"][0] > begin
        assert found["budget/spent_usd"] == sorted(found["budget/spent_usd"])
        assert found["budget/spent_usd"][-1] == pytest.approx(float(budget.spent.money))
        assert set(found["budget/reserved_usd"]) == {7.0}
        assert set(found["budget/limit_usd"]) == {100_000.0}
        left = [100_000 - 7 - spent for spent in found["budget/spent_usd"]]
        assert found["budget/left_usd"] == pytest.approx(left)
        assert "budget_2/spent_usd" not in found
        # The router's own count is that of this process.
        spent = found["budget/spent_usd"][-1] - begin
        assert found["backend_router/cost"][-1] == pytest.approx(spent, rel=1e-5)
