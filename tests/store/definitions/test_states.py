"""States of items, written out as density matrices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf import memory
from qstore_tf.errors import InputError, MemoryLimitError
from qstore_tf.store.definitions.states import QuantumState

seeds = st.integers(0, 2**32 - 1)


def random_state(seed, m, d, im, eta=1.0):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(m, d)) + (1j * rng.normal(size=(m, d)) if im else 0)
    query = rng.normal(size=d) + (1j * rng.normal(size=d) if im else 0)
    state = QuantumState.of([f"c{i}" for i in range(m)], rng.dirichlet(np.ones(m)), vectors, eta)
    return state, query / np.linalg.norm(query)


@settings(max_examples=50, deadline=None)
@given(
    seed=seeds,
    m=st.integers(1, 5),
    d=st.integers(1, 7),
    im=st.booleans(),
    eta=st.sampled_from([1.0, 0.4, 0.0]),
)
def test_matrices_are_states_and_give_the_scores(seed, m, d, im, eta):
    state, query = random_state(seed, m, d, im, eta)
    rho, data = state.density_matrix(), state.reduced_density_matrix()
    for matrix in (rho, data):
        np.testing.assert_allclose(np.trace(matrix), 1, atol=1e-12)
        np.testing.assert_allclose(matrix, matrix.conj().T, atol=1e-15)
        assert np.linalg.eigvalsh(matrix)[0] > -1e-12
    np.testing.assert_allclose(np.trace(rho @ rho).real, state.purity(), atol=1e-12)
    blocks = rho.reshape(2**state.context_qubits, len(data), 2**state.context_qubits, len(data))
    np.testing.assert_allclose(np.einsum("iaib->ab", blocks), data, atol=1e-12)

    padded = np.zeros(len(data), complex)
    padded[:d] = query
    score = (padded.conj() @ data @ padded).real
    np.testing.assert_allclose(state.measure(query).score, score, atol=1e-12)
    for i, name in enumerate(state.contexts):
        chance = (padded.conj() @ blocks[i, :, i] @ padded).real
        np.testing.assert_allclose(state.measure(query, name).score, chance, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, m=st.integers(1, 4), d=st.integers(2, 5), im=st.booleans())
def test_feedback_follows_the_tested_state(seed, m, d, im):
    state, query = random_state(seed, m, d, im)
    size = 2**state.data_qubits
    padded = np.zeros(size, complex)
    padded[:d] = query
    test = np.outer(padded, padded.conj())
    for relevant, outcome in ((True, test), (False, np.eye(size) - test)):
        operator = np.kron(np.eye(2**state.context_qubits), outcome)
        after = operator @ state.density_matrix() @ operator
        weights = np.einsum("iaia->i", after.reshape(2**state.context_qubits, size, -1, size)).real
        want = weights[:m] / weights.sum()
        np.testing.assert_allclose(state.after(query, relevant).weights, want, atol=1e-12)


def test_waiting_twice_is_waiting_once():
    state, _ = random_state(1, 2, 3, True)
    twice = state.decayed(30, 100).decayed(50, 100)
    np.testing.assert_allclose(twice.density_matrix(), state.decayed(80, 100).density_matrix())
    assert twice.purity() < state.decayed(30, 100).purity() < state.purity() == 1


def test_refusals(monkeypatch):
    for contexts, weights, vectors, eta in (
        (["a"], [1.0], [[0.0, 0.0]], 1.0),
        (["a"], [1.0], [[np.nan, 0.0]], 1.0),
        (["a"], [1.0], [[1.0, 0.0]], 1.5),
        (["a"], [0.5], [[1.0, 0.0]], 1.0),
        (["a"], [1.0], [1.0, 0.0], 1.0),
        (["a", "a"], [0.5, 0.5], [[1.0], [1.0]], 1.0),
        (["a", "b"], [1.0], [[1.0], [1.0]], 1.0),
    ):
        with pytest.raises(InputError):
            QuantumState.of(contexts, weights, vectors, eta)
    state, query = random_state(2, 1, 4, False)
    with pytest.raises(InputError, match="impossible"):
        QuantumState.of(["a"], [1.0], [[1.0, 0.0]]).after([0.0, 1.0])
    monkeypatch.setattr(memory, "available_bytes", lambda: 100)
    with pytest.raises(MemoryLimitError):
        state.density_matrix()
    assert state.measure(query) is not None
