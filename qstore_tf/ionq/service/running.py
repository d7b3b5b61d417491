"""One run: its jobs sent, waited for and fetched, several at a time, and a tidy end of all of them.

A thread for each job that may be in flight sends and waits; what is over is fetched beside, so that
the next job need not wait for that. The thread that asked for the run only waits: Ctrl-C and
deadlines reach it at once, and the others are told to stop. Whatever they were doing is in the
journal; what waits on the service is canceled, what runs is left to whoever asks for the same work.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from qstore_tf.errors import (
    DeadlineError,
    JobCanceledError,
    JobError,
    JobFailedError,
    RefusedError,
    ResultsError,
    RunFacts,
    RunInterrupted,
    ServiceError,
    describe,
)
from qstore_tf.ionq.service import journal as states
from qstore_tf.ionq.service.client import NotThere, Transport
from qstore_tf.ionq.service.clock import Clock, Over, Patience
from qstore_tf.ionq.service.counting import Counts
from qstore_tf.ionq.service.delivering import NotAllSent, deliver, sends
from qstore_tf.ionq.service.interrupts import told
from qstore_tf.ionq.service.jobs import CANCELED, COMPLETED, FAILED, QUEUED, Job
from qstore_tf.ionq.service.journal import Entry, Journal
from qstore_tf.ionq.service.outcomes import Outcomes
from qstore_tf.ionq.service.paying import Payer
from qstore_tf.ionq.service.planning import Part
from qstore_tf.ionq.service.results import decode
from qstore_tf.ionq.service.submitting import Submitter
from qstore_tf.ionq.service.versions import Body, Options
from qstore_tf.ionq.service.waiting import Waiter

_log = logging.getLogger("qstore_tf")

_CLEAN_S = 30.0  # for canceling what waits, once there is no more time
_WHILE_ABSENT_S = 60.0  # results of a completed job may be late
# Errors that other jobs of the run need not meet.
_OF_ONE_JOB = (JobError, ResultsError, RefusedError)
# Of a job whose outcomes are not here.
_ON_THE_SERVICE = (states.SENDING, states.UNCERTAIN, states.ACCEPTED, states.COMPLETED)
# What the journal notes of a job that is over.
ENDS = {COMPLETED: states.COMPLETED, FAILED: states.FAILED, CANCELED: states.CANCELED}


class Running:
    """The jobs of one run.

    Args:
        transport: Calls the service.
        version: Of the API.
        options: Of the jobs.
        journal: Where everything is written first.
        submitter: Sends jobs.
        waiter: Waits for them.
        payer: Their money.
        clock: The clock.
        counts: What is counted.
        deadline_s: For how long the run may take; None: without end.
        begun: When it began, by the clock.
        max_in_flight: Jobs that wait or run on the service at the same time.
        checks_copies: Whether to look for second copies of every job, and not only of those whose
            submission was unclear.
    """

    def __init__(
        self,
        transport: Transport,
        version: str,
        options: Options,
        journal: Journal,
        submitter: Submitter,
        waiter: Waiter,
        payer: Payer,
        clock: Clock,
        counts: Counts,
        deadline_s: float | None,
        begun: float,
        max_in_flight: int,
        checks_copies: bool,
    ) -> None:
        self._transport, self._version, self._options = transport, version, options
        self._journal, self._submitter, self._waiter = journal, submitter, waiter
        self._payer, self._clock, self._counts = payer, clock, counts
        self._deadline_s, self._max_in_flight = deadline_s, max_in_flight
        self._checks_copies = checks_copies
        self._stop, self._no_more = threading.Event(), threading.Event()
        self._interrupted = threading.Event()
        left = None if deadline_s is None else begun + deadline_s - clock.monotonic()
        self._patience = Patience(clock, left, self._stop)
        self._outcomes: dict[int, list[Outcomes]] = {}
        self._errors: dict[int, BaseException] = {}
        self._jobs: dict[int, str] = {}
        self._tokens: dict[int, str] = {}
        self._sends = sends()
        self._ran_in_vain: set[int] = set()  # parts that may be billed, and have no outcomes

    @property
    def outcomes(self) -> dict[int, list[Outcomes]]:
        """The outcomes that were fetched so far, by the index of their part."""
        return dict(self._outcomes)

    def run(self, run: states.Run, parts: Sequence[Part]) -> list[list[Outcomes]]:
        """Returns the outcomes of each part.

        Raises:
            JobError: Jobs failed, were canceled or are stuck, or there was no more time; it says
                which circuits are missing.
            ServiceError: The service cannot be used; it says so too.
            BudgetExceededError: The budget cannot pay; nothing was sent.
            RunInterrupted: Ctrl-C.
        """
        entries = {entry.part: entry for entry in run.entries}
        self._tokens = {entry.part: entry.token for entry in run.entries}
        try:
            self._reserve(run, parts, entries)
            # What cannot be written is not sent, nor anything before it.
            senders = ThreadPoolExecutor(min(len(parts), self._max_in_flight), "qstore-ionq")
            fetchers = ThreadPoolExecutor(min(len(parts), self._max_in_flight), "qstore-ionq")
            with fetchers, senders:
                fetched: list[Future[None]] = []
                sent = [
                    senders.submit(self._carry, part, entries[part.index], fetchers, fetched)
                    for part in parts
                ]
                with told(self._interrupt):
                    try:
                        wait(sent)
                        wait(fetched)
                    except KeyboardInterrupt:
                        self._interrupt()
                        wait(sent)
                        wait(fetched)
                for future in (*sent, *fetched):
                    future.result()  # raises what nobody foresaw
            if not self._errors and not self._interrupted.is_set():
                deliver(self._journal, run.id)
                return [self._outcomes[part.index] for part in parts]
            raise self._error(parts)
        except BaseException as error:
            self._stop.set()
            try:
                if isinstance(error, RunFacts):
                    self._tell(error, parts)
            finally:
                self._journal.release(run.id)
            raise

    def _reserve(self, run: states.Run, parts: Sequence[Part], entries: dict[int, Entry]) -> None:
        """Reserves for all jobs that are not sent, before the first of them is."""
        done: list[Entry] = []
        try:
            for part in parts:
                entry = entries[part.index]
                if entry.state == states.PLANNED and self._sends:
                    done.append(entry)  # first: an error may come once it is reserved
                    self._payer.reserve(entry, part, len(parts), run.is_adopted, self._patience)
        except BaseException:
            for entry in done:
                self._payer.release(entry)
            raise

    def _carry(
        self,
        part: Part,
        entry: Entry,
        fetchers: ThreadPoolExecutor,
        fetched: list[Future[None]],
    ) -> None:
        """Sends a job and waits until it is over."""
        try:
            job = self._finished(part, entry)
            if job is not None:
                fetched.append(fetchers.submit(self._fetch, part, entry.token, job))
        except Over as error:
            self._errors[part.index] = error
            self._clean(entry.token)
        except Exception as error:
            self._errors[part.index] = error
            self._no_more.set()
            if not isinstance(error, _OF_ONE_JOB):
                self._stop.set()  # the others would meet the same
            self._clean_after(entry.token)

    def _finished(self, part: Part, entry: Entry) -> Job | None:
        if entry.state == states.COMPLETED:
            self._counts.add("adopted")
            self._jobs[part.index] = entry.job or ""
            # Asked for once more, because it knows the order of its circuits.
            try:
                job = self._transport.job(entry.job or "", self._patience)
            except NotThere as error:
                raise self._gone(entry, part) from error
            self._payer.settle_late(entry, job, self._patience)
            return job
        if entry.state in (states.SENDING, states.UNCERTAIN) and not self._sends:
            entry = self._submitter.settle(entry, self._patience)
        if entry.state == states.PLANNED and (self._no_more.is_set() or not self._sends):
            raise Over
        known_s = 0.0
        if entry.state == states.ACCEPTED:
            self._counts.add("adopted")
            known_s = max(0.0, self._clock.time() - entry.time)
        else:
            entry = self._submitter.submit(entry, self._maker(part), self._patience)
        assert entry.job is not None
        self._jobs[part.index] = entry.job
        self._find_copies(entry, self._patience)  # while they may still wait
        try:
            job = self._waiter.wait(entry.job, part.n_circuits, self._patience, known_s)
        except NotThere as error:
            raise self._gone(entry, part) from error
        self._ended(entry, job, self._patience)
        if job.state == COMPLETED:
            self._counts.add("circuits", part.n_circuits)
            self._counts.add("shots", self._payer.shots(entry))
            return job
        raise _unsuccessful(job, part)

    def _gone(self, entry: Entry, part: Part) -> JobError:
        """Gives up a job that the service has forgotten; what it may have cost stays reserved."""
        text = "the service does not know it any more"
        self._ran_in_vain.add(part.index)
        self._journal.change(entry, states.CANCELED, self._clock.time(), text=text)
        return _unsuccessful(Job(entry.job or "", CANCELED, text=text), part)

    def _maker(self, part: Part) -> Callable[[str], Body]:
        return lambda token: part.body(self._version, self._options, token)

    def _ended(self, entry: Entry, job: Job, patience: Patience) -> None:
        """Looks for copies of a job that is over, settles its money, and writes how it ended.

        In this order: who finds the job accepted, after a crash in between, settles it again.
        """
        self._find_copies(entry, patience)
        self._payer.settle(entry, job, patience)
        self._journal.change(entry, ENDS[job.state], self._clock.time(), text=job.text)
        if job.state == CANCELED and job.ran:
            self._ran_in_vain.add(entry.part)
        if job.state != COMPLETED:
            self._counts.add(job.state)
        self._counts.add("queue_s", job.queue_s or 0.0)
        self._counts.add("run_s", job.run_s or 0.0)

    def _find_copies(self, entry: Entry, patience: Patience) -> None:
        """Deals with copies of a job; lists that cannot be read are no reason to lose outcomes."""
        if not (self._checks_copies or entry.unclear):
            return
        try:
            self._submitter.find(entry, patience)
        except ServiceError as error:
            _log.warning("Whether IonQ has job qs-%s twice is not known: %s", entry.token, error)

    def _fetch(self, part: Part, token: str, job: Job) -> None:
        """Fetches and reads the results of a job."""
        try:
            begin = self._clock.monotonic()
            while not self._options.dry_run:
                try:
                    document = self._transport.results(
                        job, part.n_circuits > 1, self._options.aggregation, self._patience
                    )
                    break
                except NotThere:
                    if self._clock.monotonic() - begin > _WHILE_ABSENT_S:
                        raise
                    self._patience.wait(0.5)
            else:
                self._outcomes[part.index] = []
                return
            shots = self._options.given_shots
            self._outcomes[part.index] = decode(document, part.n_wires, shots, job.children)
        except Exception as error:
            self._errors[part.index] = error
            self._no_more.set()
            if not isinstance(error, (*_OF_ONE_JOB, Over)):
                self._stop.set()

    def _clean(self, token: str) -> None:
        """Cancels a job that waits, once there is no more time; what runs is left."""
        patience = Patience(self._clock, _CLEAN_S)
        try:
            entry = self._journal.entry(token)
            if entry.state == states.PLANNED:
                self._payer.release(entry)
                return
            if entry.state == states.SENDING:
                found = self._submitter.find(entry, patience)
                if found is None:
                    return
                now = self._clock.time()
                entry = self._journal.change(entry, states.ACCEPTED, now, job=found.id)
                self._find_copies(entry, patience)
            if entry.state != states.ACCEPTED or entry.job is None:
                return
            job = self._transport.job(entry.job, patience)
            if job.state == QUEUED:
                self._transport.cancel(entry.job, patience)
                job = self._transport.job(entry.job, patience)
            if job.is_over:
                self._ended(entry, job, patience)
        except (Exception, Over) as error:
            _log.warning("Job qs-%s may go on on the service: %s", token, error)

    def _clean_after(self, token: str) -> None:
        """Frees what was set aside for a job that an error has kept from being sent."""
        entry = self._journal.entry(token)
        if entry.state in (states.PLANNED, states.REFUSED):
            self._payer.release(entry)

    def _interrupt(self) -> None:
        self._interrupted.set()
        self._stop.set()

    def _error(self, parts: Sequence[Part]) -> BaseException:
        """The error of the run, with what is missing."""
        first = next((e for _, e in sorted(self._errors.items()) if not isinstance(e, Over)), None)
        missing = [part for part in parts if part.index not in self._outcomes]
        names = ", ".join(self._jobs[p.index] for p in missing if p.index in self._jobs)
        spent = self._payer.spent
        left = f"{spent} spent; jobs that were accepted: {names or 'none'}"
        if self._interrupted.is_set():
            error: BaseException = RunInterrupted(describe(f"Interrupted: {left}"))
            _log.warning("%s", error)  # TensorFlow keeps an error's words back at Ctrl-C
        elif first is not None:
            error = first
        elif not self._sends:
            error = NotAllSent(describe(f"Not everything was sent by an earlier run: {left}"))
        else:
            error = DeadlineError(
                describe(
                    f"There was no more time: {left}",
                    expected=f"an end within {self._deadline_s:g} s",
                    hint="Running the same work again takes up what was accepted",
                )
            )
        return error

    def _tell(self, error: RunFacts, parts: Sequence[Part]) -> None:
        """Tells an error what is missing, and what became of it."""
        missing = [part for part in parts if part.index not in self._outcomes]
        error.circuits = _circuits(missing)
        error.unsettled = _circuits(part for part in missing if self._is_unsettled(part))
        of_all = isinstance(error, DeadlineError | NotAllSent | RunInterrupted)
        error.job_ids = tuple(
            self._jobs[part.index]
            for part in missing
            if part.index in self._jobs
            and (of_all or isinstance(self._errors.get(part.index), type(error)))
        )
        error.completed = sum(p.n_circuits for p in parts) - len(error.circuits)
        error.spent = self._payer.spent

    def _is_unsettled(self, part: Part) -> bool:
        """Whether the service has a part's job, or may have it, or may bill it."""
        token = self._tokens.get(part.index)
        if token is None:
            return False
        ran = part.index in self._ran_in_vain or token in self._payer.in_vain
        return ran or self._journal.entry(token).state in _ON_THE_SERVICE


def _circuits(parts: Iterable[Part]) -> tuple[int, ...]:
    """The positions of all circuits of some parts."""
    return tuple(k for part in parts for k in range(part.first, part.first + part.n_circuits))


def _unsuccessful(job: Job, part: Part) -> JobError:
    said = ": ".join(filter(None, (job.code, job.text))) or "the service does not say why"
    kind = JobFailedError if job.state == FAILED else JobCanceledError
    last = part.first + part.n_circuits - 1
    which = f"circuit {last}" if part.n_circuits == 1 else f"circuits {part.first} to {last}"
    error = kind(
        describe(
            f"Job {job.id} with {which} {'failed' if job.state == FAILED else 'was canceled'}",
            received=said,
            hint="Running the same work again sends only what is missing",
        )
    )
    error.code, error.text = job.code, job.text
    return error
