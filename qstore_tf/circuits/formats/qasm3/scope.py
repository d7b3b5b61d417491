"""The names of an OpenQASM 3 program and what they stand for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from qstore_tf.circuits.formats.conversion import Unconvertible
from qstore_tf.circuits.formats.qasm3.work import Work
from qstore_tf.circuits.symbols import Affine


class Qubits(tuple[int, ...]):
    """A register, an alias or one qubit."""


class Bits:
    """Classical bits, which hold nothing that could be read."""


class Time:
    """A duration or stretch, which changes no state."""


class Inputs:
    """An array of inputs, whose symbols are made where they are used."""

    def __init__(self, name: str, size: int) -> None:
        self._name = name
        self.size = size

    def __getitem__(self, k: int) -> Affine:
        return Affine.symbol(f"{self._name}[{k % self.size}]")


class Scope:
    """Names and what they are: a number, a tuple (an array) or one of the classes above.

    Args:
        outer: the scope around it.
        work: what counts the work; by default that of the scope around.
        seen: how many names of the scope around can be seen, of constants only; None for all.
    """

    def __init__(
        self, outer: Scope | None = None, work: Work | None = None, seen: int | None = None
    ) -> None:
        self._outer = outer
        self._seen = seen
        self._names: dict[str, tuple[int, Any]] = {}
        if work is None:
            assert outer is not None, "the outermost scope is given what counts the work"
            work = outer.work
        self.work: Work = work

    def __len__(self) -> int:
        return len(self._names)

    def get(self, name: str) -> Any:
        """What a name is; None if it is not declared here or around here."""
        found = self._names.get(name)
        if found is not None:
            return found[1]
        if self._outer is None:
            return CONSTANTS.get(name)
        if self._seen is None:
            return self._outer.get(name)
        order, value = self._outer._names.get(name, (-1, CONSTANTS.get(name)))
        return value if order < self._seen and isinstance(value, (int, float, tuple)) else None

    def declare(self, name: str, value: Any) -> None:
        """Gives a name a meaning.

        Raises:
            Unconvertible: it has one in this scope.
        """
        if name in self._names:
            raise Unconvertible(f"{name[:80]!r} is declared twice", "Rename one.")
        self._names[name] = (len(self._names), value)

    def measure_into(self, name: str) -> None:
        """Makes bits hold what is not known."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope._names:
                scope._names[name] = (scope._names[name][0], Bits())
                return
            scope = scope._outer
        raise Unconvertible(f"{name[:80]!r} is not declared", "Declare it, as in 'bit[2] c;'.")


CONSTANTS: Mapping[str, float] = {
    "pi": math.pi,
    "π": math.pi,
    "tau": 2 * math.pi,
    "τ": 2 * math.pi,
    "euler": math.e,
    "ℇ": math.e,
}
