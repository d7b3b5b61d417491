"""Turns under two controls as commutators: the same turns, by fewer or smaller entanglers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.ionq.compiler.commutators import commutator
from qstore_tf.ionq.compiler.lowering import lower
from qstore_tf.ionq.compiling import compile
from tests.ionq.compiler.test_lowering import any_circuits, wanted
from tests.ionq.compiler.test_rotations import (
    assert_same_up_to_phase,
    basis,
    entanglers,
    rotated,
    unitary,
)

FULL = math.pi / 2


@settings(max_examples=200, deadline=None)
@given(st.floats(-20, 20), st.sampled_from("XYZ"))
def test_a_commutator_in_its_basis_is_the_turn(angle, letter):
    found = commutator(angle, letter)
    if found is None:
        assert abs(math.sin(angle / 2)) < 1e-3
        return
    turn, change = found
    np.testing.assert_allclose(change @ change.conj().T, np.eye(2), atol=1e-12)
    made = change.conj().T
    for axis, by in (("X", turn), ("Y", turn), ("X", -turn), ("Y", -turn)):
        made = rotated(made, [0], axis, by)
    # The sign counts: under controls it is a phase of theirs.
    np.testing.assert_allclose(change @ made, rotated(basis(1), [0], letter, angle), atol=1e-11)


def test_turns_by_nearly_nothing_or_nearly_a_whole_have_no_axis():
    for angle in (0.0, 1e-5, 2 * math.pi, -2 * math.pi + 1e-5, 4 * math.pi):
        assert commutator(angle, "X") is None


@settings(max_examples=100, deadline=None)
@given(any_circuits(max_qubits=4, max_gates=10))
def test_the_unitary_stays(circuit):
    assert_same_up_to_phase(unitary(lower(circuit, commutators=True)), wanted(circuit))


@pytest.mark.parametrize("gate", ["RX", "RY", "RZ"])
@pytest.mark.parametrize("controls", [[0, 1], [2, 0]])
def test_a_turn_under_two_controls_takes_four_entanglers(gate, controls):
    for angle in (0.05, 1.0, -2.5, 5.0):
        circuit = UnifiedCircuit(4).add_gate(gate, 3, angle, controls=controls)
        lowered = lower(circuit, commutators=True)
        assert entanglers(lowered) == 4
        assert_same_up_to_phase(unitary(lowered), circuit.unitary())
        assert compile(circuit).gates_2q == compile(circuit, "aria-1").gates_2q == 4


def test_what_has_symbols_or_other_controls_is_lowered_as_ever():
    circuit = UnifiedCircuit(4).add_gate("RX", 3, "a", controls=[0, 1]).add_gate("CX", [0, 1])
    circuit.add_gate("X", 3, controls=[0, 1, 2]).add_gate("RZZ", [2, 3], 0.3, controls=[0, 1])
    assert lower(circuit, commutators=True).rotations == lower(circuit).rotations


def test_a_toffoli_gate_takes_five_entanglers_of_three_full_ones():
    circuit = UnifiedCircuit(3).add_gate("CCX", [0, 1, 2])
    compiled = compile(circuit, "forte-1")
    assert (compiled.gates_2q, compiled.depth_2q, compiled.gates_1q) == (5, 5, 6)
    columns = [gate.columns[-1] for gate in compiled.template.gates if len(gate.wires) == 2]
    angle = 4 * abs(compiled.bind().columns[0, columns]).sum()
    assert abs(angle - (8 * math.asin(2**-0.25) / math.pi + 0.5)) < 1e-9
    # With MS it takes two more pulses, so that the larger angles stay.
    assert compile(circuit, "aria-1").gates_1q == 6
