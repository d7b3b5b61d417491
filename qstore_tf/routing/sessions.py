"""Backends that compute in TensorFlow, called with arrays, from within a running graph.

By the time that a batch of a Router runs, its numbers are arrays, and a thread of TensorFlow's pool
waits for the result. A `tf.function` called there needs further threads of that pool, and where all
of them wait, as with several Routers in one step, nothing ever ends. So each program is a graph of
its own, run by a session with threads of its own. Called op by op instead, a circuit would take a
hundred times as long on plain TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2

from qstore_tf.backends.arrays.base import Array, Gradients
from qstore_tf.backends.base import Backend, Batch
from qstore_tf.caching import of_programs, remember
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.ops.inputs import complex_dtype

# Threads of all sessions together; each call takes one, and ops use the usual pool besides.
_THREADS = 16


def expectation(
    backend: Backend, batch: Batch, observables: Sequence[PauliSum], seed: Any = None
) -> Array:
    """Returns the expectations [B, K]."""
    made = _expectation(backend, batch.program, tuple(observables), _dtype(batch), seed is not None)
    return made(batch, seed)[0]


def state_vector(backend: Backend, batch: Batch) -> Array:
    """Returns the final states [B, 2^n]."""
    return _state(backend, batch.program, _dtype(batch))(batch)[0]


def probabilities(backend: Backend, batch: Batch) -> Array:
    """Returns the probabilities [B, 2^n] of the basis states."""
    return _probabilities(backend, batch.program, _dtype(batch))(batch)[0]


def sample(backend: Backend, batch: Batch, shots: int, seed: Any) -> Array:
    """Returns basis-state indices int64 [B, shots]."""
    return _sample(backend, batch.program, int(shots), _dtype(batch))(batch, seed)[0]


def pull_expectation(
    backend: Backend, batch: Batch, observables: Sequence[PauliSum], upstream: Array
) -> Gradients:
    """Returns the gradients, given `upstream` [B, K], those with respect to the results."""
    made = _pull_expectation(backend, batch.program, tuple(observables), _dtype(batch))
    return Gradients(*made(batch, upstream))


def pull_state(backend: Backend, batch: Batch, upstream: Array) -> Gradients:
    """Returns the gradients, given `upstream` [B, 2^n], those with respect to the states."""
    return Gradients(*_pull_state(backend, batch.program, _dtype(batch))(batch, upstream))


class Compiled:
    """A function of a batch, and of one more array, as a graph with a session.

    Args:
        program: What is run.
        dtype: Of the inputs.
        function: Returns tensors from a list of those of the batch, and the one fed besides.
        extra: Dtype and shape of what is fed besides; None: nothing is.
    """

    def __init__(
        self,
        program: Program,
        dtype: str,
        function: Callable[..., list[tf.Tensor]],
        extra: tuple[tf.DType, Sequence[int | None]] | None = None,
    ) -> None:
        kind = tf.as_dtype(dtype)
        specs = [tf.TensorSpec([None, program.n_inputs], kind)]
        specs.append(tf.TensorSpec([program.n_theta], kind))
        if program.has_initial:
            specs.append(tf.TensorSpec([None, 2**program.n_qubits], complex_dtype(kind)))
        n_given = len(specs)
        if extra is not None:
            specs.append(tf.TensorSpec(extra[1], extra[0]))

        def traced(*tensors: tf.Tensor) -> list[tf.Tensor]:
            return function(list(tensors[:n_given]), *tensors[n_given:])

        # Traced as functions are, so that it means the same as where it is called in a model.
        with tf.init_scope():
            made = tf.function(traced, autograph=False).get_concrete_function(*specs)
        session = tf.compat.v1.Session(graph=made.graph, config=_config())
        # As Keras does it: `make_callable` takes twice as long where something is fed.
        options = config_pb2.CallableOptions()
        options.feed.extend(each.name for each in made.inputs)
        options.fetch.extend(each.name for each in made.outputs)
        self._captured = [each.numpy() for each in made.captured_inputs]
        self._run = session._make_callable_from_options(options)

    def __call__(self, batch: Batch, *extra: Any) -> list[Array]:
        """Returns the results."""
        given = [array for array in batch.values if array is not None]
        given += [each for each in extra if each is not None]
        found: list[Array] = self._run(*given, *self._captured)
        return found


_SEED = (tf.int64, [2])


@remember(of_programs)
def _expectation(
    backend: Backend, program: Program, observables: tuple[PauliSum, ...], dtype: str, seeded: bool
) -> Compiled:
    return Compiled(
        program,
        dtype,
        lambda given, *seed: [
            backend.expectation(program, observables, *given, seed=seed[0] if seed else None)
        ],
        _SEED if seeded else None,
    )


@remember(of_programs)
def _state(backend: Backend, program: Program, dtype: str) -> Compiled:
    return Compiled(program, dtype, lambda given: [backend.state_vector(program, *given)])


@remember(of_programs)
def _probabilities(backend: Backend, program: Program, dtype: str) -> Compiled:
    return Compiled(program, dtype, lambda given: [backend.probabilities(program, *given)])


@remember(of_programs)
def _sample(backend: Backend, program: Program, shots: int, dtype: str) -> Compiled:
    return Compiled(
        program,
        dtype,
        lambda given, seed: [backend.sample(program, *given, shots=shots, seed=seed)],
        _SEED,
    )


@remember(of_programs)
def _pull_expectation(
    backend: Backend, program: Program, observables: tuple[PauliSum, ...], dtype: str
) -> Compiled:
    def pulled(given: list[tf.Tensor], upstream: tf.Tensor) -> list[tf.Tensor]:
        values = backend.expectation(program, observables, *given)
        return _gradients(values, given, upstream)

    return Compiled(program, dtype, pulled, (tf.as_dtype(dtype), [None, len(observables)]))


@remember(of_programs)
def _pull_state(backend: Backend, program: Program, dtype: str) -> Compiled:
    def pulled(given: list[tf.Tensor], upstream: tf.Tensor) -> list[tf.Tensor]:
        return _gradients(backend.state_vector(program, *given), given, upstream)

    kind = complex_dtype(tf.as_dtype(dtype))
    return Compiled(program, dtype, pulled, (kind, [None, 2**program.n_qubits]))


def _gradients(values: tf.Tensor, sources: list[tf.Tensor], upstream: tf.Tensor) -> list[tf.Tensor]:
    found: list[tf.Tensor] = tf.gradients(
        values, sources, upstream, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    return found


def _dtype(batch: Batch) -> str:
    return str(np.dtype(batch.inputs.dtype).name)


def _config() -> Any:
    config = tf.compat.v1.ConfigProto()
    pool = config.session_inter_op_thread_pool.add()
    pool.num_threads, pool.global_name = _THREADS, "qstore_tf.routing"
    return config
