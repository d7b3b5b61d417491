"""A compiled structure into which numbers are put: native gates with formulas for their numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# How many numbers are computed at once, about, and rows at least.
_NUMBERS = 30_000
_LEAST_ROWS = 16


@dataclass(frozen=True)
class NativeGate:
    """One native gate: name, wires, and the columns of its numbers in a bound template."""

    name: str
    wires: tuple[int, ...]
    columns: tuple[int, ...]


@dataclass(frozen=True)
class Numbers:
    """What binding gives, for each sample of a batch.

    Attributes:
        columns: The numbers of the gates, in turns, [B, columns].
        frames: The turn about Z, in radians, that is left on each wire at the end, [B, wires];
            it changes no outcome.
        flips: Whether an X is left on each wire, after that turn, so that its outcome is to be
            flipped, [B, wires].
    """

    columns: FloatArray
    frames: FloatArray
    flips: NDArray[np.bool_]


@dataclass(frozen=True)
class Template:
    """Native gates in time order, and the function that computes their numbers for a batch.

    Attributes:
        n_wires: The number of wires.
        gates: The gates.
        compute: Returns the numbers for values of the symbols, [symbols, B].
    """

    n_wires: int
    gates: tuple[NativeGate, ...]
    compute: Callable[[FloatArray], Numbers] = field(repr=False)

    def bind(self, values: FloatArray) -> Numbers:
        """Returns the numbers of all gates for values of the symbols, [B, symbols], radians."""
        values = np.ascontiguousarray(values.T)
        rows = max(_LEAST_ROWS, _NUMBERS // (1 + sum(len(gate.columns) for gate in self.gates)))
        n_batch = values.shape[1]
        if n_batch <= rows:
            return self.compute(values)
        # As many rows in turn as processors keep at hand, in parts of about the same size.
        bounds = np.linspace(0, n_batch, -(-n_batch // rows) + 1).astype(int)
        parts = [self.compute(values[:, a:b].copy()) for a, b in pairwise(bounds)]
        return Numbers(
            np.concatenate([part.columns.T for part in parts], axis=1).T,
            np.concatenate([part.frames.T for part in parts], axis=1).T,
            np.concatenate([part.flips.T for part in parts], axis=1).T,
        )


def in_turns(radians: FloatArray) -> FloatArray:
    """Returns angles as turns in [-1/2, 1/2]."""
    turns = radians / (2 * np.pi)
    turns -= np.rint(turns)
    return turns


def order_of_gates(
    pulses: Sequence[Sequence[Sequence[NativeGate]]],
    entanglers: Sequence[NativeGate],
) -> tuple[NativeGate, ...]:
    """Puts gates in time order.

    Args:
        pulses: For each wire, one more list than it has entanglers.
        entanglers: All entanglers in time order.
    """
    done = [0] * len(pulses)
    gates: list[NativeGate] = []
    for entangler in entanglers:
        for wire in entangler.wires:
            gates += pulses[wire][done[wire]]
            done[wire] += 1
        gates.append(entangler)
    for wire, runs in enumerate(pulses):
        gates += runs[done[wire]]
    return tuple(gates)
