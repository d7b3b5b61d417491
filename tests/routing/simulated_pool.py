"""Backends, a clock and a file of a pool, all simulated: what happens follows from a seed.

A backend that costs money keeps a journal of its own, as that of IonQ does: the same rows asked for
again are found in it. What it has run is billed, and once billed twice, a test fails.
"""

from __future__ import annotations

import contextlib
import heapq
import sqlite3
from collections import Counter
from concurrent.futures import Future

import numpy as np

from qstore_tf.backends.arrays.kept import Kept
from qstore_tf.errors import InputError, JobError, UnreachableError
from qstore_tf.ionq.service.delivering import NotAllSent, deliver, sends
from qstore_tf.routing.written import _SCHEMA, Written


def value(row):
    """The right result of a row."""
    return 1000.0 + 7 * row


class Dead(BaseException):
    """The process was killed."""


class Life:
    """A process that dies at its n-th step, and does nothing any more from then on."""

    def __init__(self, dies_at=None):
        self.dies_at, self.steps = dies_at, 0

    def step(self):
        self.steps += 1
        if self.dies_at is not None and self.steps >= self.dies_at:
            raise Dead


class QuickFile:
    """A file in memory, at the place of a `SharedFile`; the process may die around each change."""

    is_temporary = True

    def __init__(self):
        self._sql = sqlite3.connect(":memory:", isolation_level=None)
        self.life, self.number = Life(), 0
        for statement in _SCHEMA:
            self._sql.execute(statement)

    @contextlib.contextmanager
    def writing(self):
        self.life.step()
        self._sql.execute("BEGIN")
        try:
            yield self._sql
        except BaseException:
            self._sql.execute("ROLLBACK")
            raise
        self._sql.execute("COMMIT")
        self.life.step()

    # At the place of `Owners`: each process has a number.
    def me(self, now):
        return self.number

    def is_alive(self, number, me):
        return number == me

    def is_empty(self):
        return not any(
            self._sql.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("batches", "shares")
        )


def written_in(file):
    """A `Written` whose file is simulated."""
    written = Written(":memory:", "")
    written._there = file, file
    return written


class Executor:
    """Runs work one after another, in the order of ends that a simulated clock says.

    At the place of threads: `carry` waits for futures, and this makes each come true in its turn.
    """

    def __init__(self, rng):
        self.rng, self.now = rng, 0.0
        self.waiting, self.number = [], 0

    def submit(self, function, *arguments):
        future = Future()
        future.executor = self
        self.number += 1
        ends = self.now + self.rng.expovariate(1.0)
        heapq.heappush(self.waiting, (ends, self.number, future, function, arguments))
        return future

    def step(self):
        """Lets the next share come to its end."""
        self.now, _, future, function, arguments = heapq.heappop(self.waiting)
        try:
            future.set_result(function(*arguments))
        except BaseException as error:
            future.set_exception(error)


def wait(futures, return_when=None):
    """At the place of `concurrent.futures.wait`: one end, or a few at once, or all."""
    executor = next(iter(futures)).executor if futures else None
    many = len(futures) if return_when is None else executor.rng.choice([1, 1, 1, 2])
    while sum(future.done() for future in futures) < min(many, len(futures)):
        executor.step()
    return Waited({future for future in futures if future.done()})


class Waited:
    def __init__(self, done):
        self.done = done


class SimulatedMember:
    """A backend that fails at random, in every way that there is.

    Args:
        name: Its name.
        is_paid: Whether its rows cost money.
        rng: Where faults come from.
        trouble: How often a call fails, 0 to 1.
    """

    def __init__(self, name, is_paid, rng, trouble):
        self.name, self.is_paid = name, is_paid
        self.rng, self.trouble, self.life = rng, trouble, Life()
        self.jobs = {}  # open runs by the rows asked for: the state of each row
        self.billed = Counter()

    def run(self, rows):
        if not self.is_paid:
            return self._free(rows)
        key = tuple(rows.tolist())
        # As IonQ's journal: an open run of the same work is taken up, else there is a new one.
        run = self.jobs.setdefault(key, dict.fromkeys(key, "planned"))
        for row in key:
            self.life.step()
            if run[row] == "planned" and sends() and self.rng.random() > self.trouble:
                # The answer may get lost, or come.
                run[row] = self.rng.choice(["accepted", "done", "done"])
                self.billed[row] += 1
        self.life.step()
        if self.rng.random() > self.trouble:
            run.update({row: "done" for row in key if run[row] == "accepted"})
        states = np.array([run[row] for row in key])
        if (states == "done").all():
            deliver(self, key)
            return value(rows.astype(float))
        kinds = [JobError, UnreachableError] if sends() else [NotAllSent, UnreachableError]
        error = self.rng.choice(kinds)("simulated")
        done = np.flatnonzero(states == "done")
        error.circuits = tuple(np.flatnonzero(states != "done").tolist())
        unsettled = np.flatnonzero(states == "accepted")
        error.kept = Kept(done, value(rows[done].astype(float)), unsettled)
        raise error

    def _free(self, rows):
        if self.rng.random() < self.trouble:
            raise self.rng.choice([RuntimeError, MemoryError, UnreachableError, OSError])(
                "simulated"
            )
        self.life.step()
        return value(rows.astype(float))

    def deliver(self, key):
        """The outcomes of a run are with the caller: it is not taken up again."""
        self.life.step()
        self.jobs.pop(key)

    def release(self, key):
        """A run that this process leaves is taken up as one of a dead process."""


class Spoilt(SimulatedMember):
    """Says that the work itself is wrong."""

    def run(self, rows):
        raise InputError("no such numbers")
