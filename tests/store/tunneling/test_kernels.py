"""Features against the kernels that they stand for, and distances against their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from qstore_tf.errors import ConfigurationError, InputError
from qstore_tf.store.tunneling.kernels import (
    DISTANCES,
    KERNELS,
    bures,
    check_series,
    hilbert_schmidt,
    kernel_named,
)
from qstore_tf.testing.daily import daily_seed


def rows_of(seed, count, dimension, complex_=False):
    rng = np.random.default_rng([daily_seed(), seed])
    rows = rng.normal(size=(count, dimension))
    return rows + 1j * rng.normal(size=rows.shape) if complex_ else rows


def cosine(x, y):
    return np.vdot(x, y) / np.linalg.norm(x) / np.linalg.norm(y)


settings_of = {
    "seed": st.integers(0, 10**6),
    "count": st.integers(2, 9),
    "dimension": st.integers(1, 5),
}


@settings(max_examples=40, deadline=None)
@given(**settings_of, complex_=st.booleans())
def test_features_of_states_have_the_fidelity_as_inner_product(seed, count, dimension, complex_):
    rows = rows_of(seed, count, dimension, complex_)
    features = KERNELS["fidelity"].features(rows)
    want = [[abs(cosine(x, y)) ** 2 for y in rows] for x in rows]
    np.testing.assert_allclose(features @ features.T, want, atol=1e-12)
    if not complex_:
        features = KERNELS["lifted"].features(rows)
        want = [[((1 + cosine(x, y)) / 2) ** 2 for y in rows] for x in rows]
        np.testing.assert_allclose(features @ features.T, want, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(**settings_of)
def test_features_of_the_gaussian_kernel(seed, count, dimension):
    rows = rows_of(seed, count, dimension)
    apart = np.array([[np.sum((x - y) ** 2) for y in rows] for x in rows])
    want = np.exp(-apart / np.median(apart[apart > 0]))
    features = KERNELS["gaussian"].features(rows)
    np.testing.assert_allclose(features @ features.T, want, atol=1e-6)


def test_a_long_series_keeps_the_gaussian_kernel_between_its_landmarks():
    rows = rows_of(1, 700, 3)
    features = KERNELS["gaussian"].features(rows)
    apart = np.sum((rows[:, None] - rows) ** 2, axis=2)
    chosen = np.unique(np.linspace(0, 699, 256).astype(int))
    scale = np.median(apart[np.ix_(chosen, chosen)][~np.eye(256, dtype=bool)])
    gram = features @ features.T
    want = np.exp(-apart / scale)
    within = np.ix_(chosen, chosen)
    np.testing.assert_allclose(gram[within], want[within], atol=1e-6)
    assert (np.diag(gram) <= 1 + 1e-9).all()  # a projection shortens
    assert np.abs(gram - want).mean() < 0.02


@settings(max_examples=30, deadline=None)
@given(**settings_of, complex_=st.booleans())
def test_distances_of_means_are_those_of_density_matrices(seed, count, dimension, complex_):
    one, other = (rows_of([seed, n], count, dimension, complex_) for n in range(2))
    kernel = KERNELS["fidelity"]
    matrices = []
    for rows in (one, other):
        states = kernel.states(rows)
        matrices.append(sum(np.outer(x, x.conj()) for x in states) / count)
    means = [kernel.features(rows).mean(axis=0) for rows in (one, other)]
    # The maximum mean discrepancy, from its definition by the kernel.
    k = [
        [[abs(cosine(x, y)) ** 2 for y in b] for x in a] for a in (one, other) for b in (one, other)
    ]
    mmd2 = np.mean(k[0]) - np.mean(k[1]) - np.mean(k[2]) + np.mean(k[3])
    assert np.sum((means[0] - means[1]) ** 2) == pytest.approx(mmd2, abs=1e-12)
    assert hilbert_schmidt(*matrices) ** 2 == pytest.approx(mmd2, abs=1e-12)
    assert np.sum(means[0] ** 2) == pytest.approx(np.trace(matrices[0] @ matrices[0]).real)
    root = sqrtm(matrices[0] + 1e-14 * np.eye(dimension))
    overlap = np.trace(sqrtm(root @ matrices[1] @ root + 1e-14 * np.eye(dimension))).real
    assert bures(*matrices) ** 2 == pytest.approx(max(0, 2 - 2 * overlap), abs=1e-5)
    for distance in DISTANCES.values():
        assert distance(matrices[0], matrices[0]) < 1e-6
        assert distance(*matrices) == pytest.approx(distance(*matrices[::-1]), abs=1e-9)


def test_what_each_kernel_is_blind_to():
    rows = rows_of(3, 6, 3)
    flipped = rows * np.array([1, -1, 1, -1, 1, 1])[:, None]
    longer = rows * np.arange(1, 7)[:, None]

    def gram(kernel, series):
        features = KERNELS[kernel].features(series)
        return features @ features.T

    np.testing.assert_allclose(gram("fidelity", flipped), gram("fidelity", rows), atol=1e-12)
    np.testing.assert_allclose(gram("lifted", longer), gram("lifted", rows), atol=1e-12)
    assert np.abs(gram("lifted", flipped) - gram("lifted", rows)).max() > 0.01
    assert np.abs(gram("gaussian", longer) - gram("gaussian", rows)).max() > 0.01


def test_series_that_make_no_states_are_refused():
    with pytest.raises(ConfigurationError, match="Did you mean 'gaussian'"):
        kernel_named("gausian")
    zero = np.array([[1.0, 0.0], [0.0, 0.0]])
    for name in ("fidelity", "lifted"):
        with pytest.raises(InputError, match="Row 1 of the series is zero"):
            KERNELS[name].features(zero)
    assert KERNELS["gaussian"].features(zero).shape[0] == 2
    assert KERNELS["gaussian"].features(np.zeros((3, 2))).shape[0] == 3
    with pytest.raises(InputError, match="complex"):
        KERNELS["gaussian"].features(zero + 0j)
    for series, words in (
        (np.zeros((2, 2, 2)), "one vector per time"),
        ([["a"]], "one vector per time"),
        (np.zeros((3, 0)), "one vector per time"),
        (np.zeros((3, 1)), "at least 4 rows"),
        ([[1.0], [np.nan], [1.0], [1.0]], "Row 1"),
    ):
        with pytest.raises(InputError, match=words):
            check_series(series, 4)
    assert check_series([1, 2, 3, 4], 4).shape == (4, 1)
