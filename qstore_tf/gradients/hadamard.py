"""Exact gradients from one extra qubit: the Hadamard test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from qstore_tf.backends.base import Backend
from qstore_tf.caching import of_programs, remember
from qstore_tf.circuits.observables import PauliString, PauliSum
from qstore_tf.circuits.primitives import Angle, CompiledPrimitive, Phase, Rot
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.gradients.base import Pullback
from qstore_tf.gradients.from_values import FromValues, by_columns, join, repeated
from qstore_tf.gradients.unrolled import Unrolled, unroll


@dataclass(frozen=True)
class HadamardTests:
    """The circuits of all tests of a program, as one program with a switch for each.

    Attributes:
        program: On one qubit more, the last; its inputs are the angles, then the switches.
        columns: For each test, the angle that it helps to differentiate.
        weights: For each test, its part in that derivative.
    """

    program: Program
    columns: tuple[int, ...]
    weights: tuple[float, ...]


class HadamardTest(FromValues):
    """Exact gradients from one circuit for each angle and one extra qubit (arXiv:1811.11184).

    With H the generator of a gate, the derivative of an expectation by its angle is
    2 Im <psi| O |psi with H put in behind the gate>. An extra qubit in |0> + |1> that controls
    H shows it: it is the expectation of O and X on the extra qubit, once phases are set
    right. A rotation under control takes two circuits, because its generator is no unitary but
    half the sum of two. All circuits of a step are one backend call: the controlled H of every
    gate is there, as rotations by 0 or pi.

    Against the parameter shift it halves the number of circuits; each is on one more qubit and
    has about twice the gates.

    Args:
        inputs: Whether the inputs get gradients. False saves the circuits for angles that
            depend on inputs alone.

    Example:
        >>> HadamardTest()
        HadamardTest(inputs=True)
    """

    name = "hadamard_test"

    def pullback(
        self, backend: Backend, program: Program, observables: Sequence[PauliSum]
    ) -> Pullback:
        """Returns the backward pass: one call with the tests of all angles."""
        unrolled = unroll(program)
        wanted = tuple(
            column
            for column in range(len(unrolled.rows))
            if self.inputs or unrolled.reads_theta(column)
        )
        tests = all_tests(unrolled, wanted)
        n_tests, n_angles = len(tests.columns), len(unrolled.rows)
        if n_tests:
            _check(backend, tests.program)
        measured = tuple(_with_extra_qubit(o, program.n_qubits) for o in observables)
        parts = np.zeros((n_tests, n_angles))
        parts[np.arange(n_tests), list(tests.columns)] = tests.weights

        def again(*arguments: Any) -> tuple[tf.Tensor, tf.Tensor]:
            # Second derivatives: tests of tests, on two extra qubits.
            return HadamardTest().pullback(backend, tests.program, measured)(*arguments)

        joined = join(backend, tests.program, measured, again)

        def estimate(
            expect: Any, angles: tf.Tensor, initial: Any, upstream: tf.Tensor, seed: Any
        ) -> tf.Tensor:
            if not n_tests:
                return tf.zeros_like(angles)
            batch = tf.shape(angles)[0]
            switches = tf.repeat(tf.eye(n_tests, dtype=angles.dtype), batch, axis=0)
            rows = tf.concat([tf.tile(angles, [n_tests, 1]), switches], axis=1)
            states = repeated(_extended(initial), n_tests)
            values = joined(rows, tf.zeros([0], angles.dtype), states, seed)
            values = tf.reshape(values, [n_tests, -1, len(measured)])
            weighted = tf.reduce_sum(values * upstream[None], axis=2)
            return tf.matmul(weighted, tf.constant(parts, angles.dtype), transpose_a=True)

        return by_columns(backend, unrolled, observables, estimate, self.inputs)


@remember(of_programs)
def all_tests(unrolled: Unrolled, wanted: tuple[int, ...]) -> HadamardTests:
    """Returns the tests for the wanted columns of an unrolled program."""
    original = unrolled.program
    extra, n_angles = original.n_qubits, len(unrolled.rows)
    gates: list[CompiledPrimitive] = [Rot("Y", (extra,), Angle(math.pi / 2))]
    columns: list[int] = []
    weights: list[float] = []
    moving = 0
    for gate in original.gates:
        gates.append(gate)
        if not (isinstance(gate, (Rot, Phase)) and gate.terms):
            continue
        if moving in wanted:
            first = n_angles + len(columns)
            put_in, parts = _generator(gate, extra, first)
            gates += put_in
            columns += [moving] * len(parts)
            weights += parts
        moving += 1
    program = Program(
        original.n_qubits + 1, n_angles + len(columns), 0, original.has_initial, tuple(gates)
    )
    return HadamardTests(program, tuple(columns), tuple(weights))


def _generator(
    gate: Rot[Angle] | Phase[Angle], extra: int, switch: int
) -> tuple[list[CompiledPrimitive], list[float]]:
    """Returns what a gate's tests put in, with switches from `switch` on, and their weights.

    Each switch puts in -i U under control of the extra qubit, where the weighted sum of the U,
    halved, is the generator up to a multiple of the identity, which no expectation sees. Then
    X on the extra qubit shows Im <O U>.
    """

    def turn(angle: float, *switches: int) -> Angle:
        return Angle(0.0, tuple(("i", number, angle) for number in switches))

    if isinstance(gate, Phase):
        # exp(i a Q) has the generator -Q = (1 - 2 Q) / 2 - 1/2, and 1 - 2 Q is a phase of pi.
        if not gate.controls:
            return [], []
        return [
            Phase(turn(math.pi, switch), (extra, *gate.controls)),
            Phase(turn(-math.pi / 2, switch), (extra,)),
        ], [1.0]
    put_in: list[CompiledPrimitive]
    if not gate.controls:
        return [Rot(gate.paulis, gate.targets, turn(math.pi, switch), (extra,))], [1.0]
    # The generator Q P / 2 has no unitary for a factor. With the rotation by pi under control,
    # which is -i Q P + (1 - Q), and the same times 2 Q - 1, the parts 1 - Q cancel.
    second = switch + 1
    put_in = [
        Rot(gate.paulis, gate.targets, turn(math.pi, switch, second), (extra, *gate.controls)),
        Phase(turn(math.pi, second), (extra, *gate.controls)),
        Phase(turn(math.pi, second), (extra,)),
    ]
    return put_in, [0.5, 0.5]


def _check(backend: Backend, tests: Program) -> None:
    try:
        backend.check(tests)
    except ConfigurationError as error:
        raise ConfigurationError(
            describe(
                f"gradient='hadamard_test' puts gates under control of one more qubit, which "
                f"backend {backend.name!r} cannot run ({error})",
                hint="Use gradient='parameter_shift', which runs the circuit as it is",
            )
        ) from error


def _with_extra_qubit(observable: PauliSum, extra: int) -> PauliSum:
    """Returns the observable and X on the extra qubit; multiples of 1 do not change with angles."""
    terms = [
        PauliString(term.coefficient, (*term.paulis, (extra, "X")))
        for term in observable.terms
        if term.paulis
    ]
    return PauliSum(tuple(terms) or (PauliString(0.0, ((extra, "X"),)),))


def _extended(initial: tf.Tensor | None) -> tf.Tensor | None:
    """Returns the initial states with the extra qubit, the last, in |0>."""
    if initial is None:
        return None
    states = tf.stack([initial, tf.zeros_like(initial)], axis=2)
    return tf.reshape(states, [-1, 2 * int(initial.shape[1])])
