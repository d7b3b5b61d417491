"""Names of the design of version 4.0 that are called otherwise now.

The layers, `UnifiedCircuit`, `CostTracker`, `TrainingConfig` and `QuantumModel` have their names:
`qs.layers`, `qs.UnifiedCircuit`, `qs.ionq.CostTracker`, `qs.TrainingConfig`, `qs.QuantumModel`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qstore_tf.compat.lazy import lazily

if TYPE_CHECKING:
    from qstore_tf.compat.gradients import ParameterShiftGradient as ParameterShiftGradient
    from qstore_tf.compat.v3_5.converting import convert_from_v3_5 as convert_from_v3_5
    from qstore_tf.compat.v4_0.ionq import IonQBackend as IonQBackend
    from qstore_tf.compat.v4_0.ionq import IonQNativeCompiler as IonQNativeCompiler
    from qstore_tf.compat.v4_0.router import SmartBackendRouter as SmartBackendRouter
    from qstore_tf.compat.v4_0.router import auto_select as auto_select
    from qstore_tf.compat.v4_0.trainer import (
        TensorFlowDistributedTrainer as TensorFlowDistributedTrainer,
    )
    from qstore_tf.ionq import CostTracker as CostTracker
    from qstore_tf.training.config import TrainingConfig as TrainingConfig
    from qstore_tf.training.quantum_model import QuantumModel as QuantumModel

HOMES = {
    "CostTracker": "ionq",
    "IonQBackend": "compat.v4_0.ionq",
    "IonQNativeCompiler": "compat.v4_0.ionq",
    "ParameterShiftGradient": "compat.gradients",
    "QuantumModel": "training.quantum_model",
    "SmartBackendRouter": "compat.v4_0.router",
    "TensorFlowDistributedTrainer": "compat.v4_0.trainer",
    "TrainingConfig": "training.config",
    "auto_select": "compat.v4_0.router",
    "convert_from_v3_5": "compat.v3_5.converting",
}

__all__ = [*HOMES]

__getattr__ = lazily(__name__, HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
