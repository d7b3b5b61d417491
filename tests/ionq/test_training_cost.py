"""Estimates of a training: what fit then sends, and a model that is left as it was."""

from collections.abc import Iterator
from decimal import Decimal

import keras
import numpy as np
import pytest
import tensorflow as tf

from qstore_tf import backends, ionq
from qstore_tf.callbacks import CostPhases
from qstore_tf.errors import ConfigurationError, InputError
from qstore_tf.ionq.emulator.running import Emulator
from qstore_tf.ionq.money.tracker import CostTracker
from qstore_tf.layers import QuantumLayer

X = np.random.default_rng(0).normal(size=(10, 2)).astype("float32")
Y = np.zeros((10, 2), "float32")


@pytest.fixture(autouse=True)
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path) -> Iterator[Emulator]:
    with Emulator() as running:
        monkeypatch.setenv("IONQ_API_URL", running.url)
        monkeypatch.setenv("IONQ_API_KEY", "a-key")
        monkeypatch.setenv("QSTORE_IONQ_JOURNAL", str(tmp_path / "journal.sqlite"))
        yield running


def a_model(backend) -> keras.Model:
    keras.utils.set_random_seed(1)
    layer = QuantumLayer(
        2, depth=1, encoding="angle", observables=["Z0", "X1"], backend=backend,
        gradient="parameter_shift",
    )  # fmt: skip
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2), layer])
    model.compile(keras.optimizers.Adam(0.1), "mse", metrics=["mae"])
    return model


def variables(model: keras.Model) -> list[np.ndarray]:
    return [v.numpy() for v in [*model.variables, *model.optimizer.variables]]


@pytest.mark.slow
def test_the_estimate_is_what_fit_sends(emulator: Emulator) -> None:
    tracker = CostTracker()
    model = a_model(backends.get("ionq", target="qpu.forte-1", shots=100, tracker=tracker))
    found = ionq.estimate(model, (X, Y), epochs=2, batch_size=5, prices="azure")
    assert not emulator.jobs()
    model.fit(X, Y, batch_size=5, epochs=2, verbose=0)
    sent = [job for job in tracker.jobs()]
    assert found.run.circuits == sum(job.circuits for job in sent)
    assert found.run.shots == sum(job.shots for job in sent) == 100 * found.run.circuits
    assert found.run.gates_1q == sum(job.gates_1q for job in sent)
    assert found.run.gates_2q == sum(job.gates_2q for job in sent)
    assert found.run.jobs == len(sent) == 2 * 2 * 2  # epochs, steps, forward and gradient
    assert found.run.price is not None and found.run.price.amount > Decimal(25)
    assert found.run.circuits == 4 * found.step.circuits
    for word in ("step", "epoch", "run", "USD"):
        assert word in str(found)


@pytest.mark.slow
@pytest.mark.parametrize("fitted", [False, True], ids=["before fit", "after it"])
def test_the_model_is_as_before(fitted: bool) -> None:
    model = a_model("ionq_simulator")
    if fitted:
        model.fit(X, Y, batch_size=5, verbose=0)
    model.optimizer.build(model.trainable_variables)
    before = variables(model)
    ionq.estimate(model, tf.data.Dataset.from_tensor_slices((X, Y)).batch(5))
    for one, other in zip(before, variables(model), strict=True):
        np.testing.assert_array_equal(one, other)


def test_data_in_other_forms_and_validation_count_too() -> None:
    model = a_model("ionq_simulator")
    arrays = ionq.estimate(model, (X, Y), batch_size=5)
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(5)
    assert ionq.estimate(model, dataset) == arrays
    checked = ionq.estimate(model, dataset, validation_data=(X[:5], Y[:5]), batch_size=5)
    forward = ionq.estimate(model, X[:5], batch_size=5)
    assert checked.epoch == arrays.epoch + forward.epoch
    assert str(arrays.run.price) == "0 USD" and arrays.run.shots == 0


def test_without_a_table_the_service_is_asked(emulator: Emulator) -> None:
    model = a_model(backends.get("ionq", target="qpu.forte-1", shots=100))
    found = ionq.estimate(model, (X, Y), batch_size=5)
    assert found.run.price is not None and found.run.price.amount > 0
    assert found.run.seconds is not None
    assert not emulator.jobs() and emulator.requests()


def test_what_cannot_be_estimated_says_why() -> None:
    with pytest.raises(ConfigurationError, match="No layer of this model sends"):
        ionq.estimate(a_model("tensorflow"), (X, Y))
    endless = tf.data.Dataset.from_tensor_slices((X, Y)).batch(5).repeat()
    with pytest.raises(InputError, match="how many batches"):
        ionq.estimate(a_model("ionq_simulator"), endless)
    with pytest.raises(InputError, match="empty"):
        ionq.estimate(a_model("ionq_simulator"), (X[:0], Y[:0]))
    for wrong in ({"epochs": -1}, {"epochs": 1.5}, {"batch_size": 0}):
        with pytest.raises(InputError, match="at least 1"):
            ionq.estimate(a_model("ionq_simulator"), (X, Y), **wrong)
    with pytest.raises(ConfigurationError, match="PriceTable"):
        ionq.estimate(a_model("ionq_simulator"), (X, Y), prices=3)
    with pytest.raises(ConfigurationError, match="not published"):
        model = a_model(backends.get("ionq", target="qpu.forte-1"))
        ionq.estimate(model, (X, Y), prices="ionq")


@pytest.mark.slow
def test_a_tracker_tells_phases_and_layers_apart() -> None:
    tracker = CostTracker()
    machine = backends.get(
        "ionq", target="qpu.forte-1", shots=100, tracker=tracker, label="first", prices="azure"
    )
    model = a_model(machine)
    phases = [CostPhases()]
    model.fit(X[:4], Y[:4], validation_data=(X[4:6], Y[4:6]), verbose=0, callbacks=phases)
    model.predict(X[:3], verbose=0, callbacks=phases)
    model.predict(X[:3], verbose=0)
    circuits = {total.group[0]: total.circuits for total in tracker.totals("phase")}
    groups = 2  # Z0 and X1 need a circuit each, unless they are measured together
    per_row = circuits["predict"] // 3
    assert per_row <= groups
    assert circuits["validation"] == 2 * per_row and circuits[""] == 3 * per_row
    assert circuits["train"] > 4 * per_row
    assert {total.group for total in tracker.totals("layer")} == {("first",)}
