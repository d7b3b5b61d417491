"""Who has which rows of a batch, where that costs money: written down before they are sent.

    a share of paid rows      what is written of it
    is about to begin         its rows
    is done                   its rows and their results
    has failed                its rows, what there is of their results, and which may be paid for
                              yet; nothing, where nothing is
    the batch is done         nothing any more

A batch that a call has left, by an error or with its process, is taken up by the next call with the
same program and numbers. Its shares are asked for again from the same backends just as they were:
these then find in their own journal what was sent, and send nothing. So everything that was paid
for is used, and nothing of it is paid for twice. Seeds are no part of what is the same: machines
know none.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qstore_tf.backends.arrays.kept import Kept
from qstore_tf.backends.base import Batch
from qstore_tf.errors import LedgerError
from qstore_tf.ionq.money.files import SharedFile
from qstore_tf.ionq.money.workers import INDEX
from qstore_tf.ionq.service import journal as jobs
from qstore_tf.ionq.service.owners import Owners
from qstore_tf.routing.members import Member
from qstore_tf.routing.shares import Share

_log = logging.getLogger("qstore_tf")

ADOPT_S = 86400.0  # how old a batch may be to be taken up; that of IonQ's journal
_MARK = 0x71536A70  # chosen once, for these files
_SCHEMA = (
    "CREATE TABLE owners (id INTEGER PRIMARY KEY AUTOINCREMENT, host TEXT NOT NULL,"
    " process INTEGER NOT NULL, time REAL NOT NULL)",
    "CREATE TABLE batches (id INTEGER PRIMARY KEY AUTOINCREMENT, fingerprint TEXT NOT NULL,"
    " owner INTEGER, time REAL NOT NULL)",
    "CREATE INDEX batches_by_fingerprint ON batches (fingerprint)",
    "CREATE TABLE shares (id INTEGER PRIMARY KEY AUTOINCREMENT, batch INTEGER NOT NULL"
    " REFERENCES batches (id), member TEXT NOT NULL, asked BLOB NOT NULL, done BLOB NOT NULL,"
    " found BLOB NOT NULL, unsettled BLOB NOT NULL)",
    "CREATE INDEX shares_by_batch ON shares (batch)",
)


class Written:
    """The file of a pool or router, which is opened when it is needed.

    Args:
        path: The file. None: one beside the journal of jobs that QSTORE_IONQ_JOURNAL names; of each
            worker, where that journal is.
        name: The name of that one, without its ending.
    """

    def __init__(self, path: str | os.PathLike[str] | None, name: str) -> None:
        self._path, self._name = path, name
        self._there: tuple[SharedFile, Owners] | None = None
        self._running: set[tuple[int, int]] = set()  # processes, forked ones too, and their batches

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self._opened()[0].path

    def is_left(self, fingerprint: str) -> bool:
        """Returns whether an earlier call has left something of a batch; changes nothing.

        Args:
            fingerprint: Of the batch, see `fingerprint`.

        Raises:
            LedgerError: The file cannot be used.
        """
        file, owners = self._opened()
        now = time.time()
        me = owners.me(now)
        with file.reading() as sql:
            return self._left(sql, owners, me, fingerprint, now) is not None

    @contextlib.contextmanager
    def batch(self, fingerprint: str) -> Iterator[Paid]:
        """What is written of a batch, for as long as it runs.

        Args:
            fingerprint: Of the batch, see `fingerprint`.

        Raises:
            LedgerError: The file cannot be used.
        """
        file, owners = self._opened()
        number, earlier = self._taken_up(file, owners, fingerprint)
        paid = Paid(file, number, earlier)
        try:
            yield paid
        except BaseException:
            with _told("A batch that has failed"):  # which is what is to be raised
                paid.leave()
            raise
        else:
            with _told("A batch that is done"):  # no reason to lose its results
                paid.forget()
        finally:
            self._running.discard((os.getpid(), number))

    def _opened(self) -> tuple[SharedFile, Owners]:
        if self._there is None:
            path = _beside_jobs(self._name) if self._path is None else self._path
            file = SharedFile(path, "a journal of batches", _MARK, _SCHEMA)
            self._there = file, Owners(file)
        return self._there

    def _taken_up(
        self, file: SharedFile, owners: Owners, fingerprint: str
    ) -> tuple[int, list[tuple[Share, Kept]]]:
        """The number of a batch that was left behind, else of a new one, and its shares."""
        now = time.time()
        me = owners.me(now)
        with file.writing() as sql:
            old = "SELECT id FROM batches WHERE time < ?"
            sql.execute(f"DELETE FROM shares WHERE batch IN ({old})", (now - 90 * ADOPT_S,))
            sql.execute("DELETE FROM batches WHERE time < ?", (now - 90 * ADOPT_S,))
            number = self._left(sql, owners, me, fingerprint, now)
            if number is None:
                done = sql.execute(
                    "INSERT INTO batches (fingerprint, owner, time) VALUES (?, ?, ?)",
                    (fingerprint, me, now),
                )
                number, found = int(done.lastrowid or 0), []
            else:
                sql.execute("UPDATE batches SET owner = ? WHERE id = ?", (me, number))
                found = sql.execute(
                    "SELECT member, asked, done, found, unsettled FROM shares WHERE batch = ?"
                    " ORDER BY id",
                    (number,),
                ).fetchall()
            self._running.add((os.getpid(), number))  # before others can see the batch
        return number, [_read(*each) for each in found]

    def _left(
        self, sql: sqlite3.Connection, owners: Owners, me: int, fingerprint: str, now: float
    ) -> int | None:
        """The number of a batch that no call has, of no process."""
        rows = sql.execute(
            "SELECT id, owner FROM batches WHERE fingerprint = ? AND time >= ? ORDER BY id",
            (fingerprint, now - ADOPT_S),
        ).fetchall()
        for number, owner in rows:
            is_running = owner == me and (os.getpid(), number) in self._running
            is_free = owner in (None, me) or not owners.is_alive(owner, me)
            if is_free and not is_running:
                return int(number)
        return None


def _beside_jobs(name: str) -> Path | None:
    journal = os.environ.get(jobs.VARIABLE) or jobs.DEFAULT
    if journal == ":memory:":
        return None
    beside = Path(journal)
    return beside.with_name(f"{name}-{INDEX}.sqlite" if INDEX in beside.name else f"{name}.sqlite")


@contextlib.contextmanager
def _told(which: str) -> Iterator[None]:
    """Logs that the file of a batch could not be changed, where something else is more urgent."""
    try:
        yield
    except LedgerError as error:
        _log.warning("%s is still written down as running: %s", which, error)


class Paid:
    """What is written of one batch. Of one thread.

    Args:
        file: The file.
        number: Of the batch in it.
        earlier: The shares that an earlier call has left.
    """

    def __init__(
        self, file: SharedFile, number: int, earlier: Sequence[tuple[Share, Kept]]
    ) -> None:
        self._file, self._number, self._earlier = file, number, earlier

    def earlier(self) -> Sequence[tuple[Share, Kept]]:
        """The shares that an earlier call has left; see `carrying.Account`."""
        return self._earlier

    def planned(self, share: Share) -> None:
        """A share is about to begin: perhaps it is sent, perhaps not."""
        with self._file.writing() as sql:
            sql.execute(
                "INSERT INTO shares (batch, member, asked, done, found, unsettled)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (self._number, share.member, *_blobs(share.rows, _NOTHING, share.rows)),
            )

    def over(self, share: Share, kept: Kept) -> None:
        """A share has come to its end."""
        asked = share.rows if share.asked is None else share.asked
        with self._file.writing() as sql:
            key = (self._number, share.member, _blob(asked))
            where = " WHERE batch = ? AND member = ? AND asked = ?"
            before = sql.execute(f"SELECT done, found FROM shares{where}", key).fetchone()
            if before is not None and len(done := _array(before[0])):
                kept = _together(Kept(done, _array(before[1]), _NO_ROWS), kept)
            if not len(kept.done) and not len(kept.unsettled):
                sql.execute(f"DELETE FROM shares{where}", key)
                return
            _, *rest = _blobs(asked, kept, kept.unsettled)
            changes = "done = ?, found = ?, unsettled = ?"
            sql.execute(f"UPDATE shares SET {changes}{where}", (*rest, *key))

    def forget(self) -> None:
        """The results of the batch are handed over."""
        with self._file.writing() as sql:
            sql.execute("DELETE FROM shares WHERE batch = ?", (self._number,))
            sql.execute("DELETE FROM batches WHERE id = ?", (self._number,))

    def leave(self) -> None:
        """Leaves what is written, if anything, for whoever asks for the same."""
        with self._file.writing() as sql:
            empty = "id NOT IN (SELECT batch FROM shares)"
            sql.execute(f"DELETE FROM batches WHERE id = ? AND {empty}", (self._number,))
            sql.execute("UPDATE batches SET owner = NULL WHERE id = ?", (self._number,))


_NO_ROWS = np.zeros(0, np.int64)
_NOTHING = Kept(_NO_ROWS, np.zeros(0), _NO_ROWS)


def fingerprint(batch: Batch, what: tuple[Any, ...], members: Sequence[Member] = ()) -> str:
    """Returns what tells a batch from any other, as text.

    Args:
        batch: Program and numbers.
        what: What is done with it.
        members: Whose results are taken for those of the batch, with their shots and services: what
            a local IonQ has run is not taken for results of a machine.
    """
    who = [(member.name, member.shots, member.results_from) for member in members]
    digest = hashlib.sha256(repr((batch.program, what, who)).encode())
    for array in batch.values:
        if array is not None:
            digest.update(repr((array.shape, array.dtype.str)).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _read(
    member: str, asked: bytes, done: bytes, found: bytes, unsettled: bytes
) -> tuple[Share, Kept]:
    return Share(member, _array(asked)), Kept(_array(done), _array(found), _array(unsettled))


def _together(first: Kept, second: Kept) -> Kept:
    """The rows of both, which have none in common."""
    if not len(second.done):
        return Kept(first.done, first.values, second.unsettled)
    done = np.concatenate([first.done, second.done])
    order = np.argsort(done)
    values = np.concatenate([first.values, second.values])
    return Kept(done[order], values[order], second.unsettled)


def _blobs(asked: Any, kept: Kept, unsettled: Any) -> tuple[bytes, bytes, bytes, bytes]:
    return _blob(asked), _blob(kept.done), _blob(kept.values), _blob(unsettled)


def _blob(array: Any) -> bytes:
    written = io.BytesIO()
    np.save(written, array, allow_pickle=False)
    return written.getvalue()


def _array(blob: bytes) -> Any:
    return np.load(io.BytesIO(blob), allow_pickle=False)
