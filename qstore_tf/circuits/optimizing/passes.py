"""Makes circuits shorter without changing their unitary, global phase included.

Each gate in turn is moved back past the gates it commutes with. If it meets one about the same
axis on the same qubits, the two become one, or none; so rotations merge (with symbols too),
inverse pairs cancel and identities go. Two gates commute for certain if on every shared qubit
both are diagonal in the same basis: a control counts as Z, the target of CX as X.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.operation import Operation
from qstore_tf.circuits.optimizing.elements import (
    TWO_PI,
    ZERO,
    Element,
    element_of,
    is_identity,
    key_of,
    reduced,
    write,
)

# How many commuting gates one gate is moved past; it bounds the time to linear in the gates.
LOOKBACK = 256
_MAX_PASSES = 20

C = TypeVar("C", bound=Circuit)


def optimize(circuit: C) -> C:
    """Returns an equivalent circuit with merged rotations and without superfluous gates.

    The unitary stays the same for all values of the symbols, global phase included (numbers
    within 1e-12); where a phase is left over it is one GlobalPhase gate at the end. A symbol
    that cancels is no longer a parameter, and the order of first appearance may change: give
    the order of the symbols explicitly where it matters. The time is linear in the gates.

    Args:
        circuit: the circuit; it is not changed.

    Returns:
        A new circuit with at most as many gates, not counting a GlobalPhase.

    >>> circuit = Circuit(2).add_gate("RZ", [0], ["a"]).add_gate("CX", [0, 1])
    >>> optimize(circuit.add_gate("RZ", [0], ["b"]).add_gate("CX", [0, 1])).count_gates()
    {'RZ': 1}
    """
    operations = list(circuit.operations)
    for _ in range(_MAX_PASSES):
        shorter = _one_pass(operations)
        if shorter == operations:
            break
        operations = shorter
    return circuit.from_operations(circuit.n_qubits, operations)


def _one_pass(operations: list[Operation]) -> list[Operation]:
    elements: list[Element | None] = []
    on_qubit: dict[int, list[int]] = {}
    phase = ZERO
    for operation in operations:
        element = element_of(operation)
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
            written, extra = write(kept)
            result.extend(written)
            phase = phase + extra
    phase = reduced(phase, TWO_PI)
    if phase != ZERO:
        result.append(Operation("GlobalPhase", (), (phase,)))
    return result


def _find_partner(
    element: Element, elements: list[Element | None], on_qubit: dict[int, list[int]]
) -> int | None:
    """The position of an earlier gate that this one can be moved to and merged with."""
    for steps, position in enumerate(_backwards([on_qubit.get(q, []) for q in element.axes])):
        earlier = elements[position]
        if earlier is None or steps > LOOKBACK:
            return None
        if earlier.key == element.key and (element.paulis is not None or _can_join(earlier)):
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


def _commute(a: Element, b: Element) -> bool:
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


def _can_join(a: Element) -> bool:
    return a.operation is not None and bool(a.operation.row.additive)


def _cancel(a: Element, b: Element) -> bool:
    if a.paulis is not None or a.operation is None or a.operation.is_measurement:
        return False
    assert b.operation is not None
    inverse = a.operation.with_plain_controls().inverse()
    other = b.operation.with_plain_controls()
    return len(inverse) == 1 and (
        key_of(inverse[0]) == key_of(other) and inverse[0].params == other.params
    )


def _merged(a: Element, b: Element) -> Element | None:
    if a.paulis is not None:
        theta, phi = a.theta + b.theta, a.phi + b.phi
        merged = Element(a.axes, a.key, a.controls, a.paulis, theta, phi, None)
        return None if is_identity(merged) else merged
    if a.operation is None or b.operation is None or not _can_join(a) or a.key != b.key:
        return None
    first, second = a.operation, b.operation
    additive = first.row.additive
    params = tuple(
        reduced(p + q) if k in additive else p
        for k, (p, q) in enumerate(zip(first.params, second.params, strict=True))
    )
    if all(params[k] == ZERO for k in additive):
        return None
    operation = Operation(first.gate, first.targets, params, first.controls)
    return Element(a.axes, a.key, a.controls, None, ZERO, ZERO, operation)
