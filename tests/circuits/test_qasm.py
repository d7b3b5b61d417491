"""Circuits survive OpenQASM 2 up to a global phase, and bad programs get one clear error."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits.circuit import UnifiedCircuit
from qstore_tf.circuits.gates import GATES
from qstore_tf.circuits.qasm import from_qasm, to_qasm
from qstore_tf.errors import ConversionError, QstoreError
from qstore_tf.testing.random_circuits import circuits, random_unitary

HEAD = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
UNITARY = [name for name, row in GATES.items() if row.is_unitary and name != "Unitary"]


def assert_equal_up_to_phase(actual, expected, atol=1e-8):
    overlap = np.vdot(expected, actual)
    np.testing.assert_allclose(actual, expected * overlap / abs(overlap), atol=atol)


@pytest.mark.parametrize("n_controls", [0, 1, 2])
@pytest.mark.parametrize("name", UNITARY)
def test_every_gate_of_the_table_comes_back(name, n_controls):
    row = GATES[name]
    params = [0.4, -1.3, 2.2][: row.n_params]
    circuit = UnifiedCircuit(5).add_gate("H", 4)
    circuit.add_gate(name, [2, 0, 1][: row.n_qubits], params, controls=[3, 4][:n_controls])
    copy = from_qasm(to_qasm(circuit))
    assert copy.n_qubits == 5
    assert_equal_up_to_phase(copy.unitary(), circuit.unitary())


@settings(max_examples=25, deadline=None)
@given(circuits(max_qubits=4, max_gates=10))
def test_random_circuits_come_back(circuit):
    assert_equal_up_to_phase(from_qasm(to_qasm(circuit)).unitary(), circuit.unitary(), atol=1e-7)


@pytest.mark.parametrize(
    "matrix",
    [
        np.eye(2),
        np.array([[0, 1j], [1, 0]]),
        np.kron([[0, 1], [1, 0]], np.eye(2)),
        1j * np.eye(4),
        np.eye(8)[::-1],
        np.diag(np.exp(1j * np.arange(8))),
        random_unitary(0, 4),
    ],
    ids=["identity", "antidiagonal", "block", "phase", "flip", "diagonal", "random"],
)
@pytest.mark.parametrize("controlled", [False, True])
def test_matrices_are_written_as_gates(matrix, controlled):
    n_targets = len(matrix).bit_length() - 1
    circuit = UnifiedCircuit(n_targets + 1)
    circuit.add_unitary(matrix, range(1, n_targets + 1), controls=[0] if controlled else [])
    assert_equal_up_to_phase(from_qasm(to_qasm(circuit)).unitary(), circuit.unitary(), atol=1e-6)


def test_many_controls_are_written():
    circuit = UnifiedCircuit(6).add_gate("X", 5, controls=[0, 1, 2, 3, 4])
    assert_equal_up_to_phase(from_qasm(to_qasm(circuit)).unitary(), circuit.unitary())


@pytest.mark.parametrize("value", [12.5e-7, 1e-7, 1e22, -3.3e-12, np.pi])
def test_numbers_of_any_size_come_back(value):
    copy = from_qasm(to_qasm(UnifiedCircuit(1).add_gate("RX", 0, value)))
    assert copy.operations[0].params[0].constant == pytest.approx(value, rel=1e-14)


def test_measurements_are_written_and_read():
    circuit = UnifiedCircuit(2).add_gate("H", 0).measure()
    assert "measure q[1] -> c[1];" in to_qasm(circuit)
    assert set(from_qasm(to_qasm(circuit)).measured_qubits) == {0, 1}


def test_symbols_are_refused_with_what_to_do():
    circuit = UnifiedCircuit(1).add_gate("RX", 0, "theta")
    with pytest.raises(ConversionError, match="theta.*bind"):
        to_qasm(circuit)
    assert "rx(0.5)" in to_qasm(circuit.bind({"theta": 0.5}))


def test_a_program_of_the_usual_kind_is_read():
    circuit = from_qasm(
        HEAD
        + """// a comment; with x q[0];
        gate entangle(t) x,y { rz(t/2) x; barrier x; cx x,y; }
        qreg b[1]; qreg a[2]; creg c[2];
        h a; barrier b,a;
        entangle(2*(pi-1)^2) b[0],a[1];
        u2(0.1,0.2) a[0]; p(.3) a[0]; rzz(0.2) a[0],a[1];
        measure a -> c;"""
    )
    expected = UnifiedCircuit(3).add_gate("H", 1).add_gate("H", 2)
    expected.add_gate("RZ", 0, (np.pi - 1) ** 2).add_gate("CX", [0, 2])
    expected.add_gate("U3", 1, [np.pi / 2, 0.1, 0.2]).add_gate("PhaseShift", 1, 0.3)
    expected.add_gate("RZZ", [1, 2], 0.2)
    assert circuit.measured_qubits == (1, 2)
    assert_equal_up_to_phase(circuit.unitary(), expected.unitary())


@pytest.mark.parametrize("angle", [-0.3, 0.4, 7.0])
def test_gates_with_three_angles_are_read_for_negative_angles_and_over_a_turn(angle):
    text = "gate g(t) x,y { u3(t,1,2) x; cu3(t,0.2,0.7) x,y; cu1(t) x,y; } qreg q[2]; "
    circuit = from_qasm(HEAD + text + f"g({angle}) q[0],q[1]; cu3({angle},-1,3) q[0],q[1];")
    expected = UnifiedCircuit(2).add_gate("U3", 0, [angle, 1, 2])
    # qelib1.inc: the controlled rotation RZ(b) RY(a) RZ(c), and a phase on the control.
    for params in ((angle, 0.2, 0.7), (angle, -1.0, 3.0)):
        expected.add_gate("U3", 1, params, controls=[0])
        if params[1] == 0.2:
            expected.add_gate("CPhase", [0, 1], angle)
    assert_equal_up_to_phase(circuit.unitary(), expected.unitary())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "OPENQASM 2.0"),
        ("OPENQASM 3.0; qubit q;", "OPENQASM 2.0"),
        (HEAD, "number of qubits"),
        (HEAD + "qreg q[1000000000];", "number of qubits"),
        (HEAD + "qreg q[1]; foo q[0];", "foo"),
        (HEAD + "qreg q[2]; cx q[0],q[0];", "cannot be read"),
        (HEAD + "qreg q[2]; cx q[0],q[7];", "7"),
        (HEAD + "qreg q[1]; rx(1/0) q[0];", "zero"),
        (HEAD + "qreg q[1]; rx(ln(0)) q[0];", "finite"),
        (HEAD + "qreg q[1]; rx(9^9^9^9) q[0];", "cannot be read"),
        (HEAD + "qreg q[1]; rx(alpha) q[0];", "alpha"),
        (HEAD + "qreg q[1]; creg c[1];\nif(c==1) x q[0];", "Line 4 uses 'if'"),
        (HEAD + "qreg q[1]; reset q[0];", "reset"),
        (HEAD + "opaque g a; qreg q[1];", "opaque"),
        (HEAD + "qreg q[1]; creg c[1]; measure q[0]->c[0]; x q[0];", "after its measurement"),
    ],
)
def test_programs_that_cannot_be_read_say_why(text, message):
    with pytest.raises(ConversionError, match=message):
        from_qasm(text)


def test_definitions_that_explode_are_refused_before_they_do():
    text = HEAD + "gate g0 x { x x; x x; }"
    for k in range(1, 60):
        text += f"gate g{k} x {{ g{k - 1} x; g{k - 1} x; }}"
    with pytest.raises(ConversionError, match="too many gates"):
        from_qasm(text + "qreg q[1]; g59 q[0];")


def test_only_text_of_a_sane_size_is_read():
    with pytest.raises(ConversionError, match="no OpenQASM program"):
        from_qasm(b"OPENQASM 2.0;")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_mutated_programs_give_a_circuit_or_one_of_our_errors(data):
    text = HEAD + "qreg q[2]; creg c[2]; rx(pi/2) q[0]; cx q[0],q[1]; measure q -> c;"
    at = data.draw(st.integers(0, len(text) - 1))
    length = data.draw(st.integers(0, 6))
    pieces = ["", "(", ")", ";", "1", "q", "[", "{", "gate ", "^", "\x00"]
    text = text[:at] + data.draw(st.sampled_from(pieces)) + text[at + length :]
    with contextlib.suppress(QstoreError):
        assert isinstance(from_qasm(text), UnifiedCircuit)


def test_openqasm_3_is_pointed_to_its_reader():
    with pytest.raises(ConversionError, match="from_qasm3"):
        from_qasm("OPENQASM 3.0; qubit q;")
