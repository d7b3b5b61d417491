"""Circuits in whatever form they come: objects of other libraries, text, files."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.formats import json
from qstore_tf.circuits.formats.qasm2 import text as qasm2
from qstore_tf.circuits.formats.qasm3 import work as qasm3
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConfigurationError, ConversionError, describe
from qstore_tf.limits import Limit

TAKES = (
    "a UnifiedCircuit, a cirq.Circuit, a qiskit.QuantumCircuit, a PennyLane QuantumScript, or "
    "OpenQASM or JSON text"
)

_VERSION = re.compile(r"OPENQASM\s+(\d+)")
_SPACE = re.compile(r"\s*")
_LINE_END = re.compile(r"[\r\n]|\Z")

# First part of the module that a circuit's class is from -> its reader.
_READERS: Mapping[str, Callable[[Any], UnifiedCircuit]] = {
    "cirq": UnifiedCircuit.from_cirq,
    "qiskit": UnifiedCircuit.from_qiskit,
    "pennylane": UnifiedCircuit.from_pennylane,
}


def read_circuit(circuit: Any) -> UnifiedCircuit:
    """Reads a circuit in any form that there is a reader for.

    Args:
        circuit: a `UnifiedCircuit`, which is returned as it is, a circuit of Cirq or Qiskit, a
            tape of PennyLane, OpenQASM 2 or 3 as text, or the JSON that `to_json` wrote.

    Returns:
        The circuit, with the defaults of its reader.

    Raises:
        ConversionError: there is no reader for it, or the reader refuses it.
        LibraryError: the library that its reader needs is not installed.

    >>> read_circuit('OPENQASM 2.0; include "qelib1.inc"; qreg q[1]; h q[0];').count_gates()
    {'H': 1}
    """
    if isinstance(circuit, UnifiedCircuit):
        return circuit
    if isinstance(circuit, Circuit):
        return UnifiedCircuit.of(circuit)
    if isinstance(circuit, str):
        return _read_text(circuit)
    reader = _reader_of(circuit)
    if reader is None:
        raise ConversionError(
            describe("This is not a circuit", expected=TAKES, received=type(circuit).__name__)
        )
    return reader(circuit)


def read_file(path: Path) -> UnifiedCircuit:
    """Reads a circuit from a file.

    Args:
        path: a `.json` file that holds the text of `to_json`, or a `.qasm` file in OpenQASM 2 or 3.

    Raises:
        ConfigurationError: the file has another extension.
        ConversionError: it cannot be read, is too large, or its reader refuses it.
    """
    # The version of OpenQASM is in the text, so that its reader checks the size once more.
    qasm = max(qasm2.CHARACTERS, qasm3.CHARACTERS, key=lambda limit: limit.current)
    readers: Mapping[str, tuple[Callable[[str], UnifiedCircuit], Limit]] = {
        ".json": (UnifiedCircuit.from_json, json.CHARACTERS),
        ".qasm": (read_circuit, qasm),
    }
    found = readers.get(path.suffix.lower())
    if found is None:
        raise ConfigurationError(
            describe(
                "Unknown file extension of a circuit",
                expected="a .json or .qasm file",
                received=str(path),
            )
        )
    reader, characters = found
    most = min(characters.current, sys.maxsize - 1)
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(most + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise ConversionError(
            describe(
                f"The circuit file cannot be read ({error})",
                expected="a readable UTF-8 text file",
                received=str(path),
            )
        ) from error
    characters.check(len(text), f"The file {str(path)!r}", ConversionError, counting=True)
    return reader(text)


def qubit_labels(circuit: Any) -> list[Any] | None:
    """What a circuit's own library calls its qubits, in the order they have here.

    Args:
        circuit: what `read_circuit` takes.

    Returns:
        Cirq's qubits or PennyLane's wires; None where qubits are only numbered.

    >>> import cirq
    >>> qubit_labels(cirq.Circuit(cirq.X(cirq.NamedQubit("b")), cirq.X(cirq.NamedQubit("a"))))
    [cirq.NamedQubit('a'), cirq.NamedQubit('b')]
    """
    reader = _reader_of(circuit)
    if reader == UnifiedCircuit.from_cirq and hasattr(circuit, "all_qubits"):
        return sorted(circuit.all_qubits())
    if reader == UnifiedCircuit.from_pennylane:
        from qstore_tf.circuits.formats.pennylane.tape import wires_of

        return wires_of(circuit)
    return None


def is_circuit(value: Any) -> bool:
    """Whether a value may be a circuit, by its type; `read_circuit` knows for sure."""
    return isinstance(value, (Circuit, str)) or _reader_of(value) is not None


def _reader_of(value: Any) -> Callable[[Any], UnifiedCircuit] | None:
    # A class of the user's own, derived from a library's, is read as that.
    for kind in type(value).__mro__:
        reader = _READERS.get(kind.__module__.split(".")[0])
        if reader is not None:
            return reader
    return None


def _read_text(text: str) -> UnifiedCircuit:
    start = _start(text)
    version = _VERSION.match(text, start)
    if version is not None:
        if version.group(1) == "2":
            return UnifiedCircuit.from_qasm(text)
        return UnifiedCircuit.from_qasm3(text)
    if text.startswith("{", start):
        return UnifiedCircuit.from_json(text)
    # OpenQASM 2 cannot do without its version line, so a program that has none is OpenQASM 3.
    if ";" in text:
        return UnifiedCircuit.from_qasm3(text)
    raise ConversionError(
        describe(
            "This text is not a circuit",
            expected="an OpenQASM program that starts with 'OPENQASM 2.0;' or 'OPENQASM 3.0;', "
            "or the JSON that to_json wrote",
            received=text[:80],
        )
    )


def _start(text: str) -> int:
    """Where a text starts after a byte order mark, spaces and comments."""
    position = 1 if text.startswith("\ufeff") else 0
    while True:
        position = _end_of(_SPACE.match(text, position))
        if text.startswith("//", position):
            position = _end_of(_LINE_END.search(text, position))
        elif text.startswith("/*", position):
            end = text.find("*/", position + 2)
            position = end + 2 if end >= 0 else len(text)
        else:
            return position


def _end_of(match: re.Match[str] | None) -> int:
    assert match is not None, "both patterns match everywhere"
    return match.end()
