"""QuantumModel: trains, pays, reports, is saved and goes on, as its configuration says."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

import qstore_tf as qs
from qstore_tf.errors import BudgetExceededError, ConfigurationError, InputError, QstoreError
from qstore_tf.testing.extras import needs_extra

needs_extra("httpx", "fastapi")
from qstore_tf.ionq.emulator.running import Emulator  # noqa: E402

X = np.random.default_rng(0).normal(size=(12, 2)).astype("float32")
Y = (X[:, 0] > 0).astype("int64")
SMALL = {"n_qubits": 2, "circuit_depth": 1, "epochs": 2, "batch_size": 4, "seed": 3}
NATIVE = {"name": "fast", "type": "native", "use_for": "training"}
MACHINE = {
    "name": "machine", "type": "ionq", "target": "qpu.forte-1", "use_for": "validation",
    "options": {"shots": 100},
}  # fmt: skip


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Emulator]:
    monkeypatch.delenv("IONQ_BUDGET_USD", raising=False)
    with Emulator(machine_noise=False) as running:
        monkeypatch.setenv("IONQ_API_URL", running.url)
        monkeypatch.setenv("IONQ_API_KEY", "a-key")
        monkeypatch.setenv("QSTORE_IONQ_JOURNAL", str(tmp_path / "journal.sqlite"))
        yield running


def a_model(say: Any = print, **settings: Any) -> qs.QuantumModel:
    return qs.QuantumModel(qs.TrainingConfig(**{**SMALL, **settings}), say=say)


def test_it_is_the_keras_model_that_one_writes_by_hand() -> None:
    model = a_model()
    history = model.fit(X, Y, verbose=0)
    keras.utils.set_random_seed(3)
    layer = qs.layers.QuantumLayer(2, depth=1, encoding="angle", observables="Z", seed=3)
    by_hand = keras.Sequential(
        [keras.Input((2,)), layer, keras.layers.Dense(2, activation="softmax")]
    )
    optimizer = keras.optimizers.Adam(0.01)
    by_hand.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    expected = by_hand.fit(X, Y, batch_size=4, epochs=2, verbose=0)
    np.testing.assert_allclose(history.history["loss"], expected.history["loss"], rtol=1e-5)
    np.testing.assert_allclose(model.predict(X), by_hand.predict(X, verbose=0), rtol=1e-5)
    assert model.evaluate(X, Y)["accuracy"] == by_hand.evaluate(X, Y, verbose=0)[1]
    # Nothing was chosen, so that the saved model loads where the native library does not.
    assert model.keras_model.get_layer("quantum").get_config()["backend"] == "auto"
    names = {row.backend for row in model.get_performance_report().rows if row.backend}
    assert names == {qs.backends.get("auto").name}


@pytest.mark.slow
def test_data_in_other_forms_is_the_same_training() -> None:
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
    losses = []
    for fit in (
        lambda model: model.fit(X, Y, shuffle=False, verbose=0),
        lambda model: model.fit((X, Y), shuffle=False, verbose=0),
        lambda model: model.fit(dataset, verbose=0),
        lambda model: asyncio.run(model.train(train_data=dataset, val_data=dataset, verbose=0)),
    ):
        model = a_model(n_outputs=2)
        losses.append(fit(model).history["loss"])
        report = model.get_performance_report()
        (train,) = (row for row in report.rows if row.phase == "train")
        assert (train.steps, train.rows, train.circuits) == (6, 24, 24)
    for other in losses[1:]:
        np.testing.assert_allclose(losses[0], other, rtol=1e-5)


@pytest.mark.slow
def test_rows_may_be_weighed_and_kept_back_as_in_keras() -> None:
    weights = np.linspace(0, 1, 12)
    model = a_model()
    history = model.fit((X, Y, weights), validation_split=0.25, verbose=0).history
    by_hand = a_model()
    by_hand.build((X, Y))
    expected = by_hand.keras_model.fit(
        X, Y, sample_weight=weights, validation_split=0.25, epochs=2, batch_size=4, verbose=0
    ).history
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-5)
    np.testing.assert_allclose(history["val_loss"], expected["val_loss"], rtol=1e-5)
    found = {row.phase: row.rows for row in model.get_performance_report().rows}
    assert (found["train"], found["validation"]) == (2 * 9, 2 * 3)
    again = a_model().fit(X, Y, sample_weight=weights, validation_split=0.25, verbose=0).history
    assert again["loss"] == history["loss"] and again["val_loss"] == history["val_loss"]
    with pytest.raises(InputError, match="validation_split"):
        model.fit(X, Y, validation_split=1.5, verbose=0)


@pytest.mark.parametrize("options", [{}, {"validation_batch_size": 8}])
def test_rows_of_a_validation_are_counted_whatever_its_batches_are(options: dict) -> None:
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(6)
    model = a_model(n_outputs=2, epochs=1)
    model.fit(dataset, validation_data=(X, Y), verbose=0, **options)
    found = {row.phase: row for row in model.get_performance_report().rows}
    assert (found["validation"].rows, found["validation"].circuits) == (12, 12)
    assert found["validation"].steps == (2 if options else 3)
    assert (found["train"].steps, found["train"].rows) == (2, 12)


class Rows(keras.utils.PyDataset):
    """Four rows at a time."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, place: int) -> tuple[np.ndarray, np.ndarray]:
        return X[4 * place : 4 * place + 4], Y[4 * place : 4 * place + 4]


def test_batches_that_are_made_as_needed_train_and_are_estimated(emulator: Emulator) -> None:
    model = a_model(n_outputs=2, backends=[NATIVE, MACHINE], epochs=3, cost_budget=1e6)
    model.fit(Rows(), verbose=0)
    train = model.get_performance_report().rows[0]
    assert (train.steps, train.rows) == (9, 36)
    estimate = model.estimate(Rows(), validation_data=Rows())
    assert estimate == model.estimate(X, Y, validation_data=(X, Y))
    assert estimate.total.circuits == 3 * 12 and not emulator.jobs()


@pytest.mark.slow
def test_without_backends_a_model_of_ones_own_runs_on_its_own(emulator: Emulator) -> None:
    machine = qs.backends.get("ionq", target="qpu.forte-1", shots=100)
    first = qs.layers.QuantumLayer(2, backend="tensorflow")
    own = keras.Sequential([keras.Input((2,)), first, qs.layers.QuantumLayer(2, backend=machine)])
    model = qs.QuantumModel(qs.TrainingConfig(**SMALL), own)
    estimate = model.estimate(X[:4], X[:4], epochs=1, batch_size=4)
    assert estimate is not None and estimate.total.price.amount > 0 and not emulator.jobs()
    model.fit(X[:4], X[:4], epochs=1, verbose=0)
    model.predict(X[:4])
    (train, predict) = (row for row in model.get_cost_report().rows)
    assert (train.phase, train.circuits) == ("train", estimate.total.circuits)
    assert (predict.phase, predict.circuits) == ("predict", 4)
    backends = {row.backend for row in model.get_performance_report().rows if row.backend}
    assert backends == {"tensorflow, ionq"}
    assert model.get_performance_report().counters["ionq"]["jobs"] == train.jobs + predict.jobs
    # Asked for another backend, all layers run there.
    before = len(emulator.jobs())
    assert model.predict(X[:4], backend="native").shape == (4, 2)
    assert len(emulator.jobs()) == before


@pytest.mark.slow
def test_a_pool_and_a_router_are_entries_too_and_are_saved(tmp_path: Path) -> None:
    pool = {"name": "both", "type": "pool", "members": ["qsim", "tensorflow"]}
    router = {"name": "best", "type": "router", "members": ["fast", "tensorflow"]}
    model = a_model(backends=[pool, router, NATIVE], auto_backend_selection=False)
    losses = [model.fit(X, Y, verbose=0).history["loss"]]
    by_hand = a_model(backends=[NATIVE])
    losses.append(by_hand.fit(X, Y, verbose=0).history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-4)
    (train, _) = model.get_performance_report().rows
    assert train.backend == "both"
    routed = model.predict(X, backend="best")
    np.testing.assert_allclose(routed, model.predict(X, backend="fast"), atol=1e-5)
    again = qs.QuantumModel.load(model.save(tmp_path / "saved"))
    np.testing.assert_allclose(again.predict(X), routed, atol=1e-5)
    assert again.backends.for_phase("training").name == "pool"
    assert again.fit(X, Y, epochs=1, verbose=0).history["loss"][0] < losses[0][0]


@pytest.mark.slow
def test_a_backend_made_by_hand_is_taken_as_it_is() -> None:
    model = a_model(backends=["qsim"])
    model.fit(X, Y, verbose=0)
    mine = qs.backends.get("qsim", num_threads=1)
    for _ in range(2):
        model.predict(X, backend=mine)
    assert {row.backend for row in model.get_performance_report().rows if row.backend} == {
        "qsim", "qsim_2",
    }  # fmt: skip


def test_numbers_are_learned_too_and_wide_features_are_reduced() -> None:
    wide, targets = np.ones((6, 3, 3), "float32"), np.ones((6, 2), "float32")
    model = a_model(encoding="amplitude")
    model.fit(wide, targets, verbose=0)
    assert model.predict(wide).shape == (6, 2)
    names = [layer.name for layer in model.keras_model.layers]
    assert names == ["flatten", "reduce", "quantum", "outputs"]
    assert model.keras_model.layers[1].units == 4


def test_a_model_of_ones_own_is_trained_on_the_backends_asked_for() -> None:
    layer = qs.layers.QuantumLayer(2, backend="native", shots=50, gradient="parameter_shift")
    own = keras.Sequential([keras.Input((2,)), layer])
    config = qs.TrainingConfig(**SMALL, backends=["tensorflow"])
    model = qs.QuantumModel(config, own)
    model.fit(X, X, verbose=0)
    assert model.keras_model is own and own.compiled
    assert {row.backend for row in model.get_performance_report().rows} == {"tensorflow", ""}
    assert layer.get_config()["backend"] == "native"  # as it was made
    with pytest.raises(ConfigurationError, match="no quantum layer"):
        qs.QuantumModel(config, keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))


@pytest.mark.slow
def test_a_local_ionq_validates_under_a_budget(emulator: Emulator, tmp_path: Path) -> None:
    said: list[str] = []
    settings = {"backends": [NATIVE, MACHINE], "cost_budget": 350, "run_dir": str(tmp_path / "run")}
    model = a_model(said.append, **settings)
    held_out = X[:4], Y[:4]
    asyncio.run(model.train(train_data=(X, Y), val_data=held_out, verbose=2))
    cost, speed = model.get_cost_report(), model.get_performance_report()
    # What was said before, with nothing sent yet, is what was sent.
    assert model.last_estimate is not None and "validation on machine" in said[0]
    assert "The budget has 350 USD left" in said[0]
    (row,) = cost.rows
    assert (row.phase, row.target) == ("validation", "qpu.forte-1")
    estimate = model.last_estimate.total
    assert row.circuits == estimate.circuits == sum(job.n_circuits for job in emulator.jobs())
    assert row.jobs == estimate.jobs == len(emulator.jobs())
    assert 0 < cost.total <= cost.estimated <= estimate.price.amount
    # The account, the record and the service agree.
    assert cost.budget_spent == cost.total
    assert cost.budget_spent + cost.budget_left == cost.budget_limit == 350
    backends = {row.phase: row.backend for row in speed.rows}
    assert backends == {"train": "fast", "validation": "machine", "between": ""}
    assert speed.counters["machine"]["jobs"] == row.jobs
    assert speed.circuits == sum(row.circuits for row in speed.rows) == 2 * (12 + 4)

    # Another process of the same folder goes on with what was spent, until nothing is left.
    again = a_model(said.append, **settings)
    assert again.get_cost_report().to_dict() == cost.to_dict()
    sigterm = signal.getsignal(signal.SIGTERM)
    with pytest.raises(BudgetExceededError):
        again.fit(X, Y, validation_data=held_out, epochs=12, verbose=0)
    assert signal.getsignal(signal.SIGTERM) is sigterm
    end = again.get_cost_report()
    assert cost.total < end.total <= 350 and end.budget_spent == end.total
    with pytest.raises(ConfigurationError, match="another limit"):
        a_model(**{**settings, "cost_budget": 351}).get_cost_report()


@pytest.mark.slow
def test_a_budget_that_is_spent_may_fall_back(emulator: Emulator) -> None:
    everything = {**MACHINE, "use_for": []}
    model = a_model(
        backends=[everything], cost_budget=1, on_budget_exceeded="fallback",
        fallback_backend="tensorflow", gradient_method="parameter_shift",
    )  # fmt: skip
    assert len(model.fit(X[:4], Y[:4], verbose=0).history["loss"]) == 2
    cost = model.get_cost_report()
    assert cost.total == 0 and cost.budget_left == 1 and not emulator.jobs()
    assert model.get_performance_report().counters["machine"]["fallbacks"] > 0
    stops = a_model(backends=[everything], cost_budget=1)
    with pytest.raises(BudgetExceededError):
        stops.fit(X[:4], Y[:4], verbose=0)


def test_a_lower_budget_than_that_of_the_environment_is_refused(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("IONQ_BUDGET_USD", "50")
    monkeypatch.setenv("IONQ_BUDGET_PATH", str(tmp_path / "budget.sqlite"))
    with pytest.raises(ConfigurationError, match="IONQ_BUDGET_USD"):
        a_model(backends=[MACHINE], cost_budget=10)
    for more in (50, 100.0, None):
        account = a_model(backends=[MACHINE], cost_budget=more).backends.account
        assert account.budget.limit.money == Decimal(50)


@pytest.mark.slow
def test_each_phase_runs_where_it_is_told(emulator: Emulator) -> None:
    model = a_model(backends=[NATIVE, {"name": "ideal", "type": "ionq_simulator"}])
    config = model.config.replace(auto_backend_selection=False)
    model = qs.QuantumModel(config)
    model.fit(X, Y, verbose=0)
    assert not emulator.jobs()
    exact = model.predict(X, backend="fast")
    before = len(emulator.jobs())
    np.testing.assert_allclose(model.predict(X, backend="ideal"), exact, atol=1e-5)
    assert len(emulator.jobs()) > before
    found = model.evaluate(X, Y, backend="ideal")
    assert found["loss"] == pytest.approx(model.evaluate(X, Y, backend="fast")["loss"], abs=1e-5)
    model.predict(X, backend="ideal")
    # Afterwards the model runs where it did.
    before = len(emulator.jobs())
    np.testing.assert_allclose(model.predict(X, backend="fast"), exact, atol=1e-6)
    assert len(emulator.jobs()) == before
    with pytest.raises(ConfigurationError, match="Did you mean 'ideal'"):
        model.predict(X, backend="idael")


@pytest.mark.slow
def test_it_loads_in_another_process(tmp_path: Path) -> None:
    model = a_model(backends=[NATIVE, {"type": "tensorflow", "use_for": "validation"}])
    model.fit(X, Y, validation_data=(X, Y), verbose=0)
    folder = model.save(tmp_path / "saved")
    code = f"""
import json
import numpy as np
import qstore_tf as qs
from tensorflow import keras
x = np.random.default_rng(0).normal(size=(12, 2)).astype("float32")
model = qs.QuantumModel.load({str(folder)!r})
plain = keras.models.load_model({str(folder / "model.keras")!r})
print(json.dumps([model.predict(x).tolist(), plain.predict(x, verbose=0).tolist()]))
print(model.config.to_dict() == json.load(open({str(folder / "config.json")!r})))
model.fit(x, np.arange(12) % 2, epochs=1, verbose=0)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    first, same = done.stdout.splitlines()[-2:]
    for found in json.loads(first):
        np.testing.assert_allclose(found, model.predict(X), atol=1e-6)
    assert same == "True"


@pytest.mark.slow
def test_a_run_folder_goes_on_where_it_ended(tmp_path: Path) -> None:
    whole = a_model(run_dir=str(tmp_path / "whole")).fit(X, Y, epochs=3, verbose=0)
    folder = str(tmp_path / "parts")
    a_model(run_dir=folder).fit(X, Y, epochs=1, verbose=0)
    rest = a_model(run_dir=folder).fit(X, Y, epochs=3, verbose=0)
    assert rest.history["loss"] == whole.history["loss"]


def test_a_cancelled_training_ends_after_the_step() -> None:
    model = a_model(epochs=10_000)

    async def cancel() -> int:
        task = asyncio.create_task(model.train((X, Y), verbose=0))
        ticks = 0
        while not model.notes.stretches:
            await asyncio.sleep(0.01)
            ticks += 1  # the loop runs meanwhile
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return ticks

    assert asyncio.run(cancel()) > 1
    assert 0 < model.get_performance_report().steps < 30_000
    assert len(model.fit(X, Y, epochs=1, verbose=0).history["loss"]) == 1


@pytest.mark.parametrize(
    ("settings", "call", "words"),
    [
        ({}, lambda model: model.fit(X), "targets"),
        ({}, lambda model: model.predict(X), "data is first seen"),
        ({"task": "classification"}, lambda model: model.fit(X, X[:, 0]), "whole numbers"),
        ({"n_outputs": 3}, lambda model: model.fit(X, X), "n_outputs"),
        (
            {},
            lambda model: model.fit(tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)),
            "how many classes",
        ),
        ({}, lambda model: model.save("a.keras"), "folder"),
        ({}, lambda model: model.fit(X, Y, training_backend="natve"), "Did you mean 'native'"),
        ({"backends": [{"name": "a", "type": "natve"}]}, None, "Did you mean 'native'"),
        ({"backends": [{"type": "qsim", "options": {"threads": 1}}]}, None, "threads"),
        ({"adaptive_circuit_depth": True}, lambda model: model.fit(X, Y), "depth"),
        (
            {"gradient_method": "adjoint", "backends": ["ionq_simulator"]},
            lambda model: model.fit(X, Y),
            "adjoint",
        ),
        ({"fallback_backend": "ionq"}, None, "cost nothing"),
    ],
)
def test_what_cannot_be_is_one_clear_error(settings: dict[str, Any], call: Any, words: str) -> None:
    with pytest.raises(QstoreError) as caught:
        model = a_model(**settings)
        if call is not None:
            call(model)
    assert words in str(caught.value)
    assert isinstance(caught.value, ConfigurationError | InputError)


def test_it_is_made_from_a_configuration_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="TrainingConfig"):
        qs.QuantumModel({"n_qubits": 2})  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="holds no QuantumModel"):
        qs.QuantumModel.load(tmp_path)


@pytest.mark.slow
def test_adaptive_callbacks_change_depth_and_shots() -> None:
    model = a_model(
        circuit_depth=3, epochs=3, adaptive_circuit_depth=True, min_circuit_depth=1,
        adaptive_shot_allocation=True, min_shots=10, base_shots=20, max_shots=40,
    )  # fmt: skip
    history = model.fit(X, Y, verbose=0).history
    assert history["depth"] == [3, 3, 2] and min(history["shots"]) < 20
    layer = model.keras_model.get_layer("quantum")
    assert layer.run_options.shots == 20 and layer.get_config()["depth"] == 3


def test_a_router_chooses_among_the_backends_of_a_phase(emulator: Emulator) -> None:
    machine = {**MACHINE, "use_for": []}
    model = a_model(backends=[{**NATIVE, "use_for": []}, machine], routing_priority="cost")
    model.fit(X, Y, verbose=0)
    assert not emulator.jobs() and model.get_cost_report().total == 0
    assert model.last_estimate is not None  # as if all of it ran on the machine
    assert model.last_estimate.total.price.amount > 0
    (train, _) = model.get_performance_report().rows
    assert train.backend == "fast, machine"


SCRIPT = """
import json
import numpy as np
import qstore_tf as qs
model = qs.QuantumModel(qs.TrainingConfig(
    n_qubits=2, circuit_depth=1, epochs=2, batch_size=4, seed=3
))
x = np.random.default_rng(0).normal(size=(8, 2)).astype("float32")
print("losses", json.dumps(model.fit(x, x, verbose=0).history["loss"]), flush=True)
"""


@pytest.mark.slow
def test_two_workers_train_as_one(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    launch = ["-m", "qstore_tf", "launch", "--workers", "2", "--", sys.executable]
    done = subprocess.run(
        [sys.executable, *launch, str(tmp_path / "train.py")],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = [line.partition("losses ")[2] for line in done.stdout.splitlines()]
    losses = [json.loads(each) for each in found if each]
    alone = a_model(distributed_strategy="single").fit(X[:8], X[:8], verbose=0)
    np.testing.assert_allclose(losses, [alone.history["loss"]] * 2, rtol=1e-5)
