"""Sends a job so that the service has it once, whatever happens to the answer.

Before it is sent, the journal has it with a token, which goes along in its name and metadata. Where
the answer does not tell whether it was accepted, the service's lists do: they are read, for some
time because they may lag, and only if the token is in none of them the job is sent again. After
some unclear answers nothing more is sent.

What remains is a service that lists a job only after that time: then there can be two. They are
looked for when the job is over; copies that wait are canceled, others are reported. IonQ's API has
no key by which it could recognize a repetition, so that this cannot be excluded altogether.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from qstore_tf.errors import (
    AuthenticationError,
    RefusedError,
    ServiceError,
    SubmissionUncertainError,
    describe,
)
from qstore_tf.ionq.service import journal as states
from qstore_tf.ionq.service.client import NotAccepted, NotThere, Transport, Unclear
from qstore_tf.ionq.service.clock import Clock, Over, Patience
from qstore_tf.ionq.service.counting import Counts
from qstore_tf.ionq.service.jobs import CANCELED, COMPLETED, FAILED, QUEUED, RUNNING, Job
from qstore_tf.ionq.service.journal import Entry, Journal
from qstore_tf.ionq.service.retrying import Retries
from qstore_tf.ionq.service.versions import Body

_log = logging.getLogger("qstore_tf")

MARGIN_S = 900.0  # by how much the service's clock may differ from ours
# Of several copies of a job, the one to keep: what was run is not to be run again.
_BEST_FIRST = {COMPLETED: 0, RUNNING: 1, QUEUED: 2, FAILED: 3, CANCELED: 4}


class Submitter:
    """Sends jobs of a target.

    Args:
        transport: Calls the service.
        journal: Where everything is written first.
        clock: The clock.
        target: The machine.
        session: The id of a session, or None.
        settle_s: For how long lists are read before a job is taken as not accepted.
        most_unclear: After how many unclear answers nothing more is sent.
        retries: Pauses between tries.
        counts: Where they are counted.
        on_copy: Called with an entry and a copy of its job that was run, or runs.
        rng: Spreads pauses.
    """

    def __init__(
        self,
        transport: Transport,
        journal: Journal,
        clock: Clock,
        target: str,
        session: str | None = None,
        settle_s: float = 30.0,
        most_unclear: int = 3,
        retries: Retries | None = None,
        counts: Counts | None = None,
        on_copy: Callable[[Entry, Job, Patience], None] = lambda entry, job, patience: None,
        rng: random.Random | None = None,
    ) -> None:
        self._transport, self._journal, self._clock = transport, journal, clock
        self._target, self._session = target, session
        self._settle_s, self._most_unclear = settle_s, most_unclear
        self._retries, self._counts = retries or Retries(), counts or Counts()
        self._on_copy, self._rng = on_copy, rng

    def submit(self, entry: Entry, make: Callable[[str], Body], patience: Patience) -> Entry:
        """Sends a job that is planned, or finds out what became of one that was sent.

        Args:
            entry: What the journal has of it.
            make: Makes what is sent, with the token.
            patience: For how long.

        Returns:
            The entry, accepted.

        Raises:
            SubmissionUncertainError: Nobody knows whether it was accepted; it names the token.
            RefusedError: The service refuses such a job.
            AuthenticationError: The key is not good.
            UnreachableError: It could not be reached for too long; nothing was accepted.
            Over: The patience is. The entry in the journal says how far it came.
        """
        if entry.state in (states.SENDING, states.UNCERTAIN):
            entry = self.settle(entry, patience)
        if entry.state == states.ACCEPTED:
            return entry
        body, tries, begin = make(entry.token), 0, self._clock.monotonic()
        while True:
            patience.check()
            now = self._clock.time()
            sent = now if entry.sent is None else entry.sent
            entry = self._change(entry, states.SENDING, unclear=entry.unclear + 1, sent=sent)
            try:
                job = self._transport.submit(body, patience)
            except Over:
                self._change(entry, states.PLANNED, unclear=entry.unclear - 1)
                raise
            except NotAccepted as error:
                entry = self._change(entry, states.PLANNED, unclear=entry.unclear - 1)
                tries += 1
                pause = self._retries.pause(tries, error.pause_s, self._rng)
                if self._clock.monotonic() + pause - begin > self._retries.total_s:
                    raise
                self._counts.add("retries")
                patience.wait(pause)
            except Unclear as error:
                self._counts.add("ambiguous")
                entry = self.settle(entry, patience, error)
                if entry.state == states.ACCEPTED:
                    return entry
                self._counts.add("sent_again")
            except (RefusedError, AuthenticationError) as error:
                if entry.unclear == 1:
                    self._change(entry, states.REFUSED, text=error.text)
                raise
            else:
                entry = replace(entry, unclear=entry.unclear - 1)  # this answer was clear
                return self._accepted(entry, job)

    def settle(self, entry: Entry, patience: Patience, cause: ServiceError | None = None) -> Entry:
        """Finds out by listing whether a job was accepted.

        Returns:
            The entry, accepted; or planned, where it was not and may be sent again.

        Raises:
            SubmissionUncertainError: It is not there, but was sent often enough; or lists cannot be
                had.
            Over: The patience is.
        """
        begin, tries = self._clock.monotonic(), 0
        while True:
            asked_s = self._clock.monotonic() - begin
            try:
                found = self.find(entry, patience)
            except ServiceError as error:
                raise self._uncertain(entry, error) from error
            if found is not None:
                return self._accepted(entry, found.id)
            if asked_s >= self._settle_s:
                break
            tries += 1
            left = self._settle_s - (self._clock.monotonic() - begin)
            patience.wait(min(self._retries.pause(tries, None, self._rng), max(0.0, left)))
        if entry.unclear >= self._most_unclear and entry.state == states.SENDING:
            entry = self._change(entry, states.UNCERTAIN)
            raise self._uncertain(entry, cause) from cause
        again = 0 if entry.state == states.UNCERTAIN else entry.unclear
        return self._change(entry, states.PLANNED, unclear=again)

    def find(self, entry: Entry, patience: Patience) -> Job | None:
        """Returns the job of an entry by listing once.

        Its copies are dealt with where the entry has its job; before, none of them is a copy.

        Raises:
            ServiceError: Lists cannot be had.
            Over: The patience is.
        """
        since = (self._clock.time() if entry.sent is None else entry.sent) - MARGIN_S
        # By id: pages move on while they are read, where jobs are accepted meanwhile, and what
        # ended one page begins the next. That is the same job, and not a copy of it.
        by_id: dict[str, Job] = {}
        try:
            for job in self._transport.listing(self._target, self._session, patience):
                if job.token == entry.token:
                    by_id[job.id] = job
                if job.submitted is not None and job.submitted < since:
                    break
        except ServiceError:
            if not by_id:
                raise  # it may be further down
        if entry.job is not None:
            by_id.setdefault(entry.job, Job(entry.job, COMPLETED, entry.token))
        found = sorted(
            by_id.values(), key=lambda job: (job.id != entry.job, _BEST_FIRST[job.state])
        )
        # Which of them is the job is written before the others are copies: whoever looks again,
        # after a crash in between or at the same time, may find another one the best.
        for copy in found[1:] if entry.job is not None else ():
            self._deal_with(entry, copy, patience)
        return found[0] if found else None

    def _deal_with(self, entry: Entry, copy: Job, patience: Patience) -> None:
        """Cancels a copy that waits; reports one that was run, and so is paid."""
        try:
            if copy.state == QUEUED:
                self._transport.cancel(copy.id, patience)
                copy = self._transport.job(copy.id, patience)
        except NotThere:
            pass
        known = self._journal.copy_state(copy.id)
        if known not in (None, QUEUED) or known == copy.state:
            return  # one that seemed to wait may have begun before it was canceled
        if copy.ran:
            self._on_copy(entry, copy, patience)  # first, as a crash in between repeats it
        self._journal.copy(entry.token, copy.id, copy.state)
        if known is None:
            self._counts.add("duplicates")
        words = "was run as well" if copy.ran else f"is {copy.state}"
        _log.warning("IonQ has job %s twice: its copy %s %s", entry.token, copy.id, words)

    def _accepted(self, entry: Entry, job: str) -> Entry:
        self._counts.add("jobs")
        return self._change(entry, states.ACCEPTED, job=job, unclear=entry.unclear)

    def _change(self, entry: Entry, state: str, **fields: Any) -> Entry:
        return self._journal.change(entry, state, self._clock.time(), **fields)

    def _uncertain(self, entry: Entry, cause: ServiceError | None) -> SubmissionUncertainError:
        error = SubmissionUncertainError(
            describe(
                f"Whether IonQ has accepted job qs-{entry.token} cannot be told"
                + ("" if cause is None else f": {cause}"),
                hint="It is not sent again by itself. Running the same work again looks for it "
                "first",
            )
        )
        error.token = entry.token
        error.text = "" if cause is None else cause.text
        return error
