"""What is left out before a measurement is computed from its outcomes."""

import numpy as np
import pytest
from hypothesis import given, settings

from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.ionq.compiler.conjugating import conjugate
from qstore_tf.ionq.compiler.lowering import lower
from qstore_tf.ionq.compiler.merging import merge
from qstore_tf.ionq.compiler.outcomes import OutcomeMap, drop_unmeasured, permutation
from qstore_tf.ionq.compiler.rotations import Rotations
from tests.ionq.compiler.test_lowering import any_circuits, wanted
from tests.ionq.compiler.test_rotations import basis, entanglers, states_after


def bits_of(n_bits):
    """All outcomes, [2^n, n], the first bit the most significant."""
    return np.arange(2**n_bits)[:, None] >> np.arange(n_bits - 1, -1, -1) & 1


def read(outcomes, probabilities, flips=False):
    """The distribution over qubits [2^n, ...] for one over wires."""
    n_wires = outcomes.matrix.shape[1]
    qubits = outcomes(bits_of(n_wires) ^ flips).astype(int)
    result = np.zeros_like(probabilities)
    np.add.at(result, qubits @ (1 << np.arange(n_wires - 1, -1, -1)), probabilities)
    return result


def wire_probabilities(circuit, values):
    """Those of the wires, without reading qubits on other wires, for every basis state."""
    unread = Rotations(circuit.n_wires)
    unread.rotations, unread.frames = circuit.rotations, circuit.frames
    return abs(states_after(unread, basis(circuit.n_wires), values)) ** 2


@settings(max_examples=120, deadline=None)
@given(any_circuits(max_gates=16))
def test_the_distribution_stays_and_nothing_becomes_more(circuit):
    values = {"a": 0.37, "b": -1.1, "c": 2.3}
    lowered = lower(circuit)
    for form in (lowered, conjugate(merge(lowered))):
        shorter, outcomes = drop_unmeasured(form)
        found = read(outcomes, wire_probabilities(shorter, values))
        np.testing.assert_allclose(found, abs(wanted(circuit, values)) ** 2, atol=1e-9)
        assert entanglers(shorter) <= entanglers(form)
        assert len(shorter.rotations) <= len(form.rotations)


@settings(max_examples=40, deadline=None)
@given(any_circuits(max_gates=16))
def test_no_outcome_is_lost(circuit):
    _, outcomes = drop_unmeasured(lower(circuit))
    assert len(np.unique(outcomes(bits_of(circuit.n_qubits)), axis=0)) == 2**circuit.n_qubits


def dropped(*gates, n_qubits=3):
    circuit = UnifiedCircuit(n_qubits)
    for gate in gates:
        circuit.add_gate(*gate)
    return drop_unmeasured(lower(circuit))


def test_turns_about_what_is_measured_go():
    ladder = [("RZ", 0, "a"), ("RZZ", [0, 1], "b"), ("CPhase", [1, 2], 0.3), ("CCZ", [0, 1, 2])]
    shorter, outcomes = dropped(*ladder)
    assert not shorter.rotations
    assert outcomes.is_permutation


def test_a_last_ladder_of_cx_is_computed_from_the_outcomes():
    ladder = [("CX", [0, 1]), ("CX", [1, 2])]
    shorter, outcomes = dropped(("RY", 0, "a"), ("RY", 1, "b"), ("RY", 2, "c"), *ladder)
    assert not entanglers(shorter)
    assert not outcomes.is_permutation
    np.testing.assert_array_equal(outcomes.matrix, [[1, 0, 0], [1, 1, 0], [1, 1, 1]])
    np.testing.assert_array_equal(outcomes.offset, [0, 0, 0])


def test_a_last_flip_is_computed_too():
    shorter, outcomes = dropped(("RY", 0, "a"), ("X", 0), ("Y", 2))
    np.testing.assert_array_equal(outcomes.offset, [1, 0, 1])
    assert not outcomes.is_permutation
    assert len(shorter.rotations) == 1


def test_swaps_are_part_of_the_map():
    _, outcomes = dropped(("SWAP", [0, 1]), ("CX", [1, 2]))
    found = outcomes([1, 0, 0])
    np.testing.assert_array_equal(found, [0, 1, 1])


def test_partial_entanglers_and_symbols_stay():
    for gate in (("CRX", [0, 1], 0.4), ("CRX", [0, 1], "a")):
        shorter, _ = dropped(("H", 0), gate)
        assert entanglers(shorter) == 1


def test_what_anticommutes_with_something_later_stays():
    shorter, _ = dropped(("RZ", 0, "a"), ("RX", 0, "b"), ("RZ", 0, "c"))
    # The last goes; the first does not.
    assert len(shorter.rotations) == 2


def test_a_map_adds_outcomes_modulo_two():
    outcomes = OutcomeMap(np.array([[1, 1], [0, 1]], np.uint8), np.array([1, 0], np.uint8))
    bits = np.array([[[0, 0], [0, 1]], [[1, 0], [1, 1]]])
    expected = [[[1, 0], [0, 1]], [[0, 0], [1, 1]]]
    np.testing.assert_array_equal(outcomes(bits), expected)
    assert outcomes(bits).dtype == np.uint8
    # Many wires, and bits of one byte, overflow nothing.
    many = OutcomeMap(np.ones((1, 300), np.uint8), np.zeros(1, np.uint8))
    assert many(np.ones(300, np.uint8)).tolist() == [0]


@pytest.mark.parametrize(
    ("matrix", "offset", "expected"),
    [
        ([[0, 1], [1, 0]], [0, 0], True),
        ([[0, 1], [1, 0]], [0, 1], False),
        ([[1, 1], [0, 1]], [0, 0], False),
    ],
)
def test_a_permutation_reads_every_qubit_on_one_wire(matrix, offset, expected):
    outcomes = OutcomeMap(np.array(matrix, np.uint8), np.array(offset, np.uint8))
    assert outcomes.is_permutation == expected


def test_a_permutation_is_made_of_the_wires_on_which_qubits_end():
    outcomes = permutation([2, 0, 1])
    assert outcomes.is_permutation
    np.testing.assert_array_equal(outcomes([1, 0, 0]), [0, 1, 0])


def test_the_circuit_given_is_not_changed():
    lowered = lower(UnifiedCircuit(2).add_gate("RX", 0, "a").add_gate("CX", [0, 1]))
    before, frames, wires = list(lowered.rotations), list(lowered.frames), list(lowered.wires)
    drop_unmeasured(lowered)
    assert (lowered.rotations, lowered.frames, lowered.wires) == (before, frames, wires)
