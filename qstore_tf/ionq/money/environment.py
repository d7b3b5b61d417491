"""The budget that an administrator sets from outside, such as k8s/overlays/ionq."""

from __future__ import annotations

import os
from collections.abc import Mapping

from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.ionq.money.budget import Budget

USD = "IONQ_BUDGET_USD"
PATH = "IONQ_BUDGET_PATH"


def budget_from_environment(environment: Mapping[str, str] | None = None) -> Budget | None:
    """Returns the budget of IONQ_BUDGET_USD, in the file IONQ_BUDGET_PATH.

    Without a path the account is that of this process, and begins anew when it is started again.
    In the path, {index} stands for the worker's number, so that every worker has a file of its
    own: in a Job of Kubernetes that is JOB_COMPLETION_INDEX, and 0 where there is none.

    Args:
        environment: The variables; None: those of this process.

    Returns:
        The budget; None where IONQ_BUDGET_USD is not set.

    Raises:
        ConfigurationError: The variable is no amount, a path is set without it, or the file has
            another limit.
        LedgerError: The file cannot be used.

    Example:
        >>> print(budget_from_environment({"IONQ_BUDGET_USD": "10"}))
        0 spent, 0 reserved, 10 left of 10 USD
        >>> budget_from_environment({}) is None
        True
    """
    variables = os.environ if environment is None else environment
    usd, path = (variables.get(name, "").strip() or None for name in (USD, PATH))
    if path is not None:
        path = path.replace("{index}", variables.get("JOB_COMPLETION_INDEX", "0"))
    if usd is None:
        if path is None:
            return None
        raise ConfigurationError(
            describe(f"{PATH} is set without {USD}", hint=f"Set {USD} too, or neither")
        )
    try:
        return Budget(usd=usd, path=path)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{error} The budget is that of the environment variable {USD}={usd[:100]!r}."
        ) from error
