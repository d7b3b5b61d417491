"""Programs in gates of IonQ's set "qis", as they are written, for the service to compile.

A primitive is one gate where the set has it, and few where it has not: products of other letters
by changes of basis and CX, phases under controls by turns about Z. Matrices, and more controls than
the service takes, go by the compiler's two-qubit rotations. What two primitives make together,
such as H, is one gate again, because gates that are submitted are what is billed. All of it is
exact up to global phase.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.gates import GATES
from qstore_tf.circuits.primitives import Flip, Phase, Rot, Swap, SymbolicPrimitive, Unitary
from qstore_tf.circuits.program import Program
from qstore_tf.circuits.symbols import Affine
from qstore_tf.ionq.compiler.cliffords import IDENTITY, THEN, TURNS
from qstore_tf.ionq.compiler.lowering import lower
from qstore_tf.ionq.compiler.rotations import TOLERANCE, Rotations
from qstore_tf.ionq.from_program import affine_of, check_start
from qstore_tf.ionq.qis_writing import MAX_CONTROLS, QisGate, QisTemplate

_EIGHTH, _QUARTER = math.pi / 4, math.pi / 2
# diag(1, exp(i k pi/4)) by k; and turns by k pi/4 about each letter, up to global phase.
_PHASES: dict[int | None, str] = {1: "t", 2: "s", 4: "z", 6: "si", 7: "ti"}
_TURNS: dict[str, dict[int | None, str]] = {
    "X": {2: "v", 4: "x", 6: "vi"},
    "Y": {4: "y"},
    "Z": _PHASES,
}
# Two primitives in a row on the same qubits: letter and angle of the first, angle of the phase of
# the controls after it; None: a flip instead.
_PAIRS = {
    ("Y", _QUARTER, None): "h",
    ("Y", math.pi, _QUARTER): "y",
    ("X", _QUARTER, _EIGHTH): "v",
    ("X", -_QUARTER, -_EIGHTH): "vi",
}
# Turns a letter to Z, and back.
_TO_Z, _FROM_Z = {"X": "h", "Y": "v"}, {"X": "h", "Y": "vi"}
_NAMES = {row.ionq: row.name for row in GATES.values() if row.ionq and not row.native}


@dataclass(frozen=True, eq=False)
class QisCircuit:
    """A program in gates of the set "qis".

    Attributes:
        template: The gates as they are sent.
        angles: The numbers of the gates that are not fixed, in the symbols of the program's slots.
    """

    template: QisTemplate
    angles: tuple[Affine, ...] = field(repr=False)

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """The symbols in the order in which `bind` takes their values."""
        return tuple(dict.fromkeys(name for angle in self.angles for name in angle.symbols))

    @cached_property
    def _terms(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
        """Numbers, symbols and factors: the first terms of all angles, the second ones, ..."""
        place = {name: k for k, name in enumerate(self.symbols)}
        most = max((len(angle.terms) for angle in self.angles), default=0)
        found = []
        for k in range(most):
            some = [n for n, angle in enumerate(self.angles) if len(angle.terms) > k]
            names, factors = zip(*[self.angles[n].terms[k] for n in some], strict=True)
            symbols = np.array([place[name] for name in names])
            found.append((np.array(some), symbols, np.array(factors, dtype=np.float64)))
        return found

    def bind(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the numbers of the gates, [B, n_values], radians.

        Args:
            values: Of the symbols, [B, symbols].
        """
        numbers = np.empty((len(values), len(self.angles)))
        numbers[:] = [angle.constant for angle in self.angles]
        for some, symbols, factors in self._terms:
            numbers[:, some] += values[:, symbols] * factors
        return numbers


def qis_circuit(program: Program, basis: Sequence[tuple[int, str]] = ()) -> QisCircuit:
    """Returns a program in gates of the set "qis".

    Args:
        program: What to run, from |0...0>.
        basis: `(qubit, letter)`: the basis in which qubits are measured, where it is not Z; each
            is turned so that it becomes Z.

    Raises:
        CircuitError: The program starts from a given state, or a matrix under controls is too
            large.

    Example:
        >>> from qstore_tf.circuits import compile_circuit
        >>> made = Circuit(2).add_gate("H", 0).add_gate("CRX", [0, 1], "2 * a")
        >>> found = qis_circuit(compile_circuit(made), [(1, "Y")])
        >>> [(gate.word, *gate.controls, *gate.targets) for gate in found.template.gates]
        [('h', 0), ('rx', 0, 1), ('v', 1)]
        >>> found.bind(np.array([[0.25]])).tolist()
        [[0.5]]
    """
    check_start(program)
    writer = _Writer(program.n_qubits)
    writer.add_all([_symbolic(gate) for gate in program.gates])
    for qubit, letter in basis:
        if letter != "Z":
            writer.word(_TO_Z[letter], (qubit,))
    return QisCircuit(QisTemplate(program.n_qubits, tuple(writer.gates)), tuple(writer.angles))


def _symbolic(gate: object) -> SymbolicPrimitive:
    if isinstance(gate, Rot | Phase):
        return replace(gate, angle=affine_of(gate.angle))
    assert isinstance(gate, Flip | Swap | Unitary)
    return gate


class _Writer:
    """Gates so far, and the angles of those that are not fixed."""

    def __init__(self, n_qubits: int) -> None:
        self.n_qubits = n_qubits
        self.gates: list[QisGate] = []
        self.angles: list[Affine] = []

    def add_all(self, primitives: Sequence[SymbolicPrimitive]) -> None:
        """Adds primitives in time order."""
        position = 0
        while position < len(primitives):
            first, second = primitives[position], primitives[position + 1 : position + 2]
            word = _pair(first, second[0]) if second else None
            if word is not None:
                self.word(word, first.targets, first.controls)
                position += 2
                continue
            self.add(first)
            position += 1

    def add(self, primitive: SymbolicPrimitive) -> None:
        """Adds a primitive."""
        controls = primitive.controls
        if isinstance(primitive, Rot):
            self.product(primitive.paulis, primitive.targets, primitive.angle, controls)
        elif isinstance(primitive, Phase):
            self.phase(primitive.angle, controls)
        elif isinstance(primitive, Flip):
            self.flip(primitive.target, controls)
        elif isinstance(primitive, Swap) and not controls:
            self.word("swap", primitive.targets)
        elif isinstance(primitive, Swap):
            one, other = primitive.targets
            self.flip(one, (other,))
            self.flip(other, (*controls, one))
            self.flip(one, (other,))
        else:
            whole = Circuit(self.n_qubits)
            whole.add_unitary(np.array(primitive.matrix), primitive.targets, controls)
            self.compiled(whole)

    def word(self, word: str, targets: Sequence[int], controls: Sequence[int] = ()) -> None:
        """Adds a gate without an angle."""
        if len(controls) > MAX_CONTROLS:
            name = "X" if word == "cnot" else _NAMES[word]
            self.compiled(Circuit(self.n_qubits).add_gate(name, targets, controls=controls))
            return
        self.gates.append(QisGate(word, tuple(targets), tuple(controls)))

    def turn(
        self, word: str, targets: Sequence[int], angle: Affine, controls: Sequence[int] = ()
    ) -> None:
        """Adds a gate with an angle."""
        if len(controls) > MAX_CONTROLS:
            whole = Circuit(self.n_qubits)
            self.compiled(whole.add_gate(_NAMES[word], targets, angle, controls=controls))
            return
        fixed = angle.constant if angle.is_constant else None
        self.gates.append(QisGate(word, tuple(targets), tuple(controls), fixed))
        if fixed is None:
            self.angles.append(angle)

    def flip(self, target: int, controls: Sequence[int]) -> None:
        """X where the controls are 1."""
        self.word("cnot" if controls else "x", (target,), controls)

    def rotate(self, letter: str, target: int, angle: Affine, controls: Sequence[int] = ()) -> None:
        """exp(-i angle/2 P) where the controls are 1, with P one letter."""
        if _is_nothing(angle, controls):
            return
        name = None if controls else _TURNS[letter].get(_eighths(angle))
        if name is None:
            self.turn(f"r{letter.lower()}", (target,), angle, controls)
        else:
            self.word(name, (target,))

    def phase(self, angle: Affine, controls: Sequence[int]) -> None:
        """exp(i angle) where the controls are 1."""
        if not controls:
            return  # a global phase, which nothing sees
        *others, last = controls
        eighths = _eighths(angle)
        if eighths in _PHASES:
            self.word(_PHASES[eighths], (last,), others)
        elif eighths != 0:
            self.rotate("Z", last, angle, others)
            self.phase(angle / 2, others)

    def product(
        self, letters: str, targets: Sequence[int], angle: Affine, controls: Sequence[int] = ()
    ) -> None:
        """exp(-i angle/2 P) where the controls are 1, with P a product of letters."""
        if len(letters) == 1:
            self.rotate(letters, targets[0], angle, controls)
            return
        if _is_nothing(angle, controls):
            return
        if letters in ("XX", "YY", "ZZ") and not controls:
            self.turn(letters.lower(), targets, angle)
            return
        other = [(q, letter) for q, letter in zip(targets, letters, strict=True) if letter != "Z"]
        for qubit, letter in other:
            self.word(_TO_Z[letter], (qubit,))
        # The sum of these qubits' bits goes to the last of them.
        *summed, last = targets if controls else targets[:-1]
        for qubit in summed:
            self.flip(last, (qubit,))
        if controls:
            self.rotate("Z", last, angle, controls)
        else:
            self.turn("zz", (last, targets[-1]), angle)
        for qubit in reversed(summed):
            self.flip(last, (qubit,))
        for qubit, letter in other:
            self.word(_FROM_Z[letter], (qubit,))

    def compiled(self, circuit: Circuit) -> None:
        """Adds a circuit by the compiler's rotations, up to global phase."""
        found: Rotations = lower(circuit)
        for rotation in found.rotations:
            self.product(rotation.letters, rotation.wires, rotation.angle)
        for wire, clifford in enumerate(found.frames):
            for letter, quarters in _CLIFFORDS[clifford]:
                self.rotate(letter, wire, Affine(quarters * _QUARTER))


def _pair(first: SymbolicPrimitive, second: SymbolicPrimitive) -> str | None:
    """The gate that two primitives make together, if it is one of the set."""
    if not isinstance(first, Rot) or len(first.targets) > 1 or not first.angle.is_constant:
        return None
    phase: float | None = None
    if isinstance(second, Phase) and first.controls and second.angle.is_constant:
        same, phase = second.controls == first.controls, second.angle.constant
    else:
        same = isinstance(second, Flip) and second.qubits == first.qubits
    for (letter, turn, wanted), word in _PAIRS.items():
        fits = phase is wanted if phase is None or wanted is None else _near(phase, wanted)
        if same and fits and letter == first.paulis and _near(first.angle.constant, turn):
            return word
    return None


def _near(one: float, other: float) -> bool:
    return abs(one - other) < TOLERANCE


def _is_nothing(angle: Affine, controls: Sequence[int]) -> bool:
    """Whether a rotation by the angle changes nothing, up to global phase."""
    whole = 4 * math.pi if controls else 2 * math.pi
    return angle.is_constant and _near(math.remainder(angle.constant, whole), 0.0)


def _eighths(angle: Affine) -> int | None:
    """Returns k, 0 to 7, where a constant angle is k pi/4 up to whole turns."""
    if not angle.is_constant:
        return None
    rest = math.remainder(angle.constant, 2 * math.pi)
    k = round(rest / _EIGHTH)
    return k % 8 if _near(rest, k * _EIGHTH) else None


def _turns_of_cliffords() -> dict[int, tuple[tuple[str, int], ...]]:
    """The fewest turns by quarters that make each one-qubit Clifford gate: at most two."""
    single = {TURNS[letter][k]: ((letter, k),) for letter in "XYZ" for k in (1, 2, 3)}
    double = {
        THEN[first][second]: (*one, *other)
        for first, one in single.items()
        for second, other in single.items()
    }
    return {**double, **single, IDENTITY: ()}


_CLIFFORDS = _turns_of_cliffords()
