"""Results in every shape become outcomes in our order of bits; nothing broken passes."""

import json
import time

import numpy as np
import pytest

from qstore_tf.errors import ResultsError
from qstore_tf.ionq.service.outcomes import joined
from qstore_tf.ionq.service.results import decode
from qstore_tf.testing.daily import daily_seed


def key_of(state, n):
    return str(int(f"{state:0{n}b}"[::-1], 2))


def random_tables(rng, count, n):
    tables = []
    for _ in range(count):
        weights = rng.dirichlet(np.ones(1 << n)) * (rng.random(1 << n) < 0.6)
        weights[rng.integers(1 << n)] += 0.1
        tables.append(weights / weights.sum())
    return tables


def document_of(tables, n):
    return {
        f"child-{k}": {key_of(s, n): float(p) for s, p in enumerate(table) if p}
        for k, table in enumerate(tables)
    }


@pytest.mark.parametrize("n", [1, 2, 5, 7])
def test_many_circuits_are_read_as_they_were_written(n):
    rng = np.random.default_rng([daily_seed(), n])
    tables = random_tables(rng, 20, n)
    document = json.loads(json.dumps(document_of(tables, n)))
    [found] = decode(document, [n] * 20, None)
    np.testing.assert_allclose(found.dense(), tables, atol=1e-15)
    np.testing.assert_allclose(np.add.reduceat(found.probabilities, found.starts[:-1]), 1)
    for row in range(20):
        states = found.states[found.starts[row] : found.starts[row + 1]]
        assert (np.diff(states) > 0).all()
    # Where the job lists its circuits, their order counts, whatever that of the document.
    children = [f"child-{k}" for k in range(20)]
    shuffled = dict(sorted(document.items(), key=lambda pair: hash(pair[0])))
    [again] = decode(shuffled, [n] * 20, None, children)
    np.testing.assert_array_equal(again.states, found.states)


def test_circuits_of_different_widths_come_in_stretches():
    document = {"a": {"1": 1.0}, "b": {"1": 0.5, "4": 0.5}, "c": {"6": 1.0}}
    first, second = decode(document, [1, 3, 3], 10)
    assert (first.n_wires, first.states.tolist()) == (1, [1])
    assert (second.n_wires, second.states.tolist()) == (3, [1, 4, 3])


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (None, "no table"),
        ([], "no table"),
        ({}, "no table"),
        ({"0": 0.5, "3": 0.49}, "do not add up"),
        ({"0": 0.5, "3": float("nan")}, "impossible"),
        ({"0": -0.5, "3": 1.5}, "impossible"),
        ({"0": float("inf")}, "impossible"),
        ({"0": 10**400}, "no number"),
        ({"0": True}, "no number"),
        ({"0": "1.0"}, "no number"),
        ({"0": None}, "no number"),
        ({"4": 1.0}, "a state that there is not"),
        ({"-1": 1.0}, "a state that there is not"),
        ({"00": 1.0}, "a state that there is not"),
        ({"1_0": 1.0}, "a state that there is not"),
        ({"٣": 1.0}, "a state that there is not"),
        ({" 1": 1.0}, "a state that there is not"),
        ({"": 1.0}, "a state that there is not"),
        ({"9" * 5000: 1.0}, "a state that there is not"),
        ({"a": {"0": 1.0}, "b": {"0": 1.0}}, "wrong number of circuits"),
        ({"a": {"0": 1.0}, "b": 1.0}, "side by side"),
        ({"a": {}}, "no outcome"),
    ],
)
def test_what_is_broken_is_an_error(document, expected):
    with pytest.raises(ResultsError, match=expected):
        decode(document, [2], 100)


def test_one_shot_of_many_that_is_missing_is_noticed():
    with pytest.raises(ResultsError, match="do not add up"):
        decode({"0": 0.5, "1": 0.499999}, [1], 1_000_000)


def test_other_circuits_than_those_of_the_job_are_an_error():
    with pytest.raises(ResultsError, match="other circuits"):
        decode({"a": {"0": 1.0}, "b": {"0": 1.0}}, [1, 1], 10, ["a", "c"])


def test_draws_are_the_counts_that_were_sent():
    rng = np.random.default_rng([daily_seed(), 1])
    for shots in (1, 7, 1000, 99_991):
        counts = rng.multinomial(shots, rng.dirichlet(np.ones(8)), size=5)
        document = {
            str(k): {key_of(s, 3): float(c) / shots for s, c in enumerate(row) if c}
            for k, row in enumerate(counts)
        }
        [found] = decode(document, [3] * 5, shots)
        drawn = found.draws(shots)
        for row in range(5):
            assert np.bincount(drawn[row], minlength=8).tolist() == counts[row].tolist()
        # A number of draws that the probabilities do not fit is kept too.
        assert found.draws(13).shape == (5, 13)
        parts = joined([found.part(0, 2), found.part(2, 5)])
        np.testing.assert_array_equal(parts.dense(), found.dense())


def test_a_thousand_circuits_of_six_qubits_are_read_at_once():
    rng = np.random.default_rng(5)
    document = document_of(rng.dirichlet(np.ones(64), 1000), 6)
    decode(document, [6] * 1000, None)
    took = []
    for _ in range(5):
        begin = time.process_time()
        decode(document, [6] * 1000, None)
        took.append(time.process_time() - begin)
    assert min(took) < 0.05, took
