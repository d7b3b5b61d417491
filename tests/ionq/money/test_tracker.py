"""Costs of jobs: each counted once, exactly, by what one asks for."""

import json
import threading
from decimal import Decimal

import pytest

from qstore_tf.errors import ConfigurationError, PriceError
from qstore_tf.ionq.money.tracker import CostTracker, record


def filled(path=None):
    tracker = CostTracker(path)
    usd = {"currency": "USD", "target": "qpu.forte-1"}
    tracker.record("a", phase="train", layer="q1", shots=10, circuits=2, estimated="0.3", **usd)
    tracker.record("b", phase="train", layer="q2", shots=20, gates_1q=7, billed="0.1", **usd)
    tracker.record("c", phase="predict", shots=30, billed="0.2", queue_s=1.5, run_s=1, **usd)
    tracker.record("d", phase="predict", billed="5", currency="EUR", target="qpu.other")
    tracker.record("e", target="simulator", shots=40)
    return tracker


def test_totals_by_any_name_are_exact_and_keep_currencies_apart():
    tracker = filled()
    by_phase = {(t.group, t.currency): t for t in tracker.totals("phase")}
    assert by_phase.keys() == {
        (("train",), "USD"),
        (("predict",), "USD"),
        (("predict",), "EUR"),
        (("",), ""),
    }
    train = by_phase[("train",), "USD"]
    assert (train.jobs, train.circuits, train.shots, train.gates_1q) == (2, 2, 30, 7)
    assert (train.estimated, train.billed, train.unbilled) == (Decimal("0.3"), Decimal("0.1"), 1)
    assert tracker.total().billed == Decimal("0.3")
    assert tracker.total("EUR").billed == 5
    assert len(tracker.totals()) == 3
    assert {t.group: t.jobs for t in tracker.totals("target", "layer")} == {
        ("qpu.forte-1", "q1"): 1,
        ("qpu.forte-1", "q2"): 1,
        ("qpu.forte-1", ""): 1,
        ("qpu.other", ""): 1,
        ("simulator", ""): 1,
    }
    assert [t.group for t in tracker.totals("token")] == [("a",), ("b",), ("c",), ("d",), ("e",)]


def test_a_job_told_again_is_the_same_job():
    tracker = filled()
    tracker.record("a", billed="0.25", job_id="id-1", run_s=3)
    tracker.record("a", billed="0.25")
    (job,) = [job for job in tracker.jobs() if job.token == "a"]
    assert (job.billed, job.estimated, job.shots) == (Decimal("0.25"), Decimal("0.3"), 10)
    assert (job.job_id, job.run_s, job.layer) == ("id-1", 3.0, "q1")
    assert len(tracker.jobs()) == 5


def test_what_is_recorded_is_there_after_a_restart(tmp_path):
    path = tmp_path / "costs.sqlite"
    before = filled(path)
    assert CostTracker(path).jobs() == before.jobs()


def test_the_dictionary_is_json_and_the_table_has_a_line_for_each_group():
    tracker = filled()
    found = json.loads(json.dumps(tracker.to_dict()))
    assert found["jobs"][1]["billed"] == "0.1" and found["jobs"][0]["billed"] is None
    assert sum(each["jobs"] for each in found["totals"]) == 5
    lines = tracker.table("phase").splitlines()
    assert lines[0].split()[:3] == ["phase", "currency", "jobs"]
    words = lines[1].split()
    assert words == ["train", "USD", "2", "2", "30", "7", "0", "0.3", "0.1", "1", "0", "s"]
    assert str(tracker) == tracker.table("target", "phase")
    assert CostTracker().table("phase").count("\n") == 0


def test_entered_trackers_are_told_all_jobs_once():
    mine = CostTracker()
    with CostTracker() as outer:
        record("a", shots=1)
        with CostTracker() as inner:
            record("b", trackers=[mine, None, inner, mine], shots=2)
        record("c", shots=4)
    record("d", shots=8)
    shots = [sum(job.shots for job in tracker.jobs()) for tracker in (outer, inner, mine)]
    assert shots == [7, 2, 2]


def test_threads_lose_nothing_and_count_nothing_twice():
    tracker = CostTracker()

    def work(number):
        for k in range(25):
            tracker.record(f"own {number} {k}", billed="0.1", currency="USD")
            tracker.record(f"same {k}", billed="0.1", currency="USD", **{"run_s": number})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total = tracker.total()
    assert total.jobs == 8 * 25 + 25
    assert total.billed == Decimal("22.5")


@pytest.mark.parametrize(
    ("known", "error", "message"),
    [
        ({"bill": 1}, ConfigurationError, "Did you mean 'billed'"),
        ({"shots": -1}, ConfigurationError, "no count"),
        ({"phase": "test"}, ConfigurationError, "no phase"),
        ({"layer": 5}, ConfigurationError, "no name"),
        ({"layer": "a" * 201}, ConfigurationError, "no name"),
        ({"run_s": float("nan")}, ConfigurationError, "no time"),
        ({"queue_s": -1}, ConfigurationError, "no time"),
        ({"billed": 0.1, "currency": "USD"}, PriceError, "no amount"),
        ({"billed": "1", "currency": "credit"}, PriceError, "credits"),
        ({"billed": "1"}, PriceError, "need one currency"),
    ],
)
def test_wrong_records_are_refused(known, error, message):
    tracker = CostTracker()
    with pytest.raises(error, match=message):
        tracker.record("a", **known)
    assert tracker.jobs() == []


def test_a_job_has_one_currency():
    tracker = filled()
    with pytest.raises(PriceError, match="need one currency"):
        tracker.record("a", billed="1", currency="EUR")
    with pytest.raises(ConfigurationError, match="no name"):
        tracker.record("")
    with pytest.raises(ConfigurationError, match="cannot be summed by this"):
        tracker.totals("phases")
