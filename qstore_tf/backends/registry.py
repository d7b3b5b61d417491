"""Turns names into backends."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import import_module
from typing import Any

import tensorflow as tf

from qstore_tf.backends import automatic
from qstore_tf.backends.base import Backend
from qstore_tf.backends.chunked import Chunked
from qstore_tf.backends.extras import install, missing
from qstore_tf.backends.native import Native
from qstore_tf.backends.qsim import Qsim
from qstore_tf.backends.tensorflow import TensorFlow
from qstore_tf.errors import ConfigurationError, describe, did_you_mean
from qstore_tf.ops import library

_log = logging.getLogger("qstore_tf")
_factories: dict[str, Callable[..., Backend]] = {}
# Backends of extras: the class that serves them and the module that the extra installs. Their own
# modules are imported when they are asked for.
_EXTRAS: dict[str, tuple[str, str]] = {
    "tfq": ("Tfq", "tensorflow_quantum"),
    "lightning": ("Lightning", "pennylane_lightning"),
    "qulacs": ("Qulacs", "qulacs"),
}
_said: set[str] = set()


def register(name: str, factory: Callable[..., Backend]) -> None:
    """Makes `get(name)` return `factory()`.

    Args:
        name: Lower-case name.
        factory: A `Backend` class, or a function that returns a backend.

    Raises:
        ConfigurationError: The name is taken by something else.
    """
    if name == "auto" or _factories.get(name, factory) is not factory:
        raise ConfigurationError(
            describe(f"There is a backend {name!r} already", hint="Choose another name")
        )
    _factories[name] = factory


def get(backend: str | Backend = "auto", **options: Any) -> Backend:
    """Returns a backend.

    Args:
        backend: A name, or a backend, which is returned as it is. "auto" is "native" where the
            op library loads and no GPU is visible, else "tensorflow", which it logs once;
            `explain` says which it is here and why.
        **options: Keyword arguments of the backend, such as `num_threads=2`. Every backend takes
            `memory_limit` in bytes and `max_rows`, which run large batches in pieces; see
            `Chunked`.

    Raises:
        ConfigurationError: The name is unknown, or options came with a backend object.
        LibraryError: "native" is asked for and the op library does not load, or what a backend
            needs is not installed; the message has the line that installs it.

    Example:
        >>> get("tensorflow").name
        'tensorflow'
    """
    if isinstance(backend, Backend):
        if options:
            raise ConfigurationError(
                describe(
                    "Options came with a finished backend",
                    received=sorted(options),
                    hint=f"Give them where it is made: {type(backend).__name__}(...)",
                )
            )
        return backend
    if not isinstance(backend, str):
        raise ConfigurationError(
            describe("This is not a backend", expected="a name or a Backend", received=backend)
        )
    name = _automatic() if backend == "auto" else backend
    if name not in _factories:
        raise ConfigurationError(
            describe(
                f"There is no backend {backend!r}",
                hint=did_you_mean(backend, ["auto", *_factories]),
            )
        )
    limits = {key: options.pop(key) for key in ("memory_limit", "max_rows") if key in options}
    try:
        made = _factories[name](**options)
        return Chunked(made, **limits) if limits else made
    except TypeError as error:
        if not options:
            raise
        raise ConfigurationError(
            describe(f"Backend {name!r} does not take these options ({error})", received=options)
        ) from error


def available() -> dict[str, str | None]:
    """Returns the registered names, each with None where it can run here, else the reason why not.

    Example:
        >>> available()["tensorflow"] is None
        True
    """
    reasons: dict[str, str | None] = {name: None for name in _factories}
    reasons["native"] = library.status().reason
    for name, (_, module) in _EXTRAS.items():
        reasons[name] = missing(module, extra=name)
    if reasons["tfq"] is None and not tf.__version__.startswith("2.18."):
        reasons["tfq"] = (
            f"tensorflow_quantum works with TensorFlow 2.18 alone, and this is {tf.__version__}. "
            f"{install('tfq')}"
        )
    return reasons


def _automatic() -> str:
    choice = automatic.choose(device=automatic.accelerator())
    if choice.notable and choice.reason not in _said:
        _said.add(choice.reason)
        _log.warning("%s", choice.reason)
    return choice.backend


def _local_cpu(**options: Any) -> Backend:
    return Native(**options) if library.available() else TensorFlow(**options)


def _lazy(name: str, class_name: str) -> Callable[..., Backend]:
    def make(**options: Any) -> Backend:
        module = import_module(f"qstore_tf.backends.{name}")
        return getattr(module, class_name)(**options)

    return make


register("native", Native)
register("tensorflow", TensorFlow)
register("qsim", Qsim)
for _name, (_class_name, _) in _EXTRAS.items():
    register(_name, _lazy(_name, _class_name))
register("local_cpu", _local_cpu)
