"""Whole OpenQASM 3 programs on the subjects of the 21 official examples.

Six of those examples (adder, alignment, cphase, qft, qpt, rb) are circuits with measurements at
the end. For each there is a program of the same kind and with the same parts of the language
here, compared with what it should compute. The other fifteen use what no circuit holds; there is
one program for each of these parts.
"""

import numpy as np
import pytest

from qstore_tf.circuits.reading import read_circuit
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConversionError
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.extras import needs_extra

from_qasm3 = UnifiedCircuit.from_qasm3

needs_extra("openqasm3.parser")

ADDER = """
// Adds by carrying bit by bit (arXiv:quant-ph/0410184).
OPENQASM 3;
include "stdgates.inc";
gate up x, y, z {{ cx z, y; cx z, x; ccx x, y, z; }}
gate down x, y, z {{ ccx x, y, z; cx z, x; cx x, y; }}
qubit[1] carry; qubit[{n}] left; qubit[{n}] right; qubit[1] over;
bit[{n} + 1] total;
uint[{n}] first = {first};
uint[{n}] second = {second};
const int top = {n} - 1;
reset carry; reset left; reset right; reset over;
for uint k in [0:top] {{
  if (bool(first[k])) x left[k];
  if (second[k] == 1) {{ x right[k]; }} else {{ }}
}}
up carry[0], right[0], left[0];
for uint k in [0:top - 1] {{ up left[k], right[k + 1], left[k + 1]; }}
cx left[top], over[0];
for uint k in [top - 1: -1: 0] {{ down left[k], right[k + 1], left[k + 1]; }}
down carry[0], right[0], left[0];
measure right[0:top] -> total[0:top];
measure over[0] -> total[{n}];
"""


def test_an_adder_adds():
    rng = np.random.default_rng([daily_seed(), 45])
    n = 3
    for first, second in rng.integers(0, 2**n, (3, 2)).tolist():
        circuit = from_qasm3(ADDER.format(n=n, first=first, second=second))
        assert sorted(circuit.measured_qubits) == list(range(1 + n, 2 * n + 2))
        (outcome,) = np.flatnonzero(np.abs(circuit.unitary()[:, 0]) > 0.5)
        bits = [(int(outcome) >> (circuit.n_qubits - 1 - q)) & 1 for q in range(circuit.n_qubits)]
        total = bits[1 + n :]
        assert sum(bit << k for k, bit in enumerate(total)) == first + second


def test_a_fourier_transform_is_one():
    text = """
        include "stdgates.inc";
        const uint size = 4; input angle unused;
        qubit[size] q; bit[size] c;
        reset q;
        for int j in [0:size - 1] {
          h q[j];
          for int k in [j + 1:size - 1] { cphase(pi / (1 << (k - j))) q[k], q[j]; }
        }
        barrier q;
        for int j in [0:size / 2 - 1] { swap q[j], q[size - 1 - j]; }
        c = measure q;
    """
    exponents = np.outer(np.arange(16), np.arange(16))
    expected = np.exp(2j * np.pi * exponents / 16) / 4
    np.testing.assert_allclose(from_qasm3(text).unitary(), expected, atol=1e-12)


def test_a_controlled_phase_of_own_is_one():
    text = """
        include "stdgates.inc";
        gate phased(φ) u, v { U(0, 0, φ/2) u; CX u, v; U(0, 0, -φ/2) v; CX u, v; U(0, 0, φ/2) v; }
        qubit[2] q;
        phased(π / 2) q[0], q[1];
    """
    np.testing.assert_allclose(from_qasm3(text).unitary(), np.diag([1, 1, 1, 1j]), atol=1e-12)


def test_empty_gates_and_clifford_sequences():
    text = """
        include "stdgates.inc";
        gate before a { } gate after a { }
        qubit[2] q; bit[2] c;
        reset q; before q[0]; barrier q; h q; cz q[0], q[1]; after q[1]; h q[1];
        measure q -> c;
    """
    bell = np.array([1, 0, 0, 1]) / np.sqrt(2)
    np.testing.assert_allclose(from_qasm3(text).unitary()[:, 0], bell, atol=1e-12)


def test_times_and_boxes_are_dropped():
    text = """
        include "stdgates.inc";
        stretch gap; duration pause = 20ns; qubit[2] q;
        box { delay[gap] q[0]; x q[0]; delay[2 * gap + pause] q[0]; }
        delay[100dt] q; { cx q[0], q[1]; }
    """
    assert from_qasm3(text).count_gates() == {"X": 1, "CX": 1}


HEAD = 'OPENQASM 3; include "stdgates.inc"; qubit[4] q; bit[4] c;\n'
REFUSED = {
    "arrays: a subroutine": ("array[int, 2] a = {1, 2}; def f(int k) { }", r"\(`def`\)"),
    "arrays: a variable without a value": ("array[int[8], 16] a;", "a variable without a value"),
    "arrays: an assignment": ("int n = 1; n = 2;", "an assignment"),
    "dd: hardware qubits": ("duration d = durationof({x $0;}); box { x $0; }", "hardware.*Use"),
    "defcal: a calibration": ('defcalgrammar "openpulse"; defcal x $0 { play; }', "calibration"),
    "gateteleport: extern": ("extern vote(bit[3]) -> bit;", "`extern`"),
    "inverseqft1: if": ("c[0] = measure q[0]; if (int[4](c) == 1) rz(pi / 2) q[1];", "`if`"),
    "inverseqft2: if on a bit": ("measure q[0] -> c[0]; if (c[0] == 1) { x q[1]; }", "`if`"),
    "ipe: a reset later": ("h q[0]; measure q[0] -> c[0]; reset q[0];", "`reset` of qubit 0 after"),
    "ipe: shifted variables": ("uint[4] n = 1; n <<= 1;", "an assignment"),
    "msd: a subroutine": ("def y(qubit p) -> bit { h p; return measure p; }", "`def`"),
    "msd: while": ("bool done = false; while (!done) { x q; }", "`while`"),
    "qec: a syndrome": ("bit[2] s; s = measure q[0:1]; if (int[2](s) == 1) x q[2];", "`if`"),
    "rus: while on bits": ('bit[2] f = "11"; while (int[2](f) != 0) { h q; }', "`while`"),
    "scqec: a counter": ("uint[32] failures = 0; failures += 1;", "an assignment"),
    "t1: extern": ("extern tabulate(int[32], int[32]);", "`extern`"),
    "teleport: a gate on a bit": ("bit b; b = measure q[0]; if (b) z q[2];", "`if`"),
    "varteleport: a subroutine": ("def pair(qubit[2] p) { reset p; h p[0]; }", "a subroutine"),
    "vqe: a loop in a gate": ("gate e p { for int i in [0:2] { x p; } } e q;", "contains a loop"),
    "vqe: a call": ("get_npaulis();", "a call"),
    "a switch": ("switch (1) { case 1 { x q; } }", "`switch`"),
    "another file": ('include "qelib1.inc";', "belongs to OpenQASM 2"),
}  # fmt: skip


@pytest.mark.parametrize("text, message", REFUSED.values(), ids=REFUSED)
def test_what_no_circuit_holds_is_named(text, message):
    with pytest.raises(ConversionError, match=f"Line 2 .*{message}"):
        from_qasm3(HEAD + text)


def test_texts_are_told_apart_by_their_version():
    three = 'include "stdgates.inc"; qubit[2] q; h q[0]; cx q[0], q[1];'
    two = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; h q[0]; cx q[0],q[1];'
    for text in (three, "// a remark\n" + three, "OPENQASM 3;" + three, two):
        assert read_circuit(text).count_gates() == {"H": 1, "CX": 1}
    # A program of OpenQASM 2 without its version line is told what it lacks.
    with pytest.raises(ConversionError, match="OPENQASM 2.0;"):
        read_circuit(two.removeprefix("OPENQASM 2.0;"))


def test_a_file_of_openqasm_3_is_drawn(tmp_path, capsys):
    from qstore_tf import cli

    (tmp_path / "bell.qasm").write_text('include "stdgates.inc"; qubit q; reset q; h q;')
    assert cli.main(["draw", str(tmp_path / "bell.qasm")]) == 0
    assert "H" in capsys.readouterr().out
