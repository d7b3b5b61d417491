"""The gates that OpenQASM 3 programs have without defining them, and those that they define."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from qstore_tf.circuits.formats.conversion import Unconvertible, global_phase
from qstore_tf.circuits.gates import GATES
from qstore_tf.circuits.operation import Operation
from qstore_tf.circuits.symbols import Affine

Gate = Callable[..., list[Operation]]
"""Makes the operations of a gate from `(qubits, params)`."""

Definition = tuple[int, int, Gate]
"""Qubits, parameters, what it is."""


def _table(name: str, *, phase: Callable[..., Affine] | None = None) -> Gate:
    """A gate of the gate table, perhaps with a global phase by which OpenQASM's differs."""

    def make(qubits: Sequence[int], params: Sequence[Affine]) -> list[Operation]:
        more = [] if phase is None else list(global_phase(phase(*params)))
        return [*more, Operation(name, tuple(qubits), tuple(params))]

    return make


def _u2(qubits: Sequence[int], params: Sequence[Affine]) -> list[Operation]:
    phi, lam = params
    more = global_phase((phi + lam) * -0.5)
    return [*more, Operation("U3", tuple(qubits), (Affine(math.pi / 2), phi, lam))]


def _cu(qubits: Sequence[int], params: Sequence[Affine]) -> list[Operation]:
    theta, phi, lam, gamma = params
    control, target = qubits
    return [
        *_phase_where(gamma, control),
        Operation("U3", (target,), (theta, phi, lam), (control,)),
    ]


def _phase_where(angle: Affine, control: int) -> list[Operation]:
    return [] if angle == Affine() else [Operation("PhaseShift", (control,), (angle,))]


# stdgates.inc, and the built-in U: name -> (qubits, parameters, what it is).
STANDARD: Mapping[str, Definition] = {
    **{
        name: (row.n_qubits or 0, row.n_params, _table(row.name))
        for row in GATES.values()
        for name in row.qasm3
    },
    "U": (1, 3, _table("U3")),
    "cu": (2, 4, _cu),
    "u2": (1, 2, _u2),
    "u3": (1, 3, _table("U3", phase=lambda theta, phi, lam: (phi + lam) * -0.5)),
}
BUILT_IN = ("U",)


class Gates:
    """The gates that can be called; a definition sees only those before it, and so ends."""

    def __init__(self) -> None:
        self._own: dict[str, tuple[int, Definition]] = {}
        self._included: int | None = None
        self.seen: int | None = None

    def __len__(self) -> int:
        return len(self._own)

    def include(self) -> None:
        """Makes the standard gates known."""
        if self._included is None:
            self._included = len(self._own)

    def define(self, name: str, definition: Definition) -> None:
        """Adds a gate, which may take the place of a standard one."""
        if name in self._own or name in BUILT_IN:
            raise Unconvertible(f"gate {name[:80]!r} is defined twice", "Rename one.")
        self._own[name] = (len(self._own), definition)

    def find(self, name: str) -> Definition:
        """The gate of that name."""
        limit = len(self._own) if self.seen is None else self.seen
        order, definition = self._own.get(name, (limit, None))
        if definition is not None and order < limit:
            return definition
        if name in BUILT_IN:
            return STANDARD[name]
        if name in STANDARD and self._included is not None and self._included <= limit:
            return STANDARD[name]
        hint = (
            'Write include "stdgates.inc"; at the start.'
            if name in STANDARD
            else "Define it first, with `gate`."
        )
        raise Unconvertible(f"gate {name[:80]!r} is not defined", hint)
