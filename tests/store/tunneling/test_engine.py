"""The engine against the functions it joins, with the signatures of v1."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.errors import ConfigurationError, InputError
from qstore_tf.store.definitions.encoding import METRICS
from qstore_tf.store.tunneling.engine import Candidates, TunnelingEngine, tunnel_search
from qstore_tf.store.tunneling.landscape import landscape
from qstore_tf.store.tunneling.precursors import find_precursors
from qstore_tf.store.tunneling.regimes import discover_regimes
from qstore_tf.testing.daily import daily_seed


def clusters(seed, count=60, dimension=6):
    """Three tight clusters, their names, and a query between them."""
    rng = np.random.default_rng([daily_seed(), seed])
    centres = np.eye(3, dimension)
    of = rng.integers(0, 3, count)
    vectors = centres[of] + 0.1 * rng.normal(size=(count, dimension))
    keys = [f"{'abc'[c]}{n:03d}" for n, c in enumerate(of)]
    return keys, vectors, centres.sum(axis=0) + 0.05 * rng.normal(size=dimension)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), metric=st.sampled_from(sorted(METRICS)))
def test_it_finds_every_cluster_where_a_plain_search_finds_the_nearest(seed, metric):
    keys, vectors, query = clusters(seed)
    engine = TunnelingEngine.from_vectors(keys, vectors, metric=metric)
    found = engine.tunnel_search(query, tunnel_probability=0.01)
    present = {key[0] for key in keys}
    assert {match.key[0] for match in found} == present
    # Between the clusters there is nothing but the void.
    void = 1.0 if metric == "fidelity" else 1 - ((1 + 0) / 2) ** 2
    apart = {match.barrier for match in found if match.key[0] != found[0].key[0]}
    assert max(apart) == pytest.approx(void - found[0].energy, abs=1e-12)
    energies = [match.energy for match in found]
    assert energies == sorted(energies) and found.candidates == len(keys)
    rule = METRICS[metric]
    longest = float(np.linalg.norm(vectors, axis=1).max())
    amplitude = rule.encode(vectors, longest) @ rule.encode_query(query)
    np.testing.assert_allclose(min(energies), 1 - np.max(amplitude**2), atol=1e-12)
    top = found[0]
    assert (top.barrier, top.transmission, top.path) == (0, 1, (top.key,))
    for match in found:
        assert match.path[0] == top.key and match.path[-1] == match.key
        assert keys.index(match.key) >= 0 and 0 < match.transmission <= 1
    alone = engine.tunnel_search(query, 0, tunnel_probability=0.01)
    assert [match.key for match in alone] == [top.key]
    assert len(engine.tunnel_search(query, top_k=2, tunnel_probability=0.01)) == 2
    assert engine.tunnel_search(query, tunnel_probability=1.0).matches == alone.matches


def test_defaults_of_the_engine_hold_and_can_be_passed():
    keys, vectors, query = clusters(1)
    strict = TunnelingEngine.from_vectors(keys, vectors, barrier_threshold=0.0)
    assert len(strict.tunnel_search(query)) == 1
    assert len(strict.tunnel_search(query, 1.0, tunnel_probability=0.0)) >= 3
    small = TunnelingEngine.from_vectors(keys, vectors, candidate_pool=5)
    assert small.tunnel_search(query).candidates == 5


def pool(seed, count=40):
    rng = np.random.default_rng([daily_seed(), seed])
    rows = rng.normal(size=(count, 4))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Candidates([f"k{n:02d}" for n in rng.permutation(count)], rng.random(count), rows)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    threshold=st.sampled_from([0.0, 0.3, 0.8]),
    least=st.sampled_from([0.0, 0.2, 0.6]),
)
def test_grover_searches_the_rows_within_reach_and_counts(seed, threshold, least):
    candidates = pool(seed)
    found = tunnel_search(
        candidates, threshold, tunnel_probability=least, method="grover", top_k=3, seed=seed
    )
    land = landscape(candidates.energies, candidates.amplitudes, keys=candidates.keys)
    within = np.flatnonzero(land.admitted(threshold, least))
    assert found.classical_calls == len(within)
    assert {match.index for match in found} <= set(within.tolist())
    assert len(found) == min(3, len(within))
    best = sorted(within.tolist(), key=lambda row: land.energies[row])[:3]
    assert found.exact == ([match.index for match in found] == best)
    again = tunnel_search(
        candidates, threshold, tunnel_probability=least, method="grover", top_k=3, seed=seed
    )
    assert again == found
    plain = tunnel_search(candidates, threshold, tunnel_probability=least)
    assert plain.oracle_calls is None and plain.classical_calls is None and plain.exact


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), top_k=st.integers(1, 50))
def test_basins_take_turns_from_the_top_on(seed, top_k):
    candidates = pool(seed)
    found = tunnel_search(candidates, method="turns", top_k=top_k, tunnel_probability=0.0)
    assert len({match.key for match in found}) == len(found) == min(top_k, 40)
    assert found[0].index == int(np.argmin(candidates.energies))
    few = int(np.ceil(np.sqrt(top_k)))
    basins = tunnel_search(candidates, top_k=few, tunnel_probability=0.0)
    assert found.matches[: len(basins)] == basins.matches[:top_k]
    plain = tunnel_search(candidates, 0, method="turns", top_k=top_k)
    best = np.argsort(candidates.energies)[:top_k]
    assert [match.index for match in plain] == best.tolist()


def test_an_empty_pool_has_no_basins():
    nothing = Candidates([], np.empty(0), np.empty((0, 3)))
    for method in ("basins", "turns", "grover"):
        assert len(tunnel_search(nothing, method=method)) == 0


def series_with_events(seed=3):
    """A strong axis for ten rows from each event on, another one for five rows before."""
    rng = np.random.default_rng([daily_seed(), seed])
    series = rng.normal(size=(900, 4))
    events = 60 + np.cumsum(rng.integers(50, 90, 10))
    for event in events:
        series[event - 5 : event] += [0, 0, 8, 0]
        series[event : event + 10] = [20.0, 0, 0, 0] + rng.normal(size=(10, 4))
    return series, events


def test_regimes_and_precursors_have_the_signatures_of_v1():
    pytest.importorskip("ruptures")
    series, events = series_with_events()
    engine = TunnelingEngine()
    found = engine.discover_regimes(series, kernel="fidelity", min_size=5)
    assert found.stretches == discover_regimes(series, kernel="fidelity", min_size=5).stretches
    by_rows = engine.find_precursors(events)
    assert by_rows == find_precursors(series, events) and 0 in [one.lag for one in by_rows]
    shock = next(s for s in found if s.start <= events[0] + 2 < s.end)
    starts = engine.find_precursors(shock).events
    assert set(starts) <= set(found.starts(shock.label)) and len(starts) >= 4
    other = TunnelingEngine()
    other.discover_regimes(series[::-1][:200], min_size=5)
    with pytest.raises(InputError, match="not of the series"):
        other.find_precursors(shock)


def test_a_state_names_the_starts_of_all_that_is_like_it():
    series, events = series_with_events()
    engine = TunnelingEngine()
    found = engine.find_precursors(np.array([1.0, 0, 0, 0]), series, likeness=0.75)
    assert set(events[1:]) <= set(found.events)
    with pytest.raises(ConfigurationError, match="'fidelity' or 'lifted'"):
        engine.find_precursors(np.array([1.0, 0, 0, 0]), series, kernel="gaussian")
    with pytest.raises(ConfigurationError, match="likeness"):
        engine.find_precursors(np.array([1.0, 0, 0, 0]), series, likeness=2.0)


def test_what_an_engine_cannot_do_is_refused():
    keys, vectors, query = clusters(1, 10)
    engine = TunnelingEngine.from_vectors(keys, vectors)
    for call, error, words in (
        (lambda: TunnelingEngine().tunnel_search(query), ConfigurationError, "nothing to search"),
        (lambda: TunnelingEngine().find_precursors([1, 2]), InputError, "no series"),
        (lambda: engine.tunnel_search(query[:3]), InputError, "another dimension"),
        (lambda: engine.tunnel_search(np.zeros(6)), InputError, "zero vector"),
        (lambda: engine.tunnel_search(query, 2.0), ConfigurationError, "barrier_threshold"),
        (lambda: engine.tunnel_search(query, method="grove"), ConfigurationError, "'grover'"),
        (lambda: engine.tunnel_search(query, top_k=0), ConfigurationError, "top_k"),
        (lambda: TunnelingEngine(tunnel_probability=2), ConfigurationError, "tunnel_probability"),
        (lambda: TunnelingEngine(candidate_pool=0), ConfigurationError, "candidate_pool"),
        (lambda: TunnelingEngine.from_vectors(keys[:2], vectors), InputError, "one per row"),
        (
            lambda: TunnelingEngine.from_vectors(keys, vectors, metric="cosin"),
            ConfigurationError,
            "'cosine'",
        ),
    ):
        with pytest.raises(error, match=words):
            call()
