"""Circuits as pictures: which gate stands in which column, the labels, and the text form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qstore_tf import limits
from qstore_tf.circuits.circuit import UnifiedCircuit
from qstore_tf.circuits.operation import Operation
from qstore_tf.circuits.optimize import without_named_controls
from qstore_tf.circuits.symbols import Affine
from qstore_tf.errors import CircuitError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAX_LABEL = 24
_DENOMINATORS = (1, 2, 3, 4, 6, 8, 16)
_SHORT_NAMES = {"PhaseShift": "P", "Sdg": "S†", "Tdg": "T†", "SX": "√X", "SXdg": "√X†"}


@dataclass(frozen=True)
class Glyph:
    """What a picture shows of one operation.

    Attributes:
        name: short name of the gate on the targets; empty for the bare signs "swap" and "dot".
        sign: "box", "flip" (a circled plus), "swap" (a cross), "dot" or "meter".
        params: the parameters.
        targets: qubits with the box or sign.
        controls: qubits with a dot.
        ordered: whether it matters which target is which.
    """

    name: str
    sign: str
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
    plain = without_named_controls(operation)
    name, targets, controls = plain.gate, plain.targets, plain.controls
    sign = "box"
    if name == "GlobalPhase":
        name, targets, controls = "P", controls[-1:], controls[:-1]
    elif name == "Measure":
        name, sign = "M", "meter"
    elif name == "SWAP":
        sign = "swap"
    elif name == "X" and controls:
        sign = "flip"
    elif name == "Z" and controls:
        sign = "dot"
    ordered = name in ("MS", "Unitary") and len(targets) > 1
    name = "U" if name == "Unitary" else _SHORT_NAMES.get(name, name)
    return Glyph(name, sign, plain.params, targets, controls, ordered)


def columns(circuit: UnifiedCircuit) -> tuple[list[list[Glyph]], Affine]:
    """The glyphs column by column, each as far left as it can go, and the global phase.

    Two gates share a column only if no line of one crosses the other.

    >>> len(columns(UnifiedCircuit(2).add_gate("H", [0]).add_gate("H", [1]))[0])
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


def number_text(value: float) -> str:
    """A number in few characters, as a fraction of pi where it is one.

    >>> number_text(1.5707963267948966), number_text(0.123456)
    ('π/2', '0.123')
    """
    if value == 0:
        return "0"
    for denominator in _DENOMINATORS:
        numerator = value * denominator / math.pi
        whole = round(numerator)
        if whole and abs(whole) <= 16 and abs(numerator - whole) < 1e-9:
            sign = "-" if whole < 0 else ""
            factor = "" if abs(whole) == 1 else str(abs(whole))
            return f"{sign}{factor}π" + (f"/{denominator}" if denominator > 1 else "")
    return f"{value:.3g}"


def affine_text(value: Affine) -> str:
    """An affine parameter in few characters; long ones are cut.

    >>> affine_text(Affine(0.5, (("x", 2.0), ("y", -1.0))))
    '2*x-y+0.5'
    """
    parts: list[str] = []
    for name, coefficient in value.terms:
        factor = {1.0: "", -1.0: "-"}.get(coefficient, f"{number_text(coefficient)}*")
        parts.append(f"{factor}{name}")
    if value.constant or not parts:
        parts.append(number_text(value.constant))
    text = parts[0] + "".join(part if part[0] == "-" else f"+{part}" for part in parts[1:])
    return text if len(text) <= _MAX_LABEL else text[: _MAX_LABEL - 1] + "…"


def draw_text(circuit: UnifiedCircuit, width: int = 100) -> str:
    """Draws a circuit as text, one wire per qubit.

    Args:
        circuit: the circuit.
        width: characters per line; longer circuits go on below.

    Returns:
        The lines, joined; a global phase on a line of its own at the end.

    Raises:
        CircuitError: The picture would have more cells than the limit.

    >>> print(draw_text(UnifiedCircuit(2).add_gate("H", [0]).add_gate("CX", [0, 1])))
    q0: ─H─●─
           │
    q1: ───X─
    """
    n_qubits = circuit.n_qubits
    placed, phase = columns(circuit)
    names = [f"q{q}: " for q in range(n_qubits)]
    margin = max(map(len, names))
    blocks: list[list[str]] = []
    rows: list[str] = []

    def begin() -> None:
        nonlocal rows
        rows = []
        for q in range(n_qubits):
            rows += [names[q].ljust(margin) + "─", " " * (margin + 1)]

    begin()
    empty = True
    for column in placed:
        cells = _column_cells(column, n_qubits)
        if not empty and len(rows[0]) + len(cells[0]) > width:
            blocks.append(rows)
            begin()
        empty = False
        rows = [row + cell for row, cell in zip(rows, cells, strict=True)]
    blocks.append(rows)
    texts = ["\n".join(row.rstrip() for row in block[:-1]) for block in blocks]
    text = "\n\n".join(texts)
    if phase != Affine():
        text += f"\n\nglobal phase: {affine_text(phase)}"
    return text


def _column_cells(column: list[Glyph], n_qubits: int) -> list[str]:
    """The characters of one column: per qubit its wire and the gap below it."""
    labels: dict[int, str] = {}
    crossed: set[int] = set()
    joined: set[int] = set()
    for shown in column:
        labels.update(_labels(shown))
        span = shown.span
        joined.update(span[:-1])
        crossed.update(q for q in span if q not in shown.targets + shown.controls)
    width = max(map(len, labels.values()))
    middle = (width - 1) // 2
    cells = []
    for q in range(n_qubits):
        label = labels.get(q, "┼" if q in crossed else "")
        left = middle - (len(label) - 1) // 2 if label else 0
        cells.append(("─" * left + label).ljust(width, "─") + "─")
        gap = " " * middle + "│" if q in joined else ""
        cells.append(gap.ljust(width + 1))
    return cells


def _labels(shown: Glyph) -> dict[int, str]:
    labels = dict.fromkeys(shown.controls, "●")
    params = ",".join(affine_text(param) for param in shown.params)
    for position, qubit in enumerate(shown.targets):
        if shown.sign == "dot":
            labels[qubit] = "●"
        elif shown.sign == "swap":
            labels[qubit] = "×"
        else:
            index = f"[{position}]" if shown.ordered else ""
            suffix = f"({params})" if params and position == 0 else ""
            labels[qubit] = shown.name + index + suffix
    return labels


def draw_mpl(circuit: UnifiedCircuit, ax: Any = None) -> Figure:
    """Draws a circuit with Matplotlib.

    Long circuits go on in further rows; labels show symbols and fractions of pi.

    Args:
        circuit: the circuit.
        ax: Matplotlib axes to draw into; by default a new figure of fitting size.

    Returns:
        The figure; save it with `figure.savefig("circuit.png")`.

    Raises:
        CircuitError: if the circuit is too long for a picture.

    >>> len(draw_mpl(UnifiedCircuit(2).add_gate("CX", [0, 1])).axes)
    1
    """
    # Matplotlib takes long to import and only this needs it.
    from qstore_tf.circuits.picture import picture

    return picture(circuit, ax)
