"""Takes work and sends nothing: counts what would be sent, and what it would cost at most."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np

from qstore_tf.ionq.money.amounts import Money
from qstore_tf.ionq.money.estimating import Estimate
from qstore_tf.ionq.prices import PriceTable
from qstore_tf.ionq.pricing import Ask, Pricing
from qstore_tf.ionq.service.outcomes import Outcomes
from qstore_tf.ionq.service.planning import sizes
from qstore_tf.ionq.service.work import Work


class Rehearsal:
    """Counts work, and makes up outcomes.

    Args:
        version: Of the API, whose limits say how many jobs there would be.
        mitigation: Whether error mitigation is on.
        table: The prices; None: those that `ask` returns.
        ask: Asks the service, once for each kind of circuits.
    """

    def __init__(self, version: str, mitigation: bool, table: PriceTable | None, ask: Ask) -> None:
        self._version = version
        self._pricing = Pricing(mitigation, table, ask)
        self._found: list[Estimate] = []
        self._lock = threading.Lock()

    def run(self, work: Sequence[Work], shots: int | None) -> list[Outcomes]:
        """Counts work; returns made-up outcomes, |0...0> each time."""
        jobs = len(sizes(work, self._version, None))
        found = [self._estimate(each, shots) for each in work if len(each)]
        with self._lock:
            self._found += found
            self._found.append(Estimate(jobs=jobs - len(found), price=_same(found), seconds=0.0))
        return [_nothing_happens(each, shots) for each in work]

    def total(self) -> Estimate:
        """Returns the sum of all that was counted."""
        with self._lock:
            return sum(self._found, start=Estimate(price=_same(self._found), seconds=0.0))

    def _estimate(self, work: Work, shots: int | None) -> Estimate:
        estimate = self._pricing.estimate(
            work.n_1q, work.n_2q, work.n_qubits, len(work), shots or 1, work.has_known_gates
        )
        return estimate if shots else replace(estimate, shots=0)


def _same(found: Sequence[Estimate]) -> Money:
    """Nothing, in the currency of these."""
    currencies = [each.price.currency for each in found if each.price is not None]
    return Money(Decimal(0), currencies[0] if currencies else "USD")


def _nothing_happens(work: Work, shots: int | None) -> Outcomes:
    rows = len(work)
    return Outcomes(
        work.n_qubits, np.arange(rows + 1), np.zeros(rows, np.int64), np.ones(rows), shots
    )
