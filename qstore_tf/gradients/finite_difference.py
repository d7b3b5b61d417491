"""Gradients from differences of nearby expectations; approximate."""

from __future__ import annotations

from typing import Any

from qstore_tf.backends.base import Backend
from qstore_tf.circuits.primitives import CompiledPrimitive
from qstore_tf.errors import ConfigurationError, describe, did_you_mean
from qstore_tf.gradients.options import positive
from qstore_tf.gradients.shift import Shifted
from qstore_tf.shifts import Rule, difference_rule

SCHEMES = ("central", "forward")

# A difference of estimates from shots is off by about 1 / (step * sqrt(shots)).
_SMALLEST_WITH_SHOTS = 0.1


class FiniteDifference(Shifted):
    """Differences between nearby angles, all runs of a step in one backend call; approximate.

    Central differences take two runs for each angle and are off by terms of `step**2`; forward
    differences take one for each angle and one more, and are off by terms of `step`. Rounding
    adds about 1e-7 / step in float32, and N shots about 1 / (step * sqrt(N)), which is why a
    backend that samples refuses steps below 0.1.

    Args:
        step: How far each angle is moved, in radians; central differences move it both ways.
        scheme: "central" or "forward".
        inputs: Whether the inputs get gradients.

    Raises:
        ConfigurationError: `step` is not a positive number, or there is no such scheme.

    Example:
        >>> FiniteDifference(step=0.01)
        FiniteDifference(step=0.01, scheme='central', inputs=True)
    """

    name = "finite_difference"

    def __init__(self, step: float = 1e-2, scheme: str = "central", inputs: bool = True) -> None:
        """Keeps the step."""
        super().__init__(inputs)
        self.step = positive("step", step)
        if scheme not in SCHEMES:
            raise ConfigurationError(
                describe(
                    f"There is no scheme {scheme!r} of finite differences",
                    hint=did_you_mean(str(scheme), SCHEMES),
                )
            )
        self.scheme = scheme

    def get_config(self) -> dict[str, Any]:
        """Returns the keyword arguments that make the same method again."""
        return {"step": self.step, "scheme": self.scheme, **super().get_config()}

    def check(self, backend: Backend) -> None:
        """Raises ConfigurationError where shot noise would drown the differences."""
        if not backend.capabilities.exact and self.step < _SMALLEST_WITH_SHOTS:
            raise ConfigurationError(
                describe(
                    f"Differences over a step of {self.step} drown in the noise of backend "
                    f"{backend.name!r}, which estimates from shots",
                    expected=f"a step of at least {_SMALLEST_WITH_SHOTS}",
                    hint="Use gradient='parameter_shift', which costs the same, or "
                    "FiniteDifference(step=0.3)",
                )
            )

    def rule(self, gate: CompiledPrimitive) -> Rule:
        """Returns the two terms of a difference, none for a global phase."""
        if not gate.frequencies:
            return ()
        return difference_rule(self.step, self.scheme)
