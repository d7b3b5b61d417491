"""The official OpenQASM 3 examples: what is a circuit is read, all else is named in the refusal."""

import re
from pathlib import Path

import numpy as np
import pytest

from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConversionError
from qstore_tf.testing.extras import needs_extra

from_qasm3 = UnifiedCircuit.from_qasm3

needs_extra("openqasm3.parser")

EXAMPLES = Path(__file__).with_name("openqasm3_examples")
READ = {"adder", "alignment", "qft", "qpt", "rb"}
REFUSED = {
    "arrays": (9, "a variable without a value"),
    "cphase": (9, "'q': no such qubit"),
    "dd": (15, "hardware qubits"),
    "defcal": (11, "token recognition error"),
    "gateteleport": (7, "`extern`"),
    "inverseqft1": (12, "`if`"),
    "inverseqft2": (16, "`if`"),
    "ipe": (12, "a variable without a value"),
    "msd": (10, r"a subroutine \(`def`\)"),
    "pong": (24, "unexpected '-'"),
    "qec": (10, r"a subroutine \(`def`\)"),
    "rus": (13, r"a subroutine \(`def`\)"),
    "scqec": (15, "a variable without a value"),
    "t1": (26, "unexpected 'p'"),
    "teleport": (20, "`if`"),
    "varteleport": (10, r"a subroutine \(`def`\)"),
    "vqe": (18, "`extern`"),
}


def text_of(name: str) -> str:
    return (EXAMPLES / f"{name}.qasm").read_text(encoding="utf-8")


def final_state(name: str) -> np.ndarray:
    """The state before the measurements, the first declared qubit the most significant."""
    return from_qasm3(text_of(name)).unitary()[:, 0]


def test_no_example_is_left_out():
    assert {path.stem for path in EXAMPLES.glob("*.qasm")} == READ | set(REFUSED)
    page = (Path(__file__).parents[3] / "docs" / "openqasm3.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z0-9, ]+) \| (.*) \|$", page, flags=re.M)
    named = {name: reason for names, reason in rows for name in names.split(", ")}
    assert set(named) == READ | set(REFUSED)
    assert {name for name, reason in named.items() if reason == "read"} == READ


def test_the_adder_adds_1_and_15():
    outcome = int(np.argmax(np.abs(final_state("adder"))))
    bits = [int(bit) for bit in f"{outcome:010b}"]
    assert bits[:5] == [0, 1, 0, 0, 0]  # the carry and the first summand, as they were
    assert sum(bit << k for k, bit in enumerate(bits[5:])) == 16


def test_the_fourier_transform_of_ten():
    expected = np.exp(2j * np.pi * 10 * np.arange(16) / 16) / 4
    # Its qubits come out in the opposite order.
    state = final_state("qft").reshape((2,) * 4).transpose().ravel()
    np.testing.assert_allclose(state, expected, atol=1e-12)


def test_a_randomized_benchmarking_sequence():
    h = np.kron([[1, 1], [1, -1]], np.eye(2)) / np.sqrt(2)
    cz, s, z = np.diag([1, 1, 1, -1]), np.diag([1, 1, 1j, 1j]), np.diag([1, 1, -1, -1])
    expected = (h @ z @ s @ cz @ s @ cz @ h)[:, 0]
    np.testing.assert_allclose(final_state("rb"), expected, atol=1e-12)


def test_process_tomography_and_alignment():
    np.testing.assert_allclose(final_state("qpt"), np.sqrt([0.5, 0.5]), atol=1e-12)
    c, s = np.cos(np.pi / 8), np.sin(np.pi / 8)
    expected = np.zeros(8, complex)
    expected[:2] = c, s
    np.testing.assert_allclose(final_state("alignment"), expected, atol=1e-12)


@pytest.mark.parametrize("name", REFUSED)
def test_others_are_refused_with_line_and_reason(name):
    line, reason = REFUSED[name]
    with pytest.raises(ConversionError, match=reason) as error:
        from_qasm3(text_of(name))
    assert re.search(rf"[Ll](ine )?{line}\b", str(error.value))


def test_the_controlled_phase_is_read_once_its_qubits_are_declared():
    text = 'include "stdgates.inc"; qubit[2] q;\n' + text_of("cphase")
    np.testing.assert_allclose(from_qasm3(text).unitary(), np.diag([1, 1, 1, 1j]), atol=1e-12)
