"""Exact amounts of money: checked where they come in, added without rounding, never a float."""

from __future__ import annotations

import operator
import re
from decimal import (
    ROUND_CEILING,
    Context,
    Decimal,
    DecimalException,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)
from typing import Any, NamedTuple

from qstore_tf.errors import ConfigurationError, PriceError, QstoreError, describe

MOST = 10**18  # of an amount or a count
PLACES = 30  # decimals of an amount
_LONGEST = 100  # characters of an amount that is text

# Raises where a result would have to be rounded: MOST, PLACES and 10^40 summands have room.
EXACT = Context(prec=100, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
_UPWARDS = Context(prec=100, rounding=ROUND_CEILING, traps=[InvalidOperation, Overflow])
_CENT = Decimal("0.01")


class Money(NamedTuple):
    """An amount and its currency, three capital letters."""

    amount: Decimal
    currency: str

    def __str__(self) -> str:
        """The amount with its currency, such as "12.5 USD"."""
        return f"{plain(self.amount)} {self.currency}"


def exact(value: Any, what: str, error: type[QstoreError] = ConfigurationError) -> Decimal:
    """Returns an amount as it was written.

    Args:
        value: A Decimal, an int or text. A float is refused, because 0.1 as a float is not 0.1.
        what: What it is, for the message.
        error: The class to raise.

    Raises:
        error: It is no number from 0 to 10^18, or has more than 30 decimals.

    Example:
        >>> exact("0.10", "The price")
        Decimal('0.10')
    """
    is_number = isinstance(value, Decimal | int) and not isinstance(value, bool)
    try:
        if isinstance(value, str) and len(value) <= _LONGEST:
            value, is_number = Decimal(value), True
        if is_number and 0 <= value <= MOST:  # NaN raises
            amount = Decimal(value)
            normal = EXACT.normalize(amount)
            if int(normal.as_tuple().exponent) >= -PLACES:
                return amount if amount else Decimal(0)
    except DecimalException:
        pass
    raise error(
        describe(
            f"{what} is no amount of money",
            expected=f"a Decimal, an int or text such as '0.08', from 0 to 10^18, with at most "
            f"{PLACES} decimals",
            received=value,
            hint="Write a float as text" if isinstance(value, float) else None,
        )
    )


def count(value: Any, what: str) -> int:
    """Returns a number of things as an int.

    Raises:
        ConfigurationError: It is no integer from 0 to 10^18.

    Example:
        >>> count(1000, "shots")
        1000
    """
    try:
        number = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = -1
    if not 0 <= number <= MOST:
        raise ConfigurationError(
            describe(f"{what} is no count", expected="an integer from 0 to 10^18", received=value)
        )
    return number


def add(*amounts: Decimal) -> Decimal:
    """Returns the exact sum.

    Example:
        >>> add(Decimal("0.1"), Decimal("0.2"))
        Decimal('0.3')
    """
    total = Decimal(0)
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total


def up_to_cents(amount: Decimal) -> Decimal:
    """Returns the next whole hundredth of the currency, as bills have no fractions of one.

    Example:
        >>> up_to_cents(Decimal("25.7899")), up_to_cents(Decimal("0.3"))
        (Decimal('25.79'), Decimal('0.30'))
    """
    return amount.quantize(_CENT, context=_UPWARDS)


def plain(amount: Decimal) -> str:
    """Writes an amount in full, without an exponent and without zeros at its end.

    Example:
        >>> plain(Decimal("1E+3")), plain(Decimal("0.500")), plain(Decimal(0))
        ('1000', '0.5', '0')
    """
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def currency_code(unit: Any, error: type[QstoreError] = PriceError) -> str:
    """Returns the currency that a unit names, in capital letters.

    Args:
        unit: Three letters, as in ISO 4217.
        error: The class to raise.

    Raises:
        error: It is "credit", which has no price in a currency, or something else.

    Example:
        >>> currency_code("usd")
        'USD'
    """
    if isinstance(unit, str) and re.fullmatch(r"[A-Za-z]{3}", unit):
        return unit.upper()
    credits = isinstance(unit, str) and unit.casefold() in ("credit", "credits")
    raise error(
        describe(
            "What is counted in credits has no price in a currency"
            if credits
            else "The unit of a price is not known",
            expected="a currency such as 'USD'",
            received=unit,
            hint="It is not counted as nothing: pass a PriceTable in the currency that your "
            "contract gives",
        )
    )
