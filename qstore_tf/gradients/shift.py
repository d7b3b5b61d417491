"""Gradients from expectations at shifted angles, all of them in one backend call."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf

from qstore_tf.backends.base import Backend
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Angle, CompiledPrimitive, Phase, Program, Rot
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.gradients.base import Function, GradientMethod, fold
from qstore_tf.ops.inputs import prepare
from qstore_tf.ops.plain_angles import affine

# (shift, weight): dE/da = sum of weight * E(a + shift).
Rule = tuple[tuple[float, float], ...]

_TWO_TERMS: Rule = ((math.pi / 2, 0.5), (-math.pi / 2, -0.5))
_FOUR_TERMS: Rule = (
    (math.pi / 2, (math.sqrt(2) + 1) / (4 * math.sqrt(2))),
    (-math.pi / 2, -(math.sqrt(2) + 1) / (4 * math.sqrt(2))),
    (3 * math.pi / 2, -(math.sqrt(2) - 1) / (4 * math.sqrt(2))),
    (-3 * math.pi / 2, (math.sqrt(2) - 1) / (4 * math.sqrt(2))),
)


@dataclass(frozen=True)
class _Row:
    angle: Angle
    scale: float = 1.0


@dataclass(frozen=True)
class _Unrolled:
    """A program in which every gate angle that depends on a slot is an input of its own."""

    program: Program
    rows: tuple[_Row, ...]
    gates: tuple[CompiledPrimitive, ...]


class _Shifted(GradientMethod):
    """Base of the methods that differentiate angle by angle and leave the rest to autodiff."""

    def __init__(self, inputs: bool = True) -> None:
        """Keeps whether inputs get gradients."""
        self.inputs = inputs

    def get_config(self) -> dict[str, Any]:
        """Returns the keyword arguments that make the same method again."""
        return {"inputs": self.inputs}

    def check(self, backend: Backend) -> None:
        """Every backend that returns expectations will do."""

    @abstractmethod
    def rule(self, gate: CompiledPrimitive) -> Rule:
        """Returns the shifts that give the derivative by a gate's angle, () where it is zero."""

    def expectation(
        self, backend: Backend, program: Program, observables: Sequence[PauliSum]
    ) -> Function:
        """Returns `f(inputs, theta, initial_state=None, seed=None)`, its gradient by shifted runs."""
        observables = tuple(observables)
        unrolled = _unroll(program)
        shifts, weights = self._tables(unrolled)
        n_angles = len(unrolled.rows)

        def run(angles: tf.Tensor, initial: tf.Tensor | None, seed: Any) -> tf.Tensor:
            empty = tf.zeros([0], angles.dtype)
            return backend.expectation(
                unrolled.program, observables, angles, empty, initial, seed=seed
            )

        def shifted_gradient(
            angles: tf.Tensor, initial: tf.Tensor | None, grad: tf.Tensor, seed: Any
        ) -> tf.Tensor:
            if not len(shifts):
                return tf.zeros_like(angles)
            rows = len(shifts)
            moved = angles[None] + tf.constant(shifts[:, None, :], angles.dtype)
            moved = tf.reshape(moved, [-1, n_angles])
            again = None if initial is None else tf.tile(initial, [rows, 1])
            values = expect(moved, again, fold(seed, 1))
            values = tf.reshape(values, [rows, -1, len(observables)])
            weighted = tf.reduce_sum(values * grad[None], axis=2)
            return tf.matmul(weighted, tf.constant(weights, angles.dtype), transpose_a=True)

        def expect(angles: tf.Tensor, initial: tf.Tensor | None, seed: Any) -> tf.Tensor:
            if initial is None:

                @tf.custom_gradient
                def free(angles: tf.Tensor) -> Any:
                    return run(angles, None, seed), lambda grad: shifted_gradient(
                        angles, None, grad, seed
                    )

                return free(angles)

            @tf.custom_gradient
            def started(angles: tf.Tensor, initial: tf.Tensor) -> Any:
                def gradient(grad: tf.Tensor) -> Any:
                    with tf.GradientTape() as tape:
                        tape.watch(initial)
                        values = run(angles, initial, seed)
                    by_initial = tape.gradient(values, initial, grad)
                    return shifted_gradient(angles, initial, grad, seed), by_initial

                return run(angles, initial, seed), gradient

            return started(angles, initial)

        @tf.autograph.experimental.do_not_convert
        def function(
            inputs: Any, theta: Any, initial_state: Any = None, seed: Any = None
        ) -> tf.Tensor:
            inputs, theta, initial = prepare(program, inputs, theta, initial_state)
            if initial is not None and not backend.capabilities.adjoint:
                raise ConfigurationError(
                    describe(
                        f"Backend {backend.name!r} cannot start from a given state with "
                        f"gradient={self.name!r}",
                        hint="Write encoding and circuit as one layer, so that the backend "
                        "runs the whole circuit",
                    )
                )
            watched = inputs if self.inputs else tf.stop_gradient(inputs)
            return expect(_angles(unrolled, watched, theta), initial, seed)

        return function

    def _tables(self, unrolled: _Unrolled) -> tuple[np.ndarray, np.ndarray]:
        """Returns shifts [S, G] and the weights [S, G] with which the runs add up to d/d angle."""
        shifts: list[np.ndarray] = []
        weights: list[np.ndarray] = []
        for column, (row, gate) in enumerate(zip(unrolled.rows, unrolled.gates, strict=True)):
            if not self.inputs and all(kind == "i" for kind, _, _ in row.angle.terms):
                continue
            for shift, weight in self.rule(gate):
                for table, value in ((shifts, shift), (weights, weight)):
                    line = np.zeros(len(unrolled.rows))
                    line[column] = value
                    table.append(line)
        return np.array(shifts), np.array(weights)


class ParameterShift(_Shifted):
    """Exact gradients from expectations alone, so on hardware too (arXiv:1811.11184).

    Two runs for each angle, four for a rotation under control (arXiv:2104.05695), all runs of a
    step in one backend call. A symbol that several gates share, or that enters as a*x + b, is
    handled by the chain rule.

    Args:
        inputs: Whether the inputs get gradients. False saves the runs for angles that depend
            on inputs alone, where nothing before the quantum layer is trained.

    Example:
        >>> ParameterShift(inputs=False)
        ParameterShift(inputs=False)
    """

    name = "parameter_shift"

    def rule(self, gate: CompiledPrimitive) -> Rule:
        """Returns two terms, four for controlled rotations, none for a global phase."""
        if isinstance(gate, Rot):
            return _FOUR_TERMS if gate.controls else _TWO_TERMS
        return _TWO_TERMS if gate.controls else ()  # type: ignore[union-attr]


class FiniteDifference(_Shifted):
    """Central differences, all runs of a step in one backend call; approximate.

    Args:
        step: Half the distance between the two runs, in radians.
        inputs: Whether the inputs get gradients.

    Raises:
        ConfigurationError: `step` is not a positive number.

    Example:
        >>> FiniteDifference(step=0.01)
        FiniteDifference(step=0.01, inputs=True)
    """

    name = "finite_difference"

    def __init__(self, step: float = 1e-2, inputs: bool = True) -> None:
        """Keeps the step."""
        super().__init__(inputs)
        if not (isinstance(step, (int, float)) and math.isfinite(step) and step > 0):
            raise ConfigurationError(
                describe("`step` is no step", expected="a positive number", received=step)
            )
        self.step = float(step)

    def get_config(self) -> dict[str, Any]:
        """Returns the keyword arguments that make the same method again."""
        return {"step": self.step, **super().get_config()}

    def rule(self, gate: CompiledPrimitive) -> Rule:
        """Returns the two terms of a central difference."""
        if isinstance(gate, Phase) and not gate.controls:
            return ()
        return ((self.step, 0.5 / self.step), (-self.step, -0.5 / self.step))


@lru_cache(maxsize=256)
def _unroll(program: Program) -> _Unrolled:
    rows: list[_Row] = []
    moving: list[CompiledPrimitive] = []
    gates: list[CompiledPrimitive] = []
    for gate in program.gates:
        if isinstance(gate, (Rot, Phase)) and gate.angle.terms:
            moving.append(gate)
            gates.append(replace(gate, angle=Angle(0.0, (("i", len(rows), 1.0),))))
            rows.append(_Row(gate.angle))
        else:
            gates.append(gate)
    unrolled = Program(program.n_qubits, len(rows), 0, program.has_initial, tuple(gates))
    return _Unrolled(unrolled, tuple(rows), tuple(moving))


def _angles(unrolled: _Unrolled, inputs: tf.Tensor, theta: tf.Tensor) -> tf.Tensor:
    """Returns all moving angles [B, G]."""
    batch = tf.shape(inputs)[0]
    if not unrolled.rows:
        return tf.zeros([batch, 0], inputs.dtype)
    values = tf.transpose(affine(unrolled.rows, tf.transpose(inputs), theta))
    return tf.broadcast_to(values, [batch, len(unrolled.rows)])
