"""The native circuit that a machine runs for a job: an artifact of format ionq.native.v1."""

from __future__ import annotations

from typing import Any

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.ionq.emulator.batches import Batch
from qstore_tf.ionq.emulator.programs import native_group
from qstore_tf.ionq.targets import Target
from qstore_tf.ionq.wire import to_native

ARTIFACT, FORMAT = "compiled", "ionq.native.v1"


def compiled(batch: Batch, target: Target) -> dict[str, Any]:
    """Compiles the only circuit of a job for its machine.

    The compiler may end a qubit on another wire. All wires start in |0>, so they are renamed, and
    each outcome is where it was asked for.

    Args:
        batch: The circuit.
        target: The machine.

    Returns:
        `{"qubits": n, "circuit": [...]}`.

    Raises:
        CircuitError: It does not fit the machine.

    Example:
        >>> from qstore_tf.ionq.targets import lookup
        >>> flip = Batch.of([Circuit(1).add_gate("X", 0)])
        >>> [gate["gate"] for gate in compiled(flip, lookup("forte-1"))["circuit"]]
        ['gpi']
    """
    group, wires = native_group(batch.groups[0], target)
    place = {wire: qubit for qubit, wire in enumerate(wires)}
    circuit = Circuit(group.n_qubits)
    for op in group.bound(0).operations:
        numbers = [parameter.constant for parameter in op.params]
        circuit.add_gate(op.gate, [place[wire] for wire in op.targets], numbers)
    made = to_native(circuit, target, signed_zz=True)
    return {"qubits": made["qubits"], "circuit": made["circuit"]}
