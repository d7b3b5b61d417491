"""Numbers and parameters in few characters."""

from __future__ import annotations

import math

from qstore_tf.circuits.symbols import Affine

_MAX_LABEL = 24
_DENOMINATORS = (1, 2, 3, 4, 6, 8, 16)


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
