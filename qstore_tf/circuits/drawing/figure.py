"""Circuits drawn with Matplotlib, in units of inches at font scale 1."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Arc, Circle, FancyBboxPatch

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.drawing.labels import number_text
from qstore_tf.circuits.drawing.layout import Glyph, columns
from qstore_tf.circuits.symbols import Affine
from qstore_tf.errors import CircuitError, describe

MAX_HEIGHT = 200.0
MAX_GLYPHS = 20_000

_WIRE_GAP = 0.62
_ROW_GAP = 0.55
_BOX_HEIGHT = 0.46
_MIN_BOX_WIDTH = 0.46
_COLUMN_GAP = 0.17
_NAME_SIZE = 10.5
_PARAM_SIZE = 7.5
_NAME_CHARACTER = 0.098
_PARAM_CHARACTER = 0.065
_MAX_PARAM = 18
_ROW_WIDTH = 13.0

_INK = "#1f2933"
_WIRE = "#8896a6"
_GREY = "#e4e7eb"
# Fill by what a gate does: fixed, rotation about X, Y, Z, entangling, anything else.
_FILLS = {
    "fixed": "#dbeafe",
    "x": "#fde2dd",
    "y": "#fdf0c8",
    "z": "#d6f2e1",
    "two": "#e7defa",
    "other": _GREY,
}
_LINE_COLOUR = "#3b5b8c"

_GREEK = frozenset(
    (
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "zeta",
        "eta",
        "theta",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
        "pi",
        "rho",
        "sigma",
        "tau",
        "phi",
        "chi",
        "psi",
        "omega",
        "Gamma",
        "Delta",
        "Theta",
        "Lambda",
        "Xi",
        "Pi",
        "Sigma",
        "Phi",
        "Psi",
        "Omega",
    )
)
_SYMBOL = re.compile(r"([A-Za-z]+)((?:_?\d+)*)")


def picture(circuit: Circuit, ax: Axes | None = None) -> Figure:
    """Draws a circuit; see `draw_mpl`."""
    placed, phase = columns(circuit)
    rows = _rows(placed)
    n_qubits = circuit.n_qubits
    margin = 0.32 + 0.09 * len(str(n_qubits - 1))
    row_height = n_qubits * _WIRE_GAP
    note = 0.35 if phase != Affine() else 0.0
    width = margin + max(row.width for row in rows) + 0.3
    height = len(rows) * row_height + (len(rows) - 1) * _ROW_GAP + 0.25 + note
    if height > MAX_HEIGHT or sum(map(len, placed)) > MAX_GLYPHS:
        raise CircuitError(
            describe(
                "The circuit is too long for a picture",
                expected=f"at most {MAX_GLYPHS} gates and {MAX_HEIGHT:g} inches",
                received=f"{sum(map(len, placed))} gates, {height:.0f} inches",
                hint="Draw a part of it, or use text: circuit.draw('text').",
            )
        )
    if ax is None:
        figure = Figure(figsize=(width, height), dpi=120, facecolor="white")
        axes, scale = figure.add_axes((0.0, 0.0, 1.0, 1.0)), 1.0
    else:
        axes = ax
        parent = ax.get_figure(root=True)
        assert parent is not None
        figure = parent
        frame = ax.get_window_extent()
        scale = min(frame.width / width, frame.height / height) / figure.dpi
    axes.set_xlim(0, width)
    axes.set_ylim(-height, 0)
    axes.set_aspect("equal", anchor="NW" if ax is None else "C")
    axes.axis("off")
    top = 0.12
    for number, row in enumerate(rows):
        painter = _Painter(axes, scale, -top - _WIRE_GAP / 2)
        goes_on = number < len(rows) - 1
        painter.wires(n_qubits, margin, row.width, begins=number == 0, ends=not goes_on)
        left = margin + _COLUMN_GAP
        for column, column_width in zip(row.columns, row.widths, strict=True):
            for shown in column:
                painter.glyph(shown, left + column_width / 2)
            left += column_width + _COLUMN_GAP
        top += row_height + _ROW_GAP
    if note:
        text = f"global phase  {_affine_math(phase)}"
        axes.text(margin, -height + 0.2, text, fontsize=8.5 * scale, color=_INK, va="center")
    return figure


@dataclass
class _Row:
    columns: list[list[Glyph]]
    widths: list[float]

    @property
    def width(self) -> float:
        return sum(self.widths) + _COLUMN_GAP * (len(self.widths) + 1)


def _rows(placed: list[list[Glyph]]) -> list[_Row]:
    rows = [_Row([], [])]
    for column in placed:
        width = max(_width(shown) for shown in column)
        if rows[-1].columns and rows[-1].width + width + _COLUMN_GAP > _ROW_WIDTH:
            rows.append(_Row([], []))
        rows[-1].columns.append(column)
        rows[-1].widths.append(width)
    # An empty circuit still shows its wires.
    if not rows[0].columns:
        rows[0].widths.append(0.6)
        rows[0].columns.append([])
    return rows


def _width(shown: Glyph) -> float:
    if shown.sign != "box":
        return 0.34 if shown.sign != "meter" else _MIN_BOX_WIDTH
    name = len(shown.name) * _NAME_CHARACTER
    params = len(_plain(", ".join(_params(shown)))) * _PARAM_CHARACTER
    return max(_MIN_BOX_WIDTH, name + 0.18, params + 0.16)


def _params(shown: Glyph) -> list[str]:
    labels = [_affine_math(param) for param in shown.params]
    while len(labels) > 1 and len(_plain(", ".join(labels))) > _MAX_PARAM + 6:
        labels = [*labels[:-2], "…"]
    return labels


class _Painter:
    """Paints one row of a picture, whose first wire is at height `y`."""

    def __init__(self, axes: Axes, scale: float, y: float) -> None:
        self._axes, self._scale, self._y = axes, scale, y

    def _wire(self, qubit: int) -> float:
        return self._y - qubit * _WIRE_GAP

    def _line(self, x: Any, y: Any, colour: str, width: float, z: int, style: str = "-") -> None:
        self._axes.plot(
            x, y, color=colour, lw=width * self._scale, zorder=z, ls=style, solid_capstyle="butt"
        )

    def _text(self, x: float, y: float, text: str, size: float, **kwargs: Any) -> None:
        defaults: dict[str, Any] = {"ha": "center", "va": "center", "color": _INK, "zorder": 5}
        self._axes.text(x, y, text, fontsize=size * self._scale, **(defaults | kwargs))

    def wires(self, count: int, left: float, width: float, begins: bool, ends: bool) -> None:
        """The wires of a row, with dots where they come from or go on to another row."""
        for qubit in range(count):
            y = self._wire(qubit)
            self._line([left, left + width], [y, y], _WIRE, 1.0, 1)
            self._text(left - 0.08, y, f"$q_{{{qubit}}}$", 10.5, ha="right")
            for there, x in ((not begins, left - 0.02), (not ends, left + width + 0.02)):
                if there:
                    step = 0.07 if x > left else -0.0
                    end = x + 0.18 if x > left else x
                    self._line([x + step, end], [y, y], _WIRE, 1.0, 1, ":")

    def glyph(self, shown: Glyph, x: float) -> None:
        """One operation, centred at `x`."""
        if len(shown.span) > 1:
            ends = [self._wire(shown.span[0]), self._wire(shown.span[-1])]
            self._line([x, x], ends, _LINE_COLOUR, 1.5, 2)
        for qubit in shown.controls:
            self._dot(x, self._wire(qubit))
        if shown.sign == "box":
            self._boxes(shown, x)
        for qubit in shown.targets:
            y = self._wire(qubit)
            if shown.sign == "dot":
                self._dot(x, y)
            elif shown.sign == "flip":
                self._flip(x, y)
            elif shown.sign == "swap":
                self._cross(x, y)
            elif shown.sign == "meter":
                self._meter(x, y)

    def _dot(self, x: float, y: float) -> None:
        self._axes.add_patch(Circle((x, y), 0.062, fc=_LINE_COLOUR, ec="none", zorder=4))

    def _flip(self, x: float, y: float) -> None:
        radius = 0.135
        circle = Circle((x, y), radius, fc="white", ec=_LINE_COLOUR, lw=1.5 * self._scale, zorder=3)
        self._axes.add_patch(circle)
        self._line([x - radius, x + radius], [y, y], _LINE_COLOUR, 1.5, 4)
        self._line([x, x], [y - radius, y + radius], _LINE_COLOUR, 1.5, 4)

    def _cross(self, x: float, y: float) -> None:
        arm = 0.09
        self._line([x - arm, x + arm], [y - arm, y + arm], _LINE_COLOUR, 1.8, 4)
        self._line([x - arm, x + arm], [y + arm, y - arm], _LINE_COLOUR, 1.8, 4)

    def _box(self, x: float, top: float, bottom: float, width: float, fill: str) -> None:
        edge = 0.05
        self._axes.add_patch(
            FancyBboxPatch(
                (x - width / 2 + edge, bottom + edge),
                width - 2 * edge,
                top - bottom - 2 * edge,
                boxstyle=f"round,pad={edge}",
                fc=fill,
                ec=_INK,
                lw=0.9 * self._scale,
                zorder=3,
            )
        )

    def _meter(self, x: float, y: float) -> None:
        half = _BOX_HEIGHT / 2
        self._box(x, y + half, y - half, _MIN_BOX_WIDTH, "white")
        arc = Arc((x, y - 0.09), 0.27, 0.25, theta1=0, theta2=180, color=_INK, zorder=5)
        arc.set_linewidth(1.1 * self._scale)
        self._axes.add_patch(arc)
        self._line([x, x + 0.11], [y - 0.09, y + 0.12], _INK, 1.1, 5)

    def _boxes(self, shown: Glyph, x: float) -> None:
        width = _width(shown)
        fill = _FILLS[shown.colour]
        half = _BOX_HEIGHT / 2
        ordered = sorted(shown.targets)
        together = len(ordered) > 1 and ordered[-1] - ordered[0] == len(ordered) - 1
        params = ", ".join(_params(shown))
        if together:
            top, bottom = self._wire(ordered[0]) + half, self._wire(ordered[-1]) - half
            self._box(x, top, bottom, width, fill)
            self._label(x, (top + bottom) / 2, shown.name, params)
            for position, qubit in enumerate(shown.targets if shown.ordered else ()):
                corner = x - width / 2 + 0.07
                self._text(corner, self._wire(qubit) + 0.14, str(position), 6.0, color="#52606d")
            return
        for position, qubit in enumerate(shown.targets):
            y = self._wire(qubit)
            self._box(x, y + half, y - half, width, fill)
            name = f"{shown.name}$_{{{position}}}$" if shown.ordered else shown.name
            self._label(x, y, name, params if position == 0 else "")

    def _label(self, x: float, y: float, name: str, params: str) -> None:
        if not params:
            self._text(x, y - 0.01, name, _NAME_SIZE)
            return
        self._text(x, y + 0.085, name, _NAME_SIZE - 1)
        self._text(x, y - 0.11, params, _PARAM_SIZE)


def _plain(text: str) -> str:
    """About the characters that a mathtext label shows."""
    return re.sub(r"\\([A-Za-z]+)", "a", re.sub(r"\\mathrm|[${}_^]", "", text))


def _affine_math(value: Affine) -> str:
    """An affine parameter as mathtext; long ones are cut after whole terms."""
    parts: list[str] = []
    for name, coefficient in value.terms:
        factor = {1.0: "", -1.0: "-"}.get(coefficient, number_text(coefficient))
        symbol = _symbol_math(name)
        dot = "" if factor in ("", "-") or symbol.startswith("$") else "·"
        parts.append(f"{factor}{dot}{symbol}")
    if value.constant or not parts:
        parts.append(number_text(value.constant))
    text = parts[0]
    for number, part in enumerate(parts[1:], 1):
        longer = text + (part if part[0] == "-" else "+" + part)
        if len(_plain(longer)) > _MAX_PARAM or number > 2:
            return text + "+…"
        text = longer
    return text.replace("-", "\u2212")


def _symbol_math(name: str) -> str:
    match = _SYMBOL.fullmatch(name)
    if match is None:
        shown = name if len(name) <= _MAX_PARAM else name[: _MAX_PARAM - 1] + "…"
        return shown.replace("$", r"\$")
    stem, digits = match.groups()
    if stem in _GREEK:
        letters = rf"\{stem}"
    elif len(stem) == 1:
        letters = stem
    else:
        letters = rf"\mathrm{{{stem[:_MAX_PARAM]}}}"
    index = ",".join(filter(None, digits.split("_")))
    return f"${letters}_{{{index}}}$" if index else f"${letters}$"
