"""The gates of OpenQASM 2 and of its `qelib1.inc`, as Qiskit ships it, in gates of the table.

Where versions of the file disagree (the phases of `cu1` and `cu3`), Qiskit's is meant. `ryy`,
`iswap` and `r` are not part of it, but Cirq writes and reads them as if they were.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from qstore_tf.circuits import gates
from qstore_tf.circuits.operation import Operation
from qstore_tf.circuits.symbols import Affine

# Gate of the gate table, targets, further controls, parameters.
_Step = tuple[str, tuple[int, ...], tuple[int, ...], tuple[float, ...]]


@dataclass(frozen=True, eq=False)
class Gate:
    """A gate of the language or of qelib1.inc.

    Attributes:
        n_params: Number of parameters.
        n_qubits: Number of qubits.
        steps: The steps in time order as a function of the parameters, on the gate's own qubits
            0, 1, ...
        cost: What a use of the gate counts for.
        depth: How deeply definitions are nested in it.
    """

    n_params: int
    n_qubits: int
    steps: Callable[..., Sequence[_Step]]
    cost: int = 1
    depth: int = 0

    def operations(self, params: Sequence[float], qubits: Sequence[int]) -> list[Operation]:
        """The gate on given qubits."""
        return [
            Operation(
                name,
                tuple([qubits[q] for q in targets]),
                tuple([Affine(value + 0.0) for value in values]),
                tuple([qubits[q] for q in controls]) if controls else (),
            )
            for name, targets, controls, values in self.steps(*params)
        ]


def _plain(row: gates.Gate, n_controls: int = 0) -> Gate:
    """A gate that the table has, the first qubits controls on top of its own."""
    n_qubits = n_controls + (row.n_qubits or 0)
    controls, targets = tuple(range(n_controls)), tuple(range(n_controls, n_qubits))
    return Gate(row.n_params, n_qubits, lambda *params: ((row.name, targets, controls, params),))


def _sequence(n_qubits: int, text: str) -> Gate:
    """Gates without parameters, written such as "H2 CX01"."""
    steps = []
    for word in text.split():
        name = word.rstrip("0123456789")
        steps.append((name, tuple(map(int, word[len(name) :])), (), ()))
    return Gate(0, n_qubits, lambda: steps)


_SAME = {
    name: _plain(row)
    for row in gates.GATES.values()
    for name in (row.qasm2, *row.qasm2_read)
    if name
}

LANGUAGE: Mapping[str, Gate] = {"U": _SAME["u3"], "CX": _SAME["cx"]}
"""The gates that need no file to be included."""

QELIB1: Mapping[str, Gate] = {
    **_SAME,
    "u2": Gate(2, 1, lambda phi, lam: (("U3", (0,), (), (math.pi / 2, phi, lam)),)),
    "u0": Gate(1, 1, lambda gamma: (("I", (0,), (), ()),)),
    "csx": _plain(gates.GATES["SX"], 1),
    "cu3": _plain(gates.GATES["U3"], 1),
    "cu": Gate(
        4,
        2,
        lambda theta, phi, lam, gamma: (
            ("PhaseShift", (0,), (), (gamma,)),
            ("U3", (1,), (0,), (theta, phi, lam)),
        ),
        2,
    ),
    "rccx": _sequence(3, "H2 T2 CX12 Tdg2 CX02 T2 CX12 Tdg2 H2"),
    "rc3x": _sequence(
        4, "H3 T3 CX23 Tdg3 H3 CX03 T3 CX13 Tdg3 CX03 T3 CX13 Tdg3 H3 T3 CX23 Tdg3 H3"
    ),
    "c3x": _plain(gates.GATES["X"], 3),
    "c3sqrtx": _plain(gates.GATES["SX"], 3),
    "c4x": _plain(gates.GATES["X"], 4),
    "r": Gate(
        2,
        1,
        lambda theta, phi: (
            ("RZ", (0,), (), (-phi,)),
            ("RX", (0,), (), (theta,)),
            ("RZ", (0,), (), (phi,)),
        ),
        3,
    ),
}
"""The gates of `include "qelib1.inc";`."""
