"""Lowers circuits to `Rotations`: primitives become Pauli rotations on one or two wires.

One control is a factor (1 - Z)/2 of the generator, so that CRZ(a) = RZ(a/2) RZZ(-a/2). With two
controls, half of the angle is controlled by the last one, on both sides of an X on that one under
the others, and then by the others (Barenco et al., arXiv:quant-ph/9503016, lemma 7.5); what is X
only up to phases serves as well there. A Toffoli gate comes to five two-wire rotations that way,
the fewest that there can be (Yu, Duan, Ying, arXiv:1301.3372). More controls are for `controls`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence

import numpy as np

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.primitives import Flip, Phase, Rot, Swap, SymbolicPrimitive, Unitary
from qstore_tf.circuits.symbols import Affine
from qstore_tf.errors import CircuitError, describe
from qstore_tf.ionq.compiler import controls as many
from qstore_tf.ionq.compiler import weyl
from qstore_tf.ionq.compiler.cliffords import LETTERS, THIRD, product_sign
from qstore_tf.ionq.compiler.commutators import commutator
from qstore_tf.ionq.compiler.rotations import Rotations

_QUARTER = Affine(math.pi / 2)
_MAX_CONTROLLED_MATRIX = 8


def lower(
    circuit: Circuit,
    relative_phase: Collection[int] = (),
    variant: int = 0,
    commutators: bool = False,
    from_zero: bool = False,
) -> Rotations:
    """Returns a circuit as Pauli rotations, equal to it up to global phase.

    Args:
        circuit: The circuit; measurement markers are dropped.
        relative_phase: The numbers of Toffoli gates that may be so up to phases.
        variant: Which of the four forms they get; see `relative_phase_toffoli`.
        commutators: Whether turns by numbers under two controls are made of commutators, which
            takes fewer or smaller entanglers, but mostly no full ones that others could cancel.
        from_zero: Whether only the state that it makes of |0...0> has to be equal: qubits that no
            gate has used yet help those with many controls.

    Raises:
        CircuitError: A gate that cannot be compiled, such as a matrix on many qubits with controls.

    Example:
        >>> lower(Circuit(2).add_gate("CX", [0, 1])).rotations
        [Rotation(wires=(0, 1), letters='ZX', angle=Affine(constant=1.5707963267948966, terms=()))]
    """
    out = _Lowered(circuit.n_qubits)
    if from_zero:
        out.clean = dict.fromkeys(range(circuit.n_qubits))
    for number, operation in enumerate(circuit.operations):
        for qubit in operation.qubits:
            out.clean.pop(qubit, None)
        try:
            if number in relative_phase:
                plain = operation.with_plain_controls()
                first, second = sorted(plain.controls)
                relative_phase_toffoli(out, first, second, plain.targets[0], variant)
                continue
            for primitive in operation.primitives():
                if not (commutators and _by_commutator(out, primitive)):
                    _lower(out, primitive)
        except CircuitError as error:
            raise CircuitError(
                f"Operation {number}, {operation}, cannot be compiled: {error}"
            ) from error
    return out


class _Lowered(Rotations):
    """What has been lowered so far.

    Attributes:
        clean: The qubits that are known to be |0>.
    """

    def __init__(self, n_wires: int) -> None:
        super().__init__(n_wires)
        self.clean: dict[int, None] = {}


def _lower(out: _Lowered, primitive: SymbolicPrimitive) -> None:
    if isinstance(primitive, Rot):
        factors = dict(zip(primitive.targets, primitive.paulis, strict=True))
        _controlled(out, factors, primitive.angle, primitive.controls)
    elif isinstance(primitive, Phase):
        _phase(out, primitive.angle, primitive.controls)
    elif isinstance(primitive, Flip):
        _flip(out, primitive.target, primitive.controls)
    elif isinstance(primitive, Swap):
        _swap(out, *primitive.targets, controls=primitive.controls)
    else:
        _unitary(out, primitive)


def _phase(out: Rotations, angle: Affine, controls: Sequence[int]) -> None:
    """exp(i angle) where the controls are 1."""
    if controls:
        *others, last = controls
        _controlled(out, {last: "Z"}, angle, others, as_power=True)


def _flip(out: Rotations, target: int, controls: Sequence[int]) -> None:
    """X is i times a half turn, and the i is a phase of the controls."""
    if len(controls) < 3:
        _controlled(out, {target: "X"}, Affine(math.pi), controls, as_power=True)
    else:
        spare = [q for q in range(out.n_wires) if q != target and q not in controls]
        _steps(out, many.flip(controls, target, spare, _clean(out)))


def _controlled(
    out: Rotations,
    factors: dict[int, str],
    angle: Affine,
    controls: Sequence[int],
    as_power: bool = False,
) -> None:
    """exp(-i angle/2 P), or as a power of P exp(i angle/2 (1 - P)), where the controls are 1."""
    if not controls:
        _product(out, factors, angle)
        return
    *others, last = controls
    if not others:
        if as_power:
            _product(out, {last: "Z"}, angle / 2)
        _product(out, factors, angle / 2)
        _product(out, {**factors, last: "Z"}, -angle / 2)
        return
    if len(controls) > 2 and len(factors) == 1:
        ((target, letter),) = factors.items()
        _steps(out, many.under_controls(controls, target, letter, angle, as_power, _clean(out)))
        return
    _controlled(out, factors, angle / 2, [last], as_power)
    _flip_up_to_phases(out, last, others, 1)
    _controlled(out, factors, -angle / 2, [last], as_power)
    _flip_up_to_phases(out, last, others, -1)
    _controlled(out, factors, angle / 2, others, as_power)


def _by_commutator(out: Rotations, primitive: SymbolicPrimitive) -> bool:
    """Adds a turn of one qubit under two controls, or a phase of three qubits, if it is one."""
    phase = Affine()
    if isinstance(primitive, Rot) and len(primitive.targets) == 1:
        target, letter = primitive.targets[0], primitive.paulis[0]
        angle, controls = primitive.angle, list(primitive.controls)
    elif isinstance(primitive, Flip):
        target, letter, controls = primitive.target, "X", list(primitive.controls)
        angle, phase = Affine(math.pi), Affine(math.pi / 2)
    elif isinstance(primitive, Phase) and primitive.controls:
        *controls, target = primitive.controls
        letter, angle, phase = "Z", primitive.angle, primitive.angle / 2
    else:
        return False
    found = None
    if len(controls) == 2 and not angle.terms:
        found = commutator(angle.constant, letter)
    if found is None:
        return False
    turn, change = found
    one_wire(out, _at(out, target), change.conj().T)
    for sign in (1, -1):
        for control, axis in zip(controls, "XY", strict=True):
            _controlled(out, {target: axis}, Affine(sign * turn), [control])
    one_wire(out, _at(out, target), change)
    _phase(out, phase, controls)
    return True


def _clean(out: Rotations) -> list[int]:
    return list(out.clean) if isinstance(out, _Lowered) else []


def _flip_up_to_phases(
    out: Rotations, target: int, controls: Sequence[int], direction: int
) -> None:
    """X under controls times phases of basis states, which the opposite direction takes back."""
    if len(controls) == 1:
        quarter = Affine(direction * math.pi / 2)
        # CX without the phase of its control.
        if direction > 0:
            _product(out, {target: "X"}, quarter)
        _product(out, {controls[0]: "Z", target: "X"}, -quarter)
        if direction < 0:
            _product(out, {target: "X"}, quarter)
    elif len(controls) == 2:
        relative_phase_toffoli(out, controls[0], controls[1], target)
    else:
        steps = many.flip_up_to_phases(controls, target)
        _steps(out, steps if direction > 0 else many.inverse(steps))


# Which control comes twice and which way the target turns: with other pulses around it, one form of
# the gate takes fewer pulses than another.
VARIANTS = range(4)


def relative_phase_toffoli(
    out: Rotations, first: int, second: int, target: int, variant: int = 0
) -> None:
    """X on the target where both controls are 1, times phases; it is its own inverse.

    Three two-wire rotations, after Margolus (Barenco et al., arXiv:quant-ph/9503016, section VI).
    """
    if variant % 2:
        first, second = second, first
    eighth = Affine(-math.pi / 4 if variant // 2 else math.pi / 4)
    for angle, control in ((eighth, second), (eighth, first), (-eighth, second)):
        _product(out, {target: "Y"}, angle)
        _flip(out, target, [control])
    _product(out, {target: "Y"}, -eighth)


def _steps(out: Rotations, steps: many.Steps) -> None:
    for factors, angle in steps:
        _product(out, factors, angle)


def _at(out: Rotations, qubit: int) -> int:
    return out.wires[qubit]


def _product(out: Rotations, factors: dict[int, str], angle: Affine) -> None:
    """A rotation about a product of any number of letters; more than two are brought down."""
    if len(factors) <= 2:
        out.add([out.wires[q] for q in factors], "".join(factors.values()), angle)
        return
    (q0, p0), (q1, p1), *rest = factors.items()
    # The quarter turn about p0 s turns p1 into the product of p0, p1 for s = p1 times the third.
    side = next(letter for letter in LETTERS if letter != p1)
    third = THIRD[side + p1]
    # C^dagger (third on q1) C = i (p0 side) third = -s p0 p1, with side third = s i p1.
    sign = -product_sign(side, third)
    pair = [_at(out, q0), _at(out, q1)]
    out.add(pair, p0 + side, _QUARTER)
    _product(out, {q1: third, **dict(rest)}, angle * sign)
    out.add(pair, p0 + side, -_QUARTER)


def _swap(out: Rotations, first: int, second: int, controls: Sequence[int]) -> None:
    if not controls:
        out.wires[first], out.wires[second] = out.wires[second], out.wires[first]
        return
    _flip(out, first, [second])
    _flip(out, second, [*controls, first])
    _flip(out, first, [second])


def _unitary(out: Rotations, primitive: Unitary) -> None:
    matrix = np.array(primitive.matrix, dtype=np.complex128)
    targets, controls = primitive.targets, primitive.controls
    if len(targets) == 1 and controls:
        _controlled_one(out, matrix, targets[0], controls)
    elif len(targets) == 1:
        one_wire(out, _at(out, targets[0]), matrix)
    elif len(targets) == 2 and not controls:
        two_wires(out, (_at(out, targets[0]), _at(out, targets[1])), matrix)
    else:
        _by_cirq(out, matrix, (*controls, *targets))


def one_wire(out: Rotations, wire: int, matrix: np.ndarray) -> None:
    """Adds a one-qubit unitary, [2, 2]."""
    a, b, c = weyl.zyz(matrix)
    for axis, angle in (("Z", c), ("Y", b), ("Z", a)):
        out.add([wire], axis, Affine(float(angle)))


def two_wires(out: Rotations, wires: tuple[int, int], matrix: np.ndarray) -> None:
    """Adds a two-qubit unitary, [4, 4], by as many and as small rotations as it needs."""
    add_weyl(out, wires, weyl.decompose(matrix))


def add_weyl(out: Rotations, wires: tuple[int, int], parts: weyl.TwoQubit) -> None:
    """Adds a two-qubit unitary that has been decomposed."""
    for wire, before in zip(wires, parts.before, strict=True):
        one_wire(out, wire, before)
    for letter, angle in zip(LETTERS, parts.angles, strict=True):
        out.add(wires, 2 * letter, Affine(float(angle)))
    for wire, after in zip(wires, parts.after, strict=True):
        one_wire(out, wire, after)


def _controlled_one(
    out: Rotations, matrix: np.ndarray, target: int, controls: Sequence[int]
) -> None:
    """In its own eigenbasis a one-qubit unitary is a phase and a rotation about Z."""
    # Eigenvectors of a Hermitian matrix are orthogonal to the last digit.
    vector = np.linalg.eigh(_hermitian(matrix))[1]
    values = np.diag(vector.conj().T @ matrix @ vector)
    first, second = np.angle(values)
    one_wire(out, _at(out, target), vector.conj().T)
    _phase(out, Affine(float(first + second) / 2), controls)
    _controlled(out, {target: "Z"}, Affine(float(second - first)), controls)
    one_wire(out, _at(out, target), vector)


def _hermitian(matrix: np.ndarray) -> np.ndarray:
    """A Hermitian matrix with the eigenvectors of a one-qubit unitary."""
    half = np.sqrt(complex(np.linalg.det(matrix)))
    return (matrix / half - (matrix / half).conj().T) / 2j


def _by_cirq(out: Rotations, matrix: np.ndarray, qubits: Sequence[int]) -> None:
    """A matrix on three qubits or more, by the quantum Shannon decomposition."""
    import cirq

    if len(qubits) > _MAX_CONTROLLED_MATRIX:
        raise CircuitError(
            describe(
                "A matrix under controls is too large",
                expected=f"at most {_MAX_CONTROLLED_MATRIX} qubits, controls included",
                received=len(qubits),
                hint="Write it as gates",
            )
        )
    whole = np.eye(2 ** len(qubits), dtype=np.complex128)
    whole[-len(matrix) :, -len(matrix) :] = matrix
    line = cirq.LineQubit.range(out.n_wires)
    on = [line[q] for q in qubits]
    try:
        steps = list(cirq.quantum_shannon_decomposition(on, whole))
    except IndexError:
        # Cirq 1.5 to 1.7 stumble over some matrices with zeros, which turns of each qubit fill.
        dressed = whole
        for place, qubit in enumerate(qubits):
            turn = _TURN if place % 2 else _TURN @ _TURN
            before, after = 2**place, 2 ** (len(qubits) - 1 - place)
            dressed = dressed @ np.kron(np.kron(np.eye(before), turn), np.eye(after))
            one_wire(out, _at(out, qubit), turn.conj().T)
        steps = list(cirq.quantum_shannon_decomposition(on, dressed))
    _add_cirq(out, steps)


# A turn by no special angle about no special axis.
_TURN = np.array([[0.6 + 0.48j, 0.64j], [0.64j, 0.6 - 0.48j]])


def _add_cirq(out: Rotations, operations: Iterable[object]) -> None:
    import cirq

    for operation in cirq.flatten_to_ops(operations):  # type: ignore[arg-type]
        qubits = [q.x for q in operation.qubits]  # type: ignore[attr-defined]
        wires = [_at(out, q) for q in qubits]
        matrix = cirq.unitary(operation)
        if len(qubits) == 1:
            one_wire(out, wires[0], matrix)
        elif len(qubits) == 2:
            two_wires(out, (wires[0], wires[1]), matrix)
        elif len(qubits) == 3:
            _add_cirq(out, cirq.decompose_once(operation))
