"""Every reader of circuits holds to the table of limits, and its error says how to raise them."""

import re

import cirq
import numpy as np
import pytest

from qstore_tf import cli, limits
from qstore_tf.circuits import UnifiedCircuit
from qstore_tf.circuits.formats.json import from_dict, to_dict
from qstore_tf.errors import ConversionError
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.extras import needs_extra

N = int(np.random.default_rng([daily_seed(), 9]).integers(40, 200))  # qubits, and operations


def rotations():
    circuit = UnifiedCircuit(N)
    for qubit in range(N):
        circuit.add_gate("H", qubit)
    return circuit


def from_qiskit():
    circuit = needs_extra("qiskit").QuantumCircuit(N)
    circuit.h(range(N))
    return UnifiedCircuit.from_qiskit, circuit


def from_pennylane():
    pennylane = needs_extra("pennylane")
    tape = pennylane.tape.QuantumScript([pennylane.Hadamard(wire) for wire in range(N)])
    return UnifiedCircuit.from_pennylane, tape


def from_qasm3():
    needs_extra("openqasm3.parser")
    return UnifiedCircuit.from_qasm3, f'include "stdgates.inc"; qubit[{N}] q; h q;'


QASM2 = f'OPENQASM 2.0; include "qelib1.inc"; qreg q[{N}]; h q;'
# What makes a reader and N gates on N qubits for it, and which limit the gates are under.
READERS = {
    "dict": (lambda: (from_dict, to_dict(rotations())), limits.OPERATIONS),
    "json": (lambda: (UnifiedCircuit.from_json, rotations().to_json()), limits.TEXT_OPERATIONS),
    "qasm": (lambda: (UnifiedCircuit.from_qasm, QASM2), limits.TEXT_OPERATIONS),
    "qasm3": (from_qasm3, limits.QASM3_OPERATIONS),
    "cirq": (
        lambda: (UnifiedCircuit.from_cirq, cirq.Circuit(cirq.H.on_each(cirq.LineQubit.range(N)))),
        limits.OPERATIONS,
    ),
    "qiskit": (from_qiskit, limits.OPERATIONS),
    "pennylane": (from_pennylane, limits.OPERATIONS),
}


@pytest.mark.parametrize("name", READERS)
def test_every_reader_takes_as_much_as_the_table_says(name, monkeypatch):
    make, operations = READERS[name]
    read, source = make()
    for limit in (operations, limits.QUBITS):
        monkeypatch.setenv(limit.variable, str(N))
        assert len(read(source)) == N
        monkeypatch.setenv(limit.variable, str(N - 1))
        with pytest.raises(ConversionError) as caught:
            read(source)
        assert re.search(
            rf" has too many {limit.what}\. Expected: at most {N - 1}\. "
            rf"Received: (at least )?{N}\. If this is meant, "
            rf"set the environment variable {limit.variable} to a larger number",
            str(caught.value),
        )
        monkeypatch.delenv(limit.variable)


@pytest.mark.parametrize("name", ["json", "qasm"])
def test_an_argument_goes_before_the_table(name, monkeypatch):
    read, source = READERS[name][0]()
    monkeypatch.setenv(limits.TEXT_OPERATIONS.variable, str(N - 1))
    with pytest.raises(ConversionError, match=r"larger number, or pass max_operations="):
        read(source)
    assert len(read(source, max_operations=N)) == N
    monkeypatch.setenv(limits.TEXT_OPERATIONS.variable, str(N))
    assert len(read(source)) == N
    with pytest.raises(ConversionError, match=rf"at most {N - 1}\..*pass a larger max_operations="):
        read(source, max_operations=N - 1)


@pytest.mark.parametrize("ending", ["json", "qasm"])
def test_a_file_is_not_read_beyond_the_limit(ending, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(limits.TEXT_OPERATIONS.variable, "1000")
    monkeypatch.setenv(limits.QASM3_TOKENS.variable, "1000")
    path = tmp_path / f"circuit.{ending}"
    with path.open("wb") as file:
        file.truncate(2**40)  # takes no room on the disk
    assert cli.main(["draw", str(path)]) == 2
    error = capsys.readouterr().err
    assert "too many characters" in error and limits.TEXT_OPERATIONS.variable in error
