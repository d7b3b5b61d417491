"""The kinds of faults: at which calls each can happen, and what its parameters may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CALLS = ("submit", "poll", "list", "fetch", "cancel", "delete", "other")

FAILURES = (
    "InvalidInput",
    "CompilationError",
    "ContractExpiredError",
    "DebiasingError",
    "InternalError",
    "NotEnoughQubits",
    "OptimizationError",
    "PreflightError",
    "QuantumCircuitComplexityError",
    "QuantumComputerError",
    "QuotaExhaustedError",
    "SimulationError",
    "SimulationTimeout",
    "SystemCancel",
    "TooLongPredictedExecutionTime",
    "TooManyControls",
    "TooManyGates",
    "TooManyShots",
    "UnknownBillingError",
    "UnsupportedGate",
)
ERRORS = (500, 502, 503, 504, *range(520, 530))


@dataclass(frozen=True)
class Seconds:
    """A parameter that is a time."""

    default: float
    most: float = 3600.0
    optional: bool = False

    def good(self, value: object) -> bool:
        """Whether a value is one."""
        if value is None:
            return self.optional
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return 0 <= value <= self.most

    def text(self) -> str:
        """What is expected, for errors."""
        return f"seconds from 0 to {self.most:g}" + (", or None" if self.optional else "")


@dataclass(frozen=True)
class Choice:
    """A parameter that is one of some values; the first is the default."""

    values: tuple[Any, ...]

    @property
    def default(self) -> Any:
        """The first value."""
        return self.values[0]

    def good(self, value: object) -> bool:
        """Whether a value is one."""
        return any(value == known and type(value) is type(known) for known in self.values)

    def text(self) -> str:
        """What is expected, for errors."""
        return "one of " + ", ".join(map(repr, self.values))


@dataclass(frozen=True)
class Text:
    """A parameter that is a text."""

    default: str

    def good(self, value: object) -> bool:
        """Whether a value is one."""
        return isinstance(value, str) and len(value) <= 10_000

    def text(self) -> str:
        """What is expected, for errors."""
        return "text of at most 10,000 characters"


@dataclass(frozen=True)
class Kind:
    """A row of the table: at which calls a fault can happen, and its parameters."""

    calls: tuple[str, ...] = CALLS
    parameters: Mapping[str, Seconds | Choice | Text] = field(default_factory=dict)


TABLE: Mapping[str, Kind] = {
    "too_many_requests": Kind(parameters={"retry_after": Seconds(1.0, optional=True)}),
    "server_error": Kind(parameters={"status": Choice(ERRORS), "html": Choice((True, False))}),
    "slow": Kind(parameters={"seconds": Seconds(1.0, 600.0)}),
    "dropped": Kind(),
    "lost_answer": Kind(parameters={"part": Choice((False, True))}),
    "wrong_json": Kind(),
    "duplicate": Kind(("submit",)),
    "lagging_list": Kind(("list",), {"seconds": Seconds(5.0)}),
    "stale_state": Kind(("poll", "list"), {"seconds": Seconds(5.0)}),
    "failed_job": Kind(
        ("submit",),
        {
            "code": Choice(("QuantumComputerError", *FAILURES)),
            "message": Text("The job could not be run."),
            "billed": Choice((False, True)),
        },
    ),
    "stuck_job": Kind(("submit",), {"status": Choice(("ready", "submitted", "started"))}),
    "canceled_job": Kind(("submit",)),
    "restart": Kind(parameters={"seconds": Seconds(0.0, 600.0)}),
}
