"""Optimizers that know circuits, as Keras optimizers for `model.compile`.

`QuantumNaturalGradient` works with every Keras model. `SPSA`, `QNSPSA` and `Rotosolve` evaluate
the loss several times a step, which a Keras model does not let its optimizer do: build the model
as `qstore_tf.optimizers.Sequential` or `qstore_tf.optimizers.Model`. All of them need Keras 3.
"""

from qstore_tf.optimizers.models import LossEvaluations as LossEvaluations
from qstore_tf.optimizers.models import Model as Model
from qstore_tf.optimizers.models import Sequential as Sequential
from qstore_tf.optimizers.natural_gradient import (
    QuantumNaturalGradient as QuantumNaturalGradient,
)
from qstore_tf.optimizers.qnspsa import QNSPSA as QNSPSA
from qstore_tf.optimizers.rotosolve import Rotosolve as Rotosolve
from qstore_tf.optimizers.spsa import SPSA as SPSA
