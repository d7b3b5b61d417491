"""Base of the backends on simulators that run one circuit after another, with exact gradients.

A subclass says how to run one circuit and how to sweep back through it; batches, angles,
observables, samples and the chain rule are here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np

from qstore_tf import memory
from qstore_tf.backends.arrays.angle_table import AngleTable
from qstore_tf.backends.arrays.base import Array, ArrayBackend, Gradients, check_rows, complex_of
from qstore_tf.backends.arrays.measuring import draw, measuring
from qstore_tf.backends.arrays.rows import finite_only, for_each, row_seed
from qstore_tf.backends.base import Batch
from qstore_tf.caching import of_programs, remember
from qstore_tf.checks import check_observables
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program

# (runner, angles, initial state, number of the row)
RowJob = Callable[["Runner", Array, Any, int], Any]

# States of the runners that are kept for the next step.
_MOST_KEPT = 256 << 20


class Runner(ABC):
    """One program on a simulator; one thread uses it at a time.

    Attributes:
        table: Its angles, and in the last column the global phase, which the base applies.
    """

    table: AngleTable

    @abstractmethod
    def state(self, angles: Array, initial: Array | None) -> Array:
        """Returns the final state [2^n] without the global phase, a new array.

        Args:
            angles: One row of the table's values.
            initial: The state to start from, of any complex dtype; None is |0...0>.
        """

    @abstractmethod
    def pull_back(
        self, angles: Array, cotangent: Array, by_initial: bool
    ) -> tuple[Array, Array | None]:
        """Sweeps back from the state that `state` returned last, called with the same angles.

        Args:
            angles: One row of the table's values.
            cotangent: The gradient by the final state, c [2^n]: the loss changes by Re<c|d state>.
            by_initial: Whether the gradient by the initial state is wanted.

        Returns:
            The gradients by the angles but the last, zero or anything for those that depend on no
            slot, and by the initial state.
        """


class OneByOne(ArrayBackend):
    """Runs the circuits of a batch one after another; differentiable in everything."""

    @abstractmethod
    def _make(self, program: Program, double: bool) -> Runner:
        """Returns a new runner, in double precision or, where there is a choice, in single."""

    def _threads(self, program: Program, sweeps: bool) -> int:
        """Returns the threads for the rows of a batch; `sweeps` where gradients are wanted."""
        return 1

    def expectation(
        self, batch: Batch, observables: Sequence[PauliSum], seed: Sequence[int] | None = None
    ) -> Array:
        """Returns expectations [B, K]; see `ArrayBackend.expectation`."""
        check_observables(observables, batch.program.n_qubits)
        measure = measuring(tuple(observables), batch.program.n_qubits)

        def run(runner: Runner, angles: Array, start: Any, row: int) -> Array:
            return measure.values(runner.state(angles, start))

        return self._run(batch, run, batch.inputs.dtype, len(observables))

    def pull_expectation(
        self, batch: Batch, observables: Sequence[PauliSum], upstream: Array
    ) -> Gradients:
        """Returns the gradients by a sweep; see `ArrayBackend.pull_expectation`."""
        measure = measuring(tuple(observables), batch.program.n_qubits)

        def pull(runner: Runner, angles: Array, start: Any, row: int) -> Any:
            cotangent = measure.bra(runner.state(angles, start), upstream[row])
            by_angles, by_start = runner.pull_back(angles, cotangent, start is not None)
            # No expectation depends on the global phase.
            return by_angles, 0.0, by_start

        return self._pull(batch, pull, upstream)

    def state_vector(self, batch: Batch) -> Array:
        """Returns states [B, 2^n]; see `ArrayBackend.state_vector`."""

        def run(runner: Runner, angles: Array, start: Any, row: int) -> Array:
            return runner.state(angles, start) * np.exp(1j * angles[-1])

        return self._run(batch, run, complex_of(batch.inputs.dtype), 2**batch.program.n_qubits)

    def pull_state(self, batch: Batch, upstream: Array) -> Gradients:
        """Returns the gradients by a sweep; see `ArrayBackend.pull_state`."""

        def pull(runner: Runner, angles: Array, start: Any, row: int) -> Any:
            cotangent = upstream[row] * np.exp(-1j * angles[-1])
            by_phase = -np.vdot(cotangent, runner.state(angles, start)).imag
            by_angles, by_start = runner.pull_back(angles, cotangent, start is not None)
            return by_angles, by_phase, by_start

        return self._pull(batch, pull, upstream)

    def sample(self, batch: Batch, shots: int, seed: Sequence[int]) -> Array:
        """Returns samples int64 [B, shots]; see `ArrayBackend.sample`."""

        def run(runner: Runner, angles: Array, start: Any, row: int) -> Array:
            return draw(runner.state(angles, start), shots, row_seed(seed, row))

        return self._run(batch, run, np.dtype(np.int64), shots)

    def _run(self, batch: Batch, job: RowJob, dtype: np.dtype[Any], width: int) -> Array:
        """Returns [B, width], what `job` returns for each row."""
        runners, initial = self._pool(batch), batch.initial
        out = np.empty((len(batch.inputs), width), dtype)
        angles = runners.table.values(batch.inputs, batch.theta)

        def row(number: int) -> None:
            start = None if initial is None else initial[number]
            with runners.borrowed() as runner:
                out[number] = job(runner, angles[number], start, number)

        self._for_each(batch, row, out, sweeps=False)
        return out

    def _pull(self, batch: Batch, job: RowJob, upstream: Array) -> Gradients:
        """Returns the gradients; `job` returns those by angles, global phase and initial state."""
        check_rows(len(batch.inputs), upstream)
        runners, initial = self._pool(batch), batch.initial
        angles = runners.table.values(batch.inputs, batch.theta)
        by_angles = np.zeros_like(angles)
        by_initial = None if initial is None else np.full_like(initial, np.nan)

        def row(number: int) -> None:
            start = None if initial is None else initial[number]
            with runners.borrowed() as runner:
                by_angles[number, :-1], by_angles[number, -1], by_start = job(
                    runner, angles[number], start, number
                )
            if by_initial is not None:
                by_initial[number] = by_start

        self._for_each(batch, row, by_angles, sweeps=True)
        by_slot, n_inputs = runners.table.pull_back(by_angles), batch.program.n_inputs
        dtype = batch.inputs.dtype
        by_theta = by_slot[:, n_inputs:].sum(axis=0)
        return Gradients(by_slot[:, :n_inputs].astype(dtype), by_theta.astype(dtype), by_initial)

    def _for_each(
        self, batch: Batch, row: Callable[[int], None], out: Array, *, sweeps: bool
    ) -> None:
        """Calls `row` for each row; where one is not finite, `out` becomes NaN instead."""
        rows, threads = len(batch.inputs), self._threads(batch.program, sweeps)
        for_each(finite_only(row, out, batch), rows, threads, f"{self.name} circuit")

    def _pool(self, batch: Batch) -> _RunnerPool:
        return _pool_of(self, batch.program, batch.inputs.dtype == np.float64)


class _RunnerPool:
    """Runners of one program, as many as threads used it at once."""

    def __init__(self, make: Callable[[], Runner]) -> None:
        self._make = make
        self._free: deque[Runner] = deque()

    @cached_property
    def table(self) -> AngleTable:
        """The angles of the program."""
        with self.borrowed() as runner:
            return runner.table

    @contextmanager
    def borrowed(self) -> Iterator[Runner]:
        try:
            runner = self._free.pop()
        except IndexError:
            runner = self._make()
        # One that failed may be broken, so only those that did not come back.
        yield runner
        self._free.append(runner)


def _bytes(program: Program, double: bool) -> int:
    """What a runner takes: a state, and two more for gradients."""
    return 3 * (16 if double else 8) * 2 ** min(program.n_qubits, 2000)


def _weight(made: _RunnerPool, backend: OneByOne, program: Program, double: bool) -> int:
    return of_programs(made, program) + _bytes(program, double)


@remember(_weight, most=64, heaviest=_MOST_KEPT)
def _pool_of(backend: OneByOne, program: Program, double: bool) -> _RunnerPool:
    def make() -> Runner:
        what = f"A gradient of {program.n_qubits} qubits on {backend.name}"
        memory.check(_bytes(program, double), what)
        return backend._make(program, double)

    return _RunnerPool(make)
