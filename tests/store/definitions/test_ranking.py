"""Rankings against straightforward loops, on random pools with ties."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.errors import ConfigurationError, InputError
from qstore_tf.store.definitions.ranking import born_sample, mmr, qprp, top_k
from qstore_tf.testing.daily import daily_seed


def pool(seed: int, count: int, dimension: int, complex_: bool = False):
    """Scores with many ties, unit rows with duplicates, and names in no order."""
    rng = np.random.default_rng([daily_seed(), seed])
    scores = rng.integers(0, 5, count) / 4
    rows = rng.normal(size=(count, dimension))
    if complex_:
        rows = rows + 1j * rng.normal(size=rows.shape)
    rows[rng.random(count) < 0.3] = rows[0]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return scores, rows, [f"id{n:02d}" for n in rng.permutation(count)]


pools = {
    "seed": st.integers(0, 10**6),
    "count": st.integers(1, 12),
    "dimension": st.integers(1, 4),
    "k": st.integers(1, 14),
}


@settings(max_examples=60, deadline=None)
@given(**pools)
def test_top_k_is_a_sort_by_score_and_name(seed, count, dimension, k):
    scores, _, keys = pool(seed, count, dimension)
    want = sorted(range(count), key=lambda i: (-scores[i], keys[i]))[:k]
    assert top_k(scores, k, keys=keys).tolist() == want


@settings(max_examples=60, deadline=None)
@given(**pools, complex_=st.booleans(), relevance=st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_mmr_is_its_definition(seed, count, dimension, k, complex_, relevance):
    scores, rows, keys = pool(seed, count, dimension, complex_)
    scores = scores + np.random.default_rng(seed).random(count)  # ties are tested below

    def worth(i, taken):
        if not taken:
            return scores[i]
        near = max(abs(np.vdot(rows[i], rows[j])) ** 2 for j in taken)
        return relevance * scores[i] - (1 - relevance) * near

    got = mmr(scores, rows, k, relevance=relevance, keys=keys).tolist()
    assert len(got) == len(set(got)) == min(k, count)
    for step, i in enumerate(got):  # each one is a best choice, within rounding
        rest = [j for j in range(count) if j not in got[:step]]
        assert worth(i, got[:step]) >= max(worth(j, got[:step]) for j in rest) - 1e-12


@settings(max_examples=60, deadline=None)
@given(**pools, complex_=st.booleans())
def test_qprp_is_its_definition(seed, count, dimension, k, complex_):
    scores, rows, keys = pool(seed, count, dimension, complex_)

    def worth(i, taken):
        return scores[i] - sum(
            2 * np.sqrt(scores[i] * scores[j]) * np.vdot(rows[i], rows[j]).real for j in taken
        )

    got = qprp(scores, rows, k, keys=keys).tolist()
    assert len(got) == len(set(got)) == min(k, count)
    for step, i in enumerate(got):
        rest = [j for j in range(count) if j not in got[:step]]
        assert worth(i, got[:step]) >= max(worth(j, got[:step]) for j in rest) - 1e-12


def test_equal_rows_come_in_the_order_of_their_names():
    scores, rows, keys = [0.5] * 4, np.eye(4), ["d", "b", "c", "a"]
    assert mmr(scores, rows, 4, keys=keys).tolist() == [3, 1, 2, 0]
    assert qprp(scores, rows, 4, keys=keys).tolist() == [3, 1, 2, 0]
    assert top_k(scores, 3, keys=keys).tolist() == [3, 1, 2]
    same = np.ones((4, 1))
    assert mmr(scores, same, 4, keys=keys).tolist() == [3, 1, 2, 0]
    assert qprp(scores, same, 4, keys=keys).tolist() == [3, 1, 2, 0]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(2, 12), k=st.integers(1, 12))
def test_the_order_of_the_pool_does_not_matter(seed, count, k):
    scores, rows, keys = pool(seed, count, 3)
    moved = np.random.default_rng(seed).permutation(count)
    other = [keys[i] for i in moved]

    def names(found, names_of):
        return [names_of[i] for i in found]

    for first, second in (
        (top_k(scores, k, keys=keys), top_k(scores[moved], k, keys=other)),
        (
            born_sample(scores, k, seed=seed, keys=keys),
            born_sample(scores[moved], k, seed=seed, keys=other),
        ),
    ):
        assert names(first, keys) == names(second, other)


def test_relevance_one_is_top_k():
    scores, rows, keys = pool(5, 12, 4)
    assert (mmr(scores, rows, 5, relevance=1.0, keys=keys) == top_k(scores, 5, keys=keys)).all()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_born_sampling_has_the_chances_of_draws_one_after_the_other(temperature):
    weights = np.array([0.9, 0.0, 0.4, 0.1])
    powers = weights ** (1 / temperature)
    draws = 4000
    counts: dict[tuple[int, ...], int] = {}
    for n in range(draws):
        drawn = tuple(born_sample(weights, 2, temperature=temperature, seed=[daily_seed(), n]))
        counts[drawn] = counts.get(drawn, 0) + 1
    total = 0.0
    for a, b in itertools.permutations((0, 2, 3), 2):
        chance = powers[a] / powers.sum() * powers[b] / (powers.sum() - powers[a])
        total += chance
        spread = np.sqrt(draws * chance * (1 - chance))
        assert abs(counts.get((a, b), 0) - draws * chance) < 5 * spread + 1
    assert total == pytest.approx(1) and sum(counts.values()) == draws
    assert set(counts) <= set(itertools.permutations((0, 2, 3), 2))


def test_born_sampling_is_reproducible_cold_it_is_top_k_and_empty_rows_stay_out():
    rng = np.random.default_rng(daily_seed())
    weights = rng.random(50)
    assert (born_sample(weights, 9, seed=3) == born_sample(weights, 9, seed=3)).all()
    cold = born_sample(weights, 9, temperature=1e-6, seed=3)
    assert (cold == top_k(weights, 9)).all()
    assert sorted(born_sample([0.0, 0.3, 0.0, 0.2], 4, seed=1)) == [1, 3]
    assert len(born_sample([0.0, 0.0], 2, seed=1)) == 0


def test_what_cannot_be_ranked_is_refused():
    rows = np.eye(2)
    for call, words in (
        (lambda: top_k([0.1, np.nan], 1), "row 1"),
        (lambda: top_k([[0.1]], 1), "one number per row"),
        (lambda: top_k([0.1], 1, keys=["a", "b"]), "keys must be"),
        (lambda: mmr([0.1, 0.2], 2 * rows, 1), "Row 0 of the amplitudes"),
        (lambda: mmr([0.1], rows, 1), r"\[1, D\]"),
        (lambda: qprp([0.1, -0.2], rows, 1), "Row 1 has a negative"),
        (lambda: born_sample([-0.1], 1), "Row 0"),
    ):
        with pytest.raises(InputError, match=words):
            call()
    for call, words in (
        (lambda: top_k([0.1], 0), "k must be"),
        (lambda: top_k([0.1], True), "k must be"),
        (lambda: mmr([0.1, 0.2], rows, 1, relevance=1.5), "relevance"),
        (lambda: born_sample([0.1], 1, temperature=0), "temperature"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            call()
