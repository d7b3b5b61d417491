"""The float32 scan of a namespace: for each query, the rows that may be among the best k."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qstore_tf.store.definitions.encoding import inverse
from qstore_tf.store.definitions.measurement import Context, normalized
from qstore_tf.store.index.selection import candidates
from qstore_tf.store.index.tables import Table

if TYPE_CHECKING:
    from qstore_tf.store.index.snapshot import Snapshot

Array = NDArray[Any]
Float32 = NDArray[np.float32]

_FEW = 0.3  # of all rows: so many are gathered first, where more are scanned with the others
_VERY_FEW = 0.05  # so many are written one by one, where more are through a mask
_AT_ONCE = 1 << 24  # numbers of a block of inner products
_GATHERED = 1 << 17  # bytes of rows that are gathered at a time
_NEAR_UNIT = 1e-6
_UNIT = 2.0**-24  # rounding of float32


@dataclass(frozen=True)
class _Term:
    """Vectors that are scanned, and what becomes of their amplitudes.

    Attributes:
        vectors: [N, d].
        rows: Which of the vectors are scanned [n]; None for all in order.
        norm_terms: [n].
        weights: [n] or a number for all; what the squared amplitudes are multiplied with, or the
            amplitudes where contexts interfere.
        target: Which of the scanned rows they belong to [n]; None for all in order.
        members: Which member of a group each is [n], -1 for none; None without groups.
        touched: Which are members of any; None for most.
        only: Which group each is in [n], where members are in one group and most are members.
    """

    vectors: Array
    rows: NDArray[np.int64] | None
    norm_terms: Float32
    weights: Float32 | None
    target: NDArray[np.int64] | None
    members: NDArray[np.int64] | None = None
    touched: NDArray[np.int64] | None = None
    only: NDArray[np.int64] | None = None


class Scan:
    """One search, made ready: all that does not depend on the query is computed once.

    Args:
        snapshot: The namespace.
        context: As in `measurement.measure`, as `rank_by`.
        rank_by: What is scanned for.
        at_ms: The time of the search.
        found: Which rows can be found [N]; None for all.
        by_weight: Whether those that cannot are the ones that have no part in the context.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        context: Context,
        rank_by: str,
        at_ms: float,
        found: NDArray[np.bool_] | None,
        by_weight: bool = False,
    ) -> None:
        self._snapshot = snapshot
        count = len(snapshot.slots)
        self._coherent = isinstance(context, Mapping)
        self._found: NDArray[np.bool_] | None = None
        self._rows: NDArray[np.int64] | None = None
        self._excluded: NDArray[Any] | None = None  # a mask, or places where they are few
        if found is not None and np.count_nonzero(found) <= _FEW * count:
            self._rows = np.flatnonzero(found)
        elif found is not None and by_weight and snapshot.coherence_time is None:
            self._found = found  # all others have score 0, which no row is below
        elif found is not None:
            self._excluded = ~found
            if np.count_nonzero(self._excluded) < _VERY_FEW * count:
                self._excluded = np.flatnonzero(self._excluded)
        self._size = count if self._rows is None else len(self._rows)
        self._norm_terms, longest, spread = snapshot.effective()
        self._longest = snapshot.metric.longest(longest)
        self._terms = list(self._plan(context, rank_by))
        qubits = snapshot.metric.n_qubits(snapshot.dimension)
        if isinstance(context, Mapping) or (isinstance(context, str) and rank_by == "score"):
            qubits += snapshot.context_qubits
        self._mixed = np.float32(0.5**qubits)
        self._eta = self._coherence(at_ms)
        # Then scores rise with the inner products, and need not be computed to be compared.
        self._monotone = (
            self._eta is None
            and not self._coherent
            and len(self._terms) == 1
            and self._terms[0].weights is None
            and self._terms[0].target is None
        )
        # An inner product of d numbers is off by (d + a few) units at most; half of that where the
        # lift halves it; twice that once squared; twice again for the two that are compared.
        factor = 8 if snapshot.metric.is_complex else 4
        self._margin = factor * (snapshot.dimension + 32) * _UNIT * spread

    def positions(self, near: Array) -> NDArray[np.int64]:
        """The places in the namespace of rows that `near` names."""
        if self._found is not None:
            return near[self._found[near]]
        return near if self._rows is None else self._rows[near]

    def near(self, queries: Array, lengths: Array, k: int) -> Iterator[Array]:
        """For each query, which of the scanned rows may be among the best k."""
        if self._snapshot.metric.name != "l2":
            queries = queries / lengths[:, None]
        step = max(1, _AT_ONCE // max(self._size, 1))
        for start in range(0, len(queries), step):
            some = queries[start : start + step]
            blocks = [self._inner(term, some) for term in self._terms]
            for i, length in enumerate(lengths[start : start + step].tolist()):
                inners = [block[i] for block in blocks]
                if self._monotone:
                    scores, margin = self._ranks(self._terms[0], inners[0], length)
                else:
                    scores, margin = self._scores(inners, length), self._margin
                if self._excluded is not None and self._excluded.dtype == bool:
                    np.copyto(scores, -np.inf, where=self._excluded)
                elif self._excluded is not None:
                    scores[self._excluded] = -np.inf
                yield candidates(scores, k, margin)

    # What does not depend on the query.

    def _plan(self, context: Context, rank_by: str) -> Iterator[_Term]:
        snapshot = self._snapshot
        if context is None:
            whole = snapshot.shared_weight
            if whole is None:
                yield self._base(None)
            else:
                part = whole if self._rows is None else whole[self._rows]
                if part.any():
                    yield self._base(part.astype(np.float32))
            for table in snapshot.own.values():
                yield self._own(table, table.weights)
        elif isinstance(context, str):
            by_score = rank_by == "score"
            if context in snapshot.shared:
                weight = self._dense(context)
                yield self._base(weight if by_score else np.sign(weight))
            if context in snapshot.own:
                table = snapshot.own[context]
                yield self._own(table, table.weights if by_score else None)
        else:
            weights = normalized(list(context.values()), "the contexts of a query")
            shared = np.zeros(self._size, np.float32)
            for name, share in zip(context, weights.tolist(), strict=True):
                if share > 0 and name in snapshot.shared:
                    shared += np.sqrt(np.float32(share) * self._dense(name))
                if share > 0 and name in snapshot.own:
                    table = snapshot.own[name]
                    yield self._own(table, np.sqrt(share * table.weights))
            if shared.any():
                yield self._base(shared)

    def _base(self, weights: Float32 | None) -> _Term:
        snapshot, rows = self._snapshot, self._rows
        terms = self._norm_terms if rows is None else self._norm_terms[rows]
        if snapshot.groups is None:
            return _Term(snapshot.vectors, rows, terms, weights, None)
        members = snapshot.groups.member_of
        members = members if rows is None else members[rows]
        touched = None
        if snapshot.share_of_members() < _FEW:
            touched = np.flatnonzero(members >= 0)
        only = None if touched is not None else snapshot.only_groups()
        only = only if only is None or rows is None else only[rows]
        return _Term(snapshot.vectors, rows, terms, weights, None, members, touched, only)

    def _own(self, table: Table, weights: Array | None) -> _Term:
        vectors, terms = table.vectors, table.norm_terms
        assert vectors is not None and terms is not None
        target, chosen = table.positions, None
        narrow = None if weights is None else weights.astype(np.float32)
        if self._rows is not None:
            places = table.find(self._rows)
            target = np.flatnonzero(places >= 0)
            if len(target) < len(terms):
                chosen = places[target]
                terms = terms[chosen]
                narrow = None if narrow is None else narrow[chosen]
        every = len(target) == self._size
        return _Term(vectors, chosen, terms, narrow, None if every else target)

    def _dense(self, name: str) -> Float32:
        """The weights of a context for the scanned rows, 0 for those that are not in it."""
        if self._rows is None:
            return self._snapshot.shared_weights(name)
        return self._snapshot.shared[name].weights_at(self._rows).astype(np.float32)

    def _coherence(self, at_ms: float) -> Float32 | None:
        written, tau = self._snapshot.written_at, self._snapshot.coherence_time
        if tau is None:
            return None
        written = np.zeros(len(tau)) if written is None else written
        if self._rows is not None:
            written, tau = written[self._rows], tau[self._rows]
        exponent = np.subtract(written, at_ms)
        exponent /= tau
        np.minimum(exponent, 0, out=exponent)
        narrow = exponent.astype(np.float32)
        return np.exp(narrow, out=narrow)

    # What does.

    def _inner(self, term: _Term, queries: Array) -> Array:
        """<q, v> in single precision: [B, n]."""
        found = _products(term.vectors, queries, term.rows)
        if term.members is None or self._snapshot.groups is None:
            return found
        groups, asked = self._snapshot.groups, np.conj(queries)
        shifts = groups.shifts(asked) if term.only is None else groups.shifts_of_groups(asked)
        if np.iscomplexobj(shifts) and not np.iscomplexobj(found):
            found = found.astype(np.complex64)
        if term.only is not None:
            for row, shift in zip(found, shifts.astype(found.dtype, copy=False), strict=True):
                row += shift[term.only]
        elif term.touched is None:
            none = np.zeros((len(queries), 1), found.dtype)
            padded = np.concatenate([shifts.astype(found.dtype), none], axis=1)
            for row, shift in zip(found, padded, strict=True):
                row += shift[term.members]  # -1 is the last one, which is 0
        else:
            found[:, term.touched] += shifts[:, term.members[term.touched]]
        return found

    def _ranks(self, term: _Term, inner: Array, length: float) -> tuple[Float32, float]:
        """Numbers that rise with the scores, in place, and the margin on their scale."""
        name = self._snapshot.metric.name
        if name == "dot":
            return inner, self._margin * self._longest
        if name == "l2":
            inner -= term.norm_terms
            return inner, self._margin * self._longest * float(np.hypot(length, 1))
        far = self._snapshot.from_unit()
        if far < _NEAR_UNIT:  # one pass less; no cosine is off by more than that
            margin = self._margin + 4 * far
        else:
            margin = self._margin
            inner *= term.norm_terms
        return (_squared(inner) if name == "fidelity" else inner), margin

    def _scores(self, inners: list[Array], length: float) -> Float32:
        total: Array | None = None
        for term, inner in zip(self._terms, inners, strict=True):
            part = self._amplitude(term, inner, length)
            if not self._coherent:
                part = _squared(part)
            if term.weights is not None:
                part *= term.weights
            if term.target is None:
                total = part if total is None else total + part
            else:
                total = np.zeros(self._size, part.dtype) if total is None else total
                if np.iscomplexobj(part) and not np.iscomplexobj(total):
                    total = total.astype(np.complex64)
                total[term.target] += part
        if total is None:
            total = np.zeros(self._size, np.float32)
        if self._coherent:
            total = _squared(total)
        if self._eta is not None:
            total -= self._mixed
            total *= self._eta
            total += self._mixed
        return total

    def _amplitude(self, term: _Term, inner: Array, length: float) -> Array:
        """`encoding.amplitudes` in place; queries have length 1, but for "l2"."""
        name = self._snapshot.metric.name
        if name in ("cosine", "fidelity"):
            inner *= term.norm_terms
        elif name == "dot":
            inner *= np.float32(float(inverse(np.float64(self._longest))))
        else:
            inner -= term.norm_terms
            inner *= np.float32(1 / (self._longest * np.hypot(length, 1)) if self._longest else 0)
        if name != "fidelity":
            inner += 1
            inner *= np.float32(0.5)
        return inner


def _products(vectors: Array, queries: Array, rows: Array | None = None) -> Array:
    asked = np.conj(queries) if queries.dtype.kind == "c" else queries
    if asked.dtype.kind == "c" and vectors.dtype.kind != "c":
        parts = _products(vectors, np.concatenate([asked.real, asked.imag]), rows)
        found: Array = parts[: len(asked)] + 1j * parts[len(asked) :]
        return found
    narrow = asked.astype(vectors.dtype)
    if rows is None:
        return (vectors @ narrow[0])[None] if len(narrow) == 1 else narrow @ vectors.T
    result = np.empty((len(narrow), len(rows)), vectors.dtype)
    step = max(1, _GATHERED // vectors.strides[0])
    for start in range(0, len(rows), step):  # what was gathered is still in the cache
        some = vectors[rows[start : start + step]]
        result[:, start : start + step] = some @ narrow[0] if len(narrow) == 1 else narrow @ some.T
    return result


def _squared(amplitude: Array) -> Float32:
    if amplitude.dtype.kind == "c":
        return np.asarray(amplitude.real**2 + amplitude.imag**2)
    amplitude *= amplitude
    return amplitude
