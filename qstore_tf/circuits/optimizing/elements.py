"""Gates in the form in which they are compared and merged, and back."""

from __future__ import annotations

import cmath
import math
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cache

import numpy as np

from qstore_tf.circuits.gates import GATES
from qstore_tf.circuits.operation import Operation
from qstore_tf.circuits.primitives import Flip, Phase, Rot, SymbolicPrimitive
from qstore_tf.circuits.symbols import Affine

TOLERANCE = 1e-12
_PI, TWO_PI = math.pi, 2 * math.pi
ZERO = Affine()
_NAMED = {row.controlled: row.name for row in GATES.values() if row.controlled}


@dataclass(slots=True)
class Element:
    """A gate in the form in which gates are compared.

    Attributes:
        axes: For each qubit the basis in which the gate is diagonal there, "" for none.
        key: What gates that merge have in common.
        controls: Qubits that must be 1.
        paulis: Not None: the gate is exp(-i theta/2 P) times exp(i phi) where the controls are
            1; empty: exp(i phi) where they are. None: any other gate, `operation`.
        theta: See `paulis`.
        phi: See `paulis`.
        operation: The gate as it was written; None once it has been changed.
    """

    axes: dict[int, str]
    key: Hashable
    controls: tuple[int, ...]
    paulis: tuple[tuple[int, str], ...] | None
    theta: Affine
    phi: Affine
    operation: Operation | None


def element_of(operation: Operation) -> Element | None:
    """The element of an operation; None if it does nothing."""
    plain = operation.with_plain_controls()
    if operation.is_measurement:
        return _other(operation, plain, ())
    primitives = plain.primitives()
    element = None if plain.row.native else _of_primitives(primitives, operation)
    if element is None:
        angle = _phase_of_identity(operation)
        if angle is None:
            return _other(operation, plain, primitives)
        element = _phase(Affine(angle), plain.controls, None)
    theta, phi = normal(element)
    if theta == ZERO and element.theta != ZERO:
        # Full turns: what is left is the phase alone.
        return _phase(phi, plain.controls, None) if phi != ZERO else None
    return None if is_identity(element) else element


def _of_primitives(
    primitives: tuple[SymbolicPrimitive, ...], operation: Operation
) -> Element | None:
    """The element of a rotation, a phase or both; None for what is more than that."""
    if not primitives:
        return _phase(ZERO, (), operation)
    first, *others = primitives
    if isinstance(first, Phase) and not others:
        return _phase(first.angle, first.controls, operation)
    if isinstance(first, Flip) and not others:
        angle = Affine(_PI)
        return _rotation("X", first.targets, angle, first.controls, operation, angle * 0.5)
    if not isinstance(first, Rot) or len(others) > 1:
        return None
    phi = ZERO
    if others:
        second = others[0]
        if not isinstance(second, Phase) or second.controls != first.controls:
            return None
        phi = second.angle
    return _rotation(first.paulis, first.targets, first.angle, first.controls, operation, phi)


def _phase(angle: Affine, controls: tuple[int, ...], operation: Operation | None) -> Element:
    if len(controls) == 1:
        return _rotation("Z", controls, angle, (), operation, angle * 0.5)
    key = ("phase", frozenset(controls))
    return Element(dict.fromkeys(controls, "Z"), key, controls, (), ZERO, angle, operation)


def _rotation(
    paulis: str,
    targets: tuple[int, ...],
    theta: Affine,
    controls: tuple[int, ...],
    operation: Operation | None,
    phi: Affine,
) -> Element:
    pairs = tuple(sorted(zip(targets, paulis, strict=True)))
    axes = dict(pairs) | dict.fromkeys(controls, "Z")
    key = ("rotation", pairs, frozenset(controls))
    return Element(axes, key, controls, pairs, theta, phi, operation)


def _other(
    operation: Operation, plain: Operation, primitives: tuple[SymbolicPrimitive, ...]
) -> Element:
    diagonal = bool(primitives) and all(primitive.is_diagonal for primitive in primitives)
    axes = dict.fromkeys(plain.targets, "Z" if diagonal else "")
    axes |= dict.fromkeys(plain.controls, "Z")
    return Element(axes, key_of(plain), plain.controls, None, ZERO, ZERO, operation)


def key_of(plain: Operation) -> Hashable:
    """What two gates that join by adding parameters, or are the same gate, have in common."""
    row = plain.row
    targets = tuple(sorted(plain.targets)) if row.symmetric else plain.targets
    params = tuple(p for k, p in enumerate(plain.params) if k not in row.additive)
    return plain.gate, targets, params, frozenset(plain.controls), plain.matrix


def _phase_of_identity(operation: Operation) -> float | None:
    """The phase of a constant gate that is a multiple of the identity, else None."""
    if operation.matrix is not None:
        matrix = np.array(operation.matrix)
    else:
        function = operation.with_plain_controls().row.matrix
        if function is None or not all(param.is_constant for param in operation.params):
            return None
        matrix = np.asarray(function(*(param.constant for param in operation.params)))
    if np.abs(matrix - matrix[0, 0] * np.eye(len(matrix))).max() > TOLERANCE:
        return None
    return cmath.phase(complex(matrix[0, 0]))


def is_identity(element: Element) -> bool:
    """Whether an element with a rotation or a phase does nothing."""
    theta, phi = normal(element)
    return theta == ZERO and phi == ZERO


def normal(element: Element) -> tuple[Affine, Affine]:
    """Both angles without what does nothing; a full turn of theta is a phase of pi."""
    theta, phi = reduced(element.theta, 2 * TWO_PI), element.phi
    if theta.is_constant and abs(abs(theta.constant) - TWO_PI) < TOLERANCE:
        theta, phi = ZERO, phi + _PI
    return theta, reduced(phi, TWO_PI)


def reduced(angle: Affine, period: float = 0.0) -> Affine:
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


def write(element: Element) -> tuple[list[Operation], Affine]:
    """The operations of an element and a global phase."""
    if element.operation is not None:
        return [element.operation], ZERO
    assert element.paulis is not None
    theta, phi = normal(element)
    controls = element.controls
    if not element.paulis:
        return [_phase_gate(phi, controls)], ZERO
    if theta == ZERO:
        return _leftover(phi, controls)
    letters = "".join(letter for _, letter in element.paulis)
    targets = tuple(qubit for qubit, _ in element.paulis)
    beyond_power = reduced(phi - theta * 0.5, TWO_PI)
    as_power = len(letters) == 1 and (
        beyond_power == ZERO or (phi != ZERO and not phi.is_constant and beyond_power.is_constant)
    )
    if not as_power:
        rest, extra = _leftover(phi, controls)
        return [_gate(f"R{letters}", targets, (theta,), controls), *rest], extra
    rest, extra = _leftover(beyond_power, controls)
    if letters == "Z":
        # Without controls by construction, unless it came from a controlled rotation.
        return [_phase_gate(reduced(theta, TWO_PI), controls + targets), *rest], extra
    exponent = reduced(theta * (1 / _PI), 2.0)
    name = _name_of(letters, exponent)
    if name is not None:
        return [_gate(name, targets, (), controls), *rest], extra
    return [_gate(f"{letters}Pow", targets, (exponent,), controls), *rest], extra


def _leftover(angle: Affine, controls: tuple[int, ...]) -> tuple[list[Operation], Affine]:
    if not controls:
        return [], angle
    return ([] if angle == ZERO else [_phase_gate(angle, controls)]), ZERO


def _phase_gate(angle: Affine, qubits: tuple[int, ...]) -> Operation:
    controls, target = qubits[:-1], qubits[-1:]
    name = _name_of("Z", angle * (1 / _PI))
    if name is not None and (not controls or name == "Z"):
        return _gate(name, target, (), controls)
    return _gate("PhaseShift", target, (angle,), controls)


def _name_of(axis: str, exponent: Affine) -> str | None:
    """The gate without parameters that is this power of a Pauli gate."""
    for (pauli, value), name in _powers_with_names().items():
        if pauli == axis and exponent.is_constant and abs(exponent.constant - value) < TOLERANCE:
            return name
    return None


@cache
def _powers_with_names() -> dict[tuple[str, float], str]:
    found = {}
    for row in GATES.values():
        if row.n_qubits == 1 and row.n_params == 0 and row.matrix is not None:
            element = element_of(Operation(row.name, (0,)))
            if element is not None and element.paulis:
                ((_, pauli),) = element.paulis
                found[pauli, element.theta.constant / _PI] = row.name
    return found


def _gate(
    base: str, targets: tuple[int, ...], params: tuple[Affine, ...], controls: tuple[int, ...]
) -> Operation:
    name = _NAMED.get((base, len(controls)))
    if name is not None:
        return Operation(name, controls + targets, params)
    return Operation(base, targets, params, controls)
