"""Versions, aliases, lineage, runs and metrics, in the file of a quantum database."""

import contextlib
import json
import math
import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

import qstore_tf as qs
from qstore_tf.errors import ConfigurationError, NotFoundError, StoreError
from qstore_tf.store.catalog import Catalog
from qstore_tf.testing import postgres
from qstore_tf.tracking import tables
from qstore_tf.tracking.metrics import RunMetrics


def dense(units: int = 1) -> keras.Model:
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(units)])


def quantum(ansatz: str = "hardware_efficient", **options: object) -> keras.Model:
    layer = qs.layers.QuantumLayer(n_qubits=2, depth=1, ansatz=ansatz, **options)
    return keras.Sequential([keras.Input((2,)), layer, keras.layers.Dense(1)])


@pytest.fixture
def registry(tmp_path):
    with qs.tracking.ModelRegistry(tmp_path / "db.sqlite") as made:
        yield made


def test_a_model_comes_back_with_its_weights(registry, tmp_path) -> None:
    model = quantum()
    registry.register("m", model)
    x = np.random.default_rng(0).normal(size=(3, 2)).astype("float32")
    with qs.tracking.ModelRegistry(tmp_path / "db.sqlite") as again:
        np.testing.assert_array_equal(
            again.load("m").predict(x, verbose=0), model.predict(x, verbose=0)
        )


def test_versions_count_up_and_are_never_given_twice(registry) -> None:
    model = dense()
    assert [registry.register("m", model).version for _ in range(3)] == [1, 2, 3]
    registry.delete_version("m", 3)
    assert registry.register("m", model).version == 4
    assert registry.register("other", model).version == 1
    assert [v.version for v in registry.versions("m")] == [1, 2, 4]
    assert registry.models() == ["m", "other"]
    assert len(os.listdir(registry.folder)) == 4


def test_aliases_move_and_go_with_their_version(registry) -> None:
    for _ in range(2):
        registry.register("m", dense())
    registry.set_alias("m", "best", 1)
    registry.set_alias("m", "best", 2)
    assert registry.version("m", "best").version == 2
    assert registry.version("m", 2).aliases == ("best",)
    registry.delete_version("m", 2)
    with pytest.raises(NotFoundError, match="'best'"):
        registry.version("m", "best")
    with pytest.raises(NotFoundError):
        registry.set_alias("m", "best", 2)
    with pytest.raises(ConfigurationError, match="digits"):
        registry.set_alias("m", "1", 1)


def test_a_name_that_is_not_there_names_the_nearest(registry) -> None:
    registry.register("prices", dense())
    with pytest.raises(NotFoundError, match="prices"):
        registry.load("price")


def test_a_changed_or_lost_file_is_refused(registry) -> None:
    made = registry.register("m", dense())
    path = registry.folder / made.file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match="sha256"):
        registry.load("m")
    path.unlink()
    with pytest.raises(StoreError, match="cannot be read"):
        registry.load("m")


def test_programs_are_those_of_the_circuits_and_of_nothing_else(registry) -> None:
    first, second = (registry.register("m", quantum()) for _ in range(2))
    shots = registry.register("m", quantum(shots=100, seed=1))
    other = registry.register("m", quantum("hardware_efficient_reduced"))
    observed = registry.register("m", quantum(observables="X"))
    assert first.programs == second.programs == shots.programs
    assert len({first.programs, other.programs, observed.programs}) == 3
    assert registry.register("m", registry.load("m", 1)).programs == first.programs
    pipeline = keras.Sequential(
        [
            keras.Input((4,)),
            qs.layers.AmplitudeEncoding(2),
            qs.layers.QuantumLayer(depth=1, n_qubits=2),
        ]
    )
    states = registry.register("m", pipeline)
    assert registry.register("m", registry.load("m")).programs == states.programs
    assert states.programs not in (None, first.programs)
    assert registry.register("m", dense()).programs is None
    nested = keras.Sequential([keras.Input((2,)), quantum()])
    assert registry.register("m", nested).programs == first.programs


def test_lineage_and_packages_are_kept(registry) -> None:
    run = registry.start_run("r")
    data = qs.tracking.DataVersion("papers", 17)
    made = registry.register("m", dense(), run=run, data=data, description="first")
    found = registry.version("m")
    assert found == made and found.data == data and found.run == run.id
    assert found.packages["keras"] == keras.__version__ and "python" in found.packages
    with pytest.raises(NotFoundError):
        registry.register("m", dense(), run="nobody")
    assert len(os.listdir(registry.folder)) == 1


def test_it_shares_the_file_with_a_database_and_its_backup(tmp_path) -> None:
    with qs.store.QuantumDatabase(tmp_path / "db.sqlite") as db:
        db.insert("a", [1.0, 0.0])
        with qs.tracking.ModelRegistry(tmp_path / "db.sqlite") as registry:
            registry.register("m", dense())
        with qs.tracking.ModelRegistry(db, folder=registry.folder) as same:
            assert same.load("m").count_params() == 3
        db.insert("b", [0.0, 1.0])
        assert db.query([0.0, 1.0], top_k=1).ids == ["b"]
        db.backup(tmp_path / "copy.sqlite")
    with qs.tracking.ModelRegistry(tmp_path / "copy.sqlite", folder=registry.folder) as copied:
        assert copied.version("m").version == 1
        assert copied.load("m").count_params() == 3


def test_an_open_database_needs_a_folder() -> None:
    with pytest.raises(ConfigurationError, match="folder"):
        qs.tracking.ModelRegistry(qs.store.QuantumDatabase())


def test_runs_keep_params_and_metrics_with_nan_and_infinity(registry) -> None:
    params = {"depth": 3, "rate": 0.1, "name": "x", "list": [1, 2], "none": None}
    run = registry.start_run("r", params)
    registry.log_params(run, {"depth": 4})
    assert registry.run(run.id).params == {**params, "depth": 4}
    values = [math.inf, -math.inf, math.nan, 1e-300, 0.1]
    for step, value in enumerate(values):
        registry.log_metrics(run, step, {"loss": value, "other": 1})
    found = registry.metrics(run)["loss"]
    np.testing.assert_array_equal([value for _, value in found], values)
    registry.log_metrics(run, 0, {"loss": 7.0})
    assert registry.metrics(run)["loss"][0] == (0, 7.0) and len(registry.metrics(run)["loss"]) == 5
    assert registry.end_run(run, "failed").status == "failed"
    with pytest.raises(ConfigurationError, match="finished"):
        registry.end_run(run, "finish")
    with pytest.raises(ConfigurationError, match="JSON"):
        registry.log_params(run, {"bad": object()})
    with pytest.raises(NotFoundError):
        registry.log_metrics("nobody", 0, {"loss": 1})


@pytest.mark.slow
def test_the_callback_writes_what_the_history_says_in_one_commit_an_epoch(registry) -> None:
    model = dense()
    model.compile("sgd", "mse", metrics=["mae"])
    rng = np.random.default_rng(1)
    callback = RunMetrics(registry, params={"lr": 0.01})
    numbers = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: numbers.append(registry._catalog.commit_number())
    )
    x, y = rng.normal(size=(8, 2)), rng.normal(size=8)
    history = model.fit(
        x, y, epochs=3, validation_data=(x, y), verbose=0, callbacks=[callback, note]
    )
    found = registry.metrics(callback.run)
    assert {name: [v for _, v in rows] for name, rows in found.items()} == history.history
    assert np.diff(numbers).tolist() == [1, 1]
    assert registry.run(callback.run.id).status == "finished"


def test_older_tables_are_brought_up_to_date_and_newer_ones_refused() -> None:
    with Catalog(None) as catalog:
        tables.prepare(catalog)
        steps = {**tables.STEPS, 1: ("ALTER TABLE tracking_runs ADD COLUMN more TEXT",)}
        for _ in range(2):
            tables.prepare(catalog, steps, newest=2)
        with catalog.read() as reader:
            assert reader.execute("SELECT more FROM tracking_runs").fetchall() == []
        with pytest.raises(StoreError, match="newer"):
            tables.prepare(catalog)


def test_sweep_removes_only_old_files_that_no_row_names(registry) -> None:
    made = registry.register("m", dense())
    for name in ("left.keras", ".unfinished-x.keras", "mine.txt"):
        (registry.folder / name).write_bytes(b"x")
    assert registry.sweep() == []
    assert registry.sweep(older_than_s=0) == [".unfinished-x.keras", "left.keras"]
    assert sorted(os.listdir(registry.folder)) == sorted([made.file, "mine.txt"])


@pytest.mark.skipif(not postgres.is_available(), reason="needs a PostgreSQL server")
def test_on_a_server_it_is_the_same(tmp_path) -> None:
    with postgres.fresh_database() as url:
        with pytest.raises(ConfigurationError, match="folder"):
            qs.tracking.ModelRegistry(url)
        for version in (1, 2):
            with qs.tracking.ModelRegistry(url, folder=tmp_path) as registry:
                run = registry.start_run("r", {"depth": version})
                registry.log_metrics(run, 0, {"loss": math.nan, "other": math.inf})
                registry.log_metrics(run, 0, {"other": 1.0})
                assert registry.register("m", dense(), run=run).version == version
                registry.set_alias("m", "best", version)
                assert registry.load("m", "best").count_params() == 3
                assert str(registry.metrics(run)) == "{'loss': [(0, nan)], 'other': [(0, 1.0)]}"
        with qs.tracking.ModelRegistry(url, folder=tmp_path) as registry:
            registry.delete_version("m", 1)
            assert [v.version for v in registry.versions("m")] == [2]
            assert [r.params for r in registry.runs()] == [{"depth": 1}, {"depth": 2}]


@pytest.mark.skipif(not postgres.is_available(), reason="needs a PostgreSQL server")
def test_a_backup_of_a_server_is_the_same_registry(tmp_path) -> None:
    def told(registry):
        runs = registry.runs()
        metrics = [str(registry.metrics(run)) for run in runs]  # NaN is not equal to itself
        return runs, metrics, registry.models(), registry.versions("m")

    with (
        postgres.fresh_database() as url,
        qs.store.QuantumDatabase(url) as db,
        qs.tracking.ModelRegistry(db, folder=tmp_path / "models") as registry,
    ):
        data = qs.tracking.DataVersion("papers", 17)
        for depth in (1, 2):
            run = registry.start_run(f"run {depth}", {"depth": depth})
            registry.log_metrics(run, 0, {"loss": math.nan, "other": math.inf})
            registry.register("m", dense(), run=run, data=data, description=str(depth))
        registry.end_run(run)
        registry.set_alias("m", "best", 1)
        db.backup(tmp_path / "copy.sqlite")
        expected = told(registry)
    with qs.tracking.ModelRegistry(tmp_path / "copy.sqlite", folder=tmp_path / "models") as copied:
        assert told(copied) == expected
        assert copied.load("m", "best").count_params() == 3
        assert copied.register("m", dense()).version == 3  # numbers go on
    # The tables are those of a registry that was made in a file.
    qs.tracking.ModelRegistry(tmp_path / "new.sqlite").close()
    copy, new = (tables_of(tmp_path / name) for name in ("copy.sqlite", "new.sqlite"))
    assert copy == new and len(new) == 8


def tables_of(path) -> dict[str, object]:
    """Columns and unique columns of the registry's tables in a file."""
    with contextlib.closing(sqlite3.connect(path)) as raw:

        def ask(sql):
            return raw.execute(sql).fetchall()

        names = [row[0] for row in ask("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: (
                ask(f"SELECT name, type, pk FROM pragma_table_info('{name}')"),
                sorted(
                    str(ask(f"SELECT name FROM pragma_index_info('{index}')"))
                    for (index,) in ask(f"SELECT name FROM pragma_index_list('{name}')")
                ),
            )
            for name in names
            if name.startswith("tracking_")
        }


def test_threads_that_register_one_name_get_versions_of_their_own(registry) -> None:
    models = [dense(units) for units in range(1, 5)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda model: registry.register("m", model), models))
    assert sorted(version.version for version in found) == [1, 2, 3, 4]
    for version, model in zip(found, models, strict=True):
        assert registry.load("m", version.version).count_params() == model.count_params()


# Where a process is killed that registers or deletes a version, and how many versions the registry
# has more afterwards.
POINTS = [
    ("register", "digest_of", 0),  # the file is written, but need not be on the disk
    ("register", "replace", 0),  # it is on the disk, under another name
    ("register", "sync_folder", 0),
    ("register", "write", 0),
    ("register", "end", 1),
    ("delete", "write", 0),
    ("delete", "remove", -1),  # the row is gone, the file is there
    ("delete", "sync_folder", -1),
    ("delete", "end", -1),
]
SCRIPT = """
import json, os, signal, sqlite3, sys
import keras
from qstore_tf.tracking import artifacts
from qstore_tf.tracking.model_registry import ModelRegistry

path, points = sys.argv[1], json.loads(sys.argv[2])
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

for verb, point, _ in points:
    child = os.fork()
    if child == 0:
        mine = ModelRegistry(path)
        owner, name = {
            "digest_of": (artifacts, "digest_of"),
            "replace": (os, "replace"),
            "sync_folder": (artifacts, "_sync_folder"),
            "write": (mine._catalog, "write"),
            "remove": (artifacts, "remove"),
            "end": (mine, "close"),
        }[point]
        setattr(owner, name, die)
        if verb == "register":
            mine.register("m", model)
        else:
            mine.delete_version("m", mine.version("m").version)
        mine.close()
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL, (verb, point, status)
    with sqlite3.connect(path) as raw:
        rows = raw.execute("SELECT file FROM tracking_versions").fetchall()
    assert all(os.path.exists(f"{path}.models/{file}") for file, in rows), (verb, point)
    print(len(rows), flush=True)
"""


@pytest.mark.slow
def test_killed_at_any_step_no_row_is_without_its_file(registry, tmp_path) -> None:
    for _ in range(4):
        registry.register("m", dense())
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "db.sqlite"), json.dumps(POINTS)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = [int(line) for line in done.stdout.split()]
    assert found == list(4 + np.cumsum([change for _, _, change in POINTS])), done.stderr[-2000:]
    # What is there loads; what crashes have left over goes.
    files = [version.file for version in registry.versions("m")]
    for version in registry.versions("m"):
        assert registry.load("m", version.version).count_params() == 3
    assert len(registry.sweep(older_than_s=0)) == 5
    assert sorted(os.listdir(registry.folder)) == sorted(files)
