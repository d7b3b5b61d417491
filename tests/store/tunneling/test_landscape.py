"""Landscapes against brute force over all ways, on small random pools."""

import itertools

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.errors import ConfigurationError, InputError
from qstore_tf.store.tunneling.graph import neighbour_graph
from qstore_tf.store.tunneling.landscape import landscape
from qstore_tf.testing.daily import daily_seed

pools = {
    "seed": st.integers(0, 10**6),
    "count": st.integers(1, 7),
    "neighbours": st.integers(1, 3),
    "complex_": st.booleans(),
}
VOID = 0.7  # among the energies of the pools


def pool(seed, count, complex_=False, ties=True, dimension=3):
    rng = np.random.default_rng([daily_seed(), seed])
    rows = rng.normal(size=(count, dimension)) + 1j * complex_ * rng.normal(size=(count, dimension))
    rows = rows if complex_ else rows.real
    energies = rng.integers(0, 6, count) / 5 if ties else rng.random(count)
    keys = [f"id{n}" for n in rng.permutation(count)]
    return energies, rows / np.linalg.norm(rows, axis=1, keepdims=True), keys


def ways(graph, start, end):
    """All simple ways from start to end, as lists of edges."""
    if start == end:
        yield []
        return
    ends = list(zip(graph.first.tolist(), graph.second.tolist(), strict=True))

    def onward(row, visited):
        for edge, pair in enumerate(ends):
            if row in pair:
                other = pair[0] + pair[1] - row
                if other == end:
                    yield [edge]
                elif other not in visited:
                    yield from ([edge, *rest] for rest in onward(other, {*visited, other}))

    yield from onward(start, {start})


def highest(graph, energies, way, start):
    """The highest energy on a way, its start counted."""
    heights = [
        max(energies[graph.first[e]], energies[graph.second[e]], VOID * graph.bridges[e])
        for e in way
    ]
    return max([energies[start], *heights])


def action(graph, energies, way, reference):
    total = 0.0
    for e in way:
        middle = (energies[graph.first[e]] + energies[graph.second[e]]) / 2
        angle = np.arccos(graph.overlaps[e]) / (np.pi / 2)
        total += np.sqrt(2 * max(0.0, middle - reference)) * angle
    return total


@settings(max_examples=60, deadline=None)
@given(**pools)
def test_barriers_persistences_and_actions_are_the_best_over_all_ways(
    seed, count, neighbours, complex_
):
    energies, rows, keys = pool(seed, count, complex_)
    # The brute force works on the graph in the order of the keys; names put it back.
    by_key = sorted(range(count), key=lambda i: keys[i])
    graph = neighbour_graph(rows[by_key], neighbours)
    heights = energies[by_key]
    found = landscape(energies, rows, keys=keys, neighbours=neighbours, void=VOID)
    lower = sorted(range(count), key=lambda i: (heights[i], i))
    assert found.order.tolist() == [by_key[i] for i in lower]
    top = lower[0]
    for place, row in enumerate(lower):
        mine = by_key[row]
        to_top = list(ways(graph, top, row))
        climb = min(highest(graph, heights, way, top) for way in to_top) - heights[top]
        assert found.barriers[mine] == pytest.approx(climb, abs=1e-12)
        least = min(action(graph, heights, way, heights[top]) for way in to_top)
        assert found.transmissions[mine] == pytest.approx(np.exp(-2 * least), abs=1e-12)
        out = [
            highest(graph, heights, way, row) - heights[row]
            for other in lower[:place]
            for way in ways(graph, row, other)
        ]
        want = min(out) if out else np.inf
        assert found.persistences[mine] == pytest.approx(want, abs=1e-12)
    for basin in found.basins():  # the path's own action is the least one
        path = [by_key.index(i) for i in basin.path]
        pairs = [tuple(sorted(pair)) for pair in itertools.pairwise(path)]
        edges = [
            e
            for pair in pairs
            for e, ends in enumerate(zip(graph.first, graph.second, strict=True))
            if pair == ends
        ]
        assert path[0] == top and len(edges) == len(pairs)
        along = np.exp(-2 * action(graph, heights, edges, heights[top]))
        assert along == pytest.approx(basin.transmission, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 60), neighbours=st.integers(1, 6))
def test_thresholds_only_ever_add_basins_and_zero_leaves_the_top(seed, count, neighbours):
    energies, rows, keys = pool(seed, count)
    found = landscape(energies, rows, keys=keys, neighbours=neighbours)
    top = min(range(count), key=lambda i: (energies[i], keys[i]))
    assert [basin.index for basin in found.basins(barrier_threshold=0)] == [top]
    assert [basin.index for basin in found.basins(tunnel_probability=1)][0] == top
    assert ((found.transmissions > 0) & (found.transmissions <= 1)).all()
    assert ((found.barriers >= 0) & (found.barriers <= 1)).all()
    assert found.transmissions[top] == 1 and found.barriers[top] == 0
    before: set[int] = set()
    for threshold in np.linspace(0, 1, 6):
        basins = found.basins(barrier_threshold=threshold, tunnel_probability=0.1)
        now = {basin.index for basin in basins}
        assert before <= now
        before = now
        order = [(basin.energy, keys[basin.index]) for basin in basins]
        assert order == sorted(order)
        assert all(b.barrier <= threshold and b.transmission >= 0.1 for b in basins)
        few = found.basins(barrier_threshold=threshold, tunnel_probability=0.1, limit=3)
        assert len(few) == min(3, len(basins)) and set(few) <= set(basins)
        least = min(basin.persistence for basin in few)
        assert all(basin.persistence <= least for basin in set(basins) - set(few))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 40), k=st.integers(1, 50))
def test_turns_of_the_basins_give_every_row_once(seed, count, k):
    energies, rows, keys = pool(seed, count)
    found = landscape(energies, rows, keys=keys, neighbours=3)
    basins = found.basins(barrier_threshold=0.7)
    owners = found.owners(basins)
    assert [int(owners[basin.index]) for basin in basins] == list(range(len(basins)))
    for row in range(count):  # an owner is never above what it owns
        assert energies[basins[owners[row]].index] <= energies[row]
    shown = found.interleaved(basins, k).tolist()
    assert len(shown) == len(set(shown)) == min(k, count)
    assert shown[: len(basins)] == [basin.index for basin in basins][:k]
    one = found.interleaved(found.basins(barrier_threshold=0), k).tolist()
    assert one == sorted(range(count), key=lambda i: (energies[i], keys[i]))[:k]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(2, 40))
def test_the_order_of_the_pool_does_not_matter(seed, count):
    energies, rows, keys = pool(seed, count)
    moved = np.random.default_rng(seed).permutation(count)
    one = landscape(energies, rows, keys=keys, neighbours=4)
    other = landscape(energies[moved], rows[moved], keys=[keys[i] for i in moved], neighbours=4)
    np.testing.assert_allclose(one.barriers[moved], other.barriers, atol=1e-12)
    np.testing.assert_allclose(one.transmissions[moved], other.transmissions, atol=1e-12)
    assert [b.index for b in one.basins()] == [int(moved[b.index]) for b in other.basins()]


@settings(max_examples=40, deadline=None)
@given(**{**pools, "count": st.integers(2, 30)})
def test_neighbours_are_the_nearest_and_bridges_a_tree_of_nearest_pairs(
    seed, count, neighbours, complex_
):
    _, rows, _ = pool(seed, count, complex_)
    overlaps = np.abs(rows.conj() @ rows.T)
    graph = neighbour_graph(rows, neighbours)
    edges = list(zip(graph.first.tolist(), graph.second.tolist(), strict=True))
    inside = {edge for edge, bridge in zip(edges, graph.bridges, strict=True) if not bridge}
    want = set()
    for i in range(count):
        others = sorted((j for j in range(count) if j != i), key=lambda j: -overlaps[i, j])
        want |= {(min(i, j), max(i, j)) for j in others[:neighbours]}
    assert inside == want and len(edges) == len(set(edges))
    for (i, j), overlap in zip(edges, graph.overlaps, strict=True):
        assert overlap == pytest.approx(overlaps[i, j], abs=1e-12)

    alone = networkx.Graph()
    alone.add_nodes_from(range(count))
    alone.add_edges_from(inside)
    parts = [sorted(part) for part in networkx.connected_components(alone)]
    between = networkx.Graph()
    between.add_nodes_from(range(len(parts)))
    for a, b in itertools.combinations(range(len(parts)), 2):
        between.add_edge(a, b, weight=overlaps[np.ix_(parts[a], parts[b])].max())
    tree = networkx.maximum_spanning_tree(between)
    assert np.count_nonzero(graph.bridges) == len(parts) - 1
    assert graph.overlaps[graph.bridges].sum() == pytest.approx(tree.size(weight="weight"))


def test_two_clusters_without_a_way_are_joined_through_the_void():
    angles = np.array([0.0, 0.01, 0.02, 1.0, 1.01, 1.02])
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    found = landscape([0.1, 0.15, 0.2, 0.4, 0.35, 0.3], rows, neighbours=2)
    top, other = found.basins()
    assert (top.index, other.index) == (0, 5)
    assert other.barrier == pytest.approx(0.9) and other.persistence == pytest.approx(0.7)
    assert other.path == (0, 1, 2, 3, 4, 5)
    assert found.basins(barrier_threshold=0.8) == (top,)
    steps = [(0.01, 0.025), (0.01, 0.075), (0.98, 0.2), (0.01, 0.275), (0.01, 0.225)]
    least = 2 / np.pi * sum(angle * np.sqrt(2 * above) for angle, above in steps)
    assert other.transmission == pytest.approx(np.exp(-2 * least))
    assert found.basins(tunnel_probability=0.5) == (top,)


def test_equal_rows_make_one_basin_of_the_first_name():
    rows = np.tile([[1.0, 0.0]], (30, 1))
    found = landscape(np.full(30, 0.25), rows, keys=[f"{n:02d}" for n in range(29, -1, -1)])
    assert [basin.index for basin in found.basins()] == [29]
    assert len(landscape(np.empty(0), np.empty((0, 3))).basins()) == 0
    assert landscape(np.empty(0), np.empty((0, 3))).interleaved((), 3).tolist() == []


def test_what_makes_no_landscape_is_refused():
    rows = np.eye(2)
    for arguments, words in (
        (([0.1, 1.2], rows), r"Row 1 has an energy outside"),
        (([0.1, np.inf], rows), "row 1"),
        (([0.1], rows), r"\[1, D\]"),
        (([0.1, 0.2], rows * 3), "unit length"),
    ):
        with pytest.raises(InputError, match=words):
            landscape(*arguments)
    found = landscape([0.1, 0.2], rows)
    for call, words in (
        (lambda: landscape([0.1, 0.2], rows, neighbours=0), "neighbours"),
        (lambda: landscape([0.1, 0.2], rows, void=1.1), "void"),
        (lambda: found.basins(barrier_threshold=1.5), "barrier_threshold"),
        (lambda: found.basins(tunnel_probability=-0.1), "tunnel_probability"),
        (lambda: found.basins(limit=0), "limit"),
        (lambda: found.owners(()), "top basin"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            call()
