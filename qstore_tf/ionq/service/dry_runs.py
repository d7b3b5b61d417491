"""What a dry run brings: the service checks and prices its jobs, and runs none of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from decimal import Decimal

from qstore_tf.errors import DryRunError, PriceError, describe
from qstore_tf.ionq.money.amounts import Money, add
from qstore_tf.ionq.money.rates import estimated
from qstore_tf.ionq.service.client import Transport
from qstore_tf.ionq.service.clock import Patience
from qstore_tf.ionq.service.journal import Entry

_log = logging.getLogger("qstore_tf")


def priced(transport: Transport, entries: Sequence[Entry], patience: Patience) -> DryRunError:
    """Returns the error that a dry run ends with, which carries its price.

    Args:
        transport: Asks the service.
        entries: The jobs of the run.
        patience: For how long.

    Raises:
        ServiceError: The service cannot be asked.
        Over: The patience is.
    """
    totals: dict[str, Decimal] = {}
    for entry in entries:
        price: Money | None = None
        try:
            price = estimated(transport.cost(entry.job or "", patience) or None)
        except PriceError as error:
            _log.warning("Job %s has no price: %s", entry.job, error)
        if price is not None:
            before = totals.get(price.currency, Decimal(0))
            totals[price.currency] = add(before, price.amount)
    words = " and ".join(str(Money(amount, unit)) for unit, amount in totals.items())
    outcome = DryRunError(
        describe(
            f"A dry run has no outcomes; the work would cost {words or 'what is not said'}",
            hint="Leave dry_run out to run it",
        )
    )
    outcome.price, outcome.job_ids = words, tuple(entry.job or "" for entry in entries)
    return outcome
