"""Who spends from which budget: one training, one budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.ionq.money.budget import Budget


def same_account(one: Budget, other: Budget) -> bool:
    """Whether two budgets are one: the same object, the same file, or kept at the same address.

    Example:
        >>> budget = Budget(usd=1)
        >>> same_account(budget, budget), same_account(budget, Budget(usd=1))
        (True, False)
    """
    return one is other or (one.account is not None and one.account == other.account)


def budgets_of(model_or_backends: Any) -> list[Budget]:
    """Returns the budgets of all backends of a model, or of those given, each account once."""
    found: list[Budget] = []
    for backend in backends_of(model_or_backends):
        budget = getattr(backend, "budget", None)
        if isinstance(budget, Budget) and not any(same_account(budget, other) for other in found):
            found.append(budget)
    return found


def one_budget(model_or_backends: Any) -> Budget | None:
    """Returns the budget of the routers and pools of a model, or of some backends.

    A budget is an account. Two routers of one training with two of them would spend the sum, and
    neither limit would be the one that somebody meant.

    Args:
        model_or_backends: A Keras model, or backends.

    Returns:
        The budget; None where none of them has one.

    Raises:
        ConfigurationError: There are two or more, which are not the same file.
    """
    found: list[Budget] = []
    for backend in backends_of(model_or_backends):
        budget = getattr(backend, "budget", None)
        if budget is None or not backend.inner_backends():
            continue  # a machine with an account of its own, outside any router
        if not any(same_account(budget, other) for other in found):
            found.append(budget)
    if len(found) > 1:
        raise two_budgets(found)
    return found[0] if found else None


def two_budgets(found: Iterable[Budget]) -> ConfigurationError:
    """The error for routers that spend from different budgets."""
    return ConfigurationError(
        describe(
            "The routers of one training spend from different budgets",
            expected="one budget for all of them",
            received=list(found),
            hint="Make one Budget, and one Router with it for all layers: "
            "router = Router([...], budget=budget), then backend=router in each layer",
        )
    )


def backends_of(model_or_backends: Any) -> Iterator[Any]:
    """Yields the backends of a model's layers, or those given, with all that they are made of."""
    layers = getattr(model_or_backends, "_flatten_layers", None)
    if layers is None:
        given = model_or_backends
        given = given if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    else:
        options = (getattr(layer, "run_options", None) for layer in layers())
        given = [each.resolved for each in options if each is not None]
    waiting = [each for each in given if hasattr(each, "inner_backends")]
    seen: set[int] = set()
    while waiting:
        backend = waiting.pop(0)
        if id(backend) in seen:
            continue
        seen.add(id(backend))
        yield backend
        waiting.extend(backend.inner_backends())
