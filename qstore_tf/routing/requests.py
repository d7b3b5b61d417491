"""What a Router is asked to run, and what is known of each member for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from qstore_tf.backends.forecast import Forecast
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.routing.members import Member
from qstore_tf.routing.scores import Numbers, Scores, scores, standard_error
from qstore_tf.routing.speeds import Size


@dataclass(frozen=True)
class Request:
    """A batch of a program.

    Attributes:
        program: What is run.
        observables: What is measured; None where states or samples are wanted.
        rows: Rows of the batch; 0 where none is there yet.
        kind: "forward" for expectations, "gradient", "state" or "sample".
        dtype: Name of the float dtype; None: not known yet.
        shots: Shots of each circuit, where the caller said how many; None: as the member has it.
    """

    program: Program
    observables: tuple[PauliSum, ...] | None
    rows: int
    kind: str = "forward"
    dtype: str | None = "float32"
    shots: int | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """What a decision holds for: the same program, asked for in the same way."""
        return (self.program, self.observables, self.kind, self.dtype, self.shots)


class Reason(NamedTuple):
    """Why a member cannot be chosen: the name of a limit, and what it says."""

    limit: str
    words: str


@dataclass(frozen=True)
class Candidate:
    """A member, as it is before a request is run.

    Attributes:
        member: The member.
        forecast: What its backend says of the work.
        numbers: What its scores are made of.
        scores: Its scores.
        total: Their weighted sum.
        reasons: Why it cannot be chosen; () where it can.
    """

    member: Member
    forecast: Forecast
    numbers: Numbers
    scores: Scores
    total: float
    reasons: tuple[Reason, ...] = ()

    @property
    def is_excluded(self) -> bool:
        """Whether something excludes it."""
        return bool(self.reasons)


def unseen(member: Member, reason: Reason) -> Candidate:
    """Returns a candidate that is excluded before anything is foreseen of it."""
    nothing = Numbers(0.0, price=None, standard_error=1.0)
    return Candidate(member, Forecast(price=None), nothing, scores(nothing), 0.0, (reason,))


def numbers_of(member: Member, request: Request, forecast: Forecast) -> Numbers:
    """Returns the numbers behind a member's scores."""
    shots = member.shots if request.shots is None else request.shots
    size = Size.of(request.program, request.kind, shots, request.rows)
    price = forecast.price
    return Numbers(
        circuits_per_second=member.speeds.circuits_per_second(member.name, member.kind, size),
        price=None if price is None else float(price.amount) / max(1, request.rows),
        # Samples are what they are: their number says nothing of an expectation.
        standard_error=0.0 if request.kind == "sample" else standard_error(shots),
        fidelity=forecast.fidelity,
        wait_s=forecast.wait_s,
    )
