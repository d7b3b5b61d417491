"""Sends what changed in the catalog to a remote store, until the store holds all of it.

Each round claims rows of the catalog's outbox, reads their items as they are now, and sends them as
idempotent upserts and deletes. One state of an item is under way at a time. Whatever goes wrong,
the rows stay open, and searches take these items from the catalog.
"""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qstore_tf.errors import (
    ConfigurationError,
    ItemError,
    NotFoundError,
    QstoreError,
    RefusedError,
)
from qstore_tf.ionq.service.clock import Clock
from qstore_tf.ionq.service.retrying import CircuitBreaker, Retries
from qstore_tf.store.catalog import Catalog, namespaces, outbox
from qstore_tf.store.catalog.connections import Connection
from qstore_tf.store.catalog.namespaces import NamespaceRow
from qstore_tf.store.catalog.outbox import Awaited, Row
from qstore_tf.store.vectors.base import Commit, VectorBackend
from qstore_tf.store.vectors.item_records import (
    ItemRecord,
    record_id,
    records_of,
    remote_name,
)
from qstore_tf.store.vectors.similarity import Similarity

_log = logging.getLogger(__name__)

LEASE_S = 120.0  # how long one round may take
SETTLE_S = 60.0  # how long after it was sent a request may arrive
PARKED_S = 3600.0  # until what a store refused is tried again
KEPT_S = 3600.0  # how long rows of removed items stay
_TIDY_S = 60.0
_IDLE_S = 0.5
_IMPATIENT_S = 5.0
_POLL_S = 0.05  # between questions whether searches see a write


@dataclass(frozen=True)
class Status:
    """How far a remote store is behind.

    Attributes:
        pending: Items of which it is not known to hold the newest state.
        refused: Those of them that it refuses; they are searched in the catalog for good.
        is_reachable: Whether its last answers were not all failures.
        last_error: The last failure, in words; "" where there was none since it was reached.
    """

    pending: int
    refused: int
    is_reachable: bool
    last_error: str


@dataclass(frozen=True, eq=False)
class _Job:
    """Rows of one namespace that are under way."""

    namespace: NamespaceRow
    name: str
    rows: list[Row]
    records: dict[int, list[ItemRecord]]

    def part(self, rows: list[Row]) -> _Job:
        return _Job(self.namespace, self.name, rows, self.records)


class Outbox:
    """The sender of one catalog to one store. Several, in several processes, may run at once.

    Args:
        catalog: The truth.
        backend: The store.
        store: What the store is called in the catalog's outbox.
        clock: The clock.
        retries: The pauses between tries.
        batch: How many items one round sends.
        lease_s: How long one round may take, in s.
        settle_s: How long after it was sent a request may still arrive, in s.
    """

    def __init__(
        self,
        catalog: Catalog,
        backend: VectorBackend,
        store: str,
        *,
        clock: Clock | None = None,
        retries: Retries | None = None,
        batch: int = 500,
        lease_s: float = LEASE_S,
        settle_s: float = SETTLE_S,
    ) -> None:
        self._catalog, self._backend, self.store = catalog, backend, store
        self._clock, self._retries = clock or Clock(), retries or Retries()
        self._batch, self._lease_s, self._settle_s = batch, lease_s, settle_s
        self.breaker = CircuitBreaker(self._clock)
        self.identity = catalog.write(outbox.identity)
        self._made: set[str] = set()
        self._last_error = ""
        self._tidied_at = self._clock.time()
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def note_changes(self, writer: Connection) -> None:
        """Notes all that a transaction changed; called in each, after its last change."""
        outbox.note_changes(writer, self.store)

    def status(self) -> Status:
        """How far the store is behind."""
        with self._catalog.read() as reader:
            pending, refused = outbox.pending(reader, self.store)
        return Status(pending, refused, not self.breaker.is_open, self._last_error)

    # Rounds.

    def step(self) -> bool:
        """Makes one round: asks what was acknowledged before, and sends what is due.

        Returns:
            Whether anything was done.
        """
        has_settled = self._settle()
        if self.breaker.admit() > 0:
            return has_settled
        claim, now = uuid.uuid4().hex, self._clock.time()
        end = now + self._lease_s
        with self._catalog.read() as reader:
            if not outbox.due(reader, self.store, now, 1):
                return has_settled
        jobs = self._catalog.write(lambda writer: self._claim(writer, claim, now, end))
        for job in jobs:
            self._send(job, claim, end)
        return has_settled or bool(jobs)

    def tidy(self) -> None:
        """Forgets items that have been gone for long, and drops namespaces that are no more."""
        before = self._clock.time() - KEPT_S
        self._catalog.write(lambda writer: outbox.purge(writer, self.store, before))
        self.drop_forgotten()

    def drain(self, timeout_s: float | None = None) -> bool:
        """Sends until nothing is open but what the store refuses.

        Args:
            timeout_s: For how long, in s; None: without end.

        Returns:
            Whether that was reached.
        """
        end = None if timeout_s is None else self._clock.monotonic() + timeout_s
        patience = _POLL_S
        while True:
            if self.step():
                patience = _POLL_S
                continue
            status = self.status()
            if status.pending == status.refused:
                return True
            left = np.inf if end is None else end - self._clock.monotonic()
            if left <= 0 or self._stop.is_set():
                return False
            self._clock.wait(min(left, self._pause(patience)), self._stop)
            patience = min(2 * patience, _IMPATIENT_S)

    def start(self) -> None:
        """Sends in the background, until `close`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="qstore-outbox", daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """Something was written: the background need not wait."""
        self._wake.set()

    def close(self) -> None:
        """Ends the background; what is open stays noted."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self._thread = None

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            pause = _IDLE_S
            try:
                if self.step():
                    continue
                if self._clock.time() - self._tidied_at > _TIDY_S:
                    self._tidied_at = self._clock.time()
                    self.tidy()
                pause = self._pause(_IDLE_S)
            except Exception as error:  # the catalog is busy, say; nothing is lost by waiting
                self._last_error = str(error)
                _log.warning("Sending to the store %r: %s", self.store, error)
            # Other processes write without waking this one.
            self._clock.wait(pause, self._wake)

    def _pause(self, most: float) -> float:
        """Seconds until something may be due."""
        with self._catalog.read() as reader:
            due_at = outbox.next_due(reader, self.store)
        if due_at is None:
            return most
        return min(most, max(_POLL_S, due_at - self._clock.time()))

    def _claim(self, writer: Connection, claim: str, now: float, end: float) -> list[_Job]:
        """Claims rows, and reads their items in the same transaction."""
        by_number: dict[int, list[Row]] = {}
        for row in outbox.due(writer, self.store, now, self._batch):
            by_number.setdefault(row.namespace, []).append(row)
        known = {space.number: space for space in namespaces.all_of(writer)}
        jobs = []
        for number, rows in by_number.items():
            if number not in known:
                outbox.forget(writer, self.store, number)
                continue
            space = known[number]
            records = records_of(writer, space, [row.slot for row in rows])
            taken = outbox.take(
                writer,
                self.store,
                claim,
                [(row, _contexts(records[row.slot])) for row in rows],
                end,
                self._settle_s,
            )
            jobs.append(_Job(space, remote_name(self.identity, space), taken, records))
        return jobs

    def _settle(self) -> bool:
        """Asks the store whether its searches see what it acknowledged."""
        with self._catalog.read() as reader:
            waiting = outbox.awaited(reader, self.store, 4 * self._batch)
            if not waiting or self.breaker.is_open:
                return False
            known = {space.number: space for space in namespaces.all_of(reader)}
        answers: dict[tuple[int, str], bool] = {}
        try:
            for one in waiting:
                key = (one.namespace, one.token)
                if key not in answers:
                    name = remote_name(self.identity, known[one.namespace])
                    answers[key] = all(
                        self._backend.reconciled(name, Commit(token))
                        for token in json.loads(one.token)
                    )
        except Exception as error:
            self._failed(error)
        seen: list[Awaited] = [one for one in waiting if answers.get((one.namespace, one.token))]
        if seen:
            self._catalog.write(lambda writer: outbox.settle(writer, self.store, seen))
        return bool(seen)

    # Sending.

    def _send(self, job: _Job, claim: str, end: float) -> None:
        """Sends rows; what a store refuses is sent in halves, until the item to blame is alone."""
        started = self._clock.time()
        slots = [row.slot for row in job.rows]
        if started >= end:  # somebody else may have claimed them
            return
        try:
            self._make(job)
            token = self._deliver(job)
        except ConfigurationError as error:  # the namespace itself is refused
            _log.warning("The store %r refuses a namespace: %s", self.store, error)
            self._fail(job, claim, slots, PARKED_S, str(error))
        except (RefusedError, ItemError) as error:
            self.breaker.succeeded()
            if len(job.rows) > 1:
                half = len(job.rows) // 2
                self._send(job.part(job.rows[:half]), claim, end)
                self._send(job.part(job.rows[half:]), claim, end)
                return
            _log.warning("The store %r refuses an item: %s", self.store, error)
            self._fail(job, claim, slots, PARKED_S, str(error))
        except NotFoundError as error:
            self.lost(job.namespace)
            self._failed(error)
            self._fail(job, claim, slots, self._retries.pause(1))
        except Exception as error:
            self._failed(error)
            tries = max(row.tries for row in job.rows) + 1
            asked = getattr(error, "retry_after_s", None)
            self._fail(job, claim, slots, self._retries.pause(tries, asked))
        else:
            self.breaker.succeeded()
            self._last_error = ""
            now = self._clock.time()

            sent = [(row, _contexts(job.records[row.slot])) for row in job.rows]
            self._catalog.write(
                lambda writer: outbox.acknowledge(
                    writer,
                    self.store,
                    claim,
                    sent,
                    started=started,
                    now=now,
                    settle_s=self._settle_s,
                    token=token,
                )
            )

    def _make(self, job: _Job) -> None:
        """Makes the store's namespace, if that was not done yet."""
        if job.name not in self._made:
            similarity = similarity_of(job.namespace)
            dimension = similarity.store_dimension(job.namespace.dimension)
            self._backend.create(job.name, dimension, similarity.store_metric)
            self._made.add(job.name)

    def _deliver(self, job: _Job) -> str | None:
        """Makes the store hold the items' records, and no others of theirs."""
        similarity = similarity_of(job.namespace)
        gone, kept, versions = [], [], []
        for row in job.rows:
            records = job.records[row.slot]
            contexts = _contexts(records)
            gone += [record_id(row.slot, context) for context in sorted(row.records - contexts)]
            kept += records
            versions += [row.number] * len(records)
        commits = []
        if gone:
            commits.append(self._backend.delete(job.name, gone))
        if kept:
            commits.append(
                self._backend.upsert(
                    job.name,
                    [record.id for record in kept],
                    similarity.vectors(np.stack([record.vector for record in kept])),
                    [
                        record.described(version)
                        for record, version in zip(kept, versions, strict=True)
                    ],
                )
            )
        tokens = [commit.token for commit in commits if commit.token is not None]
        return json.dumps(tokens) if tokens else None

    def drop_forgotten(self) -> list[str]:
        """Drops what the store still holds of namespaces that the catalog has no more.

        Returns:
            What they are called in the store.
        """
        names = self._backend.namespaces()  # first: what it lists was in the catalog before
        with self._catalog.read() as reader:
            kept = {remote_name(self.identity, space) for space in namespaces.all_of(reader)}
        gone = [name for name in names if name.startswith(f"{self.identity}.") and name not in kept]
        for name in gone:
            self._backend.drop(name)
            self._made.discard(name)
        return gone

    def _fail(
        self, job: _Job, claim: str, slots: Sequence[int], pause: float, fault: str | None = None
    ) -> None:
        now = self._clock.time()
        self._catalog.write(
            lambda writer: outbox.fail(
                writer, self.store, claim, slots, now=now, due_at=now + pause, fault=fault
            )
        )

    def _failed(self, error: Exception) -> None:
        self.breaker.failed()
        self._last_error = str(error)
        level = logging.INFO if isinstance(error, QstoreError) else logging.WARNING
        _log.log(level, "The store %r failed: %s", self.store, error)

    def lost(self, namespace: NamespaceRow) -> None:
        """The store has lost a namespace: all of it is sent anew."""
        self._made.discard(remote_name(self.identity, namespace))
        self._catalog.write(lambda writer: outbox.note_all(writer, self.store, namespace.number))


def similarity_of(namespace: NamespaceRow) -> Similarity:
    """How a store serves a namespace."""
    return Similarity(namespace.metric, namespace.dtype.kind == "c")


def _contexts(records: Sequence[ItemRecord]) -> frozenset[int]:
    return frozenset(record.context for record in records)
