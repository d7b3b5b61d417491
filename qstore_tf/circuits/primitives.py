"""The five primitives that every gate lowers to, exactly, global phase included.

Code that executes, differentiates or draws a program handles these five cases, and asks the
primitives themselves for what they have in common: their qubits, angle and inverse. `commute` says
which of them commute. Angles are `Affine` in symbols before a circuit is compiled, and `Angle` in
slots after.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from qstore_tf.circuits.symbols import Affine

if TYPE_CHECKING:
    from typing_extensions import Self

Matrix = tuple[tuple[complex, ...], ...]


def mask(qubits: Iterable[int], n_qubits: int) -> int:
    """Returns the basis-index mask of qubits; qubit 0 is the most significant bit.

    >>> bin(mask([0, 2], 3))
    '0b101'
    """
    out = 0
    for qubit in qubits:
        out |= 1 << (n_qubits - 1 - qubit)
    return out


@dataclass(frozen=True)
class Angle:
    """An angle in radians as a function of slots.

    Attributes:
        constant: The constant part.
        terms: `(kind, slot, coefficient)`; kind "i" is a column of `inputs`, "t" an entry of
            `theta`.
    """

    constant: float = 0.0
    terms: tuple[tuple[str, int, float], ...] = ()

    def evaluate(self, inputs: Sequence[float], theta: Sequence[float]) -> float:
        """Returns the angle for one sample."""
        return self.constant + sum(
            c * float((inputs if kind == "i" else theta)[slot]) for kind, slot, c in self.terms
        )

    def __neg__(self) -> Angle:
        return Angle(-self.constant, tuple((kind, slot, -c) for kind, slot, c in self.terms))

    def moved(self, n_inputs: int, n_theta: int) -> Angle:
        """Returns the angle with its slots moved on by these numbers."""
        ahead = {"i": n_inputs, "t": n_theta}
        terms = tuple((kind, slot + ahead[kind], c) for kind, slot, c in self.terms)
        return Angle(self.constant, terms)

    def to_text(self) -> str:
        """Returns the angle as the program text writes it, such as `0.5*t3,1.0*i2,0.25`."""
        parts = [f"{c!r}*{kind}{slot}" for kind, slot, c in self.terms]
        if self.constant:
            parts.append(repr(self.constant))
        return ",".join(parts) or "0"


A = TypeVar("A", Affine, Angle)


class _Placed:
    """What all primitives have in common: where they act."""

    targets: tuple[int, ...]
    controls: tuple[int, ...]

    @property
    def qubits(self) -> tuple[int, ...]:
        """All qubits: controls, then targets."""
        return (*self.controls, *self.targets)

    @property
    def is_diagonal(self) -> bool:
        """Whether its matrix is diagonal whatever its angle and its controls."""
        return False

    def control_mask(self, n_qubits: int) -> int:
        """Returns the basis-index mask of the controls.

        >>> bin(Flip(1, (0, 2)).control_mask(3))
        '0b101'
        """
        return mask(self.controls, n_qubits)

    def target_mask(self, n_qubits: int) -> int:
        """Returns the basis-index mask of the targets."""
        return mask(self.targets, n_qubits)


class _Fixed(_Placed):
    """A primitive without an angle; its `matrix` acts on the targets."""

    angle: ClassVar[None] = None
    terms: ClassVar[tuple[tuple[str, int, float], ...]] = ()
    frequencies: ClassVar[tuple[float, ...]] = ()

    def with_angle(self, change: Callable[[Angle], Angle]) -> Self:
        """Returns the primitive as it is."""
        return self


@dataclass(frozen=True)
class Rot(_Placed, Generic[A]):
    """exp(-i angle/2 P) where all controls are 1, with P a product of X, Y and Z."""

    paulis: str
    targets: tuple[int, ...]
    angle: A
    controls: tuple[int, ...] = ()

    @property
    def terms(self) -> tuple[tuple[str, int, float], ...]:
        """The terms of a compiled angle."""
        assert isinstance(self.angle, Angle)
        return self.angle.terms

    @property
    def is_diagonal(self) -> bool:
        """Whether P is a product of Z alone."""
        return set(self.paulis) <= {"Z"}

    @property
    def frequencies(self) -> tuple[float, ...]:
        """The frequencies with which expectations depend on the angle.

        The generator P/2 has the eigenvalues -1/2 and 1/2, and under control 0 as well.

        >>> Rot("XY", (0, 1), Angle()).frequencies, Rot("Z", (0,), Angle(), (1,)).frequencies
        ((1.0,), (0.5, 1.0))
        """
        return (0.5, 1.0) if self.controls else (1.0,)

    def with_angle(self, change: Callable[[A], A]) -> Rot[A]:
        """Returns the rotation with another angle, a function of its own."""
        return Rot(self.paulis, self.targets, change(self.angle), self.controls)

    def inverse(self) -> Rot[A]:
        """Returns the rotation by the opposite angle."""
        return self.with_angle(operator.neg)


@dataclass(frozen=True)
class Phase(_Placed, Generic[A]):
    """exp(i angle) where all controls are 1; without controls a global phase."""

    angle: A
    controls: tuple[int, ...] = ()

    @property
    def targets(self) -> tuple[int, ...]:  # type: ignore[override]
        """None: a phase acts on its controls."""
        return ()

    @property
    def terms(self) -> tuple[tuple[str, int, float], ...]:
        """The terms of a compiled angle."""
        assert isinstance(self.angle, Angle)
        return self.angle.terms

    @property
    def is_diagonal(self) -> bool:
        """Always."""
        return True

    @property
    def frequencies(self) -> tuple[float, ...]:
        """As in `Rot`; expectations do not see a global phase."""
        return (1.0,) if self.controls else ()

    def with_angle(self, change: Callable[[A], A]) -> Phase[A]:
        """Returns the phase with another angle, a function of its own."""
        return Phase(change(self.angle), self.controls)

    def inverse(self) -> Phase[A]:
        """Returns the opposite phase."""
        return self.with_angle(operator.neg)


@dataclass(frozen=True)
class Flip(_Fixed):
    """X on the target where all controls are 1."""

    target: int
    controls: tuple[int, ...] = ()
    matrix: ClassVar[Matrix] = ((0, 1), (1, 0))

    @property
    def targets(self) -> tuple[int, ...]:  # type: ignore[override]
        """The target."""
        return (self.target,)

    def inverse(self) -> Flip:
        """Returns the same flip."""
        return self


@dataclass(frozen=True)
class Swap(_Fixed):
    """Exchanges two qubits where all controls are 1."""

    targets: tuple[int, int]
    controls: tuple[int, ...] = ()
    matrix: ClassVar[Matrix] = ((1, 0, 0, 0), (0, 0, 1, 0), (0, 1, 0, 0), (0, 0, 0, 1))

    def inverse(self) -> Swap:
        """Returns the same swap."""
        return self


@dataclass(frozen=True)
class Unitary(_Fixed):
    """A constant matrix where all controls are 1; `targets[0]` is its most significant qubit."""

    matrix: Matrix
    targets: tuple[int, ...]
    controls: tuple[int, ...] = ()

    def inverse(self) -> Unitary:
        """Returns the adjoint matrix."""
        columns = zip(*self.matrix, strict=True)
        return replace(self, matrix=tuple(tuple(z.conjugate() for z in c) for c in columns))


SymbolicPrimitive = Rot[Affine] | Phase[Affine] | Flip | Swap | Unitary
CompiledPrimitive = Rot[Angle] | Phase[Angle] | Flip | Swap | Unitary


def place(
    primitive: SymbolicPrimitive, qubits: Sequence[int], controls: Sequence[int]
) -> SymbolicPrimitive:
    """Moves a primitive from local qubit numbers to `qubits` and adds `controls` to its own."""
    on = (*controls, *[qubits[q] for q in primitive.controls])
    if isinstance(primitive, Rot):
        targets = tuple([qubits[q] for q in primitive.targets])
        return Rot(primitive.paulis, targets, primitive.angle, on)
    if isinstance(primitive, Phase):
        return Phase(primitive.angle, on)
    if isinstance(primitive, Flip):
        return Flip(qubits[primitive.target], on)
    if isinstance(primitive, Swap):
        return Swap((qubits[primitive.targets[0]], qubits[primitive.targets[1]]), on)
    return Unitary(primitive.matrix, tuple(qubits[q] for q in primitive.targets), on)


def commute(first: CompiledPrimitive, second: CompiledPrimitive) -> bool:
    """Whether two primitives commute for certain.

    They do where they share no qubit, where both are diagonal, or where both are rotations
    without controls about commuting Pauli strings.
    """
    if not set(first.qubits) & set(second.qubits) or (first.is_diagonal and second.is_diagonal):
        return True
    if not (isinstance(first, Rot) and isinstance(second, Rot)):
        return isinstance(first, Swap) and first == second
    if first.controls or second.controls:
        return False
    here = dict(zip(first.targets, first.paulis, strict=True))
    differ = [q for q, p in zip(second.targets, second.paulis, strict=True) if here.get(q, p) != p]
    return len(differ) % 2 == 0
