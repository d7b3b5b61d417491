"""The registry's runs and versions in MLflow's own store."""

import math

import keras
import numpy as np
import pytest

import qstore_tf as qs
from qstore_tf.errors import LibraryError, StoreError
from qstore_tf.tracking import mlflow as exporting

mlflow = pytest.importorskip("mlflow")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture
def place(folder, monkeypatch):
    monkeypatch.chdir(folder)  # where MLflow puts artifacts
    return f"sqlite:///{folder}/mlflow.db"  # made once: that takes seconds


@pytest.fixture
def registry(tmp_path):
    with qs.tracking.ModelRegistry(tmp_path / "db.sqlite") as made:
        yield made


@pytest.mark.slow
def test_a_version_with_its_run_arrives_whole(registry, place, tmp_path) -> None:
    model = keras.Sequential([keras.Input((2,)), qs.layers.QuantumLayer(n_qubits=2, depth=1)])
    run = registry.start_run("r", {"depth": 1, "name": "x", "text": "y" * 7000})
    for step in (0, 1, 1199):
        registry.log_metrics(run, step, {"loss": 1 / (step + 1), "odd": math.nan})
    registry.end_run(run)
    data = qs.tracking.DataVersion("papers", 3)
    made = registry.register("it's", model, run=run, data=data)
    registry.register("it's", model, run=run)
    registry.set_alias("it's", "best", 1)

    numbers = [
        qs.tracking.export_version(registry, "it's", version, tracking_uri=place)
        for version in (1, 2)
    ]
    assert numbers == [1, 2]

    client = mlflow.MlflowClient(tracking_uri=place, registry_uri=place)
    found = client.get_model_version_by_alias("it's", "best")
    assert found.version in (1, "1")
    assert found.tags["qstore.sha256"] == made.sha256
    assert found.tags["qstore.programs"] == made.programs
    assert found.tags["qstore.data"] == "papers at commit 3"
    logged = client.get_run(found.run_id)
    assert client.get_model_version("it's", "2").run_id == found.run_id
    assert logged.info.run_name == "r" and logged.info.status == "FINISHED"
    assert logged.data.params["depth"] == "1" and logged.data.params["name"] == "x"
    history = client.get_metric_history(logged.info.run_id, "loss")
    assert {(m.step, m.value) for m in history} == {(s, 1 / (s + 1)) for s in (0, 1, 1199)}
    assert math.isnan(logged.data.metrics["odd"])
    assert found.source.startswith(f"runs:/{logged.info.run_id}/")
    folder = found.source.removeprefix(f"runs:/{logged.info.run_id}/")
    files = client.list_artifacts(logged.info.run_id, folder)
    local = client.download_artifacts(logged.info.run_id, files[0].path, str(tmp_path))
    x = np.ones((1, 2), "float32")
    np.testing.assert_array_equal(keras.models.load_model(local)(x), model(x))


@pytest.mark.slow
def test_many_metrics_go_in_batches(registry, place) -> None:
    run = registry.start_run("many", {f"p{i}": i for i in range(150)})
    registry.log_metrics(run, 0, {f"m{i}": i for i in range(1500)})
    made = qs.tracking.export_run(registry, run, tracking_uri=place)
    assert qs.tracking.export_run(registry, run.id, tracking_uri=place) == made
    found = mlflow.MlflowClient(tracking_uri=place).get_run(made)
    assert found.data.metrics == {f"m{i}": float(i) for i in range(1500)}
    assert len(found.data.params) == 150 and found.info.status == "RUNNING"


class Breaking:
    """A client of MLflow whose call number `at` fails: before it is sent, or after it arrived."""

    def __init__(self, client, at, arrives) -> None:
        self.client, self.at, self.arrives, self.calls = client, at, arrives, 0

    def __getattr__(self, name):
        def call(*arguments, **named):
            self.calls += 1
            if self.calls != self.at:
                return getattr(self.client, name)(*arguments, **named)
            if self.arrives:
                getattr(self.client, name)(*arguments, **named)
            raise ConnectionError(f"broken off at {name}")

        return call


@pytest.mark.parametrize(
    ("arrives", "has_run"),
    [
        (True, True),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in ((True, False), (False, True), (False, False))
        ),
    ],
)
def test_an_export_that_broke_off_anywhere_is_completed_without_doubles(
    registry, place, monkeypatch, arrives, has_run
) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    monkeypatch.setattr(exporting, "_METRICS", 3)  # so that batches may be missing
    client, entities = exporting._client(place)
    seen, at = set(), 0
    while True:
        at += 1
        name = f"{arrives}-{has_run}-{at}"  # of each try its own
        run = None
        if has_run:
            run = registry.start_run(name, {"depth": 1})
            for step in range(4):
                registry.log_metrics(run, step, {"loss": float(step), "odd": math.nan})
            run = registry.end_run(run, "failed")
        registry.register(name, model, run=run)
        registry.set_alias(name, "best", 1)

        def export(name=name):
            return qs.tracking.export_version(registry, name, experiment="broken")

        breaking = Breaking(client, at, arrives)
        monkeypatch.setattr(exporting, "_client", lambda _, it=breaking: (it, entities))
        try:
            export()
        except ConnectionError as error:
            seen.add(str(error))
            assert export() == 1
        else:
            break  # it has made all its calls
        assert export() == 1  # a third time changes nothing
        [version] = client.search_model_versions(f"name = '{name}'")
        assert client.get_model_version_by_alias(name, "best").version == version.version
        kept = registry.runs()
        experiment = client.get_experiment_by_name("broken").experiment_id
        [logged] = [
            each for each in client.search_runs([experiment]) if each.info.run_id == version.run_id
        ]
        assert len(client.list_artifacts(version.run_id, version.source.split("/", 2)[2])) == 1
        if has_run:
            assert logged.data.params == {"depth": "1"} and logged.info.status == "FAILED"
            history = client.get_metric_history(version.run_id, "loss")
            assert sorted((m.step, m.value) for m in history) == [(s, s) for s in range(4)]
            assert len(client.get_metric_history(version.run_id, "odd")) == 4
        assert (
            len(client.search_runs([experiment], f"attributes.run_name = '{logged.info.run_name}'"))
            == 1
        )
        assert len(kept) == (at if has_run else 0)  # the registry's own are as they were
    # Once the experiment is there, it is not made again.
    wanted = {"search_runs", "create_run", "set_terminated", "set_tag", "log_artifact"}
    wanted |= {"search_model_versions", "create_registered_model", "create_model_version"}
    wanted |= {"set_registered_model_alias", *(["log_batch"] if has_run else [])}
    assert {text.rsplit(" ", 1)[1] for text in seen} >= wanted


def test_a_changed_file_is_not_exported(registry, place) -> None:
    made = registry.register("m", keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))
    (registry.folder / made.file).write_bytes(b"x")
    with pytest.raises(StoreError, match="sha256"):
        qs.tracking.export_version(registry, "m", tracking_uri=place)


def test_without_mlflow_the_extra_is_named(registry, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mlflow", None)
    with pytest.raises(LibraryError, match=r"qstore-tf\[mlflow\]"):
        qs.tracking.export_run(registry, registry.start_run())
