"""The adjoint method: exact gradients at the cost of about two more runs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import tensorflow as tf

from qstore_tf.backends.base import Backend
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.gradients.base import Function, GradientMethod


class Adjoint(GradientMethod):
    """Sweeps the state and one bra back through the circuit (arXiv:2009.02823).

    The cost does not grow with the number of parameters. It needs state vectors, so it runs on
    simulators only. It differentiates with respect to inputs, theta and the initial state; the
    "tensorflow" backend reaches the same numbers by autodiff.

    Example:
        >>> Adjoint()
        Adjoint()
    """

    name = "adjoint"

    def check(self, backend: Backend) -> None:
        """Raises ConfigurationError where the backend returns no differentiable states."""
        if not backend.capabilities.adjoint:
            has_states = backend.capabilities.state_vector
            returns = "states without gradients" if has_states else "counts"
            raise ConfigurationError(
                describe(
                    f"gradient='adjoint' needs state vectors; backend {backend.name!r} "
                    f"returns {returns}",
                    hint="Use gradient='parameter_shift'",
                )
            )

    def expectation(
        self, backend: Backend, program: Program, observables: Sequence[PauliSum]
    ) -> Function:
        """Returns the backend's own function, which carries its gradient."""
        observables = tuple(observables)

        def function(
            inputs: Any, theta: Any, initial_state: Any = None, seed: Any = None
        ) -> tf.Tensor:
            return backend.expectation(
                program, observables, inputs, theta, initial_state, seed=seed
            )

        return function

    def state(self, backend: Backend, program: Program) -> Function:
        """Returns the backend's own function, which carries its gradient."""
        return partial(backend.state_vector, program)
