"""The training engine of version 3.5; each class says which of today's parts it stands on.

What version 3.4 had is here too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qstore_tf.compat.lazy import lazily

if TYPE_CHECKING:
    from qstore_tf.compat.gradients import NaturalGradientEstimator as NaturalGradientEstimator
    from qstore_tf.compat.gradients import SPSAGradientEstimator as SPSAGradientEstimator
    from qstore_tf.compat.v1.ionq import IonQQuantumBackend as IonQQuantumBackend
    from qstore_tf.compat.v3_4.batches import CircuitBatchManagerV34 as CircuitBatchManagerV34
    from qstore_tf.compat.v3_4.batches import IonQBatchClient as IonQBatchClient
    from qstore_tf.compat.v3_4.cache import SmartCircuitCache as SmartCircuitCache
    from qstore_tf.compat.v3_4.compiler import IonQNativeGateCompiler as IonQNativeGateCompiler
    from qstore_tf.compat.v3_4.queue import AdaptiveQueueManager as AdaptiveQueueManager
    from qstore_tf.compat.v3_5.adaptive import AdaptiveCircuitOptimizer as AdaptiveCircuitOptimizer
    from qstore_tf.compat.v3_5.adaptive import AdaptiveShotAllocator as AdaptiveShotAllocator
    from qstore_tf.compat.v3_5.backends import create_ionq_backend as create_ionq_backend
    from qstore_tf.compat.v3_5.checkpoints import CheckpointManager as CheckpointManager
    from qstore_tf.compat.v3_5.config import TrainingConfig as TrainingConfig
    from qstore_tf.compat.v3_5.converting import convert_from_v3_5 as convert_from_v3_5
    from qstore_tf.compat.v3_5.fashion import QuantumFashionClassifier as QuantumFashionClassifier
    from qstore_tf.compat.v3_5.layers import DataEncoder as DataEncoder
    from qstore_tf.compat.v3_5.layers import (
        HardwareEfficientQuantumLayer as HardwareEfficientQuantumLayer,
    )
    from qstore_tf.compat.v3_5.model import QuantumModel as QuantumModel
    from qstore_tf.compat.v3_5.orchestrator import (
        MultiBackendOrchestrator as MultiBackendOrchestrator,
    )
    from qstore_tf.compat.v3_5.trainer import QuantumTrainer as QuantumTrainer

HOMES = {
    "AdaptiveCircuitOptimizer": "compat.v3_5.adaptive",
    "AdaptiveQueueManager": "compat.v3_4.queue",
    "AdaptiveShotAllocator": "compat.v3_5.adaptive",
    "CheckpointManager": "compat.v3_5.checkpoints",
    "CircuitBatchManagerV34": "compat.v3_4.batches",
    "DataEncoder": "compat.v3_5.layers",
    "HardwareEfficientQuantumLayer": "compat.v3_5.layers",
    "IonQBatchClient": "compat.v3_4.batches",
    "IonQNativeGateCompiler": "compat.v3_4.compiler",
    "IonQQuantumBackend": "compat.v1.ionq",
    "MultiBackendOrchestrator": "compat.v3_5.orchestrator",
    "NaturalGradientEstimator": "compat.gradients",
    "QuantumFashionClassifier": "compat.v3_5.fashion",
    "QuantumModel": "compat.v3_5.model",
    "QuantumTrainer": "compat.v3_5.trainer",
    "SPSAGradientEstimator": "compat.gradients",
    "SmartCircuitCache": "compat.v3_4.cache",
    "TrainingConfig": "compat.v3_5.config",
    "convert_from_v3_5": "compat.v3_5.converting",
    "create_ionq_backend": "compat.v3_5.backends",
}

__all__ = [*HOMES]

__getattr__ = lazily(__name__, HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
