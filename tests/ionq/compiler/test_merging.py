"""Merging keeps the unitary and finds what can be merged by commuting."""

import time

import numpy as np
import pytest
from hypothesis import given, settings

from qstore_tf.circuits.symbols import Affine
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.ionq.compiler.lowering import lower
from qstore_tf.ionq.compiler.merging import merge
from qstore_tf.ionq.compiler.rotations import Rotation, Rotations, commute
from qstore_tf.testing.random_circuits import random_circuit
from tests.ionq.compiler.test_lowering import any_circuits, special_circuits, wanted
from tests.ionq.compiler.test_rotations import assert_same_up_to_phase, entanglers, unitary


@settings(max_examples=150, deadline=None)
@given(any_circuits(max_gates=16))
def test_the_unitary_stays_and_nothing_becomes_more(circuit):
    lowered = lower(circuit)
    merged = merge(lowered)
    assert_same_up_to_phase(unitary(merged), wanted(circuit))
    assert entanglers(merged) <= entanglers(lowered)
    assert len(merged.rotations) <= len(lowered.rotations)


@settings(max_examples=60, deadline=None)
@given(any_circuits(max_gates=16))
def test_no_two_rotations_are_left_that_could_meet(circuit):
    rotations = merge(lower(circuit)).rotations
    for number, rotation in enumerate(rotations):
        for earlier in reversed(rotations[:number]):
            assert earlier[:2] != rotation[:2]
            if not commute(earlier, rotation):
                break


@settings(max_examples=40, deadline=None)
@given(any_circuits(max_gates=16))
def test_merging_twice_changes_nothing_more(circuit):
    merged = merge(lower(circuit))
    assert merge(merged).rotations == merged.rotations


@settings(max_examples=40, deadline=None)
@given(special_circuits(max_gates=6))
def test_rotations_and_their_inverse_leave_nothing(circuit):
    there = lower(circuit).rotations
    back = [rotation._replace(angle=-rotation.angle) for rotation in reversed(there)]
    merged = merge(Rotations(circuit.n_qubits).again([*there, *back]))
    assert not merged.rotations
    assert_same_up_to_phase(unitary(merged), np.eye(2**circuit.n_qubits))


def merged(*gates, n_qubits=3):
    circuit = UnifiedCircuit(n_qubits)
    for gate in gates:
        circuit.add_gate(*gate)
    return merge(lower(circuit)).rotations


def test_angles_add_up_where_rotations_commute():
    found = merged(("RZ", 0, "a"), ("CZ", [0, 1]), ("RZZ", [0, 2], 0.4), ("RZ", 0, "b + 1"))
    assert Rotation((0,), "Z", Affine.of("a + b + 1")) in found
    assert len(found) == 3


def test_rotations_that_anticommute_keep_others_apart():
    assert len(merged(("RZ", 0, "a"), ("RX", 0, "b"), ("RZ", 0, "a"))) == 3
    assert len(merged(("RZZ", [0, 1], "a"), ("RX", 1, "b"), ("RZZ", [0, 1], "a"))) == 3


def test_two_letters_that_both_differ_let_others_meet():
    assert len(merged(("RZZ", [0, 1], "a"), ("RXX", [0, 1], "b"), ("RZZ", [0, 1], "a"))) == 2


def test_rotations_meet_across_clifford_gates():
    assert len(merged(("RZ", 0, "a"), ("H", 0), ("RX", 0, "b"))) == 1
    assert len(merged(("RZZ", [0, 1], "a"), ("S", 0), ("X", 1), ("RZZ", [1, 0], "b"))) == 1


def test_merging_goes_on_where_a_merged_angle_is_a_quarter_turn():
    found = merged(
        ("RZ", 1, "a"), ("RX", 1, 0.5), ("RZZ", [0, 2], "b"), ("RX", 1, -0.5), ("RZ", 1, "a")
    )
    assert sorted(found) == [
        Rotation((0, 2), "ZZ", Affine.of("b")),
        Rotation((1,), "Z", Affine.of("2*a")),
    ]


def test_opposite_symbols_cancel():
    assert not merged(("RXX", [0, 1], "2*a - b"), ("RXX", [1, 0], "b - 2*a"))


def test_equal_edges_of_commuting_layers_become_one():
    steps = [("RZZ", [q, (q + 1) % 4], 0.1) for _ in range(5) for q in range(4)]
    found = merged(*steps, n_qubits=4)
    assert len(found) == 4
    assert all(rotation.angle.constant == pytest.approx(0.5) for rotation in found)


def test_the_circuit_given_is_not_changed():
    lowered = lower(UnifiedCircuit(2).add_gate("CX", [0, 1]).add_gate("CX", [0, 1]))
    merge(lowered)
    assert len(lowered.rotations) == 2


@pytest.mark.slow
@pytest.mark.parametrize("gates", [["RZZ", "RZ"], ["CX", "RZ", "H"], ["RXX", "RZZ", "RY"]])
def test_the_time_grows_about_linearly(gates):
    def seconds(n_gates):
        lowered = lower(random_circuit(0, 8, n_gates, gates=gates))
        start = time.process_time()
        merge(lowered)
        return time.process_time() - start

    seconds(200)
    # Quadratic growth would be a factor of 64.
    assert seconds(2400) < 40 * seconds(300) + 0.5
