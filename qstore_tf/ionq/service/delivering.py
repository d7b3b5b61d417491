"""For who writes results down himself: runs that end, or are sent, otherwise than by themselves.

Both hold for the runs of the thread that enters them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from qstore_tf.errors import JobError


class NotAllSent(JobError):
    """A run that may send nothing has found that an earlier one did not send everything."""


class _Delivers(Protocol):
    def deliver(self, run: str) -> None: ...

    def release(self, run: str) -> None: ...


@dataclass(frozen=True)
class Delivery:
    """A run whose outcomes are there, and which stays open until they are safe.

    Attributes:
        journal: Its journal.
        run: Its number there.
    """

    journal: _Delivers
    run: str

    def done(self) -> None:
        """Ends the run: its outcomes are safe."""
        self.journal.deliver(self.run)

    def failed(self) -> None:
        """Leaves the run to whoever asks for the same work: its outcomes got lost on the way."""
        self.journal.release(self.run)


_later: ContextVar[list[Delivery] | None] = ContextVar("later", default=None)
_nothing: ContextVar[bool] = ContextVar("nothing", default=False)


@contextlib.contextmanager
def delivering_later() -> Iterator[list[Delivery]]:
    """Runs that succeed stay open, so that the same work finds them again after a crash.

    Yields:
        What ends them, when their outcomes are safe.
    """
    deliveries: list[Delivery] = []
    token = _later.set(deliveries)
    try:
        yield deliveries
    finally:
        _later.reset(token)


@contextlib.contextmanager
def sending_nothing(is_wanted: bool = True) -> Iterator[None]:
    """Runs take up what an earlier one has sent, and send nothing themselves.

    What was not sent, or has ended badly, is then missing from them: NotAllSent says what.
    """
    token = _nothing.set(is_wanted)
    try:
        yield
    finally:
        _nothing.reset(token)


def deliver(journal: _Delivers, run: str) -> None:
    """Ends a run whose outcomes are there, now or when they are safe."""
    deliveries = _later.get()
    if deliveries is None:
        journal.deliver(run)
    else:
        deliveries.append(Delivery(journal, run))


def sends() -> bool:
    """Whether runs of this thread may send anything."""
    return not _nothing.get()
