"""Expectations estimated from shots, on any backend that draws samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from qstore_tf.backends.base import Backend, Batch, BatchBackend
from qstore_tf.backends.chunked import Chunked, in_chunks
from qstore_tf.caching import of_programs, remember
from qstore_tf.checks import check_observables, check_shots
from qstore_tf.circuits import grouping
from qstore_tf.circuits.grouping import Measurement, Readout
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.ops import plain
from qstore_tf.ops.inputs import check_sampling, prepare
from qstore_tf.ops.seeds import derived_seed

# The values of all basis states are kept in a table of at most this many numbers.
_LARGEST_TABLE = 1 << 22
# For each drawn shot: its index, the random number it comes from, and room to sort one of them.
_DRAW_BYTES = 24
# Larger batches are drawn in pieces.
_MOST_DRAWN_BYTES = 1 << 28


class Sampled(BatchBackend):
    """Estimates expectations from shots that another backend draws.

    Observables are put into groups that are measured together: Pauli strings that commute qubit
    by qubit. Each group is run with its own `shots`, the changes of basis at the end of the
    circuit, all groups in one call of the backend. Estimates are unbiased. Identity terms are
    exact. Strings of one group are read from the same shots, so their errors are correlated.

    A batch whose shots would take more than 256 MiB, or more than the `memory_limit` of the
    backend, is drawn in pieces, each with a seed that follows from the given one.

    Draws know the direction of a state and not its length, so estimates from an initial state are
    multiplied by its squared length, as exact expectations are. Where inputs, theta or an initial
    state are not finite, the expectations are NaN.

    Args:
        backend: Where the samples are drawn.
        shots: Draws for each sample and group.

    Raises:
        ConfigurationError: The backend draws no samples, or `shots` is not an integer >= 1.

    Example:
        >>> from qstore_tf import backends
        >>> from qstore_tf.circuits import UnifiedCircuit, compile_circuit, parse_observables
        >>> program = compile_circuit(UnifiedCircuit(1).add_gate("RY", 0, "a"))
        >>> sampled = Sampled(backends.get("tensorflow"), shots=100)
        >>> z = parse_observables("Z", 1)
        >>> none = tf.zeros([1, 0])
        >>> print(sampled.expectation(program, z, none, [0.0], seed=[1, 2]).numpy())
        [[1.]]
    """

    def __init__(self, backend: Backend, shots: int) -> None:
        """Keeps the backend and the number of shots."""
        expected = "a number of shots, or None for exact expectations"
        self.shots = check_shots(shots, expected=expected)
        if not isinstance(backend, Backend) or isinstance(backend, Sampled):
            raise ConfigurationError(
                describe(
                    "`backend` of Sampled must be a backend that draws samples itself",
                    expected="a backend, as qstore_tf.backends.get(name) returns it",
                    received=backend,
                )
            )
        if not backend.capabilities.samples:
            raise ConfigurationError(
                describe(
                    f"Backend {backend.name!r} draws no samples, so it cannot take shots={shots}",
                    hint="Leave shots out for exact expectations, or use backend='native'",
                )
            )
        self.backend = backend
        self.name = f"{backend.name} with shots={self.shots}"
        self.capabilities = replace(
            backend.capabilities, state_vector=False, exact=False, adjoint=False
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the keyword arguments that make the same backend again."""
        return {"backend": self.backend, "shots": self.shots}

    def inner_backends(self) -> tuple[Backend, ...]:
        """Returns the backend beneath."""
        return (self.backend,)

    def check(self, program: Program) -> None:
        """Raises ConfigurationError where the backend cannot run a gate of the program."""
        self.backend.check(program)

    def _expectation(self, batch: Batch, observables: Sequence[PauliSum], seed: Any) -> tf.Tensor:
        """Returns estimates [B, K]. The same seed, the same numbers."""
        return self._estimate(batch, observables, seed, False)[0]

    def expectation_and_error(
        self,
        program: Program,
        observables: Sequence[PauliSum],
        inputs: Any,
        theta: Any,
        initial_state: Any = None,
        *,
        seed: Any = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns estimates [B, K] and their standard errors [B, K]; see `expectation`.

        The errors come from the variance of the shots. Where all shots agree they are 0, though
        the expectation need not be exact. One shot has no variance: with `shots=1` the error of
        everything that is measured is NaN.
        """
        batch = Batch(program, inputs, theta, initial_state)
        return self._estimate(batch, observables, seed, True)

    def _sample(self, batch: Batch, shots: int, seed: Any) -> tf.Tensor:
        return self.backend.sample(batch.program, *batch.values, shots=shots, seed=seed)

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def _estimate(
        self, batch: Batch, observables: Sequence[PauliSum], seed: Any, with_error: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        if seed is None:
            raise ConfigurationError(
                describe(
                    f"Backend {self.name!r} draws at random and needs a seed",
                    expected="seed=[a, b], two integers",
                    received=None,
                    hint="The layers bring their own: QuantumLayer(..., shots=100)",
                )
            )
        program = batch.program
        inputs, theta, initial = prepare(program, *batch.values)
        observables = tuple(observables)
        check_observables(observables, program.n_qubits)
        plan = _measurement(program, observables)
        dtype = inputs.dtype
        seed = check_sampling(self.shots, seed)
        inputs, theta, initial, finite = _only_finite(inputs, theta, initial)
        initial, squared_length = _drawable(initial)

        def run(numbered: tf.Tensor, theta: tf.Tensor, initial: tf.Tensor | None) -> tf.Tensor:
            mean = tf.zeros([tf.shape(numbered)[0], len(observables)], tf.float64) + plan.constants
            variance = tf.zeros_like(mean)
            if plan.groups:
                drawn = self._draw(plan, numbered[:, 1:], theta, initial, _seed_of(seed, numbered))
                for first, second in _moments(plan, drawn, program.n_qubits, with_error):
                    mean += first
                    if with_error:
                        variance += tf.maximum(second - tf.square(first), 0.0)
            return tf.concat([mean, variance], axis=1)

        numbers = tf.cast(tf.range(tf.shape(inputs)[0]), dtype)[:, None]
        numbers.set_shape([inputs.shape[0], 1])
        numbered = tf.concat([numbers, inputs], axis=1)
        rows = self._rows(len(plan.groups))
        estimated = in_chunks(run, rows, numbered, theta, initial, tf.float64)
        mean, variance = tf.split(estimated, 2, axis=1)
        if with_error:
            # Over shots - 1 for the variance of one shot, over shots for that of their mean.
            measured = np.any([np.any(r.coefficients, axis=0) for r in plan.readouts], axis=0)
            scale = 1.0 / (self.shots - 1) if self.shots > 1 else np.nan
            variance *= np.where(measured, scale, 0.0)
        results = []
        for values in (mean, tf.sqrt(variance)):
            values = values * squared_length
            values = tf.where(finite[:, None], values, tf.constant(np.nan, tf.float64))
            values = tf.cast(values, dtype)
            values.set_shape([inputs.shape[0], len(observables)])
            results.append(values)
        return results[0], results[1]

    def _rows(self, n_groups: int) -> int:
        """How many rows of a batch are drawn at a time."""
        limit = self.backend.memory_limit if isinstance(self.backend, Chunked) else None
        limit = _MOST_DRAWN_BYTES if limit is None else limit
        return max(1, limit // (_DRAW_BYTES * self.shots * max(1, n_groups)))

    def _draw(
        self,
        plan: Measurement,
        inputs: tf.Tensor,
        theta: tf.Tensor,
        initial: tf.Tensor | None,
        seed: Any,
    ) -> tf.Tensor:
        """Runs all groups in one call; returns basis-state indices [G, B, shots]."""
        n_groups = len(plan.groups)
        batch = tf.shape(inputs)[0]
        if n_groups > 1:
            inputs = tf.tile(inputs, [n_groups, 1])
            angles = tf.repeat(tf.constant(plan.angles, inputs.dtype), batch, axis=0)
            inputs = tf.concat([inputs, angles], axis=1)
            initial = None if initial is None else tf.tile(initial, [n_groups, 1])
        drawn = self.backend.sample(
            plan.program, inputs, theta, initial, shots=self.shots, seed=seed
        )
        return tf.reshape(drawn, [n_groups, batch, self.shots])


@remember(of_programs)
def _measurement(program: Program, observables: tuple[PauliSum, ...]) -> Measurement:
    return grouping.measurement(program, observables)


def _seed_of(seed: tf.Tensor, numbered: tf.Tensor) -> tf.Tensor:
    """The seed of a piece of a batch, by the number of its first row; of the first, `seed`."""
    first = tf.cast(tf.reduce_sum(numbered[:1, 0]), tf.int64)
    return tf.where(first == 0, seed, derived_seed(seed, first))


def _only_finite(
    inputs: tf.Tensor, theta: tf.Tensor, initial: tf.Tensor | None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None, tf.Tensor]:
    """The same with zeros for NaN and infinity, and which rows [B] had none of them.

    Backends refuse to draw from states that are not numbers, for all rows of the batch.
    """
    fine = tf.math.is_finite(inputs), tf.math.is_finite(theta)
    finite = tf.reduce_all(fine[0], axis=1) & tf.reduce_all(fine[1])
    inputs = tf.where(fine[0], inputs, tf.zeros_like(inputs))
    theta = tf.where(fine[1], theta, tf.zeros_like(theta))
    if initial is not None:
        rows = tf.math.is_finite(tf.math.real(initial)) & tf.math.is_finite(tf.math.imag(initial))
        rows = tf.reduce_all(rows, axis=1)
        initial = tf.where(rows[:, None], initial, tf.ones_like(initial))
        finite &= rows
    return inputs, theta, initial, finite


def _drawable(initial: tf.Tensor | None) -> tuple[tf.Tensor | None, Any]:
    """The initial states, others for those of length zero, and their squared lengths [B, 1]."""
    if initial is None:
        return None, 1.0
    squares = tf.cast(plain.squared_magnitude(initial), tf.float64)
    squared_length = tf.reduce_sum(squares, axis=1, keepdims=True)
    return tf.where(squared_length > 0, initial, tf.ones_like(initial)), squared_length


def _moments(
    plan: Measurement, drawn: tf.Tensor, n_qubits: int, with_second: bool
) -> list[tuple[tf.Tensor, tf.Tensor | None]]:
    """For each group the means over the shots [B, K] of the observables' parts and squares."""
    size = 2**n_qubits
    shots = int(drawn.shape[2])
    n_observables = len(plan.constants)
    # Counting the shots of each basis state pays where there are not many more states than shots.
    if size <= max(4 * shots, 64) and size * n_observables * len(plan.groups) <= _LARGEST_TABLE:
        return [
            _from_counts(readout, drawn[g], n_qubits, with_second)
            for g, readout in enumerate(plan.readouts)
        ]
    return [
        _from_shots(readout, drawn[g], n_observables, with_second)
        for g, readout in enumerate(plan.readouts)
    ]


def _from_counts(
    readout: Readout, drawn: tf.Tensor, n_qubits: int, with_second: bool
) -> tuple[tf.Tensor, tf.Tensor | None]:
    shots = int(drawn.shape[1])
    counts = tf.raw_ops.DenseBincount(
        input=drawn,
        size=tf.constant(2**n_qubits, tf.int64),
        weights=tf.zeros([0], tf.float64),
        binary_output=False,
    )
    counts = tf.reshape(counts, [-1, 2**n_qubits]) / shots
    values = readout.values(n_qubits)
    first = tf.matmul(counts, tf.constant(values))
    return first, tf.matmul(counts, tf.constant(values**2)) if with_second else None


def _from_shots(
    readout: Readout, drawn: tf.Tensor, n_observables: int, with_second: bool
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """A row at a time, so that memory does not grow with batch times strings."""
    masks = tf.constant(readout.masks)
    coefficients = tf.constant(readout.coefficients)

    def of_row(indices: tf.Tensor) -> tuple[tf.Tensor, ...]:
        bits = tf.raw_ops.PopulationCount(x=indices[:, None] & masks[None])
        signs = 1.0 - 2.0 * tf.cast(bits & 1, tf.float64)
        values = tf.matmul(signs, coefficients)
        first = tf.reduce_mean(values, axis=0)
        return (first, tf.reduce_mean(values**2, axis=0)) if with_second else (first,)

    row = tf.TensorSpec([n_observables], tf.float64)
    moments = tf.map_fn(
        of_row, drawn, fn_output_signature=(row,) * (1 + with_second), parallel_iterations=1
    )
    return moments[0], moments[1] if with_second else None
