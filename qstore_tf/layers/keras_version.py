"""Which Keras the layers run under: Keras 3, or tf_keras under `TF_USE_LEGACY_KERAS=1`."""

from __future__ import annotations

from typing import Any

from tensorflow import keras

IS_KERAS_3 = hasattr(keras, "KerasTensor")


def is_shape_inference(tensor: Any) -> bool:
    """Whether tf_keras calls a layer only to learn its output shape.

    The tensor is then a placeholder without a run. Keras 3 calls `compute_output_spec` instead.
    """
    if IS_KERAS_3 or hasattr(tensor, "numpy"):
        return False
    return str(getattr(tensor.graph, "name", "")).endswith("_scratch_graph")
