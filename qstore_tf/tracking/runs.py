"""Runs: their parameters and metrics, in the registry's tables."""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from qstore_tf.errors import ConfigurationError, NotFoundError, describe, did_you_mean
from qstore_tf.store.catalog import Catalog, Connection
from qstore_tf.tracking.records import Run

STATUSES = ("running", "finished", "failed")


class Runs:
    """The methods of a registry that are about runs.

    Example:
        >>> import qstore_tf as qs
        >>> registry = qs.tracking.ModelRegistry()
        >>> run = registry.start_run("first", params={"depth": 2})
        >>> registry.log_metrics(run, 0, {"loss": 0.5})
        >>> registry.log_metrics(run, 1, {"loss": 0.25})
        >>> registry.metrics(run)
        {'loss': [(0, 0.5), (1, 0.25)]}
        >>> registry.end_run(run).status
        'finished'
    """

    _catalog: Catalog

    def start_run(self, name: str = "", params: Mapping[str, Any] | None = None) -> Run:
        """Starts a run.

        Args:
            name: What to call it; names may be used again.
            params: Settings by name: what JSON can hold.
        """
        run_id = uuid.uuid4().hex
        started, rows = now(), _params(params or {})

        def work(writer: Connection) -> None:
            writer.execute(
                "INSERT INTO tracking_runs VALUES (?, ?, 'running', ?, NULL)",
                (run_id, name, started),
            )
            _put_params(writer, run_id, rows)

        self._catalog.write(work)
        return self.run(run_id)

    def log_params(self, run: Run | str, params: Mapping[str, Any]) -> None:
        """Sets parameters of a run, in one transaction.

        Raises:
            NotFoundError: There is no such run.
        """
        found, rows = self.run(id_of(run)), _params(params)
        self._catalog.write(lambda writer: _put_params(writer, found.id, rows))

    def log_metrics(self, run: Run | str, step: int, metrics: Mapping[str, float]) -> None:
        """Writes metrics of one step, in one transaction; those that are there are replaced.

        Args:
            run: The run.
            step: At least 0, such as the epoch.
            metrics: Numbers by name, NaN and infinity among them.

        Raises:
            NotFoundError: There is no such run.
        """
        found, written = self.run(id_of(run)), now()
        numbers = {name: float(value) for name, value in metrics.items()}
        rows = [
            (found.id, name, int(step), None if math.isnan(value) else value, written)
            for name, value in numbers.items()
        ]
        self._catalog.write(
            lambda writer: writer.executemany(
                "INSERT INTO tracking_metrics VALUES (?, ?, ?, ?, ?) ON CONFLICT (run, name, step)"
                " DO UPDATE SET value = excluded.value, written_at = excluded.written_at",
                rows,
            )
        )

    def metrics(self, run: Run | str) -> dict[str, list[tuple[int, float]]]:
        """The metrics of a run: (step, value) in the order of steps, by name."""
        found: dict[str, list[tuple[int, float]]] = {}
        with self._catalog.read() as reader:
            for name, step, value in reader.execute(
                "SELECT name, step, value FROM tracking_metrics WHERE run = ? ORDER BY name, step",
                (id_of(run),),
            ):
                found.setdefault(name, []).append((step, math.nan if value is None else value))
        return found

    def end_run(self, run: Run | str, status: str = "finished") -> Run:
        """Ends a run, or sets it "running" again.

        Raises:
            NotFoundError: There is no such run.
            ConfigurationError: The status is unknown.
        """
        if status not in STATUSES:
            raise ConfigurationError(
                describe(
                    "A run cannot have this status",
                    expected=", ".join(STATUSES),
                    received=status,
                    hint=did_you_mean(str(status), STATUSES),
                )
            )
        found, ended = self.run(id_of(run)), None if status == "running" else now()
        self._catalog.write(
            lambda writer: writer.execute(
                "UPDATE tracking_runs SET status = ?, ended_at = ? WHERE id = ?",
                (status, ended, found.id),
            )
        )
        return self.run(found.id)

    def run(self, id: str) -> Run:
        """A run as it stands now.

        Raises:
            NotFoundError: There is no such run.
        """
        for found in self._runs("WHERE id = ?", [id]):
            return found
        raise NotFoundError(describe(f"There is no run {id!r}", hint="Use start_run to start one."))

    def runs(self) -> Sequence[Run]:
        """All runs, in the order of their starts."""
        return self._runs("", [])

    def _runs(self, where: str, values: list[Any]) -> list[Run]:
        with self._catalog.read() as reader:
            rows = reader.execute(
                f"SELECT id, name, status, started_at, ended_at FROM tracking_runs {where}"
                " ORDER BY started_at, id",
                values,
            ).fetchall()
            return [
                Run(id, name, status, started, ended, _params_of(reader, id))
                for id, name, status, started, ended in rows
            ]


def _params(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    try:
        return [(str(name), json.dumps(value)) for name, value in params.items()]
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            describe(
                f"A parameter of a run cannot be written as JSON: {error}",
                received=dict(params),
                hint="Pass numbers, strings, bools, None, and lists and dicts of them.",
            )
        ) from None


def _put_params(writer: Connection, run: str, rows: list[tuple[str, str]]) -> None:
    writer.executemany(
        "INSERT INTO tracking_params VALUES (?, ?, ?)"
        " ON CONFLICT (run, name) DO UPDATE SET value = excluded.value",
        [(run, *row) for row in rows],
    )


def _params_of(reader: Connection, run: str) -> dict[str, Any]:
    rows = reader.execute(
        "SELECT name, value FROM tracking_params WHERE run = ? ORDER BY name", (run,)
    )
    return {name: json.loads(value) for name, value in rows.fetchall()}


def id_of(run: Run | str) -> str:
    """The id of a run."""
    return run.id if isinstance(run, Run) else run


def now() -> float:
    """Ms since 1970."""
    return time.time() * 1000
