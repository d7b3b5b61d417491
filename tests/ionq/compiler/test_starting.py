"""What a start in |0...0> saves: the state stays, up to global phase."""

import numpy as np
from hypothesis import given, settings

from qstore_tf.circuits.symbols import Affine
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.ionq.compiler.conjugating import conjugate
from qstore_tf.ionq.compiler.lowering import lower
from qstore_tf.ionq.compiler.merging import merge
from qstore_tf.ionq.compiler.rotations import Rotation, Rotations
from qstore_tf.ionq.compiler.starting import from_zero
from tests.ionq.compiler.test_lowering import any_circuits, wanted
from tests.ionq.compiler.test_rotations import assert_same_up_to_phase, entanglers, unitary


@settings(max_examples=120, deadline=None)
@given(any_circuits(max_gates=16))
def test_the_state_stays_and_nothing_becomes_more(circuit):
    lowered = lower(circuit)
    for form in (lowered, conjugate(merge(lowered))):
        shorter = from_zero(form)
        assert_same_up_to_phase(unitary(shorter)[:, 0], wanted(circuit)[:, 0])
        assert entanglers(shorter) <= entanglers(form)
        assert len(shorter.rotations) <= len(form.rotations)


def shortened(*gates, n_qubits=3):
    circuit = UnifiedCircuit(n_qubits)
    for gate in gates:
        circuit.add_gate(*gate)
    return from_zero(lower(circuit)).rotations


def test_turns_about_z_do_nothing_to_zero():
    assert not shortened(("RZ", 0, "a"), ("RZZ", [0, 1], "b"), ("CZ", [1, 2]), ("CCZ", [0, 1, 2]))


def test_a_control_that_is_zero_leaves_a_turn_of_the_target():
    # Of a controlled turn that is a turn by half of the angle and its inverse.
    for rotation in shortened(("CX", [0, 1]), ("CRX", [2, 1], "a"), ("RX", 1, "b")):
        assert rotation.wires == (1,)


def test_a_product_of_z_of_a_wire_that_is_zero_and_another_letter_is_that_letter():
    circuit = Rotations(2)
    circuit.add([0, 1], "ZY", Affine.of("a"))
    assert from_zero(circuit).rotations == [Rotation((1,), "Y", Affine.of("a"))]


def test_entanglers_of_turned_wires_stay():
    found = shortened(("RX", 0, "a"), ("RX", 1, "b"), ("RZZ", [0, 1], "c"))
    assert [rotation.wires for rotation in found] == [(0,), (1,), (0, 1)]
    assert entanglers(from_zero(lower(UnifiedCircuit(2).add_gate("RXX", [0, 1], "a")))) == 1


def test_the_first_entanglers_of_an_ansatz_stay_as_its_wires_have_been_turned():
    circuit = UnifiedCircuit(4)
    for qubit in range(4):
        circuit.add_gate("RY", qubit, f"y{qubit}")
    for qubit in range(3):
        circuit.add_gate("CX", [qubit, qubit + 1])
    assert entanglers(from_zero(lower(circuit))) == 3


def test_the_circuit_given_is_not_changed():
    lowered = lower(UnifiedCircuit(2).add_gate("RZ", 0, "a").add_gate("RXX", [0, 1], 0.3))
    lowered.frames = [3, 5]
    before = list(lowered.rotations)
    shorter = from_zero(lowered)
    assert lowered.rotations == before
    assert lowered.frames == [3, 5]
    # The turn about Z goes, before which nothing was done to that wire.
    assert len(shorter.rotations) == 1
    expected = unitary(lowered, {"a": 0.3})[:, 0]
    assert_same_up_to_phase(unitary(shorter)[:, 0], np.asarray(expected))
