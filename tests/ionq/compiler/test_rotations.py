"""Rotations and the gates after them: what is added is what they make of states.

The functions at the top turn them into matrices by NumPy alone; the tests of all passes use them.
"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits.gates.matrices import PAULIS
from qstore_tf.circuits.symbols import Affine
from qstore_tf.ionq.compiler.cliffords import IDENTITY, LETTERS, MATRICES
from qstore_tf.ionq.compiler.rotations import Rotation, Rotations, commute, quarter_turns

HALF_PI = math.pi / 2
VALUES = {"a": 0.37, "b": -1.1, "c": 2.3}
ANGLES = (0.0, HALF_PI, -HALF_PI, math.pi, -math.pi, 3 * HALF_PI, 2 * math.pi, 7 * math.pi)


def on_wire(states, matrix, wire):
    """Applies a matrix [2, 2] to a wire of states [2^n, k]."""
    return (matrix @ states.reshape(2**wire, 2, -1)).reshape(states.shape)


def rotated(states, wires, letters, angle):
    """Applies exp(-i angle/2 P) to states."""
    turned = states
    for wire, letter in zip(wires, letters, strict=True):
        turned = on_wire(turned, PAULIS[letter], wire)
    return math.cos(angle / 2) * states - 1j * math.sin(angle / 2) * turned


def read_on(states, wires):
    """Returns the states in which qubit k is what wire `wires[k]` is."""
    axes = states.reshape((2,) * len(wires) + (-1,)).transpose([*wires, len(wires)])
    return axes.reshape(states.shape)


def states_after(circuit, states, values=VALUES):
    """What a circuit of rotations makes of states [2^n, k], with its frames and its wires."""
    for wires, letters, angle in circuit.rotations:
        states = rotated(states, wires, letters, angle.evaluate(values))
    for wire, frame in enumerate(circuit.frames):
        states = on_wire(states, MATRICES[frame], wire)
    return read_on(states, circuit.wires)


def basis(n_wires):
    return np.eye(2**n_wires, dtype=np.complex128)


def unitary(circuit, values=VALUES):
    return states_after(circuit, basis(circuit.n_wires), values)


def entanglers(circuit):
    return sum(rotation.is_entangling for rotation in circuit.rotations)


def assert_same_up_to_phase(found, expected, accuracy=1e-9):
    overlap = np.vdot(found, expected)
    np.testing.assert_allclose(found * overlap / abs(overlap), expected, rtol=0, atol=accuracy)


def random_rotations(seed, n_wires, count, symbols=("a", "b")):
    """Rotations as they come, before anything is pulled out: wires, letters and angle of each."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        wires = rng.permutation(n_wires)[: int(rng.integers(1, min(2, n_wires) + 1))].tolist()
        letters = "".join(rng.choice(list(LETTERS), size=len(wires)))
        constant = float(rng.choice([*ANGLES, *rng.uniform(-9, 9, 6)]))
        terms = ((str(rng.choice(symbols)), float(rng.choice([1, -1, 0.5]))),)
        made.append((wires, letters, Affine(constant, terms if rng.random() < 0.3 else ())))
    return made


def added(n_wires, rotations):
    circuit = Rotations(n_wires)
    for wires, letters, angle in rotations:
        circuit.add(wires, letters, angle)
    return circuit


seeds = st.integers(0, 2**32 - 1)
given_rotations = given(seeds, st.integers(1, 4), st.integers(0, 15))


@settings(max_examples=100, deadline=None)
@given_rotations
def test_a_rotation_is_added_after_all_that_is_there(seed, n_wires, count):
    rotations = random_rotations(seed, n_wires, count)
    expected = basis(n_wires)
    for wires, letters, angle in rotations:
        expected = rotated(expected, wires, letters, angle.evaluate(VALUES))
    assert_same_up_to_phase(unitary(added(n_wires, rotations)), expected)


@settings(max_examples=60, deadline=None)
@given_rotations
def test_what_is_kept_is_no_clifford_gate_of_one_wire_and_at_most_a_full_entangler(
    seed, n_wires, count
):
    for rotation in added(n_wires, random_rotations(seed, n_wires, count)).rotations:
        assert list(rotation.wires) == sorted(set(rotation.wires))
        assert len(rotation.wires) == len(rotation.letters) == 1 + rotation.is_entangling
        turns = quarter_turns(rotation.angle)
        assert turns is None or (rotation.is_entangling and turns in (1, 3))
        if rotation.is_entangling and not rotation.angle.terms:
            assert abs(rotation.angle.constant) <= HALF_PI + 1e-9


@settings(max_examples=60, deadline=None)
@given_rotations
def test_the_same_rotations_again_are_the_same_circuit(seed, n_wires, count):
    circuit = added(n_wires, random_rotations(seed, n_wires, count))
    circuit.wires = np.random.default_rng(seed).permutation(n_wires).tolist()
    again = circuit.again(circuit.rotations)
    assert again.rotations == circuit.rotations
    assert again.frames == circuit.frames
    assert again.wires == circuit.wires
    assert again.wires is not circuit.wires


@settings(max_examples=60, deadline=None)
@given_rotations
def test_other_rotations_come_before_the_frames_and_wires_that_are_taken_over(seed, n_wires, count):
    circuit = added(n_wires, random_rotations(seed, n_wires, count))
    circuit.wires = np.random.default_rng(seed).permutation(n_wires).tolist()
    before = random_rotations(seed + 1, n_wires, 3)
    start = basis(n_wires)
    for wires, letters, angle in before:
        start = rotated(start, wires, letters, angle.evaluate(VALUES))
    again = circuit.again([Rotation(*one) for one in before] + circuit.rotations)
    assert_same_up_to_phase(unitary(again), states_after(circuit, start))


@pytest.mark.parametrize("axis", LETTERS)
def test_quarter_turns_of_one_wire_are_gates_at_the_end(axis):
    for k in range(-4, 5):
        turned, rotation = Rotations(2), Rotations(2)
        turned.turn(1, axis, k)
        rotation.add([1], axis, Affine(k * HALF_PI))
        assert turned.frames == rotation.frames
        assert turned.rotations == rotation.rotations == []
        assert (turned.frames[1] == IDENTITY) == (k % 4 == 0)
        assert turned.frames[0] == IDENTITY


def test_half_turns_of_two_wires_are_gates_of_one():
    circuit = Rotations(2)
    circuit.add([1, 0], "XY", Affine(math.pi))
    assert not circuit.rotations
    assert_same_up_to_phase(unitary(circuit), np.kron(PAULIS["Y"], PAULIS["X"]))


def test_wires_are_named_in_rising_order_with_their_letters():
    circuit = added(3, [([2, 0], "XY", Affine(0.3))])
    (rotation,) = circuit.rotations
    assert rotation == Rotation((0, 2), "YX", Affine(0.3))
    assert (rotation.letter(0), rotation.letter(2)) == ("Y", "X")


@pytest.mark.parametrize("off", [0.0, 1e-12, -1e-12])
def test_angles_next_to_quarter_turns_are_known(off):
    for k in range(-9, 10):
        assert quarter_turns(Affine(k * HALF_PI + off)) == k % 4


@pytest.mark.parametrize(
    "angle",
    [Affine(1e-9), Affine(HALF_PI - 1e-9), Affine(0.3), Affine.of("a"), Affine.of("a + pi")],
)
def test_other_angles_are_no_quarter_turns(angle):
    assert quarter_turns(angle) is None


def strings(n_wires):
    """All rotations about one or two letters."""
    for count in (1, 2):
        for wires in itertools.combinations(range(n_wires), count):
            for letters in itertools.product(LETTERS, repeat=count):
                yield Rotation(wires, "".join(letters), Affine(0.7))


def test_rotations_commute_where_their_matrices_do():
    every = [(one, rotated(basis(3), *one[:2], math.pi)) for one in strings(3)]
    assert len(every) == 36
    for (one, first), (other, second) in itertools.product(every, every):
        assert commute(one, other) == np.allclose(first @ second, second @ first)
