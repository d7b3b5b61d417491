"""Training on several workers: strategy, fault tolerance, launcher.

    session         the state of this process in such a training
    launch/         starts the workers of one machine and restarts them; exit codes
    group/          the workers find each other, exchange messages, stop and exit together
    keras/          fixes of Keras under a multi-worker strategy; access to a running `fit`
    checkpoints/    the state of a training on disk

Each of them imports only those above it; `strategy` and `fault_tolerance` put them together.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qstore_tf.distribute.fault_tolerance import FaultTolerance as FaultTolerance
    from qstore_tf.distribute.keras import fixes as keras_fixes
    from qstore_tf.distribute.launch import ExitCode as ExitCode
    from qstore_tf.distribute.strategy import multi_worker_strategy as multi_worker_strategy

# Imported on first use: the launcher must not wait for TensorFlow.
_PLACES = {
    "ExitCode": "launch",
    "FaultTolerance": "fault_tolerance",
    "multi_worker_strategy": "strategy",
}

__all__ = ["ExitCode", "FaultTolerance", "keras_fixes", "multi_worker_strategy"]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    if name == "keras_fixes":
        return importlib.import_module(f"{__name__}.keras.fixes")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
