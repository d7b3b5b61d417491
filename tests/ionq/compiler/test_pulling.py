"""What is pulled to the end is the circuit's Clifford gate, and nothing is lost."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits.gates.matrices import PAULIS
from qstore_tf.circuits.symbols import Affine
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.ionq.compiler.lowering import lower
from qstore_tf.ionq.compiler.merging import merge
from qstore_tf.ionq.compiler.pulling import fold, needed_for_outcomes, pull
from qstore_tf.ionq.compiler.rotations import Rotations, quarter_turns
from qstore_tf.ionq.compiler.strings import anticommute
from tests.ionq.compiler.test_lowering import any_circuits
from tests.ionq.compiler.test_rotations import (
    VALUES,
    added,
    basis,
    on_wire,
    random_rotations,
    rotated,
    seeds,
    unitary,
)


def pauli_matrix(string, n_wires):
    matrix = basis(n_wires)
    for wire, letter in string.letters().items():
        matrix = on_wire(matrix, PAULIS[letter], wire)
    return string.sign * matrix


def gadgets_matrix(pulled, values=VALUES):
    states = basis(pulled.n_wires)
    for string, angle in pulled.gadgets:
        assert string.sign == 1
        letters = string.letters()
        states = rotated(states, letters, letters.values(), angle.evaluate(values))
    return states


def unread(circuit):
    """The circuit without reading qubits on other wires."""
    plain = Rotations(circuit.n_wires)
    plain.rotations, plain.frames = circuit.rotations, circuit.frames
    return plain


def assert_images(pulled, clifford):
    """That the images are those under a matrix, so that it is the Clifford gate at the end."""
    n = pulled.n_wires
    for wire, images in enumerate(pulled.images):
        for letter, image in zip("XZ", images, strict=True):
            expected = clifford.conj().T @ on_wire(clifford, PAULIS[letter], wire)
            np.testing.assert_allclose(pauli_matrix(image, n), expected, atol=1e-9)


circuits_of_rotations = st.builds(
    lambda seed, n_wires, count: added(n_wires, random_rotations(seed, n_wires, count)),
    seeds,
    st.integers(1, 4),
    st.integers(0, 20),
)
lowered = st.one_of(
    circuits_of_rotations, any_circuits(max_gates=14).map(lambda circuit: merge(lower(circuit)))
)


@settings(max_examples=100, deadline=None)
@given(lowered)
def test_a_circuit_is_its_rotations_and_then_a_clifford_gate(circuit):
    pulled = pull(circuit)
    assert_images(pulled, unitary(unread(circuit)) @ gadgets_matrix(pulled).conj().T)
    assert pulled.wires == tuple(circuit.wires)
    quarters = sum(
        rotation.is_entangling and quarter_turns(rotation.angle) is not None
        for rotation in circuit.rotations
    )
    assert len(pulled.gadgets) == len(circuit.rotations) - quarters


@settings(max_examples=100, deadline=None)
@given(lowered)
def test_folding_keeps_the_circuit_and_leaves_nothing_that_could_meet(circuit):
    pulled = pull(circuit)
    folded = fold(pulled)
    assert_images(folded, unitary(unread(circuit)) @ gadgets_matrix(folded).conj().T)
    assert len(folded.gadgets) <= len(pulled.gadgets)
    for number, (string, angle) in enumerate(folded.gadgets):
        assert quarter_turns(angle) is None or (string, angle) in pulled.gadgets
        for earlier, _ in reversed(folded.gadgets[:number]):
            assert earlier != string
            if anticommute(earlier, string):
                break


@settings(max_examples=100, deadline=None)
@given(lowered)
def test_outcomes_stay_without_what_they_do_not_need(circuit):
    pulled = fold(pull(circuit))
    needed = needed_for_outcomes(pulled)
    whole = unitary(unread(circuit))
    clifford = whole @ gadgets_matrix(pulled).conj().T
    found = clifford @ gadgets_matrix(needed)[:, 0]
    np.testing.assert_allclose(abs(found) ** 2, abs(whole[:, 0]) ** 2, atol=1e-9)
    assert len(needed.gadgets) <= len(pulled.gadgets)
    assert needed.images == pulled.images


def made(*gates, n_qubits=3):
    circuit = UnifiedCircuit(n_qubits)
    for gate in gates:
        circuit.add_gate(*gate)
    return fold(pull(merge(lower(circuit))))


def letters_of(pulled):
    return [string.letters() for string, _ in pulled.gadgets]


def test_a_ladder_is_one_rotation():
    ladder = [("CX", [0, 1]), ("CX", [1, 2])]
    pulled = made(*ladder, ("RZ", 2, "a"), *ladder[::-1])
    assert letters_of(pulled) == [{0: "Z", 1: "Z", 2: "Z"}]
    assert pulled.gadgets[0][1] == Affine.of("a")
    assert [x.letters() for x, _ in pulled.images] == [{wire: "X"} for wire in range(3)]


def test_rotations_that_meet_are_one_and_clifford_gates_go():
    ladder = [("CX", [0, 1]), ("CX", [1, 2])]
    string = [*ladder, ("T", 2), *ladder[::-1]]
    assert not made(*string, *string).gadgets
    assert len(made(*string, ("RX", 0, "a"), *string).gadgets) == 3
    assert len(made(*string, ("RZ", 0, "a"), *string).gadgets) == 1


def test_a_phase_of_the_start_goes_and_letters_of_wires_in_zero():
    pulled = made(("RZZ", [0, 1], "a"), ("RXX", [0, 1], 0.3), ("RZ", 2, "b"), ("CX", [0, 2]))
    assert letters_of(needed_for_outcomes(pulled)) == [{0: "X", 1: "X"}]
    ladder = [("CX", [0, 1]), ("CX", [1, 2])]
    pulled = made(("RX", 2, "c"), *ladder, ("RX", 2, "a"), *ladder[::-1])
    assert letters_of(needed_for_outcomes(pulled)) == [{2: "X"}]


def test_what_commutes_with_all_that_is_measured_goes():
    pulled = made(("RX", 0, "a"), ("CX", [0, 1]), ("RZZ", [0, 1], 0.3), ("RZ", 1, "b"))
    assert letters_of(needed_for_outcomes(pulled)) == [{0: "X"}]


@pytest.mark.parametrize("n_wires", [1, 2])
def test_an_empty_circuit_is_empty(n_wires):
    pulled = pull(Rotations(n_wires))
    assert needed_for_outcomes(fold(pulled)) == pulled
    assert not pulled.gadgets
