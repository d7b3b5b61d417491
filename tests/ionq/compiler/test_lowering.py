"""Lowering: every gate of the table becomes rotations that are the same unitary."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits import reference
from qstore_tf.circuits.compiling import compile_circuit
from qstore_tf.circuits.gates import GATES
from qstore_tf.circuits.gates.matrices import controlled
from qstore_tf.circuits.symbols import Affine
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import CircuitError
from qstore_tf.ionq.compiler import weyl
from qstore_tf.ionq.compiler.lowering import (
    add_weyl,
    lower,
    one_wire,
    relative_phase_toffoli,
    two_wires,
)
from qstore_tf.ionq.compiler.rotations import Rotations
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.random_circuits import circuits, random_state, random_unitary
from tests.ionq.compiler.test_rotations import (
    ANGLES,
    VALUES,
    assert_same_up_to_phase,
    entanglers,
    seeds,
    states_after,
    unitary,
)

NAMES = [name for name, row in GATES.items() if row.is_unitary and name != "Unitary"]
CLIFFORDS = ("H", "S", "SX", "X", "Y", "CX", "CZ", "CY", "SWAP", "ISWAP")
TURNING = ("H", "S", "RX", "RY", "RZ", "RX", "RZ", "CX", "CZ", "RZZ", "RXX", "RYY", "CRX", "CPhase")
LADDERS = ("CX", "CX", "CX", "RZ", "RX", "H", "CCX", "CZ")


def special_circuit(seed, n_qubits, n_gates):
    """A circuit of few kinds of gates and of angles that often cancel or make quarter turns."""
    rng = np.random.default_rng(seed)
    names = (CLIFFORDS, TURNING, LADDERS)[rng.integers(3)]
    names = [name for name in names if GATES[name].n_qubits <= n_qubits]
    circuit = UnifiedCircuit(n_qubits)
    for _ in range(n_gates):
        row = GATES[names[rng.integers(len(names))]]
        params = []
        for _ in range(row.n_params):
            constant = float(rng.choice([*ANGLES, 0.3, -0.7, math.pi / 4, 1e-3, 1e-5, 1e-7, 1e-9]))
            terms = ((str(rng.choice(["a", "b"])), float(rng.choice([1.0, -1.0, 0.5]))),)
            params.append(Affine(constant, terms if rng.random() < 0.3 else ()))
        circuit.add_gate(row.name, rng.permutation(n_qubits)[: row.n_qubits].tolist(), params)
    return circuit


def special_circuits(max_qubits=4, max_gates=14):
    """A strategy over `special_circuit`."""
    return st.builds(special_circuit, seeds, st.integers(1, max_qubits), st.integers(0, max_gates))


def any_circuits(max_qubits=4, max_gates=12):
    """A strategy over circuits of all gates, or of gates that cancel."""
    general = circuits(max_qubits, max_gates, symbols=tuple(VALUES))
    return st.one_of(general, special_circuits(max_qubits, max_gates))


def wanted(circuit, values=VALUES):
    """The matrix of a circuit, with the values of the symbols that it has."""
    return circuit.unitary({name: values[name] for name in circuit.parameters})


def wanted_states(circuit, states, values=VALUES):
    """What a circuit makes of states [2^n, k], for circuits that are too large for a matrix."""
    program = compile_circuit(circuit, has_initial=True)
    theta = [values[name] for name in circuit.parameters]
    inputs = np.zeros((states.shape[1], 0))
    return reference.state_vector(program, inputs, theta, states.T).T


@pytest.fixture
def rng():
    return np.random.default_rng([daily_seed(), 41])


@pytest.mark.parametrize("name", NAMES)
def test_every_gate_of_the_table_is_lowered_under_any_controls(name, rng):
    row = GATES[name]
    n_qubits = row.n_qubits + 3
    for n_controls in range(4):
        for bound in (False, True) if n_controls < 2 else (rng.random() < 0.5,):
            symbols = [Affine(rng.uniform(-4, 4), ((s, 0.7),)) for s in "abc"[: row.n_params]]
            numbers = [rng.choice([*ANGLES, rng.uniform(-4, 4)]) for _ in symbols]
            qubits = rng.permutation(n_qubits).tolist()
            targets, controls = qubits[: row.n_qubits], qubits[row.n_qubits :][:n_controls]
            circuit = UnifiedCircuit(n_qubits)
            circuit.add_gate(name, targets, numbers if bound else symbols, controls)
            assert_same_up_to_phase(unitary(lower(circuit)), wanted(circuit))


@settings(max_examples=80, deadline=None)
@given(seeds, st.integers(4, 7), st.integers(1, 8))
def test_the_state_stays_where_unused_qubits_help(seed, n_qubits, n_gates):
    rng = np.random.default_rng(seed)
    circuit = UnifiedCircuit(n_qubits)
    for _ in range(n_gates):
        name = str(rng.choice(["H", "RY", "X", "RZ", "SWAP", "T", "RXX"]))
        row = GATES[name]
        qubits = rng.permutation(n_qubits).tolist()
        count = int(rng.integers(0, n_qubits - row.n_qubits + 1))
        angles = rng.uniform(-3, 3, row.n_params).tolist()
        controls = qubits[row.n_qubits :][:count]
        circuit.add_gate(name, qubits[: row.n_qubits], angles, controls)
    start = np.eye(2**n_qubits, 1)
    found = states_after(lower(circuit, from_zero=True), start)
    assert_same_up_to_phase(found, wanted_states(circuit, start))


@settings(max_examples=60, deadline=None)
@given(any_circuits(max_qubits=5))
def test_random_circuits_stay_the_same_up_to_global_phase(circuit):
    assert_same_up_to_phase(unitary(lower(circuit)), wanted(circuit))


def special_matrices(n_qubits, rng):
    """Unitaries whose eigenvalues and singular values are as degenerate as can be."""
    size = 2**n_qubits
    powers = np.outer(np.arange(size), np.arange(size))
    yield np.eye(size)
    yield -1j * np.eye(size)
    yield np.eye(size)[rng.permutation(size)]
    yield np.diag(np.exp(1j * rng.uniform(-4, 4, size)))
    yield np.diag(rng.choice([1, -1, 1j], size))
    yield np.exp(2j * math.pi * powers / size) / math.sqrt(size)
    yield controlled(random_unitary(rng, 1), n_qubits - 1)
    product = np.eye(1)
    for _ in range(n_qubits):
        product = np.kron(product, random_unitary(rng, 1))
    yield product


@pytest.mark.slow
@pytest.mark.parametrize("n_qubits", [1, 2, 3])
def test_matrices_are_lowered_under_any_controls(n_qubits, rng):
    for n_controls in range(3):
        matrices = [random_unitary(rng, n_qubits)]
        if n_qubits + n_controls <= 3:
            matrices += special_matrices(n_qubits, rng)
        for matrix in matrices:
            qubits = rng.permutation(n_qubits + n_controls).tolist()
            circuit = UnifiedCircuit(n_qubits + n_controls)
            circuit.add_unitary(matrix, qubits[:n_qubits], qubits[n_qubits:])
            # The decomposition of three and more is Cirq's, which rounds to 1e-8.
            assert_same_up_to_phase(unitary(lower(circuit)), wanted(circuit), 1e-7)


# Gates that leave the last of three qubits alone, which the decomposition has to bear.
ALONE = [("S", [1]), ("CZ", [0, 1]), ("CX", [1, 0]), ("H", [0]), ("SWAP", [0, 1]), ("T", [2])]


@pytest.mark.parametrize(("name", "targets"), ALONE)
def test_matrices_that_do_little_are_lowered(name, targets):
    matrix = UnifiedCircuit(3).add_gate(name, targets).unitary()
    circuit = UnifiedCircuit(3).add_unitary(matrix, [0, 1, 2])
    assert_same_up_to_phase(unitary(lower(circuit)), wanted(circuit), 1e-7)


@pytest.mark.parametrize("signs", list(itertools.product([1, -1], repeat=4)))
def test_signs_under_a_control_are_lowered(signs):
    circuit = UnifiedCircuit(3).add_unitary(np.diag(signs), [0, 2], [1])
    assert_same_up_to_phase(unitary(lower(circuit)), wanted(circuit), 1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("n_qubits", [4, 5])
def test_matrices_on_more_qubits_are_lowered_too(n_qubits, rng):
    circuit = UnifiedCircuit(n_qubits)
    circuit.add_unitary(random_unitary(rng, n_qubits), rng.permutation(n_qubits).tolist())
    assert_same_up_to_phase(unitary(lower(circuit)), wanted(circuit), 1e-7)


# Gate, controls, and qubits of the circuit: with and without idle ones.
MANY = [
    *(("X", 3, 4), ("X", 3, 5), ("X", 4, 5), ("X", 5, 8), ("X", 7, 8)),
    *(("RY", 3, 4), ("RY", 4, 7), ("Z", 5, 6), ("SWAP", 3, 5), ("SWAP", 4, 8)),
]


@pytest.mark.parametrize(("name", "n_controls", "n_qubits"), MANY)
def test_many_controls_are_lowered_with_and_without_idle_qubits(name, n_controls, n_qubits, rng):
    row = GATES[name]
    qubits = rng.permutation(n_qubits).tolist()
    targets, controls = qubits[: row.n_qubits], qubits[row.n_qubits :][:n_controls]
    circuit = UnifiedCircuit(n_qubits).add_gate(name, targets, ["a"] * row.n_params, controls)
    # All controls are 1 in few states, of which two are therefore among the states.
    states = np.concatenate([random_state(rng, 1, n_qubits), basis_states(qubits, n_qubits)]).T
    found = states_after(lower(circuit), states)
    assert_same_up_to_phase(found, wanted_states(circuit, states), 1e-7)


def basis_states(qubits, n_qubits):
    """All ones but for the first of these qubits, and all ones but for the last."""
    rows = np.zeros((2, 2**n_qubits))
    for row, qubit in zip(rows, (qubits[0], qubits[-1]), strict=True):
        row[2**n_qubits - 1 - (1 << (n_qubits - 1 - qubit))] = 1
    return rows


COSTS = {
    "CX": 1,
    "CZ": 1,
    "CPhase": 1,
    "CRX": 1,
    "CRY": 1,
    "CRZ": 1,
    "RZZ": 1,
    "RXX": 1,
    "ZZ": 1,
    "MS": 1,
    "ISWAP": 2,
    "SWAP": 0,
    "CCX": 5,
    "CCZ": 5,
    "CSWAP": 7,
    "H": 0,
    "U3": 0,
}


@pytest.mark.parametrize("name", COSTS)
def test_known_gates_take_as_few_entanglers_as_there_can_be(name):
    row = GATES[name]
    circuit = UnifiedCircuit(3)
    circuit.add_gate(name, range(row.n_qubits), [0.1 * (k + 1) for k in range(row.n_params)])
    assert entanglers(lower(circuit)) == COSTS[name]


def test_a_one_qubit_matrix_under_a_control_takes_one_entangler(rng):
    circuit = UnifiedCircuit(2).add_unitary(random_unitary(rng, 1), 0, controls=[1])
    assert entanglers(lower(circuit)) == 1


def test_swaps_only_rename_wires():
    circuit = UnifiedCircuit(3).add_gate("SWAP", [0, 2]).add_gate("SWAP", [2, 1])
    lowered = lower(circuit.add_gate("RX", 0, "a").add_gate("RXX", [1, 2], "b"))
    assert lowered.wires == [2, 0, 1]
    assert [rotation.wires for rotation in lowered.rotations] == [(2,), (0, 1)]


def test_measurement_markers_are_dropped():
    circuit = UnifiedCircuit(2).add_gate("RX", 0, "a")
    assert lower(circuit.copy().measure()).rotations == lower(circuit).rotations


def test_the_circuit_is_not_changed():
    circuit = UnifiedCircuit(3).add_gate("CCX", [0, 1, 2]).add_gate("SWAP", [0, 1])
    copy = circuit.copy()
    lower(circuit, [0])
    assert circuit == copy


def test_matrices_become_rotations_of_given_wires(rng):
    one, two = random_unitary(rng, 1), random_unitary(rng, 2)
    for wires in ((0, 2), (2, 0)):
        by_matrix, by_parts = Rotations(3), Rotations(3)
        one_wire(by_matrix, 1, one)
        two_wires(by_matrix, wires, two)
        add_weyl(by_parts, wires, weyl.decompose(two))
        circuit = UnifiedCircuit(3).add_unitary(one, 1).add_unitary(two, wires)
        assert_same_up_to_phase(unitary(by_matrix), circuit.unitary())
        rest = UnifiedCircuit(3).add_unitary(two, wires)
        assert_same_up_to_phase(unitary(by_parts), rest.unitary())
        assert entanglers(by_matrix) == entanglers(by_parts) == 3


def test_a_toffoli_gate_up_to_phases_is_its_own_inverse_and_takes_three_entanglers():
    once, twice = Rotations(3), Rotations(3)
    for circuit in (once, twice, twice):
        relative_phase_toffoli(circuit, 0, 1, 2)
    assert entanglers(once) == 3
    assert_same_up_to_phase(unitary(twice), np.eye(8))
    exact = UnifiedCircuit(3).add_gate("CCX", [0, 1, 2]).unitary()
    phases = unitary(once) @ exact
    np.testing.assert_allclose(abs(phases), np.eye(8), atol=1e-12)
    # It is no Toffoli gate, which would take five.
    assert abs(np.trace(phases)) < 7.9


@pytest.mark.parametrize(
    ("name", "targets", "controls"),
    [("CCX", [2, 0, 1], []), ("CX", [0, 1], [2]), ("X", [1], [0, 2])],
)
def test_toffoli_gates_that_are_named_may_be_so_up_to_phases(name, targets, controls):
    circuit = UnifiedCircuit(3).add_gate("H", 0).add_gate(name, targets, controls=controls)
    lowered = lower(circuit, [1])
    assert entanglers(lowered) == 3
    np.testing.assert_allclose(abs(unitary(lowered)), abs(circuit.unitary()), atol=1e-12)


def test_a_large_matrix_under_many_controls_is_refused_with_its_place():
    circuit = UnifiedCircuit(9).add_gate("H", 0)
    circuit.add_unitary(random_unitary(0, 3), [0, 1, 2], [3, 4, 5, 6, 7, 8])
    message = "Operation 1, .*Unitary.* cannot be compiled.*[Ee]xpected.*at most 8.*Received: 9"
    with pytest.raises(CircuitError, match=message):
        lower(circuit)
