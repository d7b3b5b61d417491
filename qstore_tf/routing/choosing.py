"""Which member runs a batch: limits first, then scores, and no move without a margin."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from qstore_tf.circuits.program import Program
from qstore_tf.routing import limits
from qstore_tf.routing.explaining import Explanation, sentence
from qstore_tf.routing.members import Member
from qstore_tf.routing.requests import Candidate, Reason, Request, numbers_of, unseen
from qstore_tf.routing.scores import WEIGHTS, scores

_MOST_KEPT = 512  # programs that something is remembered of


class Chooser:
    """Chooses among members, and remembers where each program runs. Safe for threads.

    Args:
        priority: A key of `WEIGHTS`.
        precision: The least precision.
        margin: By how much more a score must be for a program to move.
    """

    def __init__(self, priority: str, precision: float, margin: float) -> None:
        self.priority, self.precision, self.margin = priority, precision, margin
        self._lock = threading.Lock()
        self._current: OrderedDict[object, str] = OrderedDict()
        self._fixed: OrderedDict[object, dict[str, Reason]] = OrderedDict()
        self._refused: OrderedDict[tuple[str, Program], Reason] = OrderedDict()

    def explain(
        self,
        members: Sequence[Member],
        request: Request,
        failed: Mapping[str, Reason] | None = None,
        paid: str | None = None,
    ) -> Explanation:
        """Returns which member is to run a request, and why.

        Args:
            members: To choose from.
            request: What is to run.
            failed: Why some of them have not run it just now.
            paid: The member that may have run it for money; no other that costs money may.
        """
        out = {**self.fixed(members, request), **(failed or {})}
        candidates = tuple(
            unseen(member, out[member.name])
            if member.name in out
            else self._candidate(member, request, paid)
            for member in members
        )
        current = self.current(request)
        usable = [each for each in candidates if not each.reasons]
        chosen = max(usable, key=lambda each: each.total, default=None)
        stays = next((each for each in usable if each.member.name == current), None)
        if chosen is not None and stays is not None and chosen.total <= stays.total + self.margin:
            chosen = stays
        words = sentence(candidates, chosen, current, self.priority, self.margin)
        return Explanation(request, candidates, self.priority, chosen, current, words)

    def fixed(self, members: Sequence[Member], request: Request) -> dict[str, Reason]:
        """Returns why members can never run a program, by their names; found once for each."""
        key = (request.key, tuple(member.shots for member in members))
        with self._lock:
            known = self._fixed.get(key)
        if known is None:
            found = {member.name: limits.fixed(member, request) for member in members}
            known = {name: reason for name, reason in found.items() if reason is not None}
            with self._lock:
                self._fixed[key] = known
                _shrink(self._fixed)
        with self._lock:
            refused = {
                name: reason
                for (name, program), reason in self._refused.items()
                if program == request.program
            }
        return {**known, **refused} if refused else known

    def nowhere(self, members: Sequence[Member], request: Request) -> bool:
        """Whether none of the members can run such a program on this machine."""
        fixed = self.fixed(members, request)
        return all(m.name in fixed or limits.memory(m, request) is not None for m in members)

    def current(self, request: Request) -> str | None:
        """Returns the member that ran such a request before."""
        with self._lock:
            return self._current.get(request.key)

    def moved(self, request: Request, name: str) -> bool:
        """Notes which member runs such requests; returns whether that is new."""
        with self._lock:
            before = self._current.pop(request.key, None)
            self._current[request.key] = name
            _shrink(self._current)
            return before != name

    def refused(self, member: Member, request: Request, words: str) -> None:
        """Notes that a member cannot run a program, though its limits did not say so."""
        with self._lock:
            self._refused[member.name, request.program] = Reason("refused", words)
            _shrink(self._refused)

    def _candidate(self, member: Member, request: Request, paid: str | None) -> Candidate:
        program, rows = request.program, request.rows
        forecast = member.forecast(program, request.observables, rows, request.shots)
        numbers = numbers_of(member, request, forecast)
        found = scores(numbers)
        reasons = (
            limits.health(member),
            limits.memory(member, request),
            limits.precision(numbers, request, self.precision),
            # What it sent before is reserved, or billed, and is not paid for again.
            None if member.name == paid else limits.budget(member, forecast),
            _paid_once(paid) if paid not in (None, member.name) and member.is_paid else None,
        )
        return Candidate(
            member,
            forecast,
            numbers,
            found,
            found.total(WEIGHTS[self.priority]),
            tuple(reason for reason in reasons if reason is not None),
        )


def _paid_once(paid: str | None) -> Reason:
    return Reason("failed", f"{paid!r} may have run these circuits, and nothing is paid twice")


def _shrink(kept: OrderedDict[Any, Any]) -> None:
    while len(kept) > _MOST_KEPT:
        kept.popitem(last=False)
