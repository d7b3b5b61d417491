"""Runs the shares of a batch at the same time, and what has failed elsewhere.

A thread for each share; the thread that asked waits, and deals again what has failed. The results
are those of the rows, in their order, whoever ran them and whenever.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from qstore_tf.backends.arrays.kept import Kept
from qstore_tf.errors import RunFacts, ShareError, describe
from qstore_tf.ionq.service.delivering import (
    Delivery,
    NotAllSent,
    delivering_later,
    sending_nothing,
)
from qstore_tf.routing.health import CALLER, blame, may_have_run
from qstore_tf.routing.shares import Dealing, Rows, Share

_log = logging.getLogger("qstore_tf")


class Runner(Protocol):
    """What runs shares: a `Member`."""

    @property
    def name(self) -> str:
        """Unique among all."""

    @property
    def is_paid(self) -> bool:
        """Whether work may cost money there."""


@dataclass
class Carried:
    """What became of a batch.

    Attributes:
        results: Rows and their results, each row once, in no order.
        shares: What was dealt, in that order, with what was dealt again.
        errors: What each member that has failed has said.
        moved: Number of rows that another member ran than the one they were dealt to first.
    """

    results: list[tuple[Rows, Any]] = field(default_factory=list)
    shares: list[Share] = field(default_factory=list)
    errors: dict[str, Exception] = field(default_factory=dict)
    moved: int = 0


class Account(Protocol):
    """Where it is written down who has what, before it is sent and once it is there."""

    def earlier(self) -> Sequence[tuple[Share, Kept]]:
        """Shares of an earlier call with the same batch, and what there is of their results."""

    def planned(self, share: Share) -> None:
        """A share is about to begin."""

    def over(self, share: Share, kept: Kept) -> None:
        """A share has come to its end; rows that are neither done nor unsettled are free."""


class NoAccount:
    """For what costs nothing: nothing is written down."""

    def earlier(self) -> Sequence[tuple[Share, Kept]]:
        """None."""
        return ()

    def planned(self, share: Share) -> None:
        """Does nothing."""

    def over(self, share: Share, kept: Kept) -> None:
        """Does nothing."""


def carry(
    count: int,
    runners: Mapping[str, Runner],
    run: Callable[[str, Rows], Any],
    weigh: Callable[[Sequence[str]], Mapping[str, float]],
    executor: Executor,
    unit: int = 1,
    account: Account | None = None,
) -> Carried:
    """Runs all rows of a batch.

    Args:
        count: How many rows there are.
        runners: Who may run some, by their names.
        run: Runs rows on the one that is named; from another thread.
        weigh: Says how many rows of each hundred, say, each of some should get now; who is not in
            the answer gets none.
        executor: Has a thread for each share.
        unit: See `shares.in_shares`.
        account: Where shares that cost money are written down; None: nowhere.

    Raises:
        ShareError: Nobody is left who may run what is missing. It says what each has said, and
            which rows are missing.
        QstoreError: An error of the caller, that every backend would raise.
        BaseException: Ctrl-C; what cost money is written down.
    """
    account = NoAccount() if account is None else account
    dealing = Dealing(count, {name: not each.is_paid for name, each in runners.items()}, unit)
    carried, running = Carried(), dict[Future[Any], Share]()
    first: dict[int, str] = {}  # who had the rows that have failed
    fatal: BaseException | None = None

    def work(share: Share) -> tuple[Any, list[Delivery]]:
        if not runners[share.member].is_paid:
            return run(share.member, share.rows), []
        # What was paid for is found again until it is written down here.
        with delivering_later() as deliveries, sending_nothing(share.asked is not None):
            return run(share.member, share.rows if share.asked is None else share.asked), deliveries

    def begin(share: Share) -> None:
        if runners[share.member].is_paid and share.asked is None:
            account.planned(share)
        carried.shares.append(share)
        if first:
            carried.moved += sum(first.get(r, share.member) != share.member for r in share.rows)
        running[executor.submit(work, share)] = share

    def settle(share: Share, future: Future[Any]) -> BaseException | None:
        """Takes the result of a share, or its error; returns one that ends everything."""
        error = future.exception()
        deliveries: Sequence[Delivery] = ()
        if error is None:
            values, deliveries = future.result()
            kept = _of(share, Kept(np.arange(len(_asked(share))), values, share.rows[:0]))
            dealing.succeeded(share)
        else:
            kept = left_of(share, error, runners[share.member].is_paid)
            is_well = isinstance(error, NotAllSent)
            dealing.failed(share, kept.done, kept.unsettled, is_well)
            if isinstance(error, Exception) and not is_well:
                carried.errors[share.member] = error
            first.update(dict.fromkeys(share.rows.tolist(), share.member))
        if len(kept.done):
            carried.results.append((kept.done, kept.values))
        if runners[share.member].is_paid:
            try:
                account.over(share, kept)
            except BaseException:
                for delivery in deliveries:
                    delivery.failed()
                raise
            for delivery in deliveries:
                delivery.done()
        if error is not None and (not isinstance(error, Exception) or blame(error) == CALLER):
            return error
        return None

    try:
        for share, kept in account.earlier():
            if len(kept.done):
                dealing.succeeded(dealing.give(Share(share.member, kept.done)))
                carried.results.append((kept.done, kept.values))
            left = dealing.give(Share(share.member, kept.unsettled, share.rows))
            if share.member not in runners:
                dealing.failed(left, perhaps_paid=kept.unsettled)
            elif len(left.rows):
                begin(left)
        while True:
            if fatal is None:
                for share in dealing.deal(weigh(dealing.usable)):
                    begin(share)
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                fatal = settle(running.pop(future), future) or fatal
    except BaseException:
        # An error of ours, or Ctrl-C: what runs ends first, as what it cost is to be written down.
        for future in wait(running).done:
            try:
                settle(running.pop(future), future)
            except Exception as error:  # the first is raised, and the other shares have results too
                _log.warning("A share of a batch was not written down: %s", error)
        raise
    if fatal is not None:
        raise fatal
    if not dealing.done.all():
        raise _stranded(dealing, carried, runners)
    return carried


def left_of(share: Share, error: BaseException, is_paid: bool) -> Kept:
    """Returns what a share that has failed has left, in rows of the whole batch.

    Args:
        share: The share.
        error: What it ended with.
        is_paid: Whether its rows cost money there.
    """
    nothing, is_again = share.rows[:0], share.asked is not None
    if not is_paid:
        return Kept(nothing, np.zeros(0), nothing)
    kept, circuits = (error.kept, error.circuits) if isinstance(error, RunFacts) else (None, ())
    # Where no run has begun, nothing was sent now; what was sent before is as it was.
    if kept is not None and (circuits or not is_again):
        return _of(share, kept)
    if not may_have_run(error) and not is_again:
        return Kept(nothing, np.zeros(0), nothing)
    return Kept(nothing, np.zeros(0), share.rows)


def _asked(share: Share) -> Rows:
    return share.rows if share.asked is None else share.asked


def _of(share: Share, kept: Kept) -> Kept:
    """What is kept of the rows that were asked for, as rows of the batch that the share has."""
    asked = _asked(share)
    mine = np.isin(asked[kept.done], share.rows)
    unsettled = asked[kept.unsettled]
    return Kept(
        asked[kept.done][mine],
        kept.values if mine.all() else kept.values[mine],
        unsettled[np.isin(unsettled, share.rows)],
    )


def in_order(results: Sequence[tuple[Rows, Any]], count: int) -> Any:
    """Returns arrays [count, ...] with the results of each row in its place.

    Example:
        >>> in_order([(np.array([1]), np.array([5.0])), (np.array([0]), np.array([4.0]))], 2)
        array([4., 5.])
    """
    if len(results) == 1:
        return results[0][1]
    rows = np.concatenate([rows for rows, _ in results])
    values = np.concatenate([values for _, values in results])
    found = np.empty_like(values)
    found[rows] = values
    return found


def _stranded(dealing: Dealing, carried: Carried, runners: Mapping[str, Runner]) -> ShareError:
    missing, paid = np.flatnonzero(~dealing.done), dealing.perhaps_paid
    failed = [name for name in runners if name in carried.errors]  # not as threads came
    said = "; ".join(f"{name}: {carried.errors[name]}" for name in failed)
    hint = "Give a backend that can run them"
    if len(paid):
        hint = (
            f"{len(paid)} of them may have been paid for, so that they may only go to backends "
            "that cost nothing. Running the same batch again takes up what was accepted there"
        )
    error = ShareError(
        describe(
            f"No backend of the pool has run {len(missing)} of {len(dealing.done)} rows: {said}",
            received=f"backends {', '.join(runners)}",
            hint=hint,
        )
    )
    if carried.results and isinstance(carried.results[0][1], np.ndarray):
        done = np.concatenate([rows for rows, _ in carried.results])
        values, order = np.concatenate([v for _, v in carried.results]), np.argsort(done)
        error.kept = Kept(done[order], values[order], paid)
    facts = [each for each in carried.errors.values() if isinstance(each, RunFacts)]
    error.rows, error.perhaps_paid = tuple(missing.tolist()), tuple(paid.tolist())
    error.job_ids = tuple(job for each in facts for job in each.job_ids)
    error.spent = " and ".join(each.spent for each in facts if each.spent)
    error.errors = dict(carried.errors)
    return error
