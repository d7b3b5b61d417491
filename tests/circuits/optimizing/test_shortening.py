"""Shortening: its fidelities are those of the simulator, and its bound holds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits import compile_circuit
from qstore_tf.circuits.optimizing import optimize, shorten
from qstore_tf.circuits.optimizing.fusing import euler, fused
from qstore_tf.circuits.optimizing.near_identities import distance
from qstore_tf.circuits.optimizing.pruning import longest_path
from qstore_tf.circuits.reference import state_vector, unitary
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import CircuitError
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.random_circuits import random_circuit, random_state, random_unitary

VALUES = {"a": 0.37, "b": -1.1}
SEEDS = [daily_seed() + k for k in range(25)]


def a_circuit(seed, symbols=()):
    """A random circuit, some of whose gates are nearly nothing."""
    rng = np.random.default_rng(seed)
    n_qubits = int(rng.integers(1, 5))
    made = random_circuit(rng, n_qubits, int(rng.integers(0, 12)), symbols=symbols)
    for _ in range(int(rng.integers(0, 6))):
        qubits = rng.permutation(n_qubits).tolist()
        name = str(rng.choice(["RX", "RZ", "PhaseShift", "XPow", "ZPow", "RY"]))
        turns = 2 * np.pi * int(rng.integers(-2, 3)) / (np.pi if "Pow" in name else 1)
        made.add_gate(name, qubits[0], turns + rng.normal() * 0.02, qubits[1 : rng.integers(1, 3)])
    return made


def fidelities(one, other, values):
    """State and process fidelity, by the reference simulator."""
    one, other = (c.bind({name: values[name] for name in c.parameters}) for c in (one, other))
    states = [state_vector(compile_circuit(each))[0] for each in (one, other)]
    u, v = one.unitary(), other.unitary()
    process = abs(np.trace(u.conj().T @ v)) ** 2 / 4**one.n_qubits
    return abs(np.vdot(*states)) ** 2, process


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("options", [{"threshold": 0.05}, {"threshold": 0.3}, {"max_depth": 2}])
def test_the_report_is_what_the_simulator_gives(seed, options):
    circuit = a_circuit(seed)
    made = circuit.optimize_with_report(**options)
    state, process = fidelities(circuit, made.circuit, {})
    assert made.report.state_fidelity == pytest.approx(state, abs=1e-10)
    assert made.report.process_fidelity == pytest.approx(process, abs=1e-10)
    assert state >= made.report.least_fidelity - 1e-9
    # The bound is for every state, not for |0...0> alone.
    for given_state in random_state(seed, 5, circuit.n_qubits):
        u, v = circuit.unitary() @ given_state, made.circuit.unitary() @ given_state
        assert abs(np.vdot(u, v)) ** 2 >= made.report.least_fidelity - 1e-9
    if "max_depth" in options:
        assert made.circuit.depth == made.report.after.depth <= 2
    assert made.report.after.gates <= made.report.before.gates
    assert circuit.optimize(**options) == made.circuit


@pytest.mark.parametrize("seed", SEEDS[:10])
def test_symbols_stay_and_the_bound_holds_for_any_values(seed):
    circuit = a_circuit(seed, symbols=("a", "b"))
    made = circuit.optimize_with_report(threshold=0.05)
    if circuit.parameters:
        assert made.report.state_fidelity is made.report.process_fidelity is None
    rng = np.random.default_rng(seed)
    for values in ({"a": 0.0, "b": 0.0}, {"a": rng.uniform(-7, 7), "b": rng.uniform(-7, 7)}):
        state, process = fidelities(circuit, made.circuit, values)
        assert state >= made.report.least_fidelity - 1e-9
        told = circuit.optimize_with_report(threshold=0.05, values=values).report
        assert told.state_fidelity == pytest.approx(state, abs=1e-10)
        assert told.process_fidelity == pytest.approx(process, abs=1e-10)


@pytest.mark.parametrize("seed", SEEDS[:10])
def test_without_options_the_unitary_is_the_same(seed):
    circuit = a_circuit(seed, symbols=("a", "b"))
    made = shorten(circuit, values=VALUES)
    assert made.circuit == optimize(circuit) == circuit.optimize()
    found, wanted = (
        c.unitary({name: VALUES[name] for name in c.parameters}) for c in (made.circuit, circuit)
    )
    np.testing.assert_allclose(found, wanted, atol=1e-9)
    assert made.report.is_exact
    assert made.report.least_fidelity == 1
    assert made.report.process_fidelity == pytest.approx(1, abs=1e-10)


def test_what_is_below_the_threshold_goes_and_nothing_else():
    circuit = UnifiedCircuit(2)
    for angle in (1e-7, 2 * np.pi - 1e-7, 4 * np.pi + 1e-7):
        circuit.add_gate("RX", 0, angle).add_gate("CRZ", [0, 1], angle)
    circuit.add_gate("RY", 0, 1e-3).add_gate("RY", 1, "a")
    made = circuit.optimize_with_report(threshold=1e-6, values={"a": 0.2})
    assert made.circuit.parameters == ("a",)
    assert made.report.state_fidelity > 1 - 1e-12
    # The sign of the full turn stays: on CRZ it is a Z of the control.
    np.testing.assert_allclose(
        made.circuit.unitary({"a": 0.2}), circuit.unitary({"a": 0.2}), atol=1e-6
    )
    assert circuit.optimize(threshold=1e-2).count_gates().get("RY") == 1


def test_the_cheapest_gate_on_the_longest_path_is_taken_out():
    circuit = UnifiedCircuit(3)
    circuit.add_gate("H", 0).add_gate("CRY", [0, 1], 2.0).add_gate("CRY", [1, 2], 0.1)
    circuit.add_gate("CRX", [0, 1], 1.5)
    report = circuit.optimize_with_report(max_depth=3).report
    assert [each.gate for each in report.pruned] == ["CRY(0.1) 1, 2"]
    best = max(
        fidelities(circuit, without(circuit, place), {})[0]
        for place in longest_path(circuit.operations)
        if len(circuit.operations[place].qubits) > 1
    )
    assert report.state_fidelity == pytest.approx(best, abs=1e-9)
    assert best < 1 - 1e-4


def without(circuit, place):
    kept = [op for number, op in enumerate(circuit.operations) if number != place]
    return UnifiedCircuit.from_operations(circuit.n_qubits, kept)


def test_a_control_that_is_never_on_costs_nothing():
    circuit = UnifiedCircuit(2).add_gate("RY", 1, 0.7).add_gate("CX", [0, 1])
    made = circuit.optimize_with_report(max_depth=1)
    assert made.circuit.count_gates() == {"RY": 1}
    assert made.report.state_fidelity == pytest.approx(1)
    assert made.report.process_fidelity < 0.3
    assert made.report.least_fidelity == 0


def test_a_depth_that_symbols_do_not_allow_is_an_error():
    circuit = UnifiedCircuit(1).add_gate("RX", 0, "a").add_gate("RY", 0, "b")
    with pytest.raises(CircuitError, match="at least 2"):
        circuit.optimize(max_depth=1)
    assert circuit.bind(VALUES).optimize(max_depth=1).depth == 1


@pytest.mark.parametrize(
    "options",
    [{"max_depth": 0}, {"max_depth": 1.5}, {"max_depth": True}, {"threshold": -0.1},
     {"threshold": 4}, {"threshold": float("nan")}, {"threshold": "x"}],
)  # fmt: skip
def test_options_without_sense(options):
    with pytest.raises(CircuitError):
        UnifiedCircuit(1).optimize(**options)


def test_a_large_circuit_gets_the_bound_alone():
    circuit = UnifiedCircuit(24).add_gate("RX", 23, 0.01)
    report = circuit.optimize_with_report(threshold=0.1).report
    assert report.state_fidelity is report.process_fidelity is None
    assert 1 - 1e-4 < report.least_fidelity < 1
    assert "not computed" in str(report)


def test_the_report_is_plain_data_and_a_table():
    import json

    circuit = UnifiedCircuit(2).add_gate("RX", 0, 0.01).add_gate("CX", [0, 1])
    report = circuit.optimize_with_report(max_depth=1, threshold=0.1).report
    assert json.loads(json.dumps(report.to_dict()))["before"]["gates"] == 2
    assert "entangling" in str(report)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_runs_of_gates_on_one_qubit_become_one(seed):
    rng = np.random.default_rng(seed)
    circuit = random_circuit(
        rng, 2, 8, gates=["H", "T", "RX", "RY", "CX", "X", "S"], max_controls=0
    )
    short = UnifiedCircuit.from_operations(2, fused(circuit.operations))
    np.testing.assert_allclose(short.unitary(), circuit.unitary(), atol=1e-10)
    matrix = random_unitary(rng, 1)
    angles, phase = euler(matrix)
    back = unitary(UnifiedCircuit(1).add_gate("U3", 0, angles)) * np.exp(1j * phase)
    np.testing.assert_allclose(back, matrix, atol=1e-10)


def test_distances_are_norms():
    rng = np.random.default_rng(daily_seed())
    for circuit in [random_circuit(rng, 2, 1) for _ in range(20)]:
        (operation,) = circuit.operations
        matrix = unitary(UnifiedCircuit.from_operations(2, [operation]))
        phases = np.exp(1j * np.linspace(0, 2 * np.pi, 2001))
        best = min(np.linalg.norm(matrix - phase * np.eye(4), 2) for phase in phases)
        if all(param.is_constant for param in operation.params):
            assert distance(operation) == pytest.approx(best, abs=5e-3)
