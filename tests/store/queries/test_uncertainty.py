"""Modes of a query: what they look at, spend and promise; precision against coverage."""

import numpy as np
import pytest

from qstore_tf.errors import ConfigurationError
from qstore_tf.store.circuits import overlap, racing
from qstore_tf.store.definitions.encoding import METRICS
from qstore_tf.store.definitions.measurement import fidelity
from qstore_tf.store.queries import uncertainty
from qstore_tf.store.queries.uncertainty import MODES, UncertaintyManager
from qstore_tf.testing.daily import daily_seed

K = 8


def random(*case: int) -> np.random.Generator:
    return np.random.default_rng([daily_seed(), *case])


class Labelled:
    """Vectors of four kinds, and a query near one of them with others not far away."""

    def __init__(self, rng: np.random.Generator, count: int = 120) -> None:
        middles = rng.normal(size=(4, 7))
        self.labels = rng.integers(4, size=count)
        vectors = middles[self.labels] + 0.5 * rng.normal(size=(count, 7))
        self.label = int(rng.integers(4))
        others = middles.mean(axis=0)
        query = 0.45 * middles[self.label] + 0.55 * others + 0.3 * rng.normal(size=7)
        self.states = METRICS["cosine"].encode(vectors)
        self.query = METRICS["cosine"].encode_query(query)
        self.scores = fidelity(self.query, self.states)
        self.rng = rng

    def measure(self, k, allocation, shots, eps):
        """Shots as circuits give them: binomial, with the fidelity as chance."""

        def sampler(arms, count):
            return self.rng.binomial(count, np.clip(self.scores[arms], 0, 1)).astype(float)

        if allocation == "uniform":
            return racing.uniform(sampler, len(self.scores), k, shots, eps=eps)
        return racing.race(sampler, len(self.scores), k, max_shots=shots, eps=eps)

    def of(self, order):
        """The share of the best k, to a margin, among members; and how many kinds are there."""
        good = self.scores[order] >= np.sort(self.scores)[-K] - 0.02
        return (good.mean() if len(order) else 1.0), len(set(self.labels[order].tolist()))


@pytest.mark.parametrize("diversity", uncertainty.DIVERSITIES)
@pytest.mark.parametrize("by_shots", [False, True], ids=["exact", "by shots"])
def test_precision_falls_and_coverage_rises_from_mode_to_mode(by_shots, diversity) -> None:
    manager = UncertaintyManager(diversity=diversity)
    found = {mode: [] for mode in MODES}
    for case in range(60):
        data = Labelled(random(1, case))
        for mode in MODES:
            if by_shots:
                ranked = manager.rank_measured(
                    mode, K, data.measure, amplitudes=data.states, seed=case, shots=500
                )
            else:
                ranked = manager.rank(mode, K, data.scores, amplitudes=data.states, seed=case)
            found[mode].append(data.of(ranked.order))
    precise, balanced, exploratory = (np.mean(found[mode], axis=0) for mode in MODES)
    assert precise[0] >= balanced[0] >= exploratory[0] + 0.1
    assert exploratory[1] >= balanced[1] >= precise[1]
    assert exploratory[1] > balanced[1] + 0.2
    assert precise[0] >= 0.98


def test_precise_members_are_certified_and_may_be_fewer() -> None:
    scores = np.array([0.9, 0.8, 0.5, 0.5, 0.5])
    manager = UncertaintyManager(eps=1e-3)

    def measure(k, allocation, shots, eps):
        assert (allocation, shots) == ("racing", 2000)
        exact = lambda arms, count: count * scores[arms]  # noqa: E731
        return racing.race(exact, 5, k, max_shots=shots, eps=eps)

    found = manager.rank_measured("precise", 3, measure, shots=2000)
    assert found.order.tolist() == [0, 1] and found.certified
    assert not found.scores_exact and found.shots > 0 and found.expected_precision > 0.99


def test_a_balanced_query_has_exactly_k_with_stated_errors() -> None:
    data = Labelled(random(2))
    found = UncertaintyManager().rank_measured("balanced", K, data.measure)
    assert len(found.order) == K and found.shots == 1000 * len(data.scores) and found.rounds == 1
    off = np.abs(found.scores - data.scores[found.order])
    assert np.all(off < 5 * found.standard_errors + 5e-3)


def test_the_expected_precision_is_what_comes_out() -> None:
    expected, came = [], []
    for case in range(60):
        data = Labelled(random(3, case))
        found = UncertaintyManager().rank_measured("balanced", K, data.measure, shots=300)
        expected.append(found.expected_precision)
        came.append(data.of(found.order)[0])
    assert abs(np.mean(expected) - np.mean(came)) < 0.12
    assert 0.2 < np.mean(expected) < 0.98


def test_exact_scores_leave_no_doubt_but_about_the_pool() -> None:
    data = Labelled(random(4))
    for mode in ("precise", "balanced"):
        found = UncertaintyManager().rank(mode, K, data.scores)
        np.testing.assert_array_equal(found.order, np.argsort(-data.scores)[:K])
        assert found.certified and found.expected_precision == 1 and found.scores_exact
        assert not found.standard_errors.any() and found.shots == 0
    half = UncertaintyManager().rank("balanced", K, data.scores, recall=0.5)
    assert half.expected_precision == 0.5 and not half.certified
    wide = UncertaintyManager().rank("exploratory", K, data.scores, amplitudes=data.states)
    share = np.isin(wide.order, np.argsort(-data.scores)[:K]).mean()
    assert wide.expected_precision == pytest.approx(share)


def test_ties_are_settled_by_name() -> None:
    found = UncertaintyManager().rank("balanced", 2, [0.5, 0.9, 0.5], keys=["c", "b", "a"])
    assert found.order.tolist() == [1, 2]


def test_a_guarantee_is_asked_of_kl_lucb() -> None:
    asked = []

    def measure(k, allocation, shots, eps):
        asked.append(allocation)
        return racing.race(lambda arms, count: count * np.array([0.9, 0.1])[arms], 2, k)

    manager = UncertaintyManager()
    for mode, guarantee in [("precise", True), ("precise", False), ("balanced", True)]:
        manager.rank_measured(mode, 1, measure, guarantee=guarantee)
    assert asked == ["kl-lucb", "racing", "uniform"]


def test_circuits_are_what_is_measured() -> None:
    data = Labelled(random(5), count=10)
    question = overlap.ask(data.states, data.query)

    def measure(k, allocation, shots, eps):
        return overlap.select(question, k, allocation=allocation, shots=shots, eps=eps, seed=1)

    found = UncertaintyManager(eps=0.1).rank_measured("precise", 3, measure, shots=1000)
    threshold = np.sort(data.scores)[-3] - 0.1
    assert np.all(data.scores[found.order] >= threshold - 0.05)


@pytest.mark.parametrize("gap, fidelity, shots", [(0.02, 0.5, 625), (0.1, 0.1, 9), (0.1, 0.0, 1)])
def test_shots_to_resolve_a_gap(gap: float, fidelity: float, shots: int) -> None:
    assert uncertainty.shots_to_resolve(gap, fidelity) == shots


def test_what_makes_no_sense_is_refused() -> None:
    manager = UncertaintyManager()
    with pytest.raises(ConfigurationError, match="balanced"):
        manager.rank("balance", 1, [0.1])
    with pytest.raises(ConfigurationError, match="amplitudes"):
        manager.rank("exploratory", 1, [0.1])
    with pytest.raises(ConfigurationError, match="mmr"):
        UncertaintyManager(diversity="mrr")
    with pytest.raises(ConfigurationError, match="eps"):
        UncertaintyManager(eps=0)
    with pytest.raises(ConfigurationError, match="gap"):
        uncertainty.shots_to_resolve(0.0)
    assert manager.rank("balanced", 3, []).order.size == 0
