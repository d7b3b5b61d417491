"""The compiled form of a circuit: primitives whose angles read numbered slots.

A `Program` holds structure only. Numbers arrive with each call, as `inputs` [B, F] (one row per
sample) and `theta` [P] (shared by the batch). Every gate lowers to the five primitives below,
exactly, global phase included, so whoever executes, differentiates or draws a program has five
cases to handle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar

from qstore_tf.circuits.symbols import Affine, check_symbol_name
from qstore_tf.errors import CircuitError, describe, did_you_mean

if TYPE_CHECKING:
    from qstore_tf.circuits.circuit import UnifiedCircuit

Matrix = tuple[tuple[complex, ...], ...]

TEXT_VERSION = 1


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

    def to_text(self) -> str:
        """Returns the angle as the program text writes it, such as `0.5*t3,1.0*i2,0.25`."""
        parts = [f"{c!r}*{kind}{slot}" for kind, slot, c in self.terms]
        if self.constant:
            parts.append(repr(self.constant))
        return ",".join(parts) or "0"


# Affine before symbols are resolved to slots, Angle after.
A = TypeVar("A", Affine, Angle)


@dataclass(frozen=True)
class Rot(Generic[A]):
    """exp(-i angle/2 P) where all controls are 1, with P a product of X, Y and Z."""

    paulis: str
    targets: tuple[int, ...]
    angle: A
    controls: tuple[int, ...] = ()


@dataclass(frozen=True)
class Phase(Generic[A]):
    """exp(i angle) where all controls are 1; without controls a global phase."""

    angle: A
    controls: tuple[int, ...] = ()


@dataclass(frozen=True)
class Flip:
    """X on the target where all controls are 1."""

    target: int
    controls: tuple[int, ...] = ()


@dataclass(frozen=True)
class Swap:
    """Exchanges two qubits where all controls are 1."""

    targets: tuple[int, int]
    controls: tuple[int, ...] = ()


@dataclass(frozen=True)
class Unitary:
    """A constant matrix where all controls are 1; `targets[0]` is its most significant qubit."""

    matrix: Matrix
    targets: tuple[int, ...]
    controls: tuple[int, ...] = ()


AnyPrimitive = Rot[Affine] | Phase[Affine] | Flip | Swap | Unitary
CompiledPrimitive = Rot[Angle] | Phase[Angle] | Flip | Swap | Unitary


def place(primitive: AnyPrimitive, qubits: Sequence[int], controls: Sequence[int]) -> AnyPrimitive:
    """Moves a primitive from local qubit numbers to `qubits` and puts `controls` in front."""
    on = (*controls, *(qubits[q] for q in primitive.controls))
    if isinstance(primitive, Rot):
        targets = tuple(qubits[q] for q in primitive.targets)
        return Rot(primitive.paulis, targets, primitive.angle, on)
    if isinstance(primitive, Phase):
        return Phase(primitive.angle, on)
    if isinstance(primitive, Flip):
        return Flip(qubits[primitive.target], on)
    if isinstance(primitive, Swap):
        return Swap((qubits[primitive.targets[0]], qubits[primitive.targets[1]]), on)
    return Unitary(primitive.matrix, tuple(qubits[q] for q in primitive.targets), on)


@dataclass(frozen=True)
class Program:
    """A circuit compiled to primitives with slots; immutable and hashable.

    Attributes:
        n_qubits: Number of qubits; qubit 0 is the most significant bit of a basis index.
        n_inputs: Columns F of `inputs` [B, F].
        n_theta: Entries P of `theta` [P].
        has_initial: Whether a run starts from a given state [B, 2^n] instead of |0...0>.
        gates: The primitives in time order.
    """

    n_qubits: int
    n_inputs: int
    n_theta: int
    has_initial: bool
    gates: tuple[CompiledPrimitive, ...]

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.n_qubits, self.n_inputs, self.n_theta, self.has_initial, self.gates))

    @cached_property
    def _text(self) -> str:
        head = [
            f"qstore_program {TEXT_VERSION}",
            f"qubits {self.n_qubits}",
            f"inputs {self.n_inputs}",
            f"theta {self.n_theta}",
            f"initial {int(self.has_initial)}",
        ]
        return "\n".join([*head, *map(_gate_text, self.gates)]) + "\n"

    def to_text(self) -> str:
        """Returns the text the native ops parse: one statement a line, see docs/conventions.md."""
        return self._text

    def append(self, other: Program) -> Program:
        """Returns this program followed by `other`, whose slots move behind this one's.

        Raises:
            CircuitError: The numbers of qubits differ, or `other` has an initial state.
        """
        if other.n_qubits != self.n_qubits:
            raise CircuitError(
                describe(
                    "Two programs of different size cannot follow each other",
                    expected=f"{self.n_qubits} qubits",
                    received=other.n_qubits,
                )
            )
        if other.has_initial:
            raise CircuitError(
                describe(
                    "A program with an initial state cannot follow another one",
                    hint="Compile it with has_initial=False",
                )
            )
        moved = tuple(_shift(gate, self.n_inputs, self.n_theta) for gate in other.gates)
        return Program(
            self.n_qubits,
            self.n_inputs + other.n_inputs,
            self.n_theta + other.n_theta,
            self.has_initial,
            self.gates + moved,
        )


def compile_circuit(
    circuit: UnifiedCircuit,
    inputs: Sequence[str] = (),
    theta: Sequence[str] | None = None,
    has_initial: bool = False,
) -> Program:
    """Compiles a circuit: symbols become slots, gates become primitives.

    Args:
        circuit: The circuit. Its measurement markers are dropped.
        inputs: Symbols that are fed per sample, in the order of the columns of `inputs`.
        theta: Symbols that are shared by the batch, in the order of `theta`. None means all
            remaining symbols in order of appearance.
        has_initial: Whether runs start from a given state.

    Raises:
        CircuitError: A symbol is listed twice, or a symbol of the circuit is in neither list.

    Example:
        >>> from qstore_tf.circuits import UnifiedCircuit
        >>> circuit = UnifiedCircuit(1).add_gate("RX", 0, "x").add_gate("RZ", 0, "2*a")
        >>> print(compile_circuit(circuit, inputs=["x"]).to_text())
        qstore_program 1
        qubits 1
        inputs 1
        theta 1
        initial 0
        rot X 0 - 1.0*i0
        rot Z 0 - 2.0*t0
        <BLANKLINE>
    """
    input_names = [check_symbol_name(name) for name in _listed(inputs)]
    if theta is None:
        listed = set(input_names)
        theta_names = [name for name in circuit.parameters if name not in listed]
    else:
        theta_names = [check_symbol_name(name) for name in _listed(theta)]
    slots: dict[str, tuple[str, int]] = {}
    for kind, names in (("i", input_names), ("t", theta_names)):
        for slot, name in enumerate(names):
            if name in slots:
                raise CircuitError(
                    describe(
                        f"Symbol {name!r} is listed twice",
                        expected="every symbol once, among the inputs or among theta",
                    )
                )
            slots[name] = (kind, slot)
    gates = tuple(
        _resolve(primitive, slots)
        for operation in circuit.operations
        for primitive in operation.primitives()
    )
    return Program(circuit.n_qubits, len(input_names), len(theta_names), has_initial, gates)


def _listed(names: Iterable[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _resolve(primitive: AnyPrimitive, slots: Mapping[str, tuple[str, int]]) -> CompiledPrimitive:
    if isinstance(primitive, Rot):
        angle = _resolve_angle(primitive.angle, slots)
        return Rot(primitive.paulis, primitive.targets, angle, primitive.controls)
    if isinstance(primitive, Phase):
        return Phase(_resolve_angle(primitive.angle, slots), primitive.controls)
    return primitive


def _resolve_angle(angle: Affine, slots: Mapping[str, tuple[str, int]]) -> Angle:
    for name in angle.symbols:
        if name not in slots:
            raise CircuitError(
                describe(
                    f"Symbol {name!r} is not bound: it is neither an input nor a trained parameter",
                    hint=f"List it in `inputs` or `theta`, or bind it. {did_you_mean(name, slots)}",
                )
            )
    return Angle(angle.constant, tuple((*slots[name], c) for name, c in angle.terms))


def _shift(gate: CompiledPrimitive, n_inputs: int, n_theta: int) -> CompiledPrimitive:
    if not isinstance(gate, (Rot, Phase)):
        return gate
    terms = tuple(
        (kind, slot + (n_inputs if kind == "i" else n_theta), c)
        for kind, slot, c in gate.angle.terms
    )
    return replace(gate, angle=Angle(gate.angle.constant, terms))


def _integers(values: Sequence[int]) -> str:
    return ",".join(map(str, values)) or "-"


def _gate_text(gate: CompiledPrimitive) -> str:
    controls = _integers(gate.controls)
    if isinstance(gate, Rot):
        return f"rot {gate.paulis} {_integers(gate.targets)} {controls} {gate.angle.to_text()}"
    if isinstance(gate, Phase):
        return f"phase {controls} {gate.angle.to_text()}"
    if isinstance(gate, Flip):
        return f"flip {gate.target} {controls}"
    if isinstance(gate, Swap):
        return f"swap {_integers(gate.targets)} {controls}"
    numbers = ",".join(f"{z.real!r},{z.imag!r}" for row in gate.matrix for z in row)
    return f"unitary {_integers(gate.targets)} {controls} {numbers}"
