"""What each job cost: estimated and billed, by job, target, phase and layer."""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from decimal import Decimal
from typing import Any

from qstore_tf.errors import ConfigurationError, PriceError, describe, did_you_mean
from qstore_tf.ionq.money.amounts import add, count, currency_code, exact, plain
from qstore_tf.ionq.money.estimating import duration, text_table
from qstore_tf.ionq.money.files import SharedFile

PHASES = ("train", "validation", "predict", "")
GROUPS = ("token", "job_id", "target", "phase", "layer", "currency")
_LONGEST_NAME = 200
_MARK = 0x71536374  # chosen once, for files of costs
_SCHEMA = (
    "CREATE TABLE jobs (token TEXT PRIMARY KEY, number INTEGER NOT NULL, job TEXT NOT NULL)",
)


@dataclass(frozen=True, kw_only=True)
class JobCost:
    """What is known of one job; None: not known yet.

    Attributes:
        token: The journal's token, which no two jobs share.
        job_id: The service's name of it.
        target: The machine, such as "qpu.forte-1".
        phase: "train", "validation", "predict" or "".
        layer: The name of the layer that it was run for.
        circuits: How many circuits.
        shots: The shots of all circuits together.
        gates_1q: The one-qubit gates of all circuits, each counted once.
        gates_2q: The two-qubit gates.
        estimated: What was reserved for it.
        billed: What the service billed.
        currency: Of both.
        queue_s: How long it waited, in seconds.
        run_s: How long it ran.
    """

    token: str
    job_id: str | None = None
    target: str | None = None
    phase: str | None = None
    layer: str | None = None
    circuits: int | None = None
    shots: int | None = None
    gates_1q: int | None = None
    gates_2q: int | None = None
    estimated: Decimal | None = None
    billed: Decimal | None = None
    currency: str | None = None
    queue_s: float | None = None
    run_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Sums over jobs of one currency.

    Attributes:
        group: What the jobs have in common: a value for each name that was asked for.
        currency: Of the amounts; "" for jobs without any.
        jobs: How many jobs.
        circuits: How many circuits.
        shots: Of all circuits together.
        gates_1q: One-qubit gates of all circuits.
        gates_2q: Two-qubit gates.
        estimated: What was estimated.
        billed: What was billed, so far.
        unbilled: The jobs whose bill is not known.
        queue_s: Seconds of waiting.
        run_s: Seconds of running.
    """

    group: tuple[str, ...]
    currency: str
    jobs: int
    circuits: int
    shots: int
    gates_1q: int
    gates_2q: int
    estimated: Decimal
    billed: Decimal
    unbilled: int
    queue_s: float
    run_s: float


class CostTracker:
    """Records what jobs cost.

    Give it to a backend, or use it as a context manager: while it is entered, it records the jobs
    of every backend of this process. A job that is told twice is one job.

    Args:
        path: A file on a disk of this machine, which several processes may share and which is
            there again after a restart. None: in a temporary file of this process.

    Raises:
        LedgerError: The file cannot be used.

    Example:
        >>> with CostTracker() as tracker:
        ...     record("a", phase="train", shots=1000, estimated="30.25", currency="USD")
        ...     record("b", phase="predict", shots=500, estimated="12.5", currency="USD")
        ...     record("a", billed="25.79", run_s=2.5)
        >>> print(tracker.table("phase"))
        phase    currency  jobs  circuits  shots  1q  2q  estimated  billed  unbilled    ran
        train    USD          1         0   1000   0   0      30.25   25.79         0  2.5 s
        predict  USD          1         0    500   0   0       12.5       0         1    0 s
        >>> tracker.total("USD").billed
        Decimal('25.79')
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self._file = SharedFile(path, "costs of jobs", _MARK, _SCHEMA)
        with self._file.reading():
            pass  # an error of the file belongs here

    def record(self, token: str, **known: Any) -> None:
        """Notes what is known of a job; what is None stays as it was noted before.

        Args:
            token: The job's token.
            known: Fields of `JobCost`.

        Raises:
            ConfigurationError: There is no such field, or its value is none.
            PriceError: An amount is none, has no currency or another one than before.
        """
        job = _checked(token, known)
        with self._file.writing() as sql:
            row = sql.execute("SELECT job FROM jobs WHERE token = ?", (job.token,)).fetchone()
            before = JobCost(token=job.token) if row is None else _read(row[0])
            news = {name: value for name, value in vars(job).items() if value is not None}
            now = replace(before, **news)
            amounts = [each for each in (now.estimated, now.billed) if each is not None]
            if before.currency not in (None, now.currency) or (amounts and not now.currency):
                raise PriceError(
                    describe(
                        f"The amounts of job {token!r} need one currency",
                        expected=before.currency or "a currency such as 'USD'",
                        received=job.currency,
                    )
                )
            if row is None:
                statement = "INSERT INTO jobs SELECT ?, 1 + count(*), ? FROM jobs"
                sql.execute(statement, (job.token, _write(now)))
            else:
                statement = "UPDATE jobs SET job = ? WHERE token = ?"
                sql.execute(statement, (_write(now), job.token))

    def jobs(self) -> list[JobCost]:
        """Returns all jobs in the order in which they were first recorded."""
        with self._file.reading() as sql:
            rows = sql.execute("SELECT job FROM jobs ORDER BY number").fetchall()
        return [_read(row[0]) for row in rows]

    def totals(self, *by: str) -> list[Totals]:
        """Returns sums of the jobs that have the same values; different currencies stay apart.

        Args:
            by: Names among "target", "phase", "layer", "job_id", "token"; none: of all jobs.

        Raises:
            ConfigurationError: There is no such name.
        """
        for name in by:
            if name not in GROUPS:
                hint = did_you_mean(str(name)[:100], GROUPS)
                raise ConfigurationError(
                    describe("Costs cannot be summed by this", received=name, hint=hint)
                )
        groups: dict[tuple[tuple[str, ...], str], list[JobCost]] = {}
        for job in self.jobs():
            group = tuple(getattr(job, name) or "" for name in by)
            groups.setdefault((group, job.currency or ""), []).append(job)
        return [_total(*key, jobs) for key, jobs in groups.items()]

    def total(self, currency: str = "USD") -> Totals:
        """Returns the sum of all jobs in a currency, those of unknown currency left out."""
        every = [job for job in self.jobs() if job.currency == currency]
        return _total((), currency, every)

    def table(self, *by: str) -> str:
        """Returns `totals` as text."""
        titles = (*by, "currency", "jobs", "circuits", "shots", "1q", "2q")
        lines = [(*titles, "estimated", "billed", "unbilled", "ran")]
        for each in self.totals(*by):
            counts = (each.jobs, each.circuits, each.shots, each.gates_1q, each.gates_2q)
            amounts = (plain(each.estimated), plain(each.billed), str(each.unbilled))
            ran = duration(each.run_s)
            lines.append((*each.group, each.currency, *map(str, counts), *amounts, ran))
        return text_table(lines, left=len(by) + 1)

    def to_dict(self) -> dict[str, Any]:
        """Returns all jobs, and the totals by phase, as JSON can hold them; amounts as text."""
        return {
            "jobs": [_as_json(job) for job in self.jobs()],
            "totals": [_as_json(each) for each in self.totals("phase")],
        }

    def __enter__(self) -> CostTracker:
        """Records the jobs of every backend of this process from now on."""
        with _lock:
            _entered.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        """Records no more than what it is told."""
        with _lock:
            _entered.remove(self)

    def __str__(self) -> str:
        """The table by target and phase."""
        return self.table("target", "phase")


_lock = threading.Lock()
_entered: list[CostTracker] = []


def record(token: str, trackers: Iterable[CostTracker | None] = (), **known: Any) -> None:
    """Tells a job to all trackers that are entered, and to those given.

    Args:
        token: The job's token.
        trackers: Further trackers; None among them is left out.
        known: As in `CostTracker.record`.
    """
    with _lock:
        told = [*_entered, *trackers]
    for tracker in told:
        if tracker is not None:
            tracker.record(token, **known)  # twice is as good as once


_NAMES = ("token", "job_id", "target", "phase", "layer")
_COUNTS = ("circuits", "shots", "gates_1q", "gates_2q")
_AMOUNTS = ("estimated", "billed")
_TIMES = ("queue_s", "run_s")
_FIELDS = tuple(field.name for field in fields(JobCost))


def _checked(token: Any, known: dict[str, Any]) -> JobCost:
    for name in known:
        if name not in _FIELDS or name == "token":
            hint = did_you_mean(name, _FIELDS)
            raise ConfigurationError(
                describe("Nothing of this name is known of jobs", received=name, hint=hint)
            )
    values = {"token": token, **{k: value for k, value in known.items() if value is not None}}
    for name, value in values.items():
        if name in _AMOUNTS:
            values[name] = exact(value, name, PriceError)
        elif name in _COUNTS:
            values[name] = count(value, name)
        elif name == "currency":
            values[name] = currency_code(value)
        elif name in _TIMES:
            values[name] = _time(name, value)
        elif not isinstance(value, str) or len(value) > _LONGEST_NAME or (name, value) == _NO_TOKEN:
            expected = f"text of at most {_LONGEST_NAME} characters"
            raise ConfigurationError(
                describe(f"{name} of a job is no name", expected=expected, received=value)
            )
    if values.get("phase", "") not in PHASES:
        expected = "'train', 'validation' or 'predict'"
        received = values["phase"]
        raise ConfigurationError(describe("This is no phase", expected=expected, received=received))
    return JobCost(**values)


_NO_TOKEN = ("token", "")


def _time(name: str, value: Any) -> float:
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    if not usable or not 0 <= value < math.inf:
        expected = "a number of seconds"
        raise ConfigurationError(
            describe(f"{name} of a job is no time", expected=expected, received=value)
        )
    return float(value)


def _total(group: tuple[str, ...], currency: str, jobs: Sequence[JobCost]) -> Totals:
    return Totals(
        group=group,
        currency=currency,
        jobs=len(jobs),
        circuits=sum(job.circuits or 0 for job in jobs),
        shots=sum(job.shots or 0 for job in jobs),
        gates_1q=sum(job.gates_1q or 0 for job in jobs),
        gates_2q=sum(job.gates_2q or 0 for job in jobs),
        estimated=add(*(job.estimated or Decimal(0) for job in jobs)),
        billed=add(*(job.billed or Decimal(0) for job in jobs)),
        unbilled=sum(job.billed is None for job in jobs),
        queue_s=math.fsum(job.queue_s or 0.0 for job in jobs),
        run_s=math.fsum(job.run_s or 0.0 for job in jobs),
    )


def _as_json(part: JobCost | Totals) -> dict[str, Any]:
    values = asdict(part)
    return {k: plain(v) if isinstance(v, Decimal) else v for k, v in values.items()}


def _write(job: JobCost) -> str:
    return json.dumps(_as_json(job))


def _read(text: str) -> JobCost:
    values = json.loads(text)
    for name in _AMOUNTS:
        values[name] = None if values[name] is None else Decimal(values[name])
    return JobCost(**values)
