"""Every job is written down before it is sent: a file that outlives crashes, shared by processes.

    planned    nothing was sent               -> sending
    sending    a submission is under way,     -> planned    surely not accepted
               or its answer was unclear      -> accepted, refused, uncertain
    uncertain  given up without knowing       -> accepted   found later
                                              -> planned    not there, and somebody asks again
    accepted   the service has it             -> completed, failed, canceled
    completed  its outcomes are there         -> canceled   the service has forgotten it
    refused, failed, canceled                 the end

A *run* is the work that one call was given, cut into parts; each part has a job, and another one
where that failed and the same work is asked for again. A run that a process left behind, by an
error, a deadline or its death, is taken up by the next call with the same work, on whatever
process: what was accepted is not sent again. Keys are never written, nor are circuits: a
fingerprint of them is.
"""

from __future__ import annotations

import json
import os
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qstore_tf.errors import LedgerError, describe
from qstore_tf.ionq.money.files import SharedFile
from qstore_tf.ionq.service.owners import Owners

VARIABLE = "QSTORE_IONQ_JOURNAL"
DEFAULT = "~/.qstore/ionq.sqlite"
KEEP_S = 90 * 86400.0  # for how long a run that is over is kept, for whoever looks it up

PLANNED, SENDING, UNCERTAIN, ACCEPTED = "planned", "sending", "uncertain", "accepted"
REFUSED, COMPLETED, FAILED, CANCELED = "refused", "completed", "failed", "canceled"
TRANSITIONS: Mapping[str, tuple[str, ...]] = {
    PLANNED: (SENDING,),
    SENDING: (SENDING, PLANNED, ACCEPTED, REFUSED, UNCERTAIN),
    UNCERTAIN: (ACCEPTED, PLANNED),
    ACCEPTED: (COMPLETED, FAILED, CANCELED),
    REFUSED: (),
    COMPLETED: (CANCELED,),
    FAILED: (),
    CANCELED: (),
}
ENDED_BADLY = (REFUSED, FAILED, CANCELED)

_SCHEMA = (
    "CREATE TABLE owners (id INTEGER PRIMARY KEY AUTOINCREMENT, host TEXT NOT NULL,"
    " process INTEGER NOT NULL, time REAL NOT NULL)",
    "CREATE TABLE runs (id TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, server TEXT NOT NULL,"
    " target TEXT NOT NULL, sizes TEXT NOT NULL, owner INTEGER, is_open INTEGER NOT NULL,"
    " time REAL NOT NULL)",
    "CREATE INDEX runs_open ON runs (fingerprint) WHERE is_open",
    "CREATE TABLE jobs (number INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT UNIQUE NOT NULL,"
    " run TEXT NOT NULL REFERENCES runs (id), part INTEGER NOT NULL, state TEXT NOT NULL,"
    " circuits INTEGER NOT NULL, shots INTEGER NOT NULL, unclear INTEGER NOT NULL,"
    " sent REAL, job TEXT, text TEXT NOT NULL, time REAL NOT NULL)",
    "CREATE INDEX jobs_by_run ON jobs (run, part)",
    "CREATE INDEX jobs_by_state ON jobs (state)",
    "CREATE TABLE copies (job TEXT PRIMARY KEY, token TEXT NOT NULL, state TEXT NOT NULL)",
)
_MARK = 0x71536A6F  # chosen once, for files of journals
_FIELDS = "token, run, part, state, circuits, shots, unclear, sent, job, text, time"


@dataclass(frozen=True)
class Entry:
    """What is written of a job.

    Attributes:
        token: Its name here, in its name at the service and in its metadata.
        run: The run that it belongs to.
        part: Its place in the run.
        state: See above.
        circuits: Number of circuits.
        shots: Of each circuit.
        unclear: How often it was sent without a clear answer so far.
        sent: When it was first sent, seconds since 1970; None: it was not.
        job: The service's name of it; None: not known.
        text: The service's words on how it ended.
        time: When it was last changed, seconds since 1970.
    """

    token: str
    run: str
    part: int
    state: str
    circuits: int
    shots: int
    unclear: int
    sent: float | None
    job: str | None
    text: str
    time: float


@dataclass(frozen=True)
class Run:
    """The work of one call.

    Attributes:
        id: Its name here.
        sizes: How many circuits each part has.
        entries: The newest job of each part.
        is_adopted: Whether somebody else, or an earlier call, began it.
    """

    id: str
    sizes: tuple[int, ...]
    entries: tuple[Entry, ...]
    is_adopted: bool


class Journal:
    """The journal in a file.

    Args:
        path: The file. None: QSTORE_IONQ_JOURNAL, else ~/.qstore/ionq.sqlite. ":memory:": a
            temporary one, which does not outlive this process.

    Raises:
        LedgerError: The file cannot be used.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        chosen = os.fspath(path or os.environ.get(VARIABLE) or DEFAULT)
        self.is_temporary = chosen == ":memory:"
        self._file = SharedFile(
            None if self.is_temporary else chosen, "a journal of jobs", _MARK, _SCHEMA
        )
        self.path = Path(self._file.path)
        self._owners = Owners(self._file)
        self._is_pruned = False

    def open(
        self,
        fingerprint: str,
        server: str,
        target: str,
        sizes: Sequence[int],
        shots: int,
        now: float,
        adopt_s: float,
    ) -> Run:
        """Returns the run of some work: one that was left behind, else a new one, all planned.

        A run of which another call is in charge is left alone. What ended badly in a run that is
        taken up is planned anew.

        Args:
            fingerprint: Of the work, see `planning.fingerprint`.
            server: The address of the service.
            target: The machine.
            sizes: How many circuits each part of a new run has.
            shots: Of each circuit.
            now: Seconds since 1970.
            adopt_s: How old a run may be to be taken up.
        """
        me = self._owners.me(now)
        with self._file.writing() as sql:
            if not self._is_pruned:
                _prune(sql, now - KEEP_S)
                self._is_pruned = True
            found = sql.execute(
                "SELECT id, sizes, owner FROM runs WHERE is_open AND fingerprint = ? AND time >= ?"
                " ORDER BY time",
                (fingerprint, now - adopt_s),
            ).fetchall()
            for run, text, owner in found:
                if owner is None or not self._owners.is_alive(owner, me):
                    sql.execute("UPDATE runs SET owner = ? WHERE id = ?", (me, run))
                    for entry in _newest(sql, run):
                        if entry.state in ENDED_BADLY:
                            self._plan(sql, run, entry.part, entry.circuits, shots, now)
                    return Run(run, tuple(json.loads(text)), _newest(sql, run), True)
            run = uuid.uuid4().hex
            sql.execute(
                "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, 1, ?)",
                (run, fingerprint, server, target, json.dumps(list(sizes)), me, now),
            )
            for part, circuits in enumerate(sizes):
                self._plan(sql, run, part, circuits, shots, now)
            return Run(run, tuple(sizes), _newest(sql, run), False)

    def change(
        self, entry: Entry, state: str, now: float, *, if_left: bool = False, **fields: Any
    ) -> Entry:
        """Writes what happened to a job.

        Args:
            entry: The job as it is known.
            state: Its new state.
            now: Seconds since 1970.
            if_left: Whether it is changed only where nobody is in charge of its run. Who is would
                find it changed under his hands.
            fields: What else changes: `unclear`, `sent`, `job` or `text`.

        Returns:
            The job as it is now.

        Raises:
            LedgerError: The table above does not allow it, or somebody else has changed the job, or
                is in charge of it.
        """
        values = {"state": state, **fields, "time": now}
        changes = ", ".join(f"{name} = ?" for name in values)
        me = self._owners.me(now) if if_left else 0
        with self._file.writing() as sql:
            if if_left and not self._is_left(sql, entry.run, me):
                raise LedgerError(describe(f"Somebody else has taken up job {entry.token}"))
            if state in TRANSITIONS[entry.state]:
                done = sql.execute(
                    f"UPDATE jobs SET {changes} WHERE token = ? AND state = ?",
                    (*values.values(), entry.token, entry.state),
                )
                if done.rowcount == 1:
                    return _entry(sql, entry.token)
            there = _entry(sql, entry.token).state
        raise LedgerError(
            describe(
                f"Job {entry.token} cannot become {state!r}",
                expected=f"one of {', '.join(TRANSITIONS[entry.state]) or 'nothing'}, "
                f"from {entry.state!r}",
                received=there,
            )
        )

    def copy(self, token: str, job: str, state: str) -> None:
        """Writes that the service has a job twice."""
        with self._file.writing() as sql:
            sql.execute("INSERT OR REPLACE INTO copies VALUES (?, ?, ?)", (job, token, state))

    def copy_state(self, job: str) -> str | None:
        """Returns what is written of a job that is a copy; None: it is not known as one."""
        with self._file.reading() as sql:
            found = sql.execute("SELECT state FROM copies WHERE job = ?", (job,)).fetchone()
            return None if found is None else str(found[0])

    def deliver(self, run: str) -> None:
        """Ends a run whose outcomes are handed to the caller: it will not be taken up."""
        with self._file.writing() as sql:
            sql.execute("UPDATE runs SET is_open = 0, owner = NULL WHERE id = ?", (run,))

    def release(self, run: str) -> None:
        """Leaves a run as it is, for whoever asks for the same work."""
        with self._file.writing() as sql:
            sql.execute("UPDATE runs SET owner = NULL WHERE id = ?", (run,))

    def left_behind(self, server: str, target: str, now: float) -> list[Entry]:
        """Returns the jobs of runs nobody is in charge of, whose end is not known."""
        me = self._owners.me(now)
        with self._file.writing() as sql:
            rows = sql.execute(
                "SELECT DISTINCT runs.id, owner FROM runs JOIN jobs ON jobs.run = runs.id"
                " WHERE is_open AND server = ? AND target = ? AND state IN (?, ?, ?)",
                (server, target, SENDING, UNCERTAIN, ACCEPTED),
            ).fetchall()
            runs = [r for r, o in rows if o is None or not self._owners.is_alive(o, me)]
            open_states = (SENDING, UNCERTAIN, ACCEPTED)
            return [e for run in runs for e in _newest(sql, run) if e.state in open_states]

    def while_left(self, entry: Entry, now: float, act: Callable[[], None]) -> bool:
        """Acts on a job that nobody is in charge of, and that nobody can take up meanwhile.

        Args:
            entry: The job as it is known.
            now: Seconds since 1970.
            act: What is done, without this journal.

        Returns:
            Whether it was done: somebody is in charge of the job, or has changed it.
        """
        me = self._owners.me(now)
        with self._file.writing() as sql:
            if _entry(sql, entry.token).state != entry.state:
                return False
            if not self._is_left(sql, entry.run, me):
                return False
            act()
            return True

    def those_of(self, tokens: Iterable[str], server: str, target: str) -> list[Entry]:
        """Returns the jobs with these tokens that were sent, or were to be sent, to a machine.

        Args:
            tokens: Those that are not in the journal are left out.
            server: The address of the service.
            target: The machine.
        """
        fields = ", ".join(f"jobs.{name}" for name in _FIELDS.split(", "))
        found = []
        with self._file.reading() as sql:
            for token in tokens:
                row = sql.execute(
                    f"SELECT {fields} FROM jobs JOIN runs ON jobs.run = runs.id"
                    " WHERE token = ? AND server = ? AND target = ?",
                    (token, server, target),
                ).fetchone()
                if row is not None:
                    found.append(Entry(*row))
        return found

    def entries(self, run: str | None = None) -> list[Entry]:
        """Returns all jobs, or those of a run, oldest first."""
        where, values = ("", ()) if run is None else (" WHERE run = ?", (run,))
        with self._file.reading() as sql:
            rows = sql.execute(f"SELECT {_FIELDS} FROM jobs{where} ORDER BY number", values)
            return [Entry(*row) for row in rows]

    def entry(self, token: str) -> Entry:
        """Returns a job as it is now."""
        with self._file.reading() as sql:
            return _entry(sql, token)

    def copies(self) -> list[tuple[str, str, str]]:
        """Returns the jobs that the service has twice: `(token, its job id, its state)`."""
        with self._file.reading() as sql:
            return list(sql.execute("SELECT token, job, state FROM copies ORDER BY token, job"))

    def _is_left(self, sql: sqlite3.Connection, run: str, me: int) -> bool:
        """Whether nobody is in charge of a run."""
        row = sql.execute("SELECT owner FROM runs WHERE id = ?", (run,)).fetchone()
        owner = None if row is None else row[0]
        return owner is None or not self._owners.is_alive(owner, me)

    @staticmethod
    def _plan(
        sql: sqlite3.Connection, run: str, part: int, circuits: int, shots: int, now: float
    ) -> None:
        sql.execute(
            "INSERT INTO jobs (token, run, part, state, circuits, shots, unclear, text, time)"
            " VALUES (?, ?, ?, ?, ?, ?, 0, '', ?)",
            (uuid.uuid4().hex, run, part, PLANNED, circuits, shots, now),
        )


def _prune(sql: sqlite3.Connection, before: float) -> None:
    """Forgets runs that are over, or of which nothing was ever sent, and are old."""
    sql.execute(
        "DELETE FROM runs WHERE time < ? AND (NOT is_open OR NOT EXISTS"
        " (SELECT 1 FROM jobs WHERE run = runs.id AND sent IS NOT NULL))",
        (before,),
    )
    sql.execute("DELETE FROM jobs WHERE time < ? AND run NOT IN (SELECT id FROM runs)", (before,))


def _newest(sql: sqlite3.Connection, run: str) -> tuple[Entry, ...]:
    rows = sql.execute(f"SELECT {_FIELDS} FROM jobs WHERE run = ? ORDER BY part, number", (run,))
    newest = {row[2]: Entry(*row) for row in rows}
    return tuple(newest.values())


def _entry(sql: sqlite3.Connection, token: str) -> Entry:
    row = sql.execute(f"SELECT {_FIELDS} FROM jobs WHERE token = ?", (token,)).fetchone()
    if row is None:
        raise LedgerError(describe(f"The journal has no job {token}; was the file replaced?"))
    return Entry(*row)
