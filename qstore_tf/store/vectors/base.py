"""What a store of vectors must do: the protocol, and what its methods take and return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.errors import LibraryError, describe
from qstore_tf.store.arguments.filters import COMPARISONS, Compare, Not, Tree

METRICS = ("cosine", "dot", "l2")

Vectors = NDArray[np.float32]
Metadata = Mapping[str, Any]


@dataclass(frozen=True)
class Capabilities:
    """What a store promises; what it does not promise, it refuses.

    Attributes:
        durable: What was acknowledged survives the end of its process.
        atomic: A batch is stored whole or not at all.
        immediate: What was acknowledged is found by the next search.
        exact: A search misses nothing.
        filters: The operators of filters it evaluates, of `filters.COMPARISONS`, and "text order"
            where it orders strings too.
        delete_by_filter: Whether `delete` takes a filter.
        metrics: Of `METRICS`.
        max_dimension: The longest vector.
        max_batch: Rows of one request; longer batches are cut.
        max_top_k: The largest k of a search.
        max_metadata_bytes: Of one record, as JSON; None: no limit is known.
    """

    durable: bool = True
    atomic: bool = False
    immediate: bool = True
    exact: bool = True
    filters: frozenset[str] = frozenset(COMPARISONS)
    delete_by_filter: bool = True
    metrics: frozenset[str] = frozenset(METRICS)
    max_dimension: int = 65536
    max_batch: int = 1000
    max_top_k: int = 10_000
    max_metadata_bytes: int | None = None


@dataclass(frozen=True)
class Space:
    """What all vectors of a namespace share.

    Attributes:
        dimension: d.
        metric: "cosine", "dot" or "l2".
    """

    dimension: int
    metric: str


@dataclass(frozen=True)
class Commit:
    """A write that the store has acknowledged.

    Attributes:
        token: What `reconciled` understands; None where every later search sees the write.
    """

    token: str | None = None


@dataclass(frozen=True, eq=False)
class Record:
    """One vector with its metadata.

    Attributes:
        id: Its name.
        vector: float32 [d].
        metadata: Strings, numbers, bools and lists of strings by key.
    """

    id: str
    vector: Vectors
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Found:
    """What one query found, best first; equal scores in the order of ids.

    Attributes:
        ids: At most k names.
        scores: float64, as many: the cosine, the inner product, or minus the squared distance.
        metadata: As many.
    """

    ids: tuple[str, ...]
    scores: NDArray[np.float64]
    metadata: tuple[Metadata, ...]

    @classmethod
    def of(cls, rows: Sequence[tuple[str, float, Metadata]]) -> Found:
        """Orders (id, score, metadata) and makes a result of them."""
        rows = sorted(rows, key=lambda row: (-row[1], row[0]))
        return cls(
            tuple(row[0] for row in rows),
            np.array([row[1] for row in rows], np.float64),
            tuple(row[2] for row in rows),
        )

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class IdPage:
    """Names of records, in an order of the store's own.

    Attributes:
        ids: The names.
        token: What `list` takes for the next page; None after the last.
    """

    ids: tuple[str, ...]
    token: str | None = None


@dataclass(frozen=True)
class Stats:
    """What a namespace holds.

    Attributes:
        count: Records.
        space: Dimension and metric.
        bytes: On disk or in memory, where the store tells.
    """

    count: int
    space: Space
    bytes: int | None = None


@runtime_checkable
class VectorBackend(Protocol):
    """A store of vectors. Any object with these methods serves as `classical_backend`.

    Vectors are float32 [n, d], queries [B, d]. All methods may be called by several threads.
    Names of namespaces are non-empty strings. A namespace that is not there is a `NotFoundError`;
    a store that cannot be reached an `UnreachableError`, after which a write may yet happen;
    what it refuses for good is a `RefusedError` or an `ItemError`.
    """

    name: str
    capabilities: Capabilities

    def create(self, namespace: str, dimension: int, metric: str) -> None:
        """Makes a namespace; one that is there and fits stays as it is."""

    def drop(self, namespace: str) -> None:
        """Deletes a namespace and all it holds; without effect where there is none."""

    def namespaces(self) -> list[str]:
        """The names of all namespaces, sorted."""

    def upsert(
        self,
        namespace: str,
        ids: Sequence[str],
        vectors: ArrayLike,
        metadata: Sequence[Metadata | None] | None = None,
    ) -> Commit:
        """Writes records, new ones or over old ones, whole: of an id given twice the last counts.

        Doing it again changes nothing.
        """

    def fetch(self, namespace: str, ids: Sequence[str]) -> dict[str, Record]:
        """Reads records by id; those that are not there are left out."""

    def delete(
        self, namespace: str, ids: Sequence[str] | None = None, *, filter: Tree | None = None
    ) -> Commit:
        """Deletes records by id, or those that a filter matches; missing ones are no error."""

    def search(
        self, namespace: str, queries: ArrayLike, k: int, *, filter: Tree | None = None
    ) -> list[Found]:
        """Finds, for each of the queries [B, d], the min(k, matching) best records."""

    def list(
        self, namespace: str, prefix: str = "", token: str | None = None, limit: int = 100
    ) -> IdPage:
        """One page of ids; what stays unchanged between first and last page comes exactly once."""

    def stats(self, namespace: str) -> Stats:
        """Counts."""

    def flush(self, namespace: str) -> None:
        """Returns when all that was acknowledged is durable and found by searches."""

    def reconciled(self, namespace: str, commit: Commit) -> bool:
        """Whether every search sees a write from now on."""

    def close(self) -> None:
        """Frees connections; the data stay."""


def require(module: str, store: str, extra: str) -> ModuleType:
    """Imports a library that only one store needs.

    Args:
        module: Its dotted name.
        store: The store that needs it.
        extra: The extra of qstore-tf that installs it.

    Raises:
        LibraryError: It cannot be imported; the message has the line that installs it.

    Example:
        >>> require("json", "pgvector", "pgvector").__name__
        'json'
    """
    try:
        return import_module(module)
    except Exception as error:  # a broken package raises whatever it likes
        raise LibraryError(
            describe(
                f"The store {store!r} needs {module.partition('.')[0]}, which cannot be imported "
                f"({type(error).__name__}: {error})",
                hint=f"Install it: pip install 'qstore-tf[{extra}]'",
            )
        ) from error


def operators(tree: Tree) -> set[str]:
    """The operators that a filter uses, with "text order" where it orders strings.

    Example:
        >>> from qstore_tf.store.arguments.filters import parse_filter
        >>> sorted(operators(parse_filter({"a": {"$gt": "x"}, "b": 1})))
        ['eq', 'gt', 'text order']
    """
    if isinstance(tree, Compare):
        orders = tree.operator in ("gt", "gte", "lt", "lte") and isinstance(tree.value, str)
        return {tree.operator, "text order"} if orders else {tree.operator}
    children = (tree.child,) if isinstance(tree, Not) else tree.children
    return set().union(*(operators(child) for child in children))


def keys(tree: Tree) -> set[str]:
    """The keys of the metadata that a filter looks at.

    Example:
        >>> from qstore_tf.store.arguments.filters import parse_filter
        >>> sorted(keys(parse_filter({"a": 1, "$not": {"b": 2}})))
        ['a', 'b']
    """
    if isinstance(tree, Compare):
        return {tree.key}
    children = (tree.child,) if isinstance(tree, Not) else tree.children
    return set().union(*(keys(child) for child in children))
