"""P Q P becomes Q P Q where that saves entanglers; the unitary stays."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.ionq_circuits import bound_ansatz, coupled_clusters, ising
from qstore_tf.circuits.symbols import Affine
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.ionq.compiler.conjugating import conjugate
from qstore_tf.ionq.compiler.lowering import lower
from qstore_tf.ionq.compiler.merging import merge
from qstore_tf.ionq.compiler.rotations import Rotations
from qstore_tf.ionq.compiler.turnovers import _Axes, _may_meet, euler, turn_over
from tests.ionq.compiler.test_lowering import any_circuits, wanted
from tests.ionq.compiler.test_rotations import (
    assert_same_up_to_phase,
    basis,
    entanglers,
    rotated,
    seeds,
    unitary,
)

ANGLES = st.one_of(
    st.floats(-7, 7),
    st.sampled_from([k * math.pi / 2 for k in range(-4, 5)]),
    st.sampled_from([1e-13, -1e-9, math.pi - 1e-13, math.pi / 2 + 1e-9]),
)


def size(circuit):
    return entanglers(circuit), len(circuit.rotations)


@settings(max_examples=300, deadline=None)
@given(ANGLES, ANGLES, ANGLES, st.sampled_from([("X", "Z"), ("Z", "Y"), ("Y", "Z"), ("Y", "X")]))
def test_three_turns_about_two_axes_are_three_the_other_way(a, b, c, letters):
    p, q = letters
    expected = found = basis(1)
    for letter, angle in zip((p, q, p), (a, b, c), strict=True):
        expected = rotated(expected, [0], letter, angle)
    for letter, angle in zip((q, p, q), euler(a, b, c), strict=True):
        found = rotated(found, [0], letter, angle)
    assert_same_up_to_phase(found, expected, 1e-12)


@settings(max_examples=100, deadline=None)
@given(any_circuits(max_qubits=5, max_gates=24))
def test_the_unitary_stays_and_entanglers_become_no_more(circuit):
    for form in (lower(circuit), conjugate(merge(lower(circuit)))):
        turned = turn_over(form)
        assert_same_up_to_phase(unitary(turned), wanted(circuit))
        assert turned is form or size(turned) < size(form)


@settings(max_examples=200, deadline=None)
@given(seeds, st.integers(2, 5), st.integers(3, 30), st.sampled_from(["XZ", "XYZ"]))
def test_what_is_said_at_once_to_have_no_moves_has_none(seed, n_wires, count, letters):
    rng = np.random.default_rng(seed)
    circuit = Rotations(n_wires)
    for number in range(count):
        wires = rng.permutation(n_wires)[: rng.integers(1, 3)].tolist()
        terms = ((f"a{number}", 1.0),) if rng.random() < 0.15 else ()
        angle = Affine(float(rng.uniform(0.1, 1.4)), terms)
        circuit.add(wires, "".join(rng.choice(list(letters), len(wires))), angle)
    rotations = circuit.rotations
    axes = _Axes(tuple((r.wires, r.letters, bool(r.angle.terms)) for r in rotations))
    has_moves = any(axes.moves(axes.normal(axes.word)[1]))
    assert _may_meet(rotations) or not has_moves


def test_of_an_ansatz_it_is_said_at_once():
    assert not _may_meet(conjugate(merge(lower(bound_ansatz(12, 8, 7)))).rotations)
    assert _may_meet(conjugate(merge(lower(ising(4, 2)))).rotations)


def test_the_same_structure_is_turned_over_in_the_same_way():
    for angle in (0.3, 0.7):
        circuit = UnifiedCircuit(2)
        for name, targets in (("RZZ", [0, 1]), ("RX", 0), ("RZZ", [0, 1])):
            circuit.add_gate(name, targets, angle)
        turned = turn_over(lower(circuit))
        assert [r.letters for r in turned.rotations] == ["X", "ZZ", "X"]
        assert_same_up_to_phase(unitary(turned), circuit.unitary())


CHAIN = [((0,), "X"), ((0, 1), "ZZ"), ((1,), "X"), ((1, 2), "ZZ"), ((2,), "X"), ((2, 3), "ZZ")]
# Of other letters, whose products anticommute in the same way.
OTHERS = [((0, 1), "XY"), ((0,), "Z"), ((0, 2), "YX"), ((2,), "Y"), ((2, 3), "ZZ"), ((3,), "X")]


@settings(max_examples=60, deadline=None)
@given(seeds, st.sampled_from([CHAIN, OTHERS]), st.integers(2, 25), st.integers(0, 3))
def test_chains_of_rotations_stay_the_same_unitary(seed, axes, count, n_symbols):
    rng = np.random.default_rng(seed)
    circuit = Rotations(4)
    for number in range(count):
        wires, letters = axes[rng.integers(len(axes))]
        # Some by symbols, which stay and are in the way of others.
        terms = (("a", 1.0),) if number < n_symbols else ()
        circuit.add(wires, letters, Affine(float(rng.uniform(-4, 4)), terms))
    turned = turn_over(circuit)
    assert_same_up_to_phase(unitary(turned), unitary(circuit))
    assert turned is circuit or size(turned) < size(circuit)


# Qubits, Trotter steps, entanglers at most. Steps on two qubits are one unitary of two entanglers.
@pytest.mark.parametrize(
    ("n_qubits", "n_steps", "most"),
    [(2, 5, 2), (3, 4, 5), (3, 12, 5), (4, 4, 10), (6, 4, 16), (8, 4, 24)],
)
def test_steps_of_an_ising_chain_share_entanglers(n_qubits, n_steps, most):
    circuit = ising(n_qubits, n_steps)
    form = merge(lower(circuit))
    turned = turn_over(conjugate(form))
    assert entanglers(turned) <= most < (n_qubits - 1) * n_steps
    assert all(set("".join(r.letters)) in ({"Z"}, {"X"}) for r in turned.rotations)
    if n_qubits <= 6:
        assert_same_up_to_phase(unitary(turned), circuit.unitary())


def test_excitations_share_entanglers():
    circuit = coupled_clusters(4, [(0, 2), (1, 3)], [(0, 1, 2, 3)], 7)
    form = conjugate(merge(lower(circuit)))
    turned = turn_over(form)
    assert entanglers(turned) <= entanglers(form) - 4
    assert_same_up_to_phase(unitary(turned), circuit.unitary())


def test_rotations_by_symbols_stay():
    def steps(angle):
        circuit = UnifiedCircuit(2)
        for gate, qubits, turn in (("RZZ", [0, 1], 0.3), ("RX", 0, angle), ("RZZ", [0, 1], 0.4)):
            circuit.add_gate(gate, qubits, turn)
        return lower(circuit)

    assert entanglers(turn_over(steps(0.2))) == 1
    symbolic = steps("a")
    assert turn_over(symbolic) is symbolic


def test_where_nothing_can_be_turned_over_the_circuit_comes_back():
    for circuit in (bound_ansatz(6, 4, 7), UnifiedCircuit(1).add_gate("H", 0), UnifiedCircuit(2)):
        form = conjugate(merge(lower(circuit)))
        assert turn_over(form) is form


def test_the_circuit_given_is_not_changed():
    lowered = lower(ising(3, 3))
    before, frames = list(lowered.rotations), list(lowered.frames)
    assert entanglers(turn_over(lowered)) < entanglers(lowered)
    assert (lowered.rotations, lowered.frames) == (before, frames)
