"""Training on several workers: strategy, fault tolerance, launcher."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qstore_tf.distribute.exit_codes import ExitCode as ExitCode
    from qstore_tf.distribute.fault_tolerance import FaultTolerance as FaultTolerance
    from qstore_tf.distribute.strategy import multi_worker_strategy as multi_worker_strategy

# Imported when asked for: the launcher must not wait for TensorFlow.
_PLACES = {
    "ExitCode": "exit_codes",
    "FaultTolerance": "fault_tolerance",
    "multi_worker_strategy": "strategy",
}

__all__ = ["ExitCode", "FaultTolerance", "multi_worker_strategy"]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
