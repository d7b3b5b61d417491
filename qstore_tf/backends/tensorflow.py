"""The backend in plain TensorFlow ops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from qstore_tf.backends.base import Batch, BatchBackend, Capabilities
from qstore_tf.backends.chunked import draw_in_chunks, in_chunks, rows_within
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.ops import plain
from qstore_tf.ops.inputs import check_sampling, prepare
from qstore_tf.ops.schedule import schedule

# States that exist at once, and states kept for the gradient of each step, as measured.
_LIVE_STATES, _KEPT_STATES = 6, 1
# Batches that need less are not worth asking how much memory there is.
_UNGUARDED_BYTES = 1 << 26


class TensorFlow(BatchBackend):
    """Simulates in plain TensorFlow ops: any device, XLA, every order of derivative.

    A batch that would take more than half of the memory that is free when it is traced runs in
    pieces, with the same results; see `Chunked`, which sets another limit.

    Example:
        >>> TensorFlow().capabilities.xla
        True
    """

    name = "tensorflow"
    capabilities = Capabilities(
        state_vector=True, exact=True, adjoint=True, dtypes=("float32", "float64"), xla=True
    )

    def _expectation(self, batch: Batch, observables: Sequence[PauliSum], seed: Any) -> tf.Tensor:
        program = batch.program
        given = prepare(program, *batch.values)

        def run(inputs: tf.Tensor, theta: tf.Tensor, initial: tf.Tensor | None) -> tf.Tensor:
            return plain.expectation(program, observables, inputs, theta, initial)

        return in_chunks(run, self._rows(program, given[0]), *given)

    def _state_vector(self, batch: Batch) -> tf.Tensor:
        return plain.state_vector(batch.program, *batch.values)

    def _probabilities(self, batch: Batch) -> tf.Tensor:
        return plain.probabilities(batch.program, *batch.values)

    def _sample(self, batch: Batch, shots: int, seed: Any) -> tf.Tensor:
        check_sampling(shots, seed)
        given = prepare(batch.program, *batch.values)
        rows = self._rows(batch.program, given[0], samples=True)
        return draw_in_chunks(self, rows, Batch(batch.program, *given), shots, seed)

    def row_bytes(self, program: Program, dtype: tf.DType, samples: bool = False) -> int:
        """Returns the bytes of a row's states, with those that its gradient keeps."""
        kept = 0 if samples else _KEPT_STATES * len(schedule(program))
        return (_LIVE_STATES + kept) * 2 * dtype.size * 2**program.n_qubits

    def _rows(self, program: Program, inputs: tf.Tensor, samples: bool = False) -> int | None:
        row_bytes, batch = self.row_bytes(program, inputs.dtype, samples), inputs.shape[0]
        if batch is not None and batch * row_bytes <= _UNGUARDED_BYTES:
            return None
        return rows_within(None, row_bytes)
