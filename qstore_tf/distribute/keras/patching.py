"""How functions of Keras are replaced from outside, and which Keras it is."""

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
    """Puts a function in the place of another, which it gets as its first argument."""
    original = getattr(owner, name, None)
    if original is None:
        raise ConfigurationError(
            describe(
                f"This release of Keras has no {owner.__name__}.{name}, which several workers need",
                expected="Keras 3.15 or tf_keras 2.18 to 2.21, with which this was tested",
                received=version("tf_keras" if LEGACY else "keras"),
            )
        )

    @functools.wraps(original)
    def replaced(*args: Any, **kwargs: Any) -> Any:
        return replacement(original, *args, **kwargs)

    setattr(owner, name, replaced)
