"""The options of qsim: their names, and what each may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qstore_tf.errors import ConfigurationError, describe, did_you_mean

# What qsim applies as one matrix, controls that are part of it included.
WIDEST = 6

OPTIONS = {
    "max_fused_gate_size": "f",
    "cpu_threads": "t",
    "verbosity": "v",
    "denormals_are_zeros": "z",
}
"""qsim's one-letter keys by the names of its options."""


def check_fusion(size: Any) -> int:
    """Returns the size; raises ConfigurationError unless it is an integer from 1 to 6."""
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= WIDEST:
        raise ConfigurationError(
            describe(
                f"`max_fused_gate_size` must be an integer from 1 to {WIDEST}",
                expected="the qubits of the largest gate into which qsim fuses others",
                received=size,
            )
        )
    return size


def read_options(given: Any) -> dict[str, Any]:
    """Returns the options that differ from qsim's own defaults, by their long names."""
    import qsimcirq

    standard = qsimcirq.QSimOptions()
    if isinstance(given, qsimcirq.QSimOptions):
        given = {k: v for k, v in vars(given).items() if v != getattr(standard, k)}
    if not isinstance(given, (Mapping, type(None))):
        raise ConfigurationError(
            describe(
                "`qsim_options` cannot be read",
                expected="a dict or qsimcirq.QSimOptions",
                received=given,
            )
        )
    long: dict[Any, str] = {letter: name for name, letter in OPTIONS.items()}
    found = {long.get(name, str(name)): value for name, value in (given or {}).items()}
    for name, value in found.items():
        if name not in OPTIONS:
            raise ConfigurationError(
                describe(
                    f"There is no option {name!r} of qsim that this backend takes",
                    hint=did_you_mean(name, OPTIONS),
                )
            )
        least = 1 if name == "cpu_threads" else 0
        if name == "max_fused_gate_size":
            check_fusion(value)
        elif not isinstance(value, (bool, int)) or value < least:
            raise ConfigurationError(
                describe(f"qsim's option {name!r} must be an integer >= {least}", received=value)
            )
    return found
