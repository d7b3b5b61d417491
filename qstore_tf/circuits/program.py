"""The compiled form of a circuit: primitives whose angles read numbered slots.

A `Program` holds structure only. Numbers arrive with each call, as `inputs` [B, F] (one row per
sample) and `theta` [P] (shared by the batch).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from qstore_tf.circuits.primitives import CompiledPrimitive, Flip, Phase, Rot, Swap
from qstore_tf.errors import CircuitError, describe

TEXT_VERSION = 1


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
        """Returns this program followed by `other`, whose slots come after its own.

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
        moved = tuple(
            gate.with_angle(lambda angle: angle.moved(self.n_inputs, self.n_theta))
            for gate in other.gates
        )
        return Program(
            self.n_qubits,
            self.n_inputs + other.n_inputs,
            self.n_theta + other.n_theta,
            self.has_initial,
            self.gates + moved,
        )


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
