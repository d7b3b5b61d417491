"""Faults on demand: what can go wrong between a client and the service, one row each.

    name               at which calls        parameters              what happens
    too_many_requests  any                   retry_after             nothing is done; 429
    server_error       any                   status, html            nothing is done; 500, 502, ...
    slow               any                   seconds                 the answer comes late
    dropped            any                   -                       the connection closes, nothing
                                                                     is done
    lost_answer        any                   part                    all is done, then the
                                                                     connection closes
    wrong_json         any                   -                       all is done, the answer is cut
    duplicate          submit                -                       the job is accepted twice
    lagging_list       list                  seconds                 jobs that are new are missing
    stale_state        poll, list            seconds                 states are those of a while ago
    failed_job         submit                code, message, billed   the job will fail
    stuck_job          submit                status                  the job stays there for ever
    canceled_job       submit                -                       the service cancels the job
    restart            any                   seconds                 the server is gone for a while,
                                                                     then reads its state anew

The calls are submit, poll, list, fetch (of results), cancel, delete and other. Each request meets
one fault at most: the first of the list that is due.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from qstore_tf.errors import ConfigurationError, describe, did_you_mean
from qstore_tf.ionq.emulator.fault_kinds import TABLE, Choice, Seconds

MOST = 10_000  # faults that wait at the same time


@dataclass(frozen=True)
class Fault:
    """A fault that is to happen.

    Attributes:
        name: A name of the table.
        where: The calls at which it happens; () means all that the table has.
        times: How often it happens; None: for ever.
        after: How many matching requests go well before it.
        probability: Of happening at each matching request.
        parameters: As in the table; what is missing has its default.

    Raises:
        ConfigurationError: There is no such fault, call or parameter, or a value makes no sense.

    Example:
        >>> Fault("server_error", where="poll", times=2, parameters={"status": 502}).where
        ('poll',)
    """

    name: str
    where: str | Sequence[str] = ()
    times: int | None = 1
    after: int = 0
    probability: float = 1.0
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or self.name not in TABLE:
            raise ConfigurationError(
                describe(
                    "There is no such fault",
                    received=self.name,
                    hint=did_you_mean(str(self.name)[:100], TABLE),
                )
            )
        kind = TABLE[self.name]
        where = (self.where,) if isinstance(self.where, str) else tuple(self.where or kind.calls)
        if not all(isinstance(call, str) and call in kind.calls for call in where):
            self._refuse("where", f"some of {', '.join(kind.calls)}", self.where)
        object.__setattr__(self, "where", where)
        if self.times is not None and (type(self.times) is not int or self.times < 1):
            self._refuse("times", "an integer of at least 1, or None", self.times)
        if type(self.after) is not int or self.after < 0:
            self._refuse("after", "an integer of at least 0", self.after)
        number = isinstance(self.probability, int | float)
        if not number or isinstance(self.probability, bool) or not 0 <= self.probability <= 1:
            self._refuse("probability", "a number from 0 to 1", self.probability)
        if not isinstance(self.parameters, Mapping):
            self._refuse("parameters", "an object", self.parameters)
        for name, value in self.parameters.items():
            if name not in kind.parameters:
                expected = ", ".join(kind.parameters) or "no parameters"
                self._refuse("parameters", expected, name)
            if not kind.parameters[name].good(value):
                self._refuse(name, kind.parameters[name].text(), value)
        full = {name: kind.parameters[name].default for name in kind.parameters}
        object.__setattr__(self, "parameters", {**full, **self.parameters})

    def _refuse(self, what: str, expected: str, received: object) -> None:
        raise ConfigurationError(
            describe(
                f"Fault {self.name!r} has an unusable {what}", expected=expected, received=received
            )
        )

    @classmethod
    def of(cls, value: Fault | Mapping[str, Any]) -> Fault:
        """A fault of what came as JSON; parameters may stand beside the name.

        Example:
            >>> Fault.of({"name": "slow", "seconds": 0.5}).parameters
            {'seconds': 0.5}
        """
        if isinstance(value, Fault):
            return value
        if not isinstance(value, Mapping) or "name" not in value:
            raise ConfigurationError(
                describe("This is no fault", expected="an object with 'name'", received=value)
            )
        known = {"name", "where", "times", "after", "probability", "parameters"}
        given = {key: value[key] for key in value if key in known}
        parameters = given.get("parameters", {})
        if isinstance(parameters, Mapping):
            beside = {key: value[key] for key in value if key not in known}
            given["parameters"] = {**parameters, **beside}
        return cls(**given)


class Faults:
    """The faults that wait to happen; safe to use from many threads.

    Args:
        seed: Of what is random.
        faults: Those from the start on.
    """

    def __init__(self, seed: int = 0, faults: Iterable[Fault | Mapping[str, Any]] = ()) -> None:
        self._lock = threading.Lock()
        self._random = random.Random(seed)
        self._waiting: list[_Waiting] = []
        self.put(faults)

    def put(
        self,
        faults: Iterable[Fault | Mapping[str, Any]],
        *,
        seed: int | None = None,
        keep: bool = False,
    ) -> None:
        """Sets the faults that are to happen, or none of them if one is wrong.

        Args:
            faults: The faults.
            seed: Starts what is random anew; None: it goes on.
            keep: Whether those that wait still happen, before the new ones.

        Raises:
            ConfigurationError: A fault is wrong, or there are too many.
        """
        new = [_Waiting(Fault.of(value)) for value in faults]
        with self._lock:
            waiting = [*self._waiting, *new] if keep else new
            if len(waiting) > MOST:
                raise ConfigurationError(
                    describe("There are too many faults", expected=f"at most {MOST}")
                )
            self._waiting = waiting
            if seed is not None:
                self._random.seed(seed)

    def take(self, call: str) -> Fault | None:
        """The fault that a request meets, which is counted; None if all goes well."""
        with self._lock:
            for waiting in self._waiting:
                if waiting.meets(call, self._random):
                    return waiting.fault
        return None

    def body(self) -> list[dict[str, Any]]:
        """What waits, and how often each has happened, as JSON."""
        with self._lock:
            return [
                {**asdict(w.fault), "seen": w.seen, "happened": w.happened} for w in self._waiting
            ]


class _Waiting:
    """A fault and what became of it."""

    def __init__(self, fault: Fault) -> None:
        self.fault, self.seen, self.happened = fault, 0, 0

    def meets(self, call: str, rng: random.Random) -> bool:
        fault = self.fault
        if call not in fault.where or self.happened == fault.times:
            return False
        self.seen += 1
        if self.seen <= fault.after or rng.random() >= fault.probability:
            return False
        self.happened += 1
        return True


def random_faults(
    seed: int, count: int, names: Sequence[str] = tuple(TABLE), most_s: float = 0.5
) -> list[Fault]:
    """Faults at random, the same ones for the same seed.

    Args:
        seed: The seed.
        count: How many.
        names: The kinds to choose from.
        most_s: The longest time that any of them takes, in seconds.

    Example:
        >>> random_faults(1, 2) == random_faults(1, 2)
        True
    """
    rng = random.Random(seed)
    faults = []
    for _ in range(count):
        name = rng.choice(list(names))
        kind = TABLE[name]
        parameters: dict[str, Any] = {}
        for parameter, what in kind.parameters.items():
            if isinstance(what, Choice):
                parameters[parameter] = rng.choice(what.values)
            elif isinstance(what, Seconds):
                parameters[parameter] = round(rng.uniform(0, min(what.most, most_s)), 3)
        faults.append(
            Fault(
                name,
                where=rng.choice(kind.calls),
                times=rng.randint(1, 3),
                after=rng.randint(0, 3),
                parameters=parameters,
            )
        )
    return faults
