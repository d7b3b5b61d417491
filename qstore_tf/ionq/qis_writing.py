"""Circuits of IonQ's gate set "qis", of one structure and many numbers, written as a whole batch.

    x y z h s si t ti v vi     one target and up to seven controls
    rx ry rz                   the same, with `rotation` in radians: exp(-i rotation/2 X), ...
    cnot                       one target and one to seven controls
    swap                       two targets
    xx yy zz                   two targets and `rotation`: exp(-i rotation/2 XX), ...

(docs.ionq.com, writing quantum programs of API v0.3; the last row is what the clients of IonQ send
for such rotations, and no control of them is documented.) The service compiles them itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf import limits
from qstore_tf.circuits.operation import read_integer, read_qubits
from qstore_tf.errors import CircuitError, ConversionError, describe
from qstore_tf.ionq.job_input import Entry, JobTemplate

MAX_CONTROLS = 7


class Word(NamedTuple):
    """What a gate of the set takes.

    Attributes:
        n_targets: Number of targets.
        turns: Whether it has a rotation.
        controls: The least and the most number of controls.
    """

    n_targets: int
    turns: bool
    controls: tuple[int, int]


WORDS: dict[str, Word] = {
    **dict.fromkeys(("x", "y", "z", "h", "s", "si", "t", "ti", "v", "vi"), Word(1, False, (0, 7))),
    **dict.fromkeys(("rx", "ry", "rz"), Word(1, True, (0, MAX_CONTROLS))),
    "cnot": Word(1, False, (1, MAX_CONTROLS)),
    "swap": Word(2, False, (0, 0)),
    **dict.fromkeys(("xx", "yy", "zz"), Word(2, True, (0, 0))),
}


class QisGate(NamedTuple):
    """A gate of the set.

    Attributes:
        word: Its name in the service's JSON.
        targets: Its targets.
        controls: The qubits that must be 1 for it to act.
        rotation: Its angle in radians, where that is the same for all circuits; None: it has none,
            or it is one of the numbers of each circuit.
    """

    word: str
    targets: tuple[int, ...]
    controls: tuple[int, ...] = ()
    rotation: float | None = None

    @property
    def has_value(self) -> bool:
        """Whether its angle is one of the numbers of each circuit."""
        return WORDS[self.word].turns and self.rotation is None


@dataclass(frozen=True)
class QisTemplate(JobTemplate):
    """The gates of a circuit of the set "qis", to be written with many sets of numbers.

    Attributes:
        n_qubits: Number of qubits.
        gates: The gates in time order.

    Raises:
        CircuitError: A gate is not of the set, or its qubits are not in the circuit, not different
            or too many.

    Example:
        >>> template = QisTemplate(2, (QisGate("h", (0,)), QisGate("rx", (1,), (0,))))
        >>> template.text([[0.5]])[51:]
        '[{"gate":"h","target":0},{"gate":"rx","target":1,"control":0,"rotation":0.5}]}]}'
    """

    gateset: ClassVar[str] = "qis"
    n_qubits: int
    gates: tuple[QisGate, ...]

    def __post_init__(self) -> None:
        n_qubits = read_integer(self.n_qubits, "The number of qubits")
        limits.QUBITS.check(n_qubits, "A circuit of the set 'qis'", CircuitError)
        gates = tuple(_checked(k, QisGate(*gate), n_qubits) for k, gate in enumerate(self.gates))
        object.__setattr__(self, "n_qubits", n_qubits)
        object.__setattr__(self, "gates", gates)

    @cached_property
    def n_values(self) -> int:
        """How many numbers a circuit has: the angles that are not fixed, in time order."""
        return len(self._slots)

    @cached_property
    def _slots(self) -> list[int]:
        """Position of the gate of each number."""
        return [position for position, gate in enumerate(self.gates) if gate.has_value]

    @property
    def gates_1q(self) -> int:
        """The number of gates on one qubit."""
        return sum(size == 1 for size in self._sizes)

    @property
    def gates_2q(self) -> int:
        """The number of gates on two qubits, as which larger ones count.

        A gate on N > 2 qubits is billed as 6 (N - 2) gates on two
        (learn.microsoft.com/azure/quantum/pricing).
        """
        return sum(6 * (size - 2) if size > 2 else 1 for size in self._sizes if size > 1)

    @property
    def _sizes(self) -> list[int]:
        return [len(gate.targets) + len(gate.controls) for gate in self.gates]

    def check(self, values: ArrayLike) -> NDArray[np.float64]:
        """Returns numbers as an array after checking them.

        Args:
            values: Shape [B, n_values], radians.

        Raises:
            InputError: The shape does not fit, or these are no real numbers.
            ConversionError: A number is not finite; the message names circuit, gate and position.
        """
        array = self._numbers(values)
        finite = np.isfinite(array)
        if not finite.all():
            row, column = (int(k) for k in np.argwhere(~finite)[0])
            position = self._slots[column]
            where = f"Circuit {row}, gate {position}" if len(array) > 1 else f"Gate {position}"
            raise ConversionError(
                describe(
                    f"{where}, {self.gates[position].word}: its rotation is unusable",
                    expected="a finite number of radians",
                    received=float(array[row, column]),
                )
            )
        return array + 0.0  # so that a negative zero is written as zero

    def _entries(self, rows: list[list[Any]]) -> list[list[Entry]]:
        columns = iter(zip(*rows, strict=True))
        gates: list[list[Entry]] = []
        for gate in self.gates:
            entry = _entry(gate)
            if gate.has_value and rows:
                gates.append([{**entry, "rotation": angle} for angle in next(columns)])
            else:
                gates.append([{**entry} for _ in rows])
        return [list(circuit) for circuit in zip(*gates, strict=True)] or [[] for _ in rows]


def _entry(gate: QisGate) -> Entry:
    """A gate without the number of a circuit."""
    entry: Entry = {"gate": gate.word}
    for field, qubits in (("target", gate.targets), ("control", gate.controls)):
        if len(qubits) == 1:
            entry[field] = qubits[0]
        elif qubits:
            entry[f"{field}s"] = [*qubits]
    if gate.rotation is not None:
        entry["rotation"] = gate.rotation
    return entry


def _checked(position: int, gate: QisGate, n_qubits: int) -> QisGate:
    if gate.word not in WORDS:
        raise CircuitError(
            describe(
                f"Gate {position} is not of IonQ's set 'qis'",
                expected=", ".join(WORDS),
                received=gate.word,
            )
        )
    n_targets, turns, (least, most) = WORDS[gate.word]
    targets, controls = read_qubits(gate.targets), read_qubits(gate.controls)
    qubits = {*targets, *controls}
    if not (
        len(targets) == n_targets
        and least <= len(controls) <= most
        and len(qubits) == len(targets) + len(controls)
        and all(0 <= qubit < n_qubits for qubit in qubits)
    ):
        raise CircuitError(
            describe(
                f"Gate {position}, {gate.word}, has unusable qubits",
                expected=f"{n_targets} targets and {least} to {most} controls of 0 to "
                f"{n_qubits - 1}, different",
                received=f"targets {targets}, controls {controls}",
            )
        )
    rotation = gate.rotation
    if rotation is not None:
        if not turns or not np.isfinite(rotation):
            raise CircuitError(
                describe(
                    f"Gate {position}, {gate.word}, has an unusable rotation",
                    expected="a finite number" if turns else "none",
                    received=rotation,
                )
            )
        rotation = float(rotation) + 0.0
    return QisGate(gate.word, targets, controls, rotation)
