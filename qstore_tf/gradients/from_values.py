"""The frame of the methods that get gradients from further expectations of a backend."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from qstore_tf.backends.base import Backend
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.gradients.base import Function, GradientMethod, Pullback, fold, read_seed
from qstore_tf.gradients.unrolled import columns_of
from qstore_tf.ops.inputs import prepare
from qstore_tf.ops.own_gradient import own_gradient
from qstore_tf.shifts import Unrolled

# Purposes of the seeds that follow from the one of a call.
BACKWARD = 1
DIRECTIONS = 2


class FromValues(GradientMethod):
    """Base of the methods that need nothing but expectations, so that they run anywhere.

    Subclasses implement `pullback`.
    """

    def __init__(self, inputs: bool = True) -> None:
        """Keeps whether inputs get gradients."""
        if not isinstance(inputs, bool):
            raise ConfigurationError(
                describe(
                    "`inputs` must be True or False",
                    expected="whether the inputs get gradients",
                    received=inputs,
                )
            )
        self.inputs = inputs

    def get_config(self) -> dict[str, Any]:
        """Returns the keyword arguments that make the same method again."""
        return {"inputs": self.inputs}

    def check(self, backend: Backend) -> None:
        """Every backend that returns expectations will do."""

    @abstractmethod
    def pullback(
        self, backend: Backend, program: Program, observables: Sequence[PauliSum]
    ) -> Pullback:
        """Returns the backward pass; see `GradientMethod.pullback`."""

    def expectation(
        self, backend: Backend, program: Program, observables: Sequence[PauliSum]
    ) -> Function:
        """Returns `f(inputs, theta, initial_state=None, seed=None)` with this gradient."""
        observables = tuple(observables)
        pull = self.pullback(backend, program, observables)
        joined = join(backend, program, observables, pull)

        @tf.autograph.experimental.do_not_convert
        def function(
            inputs: Any, theta: Any, initial_state: Any = None, seed: Any = None
        ) -> tf.Tensor:
            inputs, theta, initial = prepare(program, inputs, theta, initial_state)
            seed = read_seed(seed, self.name if self.random else None)
            if initial is not None and not backend.capabilities.adjoint:
                raise ConfigurationError(
                    describe(
                        f"Backend {backend.name!r} cannot start from a given state with "
                        f"gradient={self.name!r}",
                        hint="Write encoding and circuit as one layer, so that the backend "
                        "runs the whole circuit",
                    )
                )
            return joined(inputs, theta, initial, seed)

        return function


def join(
    backend: Backend, program: Program, observables: Sequence[PauliSum], pullback: Pullback
) -> Callable[..., tf.Tensor]:
    """Returns `f(inputs, theta, initial, seed)` that runs a program and pulls gradients back.

    The gradient by the initial state, where there is one, is the backend's own.
    """

    def run(inputs: tf.Tensor, theta: tf.Tensor, initial: Any, seed: Any) -> tf.Tensor:
        return backend.expectation(program, observables, inputs, theta, initial, seed=seed)

    def function(inputs: tf.Tensor, theta: tf.Tensor, initial: Any, seed: Any) -> tf.Tensor:
        @own_gradient
        def free(inputs: tf.Tensor, theta: tf.Tensor) -> Any:
            def gradient(upstream: tf.Tensor) -> Any:
                return pullback(inputs, theta, None, upstream, seed)

            return run(inputs, theta, None, seed), gradient

        @own_gradient
        def started(inputs: tf.Tensor, theta: tf.Tensor, initial: tf.Tensor) -> Any:
            def gradient(upstream: tf.Tensor) -> Any:
                with tf.GradientTape() as tape:
                    tape.watch(initial)
                    values = run(inputs, theta, initial, seed)
                by_initial = tape.gradient(values, initial, upstream)
                return (*pullback(inputs, theta, initial, upstream, seed), by_initial)

            return run(inputs, theta, initial, seed), gradient

        if initial is None:
            return free(inputs, theta)
        return started(inputs, theta, initial)

    return function


def by_columns(
    backend: Backend,
    unrolled: Unrolled,
    observables: Sequence[PauliSum],
    estimate: Callable[..., tf.Tensor],
    with_inputs: bool = True,
) -> Pullback:
    """Returns the pullback of a program from one of its unrolled form, by the chain rule.

    Args:
        backend: Where the further expectations are computed.
        unrolled: The program in terms of columns [B, G].
        observables: K sums of Pauli strings.
        estimate: `g(expect, columns, initial, upstream, seed)`, which returns d loss / d columns
            [B, G] from `expect(columns, initial, seed)`, expectations that are differentiable
            in the same way again.
        with_inputs: Whether inputs get gradients; zeros if not.
    """

    def again(
        columns: tf.Tensor, theta: tf.Tensor, initial: Any, upstream: tf.Tensor, seed: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        by_columns = estimate(expect, columns, initial, upstream, fold(seed, BACKWARD))
        return by_columns, tf.zeros_like(theta)

    joined = join(backend, unrolled.program, observables, again)

    def expect(columns: tf.Tensor, initial: Any, seed: Any) -> tf.Tensor:
        return joined(columns, tf.zeros([0], columns.dtype), initial, seed)

    def pull(
        inputs: tf.Tensor, theta: tf.Tensor, initial: Any, upstream: tf.Tensor, seed: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch([inputs, theta])
            columns = columns_of(unrolled, inputs, theta)
        moved = estimate(expect, columns, initial, upstream, fold(seed, BACKWARD))
        by_inputs, by_theta = tape.gradient(
            columns, [inputs, theta], moved, unconnected_gradients="zero"
        )
        return by_inputs if with_inputs else tf.zeros_like(inputs), by_theta

    return pull


def repeated(initial: tf.Tensor | None, times: int) -> tf.Tensor | None:
    """Returns the initial states once for each of several runs of the batch, runs first."""
    return None if initial is None else tf.tile(initial, [times, 1])
