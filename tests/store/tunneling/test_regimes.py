"""Cuts against all possible cuts, costs against purities, false alarms against their level."""

import builtins
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.errors import ConfigurationError, InputError, LibraryError
from qstore_tf.store.tunneling.kernels import DISTANCES, KERNELS
from qstore_tf.store.tunneling.recurrence import chance_of_gap
from qstore_tf.store.tunneling.regimes import discover_regimes, segment_cost
from qstore_tf.testing.daily import daily_seed

pytest.importorskip("ruptures")


def noise(seed, count, dimension=3, complex_=False):
    rng = np.random.default_rng([daily_seed(), seed])
    rows = rng.normal(size=(count, dimension))
    return rows + 1j * rng.normal(size=rows.shape) if complex_ else rows


def turned(seed, lengths, dimension=4):
    """Stretches, each with one strong axis; of two axes in turn."""
    rng = np.random.default_rng([daily_seed(), seed])
    out = []
    for n, length in enumerate(lengths):
        scale = np.where(np.arange(dimension) == n % 2, 4.0, 1.0)
        out.append(rng.normal(size=(length, dimension)) * scale)
    return np.concatenate(out)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(4, 12), cuts=st.integers(0, 3))
def test_the_cuts_are_the_best_of_all_cuts(seed, count, cuts):
    cuts = min(cuts, count // 2 - 1)
    rows = noise(seed, count)
    for name, kernel in KERNELS.items():
        features = kernel.features(rows)

        def cost(bounds, features=features):
            return sum(segment_cost(features[a:b]) for a, b in itertools.pairwise(bounds))

        every = [
            (0, *chosen, count)
            for chosen in itertools.combinations(range(2, count - 1), cuts)
            if min(np.diff((0, *chosen, count))) >= 2
        ]
        found = discover_regimes(rows, kernel=name, n_changes=cuts, min_size=2)
        least = min(cost(bounds) for bounds in every)
        assert cost((0, *found.changes, count)) == pytest.approx(least, abs=1e-9)
        assert sum(stretch.cost for stretch in found) == pytest.approx(least, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    complex_=st.booleans(),
    kernel=st.sampled_from(["fidelity", "lifted"]),
)
def test_the_cost_of_a_stretch_is_its_impurity(seed, complex_, kernel):
    rows = noise(seed, 30, 3, complex_ and kernel == "fidelity")
    found = discover_regimes(rows, kernel=kernel, n_changes=2, n_regimes=2, min_size=5)
    states = KERNELS[kernel].states(rows)
    assert found[0].start == 0 and found[-1].end == 30
    for stretch in found:
        mine = states[stretch.start : stretch.end]
        rho = sum(np.outer(x, x.conj()) for x in mine) / len(mine)
        purity = np.trace(rho @ rho).real
        assert stretch.purity == pytest.approx(purity, abs=1e-12)
        assert stretch.cost == pytest.approx(len(mine) * (1 - purity), abs=1e-10)
        assert 1 / rho.shape[0] - 1e-12 <= purity <= 1 + 1e-12
    assert len(found.states) == 2
    for label, rho in enumerate(found.states):
        mine = states[found.labels == label]
        want = sum(np.outer(x, x.conj()) for x in mine) / len(mine)
        np.testing.assert_allclose(rho, want, atol=1e-12)


@pytest.mark.parametrize("distance", sorted(DISTANCES))
def test_the_nearest_regimes_are_joined(distance):
    rows = turned(1, [40, 50, 60, 45])
    found = discover_regimes(rows, n_changes=3, n_regimes=2, distance=distance)
    assert [stretch.label for stretch in found] == [0, 1, 0, 1]
    np.testing.assert_allclose(found.changes, [40, 90, 150], atol=12)
    assert found.starts(1) == (found.changes[0], found.changes[2])
    assert found.starts(0) == (found.changes[1],)
    assert found.penalty is None and len(found.labels) == len(rows)
    alone = discover_regimes(rows, n_changes=3, n_regimes=4, distance=distance)
    assert [stretch.label for stretch in alone] == [0, 1, 2, 3]


@pytest.mark.slow
@pytest.mark.parametrize("kernel", sorted(KERNELS))
def test_left_to_itself_it_finds_changes_and_which_regimes_return(kernel):
    rng = np.random.default_rng([daily_seed(), 9])
    rows = turned(2, [120, 100, 130]) if kernel == "fidelity" else rng.normal(size=(350, 4))
    if kernel != "fidelity":
        rows[120:220] += 2.0
    found = discover_regimes(rows, kernel=kernel, alpha=0.02)
    assert len(found) == 3 and found.penalty > 0
    np.testing.assert_allclose(found.changes, [120, 220], atol=12)
    assert found[0].label != found[1].label
    assert (found.states is None) == (kernel == "gaussian")
    again = discover_regimes(rows, kernel=kernel, alpha=0.02)
    assert again.stretches == found.stretches and again.penalty == found.penalty


def test_where_there_is_no_change_one_is_found_as_rarely_as_was_asked():
    runs, alpha = 150, 0.1
    found = sum(
        len(discover_regimes(noise([5, n], 60), alpha=alpha, seed=n)) > 1 for n in range(runs)
    )
    assert found <= runs * alpha + 5 * np.sqrt(runs * alpha * (1 - alpha))


@pytest.mark.parametrize("kernel", sorted(KERNELS))
@pytest.mark.parametrize("sizes", [(10, 15), (40, 100)])
def test_the_chance_of_a_gap_is_that_of_dealing_rows_at_random(kernel, sizes):
    rng = np.random.default_rng([daily_seed(), 4])
    one, other = sizes
    features = KERNELS[kernel].features(rng.normal(size=(sum(sizes), 3)) + 0.5)
    dealt = [rng.permutation(len(features)) for _ in range(400)]
    chances = [chance_of_gap(features[d[:one]], features[d[one:]]) for d in dealt]
    for level in (0.05, 0.3, 0.7):
        spread = np.sqrt(level * (1 - level) / len(chances))
        assert abs(np.mean(np.array(chances) <= level) - level) < 5 * spread + 0.02
    gaps = [np.sum((features[d[:one]].mean(0) - features[d[one:]].mean(0)) ** 2) for d in dealt]
    assert (np.argsort(gaps) == np.argsort(chances)[::-1]).mean() > 0.9  # the larger, the rarer


def test_many_returns_of_one_regime_are_one():
    rows = turned(3, [25, 30] * 8)
    cuts = np.cumsum([25, 30] * 8)[:-1]
    found = discover_regimes(rows)
    near = [min(abs(cut - change) for change in found.changes) for cut in cuts]
    assert np.mean(np.array(near) <= 4) > 0.8
    assert len({stretch.label for stretch in found}) <= 3
    pairs = itertools.pairwise(found)
    assert all(one.label != other.label for one, other in pairs)


def test_what_makes_no_regimes_is_refused():
    rows = noise(0, 40)
    for arguments, words in (
        ({"kernel": "fidelty"}, "Did you mean 'fidelity'"),
        ({"distance": "bure"}, "Did you mean 'bures'"),
        ({"distance": "bures", "kernel": "gaussian"}, "no density matrices"),
        ({"n_changes": 4}, "from 0 to 3"),
        ({"n_changes": -1}, "from 0 to 3"),
        ({"n_changes": 1, "n_regimes": 3}, "more regimes than stretches"),
        ({"n_regimes": 0}, "n_regimes"),
        ({"min_size": 0}, "min_size"),
        ({"alpha": 0.0}, "alpha"),
        ({"alpha": 1.0}, "alpha"),
        ({"alpha": 1e-9}, "at least 0.001"),
        ({"n_changes": 10**18}, "from 0 to 3"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            discover_regimes(rows, **arguments)
    with pytest.raises(InputError, match="at least 20 rows"):
        discover_regimes(rows[:19])


def test_without_ruptures_the_error_says_how_to_install_it(monkeypatch):
    import_ = builtins.__import__

    def without(name, *rest):
        if name == "ruptures":
            raise ImportError("No module named 'ruptures'")
        return import_(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(LibraryError, match=r"pip install 'qstore-tf\[regimes\]'"):
        discover_regimes(noise(0, 40))
