"""Variance of gradients, purity and entanglement against their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qstore_tf.callbacks.statistics import (
    GradientWindow,
    meyer_wallach,
    random_signs,
    single_qubit_purities,
)

GRADIENTS = arrays(
    np.float64, st.tuples(st.integers(1, 9), st.integers(1, 5)), elements=st.floats(-1e3, 1e3)
)


@given(GRADIENTS, st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_norm_and_variance_are_numpys_over_the_last_gradients(
    gradients: np.ndarray, size: int
) -> None:
    window = GradientWindow(size)
    for gradient in gradients:
        window.add(gradient)
    assert window.full == (len(gradients) >= size)
    assert window.variance == pytest.approx(np.var(gradients[-size:]), rel=1e-9, abs=1e-12)
    assert window.norm == pytest.approx(np.linalg.norm(gradients[-1]))


def test_gradients_of_another_circuit_begin_a_new_window() -> None:
    window = GradientWindow(3)
    window.add([1.0, 2.0])
    window.add([5.0, 5.0, 5.0])
    assert window.variance == 0.0


def random_state(rng: np.random.Generator, n_qubits: int) -> np.ndarray:
    state = rng.normal(size=2**n_qubits) + 1j * rng.normal(size=2**n_qubits)
    return state / np.linalg.norm(state)


@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_the_qubits_of_a_product_state_are_pure(n_qubits: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    state = np.ones(1)
    for _ in range(n_qubits):
        state = np.kron(state, random_state(rng, 1))
    purities = single_qubit_purities(state[None])
    np.testing.assert_allclose(purities, 1.0, atol=1e-12)
    assert meyer_wallach(purities) == pytest.approx(0.0, abs=1e-12)


@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_purities_are_those_of_the_reduced_density_matrices(n_qubits: int, seed: int) -> None:
    state = random_state(np.random.default_rng(seed), n_qubits)
    tensor = state.reshape((2,) * n_qubits)
    for qubit, purity in enumerate(single_qubit_purities(3.0 * state[None])[0]):
        rows = np.moveaxis(tensor, qubit, 0).reshape(2, -1)
        rho = rows @ rows.conj().T
        assert purity == pytest.approx(np.trace(rho @ rho).real)
        assert 0.5 - 1e-9 <= purity <= 1 + 1e-9


@pytest.mark.parametrize("n_qubits", [2, 3, 5])
def test_bell_and_ghz_states_are_entangled_as_far_as_can_be(n_qubits: int) -> None:
    state = np.zeros((1, 2**n_qubits))
    state[0, [0, -1]] = np.sqrt(0.5)
    np.testing.assert_allclose(single_qubit_purities(state), 0.5)
    assert meyer_wallach(single_qubit_purities(state)) == pytest.approx(1.0)


def test_only_the_entangled_qubits_are_mixed_and_qubit_0_is_the_first() -> None:
    bell = np.array([1, 0, 0, 1]) / np.sqrt(2)
    state = np.kron([1, 0], bell)
    np.testing.assert_allclose(single_qubit_purities(state[None]), [[1.0, 0.5, 0.5]])


def test_one_random_combination_has_the_mean_square_of_all_gradients() -> None:
    rng = np.random.default_rng(3)
    jacobian = rng.normal(size=(4, 3, 2))  # 4 samples, 3 observables, 2 angles
    drawn = [
        np.einsum("bk,bkp->p", random_signs((4, 3), rng), jacobian) ** 2 for _ in range(20_000)
    ]
    np.testing.assert_allclose(np.mean(drawn, axis=0), np.mean(jacobian**2, axis=(0, 1)), rtol=0.05)
