"""Base of the backends on simulators that run one circuit after another, with exact gradients.

A subclass says how to run one circuit and how to sweep back through it; batches, angles,
observables, samples and the chain rule are here. Second derivatives go through the plain
TensorFlow simulator, as those of the native ops do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from qstore_tf.backends.angle_table import AngleTable
from qstore_tf.backends.base import Backend
from qstore_tf.backends.batch import finite_only, for_each, row_seed, run_batch
from qstore_tf.backends.measuring import draw, measuring
from qstore_tf.caching import of_programs, remember
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.ops import memory, plain
from qstore_tf.ops.inputs import check_observables, check_sampling, complex_dtype, prepare
from qstore_tf.ops.own_gradient import own_gradient
from qstore_tf.ops.second_order import second_gradient

Array = np.ndarray[Any, Any]
# (runner, angles, initial state, seed, row of the upstream gradient)
RowJob = Callable[["Runner", Array, Any, Any, Any], Any]


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


class OneByOne(Backend):
    """Runs the circuits of a batch one after another, in one call; differentiable in everything."""

    @abstractmethod
    def _make(self, program: Program, double: bool) -> Runner:
        """Returns a new runner, in double precision or, where there is a choice, in single."""

    def _threads(self, program: Program, sweeps: bool) -> int:
        """Returns the threads for the rows of a batch; `sweeps` where gradients are wanted."""
        return 1

    @tf.autograph.experimental.do_not_convert
    def expectation(
        self,
        program: Program,
        observables: Sequence[PauliSum],
        inputs: Any,
        theta: Any,
        initial_state: Any = None,
        *,
        seed: Any = None,
    ) -> tf.Tensor:
        """Returns expectations [B, K]; see `Backend.expectation`."""
        given = self._tensors(program, inputs, theta, initial_state)
        check_observables(observables, program.n_qubits)
        sums = tuple(observables)
        measure = measuring(sums, program.n_qubits)

        def run(runner: Runner, angles: Array, start: Any, seed: Any, more: Any) -> Array:
            return measure.values(runner.state(angles, start))

        def pull(runner: Runner, angles: Array, start: Any, seed: Any, more: Array) -> Any:
            cotangent = measure.bra(runner.state(angles, start), more)
            by_angles, by_start = runner.pull_back(angles, cotangent, start is not None)
            # No expectation depends on the global phase.
            return by_angles, 0.0, by_start

        return self._differentiable(
            program,
            given,
            lambda *tensors: self._run(program, run, tensors, tensors[0].dtype, len(sums)),
            pull,
            lambda *tensors: plain.expectation(program, sums, *tensors),
        )

    @tf.autograph.experimental.do_not_convert
    def state_vector(
        self, program: Program, inputs: Any, theta: Any, initial_state: Any = None
    ) -> tf.Tensor:
        """Returns states [B, 2^n]; see `Backend.state_vector`."""
        given = self._tensors(program, inputs, theta, initial_state)
        dtype = complex_dtype(given[0].dtype)

        def run(runner: Runner, angles: Array, start: Any, seed: Any, more: Any) -> Array:
            return runner.state(angles, start) * np.exp(1j * angles[-1])

        def pull(runner: Runner, angles: Array, start: Any, seed: Any, more: Array) -> Any:
            cotangent = more * np.exp(-1j * angles[-1])
            by_phase = -np.vdot(cotangent, runner.state(angles, start)).imag
            by_angles, by_start = runner.pull_back(angles, cotangent, start is not None)
            return by_angles, by_phase, by_start

        return self._differentiable(
            program,
            given,
            lambda *tensors: self._run(program, run, tensors, dtype, 2**program.n_qubits),
            pull,
            lambda *tensors: plain.state_vector(program, *tensors),
        )

    @tf.autograph.experimental.do_not_convert
    def probabilities(
        self, program: Program, inputs: Any, theta: Any, initial_state: Any = None
    ) -> tf.Tensor:
        """Returns probabilities [B, 2^n]; see `Backend.probabilities`."""
        return plain.squared_magnitude(self.state_vector(program, inputs, theta, initial_state))

    @tf.autograph.experimental.do_not_convert
    def sample(
        self,
        program: Program,
        inputs: Any,
        theta: Any,
        initial_state: Any = None,
        *,
        shots: int,
        seed: Any,
    ) -> tf.Tensor:
        """Returns samples int64 [B, shots]; see `Backend.sample`."""
        given = self._tensors(program, inputs, theta, initial_state)
        key = check_sampling(shots, seed)

        def run(runner: Runner, angles: Array, start: Any, seed: Any, more: Any) -> Array:
            return draw(runner.state(angles, start), shots, seed)

        tensors = [tensor for tensor in given if tensor is not None]
        return self._run(program, run, tensors, tf.int64, shots, seed=key)

    def _tensors(self, program: Program, inputs: Any, theta: Any, initial: Any) -> Any:
        given = prepare(program, inputs, theta, initial)
        self.check_dtype(given[0].dtype)
        self.check(program)
        return given

    def _run(
        self,
        program: Program,
        job: RowJob,
        tensors: Sequence[tf.Tensor],
        dtype: tf.DType,
        width: int,
        seed: Any = None,
    ) -> tf.Tensor:
        """Returns [B, width], what `job` returns for each row."""
        free = self._runners(program, tensors[0].dtype == tf.float64)

        def batch(inputs: Array, theta: Array, start: Any, key: Any, more: Any) -> Array:
            out = np.empty((len(inputs), width), tf.as_dtype(dtype).as_numpy_dtype)
            with free.borrowed() as runner:
                angles = runner.table.values(inputs, theta)

            def row(number: int) -> None:
                begin = None if start is None else start[number]
                chosen = None if key is None else row_seed(key, number)
                with free.borrowed() as runner:
                    out[number] = job(runner, angles[number], begin, chosen, None)

            self._for_each(program, finite_only(row, out, inputs, theta, start), len(inputs), False)
            return out

        initial = tensors[2] if program.has_initial else None
        return run_batch(batch, tensors[0], tensors[1], initial, dtype, width, seed=seed)

    def _pull(
        self, program: Program, job: RowJob, tensors: Sequence[tf.Tensor], upstream: tf.Tensor
    ) -> list[tf.Tensor]:
        """Returns the gradients by inputs, theta and initial state, given those by the result."""
        free = self._runners(program, tensors[0].dtype == tf.float64)
        initial = tensors[2] if program.has_initial else None
        slots = program.n_inputs + program.n_theta
        dtype = tensors[0].dtype if initial is None else initial.dtype
        width = slots + (0 if initial is None else 2**program.n_qubits)

        def batch(inputs: Array, theta: Array, start: Any, key: Any, more: Any) -> Array:
            out = np.full((len(inputs), width), np.nan, tf.as_dtype(dtype).as_numpy_dtype)
            with free.borrowed() as runner:
                table = runner.table
            angles = table.values(inputs, theta)
            by_angles = np.zeros_like(angles)

            def row(number: int) -> None:
                begin = None if start is None else start[number]
                with free.borrowed() as runner:
                    by_angles[number, :-1], by_angles[number, -1], by_start = job(
                        runner, angles[number], begin, None, more[number]
                    )
                if begin is not None:
                    out[number, slots:] = by_start

            rows = finite_only(row, by_angles, inputs, theta, start)
            self._for_each(program, rows, len(inputs), True)
            out[:, :slots] = table.pull_back(by_angles)
            return out

        both = run_batch(batch, tensors[0], tensors[1], initial, dtype, width, extra=upstream)
        real = both if initial is None else tf.math.real(both[:, :slots])
        by_inputs = real[:, : program.n_inputs]
        by_theta = tf.reduce_sum(real[:, program.n_inputs : slots], axis=0)
        return [by_inputs, by_theta, *([] if initial is None else [both[:, slots:]])]

    def _for_each(
        self, program: Program, row: Callable[[int], None], count: int, sweeps: bool
    ) -> None:
        for_each(row, count, self._threads(program, sweeps), f"{self.name} circuit")

    def _differentiable(
        self,
        program: Program,
        given: Sequence[tf.Tensor | None],
        run: Callable[..., tf.Tensor],
        job: RowJob,
        reference: Callable[..., tf.Tensor],
    ) -> tf.Tensor:
        """Returns `run(*given)` with a gradient by `job`, and that with one by `reference`."""

        @own_gradient
        def value(*tensors: tf.Tensor) -> Any:
            return run(*tensors), lambda upstream: pulled(*tensors, upstream)

        @own_gradient
        def pulled(*tensors: tf.Tensor) -> Any:
            *sources, upstream = tensors

            def second(*grads: tf.Tensor) -> list[tf.Tensor]:
                return second_gradient(reference, sources, upstream, grads)

            return self._pull(program, job, sources, upstream), second

        return value(*(tensor for tensor in given if tensor is not None))

    def _runners(self, program: Program, double: bool) -> _Runners:
        return _runners(self, program, double)


class _Runners:
    """Runners of one program, as many as threads used it at once."""

    def __init__(self, make: Callable[[], Runner]) -> None:
        self._make = make
        self._free: deque[Runner] = deque()

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


def _weight(made: _Runners, backend: OneByOne, program: Program, double: bool) -> int:
    return of_programs(made, program) + _bytes(program, double)


@remember(_weight, most=64, heaviest=_MOST_KEPT)
def _runners(backend: OneByOne, program: Program, double: bool) -> _Runners:
    def make() -> Runner:
        what = f"A gradient of {program.n_qubits} qubits on {backend.name}"
        memory.check(_bytes(program, double), what)
        return backend._make(program, double)

    return _Runners(make)
