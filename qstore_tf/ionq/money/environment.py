"""The budget that an administrator sets from outside, such as k8s/overlays/ionq."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from decimal import ROUND_FLOOR, Context, Decimal

from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.ionq.money.amounts import exact, plain
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.money.workers import INDEX, own_path, worker

USD = "IONQ_BUDGET_USD"
PATH = "IONQ_BUDGET_PATH"
_SMALLEST = Decimal("0.000001")  # of a share
_DOWNWARDS = Context(prec=100, rounding=ROUND_FLOOR)


def budget_from_environment(environment: Mapping[str, str] | None = None) -> Budget | None:
    """Returns the budget of IONQ_BUDGET_USD, in the file IONQ_BUDGET_PATH.

    It is that of the whole training. Workers on several machines cannot share a file: where there
    is no path, or {index} stands in it for the worker's number, each worker has an equal share.
    The workers are those of TF_CONFIG, or of QSTORE_WORKERS and JOB_COMPLETION_INDEX.

    All backends of a process share the budget. Without a path the account begins anew when the
    process is started again.

    Args:
        environment: The variables; None: those of this process.

    Returns:
        The budget; None where IONQ_BUDGET_USD is not set.

    Raises:
        ConfigurationError: A variable makes no sense, a path is set without an amount, or the
            file, or this process, has another limit already.
        LedgerError: The file cannot be used.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/budget-{index}.sqlite"
        >>> variables = {"IONQ_BUDGET_USD": "10", "IONQ_BUDGET_PATH": path}
        >>> print(budget_from_environment({**variables, "QSTORE_WORKERS": "4"}))
        0 spent, 0 reserved, 2.5 left of 2.5 USD
        >>> budget_from_environment({}) is None
        True
    """
    variables = os.environ if environment is None else environment
    usd, path = (variables.get(name, "").strip() or None for name in (USD, PATH))
    if usd is None:
        if path is None:
            return None
        raise ConfigurationError(
            describe(f"{PATH} is set without {USD}", hint=f"Set {USD} too, or neither")
        )
    limit = exact(usd, f"The environment variable {USD}")
    if path is None or INDEX in path:
        _, workers = worker(variables)
        limit = _DOWNWARDS.divide(limit, Decimal(workers)).quantize(_SMALLEST, context=_DOWNWARDS)
    if path is None:
        return _of_this_process(limit)
    try:
        return Budget(usd=limit, path=own_path(path, variables))
    except ConfigurationError as error:
        raise ConfigurationError(f"{error} The budget is that of {USD} and {PATH}.") from error


_lock = threading.Lock()
_private: list[Budget] = []  # at most one


def _of_this_process(limit: Decimal) -> Budget:
    """One budget for all backends: with one for each, they would spend it several times."""
    with _lock:
        if not _private:
            _private.append(Budget(usd=limit))
        budget = _private[0]
    if budget.limit.money != limit:
        raise ConfigurationError(
            describe(
                "The budget of this process has another limit already",
                expected=budget.limit.describe(budget.currency),
                received=f"{plain(limit)} USD by {USD}",
                hint="Change it by set_limit(usd=...), and leave the variable as it was",
            )
        )
    return budget
