"""Compiling for IonQ's machines: the same circuit, at every level, for every machine."""

import dataclasses
import math
import time

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks import ionq_circuits
from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import CircuitError, ConfigurationError, InputError
from qstore_tf.ionq.compiling import MODES, compile
from qstore_tf.ionq.targets import TARGETS, lookup
from qstore_tf.ionq.writing import NativeTemplate
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.random_circuits import circuits, random_circuit, random_state, random_unitary
from tests.ionq.compiler.test_lowering import (
    any_circuits,
    special_circuit,
    wanted,
    wanted_states,
)
from tests.ionq.compiler.test_ms import ACCURACY
from tests.ionq.compiler.test_outcomes import read
from tests.ionq.compiler.test_rotations import (
    VALUES,
    assert_same_up_to_phase,
    basis,
    read_on,
    seeds,
)
from tests.ionq.compiler.test_template import (
    assert_legal,
    assert_rows_are_alone,
    declared_states,
    native_states,
    values_of,
)

LEVELS = range(4)
# Each machine with each entangler that it takes, and one that takes no negative angles.
UNSIGNED = dataclasses.replace(lookup("forte-1"), signed_zz=False)
MACHINES = [(name, entangler) for name, t in TARGETS.items() for entangler in t.accepts]
MACHINES.append((UNSIGNED, "ZZ"))

options = st.builds(
    lambda machine, level: {
        "target": machine[0],
        "entangler": machine[1],
        "optimization_level": level,
    },
    st.sampled_from(MACHINES),
    st.sampled_from(LEVELS),
)


def row_of(compiled, values=VALUES):
    """Values of the symbols that a compiled circuit has, [1, symbols]."""
    return np.array([[values[name] for name in compiled.symbols]])


def states_of(compiled, values, states):
    """What a circuit compiled in unitary mode makes of states, and that its numbers are legal."""
    numbers = compiled.bind(values)
    assert not numbers.flips.any()
    signed = lookup(compiled.options.target).signed_zz
    assert_legal(compiled.template, numbers.columns, signed)
    found = declared_states(compiled.template, numbers, 0, states)
    return read_on(found, compiled.output_permutation)


def unitary(compiled, values=VALUES):
    size = compiled.circuit.n_qubits
    return states_of(compiled, row_of(compiled, values), basis(size))


def distribution(compiled, values=VALUES):
    """That of the outcomes of all qubits, from |0...0>, read as is declared."""
    numbers = compiled.bind(row_of(compiled, values))
    start = basis(compiled.circuit.n_qubits)[:, :1]
    probabilities = abs(native_states(compiled.template, numbers.columns[0], start)[:, 0]) ** 2
    return read(compiled.outcomes, probabilities, numbers.flips[0])


# The same circuit


@settings(max_examples=120, deadline=None)
@given(any_circuits(max_qubits=5), options)
def test_the_unitary_stays(circuit, chosen):
    compiled = compile(circuit, **chosen)
    assert_same_up_to_phase(unitary(compiled), wanted(circuit), ACCURACY)
    allowed = {"GPi", "GPi2", chosen["entangler"]}
    assert {gate.name for gate in compiled.template.gates} <= allowed


@settings(max_examples=120, deadline=None)
@given(any_circuits(max_qubits=5), options)
def test_the_state_stays_where_the_circuit_starts_in_zero(circuit, chosen):
    compiled = compile(circuit, mode="state", **chosen)
    start = basis(circuit.n_qubits)[:, :1]
    found = states_of(compiled, row_of(compiled), start)
    assert_same_up_to_phase(found, wanted(circuit)[:, :1], ACCURACY)
    assert compiled.outcomes.is_permutation


@settings(max_examples=120, deadline=None)
@given(any_circuits(max_qubits=5), options)
def test_the_distribution_of_outcomes_stays_where_all_is_measured(circuit, chosen):
    compiled = compile(circuit, mode="measured", **chosen)
    expected = abs(wanted(circuit)[:, 0]) ** 2
    np.testing.assert_allclose(distribution(compiled), expected, atol=ACCURACY)
    signed = lookup(chosen["target"]).signed_zz
    assert_legal(compiled.template, compiled.bind(row_of(compiled)).columns, signed)


@pytest.mark.parametrize("n_controls", [3, 4, 5])
def test_many_controls_take_fewer_entanglers_where_unused_qubits_are_zero(n_controls):
    rng = np.random.default_rng([daily_seed(), 52, n_controls])
    circuit = UnifiedCircuit(2 * n_controls - 1)
    order = rng.permutation(2 * n_controls - 1).tolist()
    controls, target = order[:n_controls], order[n_controls]

    def turn():
        for qubit in (*controls, target):
            circuit.add_gate("U3", qubit, rng.uniform(0.4, 1.2, 3).tolist())

    turn()
    circuit.add_gate("X", target, controls=controls)
    turn()
    found = {mode: compile(circuit, mode=mode) for mode in MODES}
    assert found["state"].gates_2q <= 6 * n_controls - 7 < found["unitary"].gates_2q
    assert found["measured"].gates_2q <= found["state"].gates_2q
    start = basis(circuit.n_qubits)[:, :1]
    states = wanted_states(circuit, start)
    assert_same_up_to_phase(states_of(found["state"], row_of(found["state"]), start), states)
    np.testing.assert_allclose(distribution(found["measured"]), abs(states[:, 0]) ** 2, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("machine", ["forte-1", "aria-1"])
@pytest.mark.parametrize("n_qubits", [6, 7, 8])
def test_states_of_more_qubits_stay(machine, n_qubits):
    rng = np.random.default_rng([daily_seed(), 51, n_qubits])
    for circuit in (
        random_circuit(rng, n_qubits, 25, symbols=tuple(VALUES)),
        special_circuit(int(rng.integers(2**32)), n_qubits, 30),
    ):
        compiled = compile(circuit, machine)
        states = random_state(rng, 3, n_qubits).T
        found = states_of(compiled, row_of(compiled), states)
        assert_same_up_to_phase(found, wanted_states(circuit, states), ACCURACY)
        start = np.eye(2**n_qubits, 1)
        begun = compile(circuit, machine, mode="state")
        found = states_of(begun, row_of(begun), start)
        assert_same_up_to_phase(found, wanted_states(circuit, start), ACCURACY)
        measured = compile(circuit, machine, mode="measured")
        expected = abs(wanted_states(circuit, start)[:, 0]) ** 2
        np.testing.assert_allclose(distribution(measured), expected, atol=ACCURACY)


@settings(max_examples=60, deadline=None)
@given(any_circuits(), options, st.booleans(), seeds)
def test_symbols_may_be_bound_before_or_after(circuit, chosen, special, seed):
    compiled = compile(circuit, **chosen)
    mine = values_of(np.random.default_rng(seed), len(compiled.symbols), special, batch=2)[-1:]
    values = dict(zip(compiled.symbols, mine[0].tolist(), strict=True))
    after = unitary(compiled, values)
    before = unitary(compile(circuit.bind(values), **chosen))
    # Angles of millions are rounded to 1e-9, each time that they are multiplied.
    rounding = 5e-14 * max(map(abs, values.values()), default=0.0)
    assert_same_up_to_phase(after, before, ACCURACY + rounding)


@settings(max_examples=40, deadline=None)
@given(any_circuits(max_gates=8), options, st.sampled_from(MODES), seeds)
def test_a_row_of_a_batch_is_what_binding_it_alone_gives(circuit, chosen, mode, seed):
    compiled = compile(circuit, mode=mode, **chosen)
    values = values_of(np.random.default_rng(seed), len(compiled.symbols))
    assert_rows_are_alone(compiled.template, values)


@settings(max_examples=60, deadline=None)
@given(any_circuits(max_gates=8), options, st.sampled_from([0.0, 0.02, 0.1, 0.2]))
def test_no_partial_entangler_is_larger_than_allowed(circuit, chosen, most):
    compiled = compile(circuit, max_partial=most, **chosen)
    assert_same_up_to_phase(unitary(compiled), wanted(circuit), ACCURACY)
    columns = [gate.columns[-1] for gate in compiled.template.gates if len(gate.wires) == 2]
    angles = abs(compiled.bind(row_of(compiled)).columns[0, columns])
    assert ((angles <= most) | (abs(angles - 0.25) < 1e-12)).all()


SMALL = ("RZZ", "RXX", "CPhase", "RX", "H")


@settings(max_examples=60, deadline=None)
@given(
    circuits(max_qubits=4, max_gates=15, gates=SMALL, min_qubits=2),
    options,
    st.floats(-5, -0.3),
    st.floats(-3, 0),
)
def test_what_is_left_out_costs_no_more_than_allowed(circuit, chosen, exponent, scale):
    small = UnifiedCircuit(circuit.n_qubits)
    for operation in circuit.operations:
        factor = 10**scale if len(operation.targets) == 2 else 1.0
        params = [angle * factor for angle in operation.params]
        small.add_gate(operation.gate, operation.targets, params)
    allowed = 10**exponent
    found, exact = unitary(compile(small, approximation=allowed, **chosen)), wanted(small)
    overlap = np.trace(found.conj().T @ exact) / len(exact)
    assert 1 - abs(overlap) ** 2 <= allowed + 1e-9
    assert (1 - abs((found.conj() * exact).sum(axis=0)) ** 2 <= allowed + 1e-9).all()
    turned = compile(small, approximation=allowed, mode="measured", **chosen)
    difference = abs(distribution(turned) - abs(exact[:, 0]) ** 2).sum() / 2
    # Fidelity bounds the total variation distance: Fuchs and van de Graaf, 1999.
    assert difference <= math.sqrt(allowed) + 1e-9


def test_an_approximation_leaves_small_entanglers_out():
    circuit = UnifiedCircuit(2).add_gate("RZZ", [0, 1], 0.01).add_gate("RXX", [0, 1], 1.0)
    assert compile(circuit).gates_2q == 2
    assert compile(circuit, approximation=1e-4).gates_2q == 1
    assert compile(circuit, approximation=1e-6).gates_2q == 2


# Never more at a higher level


@settings(max_examples=100, deadline=None)
@given(any_circuits(max_qubits=5, max_gates=16), st.sampled_from(MACHINES), st.sampled_from(MODES))
def test_a_higher_level_takes_no_more_entanglers(circuit, machine, mode):
    sizes = []
    for level in LEVELS:
        compiled = compile(
            circuit, machine[0], entangler=machine[1], optimization_level=level, mode=mode
        )
        sizes.append(compiled.gates_2q)
    assert sizes == sorted(sizes, reverse=True)


@settings(max_examples=80, deadline=None)
@given(any_circuits(max_qubits=5, max_gates=16), options)
def test_what_has_to_keep_less_takes_no_more(circuit, chosen):
    # Level 3 searches greedily, with no promise about the other modes.
    level = min(chosen.get("optimization_level", 3), 2)
    unitary, state, measured = (
        (compiled.gates_2q, compiled.depth_2q, compiled.gates_1q)
        for compiled in (
            compile(circuit, mode=mode, **{**chosen, "optimization_level": level}) for mode in MODES
        )
    )
    assert state <= unitary
    assert measured <= state


@settings(max_examples=60, deadline=None)
@given(any_circuits(max_qubits=5, max_gates=16), options, st.sampled_from(MODES))
def test_the_depth_is_that_of_the_entanglers(circuit, chosen, mode):
    compiled = compile(circuit, mode=mode, **chosen)
    entangling = Circuit(circuit.n_qubits)
    for gate in compiled.template.gates:
        if len(gate.wires) == 2:
            entangling.add_gate("ZZ", gate.wires, 0.1)
    assert compiled.depth_2q == entangling.depth
    assert compiled.gates_2q == len(entangling)
    assert compiled.gates_1q == len(compiled.template.gates) - len(entangling)


# Known circuits

FULL = 0.25


def size(circuit, mode="unitary"):
    """Entanglers, their depth, their angles in full ones, and pulses for Forte and for Aria."""
    forte, aria = (compile(circuit, machine, mode=mode) for machine in ("forte-1", "aria-1"))
    assert (forte.gates_2q, forte.depth_2q) == (aria.gates_2q, aria.depth_2q)
    columns = [gate.columns[-1] for gate in forte.template.gates if len(gate.wires) == 2]
    angle = abs(forte.bind(np.zeros((1, len(forte.symbols)))).columns[0, columns]).sum() / FULL
    return forte.gates_2q, forte.depth_2q, angle, forte.gates_1q, aria.gates_1q


# Circuit, mode, and the most of: entanglers, depth, angle, pulses for Forte and for Aria.
GOALS = {
    "ansatz": (lambda: ionq_circuits.bound_ansatz(6, 4, 7), "unitary", (20, 11, 20, 65, 38)),
    "ansatz with symbols": (lambda: ionq_circuits.ansatz(6, 4), "unitary", (20, 11, 20, 65, 39)),
    "ansatz, measured": (lambda: ionq_circuits.ansatz(6, 4), "measured", (15, 9, 15, 60, 34)),
    "Fourier transform of 5": (lambda: ionq_circuits.fourier(5), "unitary", (10, 7, 3.07, 5, 8)),
    "Fourier transform of 8": (lambda: ionq_circuits.fourier(8), "unitary", (28, 13, 6.02, 8, 14)),
    "GHZ state": (lambda: ionq_circuits.ghz(8), "unitary", (7, 7, 7, 15, 8)),
    "GHZ state from zero": (lambda: ionq_circuits.ghz(8), "state", (7, 3, 7, 15, 8)),
    "cut of a ring": (lambda: ionq_circuits.qaoa(6, 2, 7), "unitary", (12, 4, 12, 30, 6)),
    "Toffoli gate": (
        lambda: UnifiedCircuit(3).add_gate("CCX", [0, 1, 2]),
        "unitary",
        (5, 5, 3.5, 6, 6),
    ),
    "Ising chain": (lambda: ionq_circuits.ising(8, 4), "unitary", (24, 8, 7.3, 72, 16)),
    "random pairs": (lambda: ionq_circuits.brickwork(6, 6, 7), "unitary", (45, 18, 22.5, 132, 72)),
    "random pairs, measured": (
        lambda: ionq_circuits.brickwork(6, 6, 7),
        "measured",
        (37, 15, 22.5, 110, 60),
    ),
    "random pairs from zero": (
        lambda: ionq_circuits.brickwork(6, 6, 7),
        "state",
        (39, 16, 22.5, 114, 60),
    ),
    "Ising chain, measured": (lambda: ionq_circuits.ising(8, 4), "measured", (17, 6, 5.6, 66, 20)),
    "excitations": (
        lambda: ionq_circuits.coupled_clusters(4, [(0, 2), (1, 3)], [(0, 1, 2, 3)], 7),
        "unitary",
        (15, 11, 12.5, 30, 14),
    ),
    "excitations from zero": (
        lambda: ionq_circuits.coupled_clusters(4, [(0, 2), (1, 3)], [(0, 1, 2, 3)], 7),
        "state",
        (25, 22, 20, 40, 14),
    ),
    "adder": (lambda: ionq_circuits.adder(3), "unitary", (31, 29, 31, 80, 40)),
}


@pytest.mark.parametrize("name", GOALS)
def test_known_circuits_are_as_small_as_they_can_be_made(name):
    build, mode, most = GOALS[name]
    found = size(build(), mode)
    assert all(f <= m + 1e-9 for f, m in zip(found, most, strict=True)), (found, most)


def test_all_of_a_state_of_one_qubit_each_is_free_of_entanglers():
    circuit = UnifiedCircuit(5)
    for qubit in range(5):
        circuit.add_gate("RY", qubit, "a").add_gate("RZ", qubit, "b")
    assert size(circuit)[:2] == (0, 0)


def test_a_ghz_state_that_is_measured_is_one_coin():
    compiled = compile(ionq_circuits.ghz(8), mode="measured")
    assert (compiled.gates_2q, compiled.gates_1q) == (0, 1)
    expected = np.zeros(256)
    expected[[0, -1]] = 0.5
    np.testing.assert_allclose(distribution(compiled), expected, atol=1e-12)


@pytest.mark.parametrize("n_qubits", range(2, 17))
@pytest.mark.parametrize("machine", ["forte-1", "aria-1"])
def test_a_ghz_state_from_zero_is_a_tree(n_qubits, machine):
    compiled = compile(ionq_circuits.ghz(n_qubits), machine, mode="state")
    assert compiled.depth_2q == math.ceil(math.log2(n_qubits))
    assert compiled.gates_2q == n_qubits - 1
    if n_qubits <= 10:
        found = states_of(compiled, np.zeros((1, 0)), np.eye(2**n_qubits, 1))
        expected = np.zeros((2**n_qubits, 1))
        expected[[0, -1]] = math.sqrt(0.5)
        assert_same_up_to_phase(found, expected, ACCURACY)


# What comes back


@settings(max_examples=40, deadline=None)
@given(any_circuits(max_gates=8), options)
def test_the_native_circuit_is_what_the_service_takes(circuit, chosen):
    compiled = compile(circuit, **chosen)
    native = compiled.native(row_of(compiled))
    numbers = compiled.bind(row_of(compiled))
    template = NativeTemplate.of(native, compiled.options.target)
    rows = [[float(angle.constant) for op in native.operations for angle in op.params]]
    template.check(rows)
    found = UnifiedCircuit.of(native).unitary()
    expected = native_states(compiled.template, numbers.columns[0], basis(circuit.n_qubits))
    assert_same_up_to_phase(found, expected, 1e-9)


def test_values_are_taken_in_the_order_of_the_circuits_symbols_or_by_name():
    circuit = UnifiedCircuit(4)
    names = [f"x{k}" for k in range(12)][::-1]
    for k, name in enumerate(names):
        circuit.add_gate("RX", k % 4, name).add_gate("RZZ", [k % 4, (k + 1) % 4], name)
    compiled = compile(circuit)
    assert compiled.symbols == circuit.parameters == tuple(names)
    values = np.random.default_rng(0).uniform(-3, 3, 12)
    by_place = compiled.bind(values)
    by_name = compiled.bind({name: values[k] for k, name in reversed(list(enumerate(names)))})
    np.testing.assert_array_equal(by_place.columns, by_name.columns)
    np.testing.assert_array_equal(by_place.columns, compiled.bind(values[None].tolist()).columns)


def test_without_symbols_no_values_are_needed_and_a_batch_of_none_is_empty():
    plain = compile(UnifiedCircuit(2).add_gate("CX", [0, 1]))
    assert len(plain.bind().columns) == len(plain.bind([]).columns) == len(plain.bind({}).columns)
    assert len(plain.bind(np.zeros((5, 0))).columns) == 5
    symbolic = compile(UnifiedCircuit(2).add_gate("CRX", [0, 1], "a"))
    assert len(symbolic.bind(np.zeros((0, 1))).columns) == 0


def test_swaps_end_in_the_output_permutation():
    circuit = UnifiedCircuit(3).add_gate("RX", 0, 0.3).add_gate("SWAP", [0, 2])
    compiled = compile(circuit.add_gate("SWAP", [2, 1]))
    assert compiled.output_permutation == (2, 0, 1)
    assert compiled.gates_2q == 0


def test_outcomes_that_are_sums_have_no_output_permutation():
    circuit = UnifiedCircuit(2).add_gate("RY", 0, "a").add_gate("RY", 1, "b")
    compiled = compile(circuit.add_gate("CX", [0, 1]), mode="measured")
    assert compiled.gates_2q == 0
    np.testing.assert_array_equal(compiled.outcomes([[1, 0], [1, 1]]), [[1, 1], [1, 0]])
    with pytest.raises(CircuitError, match="sums of several wires.*Expected:.*permutation.*mode"):
        _ = compiled.output_permutation


def test_measurement_markers_change_nothing():
    circuit = UnifiedCircuit(2).add_gate("H", 0).add_gate("CX", [0, 1])
    marked = compile(circuit.copy().measure())
    assert marked.template.gates == compile(circuit).template.gates


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("machine", ["forte-1", "aria-1"])
def test_an_empty_circuit_is_empty(mode, level, machine):
    compiled = compile(UnifiedCircuit(3), machine, mode=mode, optimization_level=level)
    assert compiled.template.gates == ()
    assert compiled.bind().columns.shape == (1, 0)
    assert compiled.output_permutation == (0, 1, 2)
    assert compiled.depth_2q == 0


def test_a_machines_own_entangler_is_used_and_another_where_it_takes_it():
    circuit = UnifiedCircuit(2).add_gate("CX", [0, 1])

    def used(*arguments, **keywords):
        gates = compile(circuit, *arguments, **keywords).template.gates
        return {gate.name for gate in gates if len(gate.wires) == 2}

    assert used() == used("forte-1") == used("qpu.forte-1") == used("simulator") == {"ZZ"}
    assert used("aria-1") == used("simulator", entangler="MS") == {"MS"}


def test_the_circuit_given_is_not_changed():
    circuit = ionq_circuits.adder(1)
    copy = circuit.copy()
    compile(circuit, mode="measured")
    assert circuit == copy


# The cache


def test_the_same_structure_is_compiled_once():
    circuit = random_circuit([daily_seed(), 52], 6, 60, symbols=tuple(VALUES))
    start = time.perf_counter()
    first = compile(circuit)
    once = time.perf_counter() - start
    start = time.perf_counter()
    again = [compile(Circuit.of(circuit)) for _ in range(20)]
    each = (time.perf_counter() - start) / 20
    assert all(compiled is first for compiled in again)
    assert each < once / 4


def test_other_structures_and_options_are_compiled_anew():
    circuit = UnifiedCircuit(2).add_gate("RXX", [0, 1], "a").add_gate("RX", 0, 0.1)
    other = UnifiedCircuit(2).add_gate("RXX", [0, 1], "a").add_gate("RX", 0, 0.2)
    wider = UnifiedCircuit(3).add_gate("RXX", [0, 1], "a").add_gate("RX", 0, 0.1)
    made = [
        compile(circuit),
        compile(other),
        compile(wider),
        compile(circuit, "simulator"),
        compile(circuit, UNSIGNED),
        compile(circuit, "aria-1"),
        compile(circuit, optimization_level=1),
        compile(circuit, mode="measured"),
        compile(circuit, max_partial=0.1),
        compile(circuit, approximation=0.1),
    ]
    assert len({id(compiled) for compiled in made}) == len(made)
    assert made[1].circuit == other and made[2].circuit.n_qubits == 3


def test_a_change_of_the_circuit_that_was_compiled_does_no_harm():
    circuit = UnifiedCircuit(2).add_gate("CRX", [0, 1], "a")
    compiled = compile(circuit)
    compiled.circuit.add_gate("RX", 0, "b")
    circuit.add_gate("RX", 0, "c")
    assert compiled.symbols == compiled.circuit.parameters == ("a",)


def test_what_comes_back_for_one_batch_is_not_the_next_ones():
    compiled = compile(UnifiedCircuit(2).add_gate("CRX", [0, 1], "a"))
    first = compiled.bind([0.3])
    before = first.columns.copy()
    compiled.bind([1.3])
    np.testing.assert_array_equal(first.columns, before)


# What is refused


@pytest.mark.parametrize("mode", MODES)
def test_a_circuit_with_more_qubits_than_the_machine_is_refused(mode):
    message = "too many qubits for aria-1.*expected: at most 25.*Received: 26"
    with pytest.raises(CircuitError, match=f"(?i){message}"):
        compile(UnifiedCircuit(26).add_gate("H", 0), "aria-1", mode=mode)
    assert compile(UnifiedCircuit(25).add_gate("H", 24), "aria-1", mode=mode).gates_1q == 1


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"target": "forte-9"}, "no such target.*expected:.*Received: 'forte-9'.*Did you mean"),
        ({"target": None}, "Unknown target.*expected:.*Received: None"),
        ({"target": 3}, "Unknown target.*expected:.*Received: 3"),
        ({"optimization_level": 4}, "optimization_level.*expected: 0, 1, 2 or 3.*Received: 4"),
        ({"optimization_level": -1}, "optimization_level.*expected: 0, 1, 2 or 3.*Received: -1"),
        ({"optimization_level": 2.0}, "optimization_level.*expected:.*Received: 2.0"),
        ({"optimization_level": True}, "optimization_level.*expected:.*Received: True"),
        ({"optimization_level": None}, "optimization_level.*expected:.*Received: None"),
        ({"entangler": "MS"}, "forte-1 does not take.*expected: ZZ.*Received: 'MS'"),
        ({"entangler": "CX"}, "forte-1 does not take.*expected: ZZ.*Received: 'CX'"),
        ({"entangler": ["ZZ"]}, "forte-1 does not take.*expected: ZZ.*Received"),
        ({"mode": "start"}, "Unknown mode.*'unitary' or 'state' or 'measured'.*Received: 'start'"),
        ({"mode": None}, "Unknown mode.*expected:.*Received: None"),
        ({"mode": ["unitary"]}, "Unknown mode.*expected:.*Received"),
        ({"max_partial": 0.3}, "max_partial is out of range.*expected: 0 to 0.25.*Received: 0.3"),
        ({"max_partial": -0.1}, "max_partial.*expected: 0 to 0.25.*Received: -0.1"),
        ({"max_partial": math.nan}, "max_partial.*expected: 0 to 0.25.*Received: nan"),
        ({"max_partial": "0.1"}, "max_partial.*expected:.*Received: '0.1'"),
        ({"max_partial": True}, "max_partial.*expected:.*Received: True"),
        ({"approximation": 1.5}, "approximation.*expected: 0 to 1.*Received: 1.5"),
        ({"approximation": -1e-9}, "approximation.*expected: 0 to 1.*Received: -1e-09"),
        ({"approximation": math.inf}, "approximation.*expected: 0 to 1.*Received: inf"),
        ({"approximation": None}, "approximation.*expected:.*Received: None"),
        ({"search": 1}, "search.*expected: True or False.*Received: 1"),
        ({"search": None}, "search.*expected: True or False.*Received: None"),
    ],
)
def test_options_that_make_no_sense_are_refused(chosen, message):
    circuit = UnifiedCircuit(2).add_gate("CX", [0, 1])
    with pytest.raises(ConfigurationError, match=f"(?i){message}"):
        compile(circuit, **chosen)


@pytest.mark.parametrize("circuit", [None, "OPENQASM 2.0;", 3, np.eye(4), [("H", 0)]])
def test_what_is_no_circuit_is_refused(circuit):
    with pytest.raises(CircuitError, match="(?i)circuit.*Received"):
        compile(circuit)


def test_a_matrix_under_too_many_controls_is_refused_with_its_place():
    circuit = UnifiedCircuit(10).add_gate("H", 0)
    circuit.add_unitary(random_unitary(0, 2), [0, 1], range(2, 10))
    message = "Operation 1, .*matrix under controls is too large.*expected:.*8.*Received: 10.*gates"
    with pytest.raises(CircuitError, match=f"(?i){message}"):
        compile(circuit)


@pytest.mark.parametrize("machine", ["forte-1", "aria-1"])
@pytest.mark.parametrize(
    "values",
    [
        None,
        0.3,
        [0.3],
        [0.1, 0.2, 0.3],
        np.zeros((4, 3)),
        np.zeros((2, 2, 2)),
        np.zeros((2, 0)),
    ],
)
def test_values_of_a_wrong_shape_are_refused(values, machine):
    compiled = compile(UnifiedCircuit(1).add_gate("RX", 0, "a").add_gate("RY", 0, "b"), machine)
    message = r"expected:.*shape \[batch, 2\] for \['a', 'b'\].*Received"
    with pytest.raises(InputError, match=f"(?i){message}"):
        compiled.bind(values)


@pytest.mark.parametrize(
    "values", [["x", "y"], [None, 1.0], [[0.1, 0.2], [0.3]], [1j, 2.0], "ab", object()]
)
def test_values_that_are_no_numbers_are_refused(values):
    compiled = compile(UnifiedCircuit(1).add_gate("RX", 0, "a").add_gate("RY", 0, "b"))
    with pytest.raises(InputError, match="(?i)expected.*Received"):
        compiled.bind(values)


def test_a_symbol_without_a_value_is_named_with_a_proposal():
    compiled = compile(UnifiedCircuit(1).add_gate("RX", 0, "alpha").add_gate("RY", 0, "beta"))
    message = "Symbol 'beta' has no value.*expected:.*alpha.*beta.*Received.*Did you mean 'bet'"
    with pytest.raises(InputError, match=f"(?i){message}"):
        compiled.bind({"alpha": 0.1, "bet": 0.2})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("as_dict", [True, False])
def test_values_that_are_not_finite_are_refused_and_named(value, as_dict):
    compiled = compile(UnifiedCircuit(1).add_gate("RX", 0, "a").add_gate("RY", 0, "b"))
    values = {"a": 0.1, "b": value} if as_dict else [[0.1, 0.2], [0.1, value]]
    with pytest.raises(InputError, match=f"(?i)not a finite number.*expected:.*Received.*{value}"):
        compiled.bind(values)


def test_a_native_circuit_has_one_set_of_values():
    compiled = compile(UnifiedCircuit(1).add_gate("RX", 0, "a"))
    message = r"One circuit holds one set.*expected: shape \[1\].*Received.*batch of 3"
    with pytest.raises(InputError, match=f"(?i){message}"):
        compiled.native(np.zeros((3, 1)))


@settings(max_examples=30, deadline=None)
@given(any_circuits(max_gates=8), options, st.sampled_from(MODES))
def test_compiling_twice_gives_the_same_gates_and_numbers(circuit, chosen, mode):
    assume(len(circuit))
    one = compile(circuit, mode=mode, **chosen)
    # A circuit of other names has the same structure, but is compiled anew.
    renamed = circuit.bind({name: name + "_" for name in circuit.parameters})
    two = compile(renamed, mode=mode, **chosen)
    assert one.template.gates == two.template.gates
    row = row_of(one)
    np.testing.assert_array_equal(one.bind(row).columns, two.bind(row).columns)


@pytest.mark.parametrize(("gate", "n_qubits"), [("CCX", 3), ("CSWAP", 3), ("CCZ", 3), ("X", 6)])
@pytest.mark.parametrize("level", [1, 2, 3])
def test_gates_on_many_qubits_that_meet_their_inverse_are_gone(gate, n_qubits, level):
    circuit = Circuit(n_qubits + 1)
    controls = range(n_qubits - 1) if gate == "X" else ()
    qubits = [n_qubits - 1] if gate == "X" else list(range(n_qubits))
    circuit.add_gate(gate, qubits, controls=list(controls))
    # On another qubit, and about Z of a control.
    circuit.add_gate("H", n_qubits).add_gate("RZ", 0, "a")
    circuit.add_gate(gate, qubits, controls=list(controls)[::-1])
    compiled = compile(circuit, optimization_level=level)
    assert compiled.gates_2q == 0
    assert compiled.symbols == ("a",)
