"""Keras callbacks for `model.fit`, and what shows their logs.

`QuantumTensorBoard` writes what a person wants to know about a quantum model where TensorBoard
finds it; `qstore dashboard RUN` opens it. `AdaptiveShots`, `AdaptiveDepth` and `BackendSchedule`
change what its layers run with while it trains.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qstore_tf.callbacks.adaptive.backend_schedule import BackendSchedule as BackendSchedule
    from qstore_tf.callbacks.adaptive.depth import AdaptiveDepth as AdaptiveDepth
    from qstore_tf.callbacks.adaptive.shots import AdaptiveShots as AdaptiveShots
    from qstore_tf.callbacks.cost_phases import CostPhases as CostPhases
    from qstore_tf.callbacks.monitor import BarrenPlateauWarning as BarrenPlateauWarning
    from qstore_tf.callbacks.telemetry import ReportsTelemetry as ReportsTelemetry
    from qstore_tf.callbacks.tensorboard import QuantumTensorBoard as QuantumTensorBoard

__all__ = [
    "AdaptiveDepth",
    "AdaptiveShots",
    "BackendSchedule",
    "BarrenPlateauWarning",
    "CostPhases",
    "QuantumTensorBoard",
    "ReportsTelemetry",
]

# Imported when asked for: the command line reads `dashboard` without TensorFlow.
_HOMES = {
    "AdaptiveDepth": "adaptive.depth",
    "AdaptiveShots": "adaptive.shots",
    "BackendSchedule": "adaptive.backend_schedule",
    "BarrenPlateauWarning": "monitor",
    "CostPhases": "cost_phases",
    "QuantumTensorBoard": "tensorboard",
    "ReportsTelemetry": "telemetry",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
