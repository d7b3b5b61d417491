"""`TensorFlowDistributedTrainer` of the design of version 4.0: `qs.QuantumModel`."""

from __future__ import annotations

from typing import Any

from tensorflow import keras

from qstore_tf.training.config import TrainingConfig
from qstore_tf.training.quantum_model import QuantumModel


class TensorFlowDistributedTrainer:
    """Trains Keras models as a configuration says, on several workers where there are.

    `distributed_strategy` of the configuration says whether. With several workers, write the script
    with `qs.QuantumModel(config)`, which builds its model where the workers share it.

    Args:
        config: The settings.

    Example:
        >>> import numpy as np
        >>> from qstore_tf.layers import QuantumLayer
        >>> trainer = TensorFlowDistributedTrainer(TrainingConfig(distributed_strategy="single"))
        >>> model = keras.Sequential([keras.Input((2,)), QuantumLayer(2)])
        >>> x = np.zeros((4, 2), "float32")
        >>> history = trainer.train(model, (x, x), epochs=2, verbose=0)
        >>> len(history.history["loss"])
        2
    """

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        self.quantum_model: QuantumModel | None = None

    def train(
        self,
        model: keras.Model,
        train_data: Any,
        val_data: Any = None,
        epochs: int | None = None,
        **options: Any,
    ) -> keras.callbacks.History:
        """Trains a model with quantum layers, which is compiled if it is not.

        Args:
            model: The model; its quantum layers run on the configuration's backends.
            train_data: `(x, y)`, or a dataset of batches.
            val_data: Likewise.
            epochs: None: the configuration's.
            **options: Further arguments of `qs.QuantumModel.fit`.

        Returns:
            The history of Keras.

        Raises:
            QstoreError: Settings that do not go together, or a backend failed.
        """
        if self.quantum_model is None or self.quantum_model.keras_model is not model:
            self.quantum_model = QuantumModel(self.config, model)
        return self.quantum_model.fit(
            train_data, validation_data=val_data, epochs=epochs, **options
        )
