"""What circuits hold besides gates of a fixed form: matrices and measurement markers."""

from __future__ import annotations

from qstore_tf.circuits.gates.row import Gate, constant

SPECIAL = (
    Gate(
        name="Unitary",
        doc="A constant unitary matrix on 1 to 5 qubits.",
        n_qubits=None,
        matrix=None,
        primitives=constant(),
        inverse=None,
        label="U",
    ),
    Gate(
        name="Measure",
        doc="Marks a qubit as measured at the end; dropped when compiled.",
        matrix=None,
        primitives=constant(),
        inverse=None,
        aliases=("M", "MEASUREMENT"),
        is_unitary=False,
        label="M",
    ),
)
