"""Breakers: when they open, who is let through, and whose fault an error is."""

import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from qstore_tf import errors
from qstore_tf.ionq.service.clock import Clock
from qstore_tf.routing.carrying import left_of
from qstore_tf.routing.health import BLAME, CALLER, WORK, Breaker, blame, may_have_run
from qstore_tf.routing.shares import Share
from qstore_tf.testing.daily import daily_seed


class Still(Clock):
    """A clock that stands still until it is moved."""

    now = 1000.0

    def monotonic(self):
        return self.now


def test_opens_after_failures_in_a_row_and_lets_one_through_after_the_pause():
    clock = Still()
    breaker = Breaker(clock, failures=3, first_s=2.0)
    for _ in range(2):
        breaker.failed(RuntimeError("no"))
    breaker.succeeded()
    for _ in range(2):
        breaker.failed(RuntimeError("no"))
    assert breaker.state == "closed" and breaker.admit()
    breaker.failed(RuntimeError("again"))
    assert breaker.state == "open" and not breaker.admit() and not breaker.is_usable
    assert breaker.last_error == "again" and breaker.trips == 1
    clock.now += 2.0
    assert breaker.state == "half-open" and breaker.is_usable
    assert [breaker.admit(), breaker.admit()] == [True, False]
    breaker.failed(RuntimeError("still"))
    clock.now += 3.9  # the pause has doubled
    assert not breaker.admit()
    clock.now += 0.2
    assert breaker.admit()
    breaker.succeeded()
    assert breaker.state == "closed" and breaker.trips == 1


def test_opens_at_once_where_nothing_will_succeed():
    breaker = Breaker(Still(), failures=3)
    breaker.failed(errors.UnreachableError("no answer"))
    assert breaker.state == "open" and breaker.trips == 1


@pytest.mark.parametrize("kind", [kind for kind, whose in BLAME if whose in (CALLER, WORK)])
def test_what_is_not_the_fault_of_the_backend_leaves_it_closed(kind):
    breaker = Breaker(Still(), failures=1)
    breaker.failed(kind("no"))
    assert breaker.state == "closed" and not breaker.last_error


def test_subclasses_are_blamed_by_the_class_that_says_most():
    assert blame(errors.WorkerMismatchError("x")) == WORK
    assert blame(errors.MemoryLimitError("x")) == WORK
    assert blame(errors.JobFailedError("x")) == blame(OSError("x")) == "backend"


def test_pauses_grow_to_the_longest_and_one_thread_is_let_through():
    rng = random.Random(daily_seed())
    for _ in range(100):
        clock, first = Still(), rng.uniform(0.1, 5)
        breaker = Breaker(clock, failures=1, first_s=first, most_s=20.0)
        for tries in range(rng.randint(1, 12)):
            breaker.failed(RuntimeError("no"))
            pause = min(20.0, first * 2.0**tries)
            clock.now += pause - 1e-6
            assert not breaker.admit()
            clock.now += 2e-6
            with ThreadPoolExecutor(3) as pool:
                admitted = list(pool.map(lambda each: each.admit(), [breaker] * 3))
            assert sum(admitted) == 1


@pytest.mark.parametrize(
    ("error", "unsettled"),
    [
        (errors.BudgetExceededError("too dear"), []),
        (errors.ConfigurationError("no such gate"), []),
        (errors.LedgerError("the disk is full"), [3, 4]),
        (MemoryError(), [3, 4]),
        (errors.UnreachableError("?"), [3, 4]),
    ],
)
def test_what_a_journal_or_memory_cut_off_may_be_paid_for(error, unsettled):
    left = left_of(Share("machine", np.array([3, 4])), error, is_paid=True)
    assert left.unsettled.tolist() == unsettled
    assert may_have_run(error) == bool(unsettled)
    assert left_of(Share("free", np.array([3, 4])), error, is_paid=False).unsettled.size == 0
