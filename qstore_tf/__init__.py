"""Quantum layers for Keras 3, on TensorFlow: exact gradients, batched, saved and reloaded.

>>> import qstore_tf as qs
>>> circuit = qs.UnifiedCircuit(2).add_gate("H", 0).add_gate("CX", [0, 1])
>>> circuit.n_qubits
2

Importing the package registers its layers with Keras, so that `keras.models.load_model` finds
them, and its ops with TensorFlow, so that `tf.saved_model.load` does. Where TensorFlow is not
installed, what needs none still works: circuits, shift rules and the backends that take arrays.
"""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qstore_tf import backends as backends
    from qstore_tf import callbacks as callbacks
    from qstore_tf import circuits as circuits
    from qstore_tf import distribute as distribute
    from qstore_tf import gradients as gradients
    from qstore_tf import ionq as ionq
    from qstore_tf import layers as layers
    from qstore_tf import optimizers as optimizers
    from qstore_tf import routing as routing
    from qstore_tf import store as store
    from qstore_tf import tracking as tracking
    from qstore_tf.circuits import UnifiedCircuit as UnifiedCircuit
    from qstore_tf.training.config import TrainingConfig as TrainingConfig
    from qstore_tf.training.quantum_model import QuantumModel as QuantumModel

__all__ = [
    "QuantumModel",
    "TrainingConfig",
    "UnifiedCircuit",
    "__version__",
    "backends",
    "callbacks",
    "circuits",
    "distribute",
    "gradients",
    "ionq",
    "layers",
    "optimizers",
    "routing",
    "store",
    "tracking",
]

_MODULES = (
    "backends",
    "callbacks",
    "circuits",
    "distribute",
    "gradients",
    "ionq",
    "layers",
    "optimizers",
    "routing",
    "store",
    "tracking",
)
_NAMES = {
    "QuantumModel": "training.quantum_model",
    "TrainingConfig": "training.config",
    "UnifiedCircuit": "circuits",
}

try:
    __version__ = version("qstore-tf")
except PackageNotFoundError:  # running from a source tree that is not installed
    __version__ = "0.0.0+source"


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _is_command() -> bool:
    """Whether this process is the `qstore` command, which imports TensorFlow when it needs it."""
    words = sys.orig_argv
    module = words[words.index("-m") + 1] if "-m" in words[:-1] else ""
    return module in ("qstore_tf", "qstore_tf.cli") or Path(sys.argv[0]).name in (
        "qstore",
        "qstore.exe",
    )


def _has_tensorflow() -> bool:
    """Whether TensorFlow is installed, without importing it."""
    try:
        return find_spec("tensorflow") is not None
    except (ImportError, ValueError):  # something refuses to look for it
        return False


# Keras and TensorFlow look what was saved up among the classes and ops that are registered, and
# import nothing by themselves.
if _has_tensorflow() and not _is_command():
    importlib.import_module(f"{__name__}.optimizers")
    importlib.import_module(f"{__name__}.ops.library").available()
