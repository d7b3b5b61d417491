"""Makes circuits shorter without changing their unitary, global phase included.

Each gate in turn is moved back past the gates it commutes with. If it meets one about the same
axis on the same qubits, the two become one, or none; so rotations merge (with symbols too),
inverse pairs cancel and identities go. Two gates commute for certain if on every shared qubit
both are diagonal in the same basis: a control counts as Z, the target of CX as X.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import numpy as np

from qstore_tf.circuits.circuit import UnifiedCircuit
from qstore_tf.circuits.gates import lookup
from qstore_tf.circuits.operation import Operation
from qstore_tf.circuits.symbols import Affine

TOLERANCE = 1e-12
# How many commuting gates one gate is moved past; it bounds the time to linear in the gates.
LOOKBACK = 256
_MAX_PASSES = 20
_PI, _HALF_PI, _TWO_PI = math.pi, math.pi / 2, 2 * math.pi
_ZERO = Affine()

# Gates with controls in their name: the gate without, and the number of controls.
_CONTROLLED = {
    "CX": ("X", 1),
    "CY": ("Y", 1),
    "CZ": ("Z", 1),
    "CH": ("H", 1),
    "CRX": ("RX", 1),
    "CRY": ("RY", 1),
    "CRZ": ("RZ", 1),
    "CPhase": ("PhaseShift", 1),
    "CXPow": ("XPow", 1),
    "CZPow": ("ZPow", 1),
    "CCX": ("X", 2),
    "CCZ": ("Z", 2),
    "CSWAP": ("SWAP", 1),
}
_NAMED = {(base, count): name for name, (base, count) in _CONTROLLED.items()}
_SYMMETRIC = {"SWAP", "ISWAP", "FSim", "ZZ"}
_DIAGONAL_ANGLES = {"Z": _PI, "S": _HALF_PI, "Sdg": -_HALF_PI, "T": _PI / 4, "Tdg": -_PI / 4}
_HALF_TURNS = {"X": ("X", 1.0), "SX": ("X", 0.5), "SXdg": ("X", -0.5), "Y": ("Y", 1.0)}


@dataclass(slots=True)
class _Element:
    """A gate in the form in which gates are compared.

    `paulis` not None: exp(-i theta/2 P) times exp(i phi) where the controls are 1. `paulis`
    empty: exp(i phi) where the controls are 1. None: any other gate, `operation`.
    """

    axes: dict[int, str]
    key: Hashable
    controls: tuple[int, ...]
    paulis: tuple[tuple[int, str], ...] | None
    theta: Affine
    phi: Affine
    operation: Operation | None


def optimize(circuit: UnifiedCircuit) -> UnifiedCircuit:
    """Returns an equivalent circuit with merged rotations and without superfluous gates.

    The unitary stays the same for all values of the symbols, global phase included (numbers
    within 1e-12); where a phase is left over it is one GlobalPhase gate at the end. A symbol
    that cancels is no longer a parameter, and the order of first appearance may change: give
    the order of the symbols explicitly where it matters. The time is linear in the gates.

    Args:
        circuit: the circuit; it is not changed.

    Returns:
        A new circuit with at most as many gates, not counting a GlobalPhase.

    >>> circuit = UnifiedCircuit(2).add_gate("RZ", [0], ["a"]).add_gate("CX", [0, 1])
    >>> optimize(circuit.add_gate("RZ", [0], ["b"]).add_gate("CX", [0, 1])).count_gates()
    {'RZ': 1}
    """
    operations = list(circuit.operations)
    for _ in range(_MAX_PASSES):
        shorter = _one_pass(operations)
        if shorter == operations:
            break
        operations = shorter
    return UnifiedCircuit.from_operations(circuit.n_qubits, operations)


def _one_pass(operations: list[Operation]) -> list[Operation]:
    elements: list[_Element | None] = []
    on_qubit: dict[int, list[int]] = {}
    phase = _ZERO
    for operation in operations:
        element = _element(operation)
        if element is None:
            continue
        if element.paulis == () and not element.controls:
            phase = phase + element.phi
            continue
        partner = _find_partner(element, elements, on_qubit)
        if partner is None:
            for qubit in element.axes:
                on_qubit.setdefault(qubit, []).append(len(elements))
            elements.append(element)
        else:
            earlier = elements[partner]
            assert earlier is not None
            elements[partner] = _merged(earlier, element)
            for qubit in element.axes if elements[partner] is None else ():
                on_qubit[qubit].remove(partner)
    result: list[Operation] = []
    for kept in elements:
        if kept is not None:
            written, extra = _write(kept)
            result.extend(written)
            phase = phase + extra
    phase = _reduced(phase, _TWO_PI)
    if phase != _ZERO:
        result.append(Operation("GlobalPhase", (), (phase,)))
    return result


def _find_partner(
    element: _Element, elements: list[_Element | None], on_qubit: dict[int, list[int]]
) -> int | None:
    """The position of an earlier gate that this one can be moved to and merged with."""
    for steps, position in enumerate(_backwards([on_qubit.get(q, []) for q in element.axes])):
        earlier = elements[position]
        if earlier is None or steps > LOOKBACK:
            return None
        if earlier.key == element.key and (
            element.paulis is not None or _can_join(earlier, element)
        ):
            return position
        if element.paulis is None and _cancel(earlier, element):
            return position
        if not _commute(earlier, element):
            return None
    return None


def _backwards(stacks: list[list[int]]) -> Iterator[int]:
    """The union of increasing lists, from the largest number down."""
    ends = [len(stack) for stack in stacks]
    while True:
        latest = max(
            (stack[end - 1] for stack, end in zip(stacks, ends, strict=True) if end), default=-1
        )
        if latest < 0:
            return
        for i, stack in enumerate(stacks):
            if ends[i] and stack[ends[i] - 1] == latest:
                ends[i] -= 1
        yield latest


def _commute(a: _Element, b: _Element) -> bool:
    different = 0
    for qubit, axis in b.axes.items():
        other = a.axes.get(qubit)
        if other is None:
            continue
        if not axis or not other:
            return False
        different += axis != other
    if not different:
        return True
    # Pauli strings commute if they differ on an even number of qubits.
    both_plain = a.paulis is not None and b.paulis is not None and not a.controls + b.controls
    return both_plain and different % 2 == 0


# --- gates to elements


def without_named_controls(operation: Operation) -> Operation:
    """The same operation with the controls in a gate's name (CX, CRY, CCZ) as plain controls.

    >>> str(without_named_controls(Operation("CCX", (0, 1, 2))))
    'CCX 0, 1, 2'
    """
    name, count = _CONTROLLED.get(operation.gate, (operation.gate, 0))
    targets = operation.targets
    controls = operation.controls + targets[:count]
    return Operation(name, targets[count:], operation.params, controls, operation.matrix)


def _element(operation: Operation) -> _Element | None:
    """The element of an operation; None if it does nothing."""
    plain = without_named_controls(operation)
    name, targets, controls, params = plain.gate, plain.targets, plain.controls, plain.params
    if name == "I":
        return None
    if name == "Measure":
        return _other(operation, plain)
    element: _Element | None
    if name == "GlobalPhase":
        element = _phase(params[0], controls, operation)
    elif name in _DIAGONAL_ANGLES:
        element = _diagonal(Affine(_DIAGONAL_ANGLES[name]), targets, controls, operation)
    elif name in ("PhaseShift", "ZPow"):
        angle = params[0] * (_PI if name == "ZPow" else 1.0)
        element = _diagonal(angle, targets, controls, operation)
    elif name in ("XPow", "YPow"):
        element = _rotation(name[0], targets, params[0] * _PI, controls, operation, power=True)
    elif name in _HALF_TURNS:
        axis, exponent = _HALF_TURNS[name]
        angle = Affine(exponent * _PI)
        element = _rotation(axis, targets, angle, controls, operation, power=True)
    elif name in ("RX", "RY", "RZ", "RXX", "RYY", "RZZ"):
        element = _rotation(name[1:], targets, params[0], controls, operation)
    else:
        phase = _phase_of_identity(operation, name)
        if phase is not None:
            element = _phase(Affine(phase), controls, None)
        else:
            return _other(operation, plain)
    theta, phi = _normal(element)
    if theta == _ZERO and element.theta != _ZERO:
        # Full turns: what is left is the phase alone.
        return _phase(phi, controls, None) if phi != _ZERO else None
    return None if _is_identity(element) else element


def _phase(angle: Affine, controls: tuple[int, ...], operation: Operation | None) -> _Element:
    if len(controls) == 1:
        return _diagonal(angle, controls, (), operation)
    key = ("phase", frozenset(controls))
    return _Element(dict.fromkeys(controls, "Z"), key, controls, (), _ZERO, angle, operation)


def _diagonal(
    angle: Affine, targets: tuple[int, ...], controls: tuple[int, ...], operation: Operation | None
) -> _Element:
    if controls:
        return _phase(angle, controls + targets, operation)
    return _rotation("Z", targets, angle, (), operation, power=True)


def _rotation(
    paulis: str,
    targets: tuple[int, ...],
    theta: Affine,
    controls: tuple[int, ...],
    operation: Operation | None,
    power: bool = False,
) -> _Element:
    pairs = tuple(sorted(zip(targets, paulis, strict=True)))
    axes = dict(pairs) | dict.fromkeys(controls, "Z")
    key = ("rotation", pairs, frozenset(controls))
    phi = theta * 0.5 if power else _ZERO
    return _Element(axes, key, controls, pairs, theta, phi, operation)


def _other(operation: Operation, plain: Operation) -> _Element:
    axis = "Z" if plain.gate == "ZZ" else ""
    axes = dict.fromkeys(plain.targets, axis) | dict.fromkeys(plain.controls, "Z")
    return _Element(axes, _key(plain), plain.controls, None, _ZERO, _ZERO, operation)


def _key(plain: Operation) -> Hashable:
    """What two gates that join by adding parameters, or are the same gate, have in common."""
    targets = tuple(sorted(plain.targets)) if plain.gate in _SYMMETRIC else plain.targets
    params: tuple[Affine, ...] = plain.params
    if plain.gate in ("FSim", "ZZ"):
        params = ()
    elif plain.gate == "MS":
        params = plain.params[:2]
    return plain.gate, targets, params, frozenset(plain.controls), plain.matrix


def _phase_of_identity(operation: Operation, name: str) -> float | None:
    """The phase of a constant gate that is a multiple of the identity, else None."""
    if operation.matrix is not None:
        matrix = np.array(operation.matrix)
    else:
        function = lookup(name).matrix
        if function is None or not all(param.is_constant for param in operation.params):
            return None
        matrix = np.asarray(function(*(param.constant for param in operation.params)))
    if np.abs(matrix - matrix[0, 0] * np.eye(len(matrix))).max() > TOLERANCE:
        return None
    return cmath.phase(complex(matrix[0, 0]))


# --- merging


def _can_join(a: _Element, b: _Element) -> bool:
    return a.operation is not None and a.operation.gate in ("FSim", "ZZ", "MS")


def _cancel(a: _Element, b: _Element) -> bool:
    if a.paulis is not None or a.operation is None or a.operation.is_measurement:
        return False
    assert b.operation is not None
    inverse = without_named_controls(a.operation).inverse()
    other = without_named_controls(b.operation)
    return len(inverse) == 1 and (
        _key(inverse[0]) == _key(other) and inverse[0].params == other.params
    )


def _merged(a: _Element, b: _Element) -> _Element | None:
    if a.paulis is not None:
        theta, phi = a.theta + b.theta, a.phi + b.phi
        merged = _Element(a.axes, a.key, a.controls, a.paulis, theta, phi, None)
        return None if _is_identity(merged) else merged
    if a.operation is None or b.operation is None or not _can_join(a, b) or a.key != b.key:
        return None
    first, second = a.operation, b.operation
    fixed = 2 if first.gate == "MS" else 0
    added = tuple(
        _reduced(p + q) for p, q in zip(first.params[fixed:], second.params[fixed:], strict=True)
    )
    if all(param == _ZERO for param in added):
        return None
    operation = Operation(first.gate, first.targets, first.params[:fixed] + added, first.controls)
    return _Element(a.axes, a.key, a.controls, None, _ZERO, _ZERO, operation)


def _is_identity(element: _Element) -> bool:
    theta, phi = _normal(element)
    return theta == _ZERO and phi == _ZERO


def _normal(element: _Element) -> tuple[Affine, Affine]:
    """Both angles without what does nothing; a full turn of theta is a phase of pi."""
    theta, phi = _reduced(element.theta, 2 * _TWO_PI), element.phi
    if theta.is_constant and abs(abs(theta.constant) - _TWO_PI) < TOLERANCE:
        theta, phi = _ZERO, phi + _PI
    return theta, _reduced(phi, _TWO_PI)


def _reduced(angle: Affine, period: float = 0.0) -> Affine:
    """Drops what rounding left of cancelled terms, and brings constants to (-period/2, period/2].

    The constant of a symbolic angle stays as written.
    """
    terms = tuple((name, c) for name, c in angle.terms if abs(c) > TOLERANCE)
    constant = angle.constant
    if not terms and period:
        constant = math.remainder(constant, period)
        if constant <= -period / 2 + TOLERANCE:
            constant += period
    if abs(constant) <= TOLERANCE:
        constant = 0.0
    return Affine(constant, terms)


# --- elements to gates


def _write(element: _Element) -> tuple[list[Operation], Affine]:
    """The operations of an element and a global phase."""
    if element.operation is not None:
        return [element.operation], _ZERO
    assert element.paulis is not None
    theta, phi = _normal(element)
    controls = element.controls
    if not element.paulis:
        return [_phase_gate(phi, controls)], _ZERO
    if theta == _ZERO:
        return _leftover(phi, controls)
    letters = "".join(letter for _, letter in element.paulis)
    targets = tuple(qubit for qubit, _ in element.paulis)
    beyond_power = _reduced(phi - theta * 0.5, _TWO_PI)
    as_power = len(letters) == 1 and (
        beyond_power == _ZERO or (phi != _ZERO and not phi.is_constant and beyond_power.is_constant)
    )
    if not as_power:
        rest, extra = _leftover(phi, controls)
        return [_gate(f"R{letters}", targets, (theta,), controls), *rest], extra
    rest, extra = _leftover(beyond_power, controls)
    if letters == "Z":
        # Without controls by construction, unless it came from a controlled rotation.
        return [_phase_gate(_reduced(theta, _TWO_PI), controls + targets), *rest], extra
    exponent = _reduced(theta * (1 / _PI), 2.0)
    for name, (axis, value) in _HALF_TURNS.items():
        if axis == letters and _near(exponent, value):
            return [_gate(name, targets, (), controls), *rest], extra
    return [_gate(f"{letters}Pow", targets, (exponent,), controls), *rest], extra


def _leftover(angle: Affine, controls: tuple[int, ...]) -> tuple[list[Operation], Affine]:
    if not controls:
        return [], angle
    return ([] if angle == _ZERO else [_phase_gate(angle, controls)]), _ZERO


def _phase_gate(angle: Affine, qubits: tuple[int, ...]) -> Operation:
    controls, target = qubits[:-1], qubits[-1:]
    for name, value in _DIAGONAL_ANGLES.items():
        if _near(angle, value) and (not controls or name == "Z"):
            return _gate(name, target, (), controls)
    return _gate("PhaseShift", target, (angle,), controls)


def _gate(
    base: str, targets: tuple[int, ...], params: tuple[Affine, ...], controls: tuple[int, ...]
) -> Operation:
    name = _NAMED.get((base, len(controls)))
    if name is not None:
        return Operation(name, controls + targets, params)
    return Operation(base, targets, params, controls)


def _near(value: Affine, number: float) -> bool:
    return value.is_constant and abs(value.constant - number) < TOLERANCE
