"""Turns names into gradient methods and checks them against a backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qstore_tf.backends.base import Backend
from qstore_tf.errors import ConfigurationError, describe, did_you_mean
from qstore_tf.gradients.adaptive import SIMPLE, Adaptive
from qstore_tf.gradients.base import GradientMethod

METHODS: dict[str, Callable[..., GradientMethod]] = {**SIMPLE, "adaptive": Adaptive}


def get(gradient: str | GradientMethod, backend: Backend, **options: Any) -> GradientMethod:
    """Returns a gradient method that works on the backend.

    Args:
        gradient: A name or a method. "auto" is "adjoint" where the backend is differentiable
            itself, else "parameter_shift".
        backend: Where it will run.
        **options: Keyword arguments of the method, such as `inputs=False`.

    Raises:
        ConfigurationError: The name is unknown, or the method and the backend do not go together.

    Example:
        >>> from qstore_tf import backends
        >>> get("auto", backends.get("tensorflow"))
        Adjoint()
    """
    if isinstance(gradient, str):
        name = gradient
        if name == "auto":
            name = "adjoint" if backend.capabilities.adjoint else "parameter_shift"
        if name not in METHODS:
            raise ConfigurationError(
                describe(
                    f"There is no gradient method {gradient!r}",
                    hint=did_you_mean(gradient, ["auto", *METHODS]),
                )
            )
        try:
            method = METHODS[name](**options)
        except TypeError as error:
            if not options:
                raise
            raise ConfigurationError(
                describe(
                    f"Gradient method {name!r} does not take these options ({error})",
                    received=options,
                )
            ) from error
    elif isinstance(gradient, GradientMethod):
        method = gradient
    else:
        raise ConfigurationError(
            describe(
                "`gradient` must name or be a gradient method",
                expected="a name or a GradientMethod",
                received=gradient,
            )
        )
    method.check(backend)
    return method
