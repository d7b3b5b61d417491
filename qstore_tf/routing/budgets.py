"""The budget of a Router, and the rule that one training has one budget.

Where layers with Routers of two budgets are trained together, the first place that can see both
says so: `one_budget`, which whoever gets the whole model calls before anything runs
(`qs.ionq.estimate` does); the tracing of a step, in which the second Router becomes part of a
function that has the first; and, where Keras runs eagerly with the callback `CostPhases`, the first
batch of the second.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from weakref import WeakKeyDictionary

from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.money.one_budget import one_budget as one_budget
from qstore_tf.ionq.money.one_budget import same_account, two_budgets
from qstore_tf.ionq.money.phases import PHASES

_lock = threading.Lock()
# The budget of each function being traced, and of each phase of a training.
_seen: WeakKeyDictionary[Any, Budget] = WeakKeyDictionary()


def as_budget(budget: Any) -> Budget | None:
    """Returns a budget of what a Router was given.

    Args:
        budget: A Budget, its configuration, an amount of US dollars, or None.

    Raises:
        ConfigurationError: It is something else, or no amount.

    Example:
        >>> print(as_budget("2.50"))
        0 spent, 0 reserved, 2.5 left of 2.5 USD
    """
    if budget is None or isinstance(budget, Budget):
        return budget
    if isinstance(budget, Mapping):
        return Budget.from_config(budget)
    if isinstance(budget, int | float | str | Decimal) and not isinstance(budget, bool):
        return Budget(usd=budget)
    raise ConfigurationError(
        describe(
            "`budget` must be a Budget or an amount of US dollars",
            expected="qstore_tf.ionq.Budget(usd=...), a number, or None",
            received=budget,
        )
    )


def sharing(backends: Any, given: Any, budget: Budget | None) -> Any:
    """Returns backends with a budget in each place where its own configuration stands.

    A member that was given the budget of its Router has it in its configuration too. Made of two
    configurations, they would be two accounts, where the budget has no file.

    Args:
        backends: As a Router or Pool is given them.
        given: What `as_budget` was given.
        budget: What it returned.
    """
    if not isinstance(given, Mapping):
        return backends
    if isinstance(backends, Mapping):
        if backends == given:
            return budget
        return {name: sharing(each, given, budget) for name, each in backends.items()}
    if isinstance(backends, list | tuple):
        return [sharing(each, given, budget) for each in backends]
    return backends


def check_one_training(budget: Budget | None, running: bool = False) -> None:
    """Raises ConfigurationError where this training spends from another budget already.

    Args:
        budget: The budget of who asks; nothing is checked without.
        running: Whether a batch runs, else a function may be being traced.
    """
    if budget is None:
        return
    where: Any = PHASES.latest if running else _traced()
    if where is None:
        return
    with _lock:
        other = _seen.setdefault(where, budget)
    if not same_account(budget, other):
        raise two_budgets([other, budget])


def _traced() -> Any:
    """The outermost function that TensorFlow is tracing in this thread; None: nothing is traced."""
    tf = sys.modules.get("tensorflow")
    if tf is None or tf.executing_eagerly():
        return None
    graph = tf.compat.v1.get_default_graph()
    while getattr(graph, "outer_graph", None) is not None and graph.outer_graph.building_function:
        graph = graph.outer_graph
    return graph
