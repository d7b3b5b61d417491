"""Shares of a batch: they partition it, whatever happens to them."""

import math
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf import backends
from qstore_tf.backends.arrays.base import as_batch
from qstore_tf.circuits import UnifiedCircuit, compile_circuit
from qstore_tf.errors import LedgerError
from qstore_tf.ionq.service.delivering import deliver
from qstore_tf.routing.carrying import NoAccount, carry
from qstore_tf.routing.members import members_of
from qstore_tf.routing.shares import Dealing, alike, in_shares, proportional
from qstore_tf.routing.written import Paid, Written, fingerprint
from qstore_tf.testing.daily import daily_seed

WEIGHTS = st.lists(
    st.one_of(st.just(0.0), st.floats(0, 1e300), st.sampled_from([math.inf, math.nan, 1e-320])),
    min_size=1,
    max_size=8,
)


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 10_000), WEIGHTS)
def test_proportional_gives_out_everything_and_nothing_negative(count, weights):
    found = proportional(count, weights)
    assert sum(found) == count and min(found) >= 0 and len(found) == len(weights)
    if all(map(math.isfinite, weights)) and max(weights) > 0:
        scaled = [weight / max(weights) for weight in weights]
        for got, weight in zip(found, scaled, strict=True):
            exact = count * weight / sum(scaled)
            assert exact - 1 - 1e-6 * count < got < exact + 1 + 1e-6 * count


def test_equal_remainders_go_to_the_first():
    assert proportional(5, [1, 1, 1]) == [2, 2, 1]
    assert proportional(3, [0, 0]) == [2, 1]
    assert proportional(0, [1, 2]) == [0, 0]
    assert proportional(7, [0, 1, 0]) == [0, 7, 0]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=8))
def test_speeds_that_are_alike_count_the_same_and_others_keep_their_order(given_speeds):
    speeds = {f"m{k}": speed for k, speed in enumerate(given_speeds)}
    found = alike(speeds)
    assert list(found) == list(speeds)
    for name, speed in speeds.items():
        assert 0.85 * speed * (1 - 1e-9) <= found[name] <= speed / 0.85 * (1 + 1e-9)
        for other in speeds:
            assert found[name] <= found[other] * (1 + 1e-9) or speed > speeds[other]
    assert sum(found.values()) == pytest.approx(sum(speeds.values()))
    fastest = max(given_speeds)
    if min(given_speeds) >= 0.85 * fastest:
        assert len(set(found.values())) == 1


@settings(deadline=None, max_examples=200)
@given(st.sets(st.integers(0, 500)), WEIGHTS, st.integers(1, 40))
def test_shares_partition_rows_and_keep_blocks_together(rows, weights, unit):
    given_rows = np.array(sorted(rows), np.int64)
    names = {f"m{k}": weight for k, weight in enumerate(weights)}
    shares = in_shares(given_rows, names, unit)
    together = [row for share in shares for row in share.rows.tolist()]
    assert together == sorted(rows)  # each once, in order, contiguous
    assert all(len(share.rows) for share in shares)
    assert len({share.member for share in shares}) == len(shares)
    owner = {row // unit: set() for row in rows}
    for share in shares:
        for row in share.rows.tolist():
            owner[row // unit].add(share.member)
    assert all(len(members) == 1 for members in owner.values())


def random_dealing(rng):
    """Deals a batch out until nobody is left, in a random order; returns who ran what."""
    count, unit = rng.randint(0, 60), rng.choice([1, 1, 2, 7])
    free = {f"m{k}": rng.random() < 0.5 for k in range(rng.randint(1, 5))}
    dealing = Dealing(count, free, unit)
    ran = [[] for _ in range(count)]
    paid_for = np.zeros(count, int)
    running = []
    while True:
        some = [name for name in dealing.usable if rng.random() < 0.9] or dealing.usable
        running += dealing.deal({name: rng.choice([0.0, 1.0, 5.0]) for name in some})
        held = np.concatenate([share.rows for share in running] or [np.zeros(0, int)])
        assert len(set(held.tolist())) == len(held) and not dealing.done[held].any()
        if not running:
            if some == dealing.usable:
                return dealing, ran, paid_for, free
            continue
        share = running.pop(rng.randrange(len(running)))
        fate = [rng.choice(["done", "lost", "perhaps"]) for _ in share.rows]
        if rng.random() < 0.5:
            fate = ["done"] * len(share.rows)
            dealing.succeeded(share)
        else:
            pick = {f: share.rows[[x == f for x in fate]] for f in ("done", "perhaps")}
            if free[share.member]:
                pick["perhaps"] = share.rows[:0]
            dealing.failed(share, pick["done"], pick["perhaps"])
        for row, what in zip(share.rows.tolist(), fate, strict=True):
            if what == "done":
                ran[row].append(share.member)
            if not free[share.member] and what != "lost":
                paid_for[row] += 1


def test_no_order_of_ends_loses_doubles_or_pays_twice_for_a_row():
    for number in range(300):
        rng = random.Random(f"{daily_seed()} {number}")
        dealing, ran, paid_for, free = random_dealing(rng)
        assert [len(each) for each in ran] == dealing.done.astype(int).tolist()
        assert paid_for.max(initial=0) <= 1
        left = ~dealing.done
        if left.any() and dealing.usable:
            # What is left may have been paid for, and nobody is left who costs nothing.
            assert set(np.flatnonzero(left)) == set(dealing.perhaps_paid.tolist())
            assert not any(free[name] for name in dealing.usable)


def test_a_share_ends_once():
    dealing = Dealing(4, {"a": True})
    (share,) = dealing.deal({"a": 1.0})
    dealing.succeeded(share)
    with pytest.raises(AssertionError):
        dealing.succeeded(share)
    assert dealing.deal({"a": 1.0}) == []


def test_a_batch_that_another_service_has_begun_is_not_the_same():
    program = compile_circuit(UnifiedCircuit(1).add_gate("RX", 0, "x"), inputs=["x"])
    batch = as_batch(program, np.zeros((2, 1)), np.zeros(0))

    def of(**options):
        given = {"url": "http://localhost:1", "api_key": "a-key", **options}
        machine = backends.get("ionq", target="qpu.forte-1", **given)
        return fingerprint(batch, ("expectation",), members_of(["native", machine]))

    assert of() == of(api_key="another")
    assert len({of(), of(url="http://localhost:2"), of(debiasing=True), of(shots=500)}) == 4


class Machine:
    """Runs everything at once, and is its own journal."""

    name, is_paid = "machine", True

    def __init__(self):
        self.delivered, self.left = [], []

    def run(self, name, rows):
        deliver(self, f"run of {len(rows)}")
        return rows.astype(float)

    def deliver(self, run):
        self.delivered.append(run)

    def release(self, run):
        self.left.append(run)


class FullDisk(NoAccount):
    def over(self, share, kept):
        raise LedgerError("the disk is full")


def test_results_that_cannot_be_written_down_are_left_to_the_same_call():
    machine = Machine()

    def weigh(usable):
        return {"machine": 1.0}

    for account, ends in ((NoAccount(), machine.delivered), (FullDisk(), machine.left)):
        refused = pytest.raises(LedgerError) if isinstance(account, FullDisk) else nullcontext()
        with ThreadPoolExecutor(1) as threads, refused:
            carry(3, {"machine": machine}, machine.run, weigh, threads, 1, account)
        assert ends == ["run of 3"]
    assert machine.delivered == machine.left == ["run of 3"]


def test_a_batch_that_cannot_be_forgotten_is_handed_over(tmp_path, monkeypatch, caplog):
    def fails(self):
        raise LedgerError("the disk is full")

    monkeypatch.setattr(Paid, "forget", fails)
    with Written(tmp_path / "pool.sqlite", "").batch("a batch") as account:
        assert not account.earlier()
    assert "the disk is full" in caplog.text


def test_what_may_be_paid_goes_to_who_is_left_alone_rather_than_to_nobody():
    dealing = Dealing(4, {"machine": False, "other": False, "ill": True})
    (first,) = dealing.deal({"machine": 1.0})
    dealing.failed(first, done=np.array([0]), perhaps_paid=np.array([1, 2]))
    dealt = {share.member: share.rows.tolist() for share in dealing.deal({"other": 1.0})}
    assert dealt == {"ill": [1, 2], "other": [3]}
