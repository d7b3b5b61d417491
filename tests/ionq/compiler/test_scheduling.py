"""Scheduling only changes the order, and never to a greater depth."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings

from qstore_tf.circuits.symbols import Affine
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.ionq.compiler.conjugating import conjugate
from qstore_tf.ionq.compiler.lowering import lower
from qstore_tf.ionq.compiler.merging import merge
from qstore_tf.ionq.compiler.rotations import Rotation, Rotations
from qstore_tf.ionq.compiler.scheduling import depth, schedule
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.random_circuits import circuits
from tests.ionq.compiler.test_lowering import any_circuits, wanted
from tests.ionq.compiler.test_rotations import VALUES, assert_same_up_to_phase, unitary


@settings(max_examples=100, deadline=None)
@given(any_circuits(max_gates=16))
def test_the_unitary_and_the_rotations_stay(circuit):
    for form in (lower(circuit), conjugate(merge(lower(circuit)))):
        ordered = schedule(form)
        assert Counter(ordered.rotations) == Counter(form.rotations)
        assert_same_up_to_phase(unitary(ordered), wanted(circuit))


EDGES = ("RZZ", "RZZ", "RXX", "CX", "H", "RX")


@settings(max_examples=150, deadline=None)
@given(circuits(max_qubits=8, max_gates=40, gates=EDGES, min_qubits=2, symbols=tuple(VALUES)))
def test_the_depth_never_grows(circuit):
    for form in (lower(circuit), conjugate(merge(lower(circuit)))):
        ordered = schedule(form)
        assert depth(ordered.rotations) <= depth(form.rotations)
        assert depth(schedule(ordered).rotations) <= depth(ordered.rotations)


def test_the_depth_never_grows_where_few_edges_commute():
    rng = np.random.default_rng([daily_seed(), 47])
    edges = [[("XX", (0, 4)), ("XX", (2, 3)), ("XX", (1, 2)), ("XX", (3, 4)), ("ZX", (1, 3))]]
    for _ in range(500):
        n_wires = int(rng.integers(3, 6))
        letters = ["".join(pair) for pair in rng.choice(list("XZ"), size=(9, 2))]
        edges.append([(pair, rng.permutation(n_wires)[:2].tolist()) for pair in letters])
    for some in edges:
        form = Rotations(5)
        for pair, wires in some:
            form.add(wires, pair, Affine(0.3))
        assert depth(schedule(form).rotations) <= depth(form.rotations), form.rotations


@settings(max_examples=60, deadline=None)
@given(circuits(max_qubits=8, max_gates=40, gates=EDGES, min_qubits=2))
def test_the_depth_is_that_of_a_circuit_of_the_entanglers(circuit):
    rotations = lower(circuit).rotations
    alone = UnifiedCircuit(circuit.n_qubits)
    for rotation in rotations:
        if rotation.is_entangling:
            alone.add_gate("RZZ", rotation.wires, 0.1)
    assert depth(rotations) == alone.depth


def test_nothing_has_no_depth():
    assert depth([]) == 0
    assert depth([Rotation((0,), "X", Affine(0.3))]) == 0


def scheduled_depth(circuit):
    return depth(schedule(lower(circuit)).rotations)


@pytest.mark.parametrize("n_qubits", [4, 6, 8, 12])
def test_a_ring_of_even_length_takes_two_steps(n_qubits):
    circuit = UnifiedCircuit(n_qubits)
    for qubit in range(n_qubits):
        circuit.add_gate("RZZ", [qubit, (qubit + 1) % n_qubits], "a")
    assert scheduled_depth(circuit) == 2


@pytest.mark.parametrize("n_qubits", [3, 5, 7])
def test_a_ring_of_odd_length_takes_three_steps(n_qubits):
    circuit = UnifiedCircuit(n_qubits)
    for qubit in range(n_qubits):
        circuit.add_gate("RZZ", [qubit, (qubit + 1) % n_qubits], "a")
    assert scheduled_depth(circuit) == 3


def test_a_star_takes_one_step_for_each_of_its_edges():
    circuit = UnifiedCircuit(6)
    for qubit in range(1, 6):
        circuit.add_gate("RZZ", [0, qubit], "a")
    assert scheduled_depth(circuit) == 5


def test_a_chain_of_edges_that_do_not_commute_keeps_its_order():
    circuit = UnifiedCircuit(6)
    for qubit in range(5):
        circuit.add_gate("CX", [qubit, qubit + 1])
    form = lower(circuit)
    assert schedule(form).rotations == form.rotations
    assert scheduled_depth(circuit) == 5


def test_a_transform_of_n_qubits_takes_2_n_minus_3_steps_at_most():
    for n_qubits in (3, 5, 8):
        circuit = UnifiedCircuit(n_qubits)
        for target in range(n_qubits):
            circuit.add_gate("H", target)
            for control in range(target + 1, n_qubits):
                angle = math.pi / 2 ** (control - target)
                circuit.add_gate("CPhase", [control, target], angle)
        assert scheduled_depth(circuit) <= 2 * n_qubits - 3


def test_the_circuit_given_is_not_changed():
    circuit = UnifiedCircuit(4).add_gate("SWAP", [0, 3])
    for edge in ([0, 1], [1, 2], [2, 3]):
        circuit.add_gate("RZZ", edge, "a")
    form = lower(circuit)
    before = list(form.rotations)
    assert schedule(form).wires == form.wires
    assert form.rotations == before
