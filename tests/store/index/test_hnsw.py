"""What a graph proposes is measured exactly; what it misses is little; nothing is found wrongly."""

import builtins

import numpy as np
import pytest

from qstore_tf.errors import ConfigurationError, LibraryError
from qstore_tf.store.arguments.filters import parse_filter
from qstore_tf.store.index import hnsw
from qstore_tf.store.index.changes import GroupState
from qstore_tf.store.index.exact import ExactIndex
from qstore_tf.store.index.hnsw import HnswIndex
from qstore_tf.store.index.snapshot import Snapshot
from qstore_tf.testing.daily import daily_seed
from tests.store.index.plain import Twins
from tests.store.index.test_exact import METRICS, plain_changes

pytest.importorskip("usearch")


def made(metric, dimension, **options):
    name, dtype = ("fidelity", np.complex64) if metric == "complex" else (metric, np.float32)
    return HnswIndex(dimension, name, dtype, threads=1, **options)


def recall(hits, exact):
    return np.mean(
        [
            len(set(a) & set(b)) / max(len(b), 1)
            for a, b in zip(hits.slots.tolist(), exact.slots.tolist(), strict=True)
        ]
    )


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("context", [None, "a"])
@pytest.mark.parametrize("rank_by", ["score", "fidelity"])
def test_graphs_find_nearly_all_after_any_changes(metric, context, rank_by, monkeypatch):
    monkeypatch.setattr(hnsw, "_SHARE", 1)  # else such small ones are scanned
    is_complex = metric == "complex"
    pair = Twins(daily_seed(), "fidelity" if is_complex else metric, 6, is_complex)
    graph = made(metric, 6)
    for new in (300, 40, 40, 40):
        changes = pair.changes(new=new, old=20, removed=10)
        graph.apply(changes)
        pair.index.apply(changes)
        pair.plain.take(changes)
    snapshot = pair.index.snapshot()
    queries = np.array([pair.query() for _ in range(20)])
    how = {"context": context, "rank_by": rank_by, "at_ms": pair.now}
    exact = snapshot.search(queries, 10, **how)
    again = made(metric, 6)
    again.build(snapshot)
    assert len(again) <= len(graph) and again.commit == graph.commit == 4
    for each in (graph, again):
        hits = each.search(snapshot, queries, 10, **how)
        assert hits.slots.shape == exact.slots.shape
        assert recall(hits, exact) > 0.97
        for row in range(len(queries)):
            want = dict(zip(exact.keys[row], exact.scores[row], strict=True))
            for key, score in zip(hits.keys[row], hits.scores[row], strict=True):
                assert score == want.get(key, score)


@pytest.mark.parametrize("metric", ["cosine", "l2", "fidelity"])
def test_the_default_misses_few_and_scans_nothing(metric, monkeypatch):
    rng = np.random.default_rng(daily_seed())
    centres = rng.normal(size=(40, 16))
    rows = (centres[rng.integers(0, 40, 4000)] + 0.5 * rng.normal(size=(4000, 16))).astype("f4")
    index, graph = ExactIndex(16, metric), made(metric, 16)
    index.apply(plain_changes(rows))
    graph.build(index.snapshot())
    queries = rows[:50] + 0.2 * rng.normal(size=(50, 16))
    exact = index.search(queries, 10, at_ms=0.0)
    monkeypatch.delattr(Snapshot, "search")
    assert recall(graph.search(index.snapshot(), queries, 10, at_ms=0.0), exact) >= 0.98


def test_where_graphs_do_not_help_all_rows_are_scanned():
    pair = Twins(5, "cosine", 4)
    pair.apply(new=200)
    graph, snapshot = made("cosine", 4), pair.index.snapshot()
    graph.build(snapshot)
    queries = np.array([pair.query() for _ in range(3)])
    mask = snapshot.mask(parse_filter({"x": 1}))
    for how in ({"mask": mask}, {"context": {"a": 0.5, "b": 0.5}}, {"context": "a"}):
        hits = graph.search(snapshot, queries, 15, at_ms=pair.now, **how)
        exact = snapshot.search(queries, 15, at_ms=pair.now, **how)
        np.testing.assert_array_equal(hits.slots, exact.slots)
    many = graph.search(snapshot, queries, 1000, at_ms=pair.now)
    assert many.slots.shape == (3, len(pair.index))
    assert graph.search(snapshot, queries, 5, context="z", at_ms=0.0).slots.shape == (3, 0)


def test_members_that_moved_are_found_where_they_are():
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(500, 8)).astype(np.float32)
    changes = plain_changes(rows, max_norm=100.0)
    far = np.zeros(8)
    far[0] = 40.0
    changes.groups.append(GroupState(1, 0.5, far, np.arange(20)))
    index, graph = ExactIndex(8, "cosine"), made("cosine", 8)
    graph.apply(changes)
    index.apply(changes)
    hits = graph.search(index.snapshot(), far[None], 20, at_ms=0.0)
    assert set(hits.slots[0].tolist()) == set(range(20))


def test_files_are_whole_or_not_read(tmp_path):
    pair = Twins(8, "cosine", 6)
    pair.apply(new=100)
    snapshot = pair.index.snapshot()
    graph = made("cosine", 6)
    graph.build(snapshot)
    path = tmp_path / "graph"
    graph.save(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["graph", "graph.json"]

    queries = np.array([pair.query() for _ in range(5)])
    other = made("cosine", 6)
    assert other.load(path) and other.commit == 1 and len(other) == len(graph)
    for context in (None, "b"):
        a = graph.search(snapshot, queries, 5, context=context, at_ms=pair.now)
        b = other.search(snapshot, queries, 5, context=context, at_ms=pair.now)
        np.testing.assert_array_equal(a.slots, b.slots)
    changes = pair.changes()  # goes on where it was
    other.apply(changes)
    pair.index.apply(changes)
    other.search(pair.index.snapshot(), queries, 5, at_ms=pair.now)
    assert other.commit == 2

    whole, about = path.read_bytes(), (tmp_path / "graph.json").read_text()
    for broken in (whole[:-1], whole[:5000], b"", whole[:-9] + b"x" + whole[-8:]):
        path.write_bytes(broken)
        assert not made("cosine", 6).load(path)
    path.write_bytes(whole)
    for text in ("", "[]", "{", about.replace('"cosine"', '"dot"'), about[:-1]):
        (tmp_path / "graph.json").write_text(text)
        assert not made("cosine", 6).load(path)
    (tmp_path / "graph.json").write_text(about)
    assert not made("cosine", 7).load(path) and not made("cosine", 6, connectivity=8).load(path)
    assert not made("cosine", 6).load(tmp_path / "none") and made("cosine", 6).load(path)


def test_refusals(monkeypatch):
    for name in ("connectivity", "expansion_add", "expansion_search"):
        with pytest.raises(ConfigurationError, match=name):
            made("cosine", 2, **{name: 1})
    real = builtins.__import__

    def without(name, *rest, **more):
        if name.startswith("usearch"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(LibraryError, match=r"qstore-tf\[hnsw\]"):
        made("cosine", 2)
