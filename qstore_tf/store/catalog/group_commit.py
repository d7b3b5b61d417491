"""Writes of several threads share one commit: they wait for the disk once, together.

There is no thread of its own: of those that wait, one leads. It takes along all that have come
meanwhile, runs them one after the other, each in a savepoint, commits, and wakes the others.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from qstore_tf.errors import StoreError, describe
from qstore_tf.store.catalog.connections import Connection, Engine, Session

_Result = TypeVar("_Result")


class _Work:
    """What one caller wants done, and what became of it."""

    def __init__(self, function: Callable[[Connection], Any]) -> None:
        self.function = function
        self.result: Any = None
        self.error: Exception | None = None
        self.is_done = False

    def run(self, session: Session) -> None:
        self.result, self.error = None, None
        try:
            self.result = self.function(session)
        except Exception as error:
            self.error = error


class GroupCommit:
    """The one writer of a database in this process.

    Args:
        engine: The database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._session: Session | None = None
        self._change = threading.Condition()
        self._waiting: list[_Work] = []
        self._leader: int | None = None  # ident of the thread that leads

    def write(self, function: Callable[[Connection], _Result]) -> _Result:
        """Runs a function in a transaction; see `Catalog.write`."""
        me = threading.get_ident()
        if self._leader == me:
            raise StoreError(describe("A function that writes cannot start another transaction"))
        work = _Work(function)
        together: list[_Work] = []
        try:
            with self._change:
                self._waiting.append(work)
                while not work.is_done and self._leader is not None:
                    self._change.wait()
                if not work.is_done:
                    self._leader = me
                    together, self._waiting = self._waiting, []
            if together:
                self._run(together)
        finally:
            with self._change:
                if self._leader == me:
                    # What an interruption has left undone waits for another leader.
                    undone = [other for other in together if not (other.is_done or other is work)]
                    self._waiting = undone + self._waiting
                    self._leader = None
                    self._change.notify_all()
                elif work in self._waiting:
                    self._waiting.remove(work)
        if work.error is not None:
            told = self._engine.error(work.error)
            if told is work.error:
                raise told
            raise told from work.error
        return work.result  # type: ignore[no-any-return]

    def close(self) -> None:
        """Closes the connection; nothing must be under way."""
        if self._session is not None:
            self._session.close()
        self._session = None

    def leave_behind(self) -> Session | None:
        """In a forked child: starts anew, and hands out what belongs to the parent."""
        left, self._session = self._session, None
        self._change = threading.Condition()
        self._waiting, self._leader = [], None
        return left

    def _run(self, together: list[_Work]) -> None:
        """Runs and commits all; one by one where one of them lost the transaction of all."""
        is_committing = is_lost = False
        try:
            session = self._begin()
            is_lost = not self._run_each(session, together)
            if not is_lost and any(work.error is None for work in together):
                is_committing = True
                session.commit()
        except Exception as error:
            # Nobody runs again what failed to commit: a server that is gone may have stored it.
            for work in together:
                work.error = work.error or error
        except BaseException:
            # It may come right after the commit: then all are done.
            if is_committing and not session.is_open:
                _finish(together)
            raise
        finally:
            self._end()
        if is_lost and len(together) > 1:
            for work in together:
                self._run([work])
        else:
            _finish(together)

    @staticmethod
    def _run_each(session: Session, together: list[_Work]) -> bool:
        """Runs all, each so that it can be undone; False where one took all others along."""
        if len(together) == 1:
            together[0].run(session)
            return True
        for work in together:
            session.mark()
            work.run(session)
            if work.error is None:
                session.keep()
            elif not session.undo():
                return False
        return True

    def _begin(self) -> Session:
        """The connection, in a transaction."""
        while True:
            is_fresh = self._session is None
            session = self._session = self._session or self._engine.connect(is_writer=True)
            try:
                session.begin_writing()
                return session
            except Exception:
                # One that was idle may have broken long ago.
                if is_fresh or not session.is_lost:
                    raise
                self._end()

    def _end(self) -> None:
        """Ends a transaction that was not committed, and a connection that is of no more use."""
        session = self._session
        if session is None:
            return
        try:
            if session.is_open and not session.is_lost:
                session.roll_back()
        except Exception:  # it was to be ended, and is; the caller has the error that led here
            self._drop(session)
        else:
            if session.is_lost:
                self._drop(session)

    def _drop(self, session: Session) -> None:
        self._session = None
        with contextlib.suppress(Exception):
            session.close()


def _finish(together: list[_Work]) -> None:
    for work in together:
        work.is_done = True
