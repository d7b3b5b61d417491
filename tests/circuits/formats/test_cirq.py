"""Circuits mean the same in Cirq, gate by gate and over random circuits."""

import cirq
import cirq_ionq
import numpy as np
import pytest
import sympy
from hypothesis import given, settings

from qstore_tf.circuits.formats.cirq.powers import POWERS
from qstore_tf.circuits.formats.cirq.writing import to_cirq
from qstore_tf.circuits.gates import GATES
from qstore_tf.circuits.symbols import Affine
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConversionError
from qstore_tf.testing.random_circuits import circuits, random_unitary

from_cirq = UnifiedCircuit.from_cirq

VALUES = {"a": 0.37, "b": -1.1, "p0": 0.3, "p1": -0.8, "p2": 1.7}
UNITARY = [name for name, row in GATES.items() if row.is_unitary and name != "Unitary"]
Q = cirq.LineQubit.range(4)
T = sympy.Symbol("a")


def ours(circuit):
    return circuit.unitary({name: VALUES[name] for name in circuit.parameters})


def theirs(circuit, qubits):
    resolved = cirq.resolve_parameters(circuit, VALUES)
    return resolved.unitary(qubit_order=qubits, qubits_that_should_be_present=qubits)


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("n_controls", [0, 1])
@pytest.mark.parametrize("name", UNITARY)
def test_every_gate_of_the_table_converts_both_ways(name, n_controls, symbolic):
    row = GATES[name]
    params = [Affine(0.2 * k + 0.1, ((f"p{k}", 0.5),)) for k in range(row.n_params)]
    if not symbolic:
        params = [Affine(param.evaluate(VALUES)) for param in params]
    circuit = UnifiedCircuit(4)
    circuit.add_gate(name, [2, 0, 1][: row.n_qubits], params, controls=[3][:n_controls])
    converted = to_cirq(circuit)
    np.testing.assert_allclose(theirs(converted, Q), ours(circuit), atol=1e-12)
    back = from_cirq(converted)
    assert back.n_qubits == 4
    assert set(back.parameters) == set(circuit.parameters)
    np.testing.assert_allclose(ours(back), ours(circuit), atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(circuits(max_qubits=4, max_gates=15, symbols=("a", "b")))
def test_random_circuits_keep_their_unitary_both_ways(circuit):
    converted = to_cirq(circuit)
    qubits = cirq.LineQubit.range(circuit.n_qubits)
    np.testing.assert_allclose(theirs(converted, qubits), ours(circuit), atol=1e-10)
    np.testing.assert_allclose(ours(from_cirq(converted)), ours(circuit), atol=1e-10)
    assert str(converted)


@pytest.mark.parametrize(
    "gate",
    ["I", "X", "Y", "Z", "H", "S", "Sdg", "T", "Tdg", "SX", "SXdg", "CX", "CZ", "CCX", "CSWAP"],
)
def test_plain_gates_come_back_under_their_names(gate):
    circuit = UnifiedCircuit(3).add_gate(gate, range(GATES[gate].n_qubits))
    assert gate in from_cirq(to_cirq(circuit)).count_gates()


OPERATIONS = [
    cirq.X(Q[0]).controlled_by(Q[1], Q[2], control_values=[0, (0, 1)]),
    cirq.X(Q[0]).controlled_by(Q[1], Q[2], control_values=[0, 0]),
    cirq.Y(Q[0]).controlled_by(Q[1], Q[2], control_values=cirq.SumOfProducts([(0, 1), (1, 0)])),
    cirq.ControlledGate(cirq.ry(0.3), control_values=[0]).on(Q[1], Q[0]),
    (cirq.H**0.4).on(Q[1]).controlled_by(Q[0], control_values=[0]),
    cirq.H(Q[0]) ** 0.3,
    cirq.SWAP(Q[0], Q[1]) ** 0.3,
    cirq.ISWAP(Q[0], Q[1]) ** 0.3,
    cirq.ISWAP(Q[0], Q[1]) ** -1,
    cirq.CCX(*Q[:3]) ** 0.3,
    cirq.CCZ(*Q[:3]) ** 0.7,
    cirq.PhasedXPowGate(phase_exponent=0.3, exponent=0.2, global_shift=0.1)(Q[0]),
    cirq.PhasedXPowGate(phase_exponent=0.0, exponent=0.2)(Q[0]),
    cirq.PhasedXZGate(x_exponent=0.1, z_exponent=0.2, axis_phase_exponent=0.3)(Q[1]),
    cirq.PhasedISwapPowGate(phase_exponent=0.2, exponent=0.3)(Q[0], Q[1]),
    cirq.PhasedFSimGate(0.1, 0.2, 0.3, 0.4, 0.5)(Q[2], Q[3]),
    cirq.XPowGate(exponent=0.3, global_shift=0.2)(Q[0]).controlled_by(Q[1]),
    cirq.ZPowGate(exponent=0.3, global_shift=-0.5)(Q[0]),
    cirq.CXPowGate(exponent=0.3, global_shift=0.3)(Q[0], Q[1]),
    cirq.XX(Q[0], Q[1]) ** 0.3,
    cirq.YY(Q[0], Q[2]),
    cirq.ms(0.3)(Q[0], Q[1]),
    cirq.qft(*Q),
    cirq.PauliString({Q[0]: cirq.X, Q[1]: cirq.Y}, coefficient=-1),
    cirq.global_phase_operation(1j),
    cirq.GlobalPhaseGate(1j).controlled().on(Q[0]),
    cirq.CircuitOperation(
        cirq.FrozenCircuit(cirq.H(Q[0]), cirq.CX(Q[0], Q[1])), use_repetition_ids=False
    ).repeat(3, use_repetition_ids=False),
    cirq.CCXPowGate(exponent=0.2).controlled().on(*Q),
    cirq.IdentityGate(3)(*Q[:3]),
    cirq.givens(0.3)(Q[0], Q[1]),
    cirq.X(Q[0]).with_tags("tag"),
    cirq.DiagonalGate([0.1, 0.2, 0.3, 0.4])(Q[0], Q[1]),
    cirq.MatrixGate(random_unitary(0, 3))(*Q[1:]),
]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: str(op).split("\n")[0][:40])
def test_operations_of_cirq_keep_their_unitary(operation):
    circuit = cirq.Circuit(operation)
    converted = from_cirq(circuit, qubit_order=Q)
    np.testing.assert_allclose(converted.unitary(), theirs(circuit, Q), atol=1e-7)


@pytest.mark.parametrize(
    "operation",
    [
        cirq.H(Q[0]) ** T,
        cirq.SWAP(Q[0], Q[1]) ** T,
        cirq.ISWAP(Q[0], Q[1]) ** (2 * T),
        (cirq.CCX**T)(*Q[:3]),
        cirq.PhasedXPowGate(phase_exponent=T, exponent=2 * T + 1)(Q[0]),
        cirq.PhasedXZGate(x_exponent=0.1, z_exponent=T, axis_phase_exponent=0.3)(Q[1]),
        cirq.PhasedISwapPowGate(phase_exponent=T, exponent=0.3)(Q[0], Q[1]),
        cirq.GlobalPhaseGate(sympy.exp(sympy.I * T)).on(),
        cirq.XX(Q[0], Q[1]) ** T,
        cirq.CircuitOperation(cirq.FrozenCircuit(cirq.rx(T)(Q[0])), param_resolver={"a": 2 * T}),
    ],
    ids=str,
)
def test_symbols_stay_symbols(operation):
    circuit = cirq.Circuit(operation)
    converted = from_cirq(circuit, qubit_order=Q)
    assert converted.parameters == ("a",)
    np.testing.assert_allclose(ours(converted), theirs(circuit, Q), atol=1e-7)


@pytest.mark.parametrize(
    "gate",
    [
        cirq_ionq.GPIGate(phi=0.1),
        cirq_ionq.GPI2Gate(phi=0.2),
        cirq_ionq.MSGate(phi0=0.1, phi1=0.3, theta=0.2),
        cirq_ionq.ZZGate(theta=0.1),
    ],
    ids=str,
)
def test_native_gates_of_ionq_are_known(gate):
    circuit = cirq.Circuit(gate.on(*Q[: cirq.num_qubits(gate)]))
    converted = from_cirq(circuit)
    assert "Unitary" not in converted.count_gates()
    np.testing.assert_allclose(converted.unitary(), circuit.unitary(), atol=1e-7)


def test_qubits_follow_cirqs_order_or_the_one_given():
    a, b = cirq.NamedQubit("a"), cirq.NamedQubit("b")
    circuit = cirq.Circuit(cirq.X(b), cirq.H(a))
    assert from_cirq(circuit).operations[0].targets == (1,)
    assert from_cirq(circuit, qubit_order=[b, a]).operations[0].targets == (0,)
    assert from_cirq(circuit, qubit_order=[b, a, cirq.NamedQubit("c")]).n_qubits == 3
    with pytest.raises(ConversionError, match="qubit order"):
        from_cirq(circuit, qubit_order=[a])


def test_ten_and_more_qubits_keep_their_numbers():
    circuit = UnifiedCircuit(12).add_gate("X", 11).add_gate("CX", [2, 10])
    assert from_cirq(to_cirq(circuit)).operations[:2] == circuit.operations


def test_measurements_become_markers_and_back():
    circuit = UnifiedCircuit(2).add_gate("H", 0).measure(1, 0)
    converted = to_cirq(circuit)
    assert cirq.measurement_key_names(converted) == {"m0", "m1"}
    assert set(from_cirq(converted).measured_qubits) == {0, 1}
    assert from_cirq(cirq.Circuit(cirq.measure(*Q))).measured_qubits == (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (cirq.ResetChannel()(Q[0]), "ResetChannel"),
        (cirq.depolarize(0.1)(Q[0]), "depolarize"),
        (cirq.X(Q[0]).with_classical_controls("k"), "depends on a measurement"),
        (cirq.rx(T**2)(Q[0]), "affine"),
        (cirq.GlobalPhaseGate(T).on(), "GlobalPhaseGate"),
        (cirq.measure(Q[0], invert_mask=[True]), "inverted"),
        (cirq.IdentityGate(1, (3,))(cirq.LineQid(0, 3)), "3 levels"),
    ],
    ids=str,
)
def test_what_a_circuit_cannot_hold_is_named(operation, name):
    with pytest.raises(ConversionError, match=name):
        from_cirq(cirq.Circuit(cirq.X(Q[1]), operation))


def test_a_gate_after_a_measurement_is_refused():
    with pytest.raises(ConversionError, match="after its measurement"):
        from_cirq(cirq.Circuit(cirq.measure(Q[0]), cirq.X(Q[0])))


def test_a_circuit_without_qubits_is_refused_and_so_is_anything_else():
    with pytest.raises(ConversionError, match="no qubits"):
        from_cirq(cirq.Circuit())
    with pytest.raises(ConversionError, match="cirq.Circuit"):
        from_cirq(cirq.X(Q[0]))


@pytest.mark.parametrize(
    ("name", "theirs"),
    [("X", cirq.X), ("Y", cirq.Y), ("Z", cirq.Z), ("H", cirq.H), ("CX", cirq.CNOT),
     ("CZ", cirq.CZ), ("SWAP", cirq.SWAP), ("CCX", cirq.CCX)],
)  # fmt: skip
def test_gates_without_parameters_are_cirqs_own_objects(name, theirs):
    n_qubits = GATES[name].n_qubits
    circuit = UnifiedCircuit(n_qubits).add_gate(name, list(range(n_qubits)))
    (operation,) = to_cirq(circuit).all_operations()
    assert operation.gate is theirs
    if isinstance(theirs, cirq.Pauli):
        assert cirq.PauliSum.from_pauli_strings([operation]).qubits == operation.qubits


def test_a_gate_is_known_by_its_class_and_not_by_the_name_of_one():
    kind = type("ZPowGate", (cirq.XPowGate,), {})
    circuit = from_cirq(cirq.Circuit(kind(exponent=0.5).on(Q[0])))
    assert circuit.count_gates() == {"SX": 1}


@pytest.mark.parametrize("shift", [0.0, -0.5, 0.25, -0.25, 0.3])
@pytest.mark.parametrize("kind", POWERS)
def test_powers_keep_their_shift_in_one_global_phase(kind, shift):
    exponent = 0.37
    gate = getattr(cirq, kind)(exponent=exponent, global_shift=shift)
    circuit = from_cirq(cirq.Circuit(gate.on(*Q[: gate.num_qubits()])))
    assert circuit.count_gates().get("GlobalPhase", 0) <= 1
    np.testing.assert_allclose(circuit.unitary(), cirq.unitary(gate), atol=1e-12)
