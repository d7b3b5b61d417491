"""Random schedules of faults, orders and crashes: no row is lost, doubled or paid for twice."""

import logging
import random
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from qstore_tf.errors import InputError, ShareError
from qstore_tf.routing import carrying
from qstore_tf.routing.carrying import carry, in_order
from qstore_tf.testing.daily import daily_seed

sys.path.insert(0, str(Path(__file__).parent))

from simulated_pool import (  # noqa: E402
    Dead,
    Executor,
    Life,
    QuickFile,
    SimulatedMember,
    Spoilt,
    value,
    wait,
    written_in,
)

SCHEDULES, GROUPS, QUICK = 10_000, 40, 300


class Schedule:
    """One batch, and processes that ask for it until it is done."""

    def __init__(self, seed):
        rng = self.rng = random.Random(seed)
        self.file = QuickFile()
        self.count, self.unit = rng.randint(1, 40), rng.choice([1, 1, 2, 5])
        trouble = rng.choice([0.0, 0.2, 0.5, 0.8])
        paid = rng.choice([0.0, 0.5, 0.5, 1.0])
        self.members = {
            f"m{k}": SimulatedMember(f"m{k}", rng.random() < paid, rng, trouble)
            for k in range(rng.randint(1, 5))
        }
        self.deaths = [rng.randint(1, 60) for _ in range(rng.choice([0, 0, 1, 2, 3]))]
        self.errors, self.lives, self.is_carried = [], 0, False

    def one_life(self):
        """Asks for the batch in one process; returns the results."""
        life = Life(self.deaths[self.lives] if self.lives < len(self.deaths) else None)
        self.lives += 1
        self.file.life, self.file.number = life, self.lives
        for member in self.members.values():
            member.life = life
        rng = self.rng

        def weigh(usable):
            some = [name for name in usable if rng.random() < 0.8] or usable
            return {name: rng.choice([0.0, 1.0, 1.0, 10.0]) for name in some}

        def run(name, rows):
            return self.members[name].run(rows)

        with written_in(self.file).batch("this batch") as account:
            done = carry(self.count, self.members, run, weigh, Executor(rng), self.unit, account)
            found = in_order(done.results, self.count)
            self.is_carried = True
        rows = np.concatenate([rows for rows, _ in done.results])
        assert sorted(rows.tolist()) == list(range(self.count))
        return found

    def run(self):
        for _ in range(12):
            try:
                return self.one_life()
            except Dead:
                if self.is_carried and self.file.is_empty():
                    return None  # with the results in its hands
            except ShareError as error:
                self.check_error(error)
                self.errors.append(error)
                if self.rng.random() < 0.5:  # things get better
                    for member in self.members.values():
                        member.trouble = 0.0
        return None

    def check_error(self, error):
        billed = Counter()
        for member in self.members.values():
            billed.update(member.billed)
        missing, perhaps = set(error.rows), set(error.perhaps_paid)
        assert missing and perhaps <= missing
        # What is missing and may surely go anywhere was billed by nobody.
        assert not {row for row in missing - perhaps if billed[row]}
        kept = error.kept
        if kept is not None:
            assert set(kept.done.tolist()) == set(range(self.count)) - missing
            assert kept.values.tolist() == value(kept.done).tolist()

    def check(self, found):
        billed = Counter()
        for member in self.members.values():
            billed.update(member.billed)
        assert max(billed.values(), default=0) <= 1, f"paid for twice: {billed}"
        if found is not None:
            assert found.tolist() == value(np.arange(self.count)).tolist()
            assert self.file.is_empty()


def run_schedules(numbers, monkeypatch, caplog):
    caplog.set_level(logging.CRITICAL, "qstore_tf")
    monkeypatch.setattr(carrying, "wait", wait)
    ends = Counter()
    for number in numbers:
        seed = f"{daily_seed()} {number}"
        schedule = Schedule(seed)
        try:
            found = schedule.run()
            schedule.check(found)
        except BaseException as error:
            raise AssertionError(f"Schedule {seed!r} fails: {error!r}") from error
        ends["none" if found is None else "found"] += 1
        ends["errors"] += len(schedule.errors)
        ends["deaths"] += min(schedule.lives, len(schedule.deaths))
    return ends


@pytest.mark.parametrize("group", range(2))
def test_some_random_schedules(group, monkeypatch, caplog):
    ends = run_schedules(range(group, QUICK, 2), monkeypatch, caplog)
    assert ends["found"] > 0.8 * QUICK / 2 and ends["errors"] and ends["deaths"], ends


@pytest.mark.slow
@pytest.mark.parametrize("group", range(GROUPS))
def test_random_schedules(group, monkeypatch, caplog):
    ends = run_schedules(range(QUICK + group, QUICK + SCHEDULES, GROUPS), monkeypatch, caplog)
    assert ends["found"] > 0.8 * SCHEDULES / GROUPS, ends


@pytest.mark.parametrize("is_paid", [False, True])
def test_an_error_of_the_caller_ends_the_batch_and_is_raised_as_it_is(is_paid, monkeypatch):
    monkeypatch.setattr(carrying, "wait", wait)
    rng = random.Random(1)
    members = {
        "good": SimulatedMember("good", is_paid, rng, 0.0),
        "other": Spoilt("other", is_paid, rng, 0.0),
    }

    def run(name, rows):
        return members[name].run(rows)

    def weigh(usable):
        return dict.fromkeys(usable, 1.0)

    file = QuickFile()
    with pytest.raises(InputError, match="no such numbers"), written_in(file).batch("b") as account:
        carry(6, members, run, weigh, Executor(rng), 1, account)
    # What was paid for is there for the next call.
    with written_in(file).batch("b") as account:
        done = [kept.done.tolist() for _, kept in account.earlier()]
    assert done == ([[0, 1, 2]] if is_paid else [])
