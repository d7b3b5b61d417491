"""What work costs before it is run: circuits, shots, gates, price and time, added exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from qstore_tf.checks import check_shots
from qstore_tf.errors import PriceError, describe
from qstore_tf.ionq.money.amounts import EXACT, Money, add, count, plain, up_to_cents
from qstore_tf.ionq.prices import PriceTable, cost


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Work that has not run yet. Estimates are added, also by `sum`, and multiplied by an int.

    Attributes:
        jobs: How many jobs.
        circuits: How many circuits.
        shots: The shots of all circuits together.
        gates_1q: The one-qubit gates of all circuits, each counted once and not for each shot.
        gates_2q: The two-qubit gates.
        price: The most that it costs; None: not known, as that of any sum with it.
        seconds: How long it takes; None: not known.
        is_bound: Whether no bill exceeds the price. False where the service compiles the circuits
            itself, and it is not known whether it bills the gates that are sent or those that run:
            the price is that of the former.

    Example:
        >>> from qstore_tf.ionq.prices import price_table
        >>> table = price_table("azure", "forte-1")
        >>> step = estimate_batch(
        ...     n_1q=65, n_2q=20, n_circuits=4, shots=1000, table=table, mitigation=False
        ... )
        >>> str(step.price), step.shots
        ('235.61 USD', 4000)
        >>> print(estimate_table({"step": step, "epoch": 10 * step}))
               jobs  circuits  shots  1q gates  2q gates  price at most  time
        step      1         4   4000       260        80     235.61 USD     ?
        epoch    10        40  40000      2600       800     2356.1 USD     ?
    """

    jobs: int = 0
    circuits: int = 0
    shots: int = 0
    gates_1q: int = 0
    gates_2q: int = 0
    price: Money | None = None
    seconds: float | None = None
    is_bound: bool = True

    def __add__(self, other: Any) -> Estimate:
        """Returns the estimate of both."""
        if isinstance(other, int) and other == 0:  # where `sum` starts
            return self
        if not isinstance(other, Estimate):
            return NotImplemented
        return Estimate(
            jobs=self.jobs + other.jobs,
            circuits=self.circuits + other.circuits,
            shots=self.shots + other.shots,
            gates_1q=self.gates_1q + other.gates_1q,
            gates_2q=self.gates_2q + other.gates_2q,
            price=_both(self.price, other.price),
            seconds=None
            if self.seconds is None or other.seconds is None
            else self.seconds + other.seconds,
            is_bound=self.is_bound and other.is_bound,
        )

    __radd__ = __add__

    def __mul__(self, times: Any) -> Estimate:
        """Returns the estimate of the same work so many times."""
        if isinstance(times, bool) or not isinstance(times, int) or times < 0:
            return NotImplemented
        price = self.price
        if price is not None:
            price = Money(EXACT.multiply(price.amount, Decimal(times)), price.currency)
        return Estimate(
            jobs=self.jobs * times,
            circuits=self.circuits * times,
            shots=self.shots * times,
            gates_1q=self.gates_1q * times,
            gates_2q=self.gates_2q * times,
            price=price,
            seconds=None if self.seconds is None else self.seconds * times,
            is_bound=self.is_bound,
        )

    __rmul__ = __mul__

    def to_dict(self) -> dict[str, Any]:
        """Returns what JSON can hold; amounts as text."""
        price = self.price
        return {
            "jobs": self.jobs,
            "circuits": self.circuits,
            "shots": self.shots,
            "gates_1q": self.gates_1q,
            "gates_2q": self.gates_2q,
            "price": None if price is None else plain(price.amount),
            "currency": None if price is None else price.currency,
            "seconds": self.seconds,
            "is_bound": self.is_bound,
        }

    def __str__(self) -> str:
        """One line of `estimate_table`."""
        return estimate_table({"": self})


def estimate_batch(
    n_1q: int,
    n_2q: int,
    n_circuits: int,
    shots: int,
    table: PriceTable | None,
    mitigation: bool,
    seconds: float | None = None,
) -> Estimate:
    """Returns the estimate of one job with circuits of the same gates.

    Args:
        n_1q: The one-qubit gates of each circuit.
        n_2q: The two-qubit gates of each circuit.
        n_circuits: How many circuits; of none nothing is sent.
        shots: The shots of each.
        table: The prices; None: not known, nor is the price then.
        mitigation: Whether error mitigation is on.
        seconds: How long the job takes, where that is known.

    Returns:
        The estimate. Its price is the most that the job is billed by the table, with the fee for
        each circuit, rounded up to cents as bills are: reserve so much.

    Raises:
        ConfigurationError: A count is no count, or the table has no price with error mitigation.
    """
    n_1q, n_2q = count(n_1q, "n_1q"), count(n_2q, "n_2q")
    n_circuits, shots = count(n_circuits, "n_circuits"), check_shots(shots)
    price = None
    if table is not None:
        each = cost(table, n_1q, n_2q, shots, mitigation)
        total = EXACT.multiply(each, Decimal(n_circuits))
        price = Money(up_to_cents(total), table.currency)
    return Estimate(
        jobs=int(n_circuits > 0),
        circuits=n_circuits,
        shots=n_circuits * shots,
        gates_1q=n_circuits * n_1q,
        gates_2q=n_circuits * n_2q,
        price=price,
        seconds=seconds,
    )


def estimate_table(rows: Mapping[str, Estimate]) -> str:
    """Writes estimates as a table, one line each; "about" before a price that is no bound.

    Args:
        rows: A name for each.
    """
    titles = ("", "jobs", "circuits", "shots", "1q gates", "2q gates", "price at most", "time")
    lines = [
        (
            name,
            *map(str, (each.jobs, each.circuits, each.shots, each.gates_1q, each.gates_2q)),
            _price(each),
            duration(each.seconds),
        )
        for name, each in rows.items()
    ]
    return text_table([titles, *lines])


def text_table(lines: Sequence[tuple[str, ...]], left: int = 1) -> str:
    """Writes rows in columns: the first `left` to the left, the others to the right.

    Example:
        >>> print(text_table([("", "n"), ("a", "10")]))
            n
        a  10
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index < left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def duration(seconds: float | None) -> str:
    """Writes a time in two units.

    Example:
        >>> duration(None), duration(0.5), duration(75), duration(7500), duration(200_000)
        ('?', '0.5 s', '1 min 15 s', '2 h 5 min', '2 d 7 h')
    """
    if seconds is None or not math.isfinite(seconds):
        return "?"
    for large, small, size, unit in _UNITS:
        if seconds >= size:
            whole, rest = divmod(int(seconds), size)
            return f"{whole} {large} {rest // unit} {small}"
    return f"{seconds:.3g} s"


_UNITS = (("d", "h", 86400, 3600), ("h", "min", 3600, 60), ("min", "s", 60, 1))


def _price(estimate: Estimate) -> str:
    if estimate.price is None:
        return "not known"
    return str(estimate.price) if estimate.is_bound else f"about {estimate.price}"


def _both(one: Money | None, other: Money | None) -> Money | None:
    if one is None or other is None:
        return None
    if one.currency != other.currency:
        raise PriceError(
            describe(
                "Prices in two currencies cannot be added",
                expected=one.currency,
                received=other.currency,
                hint="Keep the estimates apart",
            )
        )
    return Money(add(one.amount, other.amount), one.currency)
