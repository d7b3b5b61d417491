"""The exact index of one namespace: in memory, derived from the catalog, right by construction."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from qstore_tf.errors import ConfigurationError, InputError, StoreError, describe
from qstore_tf.store.arguments.filters import Tree
from qstore_tf.store.definitions.encoding import Metric, metric_named
from qstore_tf.store.definitions.measurement import Context
from qstore_tf.store.index.changes import Changes, Hits
from qstore_tf.store.index.groups import Groups, GroupTerm
from qstore_tf.store.index.layout import Layout
from qstore_tf.store.index.snapshot import Snapshot

Array = NDArray[Any]

DTYPES = (np.dtype(np.float32), np.dtype(np.complex64))


class ExactIndex:
    """All rows of one namespace, scanned exactly.

    One writer at a time applies changes; any number of threads search meanwhile, each seeing a
    commit as a whole.

    Args:
        dimension: d of all vectors.
        metric: "cosine", "dot", "l2" or "fidelity".
        dtype: float32; complex64 for complex vectors of metric "fidelity".

    Example:
        >>> index = ExactIndex(2, "cosine")
        >>> index.apply(Changes(
        ...     slots=np.array([1, 2]), keys=["a", "b"], vectors=np.eye(2, dtype=np.float32),
        ...     written_at=np.zeros(2), coherence_time=np.full(2, np.inf), metadata=[None, None]))
        >>> index.search([[1.0, 0.1]], 1, at_ms=0.0).keys
        [['a']]
    """

    def __init__(self, dimension: int, metric: str | Metric, dtype: DTypeLike = np.float32) -> None:
        self.dimension = dimension
        self.metric = metric if isinstance(metric, Metric) else metric_named(metric)
        self.dtype = np.dtype(dtype)
        if self.dtype not in DTYPES or (self.dtype.kind == "c" and not self.metric.is_complex):
            raise ConfigurationError(
                describe(
                    "An index cannot hold vectors of this type",
                    expected="float32, or complex64 for metric 'fidelity'",
                    received=str(self.dtype),
                )
            )
        self._writing = threading.Lock()
        self._groups = Groups(dimension, self.dtype)
        self._layout = Layout(self.metric, dimension, self.dtype)
        self._max_norm = 0.0
        self._context_qubits = 0
        self._is_whole = True
        self._snapshot = self._take_snapshot(None, 0)

    # Writing.

    def apply(self, changes: Changes) -> None:
        """Takes in what commits changed; searches that are under way go on in the older state.

        Args:
            changes: The changes, in the order of commits. The index takes over their arrays and
                lists: they must not be used for anything else afterwards.

        Raises:
            InputError: Vectors do not fit the namespace; nothing was taken in.
            StoreError: An error before left the index half changed. Searches still see the last
                commit that was taken in as a whole.
        """
        vectors = np.asarray(changes.vectors)
        if vectors.shape != (len(changes.slots), self.dimension):
            raise InputError(
                describe(
                    "Vectors do not fit the index",
                    expected=f"shape ({len(changes.slots)}, {self.dimension})",
                    received=f"shape {vectors.shape}",
                )
            )
        with self._writing:
            if not self._is_whole:
                raise StoreError(
                    describe(
                        "The index was left half changed by an error",
                        hint="Make a new one and apply all changes to it",
                    )
                )
            self._is_whole = False
            self._max_norm = max(self._max_norm, changes.max_norm)
            self._context_qubits = max(len(changes.context_names) - 1, 0).bit_length()
            slots = np.asarray(changes.slots, np.int64)
            removed = np.asarray(changes.removed, np.int64)
            layout = self._layout
            layout.bury(slots, removed)
            layout.append(changes)
            term = self._groups.apply(changes.groups, slots, removed, layout.map, layout.count)
            if layout.is_sparse:
                self._layout = layout = layout.compacted()
                term = self._groups.rebuild(layout.map, layout.count)
            self._snapshot = self._take_snapshot(term, changes.commit)
            self._is_whole = True

    def _take_snapshot(self, groups: GroupTerm | None, commit: int) -> Snapshot:
        return Snapshot(
            metric=self.metric,
            dimension=self.dimension,
            groups=groups,
            max_norm=max(self._max_norm, self._layout.longest),
            context_qubits=self._context_qubits,
            commit=commit,
            **self._layout.views(),
        )

    # Reading.

    def snapshot(self) -> Snapshot:
        """The namespace as it stands now; several calls on it see one and the same commit."""
        return self._snapshot

    def __len__(self) -> int:
        return len(self._snapshot)

    @property
    def commit(self) -> int:
        """Number of the last commit that was taken in."""
        return self._snapshot.commit

    def search(
        self,
        queries: ArrayLike,
        k: int,
        *,
        context: Context = None,
        rank_by: str = "score",
        at_ms: float,
        mask: NDArray[np.bool_] | None = None,
        filter: Tree | None = None,
    ) -> Hits:
        """The best rows for each query.

        Args:
            queries: [B, d].
            k: How many rows are wanted; fewer come where fewer can be found.
            context: None for a mixture of all contexts, the name of one, or weights of several,
                which then interfere.
            rank_by: "score", or "fidelity" of the context's state alone.
            at_ms: The time for which coherences are computed.
            mask: Which rows of the present snapshot may be found; use `snapshot()` with it.
            filter: A filter of the metadata, as `parse_filter` returns it.

        Returns:
            The hits, ordered by score, equal scores by id.

        Raises:
            InputError: Queries, k or weights of contexts are wrong.
            ConfigurationError: `rank_by` is, or does not go with several contexts.
        """
        snapshot = self._snapshot
        if filter is not None:
            wanted = snapshot.mask(filter)
            mask = wanted if mask is None or wanted is None else wanted & mask
        return snapshot.search(queries, k, context=context, rank_by=rank_by, at_ms=at_ms, mask=mask)

    def vectors(self, slots: ArrayLike) -> Array:
        """Vectors of some slots with the steps of their groups: [n, d] of the index's type.

        Raises:
            InputError: A slot is not in the index.
        """
        return self._snapshot.effective_vectors(slots)
