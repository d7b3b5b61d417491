"""Workers exchange values, hear of losses, and never wait for one that is gone."""

import contextlib
import random
import threading
import time

import pytest

from qstore_tf.distribute.group.group import Group
from qstore_tf.distribute.group.meeting import Meeting
from qstore_tf.distribute.group.stopping import StopAgreement
from qstore_tf.errors import WorkerLostError, WorkerMismatchError
from tests.distribute.rendezvous import clusters, groups, in_threads


def test_alone_everything_returns_at_once() -> None:
    group = Group(Meeting(clusters(1)[0]))
    assert group.exchange("a", 1) == [1]
    agreement = StopAgreement(group)
    assert not agreement.completed(1)
    agreement.ask()
    assert [agreement.completed(step) for step in (2, 3)] == [False, True]
    group.finish()


def test_all_workers_get_the_values_of_all_in_order() -> None:
    with groups(4) as made:

        def talk(group: Group) -> list[list[object]]:
            index = group.cluster.index
            results = []
            for turn in range(20):
                time.sleep(random.Random(index * 100 + turn).uniform(0, 0.003))
                results.append(group.exchange(f"turn {turn}", [index, turn]))
            return results

        expected = [[[index, turn] for index in range(4)] for turn in range(20)]
        for future in in_threads([lambda g=group: talk(g) for group in made]):
            assert future.result() == expected


def test_workers_that_make_different_calls_get_an_error() -> None:
    with groups(3) as made:
        names = ["fit", "fit", "evaluate"]
        for future in in_threads(
            [lambda g=g, n=n: g.exchange(n, 0) for g, n in zip(made, names, strict=True)]
        ):
            with pytest.raises(WorkerMismatchError, match="worker 2: evaluate"):
                future.result()


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_wait_for_a_lost_worker_raises_an_error_that_names_it(gone: int) -> None:
    heard: list[str] = []
    with groups(3, on_loss=lambda error: heard.append(str(error))) as made:
        stay = [group for group in made if group.cluster.index != gone]

        def wait(group: Group) -> None:
            with pytest.raises(WorkerLostError, match=rf"Worker {gone} \("):
                group.exchange("x", 0)

        def leave() -> None:
            time.sleep(0.1)
            made[gone].abandon()

        for future in in_threads([leave, *(lambda g=group: wait(g) for group in stay)]):
            future.result()
        deadline = time.monotonic() + 5
        while len(heard) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(heard) == 2
        assert all(group.lost is not None for group in stay)


@pytest.mark.parametrize("first", [0, 1, 2])
def test_a_wait_for_a_worker_that_has_finished_raises_an_error(first: int) -> None:
    heard: list[str] = []
    with groups(3, on_loss=lambda error: heard.append(str(error))) as made:

        def wait_for_the_others() -> None:
            with contextlib.suppress(WorkerLostError):  # they leave at the end of this test
                made[first].finish()

        threading.Thread(target=wait_for_the_others, daemon=True).start()
        for group in made:
            if group is not made[first] and 0 in (first, group.cluster.index):
                time.sleep(0.1)
                with pytest.raises(WorkerMismatchError, match=f"worker {first}: finished"):
                    group.exchange("x", 0)
        assert not heard


def test_an_answer_is_not_overtaken_by_the_good_bye_after_it() -> None:
    for _ in range(10):
        with groups(2) as made:

            def last_words(group: Group) -> list[object]:
                values = group.exchange("last", group.cluster.index)
                group.finish()
                return values

            for future in in_threads([lambda g=group: last_words(g) for group in made]):
                assert future.result() == [0, 1]


@pytest.mark.parametrize("last", [0, 1, 2])
def test_a_worker_that_has_finished_waits_for_the_last_one(last: int) -> None:
    with groups(3) as made:
        ended: list[int] = []

        def end(group: Group) -> None:
            group.finish()
            ended.append(group.cluster.index)

        others = [group for group in made if group.cluster.index != last]
        threads = [threading.Thread(target=end, args=(group,)) for group in others]
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        assert not ended
        made[last].finish()
        for thread in threads:
            thread.join(5)
        assert sorted(ended) == sorted(group.cluster.index for group in others)


def test_a_worker_that_has_finished_hears_of_a_loss() -> None:
    with groups(3) as made:
        lost = threading.Timer(0.2, made[2].abandon)
        lost.start()
        for future in in_threads([made[0].finish, made[1].finish]):
            with pytest.raises(WorkerLostError, match="Worker 2"):
                future.result()


def test_messages_that_make_no_sense_end_the_connection() -> None:
    with groups(2) as made:
        made[1].send(0, {"kind": "give", "turn": "x"})
        made[1].send(0, {"no": "kind"})
        with pytest.raises(WorkerLostError):
            made[0].exchange("x", 0)


@pytest.mark.parametrize("seed", range(12))
def test_all_stop_after_the_same_step_at_any_request(seed: int) -> None:
    """Workers in lockstep, by a barrier in each step, that lag behind each other at random."""
    drawn = random.Random(seed)
    count = drawn.choice([2, 3, 4])
    askers = [drawn.randrange(count) for _ in range(drawn.choice([1, 2]))]
    asked_at = drawn.randrange(1, 6)
    barrier = threading.Barrier(count, timeout=20)
    with groups(count) as made:

        def train(group: Group) -> int:
            index, pause = group.cluster.index, random.Random(seed * 10 + group.cluster.index)
            agreement = agreements[index]
            for step in range(1, 100):
                barrier.wait()  # the gradients of the step
                time.sleep(pause.uniform(0, 0.004))
                if index in askers and step == asked_at:
                    threading.Thread(target=agreement.ask).start()
                if agreement.completed(step):
                    return step
            raise AssertionError("nobody stopped")

        agreements = [StopAgreement(group) for group in made]
        futures = in_threads([lambda g=group: train(g) for group in made])
        steps = {future.result() for future in futures}
        assert len(steps) == 1
        # A message may take as long as some steps.
        assert asked_at <= steps.pop() <= asked_at + 10


def test_a_loss_ends_the_wait_for_the_agreement() -> None:
    with groups(2) as made:
        agreements = [StopAgreement(group) for group in made]
        made[1].handle("stop?", lambda index, message: None)  # it never answers
        agreements[0].ask()
        deadline = time.monotonic() + 5
        while agreements[0]._limit is None and time.monotonic() < deadline:
            time.sleep(0.01)
        threading.Timer(0.2, made[1].abandon).start()
        with pytest.raises(WorkerLostError):
            agreements[0].completed(1)
