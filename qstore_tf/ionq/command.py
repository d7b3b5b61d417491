"""`qstore compile`: a circuit from a file into native gates, with a report."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qstore_tf.circuits.reading import read_file
from qstore_tf.circuits.symbols import Affine
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import CircuitError, ConfigurationError, describe
from qstore_tf.ionq.compiling import Compiled, compile
from qstore_tf.ionq.outputs import output_map, permutation_of
from qstore_tf.ionq.report import Report, report
from qstore_tf.ionq.wire import encode, to_native


def run(arguments: argparse.Namespace) -> None:
    """Runs `qstore compile`.

    Args:
        arguments: What the parser of the command line has read.

    Raises:
        QstoreError: A mistake in the command, its file or its circuit.
    """
    output = _output(arguments.json)
    values = _values(arguments.values)
    circuit = read_file(Path(arguments.file))
    if values:
        circuit = circuit.bind(values)
    # Numbers that are known beforehand make for fewer gates than symbols do.
    compiled = compile(
        circuit,
        arguments.target,
        optimization_level=arguments.optimization_level,
        entangler=arguments.entangler,
        max_partial=arguments.max_partial,
        mode=arguments.mode,
        approximation=arguments.approximation,
        search=arguments.search,
    )
    if compiled.symbols and (output is not None or arguments.draw):
        raise CircuitError(
            describe(
                "The circuit has symbols without values: " + ", ".join(compiled.symbols),
                expected="numbers in what is written or drawn",
                hint=f"Give them, as in --values {compiled.symbols[0]}=0.5",
            )
        )
    found = report(compiled, shots=arguments.shots)
    text = None if output is None else encode_job(compiled, found)
    if output is not None and text is not None:
        output.write_text(text, encoding="utf-8")
    print(found)
    if arguments.draw:
        print()
        print(UnifiedCircuit.of(compiled.native()).draw())
    if output is not None:
        print(f"written: {output}")


def document(compiled: Compiled, found: Report) -> dict[str, Any]:
    """Returns what `qstore compile --json` writes.

    Args:
        compiled: A compiled circuit without symbols.
        found: The report about it.

    Returns:
        The `input` of a job as IonQ's service takes it, `output_permutation` (for each qubit the
        wire on which it ends; None where there is none), in "measured" mode `output_map` (outcomes
        of qubits are `matrix wires + offset`, modulo 2), and the `report`.

    Raises:
        InputError: The circuit has symbols.
        ConversionError: The native circuit is larger than a job may be.

    Example:
        >>> compiled = compile(UnifiedCircuit(1).add_gate("X", 0), "forte-1")
        >>> document(compiled, report(compiled))["output_permutation"]
        [0]
    """
    matrix, offset = output_map(compiled)
    wires = permutation_of(matrix, offset)
    native = to_native(compiled.native(), compiled.options.target)
    result: dict[str, Any] = {
        "input": native,
        "output_permutation": None if wires is None else list(wires),
    }
    if compiled.options.mode == "measured":
        result["output_map"] = {"matrix": matrix.tolist(), "offset": offset.tolist()}
    result["report"] = found.to_dict()
    return result


def encode_job(compiled: Compiled, found: Report) -> str:
    """Returns `document` as text, one gate a line.

    Raises:
        InputError: As in `document`.
        ConversionError: As in `document`.
    """
    whole = document(compiled, found)
    job = whole["input"]
    encode(job)  # checks the size
    gates = ",\n".join(f"      {_line(gate)}" for gate in job["circuit"])
    circuit = f"[\n{gates}\n    ]" if gates else "[]"
    parts = {
        "input": f'{{\n    "gateset": "native",\n    "qubits": {job["qubits"]},\n'
        f'    "circuit": {circuit}\n  }}',
        **{name: _line(whole[name]) for name in whole if name.startswith("output")},
        "report": json.dumps(whole["report"], indent=2, allow_nan=False).replace("\n", "\n  "),
    }
    return "{\n" + ",\n".join(f'  "{name}": {text}' for name, text in parts.items()) + "\n}\n"


def _line(value: object) -> str:
    return json.dumps(value, allow_nan=False)


def _output(name: str | None) -> Path | None:
    if name is None:
        return None
    output = Path(name)
    if not output.parent.is_dir() or output.is_dir():
        raise ConfigurationError(
            describe(
                "--json cannot be written there",
                expected="a file in a folder that exists",
                received=name,
            )
        )
    return output


def _values(words: Sequence[str]) -> dict[str, float]:
    values: dict[str, float] = {}
    for word in words:
        name, equals, text = word.partition("=")
        name = name.strip()
        if not equals or not name:
            _refuse(word, "NAME=NUMBER, such as theta=0.5 or theta=pi/2")
        if name in values:
            _refuse(word, f"one value for {name!r}")
        try:
            value = Affine.of(text.strip())
        except CircuitError as error:
            raise ConfigurationError(f"--values {word!r}: {error}") from error
        if not value.is_constant:
            _refuse(word, "a number, such as theta=0.5 or theta=pi/2")
        values[name] = value.constant
    return values


def _refuse(word: str, expected: str) -> None:
    raise ConfigurationError(describe("--values is unusable", expected=expected, received=word))
