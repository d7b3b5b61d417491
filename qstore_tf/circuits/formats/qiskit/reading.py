"""Circuits from Qiskit, unitary for unitary, global phase included.

Qubit i of the Qiskit circuit is qubit i here. Only the index of a basis state reads differently:
Qiskit takes qubit 0 as its least significant bit, qstore_tf as its most significant one. Gates
are recognized by their class, not by their name, which anyone may give to anything. `writing`
does the reverse.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from qstore_tf import limits
from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.formats.conversion import (
    Budget,
    Unconvertible,
    add,
    global_phase,
    inverse_of,
    matrix_operation,
    under_controls,
)
from qstore_tf.circuits.gates import GATES
from qstore_tf.circuits.operation import MAX_UNITARY_QUBITS, Operation
from qstore_tf.circuits.symbols import Affine
from qstore_tf.errors import CircuitError, ConversionError, describe

_MAX_POWER = 1000
_HALF_PI = Affine(math.pi / 2)

# Class in Qiskit -> gate with the same qubits and parameters.
_SAME = {kind: row.name for row in GATES.values() for kind in row.qiskit}

# Class in Qiskit -> (gate, local targets, parameters) in time order.
_Steps = list[tuple[str, tuple[int, ...], tuple[Affine, ...]]]
_SEVERAL: Mapping[str, Callable[..., _Steps]] = {
    "U2Gate": lambda phi, lam: [("U3", (0,), (_HALF_PI, phi, lam))],
    "RGate": lambda theta, phi: [
        ("RZ", (0,), (-phi,)),
        ("RX", (0,), (theta,)),
        ("RZ", (0,), (phi,)),
    ],
    "RZXGate": lambda theta: [
        ("H", (1,), ()),
        ("RZZ", (0, 1), (theta,)),
        ("H", (1,), ()),
    ],
}


def from_qiskit(circuit: Any) -> Circuit:
    """Converts a Qiskit circuit, unitary for unitary, global phase included.

    Parameters keep their names; their order is that of first appearance in the circuit, not
    Qiskit's alphabetical one. Expressions must be affine. Gates without a counterpart become
    the gates of their definition, or a matrix if they have no parameters and are on at most 5
    qubits. Measurements become markers, barriers and delays are dropped.

    Args:
        circuit: a `qiskit.QuantumCircuit`.

    Returns:
        The circuit; qubit i is Qiskit's qubit i.

    Raises:
        ConversionError: an instruction cannot be converted (reset, initialize, control flow,
            classical conditions, gates after a measurement, expressions that are not affine);
            the message names it and where it stands.
    """
    qiskit = sys.modules.get("qiskit")
    if qiskit is None or not isinstance(circuit, qiskit.QuantumCircuit):
        raise ConversionError(
            describe(
                "This is not a Qiskit circuit",
                expected="a qiskit.QuantumCircuit",
                received=type(circuit).__name__,
                hint="Append instructions to a QuantumCircuit first.",
            )
        )
    if not circuit.num_qubits:
        raise ConversionError(
            describe("The Qiskit circuit has no qubits", expected="at least one qubit")
        )
    limits.QUBITS.check(circuit.num_qubits, "The Qiskit circuit", ConversionError)
    result = Circuit(circuit.num_qubits)
    budget = Budget()
    index = {qubit: i for i, qubit in enumerate(circuit.qubits)}
    for position, instruction in enumerate(circuit.data):
        operation = instruction.operation
        qubits = [index[qubit] for qubit in instruction.qubits]
        where = f"Instruction {position} of the Qiskit circuit, {operation.name!r} on {qubits},"
        add(result, _operations(operation, qubits, budget, 0), where)
    add(result, _phase_of(circuit), "The global phase of the Qiskit circuit")
    return result


def _operations(
    operation: Any, qubits: Sequence[int], budget: Budget, depth: int
) -> Iterator[Operation]:
    """What a Qiskit operation is, in time order, on these qubits."""
    budget.spend(depth)
    _refuse(operation)
    name = _class_name(operation)
    if name in ("Barrier", "Delay") or getattr(operation, "_directive", False):
        return
    if name == "Measure":
        yield Operation("Measure", (qubits[0],))
    elif name == "AnnotatedOperation":
        yield from _modified(operation, qubits, budget, depth)
    elif name in _SAME and _all_ones(operation):
        yield Operation(_SAME[name], tuple(qubits), _params(operation))
    elif name in _SEVERAL:
        for gate, local, params in _SEVERAL[name](*_params(operation)):
            yield Operation(gate, tuple(qubits[q] for q in local), params)
    elif name == "UnitaryGate":
        # Qiskit's first qubit is the least significant bit of a gate's matrix.
        yield matrix_operation(operation.to_matrix(), qubits[::-1])
    elif _base_name(operation) is not None:
        yield from _controlled(operation, qubits, budget, depth)
    else:
        yield from _unknown(operation, qubits, budget, depth)


def _refuse(operation: Any) -> None:
    from qiskit.circuit import ControlFlowOp, Store

    if isinstance(operation, ControlFlowOp):
        raise Unconvertible(
            "it is control flow, which a circuit here does not have",
            "Write the gates out, or transpile the circuit with qiskit's UnrollForLoops.",
        )
    if getattr(operation, "condition", None) is not None:
        raise Unconvertible("it depends on a measurement", "Remove the condition.")
    if isinstance(operation, Store):
        raise Unconvertible("it is classical computation", "Compute the values outside.")
    if operation.name == "reset":
        raise Unconvertible(
            "a reset is not unitary", "Leave it out: every circuit starts in |0...0>."
        )
    if _class_name(operation) == "Initialize":
        raise Unconvertible(
            "initializing resets its qubits",
            "Leave it out and feed amplitudes, as in QuantumLayer(circuit=..., "
            "encoding='amplitude'), or use Qiskit's StatePreparation.",
        )


def _class_name(operation: Any) -> str:
    """The name of the class if it is one of Qiskit's own, else nothing."""
    kind = getattr(operation, "base_class", type(operation))
    return kind.__name__ if kind.__module__.startswith("qiskit.circuit") else ""


def _all_ones(operation: Any) -> bool:
    controls = getattr(operation, "num_ctrl_qubits", 0)
    return not controls or operation.ctrl_state == 2**controls - 1


def _base_name(operation: Any) -> str | None:
    """The class of what is controlled if that has a counterpart; else the definition is read."""
    from qiskit.circuit import ControlledGate

    if not isinstance(operation, ControlledGate):
        return None
    name = _class_name(operation.base_gate)
    return name if name in _SAME or name in _SEVERAL or name == "UnitaryGate" else None


def _params(operation: Any) -> tuple[Affine, ...]:
    return tuple(_affine(value) for value in operation.params)


def _affine(value: Any) -> Affine:
    if not hasattr(value, "sympify"):
        return Affine.of(value)
    if not value.parameters:
        return Affine.of(float(value))
    if hasattr(value, "name"):
        return Affine.symbol(value.name)
    try:
        return Affine.of(value.sympify())
    except CircuitError as error:
        raise CircuitError(f"its parameter {value} cannot be read: {error}") from error
    # Qiskit's converter knows not every function that its expressions have.
    except Exception as error:
        raise Unconvertible(
            f"its parameter {value} is not affine", "Feed it as a parameter of its own."
        ) from error


def _phase_of(circuit: Any) -> Iterator[Operation]:
    yield from global_phase(_affine(circuit.global_phase))


def _control_values(state: int | None, n_controls: int) -> list[int]:
    """Values of the controls; the first one is the least significant bit of the state."""
    state = 2**n_controls - 1 if state is None else int(state)
    return [(state >> k) & 1 for k in range(n_controls)]


def _controlled(
    operation: Any, qubits: Sequence[int], budget: Budget, depth: int
) -> Iterator[Operation]:
    n_controls = operation.num_ctrl_qubits
    controls, targets = qubits[:n_controls], qubits[n_controls:]
    base = operation.base_gate
    params = _params(operation) if _class_name(base) == "UGate" else ()
    if len(params) == 4:
        # The fourth parameter of CU is a phase, which a U gate does not have.
        inner = [*global_phase(params[3]), Operation("U3", tuple(targets), params[:3])]
    else:
        # Targets may be followed by ancillas that the gate leaves alone.
        inner = list(_operations(base, targets[: base.num_qubits], budget, depth + 1))
    values = _control_values(operation.ctrl_state, n_controls)
    yield from under_controls(inner, controls, values)


def _modified(
    operation: Any, qubits: Sequence[int], budget: Budget, depth: int
) -> Iterator[Operation]:
    """Qiskit's lazy `ctrl`, `inv` and `pow`, each applied to all before it."""
    n_controls = sum(getattr(m, "num_ctrl_qubits", 0) for m in operation.modifiers)
    controls = list(qubits[:n_controls])
    inner = list(_operations(operation.base_op, qubits[n_controls:], budget, depth + 1))
    for position, modifier in enumerate(operation.modifiers):
        kind = type(modifier).__name__
        if kind == "InverseModifier":
            inner = inverse_of(inner)
        elif kind == "PowerModifier" and float(modifier.power).is_integer():
            if abs(modifier.power) * max(len(inner), 1) > _MAX_POWER:
                raise Unconvertible("its power is too large", "Multiply it out in Qiskit.")
            inner = (inverse_of(inner) if modifier.power < 0 else inner) * abs(int(modifier.power))
        elif kind == "ControlModifier":
            # Each further control comes before those already there.
            own = controls[len(controls) - modifier.num_ctrl_qubits :]
            del controls[len(controls) - modifier.num_ctrl_qubits :]
            values = _control_values(modifier.ctrl_state, modifier.num_ctrl_qubits)
            inner = list(under_controls(inner, own, values))
        else:
            inner = [_power_matrix(operation, position, qubits[len(controls) :])]
    yield from inner


def _power_matrix(operation: Any, position: int, qubits: Sequence[int]) -> Operation:
    """The operation up to and including a modifier, as a matrix."""
    from qiskit.circuit import AnnotatedOperation
    from qiskit.exceptions import QiskitError
    from qiskit.quantum_info import Operator

    if len(qubits) <= MAX_UNITARY_QUBITS:
        try:
            part = AnnotatedOperation(operation.base_op, operation.modifiers[: position + 1])
            return matrix_operation(Operator(part).data, qubits[::-1])
        except (QiskitError, TypeError, ValueError, AttributeError):
            pass
    raise Unconvertible(
        "a power that is not an integer needs a matrix without parameters on at most "
        f"{MAX_UNITARY_QUBITS} qubits",
        "Write the power as gates.",
    )


def _unknown(
    operation: Any, qubits: Sequence[int], budget: Budget, depth: int
) -> Iterator[Operation]:
    matrix = _matrix_of(operation) if len(qubits) <= 2 else None
    definition = getattr(operation, "definition", None) if matrix is None else None
    if definition is not None:
        index = {qubit: i for qubit, i in zip(definition.qubits, qubits, strict=True)}
        for inner in definition.data:
            on = [index[qubit] for qubit in inner.qubits]
            yield from _operations(inner.operation, on, budget, depth + 1)
        yield from _phase_of(definition)
        return
    if matrix is None:
        matrix = _matrix_of(operation)
    if matrix is None or len(matrix) != 2 ** len(qubits):
        raise Unconvertible(
            "it has no counterpart, no definition and no matrix",
            "Replace it by standard gates, or give it a definition.",
        )
    yield matrix_operation(matrix, qubits[::-1])


def _matrix_of(operation: Any) -> Any:
    """The matrix of a gate without parameters on few qubits, or None."""
    from qiskit.circuit import Gate
    from qiskit.exceptions import QiskitError

    if not isinstance(operation, Gate) or not 1 <= operation.num_qubits <= MAX_UNITARY_QUBITS:
        return None
    if any(getattr(value, "parameters", None) for value in operation.params):
        return None
    try:
        return operation.to_matrix()
    except (QiskitError, TypeError, ValueError, NotImplementedError):
        return None
