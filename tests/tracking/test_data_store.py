"""Batches of a training: what is drawn how often, in which order, for which worker."""

import math

import keras
import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

import qstore_tf as qs
from qstore_tf.errors import ConfigurationError, ItemError, NotFoundError
from qstore_tf.testing.daily import daily_seed
from qstore_tf.tracking import sampling

WEIGHTS = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=40)


@pytest.mark.slow
@seed(daily_seed())
@settings(deadline=None, max_examples=100)
@given(WEIGHTS, st.integers(1, 200), st.integers(0, 2**32), st.integers(0, 9))
def test_a_row_is_drawn_its_share_rounded_up_or_down(weights, draws, number, epoch) -> None:
    found = np.bincount(sampling.order(weights, draws, number, epoch), minlength=len(weights))
    exact = draws * np.array(weights) / math.fsum(weights)
    assert found.sum() == draws
    assert (found >= np.floor(exact - 1e-9)).all() and (found <= np.ceil(exact + 1e-9)).all()


def test_on_average_a_row_is_drawn_exactly_its_share() -> None:
    weights, n = np.array([0.05, 0.15, 0.3, 0.5]), 4000
    draws = [sampling.order(weights, 3, daily_seed(), epoch) for epoch in range(n)]
    share = np.bincount(np.concatenate(draws), minlength=4) / n
    # A count is one of two neighbouring integers: its variance is at most a quarter.
    assert np.abs(share - 3 * weights).max() < 5 * np.sqrt(0.25 / n)


@pytest.fixture
def clock():
    return qs.store.ManualClock(0.0)


@pytest.fixture
def db(clock):
    with qs.store.QuantumDatabase(clock=clock) as made:
        yield made


def filled(db, n: int = 23, d: int = 3) -> qs.tracking.TrainingDataStore:
    rng = np.random.default_rng(daily_seed())
    store = qs.tracking.TrainingDataStore(db)
    vectors = rng.normal(size=(n, d)).astype("float32")
    store.add("n", [f"i{i}" for i in range(n)], vectors, list(range(n))).check()
    return store


@seed(daily_seed())
@settings(deadline=None, max_examples=30)
@given(
    n=st.integers(1, 50),
    count=st.integers(1, 5),
    size=st.integers(1, 6),
    number=st.integers(0, 2**31),
    epochs=st.integers(1, 3),
)
def test_all_numbers_of_workers_see_the_same_batches(n, count, size, number, epochs) -> None:
    with qs.store.QuantumDatabase() as db:
        store, batch = filled(db, n), count * size
        whole = store.dataset("n", batch_size=batch, seed=number)
        parts = [
            store.dataset("n", batch_size=batch, seed=number, shard=(i, count))
            for i in range(count)
        ]
    for _ in range(epochs):
        seen = []
        for step in range(len(whole)):
            x, y = whole[step]
            shares = [part[step] for part in parts]
            assert all(len(share[1]) == size for share in shares)
            np.testing.assert_array_equal(np.concatenate([share[0] for share in shares]), x)
            np.testing.assert_array_equal(np.concatenate([share[1] for share in shares]), y)
            seen += y.tolist()
        # Of equal weights, each row comes once, or once more where batches have to be filled.
        assert set(seen) == set(range(n))
        assert max(seen.count(row) for row in seen) <= -(-len(seen) // n)
        for dataset in (whole, *parts):
            dataset.epoch += 1


def test_epochs_and_seeds_differ_and_come_again(db) -> None:
    store = filled(db)
    one, same = (store.dataset("n", batch_size=23, seed=1) for _ in range(2))
    other = store.dataset("n", batch_size=23, seed=2)
    first = one[0][1].tolist()
    assert same[0][1].tolist() == first != other[0][1].tolist()
    one.epoch = 1
    assert one[0][1].tolist() != first
    one.epoch = 0
    assert one[0][1].tolist() == first


def test_what_happens_to_the_namespace_later_changes_nothing(db, clock) -> None:
    store = filled(db)
    dataset, twin = (store.dataset("n", batch_size=4, seed=3) for _ in range(2))
    before = [batch[0].copy() for batch in (twin[i] for i in range(len(twin)))]
    db.delete([f"i{i}" for i in range(10)], namespace="n")
    db.update("i15", [9.0, 9.0, 9.0], namespace="n")
    clock.advance(1e9)
    for step, x in enumerate(before):
        np.testing.assert_array_equal(dataset[step][0], x)
    later = store.dataset("n")
    assert later.data.commit > dataset.data.commit == twin.data.commit
    assert len(later.ids) == 13


def test_weights_are_those_of_contexts_and_of_decay(db, clock) -> None:
    store = qs.tracking.TrainingDataStore(db)
    contexts = [
        [("a", 0.25), ("b", 0.75)],
        [("a", 0.5, [0.0, 2.0]), ("b", 0.5, [0.0, 3.0])],
        None,
    ]
    vectors = [[1.0, 0.0], [5.0, 5.0], [1.0, 1.0]]
    store.add(
        "n",
        ["p", "q", "r"],
        vectors,
        [0, 1, 2],
        contexts=contexts,
        coherence_time=[None, 100.0, None],
    ).check()
    clock.advance(50.0)
    eta = math.exp(-0.5)

    def rows(**options):
        made = store.dataset("n", **options)
        return [
            (i, v.tolist(), pytest.approx(w))
            for i, v, w in zip(made.ids, made.vectors, made.weights, strict=True)
        ]

    assert rows(context="a") == [("p", [1.0, 0.0], 0.25), ("q", [0.0, 2.0], 0.5 * eta)]
    assert rows(context="a", decay=False)[1] == ("q", [0.0, 2.0], 0.5)
    assert rows(context="a", at_ms=100.0)[1] == ("q", [0.0, 2.0], 0.5 * math.exp(-1))
    assert rows() == [
        ("p", [1.0, 0.0], 1.0),
        ("q", [0.0, 2.0], 0.5 * eta),
        ("q", [0.0, 3.0], 0.5 * eta),
        ("r", [1.0, 1.0], 1.0),
    ]
    with pytest.raises(NotFoundError, match="context 'c'"):
        store.dataset("n", context="c")


@pytest.mark.parametrize(
    ("labels", "dtype", "values"),
    [
        ([3, 1], "int64", [3, 1]),
        ([True, False], "int64", [1, 0]),
        ([0.5, 2.0], "float32", [0.5, 2.0]),
        (["b", "a"], "int64", [1, 0]),
    ],
)
def test_labels_of_each_kind(db, labels, dtype, values) -> None:
    store = qs.tracking.TrainingDataStore(db)
    store.add("n", ["x", "y"], [[1.0], [2.0]], labels).check()
    made = store.dataset("n")
    assert made.labels.dtype == dtype and made.labels.tolist() == values
    assert made.classes == (["a", "b"] if labels == ["b", "a"] else None)


def test_labels_that_are_missing_or_mixed_are_named(db) -> None:
    store = qs.tracking.TrainingDataStore(db)
    store.add("n", ["x"], [[1.0]], ["a"]).check()
    db.insert("y", [2.0], namespace="n")
    with pytest.raises(ItemError, match="'y'"):
        store.dataset("n")
    assert len(store.dataset("n", labels=False)[0]) == 1
    store.add("n", ["y"], [[1.0]], [7])
    with pytest.raises(ItemError, match="labels cannot be used"):
        store.dataset("n")
    with pytest.raises(ItemError, match="one label"):
        store.add("n", ["z"], [[1.0]], [7, 8])


@pytest.mark.parametrize(
    "options",
    [{"shard": (2, 2)}, {"shard": (0, 3), "batch_size": 4}, {"batch_size": 0}, {"seed": -1}],
)
def test_what_makes_no_sense_is_refused(db, options) -> None:
    with pytest.raises(ConfigurationError):
        filled(db).dataset("n", **options)


def fitted(data, epochs: int = 2, **options) -> list[list[float]]:
    """The labels in the order in which a training sees them."""
    seen = []
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])

    class Noting(keras.losses.Loss):
        def call(self, y, predicted):
            seen.append(np.asarray(y).ravel().tolist())
            return predicted * 0.0

    model.compile("sgd", Noting(), run_eagerly=True)
    model.fit(data, epochs=epochs, verbose=0, **options)
    return seen


@pytest.mark.slow
def test_keras_trains_on_it_in_the_order_of_seed_and_epoch(db) -> None:
    store = filled(db, 7)

    def made(**options):
        return store.dataset("n", batch_size=4, seed=5, **options)

    twin = made()
    wanted = [
        twin.labels[twin.rows(epoch, step)].tolist() for epoch in range(4) for step in range(2)
    ]
    plain, passes = made(), made()
    assert fitted(plain, shuffle=False) == fitted(passes.tf_data()) == wanted[:4]
    assert plain.epoch == passes.epoch == 2
    # A second training goes on; one that Keras says to be at epoch 3 is there.
    assert fitted(plain, shuffle=False) == fitted(passes.tf_data()) == wanted[4:]
    for data in (again := made(), (passing := made()).tf_data()):
        followed = again if data is again else passing
        options = {"epochs": 4, "initial_epoch": 3, "callbacks": [followed.follow()]}
        assert fitted(data, shuffle=False, **options) == wanted[6:]
    halves = [fitted(made(shard=(i, 2)).tf_data()) for i in range(2)]
    assert [one + two for one, two in zip(*halves, strict=True)] == wanted[:4]


def test_an_epoch_that_is_only_begun_does_not_count(db) -> None:
    dataset = filled(db, 9).dataset("n", batch_size=3)
    dataset.on_epoch_end()
    dataset.on_epoch_begin()
    dataset[0]
    dataset.on_epoch_end()
    next(iter(dataset.tf_data()))
    assert dataset.epoch == 0
