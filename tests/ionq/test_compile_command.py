"""`qstore compile`, run the way people run it, and what it writes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qstore_tf import cli
from qstore_tf.circuits import Circuit, UnifiedCircuit, compile_circuit, reference
from qstore_tf.ionq.reading import from_native

BELL = UnifiedCircuit(2).add_gate("H", 0).add_gate("CX", [0, 1])
QASM3 = """OPENQASM 3.0;
include "stdgates.inc";
input float theta;
qubit[3] q;
h q[0]; cx q[0], q[1]; ry(theta) q[2]; cx q[1], q[2]; swap q[0], q[2]; x q[1];
"""


def example() -> UnifiedCircuit:
    circuit = UnifiedCircuit(3).add_gate("H", 0).add_gate("CX", [0, 1]).add_gate("RY", 2, 0.7)
    return circuit.add_gate("CX", [1, 2]).add_gate("SWAP", [0, 2]).add_gate("X", 1)


def with_symbols() -> UnifiedCircuit:
    return UnifiedCircuit(2).add_gate("RY", 0, "a").add_gate("CX", [0, 1]).add_gate("RX", 1, "2*b")


def probabilities(circuit: Circuit) -> np.ndarray:
    """[2, 2, ..., 2], an axis for each qubit."""
    state = reference.state_vector(compile_circuit(circuit))[0]
    return (abs(state) ** 2).reshape((2,) * circuit.n_qubits)


def outcomes_of(written: dict[str, Any]) -> np.ndarray:
    """The distribution over qubits that the job of a document gives, read as the document says."""
    wires = probabilities(from_native(written["input"]))
    n = wires.ndim
    if "output_map" in written:
        matrix = np.array(written["output_map"]["matrix"])
        offset = np.array(written["output_map"]["offset"])
    else:
        matrix = np.eye(n, dtype=int)[written["output_permutation"]]
        offset = np.zeros(n, dtype=int)
    result = np.zeros_like(wires)
    for bits in np.ndindex(wires.shape):
        result[tuple((matrix @ bits + offset) % 2)] += wires[bits]
    return result


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "qstore_tf", "compile", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def errors_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What was printed as errors, without the list of imports."""
    return [line for line in done.stderr.splitlines() if not line.startswith("import time:")]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("c.json", ("--target", "forte-1")),
        ("c.qasm", ("--target", "aria-1", "--mode", "measured", "--draw")),
        ("c3.qasm", ("--target", "forte-1", "--mode", "measured", "--values", "theta=0.7")),
    ],
)
def test_a_file_becomes_a_job_with_the_same_outcomes(
    tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    texts = {"c.json": example().to_json(), "c.qasm": example().to_qasm(), "c3.qasm": QASM3}
    (tmp_path / name).write_text(texts[name])
    output = tmp_path / "out.json"
    done = run(str(tmp_path / name), *options, "--json", str(output))
    assert done.returncode == 0, errors_of(done)
    assert errors_of(done) == []
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "qstore_tf.ionq.command" in imported
    assert not imported & {"tensorflow", "keras", "matplotlib"}
    written = json.loads(output.read_text())
    np.testing.assert_allclose(outcomes_of(written), probabilities(example()), atol=1e-12)
    assert ("output_map" in written) == ("measured" in options)
    assert written["input"]["gateset"] == "native" and written["input"]["qubits"] == 3
    assert written["report"]["target"] in done.stdout
    assert str(written["report"]["after"]["gates_1q"]) in done.stdout
    assert f"written: {output}" in done.stdout
    assert ("q0: ─" in done.stdout) == ("--draw" in options)


def test_output_permutation_is_the_wire_on_which_each_qubit_ends(tmp_path: Path) -> None:
    circuit = UnifiedCircuit(3).add_gate("X", 0).add_gate("SWAP", [0, 1]).add_gate("SWAP", [1, 2])
    written = compiled_here(tmp_path, circuit)
    wires = probabilities(from_native(written["input"]))
    (bits,) = np.argwhere(wires > 0.5)
    assert [bits[wire] for wire in written["output_permutation"]] == [0, 0, 1]


def compiled_here(tmp_path: Path, circuit: UnifiedCircuit, *options: str) -> dict[str, Any]:
    """Compiles in this process, which is faster; returns what was written."""
    (tmp_path / "circuit.json").write_text(circuit.to_json())
    output = tmp_path / "out.json"
    arguments = ("compile", str(tmp_path / "circuit.json"), *options, "--json", str(output))
    assert cli.main(arguments) == 0
    loaded: dict[str, Any] = json.loads(output.read_text())
    return loaded


@pytest.mark.parametrize("mode", ["unitary", "state", "measured"])
@pytest.mark.parametrize("target", ["forte-1", "aria-1", "simulator"])
@pytest.mark.parametrize("level", ["0", "3"])
def test_outcomes_are_right_for_every_target_mode_and_level(
    tmp_path: Path, mode: str, target: str, level: str
) -> None:
    options = ("--mode", mode, "--target", target, "--optimization-level", level)
    written = compiled_here(tmp_path, example(), *options)
    np.testing.assert_allclose(outcomes_of(written), probabilities(example()), atol=1e-12)


def test_the_entangler_and_the_size_of_partial_ones_can_be_chosen(tmp_path: Path) -> None:
    circuit = UnifiedCircuit(2).add_gate("H", 0).add_gate("H", 1).add_gate("RZZ", [0, 1], 0.3)
    options = ("--target", "simulator", "--entangler", "MS", "--max-partial", "0")
    written = compiled_here(tmp_path, circuit, *options)
    used = {gate["gate"]: gate for gate in written["input"]["circuit"]}
    assert "zz" not in used and used["ms"]["angle"] == 0.25
    options = ("--approximation", "0.5")
    assert not [
        gate
        for gate in compiled_here(tmp_path, circuit, *options)["input"]["circuit"]
        if gate["gate"] == "zz"
    ]


def test_values_are_bound_before_compiling_and_may_be_expressions(tmp_path: Path) -> None:
    values = ("--values", "a=pi/2", "--values", "b=-0.25")
    written = compiled_here(tmp_path, with_symbols(), *values)
    bound = with_symbols().bind({"a": np.pi / 2, "b": -0.25})
    np.testing.assert_allclose(outcomes_of(written), probabilities(bound), atol=1e-12)


def test_a_circuit_with_symbols_is_reported_without_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "circuit.json"
    path.write_text(with_symbols().to_json())
    assert cli.main(["compile", str(path)]) == 0
    assert "one-qubit pulses" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "file"),
        (("nowhere.qasm",), "nowhere.qasm"),
        (("circuit.txt",), ".json or .qasm"),
        (("broken.json",), "JSON"),
        (("broken.qasm",), "error"),
        (("bell.json", "--target", "fort-1"), "Did you mean 'forte-1'"),
        (("bell.json", "--target", ""), "forte-1"),
        (("bell.json", "--entangler", "MS"), "forte-1 does not take this entangler"),
        (("bell.json", "--mode", "measure"), "'measured'"),
        (("bell.json", "--optimization-level", "4"), "0, 1, 2 or 3"),
        (("bell.json", "--optimization-level", "two"), "'two'"),
        (("bell.json", "--max-partial", "0.5"), "max_partial"),
        (("bell.json", "--max-partial", "nan"), "max_partial"),
        (("bell.json", "--approximation", "-1"), "approximation"),
        (("bell.json", "--shots", "0"), "shots"),
        (("bell.json", "--json", "nowhere/out.json"), "nowhere/out.json"),
        (("bell.json", "--json", "."), "--json"),
        (("bell.json", "--values", "x=1"), "no symbol 'x'"),
        (("symbols.json", "--json", "out.json"), "a, b"),
        (("symbols.json", "--draw"), "a, b"),
        (("symbols.json", "--values", "a=1", "--json", "out.json"), "values: b"),
        (("symbols.json", "--values", "a"), "NAME=NUMBER"),
        (("symbols.json", "--values", "=1"), "NAME=NUMBER"),
        (("symbols.json", "--values", "a="), "a="),
        (("symbols.json", "--values", "a=b"), "a number"),
        (("symbols.json", "--values", "a=inf"), "a=inf"),
        (("symbols.json", "--values", "a=1e999"), "a=1e999"),
        (("symbols.json", "--values", "a=1", "--values", "a=2"), "one value"),
        (("wide.json",), "too many qubits"),
        (("wide.json", "--target", "aria-1"), "at most 25"),
        (("after.qasm",), "measure"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    words: str,
) -> None:
    files = {
        "bell.json": BELL.to_json(),
        "symbols.json": with_symbols().to_json(),
        "wide.json": UnifiedCircuit(40).add_gate("H", 39).to_json(),
        "broken.json": "{",
        "broken.qasm": "OPENQASM 2.0; qreg q[1]; nonsense q[0];",
        "circuit.txt": "",
        "after.qasm": 'OPENQASM 2.0; include "qelib1.inc"; qreg q[1]; creg c[1]; '
        "measure q -> c; h q[0];",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    try:
        code = cli.main(["compile", *arguments])
    except SystemExit as stop:  # argparse's own way out
        code = stop.code
    captured = capsys.readouterr()
    assert code == 2, captured.err
    assert captured.out == ""
    assert captured.err.count("\n") == 1 and captured.err.startswith("qstore compile: error:")
    assert words in captured.err
    assert {path.name for path in tmp_path.iterdir()} == set(files)


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["compile", "--help"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    for option in ("target", "optimization-level", "entangler", "mode", "max-partial"):
        assert f"--{option}" in printed
    for option in ("approximation", "values", "search", "shots", "draw", "json"):
        assert f"--{option}" in printed
