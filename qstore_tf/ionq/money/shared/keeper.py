"""What the keeper of an account does with a question, whatever way it came.

A worker that hears no answer asks again. So a question may arrive twice, the second time much
later, after the worker has gone on: a release that comes late would free what was reserved anew.
Therefore changes have numbers, and each is made once. Its answer is kept until the worker says, by
the number of its oldest open question, that it needs it no more; whatever is older than that came
too late and is not done.

A keeper that was killed has forgotten these answers; but then no late question can reach it either,
since they were on their way to the process that has died. What a worker asks anew is done once
because of its key, see `Budget`.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from qstore_tf.errors import ConfigurationError, QstoreError, describe
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.money.exceeding import acting_for
from qstore_tf.ionq.money.shared import messages

_log = logging.getLogger("qstore_tf")
_MOST_SESSIONS = 10_000


@dataclass
class _Session:
    """The changes of one worker: the oldest that it may ask for again, and answers since then."""

    oldest: int = 0
    answers: dict[int, dict[str, Any]] = field(default_factory=dict)


class Keeper:
    """Answers questions about a budget. Safe for threads.

    Args:
        budget: The account.

    Example:
        >>> keeper = Keeper(Budget(usd=10))
        >>> asked = {"session": "a", "number": 1, "oldest": 1, "owner": ["there", 7]}
        >>> reserve = {**asked, "do": "reserve", "with": {"key": "job", "money": "4"}}
        >>> keeper.answer(reserve), keeper.answer(reserve)
        ({'found': None}, {'found': None})
        >>> keeper.answer({**asked, "do": "balance", "with": {}})["found"]["reserved"]
        ['4', None]
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, _Session] = OrderedDict()

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the answer, which is an error where the budget raises one."""
        try:
            do, given = question["do"], dict(question["with"])
            host, process = question["owner"]
            owner = str(host)[:200], int(process)
            session, number, oldest = str(question["session"])[:100], *map(int, _numbers(question))
            known = do in CHANGES or do in LOOKS
        except (KeyError, TypeError, ValueError):
            known = False
        if not known:
            return messages.from_error(
                ConfigurationError(
                    describe(
                        "The keeper of the account does not understand a question",
                        hint="Use the same version of qstore_tf on all workers",
                    )
                )
            )
        if do in LOOKS:
            return self._done(LOOKS[do], given, owner)
        with self._lock:  # one change after the other, as in the file
            before = self._session(session)
            before.oldest = max(before.oldest, oldest)
            for old in [each for each in before.answers if each < before.oldest]:
                del before.answers[old]
            if number in before.answers:
                return before.answers[number]
            if number < before.oldest:
                return {"error": "LedgerError", "text": "This question came too late"}
            before.answers[number] = self._done(CHANGES[do], given, owner)
            return before.answers[number]

    def _session(self, name: str) -> _Session:
        found = self._sessions.setdefault(name, _Session())
        self._sessions.move_to_end(name)
        if len(self._sessions) > _MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return found

    def _done(
        self, act: Callable[..., Any], given: dict[str, Any], owner: tuple[str, int]
    ) -> dict[str, Any]:
        try:
            with acting_for(owner):
                return {"found": act(self.budget, **given)}
        except QstoreError as error:
            return messages.from_error(error)
        except Exception as error:  # the worker must hear that it was not done
            _log.exception("The account of the workers failed")
            text = f"The account failed: {type(error).__name__}; look at the log of the chief"
            return {"error": "LedgerError", "text": text}


def _numbers(question: Mapping[str, Any]) -> tuple[Any, Any]:
    return question["number"], question["oldest"]


def _reserve(
    budget: Budget,
    key: str,
    money: str | None = None,
    shots: int | None = None,
    what: str | None = None,
) -> None:
    budget.reserve(key, amount=money, shots=shots, what=what)


def _commit(budget: Budget, key: str, money: str | None = None, shots: int | None = None) -> None:
    budget.commit(key, amount=money, shots=shots)


def _release(budget: Budget, key: str) -> None:
    budget.release(key)


def _set_limit(budget: Budget, money: str | None = None, shots: int | None = None) -> None:
    budget.set_limit(amount=money, shots=shots)


def _balance(budget: Budget) -> Any:
    return messages.from_balance(budget.balance)


def _entry(budget: Budget, key: str) -> Any:
    return messages.from_entry(budget.entry(key))


def _entries(budget: Budget, state: str | None = None) -> Any:
    return [messages.from_entry(each) for each in budget.entries(state)]


CHANGES: Mapping[str, Callable[..., None]] = {
    "reserve": _reserve,
    "commit": _commit,
    "release": _release,
    "set_limit": _set_limit,
}
LOOKS: Mapping[str, Callable[..., Any]] = {
    "balance": _balance,
    "entry": _entry,
    "entries": _entries,
}
