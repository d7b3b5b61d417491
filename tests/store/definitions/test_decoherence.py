"""Decay is a semigroup; its times are known beforehand."""

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.errors import ConfigurationError
from qstore_tf.store.definitions import decoherence as dc

ages = st.floats(0, 1e6)
taus = st.floats(1e-3, 1e7)


@settings(max_examples=50, deadline=None)
@given(s=ages, t=ages, tau=taus)
def test_two_waits_are_one(s, t, tau):
    both = dc.coherence(s, tau) * dc.coherence(t, tau)
    np.testing.assert_allclose(dc.coherence(s + t, tau), both, rtol=1e-9, atol=1e-300)


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), n=st.integers(1, 3), eta=st.floats(0, 1), more=st.floats(0, 1)
)
def test_closed_forms_are_those_of_the_channel(seed, n, eta, more):
    rng = np.random.default_rng(seed)
    size = 2**n
    state, query = rng.normal(size=(2, size)) + 1j * rng.normal(size=(2, size))
    state, query = state / np.linalg.norm(state), query / np.linalg.norm(query)
    pure = np.outer(state, state.conj())
    rho = dc.depolarize(pure, eta)
    assert abs(np.trace(rho) - 1) < 1e-12
    np.testing.assert_allclose(np.trace(rho @ rho).real, dc.purity(eta, size), atol=1e-12)
    score = (query.conj() @ rho @ query).real
    f = abs(query.conj() @ state) ** 2
    np.testing.assert_allclose(score, dc.decayed(f, eta, size), atol=1e-12)
    np.testing.assert_allclose(
        dc.depolarize(rho, more), dc.depolarize(pure, eta * more), atol=1e-12
    )
    np.testing.assert_allclose(dc.coherence_at_purity(dc.purity(eta, size), size), eta, atol=1e-7)


def test_the_channel_is_a_uniform_mixture_of_paulis():
    paulis = [np.eye(2), [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]]
    rng = np.random.default_rng(3)
    state = rng.normal(size=2) + 1j * rng.normal(size=2)
    rho = np.outer(state, state.conj()) / np.linalg.norm(state) ** 2
    mixed = sum(p @ rho @ np.conj(p).T for p in map(np.array, paulis)) / 4
    np.testing.assert_allclose(dc.depolarize(rho, 0.3), 0.3 * rho + 0.7 * mixed, atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(start=st.floats(-1e9, 1e9), tau=st.floats(1, 1e7), least=st.floats(1e-6, 0.99))
def test_coherence_reaches_the_threshold_when_it_is_said_to(start, tau, least):
    end = float(dc.expires_at(start, tau, least))
    assert dc.coherence(end - start - tau * 1e-6, tau) > least
    assert dc.coherence(end - start + tau * 1e-6, tau) < least


def test_what_never_ends_and_what_starts_late():
    assert dc.expires_at([1.0, 2.0], [math.inf, 1.0], 1.0).tolist() == [math.inf, 2.0]
    assert dc.coherence(1e300, math.inf) == 1
    assert dc.coherence(-5.0, 1.0) == 1
    with pytest.raises(ConfigurationError):
        dc.expires_at(0.0, 1.0, 0.0)
    for value, dimension in ((0.4, 2), (1.1, 2), (1.0, 1)):
        with pytest.raises(ConfigurationError):
            dc.coherence_at_purity(value, dimension)


def test_clocks():
    assert abs(dc.wall_clock() / 1000 - time.time()) < 5
    clock = dc.ManualClock(3.0)
    clock.advance(-1.0)
    assert clock() == 2.0
