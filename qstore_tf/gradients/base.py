"""What every gradient method offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from qstore_tf.backends.base import Backend
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.ops.inputs import check_seed

Function = Callable[..., tf.Tensor]

# (inputs, theta, initial_state, d loss / d expectations [B, K], seed) -> d loss / d inputs [B, F]
# and d loss / d theta [P].
Pullback = Callable[..., tuple[tf.Tensor, tf.Tensor]]


class GradientMethod(ABC):
    """Makes a program's results differentiable on a backend.

    Attributes:
        name: What users call it.
        random: Its gradients are drawn at random, so its functions want a seed.
        stateful: It remembers earlier gradients, so each layer needs a method of its own.
        xla: Its gradients compile with `jit_compile=True` where the backend does.
    """

    name: str
    random: bool = False
    stateful: bool = False
    xla: bool = True

    @abstractmethod
    def check(self, backend: Backend) -> None:
        """Raises ConfigurationError where the backend cannot serve this method."""

    @abstractmethod
    def expectation(
        self, backend: Backend, program: Program, observables: Sequence[PauliSum]
    ) -> Function:
        """Returns `f(inputs, theta, initial_state=None, seed=None)` -> expectations [B, K].

        `seed`, two integers, goes to the backend; what the backward pass draws follows from it.
        """

    def pullback(
        self, backend: Backend, program: Program, observables: Sequence[PauliSum]
    ) -> Pullback:
        """Returns the backward pass alone.

        It is `g(inputs, theta, initial_state, upstream, seed)`; from `upstream`, d loss /
        d expectations [B, K], it makes d loss / d inputs [B, F] and d loss / d theta [P].
        """
        function = self.expectation(backend, program, observables)

        def pull(
            inputs: tf.Tensor, theta: tf.Tensor, initial: Any, upstream: tf.Tensor, seed: Any
        ) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch([inputs, theta])
                values = function(inputs, theta, initial, seed)
            by_inputs, by_theta = tape.gradient(
                values, [inputs, theta], upstream, unconnected_gradients="zero"
            )
            return by_inputs, by_theta

        return pull

    def state(self, backend: Backend, program: Program) -> Function:
        """Returns `f(inputs, theta, initial_state=None)` -> states [B, 2^n].

        Raises:
            ConfigurationError: This method differentiates expectations only.
        """
        raise ConfigurationError(
            describe(
                f"gradient={self.name!r} differentiates expectations, not states",
                hint="Use gradient='adjoint', or measure in the same layer",
            )
        )

    def signal_at_best(self, n_theta: int) -> float:
        """The signal-to-noise ratio of an estimate by itself, up to 1, by `n_theta` parameters."""
        return 1.0

    def get_config(self) -> dict[str, Any]:
        """Returns the keyword arguments that make the same method again."""
        return {}

    def __repr__(self) -> str:
        """Returns the expression that makes the same method again."""
        options = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items())
        return f"{type(self).__name__}({options})"


def read_seed(seed: Any, wanted_by: str | None = None) -> tf.Tensor | None:
    """Returns a seed as an int64 [2] tensor, or None.

    Args:
        seed: Two integers, or None.
        wanted_by: The gradient method that cannot do without, if it is one of those.

    Raises:
        ConfigurationError: None was given where one is wanted.
        InputError: It is not two integers.
    """
    if seed is None:
        if wanted_by is None:
            return None
        raise ConfigurationError(
            describe(
                f"gradient={wanted_by!r} draws at random and was given no seed",
                expected="two integers",
                hint="Call f(inputs, theta, seed=[0, step]), with a different step each time; "
                "layers do this by themselves",
            )
        )
    return check_seed(seed)


def fold(seed: tf.Tensor | None, purpose: int) -> tf.Tensor | None:
    """Returns the seed that belongs to a purpose, independent of those of all others.

    By the same algorithm everywhere, so that XLA and other devices make the same seeds.
    """
    if seed is None:
        return None
    return tf.random.experimental.stateless_fold_in(
        seed, tf.constant(purpose, tf.int64), alg="philox"
    )
