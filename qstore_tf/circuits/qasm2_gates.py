"""The gates of OpenQASM 2 and of its `qelib1.inc`, as Qiskit ships it, in gates of the table.

Where versions of the file disagree (the phases of `cu1` and `cu3`), Qiskit's is meant. `ryy`,
`iswap` and `r` are no part of it, but Cirq writes and reads them as if they were.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

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


def _plain(name: str, n_params: int, n_qubits: int, n_controls: int = 0) -> Gate:
    """A gate that the table has, the first qubits controls on top of its own."""
    controls, targets = tuple(range(n_controls)), tuple(range(n_controls, n_qubits))
    return Gate(n_params, n_qubits, lambda *params: ((name, targets, controls, params),))


def _sequence(n_qubits: int, text: str) -> Gate:
    """Gates without parameters, written such as "H2 CX01"."""
    steps = []
    for word in text.split():
        name = word.rstrip("0123456789")
        steps.append((name, tuple(map(int, word[len(name) :])), (), ()))
    return Gate(0, n_qubits, lambda: steps)


LANGUAGE: Mapping[str, Gate] = {"U": _plain("U3", 3, 1), "CX": _plain("CX", 0, 2)}
"""The gates that need no file to be included."""

QELIB1: Mapping[str, Gate] = {
    "u3": _plain("U3", 3, 1),
    "u2": Gate(2, 1, lambda phi, lam: (("U3", (0,), (), (math.pi / 2, phi, lam)),)),
    "u1": _plain("PhaseShift", 1, 1),
    "u0": Gate(1, 1, lambda gamma: (("I", (0,), (), ()),)),
    "u": _plain("U3", 3, 1),
    "p": _plain("PhaseShift", 1, 1),
    "id": _plain("I", 0, 1),
    "x": _plain("X", 0, 1),
    "y": _plain("Y", 0, 1),
    "z": _plain("Z", 0, 1),
    "h": _plain("H", 0, 1),
    "s": _plain("S", 0, 1),
    "sdg": _plain("Sdg", 0, 1),
    "t": _plain("T", 0, 1),
    "tdg": _plain("Tdg", 0, 1),
    "sx": _plain("SX", 0, 1),
    "sxdg": _plain("SXdg", 0, 1),
    "rx": _plain("RX", 1, 1),
    "ry": _plain("RY", 1, 1),
    "rz": _plain("RZ", 1, 1),
    "cx": _plain("CX", 0, 2),
    "cy": _plain("CY", 0, 2),
    "cz": _plain("CZ", 0, 2),
    "ch": _plain("CH", 0, 2),
    "csx": _plain("SX", 0, 2, 1),
    "swap": _plain("SWAP", 0, 2),
    "crx": _plain("CRX", 1, 2),
    "cry": _plain("CRY", 1, 2),
    "crz": _plain("CRZ", 1, 2),
    "cu1": _plain("CPhase", 1, 2),
    "cp": _plain("CPhase", 1, 2),
    "cu3": _plain("U3", 3, 2, 1),
    "cu": Gate(
        4,
        2,
        lambda theta, phi, lam, gamma: (
            ("PhaseShift", (0,), (), (gamma,)),
            ("U3", (1,), (0,), (theta, phi, lam)),
        ),
        2,
    ),
    "rxx": _plain("RXX", 1, 2),
    "rzz": _plain("RZZ", 1, 2),
    "ccx": _plain("CCX", 0, 3),
    "cswap": _plain("CSWAP", 0, 3),
    "rccx": _sequence(3, "H2 T2 CX12 Tdg2 CX02 T2 CX12 Tdg2 H2"),
    "rc3x": _sequence(
        4, "H3 T3 CX23 Tdg3 H3 CX03 T3 CX13 Tdg3 CX03 T3 CX13 Tdg3 H3 T3 CX23 Tdg3 H3"
    ),
    "c3x": _plain("X", 0, 4, 3),
    "c3sqrtx": _plain("SX", 0, 4, 3),
    "c4x": _plain("X", 0, 5, 4),
    "ryy": _plain("RYY", 1, 2),
    "iswap": _plain("ISWAP", 0, 2),
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
