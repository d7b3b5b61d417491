"""What a value of a configuration must be, in words and as a check; no framework."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from qstore_tf.errors import ConfigurationError, describe, did_you_mean


@dataclass(frozen=True)
class Kind:
    """A kind of value.

    Attributes:
        expected: What it must be, in words.
        fits: Whether a value is of this kind.
        names: The values there are, where these are names.
        optional: Whether None is good, too.
    """

    expected: str
    fits: Callable[[Any], bool]
    names: tuple[str, ...] = ()
    optional: bool = False

    def check(self, name: str, value: Any) -> None:
        """Raises ConfigurationError where a value is not of this kind.

        Args:
            name: Of the setting, for the message.
            value: What was given.
        """
        if (self.optional and value is None) or self.fits(value):
            return
        raise ConfigurationError(
            describe(
                f"The setting {name!r} has a wrong value",
                expected=self.expected + (" or None" if self.optional else ""),
                received=value,
                hint=self._hint(value),
            )
        )

    def _hint(self, value: Any) -> str | None:
        if self.names and isinstance(value, str):
            return did_you_mean(value[:100], self.names)
        if isinstance(value, str) and not self.names and "text" not in self.expected:
            return "Write it without quotes"
        return None


def whole(low: int, high: int, optional: bool = False) -> Kind:
    """A whole number within bounds."""

    def fits(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    return Kind(f"a whole number from {low} to {high}", fits, optional=optional)


def number(low: float, high: float, optional: bool = False, above: bool = False) -> Kind:
    """A finite number within bounds.

    Args:
        low: The least; with `above`, what it must be more than.
        high: The most.
        optional: Whether None is good, too.
        above: Whether `low` itself is too little.
    """

    def fits(value: Any) -> bool:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return (
            is_number and math.isfinite(value) and low <= value <= high
            and not (above and value == low)
        )  # fmt: skip

    words = f"a number above {low:g}, at most {high:g}" if above else f"from {low:g} to {high:g}"
    return Kind(words if above else f"a number {words}", fits, optional=optional)


def flag() -> Kind:
    """True or False."""
    return Kind("true or false", lambda value: isinstance(value, bool))


def one_of(names: Iterable[str], optional: bool = False) -> Kind:
    """One of some names."""
    every = tuple(names)
    return Kind(
        "one of " + ", ".join(map(repr, every)),
        lambda value: isinstance(value, str) and value in every,
        every,
        optional,
    )


def text(optional: bool = False) -> Kind:
    """Text that is not empty."""
    return Kind("text", lambda value: isinstance(value, str) and bool(value.strip()), (), optional)


def check_names(given: Iterable[Any], known: Iterable[str], what: str) -> None:
    """Raises ConfigurationError for the first name that is not known, and says which is nearest.

    Example:
        >>> check_names(["epoch"], ["epochs", "seed"], "A training")
        Traceback (most recent call last):
            ...
        qstore_tf.errors.ConfigurationError: A training has no setting 'epoch'. Did you mean \
'epochs'? Available: 'epochs', 'seed'.
    """
    every = tuple(known)
    for name in given:
        if name not in every:
            shown = str(name)[:100]
            raise ConfigurationError(
                describe(f"{what} has no setting {shown!r}", hint=did_you_mean(shown, every))
            )
