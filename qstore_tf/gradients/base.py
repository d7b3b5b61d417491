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

Function = Callable[..., tf.Tensor]


def fold(seed: tf.Tensor | None, purpose: int) -> tf.Tensor | None:
    """Returns the seed that belongs to a purpose, independent of those of all others."""
    if seed is None:
        return None
    return tf.random.experimental.stateless_fold_in(seed, tf.constant(purpose, tf.int64))


class GradientMethod(ABC):
    """Makes a program's results differentiable on a backend.

    Attributes:
        name: What users call it.
        random: Its gradients are drawn at random, so its functions want a seed.
    """

    name: str
    random: bool = False

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

    def get_config(self) -> dict[str, Any]:
        """Returns the keyword arguments that make the same method again."""
        return {}

    def __repr__(self) -> str:
        """Returns the expression that makes the same method again."""
        options = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items())
        return f"{type(self).__name__}({options})"
