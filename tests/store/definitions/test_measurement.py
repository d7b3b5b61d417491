"""Closed forms of measurements equal density matrices, written out in full."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.errors import ConfigurationError, InputError
from qstore_tf.store.definitions import measurement as ms
from qstore_tf.store.definitions.decoherence import depolarize

seeds = st.integers(0, 2**32 - 1)


def unit(rng, shape, is_complex):
    rows = rng.normal(size=shape) + (1j * rng.normal(size=shape) if is_complex else 0)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


class Item:
    """A random item, and its state over 2^a x 2^n dimensions as a density matrix."""

    def __init__(self, seed, m, d, is_complex, eta=1.0):
        rng = np.random.default_rng(seed)
        self.n, self.a = (d - 1).bit_length(), (m - 1).bit_length()
        self.names = [f"c{i}" for i in range(m)]
        self.weights = rng.dirichlet(np.ones(m))
        self.states, self.query = unit(rng, (m, d), is_complex), unit(rng, d, is_complex)
        self.mix = rng.dirichlet(np.ones(m))
        self.eta = eta
        full = np.zeros((2**self.a, 2**self.n), complex)
        full[:m, :d] = np.sqrt(self.weights)[:, None] * self.states
        self.rho = depolarize(np.outer(full.ravel(), full.ravel().conj()), eta)
        padded = np.zeros(2**self.n, complex)
        padded[:d] = self.query
        self.test = np.outer(padded, padded.conj())

    def chance(self, contexts):
        """P of both: `contexts`, an operator on the left register, and the test."""
        return np.trace(np.kron(contexts, self.test) @ self.rho).real

    def measure(self, context, **options):
        return ms.measure(
            self.names,
            self.weights,
            self.states,
            self.query,
            context,
            eta=self.eta,
            data_qubits=self.n,
            context_qubits=self.a,
            **options,
        )

    def register(self, amplitudes):
        column = np.zeros(2**self.a, complex)
        column[: len(amplitudes)] = amplitudes
        return np.outer(column, column.conj())


items = st.builds(
    Item,
    seed=seeds,
    m=st.integers(1, 5),
    d=st.integers(1, 9),
    is_complex=st.booleans(),
    eta=st.sampled_from([1.0, 0.6, 0.0]),
)


@settings(max_examples=60, deadline=None)
@given(item=items)
def test_scores_are_chances_of_the_full_state(item):
    none = item.measure(None)
    np.testing.assert_allclose(none.score, item.chance(np.eye(2**item.a)), atol=1e-12)
    total = 0.0
    for i, name in enumerate(item.names):
        one = item.measure(name)
        projector = item.register(np.eye(len(item.names))[i])
        np.testing.assert_allclose(one.score, item.chance(projector), atol=1e-12)
        pure = one.probability * one.fidelity
        np.testing.assert_allclose(
            one.score, item.eta * pure + (1 - item.eta) / 2 ** (item.n + item.a), atol=1e-12
        )
        alone = item.measure(name, rank_by="fidelity")
        np.testing.assert_allclose(
            alone.score, item.eta * one.fidelity + (1 - item.eta) / 2**item.n, atol=1e-12
        )
        total += pure
    np.testing.assert_allclose(none.fidelity, total, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(item=items)
def test_coherent_scores_interfere_as_the_full_state_does(item):
    found = item.measure(dict(zip(item.names, item.mix, strict=True)))
    wanted = item.register(np.sqrt(item.mix))
    np.testing.assert_allclose(found.score, item.chance(wanted), atol=1e-12)
    pure = found.probability * found.fidelity
    whole = item.eta * pure + (1 - item.eta) / 2 ** (item.n + item.a)
    np.testing.assert_allclose(found.score, whole, atol=1e-12)
    # The chance of the contexts alone, of the state without decay.
    chance = np.linalg.norm(np.sqrt(item.mix * item.weights) @ item.states) ** 2
    np.testing.assert_allclose(found.probability, chance, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, m=st.integers(1, 5), d=st.integers(1, 9), is_complex=st.booleans())
def test_contexts_after_a_test_follow_bayes(seed, m, d, is_complex):
    item = Item(seed, m, d, is_complex)
    after = np.kron(np.eye(2**item.a), item.test) @ item.rho @ np.kron(np.eye(2**item.a), item.test)
    after /= np.trace(after).real
    blocks = after.reshape(2**item.a, 2**item.n, 2**item.a, 2**item.n)
    weights = np.einsum("iaia->i", blocks).real[:m]
    fidelities = ms.fidelity(item.query, item.states)
    np.testing.assert_allclose(ms.lueders(item.weights, fidelities), weights, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, d=st.integers(1, 8), is_complex=st.booleans())
def test_contexts_of_a_basis_follow_the_born_rule(seed, d, is_complex):
    rng = np.random.default_rng(seed)
    full = np.linalg.qr(unit(rng, (d, d), is_complex))[0]
    vector = unit(rng, d, is_complex) * 3
    split = int(rng.integers(0, d + 1))
    weights = []
    for basis in (full[:, :split], full[:, split:]):
        weight, seen = ms.project(basis, vector)
        projector = basis @ basis.conj().T
        np.testing.assert_allclose(
            weight, (vector.conj() @ projector @ vector).real / 9, atol=1e-12
        )
        np.testing.assert_allclose(projector @ seen, seen, atol=1e-12)
        if weight > 1e-12:
            np.testing.assert_allclose(np.linalg.norm(seen), 3, atol=1e-12)
            again, same = ms.project(basis, seen)  # a measurement repeats itself
            np.testing.assert_allclose(again, 1, atol=1e-12)
            np.testing.assert_allclose(same, seen, atol=1e-12)
        weights.append(weight)
    np.testing.assert_allclose(sum(weights), 1, atol=1e-12)


def test_order_of_projections_may_matter():
    a, b = np.array([[1.0], [0.0]]), np.array([[1.0], [1.0]]) / np.sqrt(2)
    vector = np.array([1.0, 0.0])
    chances = []
    for first, second in ((a, b), (b, a)):
        weight, seen = ms.project(first, vector)
        chances.append(weight * ms.project(second, seen)[0])
    np.testing.assert_allclose(chances, [0.5, 0.25])


def test_who_has_no_part_is_not_found():
    options = {"states": [[1.0, 0.0]] * 2, "query": [1.0, 0.0], "data_qubits": 1}
    unnamed = ms.measure([""], [1.0], [[1.0, 0.0]], [1.0, 0.0], "a", data_qubits=1)
    assert unnamed is None
    assert ms.measure(["a", "b"], [1.0, 0.0], context="b", **options) is None
    assert ms.measure(["a", "b"], [1.0, 0.0], context={"b": 1.0}, **options) is None
    assert ms.measure(["a", "b"], [1.0, 0.0], context={"z": 1.0}, **options) is None


def test_refusals():
    with pytest.raises(ConfigurationError, match="ranked"):
        ms.check_ranking("distance", None)
    with pytest.raises(ConfigurationError, match="fidelity of their own"):
        ms.check_ranking("fidelity", {"a": 1.0})
    for weights in ([0.5, 0.4], [1.5, -0.5], [np.nan], []):
        with pytest.raises(InputError, match="probabilities"):
            ms.normalized(weights, "an item")
    total = ms.normalized([0.333333, 0.666667 + 5e-7], "an item").sum()
    np.testing.assert_allclose(total, 1, rtol=1e-15)
    with pytest.raises(InputError, match="impossible"):
        ms.lueders([1.0, 0.0], [0.0, 1.0])
    with pytest.raises(InputError, match="orthonormal"):
        ms.project([[1.0], [1.0]], [1.0, 0.0])
    for vector in ([0.0, 0.0], [1.0]):
        with pytest.raises(InputError, match="does not fit"):
            ms.project([[1.0], [0.0]], vector)
