"""Programs in gates of the set "qis": the same unitary, few gates, numbers in their places."""

import numpy as np
import pytest

from qstore_tf.circuits import compile_circuit, reference
from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.primitives import Angle, Flip, Phase, Rot, Swap, Unitary
from qstore_tf.circuits.program import Program
from qstore_tf.errors import CircuitError
from qstore_tf.ionq.emulator import reading
from qstore_tf.ionq.from_program import values_of
from qstore_tf.ionq.qis_lowering import qis_circuit
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.random_circuits import random_circuit, random_program, random_unitary


def sent(program, inputs, theta, basis=()):
    """The circuits as the local IonQ reads them."""
    made = qis_circuit(program, basis)
    numbers = made.bind(values_of(made.symbols, inputs, theta))
    return reading.read(made.template.document(numbers))


def assert_same_up_to_phase(found, wanted):
    overlap = np.vdot(wanted, found) / np.vdot(wanted, wanted)
    assert abs(overlap) == pytest.approx(1, abs=1e-10)
    np.testing.assert_allclose(found, overlap * wanted, atol=1e-9)


def words(circuit):
    """The words for a circuit's gates, with their number of controls."""
    gates = qis_circuit(compile_circuit(circuit)).template.gates
    return [(gate.word, len(gate.controls)) if gate.controls else gate.word for gate in gates]


@pytest.mark.parametrize("case", range(12))
def test_random_circuits_keep_their_unitary(case):
    rng = np.random.default_rng([daily_seed(), case])
    circuit = random_circuit(rng, int(rng.integers(1, 5)), 10, max_controls=2)
    (found,) = sent(compile_circuit(circuit), np.zeros((1, 0)), [])
    assert_same_up_to_phase(reference.unitary(found), reference.unitary(circuit))


@pytest.mark.parametrize("case", range(12))
def test_random_programs_keep_their_states_for_every_row_of_numbers(case):
    rng = np.random.default_rng([daily_seed(), case, 1])
    program = random_program(rng, int(rng.integers(1, 5)), 14, n_inputs=2, n_theta=3)
    inputs, theta = 2 * rng.normal(size=(3, 2)), 2 * rng.normal(size=3)
    wanted = reference.state_vector(program, inputs, theta)
    for circuit, state in zip(sent(program, inputs, theta), wanted, strict=True):
        assert_same_up_to_phase(reference.unitary(circuit)[:, 0], state)


@pytest.mark.parametrize("letters", ["XX", "ZZ", "XZ", "YX", "XYZ", "ZZYX"])
@pytest.mark.parametrize("n_controls", [0, 1, 2])
def test_products_of_letters(letters, n_controls):
    n = len(letters)
    gate = Rot(
        letters, tuple(range(n)), Angle(0.0, (("t", 0, 1.0),)), tuple(range(n, n + n_controls))
    )
    program = Program(n + n_controls, 0, 1, False, (gate,))
    (found,) = sent(program, np.zeros((1, 0)), [0.7])
    wanted = Circuit(n + n_controls)
    wanted.add_unitary(_exponential(letters, 0.7), range(n), gate.controls)
    assert_same_up_to_phase(reference.unitary(found), reference.unitary(wanted))


def _exponential(letters, angle):
    paulis = {"X": [[0, 1], [1, 0]], "Y": [[0, -1j], [1j, 0]], "Z": [[1, 0], [0, -1]]}
    product = np.eye(1)
    for letter in letters:
        product = np.kron(product, np.array(paulis[letter]))
    return np.cos(angle / 2) * np.eye(len(product)) - 1j * np.sin(angle / 2) * product


@pytest.mark.parametrize(
    "gate",
    [
        Flip(8, tuple(range(8))),
        Phase(Angle(np.pi / 4), tuple(range(9))),
        Phase(Angle(0.3), tuple(range(9))),
        Rot("Y", (8,), Angle(0.0, (("t", 0, 2.0),)), tuple(range(8))),
        Swap((7, 8), tuple(range(7))),
    ],
    ids=lambda gate: type(gate).__name__,
)
def test_more_than_seven_controls(gate):
    """On a state that has the most where all controls are 1, and turned so that phases show."""
    angles = np.random.default_rng(daily_seed()).uniform(2.3, 2.9, 9)
    angles[8] = 1.2
    before = [Rot("Y", (k,), Angle(float(angle))) for k, angle in enumerate(angles)]
    after = [Rot("X", (k,), Angle(1.0)) for k in range(9)]
    program = Program(9, 0, 1, False, (*before, gate, *after))
    without = reference.state_vector(Program(9, 0, 0, False, (*before, *after)))[0]
    (found,) = sent(program, np.zeros((1, 0)), [0.4])
    assert max(len(op.controls) for op in found.operations) <= 7
    state = reference.state_vector(compile_circuit(found))[0]
    wanted = reference.state_vector(program, np.zeros((1, 0)), [0.4])[0]
    assert_same_up_to_phase(state, wanted)
    assert np.abs(wanted - without).max() > 1e-3


def test_what_a_gate_is_called_stays_its_name():
    circuit = Circuit(4)
    for name in ("H", "X", "Y", "Z", "S", "Sdg", "T", "Tdg", "SX", "SXdg"):
        circuit.add_gate(name, 0)
    plain = ["h", "x", "y", "z", "s", "si", "t", "ti", "v", "vi"]
    assert words(circuit) == plain
    for controls in ([1], [1, 2]):
        under = Circuit(4)
        for op in circuit.operations:
            under.add_gate(op.gate, 0, controls=controls)
        named = [("cnot" if word == "x" else word, len(controls)) for word in plain]
        assert words(under) == named
    rest = (
        Circuit(4)
        .add_gate("SWAP", [0, 1])
        .add_gate("RXX", [0, 1], "a")
        .add_gate("CRY", [2, 3], 1.0)
    )
    assert words(rest) == ["swap", "xx", ("ry", 1)]
    assert words(Circuit(3).add_gate("P", 2, "a", controls=[0, 1])) == [("rz", 2), ("rz", 1), "rz"]
    assert words(Circuit(2).add_gate("RX", 0, 2 * np.pi).add_gate("RZZ", [0, 1], 0.0)) == []
    # A whole turn under a control is a phase of it.
    assert words(Circuit(2).add_gate("CRX", [0, 1], 2 * np.pi)) == [("rx", 1)]
    assert words(Circuit(2).add_gate("CRX", [0, 1], 4 * np.pi)) == []


def test_gates_that_only_look_like_a_pair_stay_apart():
    circuit = Circuit(2).add_gate("RY", 0, np.pi / 2).add_gate("X", 1)
    circuit.add_gate("CRY", [0, 1], np.pi / 2).add_gate("X", 1)
    assert words(circuit) == ["ry", "x", ("ry", 1), "x"]


@pytest.mark.parametrize("letter", "XYZ")
def test_the_basis_of_the_measurement_becomes_z(letter):
    matrix = random_unitary(daily_seed(), 1)
    program = compile_circuit(Circuit(1).add_unitary(matrix, 0))
    (found,) = sent(program, np.zeros((1, 0)), [], [(0, letter)])
    chances = np.abs(reference.unitary(found)[:, 0]) ** 2
    paulis = {"X": [[0, 1], [1, 0]], "Y": [[0, -1j], [1j, 0]], "Z": [[1, 0], [0, -1]]}
    state = matrix[:, 0]
    expected = (state.conj() @ np.array(paulis[letter]) @ state).real
    assert chances[0] - chances[1] == pytest.approx(expected, abs=1e-12)


def test_what_cannot_be_written_is_an_error():
    with pytest.raises(CircuitError, match=r"starts in \|0...0>"):
        qis_circuit(Program(1, 0, 0, True, ()))
    large = Unitary(((1, 0), (0, 1j)), (8,), tuple(range(8)))
    wide = Unitary(tuple(map(tuple, np.eye(4, dtype=complex).tolist())), (7, 8), tuple(range(7)))
    qis_circuit(Program(9, 0, 0, False, (large,)))
    with pytest.raises(CircuitError, match="too large"):
        qis_circuit(Program(9, 0, 0, False, (wide,)))
