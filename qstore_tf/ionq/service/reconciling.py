"""Looks after what others have left behind: jobs that nobody waits for, money that stays reserved.

    in the journal                       what is done                        its reservation here
    planned, nobody in charge            -                                   released
    sending, uncertain; nobody in charge looked up in the service's lists    as one that is accepted
    accepted, nobody in charge           asked about; its end is written     settled, if it is over
    refused                              -                                   released
    completed, failed, canceled          -                                   settled by its bill

A process that has died, or one that knew nothing of this budget, leaves such things. Only what this
budget itself has reserved is settled with it. A job that is in no list stays as it is, and so does
its reservation: other keys and sessions see other lists, so that this is no proof that it was never
accepted. Running the same work again looks for it and settles it.

Others may be at the same at the same time. Whoever is in charge of a run wins: the journal changes
nothing under his hands, and doing any of this twice is doing it once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from qstore_tf.errors import LedgerError, QstoreError
from qstore_tf.ionq.money.balance import RESERVED
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.service import journal as states
from qstore_tf.ionq.service.client import NotThere, Transport
from qstore_tf.ionq.service.clock import Clock, Over, Patience
from qstore_tf.ionq.service.journal import Entry, Journal
from qstore_tf.ionq.service.paying import Payer
from qstore_tf.ionq.service.running import ENDS
from qstore_tf.ionq.service.submitting import MARGIN_S, Submitter
from qstore_tf.ionq.service.versions import Options

_log = logging.getLogger("qstore_tf")

EVERY_S = 60.0  # the shortest time between two looks
_PATIENCE_S = 20.0  # for one look: a run waits for it
_PART = 0.25  # of a run's deadline, that it may take at most


class Reconciler:
    """Looks after the jobs and the money of one machine. Safe for threads.

    Args:
        server: The address of the service.
        options: Of jobs; for their target.
        transport: Asks the service.
        journal: Where jobs are written.
        submitter: Finds jobs.
        payer: Settles their money.
        budget: What may have reserved for them; None: none.
        clock: The clock.
    """

    def __init__(
        self,
        server: str,
        options: Options,
        transport: Transport,
        journal: Journal,
        submitter: Submitter,
        payer: Payer,
        budget: Budget | None,
        clock: Clock,
    ) -> None:
        self._server, self._options = server, options
        self._transport, self._journal, self._submitter = transport, journal, submitter
        self._payer, self._budget, self._clock = payer, budget, clock
        self._lock = threading.Lock()
        self._next: float | None = None
        self._in_vain: set[str] = set()  # tokens whose jobs were looked for and are not there
        self._looked: dict[str, float] = {}  # when jobs were last looked at
        self._told: set[str] = set()  # tokens that a warning was about

    def now_and_then(self, deadline_s: float | None = None) -> bool:
        """Looks at everything that was left, unless that was done less than a minute ago.

        What cannot be done now, because the service does not answer or jobs still run, is done by a
        later look. Errors are logged and not raised: they are not those of the run that begins.

        Args:
            deadline_s: Of the run that waits for this; a part of it is taken at most.

        Returns:
            Whether it looked.
        """
        if self._options.dry_run:
            return False  # it has no bills
        with self._lock:
            if self._next is not None and self._clock.monotonic() < self._next:
                return False
            seconds = _PATIENCE_S if deadline_s is None else min(_PATIENCE_S, _PART * deadline_s)
            patience = Patience(self._clock, seconds)
            try:
                self._reservations(patience)
                self._jobs(patience)
            except Over:
                _log.warning("Not all that earlier runs have left was looked at; a later run will")
            except LedgerError as error:
                _log.warning("What earlier runs have left was not looked at: %s", error)
            self._next = self._clock.monotonic() + EVERY_S
            return True

    def _jobs(self, patience: Patience) -> None:
        """Finds out how jobs have ended that nobody waits for."""
        now = self._clock.time()
        left = self._journal.left_behind(self._server, self._options.target, now)
        # Where there is no time for all of them, those come first that were not looked at.
        for entry in sorted(left, key=lambda entry: self._looked.get(entry.token, 0.0)):
            if entry.token not in self._in_vain:
                self._looked[entry.token] = self._clock.monotonic()
                self._try(self._job, entry, patience)

    def _job(self, entry: Entry, patience: Patience) -> None:
        if entry.state != states.ACCEPTED:
            found = self._submitter.find(entry, patience)
            if found is None:
                self._is_not_there(entry)
                return
            entry = self._write(entry, states.ACCEPTED, job=found.id)
            self._submitter.find(entry, patience)  # for copies of it, while they may still wait
        job = self._transport.job(entry.job or "", patience)
        if not job.is_over:
            return
        self._submitter.find(entry, patience)  # for copies of it, once more
        self._payer.settle_left(entry, job, patience)  # first, as a crash in between repeats it
        self._write(entry, ENDS[job.state], text=job.text)

    def _reservations(self, patience: Patience) -> None:
        """Settles what this budget has reserved for jobs that others have seen end."""
        if self._budget is None:
            return
        tokens = [each.key for each in self._budget.entries(RESERVED)]
        for entry in self._journal.those_of(tokens, self._server, self._options.target):
            if entry.token not in self._in_vain:
                self._try(self._reservation, entry, patience)

    def _try(
        self, act: Callable[[Entry, Patience], None], entry: Entry, patience: Patience
    ) -> None:
        try:
            act(entry, patience)
        except QstoreError as error:  # or somebody else is at it as well
            if isinstance(error, NotThere):
                self._is_not_there(entry)
            if entry.token not in self._told:
                self._told.add(entry.token)
                _log.warning(
                    "Job qs-%s of an earlier run, and what is reserved for it, stay as they are: "
                    "%s",
                    entry.token,
                    error,
                )

    def _is_not_there(self, entry: Entry) -> None:
        """Does not look for a job again that lists and states cannot be late for any more."""
        if self._clock.time() - entry.time > MARGIN_S:
            self._in_vain.add(entry.token)

    def _reservation(self, entry: Entry, patience: Patience) -> None:
        if entry.state == states.PLANNED:
            now = self._clock.time()
            self._journal.while_left(entry, now, lambda: self._payer.release(entry))
        elif entry.state == states.REFUSED:
            self._payer.release(entry)
        elif entry.state in ENDS.values():
            job = self._transport.job(entry.job or "", patience)
            self._payer.settle_late(entry, job, patience)

    def _write(self, entry: Entry, state: str, **fields: str) -> Entry:
        return self._journal.change(entry, state, self._clock.time(), if_left=True, **fields)
