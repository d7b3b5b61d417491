"""Which backends are to be left alone for now: a breaker for each, and whose fault an error is."""

from __future__ import annotations

import threading

from qstore_tf.errors import (
    AuthenticationError,
    BudgetExceededError,
    CircuitError,
    ConfigurationError,
    InputError,
    LedgerError,
    LibraryError,
    ObservableError,
    PriceError,
    RefusedError,
    RunFacts,
    UnreachableError,
)
from qstore_tf.ionq.service.clock import Clock
from qstore_tf.ionq.service.delivering import NotAllSent
from qstore_tf.ionq.service.retrying import CircuitBreaker

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half-open"

# Whose fault errors are, by the first class that fits; that of the backend, where none does.
#   caller   every other backend would say the same, so that the error is raised as it is
#   work     this backend cannot, or may not, do this work, and may do other work well
#   down     nothing will succeed here for some time
CALLER, WORK, BACKEND, DOWN = "caller", "work", "backend", "down"
BLAME: tuple[tuple[type[BaseException], str], ...] = (
    (RefusedError, WORK),
    (NotAllSent, WORK),
    (InputError, CALLER),
    (ObservableError, CALLER),
    (CircuitError, CALLER),
    (ConfigurationError, WORK),
    (BudgetExceededError, WORK),
    (PriceError, WORK),
    (LedgerError, WORK),
    (MemoryError, WORK),
    (UnreachableError, DOWN),
    (AuthenticationError, DOWN),
    (LibraryError, DOWN),
)


def blame(error: BaseException) -> str:
    """Returns whose fault an error is: "caller", "work", "backend" or "down", see `BLAME`.

    Example:
        >>> blame(InputError("two rows")), blame(UnreachableError("no answer"))
        ('caller', 'down')
        >>> blame(RuntimeError("?"))
        'backend'
    """
    return next((whose for kind, whose in BLAME if isinstance(error, kind)), BACKEND)


def may_have_run(error: BaseException) -> bool:
    """Returns whether a machine may have run, or run yet, circuits of the work that has failed.

    Example:
        >>> may_have_run(BudgetExceededError("too dear")), may_have_run(UnreachableError("?"))
        (False, True)
    """
    if isinstance(error, RunFacts) and (error.circuits or error.completed):
        # It knows: one job of several was refused, say, or the key was, and nothing was sent.
        return bool(error.completed or error.unsettled)
    # A journal or memory may fail when jobs are under way.
    return blame(error) not in (CALLER, WORK) or isinstance(error, LedgerError | MemoryError)


class Breaker:
    """Keeps work from a backend that fails. Safe for threads.

    Closed, all work may go there. After some failures in a row it opens, and nothing does until a
    pause is over. Then it is half-open: one piece of work is let through, whose success closes it
    again, and whose failure makes the next pause twice as long.

    Args:
        clock: The clock.
        failures: In a row, that open it. One is enough where the error says that nothing will
            succeed for some time, see `blame`.
        first_s: The first pause, in seconds.
        most_s: The longest.

    Attributes:
        trips: How often it has opened.
        last_error: The newest failure in words; "" where there was none.

    Example:
        >>> breaker = Breaker(failures=2)
        >>> breaker.failed(RuntimeError("no")); breaker.state
        'closed'
        >>> breaker.failed(RuntimeError("no")); breaker.state, breaker.admit()
        ('open', False)
        >>> breaker.succeeded(); breaker.state
        'closed'
    """

    def __init__(
        self,
        clock: Clock | None = None,
        failures: int = 3,
        first_s: float = 2.0,
        most_s: float = 60.0,
    ) -> None:
        self._clock, self._failures = clock or Clock(), failures
        self._breaker = CircuitBreaker(self._clock, failures, first_s, most_s)
        self._lock = threading.Lock()
        self.trips, self.last_error = 0, ""

    @property
    def state(self) -> str:
        """One of "closed", "open" and "half-open"."""
        if not self._breaker.is_open:
            return CLOSED
        return OPEN if self._breaker.left_s else HALF_OPEN

    @property
    def is_usable(self) -> bool:
        """Whether `admit` would let work through; asking changes nothing."""
        return self.state != OPEN

    def admit(self) -> bool:
        """Whether work may go to the backend now. While half-open, only the first who asks may."""
        return not self._breaker.admit()

    def succeeded(self) -> None:
        """Work was done."""
        self._breaker.succeeded()

    def failed(self, error: BaseException) -> None:
        """Work failed. Nothing changes where that was not the fault of the backend."""
        whose = blame(error)
        if whose in (CALLER, WORK):
            return
        with self._lock:
            self.last_error = str(error) or type(error).__name__
            was_open = self._breaker.is_open
            for _ in range(self._failures if whose == DOWN and not was_open else 1):
                self._breaker.failed()
            self.trips += self._breaker.is_open and not was_open
