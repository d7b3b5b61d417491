"""Correlated steps: accumulators equal conditional means; measures equal states written out."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.errors import CorrelationError, InputError
from qstore_tf.store.definitions import correlation as cr
from qstore_tf.testing.daily import daily_seed

seeds = st.integers(0, 2**32 - 1)


def random_groups(rng, n_groups, n_members, low=-0.3, high=0.6):
    names = [f"m{i}" for i in range(n_members)]
    groups = {}
    for g in range(n_groups):
        size = int(rng.integers(2, n_members + 1))
        chosen = rng.permutation(n_members)[:size]
        groups[f"g{g}"] = (float(rng.uniform(low, high)), [names[i] for i in chosen])
    return names, groups


@settings(max_examples=200, deadline=None)
@given(seed=seeds, n_groups=st.integers(0, 4), n_members=st.integers(2, 8))
def test_groups_are_refused_exactly_when_r_is_not_positive(seed, n_groups, n_members):
    rng = np.random.default_rng(seed)
    names, groups = random_groups(rng, n_groups, n_members, -0.5, 0.9)
    lowest = np.linalg.eigvalsh(cr.correlation_matrix(names, groups))[0]
    if lowest < -1e-6:
        with pytest.raises(CorrelationError, match="No joint distribution has the correlations"):
            cr.check_groups(groups)
    elif lowest > -1e-12:
        cr.check_groups(groups)


@settings(max_examples=60, deadline=None)
@given(seed=seeds, n_groups=st.integers(1, 4), n_members=st.integers(2, 7), im=st.booleans())
def test_accumulators_equal_conditional_means(seed, n_groups, n_members, im):
    rng = np.random.default_rng(seed)
    names, groups = random_groups(rng, n_groups, n_members)
    matrix = cr.correlation_matrix(names, groups)
    if np.linalg.eigvalsh(matrix)[0] < 1e-3:
        return
    d = 3

    def numbers(n):
        return rng.normal(size=(n, d)) + (1j * rng.normal(size=(n, d)) if im else 0)

    rho = np.array([r for r, _ in groups.values()])
    inside = np.array([[name in members for name in names] for _, members in groups.values()])
    vectors = numbers(n_members)  # by the definition
    sums = np.zeros((n_groups, d), vectors.dtype)  # by accumulators
    reduced = vectors.copy()
    for _ in range(6):
        seen = sorted(rng.permutation(n_members)[: rng.integers(1, n_members + 1)].tolist())
        steps = numbers(len(seen))
        new = vectors[seen] + steps
        vectors = vectors + cr.conditional_means(matrix, seen, steps)
        alpha = cr.shares(matrix[np.ix_(seen, seen)], steps)
        sums = sums + inside[:, seen] @ alpha
        reduced[seen] = new - (inside[:, seen].T * rho) @ sums
        np.testing.assert_allclose(reduced + (inside.T * rho) @ sums, vectors, atol=1e-9)
        np.testing.assert_allclose(vectors[seen], new, atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(seed=seeds, n_groups=st.integers(1, 4), n=st.integers(1, 60), im=st.booleans())
def test_shares_by_kinds_are_those_of_the_whole_matrix(seed, n_groups, n, im):
    rng = np.random.default_rng(seed)
    names, groups = random_groups(rng, n_groups, max(n, 2))
    rho = np.array([r for r, _ in groups.values()])
    inside = np.array([[m in members for m in names] for _, members in groups.values()])
    seen = rng.permutation(len(names))[:n]
    steps = rng.normal(size=(n, 3)) + (1j * rng.normal(size=(n, 3)) if im else 0)
    matrix = cr.correlation_matrix(names, groups)[np.ix_(seen, seen)]
    values = np.linalg.eigvalsh(matrix)
    if np.abs(values).min() < 1e-6 * np.abs(values).max():
        return  # there both answers are rounding
    found = cr.shares_in_groups(rho, inside[:, seen], steps, few=int(rng.integers(2)) * 99)
    scale = np.abs(steps).max() / np.abs(values).min()
    np.testing.assert_allclose(found, cr.shares(matrix, steps), rtol=0, atol=1e-11 * scale)
    np.testing.assert_allclose(matrix @ found, steps, rtol=0, atol=1e-11 * scale)


@pytest.mark.parametrize("rho", [1.0, -1 / 4])
def test_shares_by_kinds_of_a_singular_matrix_are_of_least_norm(rho):
    """rho = 1 leaves the mean alone, the least rho of a group leaves all but the mean."""
    rng = np.random.default_rng([daily_seed(), 15])
    steps = rng.normal(size=(5, 3))
    matrix = np.full((5, 5), rho) + (1 - rho) * np.eye(5)
    found = cr.shares_in_groups([rho], np.ones((1, 5)), steps, few=0)
    np.testing.assert_allclose(found, cr.shares(matrix, steps), rtol=0, atol=1e-12)
    np.testing.assert_allclose(found, np.linalg.pinv(matrix) @ steps, rtol=0, atol=1e-12)


def test_shares_of_one_group_are_those_of_the_closed_formula():
    """(1 - rho) 1 + rho 11^T, by Sherman and Morrison; too large for a matrix of everything."""
    rng = np.random.default_rng([daily_seed(), 16])
    m, rho = 50_000, 0.85
    steps = rng.normal(size=(m, 2))
    found = cr.shares_in_groups([rho], np.ones((1, m)), steps)
    mean = rho * steps.sum(axis=0) / (1 + (m - 1) * rho)
    np.testing.assert_allclose(found, (steps - mean) / (1 - rho), rtol=0, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, n=st.integers(2, 6))
def test_conditional_means_are_those_of_the_joint_gaussian(seed, n):
    """By integrating out: the precision matrix gives the same means and variances."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(n, n + 2))
    matrix = root @ root.T
    scale = np.sqrt(np.diag(matrix))
    matrix = matrix / np.outer(scale, scale)
    seen = sorted(rng.permutation(n)[: rng.integers(1, n)].tolist())
    rest = [i for i in range(n) if i not in seen]
    steps = rng.normal(size=(len(seen), 2))
    precision = np.linalg.inv(matrix)
    inner = np.linalg.inv(precision[np.ix_(rest, rest)])
    moves = cr.conditional_means(matrix, seen, steps)
    np.testing.assert_allclose(
        moves[rest], -inner @ precision[np.ix_(rest, seen)] @ steps, rtol=1e-6, atol=1e-8
    )
    np.testing.assert_array_equal(moves[seen], steps)
    within = matrix[np.ix_(seen, seen)]
    variance = np.trace(steps.T @ np.linalg.inv(within) @ steps) / steps.size
    open_ = cr.unexplained(matrix, seen, steps)
    np.testing.assert_allclose(open_[rest], np.diag(inner) * variance, rtol=1e-6, atol=1e-8)
    assert not open_[seen].any()


def test_steps_of_one_member_move_partners_by_rho():
    matrix = cr.correlation_matrix(["a", "b", "c"], {"g": (0.6, ["a", "b"])})
    steps = np.array([[2.0, -1.0]])
    np.testing.assert_allclose(
        cr.conditional_means(matrix, [0], steps), [[2.0, -1.0], [1.2, -0.6], [0, 0]]
    )
    np.testing.assert_allclose(cr.unexplained(matrix, [0], steps), [0, 0.64 * 2.5, 2.5])


def test_perfect_correlation_moves_all_alike():
    matrix = cr.correlation_matrix(list("abc"), {"g": (1.0, list("abc"))})
    np.testing.assert_allclose(cr.conditional_means(matrix, [0], [[2.0]]), [[2.0]] * 3)
    both = cr.conditional_means(matrix, [0, 1], [[2.0], [2.0]])
    np.testing.assert_allclose(both, [[2.0]] * 3)
    np.testing.assert_allclose(cr.unexplained(matrix, [0], [[2.0]]), 0, atol=1e-12)


def test_large_groups_are_checked_at_once():
    many = [f"m{i}" for i in range(20000)]
    cr.check_groups({"g": (0.4, many), "h": (0.5, many[:10000])})
    cr.check_groups({"g": (-1 / 19999, many)})
    with pytest.raises(CorrelationError, match=r"rho of at least -5\.00025e-05"):
        cr.check_groups({"g": (-0.001, many)})
    with pytest.raises(CorrelationError, match="'m0' and 'm1'"):
        cr.check_groups({"g": (0.6, many), "h": (0.5, many[:2])})
    cr.check_groups({})


def test_the_pair_that_disagrees_is_named():
    groups = {"ab": (0.9, ["a", "b"]), "bc": (0.9, ["b", "c"]), "xy": (0.5, ["x", "y"])}
    with pytest.raises(CorrelationError, match="'b' and '[ac]'|'[ac]' and 'b'"):
        cr.check_groups(groups)
    for rho in (1.5, math.nan, True, "0.5"):
        with pytest.raises(CorrelationError, match="out of range"):
            cr.check_groups({"g": (rho, ["a", "b"])})


@pytest.mark.parametrize("rho", [0.0, 0.3, -0.6, 0.85])
def test_entropies_are_those_of_a_two_mode_squeezed_vacuum(rho):
    """Schmidt weights (1 - t^2) t^2n with t = tanh r, tanh 2r = |rho|."""
    r = math.atanh(abs(rho)) / 2
    weights = (1 - math.tanh(r) ** 2) * math.tanh(r) ** (2 * np.arange(400))
    weights = weights[weights > 0]
    entropy = -np.sum(weights * np.log2(weights))
    nu = cr.symplectic_value([[1, rho], [rho, 1]], 0)
    np.testing.assert_allclose(cr.entanglement_entropy(nu), entropy, atol=1e-9)
    negativity = 2 * np.log2(np.sum(np.sqrt(weights)))
    np.testing.assert_allclose(cr.log_negativity(rho), negativity, atol=1e-9)
    samples = np.random.default_rng(0).multivariate_normal([0, 0], [[1, rho], [rho, 1]], 10)
    assert samples.shape == (10, 2)
    np.testing.assert_allclose(
        cr.mutual_information(rho), -0.5 * np.log2(np.linalg.det([[1, rho], [rho, 1]])), atol=1e-12
    )


def test_more_members_entangle_more():
    r = np.full((5, 5), 0.5) + 0.5 * np.eye(5)
    nus = [cr.symplectic_value(r[:k, :k], 0) for k in range(2, 6)]
    assert nus == sorted(nus)
    for k, nu in zip(range(2, 6), nus, strict=True):
        np.testing.assert_allclose(nu, math.sqrt(np.linalg.inv(r[:k, :k])[0, 0]), atol=1e-12)
    assert cr.symplectic_value(np.ones((2, 2)), 0) == math.inf
    assert cr.entanglement_entropy(math.inf) == math.inf == cr.log_negativity(-1.0)


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng([daily_seed(), 13])
    rho, held = 0.6, 0
    for _ in range(400):
        pair = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], size=(25, 6))
        # A few directions matter most, as in real embeddings: coordinates are not alike.
        pair = pair * np.array([5, 3, 1, 1, 0.1, 0.1])[None, :, None]
        found = cr.measured(pair[..., 0], pair[..., 1])
        held += found.low <= rho <= found.high
        assert found.low <= found.rho <= found.high and found.count == 25
    assert 360 <= held <= 395  # 95 % are 380, sd 4.4; jackknife intervals are a little short


def test_what_cannot_be_measured_has_no_bounds():
    one = np.ones((1, 3))
    assert cr.measured(one, -one) == cr.Measured(-1.0, -1.0, 1.0, 1)
    none = cr.measured(np.zeros((4, 3)), np.ones((4, 3)))
    assert math.isnan(none.rho) and (none.low, none.high, none.count) == (-1.0, 1.0, 4)
    lonely = np.zeros((4, 3))
    lonely[1] = 1
    assert cr.measured(lonely, lonely).low == -1.0
    for a, b, c in ((one, np.ones((2, 3)), 0.9), (one[0], one[0], 0.9), (one, one, 1.0)):
        with pytest.raises(InputError):
            cr.measured(a, b, c)
    assert float(cr.describe_pair(1.0, cr.measured(one, one))) == 1.0
    assert cr.describe_pair(1.0, cr.measured(one, one)).entanglement_entropy == math.inf


def test_nothing_done_to_one_mode_is_seen_in_the_other():
    """No signal: any channel on A leaves the state of B as it is."""
    rng = np.random.default_rng([daily_seed(), 14])
    state = rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4))
    state /= np.linalg.norm(state)
    whole = np.einsum("ab,cd->abcd", state, state.conj())
    kraus = rng.normal(size=(5, 3, 3)) + 1j * rng.normal(size=(5, 3, 3))
    total = np.einsum("kij,kil->jl", kraus.conj(), kraus)
    values, vectors = np.linalg.eigh(total)
    kraus = kraus @ (vectors / np.sqrt(values)) @ vectors.conj().T
    after = np.einsum("kia,abcd,kjc->ibjd", kraus, whole, kraus.conj())
    np.testing.assert_allclose(
        np.einsum("abad->bd", after), np.einsum("abad->bd", whole), atol=1e-12
    )
