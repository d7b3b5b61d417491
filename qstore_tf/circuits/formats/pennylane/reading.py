"""Circuits from PennyLane tapes, unitary for unitary, global phase included.

Wires become qubits in the order that PennyLane itself gives them (`wires_of`), or in a given
order. PennyLane's parameters are numbers without names: they are bound, or the trainable ones
become symbols of a chosen prefix. Symbols pass through PennyLane's decompositions as SymPy
expressions; a decomposition that is not affine in them, or computes with numbers only, is an
error.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from qstore_tf import limits
from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.formats.conversion import (
    Budget,
    Unconvertible,
    add,
    inverse_of,
    matrix_operation,
    under_controls,
)
from qstore_tf.circuits.formats.pennylane.tape import first_line, order_of, tape_of, with_symbols
from qstore_tf.circuits.gates import GATES
from qstore_tf.circuits.operation import MAX_UNITARY_QUBITS, Operation
from qstore_tf.circuits.symbols import Affine
from qstore_tf.errors import ConversionError, describe

_MAX_POWER = 1000

# Name in PennyLane -> gate with the same qubits and parameters.
_SAME = {name: row.name for row in GATES.values() for name in row.pennylane}

_Steps = list[tuple[str, tuple[int, ...], tuple[Affine, ...]]]

# Name in PennyLane -> (gate, local targets, parameters) in time order.
_SEVERAL: Mapping[str, Callable[..., _Steps]] = {
    "U2": lambda phi, delta: [("U3", (0,), (Affine(math.pi / 2), phi, delta))],
    "Rot": lambda phi, theta, omega: [
        ("RZ", (0,), (phi,)),
        ("RY", (0,), (theta,)),
        ("RZ", (0,), (omega,)),
    ],
    "IsingXY": lambda phi: [
        ("RXX", (0, 1), (phi * -0.5,)),
        ("RYY", (0, 1), (phi * -0.5,)),
    ],
    "GlobalPhase": lambda phi: [("GlobalPhase", (), (-phi,))],
}


def from_pennylane(
    tape: Any,
    *,
    wire_order: Sequence[Any] | None = None,
    trainable: str | None = None,
    args: Sequence[Any] = (),
) -> Circuit:
    """Converts a PennyLane tape, unitary for unitary, global phase included.

    Operations without a counterpart, templates among them, become the gates of their
    decomposition, or a matrix if they have no symbols and are on at most 5 qubits. Of the
    measurements, samples, counts and probabilities of wires become markers; expectation values
    and the like are left out, as observables are given to a layer.

    Args:
        tape: a `pennylane.tape.QuantumScript`, or a `QNode` or quantum function, which is
            called with `args` to get its tape.
        wire_order: which wire becomes qubit 0, 1, ...; it may name wires that the tape does not
            use, as in `wire_order=device.wires`. By default the order of `wires_of`.
        trainable: prefix of the symbols that `tape.trainable_params` become: the k-th of them
            is `{trainable}_{k}`, its entries, if it is an array, `{trainable}_{k}_{i}_{j}`.
            By default all parameters are bound to their numbers.
        args: what a QNode or quantum function is called with. All parameters of such a tape
            are trainable; transforms of the QNode are not applied.

    Returns:
        The circuit.

    Raises:
        ConversionError: an operation cannot be converted (state preparations, channels,
            measurements midway, batches of parameters, symbols that a decomposition does not
            keep affine); the message names it and where it stands.
    """
    source, tape = tape, tape_of(tape, args)
    wires = order_of(source, tape) if wire_order is None else list(wire_order)
    left_out = [wire for wire in tape.wires if wire not in wires]
    if left_out or not wires or len(set(wires)) != len(wires):
        raise ConversionError(
            describe(
                "The wires of the PennyLane tape have no usable order",
                expected=f"each of the wires {list(tape.wires)} once, and at least one wire",
                received=wires,
                hint="Name every wire once in wire_order",
            )
        )
    if tape.batch_size is not None:
        raise ConversionError(
            describe(
                "The PennyLane tape holds a batch of parameters",
                expected="one number for each parameter",
                received=f"a batch of {tape.batch_size}",
                hint="Make the tape for one sample, and feed batches to the layer",
            )
        )
    index = {wire: q for q, wire in enumerate(wires)}
    limits.QUBITS.check(len(wires), "The PennyLane tape", ConversionError)
    result = Circuit(len(wires))
    budget = Budget()
    for position, operation in enumerate(with_symbols(tape, trainable)):
        where = (
            f"Operation {position} of the PennyLane tape, {operation.name} on wires "
            f"{list(operation.wires)},"
        )
        add(result, _operations(operation, index, budget, 0), where)
    for measurement in tape.measurements:
        where = f"The measurement {type(measurement).__name__} of the PennyLane tape"
        add(result, _markers(measurement, index, result), where)
    return result


def _operations(
    operation: Any, index: Mapping[Any, int], budget: Budget, depth: int
) -> Iterator[Operation]:
    """What a PennyLane operation is, in time order, on the circuit's qubits."""
    import pennylane as qml

    budget.spend(depth)
    _refuse(operation)
    name = operation.name
    if name in ("Barrier", "Snapshot"):
        return
    qubits = tuple(index[wire] for wire in operation.wires)
    if name == "Identity":
        yield from (Operation("I", (q,)) for q in qubits)
    elif name in _SAME:
        yield Operation(_SAME[name], qubits, _params(operation))
    elif name in _SEVERAL:
        for gate, local, params in _SEVERAL[name](*_params(operation)):
            yield Operation(gate, tuple(qubits[q] for q in local), params)
    elif isinstance(operation, qml.ops.Controlled):
        inner = list(_operations(operation.base, index, budget, depth + 1))
        controls = [index[wire] for wire in operation.control_wires]
        yield from under_controls(inner, controls, operation.control_values)
    elif isinstance(operation, qml.ops.Adjoint):
        yield from inverse_of(list(_operations(operation.base, index, budget, depth + 1)))
    elif isinstance(operation, qml.ops.Pow) and float(operation.z).is_integer():
        inner = list(_operations(operation.base, index, budget, depth + 1))
        if abs(operation.z) * max(len(inner), 1) > _MAX_POWER:
            raise Unconvertible("its power is too large", "Multiply it out in PennyLane.")
        yield from (inverse_of(inner) if operation.z < 0 else inner) * abs(int(operation.z))
    elif name == "QubitUnitary":
        yield matrix_operation(operation.data[0], qubits)
    elif name in ("MultiRZ", "PauliRot"):
        word = operation.hyperparameters.get("pauli_word", "Z" * len(qubits))
        yield from _pauli_rotation(_params(operation)[0], qubits, word)
    elif isinstance(operation, qml.ops.Exp) and len(operation.base.pauli_rep or ()) == 1:
        yield from _exponential(operation, index)
    else:
        yield from _unknown(operation, qubits, index, budget, depth)


def _refuse(operation: Any) -> None:
    import pennylane as qml

    if operation.name in ("StatePrep", "AmplitudeEmbedding", "QubitDensityMatrix"):
        raise Unconvertible(
            "it prepares a state rather than acting on one",
            "Leave it out and feed amplitudes, as in QuantumLayer(circuit=..., "
            "encoding='amplitude'), or use pennylane.MottonenStatePreparation.",
        )
    if isinstance(operation, qml.operation.Channel):
        raise Unconvertible("a channel is not unitary", "Leave the noise out.")
    if isinstance(operation, qml.ops.Conditional):
        raise Unconvertible("it depends on a measurement", "Remove the condition.")
    if type(operation).__name__ in ("MidMeasure", "MidMeasureMP") or not isinstance(
        operation, qml.operation.Operator
    ):
        raise Unconvertible(
            "measurements stand at the end of a circuit", "Leave it out, or measure at the end."
        )
    if operation.name == "WireCut":
        raise Unconvertible("a circuit here cannot be cut", "Leave it out.")


def _params(operation: Any) -> tuple[Affine, ...]:
    return tuple(_affine(value) for value in operation.data)


def _affine(value: Any) -> Affine:
    if getattr(value, "shape", None) == ():
        # `item` of tensors of autograd, Torch, TensorFlow and JAX too.
        value = value.item() if hasattr(value, "item") else np.asarray(value).item()
    return Affine.of(value)


def _exponential(operation: Any, index: Mapping[Any, int]) -> Iterator[Operation]:
    """exp(c P) of a Pauli string P."""
    import sympy

    ((word, weight),) = operation.base.pauli_rep.items()
    angle = 2j * operation.coeff * weight
    if isinstance(angle, sympy.Basic):
        angle = sympy.expand(angle)
    elif abs(complex(angle).imag) < 1e-9:
        angle = complex(angle).real
    else:
        raise Unconvertible("it is not unitary", "Give it an imaginary coefficient.")
    qubits = tuple(index[wire] for wire in word)
    yield from _pauli_rotation(_affine(angle), qubits, "".join(word.values()))


def _pauli_rotation(angle: Affine, qubits: tuple[int, ...], word: str) -> Iterator[Operation]:
    """exp(-i angle P / 2): a change of basis, parities, one RZ, and back."""
    on = [(q, pauli) for q, pauli in zip(qubits, word, strict=True) if pauli != "I"]
    if not on:
        yield Operation("GlobalPhase", (), (angle * -0.5,))
        return
    if len(on) <= 2 and len({pauli for _, pauli in on}) == 1:
        yield Operation("R" + on[0][1] * len(on), tuple(q for q, _ in on), (angle,))
        return
    before = [Operation(g, (q,)) for q, p in on for g in {"X": ["H"], "Y": ["SX"]}.get(p, [])]
    before += [Operation("CX", (a, b)) for (a, _), (b, _) in itertools.pairwise(on)]
    yield from before
    yield Operation("RZ", (on[-1][0],), (angle,))
    yield from inverse_of(before)


def _unknown(
    operation: Any,
    qubits: tuple[int, ...],
    index: Mapping[Any, int],
    budget: Budget,
    depth: int,
) -> Iterator[Operation]:
    failures: list[Exception] = []
    matrix = _matrix_of(operation, failures) if len(qubits) <= 2 else None
    if matrix is None and _has_decomposition(operation, failures):
        for part in _decomposition(operation):
            missing = [wire for wire in part.wires if wire not in index]
            if missing:
                raise Unconvertible(
                    f"its decomposition needs the further wires {missing}",
                    "Name them in wire_order, or decompose it in PennyLane first.",
                )
            yield from _operations(part, index, budget, depth + 1)
        return
    if matrix is None and len(qubits) > 2:
        matrix = _matrix_of(operation, failures)
    if matrix is None or not _is_unitary(matrix):
        reasons = "; ".join(first_line(failure) for failure in failures)
        raise Unconvertible(
            "it has no counterpart, no decomposition and no unitary matrix without symbols on at "
            f"most {MAX_UNITARY_QUBITS} qubits" + (f" ({reasons})" if reasons else ""),
            "Replace it by standard gates.",
        ) from (failures[0] if failures else None)
    yield matrix_operation(matrix, qubits)


def _has_decomposition(operation: Any, failures: list[Exception]) -> bool:
    try:
        return bool(operation.has_decomposition)
    # With symbols some operations cannot even say.
    except Exception as error:
        failures.append(error)
        return False


def _decomposition(operation: Any) -> list[Any]:
    import pennylane as qml

    try:
        # Within another recording the parts would be recorded there.
        with qml.QueuingManager.stop_recording():
            return list(operation.decomposition())
    except Exception as error:
        if _has_symbols(operation):
            raise Unconvertible(
                f"PennyLane cannot decompose it with symbols for parameters ({first_line(error)})",
                "Leave its parameters out of tape.trainable_params, or leave out `trainable` "
                "to bind all parameters to their numbers.",
            ) from error
        raise Unconvertible(
            f"PennyLane cannot decompose it ({first_line(error)})",
            "Replace it by standard gates.",
        ) from error


def _has_symbols(operation: Any) -> bool:
    return any(np.asarray(value).dtype.hasobject for value in operation.data)


def _matrix_of(operation: Any, failures: list[Exception]) -> Any:
    """The matrix of an operation without symbols on few qubits, or None."""
    if not 1 <= len(operation.wires) <= MAX_UNITARY_QUBITS or _has_symbols(operation):
        return None
    if not operation.has_matrix:
        return None
    try:
        return np.asarray(operation.matrix(wire_order=operation.wires))
    # Whatever an operation of PennyLane or of the user runs into: then there is no matrix.
    except Exception as error:
        failures.append(error)
        return None


def _is_unitary(matrix: Any) -> bool:
    return bool(np.abs(matrix @ matrix.conj().T - np.eye(len(matrix))).max() < 1e-6)


def _markers(measurement: Any, index: Mapping[Any, int], circuit: Circuit) -> Iterator[Operation]:
    kinds = ("SampleMP", "CountsMP", "ProbabilityMP")
    if type(measurement).__name__ in kinds and measurement.obs is None:
        for wire in measurement.wires or index:
            # Each wire once, however many of the measurements read it.
            if index[wire] not in circuit.measured_qubits:
                yield Operation("Measure", (index[wire],))
