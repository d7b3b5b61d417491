"""What a training will cost at most, by phase, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from qstore_tf.backends import Backend
from qstore_tf.ionq.money import Budget, Estimate, estimate_table
from qstore_tf.ionq.money.amounts import plain
from qstore_tf.ionq.training_cost import estimate
from qstore_tf.training.phases import own_backends


@dataclass(frozen=True)
class CostEstimate:
    """What a training sends to paid services at most, and what that costs; printed as a table.

    Attributes:
        phases: Estimates of the whole run, by phase and backend. Where a router chooses, that of
            its dearest member, as if all of the phase ran there.
        left: What the budget has left; None: no budget of money.
        currency: Of the budget.
    """

    phases: Mapping[str, Estimate]
    left: Decimal | None = None
    currency: str = "USD"

    @property
    def total(self) -> Estimate:
        """All phases together."""
        found = list(self.phases.values())
        return sum(found[1:], start=found[0]) if found else Estimate()

    def __str__(self) -> str:
        text = estimate_table({**self.phases, "run": self.total})
        if self.left is None:
            return text
        line = f"The budget has {plain(self.left)} {self.currency} left"
        price = self.total.price
        if price is None or (price.currency == self.currency and price.amount > self.left):
            return f"{text}\n{line}, which may not pay for all of it."
        return f"{text}\n{line}."


@dataclass(frozen=True)
class Work:
    """One phase of a training, as an estimate needs it.

    Attributes:
        phase: "training" or "validation".
        backend: What it runs on; None: what the layers were made with.
        data: As `fit` takes it; inputs alone where nothing is trained.
        batch_size: Rows of a step.
        epochs: How often.
    """

    phase: str
    backend: Backend | None
    data: Any
    batch_size: int
    epochs: int


def estimate_phases(
    model: Any,
    works: list[Work],
    on_backend: Callable[[Any, bool], AbstractContextManager[Any]],
    name_of: Callable[[Any], str],
    budget: Callable[[], Budget | None],
) -> CostEstimate | None:
    """Returns what the phases cost at most; None where nothing in them costs money.

    Args:
        model: A compiled Keras model, which is as before afterwards.
        works: The phases.
        on_backend: Lets the model run on a backend while it is entered, and be trained, or not.
        name_of: What a backend is called.
        budget: Tells the budget, where something costs money.

    Raises:
        InputError: A dataset does not say how many batches it has.
        PriceError: A service gives no usable price.
    """
    found: dict[str, Estimate] = {}
    for work in works:
        if work.backend is None:
            if any(paid_parts(each) for each in own_backends(model)):
                each = estimate(model, work.data, work.epochs, batch_size=work.batch_size).run
                found[f"{work.phase} on {name_of(None)}"] = each
            continue
        dearest: tuple[str, Estimate] | None = None
        for leaf in paid_parts(work.backend):
            with on_backend(leaf, work.phase == "training"):
                each = estimate(model, work.data, work.epochs, batch_size=work.batch_size).run
            if dearest is None or _price(each) > _price(dearest[1]):
                dearest = f"{work.phase} on {name_of(leaf)}", each
        if dearest is not None:
            found[dearest[0]] = dearest[1]
    if not found:
        return None
    account = budget()
    if account is None or account.limit.money is None:
        return CostEstimate(found)
    return CostEstimate(found, account.left.money, account.currency)


def paid_parts(backend: Any) -> list[Any]:
    """Returns the backends within a backend whose runs may cost money, each once."""
    return list({id(part): part for part in parts(backend) if is_paid(part)}.values())


def parts(backend: Any) -> Iterator[Any]:
    """Yields the backends that a backend is made of, or itself where it is made of none."""
    arrays = getattr(backend, "arrays", backend)
    inner: tuple[Any, ...] = getattr(arrays, "inner_backends", tuple)()
    if not inner:
        yield backend
    for each in inner:
        yield from parts(each)


def is_paid(backend: Any) -> bool:
    """Whether runs of a backend may cost money."""
    return bool(getattr(getattr(backend, "arrays", backend), "is_paid", False))


def _price(found: Estimate) -> Decimal:
    return Decimal("Infinity") if found.price is None else found.price.amount
