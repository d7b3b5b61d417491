"""One backend of a Router or a Pool: arrays in, arrays out, timed, and its failures counted.

A backend in NumPy is called as it is. One that computes in TensorFlow is called by way of
`sessions`: by the time that a batch runs, its numbers are arrays.
"""

from __future__ import annotations

import copy
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

from qstore_tf import backends as registry
from qstore_tf.backends.arrays.base import Array, ArrayBackend, Gradients
from qstore_tf.backends.base import Backend, Batch, Capabilities
from qstore_tf.backends.forecast import Forecast
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.ionq.money.one_budget import same_account
from qstore_tf.routing.health import Breaker
from qstore_tf.routing.speeds import Size, Speeds


class Member:
    """A backend with a name of its own.

    Attributes:
        name: Unique among the members, such as "native", "ionq:qpu.forte-1" or "native_2".
        backend: The backend; one in NumPy is not lifted.
        shots: Shots of each circuit, where the member was given a number.
        breaker: What is told of successes and failures. Who chooses members asks it first.
        speeds: Where circuits per second are noted.

    Args:
        name: A name.
        backend: A backend.
        breaker: None: one of its own.
        speeds: None: one of its own.
    """

    def __init__(
        self,
        name: str,
        backend: Backend | ArrayBackend,
        breaker: Breaker | None = None,
        speeds: Speeds | None = None,
    ) -> None:
        self.name = name
        self.plain = self.backend = _unlifted(backend)
        self.shots: int | None = getattr(self.plain, "shots", None)
        self.breaker = Breaker() if breaker is None else breaker
        self.speeds = Speeds() if speeds is None else speeds
        self._views: dict[int, Member] = {}
        self._lock = threading.Lock()
        self._checked: dict[Program, str | None] = {}

    @property
    def capabilities(self) -> Capabilities:
        """What the backend can do."""
        return self.backend.capabilities

    @property
    def kind(self) -> str:
        """The name of the backend, or of what it draws its shots from."""
        return str((drawn_from(self.plain) or self.plain).name)

    @property
    def most_qubits(self) -> int | None:
        """The qubits of the machine; None where nothing but memory limits them."""
        sizes = (getattr(getattr(b, "target", None), "n_qubits", None) for b in within(self.plain))
        return min((size for size in sizes if size is not None), default=None)

    @property
    def budget(self) -> Any:
        """The budget from which its runs are paid; None where there is none."""
        budgets = (getattr(each, "budget", None) for each in within(self.backend))
        return next((budget for budget in budgets if budget is not None), None)

    @property
    def is_remote(self) -> bool:
        """Whether its runs go to a machine elsewhere."""
        return any(getattr(each, "remote", False) for each in within(self.backend))

    @property
    def is_paid(self) -> bool:
        """Whether its runs may cost money."""
        return any(getattr(each, "is_paid", False) for each in within(self.backend))

    @property
    def results_from(self) -> tuple[Any, ...]:
        """What its results depend on beside program, numbers and shots, such as the service."""
        return tuple(
            each.results_from for each in within(self.plain) if hasattr(each, "results_from")
        )

    @property
    def is_rehearsing(self) -> bool:
        """Whether its work is only counted at the moment, for an estimate."""
        return any(getattr(each, "is_rehearsing", False) for each in within(self.backend))

    def with_shots(self, shots: int) -> Member:
        """Returns this member with a number of shots; name, health and speeds are shared."""
        with self._lock:
            if shots not in self._views:
                self._views[shots] = self._with_shots(shots)
            return self._views[shots]

    def _with_shots(self, shots: int) -> Member:
        other = copy.copy(self)
        other.backend, other.shots = _with_shots(self.plain, shots), shots
        return other

    def with_budget(self, budget: Any) -> Member:
        """Returns this member with a budget to spend from, itself where it costs nothing.

        Raises:
            ConfigurationError: Its backend has another budget of its own.
        """
        if not self.is_paid or (self.budget is not None and same_account(self.budget, budget)):
            return self
        if not hasattr(self.plain, "with_budget"):
            raise ConfigurationError(
                describe(
                    f"{self.name!r} costs money and cannot spend from a budget that it is given",
                    expected="a backend with a method `with_budget`, such as IonQ(...)",
                    received=self.plain,
                    hint="Give the same budget to the backend itself",
                )
            )
        other = copy.copy(self)
        other._lock, other._views = threading.Lock(), {}
        other.plain = other.backend = self.plain.with_budget(budget)
        return other

    def forecast(
        self,
        program: Program,
        observables: Sequence[PauliSum] | None,
        rows: int,
        shots: int | None = None,
    ) -> Forecast:
        """Returns what a call would cost and how reliable it is; see `Forecast`.

        Args:
            program: What is run.
            observables: What is measured; None: samples are drawn.
            rows: Rows of the batch.
            shots: Of each circuit; None: those of this member.
        """
        for each in within(self.backend):
            if hasattr(each, "forecast"):
                found: Forecast = each.forecast(program, observables, rows, shots)
                return found
        return _HERE

    def refusal(self, program: Program) -> str | None:
        """Returns why the backend cannot run a program, None where it can; asked once for each."""
        with self._lock:
            if program in self._checked:
                return self._checked[program]
        try:
            self.backend.check(program)
            found = None
        except ConfigurationError as error:
            found = str(error)
        with self._lock:
            if len(self._checked) >= _MOST_CHECKED:
                self._checked.clear()
            self._checked[program] = found
        return found

    def expectation(
        self, batch: Batch, observables: Sequence[PauliSum], seed: Sequence[int] | None = None
    ) -> Array:
        """Returns the expectations [B, K]; see `ArrayBackend.expectation`."""
        return self._run(batch, "forward", "expectation", observables, seed)

    def pull_expectation(
        self, batch: Batch, observables: Sequence[PauliSum], upstream: Array
    ) -> Gradients:
        """Returns the gradients; see `ArrayBackend.pull_expectation`."""
        return self._run(batch, "gradient", "pull_expectation", observables, upstream)

    def sample(self, batch: Batch, shots: int, seed: Sequence[int]) -> Array:
        """Returns samples int64 [B, shots]; see `ArrayBackend.sample`."""
        return self._run(batch, "sample", "sample", shots, seed, shots=shots)

    def state_vector(self, batch: Batch) -> Array:
        """Returns the final states [B, 2^n]."""
        return self._run(batch, "state", "state_vector")

    def pull_state(self, batch: Batch, upstream: Array) -> Gradients:
        """Returns the gradients; see `ArrayBackend.pull_state`."""
        return self._run(batch, "gradient", "pull_state", upstream)

    def probabilities(self, batch: Batch) -> Array:
        """Returns the probabilities [B, 2^n] of the basis states."""
        return self._run(batch, "state", "probabilities")

    def get_config(self) -> dict[str, Any]:
        """Returns what `members_of` reads again: name and options, without keys and accounts."""
        return backend_config(self.plain)

    def _run(self, batch: Batch, kind: str, method: str, *arguments: Any, shots: Any = None) -> Any:
        if isinstance(self.backend, ArrayBackend):
            run: Callable[..., Any] = getattr(self.backend, method)
            call = run, (batch, *arguments)
        else:
            run = getattr(import_module("qstore_tf.routing.sessions"), method)
            call = run, (self.backend, batch, *arguments)
        if self.is_rehearsing:
            return run(*call[1])
        waited = self._waited()
        begun = time.perf_counter()
        try:
            found = run(*call[1])
        except Exception as error:
            self.breaker.failed(error)
            raise
        seconds = time.perf_counter() - begun
        self.breaker.succeeded()
        rows = len(batch.inputs)
        size = Size.of(batch.program, kind, self.shots if shots is None else shots, rows)
        # Waiting is a score of its own. Some must be left: jobs wait at the same time.
        seconds = max(seconds - (self._waited() - waited), seconds / 20)
        self.speeds.note(self.name, size, rows, seconds, self.kind)
        return found

    def _waited(self) -> float:
        """Seconds that all jobs so far have waited for their machine; 0 where there is none."""
        if not self.is_remote:
            return 0.0
        counts = (each.telemetry() for each in within(self.plain) if hasattr(each, "telemetry"))
        return sum(found.get("queue_s", 0.0) for found in counts)

    def __repr__(self) -> str:
        return f"Member({self.name!r}, {self.backend!r})"


_HERE = Forecast()  # of a simulator in this process
_MOST_CHECKED = 1024  # programs whose check is remembered


def members_of(
    backends: Any,
    breaker: Callable[[], Breaker] | None = None,
    speeds: Speeds | None = None,
) -> tuple[Member, ...]:
    """Returns the members that a list of backends describes, each with a name of its own.

    Args:
        backends: Names, backends, or mappings with "name" and "options", as configurations have
            them.
        breaker: Makes what is told of each member's failures.
        speeds: Where all of them note their speeds; None: one for all, of their own.

    Raises:
        ConfigurationError: There is none, one is unknown, or one object stands there twice.
        LibraryError: What one of them needs is not installed.

    Example:
        >>> [member.name for member in members_of(["tensorflow", "qsim", "tensorflow"])]
        ['tensorflow', 'qsim', 'tensorflow_2']
    """
    if isinstance(backends, str | Mapping) or not isinstance(backends, Iterable):
        raise _unusable(backends)
    made = [_made(given) for given in backends]
    if not made:
        raise _unusable(backends)
    speeds = Speeds() if speeds is None else speeds
    found: dict[str, Member] = {}
    for backend in made:
        if any(backend is member.plain for member in found.values()):
            raise ConfigurationError(
                describe(
                    "One backend was given twice",
                    expected="each backend once",
                    received=backend,
                    hint="Leave one out",
                )
            )
        plain = name_of(backend)
        name, number = plain, 1
        while name in found:
            number += 1
            name = f"{plain}_{number}"
        found[name] = Member(name, backend, breaker() if breaker else None, speeds)
    return tuple(found.values())


def dearest(
    members: Iterable[Member],
    program: Program,
    observables: Sequence[PauliSum] | None,
    rows: int,
    shots: int | None,
) -> Member:
    """Returns the member that costs most, for an estimate: of those whose work is only counted.

    Args:
        members: Those that can run the program, at least one.
        program: As the others, an argument of `Member.forecast`.
    """

    def price(member: Member) -> float:
        forecast = member.forecast(program, observables, rows, shots) if member.is_paid else _HERE
        return math.inf if forecast.price is None else float(forecast.price.amount)

    return max(members, key=lambda member: (member.is_rehearsing, price(member)))


def name_of(backend: Backend | ArrayBackend) -> str:
    """Returns what a backend is called among others: its name, with its target where it has one."""
    for each in within(backend):
        target = getattr(getattr(each, "target", None), "api_name", None)
        if target:
            return f"{each.name}:{target}"
    return str((drawn_from(backend) or backend).name)


def within(backend: Any) -> Iterable[Any]:
    """Yields a backend and all backends that it is made of."""
    yield backend
    for inner in backend.inner_backends():
        yield from within(inner)


def drawn_from(backend: Any) -> Backend | None:
    """Returns the backend whose samples one of the class `Sampled` estimates from, else None."""
    inner: tuple[Any, ...] = backend.inner_backends()
    shots = getattr(backend, "shots", None)
    is_sampled = isinstance(shots, int) and len(inner) == 1 and backend.with_shots(shots) is None
    return inner[0] if is_sampled else None


def backend_config(backend: Any) -> dict[str, Any]:
    """Returns a backend as plain data, which `members_of` reads."""
    inner = drawn_from(backend)
    if inner is not None:
        return {**backend_config(inner), "shots": backend.shots}
    return {"name": backend.name, "options": backend.get_config()}


def _made(given: Any) -> Backend | ArrayBackend:
    if isinstance(given, Mapping):
        unknown = set(given) - {"name", "options", "shots"}
        if "name" not in given or unknown:
            raise _unusable(given)
        made = registry.get(given["name"], **given.get("options", {}))
        shots = given.get("shots")
        return _unlifted(made if shots is None else _with_shots(made, shots))
    if isinstance(given, str):
        return _unlifted(registry.get(given))
    if isinstance(given, Backend | ArrayBackend):
        return _unlifted(given)
    raise _unusable(given)


def _with_shots(backend: Any, shots: int) -> Any:
    """A backend that estimates from so many shots; those it had do not count."""
    own = backend.with_shots(shots)
    if own is not None:
        return _unlifted(own)
    sampled = import_module("qstore_tf.backends.sampled").Sampled
    return sampled(registry.get(drawn_from(backend) or backend), shots)


def _unlifted(backend: Any) -> Any:
    """The backend in NumPy of one that was lifted into TensorFlow."""
    arrays = getattr(backend, "arrays", None)
    return arrays if isinstance(arrays, ArrayBackend) else backend


def _unusable(received: Any) -> ConfigurationError:
    return ConfigurationError(
        describe(
            "These are no backends to choose from",
            expected="a list with at least one: names, backends, or {'name': ..., 'options': ...}",
            received=received,
            hint="For example ['native', 'ionq_simulator']",
        )
    )
