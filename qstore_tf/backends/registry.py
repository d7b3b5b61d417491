"""Turns names into backends."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from qstore_tf.backends.arrays.base import ArrayBackend
from qstore_tf.backends.arrays.names import BACKENDS
from qstore_tf.backends.base import Backend
from qstore_tf.backends.extras import install, missing
from qstore_tf.errors import ConfigurationError, LibraryError, describe, did_you_mean

_log = logging.getLogger("qstore_tf")
_factories: dict[str, Callable[..., Backend | ArrayBackend]] = {}
# Backends of extras, and the module that the extra installs.
EXTRAS = {
    "tfq": "tensorflow_quantum",
    **{name: entry.needs for name, entry in BACKENDS.items() if entry.needs is not None},
}
# What computes in TensorFlow is imported when it is asked for: module and name in it.
_IN_TENSORFLOW = {
    "native": ("native", "Native"),
    "tensorflow": ("tensorflow", "TensorFlow"),
    "tfq": ("tfq", "Tfq"),
    **{name: ("simulators", entry.class_name) for name, entry in BACKENDS.items()},
}
# Names that send circuits to a service, and so need one and a key for it.
SERVICES = ("ionq", "ionq_simulator")
# Names of backends that are made of others, in `qstore_tf.routing`.
COMPOSED = ("router", "pool")
_said: set[str] = set()
# Those of services by name alone, one of each: layers that name one share its connection and cost.
_shared: dict[str, Backend] = {}


def register(name: str, factory: Callable[..., Backend | ArrayBackend]) -> None:
    """Makes `get(name)` return `factory()`.

    Args:
        name: Lower-case name.
        factory: A `Backend` or `ArrayBackend` class, or a function that returns a backend.

    Raises:
        ConfigurationError: The name is taken by something else.
    """
    if name == "auto" or _factories.get(name, factory) is not factory:
        raise ConfigurationError(
            describe(f"The name {name!r} is taken by another backend", hint="Choose another name")
        )
    _factories[name] = factory


def names() -> tuple[str, ...]:
    """Returns the names that `get` takes, besides "auto"; nothing is imported to find them."""
    return tuple(_factories)


def get(backend: str | Backend | ArrayBackend = "auto", **options: Any) -> Backend:
    """Returns a backend.

    Args:
        backend: A name, or a backend, which is returned as it is; one in NumPy is lifted into
            TensorFlow. "auto" is "native" where the op library loads and no GPU is visible, else
            "tensorflow", which it logs once; `explain` says which it is here and why.
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
    if isinstance(backend, Backend | ArrayBackend):
        if options:
            raise ConfigurationError(
                describe(
                    "Options were given together with a finished backend",
                    received=sorted(options),
                    hint=f"Give them where it is made: {type(backend).__name__}(...)",
                )
            )
        return _lifted(backend)
    if not isinstance(backend, str):
        raise ConfigurationError(
            describe(
                "`backend` must name or be a backend",
                expected="a name or a Backend",
                received=backend,
            )
        )
    name = _automatic() if backend == "auto" else backend
    if name not in _factories:
        raise ConfigurationError(
            describe(
                f"There is no backend {backend!r}",
                hint=did_you_mean(backend, ["auto", *_factories]),
            )
        )
    if name in SERVICES and not options:
        return _shared.get(name) or _shared.setdefault(name, _lifted(_factories[name]()))
    limits = {key: options.pop(key) for key in ("memory_limit", "max_rows") if key in options}
    try:
        made = _lifted(_factories[name](**options))
        return _part("chunked", "Chunked")(made, **limits) if limits else made
    except TypeError as error:
        if not options:
            raise
        raise ConfigurationError(
            describe(f"Backend {name!r} does not take these options ({error})", received=options)
        ) from error


def available() -> dict[str, str | None]:
    """Returns the registered names, each with None where it can run here, else the reason why not.

    Those in `COMPOSED` are left out: they run on others. Those in `SERVICES` need a service
    besides; whether it answers is not asked.

    Example:
        >>> available()["tensorflow"] is None
        True
    """
    names = [name for name in _factories if name not in COMPOSED]
    try:
        version = import_module("tensorflow").__version__
    except ImportError as error:
        return dict.fromkeys(names, f"TensorFlow cannot be imported ({error})")
    reasons: dict[str, str | None] = dict.fromkeys(names)
    reasons["native"] = import_module("qstore_tf.ops.library").status().reason
    for name, module in EXTRAS.items():
        reasons[name] = missing(module, extra=name)
    reasons["ionq_simulator"] = reasons["ionq"]
    if reasons["tfq"] is None and not version.startswith("2.18."):
        reasons["tfq"] = (
            f"tensorflow_quantum works with TensorFlow 2.18 alone, and this is {version}. "
            f"{install('tfq')}"
        )
    return reasons


def _lifted(backend: Backend | ArrayBackend) -> Backend:
    if isinstance(backend, Backend):
        return backend
    made: Backend = _part("lifted", "Lifted")(backend)
    return made


def _part(module: str, name: str) -> Any:
    """Returns a class or function of a module of this room that imports TensorFlow."""
    try:
        return getattr(import_module(f"qstore_tf.backends.{module}"), name)
    except ImportError as error:
        if sys.modules.get("tensorflow") is not None:
            raise
        raise LibraryError(
            describe(
                f"Backends with tensors in and out need TensorFlow, which cannot be imported "
                f"({error})",
                hint="qstore_tf.backends.arrays.get(name) makes those that take NumPy arrays",
            )
        ) from error


def _automatic() -> str:
    choice = _part("automatic", "choose")(device=_part("automatic", "accelerator")())
    if choice.notable and choice.reason not in _said:
        _said.add(choice.reason)
        _log.warning("%s", choice.reason)
    name: str = choice.backend
    return name


def _lazy(module: str, name: str) -> Callable[..., Backend]:
    def make(**options: Any) -> Backend:
        made: Backend = _part(module, name)(**options)
        return made

    return make


def _local_cpu(**options: Any) -> Backend:
    name = "native" if available()["native"] is None else "tensorflow"
    return get(name, **options)


def _ionq_simulator(**options: Any) -> Backend:
    return get("ionq", **{"target": "simulator", **options})


for _name, _place in _IN_TENSORFLOW.items():
    register(_name, _lazy(*_place))
register("local_cpu", _local_cpu)
register("ionq_simulator", _ionq_simulator)
