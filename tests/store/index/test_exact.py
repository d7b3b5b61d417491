"""The index finds what a plain search of all rows finds, whatever was changed before."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf import memory
from qstore_tf.errors import ConfigurationError, InputError, MemoryLimitError, StoreError
from qstore_tf.store.arguments.filters import parse_filter
from qstore_tf.store.index import groups, layout
from qstore_tf.store.index import rows as rows_module
from qstore_tf.store.index.changes import Changes, GroupState
from qstore_tf.store.index.exact import ExactIndex
from tests.store.index.plain import NAMES, Twins

METRICS = ["cosine", "dot", "l2", "fidelity", "complex"]
seeds = st.integers(0, 2**32 - 1)
contexts = st.one_of(
    st.none(), st.sampled_from([*NAMES, "z"]), st.sampled_from([{"a": 0.7, "b": 0.3}, {"c": 1.0}])
)
FILTERS = [None, {"x": 1}, {"x": {"$gte": 1}}, {"x": 7}]


def twins(seed, metric, dimension=5, **options):
    is_complex = metric == "complex"
    return Twins(seed, "fidelity" if is_complex else metric, dimension, is_complex, **options)


@pytest.mark.parametrize("metric", METRICS)
@settings(max_examples=15, deadline=None)
@given(
    seed=seeds,
    dimension=st.sampled_from([1, 2, 5]),
    context=contexts,
    by_fidelity=st.booleans(),
    filter=st.sampled_from(FILTERS),
    own=st.booleans(),
    decays=st.booleans(),
    k=st.sampled_from([1, 4, 100]),
)
def test_searches_equal_the_plain_ones(
    metric, seed, dimension, context, by_fidelity, filter, own, decays, k
):
    pair = twins(seed, metric, dimension, own=own, decays=decays)
    tree = None if filter is None else parse_filter(filter)
    rank_by = "fidelity" if by_fidelity and not isinstance(context, dict) else "score"
    for _ in range(4):
        pair.apply()
        queries = np.array([pair.query() for _ in range(3)])
        many = pair.check(queries, k, context, rank_by, tree)
        one = pair.check(queries[:1], k, context, rank_by, tree)
        np.testing.assert_array_equal(one.slots[0], many.slots[0])
        np.testing.assert_array_equal(one.scores[0], many.scores[0])
    assert len(pair.index) == len(pair.plain.rows)


@pytest.mark.parametrize("metric", METRICS)
def test_equal_scores_are_ordered_by_id(metric):
    pair = twins(3, metric, 3, own=False, tied=metric != "complex")
    pair.apply(new=60, groups=False)
    if metric == "complex":  # ties of other kinds: the same vector up to a phase that is exact
        rows = np.array([[1, 1j, 0], [1j, -1, 0], [-1, -1j, 0]] * 20, np.complex64)
        pair = twins(3, metric, 3)
        pair.index.apply(plain_changes(rows))
        hits = pair.index.search(np.array([[1.0, 0.5, 0.0]]), 60, at_ms=0.0)
        assert hits.keys[0] == sorted(hits.keys[0])
        return
    hits = pair.check(np.array([pair.query()]), 25, None)
    assert len(set(hits.scores[0].tolist())) < 25


@pytest.mark.parametrize("context", [None, "a", {"a": 0.5, "b": 0.5}])
def test_scores_of_all_rows_are_those_of_a_search(context):
    pair = twins(5, "cosine")
    for _ in range(4):
        pair.apply(new=12)
    snapshot, query = pair.index.snapshot(), pair.query()
    slots, scores = snapshot.scores(query, context=context, at_ms=pair.now)
    hits = snapshot.search(query[None], 1000, context=context, at_ms=pair.now)
    want = dict(zip(hits.slots[0].tolist(), hits.scores[0].tolist(), strict=True))
    assert dict(zip(slots.tolist(), scores.tolist(), strict=True)) == want and len(want) > 3


def plain_changes(rows, **options):
    n = len(rows)
    return Changes(
        slots=np.arange(n),
        keys=[f"k{i:05d}" for i in range(n)],
        vectors=rows,
        written_at=np.zeros(n),
        coherence_time=np.full(n, np.inf),
        metadata=[None] * n,
        **options,
    )


@pytest.mark.parametrize("n", [3000, 9000])
@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("metric", ["cosine", "dot", "l2", "fidelity"])
def test_larger_ones_equal_a_search_in_float64(metric, unit, n):
    rng = np.random.default_rng(n)
    rows = rng.normal(size=(n, 16)).astype(np.float32)
    if unit:
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows[100:1100] = rows[0]  # many ties, at the top for its own query
    index = ExactIndex(16, metric)
    index.apply(plain_changes(rows, max_norm=9.0))
    queries = np.concatenate([rng.normal(size=(3, 16)), rows[:1]])
    for mask in (None, rng.random(n) < 0.1, rng.random(n) < 0.6):
        hits = index.search(queries, 10, at_ms=0.0, mask=mask)
        states = index.metric.encode(rows, 9.0)
        scores = np.abs(states @ index.metric.encode_query(queries).T) ** 2
        if mask is not None:
            scores[~mask] = -1
        np.testing.assert_allclose(hits.scores, -np.sort(-scores.T, axis=1)[:, :10], atol=1e-12)
    if metric != "dot":
        tied = index.search(rows[:1], 5, at_ms=0.0)
        assert tied.slots.tolist() == [[0, 100, 101, 102, 103]]


def test_rows_are_laid_out_anew_and_nothing_else_changes(monkeypatch):
    monkeypatch.setattr(layout, "_AT_LEAST", 4)
    monkeypatch.setattr(groups, "_SPARE", 0)
    for seed in range(3):
        pair = Twins(seed, "dot", 4)
        for _ in range(25):
            pair.apply(new=4, old=3, removed=3)
            pair.check(np.array([pair.query()]), 6, None)
            pair.check(np.array([pair.query()]), 6, "a", tree=parse_filter({"x": {"$lt": 3}}))
        rows = len(pair.index.snapshot().slots)
        assert rows <= 1.4 * len(pair.plain.rows) + 10  # 75 rows died


@pytest.mark.parametrize("metric", ["cosine", "complex"])
def test_vectors_come_with_the_steps_of_their_groups(metric):
    pair = twins(7, metric)
    for _ in range(6):
        pair.apply()
    slots = np.array(list(pair.plain.rows))
    want = np.array([pair.plain.effective(slot) for slot in slots])
    found = pair.index.vectors(slots)
    assert found.dtype == pair.index.dtype
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="not in this index"):
        pair.index.vectors([10**6])


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("share", [0.1, 0.6])
def test_groups_of_few_and_of_many_rows(several, share):
    """Members in one group or in several are scanned in different ways, as are few and many."""
    rng = np.random.default_rng(6)
    n, d = 3000, 8
    rows = rng.normal(size=(n, d)).astype(np.float32)
    inside = np.arange(int(share * n)) * 10 % n if share == 0.1 else np.arange(int(share * n))
    parts = np.array_split(rng.permutation(inside), 4)
    if several:
        parts.append(inside[::2])
    changes, want = plain_changes(rows), rows.astype(float)
    for number, part in enumerate(parts):
        step = rng.normal(size=d)
        changes.groups.append(GroupState(number, 0.1 * number, step, part))
        want[part] += 0.1 * number * step
    index = ExactIndex(d, "cosine")
    index.apply(changes)
    queries = rng.normal(size=(5, d))
    scores = (index.metric.encode(want) @ index.metric.encode_query(queries).T).T ** 2
    best = -np.sort(-scores, axis=1)[:, :7]
    np.testing.assert_allclose(index.search(queries, 7, at_ms=0.0).scores, best, atol=1e-12)
    one = index.search(queries[:1], 7, at_ms=0.0)
    np.testing.assert_allclose(one.scores, best[:1], atol=1e-12)
    mask = rng.random(n) < 0.2
    best = -np.sort(-scores[:, mask], axis=1)[:, :7]
    masked = index.search(queries, 7, at_ms=0.0, mask=mask)
    np.testing.assert_allclose(masked.scores, best, atol=1e-12)


def test_old_accumulators_are_forgotten_and_no_group_is_mixed_up():
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(6, 3)).astype(np.float32)
    changes = plain_changes(rows)
    still, moved = rng.normal(size=3), np.zeros(3)
    changes.groups.append(GroupState(1, 0.5, moved, np.arange(3)))
    changes.groups.append(GroupState(2, 0.25, still, np.arange(2, 6)))
    index = ExactIndex(3, "dot")
    index.apply(changes)
    still = still + 1.0
    index.apply(plain_changes(rows[:0], groups=[GroupState(2, 0.25, still)]))
    for _ in range(150):
        moved = moved + rng.normal(size=3)
        index.apply(plain_changes(rows[:0], groups=[GroupState(1, 0.5, moved)]))
        want = rows.astype(float)
        want[:3] += 0.5 * moved
        want[2:] += 0.25 * still
        np.testing.assert_allclose(index.vectors(np.arange(6)), want, rtol=1e-5, atol=1e-5)
    assert index.snapshot().groups.n_sums < 80


@pytest.mark.parametrize("cancels", [False, True])
def test_rows_that_float32_cannot_tell_apart_are_still_exact(cancels):
    """Rows nearly alike, and rows 10,000 times as long as what is left after the steps."""
    rng = np.random.default_rng(1)
    n, d = 6000, 24
    step = rng.normal(size=d) * 1e5 if cancels else np.zeros(d)
    wanted = rng.normal(size=d) + rng.normal(size=(n, d)) * (1e-3 if cancels else 3e-7)
    changes = plain_changes((wanted - 0.5 * step).astype(np.float32))
    changes.groups.append(GroupState(1, 0.5, step, np.arange(n)))
    index = ExactIndex(d, "cosine")
    index.apply(changes)
    states = index.metric.encode(changes.vectors.astype(float) + 0.5 * step)
    for query in rng.normal(size=(3, d)):
        scores = (states @ index.metric.encode_query(query)) ** 2
        hits = index.search(query[None], 5, at_ms=0.0)
        np.testing.assert_allclose(hits.scores[0], -np.sort(-scores)[:5], rtol=0, atol=2e-15)


def test_complex_queries_of_real_vectors():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(50, 4)).astype(np.float32)
    index = ExactIndex(4, "fidelity")
    index.apply(plain_changes(rows))
    queries = rng.normal(size=(2, 4)) + 1j * rng.normal(size=(2, 4))
    hits = index.search(queries, 50, at_ms=0.0)
    states = index.metric.encode(rows)
    scores = np.abs(states @ np.conj(index.metric.encode_query(queries)).T) ** 2
    np.testing.assert_allclose(hits.scores, -np.sort(-scores.T, axis=1), atol=1e-12)


def test_readers_see_whole_commits_while_one_writes():
    """Each commit writes all rows anew, with its own number in the key and one shared vector."""
    index, d = ExactIndex(3, "cosine"), 3
    stop, wrong, searched = threading.Event(), [], [0]

    def commit(number):
        vector = np.random.default_rng(number).normal(size=d).astype(np.float32)
        changes = plain_changes(np.tile(vector, (700, 1)))
        keys = [f"{number}-{i:03d}" for i in range(700)]
        text = f'{{"commit": {number}}}'
        index.apply(
            Changes(
                changes.slots,
                keys,
                changes.vectors,
                changes.written_at,
                changes.coherence_time,
                [text] * 700,
                commit=number,
            )
        )

    def read():
        rng = np.random.default_rng()
        while not stop.is_set():
            snapshot = index.snapshot()
            tree = parse_filter({"commit": {"$gte": 0}})
            hits = snapshot.search(rng.normal(size=(2, d)), 700, mask=snapshot.mask(tree))
            numbers = {key.split("-")[0] for keys in hits.keys for key in keys}
            equal = all(len(set(row.tolist())) == 1 for row in hits.scores)
            if hits.slots.shape != (2, 700) or numbers != {str(snapshot.commit)} or not equal:
                wrong.append((hits.slots.shape, numbers, snapshot.commit))
            searched[0] += 1

    commit(0)
    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1, 40):
        commit(number)
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong and searched[0] > 3
    assert index.commit == 39 and len(index) == 700


def test_an_empty_index_finds_nothing():
    index = ExactIndex(2, "cosine")
    hits = index.search([[1.0, 0.0]], 3, at_ms=0.0)
    assert hits.slots.shape == (1, 0) and hits.keys == [[]] and len(index) == 0
    assert index.search([[1.0, 0.0]], 3, at_ms=0.0, context="a").slots.shape == (1, 0)
    assert index.search([[1.0, 0.0]], 3, at_ms=0.0, context={"a": 1.0}).slots.shape == (1, 0)


def test_an_error_half_way_leaves_readers_what_they_had(monkeypatch):
    rows = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    index = ExactIndex(3, "cosine")
    index.apply(plain_changes(rows))
    before = index.search(rows[:1], 9, at_ms=0.0)
    worse = plain_changes(rows[:4])
    worse.contexts.append((2, "a", 1.0, np.ones(7, np.float32)))  # no vector of this namespace
    with pytest.raises(ValueError):
        index.apply(worse)
    after = index.search(rows[:1], 9, at_ms=0.0)
    np.testing.assert_array_equal(after.slots, before.slots)
    with pytest.raises(StoreError, match="half changed"):
        index.apply(plain_changes(rows))
    monkeypatch.setattr(memory, "available_bytes", lambda: 1000)
    monkeypatch.setattr(rows_module, "_LARGE", 100)
    small = ExactIndex(3, "cosine")
    small.apply(plain_changes(rows))
    with pytest.raises(MemoryLimitError, match="index in memory"):
        small.apply(plain_changes(np.tile(rows, (20, 1))))


def test_refusals():
    for dtype, metric in ((np.float64, "cosine"), (np.complex64, "dot")):
        with pytest.raises(ConfigurationError, match="of this type"):
            ExactIndex(2, metric, dtype)
    index = ExactIndex(2, "cosine")
    with pytest.raises(InputError, match="do not fit the index"):
        index.apply(plain_changes(np.ones((3, 4), np.float32)))
    assert len(index) == 0
    index.apply(plain_changes(np.ones((3, 2), np.float32)))
    for queries in ([1.0, 0.0], [[1.0]], [[0.0, 0.0]], [[np.nan, 1.0]], [[1j, 0]], np.ones((0, 2))):
        with pytest.raises(InputError):
            index.search(queries, 1, at_ms=0.0)
    with pytest.raises(InputError, match="at least one"):
        index.search([[1.0, 0.0]], 0, at_ms=0.0)
    with pytest.raises(InputError, match="mask"):
        index.search([[1.0, 0.0]], 1, at_ms=0.0, mask=np.ones(2, bool))
    with pytest.raises(InputError, match="probabilities"):
        index.search([[1.0, 0.0]], 1, at_ms=0.0, context={"a": 0.4})
    with pytest.raises(ConfigurationError):
        index.search([[1.0, 0.0]], 1, at_ms=0.0, rank_by="age")
