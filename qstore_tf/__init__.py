"""Quantum layers for Keras 3, on TensorFlow: exact gradients, batched, saved and reloaded.

>>> import qstore_tf as qs
>>> circuit = qs.UnifiedCircuit(2).add_gate("H", 0).add_gate("CX", [0, 1])
>>> circuit.n_qubits
2
"""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qstore_tf import backends as backends
    from qstore_tf import circuits as circuits
    from qstore_tf import gradients as gradients
    from qstore_tf import layers as layers
    from qstore_tf.circuits import UnifiedCircuit as UnifiedCircuit

try:
    __version__ = version("qstore-tf")
except PackageNotFoundError:  # running from a source tree that is not installed
    __version__ = "0.0.0+source"

_MODULES = ("backends", "circuits", "gradients", "layers")

__all__ = [
    "UnifiedCircuit",
    "__version__",
    "backends",
    "circuits",
    "gradients",
    "layers",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name == "UnifiedCircuit":
        return importlib.import_module(f"{__name__}.circuits").UnifiedCircuit
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
