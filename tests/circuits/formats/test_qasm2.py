"""Circuits survive OpenQASM 2 up to a global phase, and bad programs get one clear error."""

import contextlib
import math
import random
import re
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits.formats.qasm2.gates import QELIB1
from qstore_tf.circuits.formats.qasm2.writing import to_qasm
from qstore_tf.circuits.gates import GATES
from qstore_tf.circuits.reading import read_circuit, read_file
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConversionError, QstoreError
from qstore_tf.limits import TEXT_OPERATIONS
from qstore_tf.testing.daily import daily_seed, todays
from qstore_tf.testing.random_circuits import circuits, random_unitary

from_qasm = UnifiedCircuit.from_qasm

HEAD = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
UNITARY = [name for name, row in GATES.items() if row.is_unitary and name != "Unitary"]


def assert_equal_up_to_phase(actual, expected, atol=1e-8):
    overlap = np.vdot(expected, actual)
    np.testing.assert_allclose(actual, expected * overlap / abs(overlap), atol=atol)


@pytest.mark.parametrize("n_controls", [0, 1, 2])
@pytest.mark.parametrize("name", UNITARY)
def test_every_gate_of_the_table_comes_back(name, n_controls):
    row = GATES[name]
    params = [0.4, -1.3, 2.2][: row.n_params]
    circuit = UnifiedCircuit(5).add_gate("H", 4)
    circuit.add_gate(name, [2, 0, 1][: row.n_qubits], params, controls=[3, 4][:n_controls])
    copy = from_qasm(to_qasm(circuit))
    assert copy.n_qubits == 5
    assert_equal_up_to_phase(copy.unitary(), circuit.unitary())


@settings(max_examples=25, deadline=None)
@given(circuits(max_qubits=4, max_gates=10))
def test_random_circuits_come_back(circuit):
    assert_equal_up_to_phase(from_qasm(to_qasm(circuit)).unitary(), circuit.unitary(), atol=1e-7)


@pytest.mark.parametrize(
    "matrix",
    [
        np.eye(2),
        np.array([[0, 1j], [1, 0]]),
        np.kron([[0, 1], [1, 0]], np.eye(2)),
        1j * np.eye(4),
        np.eye(8)[::-1],
        np.diag(np.exp(1j * np.arange(8))),
        random_unitary(0, 4),
    ],
    ids=["identity", "antidiagonal", "block", "phase", "flip", "diagonal", "random"],
)
@pytest.mark.parametrize("controlled", [False, True])
def test_matrices_are_written_as_gates(matrix, controlled):
    n_targets = len(matrix).bit_length() - 1
    circuit = UnifiedCircuit(n_targets + 1)
    circuit.add_unitary(matrix, range(1, n_targets + 1), controls=[0] if controlled else [])
    assert_equal_up_to_phase(from_qasm(to_qasm(circuit)).unitary(), circuit.unitary(), atol=1e-6)


def test_many_controls_are_written():
    circuit = UnifiedCircuit(6).add_gate("X", 5, controls=[0, 1, 2, 3, 4])
    assert_equal_up_to_phase(from_qasm(to_qasm(circuit)).unitary(), circuit.unitary())


@pytest.mark.parametrize("value", [12.5e-7, 1e-7, 1e22, -3.3e-12, np.pi])
def test_numbers_of_any_size_come_back(value):
    copy = from_qasm(to_qasm(UnifiedCircuit(1).add_gate("RX", 0, value)))
    assert copy.operations[0].params[0].constant == pytest.approx(value, rel=1e-14)


def test_measurements_are_written_and_read():
    circuit = UnifiedCircuit(2).add_gate("H", 0).measure()
    assert "measure q[1] -> c[1];" in to_qasm(circuit)
    assert set(from_qasm(to_qasm(circuit)).measured_qubits) == {0, 1}


def test_symbols_are_refused_with_what_to_do():
    circuit = UnifiedCircuit(1).add_gate("RX", 0, "theta")
    with pytest.raises(ConversionError, match="theta.*bind"):
        to_qasm(circuit)
    assert "rx(0.5)" in to_qasm(circuit.bind({"theta": 0.5}))


def test_a_program_of_the_usual_kind_is_read():
    circuit = from_qasm(
        HEAD
        + """// a comment; with x q[0];
        gate entangle(t) x,y { rz(t/2) x; barrier x; cx x,y; }
        qreg b[1]; qreg a[2]; creg c[2];
        h a; barrier b,a;
        entangle(2*(pi-1)^2) b[0],a[1];
        u2(0.1,0.2) a[0]; p(.3) a[0]; rzz(0.2) a[0],a[1];
        measure a -> c;"""
    )
    expected = UnifiedCircuit(3).add_gate("H", 1).add_gate("H", 2)
    expected.add_gate("RZ", 0, (np.pi - 1) ** 2).add_gate("CX", [0, 2])
    expected.add_gate("U3", 1, [np.pi / 2, 0.1, 0.2]).add_gate("PhaseShift", 1, 0.3)
    expected.add_gate("RZZ", [1, 2], 0.2)
    assert circuit.measured_qubits == (1, 2)
    assert_equal_up_to_phase(circuit.unitary(), expected.unitary())


@pytest.mark.parametrize("angle", [-0.3, 0.4, 7.0])
def test_gates_with_three_angles_are_read_for_negative_angles_and_over_a_turn(angle):
    text = "gate g(t) x,y { u3(t,1,2) x; cu3(t,0.2,0.7) x,y; cu1(t) x,y; } qreg q[2]; "
    circuit = from_qasm(HEAD + text + f"g({angle}) q[0],q[1]; cu3({angle},-1,3) q[0],q[1];")
    expected = UnifiedCircuit(2).add_gate("U3", 0, [angle, 1, 2])
    # qelib1.inc: the controlled rotation RZ(b) RY(a) RZ(c), and a phase on the control.
    for params in ((angle, 0.2, 0.7), (angle, -1.0, 3.0)):
        expected.add_gate("U3", 1, params, controls=[0])
        if params[1] == 0.2:
            expected.add_gate("CPhase", [0, 1], angle)
    assert_equal_up_to_phase(circuit.unitary(), expected.unitary())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "OPENQASM 2.0"),
        ("OPENQASM 3.0; qubit q;", "OPENQASM 2.0"),
        (HEAD, "no qubits"),
        (HEAD + "qreg q[1000000000];", "line 3.*at most 4096.*: at least 1000000000"),
        (HEAD + "qreg q[0];", "0 qubits"),
        (HEAD + "qreg q[1]; qreg q[1];", "declared twice"),
        (HEAD + "qreg q[1]; foo q[0];", "foo"),
        (HEAD + "qreg q[1]; sy q[0];", "Did you mean 'y'"),
        ("OPENQASM 2.0; qreg q[1]; x q[0];", "Add 'include"),
        (HEAD + 'include "other.inc"; qreg q[1];', "other.inc"),
        (HEAD + "qreg q[2]; cx q[0],q[0];", "a qubit twice"),
        (HEAD + "qreg q[2]; cx q,q;", "a qubit twice"),
        (HEAD + "qreg q[2]; qreg r[3]; cx q,r;", "different sizes"),
        (HEAD + "qreg q[2]; cx q[0],q[7];", "'q.7.' is beyond"),
        (HEAD + "qreg q[2]; x r;", "no register of qubits 'r'"),
        (HEAD + "qreg q[2]; x q[0],q[1];", "takes 1 qubits, and 2"),
        (HEAD + "qreg q[2]; rx q[0];", "takes 1 parameters, and 0"),
        (HEAD + "qreg q[1]; rx(1/0) q[0];", "zero"),
        (HEAD + "qreg q[1]; rx(ln(0)) q[0];", "finite"),
        (HEAD + "qreg q[1]; rx(9^9^9^9) q[0];", "finite"),
        (HEAD + "qreg q[1]; rx(1e300*1e300) q[0];", "finite"),
        (HEAD + "gate g(a) x { rx(1/a) x; } qreg q[1];\ng(0) q[0];", "Line 4.*'g'.*finite.*zero"),
        (HEAD + "qreg q[1]; rx(alpha) q[0];", "alpha"),
        (HEAD + "qreg q[1]; creg c[1];\nif(c==1) x q[0];", "Line 4.*'if'"),
        (HEAD + "qreg q[1]; x q[0]; reset q[0];", "resets"),
        (HEAD + "opaque g(a,b) x,y; qreg q[2]; g(1,2) q[0],q[1];", "opaque"),
        (HEAD + "gate g x { h x; } gate g x { x x; } qreg q[1];", "defined twice"),
        (HEAD + "gate g x { g x; } qreg q[1];", "'g' is not defined"),
        (HEAD + "gate g x { measure x -> c; } qreg q[1];", "cannot stand in a gate"),
        (HEAD + "gate g x { h y; } qreg q[1];", "not a qubit of the definition"),
        (HEAD + "gate if x { h x; } qreg q[1];", "word of the language"),
        (HEAD + "qreg q[1]; creg c[1]; measure q[0]->c[0]; x q[0];", "after its measurement"),
        (HEAD + "qreg q[1]; creg c[2]; measure q->c;", "1 qubits are measured into 2 bits"),
        (HEAD + "qreg q[1]; h q[0]", "end of the text.*';'"),
        (HEAD + "qreg q[1]; h ¡q[0];", "'¡' has no meaning"),
    ],
)
def test_programs_that_cannot_be_read_say_why(text, message):
    with pytest.raises(ConversionError, match=message):
        from_qasm(text)


def test_only_text_is_read():
    with pytest.raises(ConversionError, match="not an OpenQASM program"):
        from_qasm(b"OPENQASM 2.0;")


def test_a_definition_of_the_program_goes_before_that_of_the_file():
    circuit = from_qasm(HEAD + "gate swap a,b { cx a,b; } qreg q[2]; swap q[0],q[1];")
    assert circuit.count_gates() == {"CX": 1}
    circuit = from_qasm("OPENQASM 2.0; gate x a { U(0,0,1) a; } " + HEAD[14:] + "qreg q[1]; x q;")
    assert circuit.count_gates() == {"U3": 1}


def test_a_reset_of_a_fresh_qubit_is_dropped():
    circuit = from_qasm(HEAD + "qreg q[2]; reset q; x q[0]; reset q[1]; cx q[0],q[1];")
    assert circuit.count_gates() == {"X": 1, "CX": 1}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_every_way_to_end_lines_and_to_begin_a_file_is_read(tmp_path, mark, end):
    lines = ["// a comment", *HEAD.splitlines(), "qreg q[2]; // of two", "h q[0]; // x q[1];"]
    lines += ["cx q[0],", "q[1]; // the end", "gate g(a) x", "{ rx(sin(a)) x; }", "g(0.5) q[1];"]
    text = mark + end.join(lines)
    expected = UnifiedCircuit(2).add_gate("H", 0).add_gate("CX", [0, 1])
    expected.add_gate("RX", 1, math.sin(0.5))
    assert from_qasm(text) == expected
    assert read_circuit(text) == expected
    file = tmp_path / "circuit.qasm"
    file.write_bytes(text.encode())
    assert read_file(file) == expected
    with pytest.raises(ConversionError, match="Line 11 "):
        from_qasm(text + end + "x q[2];")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_mutated_programs_give_a_circuit_or_one_of_our_errors(data):
    text = HEAD + "qreg q[2]; creg c[2]; rx(pi/2) q[0]; cx q[0],q[1]; measure q -> c;"
    at = data.draw(st.integers(0, len(text) - 1))
    length = data.draw(st.integers(0, 6))
    pieces = ["", "(", ")", ";", "1", "q", "[", "{", "gate ", "^", "\x00"]
    text = text[:at] + data.draw(st.sampled_from(pieces)) + text[at + length :]
    with contextlib.suppress(QstoreError):
        assert isinstance(from_qasm(text), UnifiedCircuit)


def test_openqasm_3_is_pointed_to_its_reader():
    with pytest.raises(ConversionError, match="from_qasm3"):
        from_qasm("OPENQASM 3.0; qubit q;")


# Gates that Cirq writes although qelib1.inc lacks them.
NOT_IN_QELIB1 = {"ryy", "iswap", "r"}


def random_formula(rng, names, depth=3):
    """A formula and its value, given the values of the names."""
    kind = rng.integers(7) if depth else rng.integers(2)
    if kind == 0:
        value = round(float(rng.uniform(0.1, 3)), 3)
        return str(value), value
    if kind == 1:
        name = str(rng.choice(["pi", *names]))
        return name, {"pi": math.pi, **names}[name]
    left, a = random_formula(rng, names, depth - 1)
    if kind == 2:
        function = str(rng.choice(["sin", "cos", "exp", "sqrt", "ln"]))
        of = {"sin": math.sin, "cos": math.cos, "exp": math.exp, "sqrt": math.sqrt, "ln": math.log}
        if function == "exp":
            return f"exp(sin({left}))", math.exp(math.sin(a))
        if function in ("sqrt", "ln"):
            return f"{function}(2+cos({left}))", of[function](2 + math.cos(a))
        return f"{function}({left})", of[function](a)
    if kind == 3:
        return f"-({left})^2", -(a**2)
    right, b = random_formula(rng, names, depth - 1)
    if kind == 4:
        return f"({left}) - ({right})", a - b
    if kind == 5:
        return f"({left})*({right})", a * b
    return f"({left})/(2+sin({right}))", a / (2 + math.sin(b))


@pytest.mark.parametrize("seed", range(20))
def test_formulas_have_their_value_plain_and_in_a_definition(seed):
    rng = np.random.default_rng([daily_seed(), seed])
    values = {"a": 0.7, "b": -1.2}
    formula, expected = random_formula(rng, values)
    plain, expected_plain = random_formula(rng, {})
    text = f"gate g(a,b) x {{ rx({formula}) x; }} qreg q[1]; g(0.7,-1.2) q[0]; rx({plain}) q[0];"
    circuit = from_qasm(HEAD + text)
    received = [operation.params[0].constant for operation in circuit.operations]
    assert received == pytest.approx([expected, expected_plain], rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", todays(sorted(set(QELIB1) - NOT_IN_QELIB1)))
def test_every_gate_of_qelib1_is_qiskits_plain_and_in_a_gate(name):
    qiskit = pytest.importorskip("qiskit", reason="needs the extra 'qiskit'")
    gate = QELIB1[name]
    rng = np.random.default_rng([daily_seed(), len(name)])
    angles = ",".join(random_formula(rng, {})[0] for _ in range(gate.n_params))
    inner = ",".join(random_formula(rng, {"a": 1, "b": 1})[0] for _ in range(gate.n_params))
    if name == "u0":
        # Qiskit takes whole numbers only: how many times to wait.
        angles, inner = "2", "3"
    used = f"{name}({inner})" if inner else name
    on = [f"q[{k}]" for k in rng.permutation(5)[: gate.n_qubits]]
    local = [f"x{k}" for k in range(gate.n_qubits)]
    turned = [local[k] for k in rng.permutation(gate.n_qubits)]
    text = f"""{HEAD}
        gate inner(a,b) {",".join(local)} {{ {used} {",".join(turned)}; }}
        gate outer(b) {",".join(local)} {{ inner(cos(b),-b/2) {",".join(turned)}; }}
        qreg q[5]; h q;
        {name}{f"({angles})" * bool(angles)} {",".join(on)};
        outer({random_formula(rng, {})[0]}) {",".join(on)};"""
    peer = qiskit.qasm2.loads(
        text,
        include_path=qiskit.qasm2.LEGACY_INCLUDE_PATH,
        custom_instructions=qiskit.qasm2.LEGACY_CUSTOM_INSTRUCTIONS,
    )
    expected = qiskit.quantum_info.Operator(peer.reverse_bits()).data
    assert_equal_up_to_phase(from_qasm(text).unitary(), expected)


def test_the_table_has_every_gate_of_qiskits_file():
    qiskit = pytest.importorskip("qiskit", reason="needs the extra 'qiskit'")
    (library, _) = qiskit.qasm2.LEGACY_INCLUDE_PATH
    defined = set(re.findall(r"^gate (\w+)", (library / "qelib1.inc").read_text(), re.MULTILINE))
    assert set(QELIB1) == defined | NOT_IN_QELIB1 and len(defined) > 40


@pytest.mark.parametrize("seed", range(3))
def test_what_qiskit_writes_is_read(seed):
    qiskit = pytest.importorskip("qiskit", reason="needs the extra 'qiskit'")
    from qiskit.circuit.random import random_circuit

    peer = random_circuit(4, 4, max_operands=3, seed=daily_seed() + seed)
    expected = qiskit.quantum_info.Operator(peer.reverse_bits()).data
    assert_equal_up_to_phase(from_qasm(qiskit.qasm2.dumps(peer)).unitary(), expected)


# --- sizes


def multiplying(rng, most):
    """A short text that stands for very many gates, or a long one that stands for few.

    Args:
        rng: What decides the kind.
        most: The most operations that will be read.
    """
    n = rng.choice([10, 1000, 4000, 10**9, 10**18])
    factor = rng.randint(1, 6)
    doubling = "gate d0 x { h x; }" + "".join(
        f"gate d{k} x {{ {f'd{k - 1} x;' * factor} }}" for k in range(1, rng.randint(2, 99))
    )
    long = rng.choice([most // 20, most])
    last = doubling.count("gate") - 1
    bodies = [
        f"qreg q[{n}]; creg c[{n}]; " + "h q; cx q[0],q[1]; barrier q; " * rng.randint(1, 50),
        f"{doubling} qreg q[{min(n, 4000)}]; d{last} q;",
        f"{doubling} qreg q[2]; " + f"d{last} q; " * rng.randint(1, 100),
        "".join(f"gate e{k} x {{ {f'e{k - 1}' if k else 'h'} x; }}" for k in range(long))
        + f"qreg q[1]; e{long - 1} q;",
        "".join(f"gate e{k} x {{}}" for k in range(long)) + "qreg q[1];",
        "".join(f"qreg q{k}[1];" for k in range(long)),
        "qreg q[1]; " + "rx(pi/4) q[0];" * long,
        f"gate g(a) x {{ rx({'a+' * long}a) x; }} qreg q[{min(n, 4000)}]; g(1) q;",
        "qreg q[1]; rx(" + rng.choice(["(", "-", "2^", "sin(", "1+", "9"]) * long + "1) q[0];",
        "qreg q[1]; barrier " + "q," * long + "q;",
        "qreg q[1]; " + rng.choice([" ", "\n", "//\n", "x", "(", '"']) * long * 20,
    ]
    return HEAD + rng.choice(bodies)


def measured(text, most):
    """Seconds of the process that reading takes, and the error, if any."""
    outcome = ""
    start = time.process_time()
    try:
        from_qasm(text, max_operations=most)
    except ConversionError as error:
        outcome = str(error)
    return time.process_time() - start, outcome


def test_a_text_of_any_kind_is_answered_soon():
    text = multiplying(random.Random(daily_seed()), TEXT_OPERATIONS.most)
    seconds, error = measured(text, None)
    assert seconds < 4, text[:300]  # a second on a quiet machine
    if "too many" in error and "qubits" not in error and "bits" not in error:
        assert "or pass max_operations=" in error and TEXT_OPERATIONS.variable in error


@pytest.mark.parametrize("seed", range(6))
def test_a_text_of_any_kind_is_answered_in_little_time_and_memory(seed):
    # What traces memory is slow: a tenth of the limit has to need a tenth of the memory.
    most = TEXT_OPERATIONS.most // 10
    text = multiplying(random.Random(f"{daily_seed()} {seed}"), most)
    tracemalloc.start()
    seconds, error = measured(text, most)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 4 and peak < 20e6, text[:300]
    assert "environment variable" not in error or "bits" in error


def test_too_many_operations_are_refused_at_once_and_can_be_allowed():
    # The text of 452 characters: definitions that multiply, on a whole register.
    text = HEAD + "gate g0 a { h a; h a; h a; }"
    text += "".join(f"gate g{k} a {{ {f'g{k - 1} a;' * 4} }}" for k in range(1, 12))
    start = time.process_time()
    with pytest.raises(ConversionError, match=r"many operations.*at most 100000\..*max_oper"):
        from_qasm(text + "qreg q[4000]; g11 q;")
    with pytest.raises(ConversionError, match=r"many statements.*at most 100000\..*max_oper"):
        from_qasm(HEAD + "qreg q[1];" + "rx(pi/4) q[0];\n" * 250_000)
    with pytest.raises(ConversionError, match=r"many characters.*at most 5000000\..*max_oper"):
        from_qasm(HEAD + " " * 6_000_000)
    assert time.process_time() - start < 2  # all of them written out: hours
    small = HEAD + "qreg q[4]; " + "h q;" * 5
    with pytest.raises(ConversionError, match=r"at most 19\..*pass a larger max_operations="):
        from_qasm(small, max_operations=19)
    assert len(from_qasm(small, max_operations=20)) == 20
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(ConversionError, match="positive integer"):
            from_qasm(small, max_operations=wrong)
