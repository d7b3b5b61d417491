"""The way to write a store of vectors: its calls are checked and cut before they reach it.

Every store refuses the same things in the same words, and has eleven short methods to write.
"""

from __future__ import annotations

import abc
import builtins
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.errors import (
    ConfigurationError,
    FilterError,
    ItemError,
    NotFoundError,
    describe,
    did_you_mean,
)
from qstore_tf.store.arguments.filters import COMPARISONS, Tree
from qstore_tf.store.vectors.base import (
    Capabilities,
    Commit,
    Found,
    IdPage,
    Metadata,
    Record,
    Space,
    Stats,
    Vectors,
    operators,
)

LONGEST_NAME = 200


@dataclass(frozen=True, eq=False)
class Batch:
    """Checked rows of an upsert, each id once."""

    ids: list[str]
    vectors: Vectors
    metadata: list[Metadata]

    def parts(self, size: int) -> Iterator[Batch]:
        """Cuts it into batches of at most `size` rows."""
        for start in range(0, len(self.ids), size):
            stop = start + size
            yield Batch(self.ids[start:stop], self.vectors[start:stop], self.metadata[start:stop])


class CheckedBackend(abc.ABC):
    """A store whose calls are checked before they reach it; subclasses write the underscored ones.

    They get what is right: names of namespaces that exist, float32 arrays of the right shape,
    batches of at most `max_batch` rows with each id once, filters whose operators they know.
    """

    name: str
    capabilities: Capabilities

    def __init__(self) -> None:
        self._spaces: dict[str, Space] = {}
        self._spaces_lock = threading.Lock()

    # What a store writes.

    @abc.abstractmethod
    def _find(self, namespace: str) -> Space | None:
        """Reads what a namespace is; None where there is none."""

    @abc.abstractmethod
    def _create(self, namespace: str, space: Space) -> None:
        """Makes it; another process may have made it meanwhile."""

    @abc.abstractmethod
    def _drop(self, namespace: str) -> None: ...

    @abc.abstractmethod
    def namespaces(self) -> builtins.list[str]:
        """The names of all namespaces, sorted."""

    @abc.abstractmethod
    def _upsert(self, namespace: str, space: Space, batch: Batch) -> Commit: ...

    @abc.abstractmethod
    def _fetch(
        self, namespace: str, space: Space, ids: builtins.list[str]
    ) -> builtins.list[Record]: ...

    @abc.abstractmethod
    def _delete(self, namespace: str, ids: builtins.list[str]) -> Commit: ...

    def _delete_matching(self, namespace: str, filter: Tree) -> Commit:
        raise NotImplementedError

    @abc.abstractmethod
    def _search(
        self, namespace: str, space: Space, queries: Vectors, k: int, filter: Tree | None
    ) -> builtins.list[Found]: ...

    @abc.abstractmethod
    def _list(self, namespace: str, prefix: str, token: str | None, limit: int) -> IdPage: ...

    @abc.abstractmethod
    def _count(self, namespace: str) -> tuple[int, int | None]:
        """Records, and bytes where the store knows."""

    # What everybody calls.

    def create(self, namespace: str, dimension: int, metric: str) -> None:
        """Makes a namespace; one that is there and fits stays as it is.

        Raises:
            ConfigurationError: The store cannot hold such vectors, or holds others by that name.
        """
        space = self._new_space(namespace, dimension, metric)
        there = self._find(namespace)
        if there is None:
            self._create(namespace, space)
            there = self._find(namespace) or space
        if there != space:
            raise ConfigurationError(
                describe(
                    f"The store {self.name!r} holds a namespace {namespace!r} of another kind",
                    expected=f"dimension {dimension} and metric {metric!r}",
                    received=f"dimension {there.dimension} and metric {there.metric!r}",
                    hint="Choose another name, or drop that namespace.",
                )
            )
        with self._spaces_lock:
            self._spaces[namespace] = space

    def drop(self, namespace: str) -> None:
        """Deletes a namespace and all it holds; without effect where there is none."""
        with self._spaces_lock:
            self._spaces.pop(namespace, None)
        self._drop(namespace)

    def upsert(
        self,
        namespace: str,
        ids: Sequence[str],
        vectors: ArrayLike,
        metadata: Sequence[Metadata | None] | None = None,
    ) -> Commit:
        """Writes records, new ones or over old ones, whole; of an id given twice the last counts.

        Raises:
            NotFoundError: There is no such namespace.
            ItemError: A row that cannot be stored; nothing was.
        """
        space = self._space(namespace)
        batch = self._batch(space, ids, vectors, metadata)
        commit = Commit()
        for part in batch.parts(self.capabilities.max_batch):
            commit = self._upsert(namespace, space, part)
        return commit

    def fetch(self, namespace: str, ids: Sequence[str]) -> dict[str, Record]:
        """Reads records by id; those that are not there are left out."""
        space, wanted = self._space(namespace), list(dict.fromkeys(_check_ids(ids)))
        found: dict[str, Record] = {}
        for start in range(0, len(wanted), self.capabilities.max_batch):
            part = wanted[start : start + self.capabilities.max_batch]
            found.update((record.id, record) for record in self._fetch(namespace, space, part))
        return found

    def delete(
        self, namespace: str, ids: Sequence[str] | None = None, *, filter: Tree | None = None
    ) -> Commit:
        """Deletes records by id, or those that a filter matches; missing ones are no error.

        Raises:
            FilterError: The store does not delete by filters, or not by this one.
        """
        self._space(namespace)
        if (ids is None) == (filter is None):
            raise ItemError(
                describe(
                    "It must be said what to delete",
                    expected="either `ids` or a `filter`",
                    hint="drop() deletes a whole namespace.",
                )
            )
        if filter is not None:
            if not self.capabilities.delete_by_filter:
                raise FilterError(
                    describe(
                        f"The store {self.name!r} cannot delete by a filter",
                        hint="Search or list first, and delete by ids.",
                    )
                )
            self._check_filter(filter)
            return self._delete_matching(namespace, filter)
        wanted = list(dict.fromkeys(_check_ids(ids or ())))
        commit = Commit()
        for start in range(0, len(wanted), self.capabilities.max_batch):
            part = wanted[start : start + self.capabilities.max_batch]
            commit = self._delete(namespace, part)
        return commit

    def search(
        self, namespace: str, queries: ArrayLike, k: int, *, filter: Tree | None = None
    ) -> builtins.list[Found]:
        """Finds, for each of the queries [B, d], the min(k, matching) best records.

        Raises:
            ItemError: Queries of a wrong shape, or a k that the store does not go to.
            FilterError: An operator that the store does not evaluate.
        """
        space = self._space(namespace)
        rows = _check_vectors("query", space, queries)
        most = self.capabilities.max_top_k
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k <= most:
            raise ItemError(
                describe(
                    f"The store {self.name!r} cannot find so many records at once",
                    expected=f"k from 1 to {most}",
                    received=k,
                )
            )
        if filter is not None:
            self._check_filter(filter)
        return self._search(namespace, space, rows, int(k), filter) if len(rows) else []

    def list(
        self, namespace: str, prefix: str = "", token: str | None = None, limit: int = 100
    ) -> IdPage:
        """One page of ids; what stays unchanged between first and last page comes exactly once."""
        self._space(namespace)
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise ItemError(
                describe("A page of ids must hold some", expected="limit >= 1", received=limit)
            )
        return self._list(namespace, prefix, token, min(limit, self.capabilities.max_batch))

    def stats(self, namespace: str) -> Stats:
        """Counts."""
        space = self._space(namespace)
        count, size = self._count(namespace)
        return Stats(count, space, size)

    def flush(self, namespace: str) -> None:
        """Returns when all that was acknowledged is durable and found by searches."""
        self._space(namespace)

    def reconciled(self, namespace: str, commit: Commit) -> bool:
        """Whether every search sees a write from now on."""
        return commit.token is None

    def close(self) -> None:  # noqa: B027 - most have nothing to free
        """Frees connections; the data stay."""

    def _forget(self, namespace: str) -> None:
        """For a store that finds that a namespace is gone."""
        with self._spaces_lock:
            self._spaces.pop(namespace, None)

    def _missing(self, namespace: str) -> NotFoundError:
        return NotFoundError(
            describe(
                f"The store {self.name!r} has no namespace {namespace!r}",
                hint=did_you_mean(namespace, self.namespaces()) + " create() makes one.",
            )
        )

    def _space(self, namespace: str) -> Space:
        with self._spaces_lock:
            space = self._spaces.get(namespace)
        if space is None:
            space = self._find(namespace)
            if space is None:
                raise self._missing(namespace)
            with self._spaces_lock:
                self._spaces[namespace] = space
        return space

    def _new_space(self, namespace: str, dimension: int, metric: str) -> Space:
        if not isinstance(namespace, str) or not 1 <= len(namespace) <= LONGEST_NAME:
            raise ConfigurationError(
                describe(
                    "A namespace of a vector store has a wrong name",
                    expected=f"a string of 1 to {LONGEST_NAME} characters",
                    received=namespace,
                )
            )
        most = self.capabilities.max_dimension
        if isinstance(dimension, bool) or not isinstance(dimension, int) or dimension < 1:
            raise ConfigurationError(
                describe("A vector has a wrong dimension", expected=">= 1", received=dimension)
            )
        if dimension > most:
            raise ConfigurationError(
                describe(
                    f"The store {self.name!r} cannot hold vectors so long",
                    expected=f"at most {most} dimensions",
                    received=dimension,
                )
            )
        if metric not in self.capabilities.metrics:
            raise ConfigurationError(
                describe(
                    f"The store {self.name!r} has no metric {metric!r}",
                    hint=did_you_mean(str(metric), self.capabilities.metrics),
                )
            )
        return Space(dimension, metric)

    def _batch(
        self,
        space: Space,
        ids: Sequence[str],
        vectors: ArrayLike,
        metadata: Sequence[Metadata | None] | None,
    ) -> Batch:
        names, rows = _check_ids(ids), _check_vectors("vector", space, vectors)
        texts = [dict(one or {}) for one in metadata] if metadata is not None else None
        for what, count in (("vectors", len(rows)), ("metadata", len(texts or names))):
            if count != len(names):
                raise ItemError(
                    describe(
                        f"An upsert has not as many {what} as ids",
                        expected=f"{len(names)} {what}",
                        received=count,
                    )
                )
        texts = texts if texts is not None else [{} for _ in names]
        for name, one in zip(names, texts, strict=True):
            self._check_record(name, one)
        last = {name: position for position, name in enumerate(names)}
        if len(last) < len(names):
            kept = sorted(last.values())
            names, rows = [names[i] for i in kept], rows[kept]
            texts = [texts[i] for i in kept]
        return Batch(names, rows, list(texts))

    def _check_record(self, id: str, metadata: Metadata) -> None:
        """What a store refuses in one record; more where a subclass says so."""
        try:
            size = len(json.dumps(metadata, ensure_ascii=False, allow_nan=False).encode())
        except (TypeError, ValueError) as error:
            raise ItemError(
                describe(
                    f"The metadata of {id!r} cannot be written ({error})",
                    expected="finite numbers, strings, bools and lists of strings by key",
                )
            ) from error
        most = self.capabilities.max_metadata_bytes
        if most is not None and size > most:
            raise ItemError(
                describe(
                    f"The metadata of {id!r} are too long for the store {self.name!r}",
                    expected=f"at most {most} bytes as JSON",
                    received=size,
                )
            )

    def _check_filter(self, filter: Tree) -> None:
        for operator in sorted(operators(filter) - self.capabilities.filters):
            known = ", ".join(
                f"${name}" for name in COMPARISONS if name in self.capabilities.filters
            )
            orders = operator == "text order"
            raise FilterError(
                describe(
                    f"The store {self.name!r} "
                    + ("does not order strings" if orders else f"has no filter ${operator}"),
                    expected="numbers beside $gt, $gte, $lt and $lte" if orders else known,
                )
            )


def _check_ids(ids: Sequence[str]) -> list[str]:
    if isinstance(ids, (str, bytes)):
        raise ItemError(describe("Ids must be a list of strings", received=ids))
    names = list(ids)
    for position, name in enumerate(names):
        if not isinstance(name, str) or not name or "\0" in name:
            raise ItemError(
                describe(
                    f"The id in row {position} cannot be used",
                    expected="a non-empty string without NUL",
                    received=name,
                )
            )
    return names


def _check_vectors(what: str, space: Space, vectors: ArrayLike) -> Vectors:
    try:
        with np.errstate(over="ignore"):
            rows = np.ascontiguousarray(vectors, np.float32)
    except (TypeError, ValueError) as error:
        raise ItemError(
            describe(
                f"A {what} cannot be read ({error})",
                expected=f"real numbers of shape [rows, {space.dimension}]",
            )
        ) from error
    if rows.shape == (0,):
        rows = rows.reshape(0, space.dimension)
    if rows.ndim != 2 or rows.shape[1] != space.dimension:
        raise ItemError(
            describe(
                f"A {what} has a wrong shape",
                expected=f"[rows, {space.dimension}]",
                received=rows.shape,
            )
        )
    _refuse(what, ~np.isfinite(rows).all(axis=1), "finite float32 numbers")
    if space.metric == "cosine":
        _refuse(what, ~rows.any(axis=1), "a vector that is not zero, since it has no direction")
    return rows


def _refuse(what: str, bad: NDArray[np.bool_] | np.bool_, expected: str) -> None:
    if bad.any():
        raise ItemError(
            describe(f"The {what} in row {int(np.argmax(bad))} is wrong", expected=expected)
        )
