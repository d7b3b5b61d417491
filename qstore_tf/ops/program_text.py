"""Reads the text form of programs and observables back, for derivatives of loaded graphs."""

from __future__ import annotations

from qstore_tf.caching import remember
from qstore_tf.circuits.observables import PauliString, PauliSum
from qstore_tf.circuits.primitives import Angle, CompiledPrimitive, Flip, Phase, Rot, Swap, Unitary
from qstore_tf.circuits.program import Program
from qstore_tf.errors import CircuitError, ObservableError, describe


@remember(lambda result, text: 30 * len(text))
def parse_program(text: str) -> Program:
    """Returns the program whose `to_text` this is.

    Raises:
        CircuitError: The text is not a program of the version this release knows.
    """
    try:
        lines = [line.split(" ") for line in text.splitlines()]
        head = {fields[0]: int(fields[1]) for fields in lines[:5]}
        if head["qstore_program"] != 1:
            raise ValueError(f"version {head['qstore_program']}, known is 1")
        gates = tuple(_gate(fields) for fields in lines[5:])
        return Program(head["qubits"], head["inputs"], head["theta"], bool(head["initial"]), gates)
    except (KeyError, ValueError, IndexError) as error:
        raise CircuitError(
            describe(f"A program text cannot be read ({error})", received=text[:80])
        ) from error


@remember(lambda result, text: 30 * len(text))
def parse_observables_text(text: str) -> tuple[PauliSum, ...]:
    """Returns the observables whose `observables_text` this is.

    Raises:
        ObservableError: The text cannot be read.
    """
    try:
        return tuple(
            PauliSum(tuple(_term(term) for term in part.split(",") if term))
            for part in text.split(";")
        )
    except (ValueError, IndexError) as error:
        raise ObservableError(
            describe(f"An observables text cannot be read ({error})", received=text[:80])
        ) from error


def _term(text: str) -> PauliString:
    coefficient, _, paulis = text.partition(":")
    return PauliString(
        float(coefficient), tuple((int(factor[1:]), factor[0]) for factor in paulis.split())
    )


def _integers(text: str) -> tuple[int, ...]:
    return () if text == "-" else tuple(map(int, text.split(",")))


def _angle(text: str) -> Angle:
    constant, terms = 0.0, []
    for part in text.split(","):
        coef, star, slot = part.partition("*")
        if star:
            terms.append((slot[0], int(slot[1:]), float(coef)))
        else:
            constant += float(coef)
    return Angle(constant, tuple(terms))


def _gate(fields: list[str]) -> CompiledPrimitive:
    kind = fields[0]
    if kind == "rot":
        return Rot(fields[1], _integers(fields[2]), _angle(fields[4]), _integers(fields[3]))
    if kind == "phase":
        return Phase(_angle(fields[2]), _integers(fields[1]))
    if kind == "flip":
        return Flip(int(fields[1]), _integers(fields[2]))
    if kind == "swap":
        a, b = _integers(fields[1])
        return Swap((a, b), _integers(fields[2]))
    if kind != "unitary":
        raise ValueError(f"unknown statement {kind!r}")
    targets = _integers(fields[1])
    numbers = list(map(float, fields[3].split(",")))
    size = 2 ** len(targets)
    values = [complex(re, im) for re, im in zip(numbers[::2], numbers[1::2], strict=True)]
    rows = tuple(tuple(values[r * size : (r + 1) * size]) for r in range(size))
    return Unitary(rows, targets, _integers(fields[2]))
