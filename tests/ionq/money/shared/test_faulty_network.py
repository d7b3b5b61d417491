"""No fault of the network, and no crash of the chief, overspends, forgets or frees anything."""

import itertools
import random
from decimal import Decimal

import pytest

from qstore_tf.errors import AccountUnreachableError, BudgetExceededError
from qstore_tf.testing.daily import daily_seed
from tests.ionq.money.shared.faulty import FaultyNetwork, quick_budget

LIMIT = Decimal(3)


class Schedule:
    """Some workers do random things; what was acknowledged is compared with the account.

    A call that was given up may have been done, and may yet be done until its worker has an answer
    to another one: its key is uncertain until then.
    """

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.budget = quick_budget(LIMIT)
        self.network = FaultyNetwork(self.budget, self.rng, self.rng.choice((0.1, 0.3, 0.6)))
        self.workers = [self.network.worker(self.rng.choice((5.0, 100.0))) for _ in range(4)]
        # Of each worker: what became of a key, as (state, amount); or what may have become of it.
        self.known = [{} for _ in self.workers]
        self.uncertain = [{} for _ in self.workers]
        self.keys = itertools.count()
        self.refused = self.given_up = 0

    def run(self, steps):
        for _ in range(steps):
            self.step(self.rng.randrange(len(self.workers)))
            self.check()
        self.network.faults = 0.0
        self.network.now += 100
        for number, known in enumerate(self.known):
            self.do(number, "release", "nothing", Decimal(0))
            for key, (state, amount) in list(known.items()):
                if state == "reserved":
                    self.do(number, "commit", key, amount)
            self.check()
        spent = {entry.key: entry.billed.money for entry in self.budget.entries("spent")}
        assert spent == {
            key: amount
            for known in self.known
            for key, (state, amount) in known.items()
            if state == "spent"
        }
        assert self.budget.reserved.money == 0
        assert self.budget.spent.money == sum(spent.values(), Decimal(0)) <= LIMIT

    def step(self, number):
        known, choice = self.known[number], self.rng.random()
        reserved = [key for key, (state, _) in known.items() if state == "reserved"]
        released = [key for key, (state, _) in known.items() if state == "released"]
        if reserved and choice < 0.5:
            key = self.rng.choice(reserved)
            part = Decimal(self.rng.randrange(0, 11)) / 10
            name, part = ("commit", part) if choice < 0.3 else ("release", 1)
            self.do(number, name, key, known[key][1] * part)
        elif released and choice < 0.8:  # as a run does that takes up what another has left
            key = self.rng.choice(released)
            self.do(number, "reserve", key, known[key][1])
        else:
            amount = Decimal(self.rng.randrange(1, 1000)) / 1000
            self.do(number, "reserve", f"job {next(self.keys)}", amount)

    def do(self, number, name, key, amount):
        before = self.known[number].get(key, ("released", amount))
        after = {"reserve": "reserved", "commit": "spent", "release": "released"}[name], amount
        try:
            arguments = (key,) if name == "release" else (key, amount)
            getattr(self.workers[number], name)(*arguments)
        except AccountUnreachableError:
            self.given_up += 1
            self.uncertain[number][key] = before, after
            self.known[number].pop(key, None)
            return
        except BudgetExceededError:
            assert name == "reserve"
            self.refused += 1
            after = "released", amount
        if self.uncertain[number]:
            entries = self.entries()
            for old, possible in self.uncertain[number].items():
                self.known[number][old] = found(entries, old, possible)
        self.uncertain[number].clear()
        self.known[number][key] = after

    def entries(self):
        return {entry.key: entry for entry in self.budget.entries()}

    def check(self):
        balance, entries = self.budget.balance, self.entries()
        assert balance.spent.money + balance.reserved.money <= LIMIT
        for known, uncertain in zip(self.known, self.uncertain, strict=True):
            for key, possible in [
                *((k, (state,)) for k, state in known.items()),
                *uncertain.items(),
            ]:
                found(entries, key, possible)


def found(entries, key, possible):
    """What has become of a key, which must be one of what is possible."""
    entry = entries.get(key)
    if entry is None or entry.state == "released":
        assert "released" in [state for state, _ in possible], (key, entry, possible)
        return "released", possible[0][1]
    there = entry.state, (entry.billed or entry.reserved).money
    assert there in possible, (key, there, possible)
    return there


def run_schedules(n):
    counts = {}
    for number in range(n):
        schedule = Schedule(f"{daily_seed()} {number}")
        schedule.run(steps=40)
        more = {"refused": schedule.refused, "given up": schedule.given_up}
        for name, count in {**schedule.network.counts, **more}.items():
            counts[name] = counts.get(name, 0) + count
    print(f"{n} schedules: {counts}")
    assert all(counts.values())


def test_faults_of_the_network_change_nothing():
    run_schedules(30)


@pytest.mark.slow
def test_many_faults_of_the_network_change_nothing():
    run_schedules(250)
