"""Replaces functions of Keras, and tells Keras 3 from tf_keras."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from tensorflow import keras

from qstore_tf.errors import ConfigurationError, describe

# Whether `tensorflow.keras` is tf_keras.
LEGACY = keras.Model.__module__.startswith("tf_keras")


def replace(owner: Any, name: str, replacement: Callable[..., Any]) -> None:
    """Replaces a function by another, which gets the original as its first argument.

    Raises:
        ConfigurationError: This release of Keras has no such function.
    """
    original = getattr(owner, name, None)
    if original is None:
        raise ConfigurationError(
            describe(
                f"This release of Keras has no {owner.__name__}.{name}, which several workers need",
                expected="Keras 3.15 or tf_keras 2.18 to 2.21, with which this was tested",
                received=version("tf_keras" if LEGACY else "keras"),
                hint="Install one of these",
            )
        )

    @functools.wraps(original)
    def replaced(*args: Any, **kwargs: Any) -> Any:
        return replacement(original, *args, **kwargs)

    setattr(owner, name, replaced)
