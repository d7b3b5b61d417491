"""What is known of a state that starts as |0...0>, and what it saves."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.ionq_circuits import ghz
from qstore_tf.circuits.symbols import Affine
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.ionq.compiler.conjugating import conjugate
from qstore_tf.ionq.compiler.lowering import lower
from qstore_tf.ionq.compiler.merging import merge
from qstore_tf.ionq.compiler.rotations import Rotation, Rotations
from qstore_tf.ionq.compiler.scheduling import depth
from qstore_tf.ionq.compiler.stabilizers import Pauli, Stabilizers, use_stabilizers
from tests.ionq.compiler.test_lowering import any_circuits, wanted
from tests.ionq.compiler.test_rotations import (
    VALUES,
    assert_same_up_to_phase,
    basis,
    entanglers,
    random_rotations,
    rotated,
    seeds,
    unitary,
)

HALF_PI = math.pi / 2


@settings(max_examples=150, deadline=None)
@given(any_circuits(max_qubits=5, max_gates=20))
def test_the_state_stays_and_nothing_becomes_more(circuit):
    lowered = lower(circuit)
    for form in (lowered, conjugate(merge(lowered))):
        other = use_stabilizers(form)
        assert_same_up_to_phase(unitary(other)[:, 0], wanted(circuit)[:, 0])
        assert entanglers(other) <= entanglers(form)
        assert depth(other.rotations) <= depth(form.rotations)
        assert len(other.rotations) <= len(form.rotations)


def drawn(seed, n_wires, count):
    """Random rotations, most of them by quarter turns, so that something stays known."""
    rng = np.random.default_rng(seed)
    return [
        Rotation(
            tuple(sorted(wires)),
            letters,
            angle if rng.random() < 0.3 else Affine(float(rng.choice([HALF_PI, -HALF_PI]))),
        )
        for wires, letters, angle in random_rotations(seed, n_wires, count)
    ]


def after(states, rotation):
    return rotated(states, rotation.wires, rotation.letters, rotation.angle.evaluate(VALUES))


@settings(max_examples=100, deadline=None)
@given(seeds, st.integers(1, 4), st.integers(0, 9))
def test_every_form_of_a_rotation_does_the_same_to_the_state(seed, n_wires, count):
    *before, last = drawn(seed, n_wires, count + 1)
    known = Stabilizers(n_wires)
    state = basis(n_wires)[:, :1]
    for rotation in before:
        state = after(state, rotation)
        known.follow(rotation)
    expected = after(state, last)
    forms = list(known.forms(last))
    # What it is already, besides a rotation that is a phase and has no letters.
    assert last in forms
    for form in forms:
        assert len(form.wires) <= len(last.wires)
        found = after(state, form)
        assert_same_up_to_phase(found, expected)
        if form.wires:
            np.testing.assert_allclose(found, expected, atol=1e-9)


def test_all_that_is_known_of_a_clifford_circuit_is_found():
    # Of a state with as many stabilizers as wires, one of two letters on two wires that are
    # entangled has three forms or more, and that of a stabilizer is none.
    known = Stabilizers(3)
    for wires in ((0, 1), (1, 2)):
        known.follow(Rotation(wires, "XX", Affine(HALF_PI)))
    forms = {(form.wires, form.letters) for form in known.forms(Rotation((0, 1), "ZY", ANGLE))}
    assert ((), "") not in forms and ((0, 1), "ZY") in forms
    for first, letter in ((w, p) for w in range(3) for p in "XYZ"):
        for second, other in ((w, p) for w in range(first + 1, 3) for p in "XYZ"):
            state = basis(3)[:, :1]
            for wires in ((0, 1), (1, 2)):
                state = rotated(state, wires, "XX", HALF_PI)
            this = rotated(state, (first, second), letter + other, 0.7)
            same = np.allclose(this, rotated(state, (0, 1), "ZY", 0.7), atol=1e-9)
            opposite = np.allclose(this, rotated(state, (0, 1), "ZY", -0.7), atol=1e-9)
            assert (((first, second), letter + other) in forms) == (same or opposite)


ANGLE = Affine.of("a")


def chain(n):
    return [(k, k + 1) for k in range(n - 1)]


def star(n):
    return [(0, k) for k in range(1, n)]


def from_the_middle(n):
    middle = n // 2
    return [(k, k + 1) for k in range(middle, n - 1)] + [(k, k - 1) for k in range(middle, 0, -1)]


@pytest.mark.parametrize("n", [*range(2, 18), 36])
@pytest.mark.parametrize("pairs", [chain, star, from_the_middle])
def test_a_ghz_state_is_made_by_a_tree(n, pairs):
    circuit = UnifiedCircuit(n).add_gate("H", pairs(n)[0][0])
    for pair in pairs(n):
        circuit.add_gate("CX", pair)
    tree = use_stabilizers(merge(lower(circuit)))
    assert depth(tree.rotations) == math.ceil(math.log2(n))
    assert entanglers(tree) == n - 1
    if n <= 9:
        assert_same_up_to_phase(unitary(tree)[:, 0], circuit.unitary()[:, 0])


def test_what_a_ghz_state_has_in_common_is_a_phase():
    circuit = ghz(4)
    circuit.add_gate("RZZ", [0, 2], "a").add_gate("RXX", [1, 2], "b").add_gate("CZ", [0, 3])
    form = merge(lower(circuit))
    made = use_stabilizers(form)
    # RXX is not known, and CZ is a turn about Z of one wire.
    assert entanglers(form) == 3 + 3 and entanglers(made) == 3 + 1
    assert_same_up_to_phase(unitary(made)[:, 0], wanted(circuit)[:, 0])


def test_a_circuit_of_which_nothing_helps_comes_back():
    circuit = UnifiedCircuit(3)
    for qubit in range(3):
        circuit.add_gate("RY", qubit, f"y{qubit}").add_gate("RZ", qubit, f"z{qubit}")
    lowered = lower(circuit.add_gate("CX", [0, 1]).add_gate("RXX", [1, 2], "c"))
    assert use_stabilizers(lowered) is lowered


def test_turns_of_one_wire_stay_on_it():
    circuit = Rotations(2)
    circuit.add([0, 1], "XX", Affine(HALF_PI))
    circuit.add([1], "X", ANGLE)
    assert use_stabilizers(circuit) is circuit


def test_the_circuit_given_is_not_changed():
    lowered = lower(ghz(5))
    before, frames = list(lowered.rotations), list(lowered.frames)
    assert use_stabilizers(lowered).rotations != before
    assert (lowered.rotations, lowered.frames) == (before, frames)


def test_products_of_letters_multiply_like_their_matrices():
    places = [([0], "X"), ([0], "Y"), ([1], "Z"), ([0, 1], "YX"), ([0, 1], "ZY"), ([0, 1], "XX")]
    for first in places:
        for second in places:
            product = Pauli.of(*first).times(Pauli.of(*second))
            expected = matrix(Pauli.of(*first)) @ matrix(Pauli.of(*second))
            np.testing.assert_array_equal(matrix(product), expected)
            swapped = matrix(Pauli.of(*second)) @ matrix(Pauli.of(*first))
            commute = np.array_equal(expected, swapped)
            assert Pauli.of(*first).commutes(Pauli.of(*second)) == commute
    # A rotation by half a turn is its product times -i.
    for wires, letters in places:
        turned = 1j * rotated(basis(2), wires, letters, math.pi)
        np.testing.assert_allclose(matrix(Pauli.of(wires, letters)), turned, atol=1e-12)


def matrix(pauli):
    """i^power X^x Z^z of two wires, wire 0 the most significant bit."""
    x, z = np.array([[0, 1], [1, 0]]), np.diag([1, -1])
    made = np.array([[1j**pauli.power]])
    for wire in range(2):
        power_of_x = np.linalg.matrix_power(x, pauli.x >> wire & 1)
        made = np.kron(made, power_of_x @ np.linalg.matrix_power(z, pauli.z >> wire & 1))
    return made
