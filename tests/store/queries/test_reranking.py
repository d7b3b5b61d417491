"""Circuits measure the candidates of a real index: what it says exactly, they say again."""

import numpy as np
import pytest

from qstore_tf.errors import ConfigurationError
from qstore_tf.store.circuits import overlap
from qstore_tf.store.circuits.overlap_circuits import METHODS
from qstore_tf.store.queries import reranking
from qstore_tf.store.queries.uncertainty import MODES, UncertaintyManager
from qstore_tf.testing.daily import daily_seed
from tests.store.index.plain import Twins

METRICS = ["cosine", "dot", "l2", "fidelity", "complex"]
CONTEXTS = [None, "a", "c", {"a": 0.7, "b": 0.3}]


def found(case, metric, context=None, rank_by="score", k=8, dimension=3, **options):
    """A snapshot of a random index, hits of one query, and their candidates."""
    is_complex = metric == "complex"
    seed = [daily_seed(), case]
    pair = Twins(seed, "fidelity" if is_complex else metric, dimension, is_complex)
    for _ in range(3):
        pair.apply()
    query, snapshot = pair.query(), pair.index.snapshot()
    hits = snapshot.search(query[None], k, context=context, rank_by=rank_by, at_ms=pair.now).row(0)
    asked = {"context": context, "rank_by": rank_by, **options}
    return snapshot, hits, reranking.candidates(snapshot, hits, query, **asked)


def scores_of(candidates):
    """The scores that exact circuits give."""
    exact = overlap.measure(candidates.question).values
    eta = candidates.eta
    return eta * candidates.weights * exact + (1 - eta) / candidates.dimension


@pytest.mark.parametrize("context", CONTEXTS, ids=["none", "a", "c", "a and b"])
@pytest.mark.parametrize("metric", METRICS)
def test_circuits_give_the_scores_of_the_index(metric, context) -> None:
    for case, rank_by in enumerate(["score", "fidelity"]):
        if rank_by == "fidelity" and isinstance(context, dict):
            continue
        _, hits, candidates = found(case, metric, context, rank_by)
        wanted = hits.scores[0][candidates.order]
        np.testing.assert_allclose(scores_of(candidates), wanted, atol=1e-6)
        assert candidates.keys == sorted(hits.keys[0])


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_them(method: str) -> None:
    for dimension in (1, 2):
        _, hits, candidates = found(2, "cosine", dimension=dimension, method=method, k=4)
        wanted = hits.scores[0][candidates.order]
        np.testing.assert_allclose(scores_of(candidates), wanted, atol=1e-6)


@pytest.mark.parametrize("context", CONTEXTS, ids=["none", "a", "c", "a and b"])
def test_shots_scatter_around_the_scores(context) -> None:
    _, hits, candidates = found(3, "cosine", context)
    result = reranking.rerank(candidates, 100, shots=3000, seed=1)
    ranked, exact = result.ranked, hits.scores[0][result.columns]
    assert sorted(result.columns.tolist()) == list(range(len(exact)))
    assert np.all(np.abs(ranked.scores - exact) < 5 * ranked.standard_errors + 5 / 3000)
    assert list(ranked.scores) == sorted(ranked.scores, reverse=True)
    assert ranked.shots == 3000 * len(exact) and str(result.cost) == "0 USD"


@pytest.mark.parametrize("mode", MODES)
def test_modes_choose_among_the_candidates(mode: str) -> None:
    _, hits, candidates = found(4, "cosine", k=12)
    manager = UncertaintyManager(eps=0.1)
    most = reranking.estimate(candidates, mode=mode, manager=manager, shots=400)
    result = reranking.rerank(candidates, 3, mode=mode, manager=manager, shots=400, seed=2)
    taken = hits.take(result.columns)
    assert len(taken.keys[0]) == len(result.columns) <= 3
    assert len(set(taken.keys[0])) == len(taken.keys[0])
    assert result.ranked.shots <= most.shots <= 400 * 12
    if mode == "precise":
        assert result.ranked.certified
    else:
        assert len(result.columns) == 3


def test_candidates_that_are_alike_come_by_their_names() -> None:
    pair = Twins([daily_seed(), 5], "cosine", 2, own=False, tied=True)
    pair.apply(new=12, groups=False)
    snapshot = pair.index.snapshot()
    query = np.array([1.0, 0.0])
    hits = snapshot.search(query[None], 8, at_ms=pair.now, rank_by="fidelity").row(0)
    candidates = reranking.candidates(snapshot, hits, query, rank_by="fidelity")

    class Same:
        """Every shot finds what was asked for: all candidates are equal."""

        name, capabilities = "same", overlap.running.Reference.capabilities

        def sample(self, batch, shots, seed):
            return np.zeros((len(batch.inputs), shots), np.int64)

    candidates.eta[:] = 1
    result = reranking.rerank(candidates, 4, Same(), shots=10)
    assert [hits.keys[0][column] for column in result.columns] == sorted(hits.keys[0])[:4]


def test_senses_that_cancel_have_no_chance() -> None:
    pair = Twins([daily_seed(), 6], "fidelity", 2)
    pair.contexts = lambda position: [  # type: ignore[method-assign]
        (position, "a", 0.5, np.array([1, 0], np.float32)),
        (position, "b", 0.5, np.array([-1, 0], np.float32)),
    ]
    pair.apply(groups=False)
    snapshot, mix = pair.index.snapshot(), {"a": 0.5, "b": 0.5}
    query = np.array([1.0, 0.0])
    hits = snapshot.search(query[None], 3, context=mix, at_ms=pair.now).row(0)
    candidates = reranking.candidates(snapshot, hits, query, context=mix)
    assert not candidates.weights.any()
    np.testing.assert_allclose(scores_of(candidates), hits.scores[0][candidates.order], atol=1e-9)


def test_circuits_that_are_too_wide_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="at most 3 qubits"):
        found(7, "cosine", method="swap", max_qubits=3)


def test_no_candidates_take_no_run() -> None:
    pair = Twins([daily_seed(), 8], "cosine", 3)
    pair.apply(new=4, groups=False)
    snapshot, query = pair.index.snapshot(), pair.query()
    nothing = np.zeros(len(snapshot.slots), bool)
    hits = snapshot.search(query[None], 3, at_ms=pair.now, mask=nothing).row(0)
    result = reranking.rerank(reranking.candidates(snapshot, hits, query), 3, shots=10)
    assert result.columns.size == 0 and result.ranked.shots == 0
