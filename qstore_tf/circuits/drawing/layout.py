"""Which gate stands in which column of a picture, and with what sign."""

from __future__ import annotations

from dataclasses import dataclass

from qstore_tf import limits
from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.gates import lookup
from qstore_tf.circuits.operation import Operation
from qstore_tf.circuits.symbols import Affine
from qstore_tf.errors import CircuitError

# Gates that are drawn without a box; X and Z only under controls.
_SIGNS = {"Measure": "meter", "SWAP": "swap", "X": "flip", "Z": "dot"}


@dataclass(frozen=True)
class Glyph:
    """What a picture shows of one operation.

    Attributes:
        name: short name of the gate on the targets.
        sign: "box", "flip" (a circled plus), "swap" (a cross), "dot" or "meter".
        colour: the kind of gate, as in the gate table.
        params: the parameters.
        targets: qubits with the box or sign.
        controls: qubits with a dot.
        ordered: whether it matters which target is which.
    """

    name: str
    sign: str
    colour: str
    params: tuple[Affine, ...]
    targets: tuple[int, ...]
    controls: tuple[int, ...]
    ordered: bool

    @property
    def span(self) -> range:
        """All qubits from the first to the last one touched."""
        qubits = self.targets + self.controls
        return range(min(qubits), max(qubits) + 1)


def glyph(operation: Operation) -> Glyph:
    """What a picture shows of an operation that has qubits.

    >>> glyph(Operation("CX", (2, 0))).sign
    'flip'
    """
    plain = operation.with_plain_controls()
    row, targets, controls = plain.row, plain.targets, plain.controls
    if row.n_qubits == 0:  # a phase stands on its controls
        row, targets, controls = lookup("PhaseShift"), controls[-1:], controls[:-1]
    sign = _SIGNS.get(row.name, "box")
    if sign in ("flip", "dot") and not controls:
        sign = "box"
    ordered = len(targets) > 1 and not row.symmetric
    params = tuple(map(_rounded, plain.params)) if row.native else plain.params
    return Glyph(row.label or row.name, sign, row.colour, params, targets, controls, ordered)


def _rounded(turns: Affine) -> Affine:
    """Computed turns without the remains of rounding, and never taken for a part of pi.

    >>> _rounded(Affine(-1.4e-17)).constant == 0, _rounded(Affine(0.19634954)).constant
    (True, 0.1963)
    """
    return Affine(round(turns.constant, 4), turns.terms)


def columns(circuit: Circuit) -> tuple[list[list[Glyph]], Affine]:
    """The glyphs column by column, each as far left as it can go, and the global phase.

    Two gates share a column only if no line of one crosses the other.

    >>> len(columns(Circuit(2).add_gate("H", [0]).add_gate("H", [1]))[0])
    1
    """
    placed: list[list[Glyph]] = []
    free = [0] * circuit.n_qubits
    phase = Affine()
    for operation in circuit.operations:
        if not operation.qubits:
            phase = phase + operation.params[0]
            continue
        shown = glyph(operation)
        column = max(free[q] for q in shown.span)
        if column == len(placed):
            placed.append([])
            cells = circuit.n_qubits * len(placed)
            limits.CELLS.check(cells, "A picture of this circuit", CircuitError)
        placed[column].append(shown)
        for qubit in shown.span:
            free[qubit] = column + 1
    return placed, phase
