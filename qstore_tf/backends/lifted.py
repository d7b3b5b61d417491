"""Backends in NumPy as backends in TensorFlow; the one place where arrays and tensors meet.

A call is one `tf.numpy_function` for the whole batch, with static shapes where they are known.
Gradients are the simulator's own, where it has any; derivatives of those go through the
plain-TensorFlow simulator, as those of the native ops do.

As with every `tf.numpy_function`, a graph with such a call runs in the process that traced it:
XLA does not compile it, and it cannot be exported as a SavedModel. `.keras` files do not mind.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from qstore_tf.backends.arrays.base import Array, ArrayBackend, Gradients, check_batch
from qstore_tf.backends.base import Batch, BatchBackend, Named
from qstore_tf.checks import check_observables
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.ops import plain
from qstore_tf.ops.inputs import check_sampling, check_seed, complex_dtype, prepare
from qstore_tf.ops.own_gradient import own_gradient
from qstore_tf.ops.second_order import second_gradient


class Lifted(BatchBackend):
    """A backend in NumPy with tensors in and out: batched, traced, differentiable.

    Subclasses name the class of arrays that they lift: `class Qsim(Lifted, kind=arrays.Qsim)`.
    They take its options, and have its name, capabilities, configuration and docstring.

    Attributes:
        arrays: The backend in NumPy.

    Args:
        arrays: The backend in NumPy.
    """

    kind: type[ArrayBackend] | None = None
    is_exportable = False

    def __init_subclass__(cls, kind: type[ArrayBackend] | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        if kind is not None:
            cls.kind, cls.name, cls.capabilities = kind, kind.name, kind.capabilities
            cls.__doc__ = kind.__doc__
            cls.__signature__ = inspect.signature(kind)  # type: ignore[attr-defined]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Makes the backend in NumPy, or keeps the one that is given."""
        if self.kind is None:
            (self.arrays,) = arguments
        else:
            self.arrays = self.kind(*arguments, **options)
        self.name, self.capabilities = self.arrays.name, self.arrays.capabilities

    def __getattr__(self, name: str) -> Any:
        """The options of the backend in NumPy, such as `num_threads`."""
        if name.startswith("_") or name == "arrays":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.arrays, name)

    def get_config(self) -> dict[str, Any]:
        """Returns the options with which `backends.get(name, ...)` makes the same backend."""
        return self.arrays.get_config()

    def __repr__(self) -> str:
        """Returns the expression that makes the same backend again."""
        return f"Lifted({self.arrays!r})" if self.kind is None else super().__repr__()

    def __eq__(self, other: object) -> bool:
        """Two are equal where their backends in NumPy are."""
        return super().__eq__(other) and self.arrays == other.arrays  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        """Goes with equality."""
        return hash((super().__hash__(), self.arrays))

    def inner_backends(self) -> tuple[Named, ...]:
        """Returns the backends that the one in NumPy hands its work to."""
        return self.arrays.inner_backends()

    def check(self, program: Program) -> None:
        """Raises ConfigurationError where the simulator cannot run a gate of the program."""
        self.arrays.check(program)

    def with_shots(self, shots: int) -> Lifted | None:
        """Returns this backend with a number of shots; see `Named.with_shots`."""
        arrays = self.arrays.with_shots(shots)
        if arrays is None:
            return None
        other = copy.copy(self)
        other.arrays, other.capabilities = arrays, arrays.capabilities
        return other

    def row_bytes(self, program: Program, dtype: tf.DType, samples: bool = False) -> int:
        """Returns the bytes of a row in the simulator; see `Backend.row_bytes`."""
        return self.arrays.row_bytes(program, np.dtype(dtype.as_numpy_dtype), samples)

    @tf.autograph.experimental.do_not_convert
    def _expectation(self, batch: Batch, observables: Sequence[PauliSum], seed: Any) -> tf.Tensor:
        batch = self._prepared(batch)
        sums = tuple(observables)
        check_observables(sums, batch.program.n_qubits)
        return self._differentiable(
            batch,
            lambda given, seed: self.arrays.expectation(given, sums, seed),
            lambda given, upstream: self.arrays.pull_expectation(given, sums, upstream),
            lambda *tensors: plain.expectation(batch.program, sums, *tensors),
            (batch.inputs.dtype, len(sums)),
            "pull_expectation",
            None if self.capabilities.exact or seed is None else check_seed(seed),
        )

    @tf.autograph.experimental.do_not_convert
    def _state_vector(self, batch: Batch) -> tf.Tensor:
        batch = self._prepared(batch)
        return self._differentiable(
            batch,
            lambda given, seed: self.arrays.state_vector(given),
            self.arrays.pull_state,
            lambda *tensors: plain.state_vector(batch.program, *tensors),
            (complex_dtype(batch.inputs.dtype), 2**batch.program.n_qubits),
            "pull_state",
        )

    @tf.autograph.experimental.do_not_convert
    def _probabilities(self, batch: Batch) -> tf.Tensor:
        if self.capabilities.state_vector:  # which may have a gradient
            return plain.squared_magnitude(self._state_vector(batch))
        batch = self._prepared(batch)
        size = 2**batch.program.n_qubits
        return run(
            batch,
            lambda given, seed: self.arrays.probabilities(given),
            (batch.inputs.dtype, size),
            remote=self.arrays.remote,
        )

    @tf.autograph.experimental.do_not_convert
    def _sample(self, batch: Batch, shots: int, seed: Any) -> tf.Tensor:
        batch = self._prepared(batch)
        seed = check_sampling(shots, seed)
        return run(
            batch,
            lambda given, seed: self.arrays.sample(given, shots, seed),
            (tf.int64, shots),
            seed,
            remote=self.arrays.remote,
        )

    def _prepared(self, batch: Batch) -> Batch:
        """Returns the batch in tensors that fit the program and this backend."""
        given = prepare(batch.program, *batch.values)
        self.check_dtype(given[0].dtype)
        self.check(batch.program)
        return Batch(batch.program, *given)

    def _differentiable(
        self,
        batch: Batch,
        forward: Callable[[Batch, Any], Array],
        backward: Callable[[Batch, Array], Gradients],
        reference: Callable[..., tf.Tensor],
        result: tuple[tf.DType, int],
        pull_method: str,
        seed: Any = None,
    ) -> tf.Tensor:
        """Returns what `forward` returns, with a gradient by `backward`.

        Without a gradient where the backend has none, or not by `pull_method`. Gradients of the
        gradient are those of `reference`, which takes tensors.
        """
        program = batch.program
        has_pull = getattr(type(self.arrays), pull_method) is not getattr(ArrayBackend, pull_method)
        if not (has_pull and self.capabilities.adjoint):
            return run(batch, forward, result, seed, remote=self.arrays.remote)

        @own_gradient
        def value(*tensors: tf.Tensor) -> Any:
            out = run(Batch(program, *tensors), forward, result, seed)
            return out, lambda upstream: pulled(*tensors, upstream)

        @own_gradient
        def pulled(*tensors: tf.Tensor) -> Any:
            *sources, upstream = tensors

            def second(*grads: tf.Tensor) -> list[tf.Tensor]:
                return second_gradient(reference, sources, upstream, grads)

            return pull(Batch(program, *sources), backward, upstream), second

        return value(*(tensor for tensor in batch.values if tensor is not None))


def run(
    batch: Batch,
    function: Callable[[Batch, Any], Array],
    result: tuple[tf.DType, int],
    seed: tf.Tensor | None = None,
    remote: bool = False,
) -> tf.Tensor:
    """Runs a function of arrays on a batch of tensors, in one `tf.numpy_function` call.

    Args:
        batch: In tensors, the result of `prepare`.
        function: Takes the batch in arrays and the seed as an array [2] or None; returns
            [B, width].
        result: Dtype and width of what it returns.
        seed: Two integers; None for functions that draw nothing.
        remote: Whether every call must take place, just once: TensorFlow may leave out or repeat
            others.

    Returns:
        [B, width], without gradient.

    Raises:
        QstoreError: `function` raised it, or the arguments differ in their rows. Inside a
            `tf.function` TensorFlow raises its own type of error, with the same message.
    """
    dtype, width = result

    def call(*arrays: Array) -> Array:
        given = arrays if seed is None else arrays[:-1]
        return function(check_batch(Batch(program, *given)), None if seed is None else arrays[-1])

    program = batch.program
    tensors = [tensor for tensor in (*batch.values, seed) if tensor is not None]
    found = tf.numpy_function(call, tensors, dtype, stateful=remote)
    return tf.ensure_shape(found, [_rows(batch), width])


def pull(
    batch: Batch, function: Callable[[Batch, Array], Gradients], upstream: tf.Tensor
) -> list[tf.Tensor]:
    """Runs a function from arrays to gradients, as `run` does.

    Args:
        batch: In tensors.
        function: Takes the batch in arrays and the gradient by its results, `upstream`.
        upstream: [B, width].

    Returns:
        The gradients by inputs, theta and, where there is one, the initial state.
    """

    def call(*arrays: Array) -> list[Array]:
        found = function(check_batch(Batch(program, *arrays[:-1])), arrays[-1])
        gradients = [found.inputs, found.theta, found.initial]
        return [gradient for gradient in gradients if gradient is not None]

    program = batch.program
    tensors = [tensor for tensor in batch.values if tensor is not None]
    dtypes = [tensor.dtype for tensor in tensors]
    found = tf.numpy_function(call, [*tensors, upstream], dtypes, stateful=False)
    widths = ([_rows(batch), program.n_inputs], [program.n_theta], [_rows(batch), None])
    return [tf.ensure_shape(x, width) for x, width in zip(found, widths, strict=False)]


def _rows(batch: Batch) -> int | None:
    return batch.inputs.shape[0] if batch.inputs.shape.rank else None
