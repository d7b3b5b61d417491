"""With what a layer runs its circuits: a backend and a gradient method, and what they can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import tensorflow as tf

from qstore_tf import backends, gradients
from qstore_tf.backends import Backend
from qstore_tf.errors import InputError, describe
from qstore_tf.gradients import GradientMethod
from qstore_tf.ops import memory


@dataclass(frozen=True)
class Means:
    """A backend and a gradient method, as the user gave them.

    The names are kept for configurations: "auto" is resolved anew where a model is loaded.
    """

    backend: str | Backend
    gradient: str | GradientMethod

    @cached_property
    def resolved(self) -> Backend:
        """The backend itself."""
        return backends.get(self.backend)

    @property
    def has_states(self) -> bool:
        """Whether the backend has state vectors."""
        return self.resolved.capabilities.state_vector

    @property
    def differentiates_states(self) -> bool:
        """Whether states can be differentiated, and programs start from given amplitudes."""
        return self.has_states and self.resolved.capabilities.adjoint

    @property
    def supports_xla(self) -> bool:
        """Whether the operations have XLA kernels."""
        return self.resolved.capabilities.xla

    def get_config(self) -> dict[str, Any]:
        """Returns both as plain data."""
        return {
            "backend": plain(self.backend),
            "gradient": plain(self.gradient),
        }


def read_means(backend: Any, gradient: Any) -> Means:
    """Checks a backend and a gradient method, alone and together.

    Raises:
        ConfigurationError: one is unknown, or the two do not go together.
        LibraryError: the native backend is asked for and cannot be loaded.
    """
    backend = read_backend(backend)
    chosen = backends.get(backend)
    if isinstance(gradient, Mapping):
        gradient = gradients.get(gradient["name"], chosen, **gradient.get("options", {}))
    gradients.get(gradient, chosen)
    return Means(backend, gradient)


def read_backend(backend: Any) -> Any:
    """A backend from plain data; names and backends as they are."""
    if isinstance(backend, Mapping):
        return backends.get(backend["name"], **backend.get("options", {}))
    return backend


def plain(value: Any) -> Any:
    """A backend or a gradient method as plain data; names as they are."""
    if isinstance(value, Backend | GradientMethod):
        return {"name": value.name, "options": value.get_config()}
    return value


def check_has_states(means: Means, layer: str) -> None:
    """Raises InputError where only a state vector arrived and the backend has none."""
    if means.has_states:
        return
    raise InputError(
        describe(
            f"Layer '{layer}' was fed a state vector without the circuit that made it, and "
            f"backend '{means.resolved.name}' has no state vectors",
            expected="the output of a quantum layer, with nothing in between",
            hint="Write encoding, circuit and measurement as one layer, as in "
            "QuantumLayer(n_qubits=6, depth=4, encoding='amplitude', observables='Z')",
        )
    )


def check_memory(n_qubits: int, dtype: tf.DType) -> None:
    """Raises MemoryLimitError where one state vector, and one for its gradient, cannot fit."""
    # The cap keeps the number itself small; so many qubits fit nowhere.
    memory.check(2 * dtype.size * 2 ** min(n_qubits, 2000), f"A gradient of {n_qubits} qubits")
