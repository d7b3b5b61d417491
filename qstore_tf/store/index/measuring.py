"""The float64 stage of a search: what rows of a snapshot are worth, from their stored vectors.

`measurement.measure` is the definition; here it is for many rows at once. Each row's numbers depend
on the row alone, so equal rows have equal scores, wherever they stand.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qstore_tf.store.definitions.decoherence import coherence
from qstore_tf.store.definitions.measurement import Context, normalized
from qstore_tf.store.index.tables import Table, inner64, norm64, wide

if TYPE_CHECKING:
    from qstore_tf.store.index.snapshot import Snapshot

Array = NDArray[Any]

SCORE, FIDELITY, PROBABILITY, COHERENCE = range(4)

_AT_ONCE = 8192  # rows whose vectors are held in float64 at a time
_TINY = 1e-300


class Measuring:
    """Measures rows of a snapshot for one kind of query.

    Args:
        snapshot: The namespace.
        context: As in `measurement.measure`, as `rank_by`.
        rank_by: What scores are.
        at_ms: The time.
    """

    def __init__(self, snapshot: Snapshot, context: Context, rank_by: str, at_ms: float) -> None:
        self._snapshot = snapshot
        self._name = snapshot.metric.name
        self._context = context
        self._at_ms = at_ms
        self._longest = snapshot.metric.longest(snapshot.effective()[1])
        self._by_fidelity = rank_by == "fidelity"
        qubits = snapshot.metric.n_qubits(snapshot.dimension)
        if context is not None and not self._by_fidelity:
            qubits += snapshot.context_qubits
        self._mixed = 0.5**qubits

    def __call__(self, positions: Array, query: Array, length: float) -> NDArray[np.float64]:
        """Scores, fidelities, probabilities and coherences [4, n] of the rows at some places.

        Args:
            positions: The places [n].
            query: [d], float64 or complex128.
            length: Its norm.
        """
        found = np.empty((4, len(positions)))
        for start in range(0, len(positions), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            self._measure(positions[some], query, length, found[:, some])
        return found

    def _measure(self, positions: Array, query: Array, length: float, into: Array) -> None:
        context = self._context
        if context is None:
            into[FIDELITY] = self._mixture(positions, query, length)
            into[PROBABILITY] = 1
            into[SCORE] = into[FIDELITY]
        elif isinstance(context, str):
            into[:3] = 0
            for mine, weights, rows in in_context(self._snapshot, positions, context):
                fidelities = self._fidelities(rows, query, length)
                into[FIDELITY, mine] = fidelities
                into[PROBABILITY, mine] = weights
                into[SCORE, mine] = fidelities if self._by_fidelity else weights * fidelities
        else:
            self._coherent(positions, query, length, context, into)
        into[COHERENCE] = 1
        tau, written = self._snapshot.coherence_time, self._snapshot.written_at
        if tau is not None:
            age = self._at_ms - (0.0 if written is None else written[positions])
            into[COHERENCE] = eta = coherence(age, tau[positions])
            into[SCORE] = eta * into[SCORE] + (1 - eta) * self._mixed

    def _amplitudes(self, rows: Array, query: Array, length: float) -> Array:
        """`encoding.amplitudes` of rows, in few steps: each costs more than what it computes."""
        inner = inner64(rows, query)
        if self._name == "dot":
            inner *= 1 / max(length * self._longest, _TINY)
        elif self._name == "l2":
            norms = norm64(rows)
            inner -= 0.5 * norms * norms
            inner *= 1 / max(math.hypot(length, 1) * self._longest, _TINY)
        else:
            inner /= np.maximum(norm64(rows) * length, _TINY)
        if self._name != "fidelity":
            inner += 1
            inner *= 0.5
        return inner

    def _fidelities(self, rows: Array, query: Array, length: float) -> Array:
        found = self._amplitudes(rows, query, length)
        squares = found.real**2 + found.imag**2 if found.dtype.kind == "c" else found * found
        return np.minimum(squares, 1)  # rounding may not lift a probability above 1

    def _mixture(self, positions: Array, query: Array, length: float) -> Array:
        snapshot = self._snapshot
        if snapshot.shared_weight is None:
            return self._fidelities(snapshot.vectors_at(positions), query, length)
        total = np.zeros(len(positions))
        weights = snapshot.shared_weight[positions]
        if np.any(weights > 0):
            total += weights * self._fidelities(snapshot.vectors_at(positions), query, length)
        for table in snapshot.own.values():
            mine, weights, rows = own_rows(table, positions)
            total[mine] += weights * self._fidelities(rows, query, length)
        return total

    def _coherent(
        self,
        positions: Array,
        query: Array,
        length: float,
        mix: Mapping[str, float],
        into: Array,
    ) -> None:
        snapshot = self._snapshot
        size = snapshot.metric.lifted_dimension(snapshot.dimension)
        kind = np.result_type(snapshot.vectors.dtype, query.dtype, np.float64)
        amplitude = np.zeros(len(positions), kind)
        state = np.zeros((len(positions), size), kind)
        for name, share in shares(mix).items():
            for mine, weights, rows in in_context(snapshot, positions, name):
                factors = np.sqrt(share * weights)
                amplitude[mine] += factors * self._amplitudes(rows, query, length)
                state[mine] += factors[:, None] * snapshot.metric.stored(rows, self._longest)
        score, chance = np.abs(amplitude) ** 2, norm64(state) ** 2
        into[SCORE], into[PROBABILITY] = score, chance
        found = np.divide(score, chance, out=np.zeros_like(score), where=chance > 0)
        into[FIDELITY] = np.minimum(found, 1)


def in_context(
    snapshot: Snapshot, positions: Array, name: str
) -> Iterator[tuple[Array, Array, Array]]:
    """Which of some rows are in a context, with their weights and vectors there, in two parts."""
    if name in snapshot.shared:
        weights = snapshot.shared[name].weights_at(positions)
        mine = np.flatnonzero(weights > 0)
        if len(mine):
            yield mine, weights[mine], snapshot.vectors_at(positions[mine])
    if name in snapshot.own:
        yield own_rows(snapshot.own[name], positions)


def own_rows(table: Table, positions: Array) -> tuple[Array, Array, Array]:
    """Which of some rows have a vector of their own in a context; its weights, and the vectors."""
    places = table.find(positions)
    mine = np.flatnonzero(places >= 0)
    assert table.vectors is not None
    return mine, table.weights[places[mine]], wide(table.vectors[places[mine]])


def shares(context: Mapping[str, float]) -> dict[str, float]:
    """The contexts of a query that have a part in it, with their weights w_c."""
    weights = normalized(list(context.values()), "the contexts of a query")
    return {name: w for name, w in zip(context, weights.tolist(), strict=True) if w > 0}
