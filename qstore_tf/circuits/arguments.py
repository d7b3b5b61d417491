"""Checks of the arguments that builders of circuits have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from qstore_tf import limits
from qstore_tf.errors import ConfigurationError, describe, did_you_mean

T = TypeVar("T")


def named(table: Mapping[str, T], name: str, what: str) -> T:
    """Returns the entry of that name, in whatever case; raises `ConfigurationError`."""
    entry = table.get(name.lower()) if isinstance(name, str) else None
    if entry is None:
        raise ConfigurationError(
            describe(
                f"Unknown {what}",
                expected="one of " + ", ".join(map(repr, table)),
                received=name,
                hint=did_you_mean(str(name), table),
            )
        )
    return entry


def check_n_qubits(n_qubits: object) -> None:
    """Raises `ConfigurationError` unless `n_qubits` is an integer from 1 to the limit."""
    if isinstance(n_qubits, bool) or not hasattr(n_qubits, "__index__") or int(n_qubits) < 1:
        raise ConfigurationError(
            describe(
                "A circuit needs at least one qubit",
                expected="n_qubits as an integer from 1 up",
                received=n_qubits,
                hint="Give the number of qubits, such as n_qubits=4.",
            )
        )
    limits.QUBITS.check(int(n_qubits), "A circuit")
