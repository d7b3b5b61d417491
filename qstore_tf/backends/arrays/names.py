"""The names of the backends in NumPy, and what each needs."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from qstore_tf.backends.arrays.base import ArrayBackend
from qstore_tf.errors import ConfigurationError, describe, did_you_mean


@dataclass(frozen=True)
class Entry:
    """Where a backend is found.

    Attributes:
        class_name: Its class in the module `qstore_tf.backends.arrays.<name of the backend>`.
        needs: The package that an extra of the same name as the backend installs; None where
            the base installation has it.
    """

    class_name: str
    needs: str | None = None


BACKENDS = {
    "qsim": Entry("Qsim"),
    "lightning": Entry("Lightning", "pennylane_lightning"),
    "qulacs": Entry("Qulacs", "qulacs"),
    "ionq": Entry("IonQ", "httpx"),
}


def get(name: str, **options: Any) -> ArrayBackend:
    """Returns a backend in NumPy.

    Args:
        name: "qsim", "lightning", "qulacs" or "ionq".
        **options: Keyword arguments of its class.

    Raises:
        ConfigurationError: There is no such backend in NumPy.
        LibraryError: What it needs is not installed.

    Example:
        >>> get("qsim", num_threads=1)
        Qsim(num_threads=1, max_fused_gate_size=2, qsim_options={})
    """
    if name not in BACKENDS:
        raise ConfigurationError(
            describe(
                f"There is no backend {name!r} that takes arrays",
                hint=did_you_mean(str(name), BACKENDS),
            )
        )
    module = import_module(f"qstore_tf.backends.arrays.{name}")
    made: ArrayBackend = getattr(module, BACKENDS[name].class_name)(**options)
    return made
