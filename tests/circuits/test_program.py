"""Compiling circuits to programs, and the program text."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits import Angle, Program, Rot, UnifiedCircuit, compile_circuit, reference
from qstore_tf.circuits.primitives import Flip, Phase, Swap, Unitary
from qstore_tf.errors import CircuitError
from qstore_tf.testing.random_circuits import (
    circuits,
    programs,
    random_circuit,
    random_program,
    random_values,
)

SYMBOLS = ("a", "b", "c", "d")


@settings(max_examples=40, deadline=None)
@given(circuits(4, 15, SYMBOLS), st.permutations(SYMBOLS), st.integers(0, 4))
def test_slots_carry_the_values_of_their_symbols(circuit, order, n_inputs):
    inputs, theta = order[:n_inputs], order[n_inputs:]
    program = compile_circuit(circuit, inputs, theta)
    rng = np.random.default_rng(0)
    rows, shared = rng.normal(size=(1, n_inputs)), rng.normal(size=len(theta))
    values = dict(zip((*inputs, *theta), (*rows[0], *shared), strict=True))
    expected = circuit.unitary({name: values[name] for name in circuit.parameters})
    np.testing.assert_allclose(reference.unitary(program, rows, shared), expected, atol=1e-12)


def test_theta_defaults_to_the_remaining_symbols_in_order_of_appearance():
    circuit = UnifiedCircuit(1)
    for name in ("t10", "x", "t2", "t1"):
        circuit.add_gate("RX", 0, name)
    program = compile_circuit(circuit, inputs=["x"])
    assert (program.n_inputs, program.n_theta) == (1, 3)
    assert [g.angle.terms[0][:2] for g in program.gates] == [("t", 0), ("i", 0), ("t", 1), ("t", 2)]


def test_one_input_may_be_given_by_its_name_alone():
    circuit = UnifiedCircuit(1).add_gate("RX", 0, "xy")
    assert compile_circuit(circuit, "xy").n_inputs == 1


def test_measurement_markers_are_dropped():
    assert compile_circuit(UnifiedCircuit(2).measure()).gates == ()


def test_an_unbound_symbol_is_named_with_near_matches():
    circuit = UnifiedCircuit(1).add_gate("RX", 0, "theta_1")
    with pytest.raises(CircuitError, match="'theta_1' is not bound.*Did you mean 'theta_l'"):
        compile_circuit(circuit, theta=["theta_l"])


@pytest.mark.parametrize(
    ("inputs", "theta"), [(["x", "x"], None), (["x"], ["x"]), ([], ["x", "x"])]
)
def test_a_symbol_listed_twice_is_refused(inputs, theta):
    with pytest.raises(CircuitError, match="'x' is listed twice"):
        compile_circuit(UnifiedCircuit(1).add_gate("RX", 0, "x"), inputs, theta)


def test_the_text_is_the_documented_one():
    gates = (
        Rot("XY", (0, 3), Angle(0.25, (("t", 3, 0.5), ("i", 2, 1.0)))),
        Phase(Angle(0.0, (("t", 4, 1.0),)), (0, 1)),
        Phase(Angle(-1.5)),
        Rot("Z", (1,), Angle(), (2,)),
        Flip(1, (0,)),
        Swap((0, 1)),
        Unitary(((0j, 1 + 0j), (1 + 0j, 0j)), (2,)),
    )
    assert Program(4, 3, 5, False, gates).to_text() == (
        "qstore_program 1\nqubits 4\ninputs 3\ntheta 5\ninitial 0\n"
        "rot XY 0,3 - 0.5*t3,1.0*i2,0.25\n"
        "phase 0,1 1.0*t4\n"
        "phase - -1.5\n"
        "rot Z 1 2 0\n"
        "flip 1 0\n"
        "swap 0,1 -\n"
        "unitary 2 - 0.0,0.0,1.0,0.0,1.0,0.0,0.0,0.0\n"
    )


@settings(max_examples=40, deadline=None)
@given(programs(has_initial=None))
def test_the_text_follows_its_grammar_and_keeps_every_number(program):
    number = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
    qubits = r"(?:-|\d+(?:,\d+)*)"
    angle = rf"(?:{number}(?:\*[ti]\d+)?)(?:,{number}(?:\*[ti]\d+)?)*"
    line = re.compile(
        rf"rot [XYZ]+ {qubits} {qubits} {angle}|phase {qubits} {angle}|flip \d+ {qubits}"
        rf"|swap \d+,\d+ {qubits}|unitary {qubits} {qubits} {number}(?:,{number})*"
    )
    lines = program.to_text().splitlines()
    assert lines[0] == "qstore_program 1" and len(lines) == 5 + len(program.gates)
    for text, gate in zip(lines[5:], program.gates, strict=True):
        assert line.fullmatch(text), text
        if isinstance(gate, Unitary):
            values = [float(v) for v in text.split()[-1].split(",")]
            assert values == [p for row in gate.matrix for z in row for p in (z.real, z.imag)]


@settings(max_examples=30, deadline=None)
@given(programs(3, 8), st.integers(0, 2**32 - 1))
def test_appending_runs_one_program_after_the_other(first, seed):
    second = random_program(seed, first.n_qubits, 6, n_inputs=2, n_theta=3)
    both = first.append(second)
    x1, t1, _ = random_values(1, first, 1)
    x2, t2, _ = random_values(2, second, 1)
    expected = reference.unitary(second, x2, t2) @ reference.unitary(first, x1, t1)
    joined = reference.unitary(both, np.hstack([x1, x2]), np.concatenate([t1, t2]))
    np.testing.assert_allclose(joined, expected, atol=1e-12)


def test_programs_that_cannot_follow_each_other_are_refused():
    with pytest.raises(CircuitError, match="different size"):
        random_program(0, 2, 1).append(random_program(0, 3, 1))
    with pytest.raises(CircuitError, match="initial state"):
        random_program(0, 2, 1).append(random_program(0, 2, 1, has_initial=True))


def test_equal_circuits_compile_to_programs_that_are_one_key():
    circuit = random_circuit(7, 4, 30, symbols=SYMBOLS)
    first, second = compile_circuit(circuit), compile_circuit(circuit.copy())
    assert first == second and hash(first) == hash(second) and len({first, second}) == 1
    assert first.to_text() is first.to_text()
    assert first != compile_circuit(circuit, has_initial=True)
