"""The graph of nearest neighbours of a candidate pool, and what joins its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from qstore_tf import memory

_BLOCK = 1024  # rows whose overlaps with all others are held at once


@dataclass(frozen=True)
class Graph:
    """Edges between rows of a pool, each pair once.

    Attributes:
        first: [E] the row of the smaller position.
        second: [E] the other row.
        overlaps: [E] |<i|j>|, at most 1.
        bridges: [E] whether the edge leads through where there is no data: it joins two parts that
            no row of either counts among its nearest.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    overlaps: NDArray[np.float64]
    bridges: NDArray[np.bool_]

    @property
    def lengths(self) -> NDArray[np.float64]:
        """[E] angles arccos |<i|j>| between the rows, in right angles: in [0, 1]."""
        return np.arccos(self.overlaps) * (2 / np.pi)


def neighbour_graph(rows: NDArray[Any], neighbours: int) -> Graph:
    """Joins each row to its nearest rows, and the parts that are left by their nearest pairs.

    Args:
        rows: [M, D] of unit length.
        neighbours: How many nearest rows each row is joined to.

    Returns:
        A connected graph.

    Raises:
        MemoryLimitError: The overlaps of one block do not fit.

    Example:
        >>> rows = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], float)
        >>> graph = neighbour_graph(rows, 1)
        >>> list(zip(graph.first.tolist(), graph.second.tolist(), graph.bridges.tolist()))
        [(0, 1, False), (2, 3, False), (0, 2, True)]
    """
    count = len(rows)
    memory.check(min(count, _BLOCK) * count * 24, f"The graph of {count} candidates")
    pairs = _nearest(rows, min(neighbours, count - 1))
    inside = len(pairs)
    while True:
        parts, part_of = connected_components(
            coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count)),
            directed=False,
        )
        if parts <= 1:
            break
        pairs = np.concatenate([pairs, _bridges(rows, part_of, parts)])
    left, right = rows[pairs[:, 0]], rows[pairs[:, 1]]
    return Graph(
        first=pairs[:, 0],
        second=pairs[:, 1],
        overlaps=np.minimum(np.abs(np.einsum("ed,ed->e", left.conj(), right)), 1.0),
        bridges=np.arange(len(pairs)) >= inside,
    )


def _nearest(rows: NDArray[Any], neighbours: int) -> NDArray[np.int64]:
    """[E, 2] pairs, each once, in order: every row and the rows of its largest overlaps."""
    count = len(rows)
    found = [np.empty((0, 2), np.int64)]
    if neighbours > 0:
        for start in range(0, count, _BLOCK):
            overlaps = np.abs(rows[start : start + _BLOCK].conj() @ rows.T)
            here = np.arange(len(overlaps))
            overlaps[here, here + start] = -1.0
            near = np.argpartition(overlaps, count - neighbours, axis=1)[:, -neighbours:]
            pair = np.stack([np.repeat(here + start, neighbours), near.ravel()], axis=1)
            found.append(np.sort(pair, axis=1))
    return _unique(np.concatenate(found), count)


def _bridges(rows: NDArray[Any], part_of: NDArray[Any], parts: int) -> NDArray[np.int64]:
    """[E, 2]: of every part but the largest, the pair of largest overlap with another part.

    These edges belong to the spanning tree of largest overlaps, whichever parts they start from.
    """
    largest = np.argmax(np.bincount(part_of, minlength=parts))
    inside = np.flatnonzero(part_of != largest)
    best = np.full(parts, -1.0)
    pairs = np.zeros((parts, 2), np.int64)
    for start in range(0, len(inside), _BLOCK):
        block = inside[start : start + _BLOCK]
        overlaps = np.abs(rows[block].conj() @ rows.T)
        overlaps[part_of[block][:, None] == part_of] = -1.0
        to = np.argmax(overlaps, axis=1)
        values = overlaps[np.arange(len(block)), to]
        for row in np.argsort(-values, kind="stable"):
            part = part_of[block[row]]
            if values[row] > best[part]:
                best[part], pairs[part] = values[row], sorted((block[row], to[row]))
    return _unique(pairs[np.arange(parts) != largest], len(rows))


def _unique(pairs: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    codes = np.sort(pairs[:, 0] * count + pairs[:, 1])
    codes = codes[np.append(True, np.diff(codes) > 0)[: len(codes)]]
    return np.stack([codes // count, codes % count], axis=1)
