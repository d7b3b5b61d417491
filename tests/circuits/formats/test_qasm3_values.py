"""Constants of OpenQASM 3 are computed as in C, and gates to powers as the language defines."""

import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.linalg

from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConversionError
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.extras import needs_extra

from_qasm3 = UnifiedCircuit.from_qasm3

needs_extra("openqasm3.parser")

HEAD = 'include "stdgates.inc"; '
N_EXPRESSIONS = 120


def angles(declarations, expressions):
    """The values of expressions, as the angles of gates."""
    gates = "".join(f"rx({expression}) q; " for expression in expressions)
    circuit = from_qasm3(f"{HEAD}{declarations} qubit q; {gates}")
    return [operation.params[0].constant for operation in circuit.operations]


class Generator:
    """Makes expressions with their values, which exact fractions give: no code is shared."""

    constants = {"i": 7, "j": -5, "u": 6, "w": 13, "x": 0.75, "y": -1.5, "t": True}
    declarations = (
        "const int i = 7; const int[8] j = -5; const uint u = 6; uint[4] w = 13; "
        "const float x = 0.75; float[64] y = -3/2.0; const bool t = true; "
    )

    def __init__(self, rng):
        self.rng = rng

    def any(self, depth):
        """Text and value; an int, a float or None where it has none."""
        if depth == 0 or self.rng.random() < 0.15:
            return self.leaf()
        kind = self.rng.choice(["integer", "integer", "real", "cast", "function", "compare"])
        return getattr(self, str(kind))(depth)

    def leaf(self):
        name = self.rng.choice([*self.constants, "literal", "literal", "real"])
        if name == "literal":
            value = int(self.rng.integers(0, 12))
            form = self.rng.choice(["{}", "{:#x}", "{:#b}", "{:#o}"])
            return form.format(value), value
        if name == "real":
            value = round(float(self.rng.uniform(0.1, 3)), 3)
            return repr(value), value
        return name, self.constants[name]

    def int_of(self, depth):
        text, value = self.any(depth)
        if value is None:
            return text, None
        return f"int({text})", int(Fraction(value))

    def integer(self, depth):
        left, a = self.int_of(depth - 1)
        right, b = self.int_of(depth - 1)
        op = str(self.rng.choice(["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"]))
        return f"({left} {op} {right})", None if None in (a, b) else self.on_integers(op, a, b)

    @staticmethod
    def on_integers(op, a, b):
        if op in "/%" and b == 0:
            return None
        if op in ("<<", ">>") and not 0 <= b < 20:
            return None
        if op == "/":
            return int(Fraction(a, b))
        if op == "%":
            return a - b * int(Fraction(a, b))
        if op in "&|^":
            return int({"&": np.bitwise_and, "|": np.bitwise_or, "^": np.bitwise_xor}[op](a, b))
        if op == "<<":
            return int(Fraction(a) * Fraction(2) ** b)
        if op == ">>":
            return math.floor(Fraction(a, 2**b))
        return {"+": a + b, "-": a - b, "*": a * b}[op]

    def real(self, depth):
        left, a = self.any(depth - 1)
        right, b = self.any(depth - 1)
        op = str(self.rng.choice(["+", "-", "*", "/"]))
        text = f"(float({left}) {op} {right})"
        if a is None or b is None or (op == "/" and b == 0):
            return text, None
        a, b = Fraction(a), Fraction(b)
        return text, float({"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else None}[op])

    def cast(self, depth):
        text, value = self.any(depth - 1)
        kind = str(self.rng.choice(["int", "float", "bool", "uint[5]", "int[32]"]))
        if kind == "uint[5]":
            text, value = self.int_of(depth - 1)
        text = f"{kind}({text})"
        if value is None:
            return text, None
        if kind == "uint[5]":
            # As an int again, so that what is computed next does not have to fit 5 bits.
            return f"int({text})", value % 32
        if kind in ("int", "int[32]"):
            value = int(Fraction(value))
            return text, value if kind == "int" or -(2**31) <= value < 2**31 else None
        return text, float(value) if kind == "float" else bool(value)

    def function(self, depth):
        text, value = self.any(depth - 1)
        name = str(self.rng.choice(["sin", "cos", "floor", "ceiling", "arctan", "popcount"]))
        if name == "popcount":
            text, value = self.int_of(depth - 1)
            value = None if value is None else bin(value % 2**64).count("1")
        elif value is not None:
            value = {
                "sin": np.sin, "cos": np.cos, "arctan": np.arctan, "floor": np.floor,
                "ceiling": np.ceil,
            }[name](float(value))  # fmt: skip
            value = float(value)
        return f"{name}({text})", value

    def compare(self, depth):
        left, a = self.any(depth - 1)
        right, b = self.any(depth - 1)
        op = str(self.rng.choice(["<", "<=", "==", "!=", "&&", "||"]))
        text = f"int({left} {op} {right})"
        if a is None or b is None:
            return text, None
        known = {"<": a < b, "<=": a <= b, "==": a == b, "!=": a != b}
        both = {"&&": bool(a) and bool(b), "||": bool(a) or bool(b)}
        return text, int((known | both)[op])


def test_random_constant_expressions_have_their_values():
    generator = Generator(np.random.default_rng([daily_seed(), 43]))
    made = []
    while len(made) < N_EXPRESSIONS:
        text, value = generator.any(4)
        # What leaves 64 bits is an error in the language; see below.
        if value is not None and abs(value) < 2**40:
            made.append((text, float(value)))
    kept = []
    for text, value in made:
        try:
            (read,) = angles(generator.declarations, [text])
        except ConversionError as error:
            assert "fit" in str(error), f"{text}: {error}"
            continue
        assert read == pytest.approx(value, rel=1e-9, abs=1e-9), text
        kept.append(text)
    assert len(kept) > 0.9 * N_EXPRESSIONS


EXPRESSIONS = {
    "1/2": 0, "-1/2": 0, "-7/2": -3, "7/-2": -3, "-7 % 3": -1, "7 % -3": 1, "1/2.0": 0.5,
    "float(1)/2": 0.5, "1/float(2)": 0.5, "float(1/2)": 0, "pi/2": math.pi / 2,
    "2*pi/4": math.pi / 2,
    "1/2*pi": 0, "pi*1/2": math.pi / 2, "a/2": 0.25, "n/2": 1, "n/2.": 1.5, "1e0/2": 0.5,
    "int(2.7)": 2, "int(-2.7)": -2, "uint[4](17)": 1, "uint[4](-1)": 15, "bool(0.5)": 1, "2**3": 8,
    "2**-1": 0.5, "2.0**0.5": math.sqrt(2), "mod(-7, 3)": -1, "mod(7.5, 2)": 1.5,
    "7.5 % 2": 1.5, "1 << 4": 16, "-16 >> 2": -4, "uint[4](9) << 1": 2, "~0": -1, "~uint[4](5)": 10,
    "6 ^ 3": 5, "6 & 3": 2, "6 | 3": 7, "!true": 0, "sizeof(v)": 3, "sizeof(m)": 2,
    "sizeof(m, 1)": 3, "v[1]": 5, "v[-1]": 6, "m[1, 2]": 6.5, "m[1][0]": 4.5, "row[1]": 5.5,
    "f[0]": 1, "rotl(b, 1)": 3, "rotr(b, 1)": 12, "popcount(b)": 2, "b[0]": 1, "b[1]": 0,
    "int(b)": 9, "floor(7/2.0)/2": 1.5, "ceiling(0.2)": 1, "n[0]": 1, "n[2]": 0, "euler": math.e,
    "v[0] / v[1]": 0, "v[2] / 4": 1, "w[0] / 2": 0.5, "1_000 / 3": 333, "0x10 / 3": 5,
}  # fmt: skip
DECLARATIONS = (
    "const angle a = 0.5; const int n = 3; array[int, 3] v = {4, 5, 6}; bit[4] b = \"1001\"; "
    "array[float, 2, 3] m = {{1.5, 2.5, 3.5}, {4.5, 5.5, 6.5}}; array[float[32], 3] row = m[1]; "
    "array[int, 1] f = {3/2}; array[float, 1] w = {1}; "
)  # fmt: skip


def test_each_rule_of_the_language():
    read = angles(DECLARATIONS, EXPRESSIONS)
    assert dict(zip(EXPRESSIONS, read, strict=True)) == pytest.approx(EXPRESSIONS, abs=1e-12)


def test_gate_parameters_divide_as_angles():
    text = (
        f"{HEAD} input angle t; gate g(a) q {{ rx(a/2) q; rx(1/2*a) q; }} qubit q; g(3) q; g(t) q;"
    )
    circuit = from_qasm3(text)
    # rx(0) and rx(0 t): 1/2 is an integer division there too.
    assert [str(op.params[0]) for op in circuit.operations] == ["1.5", "0.0", "0.5*t", "0.0"]


@pytest.mark.parametrize(
    "text, message",
    [
        ("const uint[4] a = 1; const uint[4] b = 2; rx(a - b) q;", r"-1 does not fit uint\[4\]"),
        ("const int[4] a = 8; rx(a) q;", r"8 does not fit int\[4\]"),
        ("const int a = 2.5;", "not an integer"),
        ("rx(1 << 64) q;", "64 bits"),
        ("rx(9223372036854775807 * 4) q;", "64 bits"),
        ("rx(1 << -1) q;", "shift by -1"),
        ("rx(1 / 0) q;", "division by zero"),
        ("rx(1 % 0) q;", "division by zero"),
        ("rx(1.5 << 2) q;", "not integers"),
        ("rx(sizeof(3)) q;", "not an array"),
        ("array[int, 3] a = {1, 2};", "2 values where 3"),
        ("array[int, 2] a = {1, 2}; rx(a[2]) q;", "index 2"),
        ("array[int, 2] a = {1, 2}; rx(a) q;", "not a number"),
        ("rx(sin(1, 2)) q;", "2 arguments"),
        ("rx(1 + 2.0im) q;", "ImaginaryLiteral"),
        ("const int a = 1; const int a = 2;", "declared twice"),
        ("gate g p { rx(late) p; } const float late = 1; g q;", "'late' is not a number"),
        ("bit c; c = measure q; if (c == 1) { }", "`if` on what is not known"),
        ("bit c = 1; c = measure q; rx(c) q;", "'c' is not a number"),
        ("measure q -> nowhere;", "'nowhere' is not declared"),
        (f'const bit[1024] a = "{"1" * 1024}"; ctrl(a) @ x q;', "64 bits"),
        (f'const bit[1024] a = "{"1" * 1024}"; pow(a) @ x q;', "steps"),
    ],
)  # fmt: skip
def test_what_has_no_value_is_named(text, message):
    with pytest.raises(ConversionError, match=f"Line 1 .*{message}"):
        from_qasm3(f"{HEAD} qubit q; {text}")


def test_conditions_on_constants_are_decided():
    text = (
        HEAD + "const uint[4] n = 5; qubit[4] q; for int i in [0:3] { if (bool(n[i])) x q[i]; }"
        "if (n > 5 || !true) h q[0]; else { y q[0]; } for float f in {0.5, 1} rx(f) q[1];"
        "array[angle, 2] w = {0.1, 0.2}; for angle f in w { rz(f) q[2]; }"
    )
    made = [(str(op), op.qubits) for op in from_qasm3(text).operations]
    assert [name for name, _ in made] == [
        "X 0", "X 2", "Y 0", "RX(0.5) 1", "RX(1.0) 1", "RZ(0.1) 2", "RZ(0.2) 2",
    ]  # fmt: skip


GATES = {
    "x": 1, "y": 1, "z": 1, "h": 1, "s": 1, "sdg": 1, "t": 1, "sx": 1, "id": 1, "rx(1.3)": 1,
    "ry(-2.9)": 1, "rz(3.1)": 1, "p(-0.4)": 1, "U(0.3, 1.2, -0.7)": 1, "cx": 2, "cz": 2, "swap": 2,
    "cp(2.0)": 2, "crx(0.9)": 2, "ccx": 3, "cswap": 3, "ctrl @ swap": 3, "negctrl @ h": 2,
    "inv @ s": 1, "two": 2,
}  # fmt: skip


@pytest.mark.parametrize("gate", GATES)
def test_fractional_powers_are_principal(gate):
    rng = np.random.default_rng([daily_seed(), 44, GATES[gate], len(gate)])
    n_qubits = GATES[gate]
    exponent = float(rng.choice([0.5, -0.5, 0.25, rng.uniform(-3, 3)]))
    start = HEAD + f"gate two a, b {{ h a; cx a, b; rz(0.3) b; }} qubit[{n_qubits + 1}] q; "
    on = ", ".join(f"q[{k}]" for k in rng.permutation(n_qubits))
    whole = from_qasm3(f"{start} {gate} {on};").unitary()
    raised = from_qasm3(f"{start} pow({exponent}) @ {gate} {on};")
    # exp(r log U), where log takes -1 to i pi; a little more than -1 keeps it on that side.
    nudge = np.exp(-1e-9j)
    expected = scipy.linalg.expm(exponent * scipy.linalg.logm(whole * nudge)) / nudge**exponent
    np.testing.assert_allclose(raised.unitary(), expected, atol=1e-6)
    controlled = from_qasm3(f"{start} ctrl @ pow({exponent}) @ {gate} q[{n_qubits}], {on};")
    blocks = controlled.unitary().reshape(2**n_qubits, 2, 2**n_qubits, 2)
    np.testing.assert_allclose(blocks[:, 0, :, 0], np.eye(2**n_qubits), atol=1e-9)
    alone = expected.reshape(2**n_qubits, 2, 2**n_qubits, 2)[:, 0, :, 0]
    np.testing.assert_allclose(blocks[:, 1, :, 1], alone, atol=1e-6)


def test_half_a_power_is_the_gate_of_the_standard_library():
    for text, same in {
        "pow(1/2) @ z q;": "s q;", "inv @ pow(1/2) @ z q;": "sdg q;", "pow(1/2) @ s q;": "t q;",
        "pow(1/2) @ x q;": "sx q;", "pow(-1/2) @ s q;": "tdg q;",
        "pow(0.5) @ gphase(pi);": "s q; x q; s q; x q;",
        "pow(3.0) @ t q;": "t q; s q;", "pow(-2) @ t q;": "sdg q;",
    }.items():  # fmt: skip
        made, expected = (from_qasm3(f"{HEAD} qubit q; {part}").unitary() for part in (text, same))
        np.testing.assert_allclose(made, expected, atol=1e-12, err_msg=text)


def test_powers_and_divisions_mean_what_they_mean_in_qiskit():
    needs_extra("qiskit_qasm3_import")
    from qiskit import qasm3
    from qiskit.quantum_info import Operator

    text = (
        'OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; h q; rx(7/2) q[0]; '
        "ry(1/2 + 0.3) q[1]; rz(7/2.0) q[0]; pow(0.5) @ x q[0]; pow(-0.3) @ cx q[0], q[1];"
    )
    expected = Operator(qasm3.loads(text).reverse_bits()).data
    np.testing.assert_allclose(from_qasm3(text).unitary(), expected, atol=1e-9)


def test_resets_before_everything_else_change_nothing():
    text = HEAD + "qubit[3] q; bit[3] c; reset q; x q[0]; reset q[1]; barrier q; cx q[0], q[1]; "
    circuit = from_qasm3(text + "reset q[2]; h q[2]; c = measure q;")
    expected = UnifiedCircuit(3).add_gate("X", 0).add_gate("CX", [0, 1]).add_gate("H", 2)
    assert circuit.operations[:3] == expected.operations
    for late in (
        "reset q[0];",
        "reset q;",
        "h q[2]; reset q[2];",
        "c[2] = measure q[2]; reset q[2];",
    ):
        with pytest.raises(ConversionError, match="`reset` of qubit [02] after a gate"):
            from_qasm3(text + late)


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(
    "version", ["", "OPENQASM 3;", "OPENQASM 3.1;", "/* a\n b */ OPENQASM 3.0;"]
)
def test_line_ends_marks_and_versions(ends, mark, version):
    lines = [
        "// remark; not code",
        version,
        'include "stdgates.inc"; /* over',
        "lines */",
        "qubit q;",
    ]
    text = mark + ends.join([*lines, "h q; // done", "x q;"])
    assert from_qasm3(text).count_gates() == {"H": 1, "X": 1}
    bad = mark + ends.join([*lines, "nothing q;"])
    line = ends.join(lines).replace("\r\n", "\n").replace("\r", "\n").count("\n") + 2
    with pytest.raises(ConversionError, match=f"Line {line} .*'nothing'"):
        from_qasm3(bad)
