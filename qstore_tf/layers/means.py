"""With what a layer runs its circuits: a backend and a gradient method, and what they can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from qstore_tf import backends, gradients
from qstore_tf.backends import Backend
from qstore_tf.errors import ConfigurationError, InputError, describe
from qstore_tf.gradients import GradientMethod
from qstore_tf.ops import memory


@dataclass(frozen=True)
class Means:
    """A backend and a gradient method, as the user gave them."""

    backend: str | Backend
    gradient: str | GradientMethod

    @property
    def has_states(self) -> bool:
        """Whether the backend has state vectors."""
        return backends.get(self.backend).capabilities.state_vector

    @property
    def takes_initial_state(self) -> bool:
        """Whether a program can start from amplitudes, with gradients that reach them.

        Parameter shift needs angles to shift, so there the amplitudes become a circuit.
        """
        return self.has_states and not isinstance(
            gradients.get(self.gradient), gradients.ParameterShift
        )

    @property
    def supports_xla(self) -> bool:
        """Whether the operations have XLA kernels."""
        return backends.get(self.backend).capabilities.xla

    def get_config(self) -> dict[str, Any]:
        """Returns both as plain data."""
        return {
            "backend": backend_config(self.backend),
            "gradient": gradient_config(self.gradient),
        }


def read_means(backend: str | Backend, gradient: str | GradientMethod) -> Means:
    """Checks a backend and a gradient method, alone and together.

    Raises:
        ConfigurationError: one is unknown, or the two do not go together.
    """
    return Means(backend, gradient)


def backend_config(backend: str | Backend | None) -> Any:
    """A backend as plain data."""
    return backend


def gradient_config(gradient: str | GradientMethod | None) -> Any:
    """A gradient method as plain data."""
    return gradient


def check_has_states(means: Means, layer: str) -> None:
    """Raises InputError where only a state vector arrived and the backend has none."""
    if means.has_states:
        return
    name = backends.get(means.backend).name
    raise InputError(
        describe(
            f"Layer '{layer}' was fed a state vector without the circuit that made it, and "
            f"backend '{name}' has no state vectors",
            expected="the output of a quantum layer, with nothing in between",
            hint="Write encoding, circuit and measurement as one layer, as in "
            "QuantumLayer(n_qubits=6, depth=4, encoding='amplitude', observables='Z')",
        )
    )


def check_memory(n_qubits: int, dtype: tf.DType) -> None:
    """Raises MemoryLimitError where one state vector, and one for its gradient, cannot fit."""
    memory.check(2 * dtype.size * 2**n_qubits, f"A gradient of {n_qubits} qubits")
