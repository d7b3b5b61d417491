"""Threads and processes share a budget; one that is killed loses nothing and frees nothing."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from qstore_tf.errors import BudgetExceededError, ConfigurationError, LedgerError
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.testing.daily import daily_seed

SCRIPT = Path(__file__).with_name("spending.py")
ROOT = Path(__file__).parents[3]
FOREVER = 10**9


@contextlib.contextmanager
def spenders(path, limit, processes, threads, rounds, seed):
    """Processes that all begin at the same moment."""
    started = [
        subprocess.Popen(
            [sys.executable, SCRIPT, path, str(limit), str(threads), str(rounds), f"{seed}-{k}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for k in range(processes)
    ]
    try:
        for each in started:
            assert each.stdout.readline() == "ready\n", each.stderr.read()
        for each in started:
            each.stdin.write("go\n")
            each.stdin.flush()
        yield started
    finally:
        for each in started:
            each.kill()
            each.communicate()


def latest(outputs):
    """What was acknowledged last of each key: {key: (word, amount)}."""
    lines = [line.split() for output in outputs for line in output.splitlines()]
    return {key: (word, Decimal(amount)) for word, key, amount in lines}


def sums(found, word):
    return sum((amount for state, amount in found if state == word), Decimal(0))


def check_sums(budget):
    entries = budget.entries()
    pairs = [(e.state, (e.billed or e.reserved).money) for e in entries]
    assert budget.spent.money == sums(pairs, "spent")
    assert budget.reserved.money == sums(pairs, "reserved")


def spend_together(tmp_path, processes, threads, rounds):
    path, limit, looked = tmp_path / "budget.sqlite", Decimal(threads), 0
    with spenders(path, limit, processes, threads, rounds, daily_seed()) as started:
        while any(each.poll() is None for each in started):
            with contextlib.suppress(ConfigurationError, LedgerError):  # there is no limit yet
                balance = Budget(path=path).balance
                used = balance.spent.money + balance.reserved.money
                assert used <= limit and balance.left.money == limit - used
                looked += used > 0
            time.sleep(0.05)
        outputs = [each.stdout.read() for each in started]
        assert looked > 0
        assert [each.returncode for each in started] == [0] * processes
    budget, known = Budget(usd=limit, path=path), latest(outputs)
    assert len(known) == processes * threads * rounds
    counts = Counter(word for word, _ in known.values())
    assert all(counts[word] for word in ("reserved", "spent", "released", "refused")), counts
    assert budget.spent.money == sums(known.values(), "spent")
    assert budget.reserved.money == sums(known.values(), "reserved")
    assert 0 <= budget.left.money < 1  # what one reservation may take
    check_sums(budget)
    with pytest.raises(BudgetExceededError, match="which has ended.*next run that has its journal"):
        budget.reserve("more", 1)


def test_threads_and_processes_do_not_overspend(tmp_path):
    spend_together(tmp_path, processes=4, threads=2, rounds=25)


@pytest.mark.slow
def test_many_threads_and_processes_do_not_overspend(tmp_path):
    spend_together(tmp_path, processes=4, threads=8, rounds=50)


def kill_at_random(tmp_path, lives):
    path, limit = tmp_path / "budget.sqlite", 10**6
    rng = random.Random(daily_seed())
    known = {}
    for life in range(lives):
        with spenders(path, limit, 1, 2, FOREVER, f"{daily_seed()}-{life}") as (victim,):
            output = "".join(victim.stdout.readline() for _ in range(rng.randrange(12, 60)))
            time.sleep(rng.uniform(0, 0.02))
            victim.send_signal(signal.SIGKILL)
            output += victim.communicate()[0]
        known.update(latest([output]))
        budget = Budget(usd=limit, path=path)
        found = {e.key: (e.state, (e.billed or e.reserved).money) for e in budget.entries()}
        check_sums(budget)
        # Each thread was in the middle of at most one change, which was made or was not.
        changed = {key for key in known.keys() | found.keys() if known.get(key) != found.get(key)}
        assert len(changed) <= 2
        for key in changed:
            word = known[key][0] if key in known else "new"
            after = {"new": ["reserved"], "reserved": ["spent", "released"]}
            assert found[key][0] in after[word]
        known.update(found)
    assert len(known) > 5 * lives


def test_a_killed_process_loses_and_frees_nothing(tmp_path):
    kill_at_random(tmp_path, lives=3)


@pytest.mark.slow
def test_a_process_killed_many_times_loses_and_frees_nothing(tmp_path):
    kill_at_random(tmp_path, lives=8)


def test_a_forked_process_spends_the_same_money(tmp_path):
    budget = Budget(usd=1)
    child = os.fork()
    if child == 0:
        # Nothing of pytest may run here, whatever happens.
        code = 1
        try:
            budget.reserve("child", 1)
            del budget
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert budget.left.money == 0
