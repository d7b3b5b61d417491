"""A backend that looks like hardware: expectations only, and it counts what it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from qstore_tf.backends.base import Backend, Capabilities
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.ops import plain


class Counting(Backend):
    """Exact expectations in plain TensorFlow ops, without states and without gradients.

    In a traced function it counts once, when the function is traced.

    Attributes:
        calls: One entry a call: the number of circuits, None where it is not known.
        programs: What was run, one entry a call.
    """

    name = "counting"
    capabilities = Capabilities(
        state_vector=False,
        exact=True,
        adjoint=False,
        dtypes=("float32", "float64"),
        samples=False,
    )

    def __init__(self) -> None:
        """Starts counting."""
        self.calls: list[int | None] = []
        self.programs: list[Program] = []

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
        self.calls.append(inputs.shape[0])
        self.programs.append(program)
        values = plain.expectation(program, observables, inputs, theta, initial_state)
        return tf.stop_gradient(values)

    def __eq__(self, other: object) -> bool:
        """Each counts for itself."""
        return self is other

    def __hash__(self) -> int:
        """Goes with equality."""
        return id(self)
