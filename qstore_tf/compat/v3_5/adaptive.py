"""Adaptive depth and shots of version 3.5, over the rules of `qs.callbacks`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from qstore_tf.callbacks.adaptive import rules
from qstore_tf.circuits import Circuit
from qstore_tf.compat.circuits import AnyCircuit, circuit_of, dict_of
from qstore_tf.errors import ConfigurationError, describe

_SMALL = 1e-6  # radians, as version 3.5 had it

T = TypeVar("T", bound=AnyCircuit)


class AdaptiveCircuitOptimizer:
    """Depths by epoch, and circuits made shorter. In a training: `qs.callbacks.AdaptiveDepth`.

    Args:
        initial_depth: Layers at first.
        min_depth: Layers at last.
        adaptation_schedule: "linear", "exponential" or "step".

    Raises:
        ConfigurationError: An argument makes no sense.

    Example:
        >>> optimizer = AdaptiveCircuitOptimizer(4, 2, "step")
        >>> [optimizer.get_depth_for_epoch(epoch, 10) for epoch in (0, 5, 9)]
        [4, 3, 2]
    """

    def __init__(
        self, initial_depth: int = 4, min_depth: int = 2, adaptation_schedule: str = "linear"
    ) -> None:
        self.initial_depth = rules.positive("initial_depth", initial_depth, type(self).__name__)
        self.min_depth = rules.positive("min_depth", min_depth, type(self).__name__)
        if self.min_depth > self.initial_depth:
            raise ConfigurationError(
                describe(
                    "min_depth is more than initial_depth", received=(min_depth, initial_depth)
                )
            )
        self.schedule = rules.check_choice(
            "adaptation_schedule", adaptation_schedule, rules.SCHEDULES
        )

    def get_depth_for_epoch(self, epoch: int, total_epochs: int) -> int:
        """Returns the layers of an epoch, the first of which is 0, rounded up."""
        progress = _progress(epoch, total_epochs)
        return rules.depth_at(progress, self.initial_depth, self.min_depth, self.schedule)

    def optimize_circuit(self, circuit: T, target_depth: int) -> T:
        """Returns a circuit of at most some time steps, of the kind that was given.

        Rotations are merged, those by at most 1e-6 radians dropped, and entangling gates taken out
        as far as the depth asks for it. `UnifiedCircuit.optimize_with_report` says what that costs.

        Args:
            circuit: IonQ's dict, or a circuit.
            target_depth: Time steps.

        Raises:
            CircuitError: The depth cannot be reached.
        """
        short = circuit_of(circuit).optimize(max_depth=target_depth, threshold=_SMALL)
        made: Any = short if isinstance(circuit, Circuit) else dict_of(short)
        return made


class AdaptiveShotAllocator:
    """Shots by epoch and by the spread of gradients. In a training: `qs.callbacks.AdaptiveShots`.

    Args:
        min_shots: The fewest.
        max_shots: The most.
        base_shots: In between.

    Raises:
        ConfigurationError: They are out of order.

    Example:
        >>> allocator = AdaptiveShotAllocator()
        >>> allocator.get_shots_for_batch(5, 10, [[0.3], [0.9]])
        1500
    """

    def __init__(self, min_shots: int = 500, max_shots: int = 2000, base_shots: int = 1000) -> None:
        self.min_shots = rules.positive("min_shots", min_shots, type(self).__name__)
        self.max_shots = rules.positive("max_shots", max_shots, type(self).__name__)
        self.base_shots = rules.positive("base_shots", base_shots, type(self).__name__)
        if not self.min_shots <= self.base_shots <= self.max_shots:
            raise ConfigurationError(
                describe(
                    "The shots are out of order",
                    expected="min_shots <= base_shots <= max_shots",
                    received=(min_shots, base_shots, max_shots),
                )
            )

    def get_shots_for_batch(
        self, epoch: int, total_epochs: int, recent_gradients: Sequence[Any] | None = None
    ) -> int:
        """Returns the shots of a batch.

        Args:
            epoch: The first is 0.
            total_epochs: How many there are.
            recent_gradients: The last gradients, arrays or their norms.
        """
        norms = [float(np.linalg.norm(np.asarray(each))) for each in recent_gradients or ()]
        return rules.shots_at(
            _progress(epoch, total_epochs),
            rules.spread(norms),
            self.min_shots,
            self.base_shots,
            self.max_shots,
        )


def _progress(epoch: int, total_epochs: int) -> float:
    if not 0 <= epoch <= total_epochs or not total_epochs:
        raise ConfigurationError(
            describe(
                "There is no such epoch",
                expected="0 <= epoch <= total_epochs",
                received=(epoch, total_epochs),
            )
        )
    return epoch / total_epochs
