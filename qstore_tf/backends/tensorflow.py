"""The backend in plain TensorFlow ops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from qstore_tf.backends.base import Backend, Capabilities
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.ops import plain


class TensorFlow(Backend):
    """Simulates in plain TensorFlow ops: any device, XLA, every order of derivative.

    Example:
        >>> TensorFlow().capabilities.xla
        True
    """

    name = "tensorflow"
    capabilities = Capabilities(
        state_vector=True, exact=True, adjoint=True, dtypes=("float32", "float64"), xla=True
    )

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
        return plain.expectation(program, observables, inputs, theta, initial_state)

    def state_vector(
        self, program: Program, inputs: Any, theta: Any, initial_state: Any = None
    ) -> tf.Tensor:
        """Returns states [B, 2^n]; see `Backend.state_vector`."""
        return plain.state_vector(program, inputs, theta, initial_state)

    def probabilities(
        self, program: Program, inputs: Any, theta: Any, initial_state: Any = None
    ) -> tf.Tensor:
        """Returns probabilities [B, 2^n]; see `Backend.probabilities`."""
        return plain.probabilities(program, inputs, theta, initial_state)

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
        return plain.sample(program, inputs, theta, initial_state, shots=shots, seed=seed)
