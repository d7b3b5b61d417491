"""What a training leaves behind: its data at one commit, its runs and metrics, its models, states.

All of it stands in the file of a quantum database, and is as durable as its items. Needs Keras.

>>> import qstore_tf as qs
>>> registry = qs.tracking.ModelRegistry()
>>> registry.start_run("first", params={"depth": 2}).params
{'depth': 2}
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qstore_tf.tracking.data_store import TrainingDataset as TrainingDataset
    from qstore_tf.tracking.data_store import TrainingDataStore as TrainingDataStore
    from qstore_tf.tracking.metrics import RunMetrics as RunMetrics
    from qstore_tf.tracking.mlflow import export_run as export_run
    from qstore_tf.tracking.mlflow import export_version as export_version
    from qstore_tf.tracking.model_registry import ModelRegistry as ModelRegistry
    from qstore_tf.tracking.records import DataVersion as DataVersion
    from qstore_tf.tracking.records import ModelVersion as ModelVersion
    from qstore_tf.tracking.records import Run as Run
    from qstore_tf.tracking.state_store import QuantumStateStore as QuantumStateStore

_PLACES = {
    "DataVersion": "records",
    "ModelRegistry": "model_registry",
    "ModelVersion": "records",
    "QuantumStateStore": "state_store",
    "Run": "records",
    "RunMetrics": "metrics",
    "TrainingDataStore": "data_store",
    "TrainingDataset": "data_store",
    "export_run": "mlflow",
    "export_version": "mlflow",
}

__all__ = [*_PLACES]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
