"""Searches a remote store, and the catalog for what the store may not have yet.

A search is as of one commit of the catalog, read after the store has answered. Hits of an older
state, and of items that are no more, are dropped. Items that were open before the store was asked
or afterwards, or changed meanwhile, are taken from the catalog and compared exactly. So what was
written is found at once, and nothing stale is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_tf.errors import NotFoundError
from qstore_tf.store.arguments.filters import Tree, matches
from qstore_tf.store.catalog import Catalog, feed, namespaces, outbox
from qstore_tf.store.catalog.connections import Connection
from qstore_tf.store.catalog.namespaces import NamespaceRow
from qstore_tf.store.index.changes import Changes
from qstore_tf.store.vectors.base import Found, VectorBackend, keys, operators
from qstore_tf.store.vectors.item_records import (
    IN,
    VERSION,
    ItemRecord,
    in_context,
    parse_id,
    records_of,
    remote_name,
)
from qstore_tf.store.vectors.outbox import Outbox, similarity_of
from qstore_tf.store.vectors.similarity import Similarity

MOST_OPEN = 20_000  # items that a search compares in the catalog


@dataclass(frozen=True, eq=False)
class Candidates:
    """What a search has found for one query, best first.

    Attributes:
        slots: Items [m], each as often as it has vectors that were found.
        contexts: The contexts [m] whose vectors they are; 0: the item's own.
        similarities: Cosines, inner products, minus squared distances, or fidelities [m], float64.
        bound: What no item can be above that is not among them; -inf where all are among them.
    """

    slots: NDArray[np.int64]
    contexts: NDArray[np.int64]
    similarities: NDArray[np.float64]
    bound: float


@dataclass(frozen=True, eq=False)
class Answer:
    """What a search has found.

    Attributes:
        candidates: For each query the best k items, or all where there are fewer.
        commit: The commit that it saw.
        is_complete: Whether these are the best k for certain, if the store's searches are exact;
            else ask the catalog.
        changes: The items that are candidates of any query, for an index; where they were wanted.
    """

    candidates: list[Candidates]
    commit: int
    is_complete: bool = True
    changes: Changes | None = None


class RemoteSearch:
    """Searches one store for one catalog.

    Args:
        catalog: The truth.
        backend: The store.
        sender: Who sends to it what changed.
        spare: How many records more than k it is asked for at first: for hits that are dropped,
            and items with several vectors.
    """

    def __init__(
        self, catalog: Catalog, backend: VectorBackend, sender: Outbox, spare: int = 8
    ) -> None:
        self._catalog, self._backend, self._sender = catalog, backend, sender
        self._spare = spare

    def serves(self, filter: Tree | None) -> bool:
        """Whether the store can evaluate a filter; else the catalog must be searched."""
        if filter is None:
            return True
        # In the store these keys are ours, whatever users call theirs.
        is_ours = not {VERSION, IN}.isdisjoint(keys(filter))
        return not is_ours and operators(filter) <= self._backend.capabilities.filters

    def search(
        self,
        namespace: NamespaceRow,
        queries: NDArray[Any],
        k: int,
        *,
        context: int | None = None,
        filter: Tree | None = None,
        with_changes: bool = False,
    ) -> Answer:
        """Finds the items nearest to each query.

        Args:
            namespace: Where to look.
            queries: [B, d], as checked.
            k: How many items.
            context: The number of a context whose items alone are looked at; None: all.
            filter: On the metadata; one that `serves` is true of.
            with_changes: Whether the items are to be read as well.

        Returns:
            The candidates, with similarities made from the catalog's own vectors.

        Raises:
            UnreachableError: The store does not answer; the catalog still does.
        """
        similarity = similarity_of(namespace)
        name = remote_name(self._sender.identity, namespace)
        tree = in_context(context, filter)
        rows = similarity.queries(queries)
        most = self._backend.capabilities.max_top_k
        with self._catalog.read() as reader:
            since = reader.number
            before = outbox.open_slots(reader, self._sender.store, namespace.number, since)
        wanted = min(most, k + self._spare)
        while True:
            try:
                found = self._backend.search(name, rows, wanted, filter=tree) if len(rows) else []
            except NotFoundError:
                found = [Found.of([])] * len(rows)
                self._missing(namespace, name)
            with self._catalog.read() as reader:
                view = _View(reader, self._sender.store, namespace, similarity, since, before)
                if view.is_too_far_behind:
                    return Answer([], reader.number, is_complete=False)
                answers, is_complete = view.merge(queries, found, k, wanted, context, filter)
                is_last = is_complete or wanted == most
                changes = None
                if is_last and with_changes:
                    slots = np.concatenate([np.zeros(0, np.int64), *(a.slots for a in answers)])
                    space = namespaces.get(reader, namespace.name)
                    if space.number == namespace.number:  # not dropped and made again
                        changes = feed.changes_of(reader, space, slots)
                commit = reader.number
            self._report(namespace, view.wrong)
            if is_last:
                return Answer(answers, commit, is_complete, changes)
            wanted = min(most, 4 * wanted)

    def _missing(self, namespace: NamespaceRow, name: str) -> None:
        """The store had no such namespace: it was not made yet, or is lost."""
        with self._catalog.read() as reader:
            held = reader.execute(
                "SELECT count(*) FROM outbox WHERE store = ? AND namespace = ? AND held = number"
                " AND records <> '[]'",
                (self._sender.store, namespace.number),
            ).fetchone()[0]
        if held and name not in self._backend.namespaces():
            self._sender.lost(namespace)

    def _report(self, namespace: NamespaceRow, wrong: Sequence[tuple[int, int]]) -> None:
        """Lets records be sent anew that are not as they should be."""
        if wrong:
            store = self._sender.store
            self._catalog.write(
                lambda writer: outbox.note_wrong(writer, store, namespace.number, wrong)
            )


class _View:
    """The catalog as it is after a store has answered."""

    def __init__(
        self,
        reader: Connection,
        store: str,
        namespace: NamespaceRow,
        similarity: Similarity,
        since: int,
        before: set[int],
    ) -> None:
        self._reader, self._store = reader, store
        self._namespace, self._similarity = namespace, similarity
        self._open = before | outbox.open_slots(reader, store, namespace.number, since)
        self.wrong: list[tuple[int, int]] = []

    @property
    def is_too_far_behind(self) -> bool:
        return len(self._open) > MOST_OPEN

    def merge(
        self,
        queries: NDArray[Any],
        found: list[Found],
        k: int,
        wanted: int,
        context: int | None,
        filter: Tree | None,
    ) -> tuple[list[Candidates], bool]:
        """What stands for each query, and whether nothing can be missing."""
        good = self._valid(found)
        changed = set(self._open) | {slot for slot, _ in self.wrong}
        slots = sorted(changed | {slot for slot, _ in good})
        records = records_of(self._reader, self._namespace, slots)
        fresh = [
            record
            for slot in sorted(changed)
            for record in records[slot]
            if _fits(record, context, filter)
        ]
        by_key = {(r.slot, r.context): r for slot in slots for r in records[slot]}
        m, answers, is_complete = self._similarity.n_searches, [], True
        for position, query in enumerate(queries):
            mine = found[m * position : m * (position + 1)]
            keys = {key for one in mine for id in one.ids if (key := parse_id(id)) in good}
            # What the catalog does not know was reported; it is never handed out.
            hits = [by_key[key] for key in sorted(keys) if key in by_key]
            answer = self._best(query, [*fresh, *hits], k)
            stopped = [float(one.scores[-1]) if len(one) >= wanted else None for one in mine]
            is_complete &= self._is_complete(answer, stopped)
            answers.append(answer)
        return answers, is_complete

    def _valid(self, found: list[Found]) -> set[tuple[int, int]]:
        """The hits that show the newest state; notes those that should show it, and do not."""
        shown: dict[tuple[int, int], Any] = {}
        for one in found:
            for id, metadata in zip(one.ids, one.metadata, strict=True):
                key = parse_id(id)
                if key is not None and key[0] not in self._open:
                    shown[key] = metadata.get(VERSION)
        newest = outbox.numbers(self._reader, self._store, sorted({slot for slot, _ in shown}))
        good = {key for key, version in shown.items() if newest.get(key[0]) == version}
        self.wrong = sorted(set(shown) - good)
        return good

    def _best(self, query: NDArray[Any], records: list[ItemRecord], k: int) -> Candidates:
        """The records of the best k items."""
        if not records:
            empty = np.zeros(0, np.int64)
            return Candidates(empty, empty, np.zeros(0), -np.inf)
        scores = self._similarity.scores(query, np.stack([record.vector for record in records]))
        ranked = sorted(
            zip(-scores, (r.slot for r in records), (r.context for r in records), strict=True)
        )
        kept: list[tuple[Any, int, int]] = []
        items: dict[int, float] = {}  # each with its best vector's similarity
        for row in ranked:
            if row[1] not in items and len(items) == k:
                continue
            items.setdefault(row[1], -float(row[0]))
            kept.append(row)
        return Candidates(
            np.array([row[1] for row in kept], np.int64),
            np.array([row[2] for row in kept], np.int64),
            -np.array([row[0] for row in kept], np.float64),
            min(items.values()) if len(items) == k else -np.inf,
        )

    def _is_complete(self, answer: Candidates, stopped: list[float | None]) -> bool:
        bound = self._similarity.bound(stopped)
        # The store's scores are rounded to float32.
        return bound == -np.inf or answer.bound >= bound - 1e-5 * max(1.0, abs(bound))


def _fits(record: ItemRecord, context: int | None, filter: Tree | None) -> bool:
    if context is not None and context not in record.contexts:
        return False
    return filter is None or matches(filter, record.metadata)
