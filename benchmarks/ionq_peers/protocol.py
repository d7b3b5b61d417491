"""What a peer's script reads and prints; needs NumPy alone.

It reads one JSON object from its standard input:

    {"circuits": {name: OpenQASM 2}, "bind": {"circuit": OpenQASM 2, "samples": 256} or null}

and prints JSON objects, one a line: first `{"versions": {...}}`, then for each circuit
`{"circuit": name, "variants": {title: output}}`, last `{"bind": {title: ms a sample}}` if asked. An
output is the compiled circuit,

    gates        [{"qubits": [..], "matrix": [[[re, im], ..], ..]}] in time order, the first
                 qubit the more significant one
    permutation  [k] = wire on which qubit k ends
    outcomes     [b] = outcome of the input circuit for which outcome b of the compiled one
                 stands, qubit 0 the most significant bit; null where nothing was moved behind
                 the measurement (only then is the state kept)
    from_zero    whether it is a circuit for the start in |0...0> only
    frames       radians by which each wire is to be turned about Z at the end, where a compiler
                 declares that; no outcome shows it
    native       {"one": n, "two": n}: gates as emitted, null where they are not IonQ's
    device       "forte" or "aria" if those pulses are to be shown as they are, else null
    ms, cpu_ms   median wall and processor time of compiling it again; reading is not timed; the
                 latter null for a compiler that works in other processes

or `{"error": text}`.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# Seconds of repeating a compilation, and how often at least and at most.
BUDGET, MIN_REPEATS, MAX_REPEATS = 1.0, 3, 15
# Seconds from which the first compilation is the only one.
SLOW = 5.0


@dataclass(frozen=True)
class Output:
    """A compiled circuit.

    Attributes:
        gates: qubits (most significant first) and matrix of each, in time order.
        permutation: [k] = wire on which qubit k ends; None: wire k.
        native: one- and two-qubit gates as emitted, where they are IonQ's.
        outcomes: see above.
        from_zero: see above.
        frames: see above.
        device: "forte" or "aria": whose pulses `native` has, where they count as emitted.
    """

    gates: Sequence[tuple[Sequence[int], Any]]
    permutation: Sequence[int] | None = None
    native: tuple[int, int] | None = None
    outcomes: Sequence[int] | None = None
    from_zero: bool = False
    frames: Sequence[float] = ()
    device: str | None = None


@dataclass(frozen=True)
class Variant:
    """One way to compile.

    Attributes:
        compile: the framework's circuit -> its compiled circuit; this is timed.
        read: its compiled circuit -> Output.
        in_process: whether its processor time is this process's.
        only: what the names of the circuits begin with for which it is a way.
    """

    compile: Callable[[Any], Any]
    read: Callable[[Any], Output]
    in_process: bool = True
    only: str | tuple[str, ...] = ""


def main(
    versions: dict[str, str],
    load: Callable[[str], Any],
    variants: dict[str, Variant],
    bind: Callable[[str, int], dict[str, float]] | None = None,
) -> None:
    """Compiles what the standard input asks for.

    Args:
        versions: of what is measured.
        load: OpenQASM 2 -> the framework's circuit.
        variants: ways to compile, by the titles of their rows.
        bind: (OpenQASM 2, samples) -> milliseconds a sample for new numbers in a compiled circuit.
    """
    asked = json.load(sys.stdin)
    # What the framework prints goes elsewhere.
    answers, sys.stdout = sys.stdout, sys.stderr

    def say(answer: dict[str, Any]) -> None:
        print(json.dumps(answer), file=answers, flush=True)

    say({"versions": versions})
    for name, qasm in asked["circuits"].items():
        made = {
            title: _measure(load, variant, qasm)
            for title, variant in variants.items()
            if name.startswith(variant.only)
        }
        say({"circuit": name, "variants": made})
    if bind and asked["bind"]:
        say({"bind": bind(asked["bind"]["circuit"], asked["bind"]["samples"])})


def _measure(load: Callable[[str], Any], variant: Variant, qasm: str) -> dict[str, Any]:
    try:
        circuit = load(qasm)
        compiled, wall, cpu = timed(lambda: variant.compile(circuit))
        output = variant.read(compiled)
    except Exception as error:  # A peer that fails on a circuit is a row that says so.
        return {"error": f"{type(error).__name__}: {error}"[:200]}
    native = output.native and dict(zip(("one", "two"), output.native, strict=True))
    permutation = output.permutation
    return {
        "gates": [
            {"qubits": [int(qubit) for qubit in qubits], "matrix": _pairs(matrix)}
            for qubits, matrix in output.gates
        ],
        "permutation": None if permutation is None else [int(wire) for wire in permutation],
        "native": native,
        "device": output.device,
        "outcomes": None if output.outcomes is None else [int(b) for b in output.outcomes],
        "from_zero": output.from_zero,
        "frames": [float(turn) for turn in output.frames],
        "ms": wall * 1e3,
        "cpu_ms": cpu * 1e3 if variant.in_process else None,
    }


def timed(function: Callable[[], Any]) -> tuple[Any, float, float]:
    """Its result, and median wall and processor seconds of calling it again."""
    result, *first = _once(function)
    times = [first] if first[0] > SLOW else []
    started = time.perf_counter()
    while first[0] <= SLOW and len(times) < MAX_REPEATS:
        if len(times) >= MIN_REPEATS and time.perf_counter() - started > BUDGET:
            break
        times.append(_once(function)[1:])
    wall, cpu = (statistics.median(column) for column in zip(*times, strict=True))
    return result, wall, cpu


def _once(function: Callable[[], Any]) -> list[Any]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return [result, time.perf_counter() - wall, time.process_time() - cpu]


def _pairs(matrix: Any) -> list[list[list[float]]]:
    array = np.asarray(matrix, dtype=np.complex128)
    return np.stack([array.real, array.imag], -1).tolist()
