"""Every row of the gate table, checked against itself, Cirq and IonQ's definitions."""

import itertools

import cirq
import cirq_ionq
import numpy as np
import pytest

from qstore_tf.circuits import BASIS, GATES, Affine, UnifiedCircuit, decompose, lookup
from qstore_tf.circuits.drawing import figure
from qstore_tf.circuits.primitives import Angle
from qstore_tf.circuits.reference import apply_matrix, primitive_matrix
from qstore_tf.errors import CircuitError

WITH_MATRIX = [row for row in GATES.values() if row.matrix is not None]
REQUIRED = """
I X Y Z H S Sdg T Tdg SX RX RY RZ PhaseShift U3 CX CY CZ CH CRX CRY CRZ CPhase SWAP
ISWAP RXX RYY RZZ XPow YPow ZPow CXPow CZPow FSim CCX CCZ CSWAP Unitary GPi GPi2 MS ZZ Measure
GlobalPhase
"""
CIRQ = {
    "I": lambda: cirq.I, "X": lambda: cirq.X, "Y": lambda: cirq.Y, "Z": lambda: cirq.Z,
    "H": lambda: cirq.H, "S": lambda: cirq.S, "Sdg": lambda: cirq.S**-1, "T": lambda: cirq.T,
    "Tdg": lambda: cirq.T**-1, "SX": lambda: cirq.X**0.5, "SXdg": lambda: cirq.X**-0.5,
    "RX": cirq.rx, "RY": cirq.ry, "RZ": cirq.rz,
    "PhaseShift": lambda t: cirq.ZPowGate(exponent=t / np.pi),
    "GlobalPhase": lambda t: cirq.GlobalPhaseGate(np.exp(1j * t)),
    "CX": lambda: cirq.CX, "CZ": lambda: cirq.CZ, "CY": lambda: cirq.ControlledGate(cirq.Y),
    "CH": lambda: cirq.ControlledGate(cirq.H),
    "CRX": lambda t: cirq.ControlledGate(cirq.rx(t)),
    "CRY": lambda t: cirq.ControlledGate(cirq.ry(t)),
    "CRZ": lambda t: cirq.ControlledGate(cirq.rz(t)),
    "CPhase": lambda t: cirq.CZPowGate(exponent=t / np.pi),
    "SWAP": lambda: cirq.SWAP, "ISWAP": lambda: cirq.ISWAP,
    "RXX": lambda t: cirq.XXPowGate(exponent=t / np.pi, global_shift=-0.5),
    "RYY": lambda t: cirq.YYPowGate(exponent=t / np.pi, global_shift=-0.5),
    "RZZ": lambda t: cirq.ZZPowGate(exponent=t / np.pi, global_shift=-0.5),
    "XPow": lambda t: cirq.X**t, "YPow": lambda t: cirq.Y**t, "ZPow": lambda t: cirq.Z**t,
    "CXPow": lambda t: cirq.CX**t, "CZPow": lambda t: cirq.CZ**t, "FSim": cirq.FSimGate,
    "CCX": lambda: cirq.CCX, "CCZ": lambda: cirq.CCZ, "CSWAP": lambda: cirq.CSWAP,
}  # fmt: skip

# The class in cirq_ionq, and what it calls the parameters.
IONQ = {
    "GPi": (cirq_ionq.GPIGate, ("phi",)),
    "GPi2": (cirq_ionq.GPI2Gate, ("phi",)),
    "MS": (cirq_ionq.MSGate, ("phi0", "phi1", "theta")),
    "ZZ": (cirq_ionq.ZZGate, ("theta",)),
}

each_row = pytest.mark.parametrize("row", WITH_MATRIX, ids=lambda row: row.name)


def draw_params(row, seed=0):
    return tuple(np.random.default_rng(seed).uniform(-3, 3, size=row.n_params).tolist())


def multiply(primitives, n_qubits):
    """The matrix of local primitives in time order; `n_qubits` may be 0."""
    columns = np.eye(2**n_qubits, dtype=complex)
    for primitive in primitives:
        primitive = primitive.with_angle(lambda angle: Angle(angle.constant))
        qubits, matrix = primitive_matrix(primitive, [], [])
        columns = apply_matrix(columns, matrix, qubits, n_qubits)
    return columns.T


def constants(params):
    return tuple(map(Affine, params))


def test_the_table_has_every_gate_it_should():
    assert not set(REQUIRED.split()) - set(GATES)


@each_row
def test_the_matrix_has_the_size_of_the_gate_and_is_unitary(row):
    for seed in range(3):
        matrix = row.matrix(*draw_params(row, seed))
        assert matrix.shape == (2**row.n_qubits,) * 2
        np.testing.assert_allclose(matrix @ matrix.conj().T, np.eye(len(matrix)), atol=1e-14)


@each_row
def test_the_primitives_make_the_matrix_with_its_global_phase(row):
    for seed in range(3):
        params = draw_params(row, seed)
        made = multiply(row.primitives(*constants(params)), row.n_qubits)
        np.testing.assert_allclose(made, row.matrix(*params), atol=1e-13)


@each_row
def test_the_inverse_undoes_the_gate_with_its_global_phase(row):
    for seed in range(3):
        params = draw_params(row, seed)
        product = row.matrix(*params)
        for name, inverse_params in row.inverse(*constants(params)):
            product = GATES[name].matrix(*(p.evaluate() for p in inverse_params)) @ product
        np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-13)


@each_row
def test_the_decomposition_makes_the_matrix_from_basis_gates(row):
    params = draw_params(row)
    steps = decompose(row.name, constants(params))
    assert {name for name, _, _ in steps} <= set(BASIS)
    columns = np.eye(2**row.n_qubits, dtype=complex)
    for name, qubits, step_params in steps:
        matrix = GATES[name].matrix(*(p.evaluate() for p in step_params))
        columns = apply_matrix(columns, matrix, qubits, row.n_qubits)
    np.testing.assert_allclose(columns.T, row.matrix(*params), atol=1e-13)


@each_row
def test_controls_act_on_the_all_ones_subspace_only(row):
    params = draw_params(row)
    n = row.n_qubits + 2
    targets = list(range(2, n))
    circuit = UnifiedCircuit(n).add_gate(row.name, targets, params or None, controls=(0, 1))
    expected = np.eye(2**n, dtype=complex)
    expected[-(2**row.n_qubits) :, -(2**row.n_qubits) :] = row.matrix(*params)
    np.testing.assert_allclose(circuit.unitary(), expected, atol=1e-13)


@each_row
def test_symbols_and_numbers_give_the_same_gate(row):
    params = draw_params(row)
    names = [f"p{j}" for j in range(row.n_params)]
    targets = list(range(row.n_qubits))
    circuit = UnifiedCircuit(max(row.n_qubits, 1)).add_gate(row.name, targets, names or None)
    bound = circuit.unitary(dict(zip(names, params, strict=True)))
    number = UnifiedCircuit(circuit.n_qubits).add_gate(row.name, targets, params or None)
    np.testing.assert_allclose(bound, number.unitary(), atol=1e-14)


@pytest.mark.parametrize("name", CIRQ)
def test_the_matrix_is_cirqs(name):
    row = GATES[name]
    params = draw_params(row, 5)
    np.testing.assert_allclose(row.matrix(*params), cirq.unitary(CIRQ[name](*params)), atol=1e-7)


@pytest.mark.parametrize("name", IONQ)
def test_ionq_gates_are_ionqs(name):
    kind, names = IONQ[name]
    turns = (0.13, -0.42, 0.19)[: len(names)]
    theirs = cirq.unitary(kind(**dict(zip(names, turns, strict=True))))
    np.testing.assert_allclose(GATES[name].matrix(*turns), theirs, atol=1e-12)


def test_u3_is_defined_by_its_rotations():
    theta, phi, lam = 0.3, 1.1, -0.7
    rz, ry = GATES["RZ"].matrix, GATES["RY"].matrix
    expected = np.exp(0.5j * (phi + lam)) * rz(phi) @ ry(theta) @ rz(lam)
    np.testing.assert_allclose(GATES["U3"].matrix(theta, phi, lam), expected, atol=1e-14)


def swapped(matrix):
    """A matrix on two qubits with the qubits exchanged."""
    return matrix.reshape(2, 2, 2, 2).transpose(1, 0, 3, 2).reshape(4, 4)


@pytest.mark.parametrize("row", [r for r in WITH_MATRIX if r.n_qubits == 2], ids=lambda r: r.name)
def test_the_qubits_of_a_symmetric_gate_can_be_exchanged_and_no_others(row):
    matrix = row.matrix(*draw_params(row))
    assert np.allclose(swapped(matrix), matrix, atol=1e-12) == row.symmetric


@pytest.mark.parametrize("row", [r for r in WITH_MATRIX if r.n_params], ids=lambda r: r.name)
def test_additive_parameters_add_up_and_no_others(row):
    first, second = draw_params(row, 1), draw_params(row, 2)

    def add_up(which):
        after = [q if k in which else p for k, (p, q) in enumerate(zip(first, second, strict=True))]
        both = [
            p + q if k in which else p for k, (p, q) in enumerate(zip(first, second, strict=True))
        ]
        return np.allclose(row.matrix(*after) @ row.matrix(*first), row.matrix(*both), atol=1e-12)

    sizes = range(1, row.n_params + 1)
    choices = [which for k in sizes for which in itertools.combinations(range(row.n_params), k)]
    assert [which for which in choices if add_up(which)] == [row.additive] * bool(row.additive)


@pytest.mark.parametrize("row", [r for r in WITH_MATRIX if r.controlled], ids=lambda r: r.name)
def test_a_controlled_gate_is_its_base_under_controls(row):
    base, n_controls = row.controlled
    params = draw_params(row)
    circuit = UnifiedCircuit(row.n_qubits)
    targets = list(range(n_controls, row.n_qubits))
    circuit.add_gate(base, targets, params or None, controls=range(n_controls))
    np.testing.assert_allclose(circuit.unitary(), row.matrix(*params), atol=1e-13)
    operation = UnifiedCircuit(3).add_gate(row.name, list(range(row.n_qubits)), params or None)
    plain = operation.operations[0].with_plain_controls()
    assert (plain.gate, plain.controls, plain.targets) == (
        base,
        tuple(range(n_controls)),
        tuple(targets),
    )


@pytest.mark.parametrize("row", [r for r in WITH_MATRIX if r.cirq], ids=lambda r: r.name)
def test_the_power_in_cirq_is_the_gate(row):
    params = draw_params(row, 3)
    form = row.cirq
    exponent = form.exponent * params[0] if params else form.exponent
    gate = getattr(cirq, form.kind)(exponent=exponent, global_shift=form.global_shift)
    np.testing.assert_allclose(cirq.unitary(gate), row.matrix(*params), atol=1e-7)
    if form.name:
        named = getattr(cirq, form.name)
        made = named(*params) if params else named
        np.testing.assert_allclose(cirq.unitary(made), row.matrix(*params), atol=1e-7)


@pytest.mark.parametrize("row", [r for r in WITH_MATRIX if r.ionq], ids=lambda r: r.name)
def test_the_name_in_ionqs_json_is_what_cirqs_client_sends(row):
    params = draw_params(row, 4)
    if row.native:
        kind, names = IONQ[row.name]
        turns = np.abs(params) / 20
        gate = kind(**dict(zip(names, turns, strict=True)))
        circuit = cirq.Circuit(gate.on(*cirq.LineQubit.range(row.n_qubits)))
    else:
        targets = list(range(row.n_qubits))
        circuit = UnifiedCircuit(row.n_qubits).add_gate(row.name, targets, params or None).to_cirq()
    sent = cirq_ionq.Serializer().serialize_single_circuit(circuit)
    body = sent.input if hasattr(sent, "input") else sent.body
    assert body["gateset"] == ("native" if row.native else "qis")
    assert [operation["gate"] for operation in body["circuit"]] == [row.ionq]


def test_names_elsewhere_belong_to_one_gate_each():
    for field in ("qiskit", "pennylane", "qasm2_read", "qasm3"):
        names = [name for row in GATES.values() for name in getattr(row, field)]
        assert len(set(names)) == len(names), field
    names = [(row.native, row.ionq) for row in GATES.values() if row.ionq]
    assert len(set(names)) == len(names)
    names = [name for row in GATES.values() for name in (row.qasm2, *row.qasm2_read) if name]
    assert len(set(names)) == len(names)


def test_names_and_aliases_are_unique_and_found_in_any_case():
    names = [n for row in GATES.values() for n in (row.name, *row.aliases)]
    folded = [n.casefold() for n in names]
    assert len(set(folded)) == len(folded)
    for row in GATES.values():
        for name in (row.name, *row.aliases):
            for spelling in (name, name.lower(), name.upper()):
                assert lookup(spelling) is row


@pytest.mark.parametrize(
    ("alias", "name"),
    [("cnot", "CX"), ("toffoli", "CCX"), ("fredkin", "CSWAP"), ("p", "PhaseShift"), ("u", "U3"),
     ("hadamard", "H"), ("cp", "CPhase"), ("sdag", "Sdg")],
)  # fmt: skip
def test_common_names_are_known(alias, name):
    assert lookup(alias).name == name


def test_every_row_has_a_sentence_of_documentation():
    for row in GATES.values():
        assert row.doc.endswith(".")
        assert row.name in repr(row)


def test_an_unknown_gate_is_named_with_near_matches():
    with pytest.raises(CircuitError, match="Received: 'SWAPP'.*Did you mean 'SWAP'"):
        lookup("SWAPP")
    with pytest.raises(CircuitError, match="Did you mean 'CNOT'"):
        lookup("cnott")
    with pytest.raises(CircuitError, match="(?s)Unknown gate.*add_unitary"):
        lookup(np.eye(2))  # type: ignore[arg-type]
    with pytest.raises(CircuitError, match="Unknown gate"):
        lookup(3)


@pytest.mark.parametrize("name", ["Measure", "Unitary"])
def test_gates_without_a_fixed_matrix_have_no_decomposition(name):
    with pytest.raises(CircuitError, match="no decomposition"):
        decompose(name)


def test_pictures_know_every_colour():
    assert {row.colour for row in GATES.values()} <= set(figure._FILLS)
    assert {row.colour for row in GATES.values() if row.name in ("RX", "RY", "RZ")} == {
        "x",
        "y",
        "z",
    }
