"""The gate table: one row per gate, by families, and everything else reads it.

A row says the same thing several ways (matrix, primitives, decomposition, inverse, names in other
libraries), so that the tests, which loop over the table, check each row against itself. Parameters
are radians except for the IonQ gates GPi, GPi2, MS and ZZ, which take turns as IonQ defines them.

Sources: OpenQASM 2 (arXiv:1707.03429) for U3, Cirq for the powers and FSim, IonQ's documentation
of its native gates for GPi, GPi2, MS and ZZ.
"""

from __future__ import annotations

from collections.abc import Mapping

from qstore_tf.circuits.gates.controlled import CONTROLLED
from qstore_tf.circuits.gates.fixed import FIXED
from qstore_tf.circuits.gates.ionq import IONQ
from qstore_tf.circuits.gates.powers import POWERS
from qstore_tf.circuits.gates.rotations import ROTATIONS
from qstore_tf.circuits.gates.row import Gate, Params, Step
from qstore_tf.circuits.gates.special import SPECIAL
from qstore_tf.circuits.gates.two_qubit import TWO_QUBIT
from qstore_tf.errors import CircuitError, describe, did_you_mean

BASIS = ("RX", "RY", "RZ", "CX", "GlobalPhase")
"""Every row of the table with a matrix decomposes into these."""

GATES: Mapping[str, Gate] = {
    row.name: row
    for family in (FIXED, ROTATIONS, CONTROLLED, TWO_QUBIT, POWERS, IONQ, SPECIAL)
    for row in family
}
"""The table: canonical name -> row."""

_BY_FOLDED_NAME = {
    name.casefold(): row for row in GATES.values() for name in (row.name, *row.aliases)
}


def lookup(name: str) -> Gate:
    """Returns the row of a gate by name or alias, ignoring case.

    Raises:
        CircuitError: No gate has this name; the message lists near matches.

    Example:
        >>> lookup("cnot").name
        'CX'
    """
    row = GATES.get(name) if isinstance(name, str) else None
    if row is None and isinstance(name, str):
        row = _BY_FOLDED_NAME.get(name.casefold())
    if row is None and not isinstance(name, str):
        raise CircuitError(
            describe(
                "Unknown gate",
                expected="a name, such as 'RX'",
                received=name,
                hint="For a matrix use add_unitary(matrix, targets)",
            )
        )
    if row is None:
        aliases = [alias for gate in GATES.values() for alias in gate.aliases]
        raise CircuitError(
            describe("Unknown gate", received=name, hint=did_you_mean(name, GATES, aliases))
        )
    return row


def decompose(name: str, params: Params = ()) -> tuple[Step, ...]:
    """Returns a gate as steps over `BASIS`, exactly, global phase included.

    Args:
        name: Any gate of the table with a matrix.
        params: Its parameters.

    Raises:
        CircuitError: The gate is Measure or Unitary, which have no fixed decomposition.
    """
    row = lookup(name)
    if row.name in BASIS:
        return ((row.name, tuple(range(row.n_qubits or 0)), params),)
    if row.decomposition is None:
        raise CircuitError(describe(f"Gate {row.name!r} has no decomposition in the gate table"))
    steps: list[Step] = []
    for inner, qubits, inner_params in row.decomposition(*params):
        for leaf, local, leaf_params in decompose(inner, inner_params):
            steps.append((leaf, tuple(qubits[q] for q in local), leaf_params))
    return tuple(steps)
