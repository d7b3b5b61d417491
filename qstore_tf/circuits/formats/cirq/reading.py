"""Circuits from Cirq, unitary for unitary, global phase included.

Cirq and qstore_tf both use qubit 0 as the most significant bit. SymPy expressions that are affine
in their symbols become `Affine` parameters. `writing` does the reverse.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import cirq
import numpy as np
import sympy

from qstore_tf import limits
from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.formats.cirq.powers import POWERS, Step, phase_steps, read_power
from qstore_tf.circuits.gates import lookup
from qstore_tf.circuits.operation import MAX_UNITARY_QUBITS
from qstore_tf.circuits.symbols import Affine
from qstore_tf.errors import CircuitError, ConversionError, describe

_MAX_UNROLLING = 50


def from_cirq(circuit: cirq.AbstractCircuit, qubit_order: Any = None) -> Circuit:
    """Converts a Cirq circuit, unitary for unitary, global phase included.

    Operations without a counterpart become a matrix if they are unitary, free of symbols and
    on at most 5 qubits, and are decomposed by Cirq otherwise. Measurements become markers;
    their keys are not kept.

    Args:
        circuit: the Cirq circuit, on qubits of dimension 2.
        qubit_order: which Cirq qubit becomes qubit 0, 1, ...: a list of qubits or a
            `cirq.QubitOrder`; it may name qubits that the circuit does not use. By default the
            circuit's qubits in Cirq's sorted order.

    Returns:
        The circuit.

    Raises:
        ConversionError: if an operation cannot be converted (noise, reset, classical control,
            parameters that are not affine); the message names it.

    >>> a, b = cirq.LineQubit.range(2)
    >>> from_cirq(cirq.Circuit(cirq.H(a), cirq.CNOT(a, b))).count_gates()
    {'H': 1, 'CX': 1}
    """
    if not isinstance(circuit, cirq.AbstractCircuit):
        raise ConversionError(
            describe(
                "This is not a Cirq circuit",
                expected="cirq.Circuit or cirq.FrozenCircuit",
                received=type(circuit).__name__,
                hint="Wrap operations in cirq.Circuit(...).",
            )
        )
    order = cirq.QubitOrder.as_qubit_order(
        cirq.QubitOrder.DEFAULT if qubit_order is None else qubit_order
    )
    try:
        qubits = order.order_for(circuit.all_qubits())
    except ValueError as error:
        raise ConversionError(
            describe(
                "The qubit order does not fit the Cirq circuit",
                expected="an order that names each qubit once",
                received=qubit_order,
                hint=str(error),
            )
        ) from error
    if not qubits:
        raise ConversionError(
            describe(
                "The Cirq circuit has no qubits",
                expected="at least one qubit",
                hint="Add gates, or name the qubits in qubit_order.",
            )
        )
    for qubit in qubits:
        if qubit.dimension != 2:
            raise _cannot(qubit, f"it has {qubit.dimension} levels", "Only qubits convert.")
    limits.QUBITS.check(len(qubits), "The Cirq circuit", ConversionError)
    index = {qubit: q for q, qubit in enumerate(qubits)}
    result = Circuit(len(qubits))
    count, most = 0, limits.OPERATIONS.current
    for operation in circuit.all_operations():
        for name, targets, params, controls in _steps_of(operation, index, 0):
            count += 1
            if count > most:
                subject = "The Cirq circuit"
                limits.OPERATIONS.check(count, subject, ConversionError, counting=True)
            try:
                if name == "Unitary":
                    result.add_unitary(params[0], targets, controls=controls)
                else:
                    result.add_gate(name, targets, params, controls=controls)
            except CircuitError as error:
                raise ConversionError(f"Cirq operation {operation!r}: {error}") from error
    return result


def _cannot(what: object, why: str, hint: str) -> ConversionError:
    return ConversionError(describe(f"Cirq's {what!r} cannot be converted: {why}", hint=hint))


def _steps_of(
    operation: cirq.Operation, index: Mapping[cirq.Qid, int], depth: int
) -> Iterator[Step]:
    """The steps that make up a Cirq operation, on absolute qubit numbers."""
    operation = operation.untagged
    if depth > _MAX_UNROLLING:
        raise _cannot(operation.gate, "it is nested too deeply", "Flatten the circuit first.")
    if isinstance(operation, cirq.ClassicallyControlledOperation):
        raise _cannot(operation, "it depends on a measurement", "Remove the classical control.")
    if isinstance(operation, cirq.CircuitOperation):
        for inner in cirq.decompose_once(operation):
            yield from _steps_of(inner, index, depth + 1)
        return
    if isinstance(operation, cirq.ControlledOperation):
        yield from _controlled_steps(operation, index, depth)
        return
    qubits = tuple(index[qubit] for qubit in operation.qubits)
    for name, targets, params, controls in _gate_steps(operation, depth):
        yield (
            name,
            tuple(qubits[q] for q in targets),
            params,
            tuple(qubits[q] for q in controls),
        )


def _controlled_steps(
    operation: cirq.ControlledOperation, index: Mapping[cirq.Qid, int], depth: int
) -> Iterator[Step]:
    inner = list(_steps_of(operation.sub_operation, index, depth + 1))
    if any(step[0] == "Measure" for step in inner):
        raise _cannot(operation, "it controls a measurement", "Remove the control.")
    qubits = [index[qubit] for qubit in operation.controls]
    for product in _products(operation):
        controls = tuple(q for q, value in zip(qubits, product, strict=True) if value is not None)
        zeros = [q for q, value in zip(qubits, product, strict=True) if value == 0]
        for qubit in zeros:
            yield "X", (qubit,), (), ()
        for name, targets, params, own in inner:
            yield name, targets, params, (*controls, *own)
        for qubit in zeros:
            yield "X", (qubit,), (), ()


def _products(operation: cirq.ControlledOperation) -> list[tuple[int | None, ...]]:
    """The control values as products that exclude each other; None where any value will do."""
    values = operation.control_values
    if isinstance(values, cirq.ProductOfSums):
        allowed = [sorted(set(choice)) for choice in values]
        if all(choice in ([0], [1], [0, 1]) for choice in allowed):
            return [tuple(choice[0] if len(choice) == 1 else None for choice in allowed)]
    products = sorted({tuple(int(v) for v in product) for product in values.expand()})
    if any(value not in (0, 1) for product in products for value in product):
        raise _cannot(operation, "a control value is not 0 or 1", "Only qubits convert.")
    return list(products)


def _gate_steps(operation: cirq.Operation, depth: int) -> Iterable[Step]:
    """The steps of an uncontrolled operation, on the operation's own qubits 0, 1, ..."""
    gate = operation.gate
    if isinstance(gate, cirq.ControlledGate):
        local = cirq.LineQubit.range(cirq.num_qubits(gate))
        index: dict[cirq.Qid, int] = {qubit: q for q, qubit in enumerate(local)}
        n_controls = gate.num_controls()
        controlled = cirq.ControlledOperation(
            local[:n_controls], gate.sub_gate.on(*local[n_controls:]), gate.control_values
        )
        return list(_controlled_steps(controlled, index, depth + 1))
    if isinstance(gate, cirq.MeasurementGate):
        if any(gate.full_invert_mask()) or gate.confusion_map:
            raise _cannot(operation, "its outcome is inverted or confused", "Measure plainly.")
        return [("Measure", (q,), (), ()) for q in range(len(operation.qubits))]
    try:
        for kind, read in _FROM_CIRQ:
            if isinstance(gate, kind):
                return [_affine_step(step) for step in read(gate)]
        if type(gate).__name__ == "QasmUGate":
            return _qasm_u(gate)
        if type(gate).__module__.startswith("cirq_ionq") and type(gate).__name__ in _FROM_IONQ:
            return [_affine_step(step) for step in _FROM_IONQ[type(gate).__name__](gate)]
    except CircuitError as error:
        raise ConversionError(f"Cirq operation {operation!r}: {error}") from error
    return _unknown_steps(operation, depth)


def _affine_step(step: Step) -> Step:
    name, targets, params, controls = step
    if name == "Unitary":
        return step
    return name, targets, tuple(Affine.of(param) for param in params), controls


def _unknown_steps(operation: cirq.Operation, depth: int) -> list[Step]:
    n_qubits = len(operation.qubits)
    if 0 < n_qubits <= MAX_UNITARY_QUBITS:
        matrix = cirq.unitary(operation, None)
        if matrix is not None:
            return [("Unitary", tuple(range(n_qubits)), (matrix,), ())]
    parts = None
    # Cirq would answer a decomposition for a non-unitary operation too: a reset has none.
    if cirq.has_unitary(operation) or cirq.is_parameterized(operation):
        parts = cirq.decompose_once(operation, None)
    if parts is None:
        raise _cannot(
            operation,
            "it is neither a known gate nor unitary on at most "
            f"{MAX_UNITARY_QUBITS} qubits nor decomposable by Cirq",
            "Replace it by known gates; noise, resets and channels have no place in a circuit.",
        )
    index = {qubit: q for q, qubit in enumerate(operation.qubits)}
    try:
        return [step for part in parts for step in _steps_of(part, index, depth + 1)]
    except KeyError as error:
        why = "its decomposition needs ancilla qubits"
        raise _cannot(operation, why, "Decompose it in Cirq first.") from error


def _qasm_u(gate: Any) -> list[Step]:
    """The gate that Cirq's OpenQASM reader makes of u1, u2 and u3; angles in half turns."""
    matrix = cirq.unitary(gate)
    angles = [float(value) * math.pi for value in (gate.theta, gate.phi, gate.lmda)]
    name, params = "U3", angles
    if angles[0] == 0:
        name, params = "PhaseShift", [angles[1] + angles[2]]
    # Its parameters are reduced modulo full turns, which is not the same for theta.
    if np.abs(lookup(name).matrix(*params) - matrix).max() > 1e-9:  # type: ignore[misc]
        return [("Unitary", (0,), (matrix,), ())]
    return [_affine_step((name, (0,), tuple(params), ()))]


def _phased_x_power(gate: Any) -> list[Step]:
    phase = Affine.of(gate.phase_exponent)
    if phase == Affine():
        return read_power("XPowGate", gate)
    if phase.is_constant and Affine.of(gate.exponent).is_constant:
        return [("Unitary", (0,), (cirq.unitary(gate),), ())]
    return [
        ("ZPow", (0,), (-phase,), ()),
        ("XPow", (0,), (Affine.of(gate.exponent),), ()),
        ("ZPow", (0,), (phase,), ()),
        *phase_steps(Affine.of(gate.exponent), gate.global_shift),
    ]


def _phased_xz(gate: Any) -> list[Step]:
    axis = Affine.of(gate.axis_phase_exponent)
    return [
        ("ZPow", (0,), (-axis,), ()),
        ("XPow", (0,), (Affine.of(gate.x_exponent),), ()),
        ("ZPow", (0,), (axis + Affine.of(gate.z_exponent),), ()),
    ]


def _global_phase(gate: Any) -> list[Step]:
    coefficient = gate.coefficient
    if not isinstance(coefficient, sympy.Basic):
        return [("GlobalPhase", (), (Affine(cmath.phase(complex(coefficient))),), ())]
    if not isinstance(coefficient, sympy.exp):
        raise _cannot(gate, "its phase is not exp(i * angle)", "Bind its symbols first.")
    angle = sympy.expand(coefficient.args[0] / sympy.I)
    return [("GlobalPhase", (), (Affine.of(angle),), ())]


# The first row whose class fits is used; cirq.Rx and the like are subclasses of the powers.
_FROM_CIRQ: Sequence[tuple[type[Any], Callable[[Any], list[Step]]]] = (
    (cirq.IdentityGate, lambda gate: [("I", (q,), (), ()) for q in range(gate.num_qubits())]),
    *((getattr(cirq, kind), partial(read_power, kind)) for kind in POWERS),
    (cirq.CSwapGate, lambda gate: [("CSWAP", (0, 1, 2), (), ())]),
    (cirq.FSimGate, lambda gate: [("FSim", (0, 1), (gate.theta, gate.phi), ())]),
    (cirq.PhasedXPowGate, _phased_x_power),
    (cirq.PhasedXZGate, _phased_xz),
    (cirq.GlobalPhaseGate, _global_phase),
)

# By name, so that cirq-ionq need not be imported. Angles in turns.
_FROM_IONQ: Mapping[str, Callable[[Any], list[Step]]] = {
    "GPIGate": lambda gate: [("GPi", (0,), (gate.phi,), ())],
    "GPI2Gate": lambda gate: [("GPi2", (0,), (gate.phi,), ())],
    "MSGate": lambda gate: [("MS", (0, 1), (gate.phi0, gate.phi1, gate.theta), ())],
    "ZZGate": lambda gate: [("ZZ", (0, 1), (gate.theta,), ())],
}
