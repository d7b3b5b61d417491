"""Everything qstore_tf raises on purpose, in one small hierarchy.

Catch `QstoreError` for all of it. The classes also derive from the built-in exception that
fits, so code that knows nothing of qstore_tf and catches `ValueError` works too. Every message
says what happened, what was expected, what was received and what to do; `describe` writes it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any


class QstoreError(Exception):
    """Base class of all errors raised by qstore_tf."""

    # AutoGraph raises an error of a tf.function again as its own type only where it sees this
    # very constructor; else InputError and the others would come out as its StagingError.
    __init__ = Exception.__init__


class CircuitError(QstoreError, ValueError):
    """A malformed circuit: unknown gate, bad targets, bad parameters, unbound symbols."""


class ObservableError(QstoreError, ValueError):
    """An observable that cannot be read or does not fit the circuit."""


class ConversionError(QstoreError, ValueError):
    """A circuit that cannot be converted to or from another format (Cirq, OpenQASM, JSON)."""


class ConfigurationError(QstoreError, ValueError):
    """A wrong option: backend, gradient, encoding, ansatz, entanglement or layer argument."""


class InputError(QstoreError, ValueError):
    """A tensor of the wrong rank, shape or dtype fed to a layer or function."""


class LibraryError(QstoreError, RuntimeError):
    """The native op library is missing or cannot be loaded."""


class BackendError(QstoreError, RuntimeError):
    """A simulator beneath failed while it ran; the message names the row of the batch."""


class WorkerLostError(QstoreError, RuntimeError):
    """Another worker of the same training run went away; what it did last is in its own log."""


class StartTimeoutError(QstoreError, TimeoutError):
    """Workers that did not come in time; the message names them."""


class WorkerMismatchError(ConfigurationError):
    """Workers that do not fit together: versions, seeds, addresses or data differ."""


class CheckpointError(QstoreError, RuntimeError):
    """A checkpoint of a training that cannot be written, or cannot be trusted when it is read."""


class MemoryLimitError(QstoreError, MemoryError):
    """A computation that needs more memory than there is, refused before it starts."""


class BudgetExceededError(QstoreError, RuntimeError):
    """Work that would cost more than a budget has left; nothing of it was sent."""


class PriceError(QstoreError, ValueError):
    """A price that is unknown, in credits or in another currency: never counted as nothing."""


class LedgerError(QstoreError, RuntimeError):
    """A file of budgets or costs that cannot be used, or is used against its own rules."""


class AccountUnreachableError(LedgerError, TimeoutError):
    """The account that workers share did not answer in time; nothing was granted meanwhile."""


class ItemError(QstoreError, ValueError):
    """An item that cannot be stored, or a query that cannot be asked: nothing of it was done."""


class NotFoundError(QstoreError, LookupError):
    """An item, group, context or namespace that the database does not hold."""


class FilterError(QstoreError, ValueError):
    """A metadata filter that cannot be read."""


class CorrelationError(QstoreError, ValueError):
    """Correlations that no joint distribution has, or that a group cannot take."""


class StoreError(QstoreError, RuntimeError):
    """A database that cannot be opened, read or written; what was acknowledged stays stored."""


class StoreBusyError(StoreError, TimeoutError):
    """Another process wrote to the database for longer than the caller was ready to wait."""


class RunFacts:
    """What an error knows of the run that it ended; as it stands here where it ended none.

    Attributes:
        job_ids: The service's names of the jobs that it happened to.
        circuits: Positions of the circuits that are missing, counted over all that were given to
            the run, in order.
        completed: Number of circuits that are done: their outcomes are on the service, and running
            the same work again fetches them without sending them again.
        unsettled: Those of `circuits` that the service has, or may have: they may have run, or run
            yet, and be billed. The others surely are not, so that they may run elsewhere.
        spent: What the run has cost so far, in words, such as "2.5 USD and 1000 shots".
        outcomes: What was fetched of the completed ones, as the run would have returned it; in the
            places of `circuits` there is nothing of meaning. () where nothing was fetched.
        kept: What a backend has made of `outcomes`, see `backends.arrays.kept.Kept`.
    """

    job_ids: tuple[str, ...] = ()
    circuits: tuple[int, ...] = ()
    completed: int = 0
    unsettled: tuple[int, ...] = ()
    spent: str = ""
    outcomes: tuple[Any, ...] = ()
    kept: Any = None


class ServiceError(RunFacts, QstoreError, RuntimeError):
    """A remote service refused, answered nonsense, or could not be reached.

    Attributes:
        status: The HTTP status; None where there was no answer.
        text: What the service itself said, cut to a readable length; "" where it said nothing.
    """

    status: int | None = None
    text: str = ""


class AuthenticationError(ServiceError):
    """The service does not know the API key, or the key may not do this."""


class RefusedError(ServiceError, ValueError):
    """The service refused a request for good: it would refuse the same one again."""


class UnreachableError(ServiceError):
    """The service could not be reached for as long as the caller was ready to wait."""


class ResultsError(ServiceError, ValueError):
    """Results that do not fit the circuits that were sent: nothing of them is used."""


class JobError(RunFacts, QstoreError, RuntimeError):
    """Something happened to jobs on a remote service, which took circuits along.

    Attributes:
        text: The service's own words; "" where there are none.
        code: The service's code of the failure, such as "NotEnoughQubits"; "" where there is none.
    """

    text: str = ""
    code: str = ""


class JobFailedError(JobError):
    """A job failed on the service."""


class JobCanceledError(JobError):
    """A job was canceled by somebody else."""


class JobStuckError(JobError, TimeoutError):
    """A job that runs for longer than any job should; it was asked to stop."""


class DeadlineError(JobError, TimeoutError):
    """A run did not end in the time it was given; what still waited was canceled."""


class SubmissionUncertainError(JobError):
    """Whether a job was accepted cannot be told; it is not sent again.

    Attributes:
        token: What the job is called in the journal, in its name and in its metadata.
    """

    token: str = ""


class DryRunError(JobError):
    """A dry run has no outcomes; it carries what the service says that the work costs.

    Attributes:
        price: The sum in words, such as "2.5 USD"; "" where the service told none.
    """

    price: str = ""


class ShareError(RunFacts, QstoreError, RuntimeError):
    """Rows of a batch that no backend of a pool has run.

    Attributes:
        rows: Their numbers in the batch.
        perhaps_paid: Those of them that a backend may have run, or run yet, and bill.
        errors: What each backend that has failed has said, by its name.
    """

    rows: tuple[int, ...] = ()
    perhaps_paid: tuple[int, ...] = ()
    errors: Mapping[str, Exception] = MappingProxyType({})


class RunInterrupted(RunFacts, KeyboardInterrupt):
    """Ctrl-C during a run: what still waited was canceled."""


_NOTHING = object()
_LONGEST_LIST = 1500  # characters; every table of ours has room


def describe(
    what: str,
    *,
    expected: object = None,
    received: object = _NOTHING,
    hint: str | None = None,
) -> str:
    """Writes an error message in the order every message of qstore_tf follows.

    Args:
        what: What happened, one sentence, with or without the full stop.
        expected: What was expected; strings appear as they are, other objects by `repr`. What is
            long is cut, as it is in `received`.
        received: What was received; strings and other objects, None too, appear by `repr`.
        hint: What to do about it, one sentence.

    Returns:
        The message, on one line.

    Example:
        >>> describe("Gate 'RX' has a wrong number of parameters", expected=1, received=2)
        "Gate 'RX' has a wrong number of parameters. Expected: 1. Received: 2."
    """
    parts = [_sentence(what)]
    if expected is not None:
        text = expected if isinstance(expected, str) else repr(expected)
        parts.append(_sentence(f"Expected: {_shorten(text, _LONGEST_LIST)}"))
    if received is not _NOTHING:
        parts.append(_sentence(f"Received: {_shorten(repr(received))}"))
    if hint is not None:
        parts.append(_sentence(hint))
    return " ".join(parts)


def did_you_mean(name: str, options: Iterable[str], aliases: Iterable[str] = ()) -> str:
    """Returns a hint that names the nearest options and lists them, as many as have room.

    Args:
        name: What the user wrote.
        options: The valid names.
        aliases: Further valid names, which are proposed where they are near but not listed.

    Example:
        >>> did_you_mean("liner", ["linear", "full"])
        "Did you mean 'linear'? Available: 'full', 'linear'."
    """
    names = sorted(set(options))
    by_folded = {option.casefold(): option for option in [*aliases, *names]}
    near = difflib.get_close_matches(str(name).casefold(), by_folded, n=3, cutoff=0.6)
    listed = ", ".join(repr(option) for option in names) or "none"
    available = f"Available: {_shorten(listed, _LONGEST_LIST)}."
    if not near:
        return available
    return f"Did you mean {' or '.join(repr(by_folded[key]) for key in near)}? {available}"


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else text + "."


def _shorten(text: str, limit: int = 300) -> str:
    text = " ".join(text.split())  # a `repr` may have several lines
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"
