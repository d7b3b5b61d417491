"""Circuits drawn as text."""

from __future__ import annotations

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.drawing.labels import affine_text
from qstore_tf.circuits.drawing.layout import Glyph, columns
from qstore_tf.circuits.symbols import Affine


def draw_text(circuit: Circuit, width: int = 100) -> str:
    """Draws a circuit as text, one wire per qubit.

    Args:
        circuit: the circuit.
        width: characters per line; longer circuits go on below.

    Returns:
        The lines, joined; a global phase on a line of its own at the end.

    Raises:
        CircuitError: The picture would have more cells than the limit.

    >>> print(draw_text(Circuit(2).add_gate("H", [0]).add_gate("CX", [0, 1])))
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
