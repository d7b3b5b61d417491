"""The budget that an administrator sets from outside, such as k8s/overlays/ionq."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from decimal import ROUND_FLOOR, Context, Decimal

from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.ionq.money.amounts import exact, plain
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.money.shared import AccountServer, SharedBudget
from qstore_tf.ionq.money.shared.messages import TOKEN
from qstore_tf.ionq.money.workers import INDEX, chief, own_path, worker

USD = "IONQ_BUDGET_USD"
PATH = "IONQ_BUDGET_PATH"
ADDRESS = "IONQ_BUDGET_ADDRESS"
_SMALLEST = Decimal("0.000001")  # of a share
_DOWNWARDS = Context(prec=100, rounding=ROUND_FLOOR)


def budget_from_environment(environment: Mapping[str, str] | None = None) -> Budget | None:
    """Returns the budget of IONQ_BUDGET_USD, in the file IONQ_BUDGET_PATH.

    It is that of the whole training. Workers on several machines cannot share a file: where there
    is no path, or {index} stands in it for the worker's number, each worker has an equal share.
    The workers are those of TF_CONFIG, or of QSTORE_WORKERS and JOB_COMPLETION_INDEX.

    With IONQ_BUDGET_ADDRESS, host:port or :port on the chief's host, all share the whole: worker 0
    keeps the account, in its file, from its first backend on until it ends, and the others ask it.
    IONQ_BUDGET_TOKEN is their secret, the same on all of them.

    All backends of a process share the budget. Without a path the account begins anew when the
    process is started again.

    Args:
        environment: The variables; None: those of this process.

    Returns:
        The budget; None where IONQ_BUDGET_USD is not set.

    Raises:
        ConfigurationError: A variable makes no sense, a path is set without an amount, or the
            file, or this process, has another limit already; the account cannot be kept at the
            address.
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
    usd, path, address = (variables.get(name, "").strip() or None for name in (USD, PATH, ADDRESS))
    if usd is None:
        if path is address is None:
            return None
        name = PATH if address is None else ADDRESS
        raise ConfigurationError(
            describe(f"{name} is set without {USD}", hint=f"Set {USD} too, or neither")
        )
    limit = exact(usd, f"The environment variable {USD}")
    if address is not None:
        return _shared(limit, path, address, variables)
    if path is None or INDEX in path:
        limit = share(limit, variables)
    if path is None:
        return _of_this_process(limit)
    return _in_file(limit, path, variables)


_lock = threading.Lock()
_private: list[Budget] = []  # at most one
_asked: dict[str, SharedBudget] = {}  # by the address of the account
_kept: dict[str, AccountServer] = {}


def _in_file(limit: Decimal, path: str, variables: Mapping[str, str]) -> Budget:
    try:
        return Budget(usd=limit, path=own_path(path, variables))
    except ConfigurationError as error:
        raise ConfigurationError(f"{error} The budget is that of {USD} and {PATH}.") from error


def _shared(limit: Decimal, path: str | None, address: str, variables: Mapping[str, str]) -> Budget:
    """The account of all workers: the chief's file, which the others ask for."""
    where = chief(variables) + address if address.startswith(":") else address
    token = variables.get(TOKEN, "")
    index, _ = worker(variables)
    with _lock:
        if index:
            if where not in _asked:
                _asked[where] = SharedBudget(where, token=token)
            return _asked[where]
        if path is None:
            raise ConfigurationError(
                describe(
                    f"{ADDRESS} is set without {PATH}",
                    expected=f"{PATH}, a file on a disk of worker 0 that is there again when it is "
                    "started again",
                    hint="Without one, what was spent would be forgotten",
                )
            )
        budget = _in_file(limit, path, variables)
        if where not in _kept:
            _kept[where] = AccountServer(budget, where, token)
        kept = _kept[where].budget
        if kept.path != budget.path:
            raise ConfigurationError(
                describe(
                    f"This process keeps another account at {where} already",
                    expected=kept.path,
                    received=budget.path,
                )
            )
        return kept


def share(limit: Decimal, environment: Mapping[str, str] | None = None) -> Decimal:
    """Returns the equal part of a budget that each worker has, where they share no file.

    Args:
        limit: That of the whole training.
        environment: The variables; None: those of this process.

    Example:
        >>> share(Decimal(10), {"QSTORE_WORKERS": "4"})
        Decimal('2.500000')
    """
    _, workers = worker(os.environ if environment is None else environment)
    return _DOWNWARDS.divide(limit, Decimal(workers)).quantize(_SMALLEST, context=_DOWNWARDS)


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
