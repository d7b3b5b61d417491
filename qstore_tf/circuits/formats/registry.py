"""Formats that are at home above circuits/, found by name when they are asked for.

Nothing in circuits/ imports what stands above it. What is known here is a name and where it leads,
as in the entry points of a distribution; the module is imported when someone converts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.errors import ConversionError, describe, did_you_mean

# Name of the format -> "module:function", which takes a circuit and options of its own.
WRITERS: Mapping[str, str] = {"ionq_native": "qstore_tf.ionq.conversion:to_ionq_native"}


def writer(name: str) -> Callable[..., Circuit]:
    """Returns the function that converts a circuit into a format.

    Args:
        name: The name of the format.

    Raises:
        ConversionError: There is no such format.

    Example:
        >>> writer("ionq_native")(Circuit(1).add_gate("X", 0)).operations[0].gate
        'GPi'
    """
    found = WRITERS.get(name)
    if found is None:
        raise ConversionError(
            describe(f"There is no writer of {name!r}", hint=did_you_mean(name, WRITERS))
        )
    module, _, function = found.partition(":")
    made: Callable[..., Circuit] = getattr(import_module(module), function)
    return made
