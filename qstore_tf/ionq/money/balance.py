"""What a budget counts: money and shots side by side, and how they stand."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from qstore_tf.ionq.money.amounts import EXACT, plain

RESERVED, SPENT, RELEASED = "reserved", "spent", "released"


class Amount(NamedTuple):
    """Money in the budget's currency, and shots; None where the budget does not limit it."""

    money: Decimal | None = None
    shots: int | None = None

    def plus(self, other: Amount) -> Amount:
        """Returns the exact sum; what is None here stays None, what is None there adds nothing."""
        return self._with(other, 1)

    def minus(self, other: Amount) -> Amount:
        """Returns the exact difference, which may be below 0."""
        return self._with(other, -1)

    def where(self, limit: Amount) -> Amount:
        """Returns what is limited, the rest as None."""
        return Amount(
            None if limit.money is None else self.money,
            None if limit.shots is None else self.shots,
        )

    def or_else(self, other: Amount) -> Amount:
        """Returns this, with what is None taken from the other."""
        return Amount(
            other.money if self.money is None else self.money,
            other.shots if self.shots is None else self.shots,
        )

    def at_least_nothing(self) -> Amount:
        """Returns this with 0 in place of what is below."""
        return Amount(
            None if self.money is None else max(Decimal(0), self.money),
            None if self.shots is None else max(0, self.shots),
        )

    def texts(self) -> tuple[str | None, str | None]:
        """Both as text, exactly."""
        return (
            None if self.money is None else plain(self.money),
            None if self.shots is None else str(self.shots),
        )

    def describe(self, currency: str) -> str:
        """Both in words, such as "2.5 USD and 100 shots"."""
        units = zip(self.texts(), (currency, "shots"), strict=True)
        return " and ".join(f"{text} {unit}" for text, unit in units if text) or "nothing"

    def _with(self, other: Amount, sign: int) -> Amount:
        money, shots = self
        if money is not None and other.money is not None:
            money = EXACT.add(money, sign * other.money)
        if shots is not None and other.shots is not None:
            shots += sign * other.shots
        return Amount(money, shots)


NOTHING = Amount(Decimal(0), 0)


@dataclass(frozen=True)
class Balance:
    """A budget at one moment.

    Attributes:
        limit: The most that may be spent.
        spent: What was billed.
        reserved: What jobs under way may cost at most.
        currency: Of the money.

    Example:
        >>> limit, spent = Amount(Decimal(10), None), Amount(Decimal("2.5"), None)
        >>> print(Balance(limit, spent, Amount(Decimal(0), None), "USD"))
        2.5 spent, 0 reserved, 7.5 left of 10 USD
    """

    limit: Amount
    spent: Amount
    reserved: Amount
    currency: str

    @property
    def left(self) -> Amount:
        """What can still be reserved, at least 0."""
        return self.limit.minus(self.spent).minus(self.reserved).at_least_nothing()

    @property
    def overspent(self) -> Amount:
        """By how much bills that could not be foreseen exceed the limit; jobs under way count."""
        return self.spent.plus(self.reserved).minus(self.limit).at_least_nothing()

    def __str__(self) -> str:
        """A line for each limit."""
        columns = [each.texts() for each in (self.spent, self.reserved, self.left, self.limit)]
        lines = zip(*columns, (self.currency, "shots"), strict=True)
        return "\n".join(
            f"{spent} spent, {reserved} reserved, {left} left of {limit} {unit}"
            for spent, reserved, left, limit, unit in lines
            if limit is not None
        )


@dataclass(frozen=True)
class Entry:
    """What a budget knows of one key.

    Attributes:
        key: The token.
        state: "reserved", "spent" or "released".
        reserved: What was reserved for it.
        billed: What was billed, where it is spent.
        is_late: Whether it was billed without a reservation, or after that was released.
        is_guess: Whether nobody knows the bill, so that the whole reservation counts.
        owner: The host and the number of the process that reserved it.
        time: Seconds since 1970 of its last change.
    """

    key: str
    state: str
    reserved: Amount
    billed: Amount | None
    is_late: bool
    is_guess: bool
    owner: tuple[str, int]
    time: float
