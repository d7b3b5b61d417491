"""What QuantumTensorBoard writes, read back from the event files."""

import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

import qstore_tf as qs
from qstore_tf.errors import ConfigurationError, QstoreError

sys.path.insert(0, str(Path(__file__).parent))
from event_files import X, Y, read, small_model, texts, train

SCALARS = {
    "gradient_norm", "gradient_variance", "observable_gradient_variance", "barren_threshold",
    "entanglement", "single_qubit_purity", "expectation_min", "expectation_mean",
    "expectation_max", "time_share", "circuits_per_second",
}  # fmt: skip
OTHERS = {"circuit", "circuit_text", "theta", "expectation_values"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "new" / "run"
    fit = {"validation_split": 0.25, "batch_size": 6}
    return train(small_model(), folder, fit=fit, hparams={"note": "a run"})


def test_every_chart_of_a_quantum_layer_is_there(run: Path) -> None:
    found = read(run / "train")
    assert {f"circuit/{name}" for name in SCALARS | OTHERS} <= set(found)
    assert {"epoch_loss", "quantum/settings", "custom_scalars__config__"} <= set(found)
    assert "quantum/fallbacks" not in found
    for name in SCALARS:
        values = np.array([value for _, value in found[f"circuit/{name}"]])
        assert np.isfinite(values).all()
    steps = [step for step, _ in found["circuit/gradient_norm"]]
    assert steps == sorted(set(steps)) and steps[-1] == 16
    assert steps[:2] == [4, 8]


def test_the_numbers_stand_in_their_ranges(run: Path) -> None:
    found = {
        k: [float(v) for _, v in vs]
        for k, vs in read(run / "train").items()
        if k.partition("/")[2] in SCALARS
    }
    purity, entanglement = (found[f"circuit/{n}"] for n in ("single_qubit_purity", "entanglement"))
    np.testing.assert_allclose(entanglement, 2 * (1 - np.array(purity)), atol=1e-6)
    assert min(found["circuit/expectation_min"]) >= -1 - 1e-6
    assert max(found["circuit/expectation_max"]) <= 1 + 1e-6
    assert min(found["circuit/time_share"]) > 0
    assert min(found["circuit/gradient_norm"]) > 0


def test_the_circuit_is_shown_once_as_picture_and_as_text(run: Path) -> None:
    found = read(run / "train")
    [(step, picture)] = found["circuit/circuit"]
    assert step == 0
    width, height, png = picture
    pixels = tf.io.decode_png(png).numpy()
    assert pixels.shape == (int(height), int(width), 3)
    assert 0 < np.mean(pixels < 128) < 0.5  # something is drawn on white
    [text] = texts(found, "circuit/circuit_text")
    assert small_model().get_layer("circuit").circuit.draw() in text


def test_settings_say_what_is_in_use(run: Path) -> None:
    [table] = texts(read(run / "train"), "quantum/settings")
    backend = qs.backends.get("auto").name
    rows = {
        "layer": "circuit",
        "**backend**": f"{backend} (auto)",
        "**gradient**": "adjoint (auto)",
        "**shots**": "exact",
        "**trained angles**": "8",
    }
    for name, value in rows.items():
        assert f"| {name} | {value} |" in table


def test_the_page_of_custom_scalars_shows_tags_that_exist(run: Path) -> None:
    from tensorboard.plugins.custom_scalar import layout_pb2

    found = read(run / "train")
    [(_, content)] = found["custom_scalars__config__"]
    page = layout_pb2.Layout.FromString(content.item())
    assert [category.title for category in page.category] == ["Training", "Quantum layer circuit"]
    shown = [t for c in page.category for chart in c.chart for t in chart.multiline.tag]
    names = {tag.strip("^$").replace("\\", "") for tag in shown}
    assert names <= set(found)
    assert {f"circuit/{name}" for name in SCALARS} <= names


def test_hyperparameters_are_those_of_layer_optimizer_and_user(run: Path) -> None:
    from tensorboard.plugins.hparams import plugin_data_pb2

    values = {}
    for path in run.glob("*tfevents*"):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                content = value.metadata.plugin_data.content
                data = plugin_data_pb2.HParamsPluginData.FromString(content)
                for name, hparam in data.session_start_info.hparams.items():
                    values[name] = getattr(hparam, hparam.WhichOneof("kind"))
                for metric in data.experiment.metric_infos:
                    values.setdefault("metrics", set()).add((metric.name.group, metric.name.tag))
    assert values["depth"] == values["n_qubits"] == 2
    assert values["n_parameters"] == 8
    assert (values["optimizer"], values["note"], values["loss"]) == ("Adam", "a run", "mse")
    assert values["learning_rate"] == pytest.approx(0.001)
    assert values["metrics"] == {("train", "epoch_loss"), ("validation", "epoch_loss")}


@pytest.mark.slow
def test_training_ends_at_the_same_weights_with_and_without(tmp_path: Path) -> None:
    def trained(*callbacks: Any) -> list[np.ndarray]:
        keras.utils.set_random_seed(5)
        model = small_model(shots=20, seed=4, gradient="spsa", depth=1)
        model.fit(X, Y, batch_size=8, epochs=2, verbose=0, callbacks=list(callbacks))
        return model.get_weights()

    alone = trained()
    watched = trained(qs.callbacks.QuantumTensorBoard(tmp_path, every=10))
    for one, other in zip(alone, watched, strict=True):
        np.testing.assert_array_equal(one, other)


def test_nothing_is_written_by_who_is_not_the_chief(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extended = type(tf.distribute.get_strategy().extended)
    monkeypatch.setattr(extended, "should_checkpoint", property(lambda self: False), raising=False)
    model = small_model()
    step = model.train_step
    fit = {"validation_split": 0.25}
    train(model, tmp_path / "run", fit=fit, histogram_freq=1, update_freq=1)
    assert list(tmp_path.iterdir()) == []
    assert model.train_step == step


@pytest.mark.slow
def test_a_layer_with_shots_has_no_chart_of_entanglement(tmp_path: Path) -> None:
    model = small_model(shots=30, seed=1, depth=1, gradient="spsa")
    found = read(train(model, tmp_path, every=8) / "train")
    assert "circuit/entanglement" not in found
    assert "circuit/single_qubit_purity" not in found
    assert {"circuit/gradient_norm", "circuit/expectation_mean", "circuit/time_share"} <= set(found)
    assert "| **shots** | 30 |" in texts(found, "quantum/settings")[0]


def test_a_flat_circuit_is_warned_about_in_text_and_in_python(tmp_path: Path) -> None:
    circuit = qs.UnifiedCircuit(2).add_gate("RZ", 0, "a").add_gate("RZ", 1, "b")
    model = small_model(circuit=circuit, n_qubits=None, depth=1)
    with pytest.warns(qs.callbacks.BarrenPlateauWarning) as caught:
        found = read(train(model, tmp_path) / "train")
    [said] = [w for w in caught if w.category is qs.callbacks.BarrenPlateauWarning]
    assert texts(found, "quantum/barren_plateau") == [str(said.message)]


def test_a_fallback_is_a_text_event_and_counted(tmp_path: Path) -> None:
    model = small_model()

    class Falls(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            logging.getLogger("qstore_tf").warning("fell back in epoch %d", epoch)

    board = qs.callbacks.QuantumTensorBoard(tmp_path, every=2)
    model.fit(X, Y, callbacks=[Falls(), board], verbose=0, epochs=2)
    found = read(tmp_path / "train")
    assert texts(found, "quantum/fallbacks") == ["fell back in epoch 0", "fell back in epoch 1"]
    assert float(found["quantum/fallback_count"][-1][1]) == 2
    logging.getLogger("qstore_tf").warning("after the training")
    assert not any(
        type(handler).__name__ == "Fallbacks" for handler in logging.getLogger("qstore_tf").handlers
    )


def test_a_look_that_fails_is_said_once_and_the_training_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="qstore_tf"):
        found = read(train(small_model(), tmp_path, sample=np.zeros((8, 9), "float32")) / "train")
    said = [r for r in caplog.records if "could not look at the model" in r.getMessage()]
    assert len(said) == 1
    assert "could not look at the model" in texts(found, "quantum/fallbacks")[0]
    assert "circuit/gradient_norm" not in found
    assert len(found["epoch_loss"]) == 2


@pytest.mark.slow
def test_a_sample_takes_the_place_of_training_rows(tmp_path: Path) -> None:
    model = small_model()
    found = read(train(model, tmp_path, sample=np.zeros((5, 4), "float32"), rows=3) / "train")
    assert "circuit/gradient_norm" not in found  # no labels
    # |00> in: the same expectation values for every row
    assert {"circuit/observable_gradient_variance", "circuit/entanglement"} <= set(found)


@pytest.mark.slow
def test_a_step_of_xla_needs_a_sample_and_says_so(tmp_path: Path) -> None:
    def model() -> keras.Model:
        made = small_model(backend="tensorflow")
        made.compile("adam", "mse", jit_compile=True)
        return made

    found = read(train(model(), tmp_path / "without") / "train")
    assert "Give QuantumTensorBoard a `sample`" in texts(found, "quantum/fallbacks")[0]
    assert "circuit/gradient_norm" not in found
    found = read(train(model(), tmp_path / "with", sample=(X, Y)) / "train")
    assert "circuit/gradient_norm" in found
    assert "quantum/fallbacks" not in found


class Reporting(type(qs.backends.get("tensorflow"))):
    """A backend that keeps count."""

    def telemetry(self) -> dict[str, float]:
        return {"cache_hits": 17, "cost_usd": 0.5, "unknown": float("nan")}


@pytest.mark.slow
def test_what_a_backend_reports_is_charted_and_nothing_else(tmp_path: Path) -> None:
    found = read(train(small_model(backend=Reporting()), tmp_path) / "train")
    reported = {tag: float(v[-1][1]) for tag, v in found.items() if tag.startswith("backend_")}
    assert reported == {"backend_tensorflow/cache_hits": 17, "backend_tensorflow/cost_usd": 0.5}


@pytest.mark.slow
def test_one_step_an_epoch_and_several_steps_an_execution_are_timed(tmp_path: Path) -> None:
    for name, settings in (("one", {"batch_size": 64}), ("many", {"batch_size": 4})):
        model = small_model()
        if name == "many":
            model.compile("adam", "mse", steps_per_execution=4)
        found = read(train(model, tmp_path / name, fit={"epochs": 4, **settings}) / "train")
        rates = [float(v) for _, v in found["circuit/circuits_per_second"]]
        assert rates and all(0 < rate < 1e7 for rate in rates)


@pytest.mark.slow
def test_a_second_fit_goes_on_and_a_model_without_circuits_is_keras_own(tmp_path: Path) -> None:
    model = small_model()
    train(model, tmp_path / "quantum")
    found = read(train(model, tmp_path / "quantum") / "train")
    assert max(step for step, _ in found["circuit/gradient_norm"]) == 32
    plain = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    plain.compile("sgd", "mse")
    found = read(train(plain, tmp_path / "plain") / "train")
    assert "epoch_loss" in found
    assert not any(tag.startswith("quantum/") for tag in found)


def test_options_of_keras_hold(tmp_path: Path) -> None:
    board = qs.callbacks.QuantumTensorBoard(tmp_path, update_freq=2, histogram_freq=1)
    assert not board.async_safe
    assert qs.callbacks.QuantumTensorBoard(tmp_path).async_safe
    small_model().fit(X[:56], Y[:56], batch_size=8, epochs=4, verbose=0, callbacks=[board])
    found = read(tmp_path / "train")
    assert [step for step, _ in found["batch_loss"]][:4] == [2, 4, 6, 8]
    # Whatever the step at which an epoch ends.
    assert len(found["epoch_loss"]) == 4
    assert any(tag.endswith("theta/histogram") for tag in found)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"log_dir": 3}, "a path"),
        ({"log_dir": ""}, "a path"),
        ({"rows": 0}, "`rows`.*integer >= 1"),
        ({"rows": True}, "`rows`"),
        ({"every": 0}, "`every`.*or None"),
        ({"every": 2.5}, "`every`"),
        ({"overhead": 0}, "`overhead`.*above 0"),
        ({"overhead": 2}, "`overhead`"),
        ({"window": 1}, "`window`.*>= 2"),
        ({"barren_threshold": -1}, "`barren_threshold`.*>= 0"),
        ({"barren_threshold": float("nan")}, "`barren_threshold`"),
        ({"hparams": {"a": [1]}}, "`hparams`.*dict"),
        ({"hparams": 3}, "`hparams`"),
    ],
)
def test_a_bad_argument_is_one_clear_error(arguments: dict, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        qs.callbacks.QuantumTensorBoard(**{"log_dir": "logs", **arguments})
    assert "Received: " in str(caught.value)
    assert isinstance(caught.value, QstoreError)


def test_a_directory_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    board = qs.callbacks.QuantumTensorBoard(tmp_path / "file" / "run")
    with pytest.raises(ConfigurationError, match="cannot be written.*Give another log_dir"):
        small_model().fit(X, Y, verbose=0, callbacks=[board])


def test_a_circuit_too_large_for_a_picture_is_text(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = read(train(small_model(depth=150), tmp_path, fit={"epochs": 1}) / "train")
    assert "circuit/circuit" not in found
    assert "No picture" in texts(found, "circuit/circuit_text")[0]
