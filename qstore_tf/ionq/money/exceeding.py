"""Whether a reservation fits into a budget; if not, who holds what, and what can be done."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from contextvars import ContextVar
from decimal import Decimal

from qstore_tf.errors import BudgetExceededError, describe
from qstore_tf.ionq.money.balance import NOTHING, Amount, Entry
from qstore_tf.ionq.money.ledger import Page

_HOST = socket.gethostname()
_MOST_OWNERS = 5
_acting: ContextVar[tuple[str, int] | None] = ContextVar("acting", default=None)


class Bare(str):
    """Text that an error shows without quotes."""

    def __repr__(self) -> str:
        return str(self)


def me() -> tuple[str, int]:
    """The host and the number of this process, or of the one that it acts for."""
    return _acting.get() or (_HOST, os.getpid())


@contextlib.contextmanager
def acting_for(owner: tuple[str, int]) -> Iterator[None]:
    """What this thread reserves is another process's, which has asked for it over the network."""
    before = _acting.set(owner)
    try:
        yield
    finally:
        _acting.reset(before)


def check(page: Page, what: str, wanted: Amount, on_exceed: str) -> None:
    """Raises BudgetExceededError where a job may cost more than is left.

    Args:
        page: The account.
        what: The job in words.
        wanted: The most that it can cost.
        on_exceed: What the budget says to that.
    """
    balance = page.balance
    for index, unit in enumerate((balance.currency, "shots")):
        asked, left = wanted[index], balance.left[index]
        if asked is None or left is None or asked <= left:
            continue
        limit, spent, reserved = (
            each.texts()[index] for each in (balance.limit, balance.spent, balance.reserved)
        )
        owners = _owners(page.under_way(), index)
        argument = "shots" if index else "usd" if unit == "USD" else "amount"
        hint = (
            f"Of {limit} {unit}, {spent} are spent and {reserved} are reserved{owners}. Send fewer "
            f"circuits or shots, or raise the limit by set_limit({argument}=...)"
        )
        if on_exceed == "stop":
            hint += ". A budget made with on_exceed='fallback' goes on elsewhere"
        if "has ended" in owners:
            hint += (
                ". What an ended process has reserved is settled by the next run that has its "
                "journal and this budget, or by commit or release of its keys, see "
                "entries('reserved')"
            )
        raise BudgetExceededError(
            describe(
                f"{what} would cost more than the budget has left",
                expected=f"at most {balance.left.describe(balance.currency)}",
                received=Bare(wanted.describe(balance.currency)),
                hint=hint,
            )
        )


def _owners(entries: list[Entry], index: int) -> str:
    """Who has reserved how much, the most first."""
    by: dict[tuple[str, int], Amount] = {}
    for entry in entries:
        zero = NOTHING.where(entry.reserved)
        by[entry.owner] = by.get(entry.owner, zero).plus(entry.reserved)
    ranked = sorted(by.items(), key=lambda item: item[1][index] or Decimal(0), reverse=True)
    texts = [f"{total.texts()[index]} by {_owner(owner)}" for owner, total in ranked]
    if len(texts) > _MOST_OWNERS:
        texts[_MOST_OWNERS:] = [f"more by {len(texts) - _MOST_OWNERS} others"]
    return (": " + ", ".join(texts)) if texts else ""


def _owner(owner: tuple[str, int]) -> str:
    host, process = owner
    if owner == me():
        return "this process"
    if host != _HOST:
        return f"process {process} on {host}"
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return f"process {process}, which has ended"
    except OSError:
        pass
    return f"process {process}"
