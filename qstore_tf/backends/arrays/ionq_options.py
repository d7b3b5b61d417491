"""Checks of the options of the backend on IonQ's service, before anything can be sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qstore_tf.checks import check_shots
from qstore_tf.errors import ConfigurationError, describe, did_you_mean
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.money.tracker import CostTracker
from qstore_tf.ionq.runnable import GATESETS, CompileOptions

MOST_SHOTS = 1_000_000  # of a circuit, as the service takes them
LEAST_DEBIASED = 500
AGGREGATIONS = ("average", "voting")


def check_count(shots: Any, debiasing: bool) -> int:
    """Returns a number of shots that the service takes.

    Raises:
        ConfigurationError: It is no such number.
    """
    least = LEAST_DEBIASED if debiasing else 1
    number = check_shots(shots)
    if not least <= number <= MOST_SHOTS:
        raise ConfigurationError(
            describe(
                f"IonQ takes no {number} shots" + (" with debiasing" if debiasing else ""),
                expected=f"shots from {least:,} to {MOST_SHOTS:,}",
                received=number,
            )
        )
    return number


def check_options(
    shots: Any, debiasing: Any, aggregation: Any, dry_run: Any, budget: Any, tracker: Any
) -> None:
    """Raises ConfigurationError where an option is of the wrong kind; arguments as of `IonQ`."""
    for name, value in (("debiasing", debiasing), ("dry_run", dry_run)):
        if not isinstance(value, bool):
            _refuse(f"`{name}` must be True or False", "True or False", value)
    if aggregation is not None and aggregation not in AGGREGATIONS:
        _refuse("Unknown aggregation", "'average', 'voting' or None", aggregation)
    if budget is not None and not isinstance(budget, Budget | Mapping):
        hint = f"Budget(usd={budget!r})" if isinstance(budget, int | float) else None
        _refuse("`budget` must be a Budget", "qstore_tf.ionq.Budget(usd=...)", budget, hint)
    if tracker is not None and not isinstance(tracker, CostTracker):
        _refuse("`tracker` must be a CostTracker", "qstore_tf.ionq.CostTracker()", tracker)


def check_gateset(options: CompileOptions) -> None:
    """Raises ConfigurationError where the gate set is unknown, or options do not go with it."""
    gateset = options.gateset
    if gateset not in GATESETS:
        hint = did_you_mean(gateset, GATESETS) if isinstance(gateset, str) else None
        raise ConfigurationError(
            describe(
                "Unknown gateset",
                expected=" or ".join(map(repr, GATESETS)),
                received=gateset,
                hint=hint,
            )
        )
    plain = CompileOptions(options.target)
    names = ("optimization_level", "max_partial", "approximation")
    given = {
        name: getattr(options, name)
        for name in names
        if getattr(options, name) != getattr(plain, name)
    }
    if gateset == "qis" and given:
        raise ConfigurationError(
            describe(
                f"{' and '.join(given)} would change nothing: gates of the set 'qis' are compiled "
                "by the service",
                expected=f"the defaults, { ({name: getattr(plain, name) for name in given}) }",
                received=given,
                hint="Leave them out, or use gateset='native'",
            )
        )


def _refuse(what: str, expected: str, received: Any, hint: str | None = None) -> None:
    hint = f"Write {hint}" if hint else None
    raise ConfigurationError(describe(what, expected=expected, received=received, hint=hint))
