"""Building, looking at and transforming circuits, and what is refused."""

import subprocess
import sys
import time

import cirq
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits import Affine, Circuit, Operation, UnifiedCircuit
from qstore_tf.errors import CircuitError, MemoryLimitError
from qstore_tf.testing.random_circuits import circuits, random_circuit, random_unitary

SYMBOLS = ("a", "b", "c")
VALUES = {"a": 0.3, "b": -1.2, "c": 2.5}


def unitary(circuit):
    return circuit.unitary({name: VALUES[name] for name in circuit.parameters})


@settings(max_examples=40, deadline=None)
@given(circuits(4, 15, SYMBOLS))
def test_a_circuit_followed_by_its_inverse_is_the_identity(circuit):
    product = unitary(circuit.compose(circuit.inverse()))
    np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(circuits(3, 10, SYMBOLS), st.integers(0, 2**32 - 1))
def test_composing_multiplies_the_matrices(first, seed):
    second = random_circuit(seed, first.n_qubits, 8, symbols=SYMBOLS)
    expected = unitary(second) @ unitary(first)
    np.testing.assert_allclose(unitary(first.compose(second)), expected, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(circuits(4, 15, SYMBOLS))
def test_binding_gives_the_unitary_of_the_values(circuit):
    values = {name: VALUES[name] for name in circuit.parameters}
    bound = circuit.bind(values)
    assert bound.n_parameters == 0
    np.testing.assert_allclose(bound.unitary(), circuit.unitary(values), atol=1e-13)


@settings(max_examples=30, deadline=None)
@given(circuits(4, 15, SYMBOLS))
def test_equal_circuits_have_equal_hashes_and_copies_are_independent(circuit):
    copy = UnifiedCircuit.from_operations(circuit.n_qubits, circuit.operations)
    assert copy == circuit == circuit.copy()
    assert hash(copy) == hash(circuit)
    before = circuit.operations
    copy.add_gate("H", 0)
    circuit.copy().add_gate("H", 0)
    assert copy != circuit and circuit.operations == before


@settings(max_examples=30, deadline=None)
@given(circuits(3, 8, SYMBOLS))
def test_controlled_circuits_act_where_the_control_is_one(circuit):
    wide = UnifiedCircuit(circuit.n_qubits + 1)
    wide = wide.compose(circuit, qubits=range(1, circuit.n_qubits + 1)).controlled(0)
    inner = unitary(circuit)
    expected = np.eye(2 * len(inner), dtype=complex)
    expected[len(inner) :, len(inner) :] = inner
    np.testing.assert_allclose(unitary(wide), expected, atol=1e-12)


def test_composing_on_chosen_qubits_moves_targets_and_controls():
    inner = UnifiedCircuit(2).add_gate("RX", 0, "x", controls=1).measure(0)
    outer = UnifiedCircuit(3).compose(inner, qubits=[2, 0])
    assert outer.operations[0] == Operation("RX", (2,), (Affine.of("x"),), (0,))
    assert outer.measured_qubits == (2,)


def test_parameters_come_in_order_of_first_appearance_not_alphabetically():
    circuit = UnifiedCircuit(1)
    names = [f"theta_{k}" for k in (11, 2, 10, 1, 0, 9, 3, 8, 4, 7, 5, 6)]
    for name in names + names[:3]:
        circuit.add_gate("RY", 0, name)
    assert circuit.parameters == tuple(names)
    assert circuit.n_parameters == 12
    assert [s.name for s in circuit.symbols_as_sympy()] == names


def test_parameters_may_be_numbers_text_sympy_or_arrays():
    x = sympy.Symbol("x")
    affine = Affine(0.5, (("x", 2.0),))
    spellings = [2 * x + 0.5, "2*x + 0.5", affine, ["0.5 + 2*x"], (2 * x + 0.5,)]
    made = {UnifiedCircuit(1).add_gate("RX", 0, p) for p in spellings}
    assert len(made) == 1
    numeric = {
        UnifiedCircuit(1).add_gate("U3", [0], p)
        for p in ([1, 2, 3], (1.0, 2.0, 3.0), np.array([1, 2, 3], dtype=np.float32))
    }
    assert len(numeric) == 1
    assert UnifiedCircuit(3).add_gate("CX", np.array([0, 2])) == UnifiedCircuit(3).add_gate(
        "cnot", (np.int64(0), 2)
    )


def test_a_parameterized_layer_has_its_own_symbols_on_every_qubit():
    assert UnifiedCircuit(3).add_parameterized_layer("RY", "w").parameters == ("w_0", "w_1", "w_2")
    circuit = UnifiedCircuit(2).add_parameterized_layer("U3", "w")
    assert circuit.parameters == ("w_0_0", "w_0_1", "w_0_2", "w_1_0", "w_1_1", "w_1_2")


def test_depth_counts_time_steps_without_markers_and_global_phases():
    circuit = UnifiedCircuit(3)
    assert circuit.depth == 0
    circuit.add_gate("H", 0).add_gate("H", 1).add_gate("CX", [0, 1]).add_gate("X", 2)
    circuit.add_gate("GlobalPhase", (), 0.3)
    assert circuit.depth == 2
    circuit.add_gate("Z", 1, controls=2)
    assert circuit.measure().depth == 3


def test_gates_are_counted_by_name_with_their_controls():
    circuit = UnifiedCircuit(3).add_gate("H", 0).add_gate("H", 1).add_gate("cnot", [0, 1])
    circuit.add_gate("RX", 0, 0.1, controls=[1, 2])
    assert circuit.count_gates() == {"H": 2, "CX": 1, "CCRX": 1}
    assert len(circuit) == 4
    assert repr(circuit) == "<UnifiedCircuit: 3 qubits, 4 operations, 0 parameters>"
    assert str(circuit.operations[-1]) == "CCRX(0.1) 1, 2, 0"


def test_unitaries_with_controls_make_the_matrix_they_were_given():
    for n in range(1, 6):
        matrix = random_unitary(n, n)
        circuit = UnifiedCircuit(n).add_unitary(matrix, list(range(n)))
        np.testing.assert_allclose(circuit.unitary(), matrix, atol=1e-13)
        np.testing.assert_allclose(circuit.inverse().unitary(), matrix.conj().T, atol=1e-13)
    reversed_order = UnifiedCircuit(2).add_unitary(np.diag([1, 1, 1j, 1]), [1, 0])
    np.testing.assert_allclose(np.diag(reversed_order.unitary()), [1, 1j, 1, 1])


def test_measuring_without_qubits_marks_all():
    assert UnifiedCircuit(3).measure().measured_qubits == (0, 1, 2)
    assert UnifiedCircuit(3).measure(2).measured_qubits == (2,)


def test_binding_to_expressions_renames_and_ties_symbols():
    circuit = UnifiedCircuit(1).add_gate("RX", 0, "a").add_gate("RZ", 0, "b")
    tied = circuit.bind({sympy.Symbol("b"): "2*a + 1"})
    assert tied.parameters == ("a",)
    assert tied.operations[1].params == (Affine.of("2*a + 1"),)


BAD = {
    "unknown gate": (lambda c: c.add_gate("SWAPP", [0, 1]), "Did you mean 'SWAP'"),
    "gate that is no name": (lambda c: c.add_gate(None, 0), "Unknown gate"),
    "duplicate targets": (lambda c: c.add_gate("CX", [1, 1]), "acts on a qubit twice"),
    "target is control": (lambda c: c.add_gate("X", 1, controls=1), "acts on a qubit twice"),
    "target out of range": (lambda c: c.add_gate("X", 3), "qubit 3, which is not in the circuit"),
    "negative target": (lambda c: c.add_gate("X", -1), "Expected: qubits 0 to 2"),
    "control out of range": (lambda c: c.add_gate("X", 0, controls=7), "qubit 7"),
    "fractional target": (lambda c: c.add_gate("X", 0.5), "not an integer"),
    "text target": (lambda c: c.add_gate("X", "0"), "not an integer"),
    "too few targets": (lambda c: c.add_gate("CX", 0), "wrong number of targets"),
    "too many targets": (lambda c: c.add_gate("X", [0, 1]), "wrong number of targets"),
    "missing parameter": (lambda c: c.add_gate("RX", 0), "wrong number of parameters"),
    "extra parameter": (lambda c: c.add_gate("H", 0, 0.1), "wrong number of parameters"),
    "NaN parameter": (lambda c: c.add_gate("RX", 0, float("nan")), "not a finite number"),
    "infinite parameter": (lambda c: c.add_gate("RX", 0, np.inf), "not a finite number"),
    "non-affine parameter": (lambda c: c.add_gate("RX", 0, "x*y"), "not affine"),
    "complex parameter": (lambda c: c.add_gate("RX", 0, 1j), "cannot be read"),
    "controlled measurement": (lambda c: c.add_gate("M", 0, controls=1), "cannot have controls"),
    "gate after measurement": (lambda c: c.measure(0).add_gate("X", 0), "after its measurement"),
    "control after measurement": (
        lambda c: c.measure(0).add_gate("CX", [0, 1]), "after its measurement"),
    "Unitary without matrix": (lambda c: c.add_gate("Unitary", 0), "add_unitary"),
    "matrix not unitary": (lambda c: c.add_unitary([[1, 1], [0, 1]], 0), "not unitary"),
    "matrix with NaN": (lambda c: c.add_unitary(np.full((2, 2), np.nan), 0), "NaN"),
    "matrix of wrong shape": (lambda c: c.add_unitary(np.eye(2), [0, 1]), "shape \\(4, 4\\)"),
    "matrix of text": (lambda c: c.add_unitary([["a"]], 0), "not an array"),
    "matrix without targets": (lambda c: c.add_unitary(np.eye(1), ()), "1 to 5"),
    "matrix of six qubits": (lambda c: c.add_unitary(np.eye(64), range(6)), "1 to 5"),
    "operation with stray matrix": (
        lambda c: c.add_operation(Operation("X", (0,), matrix=((1,),))), "takes no matrix"),
    "operation without matrix": (lambda c: c.add_operation(Operation("Unitary", (0,))), "shape"),
    "layer of two-qubit gates": (lambda c: c.add_parameterized_layer("RXX", "w"), "one-qubit"),
    "layer without parameters": (lambda c: c.add_parameterized_layer("H", "w"), "one-qubit"),
    "layer without a name": (lambda c: c.add_parameterized_layer("RX", ""), "usable name"),
    "bind unknown symbol": (lambda c: c.add_gate("RX", 0, "theta").bind({"theta1": 1}),
                            "Did you mean 'theta'"),
    "unitary of unbound symbols": (lambda c: c.add_gate("RX", 0, "x").unitary(), "unbound"),
    "compose something larger": (lambda c: c.compose(UnifiedCircuit(4)), "does not fit"),
    "compose on too few qubits": (lambda c: c.compose(UnifiedCircuit(2), [0]), "does not fit"),
    "compose on a qubit twice": (lambda c: c.compose(UnifiedCircuit(2), [0, 0]), "twice"),
    "compose out of range": (
        lambda c: c.compose(UnifiedCircuit(2).add_gate("X", 1), [0, 5]), "qubit 5"),
    "invert a measurement": (lambda c: c.measure().inverse(), "no inverse"),
    "control by a used qubit": (lambda c: c.add_gate("X", 0).controlled(0), "twice"),
    "unknown drawing": (lambda c: c.draw("pdf"), "Unknown drawing"),
    "no qubits": (lambda c: UnifiedCircuit(0), "at least one"),
    "fractional qubits": (lambda c: UnifiedCircuit(1.5), "not an integer"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_its_reason(case):
    action, message = BAD[case]
    with pytest.raises(CircuitError, match=message):
        action(UnifiedCircuit(3))


@pytest.mark.parametrize("case", [c for c in BAD if "measure" not in c])
def test_a_refused_gate_leaves_no_trace(case):
    circuit = UnifiedCircuit(3)
    before = circuit.operations
    with pytest.raises(CircuitError):
        BAD[case][0](circuit)
    assert all(op.gate in ("RX", "X") for op in circuit.operations[len(before) :])


def test_a_matrix_of_too_many_qubits_is_refused_before_allocating():
    with pytest.raises(MemoryLimitError, match="at most 12"):
        UnifiedCircuit(40).add_gate("H", 0).unitary()


def test_equality_with_something_else_is_false():
    assert UnifiedCircuit(1) != "circuit"


def test_thousands_of_gates_are_built_per_second():
    circuit = UnifiedCircuit(10)
    start = time.process_time()
    for k in range(4000):
        circuit.add_gate("RY", k % 10, f"2*theta_{k} + 0.1")
    assert time.process_time() - start < 2


def test_circuits_work_without_tensorflow_and_leave_cirq_and_sympy_alone():
    code = """
import sys
sys.modules.update(dict.fromkeys(("tensorflow", "keras", "tf_keras")))
from qstore_tf.circuits import UnifiedCircuit
UnifiedCircuit(1).add_gate("RX", 0, "2*x + 0.5")
loaded = {"cirq", "sympy"} & set(sys.modules)
sys.exit(f"loaded {loaded}" if loaded else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_binding_by_anything_but_names_asks_for_a_dict():
    with pytest.raises(CircuitError, match=r"bound by name.*dict.*Received: \[1.0\].*'x'"):
        UnifiedCircuit(1).add_gate("RX", 0, "x").bind([1.0])


@pytest.mark.parametrize("wrong", ["x", None, cirq.Circuit()])
def test_what_is_not_a_circuit_or_an_operation_is_named(wrong):
    circuit = UnifiedCircuit(1)
    for call in (UnifiedCircuit.of, circuit.compose):
        with pytest.raises(
            CircuitError, match=f"not a circuit.*Received: '{type(wrong).__name__}'"
        ):
            call(wrong)
    with pytest.raises(CircuitError, match="not an operation.*add_gate"):
        circuit.add_operation(wrong)


def test_a_circuit_of_either_class_equals_the_other_and_keeps_its_class():
    plain = Circuit(2).add_gate("H", 0).add_gate("RX", 1, "x")
    unified = UnifiedCircuit.of(plain)
    assert plain == unified and hash(plain) == hash(unified)
    for circuit, kind in ((plain, Circuit), (unified, UnifiedCircuit)):
        made = (circuit.copy(), circuit.inverse(), circuit.bind({"x": 1.0}), circuit.compose(plain))
        assert {type(each) for each in made} == {kind}
