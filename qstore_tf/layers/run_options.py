"""How a layer runs its circuits: backend, gradient method, shots, and what they can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import tensorflow as tf

from qstore_tf import backends, execution, gradients, memory
from qstore_tf.backends import Backend
from qstore_tf.backends.arrays.base import ArrayBackend
from qstore_tf.backends.sampled import Sampled
from qstore_tf.errors import ConfigurationError, InputError, describe
from qstore_tf.gradients import GradientMethod
from qstore_tf.routing import pool as _pool  # noqa: F401  saved models name it
from qstore_tf.routing import router as _router  # noqa: F401  and this


@dataclass(frozen=True)
class RunOptions:
    """A backend, a gradient method and a number of shots, as read from arguments.

    The names are kept for configurations: "auto" is resolved again where a model is loaded.
    """

    backend: str | Backend
    gradient: str | GradientMethod
    shots: int | None = None

    @cached_property
    def resolved(self) -> Backend:
        """The backend itself, not wrapped for shots."""
        return backends.get(self.backend)

    @cached_property
    def is_random(self) -> bool:
        """Whether every run draws something, and so needs a seed."""
        backend, method = execution.choose(self.resolved, self.gradient, self.shots)
        return not backend.capabilities.exact or method.random

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
        _, method = execution.choose(self.resolved, self.gradient, self.shots)
        return self.resolved.capabilities.xla and method.xla

    def with_shots_of(self, preceding: RunOptions) -> RunOptions:
        """Returns these options, with the shots of the preceding layers where these set none."""
        if self.shots is not None or preceding.shots is None:
            return self
        return replace(self, shots=preceding.shots)

    def get_config(self) -> dict[str, Any]:
        """Returns all three as plain data."""
        return {
            "backend": plain(self.backend),
            "gradient": plain(self.gradient),
            "shots": self.shots,
        }


def read_run_options(backend: Any, gradient: Any, shots: Any = None) -> RunOptions:
    """Checks a backend, a gradient method and a number of shots, alone and together.

    Raises:
        ConfigurationError: one is unknown, or they do not go together.
        LibraryError: the native backend is asked for and cannot be loaded.
    """
    backend = read_backend(backend)
    chosen = backends.get(backend)
    if isinstance(chosen, Sampled) and shots in (None, chosen.shots):
        backend, shots = chosen.backend, chosen.shots
    runs_on, _ = execution.choose(backend, "auto", shots)
    if isinstance(gradient, Mapping):
        gradient = gradients.get(gradient["name"], runs_on, **gradient.get("options", {}))
    _, method = execution.choose(backend, gradient, shots)
    if method.stateful and isinstance(gradient, str):
        gradient = method  # each layer its own, where layers of one name would share one
    return RunOptions(backend, gradient, None if shots is None else int(shots))


def read_backend(backend: Any) -> Any:
    """A backend from plain data, or lifted from NumPy; names and others as they are."""
    if isinstance(backend, ArrayBackend):
        return backends.get(backend)
    if isinstance(backend, Mapping):
        return backends.get(backend["name"], **backend.get("options", {}))
    return backend


def plain(value: Any) -> Any:
    """A backend or a gradient method as plain data; names as they are."""
    if isinstance(value, Backend | GradientMethod):
        return {"name": value.name, "options": value.get_config()}
    return value


def check_has_states(options: RunOptions, layer: str) -> None:
    """Raises InputError where only a state vector arrived and the backend has none."""
    if options.has_states:
        return
    raise InputError(
        describe(
            f"Layer '{layer}' was fed a state vector without the circuit that made it, and "
            f"backend '{options.resolved.name}' has no state vectors",
            expected="the output of a quantum layer, without other operations in between",
            hint="Write encoding, circuit and measurement as one layer, as in "
            "QuantumLayer(n_qubits=6, depth=4, encoding='amplitude', observables='Z')",
        )
    )


def check_exportable(options: RunOptions, layer: str) -> None:
    """Raises ConfigurationError where an exported SavedModel could not be run elsewhere."""
    if options.resolved.is_exportable:
        return
    raise ConfigurationError(
        describe(
            f"Layer '{layer}' cannot be exported: its backend runs in this process, and a "
            "SavedModel holds TensorFlow's own operations alone",
            expected="backend='native' or backend='tensorflow'",
            received=options.resolved.name,
            hint="Save the model with model.save('model.keras'), which loads anywhere; or export "
            "one like it with backend='native' that has its trainable weights",
        )
    )


def check_memory(n_qubits: int, dtype: tf.DType) -> None:
    """Raises MemoryLimitError where one state vector, and one for its gradient, cannot fit."""
    # The cap keeps the number itself small; 2000 qubits fit nowhere.
    memory.check(2 * dtype.size * 2 ** min(n_qubits, 2000), f"A gradient of {n_qubits} qubits")
