"""Native circuits of one structure and many numbers: checked and written as a whole batch.

What IonQ's service takes as a number, in turns as in the gate table (docs.ionq.com, native gates of
API v0.3):

    phase, phases        [-1, 1]
    angle of ms          [0, 0.25]
    angle of zz          no range is published: [0, 0.25], or (-0.5, 0.5] with `signed_zz=True`

A number outside is an error, never wrapped or clipped here: that is the compiler's work, which
knows what a changed sign does to the neighbours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf import limits
from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.gates import GATES
from qstore_tf.circuits.operation import read_integer, read_qubits
from qstore_tf.errors import CircuitError, ConversionError, describe
from qstore_tf.ionq.job_input import MAX_BYTES as MAX_BYTES
from qstore_tf.ionq.job_input import MAX_GATES as MAX_GATES
from qstore_tf.ionq.job_input import Entry, JobTemplate
from qstore_tf.ionq.targets import Target, lookup


@dataclass(frozen=True)
class Range:
    """The numbers, in turns, that the service takes somewhere.

    Attributes:
        low: The least.
        high: The largest.
        text: Both, as an error shows them.
        hint: What to do about a number outside.
    """

    low: float
    high: float
    text: str
    hint: str


PHASE = Range(-1.0, 1.0, "[-1, 1]", "Whole turns of a phase change nothing: take them away")
MS_ANGLE = Range(0.0, 0.25, "[0, 0.25]", "MS(f0, f1, -t) is MS(f0 + 0.5, f1, t)")
ZZ_ANGLE = Range(0.0, 0.25, "[0, 0.25]", "Use signed_zz=True if the machine takes (-0.5, 0.5]")
SIGNED = Range(
    math.nextafter(-0.5, 0.0), 0.5, "(-0.5, 0.5]", "Half a turn of ZZ is Z on both qubits"
)

# What the parameters of each native gate are, in the order of the gate table.
PARAMETERS: dict[str, tuple[tuple[str, Range], ...]] = {
    "GPi": (("phase", PHASE),),
    "GPi2": (("phase", PHASE),),
    "MS": (("first phase", PHASE), ("second phase", PHASE), ("angle", MS_ANGLE)),
    "ZZ": (("angle", ZZ_ANGLE),),
}


@dataclass(frozen=True)
class NativeTemplate(JobTemplate):
    """The gates of a native circuit, to be written with many sets of numbers.

    Attributes:
        n_qubits: Number of qubits.
        gates: `(gate, qubits)` in time order, with the gate's name in the gate table.
        signed_zz: Whether ZZ may have angles in (-0.5, 0.5] turns.

    Raises:
        CircuitError: A gate is not native, or its qubits are not in the circuit or not different.

    Example:
        >>> template = NativeTemplate(2, (("GPi2", (0,)), ("ZZ", (0, 1))))
        >>> template.n_values
        2
        >>> template.text([[0.5, 0.25], [0.75, 0.1]])[:69]
        '{"gateset":"native","qubits":2,"circuits":[{"circuit":[{"gate":"gpi2"'
    """

    gateset: ClassVar[str] = "native"
    n_qubits: int
    gates: tuple[tuple[str, tuple[int, ...]], ...]
    signed_zz: bool = False

    def __post_init__(self) -> None:
        n_qubits = read_integer(self.n_qubits, "The number of qubits")
        limits.QUBITS.check(n_qubits, "A native circuit", CircuitError)
        gates = tuple((gate, read_qubits(qubits)) for gate, qubits in self.gates)
        for position, (gate, qubits) in enumerate(gates):
            if gate not in PARAMETERS:
                raise CircuitError(_not_native(position, gate))
            wanted = GATES[gate].n_qubits
            different = len(set(qubits)) == len(qubits) == wanted
            if not different or not all(0 <= q < n_qubits for q in qubits):
                raise CircuitError(
                    describe(
                        f"Gate {position}, {gate}, has unusable qubits",
                        expected=f"{wanted} of 0 to {n_qubits - 1}, different",
                        received=qubits,
                    )
                )
        object.__setattr__(self, "n_qubits", n_qubits)
        object.__setattr__(self, "gates", gates)

    @classmethod
    def of(
        cls, circuit: Circuit, target: Target | str | None = None, *, signed_zz: bool = False
    ) -> NativeTemplate:
        """Returns the template of a circuit, the values of whose parameters do not matter.

        Args:
            circuit: Gates GPi, GPi2, MS and ZZ without controls; measurement markers are left out.
            target: The machine that it must fit; None to take every native gate.
            signed_zz: Whether ZZ may have angles in (-0.5, 0.5]; a target may allow it too.

        Raises:
            CircuitError: A gate is not native, or the circuit does not fit the target.

        Example:
            >>> NativeTemplate.of(Circuit(1).add_gate("GPi", 0, "x"), "aria-1").gates
            (('GPi', (0,)),)
        """
        if not isinstance(circuit, Circuit):
            raise CircuitError(
                describe("This is not a circuit of qstore_tf", received=type(circuit).__name__)
            )
        operations = [op for op in circuit.operations if not op.is_measurement]
        for position, op in enumerate(operations):
            if op.controls or op.gate not in PARAMETERS:
                raise CircuitError(_not_native(position, op.label))
        if target is not None:
            machine = lookup(target)
            machine.check(circuit.n_qubits, [op.gate for op in operations])
            signed_zz = signed_zz or machine.signed_zz
        return cls(circuit.n_qubits, tuple([(op.gate, op.targets) for op in operations]), signed_zz)

    @cached_property
    def n_values(self) -> int:
        """How many numbers a circuit has: all parameters of all gates, in time order."""
        return len(self._slots)

    @cached_property
    def _slots(self) -> list[tuple[int, str, Range]]:
        """Position of the gate, name and range of each number."""
        return [
            (position, name, SIGNED if gate == "ZZ" and self.signed_zz else allowed)
            for position, (gate, _) in enumerate(self.gates)
            for name, allowed in PARAMETERS[gate]
        ]

    @cached_property
    def _bounds(self) -> NDArray[np.float64]:
        pairs = [(allowed.low, allowed.high) for _, _, allowed in self._slots]
        bounds: NDArray[np.float64] = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
        return bounds

    def check(self, values: ArrayLike) -> NDArray[np.float64]:
        """Returns numbers as an array after checking shape and ranges.

        Args:
            values: Shape [B, n_values], turns.

        Raises:
            InputError: The shape does not fit, or these are no real numbers.
            ConversionError: A number is not finite or out of its range; the message names circuit,
                gate, position, value and range.
        """
        array = self._numbers(values)
        low, high = self._bounds
        legal = (array >= low) & (array <= high)  # false for NaN
        if not legal.all():
            row, column = (int(k) for k in np.argwhere(~legal)[0])
            position, name, allowed = self._slots[column]
            gate, qubits = self.gates[position]
            where = f"Circuit {row}, gate {position}" if len(array) > 1 else f"Gate {position}"
            raise ConversionError(
                describe(
                    f"{where}, {gate} on {list(qubits)}: the service refuses its {name}",
                    expected=f"turns in {allowed.text}",
                    received=float(array[row, column]),
                    hint=allowed.hint,
                )
            )
        return array + 0.0  # so that a negative zero is written as zero

    def _entries(self, rows: list[list[Any]]) -> list[list[Entry]]:
        """Returns the gates of each row of numbers; made gate by gate, because that is faster."""
        columns = list(zip(*rows, strict=True))
        gates: list[list[Entry]] = []
        first = 0
        for gate, qubits in self.gates:
            word, column = GATES[gate].ionq, columns[first] if rows else ()
            if gate == "MS":
                three = zip(*columns[first : first + 3], strict=True)
                made = [
                    {"gate": word, "targets": [*qubits], "phases": [f0, f1], "angle": t}
                    for f0, f1, t in three
                ]
            elif gate == "ZZ":
                made = [{"gate": word, "targets": [*qubits], "angle": t} for t in column]
            else:
                made = [{"gate": word, "target": qubits[0], "phase": f} for f in column]
            gates.append(made)
            first += len(PARAMETERS[gate])
        return [list(circuit) for circuit in zip(*gates, strict=True)] or [[] for _ in rows]


def _not_native(position: int, gate: str) -> str:
    return describe(
        f"Gate {position} is no native gate of IonQ's",
        expected=f"{', '.join(PARAMETERS)}, without controls",
        received=gate,
        hint="Compile the circuit for a target first",
    )
