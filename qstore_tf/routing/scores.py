"""What speaks for a backend: four scores in [0, 1], and their weights by priority.

    score      of which number, with its unit              1 at            1/2 at        0 at
    speed      circuits (rows of a batch) per second       10^6            999           0
    cost       price of a circuit, in the unit of money    0               1             1,000
    precision  (1 - standard error) x fidelity, no unit    1               1/2           0
    queue      predicted wait, seconds                     0               60            never

Speed and cost go by the logarithm, because backends differ by orders of magnitude: ten times as
fast is a sixth more, wherever one is. Each score depends on its own number alone, so that a backend
that comes or goes changes nothing between the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_FASTEST = 1e6  # circuits per second
_DECADES = 6
_LEAST_PRICE = 0.001  # of a circuit: below it prices hardly count
_HALF_WAIT_S = 60.0


@dataclass(frozen=True)
class Weights:
    """How much each score counts; they add up to 1."""

    speed: float
    cost: float
    precision: float
    queue: float


WEIGHTS = {
    "cost": Weights(speed=0.2, cost=0.5, precision=0.2, queue=0.1),
    "speed": Weights(speed=0.5, cost=0.1, precision=0.2, queue=0.2),
    "balanced": Weights(speed=0.3, cost=0.3, precision=0.2, queue=0.2),
}


@dataclass(frozen=True)
class Numbers:
    """What is known of a member and a batch before it runs.

    Attributes:
        circuits_per_second: Rows of the batch per second, while the machine works.
        price: Of a row, with all its circuits, in the currency of its price; None: not known.
        standard_error: The largest that the expectation of one Pauli string can have, which is
            1 / sqrt(shots); 0: exact.
        fidelity: Of the compiled circuit, as `Target.estimated_fidelity` estimates it; None: not
            published, and counted as 1.
        wait_s: Seconds until the machine begins.
    """

    circuits_per_second: float
    price: float | None = 0.0
    standard_error: float = 0.0
    fidelity: float | None = 1.0
    wait_s: float = 0.0

    @property
    def precision(self) -> float:
        """(1 - standard error) x fidelity, in [0, 1].

        Example:
            >>> Numbers(1.0, standard_error=0.1, fidelity=0.5).precision
            0.45
        """
        fidelity = 1.0 if self.fidelity is None else self.fidelity
        return (1.0 - min(1.0, self.standard_error)) * fidelity


@dataclass(frozen=True)
class Scores:
    """Four numbers in [0, 1], the more the better; the head of this module defines them."""

    speed: float
    cost: float
    precision: float
    queue: float

    def total(self, weights: Weights) -> float:
        """Returns the weighted sum, in [0, 1].

        Example:
            >>> round(Scores(1.0, 0.5, 1.0, 0.0).total(WEIGHTS["balanced"]), 3)
            0.65
        """
        return sum(getattr(weights, name) * getattr(self, name) for name in NAMES)


NAMES = ("speed", "cost", "precision", "queue")


def standard_error(shots: int | None) -> float:
    """Returns the largest standard error of a Pauli string's expectation.

    Args:
        shots: Shots of each circuit; None or 0: exact.

    Example:
        >>> standard_error(100), standard_error(None)
        (0.1, 0.0)
    """
    return 1 / math.sqrt(shots) if shots else 0.0


def scores(numbers: Numbers) -> Scores:
    """Returns the scores of these numbers.

    Example:
        >>> found = scores(Numbers(circuits_per_second=999.0, price=1.0, wait_s=60.0))
        >>> round(found.speed, 3), round(found.cost, 3), found.precision, found.queue
        (0.5, 0.5, 1.0, 0.5)
    """
    rate, price = max(0.0, numbers.circuits_per_second), numbers.price
    return Scores(
        speed=min(1.0, math.log1p(rate) / math.log(_FASTEST)),
        cost=0.0 if price is None else max(0.0, 1.0 - _decades(price) / _DECADES),
        precision=numbers.precision,
        queue=1.0 / (1.0 + max(0.0, numbers.wait_s) / _HALF_WAIT_S),
    )


def _decades(price: float) -> float:
    return math.log10(1.0 + max(0.0, price) / _LEAST_PRICE)
