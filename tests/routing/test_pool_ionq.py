"""The Pool with local IonQs: what was paid for is kept, found again, and never paid for twice."""

import logging
import threading
import time
from collections import Counter

import keras
import numpy as np
import pytest

from qstore_tf.backends.arrays.base import as_batch
from qstore_tf.backends.arrays.ionq import IonQ
from qstore_tf.circuits import UnifiedCircuit, compile_circuit, parse_observables, reference
from qstore_tf.errors import BudgetExceededError, JobFailedError, ShareError
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.layers import QuantumLayer
from qstore_tf.routing import Pool
from qstore_tf.testing.daily import daily_seed

SIMPLE = compile_circuit(
    UnifiedCircuit(2).add_gate("RY", 0, "x").add_gate("CX", [0, 1]).add_gate("RX", 1, "a"),
    inputs=["x"],
)
Z = tuple(parse_observables(["Z", "Z"], 2))


@pytest.fixture(autouse=True)
def a_key(monkeypatch):
    monkeypatch.setenv("IONQ_API_KEY", "a-key")


def simple(rows=12, seed=0):
    inputs = np.random.default_rng([daily_seed(), seed]).uniform(-3, 3, (rows, 1))
    return as_batch(SIMPLE, inputs, [0.3])


def check(found, batch, shots=100):
    wanted = reference.expectation(SIMPLE, Z, batch.inputs, batch.theta)
    np.testing.assert_allclose(found, wanted, atol=6 / np.sqrt(shots))
    # Rows in another order would be far off.
    assert np.abs(found - np.roll(wanted, 1, axis=0)).max() > 6 / np.sqrt(shots)


def paid(emulator, version="v0.4", **options):
    url = emulator.url.replace("v0.4", version)
    return IonQ("qpu.forte-1", 100, url=url, unreachable_s=1.0, **options)


def with_speeds(pool, speeds):
    by_name = dict(zip([member.name for member in pool.members], speeds, strict=True))
    pool._speed = lambda member, *_: by_name[member.name]
    return pool


def billed(*emulators):
    """How many circuits each server has run, that are paid for."""
    return [
        sum(job.n_circuits for job in each.jobs() if job.computed and not job.failure)
        for each in emulators
    ]


def test_three_servers_share_a_batch_and_each_circuit_is_billed_once(start_ionq_emulator):
    emulators = [start_ionq_emulator(machine_noise=False) for _ in range(3)]
    pool = Pool([paid(each) for each in emulators])
    assert [m.name for m in pool.members][1] == "ionq:qpu.forte-1_2" and pool.remote
    batch = simple(12)
    check(pool.expectation(batch, Z, [1, 2]), batch)
    assert billed(*emulators) == [4, 4, 4]
    check(pool.expectation(batch, Z, [1, 2]), batch)  # that was delivered: this is new work
    assert sum(billed(*emulators)) == 24


def test_with_an_ideal_simulator_the_partition_changes_nothing(start_ionq_emulator):
    emulators = [start_ionq_emulator() for _ in range(3)]
    made = [IonQ("simulator", 50, url=each.url) for each in emulators]
    batch = simple(13)
    wanted = Pool(made[:1]).expectation(batch, Z, [5, 7])
    drawn = Pool(made[:1]).sample(batch, 9, [5, 7])
    for seed in range(3):
        speeds = np.random.default_rng([daily_seed(), seed]).exponential(1, 3)
        pool = with_speeds(Pool(made), speeds)
        np.testing.assert_array_equal(pool.expectation(batch, Z, [5, 7]), wanted)
        np.testing.assert_array_equal(pool.sample(batch, 9, [5, 7]), drawn)
    assert len({tuple(row) for row in wanted}) > 3


def test_a_noisy_simulator_gets_another_seed_for_each_share(start_ionq_emulator):
    emulators = [start_ionq_emulator() for _ in range(2)]
    pool = Pool([IonQ("simulator", 50, noise="aria-1", url=each.url) for each in emulators])
    pool.expectation(simple(8), Z, [5, 7])
    seeds = [each.jobs()[0].noise_seed for each in emulators]
    assert seeds[0] != seeds[1]


def test_of_a_share_that_fails_half_way_what_is_done_is_kept(start_ionq_emulator):
    """One circuit a job (v0.3), so that some of a share's jobs are done and one has failed."""
    first = start_ionq_emulator(machine_noise=False)
    other = start_ionq_emulator(machine_noise=False)
    first.set_faults({"name": "failed_job", "after": 2})
    pool = Pool([paid(first, "v0.3", max_in_flight=1), paid(other, "v0.3")])
    batch = simple(12)
    check(pool.expectation(batch, Z, [1, 2]), batch)
    # Two were done before, the third has failed; what is left went to the other.
    assert billed(first, other) == [2, 10]
    assert pool.telemetry()["moved"] == 4


def test_what_may_run_yet_goes_to_who_costs_nothing(start_ionq_emulator, caplog):
    caplog.set_level(logging.CRITICAL, "qstore_tf")
    first = start_ionq_emulator(machine_noise=False, run_s=60.0)
    other = start_ionq_emulator(machine_noise=False)
    pool = Pool([paid(first, deadline_s=3.0), paid(other), "native"]).with_shots(100)
    with_speeds(pool, [1.0, 1.0, 1e-9])
    batch = simple(12)
    check(pool.expectation(batch, Z, [1, 2]), batch)
    assert billed(other) == [6] and pool.statistics()["native"]["circuits"] == 6


def test_else_an_error_has_the_facts_and_the_same_call_takes_it_up(start_ionq_emulator, caplog):
    caplog.set_level(logging.CRITICAL, "qstore_tf")
    first = start_ionq_emulator(machine_noise=False, run_s=5.0)
    other = start_ionq_emulator(machine_noise=False)
    pool = Pool([paid(first, deadline_s=3.0), paid(other)])
    batch = simple(12)
    with pytest.raises(ShareError, match="may have been paid for") as caught:
        pool.expectation(batch, Z, [1, 2])
    error = caught.value
    assert error.rows == error.perhaps_paid == (0, 1, 2, 3, 4, 5)
    assert error.job_ids == (first.jobs()[0].id,) and error.spent
    assert error.kept.done.tolist() == [6, 7, 8, 9, 10, 11]
    time.sleep(3.0)  # meanwhile it ends
    # Another Pool, as in another process, with another seed and speeds.
    pool = with_speeds(Pool([paid(first, deadline_s=30.0), paid(other)]), [0.0, 1.0])
    check(pool.expectation(batch, Z, [3, 4]), batch)
    assert billed(first, other) == [6, 6]


def test_one_that_dies_in_the_middle_loses_nothing(start_ionq_emulator, caplog):
    caplog.set_level(logging.CRITICAL, "qstore_tf")
    emulators = [start_ionq_emulator(run_s=0.5) for _ in range(3)]
    pool = Pool([IonQ("simulator", url=each.url, unreachable_s=1.0) for each in emulators])
    batch = simple(30)

    def kill() -> None:
        while not emulators[1].jobs():  # it dies with a job, however slow this machine is
            time.sleep(0.01)
        time.sleep(0.1)  # and when that was answered
        emulators[1].__exit__(None, None, None)

    killer = threading.Thread(target=kill)
    killer.start()
    found = pool.expectation(batch, Z)
    killer.join()
    np.testing.assert_allclose(
        found, reference.expectation(SIMPLE, Z, batch.inputs, batch.theta), atol=1e-6
    )
    assert pool.telemetry()["moved"] == 10
    assert pool.members[1].breaker.trips == 1  # at once: nothing will succeed there
    pool.expectation(batch, Z)
    assert pool.statistics()["ionq:simulator_2"]["failures"] == 1


def test_an_empty_budget_moves_the_share_and_nothing_is_sent(start_ionq_emulator, caplog):
    caplog.set_level(logging.CRITICAL, "qstore_tf")
    first, other = (start_ionq_emulator(machine_noise=False) for _ in range(2))
    poor = paid(first, budget=Budget(usd="0.01"))
    pool = Pool([poor, paid(other, budget=Budget(usd=10_000))])
    batch = simple(12)
    check(pool.expectation(batch, Z, [1, 2]), batch)
    assert billed(first, other) == [0, 12] and not first.jobs()
    assert pool.members[0].breaker.state == "closed"
    with pytest.raises(ShareError) as caught:
        Pool([paid(first), paid(other)], budget="0.01").expectation(batch, Z, [1, 2])
    assert all(isinstance(each, BudgetExceededError) for each in caught.value.errors.values())
    assert not caught.value.perhaps_paid


def test_one_budget_pays_for_all_members(start_ionq_emulator):
    emulators = [start_ionq_emulator(machine_noise=False) for _ in range(2)]
    budget = Budget(usd=10_000)
    Pool([paid(each) for each in emulators], budget=budget).expectation(simple(), Z, [1, 2])
    assert budget.balance.spent.money > 0 and not budget.balance.reserved.money


def test_a_job_that_failed_and_was_billed_all_the_same_runs_nowhere_that_costs(
    start_ionq_emulator, caplog
):
    caplog.set_level(logging.CRITICAL, "qstore_tf")
    first, other = (start_ionq_emulator(machine_noise=False) for _ in range(2))
    first.set_faults({"name": "failed_job", "billed": True})
    with pytest.raises(ShareError) as caught:
        Pool([paid(first), paid(other)]).expectation(simple(), Z, [1, 2])
    assert len(caught.value.perhaps_paid) == 6 and billed(other) == [6]
    assert isinstance(caught.value.errors["ionq:qpu.forte-1"], JobFailedError)


def test_two_calls_with_the_same_batch_at_the_same_time_are_two(start_ionq_emulator):
    emulators = [start_ionq_emulator(machine_noise=False, run_s=0.3) for _ in range(2)]
    pool, batch, found = Pool([paid(each) for each in emulators]), simple(), []
    threads = [
        threading.Thread(target=lambda: found.append(pool.expectation(batch, Z, [1, 2])))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in found:
        check(each, batch)
    assert len(found) == 2 and sum(billed(*emulators)) == 24


def test_fit_on_three_local_ionqs(start_ionq_emulator):
    emulators = [start_ionq_emulator() for _ in range(3)]
    pool = Pool([IonQ("simulator", url=each.url) for each in emulators])
    rng = np.random.default_rng(0)
    x = rng.normal(size=(12, 2)).astype(np.float32)
    y = (x[:, :1] * x[:, 1:] > 0).astype(np.float32)
    losses = []
    for backend in (pool, "native"):
        keras.utils.set_random_seed(3)
        model = keras.Sequential(
            [
                keras.layers.Input((2,)),
                QuantumLayer(2, depth=1, backend=backend, gradient="parameter_shift"),
                keras.layers.Dense(1, activation="sigmoid"),
            ]
        )
        model.compile("adam", "binary_crossentropy")
        losses.append(model.fit(x, y, epochs=2, batch_size=6, verbose=0, shuffle=False))
    np.testing.assert_allclose(losses[0].history["loss"], losses[1].history["loss"], rtol=1e-4)
    circuits = Counter({each.url: sum(j.n_circuits for j in each.jobs()) for each in emulators})
    assert min(circuits.values()) > 0.5 * max(circuits.values())
