"""Which machine may be paid for a batch: one alone, whatever ends a call or its process.

    a machine                         what is written of the batch
    is about to be sent it            that this machine may be paid for it
    has failed, and ran nothing       nothing
    has failed, and may have run it   what was
    is done, or another backend is    nothing any more

The next call with the same program and numbers reads it before it pays, and lets no other machine
have the batch. The machine itself finds in its own journal what was sent. Where the next call
chooses a backend that costs nothing, what is written stays, and holds for a day.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from types import TracebackType

import numpy as np

from qstore_tf.backends.arrays.kept import Kept
from qstore_tf.errors import LedgerError, RunFacts
from qstore_tf.routing.health import may_have_run
from qstore_tf.routing.members import Member
from qstore_tf.routing.shares import Share
from qstore_tf.routing.written import Paid, Written

_log = logging.getLogger("qstore_tf")

_NO_ROWS = np.zeros(0, np.int64)
_NOTHING = Kept(_NO_ROWS, np.zeros(0), _NO_ROWS)


class Payer(contextlib.AbstractContextManager["Payer"]):
    """The machine that may be paid for a batch. Of one call; it is a context while that runs.

    Attributes:
        name: The member; None: none so far.

    Args:
        written: The file.
        fingerprint: Returns what tells the batch from any other.
        rows: How many it has.
    """

    def __init__(self, written: Written, fingerprint: Callable[[], str], rows: int) -> None:
        self.name: str | None = None
        self._written, self._fingerprint = written, fingerprint
        self._rows = np.arange(rows)
        self._stack = contextlib.ExitStack()
        self._has_looked = False
        self._paid: Paid | None = None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Where nothing was raised, the batch is done; else what is written stays."""
        self._stack.__exit__(kind, error, trace)

    def look(self, pays: bool) -> bool:
        """Reads, once, what an earlier call has left; returns whether it says who may be paid.

        Args:
            pays: Whether a machine is about to be paid. What costs nothing writes nothing.

        Raises:
            LedgerError: The file cannot be used.
        """
        if self._paid is not None or (self._has_looked and not pays):
            return False
        self._has_looked = True
        fingerprint = self._fingerprint()
        if not pays and not self._written.is_left(fingerprint):
            return False
        self._paid = self._stack.enter_context(self._written.batch(fingerprint))
        self.name = next((share.member for share, _ in self._paid.earlier()), None)
        return self.name is not None

    def sends(self, member: Member) -> None:
        """Writes that a member is about to be sent the batch, where it costs money there.

        Raises:
            LedgerError: It could not be written; nothing may be sent.
        """
        if self._paid is not None and member.is_paid and member.name != self.name:
            self._paid.planned(Share(member.name, self._rows))

    def failed(self, member: Member, error: Exception) -> bool:
        """Notes what a member has raised; returns whether it may have run the batch for money."""
        if self._paid is None or not member.is_paid:
            return False
        if may_have_run(error):
            self.name = member.name
            return True
        # What an error knows of its run holds for what an earlier call has sent, too.
        if member.name != self.name or (isinstance(error, RunFacts) and error.circuits):
            self.name = None
            try:
                self._paid.over(Share(member.name, self._rows), _NOTHING)
            except LedgerError as trouble:  # `error` is what the caller is to see
                _log.warning("%s is still written down as perhaps paid: %s", member.name, trouble)
        return False
