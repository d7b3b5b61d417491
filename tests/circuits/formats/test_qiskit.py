"""Circuits mean the same in Qiskit, gate by gate and over random circuits."""

import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings

from qstore_tf.circuits.formats.qiskit.writing import to_qiskit
from qstore_tf.circuits.gates import GATES
from qstore_tf.circuits.symbols import Affine
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConversionError, LibraryError
from qstore_tf.limits import OPERATIONS
from qstore_tf.testing.extras import needs_extra
from qstore_tf.testing.random_circuits import circuits, random_unitary

qiskit = needs_extra("qiskit")

from qiskit import QuantumCircuit  # noqa: E402
from qiskit.circuit import (  # noqa: E402
    AnnotatedOperation,
    ControlModifier,
    Gate,
    InverseModifier,
    Parameter,
    ParameterVector,
    PowerModifier,
    library,
)
from qiskit.circuit.library.standard_gates import (  # noqa: E402
    get_standard_gate_name_mapping,
)
from qiskit.quantum_info import Operator, SparsePauliOp  # noqa: E402

from_qiskit = UnifiedCircuit.from_qiskit

VALUES = {"a": 0.37, "b": -1.1, "p0": 0.3, "p1": -0.8, "p2": 1.7, "p3": 0.6}
UNITARY = [name for name, row in GATES.items() if row.is_unitary and name != "Unitary"]
STANDARD = [
    gate
    for gate in get_standard_gate_name_mapping().values()
    if isinstance(gate, Gate) and gate.num_qubits
]
A, B = Parameter("a"), Parameter("b")


def ours(circuit):
    return circuit.unitary({name: VALUES[name] for name in circuit.parameters})


def theirs(circuit):
    values = {parameter: VALUES[parameter.name] for parameter in circuit.parameters}
    # Bits reversed: Qiskit's qubit 0 is the least significant one.
    return Operator(circuit.assign_parameters(values).reverse_bits()).data


def check(circuit):
    converted = from_qiskit(circuit)
    np.testing.assert_allclose(ours(converted), theirs(circuit), atol=1e-9)
    return converted


def on_three_qubits(operation):
    circuit = QuantumCircuit(max(4, operation.num_qubits))
    for qubit in range(circuit.num_qubits):
        circuit.ry(0.3 + 0.2 * qubit, qubit)
    order = [2, 0, 3, 1, *range(4, operation.num_qubits)]
    circuit.append(operation, order[: operation.num_qubits])
    return circuit


def symbolic(gate):
    params = [Parameter(f"p{k}") / 2 + 0.1 * k for k in range(len(gate.params))]
    return gate.base_class(*params)


@pytest.mark.parametrize("gate", STANDARD, ids=lambda gate: gate.name)
def test_every_standard_gate_converts(gate):
    numbers = gate.base_class(*(0.4 - 0.9 * k for k in range(len(gate.params))))
    check(on_three_qubits(numbers))


@pytest.mark.parametrize(
    "gate", [gate for gate in STANDARD if gate.params], ids=lambda gate: gate.name
)
def test_every_standard_gate_keeps_its_symbols(gate):
    converted = check(on_three_qubits(symbolic(gate)))
    assert set(converted.parameters) == {f"p{k}" for k in range(len(gate.params))}


@pytest.mark.parametrize("state", [0, 1, 2])
@pytest.mark.parametrize(
    "gate, with_symbols",
    [(g, s) for g in STANDARD if g.num_qubits <= 2 for s in (False, True) if g.params or not s],
    ids=lambda value: getattr(value, "name", value),
)
def test_every_standard_gate_converts_under_open_controls(gate, with_symbols, state):
    numbers = gate.base_class(*(0.4 - 0.9 * k for k in range(len(gate.params))))
    base = symbolic(gate) if with_symbols else numbers
    check(on_three_qubits(base.control(2, ctrl_state=state, annotated=True)))
    check(on_three_qubits(base.control(1, ctrl_state=state % 2, annotated=False)))


MORE = [
    library.MCXGate(3),
    library.MCXGate(3, ctrl_state=2),
    library.MCPhaseGate(0.3, 2),
    library.C3XGate(),
    library.C4XGate(),
    library.CUGate(0.1, 0.2, 0.3, 0.4, ctrl_state=0),
    library.UnitaryGate(random_unitary(0, 2)),
    library.UnitaryGate(random_unitary(1, 3)),
    library.UnitaryGate(random_unitary(2, 2)).control(1, annotated=False),
    library.PauliGate("XYZI"),
    library.PermutationGate([2, 0, 1]),
    library.QFTGate(3),
    library.DiagonalGate([1, 1j, -1, 1, 1, 1, 1j, 1]),
    library.PauliEvolutionGate(SparsePauliOp(["XZ", "ZI"], [0.3, 0.5]), time=0.4),
    library.StatePreparation([0.6, 0.8j, 0, 0]),
    library.MSGate(3, 0.4),
    library.RVGate(0.1, 0.2, 0.3),
    library.Isometry(np.eye(4)[:, :2], 0, 0),
    library.HGate().control(1).power(0.5),
    library.GlobalPhaseGate(0.4).control(2),
    library.LinearFunction([[1, 1], [0, 1]]),
    library.UCRYGate([0.1, 0.2]),
    library.ZGate().repeat(3),
]


@pytest.mark.parametrize("operation", MORE, ids=lambda operation: operation.name)
def test_gates_of_the_library_convert(operation):
    check(on_three_qubits(operation))


@pytest.mark.parametrize(
    "modifiers",
    [
        [InverseModifier()],
        [PowerModifier(3)],
        [PowerModifier(-2)],
        [PowerModifier(0)],
        [PowerModifier(0.5)],
        [ControlModifier(1, 0), InverseModifier(), ControlModifier(1, 1)],
        [InverseModifier(), ControlModifier(2, 1), PowerModifier(2)],
        [ControlModifier(1, 0), PowerModifier(0.3)],
    ],
    ids=str,
)
def test_annotated_operations_convert(modifiers):
    check(on_three_qubits(AnnotatedOperation(library.RXGate(0.7), modifiers)))


def test_parameters_keep_the_order_of_first_appearance_and_their_names():
    theta = ParameterVector("θ", 12)
    circuit = QuantumCircuit(2)
    order = [11, 2, 10, 0, 1, 9, 3, 8, 4, 7, 5, 6]
    for k in order:
        circuit.ry(theta[k], k % 2)
    circuit.rx(Parameter("first by name: a"), 0)
    names = from_qiskit(circuit).parameters
    assert names == (*(f"θ[{k}]" for k in order), "first by name: a")


def test_affine_expressions_convert_exactly():
    circuit = QuantumCircuit(1)
    circuit.rx(2 * A - B / 4 + math.pi / 2, 0)
    circuit.rz(3 * (A + 1) - A, 0)
    circuit.ry(A - A + 0.5, 0)
    converted = check(circuit)
    params = [operation.params[0] for operation in converted.operations]
    assert params[0] == Affine(math.pi / 2, (("a", 2.0), ("b", -0.25)))
    assert params[1] == Affine(3.0, (("a", 2.0),))
    assert params[2] == Affine(0.5)


@pytest.mark.parametrize("expression", [A * B, A.sin(), 1 / A, A**2, A.abs()], ids=str)
def test_an_expression_that_is_not_affine_is_named(expression):
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.rx(expression, 1)
    with pytest.raises(ConversionError, match=r"Instruction 1 .*'rx' on \[1\].*affine"):
        from_qiskit(circuit)


def test_nested_gates_with_parameters_and_phases_convert():
    inner = QuantumCircuit(2, global_phase=A / 2)
    inner.crx(A, 1, 0)
    inner.rzz(B, 0, 1)
    outer = QuantumCircuit(3, global_phase=0.3)
    outer.append(inner.to_gate(), [2, 0])
    outer.append(inner.to_gate().inverse(), [1, 2])
    outer.append(inner.assign_parameters({A: 2 * B}).to_gate().control(1), [0, 1, 2])
    check(outer)


def test_a_controlled_composite_gate_follows_assigned_parameters():
    inner = QuantumCircuit(1)
    inner.ry(A, 0)
    inner.p(B, 0)
    outer = QuantumCircuit(2)
    outer.append(inner.to_gate().control(1, annotated=True), [0, 1])
    outer = outer.assign_parameters({A: B + 1})
    assert check(outer).parameters == ("b",)


def test_a_gate_is_known_by_its_class_not_by_its_name():
    impostor = QuantumCircuit(1, name="x")
    impostor.h(0)
    circuit = QuantumCircuit(1)
    circuit.append(impostor.to_gate(), [0])
    assert check(circuit).count_gates() == {"H": 1}


def test_barriers_are_dropped_and_measurements_become_markers():
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.barrier()
    circuit.delay(10, 0)
    circuit.measure([1, 0], [0, 1])
    converted = from_qiskit(circuit)
    assert converted.count_gates() == {"H": 1, "Measure": 2}
    assert converted.measured_qubits == (1, 0)


def _with_condition():
    circuit = QuantumCircuit(1, 1)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(0)
    return circuit


def _with_loop():
    circuit = QuantumCircuit(1)
    with circuit.for_loop(range(3)):
        circuit.x(0)
    return circuit


def _of(*steps):
    circuit = QuantumCircuit(3, 3)
    for name, *arguments in steps:
        getattr(circuit, name)(*arguments)
    return circuit


BAD = {
    "if_else": (_with_condition, "'if_else' on .0.*control flow"),
    "for_loop": (_with_loop, "'for_loop'.*Write the gates out"),
    "reset": (lambda: _of(("h", 0), ("reset", 1)), r"Instruction 1 .*'reset' on \[1\]"),
    "initialize": (lambda: _of(("initialize", [1, 0], [0])), "encoding='amplitude'"),
    "midway": (lambda: _of(("measure", 0, 0), ("x", 0)), "Instruction 1 .*measurement marker"),
    "opaque": (lambda: _of(("append", Gate("mystery", 3, []), [0, 1, 2])), "'mystery'"),
    "symbol pi": (lambda: _of(("rx", Parameter("pi"), 0)), "reserved"),
    "empty": (QuantumCircuit, "no qubits"),
    "text": (lambda: "x", "QuantumCircuit"),
    "power": (
        lambda: _of(("append", library.XGate().power(10**9, annotated=True), [0])),
        "too large",
    ),
    "root of symbols": (
        lambda: _of(("append", AnnotatedOperation(library.RXGate(A), PowerModifier(0.5)), [0])),
        "not an integer",
    ),
}


@pytest.mark.parametrize("make, message", BAD.values(), ids=BAD)
def test_what_cannot_be_converted_is_named(make, message):
    with pytest.raises(ConversionError, match=message):
        from_qiskit(make())


def test_gates_nested_until_they_are_endless_are_refused(monkeypatch):
    monkeypatch.setenv(OPERATIONS.variable, "100")
    circuit = QuantumCircuit(1)
    circuit.h(0)
    for level in range(7):
        outer = QuantumCircuit(1, name=f"level{level}")
        gate = circuit.to_gate()
        outer.append(gate, [0])
        outer.append(gate, [0])
        circuit = outer
    with pytest.raises(ConversionError, match="too many operations"):
        from_qiskit(circuit)


@pytest.mark.parametrize("with_symbols", [False, True])
@pytest.mark.parametrize("n_controls", [0, 1, 2])
@pytest.mark.parametrize("name", UNITARY)
def test_every_gate_of_the_table_converts_both_ways(name, n_controls, with_symbols):
    row = GATES[name]
    params = [Affine(0.2 * k + 0.1, ((f"p{k}", 0.5),)) for k in range(row.n_params)]
    if not with_symbols:
        params = [Affine(param.evaluate(VALUES)) for param in params]
    circuit = UnifiedCircuit(5)
    controls = [3, 4][:n_controls]
    circuit.add_gate(name, [2, 0, 1][: row.n_qubits], params, controls=controls)
    converted = to_qiskit(circuit)
    back = from_qiskit(converted)
    assert set(back.parameters) == set(circuit.parameters)
    np.testing.assert_allclose(ours(back), ours(circuit), atol=1e-9)
    if name != "I":
        np.testing.assert_allclose(theirs(converted), ours(circuit), atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(circuits(max_qubits=4, max_gates=12, symbols=("a", "b")))
def test_random_circuits_keep_their_unitary_both_ways(circuit):
    converted = to_qiskit(circuit)
    np.testing.assert_allclose(theirs(converted), ours(circuit), atol=1e-8)
    np.testing.assert_allclose(ours(from_qiskit(converted)), ours(circuit), atol=1e-8)


def test_markers_and_names_come_back_through_the_methods():
    circuit = UnifiedCircuit(2).add_gate("RX", 0, "2*theta + 0.5").measure(1)
    assert from_qiskit(circuit.to_qiskit()) == circuit


def test_without_qiskit_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "qiskit", None)
    with pytest.raises(LibraryError, match=r"pip install 'qstore-tf\[qiskit\]'"):
        to_qiskit(UnifiedCircuit(1))
