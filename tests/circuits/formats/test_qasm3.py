"""OpenQASM 3 is read as Qiskit reads it, with symbols, and bad programs get one clear error."""

import math
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits.symbols import Affine
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConversionError, LibraryError
from qstore_tf.testing.extras import needs_extra

from_qasm3 = UnifiedCircuit.from_qasm3

needs_extra("openqasm3.parser")

HEAD = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'


def unitary(text, **values):
    return from_qasm3(HEAD + text).unitary(values)


def built(n_qubits, *steps):
    circuit = UnifiedCircuit(n_qubits)
    for name, targets, *rest in steps:
        circuit.add_gate(name, targets, *rest)
    return circuit.unitary()


GATES = {
    "p": (1, 1), "x": (1, 0), "y": (1, 0), "z": (1, 0), "h": (1, 0), "s": (1, 0), "sdg": (1, 0),
    "t": (1, 0), "tdg": (1, 0), "sx": (1, 0), "rx": (1, 1), "ry": (1, 1), "rz": (1, 1),
    "cx": (2, 0), "cy": (2, 0), "cz": (2, 0), "cp": (2, 1), "crx": (2, 1), "cry": (2, 1),
    "crz": (2, 1), "ch": (2, 0), "swap": (2, 0), "ccx": (3, 0), "cswap": (3, 0), "cu": (2, 4),
    "CX": (2, 0), "phase": (1, 1), "cphase": (2, 1), "id": (1, 0), "u1": (1, 1), "u2": (1, 2),
    "u3": (1, 3), "U": (1, 3),
}  # fmt: skip


# Qiskit's reader leaves out the phase of u2 and u3 in stdgates.inc, so those are compared bare.
MODIFIED = [
    (name, modifier)
    for name in GATES
    for modifier in ["", "ctrl @ ", "negctrl @ ", "inv @ ", "pow(2) @ "]
    if not (modifier and name in ("u2", "u3"))
]


@pytest.mark.parametrize("name, modifier", MODIFIED)
def test_every_standard_gate_means_what_it_means_in_qiskit(name, modifier):
    needs_extra("qiskit_qasm3_import")
    from qiskit import qasm3
    from qiskit.quantum_info import Operator

    n_qubits, n_params = GATES[name]
    params = f"({', '.join(str(0.3 - 0.8 * k) for k in range(n_params))})" if n_params else ""
    qubits = ["q[2]", "q[0]", "q[1]"][:n_qubits] + (["q[3]"] if "ctrl" in modifier else [])
    text = f"{HEAD}qubit[4] q; h q; {modifier}{name}{params} {', '.join(qubits)};"
    expected = Operator(qasm3.loads(text).reverse_bits()).data
    actual = from_qasm3(text).unitary()
    if name in ("u2", "u3"):
        overlap = np.vdot(expected, actual)
        expected = expected * overlap / abs(overlap)
    np.testing.assert_allclose(actual, expected, atol=1e-9)


def test_programs_that_qiskit_writes_are_read():
    needs_extra("qiskit_qasm3_import")
    from qiskit import QuantumCircuit, qasm3
    from qiskit.circuit import Parameter

    theta, phi = Parameter("theta"), Parameter("phi")
    inner = QuantumCircuit(2, name="inner")
    inner.rzz(theta, 0, 1)
    inner.cu(0.1, 0.2, phi, 0.4, 1, 0)
    circuit = QuantumCircuit(3)
    circuit.ry(2 * phi + 1, 2)
    circuit.append(inner.to_gate(), [2, 0])
    circuit.mcx([0, 1], 2)
    circuit.barrier()
    converted = from_qasm3(qasm3.dumps(circuit))
    expected = UnifiedCircuit.from_qiskit(circuit)
    values = {"theta": 0.3, "phi": 0.7}
    assert converted.parameters == expected.parameters == ("phi", "theta")
    np.testing.assert_allclose(converted.unitary(values), expected.unitary(values), atol=1e-9)


def test_inputs_become_symbols_in_the_order_of_first_use():
    names = [f"t{k}" for k in range(12)]
    inputs = "".join(f"input float[64] {name}; " for name in names)
    order = [11, 2, 10, 0, 1, 9, 3, 8, 4, 7, 5, 6]
    gates = "".join(f"rx(2*t{k} + pi/2) q; " for k in order)
    circuit = from_qasm3(f"{HEAD}{inputs} qubit q; {gates}")
    assert circuit.parameters == tuple(f"t{k}" for k in order)
    assert circuit.operations[0].params == (Affine(math.pi / 2, (("t11", 2.0),)),)


def test_arrays_of_inputs_are_indexed_in_loops():
    circuit = from_qasm3(
        HEAD + "input array[float[64], 6] w; input angle t; qubit[3] q;"
        "for int i in [0:2] { ry(w[2*i + 1] - t/2) q[i]; }"
    )
    assert circuit.parameters == ("w[1]", "t", "w[3]", "w[5]")
    assert [op.targets for op in circuit.operations] == [(0,), (1,), (2,)]


@pytest.mark.parametrize(
    "expression, value",
    [
        ("pi", math.pi),
        ("τ/4", math.pi / 2),
        ("-(2 + 3) * 0.5", -2.5),
        ("2**3 / 4", 2.0),
        ("7/2", 3.0),
        ("7 % 4", 3.0),
        ("sin(0.5) + sqrt(2.0)", math.sin(0.5) + math.sqrt(2)),
        ("h - euler", 0.25 - math.e),
        ("float(3)", 3.0),
        ("1e-3", 0.001),
        ("k * h", 1.0),
    ],
)
def test_expressions_are_computed(expression, value):
    constants = "const float h = 1.0/4; const int k = 4;"
    circuit = from_qasm3(f"{HEAD}{constants} qubit q; rx({expression}) q;")
    assert circuit.operations[0].params[0].constant == pytest.approx(value, abs=1e-12)


def test_gate_definitions_expand_with_phases_under_controls():
    text = """
        qubit[3] q;
        gate inner(x) a { gphase(x / 2); rx(2 * x) a; }
        gate outer(x, y) a, b { inner(x + y) a; ctrl @ inner(y) a, b; barrier a; }
        ctrl @ outer(0.3, 0.4) q[2], q[0], q[1];
        inv @ outer(0.1, 0.2) q[1], q[2];
    """
    inner = UnifiedCircuit(3)
    expected = UnifiedCircuit(3)

    def add_inner(circuit, x, a, controls=()):
        circuit.add_gate("GlobalPhase", [], x / 2, controls=controls)
        circuit.add_gate("RX", a, 2 * x, controls=controls)

    add_inner(expected, 0.7, 0, [2])
    add_inner(expected, 0.4, 1, [2, 0])
    add_inner(inner, 0.3, 1)
    add_inner(inner, 0.2, 2, [1])
    expected = expected.compose(inner.inverse())
    np.testing.assert_allclose(unitary(text), expected.unitary(), atol=1e-12)


def test_modifiers_apply_from_the_gate_outwards():
    text = "qubit[4] q; ctrl(2) @ inv @ negctrl @ pow(3) @ rx(0.2) q[3], q[2], q[1], q[0];"
    expected = UnifiedCircuit(4).add_gate("X", 1)
    expected.add_gate("RX", 0, -0.6, controls=[1, 2, 3]).add_gate("X", 1)
    np.testing.assert_allclose(unitary(text), expected.unitary(), atol=1e-12)
    controlled_phase = unitary("qubit[2] q; ctrl(2) @ gphase(0.3) q[0], q[1];")
    np.testing.assert_allclose(controlled_phase, built(2, ("CPhase", [0, 1], 0.3)), atol=1e-12)


def test_registers_follow_each_other_and_gates_spread_over_them():
    circuit = from_qasm3(
        HEAD + "qubit[2] a; qubit b; qreg c[2]; let d = a ++ c[{1, 0}]; cx a, c; x d[-1]; y d[1:3];"
        "bit[2] r; r = measure a; measure b;"
    )
    assert circuit.n_qubits == 5
    on = [(op.gate, op.qubits) for op in circuit.operations]
    assert on == [
        ("CX", (0, 3)), ("CX", (1, 4)), ("X", (3,)), ("Y", (1,)), ("Y", (4,)), ("Y", (3,)),
        ("Measure", (0,)), ("Measure", (1,)), ("Measure", (2,)),
    ]  # fmt: skip


BAD = {
    "if": ("qubit q; bit c;\nif (c) { x q; }", "Line 4 .*`if`"),
    "while": ("qubit q; while (true) { x q; }", "`while`"),
    "reset": ("qubit q; x q; reset q;", "`reset`"),
    "def": ("def f(qubit p) { x p; }", "subroutine"),
    "assignment": ("qubit q; int n = 1; n = 2;", "assignment"),
    "midway": ("qubit q; bit c;\nc = measure q;\nx q;", "Line 5 .*measurement marker"),
    "unknown gate": ("qubit q;\n\nmystery(0.1) q;", "Line 5 .*'mystery'"),
    "too early": ("qubit q; gate a p { b p; } gate b p { x p; } a q;", "'b' is not defined"),
    "itself": ("qubit q; gate a p { a p; } a q;", "'a' is not defined"),
    "index": ("qubit[2] q; x q[2];", "index 2"),
    "same qubit": ("qubit[2] q; cx q[0], q[0];", "twice"),
    "sizes": ("qubit[2] a; qubit[3] b; cx a, b;", r"\[2, 3\]"),
    "arity": ("qubit[2] q; rx(1, 2) q[0];", "2 parameters"),
    "operands": ("qubit[2] q; x q[0], q[1];", "2 operands"),
    "product": ("input float t; qubit q; rx(t*t) q;", r"Line 3 .*\(t\) \* \(t\) is not affine"),
    "sine": ("input float t; qubit q; rx(sin(t)) q;", "not known when"),
    "bit": ("bit c; qubit q; rx(c) q;", "'c' is not a number"),
    "division": ("qubit q; rx(1/0) q;", "zero"),
    "root": ("qubit q; rx(sqrt(-1)) q;", "Line 3"),
    "file": ('include "/etc/passwd"; qubit q;', "/etc/passwd"),
    "hardware": ("x $0;", "hardware"),
    "nothing": ("", "no qubits"),
    "negative": ("qubit[-1] q;", "qubits"),
    "syntax": ("qubit q; rx( q;", "cannot be read"),
    "input": ("input int n;", "'n' is not an angle"),
    "half an input": ("input float t; qubit q; pow(0.5) @ rx(t) q;", "depends on inputs"),
    "half of many": (
        "qubit[6] q; pow(0.5) @ ctrl(5) @ x q[0], q[1], q[2], q[3], q[4], q[5];",
        "on 6 qubits",
    ),
    "reserved": ("input float π; qubit q; rx(π) q;", "cannot be read|reserved"),
}


@pytest.mark.parametrize("text, message", BAD.values(), ids=BAD)
def test_what_cannot_be_read_is_named_with_its_line(text, message):
    with pytest.raises(ConversionError, match=message):
        from_qasm3(HEAD + text)


@pytest.mark.parametrize(
    "text", ["", "OPENQASM 2.0; qreg q[1];", "OPENQASM 1;", b"OPENQASM 3;", None]
)
def test_other_texts_are_refused(text):
    with pytest.raises(ConversionError, match="OpenQASM"):
        from_qasm3(text)


GREEDY = {
    "register": "qubit[2000000000] q; x q;",
    "registers": "qubit[9000] a; qubit[9000] b;",
    "power": "qubit q; pow(1000000000) @ x q;",
    "controls": "qubit q; ctrl(1000000000) @ x q;",
    "tower": "const int n = 9**9**9**9;",
    "growth": "const float a = 1e300; const float b = a*a*a;",
    "loop": "qubit q; for int i in [0:1000000000] { x q; }",
    "empty loop": "qubit q; for int i in [0:1000000000] { }",
    "loops": "qubit q; "
    + "".join(f"for int i{k} in [0:99] {{ " for k in range(9))
    + "x q;"
    + "}" * 9,
    "definitions": "qubit q; gate a0 x { h x; }"
    + "".join(f"gate a{k} x {{ a{k - 1} x; a{k - 1} x; }} " for k in range(1, 60))
    + "a59 q;",
    "empty definitions": "qubit q; gate a0 x { }"
    + "".join(f"gate a{k} x {{ a{k - 1} x; a{k - 1} x; }} " for k in range(1, 60))
    + "a59 q;",
    "powers of powers": "qubit q; gate a0 x { h x; }"
    + "".join(f"gate a{k} x {{ pow(30) @ a{k - 1} x; }} " for k in range(1, 20))
    + "a19 q;",
    "parentheses": "qubit q; rx(" + "(" * 3000 + "1" + ")" * 3000 + ") q;",
    "sum": "qubit q; rx(" + "1+" * 5000 + "1) q;",
    "signs": "qubit q; rx(" + "-" * 5000 + "1) q;",
    "long number": "qubit q; rx(" + "9" * 100_000 + ") q;",
    "slices": "qubit[4000] q; let a = q ++ q; let b = a ++ a; let c = b ++ b; x c;",
    "aliases": "qubit[2] q0; "
    + "".join(f"let q{k} = q{k - 1} ++ q{k - 1}; " for k in range(1, 60)),
}


@pytest.mark.slow
@pytest.mark.parametrize("text", GREEDY.values(), ids=GREEDY)
def test_greedy_programs_are_refused_in_good_time(text):
    start = time.process_time()
    with pytest.raises(ConversionError):
        from_qasm3(HEAD + text)
    assert time.process_time() - start < 20


PIECES = [
    "qubit[2] q;", "q", "[0]", "x", "rx(", ")", "pi", "gate", "{", "}", ";", "ctrl @", "0.5", "for",
    "int i in", "[0:1]", "input float", "t", "measure", "let", "=", ",", "gphase(1);", "inv @", "-",
    "const", "++", "pow(2) @", "\x00", "π", '"', "/*", "w[1]", "$0", "if (",
]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=25))
def test_random_texts_are_read_or_refused(pieces):
    try:
        circuit = from_qasm3(HEAD + "qubit[2] q; " + " ".join(pieces))
    except ConversionError:
        return
    assert circuit.n_qubits >= 2


def test_without_the_parser_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "openqasm3", None)
    with pytest.raises(LibraryError, match=r"pip install 'qstore-tf\[qasm3\]'"):
        from_qasm3(HEAD + "qubit q;")
