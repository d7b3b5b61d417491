"""What a Router has done: shares, changes and fallbacks, counted and said once each."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable

from qstore_tf.routing.members import Member, within
from qstore_tf.routing.requests import Candidate, Request

_log = logging.getLogger("qstore_tf")
_MOST_KEPT = 200


class Tally:
    """Counts and words of a Router. Safe for threads.

    Args:
        names: The members.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._lock = threading.Lock()
        self._rows = dict.fromkeys(names, 0)
        self._scores: dict[str, float] = {}
        self._counts = {"batches": 0.0, "changes": 0.0, "fallbacks": 0.0}
        self._wait_s = 0.0
        self._said: deque[str] = deque(maxlen=_MOST_KEPT)
        self._number = 0  # of things said, those that are forgotten too
        self._known: set[tuple[str, str]] = set()

    def ran(
        self, request: Request, chosen: str, candidates: Iterable[Candidate], fell_back: bool
    ) -> None:
        """Counts a batch that a member has run."""
        with self._lock:
            self._rows[chosen] = self._rows.get(chosen, 0) + request.rows
            self._counts["batches"] += 1
            self._counts["fallbacks"] += fell_back
            for each in candidates:
                self._scores[each.member.name] = 0.0 if each.reasons else each.total
                if each.member.name == chosen:
                    self._wait_s = each.forecast.wait_s

    def changed(self, request: Request, before: str | None, sentence: str) -> None:
        """Says which member runs a program from now on."""
        program = request.program
        of = f"{request.kind} of {program.n_qubits} qubits and {len(program.gates)} gates"
        words = f"Router, {of}: {sentence}"
        with self._lock:
            self._counts["changes"] += before is not None
            self._said.append(words)
            self._number += 1
        _log.info("%s", words)

    def failed(self, member: str, error: Exception) -> None:
        """Says that a member failed, once for each kind of error."""
        key = (member, type(error).__name__)
        with self._lock:
            if key in self._known:
                return
            self._known.add(key)
        _log.warning("Router: backend %r failed, and its work goes to the next: %s", member, error)

    def as_dict(self, members: Iterable[Member]) -> dict[str, float]:
        """Returns all numbers by name."""
        with self._lock:
            total = sum(self._rows.values())
            shares = {f"share_{name}": n / max(1, total) for name, n in self._rows.items()}
            scores = {f"score_{name}": score for name, score in self._scores.items()}
            counts = {**self._counts, "queue_seconds": self._wait_s}
        return {**counts, "cost": sum(map(_billed, members)), **shares, **scores}

    def decisions(self, since: int = 0) -> tuple[int, list[str]]:
        """Returns how many decisions there were, and those after the first `since` in words.

        The newest 200 are kept.
        """
        with self._lock:
            wanted = min(self._number - since, len(self._said))
            return self._number, list(self._said)[len(self._said) - wanted :]


def _billed(member: Member) -> float:
    """What a member's runs were billed."""
    found = 0.0
    for each in within(member.plain):
        if getattr(each, "is_paid", False) and hasattr(each, "telemetry"):
            found += float(each.telemetry().get("billed", 0.0))
    return found
