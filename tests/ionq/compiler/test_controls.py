"""Gates under many controls: the gate itself, by as many entangling rotations as is said."""

import math

import numpy as np
import pytest

from qstore_tf.circuits.gates.matrices import PAULIS
from qstore_tf.circuits.symbols import Affine
from qstore_tf.ionq.compiler.controls import (
    flip,
    flip_up_to_phases,
    inverse,
    under_controls,
)
from qstore_tf.testing.daily import daily_seed
from tests.ionq.compiler.test_rotations import assert_same_up_to_phase, basis, rotated


@pytest.fixture
def rng():
    return np.random.default_rng([daily_seed(), 48])


def matrix(steps, n_qubits, states=None):
    states = basis(n_qubits) if states is None else states
    for factors, angle in steps:
        qubits = sorted(factors)
        states = rotated(states, qubits, "".join(factors[q] for q in qubits), angle.constant)
    return states


def controlled(n_qubits, controls, target, gate):
    """A one-qubit gate, [2, 2], where all controls are 1."""
    numbers = np.arange(2**n_qubits)
    bits = (numbers[:, None] >> np.arange(n_qubits)[::-1]) & 1
    on = bits[:, controls].all(axis=1)
    mask = 1 << (n_qubits - 1 - target)
    whole = np.eye(2**n_qubits, dtype=complex)
    for number in numbers[on & (bits[:, target] == 0)]:
        pair = [number, number | mask]
        whole[np.ix_(pair, pair)] = gate
    return whole


def entanglers(steps):
    return sum(len(factors) == 2 for factors, _ in steps)


@pytest.mark.parametrize("n_controls", [2, 3, 4, 5])
@pytest.mark.parametrize("letter", "XYZ")
@pytest.mark.parametrize("as_power", [True, False])
def test_any_rotation_under_any_controls(n_controls, letter, as_power, rng):
    qubits = rng.permutation(n_controls + 1).tolist()
    *controls, target = qubits
    angle = rng.uniform(-7, 7)
    gate = math.cos(angle / 2) * np.eye(2) - 1j * math.sin(angle / 2) * PAULIS[letter]
    if as_power:
        gate = gate * np.exp(0.5j * angle)
    steps = under_controls(controls, target, letter, Affine(angle), as_power)
    assert entanglers(steps) == 2 * n_controls**2 - 2 * n_controls + 1
    assert_same_up_to_phase(
        matrix(steps, len(qubits)), controlled(len(qubits), controls, target, gate)
    )


# Entanglers by the number of controls, with 0, 1, 2 and k - 2 spare qubits: Qiskit 2.6.2's into
# {rz, sx, x, rzz} at level 3, with idle qubits in any state.
QISKIT = {
    3: (13, 13, 13, 13),
    4: (27, 20, 20, 20),
    5: (41, 40, 28, 28),
    6: (61, 52, 36, 36),
    7: (85, 64, 64, 44),
    8: (113, 76, 76, 52),
}


@pytest.mark.parametrize("n_controls", QISKIT)
@pytest.mark.parametrize("place", range(4))
def test_x_takes_no_more_than_by_another_compiler(n_controls, place):
    spare = (0, 1, 2, n_controls - 2)[place]
    steps = flip(range(n_controls), n_controls, range(n_controls + 1, n_controls + 1 + spare))
    assert entanglers(steps) <= QISKIT[n_controls][place]


@pytest.mark.slow
@pytest.mark.parametrize("n_controls", [3, 4, 5, 6])
@pytest.mark.parametrize("spare", [0, 1, 2])
def test_x_is_x_and_borrowed_qubits_are_given_back(n_controls, spare, rng):
    n_qubits = n_controls + 1 + spare
    qubits = rng.permutation(n_qubits).tolist()
    controls, target = qubits[:n_controls], qubits[n_controls]
    steps = flip(controls, target, qubits[n_controls + 1 :])
    wanted = controlled(n_qubits, controls, target, PAULIS["X"])
    assert_same_up_to_phase(matrix(steps, n_qubits), wanted)


def on_clean(steps, n_qubits, clean):
    """What rotations make of the states in which some qubits are |0>, and these states."""
    numbers = np.arange(2**n_qubits)
    kept = np.all([(numbers >> (n_qubits - 1 - q)) & 1 == 0 for q in clean], axis=0)
    return matrix(steps, n_qubits, basis(n_qubits)[:, kept]), kept


@pytest.mark.parametrize("n_controls", [2, 3, 4, 5])
@pytest.mark.parametrize("n_clean", [1, 2])
@pytest.mark.parametrize("n_borrowed", [0, 1])
def test_x_with_qubits_that_are_zero_leaves_them_zero(n_controls, n_clean, n_borrowed, rng):
    n_qubits = n_controls + 1 + n_clean + n_borrowed
    qubits = rng.permutation(n_qubits).tolist()
    controls, target = qubits[:n_controls], qubits[n_controls]
    spare = qubits[n_controls + 1 :]
    clean = spare[:n_clean]
    steps = flip(controls, target, spare, clean)
    assert entanglers(steps) <= entanglers(flip(controls, target, spare))
    found, kept = on_clean(steps, n_qubits, clean)
    wanted = controlled(n_qubits, controls, target, PAULIS["X"])[:, kept]
    assert_same_up_to_phase(found, wanted)


@pytest.mark.parametrize("n_controls", range(2, 12))
def test_x_with_enough_qubits_that_are_zero_takes_six_for_each_control(n_controls):
    for n_clean in range(math.ceil(n_controls / 2) - 1, n_controls):
        clean = range(n_controls + 1, n_controls + 1 + n_clean)
        steps = flip(range(n_controls), n_controls, clean, clean)
        assert entanglers(steps) == 6 * n_controls - 7


@pytest.mark.slow
@pytest.mark.parametrize("n_controls", [2, 3, 4, 5])
@pytest.mark.parametrize("n_clean", [1, 2, 3])
@pytest.mark.parametrize("letter", "XYZ")
@pytest.mark.parametrize("as_power", [True, False])
def test_any_rotation_with_qubits_that_are_zero(n_controls, n_clean, letter, as_power, rng):
    n_qubits = n_controls + 1 + n_clean
    qubits = rng.permutation(n_qubits).tolist()
    controls, target, clean = qubits[:n_controls], qubits[n_controls], qubits[n_controls + 1 :]
    angle = rng.uniform(-7, 7)
    gate = math.cos(angle / 2) * np.eye(2) - 1j * math.sin(angle / 2) * PAULIS[letter]
    if as_power:
        gate = gate * np.exp(0.5j * angle)
    steps = under_controls(controls, target, letter, Affine(angle), as_power, clean)
    assert entanglers(steps) <= 2 * n_controls**2 - 2 * n_controls + 1
    if n_clean >= n_controls - 1:
        assert entanglers(steps) <= 6 * n_controls - 5
    found, kept = on_clean(steps, n_qubits, clean)
    wanted = controlled(n_qubits, controls, target, gate)[:, kept]
    assert_same_up_to_phase(found, wanted)


def test_x_by_one_borrowed_qubit_where_chains_take_more(rng):
    # The way that is taken from eight controls on.
    from qstore_tf.ionq.compiler.controls import _with_one

    for n_controls in (4, 5):
        qubits = rng.permutation(n_controls + 2).tolist()
        *controls, target, spare = qubits
        wanted = controlled(len(qubits), controls, target, PAULIS["X"])
        assert_same_up_to_phase(matrix(_with_one(controls, target, [spare]), len(qubits)), wanted)


@pytest.mark.parametrize("n_controls", [1, 2, 3, 4, 5])
def test_x_up_to_phases_is_a_permutation_with_phases(n_controls, rng):
    qubits = rng.permutation(n_controls + 1).tolist()
    *controls, target = qubits
    steps = flip_up_to_phases(controls, target)
    found = matrix(steps, len(qubits))
    wanted = controlled(len(qubits), controls, target, PAULIS["X"])
    np.testing.assert_allclose(abs(found), wanted.real, atol=1e-12)
    assert_same_up_to_phase(
        matrix([*steps, *inverse(steps)], len(qubits)), np.eye(2 ** len(qubits))
    )
