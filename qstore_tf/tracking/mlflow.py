"""Runs and versions of the registry for MLflow: `pip install qstore-tf[mlflow]`.

MLflow's own way to log Keras models does not take every release of Keras. So a model's `.keras`
file is logged as an artifact, and registered as `runs:/ID/model`; Keras loads it after a download.

>>> import keras, qstore_tf as qs
>>> registry = qs.tracking.ModelRegistry()
>>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
>>> made = registry.register("line", model, run=registry.start_run("first"))
>>> export_version(registry, "line", tracking_uri="sqlite:///mlflow.db")  # doctest: +SKIP
1
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from qstore_tf.errors import LibraryError, describe
from qstore_tf.tracking import artifacts
from qstore_tf.tracking.model_registry import ModelRegistry
from qstore_tf.tracking.records import ModelVersion, Run

# Tags: whose copy a run is, that all of it is there, and which version a version of MLflow's is.
_TAG, _WHOLE = "qstore.run", "qstore.exported"
_VERSION, _SHA256 = "qstore.version", "qstore.sha256"
_METRICS, _PARAMS, _PARAM_LENGTH = 1000, 100, 6000  # MLflow's limits of one request
_STATUS = {"running": "RUNNING", "finished": "FINISHED", "failed": "FAILED"}
_Item = TypeVar("_Item")


def export_run(
    registry: ModelRegistry,
    run: Run | str,
    *,
    tracking_uri: str | None = None,
    experiment: str = "qstore_tf",
) -> str:
    """Copies a run with its parameters and metrics to MLflow, in as few requests as it allows.

    A run that is there already is left as it is: export runs that have ended. An export that was
    broken off is completed by the next one. MLflow keeps infinity as the largest float.

    Args:
        registry: Where the run is.
        run: The run.
        tracking_uri: MLflow's store; None: the one that is set in MLflow.
        experiment: MLflow's experiment, made where there is none.

    Returns:
        The id of MLflow's run.

    Raises:
        LibraryError: MLflow is not installed.
        NotFoundError: There is no such run.
    """
    found = registry.run(run.id if isinstance(run, Run) else run)
    return _export(_client(tracking_uri), found, registry.metrics(found), experiment)


def _export(
    library: tuple[Any, Any], run: Run, history: dict[str, list[tuple[int, float]]], experiment: str
) -> str:
    client, entities = library
    number = _experiment(client, experiment)
    there = client.search_runs([number], f"tags.`{_TAG}` = '{run.id}'", max_results=1)
    if there and _WHOLE in there[0].data.tags:
        return str(there[0].info.run_id)
    if there:
        made, params = there[0].info.run_id, there[0].data.params
    else:
        made, params = _new_run(client, number, run), {}
    missing_params = [
        entities.Param(name, _text(value)[:_PARAM_LENGTH])
        for name, value in run.params.items()
        if name not in params
    ]
    missing_metrics = [
        entities.Metric(name, value, int(run.started_at), step)
        for name, rows in history.items()
        for step, value in _missing(client, made, name, rows, is_new=not there)
    ]
    for some in _parts(missing_params, _PARAMS):
        client.log_batch(made, params=some)
    for many in _parts(missing_metrics, _METRICS):
        client.log_batch(made, metrics=many)
    if run.ended_at is not None:
        client.set_terminated(made, _STATUS[run.status], int(run.ended_at))
    client.set_tag(made, _WHOLE, "yes")  # last: without it the next export goes on
    return str(made)


def _experiment(client: Any, name: str) -> Any:
    found = client.get_experiment_by_name(name)
    return client.create_experiment(name) if found is None else found.experiment_id


def _new_run(client: Any, experiment: Any, run: Run) -> Any:
    return client.create_run(
        experiment,
        start_time=int(run.started_at),
        tags={_TAG: run.id},
        run_name=run.name or None,
    ).info.run_id


def _missing(
    client: Any, made: str, name: str, rows: list[tuple[int, float]], is_new: bool
) -> list[tuple[int, float]]:
    """Steps of a metric that a run of MLflow does not have: not all its stores drop doubles."""
    if is_new:
        return rows
    known = {metric.step for metric in client.get_metric_history(made, name)}
    return [(step, value) for step, value in rows if step not in known]


def export_version(
    registry: ModelRegistry,
    name: str,
    version: int | str | None = None,
    *,
    tracking_uri: str | None = None,
    experiment: str = "qstore_tf",
) -> int:
    """Logs a version's `.keras` file to MLflow and registers it there, with its aliases.

    Its run is exported with it; a version without one gets a run of its own in MLflow. What the
    registry knows of the version (sha256, circuits, data, packages) becomes tags of MLflow's. A
    version that is there already gets the aliases that it has now, and an export that was broken
    off is completed by the next one.

    Args:
        registry: Where the model is.
        name: Its name, also in MLflow.
        version: A number, an alias, or None for the latest.
        tracking_uri: As in `export_run`.
        experiment: Likewise.

    Returns:
        MLflow's number of the version.

    Raises:
        LibraryError: MLflow is not installed.
        NotFoundError: There is no such version.
        StoreError: Its file is gone or changed.
    """
    found = registry.version(name, version)
    artifacts.check(registry.folder / found.file, found.sha256)
    library = _client(tracking_uri)
    client = library[0]
    if found.run is None:
        made = _export(library, _own_run(found), {}, experiment)
    else:
        made = export_run(registry, found.run, tracking_uri=tracking_uri, experiment=experiment)
    # A folder for each version: a run may have made several.
    place = f"model/{found.sha256[:16]}"
    source = f"runs:/{made}/{place}"
    number = _registered(client, found, made, source)
    if number is None:
        client.log_artifact(made, str(registry.folder / found.file), place)
        try:
            client.create_registered_model(name)
        except Exception as error:  # of a class of MLflow's, which has many reasons
            if getattr(error, "error_code", "") != "RESOURCE_ALREADY_EXISTS":
                raise
        number = client.create_model_version(
            name,
            source=source,
            run_id=made,
            tags=_tags(found),
            description=found.description or None,
        ).version
    for alias in found.aliases:
        client.set_registered_model_alias(name, alias, number)
    return int(number)


def _own_run(version: ModelVersion) -> Run:
    """A run for a version that has none; the same one whenever it is exported."""
    told = json.dumps([version.name, version.version, version.sha256])
    id = hashlib.sha256(told.encode()).hexdigest()[:32]
    at = version.created_at
    return Run(id, f"{version.name} {version.version}", "finished", at, at)


def _registered(client: Any, version: ModelVersion, run: str, source: str) -> Any:
    """MLflow's number of a version; None where it is not there."""
    wanted, token = (version.name, source, str(version.version)), None
    while True:
        page = client.search_model_versions(f"run_id = '{run}'", page_token=token)
        for there in page:
            if (there.name, there.source, there.tags.get(_VERSION)) == wanted:
                return there.version
        token = page.token
        if not token:
            return None


def _client(tracking_uri: str | None) -> tuple[Any, Any]:
    try:
        from mlflow import MlflowClient, entities
    except ImportError as error:
        raise LibraryError(
            describe("MLflow is not installed", hint="pip install qstore-tf[mlflow]")
        ) from error
    return MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri), entities


def _tags(version: ModelVersion) -> dict[str, str]:
    found = {
        _VERSION: str(version.version),
        _SHA256: version.sha256,
        "qstore.packages": json.dumps(dict(version.packages)),
    }
    if version.programs:
        found["qstore.programs"] = version.programs
    if version.data:
        found["qstore.data"] = f"{version.data.namespace} at commit {version.data.commit}"
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _parts(rows: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
