"""Pairs of Toffoli gates that may be inexact: the whole stays exact, and only then are they."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.ionq.compiler.lowering import lower
from qstore_tf.ionq.compiler.toffoli import MAX_WIRES, relative_phase_pairs
from tests.ionq.compiler.test_lowering import any_circuits, wanted
from tests.ionq.compiler.test_rotations import (
    assert_same_up_to_phase,
    entanglers,
    seeds,
    unitary,
)

TOFFOLI = ("CCX", [0, 1, 2])
# The same gate in other words.
SPELLED = [
    ("CCX", [0, 1, 2], []),
    ("CCX", [1, 0, 2], []),
    ("CX", [0, 2], [1]),
    ("CX", [1, 2], [0]),
    ("X", [2], [1, 0]),
]


def made(*gates, n_qubits=5):
    circuit = UnifiedCircuit(n_qubits)
    for name, targets, *rest in gates:
        circuit.add_gate(name, targets, *rest)
    return circuit


def pairs(*gates, n_qubits=5):
    return sorted(relative_phase_pairs(made(*gates, n_qubits=n_qubits)))


def assert_exact(circuit):
    paired = relative_phase_pairs(circuit)
    lowered = lower(circuit, paired)
    assert_same_up_to_phase(unitary(lowered), wanted(circuit))
    assert len(paired) % 2 == 0
    assert entanglers(lowered) == entanglers(lower(circuit)) - 2 * len(paired)
    return paired


def reversible_circuit(seed, n_qubits, n_gates):
    """A circuit that permutes basis states, with diagonal gates, and often undoes its gates."""
    rng = np.random.default_rng(seed)
    circuit = UnifiedCircuit(n_qubits)
    done = []
    for _ in range(n_gates):
        kind = rng.random()
        qubits = rng.permutation(n_qubits).tolist()
        if kind < 0.2:
            name, count, params = [("RZ", 1, ["a"]), ("CZ", 2, []), ("CPhase", 2, [0.3])][
                rng.integers(3)
            ]
            circuit.add_gate(name, qubits[:count], params)
        elif kind < 0.5 and done:
            circuit.add_gate(*done.pop())
        else:
            name, count = [("CCX", 3), ("CCX", 3), ("CX", 2), ("X", 1), ("SWAP", 2)][
                rng.integers(5)
            ]
            done.append((name, qubits[:count]))
            circuit.add_gate(*done[-1])
    while done and rng.random() < 0.9:
        circuit.add_gate(*done.pop())
    return circuit


@settings(max_examples=80, deadline=None)
@given(st.builds(reversible_circuit, seeds, st.integers(3, 5), st.integers(2, 10)))
def test_reversible_circuits_with_diagonal_gates_stay_exact(circuit):
    assert_exact(circuit)


def test_random_reversible_circuits_do_have_pairs():
    found = [len(relative_phase_pairs(reversible_circuit(seed, 4, 8))) for seed in range(30)]
    assert sum(found) > 20


@settings(max_examples=40, deadline=None)
@given(any_circuits(max_qubits=4, max_gates=12))
def test_other_circuits_stay_exact_too(circuit):
    assert_exact(circuit)


@pytest.mark.parametrize("first", SPELLED)
@pytest.mark.parametrize("second", SPELLED)
def test_a_pair_is_found_however_it_is_written(first, second):
    circuit = UnifiedCircuit(4)
    for name, targets, controls in (first, second):
        circuit.add_gate(name, targets, controls=controls)
        circuit.add_gate("CX", [2, 3])
    assert assert_exact(circuit) == {0, 2}


BETWEEN = {
    "nothing": [],
    "its target as a control": [("CX", [2, 3])],
    "its control as a control": [("CX", [0, 3]), ("CCX", [1, 2, 4])],
    "gates on other qubits": [("X", 3), ("SWAP", [3, 4]), ("CX", [3, 4])],
    "diagonal gates": [("RZ", 2, "a"), ("CZ", [0, 2]), ("T", 1), ("CCZ", [0, 1, 2]), ("S", 3)],
    "a flip that is taken back": [("X", 0), ("CX", [0, 3]), ("X", 0)],
    "a sum that is taken back": [("CX", [3, 1]), ("CX", [1, 4]), ("CX", [3, 1])],
    "swaps that are taken back": [("SWAP", [0, 3]), ("CX", [3, 4]), ("SWAP", [3, 0])],
    "a sum into a control that is taken back": [("CX", [0, 1]), ("CX", [0, 1])],
    "a global phase": [("GlobalPhase", [], 0.4)],
}


@pytest.mark.parametrize("name", BETWEEN)
def test_a_pair_is_found_around(name):
    circuit = made(TOFFOLI, *BETWEEN[name], TOFFOLI)
    assert assert_exact(circuit) == {0, len(circuit) - 1}


HARMFUL = {
    "a Hadamard gate on the target": [("H", 2)],
    "a rotation of a control": [("RX", 0, 0.3)],
    "a flip of a control": [("X", 0)],
    "a flip of the target": [("X", 2)],
    "a sum into a control": [("CX", [3, 1])],
    "a sum into the target": [("CX", [3, 2])],
    "another Toffoli gate into a control": [("CCX", [3, 4, 0])],
    "a swap of the target away": [("SWAP", [2, 3])],
    "a controlled swap": [("CSWAP", [3, 2, 4])],
}


@pytest.mark.parametrize("name", HARMFUL)
def test_no_pair_is_made_where_phases_would_do_harm(name):
    circuit = made(TOFFOLI, *HARMFUL[name], TOFFOLI)
    assert not relative_phase_pairs(circuit) & {0, len(circuit) - 1}
    # And they would do harm.
    exact, wrong = wanted(circuit), unitary(lower(circuit, {0, len(circuit) - 1}))
    assert abs(np.vdot(exact, wrong)) < len(exact) - 1e-3


def test_gates_that_neither_permute_nor_turn_phases_end_the_search():
    # These do no harm, but are not looked at any closer.
    assert not pairs(TOFFOLI, ("H", 3), TOFFOLI)
    assert not pairs(TOFFOLI, ("RXX", [3, 4], 0.1), TOFFOLI)


def test_a_matrix_ends_the_search():
    circuit = made(TOFFOLI).add_unitary(np.diag([1, 1j]), 3).add_gate(*TOFFOLI)
    assert not relative_phase_pairs(circuit)


def test_one_gate_alone_is_exact():
    assert not pairs(TOFFOLI)
    assert not pairs(TOFFOLI, ("CCX", [0, 2, 1]))
    assert not pairs(TOFFOLI, ("CCX", [0, 1, 3]))


def test_no_gate_is_in_two_pairs():
    assert pairs(TOFFOLI, TOFFOLI, TOFFOLI) == [0, 1]
    assert pairs(*[TOFFOLI] * 4) == [0, 1, 2, 3]


def test_pairs_within_pairs_and_across_pairs_are_found():
    other = ("CCX", [2, 3, 4])
    assert pairs(TOFFOLI, other, other, TOFFOLI) == [0, 1, 2, 3]
    third = ("CCX", [0, 3, 4])
    crossed = made(TOFFOLI, third, TOFFOLI, third)
    assert assert_exact(crossed) == {0, 1, 2, 3}


def test_gates_of_more_or_fewer_controls_are_no_toffoli_gates():
    more = UnifiedCircuit(5)
    for _ in range(2):
        more.add_gate("X", 4, controls=[0, 1, 2]).add_gate("CX", [0, 1]).add_gate("CCZ", [0, 1, 2])
    assert not relative_phase_pairs(more)


def test_the_search_ends_where_truth_tables_would_be_too_large():
    def ladder(length):
        gates = [("CX", [2 + q, 3 + q]) for q in range(length)]
        return pairs(TOFFOLI, *gates, TOFFOLI, n_qubits=30)

    assert len(ladder(MAX_WIRES - 3)) == 2
    assert not ladder(MAX_WIRES - 2)
