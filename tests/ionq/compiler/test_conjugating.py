"""Pairs of quarter turns go where what is between them is as cheap without."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings

from qstore_tf.circuits.symbols import Affine
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.ionq.compiler.conjugating import conjugate, is_quarter, turned
from qstore_tf.ionq.compiler.lowering import lower
from qstore_tf.ionq.compiler.merging import merge
from qstore_tf.ionq.compiler.rotations import Rotation, commute
from tests.ionq.compiler.test_lowering import any_circuits, wanted
from tests.ionq.compiler.test_rotations import (
    assert_same_up_to_phase,
    basis,
    entanglers,
    rotated,
    strings,
    unitary,
)


@settings(max_examples=150, deadline=None)
@given(any_circuits(max_gates=16))
def test_the_unitary_stays_and_entanglers_become_no_more(circuit):
    for form in (lower(circuit), merge(lower(circuit))):
        shorter = conjugate(form)
        assert_same_up_to_phase(unitary(shorter), wanted(circuit))
        assert entanglers(shorter) <= entanglers(form)


def conjugated(*gates, n_qubits=3):
    circuit = UnifiedCircuit(n_qubits)
    for gate in gates:
        circuit.add_gate(*gate)
    return conjugate(lower(circuit)).rotations


def test_a_turn_between_two_cx_is_one_entangler():
    assert conjugated(("CX", [0, 1]), ("RZ", 1, "a"), ("CX", [0, 1])) == [
        Rotation((0, 1), "ZZ", Affine.of("a"))
    ]


def test_a_turn_between_a_quarter_turn_and_a_half_turn_more_is_one_entangler():
    # The two make a half turn, which is a gate of each wire.
    circuit = UnifiedCircuit(2).add_gate("RXX", [0, 1], math.pi / 2).add_gate("RZ", 0, "a")
    circuit.add_gate("RXX", [0, 1], math.pi / 2)
    shorter = conjugate(lower(circuit))
    assert entanglers(shorter) == 1
    assert_same_up_to_phase(unitary(shorter), wanted(circuit))


def test_several_turns_stay_between_two_entanglers_where_that_is_less():
    gates = [("CX", [0, 1]), ("RZ", 1, "a"), ("RX", 1, "b"), ("RY", 1, "c"), ("CX", [0, 1])]
    assert sum(rotation.is_entangling for rotation in conjugated(*gates)) == 2


def test_an_entangler_between_may_become_a_turn():
    gates = [("CX", [0, 1]), ("RZZ", [0, 1], "a"), ("CX", [0, 1])]
    assert conjugated(*gates) == [Rotation((1,), "Z", Affine.of("a"))]


def test_what_would_act_on_three_wires_keeps_the_pair():
    gates = [("CX", [0, 1]), ("RZZ", [1, 2], "a"), ("CX", [0, 1])]
    assert len(conjugated(*gates)) == 3


def test_no_pair_is_made_of_entanglers_that_are_not_full():
    gates = [("RXX", [0, 1], 1.0), ("RZ", 0, "a"), ("RXX", [0, 1], -1.0)]
    assert len(conjugated(*gates)) == 3


def test_full_entanglers_are_known():
    for angle, known in ((math.pi / 2, True), (-math.pi / 2, True), (1.0, False), (math.pi, False)):
        assert is_quarter(Rotation((0, 1), "XZ", Affine(angle))) == known
    assert not is_quarter(Rotation((0,), "X", Affine(math.pi / 2)))
    assert not is_quarter(Rotation((0, 1), "XX", Affine.of("a + pi/2")))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_turned_rotation_is_that_of_the_matrices(sign):
    def half_turn(wires, letters):
        return 1j * rotated(basis(3), wires, letters, math.pi)

    full = [one for one in strings(3) if one.is_entangling]
    for quarter, rotation in itertools.product(full, strings(3)):
        if not commute(quarter, rotation):
            letters, by = turned(quarter, sign, rotation)
            expected = sign * 1j * half_turn(*quarter[:2]) @ half_turn(*rotation[:2])
            found = by * half_turn(list(letters), "".join(letters.values()))
            np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_circuit_given_is_not_changed():
    lowered = lower(
        UnifiedCircuit(2).add_gate("CX", [0, 1]).add_gate("RZ", 1, "a").add_gate("CX", [0, 1])
    )
    before = list(lowered.rotations)
    conjugate(lowered)
    assert lowered.rotations == before
