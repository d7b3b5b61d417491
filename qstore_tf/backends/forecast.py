"""What a backend says of work before it runs: its price, its fidelity and the wait."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from qstore_tf.ionq.money.amounts import Money

FREE = Money(Decimal(0), "USD")


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """One call of a backend, foreseen. A backend may have a method `forecast` that returns one.

    As it stands here, it is that of a simulator in this process.

    Attributes:
        circuits: How many circuits are sent, those of all rows and groups of observables.
        shots: The shots of all of them together; 0: none are drawn elsewhere.
        price: The most that it costs; None: not known.
        fidelity: The probability that the least reliable of the circuits runs without an error;
            None: not published.
        wait_s: Seconds before the machine begins, as predicted.
        note: What cannot be known, in words; "" where all is.
    """

    circuits: int = 0
    shots: int = 0
    price: Money | None = FREE
    fidelity: float | None = 1.0
    wait_s: float = 0.0
    note: str = ""
