"""All state of the local IonQ, in one SQLite file or in memory: jobs, their circuits, sessions.

What is stored are facts (when a job came, when it starts by the plan of the queue, who canceled
it); its status follows from them and the clock, see `states`. Each write is one transaction, so
that a server which is killed finds everything that it has answered.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.ionq.emulator.records import Filter, Job, Part, Session

MOST_BYTES = 4 * 2**30
_VERSION = 1
_PAGE = 200

_JOB = [field.name for field in fields(Job) if field.name != "number"]
_PART = [field.name for field in fields(Part)]
_SESSION = [field.name for field in fields(Session)]
# Without the bodies, which may be large.
_JOBS = f"SELECT number, {', '.join(_JOB)} FROM jobs"
_BOOLEANS = ("dry_run", "debiasing", "failure_billed")
_SCHEMA = f"""
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, {", ".join(_JOB)}, body BLOB, UNIQUE (id));
CREATE INDEX jobs_of ON jobs (organization, number);
CREATE TABLE parts (job TEXT, position INTEGER, {", ".join(_PART)}, PRIMARY KEY (job, position));
CREATE UNIQUE INDEX part_ids ON parts (id);
CREATE TABLE sessions (
    number INTEGER PRIMARY KEY AUTOINCREMENT, {", ".join(_SESSION)}, UNIQUE (id));
PRAGMA user_version = {_VERSION};
"""


class Store:
    """The tables. Safe to use from many threads.

    Args:
        path: The file; None for memory.
        most_bytes: How large it may become.

    Raises:
        ConfigurationError: The file is none of ours.
    """

    def __init__(self, path: str | Path | None = None, most_bytes: int = MOST_BYTES) -> None:
        self._lock = threading.RLock()
        where = ":memory:" if path is None else str(path)
        try:
            self._db = sqlite3.connect(where, check_same_thread=False, timeout=30)
            self._db.execute("PRAGMA journal_mode = WAL")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            empty = not self._db.execute("SELECT 1 FROM sqlite_master").fetchone()
            if version == 0 and empty:
                self._db.executescript(_SCHEMA)
            size = self._db.execute("PRAGMA page_size").fetchone()[0]
            self._db.execute(f"PRAGMA max_page_count = {max(most_bytes // size, 1)}")
        except sqlite3.Error as error:
            raise ConfigurationError(
                describe(f"The file of the local IonQ cannot be used: {error}", received=where)
            ) from None
        if not (version == _VERSION or (version == 0 and empty)):
            raise ConfigurationError(
                describe(
                    "This file is none of the local IonQ, or of another release",
                    received=where,
                    hint="Name a file that is not there yet",
                )
            )
        self._db.row_factory = sqlite3.Row

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._db.close()

    def add_job(self, job: Job, parts: Sequence[Part], body: bytes) -> Job:
        """Stores a new job.

        Args:
            job: The job.
            parts: Its circuits in order.
            body: The request that sent it, as JSON, from which it can be run again.

        Returns:
            The job with its number.
        """
        values = [getattr(job, name) for name in _JOB]
        rows = [
            (job.id, position, *[getattr(part, name) for name in _PART])
            for position, part in enumerate(parts)
        ]
        with self._lock, self._db:
            number = self._db.execute(
                f"INSERT INTO jobs ({', '.join(_JOB)}, body) VALUES ({_marks(len(_JOB) + 1)})",
                [*values, body],
            ).lastrowid
            self._db.executemany(f"INSERT INTO parts VALUES ({_marks(len(_PART) + 2)})", rows)
        return Job(**{**dict(zip(_JOB, values, strict=True)), "number": number})

    def job(self, job_id: str) -> Job | None:
        """The job of an id; None if there is none."""
        found = self._rows(f"{_JOBS} WHERE id = ?", [job_id])
        return _job(found[0]) if found else None

    def part(self, part_id: str) -> tuple[str, int, Part] | None:
        """The id of the job, the position in it, and the circuit that an id names."""
        found = self._rows("SELECT * FROM parts WHERE id = ?", [part_id])
        return (found[0]["job"], found[0]["position"], _part(found[0])) if found else None

    def parts(self, job_id: str) -> list[Part]:
        """The circuits of a job in order."""
        found = self._rows("SELECT * FROM parts WHERE job = ? ORDER BY position", [job_id])
        return [_part(row) for row in found]

    def part_ids(self, job_id: str) -> list[str]:
        """The ids of the circuits of a job in order."""
        found = self._rows("SELECT id FROM parts WHERE job = ? ORDER BY position", [job_id])
        return [row["id"] for row in found]

    def input(self, job_id: str) -> dict[str, Any]:
        """What a job was sent with."""
        found = self._rows("SELECT body FROM jobs WHERE id = ?", [job_id])
        data = json.loads(found[0]["body"]) if found else {}
        # v0.3 has another word for it.
        circuits: dict[str, Any] = data.get("input", data.get("body", {}))
        return circuits

    def jobs(self, which: Filter) -> Iterator[Job]:
        """Jobs, the newest first, read in pages while they are asked for."""
        before = which.before
        while True:
            rows = self._rows(*_query(which, before))
            yield from map(_job, rows)
            if len(rows) < _PAGE:
                return
            before = rows[-1]["number"]

    def page(self, limit: int, offset: int) -> list[Job]:
        """Jobs of all organizations, the newest first."""
        text = f"{_JOBS} ORDER BY number DESC LIMIT ? OFFSET ?"
        return [_job(row) for row in self._rows(text, [limit, offset])]

    def all_jobs(self) -> list[Job]:
        """All jobs of all organizations, the oldest first."""
        return [_job(row) for row in self._rows(f"{_JOBS} ORDER BY number", [])]

    def unfinished(self, backend: str | None = None) -> list[Job]:
        """Jobs without results that may still get some, in the order of their coming."""
        text = (
            f"{_JOBS} WHERE computed IS NULL AND canceled IS NULL AND failure IS NULL "
            "ORDER BY number"
        )
        jobs = map(_job, self._rows(text, []))
        return [job for job in jobs if backend in (None, job.backend)]

    def planned(self, backend: str, since: float) -> list[Job]:
        """Jobs of a machine that are not over at a time, in the order of their coming."""
        text = f"{_JOBS} WHERE backend = ? AND ends > ? AND canceled IS NULL ORDER BY number"
        return [_job(row) for row in self._rows(text, [backend, since])]

    def update_job(self, job_id: str, **values: Any) -> None:
        """Writes fields of a job."""
        self._update("jobs", job_id, values)

    def set_times(self, times: Iterable[tuple[str, float, float]]) -> None:
        """Writes start and end of some jobs."""
        with self._lock, self._db:
            self._db.executemany(
                "UPDATE jobs SET starts = ?2, ends = ?3 WHERE id = ?1", list(times)
            )

    def set_results(self, job_id: str, probabilities: Sequence[str], computed: float) -> None:
        """Writes the results of all circuits of a job."""
        rows = [(text, job_id, position) for position, text in enumerate(probabilities)]
        with self._lock, self._db:
            self._db.executemany(
                "UPDATE parts SET probabilities = ? WHERE job = ? AND position = ?", rows
            )
            self._db.execute("UPDATE jobs SET computed = ? WHERE id = ?", [computed, job_id])

    def delete_job(self, job_id: str) -> None:
        """Deletes a job and all that belongs to it."""
        with self._lock, self._db:
            self._db.execute("DELETE FROM jobs WHERE id = ?", [job_id])
            self._db.execute("DELETE FROM parts WHERE job = ?", [job_id])

    def count(self) -> int:
        """Number of jobs."""
        return int(self._rows("SELECT COUNT(*) AS n FROM jobs", [])[0]["n"])

    def add_session(self, session: Session) -> None:
        """Stores a new session."""
        with self._lock, self._db:
            self._db.execute(
                f"INSERT INTO sessions ({', '.join(_SESSION)}) VALUES ({_marks(len(_SESSION))})",
                [getattr(session, name) for name in _SESSION],
            )

    def session(self, session_id: str) -> Session | None:
        """The session of an id; None if there is none."""
        found = self._rows("SELECT * FROM sessions WHERE id = ?", [session_id])
        return _session(found[0]) if found else None

    def sessions(self, organization: str) -> list[Session]:
        """The sessions of an organization, the newest first; at most 1,000."""
        text = "SELECT * FROM sessions WHERE organization = ? ORDER BY number DESC LIMIT 1000"
        return [_session(row) for row in self._rows(text, [organization])]

    def update_session(self, session_id: str, **values: Any) -> None:
        """Writes fields of a session."""
        self._update("sessions", session_id, values)

    @property
    def transaction(self) -> threading.RLock:
        """Held while something is read and then written that depends on it."""
        return self._lock

    def _update(self, table: str, row_id: str, values: dict[str, Any]) -> None:
        names = ", ".join(f"{name} = ?" for name in values)
        with self._lock, self._db:
            self._db.execute(f"UPDATE {table} SET {names} WHERE id = ?", [*values.values(), row_id])

    def _rows(self, text: str, values: Sequence[Any]) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(text, values).fetchall()


def _query(which: Filter, before: int | None) -> tuple[str, list[Any]]:
    conditions = ["1"]
    values: list[Any] = []
    for column, wanted in (
        ("organization", None if which.organization is None else [which.organization]),
        ("session", None if which.session is None else [which.session]),
        ("submitter", None if which.submitter is None else [which.submitter]),
        ("backend", which.backends),
        ("id", which.ids),
    ):
        if wanted is not None:
            conditions.append(f"{column} IN ({_marks(len(wanted))})")
            values += list(wanted)
    if before is not None:
        conditions.append("number < ?")
        values.append(before)
    if which.until is not None:
        conditions.append("submitted <= ?")
        values.append(which.until)
    text = f"{_JOBS} WHERE {' AND '.join(conditions)} ORDER BY number DESC LIMIT {_PAGE}"
    return text, values


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _job(row: sqlite3.Row) -> Job:
    values = {name: row[name] for name in (*_JOB, "number")}
    return Job(**{**values, **{name: bool(values[name]) for name in _BOOLEANS}})


def _part(row: sqlite3.Row) -> Part:
    return Part(**{name: row[name] for name in _PART})


def _session(row: sqlite3.Row) -> Session:
    return Session(**{name: row[name] for name in _SESSION})
