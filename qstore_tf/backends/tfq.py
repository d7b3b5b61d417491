"""The backend on TensorFlow Quantum's ops, with its adjoint differentiator."""

from __future__ import annotations

import cmath
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cirq
import numpy as np
import sympy
import tensorflow as tf

from qstore_tf.backends.arrays.blocks import narrow
from qstore_tf.backends.base import Batch, BatchBackend, Capabilities
from qstore_tf.backends.extras import require
from qstore_tf.checks import check_observables
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.primitives import Angle, CompiledPrimitive, Flip, Phase, Rot, Swap
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.ops import plain
from qstore_tf.ops.inputs import check_sampling, prepare
from qstore_tf.ops.own_gradient import own_gradient, with_tensor_gradient
from qstore_tf.ops.plain_angles import affine

_POWERS: dict[str, Any] = {
    "X": cirq.XPowGate,
    "Y": cirq.YPowGate,
    "Z": cirq.ZPowGate,
    "XX": cirq.XXPowGate,
    "YY": cirq.YYPowGate,
    "ZZ": cirq.ZZPowGate,
}


@dataclass(frozen=True)
class _Row:
    """A half turn's worth of a gate's angle: what TFQ reads as an exponent."""

    angle: Angle
    scale: float = 1 / math.pi


class Tfq(BatchBackend):
    """Runs TensorFlow Quantum: its simulation ops, and `tfq.differentiators.Adjoint`.

    Works with TensorFlow 2.18 only, in float32, on programs that start from |0...0>. Each angle
    that depends on inputs or theta is one of TFQ's symbols, and TensorFlow differentiates from
    there on. A program is serialized once. TFQ keeps six digits of constant angles and takes
    the derivative of each gate's matrix by finite differences, so gradients agree with those of
    the other backends to about 1e-3.

    Samples are drawn from TFQ's states, because its own draws cannot be seeded.

    Raises:
        LibraryError: TensorFlow Quantum is not installed or does not fit this TensorFlow.
    """

    name = "tfq"
    capabilities = Capabilities(state_vector=True, exact=True, adjoint=True, dtypes=("float32",))

    def __init__(self) -> None:
        """Imports TensorFlow Quantum."""
        tfq = self._tfq = require("tensorflow_quantum", self.name, extra="tfq")
        adjoint = tfq.differentiators.Adjoint()
        self._op = adjoint.generate_differentiable_op(analytic_op=tfq.get_expectation_op())

    def check(self, program: Program) -> None:
        """Raises ConfigurationError for an initial state, or a gate that TFQ cannot serialize."""
        if program.has_initial:
            raise ConfigurationError(
                describe(
                    "TensorFlow Quantum starts every circuit from |0...0>, and this one starts "
                    "from a given state",
                    hint="Use backend='native', or an encoding that is a circuit, such as "
                    "encoding='angle'",
                )
            )
        _serialized(program, False)

    def _expectation(self, batch: Batch, observables: Sequence[PauliSum], seed: Any) -> tf.Tensor:
        given = self._feed(batch)
        check_observables(observables, batch.program.n_qubits)
        rows = tf.shape(given[0])[0]
        sums = tf.constant([_serialized_sum(observable) for observable in observables])
        values = self._op(*given, tf.repeat(sums[None], rows, axis=0))
        values = with_tensor_gradient(values)
        inputs, theta, _ = prepare(batch.program, batch.inputs, batch.theta)
        return plain.with_all_gradients(values, batch.program, inputs, theta)

    def _state_vector(self, batch: Batch) -> tf.Tensor:
        """Returns states [B, 2^n], without gradient."""
        programs, names, values = self._feed(batch, phases=True)
        # Not `tfq.get_state_op`, which makes ragged tensors of states that all have one size.
        ops = require("tensorflow_quantum.core.ops.tfq_simulate_ops", self.name, extra="tfq")
        size = 2**batch.program.n_qubits

        @own_gradient
        def states(values: tf.Tensor) -> Any:
            found = ops.tfq_simulate_state(programs, names, values)
            found = tf.reshape(found, [tf.shape(values)[0], size])
            return tf.ensure_shape(found, [values.shape[0], size]), _refuse

        return states(values)

    def _probabilities(self, batch: Batch) -> tf.Tensor:
        return plain.squared_magnitude(self._state_vector(batch))

    def _sample(self, batch: Batch, shots: int, seed: Any) -> tf.Tensor:
        seed = check_sampling(shots, seed)
        return plain.draw(self._probabilities(batch), shots, seed)

    def row_bytes(self, program: Program, dtype: tf.DType, samples: bool = False) -> int:
        """Returns the bytes of a row's states where samples are drawn from them."""
        return 6 * 2 * dtype.size * 2**program.n_qubits if samples else 0

    def _feed(self, given: Batch, phases: bool = False) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns what TFQ's ops take: circuits [B], symbols [G] and their values [B, G]."""
        program = given.program
        inputs, theta, _ = prepare(program, *given.values)
        self.check(program)
        self.check_dtype(inputs.dtype)
        text, rows = _serialized(program, phases)
        batch = tf.shape(inputs)[0]
        values = tf.zeros([batch, 0], inputs.dtype)
        if rows:
            values = tf.transpose(affine(rows, tf.transpose(inputs), theta))
            values = tf.broadcast_to(values, [batch, len(rows)])
        values = tf.ensure_shape(values, [inputs.shape[0], len(rows)])
        names = tf.constant([_symbol(k) for k in range(len(rows))], tf.string)
        return tf.fill([batch], text), names, values


def _refuse(*_: tf.Tensor) -> Any:
    raise ConfigurationError(
        describe(
            "TensorFlow Quantum has no gradients of states",
            hint="Measure in the same layer, QuantumLayer(..., observables=...), or use "
            "backend='native'",
        )
    )


def _symbol(number: int) -> str:
    return f"s{number}"


@lru_cache(maxsize=256)
def _serialized(program: Program, phases: bool) -> tuple[bytes, tuple[_Row, ...]]:
    """Returns a program as TFQ's text, and the exponents that its symbols stand for.

    Args:
        program: The program.
        phases: Whether global phases matter.
    """
    import tensorflow_quantum as tfq

    rows: list[_Row] = []
    # TFQ counts the qubits that it sees in a circuit.
    operations = [cirq.I(qubit) for qubit in cirq.LineQubit.range(program.n_qubits)]
    for number, gate in enumerate(program.gates):
        if phases or not isinstance(gate, Phase) or gate.controls:
            operations.extend(_lower(gate, number, rows, phases))
    with warnings.catch_warnings(), tf.init_scope():
        # TFQ makes Cirq speak of its next release, once for each circuit.
        warnings.simplefilter("ignore", FutureWarning)
        text = tfq.convert_to_tensor([cirq.Circuit(operations)]).numpy()[0]
    return text, tuple(rows)


@lru_cache(maxsize=1024)
def _serialized_sum(observable: PauliSum) -> bytes:
    import tensorflow_quantum as tfq

    total = cirq.PauliSum()
    for term in observable.terms:
        factors = [getattr(cirq, pauli)(cirq.LineQubit(qubit)) for qubit, pauli in term.paulis]
        total += cirq.PauliString(*factors, coefficient=term.coefficient)
    with tf.init_scope():
        return tfq.convert_to_tensor([[total]]).numpy()[0, 0]


def _lower(
    gate: CompiledPrimitive, number: int, rows: list[_Row], phases: bool
) -> Iterator[cirq.Operation]:
    """Yields a primitive in gates that TFQ serializes; adds a row for each symbol."""
    if isinstance(gate, Rot) and gate.paulis not in _POWERS:
        for piece in narrow(gate, widest=1):
            yield from _lower(piece, number, rows, phases)
    elif isinstance(gate, Rot):
        targets = [cirq.LineQubit(q) for q in gate.targets]
        power = _POWERS[gate.paulis](exponent=_exponent(gate.angle, rows), global_shift=-0.5)
        yield _controlled(power(*targets), gate.controls)
    elif isinstance(gate, Phase):
        power = cirq.ZPowGate(exponent=_exponent(gate.angle, rows))
        if gate.controls:
            yield _controlled(power(cirq.LineQubit(gate.controls[-1])), gate.controls[:-1])
            return
        # A phase on |1> and one on |0> are a phase on both.
        qubit = cirq.LineQubit(0)
        yield from (power(qubit), cirq.X(qubit), power(qubit), cirq.X(qubit))
    elif isinstance(gate, Flip):
        yield _controlled(cirq.X(cirq.LineQubit(gate.target)), gate.controls)
    elif isinstance(gate, Swap):
        one, other = (cirq.LineQubit(q) for q in gate.targets)
        yield _controlled(cirq.SWAP(one, other), gate.controls)
    else:
        found = _decomposed(gate.matrix, len(gate.targets))
        if found is None:
            raise ConfigurationError(
                describe(
                    f"TensorFlow Quantum cannot serialize gate {number} of the program, a "
                    f"Unitary on qubits {gate.targets}, which Cirq does not decompose",
                    hint="Use backend='native', or write it in gates of the table",
                )
            )
        operations, phase = found
        place: dict[cirq.Qid, cirq.Qid] = {
            cirq.LineQubit(k): cirq.LineQubit(q) for k, q in enumerate(gate.targets)
        }
        for operation in operations:
            yield _controlled(operation.transform_qubits(place), gate.controls)
        if phases or gate.controls:
            yield from _lower(Phase(Angle(phase), gate.controls), number, rows, phases)


def _controlled(operation: cirq.Operation, controls: Sequence[int]) -> cirq.Operation:
    if not controls:
        return operation
    qubits = [cirq.LineQubit(q) for q in controls]
    if operation.gate == cirq.X and len(qubits) == 1:
        return cirq.CNOT(qubits[0], operation.qubits[0])
    # `controlled_by` would make gates of three qubits, which TFQ does not know.
    return cirq.ControlledOperation(qubits, operation)


def _exponent(angle: Angle, rows: list[_Row]) -> Any:
    if not angle.terms:
        return angle.constant / math.pi
    rows.append(_Row(angle))
    return sympy.Symbol(_symbol(len(rows) - 1))


@lru_cache(maxsize=256)
def _decomposed(matrix: Any, n_qubits: int) -> tuple[tuple[cirq.Operation, ...], float] | None:
    """Returns operations that make a matrix up to a phase, and the phase; None if Cirq cannot."""
    unitary = np.array(matrix, complex)
    qubits: list[cirq.Qid] = list(cirq.LineQubit.range(n_qubits))
    if n_qubits == 1:
        gates = cirq.single_qubit_matrix_to_gates(unitary, tolerance=1e-9)
        found = [gate(*qubits) for gate in gates]
    elif n_qubits == 2:
        one, other = qubits
        found = cirq.two_qubit_matrix_to_cz_operations(one, other, unitary, True)
    else:
        found = list(cirq.quantum_shannon_decomposition(qubits, unitary))
    found = [op for op in found if op.qubits]  # a global phase is worked out below
    made = cirq.Circuit([cirq.I.on_each(*qubits), *found]).unitary(qubit_order=qubits)
    overlap = np.trace(made.conj().T @ unitary)
    if abs(abs(overlap) - len(unitary)) > 1e-5 * len(unitary):
        return None
    return tuple(found), cmath.phase(overlap)
