"""A memory guard: batches too large for memory run in pieces, with the same results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.ops import control_flow_util

from qstore_tf import memory
from qstore_tf.backends.base import Backend, Batch, BatchBackend
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, MemoryLimitError, describe
from qstore_tf.ops import plain
from qstore_tf.ops.inputs import check_sampling, prepare
from qstore_tf.ops.own_gradient import own_gradient

Run = Callable[[tf.Tensor, tf.Tensor, tf.Tensor | None], tf.Tensor]

# The largest share of what is free when a function is traced.
_SHARE = 0.5
# Where at least this many rows fit, graphs for batches of unknown size go without the guard.
_ALWAYS_FITS = 1 << 16


class Chunked(BatchBackend):
    """Runs large batches on another backend in pieces, so that memory stays under a limit.

    Results and gradients are those of the whole batch. Batches that fit run in one piece. Gradients
    of batches that do not fit compute each piece twice, once forward and once backward, so that
    nothing between has to be kept. `backends.get(name, memory_limit=...)` makes one.

    What it counts is what the backend adds to its arguments and results (`Backend.row_bytes`):
    states of the plain-TensorFlow simulator, with what its gradients keep. Most simulators hold
    a few states whatever the batch, and need no pieces. State vectors and probabilities are not
    split: they are all result.

    Args:
        backend: Where pieces run.
        memory_limit: Bytes; None means half of what is free when a function is traced.
        max_rows: Rows in a piece, where the limit would allow more.

    Raises:
        ConfigurationError: A limit is not a positive integer.

    Example:
        >>> from qstore_tf import backends
        >>> backends.get("tensorflow", memory_limit=2**30)
        Chunked(TensorFlow(), memory_limit=1073741824)
    """

    def __init__(
        self, backend: Backend, memory_limit: int | None = None, max_rows: int | None = None
    ) -> None:
        """Keeps the backend and the limits."""
        for name, value in (("memory_limit", memory_limit), ("max_rows", max_rows)):
            wrong = not isinstance(value, int) or isinstance(value, bool) or value < 1
            if value is not None and wrong:
                raise ConfigurationError(
                    describe(
                        f"`{name}` must be an integer >= 1",
                        expected="a number, or None for no limit of that kind",
                        received=value,
                    )
                )
        self.backend = backend
        self.memory_limit = memory_limit
        self.max_rows = max_rows
        self.name = backend.name
        self.capabilities = backend.capabilities

    def inner_backends(self) -> tuple[Backend, ...]:
        """Returns the backend beneath."""
        return (self.backend,)

    def check(self, program: Program) -> None:
        """Raises what the backend beneath raises."""
        self.backend.check(program)

    def row_bytes(self, program: Program, dtype: tf.DType, samples: bool = False) -> int:
        """Returns what a row takes on the backend beneath."""
        return self.backend.row_bytes(program, dtype, samples)

    def rows(self, program: Program, dtype: tf.DType, samples: bool = False) -> int | None:
        """Returns how many rows run at a time, None where memory does not grow with them."""
        needed = self.row_bytes(program, dtype, samples)
        return rows_within(self.memory_limit, needed, self.max_rows)

    def _expectation(self, batch: Batch, observables: Sequence[PauliSum], seed: Any) -> tf.Tensor:
        program = batch.program
        given = prepare(program, *batch.values)
        rows = self.rows(program, given[0].dtype) if self.capabilities.exact else None

        def run(inputs: tf.Tensor, theta: tf.Tensor, initial: tf.Tensor | None) -> tf.Tensor:
            return self.backend.expectation(program, observables, inputs, theta, initial, seed=seed)

        return in_chunks(run, rows, *given)

    def _state_vector(self, batch: Batch) -> tf.Tensor:
        return self.backend.state_vector(batch.program, *batch.values)

    def _probabilities(self, batch: Batch) -> tf.Tensor:
        return self.backend.probabilities(batch.program, *batch.values)

    def _sample(self, batch: Batch, shots: int, seed: Any) -> tf.Tensor:
        """Returns the same draws as from the whole batch."""
        program = batch.program
        given = prepare(program, *batch.values)
        if not self.row_bytes(program, given[0].dtype, samples=True):
            return self.backend.sample(program, *given, shots=shots, seed=seed)
        rows = self.rows(program, given[0].dtype, samples=True)
        return draw_in_chunks(self.backend, rows, Batch(program, *given), shots, seed)

    def get_config(self) -> dict[str, Any]:
        """Returns the options with which `backends.get(name, ...)` makes the same backend."""
        limits = {"memory_limit": self.memory_limit, "max_rows": self.max_rows}
        given = {name: value for name, value in limits.items() if value is not None}
        return {**self.backend.get_config(), **(given or {"memory_limit": None})}

    def __repr__(self) -> str:
        """Returns the expression that makes the same backend again."""
        limits = {"memory_limit": self.memory_limit, "max_rows": self.max_rows}
        given = [f"{name}={value}" for name, value in limits.items() if value is not None]
        return f"Chunked({', '.join([repr(self.backend), *given])})"

    def __eq__(self, other: object) -> bool:
        """Two are equal where their backends and limits are."""
        return super().__eq__(other) and self.backend == other.backend  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        """Goes with equality."""
        return hash((super().__hash__(), self.backend))


def rows_within(limit: int | None, row_bytes: int, max_rows: int | None = None) -> int | None:
    """Returns how many rows of `row_bytes` stay under `limit`, None where nothing limits them.

    Raises:
        MemoryLimitError: Not even one does, though a limit was given.
    """
    if not row_bytes:
        return max_rows
    if limit is None:
        free = memory.available_bytes()
        if free is None:
            return max_rows
        rows = max(1, int(free * _SHARE) // row_bytes)
    else:
        rows = limit // row_bytes
        if rows < 1:
            raise MemoryLimitError(
                describe(
                    "One circuit alone needs more than the memory limit",
                    expected=f"at most {memory.written(limit)}, the memory_limit",
                    received=f"about {memory.written(row_bytes)}",
                    hint="Raise memory_limit, use fewer qubits, or backend='native', which "
                    "needs less",
                )
            )
    return rows if max_rows is None else min(rows, max_rows)


@tf.autograph.experimental.do_not_convert
def in_chunks(
    run: Run,
    rows: int | None,
    inputs: tf.Tensor,
    theta: tf.Tensor,
    initial: tf.Tensor | None,
    out_dtype: tf.DType | None = None,
) -> tf.Tensor:
    """Returns `run(inputs, theta, initial)` with at most `rows` rows of the batch at a time.

    Works while tracing with a batch of unknown size too, except for XLA, where such a batch runs in
    one piece. The gradient runs each piece again
    instead of keeping what lies between; it can itself be differentiated.

    Args:
        run: Returns [B, ...], each row from the same row of its arguments.
        rows: Rows in a piece; None for no limit.
        inputs: [B, F].
        theta: [P].
        initial: [B, 2^n] or None.
        out_dtype: Of the result; None for that of `inputs`.
    """
    out_dtype = inputs.dtype if out_dtype is None else out_dtype
    batch = inputs.shape[0]
    if rows is None or (batch is not None and batch <= rows):
        return run(inputs, theta, initial)
    if batch is None and (rows >= _ALWAYS_FITS or _compiles()):
        return run(inputs, theta, initial)
    starts = [] if initial is None else [initial]

    def whole() -> tf.Tensor:
        return run(inputs, theta, initial)

    def parts() -> tf.Tensor:
        return _pieces(run, rows, out_dtype)(inputs, theta, *starts)

    if batch is not None:
        return parts()
    return tf.cond(tf.shape(inputs)[0] <= rows, whole, parts)


def _compiles() -> bool:
    """Whether what is being traced is for XLA, which cannot cut a batch of unknown size."""
    return bool(control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()))


@tf.autograph.experimental.do_not_convert
def draw_in_chunks(
    backend: Backend, rows: int | None, batch: Batch, shots: int, seed: Any
) -> tf.Tensor:
    """Draws [B, shots] as `plain.draw` does, with probabilities of `rows` rows at a time."""
    program, (inputs, theta, initial) = batch.program, batch.values
    uniform = plain.uniform(tf.shape(inputs)[0], shots, check_sampling(shots, seed))

    def run(pair: Any, theta: tf.Tensor, initial: tf.Tensor | None) -> tf.Tensor:
        inputs, uniform = tf.split(pair, [program.n_inputs, shots], axis=1)
        chances = backend.probabilities(program, tf.cast(inputs, dtype), theta, initial)
        return plain.pick(chances, uniform)

    dtype = inputs.dtype
    together = tf.concat([tf.cast(inputs, tf.float64), uniform], axis=1)
    return in_chunks(run, rows, together, theta, initial, tf.int64)


def _pieces(run: Run, rows: int, out_dtype: tf.DType) -> Callable[..., tf.Tensor]:
    """Returns a function of (inputs, theta, [initial]) for batches larger than `rows`."""

    @own_gradient
    def function(inputs: tf.Tensor, theta: tf.Tensor, *starts: tf.Tensor) -> Any:
        batch = tf.shape(inputs)[0]
        count = (batch + rows - 1) // rows

        def begin(piece: tf.Tensor) -> tf.Tensor:
            # The last piece reaches back, so that all have one size.
            return tf.minimum(piece * rows, batch - rows)

        def cut(tensor: tf.Tensor, piece: tf.Tensor) -> tf.Tensor:
            return tf.slice(tensor, [begin(piece), 0], [rows, -1])

        def join(pieces: tf.Tensor) -> tf.Tensor:
            """Returns [B, ...] of pieces [C, rows, ...], each row once."""
            number = tf.range(batch)
            piece = number // rows
            index = piece * rows + number - begin(piece)
            flat = tf.reshape(pieces, tf.concat([[-1], tf.shape(pieces)[2:]], 0))
            joined = tf.gather(flat, index)
            return tf.ensure_shape(joined, [inputs.shape[0], *pieces.shape[2:]])

        @tf.autograph.experimental.do_not_convert
        def forward(piece: tf.Tensor) -> tf.Tensor:
            start = cut(starts[0], piece) if starts else None
            return run(cut(inputs, piece), theta, start)

        @tf.autograph.experimental.do_not_convert
        def gradient(grad: tf.Tensor) -> Any:
            @tf.autograph.experimental.do_not_convert
            def backward(piece: tf.Tensor) -> tuple[tf.Tensor, ...]:
                sources = [cut(inputs, piece), theta, *(cut(start, piece) for start in starts)]
                with tf.GradientTape() as tape:
                    tape.watch(sources)
                    values = run(*sources, *([] if starts else [None]))
                fresh = begin(piece) + tf.range(rows) >= piece * rows
                weights = cut(grad, piece)
                weights = tf.where(fresh[:, None], weights, tf.zeros_like(weights))
                return tuple(
                    tape.gradient(
                        values,
                        sources,
                        weights,
                        unconnected_gradients=tf.UnconnectedGradients.ZERO,
                    )
                )

            types = tuple(source.dtype for source in (inputs, theta, *starts))
            by_inputs, by_theta, *by_starts = tf.map_fn(
                backward, tf.range(count), fn_output_signature=types, parallel_iterations=1
            )
            return (join(by_inputs), tf.reduce_sum(by_theta, 0), *map(join, by_starts))

        pieces = tf.map_fn(
            forward, tf.range(count), fn_output_signature=out_dtype, parallel_iterations=1
        )
        return join(pieces), gradient

    return function
