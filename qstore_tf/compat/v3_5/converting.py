"""From models of version 3.5 to Keras's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tensorflow import keras

from qstore_tf.compat.v3_5.model import QuantumModel
from qstore_tf.errors import ConfigurationError, describe

if TYPE_CHECKING:
    from qstore_tf.compat.v3_5.fashion import QuantumFashionClassifier


def convert_from_v3_5(model: QuantumModel | QuantumFashionClassifier) -> keras.Model:
    """Returns a Keras model of its own with the weights of a model of version 3.5.

    It is saved, loaded and trained like any other; it is not compiled.

    Args:
        model: A model, trained or not.

    Raises:
        ConfigurationError: It is no model of version 3.5.

    Example:
        >>> old = QuantumModel(input_dim=2, n_qubits=2, output_dim=1, backend="tensorflow")
        >>> new = convert_from_v3_5(old)
        >>> [weight.shape for weight in new.weights] == [w.shape for w in old.keras_model.weights]
        True
    """
    old = getattr(model, "keras_model", None)
    if not isinstance(old, keras.Model):
        raise ConfigurationError(
            describe(
                "This is no model of version 3.5",
                expected="a qstore_tf.compat.v3_5.QuantumModel",
                received=type(model).__name__,
            )
        )
    new = keras.models.clone_model(old)
    new.set_weights(old.get_weights())
    return new
