"""Why a Router chooses what it chooses: a table and a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qstore_tf.ionq.money.estimating import duration, text_table
from qstore_tf.routing.requests import Candidate, Request
from qstore_tf.routing.scores import NAMES, WEIGHTS


@dataclass(frozen=True)
class Explanation:
    """A decision before it is taken; printed as the table and the sentence.

    Attributes:
        request: What is to be run.
        candidates: All members with their scores and what excludes them, in their order.
        priority: The priority of the Router.
        chosen: The candidate that runs it; None: none can.
        current: The name of the one that ran this program before; None: it is new.
        sentence: Why, in words.
    """

    request: Request
    candidates: tuple[Candidate, ...]
    priority: str
    chosen: Candidate | None
    current: str | None
    sentence: str

    @property
    def table(self) -> str:
        """A line for each member: numbers, scores and their weighted sum."""
        weights = WEIGHTS[self.priority]
        titles = (
            "",
            "circuits/s",
            "price each",
            "precision",
            "wait",
            *(f"{name} x{getattr(weights, name):g}" for name in NAMES),
            "score",
        )
        return text_table([titles, *map(_line, self.candidates)])

    def __str__(self) -> str:
        return f"{self.table}\n{self.sentence}"


def sentence(
    candidates: Sequence[Candidate],
    chosen: Candidate | None,
    current: str | None,
    priority: str,
    margin: float,
) -> str:
    """Writes why a member is chosen, and what excludes the others."""
    if chosen is None:
        return f"No backend can run this. {excluded(candidates)}"
    usable = [each for each in candidates if not each.reasons]
    best = max(usable, key=lambda each: each.total)
    name = chosen.member.name
    if len(usable) == 1:
        why = f"{name!r} runs it, the only one that can."
    elif chosen is best and name != current:
        why = f"{name!r} runs it, with the highest score for priority {priority!r}."
    elif chosen is best:
        why = f"{name!r} goes on, with the highest score for priority {priority!r}."
    else:
        why = (
            f"{name!r} goes on: {best.member.name!r} is better by "
            f"{best.total - chosen.total:.3f}, and the margin is {margin:g}."
        )
    others = excluded(candidates)
    return f"{why} {others}" if others else why


def excluded(candidates: Sequence[Candidate]) -> str:
    """Writes what excludes each member that is."""
    return " ".join(
        f"{each.member.name!r} cannot: {'; '.join(r.words.rstrip('.') for r in each.reasons)}."
        for each in candidates
        if each.reasons
    )


def _line(candidate: Candidate) -> tuple[str, ...]:
    numbers, price = candidate.numbers, candidate.forecast.price
    currency = "" if price is None else f" {price.currency}"
    scores = (f"{getattr(candidate.scores, name):.3f}" for name in NAMES)
    return (
        candidate.member.name,
        f"{numbers.circuits_per_second:.3g}",
        "?" if numbers.price is None else f"{numbers.price:.4g}{currency}",
        f"{numbers.precision:.3f}" + ("?" if numbers.fidelity is None else ""),
        duration(numbers.wait_s),
        *scores,
        "excluded" if candidate.reasons else f"{candidate.total:.3f}",
    )
