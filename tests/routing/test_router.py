"""A Router chooses, stays, moves and falls back as it says, with simulated backends."""

import contextlib
import logging
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from qstore_tf import backends, routing
from qstore_tf.backends.arrays import as_batch
from qstore_tf.circuits import UnifiedCircuit, compile_circuit
from qstore_tf.errors import (
    AuthenticationError,
    BackendError,
    BudgetExceededError,
    ConfigurationError,
    InputError,
    JobFailedError,
    LedgerError,
    MemoryLimitError,
    RefusedError,
    UnreachableError,
)
from qstore_tf.execution import choose
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.service.delivering import NotAllSent
from qstore_tf.routing import Router
from qstore_tf.routing.health import Breaker
from qstore_tf.routing.shares import Share
from qstore_tf.routing.speeds import Size
from qstore_tf.routing.written import Paid, Written
from qstore_tf.testing.daily import daily_seed

sys.path.insert(0, str(Path(__file__).parent))
from simulated_members import Simulated, a_program  # noqa: E402

PROGRAM, OBSERVABLES = a_program()


def a_batch(rows: int = 3, program=PROGRAM):
    return as_batch(program, np.zeros((rows, 2), "float32"), np.zeros(1))


def answer(router: Router, rows: int = 3) -> float:
    return float(router.expectation(a_batch(rows), OBSERVABLES)[0, 0])


def set_speed(router: Router, name: str, rate: float, rows: int = 3) -> None:
    """Makes a member's speed in forward runs of the test's batch what it is said to be."""
    member = next(m for m in router.members if m.name == name)
    size = Size.of(PROGRAM, "forward", member.shots, rows)
    for _ in range(60):  # until the moving average is there
        member.speeds.note(name, size, rows, rows / rate, member.kind)


class Still:
    """Speeds that a test sets, and no measurement moves."""

    def __init__(self, rates):
        self.rates = rates

    def note(self, *measured):
        pass

    def circuits_per_second(self, name, kind, size):
        return self.rates[name]


def a_router(*members: Simulated, rates=None, **options) -> Router:
    router = Router(list(members), **options)
    for member in router.members:
        member.speeds = Still(rates or dict.fromkeys([m.name for m in router.members], 1000.0))
    return router


def test_the_highest_score_runs_the_batch_and_its_result_comes_back() -> None:
    slow, fast = Simulated("slow", 0.25), Simulated("fast", 0.5)
    router = a_router(slow, fast, rates={"slow": 10.0, "fast": 1e5})
    assert answer(router) == 0.5
    assert (slow.calls, fast.calls) == (0, 1)
    found = router.expectation(a_batch(4), OBSERVABLES)
    assert found.shape == (4, 2) and found.dtype == np.float32


@pytest.mark.parametrize(
    ("priority", "chosen"), [("cost", "free"), ("speed", "paid"), ("balanced", "free")]
)
def test_priorities_weigh_speed_against_money(priority: str, chosen: str) -> None:
    members = Simulated("free"), Simulated("paid", price="0.10")
    router = a_router(*members, rates={"free": 1.0, "paid": 100.0}, priority=priority)
    assert router.explain(PROGRAM).chosen.member.name == chosen


@pytest.mark.parametrize("factor", [1.0, 1.3, 1 / 1.3])
def test_it_stays_unless_another_is_better_by_the_margin(factor: float) -> None:
    rates = {"one": 1e4, "other": 1e4 / 3}
    one, other = Simulated("one", 1.0), Simulated("other", 2.0)
    router = a_router(one, other, rates=rates, priority="speed", margin=0.05)
    assert answer(router) == 1.0
    rates["other"] = 1e4 * factor  # better or worse, but by less than the margin
    assert answer(router) == 1.0
    # 0.05 of the score is a factor of 10^1.2 in speed, where speed weighs a half: d log10 / 12.
    rates["other"] = 1e4 * 10 ** (0.05 * 12) * 1.02
    assert answer(router) == 2.0
    rates["other"] = 1e4 * 0.9
    assert answer(router) == 2.0
    assert router.telemetry()["changes"] == 1


def test_noisy_speeds_do_not_make_it_flap() -> None:
    rng = np.random.default_rng([daily_seed(), 14])
    router = Router([Simulated("one", 1.0), Simulated("other", 2.0)], priority="speed")
    one, other = router.members
    for member, rate in ((one, 1e4), (other, 0.9e4)):
        for _ in range(5):
            size = Size.of(PROGRAM, "forward", None, 3)
            member.speeds.note(member.name, size, 3, 3 / rate, member.kind)
    # From here on both scatter by half up and down, batch for batch, about the same speed.
    without_margin, previous = 0, None
    for member in router.members:
        member._run = lambda *_, member=member, **__: np.full((3, 2), member.plain.answer)
    for _ in range(300):
        answer(router)
        for member in router.members:
            rate = 1e4 * math.exp(rng.normal(0, 0.4))
            member.speeds.note(member.name, size, 3, 3 / rate, member.kind)
        best = max(router.explain(PROGRAM, rows=3).candidates, key=lambda each: each.total)
        without_margin += previous is not None and previous != best.member.name
        previous = best.member.name
    assert without_margin > 20
    assert router.telemetry()["changes"] <= without_margin / 5


def test_a_failure_moves_the_batch_on_and_is_said_once(caplog) -> None:
    bad = Simulated("bad", 1.0, fails=[RuntimeError("out of order")] * 2)
    router = a_router(bad, Simulated("good", 2.0), rates={"bad": 1e5, "good": 10.0})
    with caplog.at_level(logging.WARNING, "qstore_tf"):
        assert answer(router) == 2.0
        assert answer(router) == 2.0
        assert answer(router) == 1.0
    said = [record.getMessage() for record in caplog.records if "failed" in record.getMessage()]
    assert len(said) == 1 and "'bad'" in said[0] and "out of order" in said[0]
    assert router.telemetry()["fallbacks"] == 2


def test_one_that_keeps_failing_is_left_alone_until_its_pause_is_over() -> None:
    class Time:
        now = 0.0

        def monotonic(self):
            return self.now

        def time(self):
            return self.now

    clock = Time()
    bad = Simulated("bad", 1.0, fails=[RuntimeError("no")] * 3)
    router = a_router(bad, Simulated("good", 2.0), rates={"bad": 1e5, "good": 10.0})
    router.members[0].breaker = Breaker(clock, failures=3, first_s=10.0)
    assert [answer(router) for _ in range(8)] == [2.0] * 8
    assert bad.calls == 3
    explained = router.explain(PROGRAM)
    assert "'bad' cannot: it failed and is left alone for now (no)" in explained.sentence
    clock.now = 11.0
    assert answer(router) == 1.0 and bad.calls == 4


def test_one_that_lies_about_its_limits_is_excluded_and_told(caplog) -> None:
    liar = Simulated("liar", 1.0, fails=[ConfigurationError("the gate RX is not mine")] * 9)
    router = a_router(liar, Simulated("good", 2.0), rates={"liar": 1e5, "good": 10.0})
    with caplog.at_level(logging.WARNING, "qstore_tf"):
        assert [answer(router) for _ in range(4)] == [2.0] * 4
    assert liar.calls == 1
    assert sum("the gate RX is not mine" in r.getMessage() for r in caplog.records) == 1
    assert "'liar' cannot: it refused this program (the gate RX is not mine)" in str(
        router.explain(PROGRAM, observables=OBSERVABLES)
    )
    # Other programs may be fine.
    liar.fails.clear()
    other, observables = a_program(3)
    assert router.expectation(a_batch(2, other), observables)[0, 0] == 1.0


def test_memory_that_is_not_there_after_all_excludes_too() -> None:
    liar = Simulated("liar", 1.0, fails=[MemoryLimitError("2 GiB are missing")])
    router = a_router(liar, Simulated("good", 2.0), rates={"liar": 1e5, "good": 10.0})
    assert [answer(router) for _ in range(3)] == [2.0] * 3


def test_what_is_the_callers_fault_is_raised_as_it_is() -> None:
    bad, good = Simulated("bad", fails=[InputError("a wrong shape")]), Simulated("good")
    router = a_router(bad, good, rates={"bad": 1e5, "good": 10.0})
    with pytest.raises(InputError, match="a wrong shape"):
        answer(router)
    assert good.calls == 0


@pytest.mark.parametrize("error", [JobFailedError("lost"), UnreachableError("gone")])
def test_after_a_machine_failed_only_what_costs_nothing_is_asked(error: Exception) -> None:
    machine, other = Simulated("machine", 1.0, "1", fails=[error]), Simulated("other", 2.0, "2")
    free = Simulated("free", 3.0)
    rates = {"machine": 1e6, "other": 1e5, "free": 0.01}
    router = a_router(machine, other, free, rates=rates, priority="speed")
    assert answer(router) == 3.0
    assert (machine.calls, other.calls, free.calls) == (1, 0, 1)
    # With nothing free the error itself, which knows what is done, and the other is not paid.
    machine.fails = [error]
    router = a_router(machine, other, rates=rates, priority="speed")
    with pytest.raises(type(error), match=str(error)):
        answer(router)
    assert other.calls == 0


def test_the_same_call_again_goes_to_the_machine_that_may_have_run_it() -> None:
    machine = Simulated("machine", 1.0, "1", fails=[UnreachableError("gone")])
    other = Simulated("other", 2.0, "1")
    router = a_router(machine, other, rates={"machine": 1e6, "other": 1e5}, priority="speed")
    with pytest.raises(UnreachableError, match="gone"):
        answer(router)
    # It is left alone for 2 s, and until then nobody else may be paid for this batch.
    with pytest.raises(BackendError, match="nothing is paid twice"):
        answer(router)
    assert answer(router, 4) == 2.0  # another batch
    router.members[0].breaker.succeeded()
    assert answer(router) == 1.0
    # It is done, so that the same numbers are new work.
    machine.fails = [BudgetExceededError("too dear")]
    assert answer(router) == 2.0


def test_after_a_restart_no_other_machine_is_paid(tmp_path: Path) -> None:
    # As after kill -9: what the Router of the first process knew is in the file alone.
    rates = {"machine": 1e6, "other": 1e5}
    machine = Simulated("machine", 1.0, "1", fails=[KeyboardInterrupt()])
    options = {"rates": rates, "priority": "speed", "journal": tmp_path / "own.sqlite"}
    with pytest.raises(KeyboardInterrupt):
        answer(a_router(machine, Simulated("other", 2.0, "1"), **options))
    rates.update(machine=1e5, other=1e6)
    machine, other = Simulated("machine", 1.0, "1"), Simulated("other", 2.0, "1")
    again = a_router(machine, other, **options)
    assert answer(again) == 1.0 and other.calls == 0
    assert answer(again, 4) == 2.0  # another batch
    assert answer(again) == 2.0  # the first one is done


def test_another_member_does_not_make_another_batch_of_it(tmp_path: Path) -> None:
    rates = dict.fromkeys(["machine", "other", "third"], 1e5)
    options = {"rates": rates, "priority": "speed", "journal": tmp_path / "own.sqlite"}
    machine = Simulated("machine", 1.0, "1", fails=[UnreachableError("gone")])
    with pytest.raises(UnreachableError):
        answer(a_router(machine, **options))
    others = Simulated("other", 2.0, "1"), Simulated("third", 3.0, "1")
    with pytest.raises(BackendError, match="'machine' may have run these") as failure:
        answer(a_router(*others, **options))
    assert "own.sqlite" in str(failure.value)
    assert answer(a_router(*others, Simulated("machine", 1.0, "1"), **options)) == 1.0


@pytest.mark.parametrize("missing", [(0, 1, 2), ()])
def test_a_machine_that_knows_that_nothing_ran_leaves_the_batch_after_a_restart(
    tmp_path: Path, missing: tuple[int, ...]
) -> None:
    rates = {"machine": 1e6, "other": 1e5}
    options = {"rates": rates, "priority": "speed", "journal": tmp_path / "own.sqlite"}
    machine = Simulated("machine", 1.0, "1", fails=[KeyboardInterrupt()])
    with pytest.raises(KeyboardInterrupt):
        answer(a_router(machine, Simulated("other", 2.0, "1"), **options))
    error = AuthenticationError("no such key")
    error.circuits = missing
    machine = Simulated("machine", 1.0, "1", fails=[error])
    other = Simulated("other", 2.0, "1")
    router = a_router(machine, other, **options)
    if missing:
        assert answer(router) == 2.0
        return
    with pytest.raises(AuthenticationError):  # which says nothing of what was sent before
        answer(router)
    assert other.calls == 0


def test_a_file_that_cannot_be_changed_does_not_hide_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rates = {"machine": 1e6, "other": 1e5}
    machine = Simulated("machine", 1.0, "1", fails=[JobFailedError("billed")])
    other = Simulated("other", 2.0, "1")
    options = {"rates": rates, "priority": "speed", "journal": tmp_path / "own.sqlite"}
    router = a_router(machine, other, **options)

    def full(*arguments: object) -> None:
        raise LedgerError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(Paid, "leave", full)
        with pytest.raises(JobFailedError, match="billed"):
            answer(router)
    assert "the disk is full" in caplog.text
    # It is known nevertheless, here and in another process.
    router.members[0].breaker.succeeded()
    assert answer(router) == 1.0 and other.calls == 0


def test_threads_with_the_same_batch_have_a_row_each(tmp_path: Path) -> None:
    written = Written(tmp_path / "own.sqlite", "")
    with written.batch("same") as one, written.batch("same") as two:
        one.planned(Share("machine", np.arange(3)))
        assert not two.earlier() and not written.is_left("same")
    with contextlib.suppress(RuntimeError), written.batch("same") as one:
        one.planned(Share("machine", np.arange(3)))
        raise RuntimeError
    assert written.is_left("same") and Written(tmp_path / "own.sqlite", "").is_left("same")
    with written.batch("same") as one:
        assert [share.member for share, _ in one.earlier()] == ["machine"]
        assert not written.is_left("same")
    assert not written.is_left("same")


@pytest.mark.parametrize(
    ("journal", "expected"),
    [
        ("jobs.sqlite", "router.sqlite"),
        ("jobs-{index}.sqlite", "router-3.sqlite"),
        ("{index}/jobs.sqlite", "3/router.sqlite"),
    ],
)
def test_the_file_is_of_each_worker_where_the_journal_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, journal: str, expected: str
) -> None:
    monkeypatch.setenv("QSTORE_IONQ_JOURNAL", str(tmp_path / journal))
    monkeypatch.setenv("QSTORE_WORKERS", "4")
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "3")
    assert Written(None, "router").path == tmp_path / expected


def test_in_memory_the_file_is_temporary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QSTORE_IONQ_JOURNAL", ":memory:")
    assert Written(None, "router").path.parent != Path.cwd()


def test_a_fallback_that_costs_money_is_refused() -> None:
    budget = Budget(usd=1, on_exceed="fallback", fallback=Simulated("machine", price="1"))
    with pytest.raises(ConfigurationError, match="fallback of a Router's budget costs money"):
        Router([Simulated("other", price="1")], budget=budget)


def test_what_costs_nothing_writes_nothing(tmp_path: Path) -> None:
    machine, free = Simulated("machine", 1.0, "1"), Simulated("free", 2.0)
    path = tmp_path / "own.sqlite"
    router = a_router(machine, free, rates={"machine": 1.0, "free": 1e6}, journal=path)
    assert answer(router) == 2.0 and not path.exists()


def test_a_journal_that_cannot_be_written_stops_before_anything_is_paid(tmp_path: Path) -> None:
    machine, other = Simulated("machine", 1.0, "1"), Simulated("other", 1.0, "1")
    path = tmp_path / "own.sqlite"
    path.mkdir()
    with pytest.raises(LedgerError, match="cannot be used"):
        answer(a_router(machine, journal=path))
    with pytest.raises(BackendError, match="cannot be written down that it may be paid"):
        answer(a_router(machine, other, journal=path))
    rates = {"machine": 1e6, "free": 1.0}
    router = a_router(machine, Simulated("free", 3.0), rates=rates, priority="speed", journal=path)
    assert answer(router) == 3.0
    assert machine.calls == other.calls == 0


def test_the_error_that_knows_what_was_paid_is_raised_and_not_the_last() -> None:
    machine = Simulated("machine", 1.0, "1", fails=[JobFailedError("billed")])
    free = Simulated("free", 2.0, fails=[RuntimeError("broken too")])
    router = a_router(machine, free, rates={"machine": 1e6, "free": 1.0}, priority="speed")
    with pytest.raises(JobFailedError, match="billed"):
        answer(router)


def test_a_machine_that_surely_ran_nothing_leaves_the_batch_to_the_next() -> None:
    error = AuthenticationError("no such key")
    error.circuits = (0, 1, 2)  # all are missing, and none of them is unsettled
    machine, other = Simulated("machine", 1.0, "1", fails=[error]), Simulated("other", 2.0, "1")
    rates = {"machine": 1e6, "other": 1e5}
    assert answer(a_router(machine, other, rates=rates, priority="speed")) == 2.0


def test_a_refusal_of_one_job_of_several_is_not_paid_for_elsewhere() -> None:
    error = RefusedError("the second job is too long")
    error.circuits, error.completed = (1, 2), 1
    machine = Simulated("machine", 1.0, "1", fails=[error])
    other, free = Simulated("other", 2.0, "1"), Simulated("free", 3.0)
    rates = {"machine": 1e6, "other": 1e5, "free": 1.0}
    router = a_router(machine, other, free, rates=rates, priority="speed")
    assert answer(router) == 3.0
    assert other.calls == 0


def test_a_price_that_nobody_pays_moves_on_to_another_machine_too() -> None:
    dear = Simulated("dear", 1.0, "1", fails=[BudgetExceededError("too dear")])
    router = a_router(
        dear, Simulated("cheap", 2.0, "0.5"), rates={"dear": 1e6, "cheap": 1.0}, priority="speed"
    )
    assert answer(router) == 2.0


def test_one_machine_alone_falls_back_where_its_budget_refuses_only_when_it_runs() -> None:
    budget = Budget(usd=100, on_exceed="fallback", fallback=Simulated("last", 4.0))
    router = a_router(Simulated("dear", 1.0, "1", fails=[BudgetExceededError("no")]), budget=budget)
    assert answer(router) == 4.0
    assert answer(router) == 1.0


def test_what_an_earlier_call_did_not_send_is_no_refusal_for_good() -> None:
    machine, free = Simulated("machine", 1.0, "1", fails=[NotAllSent("no")]), Simulated("free", 2.0)
    rates = {"machine": 1e6, "free": 1.0}
    router = a_router(machine, free, rates=rates, priority="speed", margin=0)
    assert answer(router) == 2.0
    assert answer(router) == 1.0


def test_no_usable_backend_says_what_excludes_each() -> None:
    wide, n = compile_circuit(UnifiedCircuit(50).add_gate("H", 49)), 50
    small = Simulated("small")
    small.target = type("Target", (), {"n_qubits": 4, "api_name": ""})
    router = a_router(
        small,
        Simulated("huge"),
        Simulated("picky", refuses=ConfigurationError("H is no gate of mine")),
    )
    router.members[2].plain.remote = True
    with pytest.raises(ConfigurationError) as failure:
        router.check(wide)
    message = str(failure.value)
    for words in (
        f"No backend of the Router can run this program of {n} qubits and 2 gates",
        "'small' cannot: it has 4 qubits, and the circuit needs 50",
        "'huge' cannot: it needs at least 8 PiB of memory",
        "'picky' cannot: H is no gate of mine",
    ):
        assert words in message


def test_all_that_failed_are_named_in_one_error() -> None:
    members = [Simulated(name, fails=[RuntimeError(f"{name} is broken")]) for name in "ab"]
    with pytest.raises(BackendError) as failure:
        answer(a_router(*members))
    assert "a is broken" in str(failure.value) and "b is broken" in str(failure.value)
    # One alone fails as it would without a Router.
    with pytest.raises(ZeroDivisionError):
        answer(a_router(Simulated(fails=[ZeroDivisionError()])))


@pytest.mark.parametrize(
    ("shots", "fidelity", "words"),
    [
        (None, 1.0, None),
        (100, 1.0, None),
        (99, 1.0, "100 shots would do"),
        (1000, 0.95, None),
        (100, 0.95, "361 shots would do"),
        (10**6, 0.8, "no number of shots is enough"),
    ],
)
def test_precision_is_a_limit(shots: int | None, fidelity: float, words: str | None) -> None:
    backend = Simulated("noisy", fidelity=fidelity)
    router = a_router(backend)
    asked = router if shots is None else router.with_shots(shots)
    if words is None:
        assert answer(asked) == 0.0
        return
    with pytest.raises(ConfigurationError, match=words):
        answer(asked)
    needed = int("".join(filter(str.isdigit, words)) or 0)
    if needed:
        assert answer(router.with_shots(needed)) == 0.0
        with pytest.raises(ConfigurationError):
            answer(router.with_shots(needed - 1))


def test_gradients_need_members_that_have_them() -> None:
    one, other = Simulated("one", adjoint=True), Simulated("other", 2.0, adjoint=True)
    assert Router([one, other]).capabilities.adjoint
    assert not Router([one, Simulated("without")]).capabilities.adjoint
    with pytest.raises(ConfigurationError, match="gradient='adjoint' needs"):
        choose(Router([one, Simulated("without")]), "adjoint")
    router = a_router(one, other, rates={"one": 1.0, "other": 1e4})
    found = router.pull_expectation(a_batch(), OBSERVABLES, np.ones((3, 2), "float32"))
    assert found.theta.tolist() == [2.0]


def test_capabilities_are_what_all_can_and_any_dtype() -> None:
    one = Simulated("one", state_vector=True, dtypes=("float32",), samples=True)
    other = Simulated("other", exact=False, samples=False)
    found = Router([one, other]).capabilities
    assert (found.state_vector, found.exact, found.adjoint, found.samples) == (False,) * 4
    assert set(found.dtypes) == {"float32", "float64"}
    router = a_router(one, other, rates={"one": 1e6, "other": 1.0})
    wide = as_batch(PROGRAM, np.zeros((1, 2)), np.zeros(1))
    router.expectation(wide, OBSERVABLES)
    assert (one.calls, other.calls) == (0, 1)


def test_explaining_runs_nothing_and_shows_a_line_for_each() -> None:
    free = Simulated("free")
    dear = Simulated("dear", price="58.90", fidelity=0.91, wait_s=120.0)
    router = a_router(free, dear, rates={"free": 1000.0, "dear": 2.0})
    found = router.explain(PROGRAM, 10_000, rows=32)
    table = found.table.splitlines()
    assert len(table) == 3 and table[1].split()[0] == "free" and "58.9 USD" in table[2]
    assert "2 min 0 s" in table[2] and "0.901" in table[2]
    assert found.sentence == ("'free' runs it, with the highest score for priority 'balanced'.")
    assert str(found) == f"{found.table}\n{found.sentence}"
    assert (free.calls, dear.calls) == (0, 0)
    assert router.telemetry()["batches"] == 0
    totals = {each.member.name: each.total for each in found.candidates}
    assert found.chosen.total == max(totals.values())


def test_decisions_and_changes_are_logged_once(caplog) -> None:
    rates = {"one": 1e5, "other": 10.0}
    router = a_router(Simulated("one", 1.0), Simulated("other", 2.0), rates=rates)
    with caplog.at_level(logging.INFO, "qstore_tf"):
        for _ in range(5):
            answer(router)
        assert len(caplog.records) == 1
        assert "2 qubits and" in caplog.text and "'one' runs it" in caplog.text
        rates["one"], rates["other"] = 10.0, 1e5
        for _ in range(5):
            answer(router)
    assert len(caplog.records) == 2 and "'other' runs it" in caplog.records[1].getMessage()
    assert [record.getMessage() for record in caplog.records] == router.decisions


def test_telemetry_adds_up() -> None:
    router = a_router(
        Simulated("one", fails=[None, RuntimeError("no")]),
        Simulated("other", wait_s=7.0),
        rates={"one": 1e5, "other": 10.0},
    )
    for rows in (3, 5, 2):
        answer(router, rows)
    found = router.telemetry()
    assert found["batches"] == 3 and found["fallbacks"] == 1
    assert found["share_one"] == pytest.approx(0.5) and found["share_other"] == pytest.approx(0.5)
    assert found["queue_seconds"] == 0.0 and found["cost"] == 0.0
    assert 0 < found["score_one"] <= 1
    assert all(math.isfinite(number) for number in found.values())


def test_recommendations_are_those_of_earlier_versions() -> None:
    router = Router(["native", "qsim", "lightning", "ionq_simulator"])
    assert router.recommend("development").members == ("native", "qsim")
    assert router.recommend("training").members == ("qsim", "lightning", "ionq:simulator")
    found = router.recommend("validation")
    assert found.members == ("ionq:simulator",) and found.missing == ("ionq_hardware",)
    assert router.recommend("production").members == ()
    assert router.recommend("research").names == ("qsim", "lightning", "ionq_simulator")
    with pytest.raises(ConfigurationError, match="Did you mean 'training'"):
        router.recommend("trainin")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"backends": []}, "no backends to choose from"),
        ({"backends": "native"}, "no backends to choose from"),
        ({"backends": ["nativ"]}, "Did you mean"),
        ({"backends": [3]}, "no backends to choose from"),
        ({"backends": [{"nome": "native"}]}, "no backends to choose from"),
        ({"priority": "fast"}, "no priority 'fast'"),
        ({"priority": None}, "no priority"),
        ({"precision": 1.5}, "`precision` must be a number from 0 to 1"),
        ({"precision": True}, "`precision` must be a number from 0 to 1"),
        ({"margin": -0.1}, "`margin` must be a number from 0 to 1"),
        ({"budget": object()}, "`budget` must be a Budget"),
        ({"budget": -1}, "no amount of money"),
    ],
)
def test_bad_settings_are_refused_at_once(options, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Router(**{"backends": ["tensorflow"], **options})


def test_a_backend_with_another_budget_contradicts_the_routers() -> None:
    machine = backends.get("ionq", target="qpu.forte-1", budget=Budget(usd=5))
    with pytest.raises(ConfigurationError, match="has a budget of its own"):
        Router(["native", machine], budget=Budget(usd=2))
    same = machine.budget
    assert Router(["native", machine], budget=same).members[1].budget is same


def test_one_backend_twice_is_refused_and_two_alike_get_two_names() -> None:
    one = Simulated()
    with pytest.raises(ConfigurationError, match="given twice"):
        Router([one, one])
    names = [member.name for member in Router(["native", "native", "local_cpu"]).members]
    assert names == ["native", "native_2", "native_3"]


def test_a_configuration_makes_the_same_router_again_without_keys() -> None:
    machine = backends.get("ionq", target="qpu.forte-1", api_key="a-secret-key", shots=500)
    drawn = backends.Sampled(backends.get("native", num_threads=1), 200)
    router = Router(
        ["native", drawn, machine], priority="cost", precision=0.5, budget="2.50", margin=0.1
    )
    config = router.get_config()
    assert "a-secret-key" not in repr(config) + repr(router)
    again = backends.get("router", **config).arrays
    assert [m.name for m in again.members] == ["native", "native_2", "ionq:qpu.forte-1"]
    assert [m.shots for m in again.members] == [None, 200, 500]
    assert again.get_config() == config
    assert (again.priority, again.precision, again.margin) == ("cost", 0.5, 0.1)
    assert again.budget.limit.money == router.budget.limit.money
    assert again.members[2].budget is again.budget


@pytest.mark.parametrize("name", ["router", "pool"])
def test_one_budget_of_router_and_machine_is_one_again_from_a_configuration(name: str) -> None:
    budget = Budget(usd=3)
    machine = backends.get("ionq", target="qpu.forte-1", budget=budget)
    inner = backends.get(name, backends=["native", machine], budget=budget)
    outer = Router(["native", inner], budget=budget)
    again = backends.get("router", **outer.get_config()).arrays
    assert again.budget.limit.money == 3 and again.get_config() == outer.get_config()
    assert again.members[1].budget is again.budget
    assert again.members[1].plain.members[1].budget is again.budget


def test_views_with_shots_share_members_measurements_and_budget() -> None:
    router = Router(["native", "qsim"], budget=1)
    view = router.with_shots(200)
    assert view is router.with_shots(200) and view.with_shots(200) is view
    assert view.budget is router.budget and view.tally is router.tally
    assert [member.shots for member in view.members] == [200, 200]
    assert view.members[0].speeds is router.members[0].speeds
    assert view.members[0].breaker is router.members[0].breaker
    assert not view.capabilities.exact and router.capabilities.exact
    with pytest.raises(ConfigurationError):
        router.with_shots(0)


def test_routers_are_exported_and_composed_names_are_not_backends_by_themselves() -> None:
    assert routing.Router is Router
    assert "router" not in backends.available()
    with pytest.raises(ConfigurationError, match="no backends to choose from"):
        backends.get("router")
