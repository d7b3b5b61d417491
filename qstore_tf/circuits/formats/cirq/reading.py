"""Circuits from Cirq, unitary for unitary, global phase included.

Both use qubit 0 as the most significant bit. SymPy expressions that are affine in their symbols
become `Affine` parameters. The way there is `writing`.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import cirq
import numpy as np
import sympy

from qstore_tf import limits
from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.gates import GATES, CirqPower, Gate, lookup
from qstore_tf.circuits.operation import MAX_UNITARY_QUBITS
from qstore_tf.circuits.symbols import Affine
from qstore_tf.errors import CircuitError, ConversionError, describe

_MAX_UNROLLING = 50

# A gate to add: name, local targets, parameters, local controls; or a matrix for "Unitary".
_Step = tuple[str, tuple[int, ...], tuple[Any, ...], tuple[int, ...]]


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
) -> Iterator[_Step]:
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
) -> Iterator[_Step]:
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


def _gate_steps(operation: cirq.Operation, depth: int) -> Iterable[_Step]:
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


def _affine_step(step: _Step) -> _Step:
    name, targets, params, controls = step
    if name == "Unitary":
        return step
    return name, targets, tuple(Affine.of(param) for param in params), controls


def _unknown_steps(operation: cirq.Operation, depth: int) -> list[_Step]:
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


def _qasm_u(gate: Any) -> list[_Step]:
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


def _affine(value: Any, factor: float = 1.0) -> Affine:
    return Affine.of(value) * factor


def _power(gate: Any) -> list[_Step]:
    """A power of Cirq's as the gate of the table that has its form, and a global phase."""
    kind = next(k.__name__ for k in type(gate).__mro__ if k.__name__ in _CONSTANTS)
    exponent, shift = _affine(gate.exponent), gate.global_shift
    rows = _PARAMETRIC.get(kind, ())
    row = min(rows, key=lambda row: _mismatch(row, shift), default=None)
    if exponent.is_constant and (row is None or _form(row).global_shift == 0):
        name = _CONSTANTS[kind].get(exponent.constant)
        if name is not None:
            return [(name, _all(name), (), ()), *_phase(exponent, shift)]
    if row is None:
        return [*_POWERS_IN_STEPS[kind](exponent), *_phase(exponent, shift)]
    param = exponent * (1 / _form(row).exponent)
    phase = _phase(exponent, shift - _form(row).global_shift)
    return [(row.name, _all(row.name), (param,), ()), *phase]


def _form(row: Gate) -> CirqPower:
    assert row.cirq is not None
    return row.cirq


def _mismatch(row: Gate, shift: float) -> tuple[bool, bool, bool]:
    """The same shift is best, then none; of rows that differ by a factor the power itself."""
    form = _form(row)
    return form.global_shift != shift, form.global_shift != 0, form.exponent != 1


def _all(name: str) -> tuple[int, ...]:
    return tuple(range(lookup(name).n_qubits or 0))


def _phase(exponent: Affine, shift: float) -> list[_Step]:
    """The global phase exp(i pi exponent shift)."""
    angle = exponent * (math.pi * shift)
    return [] if angle == Affine() else [("GlobalPhase", (), (angle,), ())]


def _hadamard_power(exponent: Affine) -> list[_Step]:
    # H = RY(pi/4) Z RY(-pi/4), so its powers are those of Z in that frame.
    turn = Affine(math.pi / 4)
    return [
        ("RY", (0,), (-turn,), ()),
        ("ZPow", (0,), (exponent,), ()),
        ("RY", (0,), (turn,), ()),
    ]


def _swap_power(exponent: Affine) -> list[_Step]:
    # SWAP^t = exp(i pi t/4 (1 - XX - YY - ZZ)).
    half = exponent * (math.pi / 2)
    return [*((f"R{p}{p}", (0, 1), (half,), ()) for p in "XYZ"), *_phase(exponent, 0.25)]


# Powers without a row of their own, as steps on local qubits.
_POWERS_IN_STEPS: Mapping[str, Callable[[Affine], list[_Step]]] = {
    "HPowGate": _hadamard_power,
    "SwapPowGate": _swap_power,
    "ISwapPowGate": lambda t: [("FSim", (0, 1), (t * (-math.pi / 2), Affine()), ())],
    "CCXPowGate": lambda t: [("XPow", (2,), (t,), (0, 1))],
    "CCZPowGate": lambda t: [("ZPow", (2,), (t,), (0, 1))],
}

# Class of a power in Cirq -> its exponents that are gates without parameters.
_CONSTANTS: dict[str, dict[float, str]] = {}
# Class of a power in Cirq -> gates that take the exponent as their parameter.
_PARAMETRIC: dict[str, list[Gate]] = {}
for _row in GATES.values():
    if _row.cirq is not None:
        _named = _CONSTANTS.setdefault(_row.cirq.kind, {})
        if _row.n_params:
            _PARAMETRIC.setdefault(_row.cirq.kind, []).append(_row)
        else:
            _named[_row.cirq.exponent] = _row.name


def _phased_x_power(gate: Any) -> list[_Step]:
    phase = _affine(gate.phase_exponent)
    if phase == Affine():
        return _power(cirq.XPowGate(exponent=gate.exponent, global_shift=gate.global_shift))
    if phase.is_constant and _affine(gate.exponent).is_constant:
        return [("Unitary", (0,), (cirq.unitary(gate),), ())]
    return [
        ("ZPow", (0,), (-phase,), ()),
        ("XPow", (0,), (_affine(gate.exponent),), ()),
        ("ZPow", (0,), (phase,), ()),
        *_phase(_affine(gate.exponent), gate.global_shift),
    ]


def _phased_xz(gate: Any) -> list[_Step]:
    axis = _affine(gate.axis_phase_exponent)
    return [
        ("ZPow", (0,), (-axis,), ()),
        ("XPow", (0,), (_affine(gate.x_exponent),), ()),
        ("ZPow", (0,), (axis + _affine(gate.z_exponent),), ()),
    ]


def _global_phase(gate: Any) -> list[_Step]:
    coefficient = gate.coefficient
    if not isinstance(coefficient, sympy.Basic):
        return [("GlobalPhase", (), (Affine(cmath.phase(complex(coefficient))),), ())]
    if not isinstance(coefficient, sympy.exp):
        raise _cannot(gate, "its phase is not exp(i * angle)", "Bind its symbols first.")
    angle = sympy.expand(coefficient.args[0] / sympy.I)
    return [("GlobalPhase", (), (Affine.of(angle),), ())]


# The first row whose class fits is used; cirq.Rx and the like are subclasses of the powers.
_FROM_CIRQ: Sequence[tuple[type[Any], Callable[[Any], list[_Step]]]] = (
    (cirq.IdentityGate, lambda gate: [("I", (q,), (), ()) for q in range(gate.num_qubits())]),
    *((getattr(cirq, kind), _power) for kind in _CONSTANTS),
    (cirq.CSwapGate, lambda gate: [("CSWAP", (0, 1, 2), (), ())]),
    (cirq.FSimGate, lambda gate: [("FSim", (0, 1), (gate.theta, gate.phi), ())]),
    (cirq.PhasedXPowGate, _phased_x_power),
    (cirq.PhasedXZGate, _phased_xz),
    (cirq.GlobalPhaseGate, _global_phase),
)

# By name, so that cirq-ionq need not be imported. Angles in turns.
_FROM_IONQ: Mapping[str, Callable[[Any], list[_Step]]] = {
    "GPIGate": lambda gate: [("GPi", (0,), (gate.phi,), ())],
    "GPI2Gate": lambda gate: [("GPi2", (0,), (gate.phi,), ())],
    "MSGate": lambda gate: [("MS", (0, 1), (gate.phi0, gate.phi1, gate.theta), ())],
    "ZZGate": lambda gate: [("ZZ", (0, 1), (gate.theta,), ())],
}
