"""Powers of Cirq's as gates of the table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from qstore_tf.circuits.gates import GATES, CirqPower, Gate
from qstore_tf.circuits.symbols import Affine

# A gate to add: name, local targets, parameters, local controls; or a matrix for "Unitary".
Step = tuple[str, tuple[int, ...], tuple[Any, ...], tuple[int, ...]]


class _Power(NamedTuple):
    """What the table has for a class of powers in Cirq.

    Attributes:
        n_qubits: Number of qubits.
        constants: The exponents that are gates without parameters, and these gates.
        rows: Gates that take the exponent as their parameter.
    """

    n_qubits: int
    constants: dict[float, str]
    rows: list[Gate]


def _table() -> dict[str, _Power]:
    found: dict[str, _Power] = {}
    for row in GATES.values():
        if row.cirq is not None:
            power = found.setdefault(row.cirq.kind, _Power(row.n_qubits or 0, {}, []))
            if row.n_params:
                power.rows.append(row)
            else:
                power.constants[row.cirq.exponent] = row.name
    return found


POWERS: Mapping[str, _Power] = _table()
"""What there is for the class of that name in `cirq`."""


def read_power(kind: str, gate: Any) -> list[Step]:
    """A power as the gate of the table that has its form, and the global phase that is left.

    Args:
        kind: The class of Cirq's that the gate is an instance of.
        gate: Anything with the `exponent` and the `global_shift` of such a gate.
    """
    exponent, shift = Affine.of(gate.exponent), gate.global_shift
    n_qubits, constants, _ = POWERS[kind]
    targets = tuple(range(n_qubits))
    name, factor, own_shift = _closest(kind, shift)
    if exponent.is_constant and exponent.constant in constants and not (name and own_shift):
        constant = constants[exponent.constant]
        return [(constant, targets, (), ()), *phase_steps(exponent, shift)]
    left = phase_steps(exponent, shift - own_shift)
    if name:
        return [(name, targets, (exponent * factor,), ()), *left]
    return [*_WITHOUT_ROW[kind][0](exponent), *left]


@lru_cache(maxsize=1024)
def _closest(kind: str, shift: float) -> tuple[str, float, float]:
    """The gate to take, its parameter divided by the exponent, and the shift that it has."""

    def mismatch(row: Gate) -> tuple[bool, bool, bool]:
        # The same shift is best, then none; of rows that differ by a factor the power itself.
        form = _form(row)
        return form.global_shift != shift, form.global_shift != 0, form.exponent != 1

    rows = POWERS[kind].rows
    if not rows:
        return "", 1.0, _WITHOUT_ROW[kind][1]
    row = min(rows, key=mismatch)
    return row.name, 1 / _form(row).exponent, _form(row).global_shift


def _form(row: Gate) -> CirqPower:
    assert row.cirq is not None
    return row.cirq


def phase_steps(exponent: Affine, shift: float) -> list[Step]:
    """The global phase exp(i pi exponent shift)."""
    if not shift:
        return []
    angle = exponent * (math.pi * shift)
    return [] if angle == Affine() else [("GlobalPhase", (), (angle,), ())]


def _hadamard(exponent: Affine) -> list[Step]:
    # H = RY(pi/4) Z RY(-pi/4), so its powers are those of Z in that frame.
    turn = Affine(math.pi / 4)
    return [
        ("RY", (0,), (-turn,), ()),
        ("ZPow", (0,), (exponent,), ()),
        ("RY", (0,), (turn,), ()),
    ]


def _swap(exponent: Affine) -> list[Step]:
    half = exponent * (math.pi / 2)
    return [(f"R{p}{p}", (0, 1), (half,), ()) for p in "XYZ"]


# Powers without a row of their own: steps on local qubits, and the global shift that these have.
_WITHOUT_ROW: Mapping[str, tuple[Callable[[Affine], list[Step]], float]] = {
    "HPowGate": (_hadamard, 0.0),
    # SWAP^t = exp(i pi t/4 (1 - XX - YY - ZZ)).
    "SwapPowGate": (_swap, -0.25),
    "ISwapPowGate": (lambda t: [("FSim", (0, 1), (t * (-math.pi / 2), Affine()), ())], 0.0),
    "CCXPowGate": (lambda t: [("XPow", (2,), (t,), (0, 1))], 0.0),
    "CCZPowGate": (lambda t: [("ZPow", (2,), (t,), (0, 1))], 0.0),
}
