"""Native circuits as IonQ's service takes them: the JSON of its API, written.

    {"gateset": "native", "qubits": 2, "circuit": [
        {"gate": "gpi", "target": 0, "phase": 0.5},
        {"gate": "gpi2", "target": 1, "phase": 0.25},
        {"gate": "ms", "targets": [0, 1], "phases": [0.0, 0.125], "angle": 0.25},
        {"gate": "zz", "targets": [0, 1], "angle": 0.25}]}

and for many circuits in one job

    {"gateset": "native", "qubits": 2, "circuits": [{"circuit": [...]}, {"circuit": [...]}]}

All numbers are turns, as in the gate table; their ranges and the size of a job are in `template`.
The service measures every qubit at the end, so measurement markers are left out.

`to_native` and `to_native_batch` write circuits. Who has one structure and many numbers makes a
`NativeTemplate` once, which writes a whole batch without a `Circuit` for each. What others wrote is
read by `reading`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.errors import CircuitError, ConversionError, describe
from qstore_tf.ionq.job_input import COMPACT, Entry, check_job, check_length, job
from qstore_tf.ionq.job_input import MAX_BYTES as MAX_BYTES
from qstore_tf.ionq.job_input import MAX_CIRCUITS as MAX_CIRCUITS
from qstore_tf.ionq.job_input import MAX_GATES as MAX_GATES
from qstore_tf.ionq.targets import Target
from qstore_tf.ionq.writing import NativeTemplate as NativeTemplate


def to_native(
    circuit: Circuit, target: Target | str | None = None, *, signed_zz: bool = False
) -> dict[str, Any]:
    """Writes a native circuit, as the `input` of a job of type ionq.circuit.v1.

    Args:
        circuit: Gates GPi, GPi2, MS and ZZ without controls and symbols; numbers in turns.
            Measurement markers are left out, because the service measures every qubit.
        target: The machine that it must fit, such as "forte-1"; None to take every native gate.
        signed_zz: Whether ZZ may have angles in (-0.5, 0.5]; a target may allow it too.

    Returns:
        Plain dicts, lists, strings and numbers. `encode` makes the text.

    Raises:
        CircuitError: A gate is not native, a symbol is not bound, or the circuit does not fit the
            target.
        ConversionError: A number is out of its range (the message names gate, position, value
            and range), or there are more than 150,000 gates.

    Example:
        >>> circuit = Circuit(2).add_gate("GPi2", 0, 0.5).add_gate("ZZ", [0, 1], 0.25)
        >>> to_native(circuit, "forte-1")["circuit"][1]
        {'gate': 'zz', 'targets': [0, 1], 'angle': 0.25}
    """
    entries = _write(circuit, target, signed_zz)
    check_job(1, len(entries))
    return {"gateset": "native", "qubits": circuit.n_qubits, "circuit": entries}


def to_native_batch(
    circuits: Sequence[Circuit], target: Target | str | None = None, *, signed_zz: bool = False
) -> dict[str, Any]:
    """Writes many native circuits, as the `input` of one job of type ionq.multi-circuit.v1.

    Args:
        circuits: 1 to 5,000 circuits with at most 150,000 gates together; to split what is more is
            up to the caller. The job has as many qubits as the largest of them.
        target: As in `to_native`.
        signed_zz: As in `to_native`.

    Returns:
        As `to_native`.

    Raises:
        CircuitError: As in `to_native`; the message names the circuit.
        ConversionError: As in `to_native`, or one job has no room for so much.

    Example:
        >>> bells = [Circuit(2).add_gate("MS", [0, 1], [0, 0, t]) for t in (0.1, 0.2)]
        >>> [c["circuit"][0]["angle"] for c in to_native_batch(bells)["circuits"]]
        [0.1, 0.2]
    """
    check_job(len(circuits), 0)
    written = []
    for number, circuit in enumerate(circuits):
        try:
            written.append(_write(circuit, target, signed_zz))
        except (CircuitError, ConversionError) as error:
            raise type(error)(f"Circuit {number} of the batch: {error}") from error
    return job(max(circuit.n_qubits for circuit in circuits), written)


def encode(document: dict[str, Any]) -> str:
    """Returns the JSON text of what this module wrote, without spaces.

    Raises:
        ConversionError: It is longer than the body of a job may be, 10 MB.

    Example:
        >>> encode(to_native(Circuit(1).add_gate("GPi", 0, 0.5)))
        '{"gateset":"native","qubits":1,"circuit":[{"gate":"gpi","target":0,"phase":0.5}]}'
    """
    return check_length(json.dumps(document, **COMPACT))


def _write(circuit: Circuit, target: Target | str | None, signed_zz: bool) -> list[Entry]:
    template = NativeTemplate.of(circuit, target, signed_zz=signed_zz)
    if circuit.parameters:
        raise CircuitError(
            describe(
                "A circuit with unbound symbols cannot be sent",
                expected="numbers",
                received=list(circuit.parameters),
                hint="Bind them, as in circuit.bind({'x': 0.1}), or use NativeTemplate.of(circuit)",
            )
        )
    row = [p.constant for op in circuit.operations for p in op.params]
    return template.circuits([row])[0]
