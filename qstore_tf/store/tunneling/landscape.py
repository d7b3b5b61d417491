"""The landscape of a query over a candidate pool: basins, the barriers between them, the ways over.

The energy of a row is 1 - its score. Rows are joined to their nearest neighbours; where the graph
falls apart, the parts are joined by bridges through the void, whose energy is that of a vector at
right angles to the query: 1 for the metric "fidelity", 3/4 for those with a lift. From that graph:

- the *top* row is the one of lowest energy;
- the *barrier* of a row is how far above the top's energy one must climb on the easiest way from
  the top to it (the way whose highest point is lowest);
- the *persistence* of a local minimum is how far above itself one must climb to reach a lower one;
  a *basin* is a local minimum with a positive persistence, and what drains into it;
- the *transmission* is exp(-2 A), where A is the length of the shortest way from the top, each
  edge counted as sqrt(2 (mean energy of its ends - energy of the top)) times its angle in right
  angles, so that a jump between orthogonal states has length 1. For one edge this is the
  textbook's exp(-2 kappa L) of tunneling. A climb needs data under every step; this does not, so
  the void has no part in it.

All of it is classical computation over scores that are known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra, minimum_spanning_tree

from qstore_tf.errors import ConfigurationError, InputError, describe
from qstore_tf.store.definitions import ranking
from qstore_tf.store.tunneling.graph import Graph, neighbour_graph

_FLAT = 1e-9  # a persistence below it is rounding
_ROUNDING = 1e-6  # how far outside [0, 1] an energy may come out of rounding


@dataclass(frozen=True)
class Basin:
    """A local minimum of the landscape, which stands for all that drains into it.

    Attributes:
        index: Its row in the pool.
        energy: 1 - score, in [0, 1].
        barrier: The climb from the top row to it, in units of energy; 0 for the top.
        persistence: The climb from it to a lower minimum; infinite for the top, 0 for a row that
            is no minimum.
        transmission: exp(-2 A) in (0, 1]; 1 for the top.
        path: Rows from the top to it on the way of least action, both ends included.
    """

    index: int
    energy: float
    barrier: float
    persistence: float
    transmission: float
    path: tuple[int, ...]


@dataclass(frozen=True)
class Landscape:
    """What `landscape` finds, as arrays over the rows of the pool.

    Attributes:
        energies: [M].
        barriers: [M] the climb from the top row.
        persistences: [M]; 0 where a row is no minimum, infinite for the top.
        transmissions: [M] in (0, 1].
        parents: [M] the lower minimum that the row's basin merges with; -1 for the top.
        before: [M] the row before on the way of least action from the top; -1 for the top.
        order: [M] rows by (energy, key).
    """

    energies: NDArray[np.float64]
    barriers: NDArray[np.float64]
    persistences: NDArray[np.float64]
    transmissions: NDArray[np.float64]
    parents: NDArray[np.int64]
    before: NDArray[np.int64]
    order: NDArray[np.int64]

    def basins(
        self,
        *,
        barrier_threshold: float = 1.0,
        tunnel_probability: float = 0.0,
        limit: int | None = None,
    ) -> tuple[Basin, ...]:
        """The basins that can be reached from the top, the best energy first.

        Args:
            barrier_threshold: The highest barrier; 0 leaves the top basin alone.
            tunnel_probability: The lowest transmission.
            limit: How many at most; the most persistent are kept, the top always.

        Raises:
            ConfigurationError: A threshold outside [0, 1], or a limit below 1.
        """
        admitted = self.admitted(barrier_threshold, tunnel_probability)
        found = [row for row in self.order.tolist() if admitted[row] and self.persistences[row]]
        if limit is not None and len(found) > ranking.check_count(limit, "limit"):
            kept = sorted(found, key=lambda row: -self.persistences[row])[:limit]
            found = [row for row in found if row in set(kept)]
        return tuple(self.at(row) for row in found)

    def admitted(self, barrier_threshold: float, tunnel_probability: float) -> NDArray[np.bool_]:
        """[M] whether a row can be reached: its barrier and its transmission allow it."""
        highest = ranking.check_fraction(barrier_threshold, "barrier_threshold")
        least = ranking.check_fraction(tunnel_probability, "tunnel_probability")
        reached = (self.barriers <= highest) & (self.transmissions >= least)
        reached[self.order[:1]] = True
        return reached

    def owners(self, basins: Sequence[Basin]) -> NDArray[np.int64]:
        """[M] for each row the position in `basins` of the one that it drains into.

        What drains into a basin that is not among them goes to the lower one that it merges with.

        Raises:
            ConfigurationError: The top is not among them.
        """
        places = {basin.index: place for place, basin in enumerate(basins)}
        if len(self.order) and int(self.order[0]) not in places:
            raise ConfigurationError(
                describe("The top basin must be among the basins", expected=int(self.order[0]))
            )
        owners = np.zeros(len(self.energies), np.int64)
        for row in self.order.tolist():  # a parent comes before its rows
            owners[row] = places.get(row, owners[self.parents[row]])
        return owners

    def interleaved(self, basins: Sequence[Basin], k: int) -> NDArray[np.int64]:
        """The best row of each basin, then the second best of each, and so on, up to k rows.

        Args:
            basins: The top among them, in the order in which they take turns.
            k: How many rows; all of the pool where it has fewer.

        Returns:
            [min(k, M)] rows.
        """
        k = ranking.check_count(k)
        owners = self.owners(basins)[self.order]
        turn = np.zeros(len(owners), np.int64)
        for place in range(len(basins)):
            mine = owners == place
            turn[mine] = np.arange(np.count_nonzero(mine))
        return self.order[np.lexsort((owners, turn))][:k]

    def at(self, row: int) -> Basin:
        """What is known of one row, whether it is a minimum or not."""
        path = [row]
        while self.before[path[-1]] >= 0:
            path.append(int(self.before[path[-1]]))
        return Basin(
            index=row,
            energy=float(self.energies[row]),
            barrier=float(self.barriers[row]),
            persistence=float(self.persistences[row]),
            transmission=float(self.transmissions[row]),
            path=tuple(reversed(path)),
        )


def landscape(
    energies: ArrayLike,
    amplitudes: ArrayLike,
    *,
    keys: Sequence[Any] | None = None,
    neighbours: int | None = None,
    void: float = 1.0,
) -> Landscape:
    """Computes the landscape of a query over a pool of candidates.

    Args:
        energies: [M] in [0, 1], 1 - score of each row.
        amplitudes: [M, D] unit rows, real or complex.
        keys: [M] names that order equal energies; without them, positions do.
        neighbours: How many nearest rows each row is joined to; None for half the root of M, at
            least 1 and at most 16: were all rows of a small pool joined, there would be one basin.
        void: The energy where there is no data; bridges are at least as high.

    Returns:
        The landscape; time grows as M^2 D for the graph, which is the longest part of it.

    Raises:
        InputError: Energies outside [0, 1], or amplitudes that are not unit rows.
        ConfigurationError: neighbours is not a positive integer, or void not in [0, 1].

    Example:
        >>> angles = np.array([0.0, 0.3, 0.6, 0.9])
        >>> rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        >>> found = landscape([0.1, 0.5, 0.6, 0.2], rows, neighbours=1)
        >>> [(basin.index, round(basin.barrier, 6), basin.path) for basin in found.basins()]
        [(0, 0.0, (0,)), (3, 0.5, (0, 1, 2, 3))]
    """
    heights = _check_energies(energies)
    names = ranking.check_keys(keys, len(heights))
    rows = ranking.check_amplitudes(amplitudes, len(heights))
    usual = min(16, max(1, round(math.sqrt(len(heights)) / 2)))
    near = usual if neighbours is None else ranking.check_count(neighbours, "neighbours")
    void = ranking.check_fraction(void, "void")
    if not len(heights):
        none, nowhere = np.empty(0), np.empty(0, np.int64)
        return Landscape(none, none, none, none, nowhere, nowhere, nowhere)
    # In the order of the keys, so that the graph is the same however the pool was gathered.
    by_key = ranking.order_of(names)
    heights, rows = heights[by_key], rows[by_key]
    order = np.argsort(heights, kind="stable")
    graph = neighbour_graph(rows, near)
    parents, merged_at = _merge(heights, order, graph, void)
    barriers = _climbs(heights, order, parents, merged_at)
    actions, before = _shortest(heights, int(order[0]), graph)
    persistences = merged_at - heights
    persistences[persistences < _FLAT] = 0.0
    back = np.empty_like(by_key)
    back[by_key] = np.arange(len(by_key))
    rename = np.append(by_key, -1)  # -1 stays -1
    return Landscape(
        energies=heights[back],
        barriers=barriers[back],
        persistences=persistences[back],
        transmissions=np.exp(-2 * actions)[back],
        parents=rename[parents[back]],
        before=rename[before[back]],
        order=by_key[order],
    )


def _merge(
    heights: NDArray[np.float64], order: NDArray[np.int64], graph: Graph, void: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """[M] the lower minimum that each row's basin merges with, and the energy where it does."""
    count = len(heights)
    rank = np.empty(count, np.int64)
    rank[order] = np.arange(count)
    # An edge is as high as its higher end, by rank, so that no two rows are equally high; the void
    # lies between the last row that is not above it and the next.
    levels = np.maximum(rank[graph.first], rank[graph.second]).astype(np.float64)
    levels = np.maximum(levels, np.where(graph.bridges, np.sum(heights <= void) - 0.5, 0.0))
    tree = minimum_spanning_tree(
        coo_array((levels + 1.0, (graph.first, graph.second)), shape=(count, count)).tocsr()
    ).tocoo()
    root = list(range(count))
    parents = np.full(count, -1, np.int64)
    merged_at = np.full(count, np.inf)

    def root_of(row: int) -> int:
        while root[row] != row:
            root[row] = root[root[row]]
            row = root[row]
        return row

    by_level = np.argsort(tree.data, kind="stable")
    ends = np.stack([tree.row[by_level], tree.col[by_level]], axis=1)
    for (one, other), level in zip(ends.tolist(), tree.data[by_level].tolist(), strict=True):
        lower, higher = sorted((root_of(one), root_of(other)), key=rank.__getitem__)
        root[higher] = lower
        parents[higher] = lower
        row = level - 1
        merged_at[higher] = heights[order[int(row)]] if row.is_integer() else void
    return parents, merged_at


def _climbs(
    heights: NDArray[np.float64],
    order: NDArray[np.int64],
    parents: NDArray[np.int64],
    merged_at: NDArray[np.float64],
) -> NDArray[np.float64]:
    """[M] the climb from the top: where the chain of merges reaches it, less its energy."""
    top = int(order[0])
    reached_at = merged_at.copy()
    reached_at[top] = heights[top]
    for row in order[1:].tolist():
        if parents[row] != top:
            reached_at[row] = reached_at[parents[row]]
    return reached_at - heights[top]


def _shortest(
    heights: NDArray[np.float64], top: int, graph: Graph
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """[M] the least action from the top, and the row before on the way."""
    count = len(heights)
    middle = (heights[graph.first] + heights[graph.second]) / 2
    actions = np.sqrt(2 * np.maximum(0.0, middle - heights[top])) * graph.lengths
    actions = np.maximum(actions, np.finfo(float).tiny)  # a stored 0 would be no edge
    edges = coo_array((actions, (graph.first, graph.second)), shape=(count, count)).tocsr()
    found, before = dijkstra(edges, directed=False, indices=top, return_predecessors=True)
    return found, np.where(before < 0, -1, before).astype(np.int64)


def _check_energies(energies: ArrayLike) -> NDArray[np.float64]:
    values = ranking.check_scores(energies, "energies")
    wrong = (values < -_ROUNDING) | (values > 1 + _ROUNDING)
    if wrong.any():
        where = int(np.argmax(wrong))
        raise InputError(
            describe(
                f"Row {where} has an energy outside [0, 1]",
                expected="1 - score, for a score in [0, 1]",
                received=float(values[where]),
            )
        )
    return np.clip(values, 0.0, 1.0)
