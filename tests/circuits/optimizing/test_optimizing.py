"""Optimizing keeps the unitary, global phase included, and finds what it promises."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits.gates import GATES
from qstore_tf.circuits.optimizing import optimize
from qstore_tf.circuits.symbols import Affine
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.testing.random_circuits import circuits, random_circuit

VALUES = {"a": 0.37, "b": -1.1, "c": 2.3}
UNITARY = [name for name, row in GATES.items() if row.is_unitary and name != "Unitary"]
ANGLES = (0.0, 0.25, 0.5, 1.0, -1.0, 2.0, np.pi / 2, np.pi, -np.pi, 2 * np.pi, 4 * np.pi, 0.7)
COMMUTING = ["X", "CX", "RX", "RZ", "CZ", "S", "T", "SX", "XPow", "PhaseShift", "CCX", "CRX"]
DIAGONAL = ["RZ", "CZ", "CPhase", "RZZ", "T", "Z", "CRZ", "GlobalPhase", "CCZ", "ZZ"]


def unitary(circuit):
    return circuit.unitary({name: VALUES[name] for name in circuit.parameters})


def size(circuit):
    return sum(op.gate != "GlobalPhase" or bool(op.controls) for op in circuit.operations)


@st.composite
def special_circuits(draw):
    """Circuits whose angles often cancel or make whole turns."""
    n_qubits = draw(st.integers(1, 4))
    names = draw(st.sampled_from([COMMUTING, DIAGONAL, UNITARY]))
    fitting = [name for name in names if GATES[name].n_qubits <= n_qubits]
    circuit = UnifiedCircuit(n_qubits)
    for _ in range(draw(st.integers(0, 15))):
        row = GATES[draw(st.sampled_from(fitting))]
        qubits = draw(st.permutations(range(n_qubits)))
        n_controls = draw(st.sampled_from([0, 0, 0, 1]))
        params = []
        for _ in range(row.n_params):
            constant = draw(st.sampled_from(ANGLES))
            symbol = draw(st.sampled_from(["", "", "a", "b"]))
            coefficient = draw(st.sampled_from([1.0, -1.0, 0.5]))
            params.append(Affine(constant, ((symbol, coefficient),) if symbol else ()))
        targets, rest = qubits[: row.n_qubits], qubits[row.n_qubits :]
        circuit.add_gate(row.name, targets, params, rest[:n_controls])
    return circuit


@settings(max_examples=150, deadline=None)
@given(special_circuits())
def test_the_unitary_stays_the_same_where_angles_cancel(circuit):
    optimized = optimize(circuit)
    np.testing.assert_allclose(unitary(optimized), unitary(circuit), atol=1e-10)
    assert size(optimized) <= size(circuit)


@settings(max_examples=60, deadline=None)
@given(circuits(max_qubits=4, max_gates=25, symbols=tuple(VALUES)))
def test_the_unitary_stays_the_same_over_random_circuits(circuit):
    np.testing.assert_allclose(unitary(optimize(circuit)), unitary(circuit), atol=1e-10)


@settings(max_examples=40, deadline=None)
@given(circuits(max_qubits=4, max_gates=20, symbols=tuple(VALUES)))
def test_a_circuit_and_its_inverse_cancel_or_at_least_stay_the_identity(circuit):
    there_and_back = circuit.compose(circuit.inverse())
    optimized = optimize(there_and_back)
    identity = np.eye(2**circuit.n_qubits)
    np.testing.assert_allclose(unitary(optimized), identity, atol=1e-9)
    assert size(optimized) <= size(there_and_back)


@pytest.mark.parametrize("name", UNITARY)
def test_every_gate_of_the_table_cancels_with_its_inverse(name):
    row = GATES[name]
    params = [Affine(0.1 * k, ((f"p{k}", 1.0),)) for k in range(row.n_params)]
    circuit = UnifiedCircuit(4).add_gate(name, range(row.n_qubits), params, controls=[3])
    assert len(optimize(circuit.compose(circuit.inverse()))) == 0


@settings(max_examples=30, deadline=None)
@given(special_circuits())
def test_optimizing_twice_changes_nothing_more(circuit):
    once = optimize(circuit)
    assert size(optimize(once)) == size(once)


def test_rotations_merge_through_a_control():
    circuit = UnifiedCircuit(2).add_gate("RZ", 0, "a").add_gate("CX", [0, 1]).add_gate("RZ", 0, "b")
    optimized = optimize(circuit)
    assert optimized.count_gates() == {"RZ": 1, "CX": 1}
    assert optimized.operations[0].params == (Affine.of("a + b"),)


def test_rotations_do_not_merge_through_a_target():
    circuit = UnifiedCircuit(2).add_gate("RZ", 1, "a").add_gate("CX", [0, 1]).add_gate("RZ", 1, "b")
    assert optimize(circuit) == circuit


def test_opposite_symbols_cancel():
    circuit = UnifiedCircuit(1).add_gate("RY", 0, "2*a").add_gate("RY", 0, "-2*a")
    assert len(optimize(circuit)) == 0


def test_roots_make_whole_gates():
    circuit = UnifiedCircuit(1)
    for gate in ("SX", "SX", "H", "T", "T", "H", "T", "T", "T", "T"):
        circuit.add_gate(gate, 0)
    assert [op.gate for op in optimize(circuit).operations] == ["X", "H", "S", "H", "Z"]


def test_a_full_turn_leaves_its_sign_as_a_global_phase():
    circuit = UnifiedCircuit(1).add_gate("RX", 0, 2 * np.pi)
    assert optimize(circuit).count_gates() == {"GlobalPhase": 1}
    controlled = UnifiedCircuit(2).add_gate("CRX", [0, 1], 2 * np.pi)
    assert optimize(controlled).count_gates() == {"Z": 1}


def test_symmetric_gates_cancel_whichever_way_they_are_written():
    circuit = UnifiedCircuit(3)
    circuit.add_gate("CZ", [0, 1]).add_gate("CZ", [1, 0]).add_gate("SWAP", [1, 2])
    circuit.add_gate("SWAP", [2, 1]).add_gate("CCX", [0, 1, 2]).add_gate("CCX", [1, 0, 2])
    assert len(optimize(circuit)) == 0


def test_identities_go():
    circuit = UnifiedCircuit(2).add_gate("I", 0).add_gate("RX", 0, 0.0).add_gate("U3", 1, [0, 0, 0])
    circuit.add_unitary(np.eye(4), [0, 1]).add_gate("CX", [0, 1]).add_gate("FSim", [0, 1], [0, 0])
    assert optimize(circuit).count_gates() == {"CX": 1}


def test_native_gates_stay_native():
    circuit = UnifiedCircuit(2).add_gate("ZZ", [0, 1], 0.1).add_gate("ZZ", [1, 0], 0.2)
    circuit.add_gate("MS", [0, 1], [0.1, 0.2, 0.25]).add_gate("MS", [0, 1], [0.1, 0.2, 0.5])
    assert optimize(circuit).count_gates() == {"ZZ": 1, "MS": 1}


def test_measurement_markers_stay():
    circuit = UnifiedCircuit(2).add_gate("X", 0).add_gate("X", 0).measure(0, 1)
    assert optimize(circuit).measured_qubits == (0, 1)


def test_the_circuit_given_is_not_changed():
    circuit = UnifiedCircuit(1).add_gate("X", 0).add_gate("X", 0)
    optimize(circuit)
    assert len(circuit) == 2


@pytest.mark.slow
@pytest.mark.parametrize("gates", [DIAGONAL, COMMUTING, ["RZ", "H", "CX"]])
def test_the_time_grows_about_linearly(gates):
    def seconds(n_gates):
        circuit = random_circuit(0, 6, n_gates, gates=gates)
        start = time.process_time()
        optimize(circuit)
        return time.process_time() - start

    seconds(200)
    # Quadratic growth would be a factor of 64.
    assert seconds(4000) < 40 * seconds(500) + 0.5
